//! Ambiguous requests are answered 400 and closed; nothing of them reaches an upstream; the proxy lives.

use harness::upstream::Upstream;
use harness::world::document;
use harness::{World, client};

/// What is wrong, the request, and the status of its answer.
fn ambiguous_requests() -> Vec<(&'static str, String, u16)> {
    let long = "a".repeat(20_000);
    vec![
        (
            "both lengths",
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        (
            "repeated length",
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc".into(),
            400,
        ),
        ("a list of lengths", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc".into(), 400),
        ("a signed length", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc".into(), 400),
        ("an empty length", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n".into(), 400),
        ("bare LF in the head", "GET /x HTTP/1.1\nHost: a\r\n\r\n".into(), 400),
        ("bare LF at the end", "GET /x HTTP/1.1\r\nHost: a\r\n\n".into(), 400),
        ("bare CR in a value", "GET /x HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n".into(), 400),
        ("a folded line", "GET /x HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n".into(), 400),
        ("a space before the colon", "GET /x HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n".into(), 400),
        (
            "a chunk size that is none",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n".into(),
            400,
        ),
        (
            "a chunk size with a sign",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n".into(),
            400,
        ),
        (
            "a chunk size too large",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc".into(),
            400,
        ),
        (
            "a chunk longer than its size",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n".into(),
            400,
        ),
        (
            "bare LF behind a chunk size",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n".into(),
            400,
        ),
        ("no host", "GET /x HTTP/1.1\r\n\r\n".into(), 400),
        ("two hosts", "GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400),
        ("an unknown coding", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".into(), 501),
        ("a target too long", format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (
            "a head too large",
            format!("GET /x HTTP/1.1\r\nHost: a\r\nX: {long}\r\nY: {long}\r\nZ: {long}\r\nW: {long}\r\n\r\n"),
            431,
        ),
        ("a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".into(), 501),
        ("another version", "GET /x HTTP/3.0\r\nHost: a\r\n\r\n".into(), 505),
        ("no HTTP at all", "\u{16}\u{3}\u{1}\r\n\r\n".into(), 400),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ambiguous_request_is_refused_and_the_next_one_works() {
    let upstream = Upstream::mirror("up").await;
    let mut world = World::start(1).await;
    world.register(&document("strict", &[("ANY", "/x", format!("http://{}/", upstream.address))])).await;
    let proxy = world.proxy();
    for (what, request, status) in ambiguous_requests() {
        let answer = client::raw(proxy, request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) || answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{what}: {answer}"
        );
        assert!(answer.contains(r#"{"message":""#), "{what}: {answer}");
        assert_eq!(answer.matches("x-amzn-requestid").count(), 1, "{what}: one answer, then the end: {answer}");
        let next = client::get(proxy, "any", "/x").await;
        assert_eq!(next.status, 200, "after {what}");
    }
    assert!(world.proxies[0].is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn good_requests_in_front_of_a_bad_one_are_answered_first() {
    let upstream = Upstream::mirror("up").await;
    let world = World::start(1).await;
    world.register(&document("strict", &[("ANY", "/x", format!("http://{}/", upstream.address))])).await;
    let pipelined =
        "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost : a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = client::raw(world.proxy(), pipelined.as_bytes()).await;
    assert_eq!(answer.matches("200 OK").count(), 1, "{answer}");
    assert_eq!(answer.matches("400 Bad Request").count(), 1, "{answer}");
    assert_eq!(answer.matches(r#""upstream":"up""#).count(), 1, "nothing behind the bad request is served: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_upstream_is_written_anew() {
    let upstream = Upstream::mirror("up").await;
    let world = World::start(1).await;
    world.register(&document("strict", &[("ANY", "/x", format!("http://{}/", upstream.address))])).await;
    // Legal, but unusual: an absolute target beats the Host header, chunk extensions end here.
    let request = "POST http://other.test/x?q=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n3;ext=1\r\nabc\r\n0\r\n\r\n";
    let answer = client::raw(world.proxy(), request.as_bytes()).await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let mirrored: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((mirrored["target"].as_str(), mirrored["bytes"].as_u64()), (Some("/?q=1"), Some(3)));
    let lengths: Vec<_> = mirrored["headers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line[0] == "content-length" || line[0] == "transfer-encoding")
        .collect();
    assert_eq!(lengths.len(), 1, "exactly one way to find the end: {mirrored}");
}
