//! Headers and cookies as events show them.

use super::*;

/// Headers of the request, those of format 1.0 (last value), those of format 2.0; what the gateway adds is left out.
type ShownRow = (&'static [(&'static str, &'static [u8])], Value, Value);

#[test]
fn headers_are_shown_as_sections_c1_and_c2_say() {
    let table: &[ShownRow] = &[
        // The host that the request was routed by, whatever the header says.
        (&[("host", b"other.test")], json!({"Host": "abc.gw.test:8080"}), json!({"host": "abc.gw.test:8080"})),
        (
            &[("host", b"abc.gw.test:8080"), ("connection", b"host")],
            json!({"Host": "abc.gw.test:8080"}),
            json!({"host": "abc.gw.test:8080"}),
        ),
        // HTTP/2 requests have none.
        (&[], json!({"Host": "abc.gw.test:8080"}), json!({"host": "abc.gw.test:8080"})),
        (
            &[("host", b"h"), ("via", b"1.1 a"), ("content-encoding", b"gzip"), ("authorization", b"Basic x")],
            json!({"Host": "abc.gw.test:8080", "via": "1.1 a", "content-encoding": "gzip", "Authorization": "Basic x"}),
            json!({"host": "abc.gw.test:8080", "via": "1.1 a", "content-encoding": "gzip", "authorization": "Basic x"}),
        ),
        (
            &[
                ("host", b"h"),
                ("connection", b"x-hop, close"),
                ("x-hop", b"1"),
                ("keep-alive", b"1"),
                ("proxy-connection", b"1"),
                ("transfer-encoding", b"chunked"),
                ("content-length", b"1"),
                ("content-md5", b"1"),
                ("expect", b"100-continue"),
                ("max-forwards", b"1"),
                ("proxy-authenticate", b"1"),
                ("proxy-authorization", b"1"),
                ("server", b"1"),
                ("te", b"trailers"),
                ("trailer", b"x"),
                ("upgrade", b"x"),
                ("www-authenticate", b"1"),
            ],
            json!({"Host": "abc.gw.test:8080"}),
            json!({"host": "abc.gw.test:8080"}),
        ),
        (
            &[("host", b"h"), ("x-a", b"1"), ("x-b", b"caf\xe9\""), ("x-a", b"2"), ("x-a", b"")],
            json!({"Host": "abc.gw.test:8080", "x-a": "", "x-b": "caf\u{FFFD}\""}),
            json!({"host": "abc.gw.test:8080", "x-a": "1,2,", "x-b": "caf\u{FFFD}\""}),
        ),
        // What a client says of the trace is in the trace id that is given.
        (
            &[("host", b"h"), ("x-amzn-trace-id", b"Self=1")],
            json!({"Host": "abc.gw.test:8080"}),
            json!({"host": "abc.gw.test:8080"}),
        ),
        (
            &[("host", b"h"), ("cookie", b"a=1"), ("x-a", b"1"), ("cookie", b"b=2")],
            json!({"Host": "abc.gw.test:8080", "cookie": "a=1; b=2", "x-a": "1"}),
            json!({"host": "abc.gw.test:8080", "x-a": "1"}),
        ),
    ];
    for (lines, first, second) in table {
        let world = World::with_headers(lines);
        for (format, expected) in [(V1, first), (V2, second)] {
            let mut shown = world.event(format)["headers"].clone();
            let shown = shown.as_object_mut().expect("an object");
            shown.retain(|name, _| {
                !name.to_lowercase().starts_with("x-forwarded-") && name.to_lowercase() != "x-amzn-trace-id"
            });
            assert_eq!(Value::from(shown.clone()), *expected, "{lines:?}");
        }
        let event = world.event(V1);
        assert_eq!(event["headers"]["X-Amzn-Trace-Id"], "Root=1-2-3");
        let many = event["multiValueHeaders"].as_object().expect("an object");
        for (name, last) in event["headers"].as_object().expect("an object") {
            assert_eq!(many[name].as_array().and_then(|values| values.last()), Some(last), "{name}");
        }
        assert_eq!(many.len(), event["headers"].as_object().map_or(0, serde_json::Map::len));
    }
}

#[test]
fn cookies_are_cut_at_their_separators() {
    for (lines, expected) in [
        (&[("cookie", &b"a=1"[..])][..], json!(["a=1"])),
        (&[("cookie", b" a=1 ;b=2;; c=\"3\" ;")], json!(["a=1", "b=2", "c=\"3\""])),
        (&[("cookie", b"a=1"), ("cookie", b"b=2")], json!(["a=1", "b=2"])),
        (&[("cookie", b" ; ")], Value::Null),
    ] {
        let event = World::with_headers(lines).event(V2);
        assert_eq!(event.get("cookies").unwrap_or(&Value::Null), &expected, "{lines:?}");
    }
}
