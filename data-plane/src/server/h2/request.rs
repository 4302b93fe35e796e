//! What the grammar of HTTP/1.1 refuses and hyper's engine for HTTP/2 lets through, said in the same words.

use crate::framing::{FramingRule, FramingViolation};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, Method, Request, Uri};

/// Why a request is malformed (RFC 9113 sections 8.2.1 and 8.3.1), if it is.
pub(super) fn violation<B>(request: &Request<B>) -> Option<FramingViolation> {
    let rule = target(request.method(), request.uri()).or_else(|| fields(request.headers(), request.uri()))?;
    Some(FramingViolation::head(rule, 0))
}

fn target(method: &Method, uri: &Uri) -> Option<FramingRule> {
    if *method == Method::CONNECT {
        return Some(FramingRule::ConnectUnsupported);
    }
    let is_path = uri.path().starts_with('/') || (uri.path() == "*" && *method == Method::OPTIONS);
    // The engine drops the scheme where there is no authority, and never where it is not empty.
    let is_scheme_empty = uri.authority().is_some() && uri.scheme_str().is_none_or(str::is_empty);
    (!is_path || is_scheme_empty).then_some(FramingRule::TargetForm)
}

fn fields(headers: &HeaderMap, uri: &Uri) -> Option<FramingRule> {
    let is_padded = |value: &[u8]| [value.first(), value.last()].into_iter().flatten().any(u8::is_ascii_whitespace);
    if headers.values().any(|value| is_padded(value.as_bytes())) {
        return Some(FramingRule::HeaderValue);
    }
    let mut hosts = headers.get_all(HOST).iter();
    if let Some(host) = hosts.next() {
        if hosts.next().is_some() {
            return Some(FramingRule::HostRepeated);
        }
        let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
        if authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host.as_bytes())) {
            return Some(FramingRule::HostConflict);
        }
    }
    (headers.get_all(CONTENT_LENGTH).iter().count() > 1).then_some(FramingRule::ContentLengthRepeated)
}
