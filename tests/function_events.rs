//! What a function gets: every row of sections b.2 and b.5, the body by the rules of a.7 and a.9, headers by section c.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::content::{Api, FIDELITIES, Framing, Recorder, reply, send, with};
use harness::functions::{aws_proxy, aws_proxy_v2, event, world_at};
use harness::upstream::whole;
use harness::{World, client};
use penstock_proto::management::v1::rest_api::Fidelity;
use serde_json::{Value, json};

async fn service() -> Recorder {
    Recorder::start(|_| reply(200, &[("content-type", "application/json")], whole(r#"{"statusCode":200}"#))).await
}

/// Functions at `/one/…` and `/two/…`, with payload 1.0 and 2.0.
fn api(binary: &[&str]) -> Api {
    let mut api = Api::at("any").binary(binary);
    for (path, integration) in [("one", aws_proxy("f")), ("two", aws_proxy_v2("f"))] {
        api.route("POST", &format!("/{path}"), integration.clone());
        api.route("ANY", &format!("/{path}/{{id}}/{{proxy+}}"), integration);
    }
    api
}

/// Sends a request whose head is spelled as it stands, to the API's execute-api host and its stage.
async fn spelled(world: &World, id: &str, line: &str, headers: &str) -> String {
    let host = format!("{id}.execute-api.us-east-1.amazonaws.com:8080");
    let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n");
    let answer = client::raw(world.proxy(), head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

const KEYS: [&str; 12] = [
    "resource",
    "path",
    "httpMethod",
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "pathParameters",
    "stageVariables",
    "requestContext",
    "body",
    "isBase64Encoded",
];

const CONTEXT: [&str; 16] = [
    "accountId",
    "apiId",
    "deploymentId",
    "domainName",
    "domainPrefix",
    "extendedRequestId",
    "httpMethod",
    "identity",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "resourceId",
    "resourcePath",
    "stage",
];

const IDENTITY: [&str; 12] = [
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "sourceIp",
    "user",
    "userAgent",
    "userArn",
];

fn sorted_keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn sorted<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    let mut keys: Vec<_> = keys.iter().copied().filter(|key| !key.is_empty()).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_version_one_says_what_the_table_says() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    let id = api(&[]).variable("color", "blue").register(&world).await;
    let line = "PUT //prod//one/a%2Fb//c%20d/e//?x=1&y=a+b%26&x=2&flag&=e";
    let headers = "X-MiXed-Case: one\r\nx-mixed-CASE: two\r\naUTHORIZATION: Bearer t\r\nuser-AGENT: agent/1\r\n\
        X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\nX-Forwarded-For: 203.0.113.7\r\n";
    let answer = spelled(&world, &id, line, headers).await;
    let event = event(&service);

    assert_eq!(sorted_keys(&event), sorted(&KEYS));
    assert_eq!(event["resource"], "/one/{id}/{proxy+}");
    assert_eq!(event["path"], "/one/a%2Fb//c%20d/e//", "encoding and slashes are kept, the stage is not");
    assert_eq!(event["httpMethod"], "PUT");
    assert_eq!(event["queryStringParameters"], json!({"x": "2", "y": "a b&", "flag": "", "": "e"}));
    let all = json!({"x": ["1", "2"], "y": ["a b&"], "flag": [""], "": ["e"]});
    assert_eq!(event["multiValueQueryStringParameters"], all);
    assert_eq!(event["pathParameters"], json!({"id": "a%2Fb", "proxy": "/c%20d/e/"}));
    assert_eq!(event["stageVariables"], json!({"color": "blue"}));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&Value::Null, &json!(false)));

    let headers = &event["headers"];
    assert_eq!(headers["X-MiXed-Case"], "two", "the last one wins, the client's spelling stays");
    assert_eq!(event["multiValueHeaders"]["X-MiXed-Case"], json!(["one", "two"]));
    assert_eq!((&headers["Authorization"], &headers["User-Agent"]), (&json!("Bearer t"), &json!("agent/1")));
    assert_eq!(headers["Host"], format!("{id}.execute-api.us-east-1.amazonaws.com:8080"));
    assert_eq!(headers["X-Forwarded-For"], "203.0.113.7, 127.0.0.1");
    assert_eq!(headers["X-Forwarded-Port"], world.proxy().port().to_string());
    assert_eq!(headers["X-Forwarded-Proto"], "http");
    let trace = headers["X-Amzn-Trace-Id"].as_str().unwrap();
    assert!(trace.starts_with("Root=1-67891233-abcdef012345678912345678;"), "kept and extended: {trace}");
    assert!(answer.to_lowercase().contains(&format!("x-amzn-trace-id: {}", trace.to_lowercase())), "{answer}");
    assert_eq!(sorted_keys(headers), sorted_keys(&event["multiValueHeaders"]));

    let context = &event["requestContext"];
    assert_eq!(sorted_keys(context), sorted(&CONTEXT));
    assert_eq!(context["apiId"], id);
    assert_eq!(context["domainName"], format!("{id}.execute-api.us-east-1.amazonaws.com"));
    assert_eq!(context["domainPrefix"], id);
    assert_eq!(context["httpMethod"], "PUT");
    assert_eq!(context["path"], "//prod//one/a%2Fb//c%20d/e//", "as received, the stage included");
    assert_eq!(context["protocol"], "HTTP/1.1");
    assert_eq!((&context["resourcePath"], &context["stage"]), (&json!("/one/{id}/{proxy+}"), &json!("prod")));
    let time = context["requestTime"].as_str().unwrap();
    assert!(time.len() == 26 && time.ends_with(" +0000") && &time[2..3] == "/", "{time}");
    assert!(context["requestTimeEpoch"].as_u64().unwrap() > 1_700_000_000_000);
    assert!(answer.contains(context["requestId"].as_str().unwrap()), "the id that the client is told");
    assert!(answer.contains(context["extendedRequestId"].as_str().unwrap()));

    let identity = &context["identity"];
    assert_eq!(sorted_keys(identity), sorted(&IDENTITY));
    assert_eq!((&identity["sourceIp"], &identity["userAgent"]), (&json!("127.0.0.1"), &json!("agent/1")));
    let unknown = IDENTITY.iter().filter(|key| !["sourceIp", "userAgent"].contains(key));
    assert!(unknown.into_iter().all(|key| identity[*key].is_null()), "{identity}");
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_maps_of_version_one_are_null_and_those_of_version_two_are_left_out() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    api(&[]).register(&world).await;
    send(&world, "any", "POST /one", &[], whole("")).await;
    let one = event(&service);
    for key in ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body"]
    {
        assert!(one.as_object().unwrap().contains_key(key) && one[key].is_null(), "{key}: {one}");
    }
    send(&world, "any", "POST /two", &[], whole("")).await;
    let two = event(&service);
    let expected = ["version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded"];
    assert_eq!(sorted_keys(&two), sorted(&expected));
    assert_eq!((&two["rawQueryString"], &two["isBase64Encoded"]), (&json!(""), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_version_two_says_what_the_table_says() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    let id = api(&[]).variable("color", "blue").register(&world).await;
    let line = "PATCH /prod/two/7/x%20y?x=1&y=a+b&x=2";
    let headers = "X-List: one\r\nX-LIST: two\r\nCookie: a=1; b=2\r\nCookie: c=3\r\nUser-Agent: agent/1\r\n";
    spelled(&world, &id, line, headers).await;
    let event = event(&service);
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "ANY /two/{id}/{proxy+}");
    assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/prod/two/7/x%20y"), &json!("x=1&y=a+b&x=2")));
    assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
    assert_eq!(event["headers"]["x-list"], "one,two");
    assert!(event["headers"].as_object().unwrap().keys().all(|name| *name == name.to_lowercase() && name != "cookie"));
    assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "a b"}));
    assert_eq!(event["pathParameters"]["id"], "7");
    assert_eq!(event["stageVariables"], json!({"color": "blue"}));
    assert!(event.get("multiValueHeaders").is_none() && event.get("body").is_none());
    let context = &event["requestContext"];
    let keys = [
        "accountId",
        "apiId",
        "domainName",
        "domainPrefix",
        "http",
        "requestId",
        "routeKey",
        "stage",
        "time",
        "timeEpoch",
    ];
    assert_eq!(sorted_keys(context), sorted(&keys));
    assert_eq!((&context["apiId"], &context["stage"]), (&json!(id), &json!("prod")));
    let http = json!({"method": "PATCH", "path": "/prod/two/7/x%20y", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
        "userAgent": "agent/1"});
    assert_eq!(context["http"], http);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_shown_and_kept_back_as_section_c_says() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    let id = api(&[]).register(&world).await;
    let dropped = [
        "Content-MD5",
        "Expect-Nothing",
        "Max-Forwards",
        "Proxy-Authenticate",
        "Server",
        "TE",
        "Trailer",
        "WWW-Authenticate",
    ];
    let shown = [
        "Accept",
        "Accept-Charset",
        "Accept-Encoding",
        "Age",
        "Content-Encoding",
        "Content-Type",
        "Date",
        "Pragma",
        "Range",
        "Referer",
        "Via",
        "Warn",
        "X-Own",
    ];
    let lines: String = dropped.iter().chain(&shown).map(|name| format!("{name}: v\r\n")).collect();
    spelled(&world, &id, "POST /prod/one", &lines).await;
    let event = event(&service);
    for name in dropped.into_iter().filter(|name| *name != "Expect-Nothing").chain(["Connection"]) {
        assert!(event["headers"].get(name).is_none() && event["multiValueHeaders"].get(name).is_none(), "{name}");
    }
    for name in shown {
        assert_eq!(event["headers"][name], "v", "{name}");
    }
}

/// The API's binary media types, the request's type, what is sent, what the event has; `None` in a fidelity that differs.
type BodyRow = (&'static [&'static str], &'static str, &'static [u8], &'static str, bool);

const RAW: &[u8] = b"\x89PNG\r\n\x1a\n\xff";

#[rustfmt::skip]
const BODIES: [BodyRow; 8] = [
    (&["image/png"], "image/png", RAW, "iVBORw0KGgr/", true),
    (&["image/*"], "image/png; q=1", RAW, "iVBORw0KGgr/", true),
    (&["*/*"], "text/plain", b"a \"b\"\n\x00", "YSAiYiIKAA==", true),
    (&["application/json"], "application/json", b"{}", "e30=", true),
    (&["image/png"], "text/plain", b"a \"b\"\\\n\x00\xc3\xa4", "a \"b\"\\\n\0\u{e4}", false),
    (&[], "image/png", b"abc", "abc", false),
    (&["application/json"], "", b"{}", "e30=", true),
    (&["*/test"], "*/test", b"abc", "abc", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_base64_or_text_by_its_media_type() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    for (number, (binary, ..)) in BODIES.iter().enumerate() {
        for (fidelity, name) in FIDELITIES {
            let mut api = Api::at(format!("{name}{number}")).binary(binary).fidelity(fidelity);
            api.route("POST", "/f", aws_proxy("f"));
            api.register(&world).await;
        }
    }
    for (number, (_, kind, sent, body, flag)) in BODIES.iter().enumerate() {
        for ((_, name), framing) in FIDELITIES
            .into_iter()
            .zip(Framing::ALL)
            .chain(FIDELITIES.into_iter().zip([Framing::Chunked, Framing::Sized]))
        {
            let headers = [("content-type", *kind)];
            let headers = if kind.is_empty() { &[] } else { &headers[..] };
            send(&world, &format!("{name}{number}"), "POST /f", headers, framing.body(sent)).await;
            let event = event(&service);
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(body), &json!(flag)), "{name} {number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_is_damaged_only_where_the_hosted_gateway_would() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    for (fidelity, name) in FIDELITIES {
        let mut api = Api::at(name).fidelity(fidelity);
        api.route("POST", "/f", aws_proxy("f"));
        api.register(&world).await;
        send(&world, name, "POST /f", &[("content-type", "image/png")], whole(RAW)).await;
        let event = event(&service);
        let expected = match fidelity {
            Fidelity::Aws => ("\u{fffd}PNG\r\n\u{1a}\n\u{fffd}", false),
            _ => ("iVBORw0KGgr/", true),
        };
        assert_eq!((event["body"].as_str().unwrap(), event["isBase64Encoded"].as_bool().unwrap()), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_two_asks_the_content_type_alone() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    // A list of binary media types means nothing to it.
    api(&["text/plain"]).register(&world).await;
    for (kind, text) in [
        ("text/plain", true),
        ("TEXT/HTML; Charset=UTF-8", true),
        ("application/json", true),
        ("application/xml", true),
        ("application/javascript", true),
        ("application/graphql; charset=utf-8", true),
        ("text/plain; charset=iso-8859-1", false),
        ("application/x-www-form-urlencoded", false),
        ("multipart/form-data; boundary=b", false),
        ("image/png", false),
        ("application/unknown", false),
        ("", false),
    ] {
        let headers = [("content-type", kind)];
        let headers = if kind.is_empty() { &[] } else { &headers[..] };
        send(&world, "any", "POST /two", headers, whole("abc")).await;
        let event = event(&service);
        let expected = if text { ("abc", false) } else { ("YWJj", true) };
        assert_eq!((event["body"].as_str().unwrap(), event["isBase64Encoded"].as_bool().unwrap()), expected, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_that_is_empty_is_none() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    for (name, binary) in [("any", &[][..]), ("bytes", &["*/*"])] {
        let mut api = Api::at(name).binary(binary);
        api.route("POST", "/one", aws_proxy("f"));
        api.route("POST", "/two", aws_proxy_v2("f"));
        api.register(&world).await;
        for kind in ["", "text/plain", "image/png"] {
            let headers = [("content-type", kind)];
            let headers = if kind.is_empty() { &[] } else { &headers[..] };
            for (path, absent) in [("/one", Some(&Value::Null)), ("/two", None)] {
                send(&world, name, &format!("POST {path}"), headers, Framing::Chunked.body(b"")).await;
                let event = event(&service);
                assert_eq!((event.get("body"), &event["isBase64Encoded"]), (absent, &json!(false)), "{name} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_keeps_the_base_path_and_loses_the_stage() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    let mut api = Api::at("base.test").below("my/base");
    api.route("GET", "/items/{id}", aws_proxy("f"));
    api.register(&world).await;
    for target in ["/my/base/items/a%20b", "//my/base/items/a%20b"] {
        send(&world, "base.test", &format!("GET {target}"), &[], whole("")).await;
        let event = event(&service);
        assert_eq!((&event["path"], &event["resource"]), (&json!("/my/base/items/a%20b"), &json!("/items/{id}")));
        assert_eq!(event["pathParameters"], json!({"id": "a%20b"}));
        assert_eq!(event["requestContext"]["path"], target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_and_templates_of_a_proxy_change_nothing() {
    let service = service().await;
    let world = world_at(service.address(), &[]).await;
    let mut api = Api::at("any");
    let members = json!({
        "requestParameters": {
            "integration.request.header.X-Amz-Invocation-Type": "'Event'",
            "integration.request.querystring.q": "'1'",
        },
        "requestTemplates": {"application/json": "replaced"},
        "contentHandling": "CONVERT_TO_BINARY",
    });
    api.route("POST", "/f", with(aws_proxy("f"), members));
    api.register(&world).await;
    send(&world, "any", "POST /f", &[("content-type", "application/json")], whole("[1]")).await;
    let call = service.take().unwrap();
    assert!(call.all("x-amz-invocation-type").is_empty());
    let event = harness::functions::json_of(&call);
    assert_eq!((&event["body"], &event["queryStringParameters"]), (&json!("[1]"), &Value::Null));
}
