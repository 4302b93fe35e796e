//! Signatures beside those of an independent signer, Python's botocore, over requests as they arrived: odd paths, queries,
//! methods and bodies.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::content::{Api, Framing, Recorded, Recorder, reply, send, with};
use harness::functions::{CREDENTIALS, aws, aws_proxy, aws_service};
use harness::process::repository;
use harness::upstream::whole;
use harness::{World, scale};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

const SERVICES: [(&str, &str); 3] = [("s3", "eu-west-1"), ("sqs", "us-east-1"), ("execute-api", "ap-southeast-2")];

/// As clients send them.
const PATHS: [&str; 14] = [
    "plain",
    "a/b/c/",
    "a%20b",
    "a+b",
    "a%2Fb",
    "%C3%A4/%E2%82%AC",
    "100%25",
    "~tilde-_.",
    "a:b@c",
    "(x)*'!",
    "a=b;c,d$e",
    "%7Bkey%7D",
    "a%3Fb",
    "%3a%2f",
];

const QUERIES: [&str; 6] = ["", "q=1", "q=a%20b%2Bc", "q=%C3%A4%26%3D", "q=a/b:c~d", "q="];

/// A recorded call as the other signer wants it.
fn told(call: &Recorded, service: &str, region: &str, host: &str) -> Value {
    let authorization = call.all("authorization")[0];
    let signed = authorization.split_once("SignedHeaders=").unwrap().1.split_once(',').unwrap().0;
    let headers: Vec<_> = signed.split(';').map(|name| json!([name, call.all(name)[0]])).collect();
    json!({
        "service": service, "region": region, "method": call.method, "url": format!("http://{host}{}", call.target),
        "headers": headers, "body": STANDARD.encode(call.body.as_ref().unwrap()), "authorization": authorization,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_those_of_botocore() {
    let python = std::env::var_os("PENSTOCK_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    if !Command::new(&python).args(["-c", "import botocore"]).output().is_ok_and(|output| output.status.success()) {
        assert!(!scale::in_ci(), "Python's botocore is missing");
        println!("SKIPPED: install botocore, and name the Python in PENSTOCK_TEST_PYTHON");
        return;
    }
    let recorder = Recorder::start(|_| reply(200, &[("content-type", "application/json")], whole("{}"))).await;
    let address = recorder.address().to_string();
    let endpoints: Vec<String> = SERVICES
        .iter()
        .map(|(name, _)| format!("{name}=http://{address}"))
        .chain([format!("lambda=http://{address}")])
        .collect();
    let world = World::start_in(1, &["--aws-endpoint", &endpoints.join(",")], &CREDENTIALS).await;
    let mut api = Api::at("any").binary(&["*/*"]);
    for (service, region) in SERVICES {
        let members = json!({"requestParameters": {
            "integration.request.path.key": "method.request.path.key",
            "integration.request.querystring.q": "method.request.querystring.q",
            "integration.request.header.X-Amz-Meta-Name": "method.request.header.X-Name",
        }, "responses": {"default": {"statusCode": "200", "contentHandling": "CONVERT_TO_BINARY"}}});
        for method in ["GET", "PUT"] {
            let uri = format!("arn:aws:apigateway:{region}:{service}:path/bucket/{{key}}?z=last&a=first");
            let integration = with(aws_service(&uri), members.clone());
            api.route(method, &format!("/{service}/{{key+}}"), with(integration, json!({"httpMethod": method})));
        }
    }
    api.route("POST", "/proxy", aws_proxy("f:live"));
    api.route("POST", "/custom", aws("f"));
    api.register(&world).await;

    let mut calls = Vec::new();
    for (service, region) in SERVICES {
        for (number, path) in PATHS.into_iter().enumerate() {
            let query = QUERIES[number % QUERIES.len()];
            let (method, framing) =
                if number % 2 == 0 { ("GET", Framing::Sized) } else { ("PUT", Framing::ALL[number / 2 % 2]) };
            let body: &[u8] = if method == "PUT" { b"\x00body\xff" } else { b"" };
            let headers = [("content-type", "image/png"), ("x-name", "  two  blanks ")];
            let line = format!("{method} /{service}/{path}?{query}");
            let answer = send(&world, "any", &line, &headers, framing.body(body)).await;
            assert_eq!(answer.status, 200, "{line}: {}", answer.text());
            let call = recorder.take().unwrap();
            if service == "s3" {
                let needs_no_escape = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
                assert!(call.target.split('?').next().unwrap().bytes().all(needs_no_escape), "{}", call.target);
            }
            calls.push(told(&call, service, region, &address));
        }
    }
    for (path, body) in [("/proxy", &b"\xff\x00"[..]), ("/proxy", b""), ("/custom", b"{\"a\":1}"), ("/custom", b"")] {
        let headers = [("content-type", "application/json")];
        send(&world, "any", &format!("POST {path}"), &headers, whole(body)).await;
        calls.push(told(&recorder.take().unwrap(), "lambda", "us-east-1", &address));
    }

    let script = repository().join("tests/strangers/signatures.py");
    let keys = [CREDENTIALS[0].1, CREDENTIALS[1].1, CREDENTIALS[2].1];
    let mut child =
        Command::new(&python).arg(script).args(keys).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = calls.iter().map(|call| format!("{call}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(calls.len() >= 40);
    assert_eq!(said, format!("{} same\n", calls.len()));
}
