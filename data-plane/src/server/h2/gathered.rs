//! [`Gathered`]: an HTTP/2 connection whose small frames go out together.
//!
//! hyper's engine writes each frame of data by itself, so that many small answers that are ready at once would cost a system
//! call each. What is small is gathered here instead, and written when the engine has said all that it has to say for now.

use super::frames::{HEAD_BYTES, Heads, code, goaway, reset};
use super::guard::{Fault, Guard, Overdue};
use super::inbound::Inbound;
use crate::http1::Transport;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Bytes that are gathered, at most.
const GATHERED_BYTES_MAX: usize = 32 * 1024;
/// A write of so many bytes goes out by itself: to copy it would cost more than the call.
const LARGE_BYTES: usize = 8 * 1024;
/// Memory that a connection keeps for the next time, in bytes.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// Read at a time where the engine has little room left, in bytes.
const LITTLE_BYTES: usize = 512;

/// The connection, for the engine.
pub(super) struct Gathered(Rc<RefCell<State>>);

/// The same connection, for whoever runs the engine.
pub(super) struct Flusher(Rc<RefCell<State>>);

struct State {
    stream: TcpStream,
    guard: Guard,
    inbound: Inbound,
    /// Has passed the guard, and was not given yet.
    ready: Vec<u8>,
    given: usize,
    outbound: Heads,
    out: Vec<u8>,
    written: usize,
}

impl Gathered {
    /// Of a connection of which some was read already, the preface at least, and whose client may leave a window closed for
    /// `stall_limit`.
    pub(super) fn over(transport: Transport, preface: usize, stall_limit: Duration) -> (Self, Flusher) {
        let (stream, unread) = transport.into_parts();
        let (guard, inbound) = (Guard::new(Instant::now(), stall_limit), Inbound::before(preface));
        let (ready, outbound, out) = (unread.to_vec(), Heads::default(), Vec::new());
        let mut state = State { stream, guard, inbound, ready, given: 0, outbound, out, written: 0 };
        let passed = state.inbound.pass(&mut state.guard, &mut state.ready);
        let passed = state.guard.passed(passed);
        state.ready.truncate(passed);
        let state = Rc::new(RefCell::new(state));
        (Self(Rc::clone(&state)), Flusher(state))
    }
}

impl Flusher {
    /// Writes what was gathered. To be called whenever the engine has been polled, by the same task.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_out(cx)
    }

    /// Why the connection ends, if it does.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.0.borrow().guard.fault
    }

    /// Ends the connection.
    pub(super) fn fail(&self, fault: Fault) {
        self.0.borrow_mut().guard.fault.get_or_insert(fault);
    }

    /// When something may take too long.
    pub(super) fn due(&self) -> Instant {
        self.0.borrow().guard.due
    }

    /// What takes too long.
    pub(super) fn overdue(&self) -> Option<Overdue> {
        self.0.borrow_mut().guard.overdue(Instant::now())
    }

    /// Resets a stream whose client does not take its answer: to the engine in the client's name, to the client in ours.
    /// Whether that can be said between two frames now.
    pub(super) fn give_up(&self, stream: u32) -> bool {
        let state = &mut *self.0.borrow_mut();
        let is_between = state.inbound.is_between() && state.guard.is_between_blocks() && state.outbound.is_between();
        if is_between {
            let frame = reset(stream, code::CANCEL);
            state.ready.extend_from_slice(&frame);
            state.out.extend_from_slice(&frame);
            state.guard.gave_up_stalled(stream);
        }
        is_between
    }

    /// Says why the connection ends, where a frame may begin.
    pub(super) fn say(&self, fault: Fault) {
        let state = &mut *self.0.borrow_mut();
        if state.outbound.is_between() {
            state.out.extend_from_slice(&goaway(state.guard.streams.highest, fault.code));
        }
    }

    /// The connection itself, when the engine has ended.
    pub(super) fn into_stream(self) -> Option<TcpStream> {
        Rc::into_inner(self.0).map(|state| state.into_inner().stream)
    }
}

impl State {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES_MAX);
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.out.len() + bytes > GATHERED_BYTES_MAX || bytes >= LARGE_BYTES {
            ready!(self.poll_out(cx))?;
        }
        if bytes >= LARGE_BYTES {
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
            let mut left = written;
            for slice in slices {
                let taken = left.min(slice.len());
                left -= taken;
                self.outbound.read(&slice[..taken], |head, payload| self.guard.sent(head, payload));
            }
            return Poll::Ready(Ok(written));
        }
        let from = self.out.len();
        slices.iter().for_each(|slice| self.out.extend_from_slice(slice));
        self.outbound.read(&self.out[from..], |head, payload| self.guard.sent(head, payload));
        Poll::Ready(Ok(bytes))
    }

    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = &self.ready[self.given..];
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..taken]);
        self.given += taken;
        if self.given == self.ready.len() {
            (self.ready, self.given) = (Vec::new(), 0);
        }
    }

    /// Reads what the engine may have. Nothing: the client has closed.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let begun = buffer.filled().len();
        loop {
            if !self.ready.is_empty() {
                self.give(buffer);
                return Poll::Ready(Ok(()));
            }
            if self.guard.fault.is_some() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            let has_closed = match buffer.remaining() {
                LITTLE_BYTES.. if !self.inbound.is_over => ready!(self.poll_read_into(cx, buffer))?,
                _ => ready!(self.poll_read_little(cx, buffer))?,
            };
            if has_closed || buffer.filled().len() > begun {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads where it stays; whether the client has closed.
    fn poll_read_into(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let begun = buffer.filled().len();
        buffer.put_slice(self.inbound.kept());
        let with_kept = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if !matches!(read, Poll::Ready(Ok(()))) || buffer.filled().len() == with_kept {
            buffer.set_filled(begun);
            return read.map_ok(|()| true);
        }
        let passed = self.inbound.pass(&mut self.guard, &mut buffer.filled_mut()[begun..]);
        let passed = self.guard.passed(passed);
        buffer.set_filled(begun + passed);
        Poll::Ready(Ok(false))
    }

    /// Reads where there may not be room for what was kept, or does not read where all that is missing was.
    fn poll_read_little(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let mut space = [0; LITTLE_BYTES];
        let kept = self.inbound.kept();
        let room = buffer.remaining().max(kept.len() + HEAD_BYTES).min(LITTLE_BYTES);
        let mut little = ReadBuf::new(&mut space[..room]);
        little.put_slice(kept);
        let with_kept = little.filled().len();
        if !self.inbound.is_over {
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut little);
            if !matches!(read, Poll::Ready(Ok(()))) || little.filled().len() == with_kept {
                return read.map_ok(|()| true);
            }
        }
        let passed = self.inbound.pass(&mut self.guard, little.filled_mut());
        let passed = self.guard.passed(passed);
        let (now, later) = little.filled()[..passed].split_at(passed.min(buffer.remaining()));
        buffer.put_slice(now);
        self.ready.extend_from_slice(later);
        Poll::Ready(Ok(false))
    }
}

impl AsyncRead for Gathered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Leaves that to the [`Flusher`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.borrow_mut();
        ready!(state.poll_out(cx))?;
        Pin::new(&mut state.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::super::H2_PREFACE;
    use super::super::frames::kind;
    use super::*;
    use bytes::BytesMut;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Settings without a value.
    const SETTINGS: [u8; HEAD_BYTES] = [0, 0, 0, kind::SETTINGS, 0, 0, 0, 0, 0];

    #[tokio::test]
    async fn what_is_small_waits_for_the_flusher_and_everything_arrives_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let mut client = client.unwrap();
        let early = [H2_PREFACE, &SETTINGS].concat();
        let transport = Transport::new(accepted.unwrap().0, BytesMut::from(&early[..]));
        let (mut io, flusher) = Gathered::over(transport, H2_PREFACE.len(), Duration::from_secs(60));
        let mut read = vec![0; early.len()];
        io.read_exact(&mut read).await.unwrap();
        assert_eq!(read, early);

        let mut expected = Vec::new();
        let mut byte = [0];
        for (at, bytes) in [3, 1_000, LARGE_BYTES, 10, 5_000].into_iter().enumerate() {
            let piece = vec![b'a' + at as u8; bytes];
            io.write_all(&piece).await.unwrap();
            io.flush().await.unwrap();
            expected.extend_from_slice(&piece);
            if at == 1 {
                assert!(client.try_read(&mut byte).is_err(), "nothing has gone yet");
            }
        }
        poll_fn(|cx| flusher.poll_flush(cx)).await.unwrap();
        let mut arrived = vec![0; expected.len()];
        client.read_exact(&mut arrived).await.unwrap();
        assert!(arrived == expected);
        io.write_all(b"last").await.unwrap();
        io.shutdown().await.unwrap();
        let mut last = String::new();
        client.read_to_string(&mut last).await.unwrap();
        assert_eq!(last, "last");
    }
}
