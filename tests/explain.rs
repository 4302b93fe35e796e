//! `Explain` against what really happens: the same requests are explained and sent, and must agree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, Framing, Recorded, Recorder, http, http_proxy, mock, reply, send, with};
use harness::upstream::whole;
use penstock_proto::management::v1::explain_request::Body;
use penstock_proto::management::v1::explain_service_client::ExplainServiceClient;
use penstock_proto::management::v1::rest_api::Fidelity;
use penstock_proto::management::v1::{ExplainRequest, Explanation, HeaderLine};
use serde_json::json;

/// base64 of [`BYTES`].
const TEXT: &[u8] = b"AP8QgA==";
const BYTES: &[u8] = &[0, 255, 16, 128];
const PNG: (&str, &str) = ("content-type", "image/png");
const PLAIN: (&str, &str) = ("content-type", "text/plain; charset=utf-8");
const ANSWER: (&str, &str) = ("content-type", "application/json");

/// A request, and the cells that the explanation names for it and that its bytes then prove.
struct Row {
    line: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    /// What arrives at the upstream; `None`: the request does not get there.
    arrives: Option<&'static [u8]>,
    cells: &'static [&'static str],
}

const fn row(
    line: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    arrives: Option<&'static [u8]>,
    cells: &'static [&'static str],
) -> Row {
    Row { line, headers, body, arrives, cells }
}

const PASSED: &[&str] = &["request/http-proxy/transparent", "response/http-proxy/transparent"];
const AWS_TEXT: &[&str] = &["request/undefined/no-match", "response/undefined/type-no-accept-no"];

/// The API at `transparent.test`, and at `aws.test` the same in the other fidelity.
const TRANSPARENT: &[Row] = &[
    row("GET /files/a%20b/c?x=1&y=", &[("accept", "text/plain"), ("x-kept", "1")], b"", Some(b""), PASSED),
    row("POST /files/a", &[PNG, ("x-forwarded-for", "203.0.113.9")], BYTES, Some(BYTES), PASSED),
    row(
        "POST /files/a",
        &[("connection", "x-private"), ("x-private", "1"), ("te", "trailers")],
        b"",
        Some(b""),
        PASSED,
    ),
    row("DELETE /files/a", &[("x-http-method-override", "PATCH")], b"", Some(b""), PASSED),
    row("PUT /mapped/7?size=big", &[PLAIN, ("x-old", "1")], b"text", Some(b"text"), PASSED),
    row(
        "POST /encode",
        &[PNG],
        BYTES,
        Some(TEXT),
        &["request/convert-to-text/match", "response/undefined/type-no-accept-no"],
    ),
    row(
        "POST /decode",
        &[PLAIN],
        TEXT,
        Some(BYTES),
        &["request/convert-to-binary/no-match", "response/undefined/type-no-accept-no"],
    ),
    row("POST /files/a", &[PNG, ("content-encoding", "x-own")], BYTES, Some(BYTES), PASSED),
    row("POST /encode", &[PNG, ("content-encoding", "x-own")], BYTES, None, &["", ""]),
    row("POST /template", &[PLAIN], b"anything", Some(b"rendered"), AWS_TEXT),
    row("POST /template", &[("content-type", "text/html")], b"anything", None, &["", ""]),
    row("GET /mock", &[], b"", None, &["request/undefined/no-match", "response/undefined/type-no-accept-no"]),
    row("GET /closed", &[], b"", None, &["", ""]),
    row("GET /none", &[], b"", None, &["", ""]),
    row("GET /none", &[("authorization", "bearer x")], b"", None, &["", ""]),
    row("POST /files/a/%2e%2e/b", &[], b"", None, &["request/http-proxy/transparent", ""]),
];
const AWS: &[Row] = &[
    row("POST /files/a", &[PLAIN, ("te", "trailers")], b"text", Some(b"text"), AWS_TEXT),
    row(
        "POST /files/a",
        &[PNG],
        BYTES,
        Some(BYTES),
        &["request/undefined/match", "response/undefined/type-no-accept-no"],
    ),
    row("POST /files/a", &[PLAIN], b"\xff", Some("\u{fffd}".as_bytes()), AWS_TEXT),
];

async fn register(world: &World, recorder: &Recorder, fidelity: Fidelity, host: &str) {
    let mut api = Api::at(host).fidelity(fidelity).binary(&["image/*"]);
    let path = |name: &str| (format!("integration.request.path.{name}"), json!(format!("method.request.path.{name}")));
    let parameters = |pairs: Vec<(String, serde_json::Value)>| json!({"requestParameters": pairs.into_iter().collect::<serde_json::Map<_, _>>()});
    api.route(
        "ANY",
        "/files/{rest+}",
        with(http_proxy(recorder.uri("/store/{rest}?own=1")), parameters(vec![path("rest")])),
    );
    let mapped = vec![
        path("id"),
        ("integration.request.header.X-Size".into(), json!("method.request.querystring.size")),
        ("integration.request.header.X-Stage".into(), json!("context.stage")),
        ("integration.request.header.X-Old".into(), json!("'replaced'")),
        ("integration.request.querystring.method".into(), json!("context.httpMethod")),
    ];
    api.route("PUT", "/mapped/{id}", with(http_proxy(recorder.uri("/m/{id}")), parameters(mapped)));
    for (path, handling) in [("/encode", "CONVERT_TO_TEXT"), ("/decode", "CONVERT_TO_BINARY")] {
        api.route("POST", path, with(http(recorder.uri(path)), json!({"contentHandling": handling})));
    }
    let template = json!({"requestTemplates": {"text/plain": "rendered"}, "passthroughBehavior": "never"});
    api.route("POST", "/template", with(http(recorder.uri("/t")), template));
    api.route("GET", "/mock", mock("{\"statusCode\": 200}"));
    api.route("GET", "/closed", http_proxy("http://${stageVariables.gone}/"));
    api.register(world).await;
}

async fn explained(world: &World, host: &str, row: &Row, body: Option<Body>) -> Explanation {
    let (method, target) = row.line.split_once(' ').unwrap();
    let line = |(name, value): &(&str, &str)| HeaderLine { name: (*name).to_owned(), value: (*value).to_owned() };
    let request = ExplainRequest {
        http_method: method.to_owned(),
        url: format!("http://{host}{target}"),
        headers: row.headers.iter().map(line).collect(),
        body,
        answer_headers: vec![line(&ANSWER)],
        listener_port: world.proxy().port().into(),
        ..Default::default()
    };
    let mut client = ExplainServiceClient::connect(world.grpc_url()).await.unwrap();
    client.explain(request).await.unwrap().into_inner()
}

/// Lines with what differs from request to request taken out.
fn comparable<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut all: Vec<String> = lines
        .map(|(name, value)| match name {
            "x-amzn-trace-id" => format!("{name}: {}", if value.starts_with("Root=1-") { "made" } else { value }),
            "x-forwarded-for" => format!("{name}: {}", value.replace("192.0.2.1", "127.0.0.1")),
            _ => format!("{name}: {value}"),
        })
        .collect();
    all.sort();
    all
}

fn check_sent(told: &Explanation, recorded: &Recorded, row: &Row, framing: Framing) {
    let what = format!("{} {framing:?}", row.line);
    let upstream = told.upstream.as_ref().unwrap_or_else(|| panic!("{what}: {told:?}"));
    assert_eq!((&upstream.http_method, &upstream.target), (&recorded.method, &recorded.target), "{what}");
    let said = comparable(upstream.headers.iter().map(|line| (line.name.as_str(), line.value.as_str())));
    let came = recorded.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    // Of a body whose length nobody knows beforehand no explanation says it.
    let open = upstream.body.starts_with("with ");
    let came = comparable(came.filter(|(name, _)| !(open && matches!(*name, "content-length" | "transfer-encoding"))));
    assert_eq!(said, came, "{what}");
    assert_eq!(recorded.body.as_deref(), row.arrives, "{what}");
}

async fn check(world: &World, recorder: &Recorder, host: &str, rows: &[Row]) {
    for row in rows {
        for framing in Framing::ALL {
            let what = format!("{host} {} {framing:?}", row.line);
            let body = match (row.body.len() as u64, framing) {
                (0, _) => None,
                (bytes, Framing::Sized) => Some(Body::BodyBytes(bytes)),
                (_, Framing::Chunked) => Some(Body::ChunkedBody(true)),
            };
            let told = explained(world, host, row, body).await;
            let sent = if row.body.is_empty() { whole("") } else { framing.body(row.body) };
            let answer = send(world, host, row.line, row.headers, sent).await;
            match recorder.take() {
                Some(recorded) => check_sent(&told, &recorded, row, framing),
                None => assert!(row.arrives.is_none() && told.upstream.is_none(), "{what}: {told:?}"),
            }
            let cells = [
                told.request.as_ref().and_then(|request| Some(request.body.as_ref()?.cell.clone())),
                told.response.as_ref().and_then(|response| Some(response.body.as_ref()?.cell.clone())),
            ];
            assert_eq!(cells.map(Option::unwrap_or_default), row.cells, "{what}");
            let status = match (&told.refusal, &told.response) {
                (Some(refusal), _) => {
                    assert_eq!(refusal.body, answer.text(), "{what}");
                    for line in &refusal.headers {
                        assert_eq!(answer.header(&line.name), line.value, "{what}");
                    }
                    refusal.status
                }
                (None, Some(response)) => response.status,
                (None, None) => panic!("{what}: {told:?}"),
            };
            assert_eq!(status, i32::from(answer.status.as_u16()), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_explained_is_what_happens() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[ANSWER], whole("{}"))).await;
    for (host, fidelity, rows) in
        [("transparent.test", Fidelity::Transparent, TRANSPARENT), ("aws.test", Fidelity::Aws, AWS)]
    {
        register(&world, &recorder, fidelity, host).await;
        check(&world, &recorder, host, rows).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_the_story() {
    let world = World::start(0).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole(""))).await;
    register(&world, &recorder, Fidelity::Transparent, "*").await;
    let cli = |arguments: &[&str]| {
        let output = world.cli(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let story = cli(&["explain", "POST", "/encode", "-H", "Content-Type: image/png", "--body-bytes", "4"]);
    for part in ["catch-all domain *", "POST /encode, HTTP", "request/convert-to-text/match", "content-length: 8"] {
        assert!(story.contains(part), "{part}: {story}");
    }
    let json = cli(&["explain", "get", "http://127.0.0.1:8443/files/a", "-o", "json", "--answer-status", "404"]);
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(told["response"]["status"], 404);
    let headers = told["upstream"]["headers"].as_array().unwrap();
    let port = headers.iter().find(|line| line["name"] == "x-forwarded-port").unwrap();
    assert_eq!(port["value"], "8443", "the URL's port is the proxy's");
    let refused = cli(&["explain", "GET", "/closed"]);
    assert!(refused.contains("stage variable gone is not defined"), "{refused}");
    let wrong = world.cli(&["explain", "GET", "ftp://x/"]);
    assert_eq!(wrong.status.code(), Some(5), "{}", String::from_utf8_lossy(&wrong.stderr));
    assert!(recorder.take().is_none(), "nothing is sent");
}
