//! Bytes that one API turns into text and the next one back: nothing is lost between the two.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, FIDELITIES, Framing, Recorder, http, reply, send, with};
use serde_json::json;

/// Every byte value, at every place of a group of three.
fn every_byte_value() -> Vec<u8> {
    (0..=u8::MAX).chain(0..=u8::MAX).chain(0..=u8::MAX).chain([0, 0xff]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_api_encodes_the_next_decodes() {
    let world = World::start(1).await;
    let proxy = world.proxy();
    // What arrives at the end goes back as it is, so both ways are travelled.
    let recorder = Recorder::start(|request| {
        reply(200, &[("content-type", "image/png")], Framing::Chunked.body(request.body.as_ref().unwrap()))
    })
    .await;
    for (fidelity, name) in FIDELITIES {
        let mut decoding = Api::at(format!("decoding.{name}")).fidelity(fidelity).binary(&["image/png"]);
        let integration = json!({
            "contentHandling": "CONVERT_TO_BINARY",
            "requestParameters": {"integration.request.header.Content-Type": "'image/png'"},
            "responses": {"default": {"statusCode": "200", "contentHandling": "CONVERT_TO_TEXT"}},
        });
        decoding.route("POST", "/", with(http(recorder.uri("/")), integration));
        decoding.register(&world).await;
        let mut encoding = Api::at(format!("encoding.{name}")).fidelity(fidelity).binary(&["image/png"]);
        let integration = json!({
            "contentHandling": "CONVERT_TO_TEXT",
            "requestParameters": {
                "integration.request.header.Host": format!("'decoding.{name}'"),
                "integration.request.header.Content-Type": "'text/plain'",
            },
            "responses": {"default": {"statusCode": "200", "contentHandling": "CONVERT_TO_BINARY"}},
        });
        encoding.route("POST", "/", with(http(format!("http://{proxy}/")), integration));
        encoding.register(&world).await;
        let all = every_byte_value();
        let mut bodies: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
        bodies.extend((0..=5).map(|length| all[250..250 + length].to_vec()));
        bodies.push(all);
        for body in bodies {
            for framing in Framing::ALL {
                let row = format!("{name} {framing:?} {} bytes: {}", body.len(), body.escape_ascii());
                let headers = [("content-type", "image/png"), ("accept", "image/png")];
                let answer = send(&world, &format!("encoding.{name}"), "POST /", &headers, framing.body(&body)).await;
                let recorded = recorder.take().unwrap_or_else(|| panic!("{row}: {} {:?}", answer.status, answer.body));
                assert!(recorded.body.as_deref() == Some(&body), "{row}: arrived as {:?}", recorded.body);
                assert!(answer.body == body && answer.status == 200, "{row}: came back as {answer:?}");
            }
        }
    }
}
