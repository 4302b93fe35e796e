//! `AWS` integrations of services other than functions: objects in and out of a bucket without a function, signed and
//! streamed; actions in the query or in a header.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::content::{Api, Framing, Recorded, Recorder, reply, send, with};
use harness::functions::{CREDENTIALS, aws_service};
use harness::payload::{self, noise_body};
use harness::upstream::{Body, Upstream, hex, whole};
use harness::{World, client, memory, sized};
use http_body_util::BodyExt as _;
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

async fn world_at(service: &str, address: SocketAddr) -> World {
    let endpoint = format!("{service}=http://{address}");
    World::start_in(1, &["--aws-endpoint", &endpoint], &CREDENTIALS).await
}

/// Objects of the bucket `photos`, by the key in the path.
fn bucket(method: &str) -> Value {
    let members = json!({
        "httpMethod": method,
        "requestParameters": {"integration.request.path.key": "method.request.path.key"},
        "responses": {
            "default": {"statusCode": "200", "contentHandling": "CONVERT_TO_BINARY", "responseParameters": {
                "method.response.header.Content-Type": "integration.response.header.Content-Type",
                "method.response.header.ETag": "integration.response.header.ETag",
            }},
            "404": {"statusCode": "404"},
        },
    });
    with(aws_service("arn:aws:apigateway:eu-central-1:s3:path/photos/{key}"), members)
}

/// A bucket that keeps what is put into it and, like S3, takes no body of unknown length.
fn keeps(
    objects: &Arc<Mutex<BTreeMap<String, (String, bytes::Bytes)>>>,
) -> impl Fn(&Recorded) -> Response<Body> + Clone + Send + Sync + 'static {
    let objects = Arc::clone(objects);
    move |call| {
        let mut objects = objects.lock().unwrap();
        match call.method.as_str() {
            "PUT" if call.all("content-length").is_empty() => reply(411, &[], whole("MissingContentLength")),
            "PUT" => {
                let kind = call.all("content-type").first().copied().unwrap_or_default().to_owned();
                objects.insert(call.target.clone(), (kind, call.body.clone().unwrap()));
                reply(200, &[("etag", "\"1\"")], whole(""))
            }
            "GET" => match objects.get(&call.target) {
                Some((kind, bytes)) => reply(200, &[("content-type", kind), ("etag", "\"1\"")], whole(bytes.clone())),
                None => reply(404, &[("content-type", "application/xml")], whole("<Error/>")),
            },
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_goes_into_a_bucket_and_comes_out_the_same() {
    let objects = Arc::default();
    let s3 = Recorder::start(keeps(&objects)).await;
    let world = world_at("s3", s3.address()).await;
    let mut api = Api::at("any").binary(&["image/*"]);
    for method in ["GET", "PUT"] {
        api.route(method, "/objects/{key+}", bucket(method));
    }
    api.register(&world).await;
    let picture = b"\x89PNG\r\n\x1a\n\xff\x00".repeat(1000);
    for framing in Framing::ALL {
        // As browsers and curl write it; the store gets what its signature is computed over.
        let key = format!("a%20b/({framing:?})+%c3%a4.png");
        let stored = format!("a%20b/%28{framing:?}%29%2B%C3%A4.png");
        let put = send(
            &world,
            "any",
            &format!("PUT /objects/{key}"),
            &[("content-type", "image/png")],
            framing.body(&picture),
        )
        .await;
        assert_eq!((put.status.as_u16(), put.header("etag")), (200, "\"1\""), "{}", put.text());
        let call = s3.take().unwrap();
        assert_eq!((call.method.as_str(), call.target.as_str()), ("PUT", &*format!("/photos/{stored}")));
        assert_eq!(call.all("content-length"), [picture.len().to_string()], "{framing:?}");
        let hash = match framing {
            // Its length is known, so it streams, and the signature does not cover it.
            Framing::Sized => "UNSIGNED-PAYLOAD".to_owned(),
            // It had to be collected to know its length.
            Framing::Chunked => hex(&sha256(&picture)),
        };
        assert_eq!(call.all("x-amz-content-sha256"), [hash]);
        let scope = call.all("authorization")[0];
        assert!(
            scope.contains(
                "/eu-central-1/s3/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date"
            ),
            "{scope}"
        );
        let got = send(&world, "any", &format!("GET /objects/{key}"), &[("accept", "image/png")], whole("")).await;
        assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "image/png"));
        assert!(got.body == picture);
        s3.take();
    }
    let missing = send(&world, "any", "GET /objects/none", &[], whole("")).await;
    assert_eq!(missing.status, 404);
    s3.take();
    // A slash that the client escaped is one for the store, so what stands between two of them is a segment.
    for key in ["%2e%2e%2fsecret", "..%2Fsecret", "a%2f..%2f..%2fx", "a%2f%2e%2e", ".%2fx"] {
        let out = send(&world, "any", &format!("GET /objects/{key}"), &[], whole("")).await;
        assert_eq!((out.status.as_u16(), s3.take().is_none()), (400, true), "{key}");
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_stream_both_ways_in_flat_memory() {
    let total = sized(96, 1024) * 1024 * 1024;
    let upstream = Upstream::http(move |request| async move {
        if request.method() == hyper::Method::PUT {
            assert_eq!(request.headers()["content-length"], total.to_string());
            let (length, sum) = payload::drain(request.into_body()).await.unwrap();
            return reply(200, &[("etag", &format!("\"{length} {}\"", hex(&sum)))], whole(""));
        }
        let (body, _) = noise_body(9, total, 64 * 1024, Duration::ZERO);
        let mut response = Response::new(body.map_err(|never| match never {}).boxed());
        response.headers_mut().insert("content-type", "image/raw".parse().unwrap());
        response
    })
    .await;
    let world = world_at("s3", upstream.address).await;
    let mut api = Api::at("any").binary(&["image/*"]);
    for method in ["GET", "PUT"] {
        api.route(method, "/objects/{key+}", bucket(method));
    }
    api.register(&world).await;
    let before = memory::resident_bytes(world.proxies[0].pid());
    let (body, sum) = noise_body(9, total, 64 * 1024, Duration::ZERO);
    let request = Request::put("/objects/big").header("host", "any").header("content-type", "image/raw");
    let request = request.header("content-length", total).body(body).unwrap();
    let put = client::call(world.proxy(), request).await.unwrap();
    let expected = sum.await.unwrap();
    assert_eq!(put.header("etag"), format!("\"{total} {}\"", hex(&expected)));
    let request =
        Request::get("/objects/big").header("host", "any").header("accept", "image/raw").body(whole("")).unwrap();
    let response = client::Connection::open(world.proxy()).await.send(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "image/raw");
    let (length, got) = payload::drain(response.into_body()).await.unwrap();
    assert_eq!((length, got), (total, expected));
    let grown = memory::resident_bytes(world.proxies[0].pid()).saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{grown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_asked_for_as_their_service_wants_it() {
    for (service, action, target, header) in [
        ("sns", "Publish&Version=2010-03-31", "/?Action=Publish&Version=2010-03-31&Message=a%20b", None),
        ("dynamodb", "GetItem", "/?Message=a%20b", Some("DynamoDB_20120810.GetItem")),
    ] {
        let recorder = Recorder::start(|_| reply(200, &[("content-type", "application/json")], whole("{}"))).await;
        let world = world_at(service, recorder.address()).await;
        let mut api = Api::at("any");
        let uri = format!("arn:aws:apigateway:eu-west-1:{service}:action/{action}");
        let members = json!({"requestParameters": {
            "integration.request.querystring.Message": "method.request.querystring.m",
        }});
        api.route("POST", "/act", with(aws_service(&uri), members));
        api.register(&world).await;
        let answer =
            send(&world, "any", "POST /act?m=a%20b", &[("content-type", "application/json")], whole("{}")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "{}"));
        let call = recorder.take().unwrap();
        assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", target));
        assert_eq!(call.all("x-amz-target").first().copied(), header);
        assert!(call.all("authorization")[0].contains(&format!("/eu-west-1/{service}/aws4_request")));
        assert!(call.all("x-amz-content-sha256").is_empty(), "only S3 wants it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_told_so_signs_nothing_and_looks_for_no_credentials() {
    let s3 = Recorder::start(|_| reply(200, &[], whole("an object"))).await;
    let endpoint = format!("s3=http://{}/prefix/", s3.address());
    let world = World::start_in(1, &["--aws-endpoint", &endpoint, "--aws-signing", "none"], &[]).await;
    let mut api = Api::at("any");
    api.route("GET", "/objects/{key+}", bucket("GET"));
    api.register(&world).await;
    let members = [("accept", "text/plain")];
    let answer = send(&world, "any", "GET /objects/k", &members, whole("")).await;
    // What came is no base64, which the integration response wants it to be.
    assert_eq!(answer.status, 500);
    let call = s3.take().unwrap();
    assert_eq!(call.target, "/prefix/photos/k");
    assert!(call.all("authorization").is_empty() && call.all("x-amz-date").is_empty());
}
