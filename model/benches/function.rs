//! What a function's call costs beside the call: writing the event, and reading the answer.
//!
//! `cargo bench -p penstock-model --bench function`; the figures are in `benches/README.md`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use penstock_model::bundle::Bundle;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::Stage;
use penstock_model::exchange::Inbound;
use penstock_model::function::{EventFacts, FunctionEventPlan, HeaderSpelling, PayloadFormat, push_text, read_answer};
use penstock_model::header_list::HeaderList;
use penstock_model::mapping::{ResourceFacts, StageFacts};
use penstock_model::method::Verb;
use penstock_model::table::StageTable;
use std::hint::black_box;

/// What a function may return at once.
const DOCUMENT_BYTES: usize = 6 * 1024 * 1024;

/// As a browser sends them.
const HEAD: &str = "GET /prod/images/7/thumbnail?width=300&height=200&format=webp HTTP/1.1\r\n\
    Host: api.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/gallery\r\n\
    Authorization: Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\
    Cookie: session=0123456789abcdef; theme=dark; consent=1\r\n\
    Sec-Fetch-Dest: image\r\n\
    Sec-Fetch-Mode: no-cors\r\n\
    Sec-Fetch-Site: same-site\r\n\
    X-Request-Source: gallery\r\n\r\n";

fn event(criterion: &mut Criterion) {
    let mut headers = HeaderList::new();
    for (name, value) in HEAD.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        headers.append(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"));
    }
    let uri = Uri::from_static("/prod/images/7/thumbnail?width=300&height=200&format=webp");
    let inbound = Inbound {
        uri: &uri,
        version: Version::HTTP_11,
        headers: &headers,
        method: &Method::GET,
        host: "api.example.com",
        base_path: "",
        route_path: "/images/7/thumbnail",
        resource: None,
        request_id: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        extended_request_id: "JKJaXmPLvHcESHA=",
        client: ([192, 0, 2, 7], 40_000).into(),
        time_ms: 1_700_000_000_123,
        body: None,
    };
    let stage = Stage { stage_name: "prod".into(), ..Stage::default() };
    let table = StageTable::compile(&Bundle::new(ApiDefinition::default(), stage)).expect("it compiles");
    let variables = [("alias".to_owned(), "live".to_owned())].into();
    let stage = StageFacts {
        api_id: "api7",
        stage: "prod",
        deployment_id: "d1",
        variables: &variables,
        canary: None,
        resource: Some(ResourceFacts { id: "r1", path: "/images/{id}/thumbnail" }),
    };
    let mut group = criterion.benchmark_group("event");
    group.bench_function("spelling", |bencher| bencher.iter(|| HeaderSpelling::of_head(black_box(HEAD.as_bytes()))));
    let spelling = HeaderSpelling::of_head(HEAD.as_bytes());
    for format in [PayloadFormat::V1, PayloadFormat::V2] {
        let plan = FunctionEventPlan::compile(format, Verb::Get, &stage);
        let facts = EventFacts {
            inbound: &inbound,
            stage: table.settings(),
            spelling: &spelling,
            listener_port: 443,
            trace_id: "Root=1-6553f100-000000000000000700000000",
        };
        group.bench_function(BenchmarkId::new("head", format.as_str()), |bencher| {
            bencher.iter(|| plan.head(black_box(&facts)));
        });
    }
    group.finish();
}

/// Text without anything to escape, and JSON within JSON: a quote every few bytes.
fn bodies() -> [(&'static str, String); 2] {
    let plain = "0123456789abcdef".repeat(DOCUMENT_BYTES / 16);
    let quoted = r#"{"key":"value"},"#.repeat(DOCUMENT_BYTES / 16);
    [("plain", plain), ("quoted", quoted)]
}

fn text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(DOCUMENT_BYTES as u64)).sample_size(20);
    let mut out = Vec::with_capacity(2 * DOCUMENT_BYTES);
    for (name, body) in bodies() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                push_text(&mut out, black_box(&body));
            });
        });
    }
    group.finish();
}

fn answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("answer");
    group.throughput(Throughput::Bytes(DOCUMENT_BYTES as u64)).sample_size(20);
    for (name, body) in bodies() {
        let document = serde_json::json!({"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": body});
        let document = document.to_string();
        group.bench_function(name, |bencher| {
            bencher.iter(|| read_answer(PayloadFormat::V1, black_box(document.as_bytes())).expect("it is one").status);
        });
    }
    group.finish();
}

criterion_group!(benches, event, text, answer);
criterion_main!(benches);
