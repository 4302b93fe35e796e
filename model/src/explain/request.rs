//! The request's half of an explanation: what becomes of its body, and the head that the upstream would get.

use super::words::{self, Sent};
use super::{Ask, Refused, facts};
use crate::content::conversion::Conversion;
use crate::content::media_type::{content_type_or, missing_in_request};
use crate::content::mock;
use crate::exchange::{
    BodyLength, FixedHeaders, HeadProblem, Inbound, RequestBody, X_AMZN_TRACE_ID, trace_id, upstream_head,
};
use crate::gateway_response::GatewayError;
use crate::mapping::CompiledSource;
use crate::rest_api::{Integrity, MissingContentType};
use crate::table::{BodyWay, HttpPlan, MockPlan, Outcome, Passage, RequestPlan, Route};
use crate::uri_template::TargetProblem;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};

/// What was decided about a body.
pub(super) struct Decided {
    pub(super) outcome: Outcome,
    way: BodyWay,
}

/// Through an upstream: tells what it would get, and answers the trace id.
pub(super) fn http(
    ask: &Ask<'_>,
    route: &Route,
    plan: &HttpPlan,
    inbound: &Inbound<'_>,
    told: &mut facts::Explanation,
) -> Result<String, Refused> {
    let decided = decide(ask, route, &plan.request, false, told)?;
    let sent = sent(ask, route, &plan.request, &decided);
    let from_client = ask.headers.get(X_AMZN_TRACE_ID).and_then(|value| value.to_str().ok());
    let trace_id = trace_id(from_client, 0, || 0);
    let about = RequestBody { length: sent.length(), untouched: decided.way.untouched };
    let port = HeaderValue::from(ask.listener_port);
    let fixed = FixedHeaders::of(route, plan, &port);
    let head = match upstream_head(route, plan, inbound, &fixed, &trace_id, about) {
        Ok(head) => head,
        Err(HeadProblem::Target(TargetProblem::MissingParameter)) if plan.uri.sources().any(|one| one.reads_body()) => {
            told.notes.push("The request target needs a value from the body, which is not known here.".to_owned());
            return Ok(trace_id);
        }
        Err(problem) => return Err(Refused::new(problem, problem)),
    };
    let mut headers = head.headers;
    if let Sent::Known(BodyLength::Exactly(bytes)) = sent {
        // Of those that are listed here, the one that the HTTP library writes.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    if plan.service.is_some() {
        told.notes.push("A signature is added, unless the proxy has --aws-signing none.".to_owned());
    }
    told.upstream = Some(facts::UpstreamFacts {
        method: head.method.to_string(),
        address: format!("{}://{}", plan.uri.scheme.as_str(), plan.uri.authority),
        target: head.target,
        headers: words::headers(&headers),
        mapped: mapped(plan, inbound),
        body: sent.words(),
    });
    Ok(trace_id)
}

/// Through nothing: answers the status that the request template says, `None` when only the body knows it.
pub(super) fn mock(
    ask: &Ask<'_>,
    route: &Route,
    plan: &MockPlan,
    told: &mut facts::Explanation,
) -> Result<Option<i32>, Refused> {
    let decided = decide(ask, route, &plan.request, true, told)?;
    let status = match decided.outcome.template {
        Some(index) => plan.statuses.get(index).copied().flatten(),
        None if ask.body == BodyLength::Empty => mock::status_code(""),
        None => {
            told.notes.push("The MOCK looks for its status in the body, which is not known here.".to_owned());
            return Ok(None);
        }
    };
    match status {
        Some(status) => Ok(Some(status)),
        None => Err(Refused::new("the MOCK request names no status code", GatewayError::configuration())),
    }
}

pub(super) fn decide(
    ask: &Ask<'_>,
    route: &Route,
    plan: &RequestPlan,
    is_mock: bool,
    told: &mut facts::Explanation,
) -> Result<Decided, Refused> {
    let stage = &route.stage;
    let declared = ask.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let has_body = ask.body != BodyLength::Empty;
    let missing = missing_in_request(stage.missing_content_type, &[]);
    if sniffs(ask, route) {
        told.notes.push(format!("The request has no Content-Type: its first bytes decide; {missing} is assumed."));
    }
    let announced = ["content-digest", "repr-digest"].into_iter().find(|name| ask.headers.contains(*name));
    if let Some(name) = announced.filter(|_| stage.integrity != Integrity::Off) {
        told.notes.push(format!("The {name} is checked while the body passes; a wrong one ends the exchange."));
    }
    let content_type = content_type_or(declared, Some(missing));
    let mut request = facts::RequestFacts {
        content_type: content_type.map(words::text).unwrap_or_default(),
        content_type_is_missing: content_type_or(declared, None).is_none(),
        binary_media_type: stage.media_types.entry(content_type).map(|entry| entry.to_string()),
        body: facts::BodyFacts::default(),
    };
    let outcome = match plan.decide(stage, ask.headers, missing) {
        Ok(outcome) => outcome,
        Err(refusal) => {
            told.request = Some(request);
            return Err(Refused::new(refusal, refusal));
        }
    };
    let way = match plan.way(stage, ask.headers, outcome, is_mock, has_body) {
        Ok(way) => way,
        Err(error) => {
            told.request = Some(request);
            return Err(Refused::new(error, error));
        }
    };
    let template = outcome.template.and_then(|index| plan.templates.as_ref()?.choice.key(index));
    request.body = words::body(outcome.decision, template, &way, has_body, is_mock);
    told.request = Some(request);
    Ok(Decided { outcome, way })
}

/// Whether the first bytes of the body say what it is.
fn sniffs(ask: &Ask<'_>, route: &Route) -> bool {
    route.stage.missing_content_type == MissingContentType::Sniff
        && ask.body != BodyLength::Empty
        && ask.headers.get(CONTENT_TYPE).is_none_or(HeaderValue::is_empty)
}

/// What is sent, as the bodies of the proxy report their size.
pub(super) fn sent(ask: &Ask<'_>, route: &Route, plan: &RequestPlan, decided: &Decided) -> Sent {
    let Decided { outcome, way } = decided;
    if let Some(index) = outcome.template {
        return Sent::Known(match plan.templates()[index].text().len() as u64 {
            0 => BodyLength::Empty,
            bytes => BodyLength::Exactly(bytes),
        });
    }
    let converted = match (ask.body, outcome.decision.conversion) {
        (BodyLength::Empty, _) => return Sent::Known(BodyLength::Empty),
        _ if !way.decompress.is_empty() => BodyLength::Unknown,
        (length, Conversion::Pass) => length,
        (BodyLength::Exactly(bytes), Conversion::Encode) => BodyLength::Exactly(bytes.div_ceil(3).saturating_mul(4)),
        (BodyLength::Exactly(_), Conversion::Text | Conversion::Decode)
        | (BodyLength::Unknown, Conversion::Encode | Conversion::Text | Conversion::Decode) => BodyLength::Unknown,
    };
    match (way.passage, converted) {
        (Passage::Collect, BodyLength::Unknown) => Sent::Counted,
        (Passage::LookAhead, BodyLength::Unknown) => Sent::Open,
        (Passage::Stream, BodyLength::Unknown) if sniffs(ask, route) => Sent::Open,
        (Passage::Collect | Passage::LookAhead | Passage::Stream | Passage::Discard, length) => Sent::Known(length),
    }
}

fn mapped(plan: &HttpPlan, inbound: &Inbound<'_>) -> Vec<facts::Mapped> {
    let path = plan.uri.sources().map(|source| words::mapped("path".to_owned(), &source, inbound));
    let query = plan.query().iter().map(|(name, source)| words::mapped(format!("querystring {name}"), source, inbound));
    path.chain(query).chain(mapped_headers(plan.headers(), inbound)).collect()
}

pub(super) fn mapped_headers(headers: &[(HeaderName, CompiledSource)], inbound: &Inbound<'_>) -> Vec<facts::Mapped> {
    headers.iter().map(|(name, source)| words::mapped(format!("header {name}"), source, inbound)).collect()
}
