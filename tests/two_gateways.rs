//! Bytes that become base64 on one gateway and bytes again on the next are the same bytes, and memory does not grow.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::content::{Api, Framing, http, with};
use harness::payload::{Sum, drain, noise_body};
use harness::upstream::{Body, Upstream, hex, whole};
use harness::wait::until;
use harness::{World, client, memory, sized};
use http_body_util::{BodyExt as _, Empty};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

const MIB: u64 = 1024 * 1024;

/// What is bytes to a client and to the first gateway, and text to the second.
const PHOTO: &str = "image/jpeg";

/// What is bytes to the upstream and to the second gateway.
const BLOB: &str = "application/octet-stream";

/// Frames that are no multiple of three or four bytes.
const FRAME_BYTES: usize = 65_521;

/// Two gateways, one behind the other: requests are encoded by the first and decoded by the second, answers the other way
/// round.
async fn two_gateways(upstream: SocketAddr) -> World {
    let world = World::start(2).await;
    let second = world.proxies[1].address("proxy");
    let mut decoder = Api::at(second.ip().to_string()).binary(&[BLOB]);
    let mut encoder = Api::at("any").binary(&[PHOTO]);
    for (path, method) in [("/up", "POST"), ("/down", "GET")] {
        let convert = |request, response| {
            json!({
                "httpMethod": method, "contentHandling": request,
                "responses": {"default": {"statusCode": "200", "contentHandling": response}},
            })
        };
        let from = http(format!("http://{upstream}{path}"));
        decoder.route(method, path, with(from, convert("CONVERT_TO_BINARY", "CONVERT_TO_TEXT")));
        let from = http(format!("http://{second}{path}"));
        encoder.route(method, path, with(from, convert("CONVERT_TO_TEXT", "CONVERT_TO_BINARY")));
    }
    decoder.register(&world).await;
    encoder.register(&world).await;
    world
}

/// What `/down` answers.
#[derive(Clone)]
struct Download {
    bytes: u64,
    framing: Framing,
    /// Its hash, once it was sent.
    sent: Arc<Mutex<Option<JoinHandle<Sum>>>>,
}

impl Download {
    fn of(bytes: u64, framing: Framing) -> Self {
        Self { bytes, framing, sent: Arc::default() }
    }

    fn answer(&self) -> Response<Body> {
        let (body, hash) = noise_body(8, self.bytes, FRAME_BYTES, Duration::ZERO);
        *self.sent.lock().unwrap() = Some(hash);
        let mut response = Response::new(body.map_err(|never| match never {}).boxed());
        if self.framing == Framing::Sized {
            response.headers_mut().insert(CONTENT_LENGTH, self.bytes.into());
        }
        response
    }

    async fn sum(&self) -> Sum {
        let sent = self.sent.lock().unwrap().take().unwrap();
        sent.await.unwrap()
    }
}

/// Answers an upload with its length, hash and declared length, and a download with noise.
async fn upstream(down: Download) -> Upstream {
    Upstream::http(move |request| {
        let down = down.clone();
        async move {
            let mut response = if request.uri().path() == "/down" {
                down.answer()
            } else {
                let declared = request.headers().get(CONTENT_LENGTH).cloned();
                let declared = declared.map_or("chunked".to_owned(), |value| value.to_str().unwrap().to_owned());
                let (length, sum) = drain(request.into_body()).await.unwrap();
                Response::new(whole(format!("{length} {} {declared}", hex(&sum))))
            };
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(BLOB));
            response
        }
    })
    .await
}

async fn upload(proxy: SocketAddr, bytes: u64, framing: Framing) -> (String, Sum) {
    let (body, hash) = noise_body(7, bytes, FRAME_BYTES, Duration::ZERO);
    let mut request = Request::post("/up").header("host", "any").header(CONTENT_TYPE, PHOTO).body(body).unwrap();
    if framing == Framing::Sized {
        request.headers_mut().insert(CONTENT_LENGTH, bytes.into());
    }
    let answer = client::call(proxy, request).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer.text().to_owned(), hash.await.unwrap())
}

async fn download(proxy: SocketAddr) -> (u64, Sum) {
    let request = Request::get("/down").header("host", "any").body(Empty::<Bytes>::new()).unwrap();
    let response = client::Connection::open(proxy).await.send(request).await.unwrap();
    assert_eq!(response.status(), 200);
    drain(response.into_body()).await.unwrap()
}

/// What the proxies say that they hold of bodies.
async fn held(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for proxy in 0..world.proxies.len() {
        let metrics = client::get(world.admin(proxy), "admin", "/metrics").await;
        let found = metrics.text().lines().find(|line| line.starts_with("penstock_proxy_collected_bytes ")).unwrap();
        lines.push(found.to_owned());
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_come_back_as_they_went_in_flat_memory() {
    let bytes = sized(12 * MIB, 1024 * MIB) + 1;
    for framing in Framing::ALL {
        let down = Download::of(bytes, framing);
        let upstream = upstream(down.clone()).await;
        let world = two_gateways(upstream.address).await;
        let proxy = world.proxy();
        // One small exchange first, so that "idle" has everything that is made once.
        upload(proxy, 1000, framing).await;
        let idle: Vec<u64> = world.proxies.iter().map(|proxy| memory::resident_bytes(proxy.pid())).collect();
        let watches: Vec<_> = world.proxies.iter().map(|proxy| memory::Watch::start(proxy.pid())).collect();
        let (up, got) = tokio::join!(upload(proxy, bytes, framing), download(proxy));
        let most: Vec<u64> = watches.into_iter().map(memory::Watch::stop).collect();
        // A decoded body's length depends on its last four characters, so the upstream learns it by the end.
        assert_eq!(up.0, format!("{bytes} {} chunked", hex(&up.1)), "{framing:?}");
        assert_eq!(got, (bytes, down.sum().await), "{framing:?}");
        for (place, (idle, most)) in ["encoder", "decoder"].into_iter().zip(idle.into_iter().zip(most)) {
            println!("{framing:?} {place}: idle {} KiB, most {} KiB", idle / 1024, most / 1024);
            assert!(most <= idle + 32 * MIB, "{framing:?} {place}: idle {idle}, most {most}");
        }
        until("nothing is held", async || held(&world).await, |held| held.iter().all(|line| line.ends_with(" 0")))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_body_of_known_size_says_its_size() {
    let upstream = Upstream::mirror("up").await;
    let world = World::start(1).await;
    let mut api = Api::at("any").binary(&[PHOTO]);
    let encode = json!({"contentHandling": "CONVERT_TO_TEXT"});
    api.route("POST", "/up", with(http(format!("http://{}/", upstream.address)), encode));
    api.register(&world).await;
    for bytes in [1_u64, 2, 3, 100_000, 2 * MIB + 1] {
        let (body, _) = noise_body(3, bytes, FRAME_BYTES, Duration::ZERO);
        let request = Request::post("/up").header("host", "any").header(CONTENT_TYPE, PHOTO);
        let request = request.header(CONTENT_LENGTH, bytes).body(body).unwrap();
        let mirrored = client::call(world.proxy(), request).await.unwrap().json();
        let encoded = bytes.div_ceil(3) * 4;
        assert_eq!(mirrored["bytes"], encoded);
        let declared = json!(["content-length", encoded.to_string()]);
        assert!(mirrored["headers"].as_array().unwrap().contains(&declared), "{mirrored}");
    }
}
