//! Events of format 1.0 (section b.2). Every member is there; what is empty is `null`.

use super::event::{EventFacts, FunctionEventPlan};
use super::json::{Separator, push_bytes, push_member, push_name, push_string, push_text};
use super::query::{Pair, by_name, sorted_pairs};
use super::shown::ShownHeaders;
use crate::exchange::{Inbound, protocol};
use http::header::USER_AGENT;
use std::io::Write as _;

/// Bytes of an event without its headers and what the configuration says, roughly.
const REST_BYTES: usize = 1536;

pub(super) fn head(plan: &FunctionEventPlan, facts: &EventFacts<'_>) -> Vec<u8> {
    let inbound = facts.inbound;
    let headers = ShownHeaders::of(facts);
    let pairs = sorted_pairs(inbound.uri.query());
    let variables = facts.stage.variables_json.as_deref().unwrap_or("null");
    let from_client = 2 * headers.bytes + 16 * headers.lines.len() + 4 * inbound.uri.path().len();
    let from_query = 4 * inbound.uri.query().map_or(0, str::len);
    let mut out = Vec::with_capacity(
        REST_BYTES + plan.opening.len() + plan.context.len() + variables.len() + from_client + from_query,
    );
    out.extend_from_slice(plan.opening.as_bytes());
    // Without the stage, but with what leads a custom domain's requests to it.
    push_name(&mut out, "path");
    out.push(b'"');
    push_text(&mut out, inbound.base_path);
    push_text(&mut out, inbound.route_path);
    out.push(b'"');
    push_member(&mut out, "httpMethod", inbound.method.as_str());
    push_headers(&mut out, &headers);
    push_query(&mut out, &pairs);
    push_name(&mut out, "pathParameters");
    push_path_parameters(&mut out, plan, inbound.route_path);
    push_name(&mut out, "stageVariables");
    out.extend_from_slice(variables.as_bytes());
    push_name(&mut out, "requestContext");
    push_context(&mut out, plan, inbound);
    out
}

fn push_headers(out: &mut Vec<u8>, headers: &ShownHeaders<'_>) {
    push_name(out, "headers");
    out.push(b'{');
    let mut comma = Separator::new(b',');
    for lines in headers.by_name() {
        let Some(last) = lines.last() else { continue };
        comma.push(out);
        push_string(out, last.spelled);
        out.extend_from_slice(b":\"");
        push_bytes(out, &last.value);
        out.push(b'"');
    }
    out.push(b'}');
    push_name(out, "multiValueHeaders");
    out.push(b'{');
    let mut comma = Separator::new(b',');
    for lines in headers.by_name() {
        comma.push(out);
        push_string(out, lines[0].spelled);
        out.extend_from_slice(b":[\"");
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(b"\",\"");
            }
            push_bytes(out, &line.value);
        }
        out.extend_from_slice(b"\"]");
    }
    out.push(b'}');
}

fn push_query(out: &mut Vec<u8>, pairs: &[Pair<'_>]) {
    if pairs.is_empty() {
        out.extend_from_slice(br#","queryStringParameters":null,"multiValueQueryStringParameters":null"#);
        return;
    }
    push_name(out, "queryStringParameters");
    out.push(b'{');
    let mut comma = Separator::new(b',');
    for (name, group) in by_name(pairs) {
        let Some((_, last)) = group.last() else { continue };
        comma.push(out);
        push_string(out, name);
        out.push(b':');
        push_string(out, last);
    }
    out.push(b'}');
    push_name(out, "multiValueQueryStringParameters");
    out.push(b'{');
    let mut comma = Separator::new(b',');
    for (name, group) in by_name(pairs) {
        comma.push(out);
        push_string(out, name);
        out.extend_from_slice(b":[\"");
        for (at, (_, value)) in group.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(b"\",\"");
            }
            push_text(out, value);
        }
        out.extend_from_slice(b"\"]");
    }
    out.push(b'}');
}

fn push_path_parameters(out: &mut Vec<u8>, plan: &FunctionEventPlan, route_path: &str) {
    let start = out.len();
    let mut separator = Separator::new(b',');
    out.push(b'{');
    for (name, value) in plan.path_values(route_path) {
        separator.push(out);
        out.extend_from_slice(name.as_bytes());
        push_string(out, value);
    }
    if out.len() == start + 1 {
        out.truncate(start);
        out.extend_from_slice(b"null");
    } else {
        out.push(b'}');
    }
}

fn push_context(out: &mut Vec<u8>, plan: &FunctionEventPlan, inbound: &Inbound<'_>) {
    out.extend_from_slice(plan.context.as_bytes());
    push_member(out, "domainName", inbound.domain_name());
    push_member(out, "domainPrefix", inbound.domain_prefix());
    push_member(out, "extendedRequestId", inbound.extended_request_id);
    push_member(out, "httpMethod", inbound.method.as_str());
    push_member(out, "path", inbound.uri.path());
    push_member(out, "protocol", protocol(inbound.version));
    push_member(out, "requestId", inbound.request_id);
    push_member(out, "requestTime", &inbound.request_time().unwrap_or_default());
    // Nobody whom this gateway knows has an identity: every key but two is null.
    write!(
        out,
        r#","requestTimeEpoch":{},"identity":{{"accessKey":null,"accountId":null,"caller":null,"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,"cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":null,"sourceIp":"{}","user":null,"userAgent":"#,
        inbound.time_ms,
        inbound.client.ip().to_canonical(),
    )
    .expect("a buffer in memory takes everything");
    match inbound.headers.get(USER_AGENT) {
        Some(value) => {
            out.push(b'"');
            push_bytes(out, value.as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","userArn":null}}"#);
}
