//! [`ManifestDelta`]: a manifest, said by what differs from another one. With thousands of APIs a change says one line instead of
//! thousands, to every node.

use super::{BundleKey, BundleRef, Hash, Manifest};
use crate::domain::BasePathMapping;
use crate::id::Version;
use std::cmp::Ordering;
use std::sync::Arc;

/// What makes one manifest of another. Only [`ManifestDelta::between`] makes one that is sure to fit; whoever gets it from
/// elsewhere must check the root hash of what [`ManifestDelta::apply`] answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestDelta {
    /// Version and root hash of the manifest that it applies to.
    pub base: (Version, Hash),
    /// Of the manifest that it makes.
    pub version: Version,
    /// Of the manifest that it makes.
    pub root_hash: Hash,
    /// Those that are new or others, by key.
    pub bundles: Vec<BundleRef>,
    /// Those that are gone, by key.
    pub removed_bundles: Vec<BundleKey>,
    /// Those that are new or others, by domain and base path.
    pub base_path_mappings: Vec<BasePathMapping>,
    /// Domain and base path of those that are gone, in their order.
    pub removed_base_path_mappings: Vec<(String, String)>,
}

impl ManifestDelta {
    /// What makes `after` of `before`.
    pub fn between(before: &Manifest, after: &Manifest) -> Self {
        let (bundles, removed_bundles) = difference(&before.bundles, &after.bundles, |bundle| &bundle.key);
        let (base_path_mappings, removed) =
            difference(&before.base_path_mappings, &after.base_path_mappings, BasePathMapping::place);
        Self {
            base: (before.version, before.root_hash),
            version: after.version,
            root_hash: after.root_hash,
            bundles,
            removed_bundles: removed_bundles.into_iter().map(|bundle| bundle.key.clone()).collect(),
            base_path_mappings,
            removed_base_path_mappings: removed
                .into_iter()
                .map(|mapping| (mapping.domain_name.clone(), mapping.base_path.clone()))
                .collect(),
        }
    }

    /// What it makes of `before`, with the root hash that it says.
    pub fn apply(&self, before: &Manifest) -> Manifest {
        let gone: Vec<(&str, &str)> =
            self.removed_base_path_mappings.iter().map(|(domain, path)| (domain.as_str(), path.as_str())).collect();
        Manifest {
            version: self.version,
            root_hash: self.root_hash,
            bundles: merged(
                &before.bundles,
                &self.bundles,
                |bundle| &bundle.key,
                |key| self.removed_bundles.binary_search(key).is_ok(),
            ),
            base_path_mappings: match self.base_path_mappings.is_empty() && gone.is_empty() {
                true => Arc::clone(&before.base_path_mappings),
                false => {
                    merged(&before.base_path_mappings, &self.base_path_mappings, BasePathMapping::place, |place| {
                        gone.binary_search(place).is_ok()
                    })
                    .into()
                }
            },
        }
    }
}

/// Of two lists in the order of a key: what is new or other in the second, and what is only in the first.
fn difference<'a, T: Clone + PartialEq, K: Ord>(
    before: &'a [T],
    after: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> (Vec<T>, Vec<&'a T>) {
    let (mut changed, mut removed) = (Vec::new(), Vec::new());
    let mut rest = before.iter().peekable();
    for new in after {
        removed.extend(std::iter::from_fn(|| rest.next_if(|old| key(old) < key(new))));
        match rest.next_if(|old| key(old) == key(new)) {
            Some(old) if old == new => {}
            _ => changed.push(new.clone()),
        }
    }
    removed.extend(rest);
    (changed, removed)
}

/// `before` with the changes, which are in the order of the key too, and without what is gone.
fn merged<'a, T: Clone, K: Ord>(
    before: &'a [T],
    changes: &'a [T],
    key: impl Fn(&'a T) -> K,
    is_gone: impl Fn(&K) -> bool,
) -> Vec<T> {
    let mut after = Vec::with_capacity(before.len() + changes.len());
    let mut changes = changes.iter().peekable();
    for old in before {
        let old_key = key(old);
        after.extend(std::iter::from_fn(|| changes.next_if(|new| key(new) < old_key)).cloned());
        match changes.peek().map(|new| key(new).cmp(&old_key)) {
            // It comes with the next turn, in the place of this one.
            Some(Ordering::Equal) => after.extend(changes.next().cloned()),
            _ if is_gone(&old_key) => {}
            _ => after.push(old.clone()),
        }
    }
    after.extend(changes.cloned());
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bundles() -> impl Strategy<Value = Vec<BundleRef>> {
        prop::collection::btree_map(("[a-d]", "[a-c]"), 0..3_u8, 0..8).prop_map(|all| {
            let bundle = |((api, stage), content): ((String, String), u8)| BundleRef {
                key: BundleKey { rest_api_id: api.into(), stage_name: stage.into() },
                hash: Hash([content; 32]),
                size_bytes: content.into(),
            };
            all.into_iter().map(bundle).collect()
        })
    }

    fn mappings() -> impl Strategy<Value = Vec<BasePathMapping>> {
        prop::collection::btree_map(("[a-c]", "[a-c]?"), "[a-b]", 0..8).prop_map(|all| {
            let mapping = |((domain_name, base_path), api): ((String, String), String)| BasePathMapping {
                domain_name,
                base_path,
                rest_api_id: api.into(),
                ..BasePathMapping::default()
            };
            all.into_iter().map(mapping).collect()
        })
    }

    fn manifest(number: u8) -> impl Strategy<Value = Manifest> {
        (bundles(), mappings()).prop_map(move |(bundles, base_path_mappings)| Manifest {
            version: Version(number.into()),
            root_hash: Hash([number; 32]),
            bundles,
            base_path_mappings: base_path_mappings.into(),
        })
    }

    proptest! {
        #[test]
        fn a_delta_makes_the_one_of_the_other(before in manifest(1), after in manifest(2)) {
            let delta = ManifestDelta::between(&before, &after);
            prop_assert_eq!(delta.base, (Version(1), Hash([1; 32])));
            prop_assert_eq!(delta.apply(&before), after);
        }

        #[test]
        fn what_is_the_same_is_not_said(manifest in manifest(1)) {
            let base = (manifest.version, manifest.root_hash);
            let nothing = ManifestDelta { base, version: base.0, root_hash: base.1, ..ManifestDelta::default() };
            prop_assert_eq!(ManifestDelta::between(&manifest, &manifest), nothing);
        }

        #[test]
        fn a_delta_of_another_base_makes_something_and_never_panics(before in manifest(1), after in manifest(2), other in manifest(3)) {
            let made = ManifestDelta::between(&before, &after).apply(&other);
            prop_assert_eq!(made.version, Version(2));
        }
    }
}
