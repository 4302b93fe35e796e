//! A Lambda function that takes a picture and answers it smaller, on the official runtime crate.
//!
//! Behind a proxy integration, of payload 1.0 or 2.0, an event is an HTTP request: the picture is its body, and `?width=`
//! may say how wide the answer shall be. Every other event is a custom one, `{"image": "<base64>", "width": 400}`, and its
//! result the smaller picture as a JSON string of base64, which `CONVERT_TO_BINARY` turns into bytes. `events/` has one of
//! each. The work on the picture is that of `image-resizer`, its refusals too; nothing is kept between events.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_resizer::{Refusal, Wish, shrink};
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, HeaderValue};
use lambda_http::lambda_runtime::Diagnostic;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Error, Request, RequestExt as _, Response, run, run_with_streaming_response, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // A function streams all of its answers or none: the side that calls it has to know which.
    if std::env::var("STREAM_RESPONSES").as_deref() == Ok("true") {
        run_with_streaming_response(service_fn(answer)).await
    } else {
        run(service_fn(answer)).await
    }
}

/// Answers one event. It keeps its thread busy on purpose: this process gets the next event after this one's answer.
async fn answer(event: Request) -> Result<Response<Body>, Failure> {
    match event.request_context() {
        RequestContext::PassThrough => custom(event.body()),
        _ => Ok(proxy(&event)),
    }
}

/// The HTTP answer to an HTTP request, also where that is no.
fn proxy(request: &Request) -> Response<Body> {
    let shrunk = Wish::from_query(request.uri().query()).and_then(|wish| Ok(shrink(request.body(), wish)?));
    // The runtime takes what is neither text nor JSON by its `Content-Type` for binary, and sends it as base64.
    let (status, media_type, body) = match shrunk {
        Ok(shrunk) => (StatusCode::OK, shrunk.format.media_type(), Body::from(shrunk.encoded)),
        Err(refusal) => (refusal.status(), "application/json", Body::from(refusal.to_json())),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The result of a custom event; the runtime takes the body for JSON.
fn custom(event: &[u8]) -> Result<Response<Body>, Failure> {
    let event: Value = serde_json::from_slice(event).unwrap_or_default();
    let image = event["image"].as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or(Failure::BAD_EVENT)?;
    let wish = match &event["width"] {
        Value::Null => Wish::Half,
        width => Wish::from_width(width.as_u64().ok_or(Refusal::Width)?)?,
    };
    let shrunk = shrink(&image, wish).map_err(Refusal::from)?;
    Ok(Response::new(Body::from(Value::from(STANDARD.encode(shrunk.encoded)).to_string())))
}

/// Why a custom event has no result. No status could carry it, so the function fails, and integration responses may
/// select by the message.
#[derive(Debug)]
struct Failure {
    kind: &'static str,
    message: Cow<'static, str>,
}

impl Failure {
    const BAD_EVENT: Self = Self {
        kind: "bad_event",
        message: Cow::Borrowed("The event must be a JSON object whose image is a picture in base64."),
    };
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { kind: refusal.reason(), message: refusal.message().into() }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.into(), error_message: failure.message.into() }
    }
}

#[cfg(test)]
mod tests;
