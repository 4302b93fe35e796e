//! [`Pipe`]: bytes that go from one connection to another inside the kernel (splice(2)), so that nothing is copied here.

use crate::limits::PIPE_BYTES;
use crate::memory::{Held, Part};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Empty pipes that a worker keeps.
const KEPT_PIPES_MAX: usize = 16;

thread_local! {
    static KEPT: RefCell<Vec<(OwnedFd, OwnedFd)>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Reading end and writing end; `None` only while it is dropped.
    ends: Option<(OwnedFd, OwnedFd)>,
    filled: usize,
    _held: Held,
}

impl Pipe {
    /// An empty one. `None`: there are no descriptors left for it.
    pub(super) fn take() -> Option<Self> {
        let ends = KEPT.with_borrow_mut(Vec::pop).or_else(|| {
            let ends = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
            // A smaller one does as well.
            let _ = fcntl_setpipe_size(&ends.1, PIPE_BYTES);
            Some(ends)
        })?;
        Some(Self { ends: Some(ends), filled: 0, _held: Held::new(Part::Pipe) })
    }

    /// Bytes that are in it.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Takes what has come on a connection, at most so many bytes, into the empty pipe. `Ok(0)`: the other side has closed.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        bytes_max: u64,
    ) -> Poll<io::Result<usize>> {
        let Some((_, inlet)) = &self.ends else { return Poll::Ready(Ok(0)) };
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(PIPE_BYTES);
        loop {
            ready!(from.poll_read_ready(cx))?;
            match from.try_io(Interest::READABLE, || moved(from, inlet, bytes_max)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    let bytes = done?;
                    self.filled += bytes;
                    return Poll::Ready(Ok(bytes));
                }
            }
        }
    }

    /// Gives what is in it to a connection, as much as that takes.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>, to: &TcpStream) -> Poll<io::Result<usize>> {
        let Some((outlet, _)) = &self.ends else { return Poll::Ready(Ok(0)) };
        loop {
            ready!(to.poll_write_ready(cx))?;
            match to.try_io(Interest::WRITABLE, || moved(outlet, to, self.filled)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    let bytes = done?;
                    self.filled -= bytes;
                    return Poll::Ready(Ok(bytes));
                }
            }
        }
    }
}

fn moved(from: impl AsFd, to: impl AsFd, bytes: usize) -> io::Result<usize> {
    Ok(splice(from, None, to, None, bytes, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?)
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take().filter(|_| self.filled == 0) else { return };
        // While the thread ends there is nothing to keep it in.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_PIPES_MAX {
                kept.push(ends);
            }
        });
    }
}
