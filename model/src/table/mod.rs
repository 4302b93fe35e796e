//! The compiled routing table.

use crate::bundle::{Bundle, BundleKey};
use crate::violation::Violations;

/// One (API, stage) pair, compiled.
#[derive(Debug)]
pub struct StageTable {
    key: BundleKey,
}

impl StageTable {
    /// Compiles a bundle.
    ///
    /// # Errors
    /// Every rule that the bundle breaks.
    pub fn compile(bundle: &Bundle) -> Result<Self, Violations> {
        Ok(Self { key: bundle.key() })
    }

    /// Which bundle this is.
    pub fn key(&self) -> &BundleKey {
        &self.key
    }

    /// Number of (resource, method) pairs.
    pub fn route_count(&self) -> usize {
        0
    }
}
