//! Where requests go and what the gateway answers itself: sections c, d and e of the specification, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::upstream::{Upstream, whole};
use harness::world::document;
use harness::{World, client};
use http_body_util::{Empty, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::json;
use std::net::SocketAddr;

fn header<'a>(mirrored: &'a serde_json::Value, name: &str) -> Vec<&'a str> {
    let lines = mirrored["headers"].as_array().unwrap();
    lines.iter().filter(|line| line[0] == name).map(|line| line[1].as_str().unwrap()).collect()
}

async fn send(proxy: SocketAddr, method: &str, host: &str, path: &str) -> client::Answer {
    let request = Request::builder().method(method).uri(path).header("host", host).body(Empty::<Bytes>::new()).unwrap();
    client::call(proxy, request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_find_their_route_by_host_stage_method_and_path() {
    let upstream = Upstream::mirror("up").await;
    let world = World::start(1).await;
    let to = |path: &str| format!("http://{}{path}", upstream.address);
    let routes = [
        ("POST", "/test", to("/post-test")),
        ("OPTIONS", "/{proxy+}", to("/options/{proxy}")),
        ("GET", "/images/{id}", to("/get/{id}?from=uri")),
        ("ANY", "/images/{id}", to("/any/{id}")),
        ("GET", "/images/latest", to("/latest")),
    ];
    let api = world.register_at(&document("routes", &routes), "api.test", "v1").await.rest_api.unwrap().id;
    let proxy = world.proxy();
    let execute_api = format!("{api}.execute-api.eu-west-1.amazonaws.com");
    let cases: &[(&str, &str, &str, &str, &str)] = &[
        ("POST", "api.test", "/v1/test", "POST", "/post-test"),
        ("POST", "API.TEST:8080", "/v1/test/", "POST", "/post-test"),
        ("OPTIONS", "api.test", "/v1/test", "OPTIONS", "/options/test"),
        ("GET", "api.test", "/v1/images/7%2Fb?x=1&x=2", "GET", "/get/7%2Fb?from=uri&x=1&x=2"),
        ("GET", "api.test", "/v1/images/latest", "GET", "/latest"),
        ("DELETE", "api.test", "/v1/images/latest", "DELETE", "/any/latest"),
        ("PUT", &execute_api, "/prod/images/7", "PUT", "/any/7"),
        ("PUT", &execute_api, "//prod//images/7", "PUT", "/any/7"),
        ("OPTIONS", &execute_api, "/prod/a//b/", "OPTIONS", "/options/a//b"),
    ];
    for (method, host, path, up_method, up_target) in cases {
        let answer = send(proxy, method, host, path).await;
        assert_eq!(answer.status, 200, "{method} {host} {path}: {}", answer.text());
        let mirrored = answer.json();
        assert_eq!(
            (&mirrored["method"], &mirrored["target"]),
            (&json!(up_method), &json!(up_target)),
            "{method} {path}"
        );
    }
    let refused: &[(&str, &str, &str, u16, &str, &str)] = &[
        ("GET", "api.test", "/v1/none", 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("GET", "api.test", "/v1/test", 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("GET", "api.test", "/v2/images/7", 403, "ForbiddenException", "Forbidden"),
        ("GET", &execute_api, "/dev/images/7", 403, "ForbiddenException", "Forbidden"),
        ("GET", "other.test", "/v1/images/7", 404, "NotFoundException", "Not Found"),
        ("GET", "api.test", "/v1/images/%2e%2e", 400, "BadRequestException", "a path parameter holds a dot segment"),
    ];
    for (method, host, path, status, kind, message) in refused {
        let answer = send(proxy, method, host, path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-amzn-errortype")),
            (*status, *kind),
            "{method} {host} {path}"
        );
        assert_eq!(answer.text(), format!(r#"{{"message":"{message}"}}"#));
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!((answer.header("x-amzn-requestid").len(), answer.header("x-amz-apigw-id").len()), (36, 16));
    }
    let request = Request::get("/v1/none").header("host", "api.test").header("authorization", "Bearer x");
    let answer = client::call(proxy, request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(answer.header("x-amzn-errortype"), "IncompleteSignatureException");
    assert!(
        answer.text().starts_with(r#"{"message":"Invalid key=value pair (missing equal-sign) in Authorization header"#)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn request_heads_are_rewritten_as_the_specification_says() {
    let upstream = Upstream::mirror("up").await;
    let world = World::start(1).await;
    let mut document = document("heads", &[("POST", "/in", format!("http://{}/in", upstream.address))]);
    document["paths"]["/in"]["post"]["x-amazon-apigateway-integration"]["requestParameters"] = json!({
        "integration.request.header.X-Stage": "context.stage",
        "integration.request.header.X-Agent": "context.identity.userAgent",
        "integration.request.header.Accept": "'image/webp'",
        "integration.request.querystring.who": "method.request.header.X-Who",
        "integration.request.querystring.none": "method.request.querystring.none",
    });
    document["paths"]["/in"]["post"]["parameters"] = json!([
        {"name": "X-Who", "in": "header", "schema": {"type": "string"}},
        {"name": "none", "in": "query", "schema": {"type": "string"}},
    ]);
    let api = world.register(&document).await.rest_api.unwrap().id;
    let request = Request::post("/in?a=1")
        .header("host", "api.test")
        .header("user-agent", "tester")
        .header("accept", "image/png")
        .header("x-who", "me & you")
        .header("connection", "x-private, keep-alive")
        .header("x-private", "1")
        .header("via", "1.1 other")
        .header("x-forwarded-for", "203.0.113.9")
        .header("cookie", "c=1")
        .body(Full::new(Bytes::from("body")))
        .unwrap();
    let answer = client::call(world.proxy(), request).await.unwrap().json();
    assert_eq!(answer["target"], "/in?a=1&who=me%20%26%20you");
    assert_eq!(header(&answer, "x-stage"), ["prod"]);
    assert_eq!(header(&answer, "x-agent"), ["tester"]);
    assert_eq!(header(&answer, "accept"), ["image/webp"]);
    assert_eq!(header(&answer, "cookie"), ["c=1"]);
    assert_eq!(header(&answer, "content-length"), ["4"]);
    assert_eq!(header(&answer, "host"), [upstream.address.to_string()]);
    assert_eq!(header(&answer, "x-forwarded-for"), ["203.0.113.9, 127.0.0.1"]);
    assert_eq!(header(&answer, "x-forwarded-proto"), ["http"]);
    assert_eq!(header(&answer, "x-forwarded-port"), [world.proxy().port().to_string()]);
    assert_eq!(header(&answer, "x-amzn-apigateway-api-id"), [api]);
    assert!(header(&answer, "x-amzn-trace-id")[0].starts_with("Root=1-"));
    for gone in ["connection", "x-private", "via", "transfer-encoding"] {
        assert!(header(&answer, gone).is_empty(), "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn response_heads_are_rewritten_as_the_specification_says() {
    let echo = Upstream::http(|_| async {
        let mut response = Response::new(whole("x"));
        for (name, value) in [
            ("server", "up/1"),
            ("date", "Mon, 01 Jan 2024 00:00:00 GMT"),
            ("www-authenticate", "Basic"),
            ("x-amzn-requestid", "theirs"),
            ("via", "1.1 up"),
            ("set-cookie", "a=1"),
            ("etag", "\"e\""),
            ("keep-alive", "timeout=5"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
        ] {
            response.headers_mut().append(name, value.parse().unwrap());
        }
        response.headers_mut().append("set-cookie", "b=2".parse().unwrap());
        response
    })
    .await;
    let world = World::start(1).await;
    world.register(&document("heads", &[("GET", "/out", format!("http://{}/", echo.address))])).await;
    let out = client::get(world.proxy(), "api.test", "/out").await;
    assert_eq!(out.header("x-amzn-remapped-server"), "up/1");
    assert_eq!(out.header("x-amzn-remapped-date"), "Mon, 01 Jan 2024 00:00:00 GMT");
    assert_eq!(out.header("x-amzn-remapped-www-authenticate"), "Basic");
    assert_eq!(out.header("x-amzn-remapped-x-amzn-requestid"), "theirs");
    assert_eq!(out.header("x-amzn-remapped-content-length"), "1");
    assert_eq!(out.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!((out.header("etag"), out.header("content-type")), ("\"e\"", "application/json"));
    assert_ne!(out.header("date"), "Mon, 01 Jan 2024 00:00:00 GMT");
    for gone in ["via", "keep-alive", "x-hop", "www-authenticate", "server"] {
        assert_eq!(out.header(gone), "", "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_that_fail_have_their_answers() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Upstream::http(|_| std::future::pending()).await;
    let garbage = Upstream::canned(b"this is not HTTP\r\n\r\n").await;
    let nothing =
        Upstream::tcp(|mut stream| async move { drop(harness::upstream::read_head(&mut stream).await) }).await;
    let world = World::start(1).await;
    let mut document = document(
        "failing",
        &[
            ("GET", "/refused", format!("http://{free}/")),
            ("GET", "/silent", format!("http://{}/", silent.address)),
            ("GET", "/garbage", format!("http://{}/", garbage.address)),
            ("GET", "/nothing", format!("http://{}/", nothing.address)),
            ("GET", "/unresolved", "http://${stageVariables.nowhere}/".to_owned()),
            ("GET", "/illegal", format!("http://{}/", silent.address)),
            ("GET", "/name", "http://no-such-host.invalid/".to_owned()),
        ],
    );
    document["paths"]["/silent"]["get"]["x-amazon-apigateway-integration"]["timeoutInMillis"] = json!(50);
    document["paths"]["/illegal"]["get"]["x-amazon-apigateway-integration"]["requestParameters"] =
        json!({"integration.request.header.Content-Length": "'3'"});
    world.register(&document).await;
    let network = r#"{"message": "Network error communicating with endpoint"}"#;
    let internal = r#"{"message": "Internal server error"}"#;
    let cases = [
        ("/refused", 504, network),
        ("/garbage", 504, network),
        ("/nothing", 504, network),
        ("/name", 504, network),
        ("/silent", 504, r#"{"message": "Endpoint request timed out"}"#),
        ("/unresolved", 500, internal),
        ("/illegal", 500, internal),
    ];
    for (path, status, body) in cases {
        let answer = client::get(world.proxy(), "any", path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{path}");
        assert_eq!(answer.header("x-amzn-errortype"), "InternalServerErrorException", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_yet_is_closed_and_says_so_to_operators() {
    let world = World::start(1).await;
    let mut document = document("later", &[("GET", "/signed", "http://127.0.0.1:1/".to_owned())]);
    document["paths"]["/function"]["post"]["x-amazon-apigateway-integration"] = json!({
        "type": "aws_proxy", "httpMethod": "POST",
        "uri": "arn:aws:apigateway:us-east-1:firehose:action/PutRecord",
    });
    document["paths"]["/signed"]["get"]["x-amazon-apigateway-auth"] = json!({"type": "AWS_IAM"});
    world.register(&document).await;
    assert_eq!(client::get(world.proxy(), "any", "/signed").await.status, 500);
    assert_eq!(client::post(world.proxy(), "any", "/function", "a/b", "x").await.status, 500);
    let routes = world.cli(&["routes", "--output", "json"]);
    let routes: serde_json::Value = serde_json::from_slice(&routes.stdout).unwrap();
    let problems: Vec<_> =
        routes["items"].as_array().unwrap().iter().map(|route| route["problem"].as_str().unwrap()).collect();
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|problem| problem.contains("not served by this version")), "{problems:?}");
}
