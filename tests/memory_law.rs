//! The law of memory: what a proxy holds is the sum of what it counts, times the sizes that `docs/limits.md` states, whatever the
//! sizes of the bodies that pass. Measured from outside, by what the kernel says that the process has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::content::{Api, http, http_proxy, with};
use harness::frames::{PREFACE, continuation, flag, headers, settings};
use harness::memory::resident_bytes;
use harness::payload::noise_body;
use harness::slow::{crowd, h2, h2_get};
use harness::tls::TlsServer;
use harness::upstream::{Body, Upstream, read_head};
use harness::wait::{BOUND, until_within};
use harness::{World, client, sized};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

const KIB: f64 = 1024.0;
const MIB: u64 = 1024 * 1024;
/// What the allocator rounds to, and what it keeps for the next time.
const SLACK: f64 = 1024.0 * KIB;
/// What may move while nothing else does, in bytes, and for how many looks it must not move more.
const STEADY: f64 = 128.0 * KIB;
const LOOKS: usize = 30;
/// How much less than the law says a process may have: it counts what may be held.
const LOOSE: f64 = 3.0;

/// A world with one worker, ways to upstreams, and what it holds when it has served a little.
struct Scales {
    world: World,
    _upstreams: (Vec<Upstream>, Option<TlsServer>),
    law: f64,
    resident: f64,
}

/// Takes the heads of requests and nothing else.
async fn deaf() -> Upstream {
    Upstream::tcp(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await
}

/// An answer to `/noise/N` of so many bytes, and none to anything else.
async fn answer_over_tls(request: Request<Incoming>) -> Response<Body> {
    let Some(bytes) = request.uri().path().strip_prefix("/noise/") else {
        std::future::pending::<()>().await;
        return Response::new(request.into_body().boxed());
    };
    let (body, _) = noise_body(1, bytes.parse().unwrap(), 16_384, Duration::ZERO);
    Response::new(body.map_err(|never| match never {}).boxed())
}

impl Scales {
    async fn new() -> Self {
        let (bulk, deaf) = (Upstream::bulk().await, deaf().await);
        let world = World::start_with(1, &["--workers", "1"]).await;
        let mut api = Api::at("any");
        let mapped = json!({"requestParameters": {"integration.request.path.path": "method.request.path.path"}});
        api.route("ANY", "/bulk/{path+}", with(http_proxy(format!("http://{}/{{path}}", bulk.address)), mapped));
        api.route("ANY", "/deaf", http_proxy(format!("http://{}/", deaf.address)));
        let read = json!({"requestParameters": {"integration.request.header.x": "method.request.body.a"}});
        api.route("POST", "/held", with(http(format!("http://{}/", deaf.address)), read));
        api.register(&world).await;
        // What every worker needs once: timers, buffers for heads, pages of the allocator.
        for _ in 0..20 {
            assert_eq!(client::get(world.proxy(), "any", "/bulk/x").await.status, 200);
        }
        Self::of(world, (vec![bulk, deaf], None)).await
    }

    async fn of(world: World, upstreams: (Vec<Upstream>, Option<TlsServer>)) -> Self {
        let mut scales = Self { world, _upstreams: upstreams, law: 0.0, resident: 0.0 };
        (scales.law, scales.resident) = scales.now().await;
        scales
    }

    /// The same with an upstream behind TLS that speaks this protocol, and reads only so many bytes.
    async fn over_tls(protocol: &str, read_max: usize) -> Self {
        let directory = harness::world::temporary_directory();
        let tls = TlsServer::start_reading(&directory, &[protocol], read_max, answer_over_tls).await;
        let environment = [("SSL_CERT_FILE", tls.certificate())];
        let world = World::start_in(1, &["--workers", "1", "--upstream-http2"], &environment).await;
        let mut api = Api::at("any");
        let mapped = json!({"requestParameters": {"integration.request.path.path": "method.request.path.path"}});
        api.route("ANY", "/{path+}", with(http_proxy(format!("{}/{{path}}", tls.url())), mapped));
        api.register(&world).await;
        for _ in 0..20 {
            assert_eq!(client::get(world.proxy(), "any", "/noise/1").await.status, 200);
        }
        Self::of(world, (Vec::new(), Some(tls))).await
    }

    /// What the proxy holds by the law, without the kernel's pipes, and what it has.
    async fn now(&self) -> (f64, f64) {
        let text = client::get(self.world.admin(0), "admin", "/metrics").await;
        let parts = text.text().lines().filter_map(|line| line.strip_prefix("penstock_proxy_memory_bytes{part=\""));
        let counted = parts.filter_map(|part| part.split_once("\"} ")).filter(|(part, _)| *part != "pipes");
        let law = counted.map(|(_, bytes)| bytes.parse::<f64>().unwrap()).sum();
        (law, resident_bytes(self.world.proxies[0].pid()) as f64)
    }

    /// Waits until the proxy holds so many of a part, and nothing has moved for some looks.
    async fn settled(&self, part: &str, bytes: f64) {
        let mut before = (0.0, 0.0);
        let mut looks = 0;
        let steady = async || {
            let now = (self.world.held(part).await, self.now().await);
            let is_same = now.1.0 == before.0 && (now.1.1 - before.1).abs() < STEADY;
            looks = if is_same { looks + 1 } else { 0 };
            if !is_same {
                before = now.1;
            }
            (now, looks)
        };
        until_within(2 * BOUND, part, steady, |(now, looks)| now.0 >= bytes && *looks >= LOOKS).await;
    }

    /// Waits until the process has so many bytes more than in the beginning: what its upstreams send is slow to be made.
    async fn grown(&self, bytes: f64) {
        let resident = async || self.now().await.1 - self.resident;
        until_within(2 * BOUND, "bytes that came", resident, |&grown| grown >= bytes).await;
    }

    /// Checks what has come since the beginning, and answers what the proxy has more than then.
    async fn check(&self, what: &str) -> f64 {
        let (law, resident) = self.now().await;
        let (law, resident) = (law - self.law, resident - self.resident);
        println!("{what}: law {:.0} KiB, resident {:.0} KiB", law / KIB, resident / KIB);
        assert!(resident <= law + SLACK, "{what}: it has {resident} bytes more, and the law says {law}");
        assert!(law <= LOOSE * resident + SLACK, "{what}: the law says {law} bytes, and it has only {resident}");
        resident
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_hold_what_the_law_says() {
    let count = sized(500, 5_000);
    let scales = Scales::new().await;
    let mut idle = Vec::new();
    for _ in 0..count {
        let mut stream = tokio::net::TcpStream::connect(scales.world.proxy()).await.unwrap();
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nhost: any\r\n\r\n").await.unwrap();
        let mut space = [0; 1024];
        assert!(stream.read(&mut space).await.unwrap() > 0);
        idle.push(stream);
    }
    scales.settled("http1_connections", count as f64 * 4.0 * KIB).await;
    scales.check(&format!("{count} idle HTTP/1.1 connections")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_http2_connections_hold_what_the_law_says() {
    let count = sized(100, 1_000);
    let scales = Scales::new().await;
    let mut idle = Vec::new();
    for _ in 0..count {
        let mut sender = h2(scales.world.proxy(), 65_535).await;
        assert_eq!(sender.send_request(h2_get("/nowhere")).await.unwrap().status(), 403);
        idle.push(sender);
    }
    scales.settled("http2_connections", 1.0).await;
    scales.check(&format!("{count} idle HTTP/2 connections")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_their_upstreams_hold_what_the_law_says() {
    let count = sized(300, 1_000);
    let scales = Scales::new().await;
    let _waiting = crowd(scales.world.proxy(), count, b"GET /deaf HTTP/1.1\r\nhost: any\r\n\r\n").await;
    scales.settled("requests", count as f64 * 16.0 * KIB).await;
    scales.check(&format!("{count} requests that wait")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_slow_readers_hold_the_same_whatever_their_size() {
    let count = sized(60, 300);
    let mut all = Vec::new();
    for mib in [8, 64, 1_024] {
        let scales = Scales::new().await;
        let ask = format!("GET /bulk/noise/1/{}/16384/0 HTTP/1.1\r\nhost: any\r\n\r\n", mib * MIB);
        let _slow = crowd(scales.world.proxy(), count, ask.as_bytes()).await;
        scales.settled("bodies", count as f64 * 20.0 * KIB).await;
        all.push(scales.check(&format!("{count} slow readers of {mib} MiB")).await);
    }
    let (least, most) = all.iter().fold((f64::MAX, 0.0_f64), |(least, most), now| (least.min(*now), most.max(*now)));
    assert!(most <= 1.5 * least + SLACK, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_http2_upstreams_to_slow_readers_hold_what_their_windows_allow() {
    let count = sized(60, 300);
    let mut all = Vec::new();
    for mib in [8, 256] {
        let scales = Scales::over_tls("h2", usize::MAX).await;
        let ask = format!("GET /noise/{} HTTP/1.1\r\nhost: any\r\n\r\n", mib * MIB);
        let _slow = crowd(scales.world.proxy(), count, ask.as_bytes()).await;
        scales.grown(count as f64 * 200.0 * KIB).await;
        scales.settled("http2_upstream_bodies", count as f64 * 320.0 * KIB).await;
        all.push(scales.check(&format!("{count} slow readers of {mib} MiB over HTTP/2")).await);
    }
    let (least, most) = (all[0].min(all[1]), all[0].max(all[1]));
    assert!(most <= 1.5 * least + SLACK, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_tls_upstreams_to_slow_readers_hold_what_the_law_says() {
    let count = sized(60, 300);
    let scales = Scales::over_tls("http/1.1", usize::MAX).await;
    let ask = format!("GET /noise/{} HTTP/1.1\r\nhost: any\r\n\r\n", 64 * MIB);
    let _slow = crowd(scales.world.proxy(), count, ask.as_bytes()).await;
    scales.settled("tls_upstreams", count as f64 * 192.0 * KIB).await;
    scales.check(&format!("{count} slow readers of an upstream over TLS")).await;
}

/// Uploads to an upstream that takes nothing.
fn uploads(scales: &Scales, count: usize) -> JoinSet<Result<(), hyper::Error>> {
    let mut uploads = JoinSet::new();
    for seed in 0..count {
        let proxy = scales.world.proxy();
        uploads.spawn(async move {
            let (body, _) = noise_body(seed as u64, 64 * MIB, 65_536, Duration::ZERO);
            let request = Request::post("/deaf").header("host", "any").body(body).unwrap();
            client::Connection::open(proxy).await.send(request).await.map(drop)
        });
    }
    uploads
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_to_http2_upstreams_that_take_nothing_hold_what_the_law_says() {
    let count = sized(60, 300);
    let scales = Scales::over_tls("h2", MIB as usize).await;
    let _uploads = uploads(&scales, count);
    scales.grown(count as f64 * 150.0 * KIB).await;
    scales.settled("http2_upstream_bodies", count as f64 * 320.0 * KIB).await;
    scales.check(&format!("{count} uploads to nobody over HTTP/2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_nobody_takes_hold_what_the_law_says() {
    let count = sized(60, 300);
    let scales = Scales::new().await;
    let _uploads = uploads(&scales, count);
    scales.settled("bodies", count as f64 * 20.0 * KIB).await;
    scales.check(&format!("{count} uploads to nobody")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_connection_whose_windows_are_shut_holds_what_the_law_says() {
    const STREAMS: usize = 128;
    for window in [0, 65_535] {
        let scales = Scales::new().await;
        let connections = sized(1, 8);
        let path = format!("/bulk/noise/1/{}/16384/0", 64 * MIB);
        let mut shut = Vec::new();
        for _ in 0..connections {
            let mut sender = h2(scales.world.proxy(), window).await;
            for _ in 0..STREAMS {
                shut.push(sender.send_request(h2_get(&path)).await.unwrap());
            }
        }
        scales.settled("requests", (connections * STREAMS) as f64 * 16.0 * KIB).await;
        let what = format!("{connections} connections of {STREAMS} streams with a window of {window}");
        let resident = scales.check(&what).await;
        println!("{:.0} KiB for each connection", resident / KIB / connections as f64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_uploads_that_nobody_takes_hold_what_the_windows_allow() {
    let (connections, streams) = (sized(4, 16), 8);
    let scales = Scales::new().await;
    let mut uploads = JoinSet::new();
    for _ in 0..connections {
        let io = hyper_util::rt::TokioIo::new(tokio::net::TcpStream::connect(scales.world.proxy()).await.unwrap());
        let executor = hyper_util::rt::TokioExecutor::new();
        let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        for seed in 0..streams {
            let mut sender = sender.clone();
            uploads.spawn(async move {
                let (body, _) = noise_body(seed, 64 * MIB, 16_384, Duration::ZERO);
                sender.send_request(Request::post("http://any/deaf").body(body).unwrap()).await.map(drop)
            });
        }
    }
    scales.settled("requests", (connections as u64 * streams) as f64 * 16.0 * KIB).await;
    scales.check(&format!("{connections} connections of {streams} uploads to nobody")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_heads_that_do_not_end_hold_what_the_law_says() {
    let count = sized(60, 400);
    let scales = Scales::new().await;
    // As many frames as may come without the last one, and most of that.
    let mut begin = [PREFACE, &settings(&[]), &headers(1, flag::NONE, [0; 16_384])].concat();
    (0..4).for_each(|_| begin.extend(continuation(1, flag::NONE, [0; 16_384])));
    let last = continuation(1, flag::END_HEADERS, [0; 16_384]);
    begin.extend_from_slice(&last[..last.len() - 1]);
    let _crowd = crowd(scales.world.proxy(), count, &begin).await;
    scales.settled("http2_blocks", count as f64 * 128.0 * KIB).await;
    scales.check(&format!("{count} heads that do not end")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collected_bodies_hold_what_the_law_says() {
    // More than the kernel takes for an upstream that does not read.
    let (count, bytes) = (sized(6, 24), 8 * MIB);
    let scales = Scales::new().await;
    let mut held = JoinSet::new();
    for _ in 0..count {
        let proxy = scales.world.proxy();
        held.spawn(async move {
            let body = format!("{{\"a\": \"b\", \"c\": \"{}\"}}", "x".repeat(bytes as usize));
            client::call(proxy, post_json(body.into())).await.map(drop)
        });
    }
    scales.settled("collected", 2.0 * (count as u64 * bytes) as f64).await;
    scales.check(&format!("{count} collected bodies of 8 MiB")).await;
}

fn post_json(body: Bytes) -> Request<http_body_util::Full<Bytes>> {
    let request = Request::post("/held").header("host", "any").header("content-type", "application/json");
    request.body(http_body_util::Full::new(body)).unwrap()
}
