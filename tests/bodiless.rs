//! Answers that have a head alone: to HEAD, and with 204 or 304, whatever an integration or the gateway says beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, Recorder, http, mock, reply, with};
use harness::upstream::{Body, whole};
use harness::wait::{bounded, until};
use http_body_util::BodyExt as _;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// What is asked, the status, and the length that the head states.
const ROWS: &[(&str, u16, &str)] = &[
    ("HEAD /unknown", 403, "42"),
    ("HEAD /mock", 200, "7"),
    ("HEAD /http", 200, "6"),
    ("GET /mock/204", 204, ""),
    ("GET /mock/304", 304, ""),
    ("GET /http/204", 204, ""),
    ("GET /http/304", 304, ""),
];

async fn world(recorder: &Recorder) -> World {
    let world = World::start_with(1, &["--access-log", "json"]).await;
    let mut api = Api::at("bodiless");
    let responding = |integration: Value, status: &str| {
        let templates = if integration["type"] == "mock" { json!({"application/json": "[1,2,3]"}) } else { json!({}) };
        with(integration, json!({"responses": {"default": {"statusCode": status, "responseTemplates": templates}}}))
    };
    for status in ["200", "204", "304"] {
        let path = if status == "200" { String::new() } else { format!("/{status}") };
        api.route("ANY", &format!("/mock{path}"), responding(mock(r#"{"statusCode": 200}"#), status));
        api.route("ANY", &format!("/http{path}"), responding(http(recorder.uri("/")), status));
    }
    api.register(&world).await;
    world
}

fn request(line: &str, version: hyper::Version) -> Request<Body> {
    let (method, path) = line.split_once(' ').unwrap();
    let request = Request::builder().method(method).version(version);
    match version {
        hyper::Version::HTTP_2 => request.uri(format!("http://bodiless{path}")),
        _ => request.uri(path).header("host", "bodiless"),
    }
    .body(whole(""))
    .unwrap()
}

async fn check(response: Response<hyper::body::Incoming>, (line, status, length): (&str, u16, &str)) {
    let (head, body) = response.into_parts();
    let row = format!("{line} over {:?}", head.version);
    assert_eq!(head.status, status, "{row}");
    assert_eq!(head.headers.get("content-length").map_or("", |length| length.to_str().unwrap()), length, "{row}");
    let body = bounded("the end", body.collect()).await.unwrap_or_else(|error| panic!("{row}: {error}"));
    assert_eq!(body.to_bytes(), "", "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_content_has_none_in_either_protocol() {
    let recorder = Recorder::start(|_| reply(200, &[], whole("theirs"))).await;
    let world = world(&recorder).await;
    let io = async || TokioIo::new(TcpStream::connect(world.proxy()).await.unwrap());
    let (mut h1, connection) = http1::handshake(io().await).await.unwrap();
    tokio::spawn(connection);
    let (mut h2, connection) = http2::handshake(TokioExecutor::new(), io().await).await.unwrap();
    tokio::spawn(connection);
    for row in ROWS {
        // The connection goes on behind each of them.
        h1.ready().await.unwrap();
        check(h1.send_request(request(row.0, hyper::Version::HTTP_11)).await.unwrap(), *row).await;
        recorder.take();
        h2.ready().await.unwrap();
        check(h2.send_request(request(row.0, hyper::Version::HTTP_2)).await.unwrap(), *row).await;
        recorder.take();
    }
    // None of them is a body that somebody gave up, and none has bytes.
    let lines = until("the log", async || world.proxies[0].access_log(), |log| log.len() >= 2 * ROWS.len()).await;
    for line in lines {
        assert_eq!(line["response_bytes"], 0, "{line}");
        assert!(["api", "stage"].iter().all(|key| line[key] != ""), "known also without a route: {line}");
        assert_eq!(line["reason"], if line["path"] == "/unknown" { "no_route" } else { "ok" }, "{line}");
    }
}
