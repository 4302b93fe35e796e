//! What the gateway answers by itself: section e.7, byte for byte, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::client::Answer;
use harness::content::{Api, http, http_proxy, mock, send, with};
use harness::upstream::{Upstream, whole};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A request, and the type and the default answer that it meets.
struct Row {
    line: &'static str,
    kind: &'static str,
    status: u16,
    body: &'static str,
    error_type: &'static str,
}

const INTERNAL: &str = "InternalServerErrorException";

/// Each type that this version raises.
const ROWS: &[Row] = &[
    Row {
        line: "GET /none",
        kind: "MISSING_AUTHENTICATION_TOKEN",
        status: 403,
        body: r#"{"message":"Missing Authentication Token"}"#,
        error_type: "MissingAuthenticationTokenException",
    },
    Row {
        line: "DELETE /mock",
        kind: "MISSING_AUTHENTICATION_TOKEN",
        status: 403,
        body: r#"{"message":"Missing Authentication Token"}"#,
        error_type: "MissingAuthenticationTokenException",
    },
    Row {
        line: "POST /mock",
        kind: "API_CONFIGURATION_ERROR",
        status: 500,
        body: r#"{"message": "Internal server error"}"#,
        error_type: INTERNAL,
    },
    Row {
        line: "POST /address",
        kind: "API_CONFIGURATION_ERROR",
        status: 500,
        body: r#"{"message": "Internal server error"}"#,
        error_type: INTERNAL,
    },
    Row {
        line: "POST /refused",
        kind: "INTEGRATION_FAILURE",
        status: 504,
        body: r#"{"message": "Network error communicating with endpoint"}"#,
        error_type: INTERNAL,
    },
    Row {
        line: "POST /silent",
        kind: "INTEGRATION_TIMEOUT",
        status: 504,
        body: r#"{"message": "Endpoint request timed out"}"#,
        error_type: INTERNAL,
    },
    Row {
        line: "POST /type",
        kind: "UNSUPPORTED_MEDIA_TYPE",
        status: 415,
        body: r#"{"message": "Unsupported Media Type"}"#,
        error_type: "BadRequestException",
    },
];

/// Upstreams that fail, kept for as long as a test runs.
struct Failing {
    silent: Upstream,
    refused: SocketAddr,
}

impl Failing {
    async fn start() -> Self {
        let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { silent: Upstream::http(|_| std::future::pending()).await, refused }
    }

    /// An API in which each row of [`ROWS`] happens, with these customisations.
    async fn register(&self, world: &World, domain: &str, customised: Value) {
        let mut api = Api::at(domain).variable("site", "example.org").extension("gateway-responses", customised);
        api.route("POST", "/mock", mock("{}"));
        api.route("POST", "/mock/{id}", mock("{}"));
        api.route("POST", "/address", http("http://${stageVariables.nowhere}/"));
        api.route("POST", "/refused", http(format!("http://{}/", self.refused)));
        let silent = http_proxy(format!("http://{}/", self.silent.address));
        api.route("POST", "/silent", with(silent, json!({"timeoutInMillis": 50})));
        let never = json!({"passthroughBehavior": "NEVER", "requestTemplates": {"application/json": "x"}});
        api.route("POST", "/type", with(http(format!("http://{}/", self.silent.address)), never));
        api.register(world).await;
    }
}

async fn ask(world: &World, domain: &str, row: &Row, accept: &str) -> Answer {
    let headers = [("content-type", "text/plain"), ("accept", accept)];
    send(world, domain, row.line, &headers, whole("{}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_are_the_specifications_byte_for_byte() {
    let world = World::start(1).await;
    let failing = Failing::start().await;
    failing.register(&world, "defaults", json!({})).await;
    for row in ROWS {
        let answer = ask(&world, "defaults", row, "*/*").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (row.status, row.body), "{}", row.line);
        assert_eq!(answer.header("x-amzn-errortype"), row.error_type, "{}", row.line);
        assert_eq!(answer.header("content-type"), "application/json", "{}", row.line);
        assert_eq!(answer.header("content-length"), row.body.len().to_string(), "{}", row.line);
        assert!(!answer.headers.contains_key("x-amzn-trace-id"), "{}", row.line);
        assert!(!answer.headers.contains_key("connection"), "{}", row.line);
    }
    // The sizes that were recorded.
    let sizes = [0, 2, 4, 6].map(|row: usize| ROWS[row].body.len());
    assert_eq!(sizes, [42, 36, 56, 37]);
    // Section d.2: without a route the caller's authorization decides.
    for (authorization, error_type) in [
        ("Bearer x", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a", "MissingAuthenticationTokenException"),
    ] {
        let headers = [("authorization", authorization)];
        let answer = send(&world, "defaults", "GET /none", &headers, whole("")).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-amzn-errortype")), (403, error_type));
        let says = "Invalid key=value pair (missing equal-sign) in Authorization header";
        assert_eq!(answer.text().contains(says), error_type.starts_with("Incomplete"), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_can_be_customised_by_itself() {
    let world = World::start(1).await;
    let failing = Failing::start().await;
    let custom = json!({
        "statusCode": "418",
        "responseParameters": {"gatewayresponse.header.X-Own": "'own'"},
        "responseTemplates": {"application/json": "{\"type\":\"$context.error.responseType\"}"},
    });
    for kind in [
        "MISSING_AUTHENTICATION_TOKEN",
        "API_CONFIGURATION_ERROR",
        "INTEGRATION_FAILURE",
        "INTEGRATION_TIMEOUT",
        "UNSUPPORTED_MEDIA_TYPE",
    ] {
        let domain = kind.to_lowercase().replace('_', "-");
        failing.register(&world, &domain, json!({kind: custom})).await;
        for row in ROWS {
            let answer = ask(&world, &domain, row, "*/*").await;
            let found = (answer.status.as_u16(), answer.text(), answer.header("x-own"));
            let own = format!("{{\"type\":\"{kind}\"}}");
            let expected = if row.kind == kind { (418, &*own, "own") } else { (row.status, row.body, "") };
            assert_eq!(found, expected, "{kind}: {}", row.line);
            assert_eq!(answer.header("x-amzn-errortype"), row.error_type, "{kind}: {}", row.line);
        }
    }
}

/// Fields that are left out keep the type's own default.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_customisation_leaves_out_stays_as_it_is() {
    let world = World::start(1).await;
    let failing = Failing::start().await;
    let header = json!({"gatewayresponse.header.X-Own": "'own'"});
    for (domain, custom, status, body, own) in [
        ("nothing", json!({}), 415, r#"{"message": "Unsupported Media Type"}"#, ""),
        ("status", json!({"statusCode": 400}), 400, r#"{"message": "Unsupported Media Type"}"#, ""),
        ("header", json!({"responseParameters": header}), 415, r#"{"message": "Unsupported Media Type"}"#, "own"),
        ("body", json!({"responseTemplates": {"application/json": "[]"}}), 415, "[]", ""),
    ] {
        failing.register(&world, domain, json!({"UNSUPPORTED_MEDIA_TYPE": custom})).await;
        let answer = ask(&world, domain, &ROWS[6], "*/*").await;
        assert_eq!((answer.status.as_u16(), answer.text(), answer.header("x-own")), (status, body, own), "{domain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uncustomised_types_inherit_from_their_class() {
    let world = World::start(1).await;
    let failing = Failing::start().await;
    let own = |name: &str| json!({"gatewayresponse.header.X-Own": format!("'{name}'")});
    let customised = json!({
        "DEFAULT_4XX": {
            "statusCode": "404", "responseParameters": own("4xx"),
            "responseTemplates": {"application/json": "4:$context.error.messageString"},
        },
        "DEFAULT_5XX": {"responseParameters": own("5xx")},
        "INTEGRATION_TIMEOUT": {"statusCode": "503"},
        "UNSUPPORTED_MEDIA_TYPE": {"responseParameters": own("415")},
    });
    failing.register(&world, "inherited", customised).await;
    for (row, status, body, own) in [
        (0, 404, r#"4:"Missing Authentication Token""#, "4xx"),
        (2, 500, r#"{"message": "Internal server error"}"#, "5xx"),
        (4, 504, r#"{"message": "Network error communicating with endpoint"}"#, "5xx"),
        // Customised itself, so nothing is inherited.
        (5, 503, r#"{"message": "Endpoint request timed out"}"#, ""),
        (6, 415, r#"{"message": "Unsupported Media Type"}"#, "415"),
    ] {
        let answer = ask(&world, "inherited", &ROWS[row], "*/*").await;
        let found = (answer.status.as_u16(), answer.text(), answer.header("x-own"));
        assert_eq!(found, (status, body, own), "{}", ROWS[row].line);
    }
}

/// What stands in a template, or behind a parameter without its `$`, and what becomes of it.
const REFERENCES: &[(&str, &str)] = &[
    ("context.error.message", "Internal server error"),
    ("context.error.responseType", "API_CONFIGURATION_ERROR"),
    ("context.error.validationErrorString", ""),
    ("context.httpMethod", "POST"),
    ("context.stage", "prod"),
    ("context.resourcePath", "/mock/{id}"),
    ("context.identity.sourceIp", "127.0.0.1"),
    ("context.unknown", ""),
    ("stageVariables.site", "example.org"),
    ("stageVariables.none", ""),
    ("method.request.header.X-Sent", "sent"),
    ("method.request.header.None", ""),
    ("method.request.path.id", "a b"),
    ("method.request.querystring.q", "2"),
];

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_templates_are_filled_from_the_request() {
    let world = World::start(1).await;
    let failing = Failing::start().await;
    let mut parameters = json!({"gatewayresponse.header.X-Literal": "'a, b'"});
    let mut template = "#set($x = 1) $util.urlEncode('a') $context.error.messageString".to_owned();
    for (number, (reference, _)) in REFERENCES.iter().enumerate() {
        parameters[format!("gatewayresponse.header.X-{number}")] = json!(reference);
        template.push_str(&format!("|${reference}"));
    }
    let custom = json!({"responseParameters": parameters, "responseTemplates": {"application/json": template}});
    failing.register(&world, "filled", json!({"API_CONFIGURATION_ERROR": custom})).await;
    let answer = send(&world, "filled", "POST /mock/a%20b?q=1&q=2", &[("x-sent", "sent")], whole("")).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-literal")), (500, "a, b"));
    let mut expected = "#set($x = 1) $util.urlEncode('a') \"Internal server error\"".to_owned();
    for (number, (reference, value)) in REFERENCES.iter().enumerate() {
        assert_eq!(answer.header(&format!("x-{number}")), *value, "{reference}");
        expected.push('|');
        expected.push_str(value);
    }
    assert_eq!(answer.text(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_says_the_type_and_accept_says_the_template() {
    let world = World::start(1).await;
    let failing = Failing::start().await;
    let templates = json!({"application/json": "{}", "text/html": "<p>$context.error.message</p>"});
    let plain = json!({"responseTemplates": templates});
    let typed = json!({
        "responseTemplates": templates,
        "responseParameters": {
            "gatewayresponse.header.Content-Type": "'text/plain'",
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
        },
    });
    failing.register(&world, "plain", json!({"DEFAULT_4XX": plain})).await;
    failing.register(&world, "typed", json!({"DEFAULT_4XX": typed})).await;
    let html = "<p>Unsupported Media Type</p>";
    for (accept, kind, body) in [
        ("text/html", "text/html", html),
        ("text/html;q=0.1, application/json", "text/html", html),
        ("application/json, text/html", "application/json", "{}"),
        ("image/png", "application/json", "{}"),
        ("*/*", "application/json", "{}"),
    ] {
        let answer = ask(&world, "plain", &ROWS[6], accept).await;
        assert_eq!((answer.header("content-type"), answer.text()), (kind, body), "{accept}");
        let answer = ask(&world, "typed", &ROWS[6], accept).await;
        assert_eq!((answer.header("content-type"), answer.text()), ("text/plain", body), "{accept}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{accept}");
    }
}
