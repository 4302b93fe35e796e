//! A connection whose client is a script: it hands out its input in given pieces and keeps what is written to it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The server's end of the connection.
#[derive(Debug, Default)]
pub(super) struct Scripted {
    pieces: VecDeque<Vec<u8>>,
    written: Rc<RefCell<Vec<u8>>>,
}

impl Scripted {
    /// Hands out `raw` in pieces of the given sizes, over and over, and then its end. A size of 0 is a pause.
    pub(super) fn new(raw: &[u8], sizes: &[usize]) -> Self {
        let mut sizes = sizes.iter().copied().cycle();
        let mut rest = raw;
        let mut pieces = VecDeque::new();
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(rest.len()).min(rest.len());
            let (piece, after) = rest.split_at(size);
            pieces.push_back(piece.to_vec());
            rest = after;
        }
        Self { pieces, written: Rc::default() }
    }

    /// What is written to the client, now and later.
    pub(super) fn written(&self) -> Rc<RefCell<Vec<u8>>> {
        self.written.clone()
    }
}

impl AsyncRead for Scripted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let pieces = &mut self.get_mut().pieces;
        let Some(mut piece) = pieces.pop_front() else { return Poll::Ready(Ok(())) };
        if piece.is_empty() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let rest = piece.split_off(piece.len().min(buf.remaining()));
        buf.put_slice(&piece);
        if !rest.is_empty() {
            pieces.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.written.borrow_mut().extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
