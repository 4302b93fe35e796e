//! Bodies flow while they come: early answers, trailers, half-closed connections, and cuts that look like cuts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::payload::noise_body;
use harness::upstream::{Upstream, read_head, whole};
use harness::wait::{bounded, until};
use harness::world::document;
use harness::{World, client};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Frame;
use hyper::{Request, Response};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;

async fn world_with(upstream: &Upstream) -> World {
    let world = World::start(1).await;
    world.register(&document("stream", &[("ANY", "/{path+}", format!("http://{}/{{path}}", upstream.address))])).await;
    world
}

type Sent = Result<Frame<Bytes>, Infallible>;

fn open_body() -> (mpsc::Sender<Sent>, StreamBody<ReceiverStream<Sent>>) {
    let (send, receive) = mpsc::channel(1);
    (send, StreamBody::new(ReceiverStream::new(receive)))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_bodies_flow_at_the_same_time() {
    let upstream = Upstream::echo().await;
    let world = world_with(&upstream).await;
    let (send, body) = open_body();
    let request = Request::post("/talk").header("host", "any").body(body).unwrap();
    let mut connection = client::Connection::open(world.proxy()).await;
    send.send(Ok(Frame::data("first".into()))).await.unwrap();
    let response = bounded("the head, while the upload is open", connection.send(request)).await.unwrap();
    let mut echoed = response.into_body();
    for word in ["first", "second", "third"] {
        if word != "first" {
            send.send(Ok(Frame::data(word.into()))).await.unwrap();
        }
        let frame = bounded("the echo of one frame", echoed.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
    }
    drop(send);
    assert!(bounded("the end", echoed.frame()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_reaches_a_client_that_still_uploads() {
    let upstream = Upstream::tcp(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig";
        stream.write_all(answer).await.unwrap();
        // Reads on for a while, as a polite server does, so that its answer is not destroyed by a reset.
        let mut sink = vec![0; 65_536];
        while let Ok(1..) = stream.read(&mut sink).await {}
    })
    .await;
    let world = world_with(&upstream).await;
    let (body, _hash) = noise_body(1, 64 * 1024 * 1024, 16_384, Duration::from_millis(1));
    let request = Request::post("/up").header("host", "any").body(body).unwrap();
    let mut connection = client::Connection::open(world.proxy()).await;
    let response = bounded("the early answer", connection.send(request)).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "big");
    assert_eq!(client::get(world.proxy(), "other", "/up").await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_in_both_directions() {
    let upstream = Upstream::http(|request| async move {
        let collected = request.into_body().collect().await.unwrap();
        let sum = collected.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
        let (send, body) = open_body();
        tokio::spawn(async move {
            send.send(Ok(Frame::data(collected.to_bytes()))).await.unwrap();
            let mut trailers = hyper::HeaderMap::new();
            trailers.insert("x-seen", sum.unwrap_or_else(|| "none".parse().unwrap()));
            send.send(Ok(Frame::trailers(trailers))).await.unwrap();
        });
        let mut response = Response::new(body.map_err(|never| match never {}).boxed());
        response.headers_mut().insert("trailer", "x-seen".parse().unwrap());
        response
    })
    .await;
    let world = world_with(&upstream).await;
    let (send, body) = open_body();
    tokio::spawn(async move {
        send.send(Ok(Frame::data("payload".into()))).await.unwrap();
        let mut trailers = hyper::HeaderMap::new();
        trailers.insert("x-sum", "41".parse().unwrap());
        send.send(Ok(Frame::trailers(trailers))).await.unwrap();
    });
    let request = Request::post("/up")
        .header("host", "any")
        .header("te", "trailers")
        .header("trailer", "x-sum")
        .body(body)
        .unwrap();
    let response = client::Connection::open(world.proxy()).await.send(request).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-seen"], "41");
    assert_eq!(collected.to_bytes(), "payload");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_expects_100_gets_it_only_when_its_body_is_wanted() {
    let upstream = Upstream::mirror("up").await;
    let world = world_with(&upstream).await;
    let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
    let head =
        "POST /up HTTP/1.1\r\nhost: any\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let interim = bounded("100 Continue", read_head(&mut stream)).await;
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue\r\n"), "{}", String::from_utf8_lossy(&interim));
    stream.write_all(b"body").await.unwrap();
    let mut rest = String::new();
    bounded("the answer", stream.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.contains("\"bytes\":4"), "{rest}");
    let refused = client::raw(world.proxy(), head.replace("/up", "/").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_its_sending_side_still_gets_its_answer() {
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let upstream = Upstream::http(move |_request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Response::new(whole("late"))
        }
    })
    .await;
    let world = world_with(&upstream).await;
    let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: any\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    until("the request is at the upstream", async || upstream.open(), |&open| open == 1).await;
    opened.notify_one();
    let mut answer = String::new();
    bounded("the answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("late"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_upstream_request_with_it() {
    let upstream = Upstream::bulk().await;
    let world = world_with(&upstream).await;
    // In the middle of an upload …
    let mut uploading = TcpStream::connect(world.proxy()).await.unwrap();
    uploading.write_all(b"POST /up HTTP/1.1\r\nhost: any\r\ncontent-length: 1000000\r\n\r\nabc").await.unwrap();
    until("the upload is at the upstream", async || upstream.open(), |&open| open == 1).await;
    drop(uploading);
    until("the upload has ended at the upstream", async || upstream.open(), |&open| open == 0).await;
    // … and in the middle of a download.
    let request =
        Request::get("/noise/1/1000000000/16384/100").header("host", "any").body(Empty::<Bytes>::new()).unwrap();
    let response = client::Connection::open(world.proxy()).await.send(request).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(upstream.open(), 1);
    drop(body);
    until("the download has ended at the upstream", async || upstream.open(), |&open| open == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_is_never_disguised_as_an_end() {
    // A sized and a chunked answer that stop in the middle.
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"[..],
        &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n"[..],
    ] {
        let upstream = Upstream::canned(answer).await;
        let world = world_with(&upstream).await;
        let request = Request::get("/cut").header("host", "any").body(Empty::<Bytes>::new()).unwrap();
        let response = client::Connection::open(world.proxy()).await.send(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.into_body().collect().await.is_err(), "the client must see that the body is not whole");
    }
    // Without a length and without chunks only the connection's end ends a body, so a cut must be a reset.
    let upstream = Upstream::canned(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n").await;
    let world = world_with(&upstream).await;
    let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
    stream.write_all(b"GET /cut HTTP/1.0\r\nhost: any\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    assert!(
        bounded("the reset", stream.read_to_end(&mut answer)).await.is_err(),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    // An upload that stops in the middle must not look whole to the upstream.
    let upstream = Upstream::mirror("up").await;
    let world = world_with(&upstream).await;
    for head in ["content-length: 100\r\n\r\nonly this", "transfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n"] {
        let answer = {
            let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
            stream.write_all(format!("POST /up HTTP/1.1\r\nhost: any\r\n{head}").as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            bounded("the connection's end", stream.read_to_string(&mut answer)).await.unwrap();
            answer
        };
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(client::get(world.proxy(), "any", "/after").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_options_are_methods_like_the_others() {
    let upstream = Upstream::http(|request| async move {
        let mut response = Response::new(whole(if request.method() == "HEAD" { "" } else { "options" }));
        if request.method() == "HEAD" {
            response.headers_mut().insert("content-length", "12345".parse().unwrap());
        }
        response.headers_mut().insert("allow", "GET, HEAD".parse().unwrap());
        response
    })
    .await;
    let world = World::start(1).await;
    let uri = format!("http://{}/", upstream.address);
    world.register(&document("verbs", &[("HEAD", "/a", uri.clone()), ("OPTIONS", "/a", uri)])).await;
    let head = client::raw(world.proxy(), b"HEAD /a HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("content-length: 12345\r\n"), "{head}");
    let options = Request::options("/a").header("host", "any").body(Empty::<Bytes>::new()).unwrap();
    let options = client::call(world.proxy(), options).await.unwrap();
    assert_eq!((options.text(), options.header("allow")), ("options", "GET, HEAD"));
    assert_eq!(client::get(world.proxy(), "any", "/a").await.status, 403);
}
