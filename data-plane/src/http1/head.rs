//! Heads as they are written, and those of answers as they are read (RFC 9112 sections 2 to 6).

use super::transport::Receiving;
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use penstock_model::header_list::HeaderList;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// Largest head of an answer, in bytes.
const ANSWER_HEAD_BYTES_MAX: usize = crate::limits::STREAM_BUFFER_BYTES;
/// Header lines of an answer.
const ANSWER_HEADERS_MAX: usize = 100;

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct AnswerHead {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderList,
    /// Whether another request can follow on its connection, as far as the head says.
    pub(crate) keep_alive: bool,
    said: Said,
}

/// Which of the headers that concern the message's own framing a head has. Noted while it is read: most have none of them but
/// one length.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    connection: bool,
    transfer_encoding: bool,
}

impl Said {
    fn note(&mut self, name: &HeaderName) {
        self.connection |= *name == CONNECTION;
        self.transfer_encoding |= *name == TRANSFER_ENCODING;
    }
}

/// Why a head is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the head of the answer cannot be read")]
    Grammar(#[from] httparse::Error),
    #[error("the head of the answer is larger than {ANSWER_HEAD_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the head of the answer holds what no header can hold")]
    Header,
    #[error("the head of the answer has several lengths, or one that is none")]
    Length,
    #[error("the head of the answer has a transfer coding that its version does not know, or that nobody asked for")]
    TransferEncoding,
}

/// Takes the head of an answer off the front of what was read. `None`: it has not come yet.
///
/// # Errors
/// It is none.
pub(crate) fn parse_answer(unread: &mut BytesMut) -> Result<Option<AnswerHead>, HeadError> {
    let mut lines = [const { MaybeUninit::uninit() }; ANSWER_HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut answer, unread, &mut lines);
    let head_bytes = match parsed? {
        httparse::Status::Complete(bytes) => bytes,
        httparse::Status::Partial if unread.len() >= ANSWER_HEAD_BYTES_MAX => return Err(HeadError::TooLarge),
        httparse::Status::Partial => return Ok(None),
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(HeadError::Header)?;
    let version = if answer.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    // Values are shared with the bytes of the head, so where they lie is noted before those are taken.
    let start = unread.as_ptr() as usize;
    let within = |bytes: &[u8]| {
        let at = bytes.as_ptr() as usize - start;
        at..at + bytes.len()
    };
    let places: Vec<_> = answer.headers.iter().map(|line| (within(line.name.as_bytes()), within(line.value))).collect();
    let bytes: Bytes = unread.split_to(head_bytes).freeze();
    let mut headers = HeaderList::with_capacity(places.len());
    let mut said = Said::default();
    for (name, value) in places {
        let name = HeaderName::from_bytes(&bytes[name]).map_err(|_| HeadError::Header)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value)).map_err(|_| HeadError::Header)?;
        said.note(&name);
        headers.append(name, value);
    }
    let keep_alive = match said.connection {
        true => keeps_alive(version, &headers),
        false => version == Version::HTTP_11,
    };
    Ok(Some(AnswerHead { status, version, headers, keep_alive, said }))
}

impl AnswerHead {
    /// How the end of its body is found (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// It cannot be, or in more than one way.
    pub(crate) fn receiving(&mut self, method: &Method) -> Result<Receiving, HeadError> {
        let is_bodiless = *method == Method::HEAD
            || self.status.is_informational()
            || matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if is_bodiless {
            self.state_one_length();
            return Ok(Receiving::Nothing);
        }
        if self.said.transfer_encoding {
            if self.version == Version::HTTP_10 {
                return Err(HeadError::TransferEncoding);
            }
            if self.headers.remove(CONTENT_LENGTH).is_some() {
                // Whoever says both may mean either, so nothing is believed behind it.
                self.keep_alive = false;
            }
            let mut codings = self.headers.get_all(TRANSFER_ENCODING).map(|line| line.as_bytes().trim_ascii());
            // Whatever else is in them nobody has asked for (RFC 9112 section 7.4), and the client would take the coded bytes for
            // the body's: only the framing is written anew.
            return match (codings.next(), codings.next()) {
                (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Receiving::chunked_answer()),
                (Some(coding), None) if coding.eq_ignore_ascii_case(b"identity") => Ok(Receiving::UntilEnd),
                _ => Err(HeadError::TransferEncoding),
            };
        }
        Ok(stated_length(&self.headers)?.map_or(Receiving::UntilEnd, Receiving::Sized))
    }

    /// Leaves one length about a body that does not come, or none where the lines do not agree (RFC 9110 section 8.6).
    fn state_one_length(&mut self) {
        let stated = stated_length(&self.headers).ok().flatten();
        self.headers.remove(CONTENT_LENGTH);
        if let Some(length) = stated.filter(|_| !self.said.transfer_encoding) {
            self.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
}

/// The length that all lines of a head agree on, if there are any.
fn stated_length(headers: &HeaderList) -> Result<Option<u64>, HeadError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).map(length);
    let Some(first) = lengths.next() else { return Ok(None) };
    match lengths.all(|other| other == first) {
        true => first.map(Some).ok_or(HeadError::Length),
        false => Err(HeadError::Length),
    }
}

/// A length as its header has it: one number, or the same one several times (RFC 9112 section 6.3).
fn length(value: &HeaderValue) -> Option<u64> {
    let mut numbers = value.as_bytes().split(|&byte| byte == b',').map(|number| {
        let digits = number.trim_ascii();
        let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        all_digits.then(|| std::str::from_utf8(digits).ok()?.parse::<u64>().ok()).flatten()
    });
    let first = numbers.next()??;
    numbers.all(|other| other == Some(first)).then_some(first)
}

/// Whether another message can follow (RFC 9112 section 9.3).
pub(crate) fn keeps_alive(version: Version, headers: &HeaderList) -> bool {
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
