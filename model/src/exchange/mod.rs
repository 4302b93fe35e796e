//! Heads: the client's becomes the upstream's, the upstream's becomes the client's. Always written anew from what was
//! parsed, by the rules of section c; hop-by-hop headers and those that `Connection` names never pass.
//!
//! Pure: the proxy calls it for each request, the control plane to explain what a request would meet.

mod connection;
mod identity;
mod inbound;
mod invocation;
mod request;
mod response;

pub(crate) use connection::ConnectionNames;
pub use connection::accepts_trailers;
pub use identity::{effective_method, trace_id};
pub use inbound::{Inbound, protocol};
pub use invocation::invocation_headers;
pub use request::{FixedHeaders, HeadProblem, RequestBody, UpstreamHead, upstream_head};
pub use response::{ClientHead, ResponseBody, Upstream, client_head, function_head, proxied_head};

use http::{HeaderName, HeaderValue};

/// Value of `Content-Type` where nothing names one (section c.4).
pub const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// The trace id's header (section c.5).
pub const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// `X-Forwarded-Proto`: what our listeners speak.
pub(crate) const FORWARDED_PROTO: &str = "http";

/// Length of a body that is about to be sent, as its head must state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    Empty,
    /// This many bytes, at least one.
    Exactly(u64),
    /// Its end shows how long it was.
    Unknown,
}

#[cfg(test)]
mod tests;
