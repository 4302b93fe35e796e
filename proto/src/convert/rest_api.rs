//! RestApi, and the small words of the calls around it.

use super::{ConvertError, Reader, error, known, millis, revision, timestamp};
use crate::management::v1 as wire;
use penstock_model::gateway_response::CustomGatewayResponse;
use penstock_model::rest_api::{AcceptPolicy, ApiKeySource, Fidelity, Integrity, MissingContentType, RestApi};
use penstock_model::violation::Violations;

/// Reads a fidelity; unspecified means transparent.
///
/// # Errors
/// The number is not one of the wire's.
pub fn fidelity(field: &str, number: i32) -> Result<Fidelity, ConvertError> {
    use wire::rest_api::Fidelity as W;
    Ok(match known::<W>(field, number)? {
        W::Unspecified | W::Transparent => Fidelity::Transparent,
        W::Aws => Fidelity::Aws,
    })
}

fn api_key_source(number: i32) -> Result<ApiKeySource, ConvertError> {
    use wire::rest_api::ApiKeySource as W;
    Ok(match known::<W>("apiKeySource", number)? {
        W::Unspecified | W::Header => ApiKeySource::Header,
        W::Authorizer => ApiKeySource::Authorizer,
    })
}

fn accept_policy(number: i32) -> Result<AcceptPolicy, ConvertError> {
    use wire::rest_api::AcceptPolicy as W;
    Ok(match known::<W>("acceptPolicy", number)? {
        W::Unspecified | W::First => AcceptPolicy::First,
        W::All => AcceptPolicy::All,
    })
}

fn missing_content_type(number: i32) -> Result<MissingContentType, ConvertError> {
    use wire::rest_api::MissingContentType as W;
    Ok(match known::<W>("missingContentType", number)? {
        W::Unspecified | W::Json => MissingContentType::Json,
        W::OctetStream => MissingContentType::OctetStream,
        W::Sniff => MissingContentType::Sniff,
    })
}

fn integrity(number: i32) -> Result<Integrity, ConvertError> {
    use wire::rest_api::Integrity as W;
    Ok(match known::<W>("integrity", number)? {
        W::Unspecified | W::Off => Integrity::Off,
        W::Verify => Integrity::Verify,
        W::Add => Integrity::Add,
    })
}

impl From<wire::CustomGatewayResponse> for CustomGatewayResponse {
    fn from(custom: wire::CustomGatewayResponse) -> Self {
        Self {
            status_code: custom.status_code,
            response_parameters: custom.response_parameters,
            response_templates: custom.response_templates,
        }
    }
}

impl From<CustomGatewayResponse> for wire::CustomGatewayResponse {
    fn from(custom: CustomGatewayResponse) -> Self {
        Self {
            status_code: custom.status_code,
            response_parameters: custom.response_parameters,
            response_templates: custom.response_templates,
        }
    }
}

impl TryFrom<wire::RestApi> for RestApi {
    type Error = Violations;

    fn try_from(api: wire::RestApi) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let minimum_compression_size = api.minimum_compression_size.map(|size| {
            u32::try_from(size).map_err(|_| {
                error("minimumCompressionSize", "Invalid minimum compression size, must be between 0 and 10485760")
            })
        });
        let converted = Self {
            id: api.id.into(),
            name: api.name,
            description: api.description,
            version: api.version,
            binary_media_types: api.binary_media_types,
            fidelity: read.take(fidelity("fidelity", api.fidelity)).unwrap_or_default(),
            minimum_compression_size: minimum_compression_size.and_then(|size| read.take(size)),
            compression_media_types: api.compression_media_types,
            accept_policy: read.take(accept_policy(api.accept_policy)).unwrap_or_default(),
            missing_content_type: read.take(missing_content_type(api.missing_content_type)).unwrap_or_default(),
            integrity: read.take(integrity(api.integrity)).unwrap_or_default(),
            gateway_responses: api.gateway_responses.into_iter().map(|(kind, custom)| (kind, custom.into())).collect(),
            api_key_source: read.take(api_key_source(api.api_key_source)).unwrap_or_default(),
            disable_execute_api_endpoint: api.disable_execute_api_endpoint,
            root_resource_id: api.root_resource_id.into(),
            tags: api.tags,
            created_at_ms: read.take(millis("createdDate", api.created_date)).unwrap_or_default(),
            revision: read.take(revision(api.revision)).unwrap_or_default(),
        };
        read.finish(converted)
    }
}

impl From<RestApi> for wire::RestApi {
    fn from(api: RestApi) -> Self {
        use wire::rest_api as w;
        let fidelity = match api.fidelity {
            Fidelity::Transparent => w::Fidelity::Transparent,
            Fidelity::Aws => w::Fidelity::Aws,
        };
        let api_key_source = match api.api_key_source {
            ApiKeySource::Header => w::ApiKeySource::Header,
            ApiKeySource::Authorizer => w::ApiKeySource::Authorizer,
        };
        let accept_policy = match api.accept_policy {
            AcceptPolicy::First => w::AcceptPolicy::First,
            AcceptPolicy::All => w::AcceptPolicy::All,
        };
        let missing_content_type = match api.missing_content_type {
            MissingContentType::Json => w::MissingContentType::Json,
            MissingContentType::OctetStream => w::MissingContentType::OctetStream,
            MissingContentType::Sniff => w::MissingContentType::Sniff,
        };
        let integrity = match api.integrity {
            Integrity::Off => w::Integrity::Off,
            Integrity::Verify => w::Integrity::Verify,
            Integrity::Add => w::Integrity::Add,
        };
        Self {
            id: api.id.to_string(),
            name: api.name,
            description: api.description,
            version: api.version,
            binary_media_types: api.binary_media_types,
            fidelity: fidelity.into(),
            // The model's bound is far below i32::MAX.
            minimum_compression_size: api.minimum_compression_size.map(|n| i32::try_from(n).unwrap_or(i32::MAX)),
            api_key_source: api_key_source.into(),
            disable_execute_api_endpoint: api.disable_execute_api_endpoint,
            root_resource_id: api.root_resource_id.to_string(),
            tags: api.tags,
            created_date: timestamp(api.created_at_ms),
            revision: api.revision.0,
            accept_policy: accept_policy.into(),
            missing_content_type: missing_content_type.into(),
            integrity: integrity.into(),
            compression_media_types: api.compression_media_types,
            gateway_responses: api.gateway_responses.into_iter().map(|(kind, custom)| (kind, custom.into())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named_at_once() {
        let bad = wire::RestApi {
            fidelity: 77,
            api_key_source: -1,
            minimum_compression_size: Some(-5),
            revision: -1,
            ..Default::default()
        };
        let violations = RestApi::try_from(bad).expect_err("four fields are bad");
        let fields: Vec<_> = violations.as_slice().iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["fidelity", "minimumCompressionSize", "apiKeySource", "revision"]);
    }

    #[test]
    fn unspecified_words_get_their_meaning() {
        let api = RestApi::try_from(wire::RestApi::default()).expect("nothing is wrong with it");
        assert_eq!((api.fidelity, api.api_key_source), (Fidelity::Transparent, ApiKeySource::Header));
    }
}
