//! [`Gathered`]: an HTTP/2 connection whose small frames go out together.
//!
//! hyper's engine writes each frame of data by itself, so that many small answers that are ready at once would cost a system
//! call each. What is small is gathered here instead, and written when the engine has said all that it has to say for now.

use crate::http1::Transport;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are gathered, at most.
const GATHERED_BYTES_MAX: usize = 32 * 1024;
/// A write of so many bytes goes out by itself: to copy it would cost more than the call.
const LARGE_BYTES: usize = 8 * 1024;
/// Memory that a connection keeps for the next time, in bytes.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// The connection, for the engine.
pub(super) struct Gathered(Rc<RefCell<State>>);

/// The same connection, for whoever runs the engine.
pub(super) struct Flusher(Rc<RefCell<State>>);

struct State {
    stream: TcpStream,
    /// Read before the protocol was known, and not given yet.
    prefix: Vec<u8>,
    given: usize,
    out: Vec<u8>,
    written: usize,
}

impl Gathered {
    /// Of a connection of which some was read already.
    pub(super) fn over(transport: Transport) -> (Self, Flusher) {
        let (stream, unread) = transport.into_parts();
        let state = State { stream, prefix: unread.to_vec(), given: 0, out: Vec::new(), written: 0 };
        let state = Rc::new(RefCell::new(state));
        (Self(Rc::clone(&state)), Flusher(state))
    }
}

impl Flusher {
    /// Writes what was gathered. To be called whenever the engine has been polled, by the same task.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_out(cx)
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
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        slices.iter().for_each(|slice| self.out.extend_from_slice(slice));
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncRead for Gathered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.borrow_mut();
        let rest = &state.prefix[state.given..];
        if rest.is_empty() {
            return Pin::new(&mut state.stream).poll_read(cx, buffer);
        }
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..taken]);
        state.given += taken;
        if state.given == state.prefix.len() {
            (state.prefix, state.given) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
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
    use super::*;
    use bytes::BytesMut;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_is_small_waits_for_the_flusher_and_everything_arrives_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let mut client = client.unwrap();
        let (mut io, flusher) = Gathered::over(Transport::new(accepted.unwrap().0, BytesMut::from(&b"early"[..])));
        let mut early = [0; 5];
        io.read_exact(&mut early).await.unwrap();
        assert_eq!(&early, b"early");

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
