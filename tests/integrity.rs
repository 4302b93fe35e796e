//! Digests of bodies (RFC 9530): a wrong one ends the exchange so that neither side can take the body for complete, and
//! answers get one of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::Engine as _;
use harness::client::Connection;
use harness::coding::decode;
use harness::content::{Api, Framing, Recorder, http, http_proxy, reply, with};
use harness::upstream::{Body, Upstream, hex, whole};
use harness::wait::{bounded, until};
use harness::{World, client};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response, Version};
use penstock_proto::management::v1::rest_api::Integrity;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sizes of bodies: one frame, and many.
const SIZES: [usize; 2] = [20, 300_001];

const PROTOCOLS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

fn bytes_of(size: usize) -> Bytes {
    (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<_>>().into()
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", base64(&Sha256::digest(bytes)))
}

fn sha512(bytes: &[u8]) -> String {
    format!("sha-512=:{}:", base64(&Sha512::digest(bytes)))
}

/// Where a digest stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header(&'static str),
    Trailer,
}

/// A row: where the digest stands, what it is, and whether it is right for `bytes`.
fn rows(bytes: &[u8]) -> Vec<(Place, String, bool)> {
    let other = &bytes[1..];
    let unknown = "crc32c=:AAAAAA==:";
    let mut rows = vec![(Place::Header("content-digest"), format!("{}, {}", sha256(bytes), sha512(other)), false)];
    rows.push((Place::Header("content-digest"), unknown.to_owned(), true));
    for place in [Place::Header("content-digest"), Place::Header("repr-digest"), Place::Trailer] {
        rows.extend([
            (place, sha256(bytes), true),
            (place, sha256(other), false),
            (place, sha512(bytes), true),
            (place, sha512(other), false),
            (place, format!("{unknown}, {}", sha256(bytes)), true),
        ]);
    }
    rows
}

/// A body in frames, with its digest behind it if that is its place.
fn body(bytes: &Bytes, framing: Framing, trailer: Option<&str>) -> Body {
    if framing == Framing::Sized {
        return whole(bytes.clone());
    }
    let pieces: Vec<Bytes> = bytes.chunks(40_000).map(|piece| bytes.slice_ref(piece)).collect();
    let trailers = trailer.map(|digest| {
        let mut trailers = HeaderMap::new();
        trailers.insert("content-digest", digest.parse().unwrap());
        Frame::trailers(trailers)
    });
    let frames = pieces.into_iter().map(Frame::data).chain(trailers).map(Ok::<_, Infallible>);
    StreamBody::new(tokio_stream::iter(frames.collect::<Vec<_>>())).map_err(|never| match never {}).boxed()
}

fn announce(headers: &mut HeaderMap, place: Place, digest: &str) {
    match place {
        Place::Header(name) => drop(headers.insert(name, digest.parse().unwrap())),
        Place::Trailer => drop(headers.insert("trailer", HeaderValue::from_static("content-digest"))),
    }
}

/// A gateway with this level of integrity, and its routes to `upstream`.
async fn world(integrity: Integrity, upstream: &str) -> World {
    let world = World::start_with(1, &["--access-log", "json"]).await;
    let mut api = Api::at("any").settings(|api| api.set_integrity(integrity));
    api.route("ANY", "/", http_proxy(format!("{upstream}/")));
    let mapped = json!({"requestParameters": {"integration.request.header.X-Mapped": "method.request.body.a"}});
    api.route("POST", "/map", with(http(format!("{upstream}/")), mapped));
    api.register(&world).await;
    world
}

/// Sends over either protocol.
async fn exchange(world: &World, version: Version, request: Request<Body>) -> Result<Response<Incoming>, hyper::Error> {
    if version == Version::HTTP_11 {
        return Connection::open(world.proxy()).await.send(request).await;
    }
    let (mut head, body) = request.into_parts();
    head.uri = format!("http://any{}", head.uri.path()).parse().unwrap();
    head.headers.remove("host");
    let io = hyper_util::rt::TokioIo::new(TcpStream::connect(world.proxy()).await.unwrap());
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(Request::from_parts(head, body)).await
}

fn post(path: &str, body: Body) -> Request<Body> {
    Request::post(path).header("host", "any").header("content-type", "application/json").body(body).unwrap()
}

fn get() -> Request<Body> {
    Request::get("/").header("host", "any").body(whole("")).unwrap()
}

/// The last line of the access log, once there are as many.
async fn line(world: &World, number: usize) -> Value {
    let log = until("the line in the log", async || world.proxies[0].access_log(), |log| log.len() >= number).await;
    log[number - 1].clone()
}

/// Every row with every framing that it can have, over both protocols.
fn cases(bytes: &[u8]) -> Vec<(Place, String, bool, Framing, Version)> {
    let mut cases = Vec::new();
    for (place, digest, is_right) in rows(bytes) {
        for framing in Framing::ALL {
            // Behind a `Content-Length` there are no trailers.
            if framing == Framing::Chunked || place != Place::Trailer {
                cases.extend(PROTOCOLS.map(|version| (place, digest.clone(), is_right, framing, version)));
            }
        }
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_another_digest_is_refused_and_its_upstream_has_not_all_of_it() {
    let whole_rows = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&whole_rows);
    let upstream = Upstream::http(move |request| {
        let kept = Arc::clone(&kept);
        async move {
            let row = request.headers()["x-row"].to_str().unwrap().to_owned();
            if let Ok(collected) = request.into_body().collect().await {
                kept.lock().unwrap().push((row, collected.to_bytes()));
            }
            Response::new(whole("fine"))
        }
    })
    .await;
    let world = world(Integrity::Verify, &format!("http://{}", upstream.address)).await;
    let mut lines = 0;
    let mut expected = Vec::new();
    for size in SIZES {
        let bytes = bytes_of(size);
        for (place, digest, is_right, framing, version) in cases(&bytes) {
            let row = format!("{size} bytes, {framing:?}, {version:?}, {place:?}: {digest}");
            let mut request = post("/", body(&bytes, framing, Some(&digest)));
            announce(request.headers_mut(), place, &digest);
            request.headers_mut().insert("x-row", row.parse().unwrap());
            let answer = bounded("an answer", exchange(&world, version, request)).await.unwrap();
            assert_eq!(answer.status(), if is_right { 200 } else { 400 }, "{row}");
            lines += 1;
            let line = line(&world, lines).await;
            let reason = if is_right { "ok" } else { "request_digest" };
            assert_eq!((&line["reason"], &line["request_bytes"]), (&reason.into(), &size.into()), "{row}");
            let is_checked = digest.contains("sha-");
            let computed = if is_checked { hex(&Sha256::digest(&bytes)).into() } else { Value::Null };
            assert_eq!(line["request_sha256"], computed, "{row}");
            if is_right {
                expected.push((row, bytes.clone()));
            }
        }
    }
    // What was refused can only arrive later as what it is: incomplete.
    assert!(*whole_rows.lock().unwrap() == expected, "the upstream took another request for complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_read_or_whose_digest_is_nonsense_never_reaches_the_upstream() {
    let recorder = Recorder::start(|_| Response::new(whole("fine"))).await;
    let world = world(Integrity::Verify, &recorder.uri("")).await;
    let bytes = Bytes::from_static(br#"{"a": "found"}"#);
    let wrong = sha256(b"another");
    let short = format!("sha-256=:{}:", base64(b"short"));
    for (number, (path, name, digest, status, reason)) in [
        ("/map", "content-digest", sha256(&bytes), 200, "ok"),
        ("/map", "content-digest", wrong.clone(), 400, "request_digest"),
        ("/map", "repr-digest", wrong.clone(), 400, "request_digest"),
        ("/", "content-digest", "nonsense=".into(), 400, "request_digest_field"),
        ("/", "content-digest", short, 400, "request_digest_field"),
        ("/", "repr-digest", "sha-256=1".into(), 400, "request_digest_field"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut request = post(path, whole(bytes.clone()));
        request.headers_mut().insert(name, digest.parse().unwrap());
        let answer = exchange(&world, Version::HTTP_11, request).await.unwrap();
        assert_eq!(answer.status(), status, "{path} {name}: {digest}");
        assert_eq!(recorder.take().is_some(), status == 200, "{path} {name}: {digest}");
        assert_eq!(line(&world, number + 1).await["reason"], reason, "{path} {name}: {digest}");
    }
    // A body that is not there has a digest as well.
    let mut request = post("/", whole(""));
    request.headers_mut().insert("content-digest", wrong.parse().unwrap());
    assert_eq!(exchange(&world, Version::HTTP_11, request).await.unwrap().status(), 400);
    assert!(recorder.take().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_another_digest_is_cut_before_its_last_bytes() {
    let next = Arc::new(Mutex::new(None));
    let answer = Arc::clone(&next);
    let upstream = Upstream::http(move |_| {
        let (bytes, place, digest, framing): (Bytes, Place, String, Framing) = answer.lock().unwrap().take().unwrap();
        let mut response = Response::new(body(&bytes, framing, Some(&digest)));
        announce(response.headers_mut(), place, &digest);
        async move { response }
    })
    .await;
    let world = world(Integrity::Verify, &format!("http://{}", upstream.address)).await;
    let mut lines = 0;
    for size in SIZES {
        let bytes = bytes_of(size);
        for (place, digest, is_right, framing, version) in cases(&bytes) {
            let row = format!("{size} bytes, {framing:?}, {version:?}, {place:?}: {digest}");
            *next.lock().unwrap() = Some((bytes.clone(), place, digest, framing));
            let request = Request::get("/").header("host", "any").header("te", "trailers").body(whole("")).unwrap();
            // Of an answer that is cut, not even the head may arrive.
            let mut status = 0;
            let arrived = match bounded("the head", exchange(&world, version, request)).await {
                Ok(response) => {
                    status = response.status().as_u16();
                    bounded("the body", response.into_body().collect()).await
                }
                Err(cut) => Err(cut),
            };
            match arrived {
                Ok(body) if is_right => assert!(body.to_bytes() == bytes, "{row}"),
                // A small one of known length may be there before its head must go on.
                Ok(_) => assert_eq!(status, 502, "{row}"),
                Err(cut) => assert!(!is_right, "{row}: {cut}"),
            }
            lines += 1;
            let reason = if is_right { "ok" } else { "response_digest" };
            assert_eq!(line(&world, lines).await["reason"], reason, "{row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_the_connections_end_for_the_bodys_end_gets_a_reset() {
    let wrong = sha256(b"another");
    for framing in Framing::ALL {
        let said = wrong.clone();
        let upstream = Upstream::http(move |_| {
            let response = reply(200, &[("content-digest", &said)], body(&bytes_of(100_000), framing, None));
            async move { response }
        })
        .await;
        let world = world(Integrity::Verify, &format!("http://{}", upstream.address)).await;
        let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\nhost: any\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        assert!(bounded("the reset", stream.read_to_end(&mut answer)).await.is_err(), "{framing:?}");
        assert!(answer.len() < 100_000, "{framing:?}: all bytes arrived");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_head_and_a_part_have_a_digest_of_something_else() {
    let upstream = Upstream::http(|request| {
        let whole_thing = sha256(b"the whole representation");
        let response = match request.method().as_str() {
            "HEAD" => reply(200, &[("repr-digest", &whole_thing), ("content-digest", &whole_thing)], whole("")),
            _ => reply(206, &[("repr-digest", &whole_thing), ("content-range", "bytes 0-2/24")], whole("the")),
        };
        async move { response }
    })
    .await;
    let world = world(Integrity::Verify, &format!("http://{}", upstream.address)).await;
    let head = Request::head("/").header("host", "any").body(whole("")).unwrap();
    assert_eq!(client::call(world.proxy(), head).await.unwrap().status, 200);
    let part = client::call(world.proxy(), get()).await.unwrap();
    assert_eq!((part.status.as_u16(), part.text()), (206, "the"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_digests_are_headers_like_others() {
    let wrong = sha256(b"another");
    let said = wrong.clone();
    let recorder = Recorder::start(move |_| reply(200, &[("content-digest", &said)], whole("fine"))).await;
    let world = world(Integrity::Off, &recorder.uri("")).await;
    let mut request = post("/", whole("a body"));
    request.headers_mut().insert("content-digest", wrong.parse().unwrap());
    let answer = client::call(world.proxy(), request).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("content-digest")), (200, &*wrong));
    assert_eq!(recorder.take().unwrap().all("content-digest"), [&*wrong]);
    let line = line(&world, 1).await;
    assert_eq!((&line["request_sha256"], &line["response_sha256"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_get_a_digest_where_their_client_can_take_it() {
    for size in SIZES {
        let bytes = bytes_of(size);
        for framing in Framing::ALL {
            let sent = bytes.clone();
            let upstream = Upstream::http(move |_| {
                let response = Response::new(body(&sent, framing, None));
                async move { response }
            })
            .await;
            let world = world(Integrity::Add, &format!("http://{}", upstream.address)).await;
            let expected = sha256(&bytes);
            let fits = framing == Framing::Sized && size < 65_536;
            for (number, (version, te, in_trailers, in_head)) in [
                (Version::HTTP_11, "trailers", true, false),
                (Version::HTTP_11, "", false, fits),
                (Version::HTTP_2, "trailers", true, false),
                (Version::HTTP_2, "", true, false),
            ]
            .into_iter()
            .enumerate()
            {
                let row = format!("{size} bytes, {framing:?}, {version:?}, TE {te:?}");
                let mut request = get();
                if !te.is_empty() {
                    request.headers_mut().insert("te", te.parse().unwrap());
                }
                let (head, body) = exchange(&world, version, request).await.unwrap().into_parts();
                let collected = body.collect().await.unwrap();
                let text =
                    |headers: &HeaderMap| headers.get("content-digest").map(|value| value.to_str().unwrap().to_owned());
                assert_eq!(collected.trailers().and_then(text), in_trailers.then(|| expected.clone()), "{row}");
                assert_eq!(text(&head.headers), in_head.then(|| expected.clone()), "{row}");
                assert_eq!(
                    head.headers.contains_key("content-length"),
                    framing == Framing::Sized && !in_trailers,
                    "{row}"
                );
                assert_eq!(head.headers.contains_key("trailer"), in_trailers, "{row}");
                assert!(collected.to_bytes() == bytes, "{row}");
                let line = line(&world, number + 1).await;
                let hash = if in_trailers || in_head { hex(&Sha256::digest(&bytes)).into() } else { Value::Null };
                assert_eq!((&line["response_sha256"], &line["response_bytes"]), (&hash, &size.into()), "{row}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_is_that_of_the_compressed_bytes() {
    let text = Bytes::from("It is a truth universally acknowledged. ".repeat(1000));
    let sent = text.clone();
    let recorder =
        Recorder::start(move |_| reply(200, &[("content-digest", &sha256(&sent))], whole(sent.clone()))).await;
    let world = World::start(1).await;
    let mut api = Api::at("any")
        .extension("minimum-compression-size", json!(0))
        .settings(|api| api.set_integrity(Integrity::Add));
    api.route("GET", "/", http_proxy(recorder.uri("/")));
    api.register(&world).await;
    let mut request = get();
    request.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let (head, body) = exchange(&world, Version::HTTP_11, request).await.unwrap().into_parts();
    assert_eq!(
        (head.headers.get("content-digest"), &head.headers["content-encoding"]),
        (None, &HeaderValue::from_static("gzip"))
    );
    let collected = body.collect().await.unwrap();
    let digest = collected.trailers().unwrap()["content-digest"].clone();
    let bytes = collected.to_bytes();
    assert_eq!(digest, sha256(&bytes));
    assert_eq!(decode("gzip", &bytes, text.len()), text);
}
