//! [`Encoder`] and [`Decoder`]: the four content codings behind one calling convention. No state but the libraries' own.
//!
//! What each costs while it runs is in `limits.rs`, beside the numbers that decide it.

use crate::body::BodyError;
use crate::limits::{
    BROTLI_DECODER_BYTES, BROTLI_ENCODER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_LOG, CODING_PIECE_BYTES,
    DEFLATE_DECODER_BYTES, DEFLATE_ENCODER_BYTES, DEFLATE_LEVEL, ZSTD_DECODER_BYTES, ZSTD_ENCODER_BYTES, ZSTD_LEVEL,
    ZSTD_READ_WINDOW_LOG_MAX, ZSTD_WINDOW_LOG,
};
use brotli::enc::StandardAlloc;
use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use penstock_model::content::coding::Coding;
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer};

/// Largest window of zlib, as a power of two, which is what every decoder understands.
const ZLIB_WINDOW_LOG: u8 = 15;

/// What one call did.
pub(super) struct Ran {
    /// Bytes taken from the front of the input.
    pub(super) read: usize,
    /// Bytes put to the front of the output.
    pub(super) written: usize,
    /// Encoding: nothing waits inside any more for what was asked. Decoding: the stream, member or frame is over.
    pub(super) done: bool,
}

/// What an encoder is asked.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// To take input.
    Encode,
    /// To give out whatever it has taken, repeated until it is done.
    Flush,
    /// To end, repeated until it is done.
    Finish,
}

/// Compresses.
pub(super) enum Encoder {
    /// gzip or zlib.
    Flate(Compress),
    Brotli(Box<BrotliEncoderStateStruct<StandardAlloc>>),
    Zstd(CCtx<'static>),
}

impl Encoder {
    /// What one holds at most while it runs, the piece that it writes into included.
    pub(super) const fn bytes_max(coding: Coding) -> usize {
        let state = match coding {
            Coding::Gzip | Coding::Deflate => DEFLATE_ENCODER_BYTES,
            Coding::Brotli => BROTLI_ENCODER_BYTES,
            Coding::Zstd => ZSTD_ENCODER_BYTES,
        };
        state + CODING_PIECE_BYTES
    }

    pub(super) fn new(coding: Coding) -> Self {
        let level = Compression::new(DEFLATE_LEVEL);
        match coding {
            Coding::Gzip => Self::Flate(Compress::new_gzip(level, ZLIB_WINDOW_LOG)),
            Coding::Deflate => Self::Flate(Compress::new(level, true)),
            Coding::Brotli => {
                let mut state = Box::new(BrotliEncoderStateStruct::new(StandardAlloc::default()));
                state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_QUALITY, BROTLI_QUALITY);
                state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_LGWIN, BROTLI_WINDOW_LOG);
                Self::Brotli(state)
            }
            Coding::Zstd => {
                let mut context = CCtx::create();
                for parameter in [CParameter::CompressionLevel(ZSTD_LEVEL), CParameter::WindowLog(ZSTD_WINDOW_LOG)] {
                    context.set_parameter(parameter).expect("the level and the window are within zstd's bounds");
                }
                Self::Zstd(context)
            }
        }
    }

    /// **Errors** with [`BodyError::Coding`] only when the library's own state is broken.
    pub(super) fn run(&mut self, input: &[u8], output: &mut [u8], ask: Ask) -> Result<Ran, BodyError> {
        match self {
            Self::Flate(state) => deflate(state, input, output, ask),
            Self::Brotli(state) => brotli_encode(state, input, output, ask),
            Self::Zstd(context) => zstd_encode(context, input, output, ask),
        }
    }
}

fn deflate(state: &mut Compress, input: &[u8], output: &mut [u8], ask: Ask) -> Result<Ran, BodyError> {
    let flush = match ask {
        Ask::Encode => FlushCompress::None,
        Ask::Flush => FlushCompress::Sync,
        Ask::Finish => FlushCompress::Finish,
    };
    let (total_in, total_out) = (state.total_in(), state.total_out());
    let status = state.compress(input, output, flush).map_err(|_| BodyError::Coding)?;
    let (read, written) = (since(total_in, state.total_in()), since(total_out, state.total_out()));
    let done = match ask {
        Ask::Encode | Ask::Flush => written < output.len(),
        Ask::Finish => status == Status::StreamEnd,
    };
    Ok(Ran { read, written, done })
}

fn brotli_encode(
    state: &mut BrotliEncoderStateStruct<StandardAlloc>,
    input: &[u8],
    output: &mut [u8],
    ask: Ask,
) -> Result<Ran, BodyError> {
    let operation = match ask {
        Ask::Encode => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
        Ask::Flush => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
        Ask::Finish => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
    };
    let (mut read, mut written) = (0, 0);
    let went_well = state.compress_stream(
        operation,
        &mut input.len(),
        input,
        &mut read,
        &mut output.len(),
        output,
        &mut written,
        &mut None,
        &mut |_, _, _, _| (),
    );
    let done = match ask {
        Ask::Encode | Ask::Flush => !state.has_more_output(),
        Ask::Finish => state.is_finished(),
    };
    if went_well { Ok(Ran { read, written, done }) } else { Err(BodyError::Coding) }
}

fn zstd_encode(context: &mut CCtx<'_>, input: &[u8], output: &mut [u8], ask: Ask) -> Result<Ran, BodyError> {
    let directive = match ask {
        Ask::Encode => ZSTD_EndDirective::ZSTD_e_continue,
        Ask::Flush => ZSTD_EndDirective::ZSTD_e_flush,
        Ask::Finish => ZSTD_EndDirective::ZSTD_e_end,
    };
    let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
    let remaining = context.compress_stream2(&mut to, &mut from, directive).map_err(|_| BodyError::Coding)?;
    Ok(Ran { read: from.pos(), written: to.pos(), done: remaining == 0 })
}

/// Decompresses.
pub(super) enum Decoder {
    /// gzip or zlib.
    Flate(Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(DCtx<'static>),
}

impl Decoder {
    /// What one holds at most while it runs, the piece that it writes into included.
    pub(super) const fn bytes_max(coding: Coding) -> usize {
        let state = match coding {
            Coding::Gzip | Coding::Deflate => DEFLATE_DECODER_BYTES,
            Coding::Brotli => BROTLI_DECODER_BYTES,
            Coding::Zstd => ZSTD_DECODER_BYTES,
        };
        state + CODING_PIECE_BYTES
    }

    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Flate(Decompress::new_gzip(ZLIB_WINDOW_LOG)),
            Coding::Deflate => Self::Flate(Decompress::new(true)),
            Coding::Brotli => {
                let allocator = StandardAlloc::default;
                // Strict: without the extension that lets a sender ask for a window of a gigabyte.
                Self::Brotli(Box::new(BrotliState::new_strict(allocator(), allocator(), allocator())))
            }
            Coding::Zstd => {
                let mut context = DCtx::create();
                context
                    .set_parameter(DParameter::WindowLogMax(ZSTD_READ_WINDOW_LOG_MAX))
                    .expect("the window is within zstd's bounds");
                Self::Zstd(context)
            }
        }
    }

    /// **Errors** with [`BodyError::Coding`] when the input is not what an encoder writes.
    pub(super) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Ran, BodyError> {
        match self {
            Self::Flate(state) => {
                let (total_in, total_out) = (state.total_in(), state.total_out());
                let status = state.decompress(input, output, FlushDecompress::None).map_err(|_| BodyError::Coding)?;
                let (read, written) = (since(total_in, state.total_in()), since(total_out, state.total_out()));
                Ok(Ran { read, written, done: status == Status::StreamEnd })
            }
            Self::Brotli(state) => {
                let (mut read, mut written) = (0, 0);
                let result = BrotliDecompressStream(
                    &mut input.len(),
                    &mut read,
                    input,
                    &mut output.len(),
                    &mut written,
                    output,
                    &mut 0,
                    state,
                );
                match result {
                    BrotliResult::ResultFailure => Err(BodyError::Coding),
                    BrotliResult::ResultSuccess => Ok(Ran { read, written, done: true }),
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {
                        Ok(Ran { read, written, done: false })
                    }
                }
            }
            Self::Zstd(context) => {
                let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
                let expected = context.decompress_stream(&mut to, &mut from).map_err(|_| BodyError::Coding)?;
                Ok(Ran { read: from.pos(), written: to.pos(), done: expected == 0 })
            }
        }
    }
}

/// How far a count went on in one call.
fn since(before: u64, after: u64) -> usize {
    usize::try_from(after - before).expect("one call moves no more than its slices hold")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only library of the three that tells what it holds.
    #[test]
    fn zstd_holds_no_more_than_its_share() {
        let mut encoder = CCtx::create();
        for parameter in [CParameter::CompressionLevel(ZSTD_LEVEL), CParameter::WindowLog(ZSTD_READ_WINDOW_LOG_MAX)] {
            encoder.set_parameter(parameter).expect("the level and the window are within zstd's bounds");
        }
        let Encoder::Zstd(mut ours) = Encoder::new(Coding::Zstd) else { panic!("another encoder") };
        let Decoder::Zstd(mut theirs) = Decoder::new(Coding::Zstd) else { panic!("another decoder") };
        let mut state = 1_u32;
        let mut plain = vec![0; CODING_PIECE_BYTES];
        let (mut coded, mut again) = (vec![0; 2 * CODING_PIECE_BYTES], vec![0; CODING_PIECE_BYTES]);
        for _ in 0..2 * (1 << ZSTD_READ_WINDOW_LOG_MAX) / CODING_PIECE_BYTES {
            plain.fill_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 28) as u8
            });
            zstd_encode(&mut ours, &plain, &mut coded, Ask::Flush).expect("nothing is wrong");
            assert!(ours.sizeof() <= ZSTD_ENCODER_BYTES, "{}", ours.sizeof());
            let ran = zstd_encode(&mut encoder, &plain, &mut coded, Ask::Flush).expect("nothing is wrong");
            let (mut from, mut to) = (InBuffer::around(&coded[..ran.written]), OutBuffer::around(&mut again[..]));
            theirs.decompress_stream(&mut to, &mut from).expect("an encoder wrote it");
            assert!(theirs.sizeof() <= ZSTD_DECODER_BYTES, "{}", theirs.sizeof());
        }
        assert!(theirs.sizeof() > 1 << ZSTD_READ_WINDOW_LOG_MAX, "the window was not used: {}", theirs.sizeof());
    }
}
