//! [`Serving`]: what the node serves, as far as the protocol is concerned.

use penstock_model::bundle::{BundleKey, Hash, Manifest};
use penstock_model::id::Version;
use std::collections::BTreeMap;

/// A manifest that was swapped in.
#[derive(Debug)]
pub(super) struct Serving<T> {
    /// What it is; deltas apply to it.
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
    /// Version and root hash of its manifest.
    pub(super) fn name(&self) -> (Version, Hash) {
        (self.manifest.version, self.manifest.root_hash)
    }

    /// Whether exactly this bundle serves for this pair.
    pub(super) fn holds(&self, key: &BundleKey, hash: Hash) -> bool {
        self.stages.get(key).is_some_and(|(held, _)| *held == hash)
    }

    /// Why `manifest` may not follow.
    pub(super) fn objection_to(&self, manifest: &Manifest) -> Option<String> {
        let (version, (held, root_hash)) = (manifest.version, self.name());
        if version < held {
            return Some(format!("version {version} is older than version {held}, which serves"));
        }
        (version == held && manifest.root_hash != root_hash)
            .then(|| format!("version {version} serves with another content, root hash {root_hash}"))
    }
}
