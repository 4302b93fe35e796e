//! Every error, what the client is told, and what the log says.

use super::*;
use penstock_model::table::Problem;

#[test]
fn every_error_has_its_status_its_reason_and_its_origin() {
    let head = ProxyError::Head;
    let answered = ProxyError::ResponseBody;
    let io = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let table = [
        (ProxyError::MissingHost, 400, "missing_host", Origin::Client),
        (ProxyError::TargetByte, 400, "target_byte", Origin::Client),
        (ProxyError::UnknownHost, 404, "unknown_host", Origin::Client),
        (ProxyError::UnknownStage, 403, "unknown_stage", Origin::Client),
        (ProxyError::NoRoute, 403, "no_route", Origin::Client),
        (ProxyError::NoRouteUnsigned { hash: "h".into() }, 403, "no_route_unsigned", Origin::Client),
        (ProxyError::Stale, 503, "stale_configuration", Origin::Gateway),
        (ProxyError::Overloaded, 503, "overloaded", Origin::Gateway),
        (ProxyError::Route(Problem::NotServed("AWS")), 500, "route_problem", Origin::Gateway),
        (head(HeadProblem::Target(TargetProblem::DotSegment)), 400, "dot_segment", Origin::Client),
        (head(HeadProblem::Target(TargetProblem::MissingParameter)), 500, "missing_path_parameter", Origin::Gateway),
        (head(HeadProblem::Unsendable), 500, "unsendable", Origin::Gateway),
        (head(HeadProblem::ValueTooLarge), 431, "mapped_value_too_large", Origin::Client),
        (head(HeadProblem::Source(SourceProblem::ValueTooLarge)), 431, "mapped_value_too_large", Origin::Client),
        (head(HeadProblem::Source(SourceProblem::SearchTooLarge)), 413, "mapped_search_too_large", Origin::Client),
        (Refusal::UnsupportedMediaType.into(), 415, "unsupported_media_type", Origin::Client),
        (Refusal::UnableToTransformRequest.into(), 500, "transform_request", Origin::Gateway),
        (Refusal::UnableToTransformResponse.into(), 500, "transform_response", Origin::Gateway),
        (ProxyError::NoMockStatus, 500, "mock_status", Origin::Client),
        (ProxyError::NoIntegrationResponse, 500, "no_integration_response", Origin::Gateway),
        (ProxyError::UnsendableAnswer, 500, "unsendable_answer", Origin::Gateway),
        (ProxyError::RequestDigestField(DigestFieldError::Syntax), 400, "request_digest_field", Origin::Client),
        (ProxyError::ResponseDigestField(DigestFieldError::Value), 502, "response_digest_field", Origin::Upstream),
        (ProxyError::RequestCodings(CodingsError::Unknown), 415, "request_content_encoding", Origin::Client),
        (CollectError::TooLarge.into(), 413, "request_too_large", Origin::Client),
        (CollectError::Budget.into(), 503, "collect_budget", Origin::Gateway),
        (CollectError::Time.into(), 408, "request_collect_timeout", Origin::Client),
        (CollectError::Body(BodyError::Idle).into(), 408, "client_idle", Origin::Client),
        (CollectError::Body(BodyError::Slow).into(), 408, "client_slow", Origin::Client),
        (CollectError::Body(BodyError::Broken).into(), 400, "client_gone", Origin::Client),
        (CollectError::Body(BodyError::Base64).into(), 500, "request_base64", Origin::Client),
        (CollectError::Body(BodyError::Digest).into(), 400, "request_digest", Origin::Client),
        (CollectError::Body(BodyError::Coding).into(), 400, "request_coding", Origin::Client),
        (CollectError::Body(BodyError::Expansion).into(), 413, "request_expansion", Origin::Client),
        (answered(CollectError::TooLarge), 502, "response_too_large", Origin::Upstream),
        (answered(CollectError::Budget), 503, "collect_budget", Origin::Gateway),
        (answered(CollectError::Time), 504, "response_collect_timeout", Origin::Upstream),
        (answered(CollectError::Body(BodyError::Idle)), 504, "upstream_idle", Origin::Upstream),
        (answered(CollectError::Body(BodyError::Slow)), 504, "upstream_slow", Origin::Upstream),
        (answered(CollectError::Body(BodyError::Broken)), 504, "upstream_broke", Origin::Upstream),
        (answered(CollectError::Body(BodyError::Base64)), 500, "response_base64", Origin::Upstream),
        (answered(CollectError::Body(BodyError::Digest)), 502, "response_digest", Origin::Upstream),
        (answered(CollectError::Body(BodyError::Coding)), 502, "response_coding", Origin::Upstream),
        (answered(CollectError::Body(BodyError::Expansion)), 502, "response_expansion", Origin::Upstream),
        (ProxyError::Unsendable, 500, "unsendable", Origin::Gateway),
        (ProxyError::Connect(io()), 504, "connect_failed", Origin::Upstream),
        (ProxyError::Resolve(ResolveError::NoAddress), 504, "resolve_failed", Origin::Upstream),
        (ProxyError::ConnectTimeout, 504, "connect_timeout", Origin::Upstream),
        (ProxyError::UpstreamBusy, 503, "upstream_busy", Origin::Gateway),
        (ProxyError::UnaskedUpgrade, 504, "upstream_upgraded", Origin::Upstream),
        (ProxyError::ResponseTimeout, 504, "upstream_timeout", Origin::Upstream),
        (ProxyError::ClientIdle, 408, "client_idle", Origin::Client),
        (ProxyError::ClientSlow, 408, "client_slow", Origin::Client),
        (ProxyError::ClientGone, 400, "client_gone", Origin::Client),
    ];
    for (error, status, reason, origin) in table {
        assert_eq!(
            (error.answer().default_response().status, error.reason(), error.origin()),
            (status, reason, origin),
            "{error}"
        );
    }
}
