//! What goes wrong around functions: services that are away, slow, broken or unwilling, documents that are too large. Each
//! has its answer, and none tells a client or a log what it should not know.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, Framing, Recorded, Recorder, reply, send, with};
use harness::functions::{CREDENTIALS, aws, aws_proxy, aws_proxy_v2, json_of, world_at};
use harness::upstream::{Upstream, read_head, whole};
use harness::wait::until;
use serde_json::json;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;

const NETWORK: &str = r#"{"message": "Network error communicating with endpoint"}"#;
const TIMEOUT: &str = r#"{"message": "Endpoint request timed out"}"#;
const INTERNAL: &str = r#"{"message": "Internal server error"}"#;

/// A document of the service's or the function's own that no client may see.
const SECRET: &str = "inner-words-of-the-service";

/// What a proxy answers whose functions are at `service`.
async fn answers(service: SocketAddr, status: u16, body: &str, reason: &str) {
    let world = world_at(service, &["--access-log", "json"]).await;
    let mut api = Api::at("any");
    for (path, integration) in [("/proxy", aws_proxy("f")), ("/custom", aws("f"))] {
        api.route("POST", path, with(integration, json!({"timeoutInMillis": 300})));
    }
    api.register(&world).await;
    for (number, path) in ["/proxy", "/custom"].into_iter().enumerate() {
        let answer =
            send(&world, "any", &format!("POST {path}"), &[("content-type", "application/json")], whole("{}")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{path} {reason}");
        assert_eq!(answer.header("x-amzn-errortype"), "InternalServerErrorException", "{path} {reason}");
        let lines =
            until("the line is written", async || world.proxies[0].access_log(), |lines| lines.len() > number).await;
        assert_eq!(lines[number]["reason"], reason, "{}", lines[number]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_cannot_be_reached_or_break_off() {
    let gone = Upstream::canned(b"").await.address;
    answers(gone, 504, NETWORK, "connect_failed").await;
    let garbage = Upstream::canned(b"\x00\x01 garbage\r\n\r\n").await;
    answers(garbage.address, 504, NETWORK, "upstream_broke").await;
    let reset = Upstream::canned(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"statusCode\":").await;
    answers(reset.address, 504, NETWORK, "upstream_broke").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_slow_before_their_head_or_behind_it() {
    for head in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"] {
        let slow = Upstream::tcp(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(head).await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
        answers(slow.address, 504, TIMEOUT, "upstream_timeout").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_refuse_the_call_say_nothing_to_the_client() {
    for (status, kind, reason) in [
        (401, "UnrecognizedClientException", "service_denied"),
        (403, "ExpiredTokenException", "service_denied"),
        (404, "ResourceNotFoundException", "function_unknown"),
        (429, "TooManyRequestsException", "service_throttled"),
        (500, "ServiceException", "service_failed"),
        (503, "", "service_failed"),
    ] {
        let body = format!("{{\"message\":\"{SECRET}\"}}");
        let service = Recorder::start(move |_| reply(status, &[("x-amzn-errortype", kind)], whole(body.clone()))).await;
        let world = world_at(service.address(), &["--access-log", "json"]).await;
        let mut api = Api::at("any");
        api.route("POST", "/f", aws_proxy("f"));
        api.register(&world).await;
        let answer = send(&world, "any", "POST /f", &[], whole("x")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (500, INTERNAL), "{status}");
        let lines =
            until("the line is written", async || world.proxies[0].access_log(), |lines| !lines.is_empty()).await;
        assert_eq!(lines[0]["reason"], reason);
    }
}

/// The largest event that the settings of this test allow, in bytes.
const EVENT_MAX: usize = 6 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn events_up_to_the_limit_pass_and_larger_ones_are_413() {
    let service = Recorder::start(|call| {
        let length = call.body.as_ref().unwrap().len();
        reply(200, &[], whole(json!({"body": length.to_string()}).to_string()))
    })
    .await;
    let world = world_at(service.address(), &[]).await;
    let mut api = Api::at("any").binary(&["image/*"]);
    api.route("POST", "/proxy", aws_proxy("f"));
    api.route("POST", "/custom", aws("f"));
    api.register(&world).await;
    let ask = async |path: &str, kind: &str, bytes: usize, framing: Framing| {
        let body = match framing {
            Framing::Sized => whole(vec![b'a'; bytes]),
            Framing::Chunked => large_chunks(bytes),
        };
        send(&world, "any", &format!("POST {path}"), &[("content-type", kind)], body).await
    };
    // How much of the event is not the body.
    let small =
        ask("/proxy", "text/plain", 1_000_000, Framing::Sized).await.text().parse::<usize>().unwrap() - 1_000_000;
    service.take();
    for framing in Framing::ALL {
        // The length of the body is in the event, as a header, when it was announced.
        for (kind, most) in [("text/plain", EVENT_MAX - small), ("image/png", (EVENT_MAX - small) / 4 * 3)] {
            let fits = ask("/proxy", kind, most - 200, framing).await;
            assert_eq!(fits.status, 200, "{kind} {framing:?}");
            assert!(fits.text().parse::<usize>().unwrap() <= EVENT_MAX);
            service.take();
            let refused = ask("/proxy", kind, most + 200, framing).await;
            assert_eq!(refused.status, 413, "{kind} {framing:?}");
            assert_eq!(refused.header("content-type"), "text/plain");
            assert_eq!(refused.text(), "HTTP content length exceeded 10485760 bytes.");
            assert!(service.take().is_none(), "the function was not called");
        }
        // Bytes that become six each are counted as what they become.
        let body = "\u{1}".repeat(EVENT_MAX / 5);
        let refused = send(&world, "any", "POST /proxy", &[("content-type", "text/plain")], whole(body)).await;
        assert_eq!(refused.status, 413);
        let refused = ask("/custom", "application/json", EVENT_MAX + 1, framing).await;
        assert_eq!((refused.status.as_u16(), service.take().is_none()), (413, true), "{framing:?}");
    }
}

fn large_chunks(bytes: usize) -> harness::upstream::Body {
    use http_body_util::{BodyExt as _, StreamBody};
    const PIECE: usize = 64 * 1024;
    let pieces = (0..bytes.div_ceil(PIECE)).map(move |at| {
        let piece = vec![b'a'; PIECE.min(bytes - at * PIECE)];
        Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(bytes::Bytes::from(piece)))
    });
    StreamBody::new(tokio_stream::iter(pieces)).map_err(|never| match never {}).boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_too_large_is_a_502() {
    let service = Recorder::start(|call| {
        let wanted: usize = json_of(call)["body"].as_str().unwrap().parse().unwrap();
        let frame = r#"{"body":""}"#.len();
        reply(200, &[], whole(json!({"body": "a".repeat(wanted - frame)}).to_string()))
    })
    .await;
    let world = world_at(service.address(), &["--lambda-payload-bytes-max", "100000"]).await;
    let mut api = Api::at("any");
    api.route("POST", "/one", aws_proxy("f"));
    api.route("POST", "/two", aws_proxy_v2("f"));
    api.register(&world).await;
    for path in ["/one", "/two"] {
        for (bytes, status) in [("100100", 200), ("100101", 502)] {
            let answer =
                send(&world, "any", &format!("POST {path}"), &[("content-type", "text/plain")], whole(bytes)).await;
            assert_eq!(answer.status, status, "{path} {bytes}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_results_share_the_budget_of_the_process() {
    let service = Recorder::start(|call| {
        let wanted: usize = json_of(call)["body"].as_str().unwrap().trim_matches('a').parse().unwrap_or(0);
        reply(200, &[], whole(json!({"body": "b".repeat(wanted)}).to_string()))
    })
    .await;
    let world = world_at(service.address(), &["--collect-budget-bytes", "200000"]).await;
    let mut api = Api::at("any").binary(&["image/*"]);
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    for (kind, body, status) in [
        ("text/plain", "10".to_owned(), 200),
        ("text/plain", "a".repeat(250_000), 503),
        ("image/png", "a".repeat(250_000), 503),
        ("text/plain", "250000".to_owned(), 503),
        ("text/plain", "20".to_owned(), 200),
    ] {
        let answer = send(&world, "any", "POST /f", &[("content-type", kind)], whole(body)).await;
        assert_eq!(answer.status, status, "{kind}");
    }
    // The last bytes of an answer are given back when the kernel has taken them, which its client may see earlier.
    let metrics = async || harness::client::get(world.admin(0), "admin", "/metrics").await.text().to_owned();
    let none_held = |metrics: &String| metrics.contains("penstock_proxy_collected_bytes 0");
    until("everything is given back", metrics, none_held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_and_never_sent_takes_nothing_from_the_budget() {
    let service = Recorder::start(|_| reply(200, &[], whole("{}"))).await;
    let world = world_at(service.address(), &["--collect-budget-bytes", "1000000"]).await;
    let mut api = Api::at("any").binary(&["image/*"]);
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = tokio::net::TcpStream::connect(world.proxy()).await.unwrap();
        let head = "POST /f HTTP/1.1\r\nHost: any\r\nContent-Type: image/png\r\nContent-Length: 700000\r\n\r\nx";
        stream.write_all(head.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let active = async || {
        let metrics = harness::client::get(world.admin(0), "admin", "/metrics").await;
        metrics.text().lines().find(|line| line.starts_with("penstock_proxy_requests_active ")).unwrap().to_owned()
    };
    until("all of them wait", active, |line| line.ends_with(" 20")).await;
    assert_eq!(send(&world, "any", "POST /f", &[], whole("small")).await.status, 200);
    drop(waiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_as_held_until_its_client_has_taken_it() {
    let service = Recorder::start(|_| reply(200, &[], whole(json!({"body": "b".repeat(6_000_000)}).to_string()))).await;
    let world = world_at(service.address(), &[]).await;
    let mut api = Api::at("any");
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    let held = async || {
        let metrics = harness::client::get(world.admin(0), "admin", "/metrics").await;
        let line =
            metrics.text().lines().find(|line| line.starts_with("penstock_proxy_collected_bytes ")).unwrap().to_owned();
        line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    // A small window, so that the kernel does not take all of it.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(world.proxy()).await.unwrap();
    stream.write_all(b"POST /f HTTP/1.1\r\nHost: any\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
    read_head(&mut stream).await;
    until("the answer is held", &held, |&bytes| bytes >= 6_000_000).await;
    let mut body = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut body).await.unwrap();
    assert_eq!(body.len(), 6_000_000);
    until("nothing is held", &held, |&bytes| bytes == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_holds_what_requests_are_signed_with_or_what_bodies_say() {
    let answer = |call: &Recorded| match call.target.contains(":refused") {
        true => reply(403, &[("x-amzn-errortype", "ExpiredTokenException")], whole(SECRET)),
        false => reply(200, &[], whole(format!("{{\"statusCode\":200,\"unknown\":1,\"body\":\"{SECRET}\"}}"))),
    };
    let service = Recorder::start(answer).await;
    let endpoint = format!("http://{}", service.address());
    let mut environment = CREDENTIALS.to_vec();
    environment.push(("PENSTOCK_LOG", "trace"));
    let world = World::start_in(1, &["--lambda-endpoint", &endpoint, "--access-log", "json"], &environment).await;
    let mut api = Api::at("any");
    api.route("POST", "/bad", aws_proxy("f"));
    api.route("POST", "/refused", aws_proxy("refused"));
    api.register(&world).await;
    for (path, status) in [("/bad", 502), ("/refused", 500)] {
        let body = format!("body-{SECRET}");
        let answer = send(&world, "any", &format!("POST {path}"), &[("content-type", "text/plain")], whole(body)).await;
        assert_eq!(answer.status, status);
        assert!(!format!("{answer:?}").contains(SECRET), "{answer:?}");
    }
    let lines = until("the lines are written", async || world.proxies[0].access_log(), |lines| lines.len() > 1).await;
    let said = format!("{}{lines:?}", world.proxies[0].log());
    assert!(said.contains("answer_unknown_key") && said.len() > 10_000, "it did say something");
    for (name, secret) in [("a body", SECRET), ("the key", CREDENTIALS[1].1), ("the token", CREDENTIALS[2].1)] {
        let at = said.find(secret).map(|at| &said[at.saturating_sub(300)..(at + 100).min(said.len())]);
        assert_eq!(at, None, "{name} is in the log");
    }
}
