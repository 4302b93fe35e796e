//! A request as it is taken off a connection: from the bytes that the grammar let through to [`RequestParts`].

use crate::framing::{BodyFraming, FramingRule, FramingViolation, HttpVersion, RequestHead};
use crate::http1::{Names, Receiving, Transport, keeps_alive, with_names};
use crate::message::RequestParts;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, TE};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use penstock_model::exchange::accepts_trailers;
use penstock_model::header_list::HeaderList;
use std::ops::Range;

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
    fn of(head: &RequestParts, said: Said) -> Self {
        let version = head.version;
        Self {
            is_head: head.method == Method::HEAD,
            version,
            keep_alive: match said.connection {
                true => keeps_alive(version, &head.headers),
                false => version == Version::HTTP_11,
            },
            accepts_trailers: said.te && accepts_trailers(&head.headers),
        }
    }

    /// Of a request of which nothing is known, behind whose answer nothing follows.
    pub(super) fn last(head: &RequestParts) -> Self {
        Self { keep_alive: false, ..Self::of(head, Said::default()) }
    }
}

/// Takes a request whose head lies at the front of what was read, and begins its body.
///
/// # Errors
/// What the grammar lets through is always one.
pub(super) fn take_request(
    transport: &mut Transport,
    head: &RequestHead,
) -> Result<(RequestParts, Asked), FramingViolation> {
    let bytes = transport.unread.split_to(head.head_len).freeze();
    let odd = |rule, at| FramingViolation::head(rule, at);
    let method =
        Method::from_bytes(&bytes[head.method.clone()]).map_err(|_| odd(FramingRule::MethodByte, head.method.start))?;
    let target = bytes.slice(head.target.clone());
    let uri = uri(target).ok_or(odd(FramingRule::TargetByte, head.target.start))?;
    let mut headers = HeaderList::with_capacity(head.header_count);
    let said = with_names(|names| take_lines(&bytes, head.header_lines.clone(), names, &mut headers))?;
    let version = match head.version {
        HttpVersion::Http10 => Version::HTTP_10,
        HttpVersion::Http11 => Version::HTTP_11,
    };
    let parts = RequestParts { method, uri, version, headers };
    transport.receive(match head.framing {
        BodyFraming::None => Receiving::Nothing,
        BodyFraming::Sized(bytes) => Receiving::Sized(bytes),
        BodyFraming::Chunked => Receiving::chunked_request(),
    });
    let asked = Asked::of(&parts, said);
    let expects = said.expect
        && parts.headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && head.version == HttpVersion::Http11 {
        transport.expect_continue();
    }
    Ok((parts, asked))
}

/// Takes the lines of a head, which lie there. Values are shared with its bytes.
fn take_lines(
    bytes: &Bytes,
    lines: Range<usize>,
    names: &mut Names,
    headers: &mut HeaderList,
) -> Result<Said, FramingViolation> {
    let odd = |rule, at| FramingViolation::head(rule, at);
    let mut said = Said::default();
    let mut at = lines.start;
    while at < lines.end {
        let line = &bytes[at..lines.end];
        // Names are short: a loop is over before a wide search has begun.
        let colon = line.iter().position(|&byte| byte == b':').ok_or(odd(FramingRule::HeaderName, at))?;
        let end = colon + memchr::memchr(b'\r', &line[colon..]).ok_or(odd(FramingRule::HeaderValue, at))?;
        let name = names.read(&line[..colon]).map_err(|_| odd(FramingRule::HeaderName, at))?;
        let value = line[colon + 1..end].trim_ascii();
        let value_at = value.as_ptr() as usize - bytes.as_ptr() as usize;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value_at..value_at + value.len()));
        said.note(&name);
        headers.append(name, value.map_err(|_| odd(FramingRule::HeaderValue, at))?);
        at += end + 2;
    }
    Ok(said)
}

/// A path is by far the most common.
fn uri(target: Bytes) -> Option<Uri> {
    match target.first() {
        Some(b'/') => PathAndQuery::from_maybe_shared(target).ok().map(Uri::from),
        _ => Uri::from_maybe_shared(target).ok(),
    }
}

/// The request of which only the violation is known.
pub(super) fn stand_in() -> RequestParts {
    let method = Method::from_bytes(STAND_IN_METHOD).unwrap_or_default();
    RequestParts { method, uri: Uri::from_static("*"), version: Version::HTTP_10, headers: HeaderList::new() }
}
