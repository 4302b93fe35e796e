//! The protobuf JSON mapping, both ways: camelCase keys as AWS spells them, 64-bit integers as strings.
//!
//! Generated messages know their fields by number only, so they take the way through their descriptors.

use std::sync::LazyLock;

use penstock_proto::management::v1 as pb;
use prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::exit::Failure;

/// A message that has a name in the contract.
pub(crate) trait Wire: Message + Default {
    /// The last part of the full name; the package is the management API's.
    const NAME: &'static str;
}

macro_rules! wire {
    ($($message:ident),+ $(,)?) => {
        $(impl Wire for pb::$message { const NAME: &'static str = stringify!($message); })+

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($message)),+];
    };
}

wire!(
    ApplyFragmentResponse,
    AuditEntry,
    BackupSummary,
    BasePathMapping,
    Configuration,
    Deployment,
    DeploymentPreview,
    DomainName,
    Explanation,
    GatewayResponse,
    ImportRestApiResponse,
    Integration,
    IntegrationResponse,
    Method,
    MethodResponse,
    Node,
    NodeCanary,
    Resource,
    RestApi,
    RestoreResponse,
    Route,
    Stage,
);

const PACKAGE: &str = "penstock.management.v1";

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(penstock_proto::FILE_DESCRIPTOR_SET).expect("the descriptors come from our own build")
});

fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("{PACKAGE}.{name}")).expect("`wire!` lists messages of the contract")
}

/// The JSON of `message`. Fields without a value are present, so that programs find the same shape each time; only
/// messages and `optional` fields that are unset are left out.
pub(crate) fn value<M: Wire>(message: &M) -> Result<Value, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("encoding the answer as JSON: {error}"));
    let mut dynamic = DynamicMessage::new(descriptor(M::NAME));
    dynamic.transcode_from(message).map_err(|error| failed(&error))?;
    let options = SerializeOptions::new().skip_default_fields(false);
    dynamic.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| failed(&error))
}

/// Reads a message from JSON text. Unknown keys are errors: they are typing mistakes.
///
/// # Errors
/// [`Failure::Usage`] with the place in the text.
pub(crate) fn parse<M: Wire>(text: &[u8]) -> Result<M, Failure> {
    let not_one = |error: &dyn std::fmt::Display| Failure::Usage(format!("not the JSON of {}: {error}", M::NAME));
    let mut reader = serde_json::Deserializer::from_slice(text);
    let options = DeserializeOptions::new();
    let dynamic = DynamicMessage::deserialize_with_options(descriptor(M::NAME), &mut reader, &options)
        .map_err(|error| not_one(&error))?;
    reader.end().map_err(|error| not_one(&error))?;
    dynamic.transcode_to().map_err(|error| not_one(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_named_message_is_in_the_contract() {
        for name in NAMES {
            assert_eq!(descriptor(name).name(), *name);
        }
    }

    #[test]
    fn keys_are_the_ones_of_aws() {
        let api = pb::RestApi {
            id: "a1".into(),
            binary_media_types: vec!["image/jpeg".into()],
            fidelity: pb::rest_api::Fidelity::Aws.into(),
            revision: 3,
            ..Default::default()
        };
        let value = value(&api).unwrap();
        assert_eq!(value["binaryMediaTypes"], json!(["image/jpeg"]));
        assert_eq!(value["fidelity"], "AWS");
        assert_eq!(value["revision"], "3");
        assert_eq!(value["description"], "", "the shape does not depend on the values");
        assert!(value.get("minimumCompressionSize").is_none() && value.get("createdDate").is_none());
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        let integration = pb::Integration {
            r#type: pb::integration::Type::HttpProxy.into(),
            uri: "http://${stageVariables.resizer}/upload".into(),
            timeout_in_millis: 5000,
            tls_config: Some(pb::integration::TlsConfig::default()),
            ..Default::default()
        };
        let text = value(&integration).unwrap().to_string();
        assert_eq!(parse::<pb::Integration>(text.as_bytes()).unwrap(), integration);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let failure = parse::<pb::Integration>(br#"{"type":"MOCK","timeoutMillis":1}"#).unwrap_err();
        assert!(failure.to_string().contains("timeoutMillis"), "{failure}");
        assert_eq!(failure.code(), 2);
    }

    #[test]
    fn text_behind_the_object_is_an_error() {
        assert!(parse::<pb::Integration>(br#"{"type":"MOCK"} {}"#).is_err());
    }
}
