//! Which headers arrive where: section c, header by header, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::client::Answer;
use harness::content::{
    Api, FIDELITIES, Framing, Recorded, Recorder, assert_internal_error, http, http_proxy, mock, reply, send, with,
};
use harness::upstream::whole;
use penstock_proto::management::v1::rest_api::Fidelity;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What clients send, and whether an `HTTP_PROXY` passes it (sections c.1 and c.2). `Content-Length`, `Host` and
/// `Transfer-Encoding` are in every request and not here.
const CLIENT: &[(&str, &str, bool)] = &[
    ("accept", "image/png", true),
    ("accept-charset", "utf-8", true),
    ("accept-encoding", "br", true),
    ("age", "1", true),
    ("authorization", "Bearer x", true),
    ("cookie", "a=b", true),
    ("date", "Mon, 01 Jan 2024 00:00:00 GMT", true),
    ("pragma", "no-cache", true),
    ("range", "bytes=0-1", true),
    ("referer", "http://r/", true),
    ("user-agent", "client/1", true),
    ("warn", "w", true),
    ("x-custom", "c", true),
    ("connection", "keep-alive", false),
    ("content-md5", "Q2hlY2sgSW50ZWdyaXR5IQ==", false),
    ("expect", "100-continue", false),
    ("max-forwards", "3", false),
    ("proxy-authenticate", "Basic", false),
    ("server", "s", false),
    ("te", "deflate", false),
    ("trailer", "x-t", false),
    ("upgrade", "h2c", false),
    ("via", "1.1 v", false),
    ("www-authenticate", "Basic", false),
];

fn ok(_: &Recorded) -> hyper::Response<harness::upstream::Body> {
    reply(200, &[], whole("{}"))
}

fn names(recorded: &Recorded) -> BTreeSet<&str> {
    recorded.headers.keys().map(hyper::header::HeaderName::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_integration_forwards_what_section_c2_lists() {
    let world = World::start(1).await;
    let recorder = Recorder::start(ok).await;
    for (fidelity, domain) in FIDELITIES {
        let mut api = Api::at(domain).fidelity(fidelity);
        api.route("POST", "/", http_proxy(recorder.uri("/")));
        let id = api.register(&world).await;
        let headers: Vec<_> = CLIENT.iter().map(|(name, value, _)| (*name, *value)).collect();
        send(&world, domain, "POST /", &[&headers[..], &[("content-type", "a/b")]].concat(), whole("x")).await;
        let recorded = recorder.take().unwrap();
        for (name, value, passes) in CLIENT {
            let expected: &[&str] = if *passes { &[value] } else { &[] };
            assert_eq!(recorded.all(name), expected, "{domain} {name}");
        }
        for (name, value) in [
            ("content-type", "a/b"),
            ("host", &recorder.address().to_string()),
            ("content-length", "1"),
            ("x-amzn-apigateway-api-id", &id),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-port", &world.proxy().port().to_string()),
            ("x-forwarded-proto", "http"),
        ] {
            assert_eq!(recorded.all(name), [value], "{domain} {name}");
        }
        assert_eq!(recorded.all("x-amzn-trace-id").len(), 1, "{domain}");
        // The coding of bytes that pass untouched passes with them; the hosted gateway decompresses them.
        send(&world, domain, "POST /", &[("content-encoding", "br"), ("content-type", "a/b")], whole("x")).await;
        let expected: &[&str] = if fidelity == Fidelity::Transparent { &["br"] } else { &[] };
        assert_eq!(recorder.take().unwrap().all("content-encoding"), expected, "{domain}");
    }
}

/// Section c.2: method, the client's `Content-Type`, the body, the upstream's, its `Content-Length`.
#[tokio::test(flavor = "multi_thread")]
async fn a_custom_integration_gets_generated_headers_only() {
    let world = World::start(1).await;
    let recorder = Recorder::start(ok).await;
    for (fidelity, domain) in FIDELITIES {
        let mut api = Api::at(domain).fidelity(fidelity);
        api.route("ANY", "/", http(recorder.uri("/")));
        let id = api.register(&world).await;
        for (method, kind, body, sent_kind, length) in [
            ("GET", None, "", None, "0"),
            ("GET", Some("text/xml"), "", None, "0"),
            ("POST", Some("text/xml"), "", None, "0"),
            ("POST", Some("text/xml; a=b"), "four", Some("text/xml; a=b"), "4"),
            ("POST", None, "four", Some("application/json"), "4"),
        ] {
            let row = format!("{domain} {method} {kind:?} {body:?}");
            let mut headers: Vec<_> = CLIENT.iter().map(|(name, value, _)| (*name, *value)).collect();
            headers.extend(kind.map(|kind| ("content-type", kind)));
            send(&world, domain, &format!("{method} /"), &headers, whole(body)).await;
            let recorded = recorder.take().unwrap();
            let agent = format!("AmazonAPIGateway_{id}");
            let mut expected = vec![
                ("accept", "application/json"),
                ("content-length", length),
                ("host", recorder.uri("").leak().trim_start_matches("http://")),
                ("user-agent", &agent),
                ("x-amzn-apigateway-api-id", &id),
            ];
            expected.extend(sent_kind.map(|kind| ("content-type", kind)));
            for (name, value) in &expected {
                assert_eq!(recorded.all(name), [*value], "{row} {name}");
            }
            let mut all: BTreeSet<_> = expected.iter().map(|(name, _)| *name).collect();
            all.insert("x-amzn-trace-id");
            assert_eq!(names(&recorded), all, "{row}");
        }
    }
}

/// What a mapping of section c.3 does to a call.
#[derive(Clone, Copy, PartialEq)]
enum Mapped {
    Arrives,
    Dropped,
    Fails,
}

#[rustfmt::skip]
const MAPPED: &[(&str, Mapped)] = &[
    ("Accept", Mapped::Arrives), ("Accept-Charset", Mapped::Arrives), ("Accept-Encoding", Mapped::Arrives),
    ("Age", Mapped::Arrives), ("Authorization", Mapped::Arrives), ("Content-Encoding", Mapped::Arrives),
    ("Content-MD5", Mapped::Arrives), ("Content-Type", Mapped::Arrives), ("Date", Mapped::Arrives),
    ("Host", Mapped::Arrives), ("Max-Forwards", Mapped::Arrives), ("Pragma", Mapped::Arrives),
    ("Range", Mapped::Arrives), ("Referer", Mapped::Arrives), ("Server", Mapped::Arrives),
    ("Trailer", Mapped::Arrives), ("Upgrade", Mapped::Arrives), ("User-Agent", Mapped::Arrives),
    ("Warn", Mapped::Arrives), ("WWW-Authenticate", Mapped::Arrives), ("X-Custom", Mapped::Arrives),
    ("X-Forwarded-For", Mapped::Arrives), ("X-Amzn-Trace-Id", Mapped::Arrives), ("Cookie", Mapped::Arrives),
    ("Connection", Mapped::Dropped), ("Expect", Mapped::Dropped), ("Proxy-Authenticate", Mapped::Dropped),
    ("TE", Mapped::Dropped), ("Via", Mapped::Dropped),
    ("Content-Length", Mapped::Fails), ("Transfer-Encoding", Mapped::Fails),
];

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_mappings_set_follow_section_c3() {
    let world = World::start(1).await;
    let recorder = Recorder::start(ok).await;
    for (fidelity, domain) in FIDELITIES {
        let mut api = Api::at(domain).fidelity(fidelity);
        for (name, _) in MAPPED {
            let mapping = json!({"requestParameters": {format!("integration.request.header.{name}"): "'mapped'"}});
            api.route("POST", &format!("/http/{name}"), with(http(recorder.uri("/")), mapping.clone()));
            api.route("POST", &format!("/proxy/{name}"), with(http_proxy(recorder.uri("/")), mapping));
        }
        api.register(&world).await;
        for (name, outcome) in MAPPED {
            for style in ["http", "proxy"] {
                for body in ["", "body"] {
                    let row = format!("{domain} {style} {name} {body:?}");
                    // A header of the client is replaced, not joined.
                    let own = (*name, "client");
                    let client: &[_] = if ["Host", "Transfer-Encoding", "Content-Length", "Expect", "Connection", "TE"]
                        .contains(name)
                    {
                        &[]
                    } else {
                        &[own]
                    };
                    let answer = send(&world, domain, &format!("POST /{style}/{name}"), client, whole(body)).await;
                    let recorded = recorder.take();
                    if *outcome == Mapped::Fails {
                        assert_internal_error(&answer, &row);
                        assert!(recorded.is_none(), "{row}");
                        continue;
                    }
                    assert_eq!(answer.status, 200, "{row}: {:?}", answer.body);
                    let expected: &[&str] = if *outcome == Mapped::Arrives { &["mapped"] } else { &[] };
                    assert_eq!(recorded.unwrap().all(name), expected, "{row}");
                }
            }
        }
    }
}

/// Section c.4: what becomes of a header that a response parameter sets.
#[rustfmt::skip]
const RESPONSE_MAPPED: &[(&str, Mapped)] = &[
    ("Accept", Mapped::Arrives), ("Accept-Charset", Mapped::Arrives), ("Accept-Encoding", Mapped::Arrives),
    ("Age", Mapped::Arrives), ("Content-Encoding", Mapped::Arrives), ("Content-Type", Mapped::Arrives),
    ("Pragma", Mapped::Arrives), ("Range", Mapped::Arrives), ("Referer", Mapped::Arrives), ("TE", Mapped::Arrives),
    ("Via", Mapped::Arrives), ("Warn", Mapped::Arrives), ("X-Custom", Mapped::Arrives), ("Set-Cookie", Mapped::Arrives),
    ("Authorization", Mapped::Fails), ("Connection", Mapped::Fails), ("Content-Length", Mapped::Fails),
    ("Content-MD5", Mapped::Fails), ("Date", Mapped::Fails), ("Expect", Mapped::Fails), ("Host", Mapped::Fails),
    ("Max-Forwards", Mapped::Fails), ("Proxy-Authenticate", Mapped::Fails), ("Server", Mapped::Fails),
    ("Trailer", Mapped::Fails), ("Upgrade", Mapped::Fails), ("User-Agent", Mapped::Fails),
    ("WWW-Authenticate", Mapped::Fails),
    ("Transfer-Encoding", Mapped::Dropped),
];

fn mapped_answers() -> Value {
    let headers: serde_json::Map<String, Value> =
        RESPONSE_MAPPED.iter().map(|(name, _)| (format!("method.response.header.{name}"), json!("'mapped'"))).collect();
    json!({"responses": {"default": {"statusCode": "200", "responseParameters": headers}}})
}

fn check_mapped(answer: &Answer, row: &str) {
    for (name, outcome) in RESPONSE_MAPPED {
        let remapped = answer.header(&format!("x-amzn-remapped-{name}"));
        let own = answer.header(name);
        match outcome {
            Mapped::Arrives => assert_eq!((own, remapped), ("mapped", ""), "{row} {name}"),
            // Renamed, that is.
            Mapped::Fails => {
                assert_eq!(remapped, "mapped", "{row} {name}");
                assert_ne!(own, "mapped", "{row} {name}");
            }
            Mapped::Dropped => {
                assert_eq!(remapped, "", "{row} {name}");
                assert_ne!(own, "mapped", "{row} {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_response_parameters_set_follow_section_c4() {
    let world = World::start(1).await;
    let recorder = Recorder::start(ok).await;
    for (fidelity, domain) in FIDELITIES {
        let mut api = Api::at(domain).fidelity(fidelity);
        api.route("GET", "/http", with(http(recorder.uri("/")), mapped_answers()));
        api.route("GET", "/mock", with(mock("{statusCode: 200}"), mapped_answers()));
        api.register(&world).await;
        for path in ["/http", "/mock"] {
            let answer = send(&world, domain, &format!("GET {path}"), &[], whole("")).await;
            assert_eq!(answer.status, 200, "{domain} {path}");
            check_mapped(&answer, &format!("{domain} {path}"));
            recorder.take();
        }
    }
}

/// What an upstream sends; the name under which a client of an `HTTP_PROXY` sees it, if it does (sections c.4 and c.6).
const UPSTREAM: &[(&str, Option<&str>)] = &[
    ("accept", Some("accept")),
    ("age", Some("age")),
    ("content-encoding", Some("content-encoding")),
    ("etag", Some("etag")),
    ("pragma", Some("pragma")),
    ("set-cookie", Some("set-cookie")),
    ("warn", Some("warn")),
    ("x-custom", Some("x-custom")),
    ("x-amzn-trace-id", Some("x-amzn-trace-id")),
    ("authorization", Some("x-amzn-remapped-authorization")),
    ("content-md5", Some("x-amzn-remapped-content-md5")),
    ("date", Some("x-amzn-remapped-date")),
    ("max-forwards", Some("x-amzn-remapped-max-forwards")),
    ("server", Some("x-amzn-remapped-server")),
    ("user-agent", Some("x-amzn-remapped-user-agent")),
    ("www-authenticate", Some("x-amzn-remapped-www-authenticate")),
    ("x-amzn-requestid", Some("x-amzn-remapped-x-amzn-requestid")),
    ("expect", None),
    ("host", None),
    ("proxy-authenticate", None),
    ("te", None),
    ("upgrade", None),
    ("via", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_headers_of_an_upstream_reach_clients_of_proxies_only() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| {
        let headers: Vec<_> = UPSTREAM.iter().map(|(name, _)| (*name, "theirs")).collect();
        reply(200, &[&headers[..], &[("content-type", "text/plain")]].concat(), whole("body"))
    })
    .await;
    let mut api = Api::at("upstream");
    api.route("GET", "/proxy", http_proxy(recorder.uri("/")));
    api.route("GET", "/http", http(recorder.uri("/")));
    api.register(&world).await;
    let answer = send(&world, "upstream", "GET /proxy", &[], whole("")).await;
    for (name, seen) in UPSTREAM {
        match seen {
            Some(seen) => assert_eq!(answer.header(seen), "theirs", "{name}"),
            None => assert_eq!(answer.header(name), "", "{name}"),
        }
        if seen.is_some_and(|seen| seen != *name) {
            assert_ne!(answer.header(name), "theirs", "{name}");
        }
    }
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!((answer.header("content-length"), answer.header("x-amzn-remapped-content-length")), ("4", "4"));
    let answer = send(&world, "upstream", "GET /http", &[], whole("")).await;
    let mut names: Vec<_> = answer.headers.keys().map(hyper::header::HeaderName::as_str).collect();
    names.sort_unstable();
    // Bytes that pass untouched cannot be read without their coding, so that one passes in the transparent fidelity.
    let expected = [
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "x-amz-apigw-id",
        "x-amzn-requestid",
        "x-amzn-trace-id",
    ];
    assert_eq!(names, expected);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.headers.get_all("x-amzn-trace-id").iter().count(), 1);
    assert_ne!(answer.header("x-amzn-trace-id"), "theirs");
    assert_ne!(answer.header("date"), "theirs");
}

/// The client's trace id; what the forwarded one begins with; whether something follows (section c.5).
#[tokio::test(flavor = "multi_thread")]
async fn trace_ids_are_kept_and_completed() {
    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
    const WHOLE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const LINEAGE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:abcd:0";
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], Framing::Chunked.body(b"{}"))).await;
    let mut api = Api::at("traced");
    api.route("GET", "/http", http(recorder.uri("/")));
    api.route("GET", "/proxy", http_proxy(recorder.uri("/")));
    api.route("GET", "/mock", mock("{statusCode: 200}"));
    api.route("GET", "/failing", mock("{}"));
    api.register(&world).await;
    for (sent, prefix) in [(None, "Root=1-"), (Some(ROOT), ROOT), (Some(WHOLE), WHOLE), (Some(LINEAGE), LINEAGE)] {
        let header = sent.map(|value| ("x-amzn-trace-id", value));
        let headers: &[_] = header.as_slice();
        for (path, returned) in
            [("/http", true), ("/proxy", false), ("/mock", false), ("/failing", false), ("/none", false)]
        {
            let row = format!("{sent:?} {path}");
            let answer = send(&world, "traced", &format!("GET {path}"), headers, whole("")).await;
            let recorded = recorder.take();
            assert_eq!(recorded.is_some(), path == "/http" || path == "/proxy", "{row}");
            let Some(recorded) = recorded else {
                assert!(!answer.headers.contains_key("x-amzn-trace-id"), "{row}: {:?}", answer.headers);
                continue;
            };
            let forwarded = recorded.all("x-amzn-trace-id");
            assert!(forwarded.len() == 1 && forwarded[0].starts_with(prefix), "{row}: {forwarded:?}");
            if sent == Some(ROOT) {
                let [parent, sampled] = forwarded[0].split(';').skip(1).collect::<Vec<_>>().try_into().unwrap();
                assert!(parent.starts_with("Parent=") && parent.len() == "Parent=".len() + 16, "{row}: {parent}");
                assert!(sampled == "Sampled=0" || sampled == "Sampled=1", "{row}: {sampled}");
            }
            assert_eq!(answer.header("x-amzn-trace-id"), if returned { forwarded[0] } else { "" }, "{row}");
        }
    }
}

/// Section c.4: what every answer carries.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_ids_and_a_type() {
    let world = World::start(1).await;
    let recorder = Recorder::start(ok).await;
    let mut api = Api::at("ids");
    api.route("GET", "/http", http(recorder.uri("/")));
    api.route("GET", "/proxy", http_proxy(recorder.uri("/")));
    api.route("GET", "/mock", mock("{statusCode: 200}"));
    api.register(&world).await;
    let mut seen = BTreeSet::new();
    for path in ["/http", "/proxy", "/mock", "/none"] {
        let answer = send(&world, "ids", &format!("GET {path}"), &[], whole("")).await;
        let id = answer.header("x-amzn-requestid");
        assert!(id.len() == 36 && id.split('-').map(str::len).eq([8, 4, 4, 4, 12]), "{path}: {id}");
        assert!(seen.insert(id.to_owned()), "{path}: {id} again");
        assert!(answer.header("x-amz-apigw-id").ends_with('='), "{path}");
        assert!(!answer.header("date").is_empty(), "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(answer.header("x-amzn-errortype").is_empty(), path != "/none", "{path}");
        recorder.take();
        // A client's own id is adopted when it is one.
        for (given, adopted) in [("123e4567-e89b-42d3-a456-426614174000", true), ("mine", false)] {
            let headers = [("x-amzn-requestid", given)];
            let answer = send(&world, "ids", &format!("GET {path}"), &headers, whole("")).await;
            assert_eq!(answer.header("x-amzn-requestid") == given, adopted, "{path} {given}");
            recorder.take();
        }
    }
}
