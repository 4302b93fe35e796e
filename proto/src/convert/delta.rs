//! What differs between two manifests.

use super::Reader;
use super::discovery::{hash, key, mapping_to_wire, mappings, reference_to_wire, references};
use crate::discovery::v1 as wire;
use crate::management::v1 as management;
use penstock_model::bundle::{BundleKey, ManifestDelta};
use penstock_model::id::Version;
use penstock_model::violation::Violations;

/// What differs, as a message.
pub fn manifest_delta_to_wire(delta: &ManifestDelta) -> wire::ManifestDelta {
    let removed = |key: &BundleKey| wire::BundleRef {
        rest_api_id: key.rest_api_id.to_string(),
        stage_name: key.stage_name.to_string(),
        ..wire::BundleRef::default()
    };
    let place = |(domain_name, base_path): &(String, String)| management::BasePathMappingKey {
        domain_name: domain_name.clone(),
        base_path: base_path.clone(),
    };
    wire::ManifestDelta {
        base_version: delta.base.0.0,
        base_root_hash: delta.base.1.0.to_vec(),
        version: delta.version.0,
        root_hash: delta.root_hash.0.to_vec(),
        bundles: delta.bundles.iter().map(reference_to_wire).collect(),
        removed_bundles: delta.removed_bundles.iter().map(removed).collect(),
        base_path_mappings: delta.base_path_mappings.iter().map(mapping_to_wire).collect(),
        removed_base_path_mappings: delta.removed_base_path_mappings.iter().map(place).collect(),
    }
}

/// Reads what differs. Whether it makes the manifest that it says is the caller's to ask.
///
/// # Errors
/// Every field that cannot become part of the model.
pub fn manifest_delta_from_wire(message: wire::ManifestDelta) -> Result<ManifestDelta, Violations> {
    let mut read = Reader::default();
    let base_root = read.take(hash("baseRootHash", &message.base_root_hash)).unwrap_or_default();
    let root_hash = read.take(hash("rootHash", &message.root_hash)).unwrap_or_default();
    let bundles = references(&mut read, message.bundles);
    let base_path_mappings = mappings(&mut read, message.base_path_mappings);
    let removed = message.removed_bundles.into_iter().map(|bundle| key(bundle.rest_api_id, bundle.stage_name));
    let places = message.removed_base_path_mappings.into_iter().map(|place| (place.domain_name, place.base_path));
    read.finish(ManifestDelta {
        base: (Version(message.base_version), base_root),
        version: Version(message.version),
        root_hash,
        bundles,
        removed_bundles: removed.collect(),
        base_path_mappings,
        removed_base_path_mappings: places.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::bundle::{BundleRef, Hash, Manifest};
    use penstock_model::domain::BasePathMapping;

    #[test]
    fn a_delta_comes_back() {
        let key = BundleKey { rest_api_id: "abcdefghij".into(), stage_name: "v1".into() };
        let mapping =
            BasePathMapping { domain_name: "*".into(), rest_api_id: "abcdefghij".into(), ..Default::default() };
        let after = Manifest {
            version: Version(3),
            root_hash: Hash([3; 32]),
            bundles: vec![BundleRef { key, hash: Hash([7; 32]), size_bytes: 12 }],
            base_path_mappings: [mapping.clone()].into(),
        };
        let mut before = after.clone();
        before.version = Version(2);
        before.bundles[0].hash = Hash([8; 32]);
        let gone = BundleKey { rest_api_id: "zzzzzzzzzz".into(), stage_name: "v1".into() };
        before.bundles.push(BundleRef { key: gone, hash: Hash([9; 32]), size_bytes: 1 });
        before.base_path_mappings = [BasePathMapping { base_path: "old".into(), ..mapping }].into();
        let delta = ManifestDelta::between(&before, &after);
        let counts = [delta.bundles.len(), delta.removed_bundles.len(), delta.base_path_mappings.len()];
        assert_eq!((counts, delta.removed_base_path_mappings.len()), ([1, 1, 1], 1));
        assert_eq!(manifest_delta_from_wire(manifest_delta_to_wire(&delta)), Ok(delta));

        let empty = wire::ManifestDelta::default();
        let violations = manifest_delta_from_wire(empty).expect_err("two hashes are missing");
        let fields: Vec<_> = violations.as_slice().iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["baseRootHash", "rootHash"]);
    }
}
