//! A connection with the framing guard in its read side and the lingering close at its end.
//!
//! A connection is wrapped in a [`GuardedIo`] and that in hyper-util's `TokioIo`. It speaks
//! tokio's traits and not hyper's because only their read buffer lets safe code look at the bytes that were just read
//! and take some of them back: in the usual case, a whole head in one read, nothing is copied here. The write side passes
//! straight through.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::super::{FramingLimits, LingeringLimits, MessagePart, ViolationCell};
use super::guard::FramingGuard;
use crate::deadline::Deadline;

/// Bytes thrown away with one read of the lingering close.
const DISCARD_BYTES: usize = 16 * 1024;

/// A guarded connection.
///
/// Its read side ends in one of three ways: with the connection's own end or error; after a refused head, with the
/// stand-in and then nothing, not even an end, because hyper drops the request it is answering when it sees one; in a
/// refused body, with an error of kind `InvalidData` that carries the violation.
///
/// Its shutdown is the lingering close, see [`close`](Self::close).
#[derive(Debug)]
pub(super) struct GuardedIo<T> {
    io: T,
    guard: FramingGuard,
    lingering: LingeringLimits,
    read_ended: bool,
    closing: Closing,
}

#[derive(Debug)]
enum Closing {
    /// Not closing.
    Open,
    /// Our side is shut; what the client still sends is thrown away.
    Draining {
        left_bytes: u64,
        /// Whether the client is, or may be, still sending.
        client_sends: bool,
        deadline: Option<Deadline>,
    },
    /// Nothing is left to do.
    Closed,
}

impl<T: AsyncRead + AsyncWrite + Unpin> GuardedIo<T> {
    /// Guards `io`, of which `prefix` has been read already, and gives out the cell that its violation will stand in.
    pub(super) fn new(io: T, prefix: &[u8], limits: FramingLimits) -> (Self, ViolationCell) {
        let mut guard = FramingGuard::new(limits);
        if !prefix.is_empty() {
            guard.feed_held(prefix);
        }
        let cell = guard.cell().clone();
        (Self { io, guard, lingering: limits.lingering, read_ended: false, closing: Closing::Open }, cell)
    }

    /// Shuts our side down, then reads and discards what the client still sends, until it stops or a limit is reached.
    ///
    /// hyper does the same through `poll_shutdown` when it ends a connection itself, but not when it fails (a service
    /// error, a head timeout) and not after a request that asked for an upgrade. So the owner takes the connection back
    /// and calls this whatever hyper did; where nothing is left to do it returns at once. It waits only for a client
    /// that is known to be sending: in the middle of a request, after a refused one, or when unread bytes are there.
    pub(super) async fn close(mut self) {
        // The connection ends either way, and nobody could do anything about an error of its last moment.
        let _ = std::future::poll_fn(|cx| Pin::new(&mut self).poll_shutdown(cx)).await;
    }

    /// Reads into the free part of `buf` and leaves there what may pass.
    fn poll_read_in_place(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.noted(|io| io.poll_read(cx, buf)))?;
        let fresh = &buf.filled()[before..];
        if fresh.is_empty() {
            self.end_reading();
        } else {
            let passed = self.guard.feed(fresh);
            buf.set_filled(before + passed);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more of a head that is held, using the free part of `buf` as scratch.
    fn poll_read_held(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        room_bytes: usize,
    ) -> Poll<io::Result<()>> {
        let mut scratch = buf.take(room_bytes);
        ready!(self.noted(|io| io.poll_read(cx, &mut scratch)))?;
        if scratch.filled().is_empty() {
            self.end_reading();
        } else {
            self.guard.feed_held(scratch.filled());
        }
        Poll::Ready(Ok(()))
    }

    /// Does something with the connection, and notes whether that says that it is broken.
    fn noted<R>(&mut self, act: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        let done = act(Pin::new(&mut self.io));
        if let Poll::Ready(Err(_)) = &done {
            self.guard.cell().break_off();
        }
        done
    }

    fn end_reading(&mut self) {
        self.read_ended = true;
        self.guard.feed_end();
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Closing::Draining { left_bytes, client_sends, deadline } = &mut self.closing else {
            return Poll::Ready(());
        };
        let mut space = [MaybeUninit::uninit(); DISCARD_BYTES];
        while *left_bytes > 0 {
            let mut scratch = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.io).poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(())) if !scratch.filled().is_empty() => {
                    *client_sends = true;
                    *left_bytes = left_bytes.saturating_sub(scratch.filled().len() as u64);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if !*client_sends => return Poll::Ready(()),
                Poll::Pending => {
                    let wait = Duration::from_millis(self.lingering.lingering_close_ms);
                    return deadline.get_or_insert_with(|| Deadline::new(Instant::now() + wait)).poll(cx);
                }
            }
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for GuardedIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        // Each turn that passes nothing holds more bytes of a head, so the head limit bounds the turns.
        while buf.remaining() > 0 {
            let released = this.guard.released();
            if !released.is_empty() {
                let count = released.len().min(buf.remaining());
                buf.put_slice(&released[..count]);
                this.guard.delivered(count);
                break;
            }
            match this.guard.refusal() {
                None => {}
                // Nobody is woken: hyper has the stand-in and needs no more input to answer it and close.
                Some(violation) if violation.part == MessagePart::Head => return Poll::Pending,
                Some(violation) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, violation))),
            }
            if this.read_ended {
                break;
            }
            match this.guard.room_bytes() {
                None => ready!(this.poll_read_in_place(cx, buf))?,
                Some(room_bytes) => ready!(this.poll_read_held(cx, buf, room_bytes))?,
            }
            if buf.filled().len() > before {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().noted(|io| io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().noted(|io| io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.closing, Closing::Open) {
            let shut = ready!(Pin::new(&mut this.io).poll_shutdown(cx));
            // A client that is gone, or that has said its last word, sends nothing that could hurt our answer.
            if shut.is_err() || this.read_ended {
                this.closing = Closing::Closed;
                return Poll::Ready(shut);
            }
            this.closing = Closing::Draining {
                left_bytes: this.lingering.lingering_bytes_max,
                client_sends: !this.guard.at_boundary(),
                deadline: None,
            };
        }
        ready!(this.poll_drain(cx));
        this.closing = Closing::Closed;
        Poll::Ready(Ok(()))
    }
}
