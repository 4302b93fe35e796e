//! Heads of answers as they are read (RFC 9112 sections 2 to 6), and where their bodies end.

use super::head::keeps_alive;
use super::names::with_names;
use super::transport::Receiving;
use crate::limits::{ANSWER_HEADERS_MAX, STREAM_BUFFER_BYTES};
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use penstock_model::header_list::HeaderList;
use std::mem::MaybeUninit;

/// Those that the client's answer has besides as a rule: two ids, and a type where there was none.
const ADDED_HEADERS: usize = 4;

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
    #[error("the head of the answer is larger than {STREAM_BUFFER_BYTES} bytes")]
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
        httparse::Status::Partial if unread.len() >= STREAM_BUFFER_BYTES => return Err(HeadError::TooLarge),
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
    let mut headers = HeaderList::with_capacity(places.len() + ADDED_HEADERS);
    let mut said = Said::default();
    with_names(|names| {
        for (name, value) in places {
            let name = names.read(&bytes[name]).map_err(|_| HeadError::Header)?;
            let value = HeaderValue::from_maybe_shared(bytes.slice(value)).map_err(|_| HeadError::Header)?;
            said.note(&name);
            headers.append(name, value);
        }
        Ok::<_, HeadError>(())
    })?;
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
        let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        all_digits.then(|| digits.iter().try_fold(0, add)).flatten()
    });
    let first = numbers.next()??;
    numbers.all(|other| other == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests;
