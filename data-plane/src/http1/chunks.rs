//! [`Chunks`]: the data in a chunked body, found where it lies.

use crate::framing::{ChunkedChecker, ChunkedLimits, FramingRule, FramingViolation};
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A chunked body on its way in.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    checker: ChunkedChecker,
    limits: ChunkedLimits,
    /// How many bytes of data lie at the front of what was read.
    data: usize,
    trailers: Vec<u8>,
    done: bool,
    /// What is wrong behind the data that was taken last.
    fault: Option<FramingViolation>,
}

impl Chunks {
    /// Of an upstream's answer.
    pub(super) fn of_answer() -> Self {
        Self { checker: ChunkedChecker::of_answer(), ..Self::default() }
    }

    /// Takes the framing off the front of what was read, so that data lies there, as far as it has come.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(super) fn settle(&mut self, unread: &mut BytesMut) -> Result<(), FramingViolation> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        while self.data == 0 && !self.done && !unread.is_empty() {
            let piece = self.checker.piece(unread, &self.limits)?;
            self.trailers.extend_from_slice(&unread[piece.trailers]);
            unread.advance(piece.skipped);
            (self.data, self.done) = (piece.data, piece.done);
        }
        Ok(())
    }

    /// The data at the front of what was read. What is not data behind it is taken along, so that the end is seen with the last
    /// data where both have come; what is wrong there is told when the data has gone on.
    pub(super) fn take_data(&mut self, unread: &mut BytesMut) -> Bytes {
        let data = unread.split_to(std::mem::take(&mut self.data)).freeze();
        self.fault = self.settle(unread).err();
        data
    }

    /// Data at the front of what was read, in bytes.
    pub(super) fn data(&self) -> usize {
        self.data
    }

    /// Whether all of it has come, its trailers included.
    pub(super) fn is_over(&self) -> bool {
        self.done && self.data == 0 && self.fault.is_none()
    }

    /// Whether there are trailers, once it is over.
    pub(super) fn has_trailers(&self) -> bool {
        // The empty line that ends the section is always there.
        self.trailers.len() > 2
    }

    /// Its trailers, once it is over; `None`: it has none.
    ///
    /// # Errors
    /// The grammar lets none through that has.
    pub(super) fn trailers(&mut self) -> Result<Option<HeaderMap>, FramingViolation> {
        if !self.has_trailers() {
            return Ok(None);
        }
        let odd = || FramingViolation::body(FramingRule::HeaderName, self.checker.offset());
        let mut lines = vec![httparse::EMPTY_HEADER; self.limits.trailer_count_max];
        let Ok(httparse::Status::Complete((_, lines))) = httparse::parse_headers(&self.trailers, &mut lines) else {
            return Err(odd());
        };
        let mut trailers = HeaderMap::with_capacity(lines.len());
        for line in lines {
            let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| odd())?;
            trailers.append(name, HeaderValue::from_bytes(line.value).map_err(|_| odd())?);
        }
        self.trailers = Vec::new();
        Ok(Some(trailers))
    }
}
