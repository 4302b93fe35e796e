//! Events of format 2.0 (section b.5). What is empty is left out.

use super::event::{EventFacts, FunctionEventPlan};
use super::json::{Separator, push_bytes, push_member, push_name, push_string, push_text};
use super::query::{by_name, sorted_pairs};
use super::shown::ShownHeaders;
use crate::exchange::{Inbound, protocol};
use http::header::{COOKIE, USER_AGENT};
use std::io::Write as _;

/// Bytes of an event without its headers and what the configuration says, roughly.
const REST_BYTES: usize = 1024;

pub(super) fn head(plan: &FunctionEventPlan, facts: &EventFacts<'_>) -> Vec<u8> {
    let inbound = facts.inbound;
    let headers = ShownHeaders::of(facts);
    let query = inbound.uri.query().unwrap_or_default();
    let variables = facts.stage.variables_json.as_deref();
    let from_client = headers.bytes + 8 * headers.lines.len() + 3 * inbound.uri.path().len() + 3 * query.len();
    let from_plan = plan.opening.len() + plan.context.len() + variables.map_or(0, str::len);
    let mut out = Vec::with_capacity(REST_BYTES + from_plan + from_client);
    out.extend_from_slice(plan.opening.as_bytes());
    push_member(&mut out, "rawPath", inbound.uri.path());
    push_member(&mut out, "rawQueryString", query);
    push_cookies(&mut out, &headers);
    push_headers(&mut out, &headers);
    push_query(&mut out, query);
    let mut opening = br#","pathParameters":{"#.as_slice();
    for (name, value) in plan.path_values(inbound.route_path) {
        out.extend_from_slice(opening);
        out.extend_from_slice(name.as_bytes());
        push_string(&mut out, value);
        opening = b",";
    }
    if opening == b"," {
        out.push(b'}');
    }
    if let Some(variables) = variables {
        push_name(&mut out, "stageVariables");
        out.extend_from_slice(variables.as_bytes());
    }
    push_name(&mut out, "requestContext");
    push_context(&mut out, plan, inbound);
    out
}

fn push_cookies(out: &mut Vec<u8>, headers: &ShownHeaders<'_>) {
    let lines = headers.lines.iter().filter(|line| line.name == COOKIE.as_str());
    let cookies = lines.flat_map(|line| line.value.split(|&byte| byte == b';'));
    let mut opening = br#","cookies":[""#.as_slice();
    for cookie in cookies.map(<[u8]>::trim_ascii).filter(|cookie| !cookie.is_empty()) {
        out.extend_from_slice(opening);
        push_bytes(out, cookie);
        opening = br#"",""#;
    }
    if opening == br#"",""# {
        out.extend_from_slice(b"\"]");
    }
}

fn push_headers(out: &mut Vec<u8>, headers: &ShownHeaders<'_>) {
    push_name(out, "headers");
    out.push(b'{');
    let mut comma = Separator::new(b',');
    for lines in headers.by_name().filter(|lines| lines[0].name != COOKIE.as_str()) {
        comma.push(out);
        push_string(out, lines[0].name);
        out.extend_from_slice(b":\"");
        let mut comma = Separator::new(b',');
        for line in lines {
            comma.push(out);
            push_bytes(out, &line.value);
        }
        out.push(b'"');
    }
    out.push(b'}');
}

fn push_query(out: &mut Vec<u8>, query: &str) {
    let pairs = sorted_pairs(Some(query));
    if pairs.is_empty() {
        return;
    }
    push_name(out, "queryStringParameters");
    out.push(b'{');
    let mut comma = Separator::new(b',');
    for (name, group) in by_name(&pairs) {
        comma.push(out);
        push_string(out, name);
        out.extend_from_slice(b":\"");
        let mut comma = Separator::new(b',');
        for (_, value) in group {
            comma.push(out);
            push_text(out, value);
        }
        out.push(b'"');
    }
    out.push(b'}');
}

fn push_context(out: &mut Vec<u8>, plan: &FunctionEventPlan, inbound: &Inbound<'_>) {
    out.extend_from_slice(plan.context.as_bytes());
    push_member(out, "domainName", inbound.domain_name());
    push_member(out, "domainPrefix", inbound.domain_prefix());
    out.extend_from_slice(br#","http":{"method":""#);
    out.extend_from_slice(inbound.method.as_str().as_bytes());
    out.push(b'"');
    push_member(out, "path", inbound.uri.path());
    push_member(out, "protocol", protocol(inbound.version));
    write!(out, r#","sourceIp":"{}","userAgent":""#, inbound.client.ip().to_canonical())
        .expect("a buffer in memory takes everything");
    if let Some(value) = inbound.headers.get(USER_AGENT) {
        push_bytes(out, value.as_bytes());
    }
    out.extend_from_slice(b"\"}");
    push_member(out, "requestId", inbound.request_id);
    push_member(out, "time", &inbound.request_time().unwrap_or_default());
    write!(out, r#","timeEpoch":{}}}"#, inbound.time_ms).expect("a buffer in memory takes everything");
}
