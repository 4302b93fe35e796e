//! [`Serving`]: what the node serves, as far as the protocol is concerned.

use penstock_model::bundle::{BundleKey, Hash, Manifest};
use penstock_model::id::Version;
use std::collections::BTreeMap;

/// A manifest that was swapped in.
#[derive(Debug)]
pub(super) struct Serving<T> {
    pub(super) version: Version,
    pub(super) root_hash: Hash,
    /// What it is, for deltas to apply to.
    pub(super) manifest: Manifest,
    /// What serves for each pair, under the hash of its own bundle: not the manifest's where that one is quarantined.
    pub(super) stages: BTreeMap<BundleKey, (Hash, T)>,
    /// Bundles of the manifest that do not serve.
    pub(super) quarantined: Vec<Hash>,
    /// (resource, method) pairs.
    pub(super) route_count: u64,
    /// From the activate message to the swap, in microseconds.
    pub(super) build_time_us: u64,
    /// It was kept by an earlier process, and nobody has confirmed it since.
    pub(super) from_disk: bool,
}

impl<T> Serving<T> {
    /// Whether exactly this bundle serves for this pair.
    pub(super) fn holds(&self, key: &BundleKey, hash: Hash) -> bool {
        self.stages.get(key).is_some_and(|(held, _)| *held == hash)
    }

    /// Why `manifest` may not follow.
    pub(super) fn objection_to(&self, manifest: &Manifest) -> Option<String> {
        let (version, held) = (manifest.version, self.version);
        if version < held {
            return Some(format!("version {version} is older than version {held}, which serves"));
        }
        (version == held && manifest.root_hash != self.root_hash)
            .then(|| format!("version {version} serves with another content, root hash {}", self.root_hash))
    }
}
