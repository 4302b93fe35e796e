//! Bundles and manifests: their canonical bytes, and the hashes that name them.
//!
//! Canonical means: protobuf with fields in the order of their numbers, map entries in the order of their keys (every
//! generated map is ordered), and no dates and revisions. Both planes hash what this file writes.

use super::{Reader, error};
use crate::discovery::v1 as wire;
use crate::management::v1 as management;
use bytes::Bytes;
use penstock_model::bundle::{Bundle, BundleKey, BundleRef, Hash, Manifest};
use penstock_model::definition::ApiDefinition;
use penstock_model::domain::BasePathMapping;
use penstock_model::id::{StageName, Version};
use penstock_model::violation::Violations;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use sha2::{Digest as _, Sha256};

/// What a reference or a mapping usually takes, in bytes.
const CANONICAL_PART_BYTES: usize = 96;

/// Why bytes are not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleDecodeError {
    /// They are no protobuf message of this kind.
    #[error("reading the bytes of a bundle")]
    Malformed(#[source] prost::DecodeError),
    /// Fields of it cannot become part of the model.
    #[error("reading the fields of a bundle")]
    Rejected(#[source] Violations),
}

/// The canonical bytes of a bundle.
pub fn encode_bundle(bundle: &Bundle) -> Bytes {
    let definition = definition_to_wire(&bundle.definition);
    let message = wire::Bundle {
        rest_api: definition.rest_api,
        stage: Some(bundle.stage.clone().into()),
        resources: definition.resources,
        methods: definition.methods,
        canary: bundle.canary.as_deref().map(definition_to_wire),
    };
    message.encode_to_vec().into()
}

fn definition_to_wire(definition: &ApiDefinition) -> wire::Definition {
    wire::Definition {
        rest_api: Some(definition.rest_api.clone().into()),
        resources: definition.resources.iter().cloned().map(Into::into).collect(),
        methods: definition.methods.iter().cloned().map(Into::into).collect(),
    }
}

/// Reads what [`encode_bundle`] wrote.
///
/// # Errors
/// The bytes are no bundle, or hold something that this program does not know.
pub fn decode_bundle(bytes: &[u8]) -> Result<Bundle, BundleDecodeError> {
    let message = wire::Bundle::decode(bytes).map_err(BundleDecodeError::Malformed)?;
    read_bundle(message).map_err(BundleDecodeError::Rejected)
}

fn read_bundle(message: wire::Bundle) -> Result<Bundle, Violations> {
    let mut read = Reader::default();
    let wire::Bundle { rest_api, resources, methods, stage, canary } = message;
    let definition = read.below("", definition_from_wire(wire::Definition { rest_api, resources, methods }));
    let canary = canary.and_then(|canary| read.below("canary", definition_from_wire(canary)));
    let stage = match stage {
        Some(stage) => read.below("stage", stage.try_into()),
        None => read.take(Err(error("stage", "is missing"))),
    };
    let (Some(definition), Some(stage)) = (definition, stage) else {
        return Err(read.violations);
    };
    let bundle = Bundle::new(definition, stage);
    read.finish(match canary {
        Some(canary) => bundle.with_canary(canary),
        None => bundle,
    })
}

fn definition_from_wire(message: wire::Definition) -> Result<ApiDefinition, Violations> {
    let mut read = Reader::default();
    let rest_api = match message.rest_api {
        Some(api) => read.below("restApi", api.try_into()),
        None => read.take(Err(error("restApi", "is missing"))),
    };
    let mut resources = Vec::with_capacity(message.resources.len());
    for (at, resource) in message.resources.into_iter().enumerate() {
        resources.extend(read.below(&format!("resources[{at}]"), resource.try_into()));
    }
    let mut methods = Vec::with_capacity(message.methods.len());
    for (at, method) in message.methods.into_iter().enumerate() {
        methods.extend(read.below(&format!("methods[{at}]"), method.try_into()));
    }
    let rest_api = rest_api.unwrap_or_default();
    read.finish(ApiDefinition { rest_api, resources, methods })
}

/// The name of a bundle: SHA-256 of its bytes.
pub fn bundle_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The root hash of a manifest with these parts: SHA-256 of the message without version and root hash. Revisions of
/// mappings do not count.
pub fn manifest_root_hash(bundles: &[BundleRef], base_path_mappings: &[BasePathMapping]) -> Hash {
    bundle_hash(&canonical_parts(bundles, base_path_mappings))
}

/// The bytes of [`manifest_parts`], without the message: every change hashes all of a manifest, on both sides.
fn canonical_parts(bundles: &[BundleRef], base_path_mappings: &[BasePathMapping]) -> Vec<u8> {
    // Tags are field numbers of the messages.
    let mut bytes = Vec::with_capacity(CANONICAL_PART_BYTES * (bundles.len() + base_path_mappings.len()));
    let mut part = Vec::with_capacity(CANONICAL_PART_BYTES);
    for bundle in bundles {
        part.clear();
        put(&mut part, 1, bundle.key.rest_api_id.as_str().as_bytes());
        put(&mut part, 2, bundle.key.stage_name.as_str().as_bytes());
        put(&mut part, 3, &bundle.hash.0);
        if bundle.size_bytes > 0 {
            encode_key(4, WireType::Varint, &mut part);
            encode_varint(bundle.size_bytes, &mut part);
        }
        put_always(&mut bytes, 3, &part);
    }
    for mapping in base_path_mappings {
        part.clear();
        put(&mut part, 1, mapping.domain_name.as_bytes());
        put(&mut part, 2, mapping.base_path.as_bytes());
        put(&mut part, 3, mapping.rest_api_id.as_str().as_bytes());
        put(&mut part, 4, mapping.stage.as_ref().map_or("", StageName::as_str).as_bytes());
        put_always(&mut bytes, 4, &part);
    }
    bytes
}

/// A field that is left out when it is empty.
fn put(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    if !value.is_empty() {
        put_always(out, tag, value);
    }
}

fn put_always(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn manifest_parts(bundles: &[BundleRef], base_path_mappings: &[BasePathMapping]) -> wire::Manifest {
    wire::Manifest {
        version: 0,
        root_hash: Vec::new(),
        bundles: bundles.iter().map(reference_to_wire).collect(),
        base_path_mappings: base_path_mappings.iter().map(mapping_to_wire).collect(),
    }
}

pub(super) fn reference_to_wire(bundle: &BundleRef) -> wire::BundleRef {
    wire::BundleRef {
        rest_api_id: bundle.key.rest_api_id.to_string(),
        stage_name: bundle.key.stage_name.to_string(),
        hash: bundle.hash.0.to_vec(),
        size_bytes: bundle.size_bytes,
    }
}

pub(super) fn mapping_to_wire(mapping: &BasePathMapping) -> management::BasePathMapping {
    management::BasePathMapping { revision: 0, ..mapping.clone().into() }
}

/// The manifest as a message.
pub fn manifest_to_wire(manifest: &Manifest) -> wire::Manifest {
    wire::Manifest {
        version: manifest.version.0,
        root_hash: manifest.root_hash.0.to_vec(),
        ..manifest_parts(&manifest.bundles, &manifest.base_path_mappings)
    }
}

/// Reads a manifest. Whether its root hash is right is the caller's to ask, with [`manifest_root_hash`]: a newer
/// control plane may list kinds of things that this program does not see.
///
/// # Errors
/// Every field that cannot become part of the model.
pub fn manifest_from_wire(message: wire::Manifest) -> Result<Manifest, Violations> {
    let mut read = Reader::default();
    let root_hash = read.take(hash("rootHash", &message.root_hash)).unwrap_or_default();
    let bundles = references(&mut read, message.bundles);
    let base_path_mappings = mappings(&mut read, message.base_path_mappings);
    let base_path_mappings = base_path_mappings.into();
    read.finish(Manifest { version: Version(message.version), root_hash, bundles, base_path_mappings })
}

pub(super) fn references(read: &mut Reader, messages: Vec<wire::BundleRef>) -> Vec<BundleRef> {
    let mut bundles = Vec::with_capacity(messages.len());
    for (at, bundle) in messages.into_iter().enumerate() {
        let Some(hash) = Hash::from_slice(&bundle.hash) else {
            read.take::<Hash>(hash(&format!("bundles[{at}].hash"), &bundle.hash));
            continue;
        };
        bundles.push(BundleRef {
            key: key(bundle.rest_api_id, bundle.stage_name),
            hash,
            size_bytes: bundle.size_bytes,
        });
    }
    bundles
}

pub(super) fn key(rest_api_id: String, stage_name: String) -> BundleKey {
    BundleKey { rest_api_id: rest_api_id.into(), stage_name: stage_name.into() }
}

pub(super) fn mappings(read: &mut Reader, messages: Vec<management::BasePathMapping>) -> Vec<BasePathMapping> {
    let mut mappings = Vec::with_capacity(messages.len());
    for (at, mapping) in messages.into_iter().enumerate() {
        match mapping.try_into() {
            Ok(mapping) => mappings.push(mapping),
            Err(violations) => read.violations.add_below(&format!("basePathMappings[{at}]"), violations),
        }
    }
    mappings
}

pub(super) fn hash(field: &str, bytes: &[u8]) -> Result<Hash, super::ConvertError> {
    Hash::from_slice(bytes).ok_or_else(|| error(field, format!("must have 32 bytes, not {}", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::samples;
    use penstock_model::deployment::Stage;
    use penstock_model::id::Revision;
    use penstock_model::integration::{Integration, IntegrationType, LambdaEndpoint};
    use penstock_model::method::{Method, Verb};
    use proptest::prelude::*;

    fn manifest() -> Manifest {
        let key = BundleKey { rest_api_id: "abcdefghij".into(), stage_name: "v1".into() };
        let bundles = vec![BundleRef { key, hash: Hash([7; 32]), size_bytes: 12 }];
        let base_path_mappings = vec![BasePathMapping {
            domain_name: "*".into(),
            rest_api_id: "abcdefghij".into(),
            stage: Some("v1".into()),
            ..BasePathMapping::default()
        }];
        let root_hash = manifest_root_hash(&bundles, &base_path_mappings);
        Manifest { version: Version(3), root_hash, bundles, base_path_mappings: base_path_mappings.into() }
    }

    #[test]
    fn a_manifest_comes_back_and_its_root_names_its_parts_only() {
        let manifest = manifest();
        assert_eq!(manifest_from_wire(manifest_to_wire(&manifest)), Ok(manifest.clone()));

        let mut mappings = manifest.base_path_mappings.to_vec();
        mappings[0].revision = Revision(9);
        assert_eq!(manifest_root_hash(&manifest.bundles, &mappings), manifest.root_hash);
        mappings[0].base_path = "v1".into();
        assert_ne!(manifest_root_hash(&manifest.bundles, &mappings), manifest.root_hash);
    }

    proptest! {
        #[test]
        fn the_canonical_bytes_are_those_of_the_message(
            bundles in prop::collection::vec(("[a-z]{0,12}", "[a-z]{0,200}", any::<[u8; 32]>(), any::<u64>()), 0..20),
            mappings in prop::collection::vec((".{0,12}", "[a-z/]{0,150}", "[a-z]{0,12}", prop::option::of("[a-z]{1,9}")), 0..20),
        ) {
            let bundle = |(api, stage, hash, size_bytes): (String, String, [u8; 32], u64)| BundleRef {
                key: BundleKey { rest_api_id: api.into(), stage_name: stage.into() },
                hash: Hash(hash),
                size_bytes: if size_bytes % 3 == 0 { 0 } else { size_bytes },
            };
            let mapping = |(domain_name, base_path, api, stage): (String, String, String, Option<String>)| BasePathMapping {
                domain_name,
                base_path,
                rest_api_id: api.into(),
                stage: stage.map(Into::into),
                revision: Revision(7),
            };
            let bundles: Vec<_> = bundles.into_iter().map(bundle).collect();
            let mappings: Vec<_> = mappings.into_iter().map(mapping).collect();
            prop_assert_eq!(canonical_parts(&bundles, &mappings), manifest_parts(&bundles, &mappings).encode_to_vec());
        }
    }

    #[test]
    fn short_hashes_are_named() {
        let mut message = manifest_to_wire(&manifest());
        message.root_hash.pop();
        message.bundles[0].hash.clear();
        let violations = manifest_from_wire(message).expect_err("two hashes are short");
        let fields: Vec<_> = violations.as_slice().iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["rootHash", "bundles[0].hash"]);
    }

    /// The name that this bundle had before integrations knew an endpoint of their own: a field that is unset must leave
    /// no trace, or every node fetches everything again after an update.
    #[test]
    fn what_an_older_program_could_say_keeps_its_name() {
        const NAME: &str = "8f989533c305dee67aa8a48fbf16b5dd8277a7f7c076aaf6f09f97fd9af41026";
        let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:f/invocations";
        let mut method = Method::new("abcdefghij".into(), "root".into(), Verb::Post);
        method.integration = Some(Integration::new(IntegrationType::AwsProxy, Some(Verb::Post), uri));
        let mut definition = ApiDefinition { methods: vec![method], ..ApiDefinition::default() };
        let name = |definition: &ApiDefinition| {
            bundle_hash(&encode_bundle(&Bundle::new(definition.clone(), Stage::default()))).to_string()
        };
        assert_eq!(name(&definition), NAME);
        let behind = definition.methods[0].integration.as_mut().expect("it was put there");
        behind.lambda_endpoint = Some(LambdaEndpoint::default());
        assert_ne!(name(&definition), NAME);
    }

    #[test]
    fn bytes_that_are_no_bundle_are_refused() {
        assert!(matches!(decode_bundle(&[0xff; 9]), Err(BundleDecodeError::Malformed(_))));
        assert!(matches!(decode_bundle(&[]), Err(BundleDecodeError::Rejected(_))));
    }

    proptest! {
        #[test]
        fn a_bundle_comes_back_and_its_bytes_too(definition in samples::definition(), stage in samples::stage(), canary in samples::definition()) {
            let bundle = Bundle::new(definition, Stage::try_from(stage).expect("the sample is good")).with_canary(canary);
            let bytes = encode_bundle(&bundle);
            let back = decode_bundle(&bytes).expect("we wrote it");
            prop_assert_eq!(&back, &bundle);
            prop_assert_eq!(encode_bundle(&back), bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_bundle(&bytes);
        }
    }
}
