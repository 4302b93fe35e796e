//! [`Lossy`]: a body as text, which means UTF-8 in which every malformed sequence is U+FFFD (section a.2). The result is
//! that of [`String::from_utf8_lossy`] over the whole body, wherever frames begin and end.

use super::stage::{Stage, Step, bounds};
use crate::body::BodyError;
use crate::limits::LOSSY_PIECE_BYTES;
use bytes::{Buf as _, Bytes};
use http_body::SizeHint;
use std::str::from_utf8;

const REPLACEMENT: &str = "\u{FFFD}";

/// Longest encoding of a character, in bytes.
const CHARACTER_BYTES_MAX: usize = 4;

/// A body as text. What is well-formed is handed on without a copy.
pub(crate) type Lossy<B> = Stage<B, ToText>;

impl<B> Lossy<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self::over(inner, ToText::default())
    }
}

/// The step of [`Lossy`].
#[derive(Default)]
pub(crate) struct ToText {
    /// The beginning of a character, of which the rest is in the next frame.
    begun: [u8; CHARACTER_BYTES_MAX],
    begun_bytes: usize,
}

impl ToText {
    /// Goes on with the character that was begun until it is one, or cannot become one any more. `None` while neither is
    /// known.
    fn end_character(&mut self, input: &mut Bytes) -> Option<Bytes> {
        while let Some(&next) = input.first() {
            self.begun[self.begun_bytes] = next;
            let character = &self.begun[..=self.begun_bytes];
            match from_utf8(character) {
                Ok(_) => {
                    let whole = Bytes::copy_from_slice(character);
                    input.advance(1);
                    self.begun_bytes = 0;
                    return Some(whole);
                }
                Err(error) if error.error_len().is_none() => {
                    input.advance(1);
                    self.begun_bytes += 1;
                }
                // What was begun could have become a character, so it is `next` that cannot belong to it.
                Err(_) => {
                    self.begun_bytes = 0;
                    return Some(Bytes::from_static(REPLACEMENT.as_bytes()));
                }
            }
        }
        None
    }

    fn begin_character(&mut self, bytes: &[u8]) {
        self.begun[..bytes.len()].copy_from_slice(bytes);
        self.begun_bytes = bytes.len();
    }

    fn repaired(&mut self, piece: &[u8]) -> Bytes {
        let mut text = String::with_capacity(piece.len() + REPLACEMENT.len());
        let mut remaining = piece.len();
        for chunk in piece.utf8_chunks() {
            let malformed = chunk.invalid();
            remaining -= chunk.valid().len() + malformed.len();
            text.push_str(chunk.valid());
            if remaining == 0 && is_begun(malformed) {
                self.begin_character(malformed);
            } else if !malformed.is_empty() {
                text.push_str(REPLACEMENT);
            }
        }
        text.into()
    }
}

/// Whether these bytes, with which the piece ends, may be the beginning of a character.
fn is_begun(bytes: &[u8]) -> bool {
    from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

impl Step for ToText {
    fn take(&mut self, input: &mut Bytes) -> Result<Bytes, BodyError> {
        if self.begun_bytes > 0 {
            return Ok(self.end_character(input).unwrap_or_default());
        }
        let mut piece = input.split_to(input.len().min(LOSSY_PIECE_BYTES));
        let well_formed = match from_utf8(&piece) {
            Ok(_) => return Ok(piece),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Ok(self.repaired(&piece)),
        };
        self.begin_character(&piece.split_off(well_formed));
        Ok(piece)
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        let is_whole = std::mem::take(&mut self.begun_bytes) == 0;
        Ok(Bytes::from_static(if is_whole { b"" } else { REPLACEMENT.as_bytes() }))
    }

    fn is_settled(&self) -> bool {
        self.begun_bytes == 0
    }

    fn size_hint(&self, input: &SizeHint) -> SizeHint {
        let begun = self.begun_bytes as u64;
        // A malformed sequence has one to three bytes, its replacement three: text is never shorter than its bytes.
        let longest = |bytes: u64| bytes.saturating_add(begun).saturating_mul(REPLACEMENT.len() as u64);
        bounds(input.lower().saturating_add(begun), input.upper().map(longest))
    }
}

#[cfg(test)]
mod tests;
