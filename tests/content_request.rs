//! What happens to request bodies: every cell of section a.3, and section a.8 for proxies, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{
    Api, FIDELITIES, Framing, Recorder, assert_internal_error, http, http_proxy, reply, send, with,
};
use penstock_proto::management::v1::rest_api::Fidelity;
use serde_json::{Value, json};

/// Malformed at its begin, in its middle and at its end.
const RAW: &[u8] = b"\x89PNG\r\n\x1a\n\xff\0\xe2\x82";
const RAW_AS_TEXT: &[u8] = "\u{fffd}PNG\r\n\x1a\n\u{fffd}\0\u{fffd}".as_bytes();
const BASE64: &[u8] = b"iVBORw0KGgr/AOKC";
const BASE64_TWICE: &[u8] = b"aVZCT1J3MEtHZ3IvQU9LQw==";
const PLAIN: &[u8] = b"plain text, no base64!";
const PLAIN_IN_BASE64: &[u8] = b"cGxhaW4gdGV4dCwgbm8gYmFzZTY0IQ==";

/// What a cell of the table does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cell {
    Text,
    Bytes,
    Encode,
    Decode,
}

/// What three bodies become in a cell; `None` is a 500 without a call.
fn becomes(cell: Cell, fidelity: Fidelity) -> [(&'static [u8], Option<&'static [u8]>); 3] {
    let [raw, base64, plain] = match (cell, fidelity) {
        (Cell::Text, Fidelity::Aws) => [Some(RAW_AS_TEXT), Some(BASE64), Some(PLAIN)],
        (Cell::Text | Cell::Bytes, _) => [Some(RAW), Some(BASE64), Some(PLAIN)],
        (Cell::Encode, _) => [Some(BASE64), Some(BASE64_TWICE), Some(PLAIN_IN_BASE64)],
        (Cell::Decode, _) => [None, Some(RAW), None],
    };
    [(RAW, raw), (BASE64, base64), (PLAIN, plain)]
}

/// The API that is asked, the route, the request's `Content-Type`, the cell; behind each its name, as the README and
/// `penstock explain` spell it.
#[rustfmt::skip]
const TABLE: [(&str, &str, &str, Cell); 9] = [
    ("none",  "/undefined", "image/png",  Cell::Text), // request/undefined/no-match
    ("image", "/undefined", "image/png",  Cell::Bytes), // request/undefined/match
    ("image", "/undefined", "text/plain", Cell::Text), // request/undefined/no-match
    ("none",  "/to-text",   "image/png",  Cell::Text), // request/convert-to-text/no-match
    ("image", "/to-text",   "image/png",  Cell::Encode), // request/convert-to-text/match
    ("image", "/to-text",   "text/plain", Cell::Text), // request/convert-to-text/no-match
    ("none",  "/to-binary", "image/png",  Cell::Decode), // request/convert-to-binary/no-match
    ("image", "/to-binary", "image/png",  Cell::Bytes), // request/convert-to-binary/match
    ("image", "/to-binary", "text/plain", Cell::Decode), // request/convert-to-binary/no-match
];

/// One API with and one without binary media types, each with a route for each `contentHandling`.
async fn register(world: &World, fidelity: Fidelity, name: &str, integration: &Value) {
    for (api, types) in [("none", &[][..]), ("image", &["image/png"][..])] {
        let mut api = Api::at(format!("{api}.{name}")).fidelity(fidelity);
        if !types.is_empty() {
            api = api.binary(types);
        }
        api.route("POST", "/undefined", integration.clone());
        api.route("POST", "/to-text", with(integration.clone(), json!({"contentHandling": "CONVERT_TO_TEXT"})));
        api.route("POST", "/to-binary", with(integration.clone(), json!({"contentHandling": "CONVERT_TO_BINARY"})));
        api.register(world).await;
    }
}

async fn check(world: &World, recorder: &Recorder, domain: &str, row: (&str, &str, &str, Cell), fidelity: Fidelity) {
    let (api, path, content_type, cell) = row;
    for (body, expected) in becomes(cell, fidelity) {
        for framing in Framing::ALL {
            let row = format!("{domain} {api} {path} {content_type} {framing:?} {}", body.escape_ascii());
            let host = format!("{api}.{domain}");
            let headers = [("content-type", content_type)];
            let answer = send(world, &host, &format!("POST {path}"), &headers, framing.body(body)).await;
            let recorded = recorder.take();
            let Some(expected) = expected else {
                assert_internal_error(&answer, &row);
                assert!(recorded.is_none(), "{row}: the upstream was called");
                continue;
            };
            let recorded = recorded.unwrap_or_else(|| panic!("{row}: {} {}", answer.status, answer.text()));
            assert_eq!(answer.status, 200, "{row}");
            let got = recorded.body.clone().unwrap();
            assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{row}");
            assert_eq!(recorded.all("content-type"), [content_type], "{row}");
            let length = recorded.all("content-length");
            assert!(length.is_empty() || length == [expected.len().to_string()], "{row}: {length:?}");
            assert_eq!(length.is_empty(), recorded.all("transfer-encoding") == ["chunked"], "{row}");
            if framing == Framing::Sized {
                assert_eq!(length.len(), 1, "{row}: its size is known");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_integration_gets_what_section_a3_says() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], Framing::Sized.body(b"{}"))).await;
    for (fidelity, name) in FIDELITIES {
        register(&world, fidelity, name, &http(recorder.uri("/"))).await;
        for row in TABLE {
            check(&world, &recorder, name, row, fidelity).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_integration_gets_what_section_a8_says() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], Framing::Sized.body(b"{}"))).await;
    for (fidelity, name) in FIDELITIES {
        register(&world, fidelity, name, &http_proxy(recorder.uri("/"))).await;
        for (api, path, content_type, cell) in TABLE {
            // request/http-proxy/transparent: nothing is converted.
            let cell = if fidelity == Fidelity::Transparent { Cell::Bytes } else { cell };
            check(&world, &recorder, name, (api, path, content_type, cell), fidelity).await;
        }
    }
}

/// Section a.6: what the decoder takes, the body that it makes.
#[tokio::test(flavor = "multi_thread")]
async fn base64_is_read_as_strictly_as_section_a6_says() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], Framing::Sized.body(b"{}"))).await;
    register(&world, Fidelity::Aws, "strict", &http(recorder.uri("/"))).await;
    for (text, expected) in [
        (&b""[..], Some(&b""[..])),
        (b"Zg==", Some(b"f")),
        (b"Zm8=", Some(b"fo")),
        (b"Zm9v", Some(b"foo")),
        (b"Zm9vYg==", Some(b"foob")),
        (b"+/+/", Some(b"\xfb\xff\xbf")),
        // Absent padding is tolerated, and so are bits that belong to no byte.
        (b"Zg", Some(b"f")),
        (b"Zm8", Some(b"fo")),
        (b"Zh==", Some(b"f")),
        (b"Z", None),
        (b"Zg=", None),
        (b"Zm9vZ", None),
        (b"=", None),
        (b"====", None),
        (b"Zm=9v", None),
        (b"Zg==Zg==", None),
        (b"Zm 9v", None),
        (b"Zm9v\n", None),
        (b"Zm9v\r\nZm9v", None),
        (b"-_-_", None),
        (b"!m9v", None),
        (b"Zm9\xff", None),
    ] {
        for framing in Framing::ALL {
            let row = format!("{framing:?} {}", text.escape_ascii());
            let headers = [("content-type", "text/plain")];
            let answer = send(&world, "image.strict", "POST /to-binary", &headers, framing.body(text)).await;
            let got = recorder.take().map(|recorded| recorded.body.unwrap());
            assert_eq!(got.as_deref(), expected, "{row}");
            match expected {
                Some(_) => assert_eq!(answer.status, 200, "{row}"),
                None => assert_internal_error(&answer, &row),
            }
        }
    }
}
