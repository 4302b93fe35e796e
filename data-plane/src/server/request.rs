//! A request as it is taken off a connection: from the bytes that the grammar let through to a `Request`.

use crate::body::Incoming;
use crate::framing::{BodyFraming, FramingRule, FramingViolation, HttpVersion, RequestHead};
use crate::http1::{Http1Body, Receiving, Transport, keeps_alive};
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use penstock_model::exchange::accepts_trailers;

/// What takes the place of a request that was refused. No client can send it: the grammar allows the target `*` with
/// OPTIONS only.
const STAND_IN_METHOD: &[u8] = b"REFUSED";

/// What an answer must know of its request.
pub(super) struct Asked {
    pub(super) is_head: bool,
    pub(super) version: Version,
    /// Whether the client wants to go on.
    pub(super) keep_alive: bool,
    pub(super) accepts_trailers: bool,
}

/// Which of the headers that concern the connection a head has. Noted while it is read: most have none of them.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    connection: bool,
    expect: bool,
    te: bool,
}

impl Said {
    fn note(&mut self, name: &HeaderName) {
        self.connection |= *name == CONNECTION;
        self.expect |= *name == EXPECT;
        self.te |= *name == TE;
    }
}

impl Asked {
    fn of<B>(request: &Request<B>, said: Said) -> Self {
        let version = request.version();
        Self {
            is_head: request.method() == Method::HEAD,
            version,
            keep_alive: match said.connection {
                true => keeps_alive(version, request.headers()),
                false => version == Version::HTTP_11,
            },
            accepts_trailers: said.te && accepts_trailers(request.headers()),
        }
    }

    /// Of a request of which nothing is known, behind whose answer nothing follows.
    pub(super) fn last<B>(request: &Request<B>) -> Self {
        Self { keep_alive: false, ..Self::of(request, Said::default()) }
    }
}

/// Takes a request whose head lies at the front of what was read, and begins its body.
///
/// # Errors
/// What the grammar lets through is always one.
pub(super) fn take_request(
    transport: &mut Transport,
    head: &RequestHead,
) -> Result<(Request<()>, Asked), FramingViolation> {
    let bytes = transport.unread.split_to(head.head_len).freeze();
    let odd = |rule, at| FramingViolation::head(rule, at);
    let method =
        Method::from_bytes(&bytes[head.method.clone()]).map_err(|_| odd(FramingRule::MethodByte, head.method.start))?;
    let target = bytes.slice(head.target.clone());
    let uri = uri(target).ok_or(odd(FramingRule::TargetByte, head.target.start))?;
    let mut headers = HeaderMap::with_capacity(head.header_count);
    let mut at = head.header_lines.start;
    let mut said = Said::default();
    while at < head.header_lines.end {
        let line = &bytes[at..head.header_lines.end];
        let colon = memchr::memchr(b':', line).ok_or(odd(FramingRule::HeaderName, at))?;
        let end = colon + memchr::memchr(b'\r', &line[colon..]).ok_or(odd(FramingRule::HeaderValue, at))?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| odd(FramingRule::HeaderName, at))?;
        let value = line[colon + 1..end].trim_ascii();
        let value_at = value.as_ptr() as usize - bytes.as_ptr() as usize;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value_at..value_at + value.len()));
        said.note(&name);
        headers.append(name, value.map_err(|_| odd(FramingRule::HeaderValue, at))?);
        at += end + 2;
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = match head.version {
        HttpVersion::Http10 => Version::HTTP_10,
        HttpVersion::Http11 => Version::HTTP_11,
    };
    *request.headers_mut() = headers;
    transport.receive(match head.framing {
        BodyFraming::None => Receiving::Nothing,
        BodyFraming::Sized(bytes) => Receiving::Sized(bytes),
        BodyFraming::Chunked => Receiving::chunked_request(),
    });
    let asked = Asked::of(&request, said);
    let expects = said.expect
        && request.headers().get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && head.version == HttpVersion::Http11 {
        transport.expect_continue();
    }
    Ok((request, asked))
}

/// A path is by far the most common.
fn uri(target: Bytes) -> Option<Uri> {
    match target.first() {
        Some(b'/') => PathAndQuery::from_maybe_shared(target).ok().map(Uri::from),
        _ => Uri::from_maybe_shared(target).ok(),
    }
}

/// The request of which only the violation is known.
pub(super) fn stand_in() -> Request<Incoming> {
    let mut request = Request::new(Incoming::Http1(Http1Body::nothing()));
    if let Ok(method) = Method::from_bytes(STAND_IN_METHOD) {
        *request.method_mut() = method;
    }
    *request.uri_mut() = Uri::from_static("*");
    *request.version_mut() = Version::HTTP_10;
    request
}
