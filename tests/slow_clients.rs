//! Clients that send or take too slowly are given up; those that are merely slow, or wait for something, are not; and a thousand
//! of the former do nothing to others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::client;
use harness::content::{Api, http_proxy, with};
use harness::frames::{self, Wire};
use harness::held;
use harness::payload::{Noise, drain, noise_body};
use harness::slow::{asked, crowd, h2, h2_get, narrow, pause, read_slowly, upload};
use harness::upstream::{Upstream, hex, read_head};
use harness::wait::{BOUND, bounded, until, until_within};
use harness::{World, sized};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const MIB: u64 = 1024 * 1024;
/// Patience of the proxies, in milliseconds, and their least rate, in bytes per second.
const IDLE_MS: &str = "2000";
const RATE: &str = "200000";
/// Of an answer with a length: several times what the kernel hides of it.
const SIZED_BYTES: u64 = 12 * MIB;

async fn world(upstream: &Upstream, echo: &Upstream, arguments: &[&str]) -> World {
    let world = World::start_with(1, arguments).await;
    let mut api = Api::at("*");
    let uri = |upstream: &Upstream| format!("http://{}/{{path}}", upstream.address);
    let mapped = json!({"requestParameters": {"integration.request.path.path": "method.request.path.path"}});
    api.route("ANY", "/bulk/{path+}", with(http_proxy(uri(upstream)), mapped.clone()));
    api.route("ANY", "/echo/{path+}", with(http_proxy(uri(echo)), mapped.clone()));
    let events = with(http_proxy(uri(upstream)), json!({"responseTransferMode": "STREAM"}));
    api.route("GET", "/events/{path+}", with(events, mapped));
    api.register(&world).await;
    world
}

async fn impatient() -> (World, Upstream, Upstream) {
    let (upstream, echo) = (Upstream::bulk().await, Upstream::echo().await);
    let arguments = ["--body-idle-ms", IDLE_MS, "--body-rate-min", RATE, "--access-log", "json", "--workers", "1"];
    (world(&upstream, &echo, &arguments).await, upstream, echo)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_drips_its_body_gets_408_and_an_honest_slow_one_its_answer() {
    let (world, upstream, _echo) = impatient().await;
    let drip = Duration::from_millis(20);
    let dripping = upload(world.proxy(), "/bulk/up", 10 * MIB, 100, drip);
    let (status, body, _) = bounded("a refusal", dripping).await;
    assert_eq!(status, 408, "{body:?}");
    assert_eq!(body, r#"{"message":"the request body arrived too slowly"}"#);
    world.failed("client_slow", 1.0).await;
    until("the upstream is rid of it", async || upstream.open(), |&open| open == 0).await;
    // About 800,000 bytes a second.
    let honest = upload(world.proxy(), "/bulk/up", 3 * MIB, 16_384, drip);
    let (status, body, is_whole) = bounded("an answer", honest).await;
    assert!(status == 200 && is_whole && body.starts_with(format!("{} ", 3 * MIB).as_bytes()), "{status} {body:?}");
    let log = until("the log", async || world.proxies[0].access_log(), |log| log.len() == 2).await;
    let said: Vec<_> = log.iter().map(|line| (line["status"].clone(), line["reason"].clone())).collect();
    assert_eq!(said, [(json!(408), json!("client_slow")), (json!(200), json!("ok"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_drips_when_its_answer_has_begun_is_cut_and_it_shows() {
    let (world, _upstream, echo) = impatient().await;
    let dripping = upload(world.proxy(), "/echo/up", 10 * MIB, 100, Duration::from_millis(20));
    let (status, _, is_whole) = bounded("the cut", dripping).await;
    assert_eq!((status, is_whole), (200, false));
    world.failed("client_slow", 1.0).await;
    until("the upstream is rid of it", async || echo.open(), |&open| open == 0).await;
    assert_eq!(world.metric(0, "penstock_proxy_config_requests_cut").await, 0.0, "it is the client's doing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_drips_into_a_pipe_or_over_http2_is_no_exception() {
    let (world, _upstream, _echo) = impatient().await;
    let mut sized = tokio::net::TcpStream::connect(world.proxy()).await.unwrap();
    let (mut reading, writing) = sized.split();
    let head = format!("POST /bulk/up HTTP/1.1\r\nhost: any\r\ncontent-length: {}\r\n\r\n", 100 * MIB);
    let drip = harness::slow::drip(writing, head.as_bytes(), 100, Duration::from_millis(20));
    let mut answer = String::new();
    let (read, ()) = tokio::join!(bounded("the answer", reading.read_to_string(&mut answer)), drip);
    drop(read);
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    let io = hyper_util::rt::TokioIo::new(tokio::net::TcpStream::connect(world.proxy()).await.unwrap());
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let (body, _) = noise_body(1, 10 * MIB, 100, Duration::from_millis(20));
    let slow = sender.send_request(Request::post("http://any/bulk/up").body(body).unwrap());
    assert_eq!(bounded("the refusal", slow).await.unwrap().status(), 408);
    let (body, hash) = noise_body(2, 3 * MIB, 16_384, Duration::ZERO);
    let other = sender.send_request(Request::post("http://any/bulk/up").body(body).unwrap()).await.unwrap();
    let text = other.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, format!("{} {}", 3 * MIB, hex(&hash.await.unwrap())), "the connection goes on");
    world.failed("client_slow", 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_its_answer_too_slowly_is_cut_and_an_honest_slow_one_is_not() {
    let (world, upstream, _echo) = impatient().await;
    let sized = sized_upstream().await;
    let mut api = Api::at("sized");
    api.route("GET", "/x", http_proxy(format!("http://{}/", sized.address)));
    api.register(&world).await;
    // Without a length, copied, and with one, through a pipe.
    let noise = format!("/bulk/noise/1/{SIZED_BYTES}/16384/0");
    for (times, (host, path)) in [("any", noise.as_str()), ("sized", "/x")].into_iter().enumerate() {
        let mut slow = asked(world.proxy(), host, path).await;
        let reading = read_slowly(&mut slow, 512, Duration::from_millis(50));
        let (bytes, _) = bounded("the cut", reading).await;
        assert!(bytes < SIZED_BYTES / 2, "{host}: {bytes}");
        world.failed("client_slow", times as f64 + 1.0).await;
        let open = async || upstream.open() + sized.open();
        until("the upstream is rid of it", open, |&open| open == 0).await;
        let log = until("the log", async || world.proxies[0].access_log(), |log| log.len() == times + 1).await;
        assert_eq!((&log[times]["reason"], &log[times]["origin"]), (&json!("client_slow"), &json!("client")), "{host}");
    }
    // Two megabytes a second at most, for longer than anybody's patience, and a pause now and then.
    let mut honest = tokio::net::TcpStream::connect(world.proxy()).await.unwrap();
    honest.write_all(b"GET /x HTTP/1.1\r\nhost: sized\r\n\r\n").await.unwrap();
    let head = read_head(&mut honest).await;
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let (mut taken, mut sum) = (0, Noise::new(1));
    let mut space = vec![0; 16 * 1024];
    while taken < SIZED_BYTES {
        if taken % (4 * MIB) == 0 {
            pause(Duration::from_millis(1_200)).await;
        }
        let piece = usize::try_from((SIZED_BYTES - taken).min(16 * 1024)).unwrap();
        bounded("more", honest.read_exact(&mut space[..piece])).await.unwrap();
        assert!(space[..piece] == sum.take(piece), "other bytes at {taken}");
        taken += piece as u64;
        pause(Duration::from_millis(8)).await;
    }
    assert_eq!(world.failures("client_slow").await, 2.0);
}

/// Answers everything with so many bytes of noise and their length.
async fn sized_upstream() -> Upstream {
    Upstream::tcp(|mut stream| async move {
        while !read_head(&mut stream).await.is_empty() {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZED_BYTES}\r\n\r\n");
            let (mut noise, mut left) = (Noise::new(1), SIZED_BYTES);
            let mut sent = stream.write_all(head.as_bytes()).await;
            while left > 0 && sent.is_ok() {
                let piece = left.min(16 * 1024);
                left -= piece;
                sent = stream.write_all(&noise.take(usize::try_from(piece).unwrap())).await;
            }
            if sent.is_err() {
                break;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_keeps_its_window_shut_loses_the_stream_and_not_the_connection() {
    let (world, upstream, _echo) = impatient().await;
    let mut sender = h2(world.proxy(), 65_535).await;
    let path = format!("/bulk/noise/1/{}/16384/0", 8 * MIB);
    let shut = sender.send_request(h2_get(&path)).await.unwrap();
    world.failed("client_slow", 1.0).await;
    until("the upstream is rid of it", async || upstream.open(), |&open| open == 0).await;
    assert!(shut.into_body().collect().await.is_err(), "the stream was reset");
    let (body, hash) = noise_body(1, 8 * MIB, 16_384, Duration::ZERO);
    drop(body.collect().await);
    let taken = sender.send_request(h2_get(&path)).await.unwrap();
    let (bytes, sum) = drain(taken.into_body()).await.unwrap();
    assert_eq!((bytes, sum), (8 * MIB, hash.await.unwrap()));
    assert_eq!(world.failures("client_slow").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_does_not_read_its_connection_loses_it() {
    let (world, upstream, _echo) = impatient().await;
    let mut wire = Wire::greet(narrow(world.proxy()).await, &[(4, 1 << 30)]).await;
    let ask = frames::request("GET", &format!("/bulk/noise/1/{}/16384/0", 64 * MIB), &[]);
    wire.send(&[frames::window(0, 1 << 30), frames::headers(1, frames::flag::WHOLE, ask)].concat()).await;
    world.failed("h2_client_stalled", 1.0).await;
    until("the upstream is rid of it", async || upstream.open(), |&open| open == 0).await;
    bounded("the end", async { while wire.next().await.is_some() {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_something_to_be_said_is_not_slow() {
    let (world, _upstream, _echo) = impatient().await;
    // Three events, with more silence between them than anybody's patience, over each protocol.
    let path = "/events/noise/1/30/10/3000000";
    let request = Request::get(path).header("host", "any").body(Empty::<bytes::Bytes>::new()).unwrap();
    let mut connection = client::Connection::open(world.proxy()).await;
    let http1 = async { connection.send(request).await.unwrap().into_body().collect().await.unwrap().to_bytes() };
    let mut sender = h2(world.proxy(), 65_535).await;
    let http2 =
        async { sender.send_request(h2_get(path)).await.unwrap().into_body().collect().await.unwrap().to_bytes() };
    let (one, two) = bounded("the events", async { tokio::join!(http1, http2) }).await;
    assert!(one.len() == 30 && one == two);
    assert_eq!(world.failures("client_slow").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_slow_clients_does_nothing_to_the_others() {
    let (upstream, echo) = (Upstream::bulk().await, Upstream::echo().await);
    let count = sized(300, 1_000);
    let world = world(&upstream, &echo, &["--workers", "2"]).await;
    let answer = format!("GET /bulk/noise/1/{}/16384/0 HTTP/1.1\r\nhost: any\r\n\r\n", 64 * MIB);
    let body = b"POST /bulk/up HTTP/1.1\r\nhost: any\r\ncontent-length: 1000000\r\n\r\nab";
    let proxy = world.proxy();
    for (attack, begin, under_way) in [
        ("heads", &b"GET /bulk/x HTTP/1.1\r\nhost: any\r\nx-a: b"[..], 0),
        ("bodies", &body[..], count),
        ("answers", answer.as_bytes(), count),
    ] {
        let slow = crowd(proxy, count, begin).await;
        let there = async || {
            let connections = world.metric(0, "penstock_proxy_connections_active").await;
            (connections as usize, world.metric(0, "penstock_proxy_requests_active").await as usize)
        };
        until_within(4 * BOUND, attack, there, |now| now.0 >= count && now.1 >= under_way).await;
        for good in 0..200 {
            let (status, text, _) = bounded("a good one", upload(proxy, "/bulk/up", 1_000, 500, Duration::ZERO)).await;
            assert!(status == 200 && text.starts_with(b"1000 "), "{attack}: {good}: {status}");
        }
        let (connections, _) = there().await;
        assert!(connections >= count, "{attack}: all of them are still there");
        drop(slow);
        until("they are gone", there, |now| now.0 == 0 && now.1 == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_attacks_do_nothing_to_the_others() {
    if !held::has("slowhttptest", &["sh", "-c", "command -v slowhttptest"]) {
        return;
    }
    let (upstream, echo) = (Upstream::bulk().await, Upstream::echo().await);
    let world = world(&upstream, &echo, &["--workers", "2"]).await;
    let count = sized(300, 1_000);
    let answer = format!("bulk/noise/1/{}/16384/0", 64 * MIB);
    // Heads and bodies that never end, and answers that are hardly read.
    for (attack, path) in [
        (&["-H", "-i", "5"][..], "bulk/x"),
        (&["-B", "-i", "5", "-s", "8192", "-t", "POST"], "bulk/up"),
        (&["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "5"], answer.as_str()),
    ] {
        let mut stranger = std::process::Command::new("slowhttptest")
            .args(["-c", &count.to_string(), "-r", &count.to_string(), "-l", "240", "-v", "0"])
            .args(attack)
            .args(["-u", &format!("http://{}/{path}", world.proxy())])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let there = async || world.metric(0, "penstock_proxy_connections_active").await as usize;
        let most = until_within(4 * BOUND, attack[0], there, |&now| now >= count).await;
        for good in 0..100 {
            let (status, text, _) =
                bounded("a good one", upload(world.proxy(), "/bulk/up", 1_000, 500, Duration::ZERO)).await;
            assert!(status == 200 && text.starts_with(b"1000 "), "{attack:?} with {most}: {good}: {status}");
        }
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        until("they are gone", there, |&now| now == 0).await;
    }
}
