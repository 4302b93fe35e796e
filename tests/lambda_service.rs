//! The harness's own Lambda service, and the example function called directly through it: what everything that stands
//! between a client and a function is compared with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use harness::client::{Answer, Connection, post};
use harness::lambda::eventstream::{MEDIA_TYPE, payload_and_end, read};
use harness::lambda::{Gate, LambdaService, Piece, RealFunction, Reply};
use harness::process::repository;
use harness::wait::{bounded, until};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const BUFFERED: &str = "/2015-03-31/functions/f/invocations";
const STREAMED: &str = "/2021-11-15/functions/f/response-streaming-invocations";

/// Largest event and largest result, as the service documents them.
const EVENT_BYTES_MAX: usize = 6_291_456;
const RESULT_BYTES_MAX: usize = 6_291_556;

async fn invoke(service: &LambdaService, path: &str, event: impl Into<Bytes>) -> Answer {
    post(service.address, "lambda", path, "application/json", event).await
}

fn photo() -> String {
    STANDARD.encode(std::fs::read(repository().join("examples/my_image.jpg")).unwrap())
}

/// An event of payload 1.0, with every member that it always has.
fn proxy_1(body: &str) -> Value {
    let headers = json!({"Content-Type": "image/jpeg", "Host": "images.example.com"});
    let values = json!({"Content-Type": ["image/jpeg"], "Host": ["images.example.com"]});
    json!({
        "resource": "/images", "path": "/images", "httpMethod": "POST", "headers": headers, "multiValueHeaders": values,
        "queryStringParameters": {"width": "320"}, "multiValueQueryStringParameters": {"width": ["320"]},
        "pathParameters": null, "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": "images.example.com",
            "domainPrefix": "images", "extendedRequestId": "x", "httpMethod": "POST",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8.5.0"},
            "path": "/prod/images", "protocol": "HTTP/1.1", "requestId": "x",
            "requestTime": "28/Nov/2026:09:00:00 +0000", "requestTimeEpoch": 1_795_856_400_000_u64,
            "resourceId": "r3s0rc", "resourcePath": "/images", "stage": "prod",
        },
        "body": body, "isBase64Encoded": true,
    })
}

/// An event of payload 2.0.
fn proxy_2(body: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "POST /images", "rawPath": "/images", "rawQueryString": "width=320",
        "headers": {"content-type": "image/jpeg", "host": "images.example.com"},
        "queryStringParameters": {"width": "320"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": "images.example.com",
            "domainPrefix": "images", "requestId": "x", "routeKey": "POST /images", "stage": "$default",
            "http": {"method": "POST", "path": "/images", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7",
                     "userAgent": "curl/8.5.0"},
            "time": "28/Nov/2026:09:00:00 +0000", "timeEpoch": 1_795_856_400_000_u64,
        },
        "body": body, "isBase64Encoded": true,
    })
}

async fn example(streams: bool) -> LambdaService {
    let service = LambdaService::start().await;
    service.real("f", RealFunction::start("image-function", &[("STREAM_RESPONSES", &streams.to_string())]).await);
    service
}

/// A stream's head and body, which eight NUL bytes divide.
fn prelude_and_body(payload: &[u8]) -> (Value, &[u8]) {
    let at = payload.windows(8).position(|bytes| bytes == [0; 8]).expect("the delimiter");
    (serde_json::from_slice(&payload[..at]).unwrap(), &payload[at + 8..])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_called_directly_gives_the_same_picture_in_all_four_ways() {
    let (buffered, streaming) = (example(false).await, example(true).await);
    let original = photo();
    let mut pictures = Vec::new();
    for event in [proxy_1(&original), proxy_2(&original)] {
        let result = invoke(&buffered, BUFFERED, event.to_string()).await.json();
        assert_eq!((&result["statusCode"], &result["isBase64Encoded"]), (&json!(200), &json!(true)));
        pictures.push(STANDARD.decode(result["body"].as_str().unwrap()).unwrap());
    }
    let custom = json!({"image": original, "width": 320});
    let result = invoke(&buffered, BUFFERED, custom.to_string()).await.json();
    pictures.push(STANDARD.decode(result.as_str().expect("a bare string")).unwrap());

    let answer = invoke(&streaming, STREAMED, proxy_1(&original).to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, MEDIA_TYPE));
    let (payload, end) = payload_and_end(&answer.body);
    let (prelude, body) = prelude_and_body(&payload);
    assert_eq!((&prelude["statusCode"], &prelude["headers"]["content-type"]), (&json!(200), &json!("image/jpeg")));
    assert_eq!(end, json!({}));
    pictures.push(body.to_vec());

    assert!(pictures[0].starts_with(&[0xff, 0xd8]) && pictures[0].len() * 2 < original.len(), "a smaller JPEG");
    assert!(pictures.iter().all(|picture| *picture == pictures[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_refuses_in_the_form_that_was_asked_for() {
    let (buffered, streaming) = (example(false).await, example(true).await);
    let no_picture = STANDARD.encode("hello");
    let result = invoke(&buffered, BUFFERED, proxy_1(&no_picture).to_string()).await.json();
    assert_eq!((&result["statusCode"], &result["isBase64Encoded"]), (&json!(415), &json!(false)));
    let answer = invoke(&streaming, STREAMED, proxy_2(&no_picture).to_string()).await;
    let (payload, _) = payload_and_end(&answer.body);
    let (prelude, body) = prelude_and_body(&payload);
    assert_eq!(prelude["statusCode"], 415);
    assert_eq!(result["body"], std::str::from_utf8(body).unwrap());

    let answer = invoke(&buffered, BUFFERED, r#"{"picture": 1}"#).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-amz-function-error")), (200, "Unhandled"));
    assert_eq!(answer.json()["errorType"], "bad_event");
    let answer = invoke(&streaming, STREAMED, r#"{"picture": 1}"#).await;
    let (payload, end) = payload_and_end(&answer.body);
    assert_eq!((payload.len(), &end["ErrorCode"]), (0, &json!("Unhandled")));
    assert!(end["ErrorDetails"].as_str().unwrap().contains("bad_event"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_can_be_called_for_its_whole() {
    let streaming = example(true).await;
    let answer = invoke(&streaming, BUFFERED, proxy_1(&STANDARD.encode("hello")).to_string()).await;
    assert_eq!(answer.header("content-type"), "application/json");
    let (prelude, body) = prelude_and_body(&answer.body);
    assert_eq!(prelude["statusCode"], 415);
    assert!(body.starts_with(b"{"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_process_is_gone_fails() {
    let service = LambdaService::start().await;
    let function = RealFunction::start("image-function", &[]).await;
    let killed = Command::new("kill").args(["-KILL", &function.pid().to_string()]).status().unwrap();
    assert!(killed.success());
    service.real("f", function);
    let answer = invoke(&service, BUFFERED, "{}").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-amz-function-error")), (200, "Unhandled"));
    assert_eq!(answer.json()["errorType"], "Runtime.ExitError");
}

#[tokio::test]
async fn an_invocation_is_kept_as_it_came() {
    let service = LambdaService::start().await;
    service.closure("f", |invocation| Reply::json(&json!({"got": invocation.event()})));
    let request = Request::post(format!("{BUFFERED}?Qualifier=live%2F1"))
        .header("Host", "lambda.us-east-1.amazonaws.com")
        .header("X-Amz-Date", "20261128T090000Z")
        .header("Authorization", "AWS4-HMAC-SHA256 Credential=x")
        .body(Full::new(Bytes::from_static(b"[1]")))
        .unwrap();
    let answer = harness::client::call(service.address, request).await.unwrap();
    assert_eq!(answer.json(), json!({"got": [1]}));
    let kept = service.last();
    assert_eq!((kept.method.as_str(), kept.target.as_str()), ("POST", &*format!("{BUFFERED}?Qualifier=live%2F1")));
    assert_eq!((kept.function.as_str(), kept.qualifier.as_deref(), &kept.body[..]), ("f", Some("live/1"), &b"[1]"[..]));
    let names: Vec<&str> = kept.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["host", "x-amz-date", "authorization", "content-length"]);
    assert_eq!(kept.header("x-amz-date"), "20261128T090000Z");
    assert_eq!(answer.header("x-amzn-requestid"), kept.request_id);
    assert_eq!(answer.header("x-amz-executed-version"), "$LATEST");
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn every_spelling_of_a_function_reaches_it() {
    let service = LambdaService::start().await;
    service.closure("f", |_| Reply::json(&json!(1)));
    let arn = LambdaService::arn("f");
    let encoded = arn.replace(':', "%3A");
    for (function, qualifier) in [
        ("f".to_owned(), None),
        ("f:live".to_owned(), Some("live")),
        ("123456789012:function:f".to_owned(), None),
        ("123456789012:function:f:7".to_owned(), Some("7")),
        (arn.clone(), None),
        (format!("{arn}:live"), Some("live")),
        (encoded.clone(), None),
        (format!("{encoded}%3alive"), Some("live")),
    ] {
        for (begin, end) in [BUFFERED, STREAMED].map(|path| path.split_once("/f/").unwrap()) {
            let answer = invoke(&service, &format!("{begin}/{function}/{end}"), "{}").await;
            assert_eq!(answer.status, 200, "{function}");
            let kept = service.last();
            assert_eq!((kept.function.as_str(), kept.qualifier.as_deref()), ("f", qualifier), "{function}");
        }
    }
    let answer = invoke(&service, "/2015-03-31/functions/f:live/invocations?Qualifier=test", "{}").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-amzn-errortype")), (400, "InvalidParameterValueException"));
}

#[tokio::test]
async fn the_service_refuses_what_it_would_not_hand_on() {
    let service = LambdaService::start().await;
    service.closure("f", |_| Reply::json(&json!(1)));
    let other = BUFFERED.replace("/f/", "/g/");
    for (path, event, status, kind) in [
        (BUFFERED, "{", 400, "InvalidRequestContentException"),
        (&other, "{}", 404, "ResourceNotFoundException"),
        ("/2015-03-31/functions/f", "{}", 404, "UnknownOperationException"),
    ] {
        let answer = invoke(&service, path, event).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-amzn-errortype")), (status, kind), "{path}");
        assert_eq!(answer.header("x-amzn-requestid"), service.last().request_id);
    }
    let answer = invoke(&service, BUFFERED, "{").await.json();
    assert_eq!(answer["Type"], "User");
    assert!(answer["message"].as_str().unwrap().starts_with("Could not parse request body into json: "), "{answer}");
    // What is empty is an empty object.
    assert_eq!(invoke(&service, BUFFERED, "").await.status, 200);
}

#[tokio::test]
async fn events_and_results_have_their_limits() {
    let service = LambdaService::start().await;
    let text = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2));
    service.closure("f", |_| Reply::json(&json!(1)));
    for path in [BUFFERED, STREAMED] {
        assert_eq!(invoke(&service, path, text(EVENT_BYTES_MAX)).await.status, 200);
        let answer = invoke(&service, path, text(EVENT_BYTES_MAX + 1)).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-amzn-errortype")), (413, "RequestTooLargeException"));
    }
    for (bytes, error) in [(RESULT_BYTES_MAX, ""), (RESULT_BYTES_MAX + 1, "Unhandled")] {
        service.once("f", Reply::Payload(text(bytes).into()));
        assert_eq!(invoke(&service, BUFFERED, "{}").await.header("x-amz-function-error"), error);
    }
    // A stream has no such limit.
    service.once("f", Reply::Payload(text(RESULT_BYTES_MAX + 1).into()));
    let answer = invoke(&service, STREAMED, "{}").await;
    assert_eq!(payload_and_end(&answer.body).0.len(), RESULT_BYTES_MAX + 1);
}

#[tokio::test]
async fn a_function_error_is_a_success_with_a_mark() {
    let service = LambdaService::start().await;
    service.closure("f", |invocation| invocation.error("TypeError", "no such picture"));
    let answer = invoke(&service, BUFFERED, "{}").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-amz-function-error")), (200, "Unhandled"));
    let id = service.last().request_id;
    let expected =
        json!({"errorMessage": "no such picture", "errorType": "TypeError", "requestId": id, "stackTrace": []});
    assert_eq!(answer.json(), expected);
    for (reply, status, kind) in
        [(Reply::throttled(), 429, "TooManyRequestsException"), (Reply::expired_token(), 403, "ExpiredTokenException")]
    {
        service.once("f", reply);
        let answer = invoke(&service, STREAMED, "{}").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-amzn-errortype")), (status, kind));
    }
}

#[tokio::test]
async fn an_event_is_accepted_before_the_function_is_done() {
    let service = LambdaService::start().await;
    let called = Arc::new(AtomicUsize::new(0));
    service.closure("f", {
        let called = Arc::clone(&called);
        move |_| {
            called.fetch_add(1, Ordering::SeqCst);
            Reply::json(&json!(1)).held(&Gate::new())
        }
    });
    let event = || {
        let request = Request::post(BUFFERED).header("host", "lambda").header("X-Amz-Invocation-Type", "Event");
        let request = request.body(Full::new(Bytes::from_static(b"{}"))).unwrap();
        bounded("the answer", harness::client::call(service.address, request))
    };
    let answer = event().await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len(), called.load(Ordering::SeqCst)), (202, 0, 1));
    assert_eq!(answer.header("x-amzn-requestid"), service.last().request_id);
    service.once("f", Reply::throttled());
    assert_eq!(event().await.unwrap().status, 429);
}

#[tokio::test]
async fn a_held_reply_comes_when_the_gate_opens() {
    let service = Arc::new(LambdaService::start().await);
    let gate = Gate::new();
    service.closure("f", {
        let gate = gate.clone();
        move |_| Reply::json(&json!(1)).held(&gate)
    });
    let answers = [BUFFERED, STREAMED].map(|path| {
        let service = Arc::clone(&service);
        tokio::spawn(async move { invoke(&service, path, "{}").await })
    });
    service.asked(2).await;
    meanwhile(&service).await;
    assert!(answers.iter().all(|answer| !answer.is_finished()), "they wait");
    gate.open();
    let [buffered, streamed] = answers;
    assert_eq!(bounded("an answer", buffered).await.unwrap().text(), "1");
    assert_eq!(payload_and_end(&bounded("an answer", streamed).await.unwrap().body).0, b"1");
}

/// Another whole exchange, during which everything that can go on goes on.
async fn meanwhile(service: &LambdaService) {
    service.closure("other", |_| Reply::json(&json!(1)));
    assert_eq!(invoke(service, &BUFFERED.replace("/f/", "/other/"), "{}").await.status, 200);
}

async fn open_stream(service: &LambdaService) -> hyper::body::Incoming {
    let request = Request::post(STREAMED).header("host", "lambda").body(Full::<Bytes>::default()).unwrap();
    let response = Connection::open(service.address).await.send(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
    response.into_body()
}

async fn next(body: &mut hyper::body::Incoming) -> Option<Result<Bytes, hyper::Error>> {
    let frame = bounded("a frame", body.frame()).await?;
    Some(frame.map(|frame| frame.into_data().unwrap()))
}

#[tokio::test]
async fn pieces_come_as_they_are_sent_and_an_error_ends_them() {
    let service = LambdaService::start().await;
    let (sender, reply) = Reply::stream();
    service.once("f", reply);
    let mut body = open_stream(&service).await;
    for text in ["one", "two"] {
        sender.send(Piece::chunk(text)).await.unwrap();
        let events = read(&next(&mut body).await.unwrap().unwrap());
        assert_eq!(
            (events.len(), events[0].kind.as_str(), &events[0].payload[..]),
            (1, "PayloadChunk", text.as_bytes())
        );
    }
    sender.send(Piece::error("Runtime.StreamError", "sorry")).await.unwrap();
    let (_, end) = payload_and_end(&next(&mut body).await.unwrap().unwrap());
    assert_eq!(end, json!({"ErrorCode": "Runtime.StreamError", "ErrorDetails": "sorry"}));
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn a_pause_lasts_until_its_gate_opens() {
    let service = LambdaService::start().await;
    let gate = Gate::new();
    service.once("f", Reply::pieces([Piece::chunk("a"), Piece::Pause(gate.clone()), Piece::chunk("b")]));
    let mut body = open_stream(&service).await;
    assert_eq!(&read(&next(&mut body).await.unwrap().unwrap())[0].payload[..], b"a");
    meanwhile(&service).await;
    assert!(tokio::time::timeout(Duration::ZERO, body.frame()).await.is_err(), "it waits");
    gate.open();
    let rest = body.collect().await.unwrap().to_bytes();
    assert_eq!(payload_and_end(&rest), (b"b".to_vec(), json!({})));
}

#[tokio::test]
async fn a_caller_who_goes_away_is_noticed() {
    let service = LambdaService::start().await;
    let (sender, reply) = Reply::stream();
    service.once("f", reply);
    let body = open_stream(&service).await;
    assert!(!sender.is_closed());
    drop(body);
    bounded("the end of the stream", sender.closed()).await;
    until("open connections", async || service.open(), |&open| open == 0).await;
}

#[tokio::test]
async fn a_reset_breaks_the_body_behind_its_first_bytes() {
    let service = LambdaService::start().await;
    service.closure("f", |_| Reply::Reset(Bytes::from_static(b"begun")));
    let mut body = open_stream(&service).await;
    assert_eq!(&read(&next(&mut body).await.unwrap().unwrap())[0].payload[..], b"begun");
    assert!(next(&mut body).await.unwrap().is_err());

    let request = Request::post(BUFFERED).header("host", "lambda").body(Full::<Bytes>::default()).unwrap();
    let mut body = Connection::open(service.address).await.send(request).await.unwrap().into_body();
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "begun");
    let error = next(&mut body).await.unwrap().unwrap_err();
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    assert_eq!(cause.map(std::io::Error::kind), Some(std::io::ErrorKind::ConnectionReset), "{error:?}");
}
