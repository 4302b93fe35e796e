//! `AWS` integrations of functions: what they are called with (section b.4), how their results are chosen (section f) and
//! converted (section a.4).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::client::Answer;
use harness::content::{Api, Recorded, Recorder, assert_internal_error, reply, send, with};
use harness::functions::{aws, world_at};
use harness::upstream::{Body, whole};
use hyper::Response;
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A service whose function gives back its event; `fail-…` fails with the rest of its name as the message, `string` gives
/// base64 as a string. Like the real one, it refuses an event that is no JSON, and answers `Event` calls with nothing.
fn answer(call: &Recorded) -> Response<Body> {
    let event = call.body.clone().unwrap();
    if serde_json::from_slice::<serde_json::Value>(&event).is_err() {
        let refusal = r#"{"Type":"User","message":"Could not parse request body into json"}"#;
        return reply(400, &[JSON, ("x-amzn-errortype", "InvalidRequestContentException")], whole(refusal));
    }
    if call.all("x-amz-invocation-type") == ["Event"] {
        return reply(202, &[], whole(""));
    }
    let name = call.target.split(':').next_back().unwrap().split('/').next().unwrap();
    match name.split_once('-') {
        Some(("fail", message)) => {
            let error = json!({"errorMessage": message.replace('-', " ").replace("NL", "\n"), "errorType": "E", "stackTrace": []});
            reply(200, &[JSON, ("x-amz-function-error", "Unhandled")], whole(error.to_string()))
        }
        _ if name == "string" => reply(200, &[JSON], whole(r#""iVBORw0KGgr\/""#)),
        _ => reply(200, &[JSON, ("x-amz-executed-version", "7")], whole(event)),
    }
}

async fn world() -> (Recorder, World) {
    let service = Recorder::start(answer).await;
    let world = world_at(service.address(), &[]).await;
    (service, world)
}

async fn post(world: &World, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
    send(world, "any", &format!("POST {path}"), headers, whole(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_is_the_body_or_the_template_or_an_empty_object() {
    let (service, world) = world().await;
    let mut api = Api::at("any");
    api.route("POST", "/plain", aws("f"));
    api.route(
        "POST",
        "/template",
        with(aws("f"), json!({"requestTemplates": {"application/json": "{\"fixed\": true}"}})),
    );
    api.route("POST", "/never", with(aws("f"), json!({"passthroughBehavior": "NEVER"})));
    api.register(&world).await;
    for (path, body, event) in [
        ("/plain", r#"{"a": 1}"#, r#"{"a": 1}"#),
        ("/plain", "", "{}"),
        ("/plain", "[1]", "[1]"),
        ("/template", r#"{"a": 1}"#, r#"{"fixed": true}"#),
        ("/template", "", r#"{"fixed": true}"#),
    ] {
        let answer = post(&world, path, &[JSON], body).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, event), "{path} {body}");
        let call = service.take().unwrap();
        assert_eq!(call.target, "/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:f/invocations");
        assert_eq!((call.method.as_str(), call.body.as_deref()), ("POST", Some(event.as_bytes())), "{path}");
        assert!(call.all("authorization")[0].starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        assert_eq!(call.all("x-amz-security-token").len(), 1);
    }
    assert_eq!(post(&world, "/never", &[JSON], "{}").await.status, 415);
    assert!(service.take().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_of_an_error_chooses_the_response_and_a_success_has_none() {
    let (_service, world) = world().await;
    let responses = json!({
        "default": {"statusCode": "200"},
        "Bad.*": {"statusCode": "400"},
        "Bad request": {"statusCode": "402"},
        ".+four hundred.*": {"statusCode": "405"},
        "(\\n|.)+second line": {"statusCode": "409"},
        "200": {"statusCode": "201"},
    });
    let mut api = Api::at("any");
    for name in ["f", "fail-Bad-request", "fail-no-Bad-request", "fail-a-four-hundred-error", "fail-firstNLsecond-line"]
    {
        api.route("POST", &format!("/{name}"), with(aws(name), json!({"responses": responses})));
    }
    api.route(
        "POST",
        "/all",
        with(aws("f"), json!({"responses": {".*": {"statusCode": "500"}, "default": {"statusCode": "200"}}})),
    );
    api.route("POST", "/none", with(aws("f"), json!({"responses": {".+": {"statusCode": "500"}}})));
    api.register(&world).await;
    for (path, status) in [
        ("/f", 200),
        ("/fail-Bad-request", 400),
        ("/fail-no-Bad-request", 200),
        ("/fail-a-four-hundred-error", 405),
        ("/fail-firstNLsecond-line", 409),
        ("/all", 500),
    ] {
        let answer = post(&world, path, &[JSON], r#"{"a":1}"#).await;
        assert_eq!(answer.status, status, "{path}");
        let body = answer.json();
        assert_eq!(
            body.get("errorMessage").is_some(),
            path.starts_with("/fail"),
            "the function's JSON is the body: {body}"
        );
        assert!(answer.headers.contains_key("x-amzn-trace-id"));
    }
    assert_internal_error(&post(&world, "/none", &[JSON], "{}").await, "/none");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_converted_and_a_string_of_base64_becomes_bytes() {
    let (_service, world) = world().await;
    let to_binary = json!({"responses": {"default": {"statusCode": "200", "contentHandling": "CONVERT_TO_BINARY",
        "responseParameters": {"method.response.header.Content-Type": "'image/png'"}}}});
    let to_text = json!({"responses": {"default": {"statusCode": "200", "contentHandling": "CONVERT_TO_TEXT"}}});
    let mapped = json!({"responses": {"default": {"statusCode": "200", "responseParameters": {
        "method.response.header.X-Version": "integration.response.header.X-Amz-Executed-Version",
        "method.response.header.X-A": "integration.response.body.a",
    }}}});
    let mut api = Api::at("any").binary(&["image/png"]);
    api.route("POST", "/binary", with(aws("string"), to_binary.clone()));
    api.route("POST", "/no-base64", with(aws("f"), to_binary));
    api.route("POST", "/text", with(aws("string"), to_text));
    api.route("POST", "/mapped", with(aws("f"), mapped));
    api.route("POST", "/event", with(aws("f"), json!({"contentHandling": "CONVERT_TO_BINARY"})));
    api.register(&world).await;
    let binary = post(&world, "/binary", &[JSON], "{}").await;
    assert_eq!((binary.status.as_u16(), &binary.body[..]), (200, &b"\x89PNG\r\n\x1a\n\xff"[..]));
    assert_eq!(binary.header("content-type"), "image/png");
    assert_internal_error(&post(&world, "/no-base64", &[JSON], "{}").await, "/no-base64");
    assert_eq!(post(&world, "/text", &[JSON], "{}").await.text(), r#""iVBORw0KGgr\/""#, "JSON as it came");
    let mapped = post(&world, "/mapped", &[JSON], r#"{"a":"value"}"#).await;
    assert_eq!((mapped.header("x-version"), mapped.header("x-a")), ("7", "value"));
    // The request's own conversion comes first: base64 of `{"b":2}`.
    let event = post(&world, "/event", &[("content-type", "text/plain")], "eyJiIjoyfQ==").await;
    assert_eq!((event.status.as_u16(), event.text()), (200, r#"{"b":2}"#));
    assert_internal_error(&post(&world, "/event", &[("content-type", "text/plain")], "no base64").await, "/event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_header_makes_the_call_asynchronous() {
    let (service, world) = world().await;
    let mapping = json!({
        "requestParameters": {
            "integration.request.header.X-Amz-Invocation-Type": "'Event'",
            "integration.request.header.X-Amz-Client-Context": "method.request.header.X-Context",
        },
        "responses": {"default": {"statusCode": "202"}},
    });
    let mut api = Api::at("any");
    api.route("POST", "/event", with(aws("f"), mapping));
    api.register(&world).await;
    let answer = post(&world, "/event", &[JSON, ("x-context", "abc")], r#"{"a":1}"#).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (202, ""));
    let call = service.take().unwrap();
    assert_eq!((call.all("x-amz-invocation-type"), call.all("x-amz-client-context")), (vec!["Event"], vec!["abc"]));
    let signature = call.all("authorization")[0];
    assert!(
        signature.contains("x-amz-client-context;x-amz-date;x-amz-invocation-type;x-amz-security-token"),
        "{signature}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_no_json_is_refused_by_the_service_and_the_default_answers() {
    let (_service, world) = world().await;
    let mut api = Api::at("any");
    api.route("POST", "/f", with(aws("f"), json!({"responses": {"default": {"statusCode": "203"}}})));
    api.register(&world).await;
    let answer = post(&world, "/f", &[("content-type", "text/plain")], "no JSON").await;
    assert_eq!(answer.status, 203);
    assert_eq!(answer.json()["Type"], "User");
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_versions_and_stage_variables_decide_what_is_called() {
    let (service, world) = world().await;
    let mut api = Api::at("any").variable("name", "echo").variable("alias", "blue");
    api.route("POST", "/variables", aws("${stageVariables.name}:${stageVariables.alias}"));
    api.route("POST", "/version", aws("f:7"));
    api.route("POST", "/undefined", aws("${stageVariables.none}"));
    api.route("POST", "/get", with(aws("f"), json!({"httpMethod": "GET"})));
    let doubled = "arn:aws:apigateway:us-east-1:lambda:path//2015-03-31/functions/f/invocations";
    api.route("POST", "/doubled", with(aws("f"), json!({"uri": doubled})));
    api.route(
        "POST",
        "/illegal",
        with(aws("f"), json!({"requestParameters": {"integration.request.header.Authorization": "'a'"}})),
    );
    api.register(&world).await;
    for (path, function) in [
        ("/variables", "arn:aws:lambda:us-east-1:123456789012:function:echo:blue"),
        ("/version", "arn:aws:lambda:us-east-1:123456789012:function:f:7"),
        ("/doubled", "f"),
    ] {
        assert_eq!(post(&world, path, &[JSON], "{}").await.status, 200, "{path}");
        assert_eq!(service.take().unwrap().target, format!("/2015-03-31/functions/{function}/invocations"));
    }
    for path in ["/undefined", "/get", "/illegal"] {
        assert_internal_error(&post(&world, path, &[JSON], "{}").await, path);
    }
    assert!(service.take().is_none());
}
