//! What both directions of base64 share: the engine, and the unit that straddles two frames.

use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, Simd};
use bytes::{Buf as _, Bytes};
use std::sync::LazyLock;

/// The standard alphabet. Padding is written; read, it may be absent, and the bits behind the last byte may have any
/// value (see `decode`). It is built once because it asks the processor for its instruction sets.
pub(super) static ENGINE: LazyLock<Simd> = LazyLock::new(|| {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    Simd::standard(config)
});

/// The beginning of a unit of `N` bytes, of which the rest is in the next frame.
pub(super) struct Carry<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Carry<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Carry<N> {
    /// Bytes that are carried, always fewer than `N`.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The carried bytes. Nothing is carried afterwards.
    pub(super) fn take(&mut self) -> ([u8; N], usize) {
        (self.bytes, std::mem::take(&mut self.len))
    }

    /// Moves bytes from the front of `piece` behind the carried ones, as far as the unit goes. The unit, when it is
    /// complete; `None` as well when nothing was carried.
    pub(super) fn complete(&mut self, piece: &mut Bytes) -> Option<[u8; N]> {
        if self.len == 0 {
            return None;
        }
        let moved = piece.len().min(N - self.len);
        piece.copy_to_slice(&mut self.bytes[self.len..self.len + moved]);
        self.len += moved;
        (self.len == N).then(|| self.take().0)
    }

    /// Carries `rest`, which is less than a unit, behind what is carried.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.bytes[self.len..self.len + rest.len()].copy_from_slice(rest);
        self.len += rest.len();
    }
}
