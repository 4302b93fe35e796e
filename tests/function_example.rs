//! The example function, a real program on the official runtime crate, behind every kind of integration: the picture is the
//! one that the function gives when it is called directly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::client;
use harness::content::{Api, send, with};
use harness::functions::{aws, aws_proxy, aws_proxy_streamed, aws_proxy_v2, world_at};
use harness::lambda::{LambdaService, RealFunction};
use harness::process::repository;
use harness::upstream::whole;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_comes_back_smaller_and_the_same_through_every_integration() {
    let service = LambdaService::start().await;
    service.real("whole", RealFunction::start("image-function", &[]).await);
    service.real("streamed", RealFunction::start("image-function", &[("STREAM_RESPONSES", "true")]).await);
    let world = world_at(service.address, &[]).await;
    let mut api = Api::at("any").binary(&["image/*", "*/*"]);
    api.route("POST", "/one", aws_proxy("whole"));
    api.route("POST", "/two", aws_proxy_v2("whole"));
    api.route("POST", "/streamed", aws_proxy_streamed("streamed"));
    let to_binary = json!({"responses": {"default": {"statusCode": "200", "contentHandling": "CONVERT_TO_BINARY",
        "responseParameters": {"method.response.header.Content-Type": "'image/jpeg'"}}}});
    api.register(&world).await;
    // JSON is no binary media type here: then `CONVERT_TO_BINARY` decodes it (section a.4).
    let mut api = Api::at("custom").binary(&["image/*"]);
    api.route("POST", "/custom", with(aws("whole"), to_binary));
    api.register(&world).await;

    let photo = std::fs::read(repository().join("examples/my_image.jpg")).unwrap();
    let event = json!({"image": STANDARD.encode(&photo)}).to_string();
    let path = "/2015-03-31/functions/whole/invocations";
    let direct = client::post(service.address, "lambda", path, "application/json", event.clone()).await;
    let direct = STANDARD.decode(direct.json().as_str().unwrap()).unwrap();
    assert!(direct.starts_with(b"\xff\xd8") && direct.len() < photo.len());

    for (host, path, kind, body) in [
        ("any", "/one", "image/jpeg", photo.clone()),
        ("any", "/two", "image/jpeg", photo.clone()),
        ("any", "/streamed", "image/jpeg", photo.clone()),
        ("custom", "/custom", "application/json", event.into_bytes()),
    ] {
        // As curl asks: any type will do.
        let headers = [("content-type", kind), ("accept", "*/*")];
        let answer = send(&world, host, &format!("POST {path}"), &headers, whole(body)).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/jpeg"), "{path}");
        assert!(answer.body == direct, "{path}: {} bytes", answer.body.len());
    }
}
