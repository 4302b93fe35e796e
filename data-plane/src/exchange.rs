//! Heads: the client's becomes the upstream's, the upstream's becomes the client's. Always written anew from what was
//! parsed, by the rules of section c; hop-by-hop headers and those that `Connection` names never pass.

use crate::error::ProxyError;
use crate::inbound::Inbound;
use http::header::{
    self, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use hyper::body::Incoming;
use penstock_model::headers::{HeaderRule, request_to_http_proxy, response_from_http_proxy};
use penstock_model::rest_api::Fidelity;
use penstock_model::table::{HttpProxy, Route};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const X_AMZN_API_ID: HeaderName = HeaderName::from_static("x-amzn-apigateway-api-id");

/// Writes the upstream's request head.
///
/// # Errors
/// When the configuration and the request together give no sendable request.
pub(crate) fn upstream_request<B: Body>(
    route: &Route,
    proxy: &HttpProxy,
    inbound: &Inbound<'_>,
    listener_port: u16,
    trace_id: &str,
    body: B,
) -> Result<Request<B>, ProxyError> {
    let target = proxy.uri.request_target(inbound, &proxy.query).map_err(ProxyError::Target)?;
    let mut request = Request::new(body);
    *request.uri_mut() = target.parse::<Uri>().map_err(|_| ProxyError::Unsendable)?;
    *request.method_mut() = proxy.method.clone().unwrap_or_else(|| inbound.method.clone());
    let unsized_body = !request.body().is_end_stream() && request.body().size_hint().exact().is_none();

    let mut headers = passed_request_headers(&inbound.head.headers, route.fidelity);
    forwarding_headers(&mut headers, inbound, listener_port);
    headers.insert(HOST, proxy.host.clone());
    headers.insert(X_AMZN_API_ID, route.api_id.clone());
    if let Ok(value) = HeaderValue::from_str(trace_id) {
        headers.insert(X_AMZN_TRACE_ID, value);
    }
    mapped_headers(&mut headers, proxy, inbound)?;
    if request.body().is_end_stream() && matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        // hyper leaves it out, and there are servers that answer 411 then (RFC 9110 section 8.6).
        headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
    }
    if unsized_body {
        // Said explicitly, because hyper takes a GET without a length for a GET without a body.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if route.fidelity == Fidelity::Transparent {
        announce_trailers(&mut headers, &inbound.head.headers, unsized_body);
    }
    *request.headers_mut() = headers;
    Ok(request)
}

fn passed_request_headers(from: &HeaderMap, fidelity: Fidelity) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(from.len() + 6);
    let connection = ConnectionNames::of(from);
    for (name, value) in from {
        if request_to_http_proxy(name, fidelity) == HeaderRule::Pass && !connection.names(name) {
            headers.append(name, value.clone());
        }
    }
    join_cookies(&mut headers);
    headers
}

/// HTTP/2 clients may send a `Cookie` in pieces, which HTTP/1.1 knows as one line only (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let pieces: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&pieces.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// The client's address is appended to what it says about itself; port and protocol are those of our listener.
fn forwarding_headers(headers: &mut HeaderMap, inbound: &Inbound<'_>, listener_port: u16) {
    let mut chain: Vec<u8> = Vec::with_capacity(48);
    for value in headers.get_all(&X_FORWARDED_FOR) {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(inbound.client.ip().to_canonical().to_string().as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&chain) {
        headers.insert(X_FORWARDED_FOR, value);
    }
    headers.insert(X_FORWARDED_PORT, HeaderValue::from(listener_port));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
}

/// A mapped header replaces one that was passed (section c.3); an absent source leaves the target out (section e.5).
fn mapped_headers(headers: &mut HeaderMap, proxy: &HttpProxy, inbound: &Inbound<'_>) -> Result<(), ProxyError> {
    for (name, source) in &proxy.headers {
        for (at, value) in source.values(inbound).iter().enumerate() {
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| ProxyError::Unsendable)?;
            if at == 0 {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
    }
    Ok(())
}

/// Trailers travel only where both neighbours announce them, so the announcements are made anew for the next hop.
fn announce_trailers(headers: &mut HeaderMap, from: &HeaderMap, unsized_body: bool) {
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

fn accepts_trailers(headers: &HeaderMap) -> bool {
    list(headers, &TE).any(|coding| {
        let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"trailers")
    })
}

/// Writes the client's response head.
pub(crate) fn client_response(
    fidelity: Fidelity,
    method: &Method,
    upstream: Response<Incoming>,
) -> (http::response::Parts, Incoming) {
    let (mut parts, body) = upstream.into_parts();
    let from = std::mem::take(&mut parts.headers);
    parts.version = http::Version::HTTP_11;
    parts.extensions = http::Extensions::new();
    let headers = &mut parts.headers;
    headers.reserve(from.len() + 4);
    let connection = ConnectionNames::of(&from);
    for (name, value) in &from {
        if connection.names(name) {
            continue;
        }
        match response_from_http_proxy(name) {
            HeaderRule::Pass => drop(headers.append(name, value.clone())),
            HeaderRule::Remap(to) => drop(headers.append(HeaderName::from_static(to), value.clone())),
            HeaderRule::Drop => {}
        }
    }
    let bodiless = *method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
    if bodiless && let Some(length) = from.get(CONTENT_LENGTH) {
        // There is no body to measure; the length is a statement about the one that a GET would get.
        headers.insert(CONTENT_LENGTH, length.clone());
    }
    if fidelity == Fidelity::Transparent && body.size_hint().exact().is_none() {
        for names in from.get_all(TRAILER) {
            headers.append(TRAILER, names.clone());
        }
    }
    let has_content = !matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_content && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    (parts, body)
}

/// The header names that a `Connection` header makes hop-by-hop (RFC 9110 section 7.6.1).
struct ConnectionNames<'a>(Option<&'a HeaderMap>);

impl<'a> ConnectionNames<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        Self(headers.contains_key(CONNECTION).then_some(headers))
    }

    fn names(&self, name: &HeaderName) -> bool {
        // `Connection` itself is not in its own list, whatever a sender says: its own rule decides.
        *name != header::CONNECTION
            && self.0.is_some_and(|headers| {
                list(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
            })
    }
}

/// The elements of a comma-separated header, over all its lines. Bytes, because one that is not text must not hide the
/// others.
fn list<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests;
