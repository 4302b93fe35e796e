//! Base64 as the adapters for bodies use it: the same engine with the same leniency, in their pieces, each into memory of its own.

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, Simd};
use criterion::{Criterion, Throughput};
use std::hint::black_box;

/// Bytes that are encoded at a time, and characters that are decoded at a time (`data-plane/src/limits.rs`).
const ENCODED_BYTES: usize = 48 * 1024;
const DECODED_BYTES: usize = 64 * 1024;

/// Throughput is of the bytes, not of the characters.
pub(crate) fn convert(criterion: &mut Criterion) {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = Simd::standard(config);
    let bytes: Vec<u8> = (0..ENCODED_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    let characters = engine.encode(&bytes);
    assert_eq!(characters.len(), DECODED_BYTES);
    let mut group = criterion.benchmark_group("base64");
    group.throughput(Throughput::Bytes(ENCODED_BYTES as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            let mut output = vec![0; DECODED_BYTES];
            engine.encode_slice(black_box(&bytes), &mut output).expect("there is room");
            output
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut output = vec![0; ENCODED_BYTES];
            engine.decode_slice(black_box(&characters), &mut output).expect("it is base64");
            output
        });
    });
    group.finish();
}
