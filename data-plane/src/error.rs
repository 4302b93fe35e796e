//! [`ProxyError`]: why a request was not simply passed on, and the only mapping to an HTTP answer and a log reason.

use crate::framing::FramingViolation;
use penstock_model::gateway_response::{GatewayResponse, GatewayResponseType, incomplete_signature_message};
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
    #[error("the route cannot be called")]
    Route(#[source] penstock_model::table::Problem),
    #[error("the request cannot be turned into an upstream request")]
    Target(#[source] TargetProblem),
    #[error("the upstream request cannot be formed")]
    Unsendable,
    #[error("connecting to the upstream")]
    Connect(#[source] io::Error),
    #[error("connecting to the upstream took too long")]
    ConnectTimeout,
    #[error("every connection to the upstream is busy")]
    UpstreamBusy,
    #[error("exchanging with the upstream")]
    Exchange(#[source] hyper::Error),
    #[error("the upstream switched to another protocol unasked")]
    UnaskedUpgrade,
    #[error("the upstream did not answer in time")]
    ResponseTimeout,
    #[error("the client sent nothing for too long")]
    ClientIdle,
    #[error("the client went away")]
    ClientGone,
    #[error("the request body is not base64")]
    RequestBase64,
    #[error("the request body has another digest than announced")]
    RequestDigest,
    #[error("the request body is not in its content coding")]
    RequestCoding,
    #[error("the request body expands too much")]
    RequestExpansion,
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
            | Self::Target(TargetProblem::DotSegment)
            | Self::ClientIdle
            | Self::ClientGone
            | Self::RequestBase64
            | Self::RequestDigest
            | Self::RequestCoding
            | Self::RequestExpansion => Origin::Client,
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Exchange(_)
            | Self::UnaskedUpgrade
            | Self::ResponseTimeout => Origin::Upstream,
            Self::Route(_) | Self::Target(TargetProblem::MissingParameter) | Self::Unsendable | Self::UpstreamBusy => {
                Origin::Gateway
            }
        }
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
            Self::Route(_) => "route_problem",
            Self::Target(TargetProblem::DotSegment) => "dot_segment",
            Self::Target(TargetProblem::MissingParameter) => "missing_path_parameter",
            Self::Unsendable => "unsendable",
            Self::Connect(_) => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::UpstreamBusy => "upstream_busy",
            Self::Exchange(_) => "upstream_broke",
            Self::UnaskedUpgrade => "upstream_upgraded",
            Self::ResponseTimeout => "upstream_timeout",
            Self::ClientIdle => "client_idle",
            Self::ClientGone => "client_gone",
            Self::RequestBase64 => "request_base64",
            Self::RequestDigest => "request_digest",
            Self::RequestCoding => "request_coding",
            Self::RequestExpansion => "request_expansion",
        }
    }

    /// What the client is told. Internals stay in the log; the request id links both.
    pub(crate) fn response(&self) -> GatewayResponse {
        match self {
            Self::Framing(violation) => GatewayResponse {
                status: violation.status(),
                ..GatewayResponseType::BadRequest.with_message(&violation.to_string())
            },
            Self::MissingHost => GatewayResponseType::BadRequest.with_message("the request names no host"),
            Self::TargetByte => GatewayResponseType::BadRequest
                .with_message("the request target holds a byte that must be percent-encoded"),
            Self::UnknownHost => GatewayResponseType::NotFound.default_response(),
            Self::UnknownStage => GatewayResponseType::Forbidden.default_response(),
            Self::NoRoute => GatewayResponseType::MissingAuthenticationToken.default_response(),
            Self::NoRouteUnsigned { hash } => {
                GatewayResponseType::IncompleteSignature.with_message(&incomplete_signature_message(hash))
            }
            Self::Target(TargetProblem::DotSegment) => {
                GatewayResponseType::BadRequest.with_message("a path parameter holds a dot segment")
            }
            Self::Route(_) | Self::Target(TargetProblem::MissingParameter) | Self::Unsendable | Self::RequestBase64 => {
                GatewayResponseType::ApiConfigurationError.default_response()
            }
            Self::Connect(_) | Self::ConnectTimeout | Self::Exchange(_) | Self::UnaskedUpgrade => {
                GatewayResponseType::IntegrationFailure.default_response()
            }
            Self::ResponseTimeout => GatewayResponseType::IntegrationTimeout.default_response(),
            Self::UpstreamBusy => GatewayResponseType::ServiceUnavailable.default_response(),
            Self::ClientIdle => GatewayResponse {
                status: 408,
                ..GatewayResponseType::BadRequest.with_message("the request body stopped arriving")
            },
            Self::ClientGone => GatewayResponseType::BadRequest.with_message("the request body is incomplete"),
            Self::RequestDigest | Self::RequestCoding => {
                GatewayResponseType::BadRequest.with_message(&self.to_string())
            }
            Self::RequestExpansion => GatewayResponseType::RequestTooLarge.default_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::table::Problem;

    #[test]
    fn every_error_has_its_status_its_reason_and_its_origin() {
        let io = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let table = [
            (ProxyError::MissingHost, 400, "missing_host", Origin::Client),
            (ProxyError::TargetByte, 400, "target_byte", Origin::Client),
            (ProxyError::UnknownHost, 404, "unknown_host", Origin::Client),
            (ProxyError::UnknownStage, 403, "unknown_stage", Origin::Client),
            (ProxyError::NoRoute, 403, "no_route", Origin::Client),
            (ProxyError::NoRouteUnsigned { hash: "h".into() }, 403, "no_route_unsigned", Origin::Client),
            (ProxyError::Route(Problem::NotServed("AWS")), 500, "route_problem", Origin::Gateway),
            (ProxyError::Target(TargetProblem::DotSegment), 400, "dot_segment", Origin::Client),
            (ProxyError::Target(TargetProblem::MissingParameter), 500, "missing_path_parameter", Origin::Gateway),
            (ProxyError::Unsendable, 500, "unsendable", Origin::Gateway),
            (ProxyError::Connect(io()), 504, "connect_failed", Origin::Upstream),
            (ProxyError::ConnectTimeout, 504, "connect_timeout", Origin::Upstream),
            (ProxyError::UpstreamBusy, 503, "upstream_busy", Origin::Gateway),
            (ProxyError::UnaskedUpgrade, 504, "upstream_upgraded", Origin::Upstream),
            (ProxyError::ResponseTimeout, 504, "upstream_timeout", Origin::Upstream),
            (ProxyError::ClientIdle, 408, "client_idle", Origin::Client),
            (ProxyError::ClientGone, 400, "client_gone", Origin::Client),
            (ProxyError::RequestBase64, 500, "request_base64", Origin::Client),
            (ProxyError::RequestDigest, 400, "request_digest", Origin::Client),
            (ProxyError::RequestCoding, 400, "request_coding", Origin::Client),
            (ProxyError::RequestExpansion, 413, "request_expansion", Origin::Client),
        ];
        for (error, status, reason, origin) in table {
            assert_eq!((error.response().status, error.reason(), error.origin()), (status, reason, origin), "{error}");
        }
    }
}
