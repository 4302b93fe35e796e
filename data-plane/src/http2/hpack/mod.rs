//! Compression of fields (RFC 7541), in both directions.
//!
//! What comes in is decoded into [`Field`](super::field::Field)s, which are checked once, also where a client refers to them
//! again and again. What goes out is written without Huffman's code, which costs more than it saves here, and with a small
//! table for what repeats.

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod statics;
#[cfg(test)]
mod tests;

pub(crate) use decoder::{Decoder, Wrong};
pub(crate) use encoder::Encoder;

/// What each field of a table, or of a list, counts besides its octets (RFC 7541 section 4.1).
const FIELD_BYTES: usize = 32;
