//! What travels to the nodes: a [`Bundle`] for each (API, stage) pair, and the [`Manifest`] that lists them.

mod delta;

pub use delta::ManifestDelta;

use crate::definition::ApiDefinition;
use crate::deployment::Stage;
use crate::domain::BasePathMapping;
use crate::id::{RestApiId, Revision, StageName, Version};
use std::fmt;
use std::sync::Arc;

/// SHA-256 of canonical bytes: of an encoded bundle, or of a manifest (then called its root hash).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Reads exactly 32 bytes; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    /// Lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which bundle: there is at most one for an (API, stage) pair in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleKey {
    /// The API.
    pub rest_api_id: RestApiId,
    /// Its stage.
    pub stage_name: StageName,
}

/// Everything that one (API, stage) pair needs to serve.
///
/// Invariant: both parts are normalised, so equal content encodes to equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The deployed snapshot.
    pub definition: ApiDefinition,
    /// The stage that serves it.
    pub stage: Stage,
    /// The snapshot that the stage's canary serves; `None` when there is no canary, or one that only has other variables.
    pub canary: Option<Box<ApiDefinition>>,
}

impl Bundle {
    /// Normalises both parts.
    pub fn new(mut definition: ApiDefinition, mut stage: Stage) -> Self {
        definition.normalise();
        stage.created_at_ms = 0;
        stage.last_updated_at_ms = 0;
        stage.revision = Revision::default();
        Self { definition, stage, canary: None }
    }

    /// The same with the snapshot of the stage's canary, normalised too.
    pub fn with_canary(self, mut canary: ApiDefinition) -> Self {
        canary.normalise();
        Self { canary: Some(Box::new(canary)), ..self }
    }

    /// Which bundle this is.
    pub fn key(&self) -> BundleKey {
        BundleKey { rest_api_id: self.definition.rest_api.id.clone(), stage_name: self.stage.stage_name.clone() }
    }
}

/// A bundle's entry in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRef {
    /// Which pair.
    pub key: BundleKey,
    /// Of its bytes.
    pub hash: Hash,
    /// Length of its bytes.
    pub size_bytes: u64,
}

/// The complete list of what serves. Nodes activate manifests, never loose parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Only grows.
    pub version: Version,
    /// Of everything below.
    pub root_hash: Hash,
    /// Ordered by key.
    pub bundles: Vec<BundleRef>,
    /// Ordered by domain, then base path. Shared with the manifest before, if that has the same.
    pub base_path_mappings: Arc<[BasePathMapping]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_of_equal_content_are_equal_whatever_their_dates() {
        let stage = Stage { created_at_ms: 5, revision: Revision(3), ..Stage::default() };
        let a = Bundle::new(ApiDefinition::default(), stage);
        assert_eq!(a, Bundle::new(ApiDefinition::default(), Stage::default()));
    }

    #[test]
    fn hashes_print_as_hexadecimal() {
        let mut bytes = [0; 32];
        bytes[31] = 0xa5;
        assert!(Hash(bytes).to_string().ends_with("00a5"));
        assert_eq!(Hash::from_slice(&bytes), Some(Hash(bytes)));
        assert_eq!(Hash::from_slice(&bytes[1..]), None);
    }
}
