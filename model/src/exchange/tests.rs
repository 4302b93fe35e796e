//! Heads in both directions, header by header.

use super::*;
use crate::bundle::Bundle;
use crate::definition::ApiDefinition;
use crate::deployment::Stage;
use crate::header_list::HeaderList;
use crate::integration::{Integration, IntegrationType};
use crate::method::{Method as ApiMethod, Verb};
use crate::resource::Resource;
use crate::rest_api::Fidelity;
use crate::table::{Plan, Route, StageTable};
use http::Request;
use std::sync::Arc;

fn route(fidelity: Fidelity, uri: &str, verb: Verb, parameters: &[(&str, &str)]) -> Arc<Route> {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = "api7".into();
    definition.rest_api.fidelity = fidelity;
    definition.resources.push(Resource { id: "r".into(), path: "/files/{name+}".into(), ..Resource::default() });
    let mut method = ApiMethod::new("api7".into(), "r".into(), Verb::Any);
    let mut integration = Integration::new(IntegrationType::HttpProxy, Some(verb), uri);
    integration.request_parameters = parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    method.integration = Some(integration);
    definition.methods.push(method);
    let bundle = Bundle::new(definition, Stage { stage_name: "prod".into(), ..Stage::default() });
    Arc::clone(&StageTable::compile(&bundle).expect("compiles").routes()[0])
}

const NO_BODY: RequestBody = RequestBody { length: BodyLength::Empty, untouched: true };

fn inbound<'a>(head: &'a http::request::Parts, headers: &'a HeaderList, route_path: &'a str) -> Inbound<'a> {
    Inbound {
        uri: &head.uri,
        version: head.version,
        headers,
        method: &head.method,
        host: "api7.execute-api.test",
        base_path: "",
        route_path,
        resource: None,
        request_id: "00000000-0000-0000-0000-000000000000",
        extended_request_id: "ext=",
        client: ([192, 0, 2, 7], 4000).into(),
        time_ms: 0,
        body: None,
    }
}

fn sent(route: &Route, request: http::request::Builder, body: RequestBody) -> Result<UpstreamHead, HeadProblem> {
    sent_to(route, request.uri("/prod/files/a/b?x=1"), "/files/a/b", body)
}

fn sent_to(
    route: &Route,
    request: http::request::Builder,
    route_path: &str,
    body: RequestBody,
) -> Result<UpstreamHead, HeadProblem> {
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let headers = head.headers.clone().into();
    let Plan::Http(plan) = &route.plan else { panic!("{:?}", route.plan) };
    let port = 8080.into();
    let fixed = FixedHeaders::of(route, plan, &port);
    upstream_head(route, plan, &inbound(&head, &headers, route_path), &fixed, "Root=1-a-b", body)
}

fn get(fidelity: Fidelity) -> Arc<Route> {
    route(
        fidelity,
        "http://up.test:81/base/{name}",
        Verb::Any,
        &[("integration.request.path.name", "method.request.path.name")],
    )
}

#[test]
fn the_upstream_gets_the_clients_headers_but_not_the_connections() {
    let builder = Request::builder()
        .method("GET")
        .header("host", "api7.execute-api.test")
        .header("accept", "image/png")
        .header("accept", "image/jpeg")
        .header("authorization", "Bearer x")
        .header("connection", "keep-alive, X-Private, TE")
        .header("x-private", "secret")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .header("upgrade", "websocket")
        .header("via", "1.1 other")
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "https")
        .header("max-forwards", "3")
        .header("content-encoding", "gzip")
        .header("x-custom", "kept");
    let request = sent(&get(Fidelity::Transparent), builder, NO_BODY).expect("a request");
    assert_eq!(request.target, "/base/a/b?x=1");
    let mut lines: Vec<String> =
        request.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "accept: image/jpeg",
            "accept: image/png",
            "authorization: Bearer x",
            "connection: te",
            "content-encoding: gzip",
            "host: up.test:81",
            "te: trailers",
            "x-amzn-apigateway-api-id: api7",
            "x-amzn-trace-id: Root=1-a-b",
            "x-custom: kept",
            "x-forwarded-for: 203.0.113.9, 192.0.2.7",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn the_aws_fidelity_forwards_neither_encoding_nor_trailers() {
    let builder = Request::builder().header("content-encoding", "gzip").header("te", "trailers").header("trailer", "x");
    let request = sent(&get(Fidelity::Aws), builder, NO_BODY).expect("a request");
    for name in ["content-encoding", "te", "trailer", "connection"] {
        assert!(!request.headers.contains(name), "{name}");
    }
}

#[test]
fn a_body_without_a_length_is_announced_whatever_the_method() {
    let stream = RequestBody { length: BodyLength::Unknown, untouched: true };
    let builder = Request::builder().method("GET").header("trailer", "x-sum");
    let request = sent(&get(Fidelity::Transparent), builder, stream).expect("a request");
    assert_eq!(request.headers.get("transfer-encoding").expect("is there"), "chunked");
    assert_eq!(request.headers.get("trailer").expect("is there"), "x-sum");
    let whole = sent(
        &get(Fidelity::Transparent),
        Request::builder().method("POST"),
        RequestBody { length: BodyLength::Exactly(3), untouched: true },
    );
    assert!(!whole.expect("a request").headers.contains("transfer-encoding"));
}

#[test]
fn mapped_headers_replace_passed_ones_and_absent_sources_are_left_out() {
    let route = route(
        Fidelity::Transparent,
        "http://up.test/x",
        Verb::Put,
        &[
            ("integration.request.header.X-Custom", "'mapped'"),
            ("integration.request.header.Host", "'other.test'"),
            ("integration.request.header.X-None", "method.request.header.absent"),
            ("integration.request.header.Via", "'dropped'"),
            ("integration.request.querystring.id", "context.requestId"),
        ],
    );
    let builder = Request::builder().method("POST").header("x-custom", "own").header("x-custom", "own too");
    let request = sent(&route, builder, NO_BODY).expect("a request");
    assert_eq!(request.method, "PUT");
    assert_eq!(request.target, "/x?x=1&id=00000000-0000-0000-0000-000000000000");
    let headers = request.headers;
    assert_eq!(headers.get_all("x-custom").collect::<Vec<_>>(), ["mapped"]);
    assert_eq!(headers.get("host").expect("is there"), "other.test");
    assert!(!headers.contains("x-none") && !headers.contains("via"));
}

#[test]
fn a_mapped_value_cannot_smuggle_a_line() {
    let route = route(
        Fidelity::Transparent,
        "http://up.test/x",
        Verb::Any,
        &[("integration.request.header.X-Q", "method.request.querystring.q")],
    );
    let result = sent_to(&route, Request::builder().uri("/x?q=a%0d%0aEvil:%201"), "/x", NO_BODY);
    assert_eq!(result.err(), Some(HeadProblem::Unsendable));
}

#[test]
fn a_cookie_in_pieces_becomes_one_line() {
    let builder =
        Request::builder().method("GET").header("cookie", "a=1").header("accept", "*/*").header("cookie", "b=2");
    let request = sent(&get(Fidelity::Transparent), builder, NO_BODY).expect("a request");
    let cookies: Vec<_> = request.headers.get_all("cookie").collect();
    assert_eq!(cookies, ["a=1; b=2"]);
}

#[test]
fn a_connection_header_that_is_not_text_still_names_headers() {
    let value = HeaderValue::from_bytes(b"caf\xe9, x-private").expect("a value");
    let builder = Request::builder().method("GET").header("connection", value).header("x-private", "1");
    let request = sent(&get(Fidelity::Transparent), builder, NO_BODY).expect("a request");
    assert_eq!(request.headers.get("x-private"), None);
}

#[test]
fn a_method_that_has_content_says_when_it_has_none() {
    for (method, length) in [("POST", Some("0")), ("PUT", Some("0")), ("PATCH", Some("0")), ("GET", None)] {
        let builder = Request::builder().method(method);
        let request = sent(&get(Fidelity::Transparent), builder, NO_BODY).expect("a request");
        let said = request.headers.get("content-length").map(|value| value.to_str().expect("text"));
        assert_eq!(said, length, "{method}");
    }
}

#[test]
fn a_mapping_gives_one_host_or_none() {
    let route = route(
        Fidelity::Transparent,
        "http://up.test/x",
        Verb::Any,
        &[("integration.request.header.Host", "method.request.multivaluequerystring.h")],
    );
    for (query, expected) in [("h=a.test", Ok("a.test")), ("h=a.test&h=b.test", Err(HeadProblem::Unsendable))] {
        let head = sent_to(&route, Request::builder().uri(format!("/x?{query}")), "/x", NO_BODY);
        let host = head.map(|head| head.headers.get("host").expect("is there").to_str().expect("text").to_owned());
        assert_eq!(host, expected.map(str::to_owned), "{query}");
    }
}
