//! Answers that functions stream (section k): a head out of the prelude, bytes as they come and as many as there are, and
//! every way in which a stream can fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::client::{self, Connection};
use harness::content::{Api, INTERNAL_ERROR, send, with};
use harness::functions::{aws_proxy_streamed, world_at};
use harness::lambda::{LambdaService, Piece, Reply};
use harness::upstream::whole;
use harness::wait::{bounded, until};
use harness::{World, memory, sized};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::json;

const PRELUDE: &[u8] = b"{\"statusCode\":201,\"headers\":{\"Content-Type\":\"image/png\",\"Date\":\"d\"},\"cookies\":[\"a=1\",\"b=2\"]}\0\0\0\0\0\0\0\0";

async fn world() -> (LambdaService, World) {
    let service = LambdaService::start().await;
    let world = world_at(service.address, &["--access-log", "json"]).await;
    let mut api = Api::at("any").extension("minimum-compression-size", json!(0));
    api.route("POST", "/f", with(aws_proxy_streamed("f"), json!({"timeoutInMillis": 5000})));
    api.route("POST", "/soon", with(aws_proxy_streamed("f"), json!({"timeoutInMillis": 300})));
    api.register(&world).await;
    (service, world)
}

async fn ask(world: &World, path: &str) -> Response<Incoming> {
    let request = Request::post(path).header("host", "any").header("accept-encoding", "gzip").body(whole("x")).unwrap();
    Connection::open(world.proxy()).await.send(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_come_as_the_function_writes_them() {
    let (service, world) = world().await;
    let (pieces, reply) = Reply::stream();
    service.once("f", reply);
    // The prelude comes in two parts, the second with the beginning of the body.
    pieces.send(Piece::chunk(&PRELUDE[..20])).await.unwrap();
    pieces.send(Piece::chunk([&PRELUDE[20..], b"\xff\x00first "].concat())).await.unwrap();
    let response = bounded("the head, before the end", ask(&world, "/f")).await;
    assert_eq!(response.status(), 201);
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some("image/png"));
    assert_eq!(header("x-amzn-remapped-date").as_deref(), Some("d"));
    assert_eq!((header("transfer-encoding").as_deref(), header("content-encoding")), (Some("chunked"), None));
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert!(header("x-amzn-trace-id").is_some());
    let mut body = response.into_body();
    let mut next = async || body.frame().await.map(|frame| frame.unwrap().into_data().unwrap());
    assert_eq!(bounded("the first bytes", next()).await.unwrap(), &b"\xff\x00first "[..]);
    pieces.send(Piece::chunk("second")).await.unwrap();
    assert_eq!(bounded("the second piece", next()).await.unwrap(), "second");
    drop(pieces);
    assert_eq!(bounded("the end", next()).await, None);
    let call = service.last();
    assert_eq!(
        call.target,
        "/2021-11-15/functions/arn:aws:lambda:us-east-1:123456789012:function:f/response-streaming-invocations"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_bytes_streams_in_flat_memory() {
    let (service, world) = world().await;
    let total = sized(64, 1024) * 1024 * 1024_u64;
    let piece = Bytes::from(vec![0xab; 256 * 1024]);
    let (pieces, reply) = Reply::stream();
    service.once("f", reply);
    let sender = tokio::spawn(async move {
        pieces.send(Piece::chunk(PRELUDE)).await.unwrap();
        for _ in 0..total / piece.len() as u64 {
            pieces.send(Piece::chunk(piece.clone())).await.unwrap();
        }
    });
    let response = ask(&world, "/f").await;
    let before = memory::resident_bytes(world.proxies[0].pid());
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.iter().all(|&byte| byte == 0xab));
        length += data.len() as u64;
    }
    sender.await.unwrap();
    assert_eq!(length, total);
    let grown = memory::resident_bytes(world.proxies[0].pid()).saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "{grown}");
    let metrics = client::get(world.admin(0), "admin", "/metrics").await;
    assert!(metrics.text().contains("penstock_proxy_collected_bytes 0"), "nothing is held any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_that_is_none_is_a_500_and_a_failure_before_it_a_502() {
    let (service, world) = world().await;
    for (pieces, status, reason) in [
        (vec![Piece::chunk("plain text")], 500, "function_prelude"),
        (vec![Piece::chunk("{\"statusCode\":200}")], 500, "function_prelude"),
        (vec![Piece::chunk("{\"statusCode\":99}\0\0\0\0\0\0\0\0")], 500, "function_prelude"),
        (vec![Piece::chunk("{\"unknown\":1}\0\0\0\0\0\0\0\0")], 500, "function_prelude"),
        (vec![Piece::chunk(vec![b' '; 20_000])], 500, "function_prelude"),
        (vec![], 500, "function_prelude"),
        (vec![Piece::error("Unhandled", "inner words")], 502, "function_failed"),
        (vec![Piece::chunk("{\"statusCode\""), Piece::error("Unhandled", "inner words")], 502, "function_failed"),
    ] {
        let shown = format!("{pieces:?}");
        service.once("f", Reply::pieces(pieces));
        let answer = send(&world, "any", "POST /f", &[], whole("x")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, INTERNAL_ERROR), "{shown}");
        let lines = until(
            "the line is written",
            async || world.proxies[0].access_log(),
            |lines| lines.last().is_some_and(|line| line["reason"] == reason),
        )
        .await;
        assert!(!format!("{lines:?}").contains("inner words"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_stream_is_a_502_and_a_refusal_a_500() {
    let (service, world) = world().await;
    service.closure("f", |_| Reply::Http(Response::new(Bytes::from_static(b"<html>no stream</html>"))));
    assert_eq!(send(&world, "any", "POST /f", &[], whole("x")).await.status, 502);
    service.closure("f", |_| Reply::throttled());
    assert_eq!(send(&world, "any", "POST /f", &[], whole("x")).await.status, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_behind_its_head_cuts_the_answer() {
    let (service, world) = world().await;
    for (end, reason) in
        [(Piece::error("Unhandled", "inner words"), "function_failed"), (Piece::Reset, "upstream_broke")]
    {
        let (pieces, reply) = Reply::stream();
        service.once("f", reply);
        pieces.send(Piece::chunk([PRELUDE, b"begun"].concat())).await.unwrap();
        let response = ask(&world, "/f").await;
        assert_eq!(response.status(), 201);
        let mut body = response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
        pieces.send(end).await.unwrap();
        let end = bounded("the cut", body.frame()).await;
        assert!(end.is_some_and(|frame| frame.is_err()), "never an orderly end");
        until(
            "the line is written",
            async || world.proxies[0].access_log(),
            |lines| lines.last().is_some_and(|line| line["reason"] == reason),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_limit_bounds_the_wait_for_the_head_and_not_the_stream() {
    let (service, world) = world().await;
    let (silent, reply) = Reply::stream();
    service.once("f", reply);
    let answer = send(&world, "any", "POST /soon", &[], whole("x")).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (504, r#"{"message": "Endpoint request timed out"}"#));
    drop(silent);

    let (pieces, reply) = Reply::stream();
    service.once("f", reply);
    pieces.send(Piece::chunk(PRELUDE)).await.unwrap();
    let mut body = ask(&world, "/soon").await.into_body();
    // Longer than the limit of this method: that is over when the head is there.
    let waited = tokio::time::timeout(std::time::Duration::from_millis(600), body.frame()).await;
    assert!(waited.is_err(), "nothing comes, and nothing is cut");
    pieces.send(Piece::chunk("late")).await.unwrap();
    assert_eq!(bounded("the late piece", body.frame()).await.unwrap().unwrap().into_data().unwrap(), "late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_the_functions_stream() {
    let (service, world) = world().await;
    let (pieces, reply) = Reply::stream();
    service.once("f", reply);
    pieces.send(Piece::chunk([PRELUDE, b"begun"].concat())).await.unwrap();
    let response = ask(&world, "/f").await;
    drop(response);
    let sent = async {
        // Until the gateway has noticed, which it does when it writes.
        while pieces.send(Piece::chunk(vec![0; 64 * 1024])).await.is_ok() {}
    };
    bounded("the function's stream ends", sent).await;
}
