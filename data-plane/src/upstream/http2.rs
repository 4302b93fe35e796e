//! HTTP/2 towards upstreams, on the frames and tables of the library (h2): connections, requests on them, and the bodies of both
//! directions.
//!
//! Whoever holds the [`Stream`] of a request decides how long it lives: dropping it before its answer has ended resets it, and what
//! is still being sent with it. Nothing waits without a bound for room that an upstream does not give.

mod body;
mod connection;
mod sending;

pub(crate) use body::UpstreamBody;
pub(super) use connection::{Sender, Use, handshake};
pub(super) use sending::Rest;

use super::request::UpstreamRequest;
use super::shared::Stream;
use crate::body::Incoming;
use crate::error::ProxyError;
use crate::message::{Response, ResponseParts};
use crate::outgoing::OutgoingBody;
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use penstock_model::exchange::BodyLength;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Why a request was not answered.
pub(super) enum Failure {
    /// Nothing of it was sent.
    Unsent(h2::Error, Box<UpstreamRequest>),
    /// It was sent, or some of it.
    Lost(h2::Error),
    /// It cannot be said in HTTP/2.
    Unsendable(ProxyError),
}

/// Sends a request and waits for the head of the answer. The upstream may take nothing of its body for as long as `idle`.
///
/// # Errors
/// Sending or receiving failed.
pub(super) async fn exchange(
    sender: &Sender,
    request: Box<UpstreamRequest>,
    stream: &mut Stream,
    idle: Duration,
) -> Result<Response<Incoming>, Failure> {
    // Whether the connection has ended meanwhile, and the request can still be sent elsewhere.
    let mut ready = match sender.h2().ready().await {
        Ok(ready) => ready,
        Err(error) => return Err(Failure::Unsent(error, request)),
    };
    let is_head = request.method == Method::HEAD;
    let (mut head, body) = request.into_http2().map_err(Failure::Unsendable)?.into_parts();
    state_length(&mut head, &body);
    let trailers = sending::announced(&head.headers);
    let is_over = http_body::Body::is_end_stream(&body);
    let sent = ready.send_request(http::Request::from_parts(head, ()), is_over);
    let (response, rest) = sent.map_err(|error| {
        // Among others, its numbers for streams are used up.
        sender.use_of_it.is_doubtful.set(true);
        Failure::Lost(error)
    })?;
    stream.began();
    if !is_over {
        stream.sends(sending::start(body, rest, trailers, idle));
    }
    let response = match response.await {
        Ok(response) => response,
        Err(error) => {
            if error.is_remote() && error.is_reset() {
                // It lives, and has something against this request.
                stream.answered();
            }
            return Err(Failure::Lost(error));
        }
    };
    stream.answered();
    let (head, receiving) = response.into_parts();
    let has_none = is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = match has_none || length == Some(0) || receiving.is_end_stream() {
        true => {
            // The end may come behind the head. To throw away what comes till then would be to cancel the request.
            stream.ends_with(receiving, idle);
            UpstreamBody::nothing()
        }
        false => UpstreamBody::new(receiving, length),
    };
    let head = ResponseParts { status: head.status, headers: head.headers.into() };
    Ok(Response { head, body: Incoming::Upstream(body) })
}

/// States the length of a body, where that is known and the head does not say it: some upstreams want one (RFC 9110 section 8.6).
fn state_length(head: &mut http::request::Parts, body: &OutgoingBody) {
    let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&head.method);
    let bytes = match body.length() {
        BodyLength::Exactly(bytes) => bytes,
        BodyLength::Empty if has_body => 0,
        BodyLength::Empty | BodyLength::Unknown => return,
    };
    head.headers.entry(CONTENT_LENGTH).or_insert(bytes.into());
}
