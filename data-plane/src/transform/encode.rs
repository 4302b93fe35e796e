//! [`Encode`]: bytes become base64 in the standard alphabet, padded (section a.3, a.4; RFC 4648 section 4).

use super::stage::{Stage, Step, map_bounds};
use super::units::{Carry, ENGINE};
use crate::body::BodyError;
use crate::limits::ENCODE_PIECE_BYTES;
use base64::Engine as _;
use bytes::Bytes;
use http_body::SizeHint;

/// A body as base64. Its size is known when the inner one's is.
pub(crate) type Encode<B> = Stage<B, ToBase64>;

impl<B> Encode<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self::over(inner, ToBase64::default())
    }
}

/// The step of [`Encode`].
#[derive(Default)]
pub(crate) struct ToBase64 {
    carry: Carry<3>,
}

impl Step for ToBase64 {
    fn take(&mut self, input: &mut Bytes) -> Result<Bytes, BodyError> {
        let mut piece = input.split_to(input.len().min(ENCODE_PIECE_BYTES));
        let mut output = vec![0; (self.carry.len() + piece.len()) / 3 * 4];
        let begun = self.carry.complete(&mut piece).map_or(0, |unit| encode(&unit, &mut output));
        let whole = piece.len() / 3 * 3;
        encode(&piece[..whole], &mut output[begun..]);
        self.carry.keep(&piece[whole..]);
        Ok(output.into())
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        let (unit, len) = self.carry.take();
        Ok(ENGINE.encode(&unit[..len]).into())
    }

    fn is_settled(&self) -> bool {
        self.carry.len() == 0
    }

    fn size_hint(&self, input: &SizeHint) -> SizeHint {
        map_bounds(input, |bytes| bytes.saturating_add(self.carry.len() as u64).div_ceil(3).saturating_mul(4))
    }
}

fn encode(bytes: &[u8], output: &mut [u8]) -> usize {
    ENGINE.encode_slice(bytes, output).expect("four characters of room were made for every three bytes")
}

#[cfg(test)]
mod tests;
