//! Deciding about content, and writing heads: the head of a browser's request and the head of an upstream's answer.

use crate::apis::{Shape, bundle};
use criterion::{BatchSize, Criterion};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version};
use penstock_model::bundle::Bundle;
use penstock_model::exchange::{
    BodyLength, FixedHeaders, Inbound, RequestBody, ResponseBody, proxied_head, upstream_head,
};
use penstock_model::header_list::HeaderList;
use penstock_model::integration::{ContentHandling, IntegrationType};
use penstock_model::response::IntegrationResponse;
use penstock_model::rest_api::Fidelity;
use penstock_model::table::{AnswerType, HttpPlan, Plan, Route, StageTable, proxied};
use std::hint::black_box;
use std::sync::Arc;

/// As a browser sends them.
const REQUEST: &str = "Host: api.example.com\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\n\
    Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\n\
    Accept-Language: en-US,en;q=0.5\n\
    Accept-Encoding: gzip, deflate, br, zstd\n\
    Referer: https://www.example.com/gallery\n\
    Authorization: Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\
    Cookie: session=0123456789abcdef; theme=dark; consent=1\n\
    Sec-Fetch-Dest: image\n\
    Sec-Fetch-Mode: no-cors\n\
    Sec-Fetch-Site: same-site\n\
    Connection: keep-alive";

/// As a server sends them.
const ANSWER: &str = "Server: nginx\n\
    Date: Mon, 01 Jan 2024 00:00:00 GMT\n\
    Content-Type: image/jpeg\n\
    Content-Length: 1024\n\
    Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\n\
    ETag: \"0123456789\"\n\
    Cache-Control: public, max-age=3600\n\
    Accept-Ranges: bytes\n\
    Vary: Accept-Encoding\n\
    Connection: keep-alive";

fn headers(lines: &str) -> HeaderList {
    let lines = lines.lines().filter_map(|line| line.split_once(": "));
    lines
        .map(|(name, value)| {
            (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
        })
        .collect()
}

/// One route, to be changed before it is compiled.
fn one(change: impl FnOnce(&mut Bundle)) -> (StageTable, Arc<Route>) {
    let mut bundle = bundle("api", Shape::Parameter, 1);
    change(&mut bundle);
    let table = StageTable::compile(&bundle).expect("it compiles");
    let route = Arc::clone(table.resolve(&Method::GET, "/collection0/7/part0").expect("a route"));
    (table, route)
}

fn plan(route: &Route) -> &HttpPlan {
    match &route.plan {
        Plan::Http(plan) => plan,
        other => panic!("{other:?}"),
    }
}

/// Three binary media types, of which the second is met.
fn with_types(bundle: &mut Bundle, fidelity: Fidelity) {
    let api = &mut bundle.definition.rest_api;
    api.binary_media_types = ["application/octet-stream", "image/*", "application/zip"].map(str::to_owned).into();
    api.fidelity = fidelity;
}

/// An `HTTP` integration that encodes what is binary, both ways.
fn custom(bundle: &mut Bundle) {
    with_types(bundle, Fidelity::Transparent);
    let integration = bundle.definition.methods[0].integration.as_mut().expect("it has one");
    integration.kind = IntegrationType::Http;
    integration.content_handling = Some(ContentHandling::ConvertToText);
    let answer = IntegrationResponse {
        status_code: "200".to_owned(),
        content_handling: Some(ContentHandling::ConvertToText),
        ..IntegrationResponse::default()
    };
    integration.integration_responses.insert("200".to_owned(), answer);
}

/// What is decided about bodies, from heads and configuration.
pub(crate) fn content(criterion: &mut Criterion) {
    let mut request = headers(REQUEST);
    request.insert(CONTENT_TYPE, HeaderValue::from_static("image/png"));
    let mut group = criterion.benchmark_group("content");
    for fidelity in [Fidelity::Transparent, Fidelity::Aws] {
        let (table, route) = one(|bundle| with_types(bundle, fidelity));
        let (stage, plan) = (Arc::clone(table.settings()), plan(&route));
        group.bench_function(format!("request/proxy/{fidelity:?}"), |bencher| {
            bencher.iter(|| plan.request.decide(&stage, black_box(&request), "application/json").is_ok());
        });
        group.bench_function(format!("answer/proxy/{fidelity:?}"), |bencher| {
            bencher.iter(|| proxied(&stage, black_box(Some(b"image/jpeg")), black_box(&request)));
        });
    }
    let (table, route) = one(custom);
    let (stage, plan) = (Arc::clone(table.settings()), plan(&route));
    group.bench_function("request/custom", |bencher| {
        bencher.iter(|| plan.request.decide(&stage, black_box(&request), "application/json").is_ok());
    });
    group.bench_function("answer/custom", |bencher| {
        bencher.iter(|| {
            let answer = plan.responses.select(black_box(200)).expect("a default");
            answer.decide(&stage, AnswerType::Of(black_box(Some(b"image/jpeg"))), &request).is_ok()
        });
    });
    group.finish();
}

/// The head for the upstream, and the head for the client.
pub(crate) fn heads(criterion: &mut Criterion) {
    let (request, answer) = (headers(REQUEST), headers(ANSWER));
    let (table, route) = one(|bundle| with_types(bundle, Fidelity::Transparent));
    let uri = Uri::from_static("/collection0/7/part0?width=300&height=200&format=webp");
    let inbound = Inbound {
        uri: &uri,
        version: Version::HTTP_11,
        headers: &request,
        method: &Method::GET,
        host: "api.example.com",
        base_path: "",
        route_path: "/collection0/7/part0",
        resource: Some(&route.resource),
        request_id: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        extended_request_id: "JKJaXmPLvHcESHA=",
        client: ([192, 0, 2, 7], 40_000).into(),
        time_ms: 1_700_000_000_123,
        body: None,
    };
    let port = HeaderValue::from(8080);
    let trace = "Root=1-6553f100-000000000000000700000000";
    let about = RequestBody { length: BodyLength::Empty, untouched: true };
    let mut group = criterion.benchmark_group("head");
    let (route, plan) = (route.as_ref(), plan(&route));
    let fixed = FixedHeaders::of(route, plan, &port);
    group.bench_function("upstream", |bencher| {
        bencher.iter(|| upstream_head(route, plan, black_box(&inbound), &fixed, trace, about).is_ok());
    });
    let about = ResponseBody { untouched: true, unsized_body: false };
    let fidelity = table.settings().fidelity;
    group.bench_function("client", |bencher| {
        bencher.iter_batched(
            || answer.clone(),
            |answer| proxied_head(fidelity, &Method::GET, StatusCode::OK, answer, about),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}
