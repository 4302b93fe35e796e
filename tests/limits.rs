//! How many there may be: connections, those of one address, requests, bytes. What is too much is refused early and in a form
//! that says when to come back; what runs goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::payload::Noise;
use harness::slow::connect_from;
use harness::upstream::{Upstream, read_head};
use harness::wait::{bounded, until};
use harness::world::document;
use harness::{World, client};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::{Request, Response};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const GET: &[u8] = b"GET /x HTTP/1.1\r\nhost: any\r\n\r\n";

async fn world_with(upstream: &Upstream, arguments: &[&str]) -> World {
    let world = World::start_with(1, arguments).await;
    world.register(&document("limits", &[("ANY", "/{path+}", format!("http://{}/{{path}}", upstream.address))])).await;
    world
}

/// One answered request on a connection that stays open. `None`: the connection was closed instead.
async fn answered(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(GET).await.ok()?;
    let head = String::from_utf8(bounded("an answer", read_head(stream)).await).unwrap();
    let bytes: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().unwrap();
    let mut body = vec![0; bytes];
    bounded("its body", stream.read_exact(&mut body)).await.ok()?;
    Some(head)
}

async fn is_served(stream: &mut TcpStream) -> bool {
    answered(stream).await.is_some_and(|head| head.starts_with("HTTP/1.1 200 OK\r\n"))
}

async fn from(address: &str, to: SocketAddr) -> TcpStream {
    connect_from(address.parse().unwrap(), to).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_whichever_worker_has_them_and_others_are_served() {
    let upstream = Upstream::mirror("up").await;
    let world = world_with(&upstream, &["--connections-per-address-max", "3", "--workers", "2"]).await;
    let proxy = world.proxy();
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = from("127.0.0.2", proxy).await;
        assert!(is_served(&mut stream).await);
        held.push(stream);
    }
    for refused in 1..=4 {
        assert_eq!(answered(&mut from("127.0.0.2", proxy).await).await, None);
        world.failed("connections_of_address", refused.into()).await;
    }
    assert!(is_served(&mut from("127.0.0.3", proxy).await).await, "another address");
    for stream in &mut held {
        assert!(is_served(stream).await, "what there is goes on");
    }
    held.pop();
    let again = async || is_served(&mut from("127.0.0.2", proxy).await).await;
    until("what was given back can be had again", again, |&served| served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_process_lets_bursts_wait_and_then_says_so() {
    let upstream = Upstream::mirror("up").await;
    let world = world_with(&upstream, &["--connections-max", "2", "--workers", "2"]).await;
    let proxy = world.proxy();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        assert!(is_served(&mut stream).await);
        held.push(stream);
    }
    // Waits for a second, and is told then; the next one at once.
    for told in 1..=3 {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        let head = answered(&mut stream).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.contains("retry-after: 2\r\n") && head.contains("connection: close\r\n"), "{head}");
        world.failed("connections_full", told.into()).await;
    }
    for stream in &mut held {
        assert!(is_served(stream).await, "what there is goes on");
    }
    let admin = client::get(world.admin(0), "admin", "/health/ready").await;
    assert_eq!(admin.status, 200, "operators have a door of their own");
    drop(held);
    let again = async || is_served(&mut TcpStream::connect(proxy).await.unwrap()).await;
    until("there is room again", again, |&served| served).await;
}

/// Descriptors that a process has open.
fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Sets how many descriptors a process may have from now on.
fn allow_descriptors(pid: u32, count: usize) {
    let limit = format!("--nofile={count}:");
    let status = Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).status().unwrap();
    assert!(status.success(), "prlimit {limit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_a_process_waits_before_it_accepts_again_and_serves_whom_it_has() {
    const SPARE: usize = 8;
    const CROWD: usize = 40;
    let upstream = Upstream::mirror("up").await;
    let world = world_with(&upstream, &["--workers", "1"]).await;
    let (proxy, program) = (world.proxy(), &world.proxies[0]);
    let mut first = TcpStream::connect(proxy).await.unwrap();
    assert!(is_served(&mut first).await);
    let begun = Instant::now();
    allow_descriptors(program.pid(), descriptors(program.pid()) + SPARE);
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(TcpStream::connect(proxy).await.unwrap());
    }
    let failed = || program.log().matches("accepting a connection failed").count();
    // The pause has become the longest when it has failed this often.
    until("accepting fails again and again", async || failed(), |&times| times >= 10).await;
    assert!(is_served(&mut first).await, "what there is goes on, with the connection that the upstream has open");
    // Pauses of 5, 10, 20... milliseconds up to one of a second.
    let (times, seconds) = (failed(), begun.elapsed().as_secs());
    assert!(times as u64 <= 10 + seconds, "{times} times in {seconds} s");
    drop(crowd);
    let again = async || is_served(&mut TcpStream::connect(proxy).await.unwrap()).await;
    until("there is room again", again, |&served| served).await;
    world.failed("accept_failed", 10.0).await;
}

/// A body that its sender goes on with.
type Sent = Result<Frame<Bytes>, Infallible>;

fn open_body() -> (mpsc::Sender<Sent>, StreamBody<ReceiverStream<Sent>>) {
    let (send, receive) = mpsc::channel(1);
    (send, StreamBody::new(ReceiverStream::new(receive)))
}

/// An echo of a body that is still being sent.
struct Echo {
    send: mpsc::Sender<Sent>,
    body: hyper::body::Incoming,
    noise: (Noise, Noise),
}

impl Echo {
    /// Begins one, if it is let in.
    async fn begin(proxy: SocketAddr, seed: u64) -> Result<Self, Response<hyper::body::Incoming>> {
        let (send, body) = open_body();
        let noise = (Noise::new(seed), Noise::new(seed));
        send.send(Ok(Frame::data("begin".into()))).await.unwrap();
        let request = Request::post("/echo").header("host", "any").body(body).unwrap();
        let mut connection = client::Connection::open(proxy).await;
        let response = bounded("the head", connection.send(request)).await.unwrap();
        if response.status() != 200 {
            return Err(response);
        }
        let mut body = response.into_body();
        let first = bounded("the first frame", body.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "begin");
        Ok(Self { send, body, noise })
    }

    /// Sends more, byte by byte the same comes back, and ends.
    async fn end(mut self, bytes: usize) {
        let sent = self.noise.0.take(bytes);
        let (send, frame) = (self.send, Frame::data(sent));
        let sending = tokio::spawn(async move { send.send(Ok(frame)).await.unwrap() });
        let back = bounded("the rest of the echo", self.body.collect()).await.unwrap().to_bytes();
        sending.await.unwrap();
        assert!(back == self.noise.1.take(bytes), "other bytes came back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_requests_a_process_sheds_new_ones_early_and_finishes_the_others() {
    let upstream = Upstream::echo().await;
    let world = world_with(&upstream, &["--requests-max", "3", "--workers", "2", "--access-log", "json"]).await;
    let proxy = world.proxy();
    let mut running = Vec::new();
    for seed in 0..3 {
        running.push(Echo::begin(proxy, seed).await.map_err(|refused| refused.status()).unwrap());
    }
    let at_upstream = upstream.open();
    let (_send, endless) = open_body();
    let request = Request::post("/echo").header("host", "any").body(endless).unwrap();
    let refused = bounded("an answer before the body", client::call(proxy, request)).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "2"));
    assert_eq!(refused.text(), r#"{"message":"Service Unavailable"}"#);
    assert!(!refused.header("x-amzn-requestid").is_empty());
    assert_eq!(upstream.open(), at_upstream, "no upstream was called");
    world.failed("overloaded", 1.0).await;
    assert_eq!(client::get(world.admin(0), "admin", "/health/ready").await.status, 200);
    // A connection outlives a refusal.
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    for _ in 0..3 {
        let head = answered(&mut stream).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 503 ") && !head.contains("connection: close"), "{head}");
    }
    for (at, echo) in running.into_iter().enumerate() {
        echo.end(100_000 + at).await;
    }
    until("there is room again", async || client::get(proxy, "any", "/x").await.status.as_u16(), |&now| now == 200)
        .await;
    let log = world.proxies[0].access_log();
    let shed: Vec<_> = log.iter().filter(|line| line["reason"] == "overloaded").collect();
    assert!(shed.len() >= 4 && shed.iter().all(|line| line["status"] == 503 && line["origin"] == "gateway"), "{log:?}");
    assert!(shed.iter().all(|line| line["stage"] == "prod"), "the stage says how it looks: {shed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_memory_a_process_sheds_new_requests_and_keeps_what_it_has() {
    const STREAMS_MAX: usize = 200;
    let upstream = Upstream::echo().await;
    let fixed = World::start_with(1, &["--workers", "1"]).await.held("fixed").await;
    let budget = fixed as u64 + 4 * 1024 * 1024;
    let world = world_with(&upstream, &["--workers", "1", "--memory-budget-bytes", &budget.to_string()]).await;
    assert_eq!(world.metric(0, "penstock_proxy_memory_budget_bytes").await as u64, budget);
    let mut running = Vec::new();
    let refused = loop {
        assert!(running.len() < STREAMS_MAX, "nothing is ever refused");
        match Echo::begin(world.proxy(), running.len() as u64).await {
            Ok(echo) => running.push(echo),
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"2".parse().unwrap()));
    assert!(running.len() > 10, "{}", running.len());
    assert_eq!(world.metric(0, "penstock_proxy_shedding").await, 1.0);
    for (at, echo) in running.into_iter().enumerate() {
        echo.end(50_000 + at).await;
    }
    let status = async || client::get(world.proxy(), "any", "/x").await.status.as_u16();
    until("there is room again", status, |&status| status == 200).await;
    until("it does not shed", async || world.metric(0, "penstock_proxy_shedding").await, |&now| now == 0.0).await;
}
