//! The head of an answer as HTTP/1.1 has it, with what says where its body ends and whether the connection does (RFC 9112
//! sections 6 and 9.3).

use super::request::Asked;
use crate::http1::{BodyEnd, Head, write_date, write_header, write_length};
use crate::message::ResponseParts;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderName, StatusCode, Version};
use http_body::Body;
use penstock_model::header_list::HeaderList;

/// What the head has promised.
pub(super) struct Terms {
    pub(super) end: BodyEnd,
    pub(super) is_last: bool,
}

/// Writes the head of an answer. `over`: nothing more is wanted on the connection.
pub(super) fn write_head(out: &mut Head, parts: &ResponseParts, body: &impl Body, asked: &Asked, over: bool) -> Terms {
    let end = body_end(parts.status, body, asked, || announced(&parts.headers));
    // A length is stated by whoever frames the body; where there is none for other reasons, it may be about another one.
    let is_empty = matches!(end, BodyEnd::Nothing) && states_nothing(parts.status, asked);
    let passes_length = !is_empty && matches!(end, BodyEnd::Nothing);
    let out = out.bytes();
    out.extend_from_slice(if asked.version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(parts.status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(parts.status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    let (mut says_close, mut has_date) = (false, false);
    for (name, value) in &parts.headers {
        has_date |= *name == DATE;
        if *name == CONNECTION {
            says_close |= value.as_bytes().eq_ignore_ascii_case(b"close");
        } else if *name != TRANSFER_ENCODING && (passes_length || *name != CONTENT_LENGTH) {
            write_header(out, name, value);
        }
    }
    match &end {
        BodyEnd::Sized(bytes) => write_length(out, *bytes),
        BodyEnd::Chunked(_) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyEnd::Nothing if is_empty => write_length(out, 0),
        BodyEnd::Nothing | BodyEnd::Close => {}
    }
    if !has_date {
        write_date(out);
    }
    let is_last = over || says_close || !asked.keep_alive || matches!(end, BodyEnd::Close);
    match (is_last, asked.version) {
        (true, Version::HTTP_11) => out.extend_from_slice(b"connection: close\r\n"),
        (false, Version::HTTP_10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    Terms { end, is_last }
}

fn body_end(
    status: StatusCode,
    body: &impl Body,
    asked: &Asked,
    announced: impl FnOnce() -> Vec<HeaderName>,
) -> BodyEnd {
    if asked.is_head || has_none(status) {
        return BodyEnd::Nothing;
    }
    match body.size_hint().exact() {
        Some(0) => BodyEnd::Nothing,
        Some(bytes) => BodyEnd::Sized(bytes),
        None if asked.version == Version::HTTP_10 => BodyEnd::Close,
        None if asked.accepts_trailers => BodyEnd::Chunked(announced()),
        None => BodyEnd::Chunked(Vec::new()),
    }
}

/// Whether answers with this status have no body whatever is said (RFC 9112 section 6.3).
fn has_none(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Whether the head says that there is no body.
fn states_nothing(status: StatusCode, asked: &Asked) -> bool {
    !asked.is_head && !has_none(status)
}

/// The trailers that the head announces.
fn announced(headers: &HeaderList) -> Vec<HeaderName> {
    let names = headers.get_all(TRAILER).flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}
