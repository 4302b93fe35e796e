//! The gateway's own answers (section e.7): status, `x-amzn-ErrorType` and body of each type.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What an API wants instead of the default answer of one type (section e.7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomGatewayResponse {
    /// Three digits; empty: the type's own.
    pub status_code: String,
    /// `gatewayresponse.header.{name}` to its source.
    pub response_parameters: BTreeMap<String, String>,
    /// Media type to template; none: the default template.
    pub response_templates: BTreeMap<String, String>,
}

/// Why the gateway answers instead of the integration, in the specification's names. `BadRequest`, `NotFound` and
/// `ServiceUnavailable` are ours: for requests that no hosted gateway would let through to this point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GatewayResponseType {
    /// The configuration makes the call impossible.
    ApiConfigurationError,
    /// The request itself is malformed.
    BadRequest,
    /// A host known to us, but nothing behind this base path or stage.
    Forbidden,
    /// The upstream cannot be reached or broke off.
    IntegrationFailure,
    /// The upstream did not answer in time.
    IntegrationTimeout,
    /// No such (resource, method).
    MissingAuthenticationToken,
    /// The same, for a request whose `Authorization` is not a signature (section d.2).
    IncompleteSignature,
    /// A host that no API has.
    NotFound,
    /// A body above its limit.
    RequestTooLarge,
    /// A limit of the process is reached.
    ServiceUnavailable,
}

/// One answer, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayResponse {
    /// HTTP status.
    pub status: u16,
    /// Value of `x-amzn-ErrorType`; `None` for answers without one.
    pub error_type: Option<&'static str>,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Cow<'static, str>,
}

impl GatewayResponseType {
    /// HTTP status (section e.7).
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden | Self::MissingAuthenticationToken | Self::IncompleteSignature => 403,
            Self::NotFound => 404,
            Self::RequestTooLarge => 413,
            Self::ApiConfigurationError => 500,
            Self::ServiceUnavailable => 503,
            Self::IntegrationFailure | Self::IntegrationTimeout => 504,
        }
    }

    /// Value of `x-amzn-ErrorType` (section e.7).
    pub fn error_type(self) -> Option<&'static str> {
        Some(match self {
            Self::ApiConfigurationError | Self::IntegrationFailure | Self::IntegrationTimeout => {
                "InternalServerErrorException"
            }
            Self::BadRequest => "BadRequestException",
            Self::Forbidden => "ForbiddenException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::IncompleteSignature => "IncompleteSignatureException",
            Self::NotFound => "NotFoundException",
            Self::ServiceUnavailable => "ServiceUnavailableException",
            Self::RequestTooLarge => return None,
        })
    }

    /// The answer with its default body. Errors raised while a method executes have a blank behind the colon, errors
    /// raised before have none (section e.7).
    pub fn default_response(self) -> GatewayResponse {
        let body = match self {
            Self::ApiConfigurationError => r#"{"message": "Internal server error"}"#,
            Self::BadRequest => r#"{"message":"Bad Request"}"#,
            Self::Forbidden => r#"{"message":"Forbidden"}"#,
            Self::IntegrationFailure => r#"{"message": "Network error communicating with endpoint"}"#,
            Self::IntegrationTimeout => r#"{"message": "Endpoint request timed out"}"#,
            Self::MissingAuthenticationToken => r#"{"message":"Missing Authentication Token"}"#,
            Self::IncompleteSignature => {
                r#"{"message":"Invalid key=value pair (missing equal-sign) in Authorization header"}"#
            }
            Self::NotFound => r#"{"message":"Not Found"}"#,
            Self::RequestTooLarge => "HTTP content length exceeded 10485760 bytes.",
            Self::ServiceUnavailable => r#"{"message":"Service Unavailable"}"#,
        };
        self.with_body(Cow::Borrowed(body))
    }

    /// The answer with a message of its own. `message` is plain text; it is escaped here.
    pub fn with_message(self, message: &str) -> GatewayResponse {
        let quoted = serde_json::Value::from(message).to_string();
        self.with_body(Cow::Owned(format!(r#"{{"message":{quoted}}}"#)))
    }

    fn with_body(self, body: Cow<'static, str>) -> GatewayResponse {
        let content_type = if self == Self::RequestTooLarge { "text/plain" } else { "application/json" };
        GatewayResponse { status: self.status(), error_type: self.error_type(), content_type, body }
    }
}

/// The message of [`GatewayResponseType::IncompleteSignature`] for a header value whose hash the caller computed.
pub fn incomplete_signature_message(base64_sha256_of_value: &str) -> String {
    format!(
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '{base64_sha256_of_value}'."
    )
}

/// Whether an `Authorization` value is a SigV4 signature, by its scheme.
pub fn is_signature(authorization: &[u8]) -> bool {
    authorization.starts_with(b"AWS4-HMAC-SHA256") || authorization.starts_with(b"AWS4-ECDSA-P256-SHA256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_bodies_have_the_recorded_lengths() {
        use GatewayResponseType as Type;
        for (kind, status, bytes) in [
            (Type::MissingAuthenticationToken, 403, 42),
            (Type::ApiConfigurationError, 500, 36),
            (Type::IntegrationFailure, 504, 56),
            (Type::IntegrationTimeout, 504, 41),
            (Type::Forbidden, 403, 23),
        ] {
            let response = kind.default_response();
            assert_eq!((response.status, response.body.len()), (status, bytes), "{kind:?}");
        }
    }

    #[test]
    fn messages_are_escaped() {
        let response = GatewayResponseType::BadRequest.with_message("a \"b\"");
        assert_eq!(response.body, r#"{"message":"a \"b\""}"#);
    }
}
