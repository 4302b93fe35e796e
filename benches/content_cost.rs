//! What converting costs: the processor time of a proxy that encodes or decodes base64, beside that of one that only passes
//! as many bytes over its sockets, in and out together.
//!
//! `cargo bench -p penstock-tests --bench content_cost`, after `cargo build --release`. The figures and what they are
//! compared with are in `benches/README.md`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do than to say where")]

use bytes::Bytes;
use harness::content::{Api, http, http_proxy, with};
use harness::payload::Noise;
use harness::upstream::{Body, Upstream, whole};
use harness::{World, client, cpu};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::{Request, Response};
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;

/// Bytes over the proxy's sockets in one measurement, in and out together. Its parts are whole units of base64.
const WIRE_BYTES: u64 = 14 * 3 * 4 * 8 * 1024 * 1024;

/// Measurements of each kind. One of each is made in turn, so that a noisy neighbour hits all of them.
const ROUNDS: usize = 9;

/// What a conversion may cost, as a multiple of passing.
const RATIO_MAX: f64 = 1.5;

/// A media type that is binary to the API.
const BLOB: &str = "application/octet-stream";

/// What is measured, with its path.
const KINDS: [(&str, Work); 3] = [("pass", Work::Pass), ("encode", Work::Encode), ("decode", Work::Decode)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Pass,
    Encode,
    Decode,
}

impl Work {
    /// What the sender sends so that all sockets together carry [`WIRE_BYTES`].
    fn sent_bytes(self) -> u64 {
        match self {
            Self::Pass => WIRE_BYTES / 2,
            Self::Encode => WIRE_BYTES / 7 * 3,
            Self::Decode => WIRE_BYTES / 7 * 4,
        }
    }

    /// What arrives then.
    fn arriving_bytes(self) -> u64 {
        WIRE_BYTES - self.sent_bytes()
    }

    fn of(path: &str) -> Self {
        KINDS.into_iter().find(|(name, _)| path.ends_with(name)).unwrap().1
    }
}

/// A body that costs its sender nothing: one piece of noise, or of base64 of noise, over and over.
fn endless(work: Work, bytes: u64) -> Body {
    use base64::Engine as _;
    const PIECE_BYTES: usize = 192 * 1024;
    let piece = match work {
        Work::Decode => {
            base64::engine::general_purpose::STANDARD.encode(Noise::new(5).take(PIECE_BYTES / 4 * 3)).into()
        }
        Work::Pass | Work::Encode => Noise::new(5).take(PIECE_BYTES),
    };
    let mut left = usize::try_from(bytes).unwrap();
    let frames = std::iter::from_fn(move || {
        let now = left.min(PIECE_BYTES);
        left -= now;
        (now > 0).then(|| Ok::<_, Infallible>(Frame::data(piece.slice(..now))))
    });
    StreamBody::new(tokio_stream::iter(frames)).map_err(|never| match never {}).boxed()
}

async fn count(mut body: Incoming) -> u64 {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().data_ref().map_or(0, |data| data.len() as u64);
    }
    bytes
}

/// An upstream that takes what `/up/…` sends, and sends what `/down/…` asks for.
async fn upstream() -> Upstream {
    Upstream::http(|request| async move {
        let path = request.uri().path().to_owned();
        if path.starts_with("/up/") {
            return Response::new(whole(count(request.into_body()).await.to_string()));
        }
        let work = Work::of(&path);
        let mut response = Response::new(endless(work, work.sent_bytes()));
        response.headers_mut().insert(CONTENT_LENGTH, work.sent_bytes().into());
        let kind = if work == Work::Decode { "text/plain" } else { BLOB };
        response.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        response
    })
    .await
}

async fn gateway(upstream: &Upstream) -> World {
    let world = World::start_with(1, &["--workers", "1"]).await;
    let mut api = Api::at("any").binary(&[BLOB]);
    for (name, work) in KINDS {
        for (path, method) in [(format!("/up/{name}"), "POST"), (format!("/down/{name}"), "GET")] {
            let uri = format!("http://{}{path}", upstream.address);
            let handling = match work {
                Work::Pass => {
                    api.route(method, &path, http_proxy(uri));
                    continue;
                }
                Work::Encode => "CONVERT_TO_TEXT",
                Work::Decode => "CONVERT_TO_BINARY",
            };
            let members = if method == "POST" {
                json!({"contentHandling": handling})
            } else {
                json!({"httpMethod": "GET", "responses": {"default": {"statusCode": "200", "contentHandling": handling}}})
            };
            api.route(method, &path, with(http(uri), members));
        }
    }
    api.register(&world).await;
    world
}

/// One transfer; the processor time that the proxy spent on it.
async fn measure(world: &World, direction: &str, name: &str, work: Work) -> Duration {
    let path = format!("/{direction}/{name}");
    let request = if direction == "up" {
        let kind = if work == Work::Decode { "text/plain" } else { BLOB };
        let request = Request::post(path).header(CONTENT_LENGTH, work.sent_bytes()).header(CONTENT_TYPE, kind);
        request.header("host", "any").body(endless(work, work.sent_bytes())).unwrap()
    } else {
        Request::get(path).header("host", "any").body(whole(Bytes::new())).unwrap()
    };
    let pid = world.proxies[0].pid();
    let before = cpu::time_of(pid);
    let response = client::Connection::open(world.proxy()).await.send(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let arrived = if direction == "up" {
        let text = response.into_body().collect().await.unwrap().to_bytes();
        std::str::from_utf8(&text).unwrap().parse().unwrap()
    } else {
        count(response.into_body()).await
    };
    assert_eq!(arrived, work.arriving_bytes());
    cpu::time_of(pid) - before
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let upstream = upstream().await;
    let world = gateway(&upstream).await;
    let wire_gib = WIRE_BYTES as f64 / (1024.0 * 1024.0 * 1024.0);
    println!("{wire_gib:.2} GiB in and out together, {ROUNDS} rounds");
    let mut is_within = true;
    for direction in ["up", "down"] {
        let mut seconds: [Vec<f64>; 3] = Default::default();
        for round in 0..=ROUNDS {
            for (place, (name, work)) in KINDS.into_iter().enumerate() {
                let spent = measure(&world, direction, name, work).await.as_secs_f64();
                // The first round warms up.
                if round > 0 {
                    seconds[place].push(spent);
                }
            }
        }
        for (place, (name, _)) in KINDS.into_iter().enumerate() {
            let ratios = seconds[place].iter().zip(&seconds[0]).map(|(spent, passing)| spent / passing).collect();
            let ratio = median(ratios);
            is_within &= ratio <= RATIO_MAX;
            let per_gib = median(seconds[place].clone()) / wire_gib;
            println!("{direction:4} {name:6} {per_gib:.3} s of processor time for each GiB, {ratio:.2} times passing");
        }
    }
    assert!(is_within, "a conversion costs more than {RATIO_MAX} times passing");
}
