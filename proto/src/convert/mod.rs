//! The one border between wire and model, in both directions.
//!
//! Called by the control plane's `api/` and by a node's subscriber. A conversion reports *every* bad field; an enum
//! value that we do not know is a rejection, never a default. It decides nothing about the meaning of a
//! configuration: that is `penstock_model::validate`.

mod delta;
mod deployment;
mod discovery;
mod domain;
mod explain;
mod impact;
mod integration;
mod method;
mod resource;
mod rest_api;
#[cfg(test)]
mod samples;

pub use delta::{manifest_delta_from_wire, manifest_delta_to_wire};
pub use deployment::number;
pub use discovery::{
    BundleDecodeError, bundle_hash, decode_bundle, encode_bundle, manifest_from_wire, manifest_root_hash,
    manifest_to_wire,
};
pub use domain::base_path;
pub use method::verb;
pub use rest_api::fidelity;

use penstock_model::id::Revision;
use penstock_model::violation::{Violations, Warning};

/// A field of a message that cannot become part of the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConvertError {
    /// The field's path below the message, in the spelling of the JSON mapping.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl From<ConvertError> for Violations {
    fn from(error: ConvertError) -> Self {
        Self::one(error.field, error.reason)
    }
}

/// What one conversion finds: reads fields one after the other, and keeps every error for the end.
#[derive(Debug, Default)]
struct Reader {
    violations: Violations,
}

impl Reader {
    /// Takes the value, or notes why there is none.
    fn take<T>(&mut self, result: Result<T, ConvertError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.violations.add(error.field, error.reason);
                None
            }
        }
    }

    /// Takes what lies below `field`, or notes everything that is wrong with it.
    fn below<T>(&mut self, field: &str, result: Result<T, Violations>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(violations) => {
                self.violations.add_below(field, violations);
                None
            }
        }
    }

    /// `value` when every field was good.
    fn finish<T>(self, value: T) -> Result<T, Violations> {
        self.violations.into_result(value)
    }
}

fn error(field: &str, reason: impl Into<String>) -> ConvertError {
    ConvertError { field: field.to_owned(), reason: reason.into() }
}

/// Reads an enum of the wire; numbers outside of it are an error.
fn known<W: TryFrom<i32>>(field: &str, number: i32) -> Result<W, ConvertError> {
    W::try_from(number).map_err(|_| error(field, format!("has the unknown value {number}")))
}

fn revision(number: i64) -> Result<Revision, ConvertError> {
    if number < 0 {
        return Err(error("revision", "must be 0, which means any, or the revision that the object should have"));
    }
    Ok(Revision(number))
}

/// Milliseconds since 1970; an absent date is 0, as in the model.
fn millis(field: &str, date: Option<prost_types::Timestamp>) -> Result<i64, ConvertError> {
    let Some(date) = date else { return Ok(0) };
    if !(0..1_000_000_000).contains(&date.nanos) {
        return Err(error(field, "must have between 0 and 999999999 nanos"));
    }
    date.seconds
        .checked_mul(1_000)
        .and_then(|ms| ms.checked_add(i64::from(date.nanos / 1_000_000)))
        .ok_or_else(|| error(field, "is outside of the calendar"))
}

/// A date of so many milliseconds since 1970; 0 is an absent one.
pub fn timestamp(ms: i64) -> Option<prost_types::Timestamp> {
    // Both parts fit: the remainder is below 1000, so nanos stay below 10^9.
    let nanos = i32::try_from(ms.rem_euclid(1_000)).unwrap_or_default() * 1_000_000;
    (ms != 0).then(|| prost_types::Timestamp { seconds: ms.div_euclid(1_000), nanos })
}

impl From<Warning> for crate::management::v1::Warning {
    fn from(warning: Warning) -> Self {
        Self { field: warning.field, message: warning.message }
    }
}

impl From<crate::management::v1::Warning> for Warning {
    fn from(warning: crate::management::v1::Warning) -> Self {
        Self { field: warning.field, message: warning.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_survive_and_an_absent_one_is_zero() {
        for ms in [1, 999, 1_000, 1_763_000_000_123, -1, -1_500] {
            assert_eq!(millis("createdDate", timestamp(ms)), Ok(ms));
        }
        assert_eq!(timestamp(0), None);
        assert_eq!(millis("createdDate", None), Ok(0));
    }

    #[test]
    fn impossible_dates_and_revisions_are_named() {
        let far = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        assert_eq!(millis("createdDate", Some(far)).map_err(|e| e.field), Err("createdDate".to_owned()));
        let odd = prost_types::Timestamp { seconds: 1, nanos: -1 };
        assert!(millis("createdDate", Some(odd)).is_err());
        assert!(revision(-1).is_err());
        assert_eq!(revision(7), Ok(Revision(7)));
    }
}
