//! The life of one request: path, method, handler, answer, log line.
//!
//! Called by `server` for each request of a connection. It never fails: whatever goes wrong is an answer.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};

use crate::admission::Admission;
use crate::refusal::Refusal;
use crate::request_line::RequestLine;
use crate::upload;

/// Answers one request.
pub(crate) async fn respond(request: Request<Incoming>, admission: Admission) -> Response<Full<Bytes>> {
    let (head, mut body) = request.into_parts();
    let mut line = RequestLine::open(&head);
    let outcome = route(&head, &mut body, &admission, &mut line).await;
    // A client that still waits for permission to send has nothing on the way, and asking for it now would be unkind.
    let waits_for_permission = head.headers.contains_key(EXPECT) && line.received_bytes == 0;
    if !body.is_end_stream() && !waits_for_permission {
        upload::discard(&mut body, &mut line).await;
    }
    let (response, refusal) = match outcome {
        Ok(response) => (response, None),
        Err(refusal) => (refusal.to_response(), Some(refusal)),
    };
    let sent_bytes = response.body().size_hint().lower();
    line.answered(response.status().as_u16(), sent_bytes, refusal.as_ref());
    response
}

async fn route(
    head: &Parts,
    body: &mut Incoming,
    admission: &Admission,
    line: &mut RequestLine,
) -> Result<Response<Full<Bytes>>, Refusal> {
    match (head.uri.path(), &head.method) {
        ("/upload", &Method::POST) => upload::answer(head, body, admission, line).await,
        ("/upload", _) => Err(Refusal::Method { allow: "POST" }),
        ("/health", &(Method::GET | Method::HEAD)) => Ok(healthy()),
        ("/health", _) => Err(Refusal::Method { allow: "GET, HEAD" }),
        _ => Err(Refusal::UnknownPath),
    }
}

fn healthy() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(r#"{"status":"ok"}"#));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
