//! What happens to response bodies: every cell of section a.4, and section a.8 for proxies, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{
    Api, FIDELITIES, Framing, Recorded, Recorder, assert_internal_error, http, http_proxy, reply, send, with,
};
use harness::upstream::{Body, whole};
use hyper::Response;
use penstock_proto::management::v1::rest_api::Fidelity;
use serde_json::{Value, json};

/// Malformed at its begin, in its middle and at its end.
const RAW: &[u8] = b"\x89PNG\r\n\x1a\n\xff\0\xe2\x82";
const RAW_AS_TEXT: &[u8] = "\u{fffd}PNG\r\n\x1a\n\u{fffd}\0\u{fffd}".as_bytes();
const BASE64: &[u8] = b"iVBORw0KGgr/AOKC";
const BASE64_TWICE: &[u8] = b"aVZCT1J3MEtHZ3IvQU9LQw==";
const PLAIN: &[u8] = b"plain text, no base64!";
const PLAIN_IN_BASE64: &[u8] = b"cGxhaW4gdGV4dCwgbm8gYmFzZTY0IQ==";
const BODIES: [(&str, &[u8]); 3] = [("raw", RAW), ("base64", BASE64), ("plain", PLAIN)];

/// What a cell of the table does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cell {
    Text,
    Bytes,
    Encode,
    Decode,
}

/// What a body becomes in a cell; `None` is a 500.
fn becomes(cell: Cell, body: &str, fidelity: Fidelity) -> Option<&'static [u8]> {
    Some(match (cell, body, fidelity) {
        (Cell::Text, "raw", Fidelity::Aws) => RAW_AS_TEXT,
        (Cell::Text | Cell::Bytes, "raw", _) | (Cell::Decode, "base64", _) => RAW,
        (Cell::Text | Cell::Bytes, "base64", _) | (Cell::Encode, "raw", _) => BASE64,
        (Cell::Text | Cell::Bytes, "plain", _) => PLAIN,
        (Cell::Encode, "base64", _) => BASE64_TWICE,
        (Cell::Encode, "plain", _) => PLAIN_IN_BASE64,
        (Cell::Decode, "raw" | "plain", _) => return None,
        _ => panic!("no body {body}"),
    })
}

const PNG: &str = "image/png";
const TEXT: &str = "text/plain";
/// The upstream names no type.
const NO_TYPE: &str = "";
/// The client names none.
const NO_ACCEPT: &str = "";

/// The API that is asked, the row of section a.4 as a path, the upstream's `Content-Type`, the client's `Accept`, the
/// cell; behind each its name, as the README and `penstock explain` spell it.
type Row = (&'static str, &'static str, &'static str, &'static str, Cell);

#[rustfmt::skip]
const TABLE: [Row; 21] = [
    ("image", "/undefined", TEXT, TEXT, Cell::Text), // response/undefined/type-no-accept-no
    ("image", "/undefined", TEXT, PNG, Cell::Decode), // response/undefined/type-no-accept-yes
    ("image", "/undefined", PNG, TEXT, Cell::Encode), // response/undefined/type-yes-accept-no
    ("image", "/undefined", PNG, PNG, Cell::Bytes), // response/undefined/type-yes-accept-yes
    ("image", "/undefined", PNG, NO_ACCEPT, Cell::Encode), // response/undefined/type-yes-accept-no
    ("image", "/undefined", NO_TYPE, PNG, Cell::Decode), // response/undefined/type-no-accept-yes
    ("image", "/undefined", NO_TYPE, NO_ACCEPT, Cell::Text), // response/undefined/type-no-accept-no
    ("image", "/to-text", TEXT, TEXT, Cell::Text), // response/convert-to-text/type-no-accept-no
    ("image", "/to-text", TEXT, PNG, Cell::Text), // response/convert-to-text/type-no-accept-yes
    ("image", "/to-text", PNG, TEXT, Cell::Encode), // response/convert-to-text/type-yes-accept-no
    ("image", "/to-text", PNG, PNG, Cell::Encode), // response/convert-to-text/type-yes-accept-yes
    ("image", "/to-text", NO_TYPE, PNG, Cell::Text), // response/convert-to-text/type-no-accept-yes
    ("image", "/to-binary", TEXT, TEXT, Cell::Decode), // response/convert-to-binary/type-no-accept-no
    ("image", "/to-binary", TEXT, PNG, Cell::Decode), // response/convert-to-binary/type-no-accept-yes
    ("image", "/to-binary", PNG, TEXT, Cell::Bytes), // response/convert-to-binary/type-yes-accept-no
    ("image", "/to-binary", PNG, PNG, Cell::Bytes), // response/convert-to-binary/type-yes-accept-yes
    ("image", "/to-binary", NO_TYPE, PNG, Cell::Decode), // response/convert-to-binary/type-no-accept-yes
    ("none", "/undefined", PNG, PNG, Cell::Text), // response/undefined/type-no-accept-no
    ("none", "/to-text", PNG, PNG, Cell::Text), // response/convert-to-text/type-no-accept-no
    ("none", "/to-binary", PNG, PNG, Cell::Decode), // response/convert-to-binary/type-no-accept-no
    ("none", "/to-binary", NO_TYPE, NO_ACCEPT, Cell::Decode), // response/convert-to-binary/type-no-accept-no
];

/// Answers what the query asks for: `a={body},{framing},{content type}`.
fn answer(request: &Recorded) -> Response<Body> {
    let asked = request.target.split_once("a=").unwrap().1.replace("%2C", ",").replace("%2F", "/");
    let [body, framing, kind] = asked.split(',').collect::<Vec<_>>().try_into().unwrap();
    let bytes = BODIES.iter().find(|(name, _)| *name == body).unwrap().1;
    let framing = if framing == "Sized" { Framing::Sized } else { Framing::Chunked };
    let headers = [("content-type", kind)];
    reply(200, if kind.is_empty() { &[] } else { &headers }, framing.body(bytes))
}

async fn register(world: &World, fidelity: Fidelity, name: &str, integration: &Value) {
    for (api, types) in [("none", &[][..]), ("image", &[PNG][..])] {
        let mut api = Api::at(format!("{api}.{name}")).fidelity(fidelity);
        if !types.is_empty() {
            api = api.binary(types);
        }
        for (path, handling) in [
            ("/undefined", Value::Null),
            ("/to-text", "CONVERT_TO_TEXT".into()),
            ("/to-binary", "CONVERT_TO_BINARY".into()),
        ] {
            let mut integration = integration.clone();
            integration["responses"] = json!({"default": {"statusCode": "200", "contentHandling": handling}});
            api.route("GET", path, integration);
        }
        api.register(world).await;
    }
}

async fn check(world: &World, recorder: &Recorder, domain: &str, row: Row, fidelity: Fidelity, proxy: bool) {
    let (api, path, kind, accept, cell) = row;
    for (body, _) in BODIES {
        for framing in Framing::ALL {
            let row = format!("{domain} {api} {path} {kind:?} {accept:?} {framing:?} {body}");
            let line = format!("GET {path}?a={body},{framing:?},{kind}");
            let accept = [("accept", accept)];
            let headers = if accept[0].1 == NO_ACCEPT { &[][..] } else { &accept };
            let answer = send(world, &format!("{api}.{domain}"), &line, headers, whole("")).await;
            assert!(recorder.take().is_some(), "{row}: the upstream is called");
            let Some(expected) = becomes(cell, body, fidelity) else {
                assert_internal_error(&answer, &row);
                continue;
            };
            assert_eq!(answer.status, 200, "{row}: {:?}", answer.body);
            assert_eq!(answer.body.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{row}");
            // The conversion does not touch the type; a custom integration's is not the upstream's.
            let kept = if proxy && kind != NO_TYPE { kind } else { "application/json" };
            assert_eq!(answer.header("content-type"), kept, "{row}");
            let length = answer.header("content-length");
            assert!(length.is_empty() || length == expected.len().to_string(), "{row}: {length}");
            if framing == Framing::Sized {
                assert!(!length.is_empty(), "{row}: its size is known");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_custom_integration_gets_what_section_a4_says() {
    let world = World::start(1).await;
    let recorder = Recorder::start(answer).await;
    let mapping = json!({"requestParameters": {"integration.request.querystring.a": "method.request.querystring.a"}});
    for (fidelity, name) in FIDELITIES {
        register(&world, fidelity, name, &with(http(recorder.uri("/")), mapping.clone())).await;
        for row in TABLE {
            check(&world, &recorder, name, row, fidelity, false).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_proxy_integration_gets_what_section_a8_says() {
    let world = World::start(1).await;
    let recorder = Recorder::start(answer).await;
    for (fidelity, name) in FIDELITIES {
        register(&world, fidelity, name, &http_proxy(recorder.uri("/"))).await;
        for (api, path, kind, accept, _) in TABLE {
            // Integration responses of a proxy are stored but ignored, so the first row applies to all.
            let first = TABLE.iter().find(|row| (row.0, row.1, row.2, row.3) == (api, "/undefined", kind, accept));
            let Some(&(_, _, _, _, cell)) = first else { continue };
            // response/http-proxy/transparent: nothing is converted.
            let cell = if fidelity == Fidelity::Transparent { Cell::Bytes } else { cell };
            check(&world, &recorder, name, (api, path, kind, accept, cell), fidelity, true).await;
        }
    }
}

/// The status, the cell that it meets by its integration response: section a.4 asks the selected one.
#[tokio::test(flavor = "multi_thread")]
async fn the_selected_integration_response_says_the_handling() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|request| {
        let status = request.target.trim_start_matches("/?s=").parse().unwrap();
        reply(status, &[("content-type", PNG)], Framing::Sized.body(PLAIN))
    })
    .await;
    let mut api = Api::at("selected").binary(&[PNG]);
    let integration = json!({
        "requestParameters": {"integration.request.querystring.s": "method.request.querystring.s"},
        "responses": {
            "default": {"statusCode": "200"},
            r"4\d{2}": {"statusCode": "400", "contentHandling": "CONVERT_TO_TEXT"},
            r"5\d{2}": {"statusCode": "500", "contentHandling": "CONVERT_TO_BINARY"},
        },
    });
    api.route("GET", "/", with(http(recorder.uri("/")), integration));
    api.register(&world).await;
    for (upstream, accept, status, body) in [
        ("200", PNG, 200, PLAIN),
        ("200", TEXT, 200, PLAIN_IN_BASE64),
        ("404", PNG, 400, PLAIN_IN_BASE64),
        ("404", TEXT, 400, PLAIN_IN_BASE64),
        ("503", PNG, 500, PLAIN),
        ("503", TEXT, 500, PLAIN),
    ] {
        let answer = send(&world, "selected", &format!("GET /?s={upstream}"), &[("accept", accept)], whole("")).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, body), "{upstream} {accept}");
        assert!(recorder.take().is_some());
    }
}
