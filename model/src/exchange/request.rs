//! The upstream's request head.

use super::connection::{ConnectionNames, accepts_trailers};
use super::{
    BodyLength, DEFAULT_CONTENT_TYPE, FORWARDED_PROTO, Inbound, X_AMZN_TRACE_ID, X_FORWARDED_FOR, X_FORWARDED_PORT,
    X_FORWARDED_PROTO,
};
use crate::header_list::HeaderList;
use crate::headers::{HeaderRule, request_to_http, request_to_http_proxy};
use crate::limits::MAPPED_HEADER_BYTES_MAX;
use crate::mapping::{CompiledSource, SourceProblem};
use crate::method::Verb;
use crate::rest_api::Fidelity;
use crate::table::{HttpPlan, HttpStyle, Route};
use crate::uri_template::TargetProblem;
use bytes::Bytes;
use http::Method;
use http::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, USER_AGENT,
};

/// Headers that are written here at most, but for mapped ones.
const WRITTEN_HEADERS: usize = 9;

const X_AMZN_API_ID: HeaderName = HeaderName::from_static("x-amzn-apigateway-api-id");

/// A request head, ready to send.
#[derive(Clone, Debug)]
pub struct UpstreamHead {
    /// Towards the upstream.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// All of them but what whoever sends it writes: `Content-Length` of a body that has one.
    pub headers: HeaderList,
}

/// Headers towards the upstream that are the same for all requests of a route.
#[derive(Clone, Copy, Debug)]
pub struct FixedHeaders<'a> {
    /// `Host`.
    pub host: &'a HeaderValue,
    /// `x-amzn-apigateway-api-id`.
    pub api_id: &'a HeaderValue,
    /// `X-Forwarded-Port`: that of our listener.
    pub forwarded_port: &'a HeaderValue,
}

impl<'a> FixedHeaders<'a> {
    /// As the table has them.
    pub fn of(route: &'a Route, plan: &'a HttpPlan, forwarded_port: &'a HeaderValue) -> Self {
        Self { host: &plan.upstream.host, api_id: &route.stage.api_id, forwarded_port }
    }
}

/// What the head must know about the body behind it.
#[derive(Clone, Copy, Debug)]
pub struct RequestBody {
    /// Of what is sent.
    pub length: BodyLength,
    /// Whether it is the client's, byte for byte; then the client's `Content-Encoding` still describes it.
    pub untouched: bool,
}

/// Why a request cannot be turned into an upstream request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadProblem {
    /// The request target cannot be formed.
    #[error("forming the request target")]
    Target(#[from] TargetProblem),
    /// A mapped value holds what no header can hold.
    #[error("a mapped header holds a character that no header can hold")]
    Unsendable,
    /// A mapped value is longer than [`MAPPED_HEADER_BYTES_MAX`].
    #[error("HTTP header is larger than {MAPPED_HEADER_BYTES_MAX} bytes.")]
    ValueTooLarge,
    /// A mapped value in the body is beyond a bound.
    #[error(transparent)]
    Source(#[from] SourceProblem),
}

/// Writes the upstream's request head (sections c.1 to c.3, e.2, e.3).
///
/// # Errors
/// When the configuration and the request together give no sendable request.
pub fn upstream_head(
    route: &Route,
    plan: &HttpPlan,
    inbound: &Inbound<'_>,
    fixed: &FixedHeaders<'_>,
    trace_id: &str,
    body: RequestBody,
) -> Result<UpstreamHead, HeadProblem> {
    let client_query = match plan.style {
        HttpStyle::Proxy => inbound.uri.query(),
        HttpStyle::Custom => None,
    };
    let target = plan.uri.request_target(inbound, client_query, plan.query())?;
    let method = plan.method.and_then(Verb::to_method).unwrap_or_else(|| inbound.method.clone());
    let fidelity = route.stage.fidelity;
    let mapped = plan.headers();
    // None of those that are written here is among the client's that pass.
    let mut headers = HeaderList::with_capacity(inbound.headers.len() + WRITTEN_HEADERS + mapped.len());
    headers.append(HOST, fixed.host.clone());
    headers.append(X_AMZN_API_ID, fixed.api_id.clone());
    if let Ok(value) = HeaderValue::from_str(trace_id) {
        headers.append(X_AMZN_TRACE_ID, value);
    }
    match plan.style {
        HttpStyle::Proxy => {
            forwarding_headers(&mut headers, inbound, fixed.forwarded_port);
            pass_headers(&mut headers, inbound.headers, fidelity, body);
        }
        HttpStyle::Custom => own_headers(&mut headers, inbound.headers, route, body),
    }
    mapped_headers(&mut headers, mapped, inbound)?;
    match body.length {
        BodyLength::Empty if matches!(method, Method::POST | Method::PUT | Method::PATCH) => {
            // Whoever sends leaves it out, and there are servers that answer 411 then (RFC 9110 section 8.6).
            headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        }
        BodyLength::Empty | BodyLength::Exactly(_) => {}
        BodyLength::Unknown => {
            // Said explicitly, because hyper, towards TLS, takes a GET without a length for one without a body.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    if fidelity == Fidelity::Transparent && plan.style == HttpStyle::Proxy {
        announce_trailers(&mut headers, inbound.headers, body.length == BodyLength::Unknown);
    }
    Ok(UpstreamHead { method, target, headers })
}

/// What an `HTTP_PROXY` upstream gets of the client's headers.
fn pass_headers(headers: &mut HeaderList, from: &HeaderList, fidelity: Fidelity, body: RequestBody) {
    let named = ConnectionNames::of(from);
    let mut cookies = 0;
    for (name, value) in from {
        // What it says about its own way is in ours.
        let is_written = *name == X_FORWARDED_FOR || *name == X_AMZN_TRACE_ID;
        let passes = !is_written
            && request_to_http_proxy(name, fidelity, body.untouched) == HeaderRule::Pass
            && !named.names(name);
        if passes {
            cookies += usize::from(*name == COOKIE);
            headers.append(name, value.clone());
        }
    }
    if cookies > 1 {
        join_cookies(headers);
    }
}

/// What the upstream of a custom integration gets: the description of the body, and names for who calls (section c.2).
fn own_headers(headers: &mut HeaderList, from: &HeaderList, route: &Route, body: RequestBody) {
    headers.append(ACCEPT, HeaderValue::from_static("application/json"));
    headers.append(USER_AGENT, route.stage.user_agent.clone());
    if body.length == BodyLength::Empty {
        return;
    }
    for (name, value) in from {
        if request_to_http(name, route.stage.fidelity, body.untouched) == HeaderRule::Pass {
            headers.append(name, value.clone());
        }
    }
    if !headers.contains(CONTENT_TYPE) {
        headers.append(CONTENT_TYPE, DEFAULT_CONTENT_TYPE);
    }
}

/// HTTP/2 clients may send a `Cookie` in pieces, which HTTP/1.1 knows as one line only (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderList) {
    let pieces: Vec<_> = headers.get_all(COOKIE).map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Port and protocol are those of our listener.
fn forwarding_headers(headers: &mut HeaderList, inbound: &Inbound<'_>, listener_port: &HeaderValue) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(inbound.forwarded_for())) {
        headers.append(X_FORWARDED_FOR, value);
    }
    headers.append(X_FORWARDED_PORT, listener_port.clone());
    headers.append(X_FORWARDED_PROTO, HeaderValue::from_static(FORWARDED_PROTO));
}

/// A mapped header replaces one that was passed (section c.3); an absent source leaves the target out (section e.5).
pub(super) fn mapped_headers(
    headers: &mut HeaderList,
    mapped: &[(HeaderName, CompiledSource)],
    inbound: &Inbound<'_>,
) -> Result<(), HeadProblem> {
    for (name, source) in mapped {
        for (at, value) in source.values(inbound)?.iter().enumerate() {
            if value.len() > MAPPED_HEADER_BYTES_MAX {
                return Err(HeadProblem::ValueTooLarge);
            }
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| HeadProblem::Unsendable)?;
            if at == 0 {
                headers.insert(name, value);
            } else if *name == HOST {
                // Two of them make a request that no server may answer (RFC 9112 section 3.2).
                return Err(HeadProblem::Unsendable);
            } else {
                headers.append(name, value);
            }
        }
    }
    Ok(())
}

/// Trailers travel only where both neighbours announce them, so the announcements are made anew for the next hop.
fn announce_trailers(headers: &mut HeaderList, from: &HeaderList, unsized_body: bool) {
    if accepts_trailers(from) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if unsized_body {
        for names in from.get_all(TRAILER) {
            headers.append(TRAILER, names.clone());
        }
    }
}
