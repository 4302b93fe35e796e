//! The client's response head.

use super::connection::ConnectionNames;
use super::{DEFAULT_CONTENT_TYPE, Inbound, X_AMZN_TRACE_ID};
use crate::header_list::HeaderList;
use crate::headers::{HeaderRule, response_from_http_proxy};
use crate::limits::MAPPED_HEADER_BYTES_MAX;
use crate::mapping::{ContextField, RequestFacts, ResponseFacts};
use crate::rest_api::Fidelity;
use crate::table::ResponsePlan;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRAILER};
use http::{Method, StatusCode};
use std::borrow::Cow;

/// A response head, ready to send.
#[derive(Clone, Debug)]
pub struct ClientHead {
    /// Towards the client.
    pub status: StatusCode,
    /// All of them but those that every answer gets: ids, date, framing.
    pub headers: HeaderList,
}

/// What the head must know about the body behind it.
#[derive(Clone, Copy, Debug)]
pub struct ResponseBody {
    /// Whether it is the upstream's, byte for byte, so that the upstream's `Content-Encoding` and trailers still
    /// describe it.
    pub untouched: bool,
    /// Whether the upstream gave no length.
    pub unsized_body: bool,
}

/// What an integration answered, together with the request: the source of response mappings.
#[derive(Clone, Copy)]
pub struct Upstream<'a> {
    /// Of the request.
    pub inbound: Inbound<'a>,
    /// As received.
    pub headers: &'a HeaderList,
    /// The body as text, behind the content conversion; `None` when it was not collected.
    pub body: Option<&'a str>,
}

impl RequestFacts for Upstream<'_> {
    fn route_path(&self) -> &str {
        self.inbound.route_path()
    }

    fn query(&self) -> Option<&str> {
        self.inbound.query()
    }

    fn headers(&self) -> &HeaderList {
        self.inbound.headers()
    }

    fn context(&self, field: ContextField) -> Option<Cow<'_, str>> {
        self.inbound.context(field)
    }

    fn body(&self) -> Option<&str> {
        self.inbound.body()
    }
}

impl ResponseFacts for Upstream<'_> {
    fn response_headers(&self) -> &HeaderList {
        self.headers
    }

    fn response_body(&self) -> Option<&str> {
        self.body
    }
}

/// Writes the head of an `HTTP_PROXY` answer (sections c.4 and c.6). `method` is the client's.
pub fn proxied_head(
    fidelity: Fidelity,
    method: &Method,
    status: StatusCode,
    mut headers: HeaderList,
    body: ResponseBody,
) -> ClientHead {
    for name in ConnectionNames::of(&headers).within(&headers) {
        headers.remove(name);
    }
    // A 204 has no length whatever the method (RFC 9110 section 8.6).
    let bodiless = *method == Method::HEAD && status != StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    // There is no body to measure; the length is a statement about the one that a GET would get.
    let length = if bodiless && body.untouched { headers.get(CONTENT_LENGTH).cloned() } else { None };
    let passes_trailers = fidelity == Fidelity::Transparent && body.unsized_body && body.untouched;
    headers.retain(|name, _| passes_trailers && *name == TRAILER || passes(name, body.untouched));
    headers.extend(length.map(|length| (CONTENT_LENGTH, length)));
    default_content_type(&mut headers, fidelity, status);
    ClientHead { status, headers }
}

/// Names a header as the answers of proxied integrations have it (section c.4), and whether they have it.
fn passes(name: &mut HeaderName, untouched: bool) -> bool {
    match response_from_http_proxy(name, untouched) {
        HeaderRule::Pass => true,
        HeaderRule::Remap(to) => {
            *name = to.clone();
            true
        }
        HeaderRule::Drop => false,
    }
}

/// Writes the head of a function's answer (sections b.3 and c.4): its headers go by the rules of a proxy's upstream.
pub fn function_head(fidelity: Fidelity, status: StatusCode, mut headers: HeaderList, trace_id: &str) -> ClientHead {
    headers.retain(|name, _| passes(name, true));
    if let Ok(value) = HeaderValue::from_str(trace_id) {
        headers.insert(X_AMZN_TRACE_ID, value);
    }
    default_content_type(&mut headers, fidelity, status);
    ClientHead { status, headers }
}

/// Writes the head of a custom integration's answer: what its response parameters say (section f).
///
/// A value that no header can hold, or that is longer than [`MAPPED_HEADER_BYTES_MAX`], is `None`: the call fails.
pub fn client_head(
    fidelity: Fidelity,
    plan: &ResponsePlan,
    upstream: &Upstream<'_>,
    trace_id: Option<&str>,
    body: ResponseBody,
) -> Option<ClientHead> {
    let mut headers = HeaderList::with_capacity(plan.headers.len() + 6);
    if let Some(value) = trace_id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(X_AMZN_TRACE_ID, value);
    }
    if fidelity == Fidelity::Transparent && body.untouched {
        // Bytes that pass untouched cannot be read without their coding.
        for coding in upstream.headers.get_all(CONTENT_ENCODING) {
            headers.append(CONTENT_ENCODING, coding.clone());
        }
    }
    for (name, source) in &plan.headers {
        let Some(value) = source.value(upstream).ok()? else { continue };
        if value.len() > MAPPED_HEADER_BYTES_MAX {
            return None;
        }
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    default_content_type(&mut headers, fidelity, plan.status);
    Some(ClientHead { status: plan.status, headers })
}

/// Every answer has a type, also one without a body (section c.4). A 304 has none of ours in the transparent fidelity:
/// caches would put it in place of the type that they have stored (RFC 9111 section 3.2).
fn default_content_type(headers: &mut HeaderList, fidelity: Fidelity, status: StatusCode) {
    let stays_out = status == StatusCode::NOT_MODIFIED && fidelity == Fidelity::Transparent;
    if !stays_out && !headers.contains(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, DEFAULT_CONTENT_TYPE);
    }
}
