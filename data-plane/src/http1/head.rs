//! Heads as they are written (RFC 9112 sections 2 to 6), and what they say about their connection.

use http::header::CONNECTION;
use http::{HeaderName, HeaderValue, Version};
use penstock_model::header_list::HeaderList;
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whether another message can follow (RFC 9112 section 9.3).
pub(crate) fn keeps_alive(version: Version, headers: &HeaderList) -> bool {
    let mut lines = headers.get_all(CONNECTION).map(HeaderValue::as_bytes);
    // As a rule it says only that.
    if let (Some(only), None) = (lines.next(), lines.next())
        && only.eq_ignore_ascii_case(b"keep-alive")
    {
        return true;
    }
    let has = |option: &[u8]| {
        let lines = headers.get_all(CONNECTION);
        let mut options = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        options.any(|found| found.trim_ascii().eq_ignore_ascii_case(option))
    };
    match version {
        Version::HTTP_11 => !has(b"close"),
        _ => has(b"keep-alive") && !has(b"close"),
    }
}

/// Writes the lines of a head.
pub(crate) fn write_headers(out: &mut Vec<u8>, headers: &HeaderList) {
    for (name, value) in headers {
        write_header(out, name, value);
    }
}

/// Writes one of them.
pub(crate) fn write_header(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes the line that says how long a body is.
pub(crate) fn write_length(out: &mut Vec<u8>, bytes: u64) {
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes the line that says when an answer is made (RFC 9110 section 6.6.1).
pub(crate) fn write_date(out: &mut Vec<u8>) {
    with_date(|date| {
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
    });
}

/// Hands on the time as headers say it, formatted once a second.
pub(crate) fn with_date(take: impl FnOnce(&[u8])) {
    thread_local! {
        static DATE: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DATE.with_borrow_mut(|(formatted_at, date)| {
        if *formatted_at != second || date.is_empty() {
            *formatted_at = second;
            *date = httpdate::fmt_http_date(now).into_bytes();
        }
        take(date);
    });
}

/// Heads that a worker keeps the memory of.
const KEPT_HEADS_MAX: usize = 64;
/// … and how large that may be, in bytes.
const KEPT_HEAD_BYTES_MAX: usize = 8 * 1024;
/// First room for a head, in bytes.
const HEAD_BYTES: usize = 1024;

thread_local! {
    static KEPT_HEADS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A head that is written, in memory that the worker uses again and again, so that connections need none of their own.
#[derive(Debug)]
pub(crate) struct Head(Vec<u8>);

impl Head {
    pub(crate) fn new() -> Self {
        let kept = KEPT_HEADS.with_borrow_mut(Vec::pop);
        Self(kept.unwrap_or_else(|| Vec::with_capacity(HEAD_BYTES)))
    }

    /// What is written so far.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl std::ops::Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.clear();
        // While the thread ends there is nothing to keep it in.
        let _ = KEPT_HEADS.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_HEADS_MAX && bytes.capacity() <= KEPT_HEAD_BYTES_MAX {
                kept.push(bytes);
            }
        });
    }
}
