//! `MOCK` integrations: sections g.5 and a.5, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::content::{Api, FIDELITIES, assert_internal_error, mock, send, with};
use harness::upstream::whole;
use harness::wait::{bounded, until};
use harness::{World, client, upstream};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Integration responses for the statuses that the rows name.
fn responses() -> Value {
    json!({
        "default": {"statusCode": "500"},
        "200": {"statusCode": "200"},
        "201": {"statusCode": "201", "responseTemplates": {"application/json": "{\"made\": true}"}},
        r"4\d{2}": {"statusCode": "400", "responseTemplates": {"application/json": "[4]", "text/plain": "four"}},
    })
}

fn responding(template: &str) -> Value {
    with(mock(template), json!({"responses": responses()}))
}

/// The template, the status and the body that come of it; no status is the 500 of section a.6.
const TEMPLATES: &[(&str, Option<(u16, &str)>)] = &[
    (r#"{"statusCode": 200}"#, Some((200, ""))),
    (r#"{"statusCode":200}"#, Some((200, ""))),
    ("{statusCode: 200}", Some((200, ""))),
    ("{'statusCode': 200}", Some((200, ""))),
    ("\n{ statusCode : 200 , }\n", Some((200, ""))),
    (r#"{"other": {"statusCode": 404}, "statusCode": 200}"#, Some((200, ""))),
    (r#"{"statusCode": 201}"#, Some((201, r#"{"made": true}"#))),
    (r#"{"statusCode": 404}"#, Some((400, "[4]"))),
    // Not the client's status, but no other is configured.
    (r#"{"statusCode": 302}"#, Some((500, ""))),
    (r#"{"statusCode": "two hundred"}"#, None),
    (r#"{"statusCode": null}"#, None),
    (r#"{"statusCode": 200.5}"#, None),
    (r#"{"status": 200}"#, None),
    (r#"{"statusCode": }"#, None),
    ("{}", None),
    ("[200]", None),
    ("200", None),
    ("statusCode", None),
    ("", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_request_template_says_the_status() {
    let world = World::start(1).await;
    let mut api = Api::at("status");
    for (number, (template, _)) in TEMPLATES.iter().enumerate() {
        api.route("ANY", &format!("/{number}"), responding(template));
    }
    api.register(&world).await;
    for (number, (template, expected)) in TEMPLATES.iter().enumerate() {
        // The client's body is not what the template renders, and a GET meets the template too.
        for (method, body) in [("GET", ""), ("POST", r#"{"statusCode": 404}"#)] {
            let answer = send(&world, "status", &format!("{method} /{number}"), &[], whole(body)).await;
            let row = format!("{method} {template}");
            let Some((status, body)) = expected else {
                assert_internal_error(&answer, &row);
                continue;
            };
            assert_eq!((answer.status.as_u16(), answer.text()), (*status, *body), "{row}");
            assert_eq!(answer.header("content-type"), "application/json", "{row}");
            assert_eq!(answer.header("content-length"), body.len().to_string(), "{row}");
            assert_eq!(answer.header("x-amzn-trace-id"), "", "{row}");
            assert_eq!(answer.header("x-amzn-errortype"), "", "{row}");
        }
    }
}

/// Section e.6 for `MOCK`: the behaviour, the request's type and body, the status. Without a template the body itself
/// must name the status.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_template_goes_by_the_passthrough_behaviour() {
    const STATUS: &str = r#"{"statusCode": 201}"#;
    let world = World::start(1).await;
    let mut api = Api::at("passthrough");
    for behavior in ["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"] {
        let some = with(responding("{statusCode: 200}"), json!({"passthroughBehavior": behavior}));
        api.route("POST", &format!("/some/{behavior}"), some.clone());
        api.route("POST", &format!("/none/{behavior}"), with(some, json!({"requestTemplates": {}})));
    }
    api.register(&world).await;
    for (path, kind, body, status) in [
        ("/some/WHEN_NO_MATCH", "application/json", STATUS, 200),
        ("/some/WHEN_NO_MATCH", "text/plain", STATUS, 201),
        ("/some/WHEN_NO_MATCH", "text/plain", "{}", 500),
        ("/some/WHEN_NO_TEMPLATES", "application/json", STATUS, 200),
        ("/some/WHEN_NO_TEMPLATES", "text/plain", STATUS, 415),
        ("/some/NEVER", "application/json; charset=utf-8", STATUS, 200),
        ("/some/NEVER", "text/plain", STATUS, 415),
        ("/none/WHEN_NO_MATCH", "application/json", STATUS, 201),
        ("/none/WHEN_NO_MATCH", "application/json", "", 500),
        ("/none/WHEN_NO_TEMPLATES", "text/plain", STATUS, 201),
        ("/none/NEVER", "application/json", STATUS, 415),
    ] {
        let answer = send(&world, "passthrough", &format!("POST {path}"), &[("content-type", kind)], whole(body)).await;
        assert_eq!(answer.status, status, "{path} {kind} {body}: {:?}", answer.body);
    }
}

/// Section a.5: everything is binary under `*/*`, and no template takes bytes. The cure is text.
#[tokio::test(flavor = "multi_thread")]
async fn templates_do_not_take_bytes_and_the_cure_helps() {
    let world = World::start(1).await;
    for (fidelity, domain) in FIDELITIES {
        let mut api = Api::at(domain).fidelity(fidelity).binary(&["*/*"]);
        api.route("ANY", "/undefined", responding("{statusCode: 201}"));
        let cured = with(responding("{statusCode: 201}"), json!({"contentHandling": "CONVERT_TO_TEXT"}));
        api.route("ANY", "/cured", cured.clone());
        let binary = with(responding("{statusCode: 201}"), json!({"contentHandling": "CONVERT_TO_BINARY"}));
        api.route("ANY", "/binary", binary);
        let preflight = json!({
            "statusCode": "200",
            "responseParameters": {
                "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
                "method.response.header.Access-Control-Allow-Origin": "'*'",
            },
            "responseTemplates": {"application/json": "rendered"},
        });
        let bytes = with(preflight.clone(), json!({"contentHandling": "CONVERT_TO_BINARY"}));
        api.route("OPTIONS", "/preflight", with(cured.clone(), json!({"responses": {"default": preflight}})));
        api.route("OPTIONS", "/bytes", with(cured, json!({"responses": {"default": bytes}})));
        api.register(&world).await;
        for path in ["/undefined", "/binary"] {
            for (method, headers, body) in [
                ("OPTIONS", &[][..], ""),
                ("GET", &[("accept", "*/*")], ""),
                ("POST", &[("content-type", "application/json")], "{}"),
            ] {
                let answer = send(&world, domain, &format!("{method} {path}"), headers, whole(body)).await;
                assert_internal_error(&answer, &format!("{domain} {method} {path}"));
            }
        }
        for (method, body) in [("OPTIONS", ""), ("GET", ""), ("POST", "{}")] {
            let answer = send(&world, domain, &format!("{method} /cured"), &[], whole(body)).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (201, r#"{"made": true}"#), "{domain} {method}");
        }
        for accept in ["*/*", "image/png", "application/json"] {
            let answer = send(&world, domain, "OPTIONS /preflight", &[("accept", accept)], whole("")).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, "rendered"), "{domain} {accept}");
            assert_eq!(answer.header("access-control-allow-methods"), "GET,OPTIONS");
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            let answer = send(&world, domain, "OPTIONS /bytes", &[("accept", accept)], whole("")).await;
            assert_internal_error(&answer, &format!("{domain} response template over bytes, {accept}"));
        }
    }
}

/// Section f: the first element of `Accept`, the template.
#[tokio::test(flavor = "multi_thread")]
async fn the_response_template_is_chosen_by_the_first_accept() {
    let world = World::start(1).await;
    let mut api = Api::at("accept");
    api.route("GET", "/", responding("{statusCode: 400}"));
    api.register(&world).await;
    for (accept, body) in [
        ("application/json", "[4]"),
        ("text/plain", "four"),
        ("TEXT/plain;q=0.3", "four"),
        ("text/plain, application/json", "four"),
        ("application/json, text/plain", "[4]"),
        ("image/png", "[4]"),
        ("*/*", "[4]"),
        ("image/png, text/plain", "[4]"),
    ] {
        let answer = send(&world, "accept", "GET /", &[("accept", accept)], whole("")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (400, body), "{accept}");
        // The template's key does not set the header.
        assert_eq!(answer.header("content-type"), "application/json", "{accept}");
    }
    assert_eq!(send(&world, "accept", "GET /", &[], whole("")).await.text(), "[4]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_reads_does_not_cost_the_connection() {
    let world = World::start(1).await;
    let mut api = Api::at("keeps");
    api.route("POST", "/", mock(r#"{"statusCode": 200}"#));
    api.register(&world).await;
    let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"POST / HTTP/1.1\r\nhost: keeps\r\ncontent-length: 4\r\n\r\n").await.unwrap();
        // The head has come before the body leaves.
        let active = async || client::get(world.admin(0), "admin", "/metrics").await.text().to_owned();
        until("the request", active, |text| text.contains("\npenstock_proxy_requests_active 1\n")).await;
        stream.write_all(b"body").await.unwrap();
        let head = bounded("an answer", upstream::read_head(&mut stream)).await;
        assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", head.escape_ascii());
    }
}
