//! One log line for each request, whatever happened to it.
//!
//! Opened by `service` when a request head has arrived and written when it is dropped: a client that goes away in the
//! middle drops the request, and still leaves its line. It never holds a header or a byte of a body.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Instant;

use hyper::http::request::Parts;
use hyper::{Method, Uri};
use tracing::{error, info};

use crate::picture::Dimensions;
use crate::refusal::Refusal;

/// What is known of a request so far.
#[derive(Debug)]
pub(crate) struct RequestLine {
    method: Method,
    uri: Uri,
    started: Instant,
    /// Bytes of body that were read.
    pub(crate) received_bytes: usize,
    /// Size before and after, once there is a picture to answer.
    pub(crate) sizes: Option<(Dimensions, Dimensions)>,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
struct Outcome {
    status: u16,
    reason: &'static str,
    cause: String,
    sent_bytes: u64,
}

impl RequestLine {
    /// Opens the line of a request that has just arrived.
    pub(crate) fn open(head: &Parts) -> Self {
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            started: Instant::now(),
            received_bytes: 0,
            sizes: None,
            outcome: None,
        }
    }

    /// Notes the answer; the line is written when it goes out of scope.
    pub(crate) fn answered(&mut self, status: u16, sent_bytes: u64, refusal: Option<&Refusal>) {
        self.outcome = Some(Outcome {
            status,
            reason: refusal.map_or("ok", Refusal::reason),
            cause: refusal.map(chain).unwrap_or_default(),
            sent_bytes,
        });
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let Self { method, uri, started, received_bytes, sizes, outcome } = self;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let sizes = sizes.map(|(original, resized)| format!("{original} -> {resized}")).unwrap_or_default();
        let Some(Outcome { status, reason, cause, sent_bytes }) = outcome else {
            info!(%method, %uri, reason = "client_gone", received_bytes, duration_ms, "request");
            return;
        };
        // A 500 is ours to look at; everything else, 503 included, is the daily life of a server.
        if *status == 500 {
            error!(%method, %uri, status, reason, cause, received_bytes, sent_bytes, duration_ms, "request");
        } else {
            info!(%method, %uri, status, reason, cause, received_bytes, sent_bytes, sizes, duration_ms, "request");
        }
    }
}

/// An error and its sources in one line.
fn chain(refusal: &Refusal) -> String {
    let mut text = refusal.to_string();
    let mut source = refusal.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
