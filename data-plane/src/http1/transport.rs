//! [`Transport`]: a connection in clear text, and the message that comes in on it.

use super::buffers::Buffers;
use super::chunks::Chunks;
use super::pace::Pace;
use super::pipe::Pipe;
use crate::framing::{FramingViolation, ViolationCell};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::Frame;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// Asks a client for the body that it has announced.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Read at a time where a head is expected, in bytes. What was read is copied out of the stack, so that a connection that
/// waits owns no buffer.
const HEAD_READ_BYTES: usize = 8 * 1024;
/// What is still to come of the message at hand.
#[derive(Debug)]
pub(crate) enum Receiving {
    /// Nothing: what follows is another message.
    Nothing,
    /// So many bytes.
    Sized(u64),
    /// Chunks.
    Chunked(Box<Chunked>),
    /// Everything until the other side closes (RFC 9112 section 6.3, only of answers).
    UntilEnd,
}

/// A chunked body on its way in.
#[derive(Debug, Default)]
pub(crate) struct Chunked(Chunks);

/// Why a message did not come whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error("reading the connection")]
    Io(#[from] io::Error),
    #[error("the connection ended in the middle")]
    Ended,
    #[error("the framing is wrong")]
    Framing(#[from] FramingViolation),
}

/// A connection and the message that comes in on it. Reading and writing do not know of each other.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: TcpStream,
    /// Read, and not used yet.
    pub(crate) unread: BytesMut,
    receiving: Receiving,
    /// Of the message at hand; another one for each, so that nobody reads on in the next.
    pub(crate) message: u64,
    pace: Pace,
    held: Buffers,
    /// Whether the other side has closed.
    pub(crate) read_ended: bool,
    /// Whether a message did not come whole, or is not wanted any more: nothing can follow it.
    has_failed: bool,
    /// Who has to hear of faults.
    told: Option<ViolationCell>,
    /// Whether the client sends the body only when it is asked for (RFC 9110 section 10.1.1).
    expects_continue: bool,
    /// What is left of an interim answer.
    interim: &'static [u8],
    /// Who waits for the message to have come.
    waiting: Option<Waker>,
}

impl Transport {
    /// Over a connection of which `unread` has been read already.
    pub(crate) fn new(stream: TcpStream, unread: BytesMut) -> Self {
        Self {
            stream,
            unread,
            receiving: Receiving::Nothing,
            message: 0,
            pace: Pace::default(),
            held: Buffers::default(),
            read_ended: false,
            has_failed: false,
            told: None,
            expects_continue: false,
            interim: b"",
            waiting: None,
        }
    }

    /// The same, which tells what is wrong with what the other side sends, and that it has broken off.
    pub(crate) fn telling(self, told: ViolationCell) -> Self {
        Self { told: Some(told), ..self }
    }

    /// Ends the connection in the middle of a message, so that nobody takes its end for the message's.
    pub(crate) fn cut(&mut self) {
        self.has_failed = true;
        // Wakes whoever reads. Of one that is gone already there is nothing to shut.
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Both);
    }

    /// Notes that the client waits to be asked for the body that has begun.
    pub(crate) fn expect_continue(&mut self) {
        self.expects_continue = !self.has_received() && self.unread.is_empty();
    }

    /// Notes that the answer begins: nobody is asked for anything any more.
    pub(crate) fn answering(&mut self) {
        self.expects_continue = false;
    }

    /// Wakes when the message at hand has come, or nobody reads it any more.
    pub(crate) fn wake_when_received(&mut self, waker: &Waker) {
        self.waiting = Some(waker.clone());
    }

    pub(super) fn wake(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Gives back the memory of what was read: a connection that waits owns none.
    pub(crate) fn rest(&mut self) {
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
        self.held = Buffers::default();
    }

    /// The connection and what was read of it.
    pub(crate) fn into_parts(self) -> (TcpStream, BytesMut) {
        (self.stream, self.unread)
    }

    /// The connection itself.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Begins the body of a message whose head has been taken.
    pub(crate) fn receive(&mut self, receiving: Receiving) {
        self.message += 1;
        self.pace = Pace::default();
        self.held = Buffers::default();
        self.receiving = match receiving {
            Receiving::Sized(0) => Receiving::Nothing,
            receiving => receiving,
        };
    }

    /// What is still to come of the message at hand.
    pub(crate) fn receiving(&self) -> &Receiving {
        &self.receiving
    }

    /// Whether all of it has come.
    pub(crate) fn has_received(&self) -> bool {
        matches!(self.receiving, Receiving::Nothing)
    }

    /// Reads more of a head. `Ok(0)`: the other side has closed.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); HEAD_READ_BYTES];
        let mut scratch = ReadBuf::uninit(&mut space);
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut scratch) else {
            self.rest();
            return Poll::Pending;
        };
        self.noted(read)?;
        let fresh = scratch.filled();
        if fresh.is_empty() {
            self.read_ended = true;
        }
        match self.unread.is_empty() {
            true => self.unread = BytesMut::from(fresh),
            false => self.unread.extend_from_slice(fresh),
        }
        Poll::Ready(Ok(fresh.len()))
    }

    /// The next frame of the message at hand; `None` behind its end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        let frame = ready!(self.poll_body(cx));
        match &frame {
            Some(Err(error)) => {
                if let (ReceiveError::Framing(violation), Some(told)) = (error, &self.told) {
                    told.note(*violation);
                }
                if !std::mem::replace(&mut self.has_failed, true) {
                    // What came before it goes on first.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.wake();
            }
            _ if self.has_received() => self.wake(),
            _ => {}
        }
        Poll::Ready(frame)
    }

    /// Whether nothing more can come: the other side has closed, or what it sent is none.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn noted<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let (Err(_), Some(told)) = (&done, &self.told) {
            told.break_off();
        }
        done
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        loop {
            if self.has_failed && !self.has_received() {
                return Poll::Ready(Some(Err(ReceiveError::Ended)));
            }
            match &mut self.receiving {
                Receiving::Nothing => return Poll::Ready(None),
                Receiving::Sized(left) if !self.unread.is_empty() => {
                    let taken = self.unread.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let data = self.unread.split_to(taken).freeze();
                    *left -= taken as u64;
                    if *left == 0 {
                        self.receiving = Receiving::Nothing;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Receiving::UntilEnd if !self.unread.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(self.unread.split().freeze()))));
                }
                Receiving::Chunked(chunks) => match chunk(&mut chunks.0, &mut self.unread) {
                    Err(violation) => return Poll::Ready(Some(Err(violation.into()))),
                    Ok(frame) => {
                        if chunks.0.is_over() && !chunks.0.has_trailers() {
                            self.receiving = Receiving::Nothing;
                        }
                        match frame {
                            Some(frame) => return Poll::Ready(Some(Ok(frame))),
                            None if self.has_received() => return Poll::Ready(None),
                            None => {}
                        }
                    }
                },
                Receiving::Sized(_) | Receiving::UntilEnd => {}
            }
            let read = if self.read_ended { Ok(0) } else { ready!(self.poll_read_body(cx)) };
            match read {
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
                Ok(0) if matches!(self.receiving, Receiving::UntilEnd) => {
                    self.read_ended = true;
                    self.receiving = Receiving::Nothing;
                }
                Ok(0) => return Poll::Ready(Some(Err(ReceiveError::Ended))),
                Ok(_) => {}
            }
        }
    }

    fn poll_read_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // A body that is nearly over does not need a large buffer, and what follows it belongs to somebody else.
        let wanted = match &self.receiving {
            Receiving::Sized(left) => self.pace.read_bytes().min(usize::try_from(*left).unwrap_or(usize::MAX)),
            _ => self.pace.read_bytes(),
        };
        self.unread.reserve(wanted);
        self.held.are(self.pace.size());
        if self.expects_continue {
            self.expects_continue = false;
            self.interim = CONTINUE;
        }
        if !self.interim.is_empty() {
            // What the socket does not take now goes out before the answer.
            let _ = self.poll_interim(cx)?;
        }
        let mut room = (&mut self.unread).limit(wanted);
        let read = ready!(pin!(self.stream.read_buf(&mut room)).poll(cx));
        let read = self.noted(read)?;
        self.pace.read(read);
        Poll::Ready(Ok(read))
    }

    /// Takes what comes next of the body into an empty pipe. `None`: it has to come as a frame, because some of it was read
    /// already, its end is not known by count, or its receiver is slow and a pipe would hold more for it than a buffer.
    pub(super) fn poll_pipe(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Option<Pipe>,
    ) -> Poll<Option<io::Result<usize>>> {
        let Receiving::Sized(left) = &mut self.receiving else { return Poll::Ready(None) };
        if !self.unread.is_empty() || self.pace.is_slow() || self.expects_continue || self.has_failed {
            return Poll::Ready(None);
        }
        if pipe.is_none() {
            *pipe = Pipe::take();
        }
        // Without descriptors for one it is copied.
        let Some(pipe) = pipe else { return Poll::Ready(None) };
        let taken = ready!(pipe.poll_fill(cx, &self.stream, *left));
        match taken {
            Ok(bytes @ 1..) => {
                *left -= bytes as u64;
                if *left == 0 {
                    self.receiving = Receiving::Nothing;
                    self.wake();
                }
            }
            Ok(_) => (self.read_ended, self.has_failed) = (true, true),
            Err(_) => self.has_failed = true,
        }
        if self.has_failed {
            self.wake();
        }
        Poll::Ready(Some(self.noted(taken)))
    }

    /// Takes what is in a pipe, as much as the connection takes.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<()>> {
        let written = ready!(pipe.poll_drain(cx, &self.stream));
        Poll::Ready(self.noted(written).map(drop))
    }

    /// Learns that whoever takes the body took nothing for so long: what is slow is held in small pieces.
    pub(super) fn paced(&mut self, blocked: Duration) {
        self.pace.blocked(blocked);
        self.held.shrink(self.pace.size());
    }

    /// Whether something has come, or the end, although nothing was expected.
    pub(crate) fn poll_unexpected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, self.interim));
            let written = self.noted(written)?;
            self.interim = &self.interim[written..];
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if !self.interim.is_empty() {
            ready!(self.poll_interim(cx))?;
        }
        let stream = Pin::new(&mut self.stream);
        let written = ready!(match slices {
            [only] => stream.poll_write(cx, only),
            all => stream.poll_write_vectored(cx, all),
        });
        Poll::Ready(self.noted(written))
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Reads what nobody wants.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>, scratch: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, scratch)
    }
}

/// The next frame of a chunked body in what was read.
fn chunk(chunks: &mut Chunks, unread: &mut BytesMut) -> Result<Option<Frame<Bytes>>, FramingViolation> {
    chunks.settle(unread)?;
    if chunks.data() > 0 {
        return Ok(Some(Frame::data(chunks.take_data(unread))));
    }
    if chunks.is_over() {
        return Ok(chunks.trailers()?.map(Frame::trailers));
    }
    Ok(None)
}

impl Receiving {
    /// A chunked body of a request.
    pub(crate) fn chunked_request() -> Self {
        Self::Chunked(Box::default())
    }

    /// A chunked body of an answer.
    pub(crate) fn chunked_answer() -> Self {
        Self::Chunked(Box::new(Chunked(Chunks::of_answer())))
    }
}
