//! [`Sending`]: a message on its way out, its head and first bytes in one write.

use super::frames::Frames;
use super::head::Head;
use super::pipe::Pipe;
use super::taking::Taking;
use super::transport::Transport;
use crate::patience::BodyLimit;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::Body;
use std::cell::RefCell;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// Frames that are written at a time.
const FRAMES_MAX: usize = 16;
/// Bytes that are waited for before a write, at most; the last frame may go beyond.
const GATHERED_BYTES: usize = 32 * 1024;

/// A message that is written in one piece, its head included, in bytes.
const FLAT_BYTES_MAX: usize = 6 * 1024;

/// What must be left of a body for it to go through a pipe, in bytes: each way in and out of it costs as much as some pages copied.
const PIPED_BYTES_MIN: u64 = 256 * 1024;

/// How the other side learns where the body ends.
#[derive(Debug)]
pub(crate) enum BodyEnd {
    /// There is none.
    Nothing,
    /// Behind so many bytes.
    Sized(u64),
    /// Behind the last chunk, with those trailers that the head announced.
    Chunked(Vec<HeaderName>),
    /// With the connection's end.
    Close,
}

/// A body that may come straight from another connection.
pub(crate) trait Piped {
    /// The other side took nothing for so long, and goes on.
    fn paced(&mut self, blocked: Duration);

    /// Takes what comes next into an empty pipe instead of a frame, where that is possible. The pipe is made when it is.
    fn poll_pipe(&mut self, cx: &mut Context<'_>, pipe: &mut Option<Pipe>) -> Poll<Spliced>;
}

/// What came into a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spliced {
    /// So many bytes.
    Bytes(usize),
    /// Nothing: what comes next is a frame.
    Frame,
    /// Nothing, and nothing will: the body broke off.
    Broken,
}

/// Why a message was not sent whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("writing to the connection")]
    Io(#[from] io::Error),
    #[error("the body broke off")]
    Body,
    #[error("the body has another length than its head says")]
    Length,
    #[error("the other side takes too little of it")]
    Slow,
}

/// A message on its way out.
#[derive(Debug)]
pub(crate) struct Sending<B> {
    body: Option<B>,
    end: BodyEnd,
    /// Bytes of framing before the frames: the head, or the size of a chunk.
    before: Head,
    before_sent: usize,
    frames: Frames,
    /// What is on its way from connection to connection.
    pipe: Option<Pipe>,
    /// Since when the other side takes nothing.
    blocked_since: Option<Instant>,
    /// How long that may last; `None`: the kernel alone decides.
    taking: Option<Taking>,
    /// Bytes of framing behind the frames.
    behind: &'static [u8],
    /// On the heap, because most have none.
    trailers: Option<Box<HeaderMap>>,
    /// Why it cannot go on, once what is there has gone.
    failure: Option<SendError>,
}

impl<B> Sending<B>
where
    B: Body<Data = Bytes> + Piped + Unpin,
{
    /// A message of which the head is written already. A receiver that takes it too slowly is given up where there is a limit.
    pub(crate) fn new(head: Head, end: BodyEnd, body: B, limit: Option<BodyLimit>) -> Self {
        let body = match end {
            BodyEnd::Nothing => None,
            _ => Some(body),
        };
        Self {
            body,
            end,
            before: head,
            before_sent: 0,
            frames: Frames::default(),
            pipe: None,
            blocked_since: None,
            taking: limit.map(Taking::new),
            behind: b"",
            trailers: None,
            failure: None,
        }
    }

    /// Whether some of the body went through a pipe.
    #[cfg(test)]
    pub(super) fn is_piped(&self) -> bool {
        self.pipe.is_some()
    }

    /// What is left of the body.
    pub(crate) fn body_mut(&mut self) -> Option<&mut B> {
        self.body.as_mut()
    }

    /// Sends as much as the connection takes. Ready when it has taken all of it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, transport: &RefCell<Transport>) -> Poll<Result<(), SendError>> {
        loop {
            if self.pipe.as_ref().is_some_and(|pipe| pipe.filled() > 0) {
                ready!(self.poll_drain(cx, &transport.borrow()))?;
                continue;
            }
            match self.poll_pipe(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(true) => continue,
                Poll::Ready(false) => {}
            }
            // What comes of the body goes out with what waits, where it comes at once.
            let gathered = self.gather(cx);
            if self.waits() {
                ready!(self.poll_write(cx, &mut transport.borrow_mut()))?;
                continue;
            }
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Err(failure));
            }
            return match gathered {
                Gathered::Over => Poll::Ready(Ok(())),
                Gathered::Pending => Poll::Pending,
            };
        }
    }

    /// Whether something is there to be written.
    fn waits(&self) -> bool {
        self.before_sent < self.before.len() || !self.frames.is_empty() || !self.behind.is_empty()
    }

    /// Takes what comes next into a pipe, and whether it did.
    fn poll_pipe(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let waits = self.waits();
        let BodyEnd::Sized(left) = &mut self.end else { return Poll::Ready(false) };
        let Some(body) = self.body.as_mut().filter(|_| !waits && *left >= PIPED_BYTES_MIN && self.failure.is_none())
        else {
            return Poll::Ready(false);
        };
        match ready!(body.poll_pipe(cx, &mut self.pipe)) {
            Spliced::Frame => return Poll::Ready(false),
            Spliced::Broken => self.failure = Some(SendError::Body),
            Spliced::Bytes(bytes) => match left.checked_sub(bytes as u64) {
                Some(rest) => *left = rest,
                None => self.failure = Some(SendError::Length),
            },
        }
        Poll::Ready(true)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>, transport: &Transport) -> Poll<Result<(), SendError>> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(())) };
        let filled = pipe.filled();
        let Poll::Ready(written) = transport.poll_drain(cx, pipe) else { return self.poll_blocked(cx, transport) };
        let taken = filled - pipe.filled();
        self.goes_on(taken);
        Poll::Ready(written.map_err(|error| self.not_taken(error)))
    }

    /// The other side takes nothing. Ready when that lasts too long.
    fn poll_blocked(&mut self, cx: &mut Context<'_>, transport: &Transport) -> Poll<Result<(), SendError>> {
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        match &mut self.taking {
            Some(taking) => taking.poll_slow(cx, since, transport.stream()).map(|()| Err(SendError::Slow)),
            None => Poll::Pending,
        }
    }

    /// Why a write failed. The kernel has the same limit on what is not taken (TCP_USER_TIMEOUT), and its clock may begin before ours: then
    /// it has found what we would have found.
    fn not_taken(&self, error: io::Error) -> SendError {
        match error.kind() {
            io::ErrorKind::TimedOut if self.taking.is_some() => SendError::Slow,
            _ => SendError::Io(error),
        }
    }

    /// So many bytes were written. Tells the body how long the other side took nothing before.
    fn goes_on(&mut self, bytes: usize) {
        if let Some(taking) = &mut self.taking {
            taking.wrote(bytes);
        }
        if let (Some(since), Some(body)) = (self.blocked_since.take(), &mut self.body) {
            body.paced(since.elapsed());
        }
    }

    /// Takes what the body has, up to a bound.
    fn gather(&mut self, cx: &mut Context<'_>) -> Gathered {
        if !self.frames.is_empty() || !self.behind.is_empty() || self.failure.is_some() {
            return Gathered::Pending;
        }
        let mut bytes = 0;
        let mut gathered = Gathered::Over;
        while let Some(body) = &mut self.body {
            if self.frames.len() == FRAMES_MAX || bytes >= GATHERED_BYTES {
                gathered = Gathered::Pending;
                break;
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => {
                    gathered = Gathered::Pending;
                    break;
                }
                Poll::Ready(Some(Err(_))) => {
                    self.failure = Some(SendError::Body);
                    gathered = Gathered::Pending;
                    break;
                }
                Poll::Ready(None) => self.body = None,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        bytes += data.len();
                        if !data.is_empty() {
                            self.frames.push(data);
                        }
                        if self.body.as_ref().is_some_and(Body::is_end_stream) {
                            self.body = None;
                        }
                    }
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok().map(Box::new);
                        self.body = None;
                    }
                },
            }
        }
        match self.frame(bytes) {
            Ok(()) => self.flatten(bytes),
            Err(failure) => self.failure = Some(failure),
        }
        gathered
    }

    /// Puts what was gathered into the framing.
    fn frame(&mut self, bytes: usize) -> Result<(), SendError> {
        let is_over = self.body.is_none();
        match &mut self.end {
            BodyEnd::Nothing | BodyEnd::Close => {}
            BodyEnd::Sized(left) => {
                let Some(rest) = left.checked_sub(bytes as u64) else {
                    // Not one byte too many.
                    self.frames.clear();
                    return Err(SendError::Length);
                };
                *left = rest;
                if is_over && rest > 0 {
                    return Err(SendError::Length);
                }
            }
            BodyEnd::Chunked(announced) => {
                if self.before_sent == self.before.len() {
                    self.before.bytes().clear();
                    self.before_sent = 0;
                }
                if bytes > 0 {
                    // Writing to a vector cannot fail.
                    let _ = write!(self.before.bytes(), "{bytes:x}\r\n");
                    self.behind = b"\r\n";
                }
                if is_over {
                    self.behind = match (bytes > 0, &self.trailers) {
                        (true, None) => b"\r\n0\r\n\r\n",
                        (false, None) => b"0\r\n\r\n",
                        (has_data, Some(trailers)) => {
                            let mut last = if has_data { b"\r\n0\r\n".to_vec() } else { b"0\r\n".to_vec() };
                            let passing = trailers.iter().filter(|(name, _)| announced.contains(name));
                            for (name, value) in passing {
                                last.extend_from_slice(name.as_str().as_bytes());
                                last.extend_from_slice(b": ");
                                last.extend_from_slice(value.as_bytes());
                                last.extend_from_slice(b"\r\n");
                            }
                            last.extend_from_slice(b"\r\n");
                            self.frames.push(Bytes::from(last));
                            b""
                        }
                    };
                    self.end = BodyEnd::Nothing;
                }
            }
        }
        Ok(())
    }

    /// Puts what is small into one piece: to copy it costs less than what the kernel does for each further piece.
    fn flatten(&mut self, bytes: usize) {
        if self.frames.is_empty() || self.before_sent > 0 || self.before.len() + bytes > FLAT_BYTES_MAX {
            return;
        }
        let before = self.before.bytes();
        self.frames.iter().for_each(|frame| before.extend_from_slice(frame));
        before.extend_from_slice(std::mem::take(&mut self.behind));
        self.frames.clear();
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, transport: &mut Transport) -> Poll<Result<(), SendError>> {
        let before = &self.before[self.before_sent..];
        let written = match self.frames.is_empty() && self.behind.is_empty() {
            true => transport.poll_write(cx, &[IoSlice::new(before)]),
            false => {
                let mut slices = [IoSlice::new(b""); FRAMES_MAX + 3];
                let mut count = 0;
                let all = [before].into_iter().chain(self.frames.iter()).chain([self.behind]);
                for (slot, bytes) in slices.iter_mut().zip(all.filter(|bytes| !bytes.is_empty())) {
                    *slot = IoSlice::new(bytes);
                    count += 1;
                }
                transport.poll_write(cx, &slices[..count])
            }
        };
        let Poll::Ready(written) = written else { return self.poll_blocked(cx, transport) };
        let mut written = written.map_err(|error| self.not_taken(error))?;
        let taken = written;
        if written == 0 {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
        }
        let head = written.min(self.before.len() - self.before_sent);
        self.before_sent += head;
        written -= head;
        let written = self.frames.advance(written);
        self.behind = &self.behind[written..];
        self.goes_on(taken);
        Poll::Ready(Ok(()))
    }
}

/// What became of the body meanwhile.
enum Gathered {
    /// There is no more of it.
    Over,
    /// There may be.
    Pending,
}
