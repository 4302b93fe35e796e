//! [`decompress`]: the content codings of a body undone, for whoever must read it (section h.8).
//!
//! A small input can become a large output, so the output comes in pieces of [`CODING_PIECE_BYTES`] as it is asked for,
//! and a body fails that expands beyond what honest content does.

use super::BoxedBody;
use super::budget::{CollectBudget, Permit};
use super::coders::Decoder;
use super::collect::CollectError;
use super::stage::{Stage, Step};
use crate::body::BodyError;
use crate::limits::{CODING_PIECE_BYTES, EXPANSION_FREE_BYTES, EXPANSION_RATIO_MAX};
use bytes::{Buf as _, Bytes};
use http_body::SizeHint;
use penstock_model::content::coding::Coding;
use std::cell::Cell;
use std::rc::Rc;

/// Undoes codings, which are given in the order in which they were applied; the size of what comes of it is not known.
/// `bytes_max` bounds it, if anything beside the ratio is to bound it. What each coding makes is bounded by what came over
/// the wire, so that stacking does not multiply the ratio.
///
/// The body holds what its decoders need from the `budget`, and all of it before there is the first of them: the sender
/// decides how much of that they use, and when.
///
/// **Errors** with [`CollectError::Budget`].
pub(crate) async fn decompress(
    body: BoxedBody,
    codings: &[Coding],
    bytes_max: Option<u64>,
    budget: &CollectBudget,
) -> Result<BoxedBody, CollectError> {
    let mut permit = budget.permit();
    permit.cover(codings.iter().map(|coding| Decoder::bytes_max(*coding)).sum()).await?;
    let permit = Rc::new(permit);
    let mut expansion = Expansion::new(bytes_max);
    Ok(codings.iter().rev().fold(body, |body, coding| {
        let outer = expansion.behind();
        let step = FromCoding::new(*coding, std::mem::replace(&mut expansion, outer), Rc::clone(&permit));
        Box::pin(Stage::over(body, step))
    }))
}

/// The step that undoes one coding.
struct FromCoding {
    coding: Coding,
    decoder: Decoder,
    /// Of all the decoders of the body.
    _permit: Rc<Permit>,
    scratch: Box<[u8]>,
    expansion: Expansion,
    place: Place,
    /// The last piece was filled to its end, so more may wait inside.
    full: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing has come. A body without a single byte is accepted: answers that have no content are sent with the coding
    /// which their content would have.
    Start,
    /// Within a stream, a member or a frame.
    Inside,
    /// Behind a complete one.
    Behind,
}

impl FromCoding {
    fn new(coding: Coding, expansion: Expansion, permit: Rc<Permit>) -> Self {
        Self {
            coding,
            decoder: Decoder::new(coding),
            _permit: permit,
            scratch: vec![0; CODING_PIECE_BYTES].into(),
            expansion,
            place: Place::Start,
            full: false,
        }
    }

    fn run(&mut self, input: &mut Bytes) -> Result<Bytes, BodyError> {
        let ran = self.decoder.run(input, &mut self.scratch)?;
        if ran.read == 0 && ran.written == 0 && !ran.done && !input.is_empty() {
            return Err(BodyError::Coding);
        }
        input.advance(ran.read);
        self.expansion.count(ran.read, ran.written)?;
        self.full = !ran.done && ran.written == self.scratch.len();
        self.place = if ran.done { Place::Behind } else { Place::Inside };
        Ok(Bytes::copy_from_slice(&self.scratch[..ran.written]))
    }

    /// What follows a complete stream: another gzip member (RFC 1952 section 2.2) or zstd frame (RFC 8878 section 3), but
    /// nothing in the other two formats.
    fn begin_next(&mut self) -> Result<(), BodyError> {
        match self.coding {
            Coding::Gzip => self.decoder = Decoder::new(self.coding),
            Coding::Zstd => {}
            Coding::Deflate | Coding::Brotli => return Err(BodyError::Coding),
        }
        Ok(())
    }
}

impl Step for FromCoding {
    fn take(&mut self, input: &mut Bytes) -> Result<Bytes, BodyError> {
        if self.place == Place::Behind {
            self.begin_next()?;
        }
        self.run(input)
    }

    fn more(&mut self) -> Result<Bytes, BodyError> {
        if self.full { self.run(&mut Bytes::new()) } else { Ok(Bytes::new()) }
    }

    fn finish(&mut self) -> Result<Bytes, BodyError> {
        match self.place {
            Place::Start | Place::Behind => Ok(Bytes::new()),
            Place::Inside => Err(BodyError::Coding),
        }
    }

    fn is_settled(&self) -> bool {
        self.place != Place::Inside
    }

    fn size_hint(&self, input: &SizeHint) -> SizeHint {
        // Only of nothing is it known what it becomes.
        match (self.place, input.exact()) {
            (Place::Start, Some(0)) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}

/// The bound on what a body may become.
struct Expansion {
    /// Bytes that came over the wire, counted by the first decoder and read by those behind it.
    wire: Rc<Cell<u64>>,
    counts_wire: bool,
    output: u64,
    output_max: u64,
}

impl Expansion {
    fn new(output_max: Option<u64>) -> Self {
        Self { wire: Rc::default(), counts_wire: true, output: 0, output_max: output_max.unwrap_or(u64::MAX) }
    }

    /// That of a decoder which reads the output of this one.
    fn behind(&self) -> Self {
        Self { wire: Rc::clone(&self.wire), counts_wire: false, output: 0, output_max: self.output_max }
    }

    fn count(&mut self, read: usize, written: usize) -> Result<(), BodyError> {
        if self.counts_wire {
            self.wire.set(self.wire.get() + read as u64);
        }
        self.output += written as u64;
        let proportionate = self.wire.get().saturating_mul(EXPANSION_RATIO_MAX);
        let allowed = proportionate.max(EXPANSION_FREE_BYTES).min(self.output_max);
        if self.output > allowed { Err(BodyError::Expansion) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
