//! Identifiers and counters. Identifiers are opaque strings: nothing here or elsewhere reads meaning out of them. Their text is
//! shared by clones, since each change of a large configuration lists them all anew.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into().into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether there is no text: the object has no identifier yet.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// Names a REST API; 10 lower-case letters and digits when we make it.
    RestApiId
);
text_id!(
    /// Names a resource within its API.
    ResourceId
);
text_id!(
    /// Names a deployment within its API.
    DeploymentId
);
text_id!(
    /// Names a stage within its API: `[A-Za-z0-9_-]{1,128}`.
    StageName
);
text_id!(
    /// Names a data-plane process in its fleet.
    NodeId
);

/// How often one object has changed; starts at 1. Zero means "any" in a request and "not stored" in an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl Revision {
    /// Of an object that was just made.
    pub const FIRST: Self = Self(1);

    /// The revision after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Whether a caller who expects `self` may change an object that is at `stored`.
    pub fn permits(self, stored: Self) -> bool {
        self.0 == 0 || self == stored
    }
}

/// The number of a published configuration. Only grows, also across restarts; 0 means none. 63 bits: SQLite is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_of_zero_permits_every_change_and_another_only_its_own() {
        assert!(Revision(0).permits(Revision(7)));
        assert!(Revision(7).permits(Revision(7)));
        assert!(!Revision(6).permits(Revision(7)));
    }
}
