//! The grammar of a chunked body, its trailer section included (RFC 9112 section 7.1), strict reading.
//!
//! Called by `http1` for each chunked body, of requests and of answers. It keeps no byte of the body, and skips the data of a chunk by arithmetic.

use super::fields::{KNOWN_NAME_BYTES_MAX, check_trailer_name, name_fault, value_fault};
use super::limits::{CHUNK_SIZE_DIGITS_MAX, ChunkedLimits, LENGTH_MAX};
use super::octets::{token_run, value_run};
use super::violation::{FramingRule, FramingViolation};
use std::ops::Range;

/// What lies at the front of the bytes of a chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkPiece {
    /// Bytes of framing.
    pub skipped: usize,
    /// Where the trailer section lies in those.
    pub trailers: Range<usize>,
    /// Bytes of data behind them.
    pub data: usize,
    /// Whether the body has ended with them.
    pub done: bool,
}

/// Checks one chunked body as its bytes come. However they are split, the same fault is found at the same byte.
#[derive(Clone, Debug)]
pub struct ChunkedChecker {
    phase: Phase,
    offset: u64,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailer_count: usize,
    trailer_name: NameHead,
    whose: Whose,
}

/// Whose body it is: upstreams are given what no client is, where it does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Client,
    Upstream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Size { digits: u8, size: u64 },
    Blanks { size: u64 },
    Extension { size: u64 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl Default for ChunkedChecker {
    fn default() -> Self {
        Self {
            phase: Phase::SIZE,
            offset: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
            trailer_count: 0,
            trailer_name: NameHead::default(),
            whose: Whose::Client,
        }
    }
}

impl ChunkedChecker {
    /// Of an upstream's answer: blanks behind a size pass, which some servers fill it up with, and so do trailers that say
    /// something about framing, which nobody passes on.
    pub fn of_answer() -> Self {
        Self { whose: Whose::Upstream, ..Self::default() }
    }

    /// Checks the next bytes of the body, as far as the first data among them. `limits` are the same each time.
    ///
    /// **Errors**: the first rule that the bytes break; the violation's offset is that of the byte at fault, and
    /// [`offset`](Self::offset) then equals it. The checker must then be dropped.
    pub fn piece(&mut self, bytes: &[u8], limits: &ChunkedLimits) -> Result<ChunkPiece, FramingViolation> {
        let (mut at, mut trailers_at) = (0, None);
        while let Some(&byte) = bytes.get(at)
            && self.phase != Phase::Done
        {
            let is_data = matches!(self.phase, Phase::Data { .. });
            if trailers_at.is_none() && self.phase.is_trailers() {
                trailers_at = Some(at);
            }
            let taken = self.step(byte, &bytes[at..], limits);
            let taken = taken.map_err(|rule| FramingViolation::body(rule, self.offset))?;
            self.offset += taken as u64;
            if is_data {
                return Ok(ChunkPiece { skipped: at, trailers: at..at, data: taken, done: false });
            }
            at += taken;
        }
        let trailers = trailers_at.unwrap_or(at)..at;
        Ok(ChunkPiece { skipped: at, trailers, data: 0, done: self.phase == Phase::Done })
    }

    /// How many bytes of the body have been found good.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes some of `rest`, of which `byte` is the first; takes nothing only when it moves on to another phase.
    fn step(&mut self, byte: u8, rest: &[u8], limits: &ChunkedLimits) -> Result<usize, FramingRule> {
        match self.phase {
            Phase::Size { digits, size } => self.size(byte, digits, size),
            Phase::Blanks { size } => self.blanks(byte, size, limits),
            Phase::Extension { size } => self.extension(byte, rest, size, limits),
            Phase::SizeLf { size: 0 } => self.expect(b'\n', byte, Phase::TrailerStart, FramingRule::BareCr),
            Phase::SizeLf { size } => self.expect(b'\n', byte, Phase::Data { left: size }, FramingRule::BareCr),
            Phase::Data { left } => {
                let taken = left.min(rest.len() as u64);
                self.phase = if taken == left { Phase::DataCr } else { Phase::Data { left: left - taken } };
                Ok(taken as usize)
            }
            Phase::DataCr => self.expect(b'\r', byte, Phase::DataLf, FramingRule::ChunkEnd),
            Phase::DataLf => self.expect(b'\n', byte, Phase::SIZE, FramingRule::ChunkEnd),
            Phase::TrailerStart | Phase::TrailerName | Phase::TrailerValue | Phase::TrailerLf | Phase::EndLf => {
                self.trailer_section(byte, rest, limits)
            }
            Phase::Done => Ok(0),
        }
    }

    fn size(&mut self, byte: u8, digits: u8, size: u64) -> Result<usize, FramingRule> {
        self.phase = match (byte, (byte as char).to_digit(16)) {
            (_, Some(_)) if digits == CHUNK_SIZE_DIGITS_MAX => return Err(FramingRule::ChunkSizeTooLarge),
            (_, Some(digit)) => {
                let size = (size << 4) | u64::from(digit);
                if size > LENGTH_MAX {
                    return Err(FramingRule::ChunkSizeTooLarge);
                }
                Phase::Size { digits: digits + 1, size }
            }
            (b'\r', None) if digits > 0 => Phase::SizeLf { size },
            // The semicolon itself is taken, and counted, as the first byte of the extension.
            (b';', None) if digits > 0 => {
                self.phase = Phase::Extension { size };
                return Ok(0);
            }
            (b' ' | b'\t', None) if digits > 0 && self.whose == Whose::Upstream => {
                self.phase = Phase::Blanks { size };
                return Ok(0);
            }
            (b'\n', None) => return Err(FramingRule::BareLf),
            (_, None) => return Err(FramingRule::ChunkSize),
        };
        Ok(1)
    }

    /// Blanks behind a size end it: nothing but an extension or the end of the line may follow. They count as extensions do.
    fn blanks(&mut self, byte: u8, size: u64, limits: &ChunkedLimits) -> Result<usize, FramingRule> {
        match byte {
            b' ' | b'\t' if self.extension_bytes == limits.extension_bytes_max => {
                return Err(FramingRule::ChunkExtensionsTooLong);
            }
            b' ' | b'\t' => self.extension_bytes += 1,
            b'\r' => self.phase = Phase::SizeLf { size },
            b';' => {
                self.phase = Phase::Extension { size };
                return Ok(0);
            }
            b'\n' => return Err(FramingRule::BareLf),
            _ => return Err(FramingRule::ChunkSize),
        }
        Ok(1)
    }

    fn extension(&mut self, byte: u8, rest: &[u8], size: u64, limits: &ChunkedLimits) -> Result<usize, FramingRule> {
        if byte == b'\r' {
            self.phase = Phase::SizeLf { size };
            return Ok(1);
        }
        let room = limits.extension_bytes_max - self.extension_bytes;
        let taken = value_run(&rest[..rest.len().min(room)]);
        self.extension_bytes += taken;
        match byte {
            _ if taken > 0 => Ok(taken),
            b'\n' => Err(FramingRule::BareLf),
            _ if room == 0 => Err(FramingRule::ChunkExtensionsTooLong),
            _ => Err(FramingRule::ChunkExtension),
        }
    }

    fn trailer_section(&mut self, byte: u8, rest: &[u8], limits: &ChunkedLimits) -> Result<usize, FramingRule> {
        let room = limits.trailer_bytes_max - self.trailer_bytes;
        if room == 0 {
            return Err(FramingRule::TrailersTooLarge);
        }
        let taken = self.trailer(byte, &rest[..rest.len().min(room)], limits)?;
        self.trailer_bytes += taken;
        Ok(taken)
    }

    fn trailer(&mut self, byte: u8, window: &[u8], limits: &ChunkedLimits) -> Result<usize, FramingRule> {
        match (self.phase, byte) {
            (Phase::TrailerStart, b'\r') => self.phase = Phase::EndLf,
            (Phase::TrailerStart, b' ' | b'\t') => return Err(FramingRule::FoldedLine),
            (Phase::TrailerStart, _) if self.trailer_count == limits.trailer_count_max => {
                return Err(FramingRule::TooManyTrailers);
            }
            (Phase::TrailerStart, _) => {
                self.trailer_count += 1;
                self.trailer_name = NameHead::default();
                self.phase = Phase::TrailerName;
                return Ok(0);
            }
            (Phase::TrailerName, b':') if self.trailer_name.len > 0 => {
                let strict = self.whose == Whose::Client;
                self.trailer_name.known().filter(|_| strict).map_or(Ok(()), check_trailer_name)?;
                self.phase = Phase::TrailerValue;
            }
            (Phase::TrailerName, _) => {
                let taken = token_run(window);
                self.trailer_name.push(&window[..taken]);
                return if taken > 0 { Ok(taken) } else { Err(name_fault(byte)) };
            }
            (Phase::TrailerValue, b'\r') => self.phase = Phase::TrailerLf,
            (Phase::TrailerValue, _) => {
                let taken = value_run(window);
                return if taken > 0 { Ok(taken) } else { Err(value_fault(byte)) };
            }
            (Phase::TrailerLf, _) => return self.expect(b'\n', byte, Phase::TrailerStart, FramingRule::BareCr),
            _ => return self.expect(b'\n', byte, Phase::Done, FramingRule::BareCr),
        }
        Ok(1)
    }

    fn expect(&mut self, wanted: u8, byte: u8, next: Phase, otherwise: FramingRule) -> Result<usize, FramingRule> {
        if byte != wanted {
            return Err(otherwise);
        }
        self.phase = next;
        Ok(1)
    }
}

impl Phase {
    const SIZE: Phase = Phase::Size { digits: 0, size: 0 };

    fn is_trailers(self) -> bool {
        use Phase::{EndLf, TrailerLf, TrailerName, TrailerStart, TrailerValue};
        matches!(self, TrailerStart | TrailerName | TrailerValue | TrailerLf | EndLf)
    }
}

/// The beginning of a trailer name, kept because the name may come in pieces.
#[derive(Clone, Copy, Debug, Default)]
struct NameHead {
    bytes: [u8; KNOWN_NAME_BYTES_MAX],
    len: usize,
}

impl NameHead {
    fn push(&mut self, piece: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let kept = room.len().min(piece.len());
        room[..kept].copy_from_slice(&piece[..kept]);
        self.len += piece.len();
    }

    /// The whole name, if it is short enough to be one of those that matter.
    fn known(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len)
    }
}
