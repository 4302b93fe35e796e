//! [`Compress`]: a body in a content coding (section h.8).

use super::budget::{CollectBudget, Permit};
use super::coders::{Ask, Encoder};
use super::stage::{Stage, Step};
use crate::body::BodyError;
use crate::limits::CODING_PIECE_BYTES;
use bytes::{Buf as _, Bytes};
use http_body::{Body, SizeHint};
use penstock_model::content::coding::Coding;

/// The right to compress one body in one coding.
pub(crate) struct CompressPermit {
    coding: Coding,
    permit: Permit,
}

impl CompressPermit {
    /// Takes it, if the budget has room for the encoder now: an answer rather goes as it is than waits.
    pub(crate) fn try_take(coding: Coding, budget: &CollectBudget) -> Option<Self> {
        let mut permit = budget.permit();
        permit.try_cover(Encoder::bytes_max(coding)).ok()?;
        Some(Self { coding, permit })
    }
}

/// A body, compressed. Its size is not known.
pub(crate) type Compress<B> = Stage<B, ToCoding>;

impl<B: Body> Compress<B> {
    pub(crate) fn new(inner: B, CompressPermit { coding, permit }: CompressPermit) -> Self {
        let step = ToCoding {
            encoder: Encoder::new(coding),
            _permit: permit,
            scratch: vec![0; CODING_PIECE_BYTES].into(),
            // Who announced a size has everything and only sends slowly; who did not may be telling things as they happen.
            flushes: inner.size_hint().exact().is_none(),
            unflushed: false,
            flushing: false,
            finished: false,
        };
        Self::over(inner, step)
    }
}

/// The step of [`Compress`].
pub(crate) struct ToCoding {
    encoder: Encoder,
    /// Of the encoder.
    _permit: Permit,
    scratch: Box<[u8]>,
    /// Whether a pause of the input hands on what there is.
    flushes: bool,
    /// Input was taken that no flush has given out.
    unflushed: bool,
    /// A flush did not fit into one piece.
    flushing: bool,
    finished: bool,
}

impl ToCoding {
    fn flush(&mut self) -> Result<Bytes, BodyError> {
        let ran = self.encoder.run(&[], &mut self.scratch, Ask::Flush)?;
        self.flushing = !ran.done;
        self.unflushed = !ran.done;
        Ok(Bytes::copy_from_slice(&self.scratch[..ran.written]))
    }
}

impl Step for ToCoding {
    fn take(&mut self, input: &mut Bytes) -> Result<Bytes, BodyError> {
        let ran = self.encoder.run(input, &mut self.scratch, Ask::Encode)?;
        if ran.read == 0 && ran.written == 0 {
            return Err(BodyError::Coding);
        }
        input.advance(ran.read);
        self.unflushed = true;
        Ok(Bytes::copy_from_slice(&self.scratch[..ran.written]))
    }

    /// A flush that was begun must come to its end before the encoder takes anything else.
    fn more(&mut self) -> Result<Bytes, BodyError> {
        if self.flushing { self.flush() } else { Ok(Bytes::new()) }
    }

    fn pause(&mut self) -> Result<Bytes, BodyError> {
        if self.flushes && self.unflushed { self.flush() } else { Ok(Bytes::new()) }
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        if self.finished {
            return Ok(Bytes::new());
        }
        let ran = self.encoder.run(&[], &mut self.scratch, Ask::Finish)?;
        if ran.written == 0 && !ran.done {
            return Err(BodyError::Coding);
        }
        self.finished = ran.done;
        Ok(Bytes::copy_from_slice(&self.scratch[..ran.written]))
    }

    fn is_settled(&self) -> bool {
        self.finished
    }

    fn size_hint(&self, _input: &SizeHint) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests;
