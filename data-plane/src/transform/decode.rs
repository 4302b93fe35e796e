//! [`Decode`]: base64 becomes the bytes that it stands for (section a.3, a.4), or the body fails.
//!
//! Strictness (section a.6): the standard alphabet and nothing else, so blanks, line breaks and the URL-safe characters
//! fail. Padding may be absent, but where it stands it must be right: at the end, and completing the last four
//! characters. The bits of the last character that belong to no byte may have any value: both decoders in use on the
//! JVM, `java.util.Base64` and Guava's, drop them, so what the hosted gateway takes must not fail here.

use super::stage::{Stage, Step, bounds};
use super::units::{Carry, ENGINE};
use crate::body::BodyError;
use crate::limits::DECODE_PIECE_BYTES;
use base64::Engine as _;
use bytes::Bytes;
use http_body::SizeHint;

/// A base64 body as bytes.
pub(crate) type Decode<B> = Stage<B, FromBase64>;

impl<B> Decode<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self::over(inner, FromBase64::default())
    }
}

/// The step of [`Decode`].
#[derive(Default)]
pub(crate) struct FromBase64 {
    carry: Carry<4>,
    /// Padding has come, so nothing else may.
    padded: bool,
}

impl FromBase64 {
    /// Decodes whole quads into the front of `output`; answers how many bytes they stood for.
    fn decode(&mut self, quads: &[u8], output: &mut [u8]) -> Result<usize, BodyError> {
        let Some(last) = quads.last() else { return Ok(0) };
        if self.padded {
            return Err(BodyError::Base64);
        }
        self.padded = *last == b'=';
        ENGINE.decode_slice(quads, output).map_err(|_| BodyError::Base64)
    }
}

impl Step for FromBase64 {
    fn take(&mut self, input: &mut Bytes) -> Result<Bytes, BodyError> {
        let mut piece = input.split_to(input.len().min(DECODE_PIECE_BYTES));
        let mut output = vec![0; (self.carry.len() + piece.len()) / 4 * 3];
        let begun = match self.carry.complete(&mut piece) {
            Some(quad) => self.decode(&quad, &mut output)?,
            None => 0,
        };
        let whole = piece.len() / 4 * 4;
        let decoded = self.decode(&piece[..whole], &mut output[begun..])?;
        output.truncate(begun + decoded);
        self.carry.keep(&piece[whole..]);
        Ok(output.into())
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        let (rest, len) = self.carry.take();
        let rest = &rest[..len];
        // Fewer than four characters are unpadded, or are padded wrongly.
        if !rest.is_empty() && (self.padded || rest.contains(&b'=')) {
            return Err(BodyError::Base64);
        }
        ENGINE.decode(rest).map(Bytes::from).map_err(|_| BodyError::Base64)
    }

    fn is_settled(&self) -> bool {
        self.carry.len() == 0
    }

    fn size_hint(&self, input: &SizeHint) -> SizeHint {
        let carried = self.carry.len() as u64;
        let upper = input.upper().map(|characters| most_bytes(characters.saturating_add(carried)));
        bounds(fewest_bytes(input.lower().saturating_add(carried)), upper)
    }
}

/// Two characters may be padding.
fn fewest_bytes(characters: u64) -> u64 {
    (characters / 4 * 3).saturating_sub(2)
}

/// Never zero when there are characters: a body of size zero is not even read, and this one may be wrong.
fn most_bytes(characters: u64) -> u64 {
    characters.div_ceil(4) * 3
}

#[cfg(test)]
mod tests;
