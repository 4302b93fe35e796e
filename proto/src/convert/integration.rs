//! Integration, IntegrationResponse and their words.

use super::{ConvertError, Reader, error, known, method::verb, revision};
use crate::management::v1 as wire;
use penstock_model::integration::{
    ConnectionType, ContentHandling, Integration, IntegrationType, LambdaEndpoint, PassthroughBehavior,
    ResponseTransferMode, TlsConfig,
};
use penstock_model::limits::TIMEOUT_MS_DEFAULT;
use penstock_model::response::IntegrationResponse;
use penstock_model::violation::Violations;
use std::collections::BTreeMap;

fn kind(number: i32) -> Result<IntegrationType, ConvertError> {
    use wire::integration::Type as W;
    Ok(match known::<W>("type", number)? {
        W::Unspecified => return Err(error("type", "must be one of HTTP, HTTP_PROXY, AWS, AWS_PROXY, MOCK")),
        W::Http => IntegrationType::Http,
        W::HttpProxy => IntegrationType::HttpProxy,
        W::Aws => IntegrationType::Aws,
        W::AwsProxy => IntegrationType::AwsProxy,
        W::Mock => IntegrationType::Mock,
    })
}

fn kind_to_wire(kind: IntegrationType) -> wire::integration::Type {
    use wire::integration::Type as W;
    match kind {
        IntegrationType::Http => W::Http,
        IntegrationType::HttpProxy => W::HttpProxy,
        IntegrationType::Aws => W::Aws,
        IntegrationType::AwsProxy => W::AwsProxy,
        IntegrationType::Mock => W::Mock,
    }
}

fn passthrough(number: i32) -> Result<PassthroughBehavior, ConvertError> {
    use wire::integration::PassthroughBehavior as W;
    Ok(match known::<W>("passthroughBehavior", number)? {
        W::Unspecified | W::WhenNoMatch => PassthroughBehavior::WhenNoMatch,
        W::WhenNoTemplates => PassthroughBehavior::WhenNoTemplates,
        W::Never => PassthroughBehavior::Never,
    })
}

fn passthrough_to_wire(behavior: PassthroughBehavior) -> wire::integration::PassthroughBehavior {
    use wire::integration::PassthroughBehavior as W;
    match behavior {
        PassthroughBehavior::WhenNoMatch => W::WhenNoMatch,
        PassthroughBehavior::WhenNoTemplates => W::WhenNoTemplates,
        PassthroughBehavior::Never => W::Never,
    }
}

fn connection_type(number: i32) -> Result<ConnectionType, ConvertError> {
    use wire::integration::ConnectionType as W;
    Ok(match known::<W>("connectionType", number)? {
        W::Unspecified | W::Internet => ConnectionType::Internet,
        W::VpcLink => ConnectionType::VpcLink,
    })
}

fn connection_type_to_wire(kind: ConnectionType) -> wire::integration::ConnectionType {
    use wire::integration::ConnectionType as W;
    match kind {
        ConnectionType::Internet => W::Internet,
        ConnectionType::VpcLink => W::VpcLink,
    }
}

fn transfer_mode(number: i32) -> Result<ResponseTransferMode, ConvertError> {
    use wire::integration::ResponseTransferMode as W;
    Ok(match known::<W>("responseTransferMode", number)? {
        W::Unspecified | W::Buffered => ResponseTransferMode::Buffered,
        W::Stream => ResponseTransferMode::Stream,
    })
}

fn transfer_mode_to_wire(mode: ResponseTransferMode) -> wire::integration::ResponseTransferMode {
    use wire::integration::ResponseTransferMode as W;
    match mode {
        ResponseTransferMode::Buffered => W::Buffered,
        ResponseTransferMode::Stream => W::Stream,
    }
}

fn content_handling(number: i32) -> Result<Option<ContentHandling>, ConvertError> {
    Ok(match known::<wire::ContentHandling>("contentHandling", number)? {
        wire::ContentHandling::Unspecified | wire::ContentHandling::Passthrough => None,
        wire::ContentHandling::ConvertToBinary => Some(ContentHandling::ConvertToBinary),
        wire::ContentHandling::ConvertToText => Some(ContentHandling::ConvertToText),
    })
}

fn content_handling_to_wire(handling: Option<ContentHandling>) -> wire::ContentHandling {
    match handling {
        None => wire::ContentHandling::Unspecified,
        Some(ContentHandling::ConvertToBinary) => wire::ContentHandling::ConvertToBinary,
        Some(ContentHandling::ConvertToText) => wire::ContentHandling::ConvertToText,
    }
}

fn timeout(ms: i32) -> Result<u32, ConvertError> {
    match ms {
        0 => Ok(TIMEOUT_MS_DEFAULT),
        _ => u32::try_from(ms).map_err(|_| error("timeoutInMillis", "must not be negative")),
    }
}

impl TryFrom<wire::Integration> for Integration {
    type Error = Violations;

    fn try_from(integration: wire::Integration) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let mut integration_responses = BTreeMap::new();
        for (code, response) in integration.integration_responses {
            if let Some(response) = read.below(&format!("integrationResponses[{code}]"), response.try_into()) {
                integration_responses.insert(code, response);
            }
        }
        let http_method = match integration.http_method.as_str() {
            "" => None,
            text => read.take(verb("httpMethod", text)),
        };
        let tls = integration.tls_config.unwrap_or_default();
        let passthrough_behavior = read.take(passthrough(integration.passthrough_behavior)).unwrap_or_default();
        let content_handling = read.take(content_handling(integration.content_handling)).unwrap_or_default();
        let connection_type = read.take(connection_type(integration.connection_type)).unwrap_or_default();
        let timeout_in_millis = read.take(timeout(integration.timeout_in_millis)).unwrap_or_default();
        let response_transfer_mode = read.take(transfer_mode(integration.response_transfer_mode)).unwrap_or_default();
        let revision = read.take(revision(integration.revision)).unwrap_or_default();
        let Some(kind) = read.take(kind(integration.r#type)) else {
            return Err(read.violations);
        };
        read.finish(Self {
            kind,
            http_method,
            uri: integration.uri,
            connection_type,
            connection_id: integration.connection_id,
            credentials: integration.credentials,
            request_parameters: integration.request_parameters,
            request_templates: integration.request_templates,
            passthrough_behavior,
            content_handling,
            timeout_in_millis,
            cache_namespace: integration.cache_namespace,
            cache_key_parameters: integration.cache_key_parameters,
            tls_config: TlsConfig {
                insecure_skip_verification: tls.insecure_skip_verification,
                server_name_to_verify: tls.server_name_to_verify,
            },
            integration_responses,
            response_transfer_mode,
            payload_format_version: integration.payload_format_version,
            lambda_endpoint: integration.lambda_endpoint.map(Into::into),
            revision,
        })
    }
}

impl From<Integration> for wire::Integration {
    fn from(integration: Integration) -> Self {
        let tls = integration.tls_config;
        Self {
            r#type: kind_to_wire(integration.kind).into(),
            http_method: integration.http_method.map(|verb| verb.as_str().to_owned()).unwrap_or_default(),
            uri: integration.uri,
            connection_type: connection_type_to_wire(integration.connection_type).into(),
            connection_id: integration.connection_id,
            credentials: integration.credentials,
            request_parameters: integration.request_parameters,
            request_templates: integration.request_templates,
            passthrough_behavior: passthrough_to_wire(integration.passthrough_behavior).into(),
            content_handling: content_handling_to_wire(integration.content_handling).into(),
            // The model's bound is far below i32::MAX.
            timeout_in_millis: i32::try_from(integration.timeout_in_millis).unwrap_or(i32::MAX),
            cache_namespace: integration.cache_namespace,
            cache_key_parameters: integration.cache_key_parameters,
            tls_config: (tls != TlsConfig::default()).then_some(wire::integration::TlsConfig {
                insecure_skip_verification: tls.insecure_skip_verification,
                server_name_to_verify: tls.server_name_to_verify,
            }),
            revision: integration.revision.0,
            integration_responses: integration.integration_responses.into_iter().map(|(c, r)| (c, r.into())).collect(),
            response_transfer_mode: transfer_mode_to_wire(integration.response_transfer_mode).into(),
            payload_format_version: integration.payload_format_version,
            lambda_endpoint: integration.lambda_endpoint.map(Into::into),
        }
    }
}

impl From<wire::integration::LambdaEndpoint> for LambdaEndpoint {
    fn from(endpoint: wire::integration::LambdaEndpoint) -> Self {
        let wire::integration::LambdaEndpoint { url, function_name, unsigned } = endpoint;
        Self { url, function_name, unsigned }
    }
}

impl From<LambdaEndpoint> for wire::integration::LambdaEndpoint {
    fn from(endpoint: LambdaEndpoint) -> Self {
        let LambdaEndpoint { url, function_name, unsigned } = endpoint;
        Self { url, function_name, unsigned }
    }
}

impl TryFrom<wire::IntegrationResponse> for IntegrationResponse {
    type Error = Violations;

    fn try_from(response: wire::IntegrationResponse) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let converted = Self {
            status_code: response.status_code,
            selection_pattern: response.selection_pattern,
            response_parameters: response.response_parameters,
            response_templates: response.response_templates,
            content_handling: read.take(content_handling(response.content_handling)).unwrap_or_default(),
            revision: read.take(revision(response.revision)).unwrap_or_default(),
        };
        read.finish(converted)
    }
}

impl From<IntegrationResponse> for wire::IntegrationResponse {
    fn from(response: IntegrationResponse) -> Self {
        Self {
            status_code: response.status_code,
            selection_pattern: response.selection_pattern,
            response_parameters: response.response_parameters,
            response_templates: response.response_templates,
            content_handling: content_handling_to_wire(response.content_handling).into(),
            revision: response.revision.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy() -> wire::Integration {
        wire::Integration { r#type: wire::integration::Type::HttpProxy.into(), ..Default::default() }
    }

    #[test]
    fn unset_words_get_their_meaning() {
        let passthrough = wire::ContentHandling::Passthrough.into();
        let read = Integration::try_from(wire::Integration { content_handling: passthrough, ..proxy() });
        assert_eq!(read, Ok(Integration::new(IntegrationType::HttpProxy, None, "")));
    }

    #[test]
    fn an_endpoint_that_says_nothing_is_not_none_at_all() {
        let lambda_endpoint = Some(wire::integration::LambdaEndpoint::default());
        let read = Integration::try_from(wire::Integration { lambda_endpoint: lambda_endpoint.clone(), ..proxy() });
        let read = read.expect("whether it is possible is not judged here");
        assert_eq!(read.lambda_endpoint, Some(LambdaEndpoint::default()));
        assert_eq!(wire::Integration::from(read).lambda_endpoint, lambda_endpoint);
    }

    #[test]
    fn unknown_words_are_rejected_and_never_a_default() {
        let bad = wire::Integration {
            http_method: "get".into(),
            passthrough_behavior: 44,
            content_handling: 44,
            connection_type: 44,
            timeout_in_millis: -1,
            response_transfer_mode: 44,
            revision: -2,
            ..wire::Integration::default()
        };
        assert_eq!(Integration::try_from(bad).expect_err("everything is wrong").as_slice().len(), 8);
    }
}
