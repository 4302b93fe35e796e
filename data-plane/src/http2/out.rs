//! [`Out`]: what a connection has to say, until its socket takes it.

use crate::limits::{H2_COPIED_BYTES_MAX, H2_KEPT_BYTES_MAX, H2_OUT_BYTES_MAX};
use bytes::{Buf as _, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Pieces that are written at once.
const SLICES_MAX: usize = 16;

/// Frames, in order. What is small is copied into one piece; large payloads are pieces of their own.
#[derive(Debug, Default)]
pub(crate) struct Out {
    whole: VecDeque<Bytes>,
    /// What comes last, and how much of it is written already.
    tail: Vec<u8>,
    written: usize,
    /// Bytes in all pieces together.
    bytes: usize,
}

impl Out {
    /// Whether another frame of an answer may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes() < H2_OUT_BYTES_MAX
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.tail.len() - self.written
    }

    /// Where small frames are written.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Adds a payload.
    pub(crate) fn payload(&mut self, data: Bytes) {
        if data.len() <= H2_COPIED_BYTES_MAX {
            self.tail.extend_from_slice(&data);
            return;
        }
        let mut before = Bytes::from(std::mem::take(&mut self.tail));
        before.advance(std::mem::take(&mut self.written));
        for piece in [before, data] {
            if !piece.is_empty() {
                self.bytes += piece.len();
                self.whole.push_back(piece);
            }
        }
    }

    /// Writes as much as the socket takes. Ready when nothing waits any more; how much was written meanwhile.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut socket: impl AsyncWrite + Unpin,
        taken: &mut usize,
    ) -> Poll<io::Result<()>> {
        while self.bytes() > 0 {
            let tail = &self.tail[self.written..];
            let written = if self.whole.is_empty() {
                ready!(Pin::new(&mut socket).poll_write(cx, tail))?
            } else {
                let mut slices = [IoSlice::new(b""); SLICES_MAX];
                let pieces = self.whole.iter().map(|piece| &piece[..]).chain([tail]);
                let mut count = 0;
                for (slot, piece) in slices.iter_mut().zip(pieces) {
                    *slot = IoSlice::new(piece);
                    count += 1;
                }
                ready!(Pin::new(&mut socket).poll_write_vectored(cx, &slices[..count]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *taken += written;
            self.advance(written);
        }
        self.tail.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Gives back what a connection on which nothing is under way does not need.
    pub(crate) fn rest(&mut self) {
        if self.tail.is_empty() && self.tail.capacity() > H2_KEPT_BYTES_MAX {
            self.tail = Vec::new();
        }
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.whole.front_mut().filter(|_| written > 0) {
            let part = written.min(first.len());
            first.advance(part);
            self.bytes -= part;
            written -= part;
            if first.is_empty() {
                self.whole.pop_front();
            }
        }
        self.written += written;
    }

    /// Everything that waits, for tests.
    #[cfg(test)]
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut all = self.whole.drain(..).collect::<Vec<_>>().concat();
        all.extend_from_slice(&self.tail[self.written..]);
        *self = Self::default();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn everything_goes_in_order_however_little_is_taken_at_a_time() {
        let (mut here, mut there) = tokio::io::duplex(100);
        let (mut out, mut expected) = (Out::default(), Vec::new());
        for (at, bytes) in [3, 10_000, 1, 200, 20_000, 5_000, 7].into_iter().enumerate() {
            out.tail().push(at as u8);
            expected.push(at as u8);
            let piece = vec![at as u8; bytes];
            expected.extend_from_slice(&piece);
            out.payload(piece.into());
        }
        assert_eq!(out.bytes(), expected.len());
        assert!(out.bytes() < H2_OUT_BYTES_MAX && out.has_room());
        let mut taken = 0;
        let mut read = Vec::new();
        let writing = async {
            poll_fn(|cx| out.poll_write(cx, &mut here, &mut taken)).await.expect("it is open");
            drop(here);
        };
        let (_, done) = tokio::join!(writing, there.read_to_end(&mut read));
        done.expect("it ends");
        assert_eq!((read == expected, taken, out.bytes()), (true, expected.len(), 0));
        out.tail().resize(H2_OUT_BYTES_MAX, 0);
        assert!(!out.has_room());
    }
}
