//! Which integration response answers, and what its parameters say: sections e.5 and f, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::coding::{CODINGS, encode};
use harness::content::{
    Api, FIDELITIES, Framing, Recorder, assert_internal_error, http, http_proxy, mock, reply, send, with,
};
use harness::upstream::whole;
use penstock_proto::management::v1::rest_api::Fidelity;
use serde_json::{Value, json};

fn asking(recorder: &Recorder, responses: Value) -> Value {
    with(
        http(recorder.uri("/")),
        json!({
            "requestParameters": {"integration.request.querystring.s": "method.request.querystring.s"},
            "responses": responses,
        }),
    )
}

/// An upstream that answers the status that it is asked for.
async fn upstream() -> Recorder {
    Recorder::start(|request| {
        let status = request.target.trim_start_matches("/?s=").parse().unwrap();
        reply(status, &[], whole(if status == 204 { "" } else { "theirs" }))
    })
    .await
}

/// The patterns and their statuses, no pattern being the default; then the upstream's status, and the client's.
type Row = (&'static [(&'static str, &'static str)], &'static [(u16, Option<u16>)]);

#[rustfmt::skip]
const SELECTIONS: &[Row] = &[
    // A single default 200 turns everything into 200.
    (&[("default", "200")], &[(200, Some(200)), (201, Some(200)), (404, Some(200)), (500, Some(200)), (204, Some(200))]),
    (&[("default", "404")], &[(200, Some(404)), (302, Some(404))]),
    (&[], &[(200, None), (404, None)]),
    (&[("200", "200")], &[(200, Some(200)), (201, None), (404, None)]),
    (&[(r"4\d{2}", "400"), ("default", "200")], &[(200, Some(200)), (404, Some(400)), (418, Some(400)), (500, Some(200))]),
    // The whole status must match, wherever the pattern could be found in it.
    (&[("4", "400"), ("default", "200")], &[(404, Some(200))]),
    (&[("40", "400"), ("default", "200")], &[(404, Some(200))]),
    (&[("4.*", "400"), ("default", "200")], &[(404, Some(400)), (204, Some(200))]),
    (&[("404|5", "400"), ("default", "200")], &[(404, Some(400)), (500, Some(200))]),
    (&[("404|5..", "400"), ("default", "200")], &[(404, Some(400)), (500, Some(400))]),
    (&[("^4.4$", "400"), ("default", "200")], &[(404, Some(400)), (400, Some(200))]),
    (&[("[45]0[34]", "400"), ("default", "200")], &[(404, Some(400)), (503, Some(400)), (405, Some(200))]),
    (&[("(?!404).*", "201"), ("default", "200")], &[(404, Some(200)), (405, Some(201))]),
    (&[(r"(\n|.)+", "201"), ("default", "200")], &[(404, Some(201)), (200, Some(201))]),
    (&[(".+", "502"), ("4..", "405")], &[(404, Some(405)), (500, Some(502))]),
    (&[("-", "500"), ("default", "200")], &[(404, Some(200))]),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_status_selects_the_response() {
    let world = World::start(1).await;
    let recorder = upstream().await;
    let mut api = Api::at("selection");
    for (number, (patterns, _)) in SELECTIONS.iter().enumerate() {
        let responses: serde_json::Map<String, Value> =
            patterns.iter().map(|(pattern, status)| ((*pattern).to_owned(), json!({"statusCode": status}))).collect();
        api.route("GET", &format!("/{number}"), asking(&recorder, responses.into()));
    }
    api.register(&world).await;
    for (number, (patterns, outcomes)) in SELECTIONS.iter().enumerate() {
        for (upstream, client) in *outcomes {
            let row = format!("{upstream} among {patterns:?}");
            let answer = send(&world, "selection", &format!("GET /{number}?s={upstream}"), &[], whole("")).await;
            assert!(recorder.take().is_some(), "{row}");
            match client {
                Some(status) => {
                    let body = if *upstream == 204 { "" } else { "theirs" };
                    assert_eq!((answer.status.as_u16(), answer.text()), (*status, body), "{row}");
                }
                None => assert_internal_error(&answer, &row),
            }
        }
    }
}

const BODY: &str = r#"{"name": "fido", "n": 3, "tags": ["a", "b"], "none": null}"#;

/// Section e.5: the source, its value. None: the header is left out.
#[rustfmt::skip]
const SOURCES: &[(&str, Option<&str>)] = &[
    ("'literal'", Some("literal")),
    ("'*'", Some("*")),
    ("integration.response.header.X-Many", Some("second")),
    ("integration.response.header.x-many", Some("second")),
    ("integration.response.header.Content-Type", Some("text/plain")),
    ("integration.response.header.X-Missing", None),
    ("integration.response.multivalueheader.X-Many", Some("first,second")),
    ("integration.response.multivalueheader.X-Missing", None),
    ("integration.response.body", Some(BODY)),
    ("integration.response.body.name", Some("fido")),
    ("integration.response.body.n", Some("3")),
    ("integration.response.body.tags[0]", Some("a")),
    ("integration.response.body.tags", Some(r#"["a","b"]"#)),
    ("integration.response.body.none", None),
    ("integration.response.body.missing", None),
    ("stageVariables.colour", Some("red")),
    ("stageVariables.missing", None),
    ("context.stage", Some("prod")),
    ("context.httpMethod", Some("GET")),
    ("context.unknown", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn response_parameters_follow_section_e5() {
    let world = World::start(1).await;
    for framing in Framing::ALL {
        let recorder = Recorder::start(move |_| {
            let headers = [("content-type", "text/plain"), ("x-many", "first"), ("x-many", "second")];
            reply(200, &headers, framing.body(BODY.as_bytes()))
        })
        .await;
        for (fidelity, name) in FIDELITIES {
            let domain = format!("{name}-{framing:?}").to_lowercase();
            let mut api = Api::at(&domain).fidelity(fidelity).variable("colour", "red");
            for (number, (source, _)) in SOURCES.iter().enumerate() {
                let parameters = json!({"method.response.header.X-Target": source});
                let response = json!({"statusCode": "200", "responseParameters": parameters});
                let integration = with(http(recorder.uri("/")), json!({"responses": {"default": response}}));
                api.route("GET", &format!("/{number}"), integration);
            }
            api.register(&world).await;
            for (number, (source, value)) in SOURCES.iter().enumerate() {
                let row = format!("{domain} {source}");
                let answer = send(&world, &domain, &format!("GET /{number}"), &[], whole("")).await;
                let got: Vec<_> =
                    answer.headers.get_all("x-target").iter().map(|value| value.to_str().unwrap()).collect();
                assert_eq!(got, value.iter().copied().collect::<Vec<_>>(), "{row}");
                assert_eq!((answer.status.as_u16(), answer.text()), (200, BODY), "{row}");
                recorder.take();
            }
        }
    }
}

/// Section a.5 and f: the handling, the upstream's type, the client's first `Accept`, what the client gets.
#[tokio::test(flavor = "multi_thread")]
async fn response_templates_take_text_only() {
    let world = World::start(1).await;
    let recorder =
        Recorder::start(|request| reply(200, &[("content-type", &request.target[1..])], whole("dGV4dA=="))).await;
    for (fidelity, domain) in FIDELITIES {
        let mut api = Api::at(domain).fidelity(fidelity).binary(&["image/png"]);
        let handlings =
            [("undefined", Value::Null), ("text", "CONVERT_TO_TEXT".into()), ("binary", "CONVERT_TO_BINARY".into())];
        for (name, handling) in handlings {
            for kind in ["image/png", "text/plain"] {
                let response = json!({
                    "statusCode": "200", "contentHandling": handling,
                    "responseTemplates": {"application/json": "json", "text/plain": "plain"},
                });
                let integration =
                    with(http(recorder.uri(&format!("/{kind}"))), json!({"responses": {"default": response}}));
                api.route("GET", &format!("/{name}/{kind}"), integration);
            }
        }
        api.register(&world).await;
        for (path, accept, expected) in [
            ("/undefined/text/plain", "text/plain", Some("plain")),
            ("/undefined/text/plain", "text/html", Some("json")),
            ("/undefined/text/plain", "image/png", None),
            ("/undefined/image/png", "text/plain", Some("plain")),
            ("/undefined/image/png", "image/png", None),
            ("/text/text/plain", "image/png", Some("json")),
            ("/text/image/png", "image/png", Some("json")),
            ("/text/image/png", "text/plain;q=0.2,application/json", Some("plain")),
            ("/binary/text/plain", "text/plain", None),
            ("/binary/image/png", "text/plain", None),
            ("/binary/image/png", "image/png", None),
        ] {
            let row = format!("{domain} {path} {accept}");
            let answer = send(&world, domain, &format!("GET {path}"), &[("accept", accept)], whole("")).await;
            recorder.take();
            match expected {
                Some(text) => assert_eq!((answer.status.as_u16(), answer.text()), (200, text), "{row}"),
                None => assert_internal_error(&answer, &row),
            }
        }
    }
}

/// Section c.4: every response has a type, `application/json` by default. The fidelity, the path, the upstream's status,
/// the client's type.
#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_have_a_type_too() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|request| {
        let status: u16 = request.target.trim_start_matches("/?s=").parse().unwrap();
        reply(status, &[], whole(if matches!(status, 204 | 304) { "" } else { "theirs" }))
    })
    .await;
    for (fidelity, domain) in FIDELITIES {
        let mut api = Api::at(domain).fidelity(fidelity);
        let bodiless = json!({"20.": {"statusCode": "204"}, "30.": {"statusCode": "304"}});
        api.route("GET", "/http", asking(&recorder, bodiless.clone()));
        api.route("GET", "/mock/204", with(mock("{statusCode: 200}"), json!({"responses": bodiless})));
        api.route("GET", "/mock/304", with(mock("{statusCode: 300}"), json!({"responses": bodiless})));
        api.route("GET", "/proxy", http_proxy(recorder.uri("/")));
        api.register(&world).await;
        for (line, status) in [
            ("/http?s=200", 204),
            ("/http?s=204", 204),
            ("/http?s=304", 304),
            ("/mock/204", 204),
            ("/mock/304", 304),
            ("/proxy?s=204", 204),
            ("/proxy?s=304", 304),
            ("/proxy?s=404", 404),
        ] {
            let answer = send(&world, domain, &format!("GET {line}"), &[], whole("")).await;
            // A cache would store the type of a 304.
            let none = status == 304 && fidelity == Fidelity::Transparent;
            let found = (answer.status.as_u16(), answer.header("content-type"));
            assert_eq!(found, (status, if none { "" } else { "application/json" }), "{domain} {line}");
            recorder.take();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_mapping_reads_goes_on_in_its_own_coding() {
    let document = br#"{"a": "found"}"#;
    let recorder = Recorder::start(|request| {
        let coding = request.target.trim_start_matches('/');
        let bytes = if coding == "unknown" { document.to_vec() } else { encode(coding, document) };
        reply(200, &[("content-encoding", coding)], whole(bytes))
    })
    .await;
    let world = World::start(1).await;
    let mut api = Api::at("any");
    let mapped = json!({"default": {
        "statusCode": "200", "responseParameters": {"method.response.header.X-Mapped": "integration.response.body.a"},
    }});
    // What is in an unknown coding is read as it is, and passes as what it is.
    for coding in CODINGS.into_iter().chain(["unknown"]) {
        let path = format!("/{coding}");
        api.route("GET", &path, with(http(recorder.uri(&path)), json!({"responses": mapped})));
    }
    api.register(&world).await;
    for coding in CODINGS.into_iter().chain(["unknown"]) {
        let answer = send(&world, "any", &format!("GET /{coding}"), &[], whole("")).await;
        let expected = if coding == "unknown" { document.to_vec() } else { encode(coding, document) };
        assert_eq!((answer.status.as_u16(), answer.header("x-mapped")), (200, "found"), "{coding}");
        assert_eq!(answer.header("content-encoding"), coding);
        assert!(answer.body == expected, "{coding}: not the bytes that the upstream sent");
        recorder.take();
    }
}
