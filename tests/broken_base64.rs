//! Bodies that are to be decoded from base64 and are none (section a.6): small ones fail before anybody was called, large
//! ones in the middle, and neither side takes a failed body for a whole one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::client::{Answer, Connection};
use harness::content::{Api, Framing, Recorder, assert_internal_error, http, reply, with};
use harness::upstream::{Body, Upstream, whole};
use harness::wait::{bounded, until};
use harness::{World, client};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Frame;
use hyper::{Request, Response};
use serde_json::json;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_stream::wrappers::ReceiverStream;

const MIB: usize = 1024 * 1024;

/// What is wrong, and a small body with it. Padding may be absent, but not wrong.
const BROKEN: [(&str, &[u8]); 9] = [
    ("byte 0", b"!UJDQUJD"),
    ("the middle", b"QUJD QUJD"),
    ("a line break", b"QUJD\r\nQUJD"),
    ("the URL-safe alphabet", b"QUJ-"),
    ("the last byte", b"QUJDQUJ\xff"),
    ("one character too many", b"QUJDQ"),
    ("half of the padding", b"QUJDQQ="),
    ("padding before the end", b"QQ==QUJD"),
    ("nothing but padding", b"===="),
];

/// Good base64, then `wrong`, then more that is good: more than is looked at before the upstream is called, on both sides.
fn large(wrong: &[u8]) -> Vec<u8> {
    [&b"QUJD".repeat(MIB), wrong, &b"QUJD".repeat(MIB)].concat()
}

/// A gateway whose `/up` decodes requests, and whose `/down` decodes answers.
async fn world(upstream: &str) -> World {
    let world = World::start_with(1, &["--access-log", "json"]).await;
    let mut api = Api::at("any");
    let decode = json!({"contentHandling": "CONVERT_TO_BINARY"});
    api.route("POST", "/up", with(http(format!("{upstream}/up")), decode.clone()));
    let responses = json!({"httpMethod": "GET", "responses": {"default": with(json!({"statusCode": "200"}), decode)}});
    api.route("GET", "/down", with(http(format!("{upstream}/down")), responses));
    api.register(&world).await;
    world
}

fn upload(body: Body) -> Request<Body> {
    Request::post("/up").header("host", "any").header("content-type", "text/plain").body(body).unwrap()
}

fn fetch() -> Request<Body> {
    Request::get("/down").header("host", "any").body(whole("")).unwrap()
}

/// Bytes in frames as large as a socket gives them, with or without their length.
fn in_frames(bytes: Vec<u8>, framing: Framing) -> Body {
    match framing {
        Framing::Sized => whole(bytes),
        Framing::Chunked => {
            let bytes = Bytes::from(bytes);
            let frames = (0..bytes.len()).step_by(50_000).map(move |at| bytes.slice(at..bytes.len().min(at + 50_000)));
            let frames: Vec<_> = frames.map(|piece| Ok::<_, Infallible>(Frame::data(piece))).collect();
            StreamBody::new(tokio_stream::iter(frames)).map_err(|never| match never {}).boxed()
        }
    }
}

async fn answer(connection: &mut Connection<Body>, request: Request<Body>) -> Result<Answer, hyper::Error> {
    let (head, body) = bounded("an answer", connection.send(request)).await?.into_parts();
    let body = bounded("its body", body.collect()).await?.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

/// The reasons in the access log, once there are at least as many lines as that.
async fn reasons(world: &World, lines: usize) -> Vec<String> {
    let log = until("the lines", async || world.proxies[0].access_log(), |log| log.len() >= lines).await;
    log.iter().map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_request_fails_before_the_upstream_is_called() {
    let recorder = Recorder::start(|_| Response::new(whole("QUJD"))).await;
    let world = world(&recorder.uri("")).await;
    let mut connection = Connection::open(world.proxy()).await;
    for (what, body) in BROKEN {
        for framing in Framing::ALL {
            let row = format!("{what}, {framing:?}");
            let refused = answer(&mut connection, upload(framing.body(body))).await.unwrap();
            assert_internal_error(&refused, &row);
            assert!(recorder.take().is_none(), "{row}: the upstream was called");
            if refused.header("connection") == "close" {
                // Of a chunked body the rest was not awaited.
                assert_eq!(framing, Framing::Chunked, "{row}");
                connection = Connection::open(world.proxy()).await;
            }
            let next = answer(&mut connection, upload(framing.body(b"QUJD"))).await.unwrap();
            assert_eq!((next.status.as_u16(), next.text()), (200, "QUJD"), "{row}");
            assert_eq!(recorder.take().unwrap().body.unwrap(), "ABC", "{row}");
        }
    }
    let reasons = reasons(&world, 4 * BROKEN.len()).await;
    let refused = reasons.iter().filter(|reason| *reason == "request_base64").count();
    assert_eq!((refused, reasons.len()), (2 * BROKEN.len(), 4 * BROKEN.len()), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_that_is_wrong_at_its_beginning_fails_before_the_upstream_is_called() {
    let recorder = Recorder::start(|_| Response::new(whole("QUJD"))).await;
    let world = world(&recorder.uri("")).await;
    for framing in Framing::ALL {
        let mut connection = Connection::open(world.proxy()).await;
        let body = [&b"!"[..], &large(b"")].concat();
        let answered = answer(&mut connection, upload(in_frames(body, framing))).await.unwrap();
        assert_internal_error(&answered, &format!("{framing:?}"));
        assert!(recorder.take().is_none(), "the upstream was called");
        goes_on_or_is_closed(&mut connection).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_look_ahead_the_upstream_request_is_aborted_and_the_client_is_answered() {
    let recorder = Recorder::start(|_| Response::new(whole("QUJD"))).await;
    let world = world(&recorder.uri("")).await;
    for framing in Framing::ALL {
        for wrong in [&b"!!!!"[..], b"QQ==", b"Q"] {
            let row = format!("{framing:?}, {wrong:?}");
            let mut connection = Connection::open(world.proxy()).await;
            let body = in_frames(large(wrong), framing);
            assert_internal_error(&answer(&mut connection, upload(body)).await.unwrap(), &row);
            let seen =
                until("the upstream's request is over", async || recorder.take(), Option::is_some).await.unwrap();
            assert_eq!(seen.body, None, "{row}: the upstream took the request for complete");
            goes_on_or_is_closed(&mut connection).await;
            recorder.take();
        }
    }
    let refused = reasons(&world, 6).await.into_iter().filter(|reason| reason != "ok");
    assert_eq!(refused.collect::<Vec<_>>(), ["request_base64"; 6]);
}

/// Whatever is left of a refused body on the connection, the next request on it is answered properly or not at all.
async fn goes_on_or_is_closed(connection: &mut Connection<Body>) {
    if let Ok(next) = answer(connection, fetch()).await {
        assert_eq!((next.status.as_u16(), next.text()), (200, "ABC"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_fails_behind_the_answers_head_cuts_the_answer() {
    // Answers at once, and ends its answer with the request, however that ends.
    let upstream = Upstream::http(|request| async move {
        let (send, receive) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let mut body = request.into_body();
            let _ = send.send(Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"begun")))).await;
            while let Some(Ok(_)) = body.frame().await {}
            drop(send);
        });
        Response::new(StreamBody::new(ReceiverStream::new(receive)).map_err(|never| match never {}).boxed())
    })
    .await;
    let world = world(&format!("http://{}", upstream.address)).await;
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let body = StreamBody::new(ReceiverStream::new(receive)).map_err(|never: Infallible| match never {}).boxed();
    let mut connection = Connection::open(world.proxy()).await;
    send.send(Ok(Frame::data(b"QUJD".repeat(MIB).into()))).await.unwrap();
    let response = bounded("the head, while the upload is open", connection.send(upload(body))).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut answer = response.into_body();
    assert_eq!(bounded("the beginning", answer.frame()).await.unwrap().unwrap().into_data().unwrap(), "begun");
    send.send(Ok(Frame::data("!!!!".into()))).await.unwrap();
    assert!(bounded("the cut", answer.frame()).await.is_none_or(|frame| frame.is_err()), "an answer that ended well");
    until("the upstream is alone", async || upstream.open(), |&open| open == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_answer_that_is_wrong_is_a_500_and_the_connection_goes_on() {
    for (what, body) in BROKEN {
        for framing in Framing::ALL {
            let row = format!("{what}, {framing:?}");
            let recorder = Recorder::start(move |_| reply(200, &[("x-up", "1")], framing.body(body))).await;
            let world = world(&recorder.uri("")).await;
            let mut connection = Connection::open(world.proxy()).await;
            for _ in 0..2 {
                assert_internal_error(&answer(&mut connection, fetch()).await.unwrap(), &row);
            }
            assert_eq!(reasons(&world, 2).await, ["response_base64"; 2], "{row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_that_is_wrong_is_cut_and_never_ends() {
    for framing in Framing::ALL {
        let recorder = Recorder::start(move |_| reply(200, &[], in_frames(large(b"!!!!"), framing))).await;
        let world = world(&recorder.uri("")).await;
        let mut connection = Connection::open(world.proxy()).await;
        let response = connection.send(fetch()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(bounded("the cut", response.into_body().collect()).await.is_err(), "{framing:?}: it ended well");
        // Where only the connection's end ends a body, the cut is a reset.
        let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
        stream.write_all(b"GET /down HTTP/1.0\r\nhost: any\r\n\r\n").await.unwrap();
        let read = bounded("the reset", stream.read_to_end(&mut Vec::new())).await;
        assert!(read.is_err(), "{framing:?}: {read:?}");
        assert_eq!(reasons(&world, 2).await, ["response_base64"; 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_only_the_stream_that_failed_is_reset() {
    let recorder = Recorder::start(|_| reply(200, &[], in_frames(large(b"!!!!"), Framing::Sized))).await;
    let world = world(&recorder.uri("")).await;
    let io = hyper_util::rt::TokioIo::new(TcpStream::connect(world.proxy()).await.unwrap());
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = Request::get("http://any/down").body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(bounded("the reset", response.into_body().collect()).await.is_err());
    }
    assert_eq!(client::get(world.proxy(), "any", "/none").await.status, 403);
}
