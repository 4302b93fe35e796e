//! What the client gets of a function's answer: every row of sections b.3 and b.6, and the headers of section c.4.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::client::Answer;
use harness::content::{Api, FIDELITIES, Recorded, Recorder, reply, send};
use harness::functions::{aws_proxy, aws_proxy_v2, json_of, world_at};
use harness::upstream::{Body, whole};
use hyper::Response;

/// A service whose function answers what the request's body is.
async fn service() -> Recorder {
    let answer = |call: &Recorded| -> Response<Body> {
        let event = json_of(call);
        let document = event["body"].as_str().unwrap_or_default().to_owned();
        let json = ("content-type", "application/json");
        match document.strip_prefix("error:") {
            Some(error) => reply(200, &[json, ("x-amz-function-error", "Unhandled")], whole(error.to_owned())),
            None => reply(200, &[json], whole(document)),
        }
    };
    Recorder::start(answer).await
}

async fn ask(world: &World, host: &str, path: &str, accept: &str, document: &str) -> Answer {
    let headers = [("content-type", "text/plain"), ("accept", accept)];
    send(world, host, &format!("POST {path}"), &headers, whole(document.to_owned())).await
}

const INTERNAL: &str = r#"{"message": "Internal server error"}"#;

/// A function's document in version 1.0, the client's `Accept`, the status and the body that come of it. The API's binary
/// media type is `image/png`.
type Row = (&'static str, &'static str, u16, &'static str);

#[rustfmt::skip]
const ONE: &[Row] = &[
    (r#"{}"#, "*/*", 200, ""),
    (r#"{"statusCode":200}"#, "*/*", 200, ""),
    (r#"{"headers":{"x-a":"b"}}"#, "*/*", 200, ""),
    (r#"{"statusCode":"201"}"#, "*/*", 201, ""),
    (r#"{"statusCode":418.0,"body":"tea"}"#, "*/*", 418, "tea"),
    (r#"{"statusCode":"abc"}"#, "*/*", 502, INTERNAL),
    (r#"{"statusCode":99}"#, "*/*", 502, INTERNAL),
    (r#"{"statusCode":101}"#, "*/*", 502, INTERNAL),
    (r#"{"statusCode":600}"#, "*/*", 502, INTERNAL),
    (r#"{"statusCode":200.5}"#, "*/*", 502, INTERNAL),
    (r#"{"statusCode":200,"headers":null,"body":"x"}"#, "*/*", 200, "x"),
    (r#"{"statusCode":200,"unknown":1}"#, "*/*", 502, INTERNAL),
    (r#"{"statusCode":200,"Body":"x"}"#, "*/*", 502, INTERNAL),
    (r#""text""#, "*/*", 502, INTERNAL),
    (r#"42"#, "*/*", 502, INTERNAL),
    (r#"[]"#, "*/*", 502, INTERNAL),
    (r#"null"#, "*/*", 502, INTERNAL),
    (r#"not JSON"#, "*/*", 502, INTERNAL),
    (r#"{"statusCode":200"#, "*/*", 502, INTERNAL),
    (r#"{"multiValueHeaders":{"x-a":"b"}}"#, "*/*", 502, INTERNAL),
    (r#"{"body":{"a":1}}"#, "*/*", 502, INTERNAL),
    (r#"{"body":1}"#, "*/*", 502, INTERNAL),
    (r#"{"body":null}"#, "*/*", 200, ""),
    (r#"{"body":"a \"b\"\u00e4\n"}"#, "*/*", 200, "a \"b\"\u{e4}\n"),
    (r#"{"headers":{"x a":"b"}}"#, "*/*", 502, INTERNAL),
    (r#"{"headers":{"x-a":"b\r\nc"}}"#, "*/*", 502, INTERNAL),
    // A body that is flagged is decoded when the first element of `Accept` is a binary media type (section a.7).
    (r#"{"body":"aGVsbG8=","isBase64Encoded":true}"#, "image/png", 200, "hello"),
    (r#"{"body":"aGVsbG8=","isBase64Encoded":true}"#, "image/png, */*", 200, "hello"),
    (r#"{"body":"aGVsbG8=","isBase64Encoded":"true"}"#, "image/png", 200, "hello"),
    (r#"{"body":"aGVsbG8=","base64Encoded":true}"#, "image/png", 200, "hello"),
    // An escape of JSON like any other: `aGk/` stands there.
    (r#"{"body":"aGk\/","isBase64Encoded":true}"#, "image/png", 200, "hi?"),
    (r#"{"body":"aGVsbG8=","isBase64Encoded":true}"#, "*/*", 200, "aGVsbG8="),
    (r#"{"body":"aGVsbG8=","isBase64Encoded":true}"#, "text/html, image/png", 200, "aGVsbG8="),
    (r#"{"body":"aGVsbG8=","isBase64Encoded":false}"#, "image/png", 200, "aGVsbG8="),
    (r#"{"body":"aGVsbG8="}"#, "image/png", 200, "aGVsbG8="),
    (r#"{"body":"aGVsbG8=","isBase64Encoded":true,"headers":{"content-type":"text/plain"}}"#, "image/png", 200, "hello"),
    (r#"{"body":"not base64!","isBase64Encoded":true}"#, "image/png", 500, INTERNAL),
    (r#"{"body":"not base64!","isBase64Encoded":true}"#, "*/*", 200, "not base64!"),
    (r#"{"body":"x","isBase64Encoded":"maybe"}"#, "image/png", 502, INTERNAL),
    (r#"{"body":"x","isBase64Encoded":"false"}"#, "image/png", 502, INTERNAL),
    (r#"{"body":"","isBase64Encoded":true}"#, "image/png", 200, ""),
    (r#"error:{"errorMessage":"secret","errorType":"E"}"#, "*/*", 502, INTERNAL),
    (r#"error:{"statusCode":200}"#, "*/*", 502, INTERNAL),
    // A function that writes a stream behind an integration that wants none (section k).
    ("{\"statusCode\":201}\0\0\0\0\0\0\0\0hello", "*/*", 201, ""),
    ("{\"statusCode\":201}\0\0hello", "*/*", 502, INTERNAL),
];

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_version_one_are_read_row_by_row() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    for (fidelity, name) in FIDELITIES {
        let mut api = Api::at(name).binary(&["image/png"]).fidelity(fidelity);
        api.route("POST", "/f", aws_proxy("f"));
        api.register(&world).await;
        for &(document, accept, status, body) in ONE {
            let answer = ask(&world, name, "/f", accept, document).await;
            assert_eq!(answer.status, status, "{name} {document} {accept}");
            assert_eq!(answer.text(), body, "{name} {document} {accept}");
            assert_eq!(answer.header("content-length"), answer.body.len().to_string(), "{document}");
            let made_by_gateway = status >= 500;
            let expected = if made_by_gateway { "InternalServerErrorException" } else { "" };
            assert_eq!(answer.header("x-amzn-errortype"), expected, "{document}");
            assert_eq!(answer.headers.contains_key("x-amzn-trace-id"), !made_by_gateway, "{document}");
            if !document.contains("content-type") {
                assert_eq!(answer.header("content-type"), "application/json", "{document}");
            }
            service.take();
        }
    }
}

fn values<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_merged_renamed_and_repeated() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    let mut api = Api::at("any");
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    let document = r#"{"statusCode":200,
        "headers":{"X-One":"h","x-two":true,"x-three":3,"x-null":null,"Set-Cookie":"c=3","Content-Type":"text/html",
            "Authorization":"a","Connection":"close","Date":"d","Server":"s","Content-Length":"99","Transfer-Encoding":"x",
            "Host":"h","Trailer":"t","Content-Encoding":"identity","ETag":"e","x-amzn-RequestId":"mine"},
        "multiValueHeaders":{"x-ONE":["m1","m2","h"],"Set-Cookie":["c=1","c=2"]},"body":"b"}"#;
    let answer = ask(&world, "any", "/f", "*/*", document).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(values(&answer, "x-one"), ["m1", "m2", "h"], "multi values first, equal pairs once");
    assert_eq!(values(&answer, "set-cookie"), ["c=1", "c=2", "c=3"]);
    assert_eq!((answer.header("x-two"), answer.header("x-three")), ("true", "3"));
    assert!(!answer.headers.contains_key("x-null"));
    assert_eq!((answer.header("content-type"), answer.header("etag")), ("text/html", "e"));
    for (name, value) in
        [("authorization", "a"), ("connection", "close"), ("date", "d"), ("server", "s"), ("content-length", "99")]
    {
        assert_eq!(answer.header(&format!("x-amzn-remapped-{name}")), value, "{name}");
    }
    assert_eq!(answer.header("x-amzn-remapped-x-amzn-requestid"), "mine");
    assert_ne!(answer.header("x-amzn-requestid"), "mine");
    for name in ["transfer-encoding", "host", "trailer"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    assert_eq!((answer.header("content-length"), answer.text()), ("1", "b"));
}

const MALFORMED: &str = r#"{"message":"Internal Server Error"}"#;

/// The same for version 2.0.
#[rustfmt::skip]
const TWO: &[Row] = &[
    (r#"{"statusCode":201,"body":"hi"}"#, "", 201, "hi"),
    (r#"{"statusCode":200,"unknown":1,"body":"hi"}"#, "", 200, "hi"),
    (r#"{"statusCode":200,"body":"aGVsbG8=","isBase64Encoded":true}"#, "", 200, "hello"),
    (r#"{"statusCode":200,"body":"aGVsbG8=","isBase64Encoded":false}"#, "", 200, "aGVsbG8="),
    (r#"{"a": [1, 2]}"#, "", 200, r#"{"a": [1, 2]}"#),
    (r#"{"body":"aGVsbG8=","isBase64Encoded":true}"#, "", 200, r#"{"body":"aGVsbG8=","isBase64Encoded":true}"#),
    (r#""a \"b\"""#, "", 200, "a \"b\""),
    (r#"[1]"#, "", 200, "[1]"),
    (r#"42"#, "", 200, "42"),
    (r#"not JSON"#, "", 500, MALFORMED),
    (r#"{"statusCode":"abc"}"#, "", 500, MALFORMED),
    (r#"{"statusCode":200,"body":{}}"#, "", 500, MALFORMED),
    (r#"error:{"errorMessage":"secret"}"#, "", 500, MALFORMED),
];

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_version_two_are_read_row_by_row() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    let mut api = Api::at("any").binary(&["image/png"]);
    api.route("POST", "/f", aws_proxy_v2("f"));
    api.register(&world).await;
    for &(document, accept, status, body) in TWO {
        let answer = ask(&world, "any", "/f", accept, document).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{document}");
        assert_eq!(answer.header("content-type"), "application/json", "{document}");
        service.take();
    }
    let document = r#"{"statusCode":200,"headers":{"set-cookie":"old=1","x-a":"b"},"cookies":["a=1","b=2; Path=/"]}"#;
    let answer = ask(&world, "any", "/f", "", document).await;
    assert_eq!(values(&answer, "set-cookie"), ["a=1", "b=2; Path=/"], "cookies supersede the header");
    assert_eq!(answer.header("x-a"), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_comes_back_out_of_base64_of_every_length() {
    use base64::Engine as _;
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let service = Recorder::start(|call| {
        let event = json_of(call);
        let answer = serde_json::json!({"body": event["body"], "isBase64Encoded": event["isBase64Encoded"]});
        reply(200, &[], whole(answer.to_string()))
    })
    .await;
    let world = world_at(service.address(), &[]).await;
    let mut api = Api::at("any").binary(&["*/*"]);
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    for length in [0, 1, 2, 3, 4, 5, 255, 65_535, 65_536, 65_537, 98_304, 299_999] {
        let sent = &bytes[..length];
        let answer = send(&world, "any", "POST /f", &[("content-type", "image/png")], whole(sent.to_vec())).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == sent, "{length}");
        let call = service.take().unwrap();
        let body = &json_of(&call)["body"];
        let expected = if length == 0 { None } else { Some(base64::engine::general_purpose::STANDARD.encode(sent)) };
        assert!(body.as_str() == expected.as_deref(), "{length}");
    }
}
