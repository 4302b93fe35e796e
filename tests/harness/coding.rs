//! The four content codings, for tests that play the other side.

use std::io::{Read as _, Write as _};

/// As `Accept-Encoding` and `Content-Encoding` name them.
pub const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

/// Compresses as well as the coding can.
pub fn encode(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::best();
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 64 * 1024, 9, 22);
            encoder.write_all(bytes).unwrap();
            encoder.into_inner()
        }
        "zstd" => {
            let mut out = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
            zstd_safe::compress(&mut out, bytes, 9).unwrap();
            out
        }
        other => panic!("{other} is no coding"),
    }
}

/// Undoes a coding whose content has at most `bytes_max` bytes.
///
/// # Panics
/// When the bytes are not in this coding, or not complete.
pub fn decode(coding: &str, bytes: &[u8], bytes_max: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes_max);
    match coding {
        "gzip" => drop(flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).unwrap()),
        "deflate" => drop(flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out).unwrap()),
        "br" => drop(brotli::Decompressor::new(bytes, 64 * 1024).read_to_end(&mut out).unwrap()),
        "zstd" => drop(zstd_safe::decompress(&mut out, bytes).unwrap()),
        other => panic!("{other} is no coding"),
    }
    out
}
