//! Integrations that call functions and other services, and a proxy that calls them at a server of the test's own.

use crate::World;
use crate::content::{Recorded, Recorder};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What proxies of tests sign with: nobody's.
pub const CREDENTIALS: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("AWS_SESSION_TOKEN", "session-token-that-nobody-may-see"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// The ARN of a function.
pub fn arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:123456789012:function:{name}")
}

/// The URI of an integration that calls it.
pub fn uri(function: &str) -> String {
    format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations")
}

/// The URI of an integration that calls it for a stream.
pub fn streaming_uri(function: &str) -> String {
    format!("arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{function}/response-streaming-invocations")
}

/// An `AWS_PROXY` integration of a function.
pub fn aws_proxy(name: &str) -> Value {
    json!({"type": "aws_proxy", "httpMethod": "POST", "uri": uri(&arn(name))})
}

/// The same with events and answers of version 2.0.
pub fn aws_proxy_v2(name: &str) -> Value {
    json!({"type": "aws_proxy", "httpMethod": "POST", "uri": uri(&arn(name)), "payloadFormatVersion": "2.0"})
}

/// The same whose answer streams.
pub fn aws_proxy_streamed(name: &str) -> Value {
    let uri = streaming_uri(&arn(name));
    json!({"type": "aws_proxy", "httpMethod": "POST", "uri": uri, "responseTransferMode": "STREAM"})
}

/// An `AWS` integration of a function, with the one integration response that every result gets.
pub fn aws(name: &str) -> Value {
    aws_service(&uri(&arn(name)))
}

/// An `AWS` integration of whatever the ARN says.
pub fn aws_service(uri: &str) -> Value {
    json!({"type": "aws", "httpMethod": "POST", "uri": uri, "responses": {"default": {"statusCode": "200"}}})
}

/// One proxy that calls functions at this address, with further arguments.
pub async fn world_at(service: SocketAddr, arguments: &[&str]) -> World {
    let endpoint = format!("http://{service}");
    let mut all = vec!["--lambda-endpoint", &endpoint];
    all.extend_from_slice(arguments);
    World::start_in(1, &all, &CREDENTIALS).await
}

/// The event that the service was sent.
pub fn event(recorder: &Recorder) -> Value {
    json_of(&recorder.take().expect("the function was called"))
}

/// The event of one recorded call.
pub fn json_of(recorded: &Recorded) -> Value {
    let body = recorded.body.as_ref().expect("the event came whole");
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}
