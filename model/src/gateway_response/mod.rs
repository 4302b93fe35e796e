//! The gateway's own answers (section e.7): what each type says by itself, and what an API makes of it.
//!
//! | file | subject |
//! |---|---|
//! | `kind` | the types, their statuses and default bodies |
//! | `custom` | a customisation as an operator writes it, as it is read, and which one applies to a type |
//! | `compiled` | customisations as a stage serves them |
//! | `refusal` | which error a reason of the model is |
//!
//! The proxy says what went wrong as a [`GatewayError`]. Behind a stage [`CompiledGatewayResponses::answer`] makes the
//! answer of it, before one is found [`GatewayError::default_response`].

mod compiled;
mod custom;
mod kind;
mod refusal;

pub use compiled::CompiledGatewayResponses;
pub use custom::{CustomGatewayResponse, EffectiveGatewayResponse, effective};
pub use kind::{CustomisableType, GatewayResponseType};

pub(crate) use custom::read;

use http::{HeaderName, HeaderValue};
use std::borrow::Cow;

/// Why the gateway answers by itself, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayError {
    /// Of which type.
    pub kind: GatewayResponseType,
    /// In place of the type's own status, as long as the API sets none: a bad function result is an
    /// `INTEGRATION_FAILURE` with 502 (section b.3).
    pub status: Option<u16>,
    /// In place of the type's own message; plain text.
    pub message: Option<Cow<'static, str>>,
    /// What a request validator found: `$context.error.validationErrorString`.
    pub validation_error: Option<String>,
}

/// One answer, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayResponse {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// Value of `x-amzn-ErrorType`; `None` for answers without one.
    pub error_type: Option<&'static str>,
    /// What the API adds, in the order of the names; nothing that every answer gets, and nothing that touches framing.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Value of `Content-Type`.
    pub content_type: HeaderValue,
    /// The body; empty for a status that has none.
    pub body: Cow<'static, str>,
}

impl GatewayError {
    /// An error about which no more is known than its type.
    pub fn new(kind: GatewayResponseType) -> Self {
        Self { kind, status: None, message: None, validation_error: None }
    }

    /// The same with a message of its own.
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// The same with a status of its own.
    pub fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The answer that no API has customised.
    pub fn default_response(&self) -> GatewayResponse {
        GatewayResponse {
            status: self.status.unwrap_or(self.kind.status()),
            error_type: self.kind.error_type(),
            headers: Vec::new(),
            content_type: HeaderValue::from_static(self.kind.default_content_type()),
            body: self.kind.default_body(self.message.as_deref()),
        }
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
    fn an_error_may_know_more_than_its_type() {
        let plain = GatewayError::new(GatewayResponseType::IntegrationFailure);
        let answer = plain.default_response();
        assert_eq!((answer.status, answer.content_type.as_bytes()), (504, b"application/json".as_slice()));
        assert_eq!(answer.body, r#"{"message": "Network error communicating with endpoint"}"#);
        let answer = plain.with_status(502).with_message("Internal server error").default_response();
        assert_eq!((answer.status, &*answer.body), (502, r#"{"message": "Internal server error"}"#));
        assert_eq!(answer.error_type, Some("InternalServerErrorException"));
    }

    #[test]
    fn messages_are_escaped_where_the_body_is_json() {
        let of = |kind| GatewayError::new(kind).with_message("a \"b\"").default_response();
        assert_eq!(of(GatewayResponseType::BadRequest).body, r#"{"message":"a \"b\""}"#);
        let large = of(GatewayResponseType::RequestTooLarge);
        assert_eq!((&*large.body, large.content_type.as_bytes()), ("a \"b\"", b"text/plain".as_slice()));
    }
}
