//! RestApi, and the small words of the calls around it.

use super::{ConvertError, Reader, error, known, millis, revision, timestamp};
use crate::management::v1 as wire;
use penstock_model::rest_api::{ApiKeySource, Fidelity, RestApi};
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
