//! [`ServiceError`]: what can go wrong around a function or another service, beside what can with every upstream.

use super::Origin;
use crate::services::{NoCredentials, SignError};
use http::StatusCode;
use penstock_model::function::{AnswerProblem, PayloadFormat};
use penstock_model::gateway_response::{GatewayError, GatewayResponseType as Type};

/// For a header that a signature must cover and cannot.
const UNSIGNABLE: &str = "a header for the service is not ASCII text";

/// Why a function or another service gave no answer for the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("there are no credentials to sign with")]
    Credentials(#[source] NoCredentials),
    #[error("the request to the service cannot be signed")]
    Sign(#[source] SignError),
    #[error("the service refused the call with status {0}")]
    Refused(StatusCode),
    #[error("the function failed")]
    Function(PayloadFormat),
    #[error("the function's answer cannot be used")]
    Answer(PayloadFormat, #[source] AnswerProblem),
    #[error("the streamed answer has no usable beginning")]
    Prelude(#[source] AnswerProblem),
    #[error("the service was asked for a stream and answered with something else")]
    NotAStream,
}

impl ServiceError {
    /// Who caused it.
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Sign(SignError::Text) => Origin::Client,
            Self::Credentials(_) | Self::Sign(_) => Origin::Gateway,
            Self::Refused(status) => match *status {
                StatusCode::PAYLOAD_TOO_LARGE => Origin::Client,
                StatusCode::TOO_MANY_REQUESTS => Origin::Upstream,
                status if status.is_client_error() => Origin::Gateway,
                _ => Origin::Upstream,
            },
            Self::Function(_) | Self::Answer(..) | Self::Prelude(_) | Self::NotAStream => Origin::Upstream,
        }
    }

    /// A stable short word for logs and metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "no_credentials",
            Self::Sign(_) => "unsendable",
            Self::Refused(status) => match *status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "service_denied",
                StatusCode::NOT_FOUND => "function_unknown",
                StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
                StatusCode::TOO_MANY_REQUESTS => "service_throttled",
                status if status.is_server_error() => "service_failed",
                _ => "service_refused",
            },
            Self::Function(_) => "function_failed",
            Self::Answer(_, problem) => problem.reason(),
            Self::Prelude(_) => "function_prelude",
            Self::NotAStream => "response_event_stream",
        }
    }

    /// What the client is told (sections b.3, b.6 and k). Nothing of what the service or the function said is in it.
    pub(super) fn answer(&self) -> GatewayError {
        let failure = |status| {
            GatewayError::new(Type::IntegrationFailure).with_status(status).with_message("Internal server error")
        };
        match self {
            // Only what came with the request can be no text: all else was written here.
            Self::Sign(SignError::Text) => GatewayError::new(Type::BadRequest).with_message(UNSIGNABLE),
            Self::Credentials(_) | Self::Sign(_) => GatewayError::configuration(),
            Self::Refused(StatusCode::PAYLOAD_TOO_LARGE) => GatewayError::new(Type::RequestTooLarge),
            Self::Refused(StatusCode::TOO_MANY_REQUESTS) => failure(500),
            Self::Refused(status) if status.is_client_error() => GatewayError::configuration(),
            Self::Refused(_) | Self::Prelude(_) => failure(500),
            Self::Function(PayloadFormat::V1) | Self::Answer(PayloadFormat::V1, _) | Self::NotAStream => failure(502),
            Self::Function(PayloadFormat::V2) | Self::Answer(PayloadFormat::V2, _) => {
                GatewayError::new(Type::FunctionAnswer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_status_its_body_its_reason_and_its_origin() {
        use PayloadFormat::{V1, V2};
        const UNSIGNED: &str = r#"{"message":"a header for the service is not ASCII text"}"#;
        const BLANK: &str = r#"{"message": "Internal server error"}"#;
        let refused = |code: u16| ServiceError::Refused(StatusCode::from_u16(code).expect("a status"));
        let v2 = r#"{"message":"Internal Server Error"}"#;
        for (error, status, body, reason, origin) in [
            (ServiceError::Credentials(NoCredentials::Missing), 500, BLANK, "no_credentials", Origin::Gateway),
            (ServiceError::Sign(SignError::Text), 400, UNSIGNED, "unsendable", Origin::Client),
            (refused(400), 500, BLANK, "service_refused", Origin::Gateway),
            (refused(401), 500, BLANK, "service_denied", Origin::Gateway),
            (refused(403), 500, BLANK, "service_denied", Origin::Gateway),
            (refused(404), 500, BLANK, "function_unknown", Origin::Gateway),
            (refused(413), 413, "HTTP content length exceeded 10485760 bytes.", "request_too_large", Origin::Client),
            (refused(429), 500, BLANK, "service_throttled", Origin::Upstream),
            (refused(500), 500, BLANK, "service_failed", Origin::Upstream),
            (refused(503), 500, BLANK, "service_failed", Origin::Upstream),
            (refused(302), 500, BLANK, "service_refused", Origin::Upstream),
            (ServiceError::Function(V1), 502, BLANK, "function_failed", Origin::Upstream),
            (ServiceError::Function(V2), 500, v2, "function_failed", Origin::Upstream),
            (ServiceError::Answer(V1, AnswerProblem::Status), 502, BLANK, "answer_status", Origin::Upstream),
            (ServiceError::Answer(V2, AnswerProblem::Status), 500, v2, "answer_status", Origin::Upstream),
            (ServiceError::Prelude(AnswerProblem::Prelude), 500, BLANK, "function_prelude", Origin::Upstream),
            (ServiceError::NotAStream, 502, BLANK, "response_event_stream", Origin::Upstream),
        ] {
            let answer = error.answer().default_response();
            assert_eq!((answer.status, &*answer.body), (status, body), "{error}");
            assert_eq!((error.reason(), error.origin()), (reason, origin), "{error}");
        }
    }
}
