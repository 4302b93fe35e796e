//! [`Publication`]: what is published, as nodes need it and as `ListRoutes` shows it.
//!
//! The app layer makes a new one out of the previous one for each commit that changes what is served: unchanged
//! bundles keep their bytes and their compiled tables. The publisher hands the newest one on. Nothing here does I/O.

use bytes::Bytes;
use penstock_model::bundle::{Bundle, BundleKey, BundleRef, Hash, Manifest, ManifestDelta};
use penstock_model::domain::BasePathMapping;
use penstock_model::id::Version;
use penstock_model::limits::BUNDLE_BYTES_MAX;
use penstock_model::table::StageTable;
use penstock_model::violation::Violations;
use penstock_proto::convert::{bundle_hash, encode_bundle, manifest_root_hash};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// One published configuration. Immutable, shared behind an [`Arc`].
///
/// **Invariant**: every entry of `manifest.bundles` has its bytes in `bundles`, and nothing else is in there;
/// `manifest.version` is `version`.
#[derive(Debug, Default)]
pub struct Publication {
    /// Only grows, also across restarts; 0: nothing was published yet.
    pub version: Version,
    /// The complete list of what serves.
    pub manifest: Manifest,
    /// The bytes of every bundle in the manifest, by the hash that names them. Cloning [`Bytes`] shares them.
    pub bundles: HashMap<Hash, Bytes>,
    /// The compiled form of every bundle in the manifest; what this program can no longer compile is absent.
    pub compiled: BTreeMap<BundleKey, Arc<StageTable>>,
    /// The newest version of which a node is to take all or nothing, up to this one; 0: none since the start.
    pub all_or_nothing: Version,
    /// What makes it of the one that most nodes serve, once somebody has asked.
    delta: OnceLock<Arc<ManifestDelta>>,
}

/// A bundle, encoded and named, and compiled if it could be.
#[derive(Clone, Debug)]
pub struct Built {
    /// Of `bytes`.
    pub hash: Hash,
    /// Canonical.
    pub bytes: Bytes,
    /// `None`: the bytes name something that does not compile.
    pub table: Option<Arc<StageTable>>,
}

/// What differs from one publication to the next.
#[derive(Debug, Default)]
pub struct Changes {
    /// Pairs that serve something else now, or (`None`) nothing any more.
    pub bundles: BTreeMap<BundleKey, Option<Built>>,
    /// All mappings, when any of them changed.
    pub base_path_mappings: Option<Vec<BasePathMapping>>,
}

/// The canonical bytes of a bundle and their hash.
///
/// # Errors
/// The bytes are more than a node takes.
pub fn encode(bundle: &Bundle) -> Result<(Hash, Bytes), Violations> {
    let bytes = encode_bundle(bundle);
    if bytes.len() > BUNDLE_BYTES_MAX {
        let reason = format!("the deployment has {} bytes, but may have at most {BUNDLE_BYTES_MAX}", bytes.len());
        return Err(Violations::one("", reason));
    }
    Ok((bundle_hash(&bytes), bytes))
}

impl Publication {
    /// What one pair serves.
    pub fn bundle(&self, key: &BundleKey) -> Option<&BundleRef> {
        let bundles = &self.manifest.bundles;
        bundles.binary_search_by(|bundle| bundle.key.cmp(key)).ok().and_then(|at| bundles.get(at))
    }

    /// The next publication: this one with `changes`, still with this one's version. See [`Self::numbered`].
    pub fn with(&self, changes: Changes) -> Self {
        let mut references: BTreeMap<BundleKey, BundleRef> =
            self.manifest.bundles.iter().map(|bundle| (bundle.key.clone(), bundle.clone())).collect();
        let mut bundles = self.bundles.clone();
        let mut compiled = self.compiled.clone();
        for (key, built) in changes.bundles {
            if let Some(old) = references.remove(&key) {
                // A bundle holds its own key, so no other pair has the same hash.
                bundles.remove(&old.hash);
            }
            compiled.remove(&key);
            let Some(built) = built else { continue };
            let size_bytes = built.bytes.len() as u64;
            references.insert(key.clone(), BundleRef { key: key.clone(), hash: built.hash, size_bytes });
            bundles.insert(built.hash, built.bytes);
            compiled.extend(built.table.map(|table| (key, table)));
        }
        let base_path_mappings = match changes.base_path_mappings {
            Some(mut changed) => {
                changed.sort_by(|a, b| (&a.domain_name, &a.base_path).cmp(&(&b.domain_name, &b.base_path)));
                changed.into()
            }
            None => Arc::clone(&self.manifest.base_path_mappings),
        };
        let references: Vec<_> = references.into_values().collect();
        let root_hash = manifest_root_hash(&references, &base_path_mappings);
        let manifest = Manifest { version: self.version, root_hash, bundles: references, base_path_mappings };
        Self {
            version: self.version,
            manifest,
            bundles,
            compiled,
            all_or_nothing: self.all_or_nothing,
            delta: OnceLock::new(),
        }
    }

    /// The same under another version.
    #[must_use]
    pub fn numbered(mut self, version: Version) -> Self {
        self.delta = OnceLock::new();
        self.version = version;
        self.manifest.version = version;
        self
    }

    /// The same, of which a node is to take all or nothing.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.all_or_nothing = self.version;
        self
    }

    /// What makes this of `base`. Worked out once for the base that is asked for first, which is that of nearly all nodes.
    pub fn delta_from(&self, base: &Self) -> Arc<ManifestDelta> {
        let made = || Arc::new(ManifestDelta::between(&base.manifest, &self.manifest));
        let delta = self.delta.get_or_init(made);
        if delta.base == (base.version, base.manifest.root_hash) { Arc::clone(delta) } else { made() }
    }

    /// Number of (resource, method) pairs that serve.
    pub fn route_count(&self) -> usize {
        self.compiled.values().map(|table| table.route_count()).sum()
    }

    /// Bytes of all bundles.
    pub fn bundle_bytes(&self) -> u64 {
        self.manifest.bundles.iter().map(|bundle| bundle.size_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::definition::ApiDefinition;
    use penstock_model::deployment::Stage;

    fn built(api: &str, description: &str) -> (BundleKey, Option<Built>) {
        let mut definition = ApiDefinition::default();
        definition.rest_api.id = api.into();
        definition.rest_api.description = description.into();
        let stage = Stage { rest_api_id: api.into(), stage_name: "v1".into(), ..Stage::default() };
        let bundle = Bundle::new(definition, stage);
        let (hash, bytes) = encode(&bundle).expect("it is small");
        (bundle.key(), Some(Built { hash, bytes, table: None }))
    }

    fn changed(changes: impl IntoIterator<Item = (BundleKey, Option<Built>)>) -> Changes {
        Changes { bundles: changes.into_iter().collect(), base_path_mappings: None }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let first = Publication::default().with(changed([built("b", ""), built("a", "")]));
        let order: Vec<_> = first.manifest.bundles.iter().map(|b| b.key.rest_api_id.as_str()).collect();
        assert_eq!(order, ["a", "b"]);

        let second = first.with(changed([built("a", "new")])).numbered(Version(7));
        let key = built("b", "").0;
        let hash = second.bundle(&key).expect("it is still there").hash;
        assert_eq!(second.bundles[&hash].as_ptr(), first.bundles[&hash].as_ptr(), "the bytes are shared");
        assert_eq!((second.bundles.len(), second.version, second.manifest.version), (2, Version(7), Version(7)));
        assert_ne!(second.manifest.root_hash, first.manifest.root_hash);

        let third = second.with(changed([built("a", ""), (key.clone(), None)]));
        assert_eq!((third.bundles.len(), third.bundle(&key)), (1, None));
        let alone = Publication::default().with(changed([built("a", "")]));
        assert_eq!(third.manifest.root_hash, alone.manifest.root_hash, "equal content has an equal root");
    }
}
