//! Bodies that mean harm: each is bounded in memory and time, answered, and logged with its reason, and the gateway serves
//! on. What only a clock could show is in the unit tests beside the code, where the clock is paused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::coding::{CODINGS, encode};
use harness::content::{Api, Framing, Recorder, http, http_proxy, reply, send, with};
use harness::payload::noise_body;
use harness::upstream::{Body, Upstream, whole};
use harness::wait::{bounded, until};
use harness::{World, client, memory, sized};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::header::CONTENT_LENGTH;
use hyper::{Request, Response};
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;

const MIB: usize = 1024 * 1024;

/// The proxy's default for one body that is read.
const COLLECT_BYTES_MAX: usize = 10 * MIB;

/// Beside the bodies themselves: buffers of connections.
const SLACK_BYTES: u64 = 24 * MIB as u64;

/// What bodies that are read one after the other may take beside `idle`, in bytes resident. One body is held twice while
/// its buffer grows, and the allocator gives back what was freed within a second: what was held for the bodies before may
/// still be there.
fn bound_bytes(idle: u64) -> u64 {
    idle + 6 * COLLECT_BYTES_MAX as u64 + SLACK_BYTES
}

/// A gateway whose routes read bodies: `/map` all of one, `/path` and `/search` something in one, `/decode` as base64.
/// Each path ends in the name of a case, by which its line is found in the log.
async fn world(recorder: &Recorder, arguments: &[&str]) -> World {
    let world = World::start_with(1, &[&["--access-log", "json"], arguments].concat()).await;
    let mut api = Api::at("any");
    for (path, source) in
        [("/map", "method.request.body"), ("/path", "method.request.body.a"), ("/search", "method.request.body.$..x")]
    {
        let mapped = json!({"requestParameters": {"integration.request.header.X-Mapped": source}});
        api.route("POST", &format!("{path}/{{case}}"), with(http(recorder.uri(path)), mapped));
    }
    let decode = json!({"contentHandling": "CONVERT_TO_BINARY"});
    api.route("POST", "/decode/{case}", with(http(recorder.uri("/decode")), decode));
    api.route("POST", "/pass/{case}", http_proxy(recorder.uri("/pass")));
    api.register(&world).await;
    world
}

/// What the access log says about a path: status, reason, origin.
async fn logged(world: &World, path: &str) -> (u64, String, String) {
    let of_path = async || world.proxies[0].access_log().into_iter().find(|line| line["path"] == path);
    let line = until("the line in the log", of_path, Option::is_some).await.unwrap();
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    (line["status"].as_u64().unwrap(), text("reason"), text("origin"))
}

async fn metric(world: &World, name: &str) -> u64 {
    let metrics = client::get(world.admin(0), "admin", "/metrics").await;
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().to_owned();
    line.parse().unwrap()
}

/// Afterwards: nothing is held, and what comes next is served.
async fn serves_on(world: &mut World) {
    until("nothing is held", async || metric(world, "penstock_proxy_collected_bytes").await, |&held| held == 0).await;
    let answer = send(world, "any", "POST /map/next", &[("content-type", "text/plain")], whole("small")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(world.proxies[0].is_alive());
}

/// One row: the path, the request's `Content-Encoding`, its body, and what becomes of it.
type Row = (String, &'static str, Vec<u8>, u16, &'static str);

async fn check(rows: Vec<Row>) {
    let recorder = Recorder::start(|_| Response::new(whole("fine"))).await;
    let mut world = world(&recorder, &[]).await;
    send(&world, "any", "POST /map/first", &[("content-type", "text/plain")], whole("small")).await;
    recorder.take();
    let idle = memory::resident_bytes(world.proxies[0].pid());
    let watch = memory::Watch::start(world.proxies[0].pid());
    for (path, coding, body, status, reason) in rows {
        let line = format!("POST {path}");
        let headers = [("content-type", "application/json"), ("content-encoding", coding)];
        let headers = if coding.is_empty() { &headers[..1] } else { &headers[..] };
        let answer = bounded("an answer", send(&world, "any", &line, headers, whole(body))).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(recorder.take().is_some(), status == 200, "{path}: whether the upstream was called");
        let logged = logged(&world, &path).await;
        assert_eq!((logged.0, &*logged.1), (status.into(), reason), "{path}");
    }
    let most = watch.stop();
    println!("memory: idle {} KiB, most {} KiB", idle / 1024, most / 1024);
    assert!(most <= bound_bytes(idle), "idle {idle}, most {most}");
    serves_on(&mut world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decompression_bombs_are_refused() {
    // Base64 too, of zeros.
    let zeros = vec![b'A'; sized(4 * MIB, 256 * MIB)];
    let mut rows: Vec<Row> = Vec::new();
    for coding in CODINGS {
        let bomb = encode(coding, &zeros);
        for path in ["/map", "/decode"] {
            rows.push((format!("{path}/bomb-{coding}"), coding, bomb.clone(), 413, "request_expansion"));
        }
    }
    let nested = encode("gzip", &encode("gzip", &zeros));
    assert!(nested.len() < 1024, "a bomb in a bomb is small");
    rows.push(("/map/nested".into(), "gzip, gzip", nested, 413, "request_expansion"));
    let nested = encode("br", &encode("zstd", &zeros));
    rows.push(("/map/nested-br-zstd".into(), "zstd, br", nested, 413, "request_expansion"));
    check(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codings_that_are_wrong_are_refused() {
    let text = br#"{"a": "a text"}"#;
    let gzip = encode("gzip", text);
    let cut = gzip[..gzip.len() - 4].to_vec();
    let damaged = [&gzip[..gzip.len() - 8], &[0; 8]].concat();
    check(vec![
        ("/map/unknown".into(), "compress", gzip.clone(), 415, "request_content_encoding"),
        ("/map/star".into(), "*", gzip.clone(), 415, "request_content_encoding"),
        ("/map/triple".into(), "gzip, gzip, gzip", gzip.clone(), 415, "request_content_encoding"),
        ("/map/no-gzip".into(), "gzip", text.to_vec(), 400, "request_coding"),
        ("/map/no-br".into(), "br", vec![0xff; 100], 400, "request_coding"),
        ("/map/no-zstd".into(), "zstd", text.to_vec(), 400, "request_coding"),
        ("/map/cut".into(), "gzip", cut, 400, "request_coding"),
        ("/map/checksum".into(), "gzip", damaged, 400, "request_coding"),
        ("/map/gzip".into(), "gzip", gzip.clone(), 200, "ok"),
        ("/map/x-gzip".into(), "x-gzip", gzip.clone(), 200, "ok"),
        ("/map/twice".into(), "gzip, br", encode("br", &gzip), 200, "ok"),
        // Nothing reads it, so nobody cares.
        ("/pass/triple".into(), "gzip, gzip, gzip", gzip, 200, "ok"),
    ])
    .await;
}

/// Ten megabytes of JSON, with something to find at the end.
fn large_json(bytes: usize) -> Vec<u8> {
    let mut text = String::from(r#"{"filler":["#);
    while text.len() < bytes - 100 {
        text.push_str(r#"{"name":"something","number":12345.678},"#);
    }
    text.push_str(r#"null],"a":"found","x":1}"#);
    text.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_large_or_deep_are_bounded() {
    let large = large_json(COLLECT_BYTES_MAX);
    assert!(large.len() <= COLLECT_BYTES_MAX);
    let deep = [b"[".repeat(MIB), b"]".repeat(MIB)].concat();
    let deep_member = [&br#"{"b":"#.repeat(100_000)[..], b"1", &b"}".repeat(100_000)].concat();
    let limit = 10_240;
    let quoted = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes)).into_bytes();
    check(vec![
        ("/path/large".into(), "", large.clone(), 200, "ok"),
        ("/search/large".into(), "", large.clone(), 413, "mapped_search_too_large"),
        ("/map/large".into(), "", large, 431, "mapped_value_too_large"),
        ("/path/deep".into(), "", deep.clone(), 200, "ok"),
        ("/search/deep".into(), "", deep[MIB - 1000..MIB + 1000].to_vec(), 200, "ok"),
        ("/search/deep-large".into(), "", deep, 413, "mapped_search_too_large"),
        ("/path/deep-member".into(), "", deep_member, 200, "ok"),
        ("/path/limit".into(), "", quoted(limit), 200, "ok"),
        ("/path/above".into(), "", quoted(limit + 1), 431, "mapped_value_too_large"),
        ("/map/limit".into(), "", vec![b'x'; limit], 200, "ok"),
        ("/map/above".into(), "", vec![b'x'; limit + 1], 431, "mapped_value_too_large"),
        ("/map/control".into(), "", b"a\r\nx-injected: 1".to_vec(), 500, "unsendable"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_in_a_large_document_is_what_is_sent() {
    let recorder = Recorder::start(|_| Response::new(whole("fine"))).await;
    let world = world(&recorder, &[]).await;
    for framing in [Framing::Sized, Framing::Chunked] {
        let large = large_json(if framing == Framing::Sized { COLLECT_BYTES_MAX } else { MIB });
        let headers = [("content-type", "application/json")];
        send(&world, "any", "POST /path/found", &headers, framing.body(&large)).await;
        let recorded = recorder.take().unwrap();
        assert_eq!(recorded.all("x-mapped"), ["found"]);
        assert!(recorded.body.unwrap() == large, "the body is sent as it came");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_or_never_ends_is_refused_while_it_comes() {
    let recorder = Recorder::start(|_| Response::new(whole("fine"))).await;
    let mut world = world(&recorder, &[]).await;
    let idle = memory::resident_bytes(world.proxies[0].pid());
    let watch = memory::Watch::start(world.proxies[0].pid());
    for (case, sized, bytes) in
        [("sized", true, 100 * MIB as u64), ("chunked", false, 100 * MIB as u64), ("endless", false, u64::MAX)]
    {
        let (body, _) = noise_body(1, bytes, 65_536, Duration::ZERO);
        let mut request = Request::post(format!("/map/{case}")).header("host", "any").body(body).unwrap();
        if sized {
            request.headers_mut().insert(CONTENT_LENGTH, bytes.into());
        }
        let answer = bounded("an answer", client::call(world.proxy(), request)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("connection")), (413, "close"), "{case}");
        assert_eq!(answer.text(), "HTTP content length exceeded 10485760 bytes.", "{case}");
        assert!(recorder.take().is_none());
        let logged = logged(&world, &format!("/map/{case}")).await;
        assert_eq!((logged.0, &*logged.1, &*logged.2), (413, "request_too_large", "client"));
    }
    let most = watch.stop();
    assert!(most <= bound_bytes(idle), "idle {idle}, most {most}");
    serves_on(&mut world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_read_is_bounded_too() {
    let upstream = Upstream::http(|request| async move {
        match request.uri().path() {
            "/endless" => {
                let (body, _) = noise_body(1, u64::MAX, 65_536, Duration::ZERO);
                Response::new(body.map_err(|never| match never {}).boxed())
            }
            "/bomb" => reply(200, &[("content-encoding", "gzip")], whole(encode("gzip", &vec![0; 4 * MIB]))),
            _ => reply(200, &[], whole(vec![b'x'; 10_241])),
        }
    })
    .await;
    let mut world = World::start_with(1, &["--access-log", "json"]).await;
    let mut api = Api::at("any");
    let mapped = json!({
        "httpMethod": "GET",
        "responses": {"default": {
            "statusCode": "200", "responseParameters": {"method.response.header.X-Mapped": "integration.response.body"},
        }},
    });
    for path in ["/endless", "/bomb", "/long"] {
        api.route("GET", path, with(http(format!("http://{}{path}", upstream.address)), mapped.clone()));
    }
    api.register(&world).await;
    for (path, status, reason) in [
        ("/endless", 502, "response_too_large"),
        ("/bomb", 502, "response_expansion"),
        ("/long", 500, "unsendable_answer"),
    ] {
        let answer = bounded("an answer", client::get(world.proxy(), "any", path)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let logged = logged(&world, path).await;
        assert_eq!((logged.0, &*logged.1), (status.into(), reason), "{path}");
    }
    until("nothing is held", async || metric(&world, "penstock_proxy_collected_bytes").await, |&held| held == 0).await;
    assert!(world.proxies[0].is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_its_coder_an_answer_goes_uncompressed_and_a_request_is_refused() {
    let text = vec![b' '; 4096];
    let sent = text.clone();
    let upstream = Upstream::http(move |_| {
        let sent = sent.clone();
        async move { reply(200, &[("content-type", "text/plain")], whole(sent)) }
    })
    .await;
    // Enough for what gzip holds in either direction, and not for what brotli or zstd does.
    let world = World::start_with(1, &["--access-log", "json", "--collect-budget-bytes", &MIB.to_string()]).await;
    let mut api = Api::at("any").extension("minimum-compression-size", json!(0));
    let mapped = json!({"requestParameters": {"integration.request.header.X-Mapped": "method.request.body.a"}});
    let uri = format!("http://{}/", upstream.address);
    api.route("GET", "/", http_proxy(uri.clone()));
    api.route("POST", "/{coding}", with(http(uri), mapped));
    api.register(&world).await;
    for (coding, has_room) in [("gzip", true), ("deflate", true), ("br", false), ("zstd", false)] {
        let answer = send(&world, "any", "GET /", &[("accept-encoding", coding)], whole("")).await;
        assert_eq!((answer.status.as_u16(), answer.header("vary")), (200, "Accept-Encoding"), "{coding}");
        assert_eq!(answer.header("content-encoding"), if has_room { coding } else { "" });
        assert_eq!(answer.body == text, !has_room, "{coding}");
        let body = whole(encode(coding, br#"{"a": "found"}"#));
        let answer = send(&world, "any", &format!("POST /{coding}"), &[("content-encoding", coding)], body).await;
        assert_eq!(answer.status, if has_room { 200 } else { 503 }, "{coding}: {}", answer.text());
        let logged = logged(&world, &format!("/{coding}")).await;
        assert_eq!(logged.1 == "collect_budget", !has_room, "{coding}: {}", logged.1);
    }
    until("nothing is held", async || metric(&world, "penstock_proxy_collected_bytes").await, |&held| held == 0).await;
}

/// A body that stays open until its sender is dropped.
fn open_body(begin: Bytes) -> (tokio::sync::mpsc::Sender<Result<Frame<Bytes>, Infallible>>, Body) {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    send.try_send(Ok(Frame::data(begin))).unwrap();
    (send, StreamBody::new(ReceiverStream::new(receive)).map_err(|never| match never {}).boxed())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bodies_than_the_process_may_hold_are_refused_and_everything_else_is_served() {
    const BUDGET_BYTES: usize = 24 * MIB;
    const REQUESTS: usize = 16;
    let recorder = Upstream::bulk().await;
    let mut world =
        World::start_with(1, &["--access-log", "json", "--collect-budget-bytes", &BUDGET_BYTES.to_string()]).await;
    let mut api = Api::at("any");
    let uri = format!("http://{}/", recorder.address);
    let mapped = json!({"requestParameters": {"integration.request.header.X-Mapped": "method.request.body.a"}});
    api.route("POST", "/path/{case}", with(http(uri.clone()), mapped));
    api.route("POST", "/pass", http_proxy(uri));
    api.register(&world).await;
    assert_eq!(metric(&world, "penstock_proxy_collect_budget_bytes").await, BUDGET_BYTES as u64);
    let idle = memory::resident_bytes(world.proxies[0].pid());
    let watch = memory::Watch::start(world.proxies[0].pid());
    let mut senders = Vec::new();
    let mut answers = tokio::task::JoinSet::new();
    for case in 0..REQUESTS {
        let (sender, body) = open_body(Bytes::from(vec![b' '; 7 * MIB]));
        senders.push(sender);
        let request = Request::post(format!("/path/{case}")).header("host", "any").body(body).unwrap();
        let proxy = world.proxy();
        answers.spawn(async move { client::call(proxy, request).await.unwrap().status.as_u16() });
    }
    // Two or three bodies fit; the others have waited in vain.
    let mut refused = 0;
    while refused < REQUESTS - 3 {
        assert_eq!(bounded("a refusal", answers.join_next()).await.unwrap().unwrap(), 503);
        refused += 1;
    }
    let held = metric(&world, "penstock_proxy_collected_bytes").await;
    assert!(held > 0 && held <= BUDGET_BYTES as u64, "{held}");
    let answer = send(&world, "any", "POST /pass", &[], whole(vec![1; 20 * MIB])).await;
    assert!(answer.text().starts_with(&format!("{} ", 20 * MIB)), "{}", answer.text());
    for sender in senders.drain(..) {
        // Of a request that was refused nobody reads on.
        let _ = sender.send(Ok(Frame::data(r#"{"a": "found"}"#.into()))).await;
    }
    let mut served = 0;
    while let Some(status) = bounded("the others", answers.join_next()).await {
        match status.unwrap() {
            200 => served += 1,
            503 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(served > 0, "somebody must be served");
    let most = watch.stop();
    println!("served {served}, refused {refused}; memory: idle {} KiB, most {} KiB", idle / 1024, most / 1024);
    assert!(most <= idle + 2 * BUDGET_BYTES as u64 + SLACK_BYTES, "idle {idle}, most {most}");
    let log = until("all lines", async || world.proxies[0].access_log(), |log| log.len() > REQUESTS).await;
    let spent = log.iter().filter(|line| line["reason"] == "collect_budget" && line["status"] == 503);
    assert_eq!(spent.count(), refused);
    until("nothing is held", async || metric(&world, "penstock_proxy_collected_bytes").await, |&held| held == 0).await;
    assert!(world.proxies[0].is_alive());
}
