//! HTTP/2 towards upstreams of one's own, where the operator has chosen it: who is spoken to how, and that requests which share
//! a connection do not share their troubles.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::content::{Api, http_proxy, reply, send};
use harness::payload::{drain, noise_body};
use harness::slow::{asked, narrow, read_slowly, upload};
use harness::tls::TlsServer;
use harness::upstream::{Body, read_head, whole};
use harness::wait::{bounded, until};
use harness::{World, client};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

const MIB: u64 = 1024 * 1024;
/// For how many looks nothing must have moved that is said to be still.
const LOOKS: usize = 50;

/// Request bodies that upstreams have seen break off.
type Broken = Arc<AtomicUsize>;

/// What the upstream answers, by path:
///
/// - `/said`: how it was asked;
/// - `/echo`: the request's body;
/// - `/noise/N`: so many bytes;
/// - `/nothing`: 204;
/// - `/early`: 413 before it has looked at the body;
/// - `/short`: less than its head says;
/// - `/taken`: nothing before it has all of the body.
async fn answer(request: Request<Incoming>, broken: Broken) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/said" => said(&request),
        "/echo" => Response::new(request.into_body().boxed()),
        "/nothing" => reply(204, &[], whole("")),
        "/early" => reply(413, &[], whole("too much")),
        "/short" => reply(200, &[("content-length", "100000")], whole(vec![b'x'; 50_000])),
        "/taken" => {
            if drain(request.into_body()).await.is_err() {
                broken.fetch_add(1, Ordering::SeqCst);
            }
            reply(200, &[], whole("taken"))
        }
        _ => {
            let bytes = path.strip_prefix("/noise/").and_then(|bytes| bytes.parse().ok()).unwrap();
            let (body, _) = noise_body(bytes, bytes, 16_384, Duration::ZERO);
            Response::new(body.map_err(|never| match never {}).boxed())
        }
    }
}

fn said(request: &Request<Incoming>) -> Response<Body> {
    let host = request.headers().get("host").map(|host| host.to_str().unwrap());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let said = json!({
        "protocol": format!("{:?}", request.version()),
        "method": request.method().as_str(),
        "query": request.uri().query(),
        "host": authority.or(host),
        "x-mine": request.headers().get("x-mine").map(|value| value.to_str().unwrap()),
        "connection": request.headers().contains_key("connection"),
        "length": request.headers().get("content-length").map(|value| value.to_str().unwrap()),
    });
    let (said, kind) = (said.to_string(), "application/json");
    let length = said.len().to_string();
    reply(200, &[("content-type", kind), ("content-length", &length), ("x-theirs", "1")], whole(said))
}

/// An upstream that offers these protocols, and a proxy before it.
struct Pair {
    upstream: TlsServer,
    world: Arc<World>,
    broken: Broken,
}

impl Pair {
    async fn start(offered: &[&str], arguments: &[&str]) -> Self {
        let directory = harness::world::temporary_directory();
        let broken = Broken::default();
        let seen = Arc::clone(&broken);
        let upstream = TlsServer::start(&directory, offered, move |request| answer(request, Arc::clone(&seen))).await;
        let environment = [("SSL_CERT_FILE", upstream.certificate())];
        let arguments = [&["--workers", "1"], arguments].concat();
        let world = World::start_in(1, &arguments, &environment).await;
        let mut api = Api::at("any");
        let mapped = json!({"requestParameters": {"integration.request.path.path": "method.request.path.path"}});
        let proxied = http_proxy(format!("{}/{{path}}", upstream.url()));
        api.route("ANY", "/{path+}", harness::content::with(proxied, mapped));
        api.register(&world).await;
        Self { upstream, world: Arc::new(world), broken }
    }

    /// One that has chosen HTTP/2.
    async fn chosen() -> Self {
        Self::start(&["h2"], &["--upstream-http2"]).await
    }

    async fn said(&self, line: &str) -> Value {
        let answer = send(&self.world, "any", line, &[("x-mine", "2"), ("connection", "close")], whole("")).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-theirs")), (200, "1"), "{}", answer.text());
        answer.json()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_where_it_is_chosen_and_offered() {
    let chosen = &["--upstream-http2"][..];
    for (offered, arguments, protocol) in [
        (&["h2", "http/1.1"][..], chosen, "HTTP/2.0"),
        (&["http/1.1"], chosen, "HTTP/1.1"),
        (&[], chosen, "HTTP/1.1"),
        (&["h2", "http/1.1"], &[], "HTTP/1.1"),
    ] {
        let pair = Pair::start(offered, arguments).await;
        let host = format!("localhost:{}", pair.upstream.address().port());
        for method in ["GET", "POST", "DELETE"] {
            let length = (method == "POST").then_some("0");
            let expected = json!({
                "length": length, "protocol": protocol, "method": method, "query": "a=b%20c", "host": host, "x-mine": "2", "connection": false,
            });
            assert_eq!(pair.said(&format!("{method} /said?a=b%20c")).await, expected, "{offered:?} {arguments:?}");
        }
        assert_eq!(pair.upstream.accepted(), 1, "the connection is kept: {offered:?} {arguments:?}");
    }
}

/// The names of an answer's lines, in order of the alphabet.
async fn lines_of(pair: &Pair, line: &str) -> Vec<String> {
    let asked = format!("{line} HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n");
    let said = client::raw(pair.world.proxy(), asked.as_bytes()).await;
    let head = said.split_once("\r\n\r\n").unwrap().0;
    let mut names: Vec<_> = head.lines().skip(1).map(|line| line.split_once(':').unwrap().0.to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_have_none() {
    let pair = Pair::chosen().await;
    let nothing = send(&pair.world, "any", "GET /nothing", &[], whole("")).await;
    assert_eq!((nothing.status.as_u16(), nothing.text()), (204, ""));
    let head = send(&pair.world, "any", "HEAD /said", &[], whole("")).await;
    assert_eq!((head.status.as_u16(), head.text(), head.header("content-type")), (200, "", "application/json"));
    let plain = Pair::start(&["http/1.1"], &[]).await;
    for line in ["HEAD /said", "GET /nothing", "HEAD /nothing", "GET /said", "HEAD /noise/100"] {
        let over_http1 = lines_of(&plain, line).await;
        assert_eq!(lines_of(&pair, line).await, over_http1, "{line}");
        assert!(over_http1.iter().filter(|name| *name == "content-length").count() <= 1, "{over_http1:?}");
    }
    assert_eq!(pair.said("GET /said").await["protocol"], "HTTP/2.0");
    assert_eq!(pair.upstream.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_share_a_connection_arrive_as_they_were_sent() {
    const EACH: u64 = MIB + 3;
    let pair = Pair::chosen().await;
    let proxy = pair.world.proxy();
    let mut echoes = tokio::task::JoinSet::new();
    for seed in 0..30 {
        echoes.spawn(async move {
            let (body, sent) = noise_body(seed, EACH, 16_384, Duration::ZERO);
            let request = Request::post("/echo").header("host", "any").body(body).unwrap();
            let mut connection = client::Connection::open(proxy).await;
            let response = connection.send(request).await.unwrap();
            let back = drain(response.into_body()).await.unwrap();
            assert_eq!(back, (EACH, sent.await.unwrap()));
        });
    }
    while let Some(echo) = bounded("an echo", echoes.join_next()).await {
        echo.unwrap();
    }
    assert_eq!(pair.upstream.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_holds_up_nobody_on_the_same_connection() {
    const READERS: usize = 60;
    let pair = Pair::chosen().await;
    let mut slow = Vec::new();
    for _ in 0..READERS {
        let mut stream = asked(pair.world.proxy(), "any", &format!("/noise/{}", 32 * MIB)).await;
        assert!(read_head(&mut stream).await.starts_with(b"HTTP/1.1 200 OK\r\n"));
        slow.push(stream);
    }
    let window = 320.0 * 1024.0;
    let held = async || pair.world.held("http2_upstream_bodies").await;
    until("each of them is counted", held, |&held| held >= READERS as f64 * window).await;
    let large = client::get(pair.world.proxy(), "any", &format!("/noise/{}", 4 * MIB)).await;
    assert_eq!((large.status.as_u16(), large.body.len() as u64), (200, 4 * MIB));
    assert_eq!(pair.upstream.accepted(), 1, "they share it");
    drop(slow);
    until("nothing is held any more", held, |&held| held == 0.0).await;
    assert_eq!(pair.said("GET /said").await["protocol"], "HTTP/2.0");
    assert_eq!(pair.upstream.accepted(), 1, "who left took only its own request along");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_looks_broken_on_both_sides_and_nothing_else_does() {
    let pair = Pair::chosen().await;
    let proxy = pair.world.proxy();
    let request = Request::get("/short").header("host", "any").body(whole("")).unwrap();
    let answer = client::Connection::open(proxy).await.send(request).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "100000");
    assert!(drain(answer.into_body()).await.is_err(), "an answer that is cut must not look whole");
    // An answer that comes before the body.
    let (status, body, _) = bounded("an early answer", upload(proxy, "/early", 64 * MIB, 16_384, Duration::ZERO)).await;
    assert_eq!((status, body), (413, Bytes::from("too much")));
    assert_eq!(pair.said("GET /said").await["protocol"], "HTTP/2.0");
    assert_eq!(pair.upstream.accepted(), 1, "streams end, not connections");
    // A client that leaves in the middle of its body.
    let begun = Request::post("/taken").header("host", "any").header("content-length", 8 * MIB);
    let (body, _) = noise_body(1, MIB, 16_384, Duration::ZERO);
    let cut = client::Connection::open(proxy).await.send(begun.body(body).unwrap()).await;
    assert!(cut.is_err() || cut.unwrap().status() != 200, "it was not whole");
    until("the upstream knows", async || pair.broken.load(Ordering::SeqCst), |&broken| broken == 1).await;
    assert_eq!(pair.said("GET /said").await["protocol"], "HTTP/2.0");
    // Whether the upstream would have answered nobody knows, so the next one may ask on a connection of its own; not more stay.
    until("one connection", async || pair.upstream.open(), |&open| open == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_without_reading_and_leaves_leaves_nothing_behind() {
    const CLIENTS: usize = 5;
    let pair = Pair::chosen().await;
    let held = async |part: &'static str| pair.world.held(part).await;
    let connections = held("http1_connections").await;
    let written = Arc::<AtomicUsize>::default();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let mut stream = narrow(pair.world.proxy()).await;
        let written = Arc::clone(&written);
        senders.spawn(async move {
            stream.write_all(b"POST /echo HTTP/1.1\r\nhost: any\r\ncontent-length: 1073741824\r\n\r\n").await.unwrap();
            let piece = vec![b'x'; 65_536];
            while stream.write_all(&piece).await.is_ok() {
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // Both windows of each are shut: what goes up comes down, and is not taken.
    let (mut before, mut looks) = (usize::MAX, 0);
    let still = async || {
        let now = written.load(Ordering::Relaxed);
        looks = if std::mem::replace(&mut before, now) == now { looks + 1 } else { 0 };
        let both = 2.0 * CLIENTS as f64 * 320.0 * 1024.0;
        if held("http2_upstream_bodies").await >= both { looks } else { 0 }
    };
    until("nothing moves any more", still, |&looks| looks >= LOOKS).await;
    senders.shutdown().await;
    for (part, bytes) in [("http2_upstream_bodies", 0.0), ("requests", 0.0), ("http1_connections", connections)] {
        until(part, async || held(part).await, |&now| now <= bytes).await;
    }
    assert_eq!(pair.said("GET /said").await["protocol"], "HTTP/2.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_costs_those_on_it_and_no_other() {
    let pair = Pair::chosen().await;
    let proxy = pair.world.proxy();
    let mut under_way = asked(proxy, "any", &format!("/noise/{}", 32 * MIB)).await;
    read_head(&mut under_way).await;
    for round in 1..=3 {
        assert_eq!(pair.said("GET /said").await["protocol"], "HTTP/2.0");
        assert_eq!(pair.upstream.accepted(), round);
        pair.upstream.hang_up();
        until("it is closed", async || pair.upstream.open(), |&open| open == 0).await;
        // The proxy's one worker has seen its side of it when it answers something that came later.
        assert_eq!(client::get(proxy, "any", "/").await.status, 403);
    }
    let (bytes, is_cut) = bounded("its end", read_slowly(&mut under_way, 65_536, Duration::ZERO)).await;
    assert!(bytes < 32 * MIB && is_cut, "{bytes} bytes, cut: {is_cut}");
}
