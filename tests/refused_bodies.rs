//! Requests that are refused or answered before their body was read: the connection goes on behind a small body, and says
//! that it ends where the body is large or waits to be asked for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::content::{Api, mock, with};
use harness::{World, client};
use serde_json::json;

/// What is asked, and the status of the answer.
const ROWS: &[(&str, &str)] =
    &[("POST /unknown", "403"), ("POST /never", "415"), ("POST /mock", "200"), ("POST /mock/500", "500")];

async fn world() -> World {
    let world = World::start(1).await;
    let mut api = Api::at("refused");
    let answering = |template: &str| with(mock(template), json!({"responses": {"default": {"statusCode": "200"}}}));
    api.route("ANY", "/mock", answering(r#"{"statusCode": 200}"#));
    api.route("ANY", "/mock/500", answering("no status"));
    let never =
        json!({"type": "mock", "passthroughBehavior": "never", "responses": {"default": {"statusCode": "200"}}});
    api.route("ANY", "/never", never);
    api.register(&world).await;
    world
}

async fn answers(world: &World, line: &str, headers: &str, body: &str) -> String {
    let last = "GET /mock HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
    let request = format!("{line} HTTP/1.1\r\nhost: refused\r\n{headers}\r\n{body}{last}");
    client::raw(world.proxy(), request.as_bytes()).await.to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_that_nobody_reads_leaves_the_connection_in_use() {
    let world = world().await;
    for (line, status) in ROWS {
        for (headers, body) in
            [("content-length: 5\r\n", "hello"), ("transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")]
        {
            let text = answers(&world, line, headers, body).await;
            assert!(text.starts_with(&format!("http/1.1 {status} ")), "{line} {headers}: {text}");
            assert_eq!(text.matches("http/1.1 ").count(), 2, "{line} {headers}: {text}");
            assert_eq!(text.matches("connection: close").count(), 1, "{line} {headers}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_read_to_its_end_says_that_the_connection_ends() {
    let world = world().await;
    for (line, status) in ROWS {
        for headers in ["content-length: 1000000\r\n", "content-length: 5\r\nexpect: 100-continue\r\n"] {
            let text = answers(&world, line, headers, "").await;
            assert!(text.starts_with(&format!("http/1.1 {status} ")), "{line} {headers}: {text}");
            assert!(text.contains("connection: close"), "{line} {headers}: {text}");
            assert_eq!(text.matches("http/1.1 ").count(), 1, "{line} {headers}: {text}");
        }
    }
}
