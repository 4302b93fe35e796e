//! [`UpstreamBody`]: the body of an answer, as the upstream sends it.

use crate::limits::H2_FRAME_BYTES_MAX;
use crate::memory::{Held, Part};
use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The body of an answer over HTTP/2. One that is reset ends in an error, whatever the reason: also `NO_ERROR` says that nothing more
/// comes, and not that this was all (RFC 9113 section 8.1).
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    /// `None`: nothing comes.
    receiving: Option<RecvStream>,
    state: State,
    /// Bytes that are to come, if the head says so.
    left: Option<u64>,
    /// What its window lets the upstream send ahead; `None`: no more than belongs to its request.
    _held: Option<Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Over,
}

impl UpstreamBody {
    /// That of an answer that has not ended with its head.
    pub(super) fn new(receiving: RecvStream, length: Option<u64>) -> Self {
        let is_large = length.is_none_or(|bytes| bytes > H2_FRAME_BYTES_MAX.into());
        let held = is_large.then(|| Held::new(Part::Http2UpstreamBody));
        Self { receiving: Some(receiving), state: State::Data, left: length, _held: held }
    }

    /// That of an answer that has none.
    pub(super) fn nothing() -> Self {
        Self { receiving: None, state: State::Over, left: Some(0), _held: None }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = self.get_mut();
        let Some(receiving) = &mut this.receiving else { return Poll::Ready(None) };
        if this.state == State::Data {
            match ready!(receiving.poll_data(cx)) {
                Some(Ok(data)) => {
                    // What is passed on makes room for more. A stream that is over needs none.
                    let _ = receiving.flow_control().release_capacity(data.len());
                    this.left = this.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => {
                    this.state = State::Over;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.state = State::Trailers,
            }
        }
        if this.state == State::Trailers {
            let trailers = ready!(receiving.poll_trailers(cx));
            this.state = State::Over;
            return Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over || self.receiving.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}
