//! Bad input to the management API: a clear error with every violation, nothing changed, the process lives.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::upstream::Upstream;
use harness::world::document;
use penstock_proto::management::v1::{ApplyFragmentRequest, ImportRestApiRequest, integration};
use serde_json::json;

async fn refused(world: &World, document: impl Into<Vec<u8>>) -> String {
    let request = ImportRestApiRequest { document: document.into(), ..Default::default() };
    let status = world.rest_apis().await.import_rest_api(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
    status.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_cannot_be_served_name_every_violation_and_change_nothing() {
    let mut world = World::start(1).await;
    let before = world.published().await;
    assert!(refused(&world, "{").await.contains("Invalid OpenAPI input"));
    assert!(refused(&world, "").await.contains("Invalid OpenAPI input"));
    assert!(refused(&world, vec![0xff; 100]).await.contains("Invalid OpenAPI input"));
    assert!(refused(&world, "[".repeat(100_000)).await.contains("Invalid OpenAPI input"));
    let integration = |uri: &str, timeout: i32| {
        json!({"x-amazon-apigateway-integration": {
            "type": "http_proxy", "httpMethod": "GET", "uri": uri, "timeoutInMillis": timeout,
        }})
    };
    let bad = json!({"openapi": "3.0.1", "info": {"title": "bad", "version": "1"}, "paths": {
        "/a": {"get": integration("ftp://x/", 1000), "post": integration("http://up/", 1)},
        "/b/{x}": {"get": integration("http://up/", 1000)},
        "/b/{y}": {"get": integration("http://up/", 1000)},
        "/c/{greedy+}/d": {"get": integration("http://up/", 1000)},
    }});
    let message = refused(&world, bad.to_string()).await;
    for place in ["/paths/~1a/get", "/paths/~1a/post", "/paths/~1b~1{y}", "/paths/~1c~1{greedy+}~1d"] {
        assert!(message.contains(place), "{place} is missing in: {message}");
    }
    assert_eq!(world.published().await, before);
    assert!(world.control.is_alive());
    // The next request works.
    let upstream = Upstream::mirror("up").await;
    world.register(&document("good", &[("GET", "/x", format!("http://{}/", upstream.address))])).await;
    assert_eq!(harness::client::get(world.proxy(), "any", "/x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_from_the_documentation_are_taken_as_they_are() {
    let world = World::start(1).await;
    let upstream = Upstream::mirror("up").await;
    let api = world.register(&document("api", &[("GET", "/x", format!("http://{}/", upstream.address))])).await;
    let id = api.rest_api.unwrap().id;
    let mut client = world.rest_apis().await;
    let fragment = |document: serde_json::Value, path: &str, method: &str| ApplyFragmentRequest {
        rest_api_id: id.clone(),
        document: document.to_string().into(),
        path: path.into(),
        http_method: method.into(),
        revision: 0,
    };
    let proxy = json!({
        "IntegrationType": "HTTP_PROXY", "IntegrationHttpMethod": "POST",
        "IntegrationUri": format!("http://{}/upload", upstream.address), "ContentHandling": "PASSTHROUGH",
    });
    let answer = client.apply_fragment(fragment(proxy, "/images", "POST")).await.unwrap().into_inner();
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    world.settled().await;
    let served = harness::client::post(world.proxy(), "any", "/images", "image/jpeg", "x").await.json();
    assert_eq!(served["target"], "/upload");

    let lambda = json!({
        "ContentHandling": "PASSTHROUGH", "Type": "HTTP_PROXY",
        "IntegrationResponse": {
            "ContentHandling": "PASSTHROUGH",
            "ResponseParameters": {"integration.response.header.Content-Type": "method.response.header.Content-Type"},
            "ResponseTemplates": {}, "StatusCode": "200",
        },
        "RequestParameters": {}, "RequestTemplates": {},
        "Uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:my-image-processor/invocations",
    });
    let answer = client.apply_fragment(fragment(lambda, "/function/images", "POST")).await.unwrap().into_inner();
    let method = answer.method.unwrap().method_integration.unwrap();
    assert_eq!(method.r#type(), integration::Type::Aws);
    let parameters = &method.integration_responses["200"].response_parameters;
    assert_eq!(parameters["method.response.header.Content-Type"], "integration.response.header.Content-Type");
    let said = answer.warnings.iter().map(|warning| warning.message.clone()).collect::<Vec<_>>().join("\n");
    assert!(said.contains("AWS") && answer.warnings.len() >= 2, "{said}");

    let types = json!({"binaryMediaTypes": ["image/jpeg", "image/png", "application/octet-stream"]});
    let answer = client.apply_fragment(fragment(types, "", "")).await.unwrap().into_inner();
    assert_eq!(answer.rest_api.unwrap().binary_media_types, ["image/jpeg", "image/png", "application/octet-stream"]);
}
