//! What mappings read and set, and which template or response is chosen: sections e.2 to e.6 and f, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, Framing, Recorder, assert_internal_error, http, http_proxy, reply, send, with};
use harness::upstream::whole;
use serde_json::json;
use std::fmt::Write as _;

const BODY: &str = r#"{"name": "fido", "n": 3, "yes": true, "none": null, "tags": ["a", "b c"], "deep": {"x": {"y": "z"}}, "un": "gr\u00fc\u00dfe"}"#;

/// Section e.5: the source, its values. None: the target is left out.
#[rustfmt::skip]
const SOURCES: &[(&str, &[&str])] = &[
    ("'literal'", &["literal"]),
    ("'a b/c?d=e&f'", &["a b/c?d=e&f"]),
    ("''", &[""]),
    ("method.request.path.id", &["a b"]),
    ("method.request.path.rest", &["c/d"]),
    ("method.request.querystring.one", &["2"]),
    ("method.request.querystring.two", &["x+y z"]),
    ("method.request.querystring.empty", &[""]),
    ("method.request.querystring.One", &[]),
    ("method.request.querystring.missing", &[]),
    ("method.request.multivaluequerystring.one", &["1", "2"]),
    ("method.request.multivaluequerystring.two", &["x+y z"]),
    ("method.request.multivaluequerystring.missing", &[]),
    ("method.request.header.X-Many", &["second"]),
    ("method.request.header.Content-Type", &["application/json"]),
    ("method.request.header.X-Missing", &[]),
    ("method.request.header.Host", &["sources"]),
    // Section c.1: what never becomes a method request header.
    ("method.request.header.Content-Length", &[]),
    ("method.request.header.Connection", &[]),
    ("method.request.header.Max-Forwards", &[]),
    ("method.request.header.Server", &[]),
    ("method.request.multivalueheader.Content-MD5", &[]),
    ("method.request.header.Via", &["1.1 v"]),
    ("method.request.header.Range", &["bytes=0-1"]),
    ("method.request.multivalueheader.X-Many", &["first,second"]),
    ("method.request.multivalueheader.X-Missing", &[]),
    ("method.request.body", &[BODY]),
    ("method.request.body.name", &["fido"]),
    ("method.request.body.$.name", &["fido"]),
    ("method.request.body.n", &["3"]),
    ("method.request.body.yes", &["true"]),
    ("method.request.body.none", &[]),
    ("method.request.body.missing", &[]),
    ("method.request.body.tags[1]", &["b c"]),
    ("method.request.body.tags", &[r#"["a","b c"]"#]),
    ("method.request.body.deep.x.y", &["z"]),
    ("method.request.body.deep.x", &[r#"{"y":"z"}"#]),
    ("method.request.body.un", &["gr\u{fc}\u{df}e"]),
    ("stageVariables.colour", &["red"]),
    ("stageVariables.missing", &[]),
    ("context.httpMethod", &["PUT"]),
    ("context.stage", &["prod"]),
    ("context.path", &["{path}"]),
    ("context.resourcePath", &["{resource}"]),
    ("context.apiId", &["{api}"]),
    ("context.requestId", &["{request id}"]),
    ("context.extendedRequestId", &["{extended id}"]),
    ("context.identity.sourceIp", &["127.0.0.1"]),
    ("context.identity.userAgent", &["client/1"]),
    ("context.domainName", &["sources"]),
    ("context.protocol", &["HTTP/1.1"]),
    ("context.authorizer.claims.sub", &[]),
    ("context.unknown", &[]),
];

const SENT: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("x-many", "first"),
    ("x-many", "second"),
    ("user-agent", "client/1"),
    ("max-forwards", "3"),
    ("server", "s"),
    ("content-md5", "m"),
    ("via", "1.1 v"),
    ("range", "bytes=0-1"),
];

/// As a value stands in a path or a query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
        out
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_reaches_every_target() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole("{}"))).await;
    let mut api = Api::at("sources").variable("colour", "red");
    for (number, (source, _)) in SOURCES.iter().enumerate() {
        let mapping = json!({"requestParameters": {
            "integration.request.header.X-Target": source, "integration.request.querystring.target": source,
        }});
        let in_path = json!({"requestParameters": {"integration.request.path.target": source}});
        let rest = format!("{number}/{{id}}/{{rest+}}");
        api.route("PUT", &format!("/http/{rest}"), with(http(recorder.uri("/up")), mapping.clone()));
        api.route("PUT", &format!("/proxy/{rest}"), with(http_proxy(recorder.uri("/up")), mapping));
        api.route("PUT", &format!("/path/{rest}"), with(http(recorder.uri("/up/{target}/x?t={target}")), in_path));
    }
    let id = api.register(&world).await;
    let query = "one=1&one=2&two=x%2By+z&empty=";
    for (number, (source, values)) in SOURCES.iter().enumerate() {
        for style in ["http", "proxy", "path"] {
            let framing = if number % 2 == 0 { Framing::Sized } else { Framing::Chunked };
            let row = format!("{source} {style} {framing:?}");
            let path = format!("/{style}/{number}/a%20b/c/d/");
            let answer =
                send(&world, "sources", &format!("PUT {path}?{query}"), SENT, framing.body(BODY.as_bytes())).await;
            let recorded = recorder.take();
            let resource = format!("/{style}/{number}/{{id}}/{{rest+}}");
            let values: Vec<_> = values
                .iter()
                .map(|value| value.replace("{path}", &path).replace("{resource}", &resource).replace("{api}", &id))
                .map(|value| value.replace("{request id}", answer.header("x-amzn-requestid")))
                .map(|value| value.replace("{extended id}", answer.header("x-amz-apigw-id")))
                .collect();
            if style == "path" && values.is_empty() {
                assert_internal_error(&answer, &row);
                assert!(recorded.is_none(), "{row}");
                continue;
            }
            let recorded = recorded.unwrap_or_else(|| panic!("{row}: {} {:?}", answer.status, answer.body));
            // Who reads the body does not eat it.
            assert_eq!(recorded.body.as_deref(), Some(BODY.as_bytes()), "{row}");
            if style == "path" {
                let value = &values[0];
                let value_in_path = match *source {
                    // What comes from the path goes on as it was spelled, slashes included (section e.2).
                    "method.request.path.rest" => value.clone(),
                    _ => encoded(value),
                };
                assert_eq!(recorded.target, format!("/up/{value_in_path}/x?t={}", encoded(value)), "{row}");
                continue;
            }
            let headers = recorded.headers.get_all("x-target").iter();
            let headers: Vec<_> = headers.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            assert_eq!(headers, values, "{row}");
            // Section e.3: the client's own only behind a proxy, and before those that are mapped.
            let own = (style == "proxy").then(|| query.to_owned());
            let mapped = values.iter().map(|value| format!("target={}", encoded(value)));
            let all: Vec<_> = own.into_iter().chain(mapped).collect();
            let target = if all.is_empty() { "/up".to_owned() } else { format!("/up?{}", all.join("&")) };
            assert_eq!(recorded.target, target, "{row}");
        }
    }
}

/// Section e.3: the URI's query, the client's, the mapped one, in this order, nothing replaced.
#[tokio::test(flavor = "multi_thread")]
async fn query_strings_are_appended_and_never_replaced() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole("{}"))).await;
    let mapping = json!({"requestParameters": {
        "integration.request.path.p": "method.request.path.p",
        "integration.request.querystring.a": "method.request.querystring.b",
        "integration.request.querystring.c": "'3'",
    }});
    let mut api = Api::at("queries");
    api.route("GET", "/http/{p}", with(http(recorder.uri("/?a={p}")), mapping.clone()));
    api.route("GET", "/proxy/{p}", with(http_proxy(recorder.uri("/?a={p}")), mapping));
    api.register(&world).await;
    for (line, target) in [
        ("/http/1", "/?a=1&c=3"),
        ("/http/1?a=2", "/?a=1&c=3"),
        ("/http/1?b=2", "/?a=1&a=2&c=3"),
        ("/proxy/1", "/?a=1&c=3"),
        ("/proxy/1?a=2", "/?a=1&a=2&c=3"),
        ("/proxy/1?a=2&b=4&a=5", "/?a=1&a=2&b=4&a=5&a=4&c=3"),
        ("/proxy/x%2Fy?a=%41+b", "/?a=x%2Fy&a=%41+b&c=3"),
    ] {
        send(&world, "queries", &format!("GET {line}"), &[], whole("")).await;
        assert_eq!(recorder.take().unwrap().target, target, "{line}");
    }
}

/// Section e.2: the address, where it leads. Nothing: 500, and nobody is called.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_filled_with_variables_and_parameters() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole("{}"))).await;
    let rows = [
        ("http://${stageVariables.authority}/x", Some("/x")),
        ("http://${stageVariables.host}:${stageVariables.port}/x", Some("/x")),
        ("http://${stageVariables.authority}/${stageVariables.path}?q=${stageVariables.path}", Some("/a/b?q=a/b")),
        ("http://${stageVariables.authority}/${stageVariables.missing}", None),
        ("http://${stageVariables.missing}/x", None),
        ("http://${stageVariables.authority}/{p}", Some("/v%20w")),
        ("http://${stageVariables.authority}/{proxy}/x", Some("/k/l/m/x")),
        // Never directly by a method's path parameter of the same name.
        ("http://${stageVariables.authority}/{unmapped}", None),
    ];
    let mut api = Api::at("addresses")
        .variable("authority", recorder.address().to_string())
        .variable("host", "127.0.0.1")
        .variable("port", recorder.address().port().to_string())
        .variable("path", "a/b");
    for (number, (uri, _)) in rows.iter().enumerate() {
        let mapping = json!({"requestParameters": {
            "integration.request.path.p": "'v w'", "integration.request.path.proxy": "method.request.path.unmapped",
        }});
        api.route("GET", &format!("/{number}/{{unmapped+}}"), with(http(*uri), mapping));
    }
    api.register(&world).await;
    for (number, (uri, target)) in rows.iter().enumerate() {
        let answer = send(&world, "addresses", &format!("GET /{number}/k/l/m"), &[], whole("")).await;
        assert_eq!(recorder.take().map(|recorded| recorded.target).as_deref(), *target, "{uri}");
        match target {
            Some(_) => assert_eq!(answer.status, 200, "{uri}"),
            None => assert_internal_error(&answer, uri),
        }
    }
}

/// Section e.4.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_rendered_or_passed() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole("{}"))).await;
    let templates = json!({"requestTemplates": {"application/json": "rendered", "text/empty": ""}});
    let mut api = Api::at("bodies");
    api.route("ANY", "/http", with(http(recorder.uri("/")), templates.clone()));
    api.route("ANY", "/plain", http(recorder.uri("/")));
    api.route("ANY", "/any", with(http(recorder.uri("/")), json!({"httpMethod": "ANY"})));
    api.route("ANY", "/proxy", with(http_proxy(recorder.uri("/")), templates));
    api.register(&world).await;
    let json = "application/json";
    for (line, kind, body, method, arrives) in [
        ("POST /http", Some(json), "body", "POST", "rendered"),
        ("POST /http", Some("text/plain"), "body", "POST", "body"),
        ("POST /http", Some("text/empty"), "body", "POST", ""),
        ("POST /http", None, "", "POST", "rendered"),
        ("GET /http", None, "", "POST", "rendered"),
        ("GET /plain", None, "", "POST", ""),
        ("PATCH /plain", Some(json), "body", "POST", "body"),
        ("PATCH /any", Some(json), "body", "PATCH", "body"),
        ("DELETE /any", None, "", "DELETE", ""),
        ("POST /proxy", Some(json), "body", "POST", "body"),
        ("GET /proxy", None, "", "GET", ""),
    ] {
        let kind = kind.map(|kind| ("content-type", kind));
        let row = format!("{line} {kind:?} {body}");
        send(&world, "bodies", line, kind.as_slice(), whole(body)).await;
        let recorded = recorder.take().unwrap();
        assert_eq!(recorded.method, method, "{row}");
        assert_eq!(recorded.body.as_deref(), Some(arrives.as_bytes()), "{row}");
    }
}

/// Section e.6: the templates, the request's type, and what comes of it for each behaviour.
#[tokio::test(flavor = "multi_thread")]
async fn passthrough_follows_section_e6() {
    const PASS: &str = "body";
    const TEMPLATE: &str = "rendered";
    const REFUSED: &str = "415";
    let behaviors = ["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"];
    let sets = [
        ("none", json!({})),
        ("json", json!({"application/json": TEMPLATE})),
        ("xml", json!({"text/xml": TEMPLATE})),
        ("default", json!({"$default": TEMPLATE})),
    ];
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole("{}"))).await;
    let mut api = Api::at("passthrough");
    for (name, templates) in &sets {
        for behavior in behaviors {
            let settings = json!({"passthroughBehavior": behavior, "requestTemplates": templates});
            api.route("POST", &format!("/{name}/{behavior}"), with(http(recorder.uri("/")), settings));
        }
    }
    api.register(&world).await;
    for (set, kind, outcomes) in [
        ("none", Some("application/json"), [PASS, PASS, REFUSED]),
        ("none", None, [PASS, PASS, REFUSED]),
        ("json", Some("application/json"), [TEMPLATE, TEMPLATE, TEMPLATE]),
        ("json", Some("application/json; charset=utf-8"), [TEMPLATE, TEMPLATE, TEMPLATE]),
        ("json", None, [TEMPLATE, TEMPLATE, TEMPLATE]),
        ("json", Some("text/xml"), [PASS, REFUSED, REFUSED]),
        ("xml", Some("text/xml;a=b"), [TEMPLATE, TEMPLATE, TEMPLATE]),
        ("xml", None, [PASS, REFUSED, REFUSED]),
        ("xml", Some("text/plain"), [PASS, REFUSED, REFUSED]),
        ("default", Some("text/plain"), [TEMPLATE, TEMPLATE, TEMPLATE]),
        ("default", None, [TEMPLATE, TEMPLATE, TEMPLATE]),
    ] {
        for (behavior, outcome) in behaviors.into_iter().zip(outcomes) {
            let row = format!("{set} {kind:?} {behavior}");
            let kind = kind.map(|kind| ("content-type", kind));
            let line = format!("POST /{set}/{behavior}");
            let answer = send(&world, "passthrough", &line, kind.as_slice(), whole(PASS)).await;
            let recorded = recorder.take();
            if outcome != REFUSED {
                assert_eq!(recorded.unwrap().body.as_deref(), Some(outcome.as_bytes()), "{row}");
                continue;
            }
            assert!(recorded.is_none(), "{row}");
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (415, r#"{"message": "Unsupported Media Type"}"#),
                "{row}"
            );
            assert_eq!(answer.header("x-amzn-errortype"), "BadRequestException", "{row}");
            assert_eq!((answer.header("content-length"), answer.header("content-type")), ("37", "application/json"));
            assert_eq!(answer.header("x-amzn-trace-id"), "", "{row}");
        }
    }
}
