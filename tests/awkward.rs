//! Neighbours who do what is allowed, or not quite, and what must not come of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::payload::noise_body;
use harness::upstream::{Upstream, hex, read_head};
use harness::wait::{bounded, until};
use harness::world::document;
use harness::{World, client};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn world_with(upstream: SocketAddr, timeout_ms: u32) -> World {
    let world = World::start(1).await;
    let mut document = document("awkward", &[("ANY", "/{path+}", format!("http://{upstream}/{{path}}"))]);
    document["paths"]["/{path+}"]["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]["timeoutInMillis"] =
        timeout_ms.into();
    world.register(&document).await;
    world
}

async fn failures(world: &World) -> String {
    let metrics = client::get(world.admin(0), "admin", "/metrics").await;
    metrics.text().lines().filter(|line| line.starts_with("penstock_proxy_failures_total{")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_in_an_upload_is_not_the_upstreams_silence() {
    let upstream = Upstream::bulk().await;
    let world = world_with(upstream.address, 50).await;
    let (body, hash) = noise_body(3, 4, 1, Duration::from_millis(150));
    let request = Request::post("/up").header("host", "any").body(body).unwrap();
    let answer = client::call(world.proxy(), request).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text()), (200, &*format!("4 {}", hex(&hash.await.unwrap()))));
    // An upstream that has everything is still held to its time.
    let silent = Upstream::http(|_| std::future::pending()).await;
    let world = world_with(silent.address, 50).await;
    assert_eq!(client::post(world.proxy(), "any", "/up", "text/plain", "body").await.status, 504);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_of_protocols_that_nobody_asked_for_stays_behind_the_gateway() {
    let upstream =
        Upstream::canned(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw").await;
    let world = world_with(upstream.address, 1_000).await;
    let answer = client::raw(world.proxy(), b"GET /x HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 504 ") && !answer.contains("raw"), "{answer}");
    assert_eq!(failures(&world).await, r#"penstock_proxy_failures_total{reason="upstream_upgraded"} 1"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_method_that_was_routed_is_the_method_that_is_sent() {
    let upstream = Upstream::mirror("up").await;
    let world = world_with(upstream.address, 1_000).await;
    for method in ["POST", "PROPFIND", "TRACE"] {
        let request = Request::builder().method(method).uri("/x").header("host", "any");
        let request = request.header("x-http-method-override", "PUT").body(Empty::<Bytes>::new()).unwrap();
        let answer = client::call(world.proxy(), request).await.unwrap();
        assert_eq!(answer.json()["method"], "PUT", "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_trailers_ends_well_and_leaves_its_connection_in_use() {
    let connections = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&connections);
    let upstream = Upstream::tcp(move |mut stream| {
        opened.fetch_add(1, Ordering::SeqCst);
        async move {
            let answer =
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n";
            while read_head(&mut stream).await.ends_with(b"\r\n\r\n") && stream.write_all(answer).await.is_ok() {}
        }
    })
    .await;
    let mut world = World::start_with(1, &["--workers", "1"]).await;
    world.register(&document("trailers", &[("GET", "/x", format!("http://{}/", upstream.address))])).await;
    for te in ["trailers", ""] {
        let request = Request::get("/x").header("host", "any").header("te", te).body(Empty::<Bytes>::new()).unwrap();
        let response = client::Connection::open(world.proxy()).await.send(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "the second request uses the connection of the first");
    assert_eq!(failures(&world).await, "", "nothing was cut");
    world.proxies[0].signal("TERM");
    assert!(world.proxies[0].wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_closes_under_a_request_costs_only_what_must_not_be_repeated() {
    // Every connection answers once, takes a second request and closes without a word.
    let upstream = Upstream::tcp(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        read_head(&mut stream).await;
    })
    .await;
    let world = World::start_with(1, &["--workers", "1"]).await;
    world.register(&document("closing", &[("ANY", "/x", format!("http://{}/", upstream.address))])).await;
    for (method, status) in [("GET", 200), ("GET", 200), ("POST", 504), ("GET", 200), ("DELETE", 200)] {
        let request = Request::builder().method(method).uri("/x").header("host", "any").body(Empty::<Bytes>::new());
        let answer = client::call(world.proxy(), request.unwrap()).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_answers_itself_is_counted_as_sent() {
    let world = World::start(1).await;
    let answer = client::get(world.proxy(), "any", "/none").await;
    let metrics = client::get(world.admin(0), "admin", "/metrics").await;
    let expected = format!("penstock_proxy_response_body_bytes_total {}", answer.body.len());
    assert!(metrics.text().lines().any(|line| line == expected), "{expected} in {}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_arrive_with_the_signal_to_stop_are_answered() {
    let upstream = Upstream::mirror("up").await;
    let mut world = world_with(upstream.address, 5_000).await;
    // One connection is known to the proxy and idle; the others are completed by the kernel while the proxy stands still.
    let mut known = TcpStream::connect(world.proxy()).await.unwrap();
    let request = b"GET /x HTTP/1.1\r\nhost: any\r\n\r\n";
    known.write_all(request).await.unwrap();
    let mut first = vec![0; 1];
    known.read_exact(&mut first).await.unwrap();
    world.proxies[0].signal("STOP");
    let mut late = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
        stream.write_all(request).await.unwrap();
        late.push(stream);
    }
    world.proxies[0].signal("TERM");
    world.proxies[0].signal("CONT");
    for mut stream in late {
        let mut answer = String::new();
        let read = bounded("the answer and the end", stream.read_to_string(&mut answer)).await;
        assert!(read.is_ok() && answer.starts_with("HTTP/1.1 200 OK\r\n"), "{read:?} {answer}");
    }
    assert!(world.proxies[0].wait().success());
    until("the upstream is alone", async || upstream.open(), |&open| open == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_no_way_round_the_strictness_of_http1() {
    let upstream = Upstream::canned(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\ncontent-length: 7\r\nupgrade: x\r\n\r\n",
    )
    .await;
    let world = world_with(upstream.address, 1_000).await;
    let io = hyper_util::rt::TokioIo::new(TcpStream::connect(world.proxy()).await.unwrap());
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let mut status = Vec::new();
    for target in ["http://user@any/x", "http://any/x?\u{e9}"] {
        let response = sender.send_request(Request::get(target).body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        status.push(response.status().as_u16());
    }
    assert_eq!(status, [400, 400]);
    let request = Request::get("http://any/x").header("te", "trailers").body(Empty::<Bytes>::new()).unwrap();
    let collected = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    let names: Vec<_> = collected.trailers().unwrap().keys().map(ToString::to_string).collect();
    assert_eq!(names, ["x-t"]);
}
