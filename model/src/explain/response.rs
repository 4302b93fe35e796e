//! The response's half of an explanation: which integration response answers, and the head that the client would get.

use super::facts::{BodyFacts, Explanation, ResponseFacts, SelectedFacts};
use super::{Ask, EXTENDED_REQUEST_ID, REQUEST_ID, Refused, words};
use crate::content::coding::negotiate;
use crate::content::conversion::{Conversion, Decision};
use crate::content::media_type::{content_type_or, missing_in_response};
use crate::exchange::{ClientHead, Inbound, ResponseBody, Upstream, client_head, proxied_head};
use crate::gateway_response::GatewayError;
use crate::header_list::HeaderList;
use crate::rest_api::{Integrity, MissingContentType};
use crate::table::{AnswerType, FunctionPlan, HttpPlan, HttpStyle, MockPlan, ResponsePlan, Responses, Route, proxied};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, VARY};
use http::{Method, StatusCode};

/// What the client would get of the assumed answer.
pub(super) fn http(
    ask: &Ask<'_>,
    route: &Route,
    plan: &HttpPlan,
    inbound: &Inbound<'_>,
    trace_id: &str,
    told: &mut Explanation,
) -> Result<(), Refused> {
    let stage = &route.stage;
    let declared = ask.answer_headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let missing = missing_in_response(stage.missing_content_type, &[]);
    let content_type = content_type_or(declared, missing);
    if stage.missing_content_type == MissingContentType::Sniff && content_type_or(declared, None).is_none() {
        told.notes.push("The assumed answer has no Content-Type: its first bytes would decide.".to_owned());
    }
    let unsized_body = !ask.answer_headers.contains(CONTENT_LENGTH);
    let mut response = ResponseFacts {
        integration_status: ask.answer_status.as_u16().into(),
        content_type: content_type.map(words::text).unwrap_or_default(),
        binary_media_type: content_type.and_then(|one| stage.media_types.entry(Some(one))).map(|e| e.to_string()),
        accepted_media_type: accepted(ask, route),
        ..ResponseFacts::default()
    };
    if plan.style == HttpStyle::Proxy {
        let decision = proxied(stage, content_type, ask.headers);
        let untouched = decision.conversion == Conversion::Pass;
        let about = ResponseBody { untouched, unsized_body };
        let head = proxied_head(stage.fidelity, ask.method, ask.answer_status, ask.answer_headers.clone(), about);
        response.body = body(decision, None, false);
        finish(ask, route, head, &mut response, told);
        told.response = Some(response);
        return Ok(());
    }
    let chosen = select(&plan.responses, ask.answer_status.as_u16().into(), &mut response)?;
    let upstream = Upstream { inbound: *inbound, headers: ask.answer_headers, body: None };
    shaped(ask, route, chosen, AnswerType::Of(content_type), &upstream, unsized_body, trace_id, response, told)
}

/// What the client would get of a function's success, which is JSON of no message.
pub(super) fn function(
    ask: &Ask<'_>,
    route: &Route,
    plan: &FunctionPlan,
    inbound: &Inbound<'_>,
    trace_id: &str,
    told: &mut Explanation,
) -> Result<(), Refused> {
    const RESULT_TYPE: &str = "application/json";
    told.notes.push("A result is assumed; the message of a function's error may choose another response.".to_owned());
    let mut response = ResponseFacts {
        integration_status: 200,
        content_type: RESULT_TYPE.to_owned(),
        binary_media_type: route.stage.media_types.entry(Some(RESULT_TYPE.as_bytes())).map(|entry| entry.to_string()),
        accepted_media_type: accepted(ask, route),
        ..ResponseFacts::default()
    };
    let Some(chosen) = plan.responses.select_message("") else {
        let reason = "no integration response accepts a success, and there is no default";
        return Err(Refused::new(reason, GatewayError::configuration()));
    };
    response.selected = Some(SelectedFacts { status: chosen.status.as_u16(), pattern: None });
    let nothing = HeaderList::new();
    let upstream = Upstream { inbound: *inbound, headers: &nothing, body: None };
    let answer = AnswerType::Of(Some(RESULT_TYPE.as_bytes()));
    shaped(ask, route, chosen, answer, &upstream, false, trace_id, response, told)
}

#[expect(clippy::too_many_arguments, reason = "what both kinds of upstream have found out by then")]
fn shaped(
    ask: &Ask<'_>,
    route: &Route,
    chosen: &ResponsePlan,
    answer: AnswerType<'_>,
    upstream: &Upstream<'_>,
    unsized_body: bool,
    trace_id: &str,
    mut response: ResponseFacts,
    told: &mut Explanation,
) -> Result<(), Refused> {
    let stage = &route.stage;
    let outcome = chosen.decide(stage, answer, ask.headers);
    let outcome = outcome.map_err(|refusal| Refused::new(refusal, refusal))?;
    let about = ResponseBody { untouched: chosen.keeps_bytes(outcome), unsized_body };
    let head = client_head(stage.fidelity, chosen, upstream, Some(trace_id), about).ok_or_else(unsendable)?;
    let template = outcome.template.and_then(|index| chosen.choice.key(index));
    response.body = body(outcome.decision, template, chosen.reads_body);
    if chosen.reads_body {
        told.notes.push("Headers that the integration response maps from the body are not known here.".to_owned());
    }
    finish(ask, route, head, &mut response, told);
    told.response = Some(response);
    Ok(())
}

/// What the client would get of a `MOCK` whose request said `status`; nothing is told when only its body knows.
pub(super) fn mock(
    ask: &Ask<'_>,
    route: &Route,
    plan: &MockPlan,
    inbound: &Inbound<'_>,
    status: Option<i32>,
    told: &mut Explanation,
) -> Result<(), Refused> {
    let Some(status) = status else { return Ok(()) };
    let mut response = ResponseFacts { integration_status: status, ..ResponseFacts::default() };
    let chosen = select(&plan.responses, status, &mut response)?;
    let outcome = chosen.decide(&route.stage, AnswerType::Nothing, ask.headers);
    let outcome = outcome.map_err(|refusal| Refused::new(refusal, refusal))?;
    let nothing = HeaderList::new();
    let upstream = Upstream { inbound: *inbound, headers: &nothing, body: Some("") };
    let about = ResponseBody { untouched: false, unsized_body: false };
    let head = client_head(route.stage.fidelity, chosen, &upstream, None, about).ok_or_else(unsendable)?;
    let template = outcome.template.and_then(|index| chosen.choice.key(index));
    response.body = body(outcome.decision, template, false);
    finish(ask, route, head, &mut response, told);
    told.response = Some(response);
    Ok(())
}

fn select<'p>(responses: &'p Responses, status: i32, told: &mut ResponseFacts) -> Result<&'p ResponsePlan, Refused> {
    let Some((plan, pattern)) = responses.select_by_pattern(status) else {
        let reason = format!("no integration response accepts {status}, and there is no default");
        return Err(Refused::new(reason, GatewayError::configuration()));
    };
    told.selected = Some(SelectedFacts { status: plan.status.as_u16(), pattern: pattern.map(ToOwned::to_owned) });
    Ok(plan)
}

fn unsendable() -> Refused {
    Refused::new("a mapping of the answer gives what no header can hold", GatewayError::configuration())
}

fn accepted(ask: &Ask<'_>, route: &Route) -> Option<String> {
    let stage = &route.stage;
    stage.media_types.accept_entry(ask.headers, stage.accept_policy).map(|entry| entry.to_string())
}

fn body(decision: Decision, template: Option<&str>, reads: bool) -> BodyFacts {
    let passage = match (template, decision.conversion) {
        (Some(_), _) if reads => "is collected for a mapping, and not sent: the template takes its place",
        (Some(_), _) => "is not sent: the template takes its place",
        (None, _) if reads => "is collected: a mapping reads it",
        (None, Conversion::Decode | Conversion::Text) => {
            "streams, behind a look at its beginning: an error there is still answered"
        }
        (None, Conversion::Pass | Conversion::Encode) => "streams: nothing needs to see all of it",
    };
    BodyFacts {
        cell: decision.cell.to_string(),
        conversion: words::conversion(decision).to_owned(),
        template: template.map(ToOwned::to_owned),
        passage: passage.to_owned(),
    }
}

/// The last touches, and what every answer gets.
fn finish(ask: &Ask<'_>, route: &Route, head: ClientHead, response: &mut ResponseFacts, told: &mut Explanation) {
    let ClientHead { status, mut headers } = head;
    let bodiless = *ask.method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let Some(compression) = route.stage.compression.as_ref().filter(|_| !bodiless)
        && compression.may_code(route.transfer, &headers)
    {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        response.compression = match negotiate(ask.headers, route.stage.response_codings()) {
            Some(coding) => format!("{} from {} bytes on", coding.as_str(), compression.bytes_min),
            None => "none: the client's Accept-Encoding allows no coding of ours".to_owned(),
        };
    }
    if route.stage.integrity == Integrity::Add && !bodiless {
        told.notes.push(
            "The answer gets a Content-Digest: in its head, or in trailers where the client takes them.".to_owned(),
        );
    }
    headers.insert(HeaderName::from_static("x-amzn-requestid"), HeaderValue::from_static(REQUEST_ID));
    headers.insert(HeaderName::from_static("x-amz-apigw-id"), HeaderValue::from_static(EXTENDED_REQUEST_ID));
    response.status = status.as_u16();
    response.headers = words::headers(&headers);
}
