//! [`ProxyError`]: why a request was not simply passed on, and the only mapping to an HTTP answer and a log reason.

mod service;

pub(crate) use service::ServiceError;

use crate::body::BodyError;
use crate::framing::FramingViolation;
use crate::limits::OVERLOAD_RETRY_AFTER_SECONDS;
use crate::transform::collect::CollectError;
use crate::transform::digest::DigestFieldError;
use crate::upstream::{ExchangeError, ResolveError};
use penstock_model::content::coding::CodingsError;
use penstock_model::content::passthrough::Refusal;
use penstock_model::exchange::HeadProblem;
use penstock_model::gateway_response::{GatewayError, GatewayResponseType};
use penstock_model::mapping::SourceProblem;
use penstock_model::table::LocateError;
use penstock_model::uri_template::TargetProblem;
use std::io;

/// Who caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Whoever called us.
    Client,
    /// The server behind the integration.
    Upstream,
    /// This process or its configuration.
    Gateway,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        }
    }
}

/// Why a request was not simply passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("the request's framing is wrong")]
    Framing(#[source] FramingViolation),
    #[error("the request names no host")]
    MissingHost,
    #[error("the request target holds a byte that must be percent-encoded")]
    TargetByte,
    #[error("no API has this host")]
    UnknownHost,
    #[error("nothing is behind this base path or stage")]
    UnknownStage,
    #[error("no method of the API matches")]
    NoRoute,
    #[error("no method of the API matches, and the authorization is not a signature")]
    NoRouteUnsigned {
        /// base64 of the SHA-256 of the header's value.
        hash: String,
    },
    #[error("no control plane has confirmed the configuration for too long")]
    Stale,
    #[error("the process has as much to do as it may")]
    Overloaded,
    #[error("the route cannot be called")]
    Route(#[source] penstock_model::table::Problem),
    #[error("the request cannot be turned into an upstream request")]
    Head(#[source] HeadProblem),
    #[error("the body meets no template, or one that cannot take it")]
    Refused(#[source] Refusal),
    #[error("the MOCK request names no status code")]
    NoMockStatus,
    #[error("the upstream request cannot be formed")]
    Unsendable,
    #[error("the request body cannot be read")]
    RequestBody(#[source] CollectError),
    #[error("the digest that the request announces cannot be read")]
    RequestDigestField(#[source] DigestFieldError),
    #[error("the content coding of the request body cannot be undone")]
    RequestCodings(#[source] CodingsError),
    #[error("calling a function or another service")]
    Service(#[source] ServiceError),
    #[error("no integration response accepts the answer, and there is no default")]
    NoIntegrationResponse,
    #[error("a mapping of the answer gives what no header can hold")]
    UnsendableAnswer,
    #[error("the upstream's body cannot be read")]
    ResponseBody(#[source] CollectError),
    #[error("the digest that the upstream announces cannot be read")]
    ResponseDigestField(#[source] DigestFieldError),
    #[error("finding the addresses of the upstream")]
    Resolve(#[source] ResolveError),
    #[error("connecting to the upstream")]
    Connect(#[source] io::Error),
    #[error("connecting to the upstream took too long")]
    ConnectTimeout,
    #[error("every connection to the upstream is busy")]
    UpstreamBusy,
    #[error("exchanging with the upstream")]
    Exchange(#[source] hyper::Error),
    #[error("exchanging with the upstream")]
    PlainExchange(#[source] ExchangeError),
    #[error("exchanging with the upstream")]
    Http2Exchange(#[source] h2::Error),
    #[error("the upstream switched to another protocol unasked")]
    UnaskedUpgrade,
    #[error("the upstream did not answer in time")]
    ResponseTimeout,
    #[error("the client sent nothing for too long")]
    ClientIdle,
    #[error("the client sent too slowly for too long")]
    ClientSlow,
    #[error("the client went away")]
    ClientGone,
}

impl From<HeadProblem> for ProxyError {
    fn from(problem: HeadProblem) -> Self {
        Self::Head(problem)
    }
}

impl From<Refusal> for ProxyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CollectError> for ProxyError {
    /// Bodies are mostly read on the request's side; the response's says [`ProxyError::ResponseBody`] itself.
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Body(BodyError::Idle) => Self::ClientIdle,
            CollectError::Body(BodyError::Slow) => Self::ClientSlow,
            CollectError::Body(BodyError::Broken) => Self::ClientGone,
            error => Self::RequestBody(error),
        }
    }
}

impl ProxyError {
    /// Who caused it.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Framing(_)
            | Self::MissingHost
            | Self::TargetByte
            | Self::UnknownHost
            | Self::UnknownStage
            | Self::NoRoute
            | Self::NoRouteUnsigned { .. }
            | Self::Head(
                HeadProblem::Target(TargetProblem::DotSegment | TargetProblem::Source(_))
                | HeadProblem::ValueTooLarge
                | HeadProblem::Source(_),
            )
            | Self::Refused(Refusal::UnsupportedMediaType)
            | Self::NoMockStatus
            | Self::RequestBody(CollectError::TooLarge | CollectError::Time | CollectError::Body(_))
            | Self::RequestDigestField(_)
            | Self::RequestCodings(_)
            | Self::ClientIdle
            | Self::ClientSlow
            | Self::ClientGone => Origin::Client,
            Self::Service(error) => error.origin(),
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Exchange(_)
            | Self::PlainExchange(_)
            | Self::Http2Exchange(_)
            | Self::UnaskedUpgrade
            | Self::ResponseBody(CollectError::TooLarge | CollectError::Time | CollectError::Body(_))
            | Self::ResponseDigestField(_)
            | Self::ResponseTimeout => Origin::Upstream,
            Self::Stale
            | Self::Overloaded
            | Self::Route(_)
            | Self::Head(HeadProblem::Target(TargetProblem::MissingParameter) | HeadProblem::Unsendable)
            | Self::Refused(Refusal::UnableToTransformRequest | Refusal::UnableToTransformResponse)
            | Self::Unsendable
            | Self::RequestBody(CollectError::Budget)
            | Self::ResponseBody(CollectError::Budget)
            | Self::NoIntegrationResponse
            | Self::UnsendableAnswer
            | Self::UpstreamBusy => Origin::Gateway,
        }
    }

    /// When the client may try again, in seconds, where that is known: there is too much to do just now.
    pub(crate) fn retry_after_seconds(&self) -> Option<u32> {
        use CollectError::{Body, Budget};
        let is_load = match self {
            Self::Overloaded => true,
            Self::RequestBody(error) | Self::ResponseBody(error) => matches!(error, Budget | Body(BodyError::Budget)),
            _ => false,
        };
        is_load.then_some(OVERLOAD_RETRY_AFTER_SECONDS)
    }

    /// A stable short word for logs and metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Framing(violation) => violation.reason(),
            Self::MissingHost => "missing_host",
            Self::TargetByte => "target_byte",
            Self::UnknownHost => "unknown_host",
            Self::UnknownStage => "unknown_stage",
            Self::NoRoute => "no_route",
            Self::NoRouteUnsigned { .. } => "no_route_unsigned",
            Self::Stale => "stale_configuration",
            Self::Overloaded => "overloaded",
            Self::Route(_) => "route_problem",
            Self::Head(HeadProblem::Target(TargetProblem::DotSegment)) => "dot_segment",
            Self::Head(HeadProblem::Target(TargetProblem::MissingParameter)) => "missing_path_parameter",
            Self::Head(HeadProblem::ValueTooLarge) => "mapped_value_too_large",
            Self::Head(HeadProblem::Target(TargetProblem::Source(source)) | HeadProblem::Source(source)) => {
                match source {
                    SourceProblem::ValueTooLarge => "mapped_value_too_large",
                    SourceProblem::SearchTooLarge => "mapped_search_too_large",
                }
            }
            Self::Head(HeadProblem::Unsendable) | Self::Unsendable => "unsendable",
            Self::Refused(Refusal::UnsupportedMediaType) => "unsupported_media_type",
            Self::Refused(Refusal::UnableToTransformRequest) => "transform_request",
            Self::Refused(Refusal::UnableToTransformResponse) => "transform_response",
            Self::NoMockStatus => "mock_status",
            Self::RequestBody(error) => match error {
                CollectError::TooLarge => "request_too_large",
                CollectError::Budget => "collect_budget",
                CollectError::Time => "request_collect_timeout",
                CollectError::Body(error) => error.request_reason(),
            },
            Self::RequestDigestField(_) => "request_digest_field",
            Self::RequestCodings(_) => "request_content_encoding",
            Self::Service(error) => error.reason(),
            Self::NoIntegrationResponse => "no_integration_response",
            Self::UnsendableAnswer => "unsendable_answer",
            Self::ResponseBody(error) => match error {
                CollectError::TooLarge => "response_too_large",
                CollectError::Budget => "collect_budget",
                CollectError::Time => "response_collect_timeout",
                CollectError::Body(error) => error.response_reason(),
            },
            Self::ResponseDigestField(_) => "response_digest_field",
            Self::Resolve(_) => "resolve_failed",
            Self::Connect(_) => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::UpstreamBusy => "upstream_busy",
            Self::Exchange(_) | Self::PlainExchange(_) | Self::Http2Exchange(_) => "upstream_broke",
            Self::UnaskedUpgrade => "upstream_upgraded",
            Self::ResponseTimeout => "upstream_timeout",
            Self::ClientIdle => "client_idle",
            Self::ClientSlow => "client_slow",
            Self::ClientGone => "client_gone",
        }
    }

    /// What the client is told. Internals stay in the log; the request id links both.
    pub(crate) fn answer(&self) -> GatewayError {
        use GatewayResponseType as Type;
        match self {
            Self::Framing(violation) => {
                GatewayError::new(Type::BadRequest).with_message(violation.to_string()).with_status(violation.status())
            }
            Self::MissingHost | Self::TargetByte => GatewayError::new(Type::BadRequest).with_message(self.to_string()),
            Self::UnknownHost => LocateError::UnknownHost.into(),
            Self::UnknownStage => LocateError::UnknownStage.into(),
            Self::NoRoute => GatewayError::no_route(None),
            Self::NoRouteUnsigned { hash } => GatewayError::no_route(Some(hash)),
            Self::Head(problem) => (*problem).into(),
            Self::Refused(refusal) => (*refusal).into(),
            Self::RequestCodings(error) => (*error).into(),
            Self::Route(_)
            | Self::NoMockStatus
            | Self::Unsendable
            | Self::NoIntegrationResponse
            | Self::UnsendableAnswer => GatewayError::configuration(),
            Self::Service(error) => error.answer(),
            Self::RequestDigestField(_) => GatewayError::new(Type::BadRequest).with_message(self.to_string()),
            Self::RequestBody(error) => request_body_answer(*error),
            Self::ResponseBody(error) => response_body_answer(*error),
            Self::ResponseDigestField(_) => {
                GatewayError::new(Type::IntegrationFailure).with_status(502).with_message("Internal server error")
            }
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Exchange(_)
            | Self::PlainExchange(_)
            | Self::Http2Exchange(_)
            | Self::UnaskedUpgrade => GatewayError::new(Type::IntegrationFailure),
            Self::ResponseTimeout => GatewayError::new(Type::IntegrationTimeout),
            Self::Stale | Self::Overloaded | Self::UpstreamBusy => GatewayError::new(Type::ServiceUnavailable),
            Self::ClientIdle => {
                GatewayError::new(Type::BadRequest).with_message("the request body stopped arriving").with_status(408)
            }
            Self::ClientSlow => {
                GatewayError::new(Type::BadRequest).with_message("the request body arrived too slowly").with_status(408)
            }
            Self::ClientGone => GatewayError::new(Type::BadRequest).with_message("the request body is incomplete"),
        }
    }
}

/// Small bodies that cannot be decoded fail as the specification says (section a.6); larger ones fail late, and the same.
fn request_body_answer(error: CollectError) -> GatewayError {
    use GatewayResponseType as Type;
    match error {
        CollectError::TooLarge | CollectError::Body(BodyError::Expansion) => GatewayError::new(Type::RequestTooLarge),
        CollectError::Budget => GatewayError::new(Type::ServiceUnavailable),
        CollectError::Time => {
            GatewayError::new(Type::BadRequest).with_message("the request body took too long").with_status(408)
        }
        CollectError::Body(BodyError::Base64) => GatewayError::new(Type::ApiConfigurationError),
        CollectError::Body(BodyError::Budget) => GatewayError::new(Type::ServiceUnavailable),
        CollectError::Body(
            error @ (BodyError::Digest
            | BodyError::Coding
            | BodyError::Idle
            | BodyError::Slow
            | BodyError::Broken
            | BodyError::Function
            | BodyError::EventStream),
        ) => GatewayError::new(Type::BadRequest).with_message(error.to_string()),
    }
}

fn response_body_answer(error: CollectError) -> GatewayError {
    use GatewayResponseType as Type;
    match error {
        CollectError::Body(BodyError::Base64) => GatewayError::new(Type::ApiConfigurationError),
        CollectError::Budget | CollectError::Body(BodyError::Budget) => GatewayError::new(Type::ServiceUnavailable),
        CollectError::Time | CollectError::Body(BodyError::Idle | BodyError::Slow) => {
            GatewayError::new(Type::IntegrationTimeout)
        }
        CollectError::Body(BodyError::Broken) => GatewayError::new(Type::IntegrationFailure),
        CollectError::TooLarge
        | CollectError::Body(
            BodyError::Digest | BodyError::Coding | BodyError::Expansion | BodyError::Function | BodyError::EventStream,
        ) => GatewayError::new(Type::IntegrationFailure).with_status(502).with_message("Internal server error"),
    }
}

#[cfg(test)]
mod tests;
