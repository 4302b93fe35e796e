//! What a function call costs: the processor time that a proxy spends on an `AWS_PROXY` call with a binary body both ways,
//! beside that of the base64 and the JSON of such a call alone.
//!
//! `cargo bench -p penstock-tests --bench lambda_cost`, after `cargo build --release`. The figures and what they are
//! compared with are in `benches/README.md`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do than to say where")]

use base64::Engine as _;
use base64::engine::Simd;
use bytes::Bytes;
use harness::content::{Api, with};
use harness::payload::Noise;
use harness::upstream::{Upstream, whole};
use harness::{World, client, cpu};
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;
use std::time::Duration;

/// Payload in each direction.
const BODY_BYTES: usize = 1024 * 1024;

/// Calls in one measurement: the kernel counts processor time in steps of 10 ms.
const CALLS: u32 = 200;

/// Measurements of each kind, one of each in turn.
const ROUNDS: usize = 7;

/// What a call may cost, as a multiple of its base64 and JSON.
const RATIO_MAX: f64 = 2.0;

/// An answer, as far as this bench reads it.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "statusCode")]
    status: u16,
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(rename = "isBase64Encoded")]
    is_base64: bool,
}

fn answer_of(base64: &str) -> Bytes {
    let head = json!({"statusCode": 200, "headers": {"content-type": "image/jpeg"}, "isBase64Encoded": true});
    let mut text = head.to_string();
    text.pop();
    format!("{text},\"body\":\"{base64}\"}}").into()
}

/// The work alone: base64 and JSON of an event, JSON and base64 of an answer, with buffers that are there already.
struct Alone {
    encoded: Vec<u8>,
    event: Vec<u8>,
    decoded: Vec<u8>,
}

impl Alone {
    fn new() -> Self {
        Self {
            encoded: vec![0; 2 * BODY_BYTES],
            event: Vec::with_capacity(2 * BODY_BYTES),
            decoded: vec![0; 2 * BODY_BYTES],
        }
    }

    fn work(&mut self, engine: &Simd, payload: &[u8], answer: &[u8]) -> usize {
        let length = engine.encode_slice(payload, &mut self.encoded).unwrap();
        let body = std::str::from_utf8(&self.encoded[..length]).unwrap();
        self.event.clear();
        serde_json::to_writer(&mut self.event, body).unwrap();
        let answer: Answer<'_> = serde_json::from_slice(answer).unwrap();
        assert!(answer.is_base64 && answer.status == 200);
        self.event.len() + engine.decode_slice(&*answer.body, &mut self.decoded).unwrap()
    }
}

/// A service that takes any event and always gives the same answer.
async fn service(answer: Bytes) -> Upstream {
    Upstream::http(move |request| {
        let answer = answer.clone();
        async move {
            let event = request.into_body().collect().await.unwrap().to_bytes();
            assert!(event.len() > BODY_BYTES / 3 * 4);
            let mut response = Response::new(whole(answer));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
    })
    .await
}

async fn gateway(service: &Upstream, signing: &str) -> World {
    let endpoint = format!("http://{}", service.address);
    let arguments = ["--workers", "1", "--lambda-endpoint", &endpoint, "--aws-signing", signing];
    // Any credentials do: nobody checks the signature.
    let credentials = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let world = World::start_in(1, &arguments, &credentials).await;
    let mut api = Api::at("any").binary(&["*/*"]);
    let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:f/invocations";
    api.route("POST", "/image", with(json!({"type": "aws_proxy", "httpMethod": "POST", "uri": uri}), json!({})));
    api.register(&world).await;
    world
}

/// Processor time of the proxy for each call, over one connection.
async fn measure(world: &World, payload: &Bytes) -> Duration {
    let pid = world.proxies[0].pid();
    let mut connection = client::Connection::open(world.proxy()).await;
    let before = cpu::time_of(pid);
    for _ in 0..CALLS {
        let request = Request::post("/image").header("host", "any").header(CONTENT_TYPE, "image/jpeg");
        let request = request.body(Full::new(payload.clone())).unwrap();
        let response = connection.send(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), payload.len());
    }
    (cpu::time_of(pid) - before) / CALLS
}

fn measure_alone(engine: &Simd, payload: &[u8], answer: &[u8]) -> Duration {
    let mut alone = Alone::new();
    let pid = std::process::id();
    let before = cpu::time_of(pid);
    for _ in 0..CALLS {
        std::hint::black_box(alone.work(engine, std::hint::black_box(payload), std::hint::black_box(answer)));
    }
    (cpu::time_of(pid) - before) / CALLS
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let engine = Simd::standard(base64::engine::general_purpose::PAD);
    let payload = Noise::new(7).take(BODY_BYTES);
    let answer = answer_of(&engine.encode(&payload));
    let service = service(answer.clone()).await;
    let unsigned = gateway(&service, "none").await;
    let signed = gateway(&service, "sigv4").await;
    let mut spent: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        let now = [
            measure_alone(&engine, &payload, &answer),
            measure(&unsigned, &payload).await,
            measure(&signed, &payload).await,
        ];
        // The first round warms up.
        if round > 0 {
            spent.iter_mut().zip(now).for_each(|(all, one)| all.push(one.as_secs_f64()));
        }
    }
    let mut is_within = true;
    for (name, seconds) in ["alone", "unsigned", "signed"].into_iter().zip(&spent) {
        let ratio = median(seconds.iter().zip(&spent[0]).map(|(one, alone)| one / alone).collect());
        println!(
            "{name:9} {:.3} ms of processor time for each call, {ratio:.2} times the work alone",
            median(seconds.clone()) * 1e3
        );
        is_within &= ratio <= RATIO_MAX;
    }
    assert!(is_within, "a call costs more than {RATIO_MAX} times its base64 and JSON");
}
