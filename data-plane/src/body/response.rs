//! [`ResponseBody`]: what the client gets as the body of its answer.

use super::{BodyError, Progress, StreamBody};
use crate::http1::{Pipe, Piped, Spliced};
use crate::transform::BoxedBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// What the client gets: an answer of ours, or the upstream's as it comes. `T` is dropped when the body has ended or was
/// given up, which is when a request is over.
pub(crate) enum ResponseBody<T> {
    /// Whole and small.
    Whole(Option<Bytes>, Option<T>),
    /// As it comes.
    Stream(StreamBody, Option<T>),
    /// Changed on its way; what arrives is counted here.
    Staged(BoxedBody, Rc<Progress>, Option<T>),
}

impl<T: EndOfBody> ResponseBody<T> {
    /// Notes that its receiver is given up because it takes too little of it, if anybody still waits to hear of its end.
    pub(crate) fn taken_slowly(&mut self) -> bool {
        let (Self::Whole(_, end) | Self::Stream(_, end) | Self::Staged(_, _, end)) = self;
        end.as_mut().map(EndOfBody::taken_slowly).is_some()
    }
}

impl<T: Unpin + EndOfBody> Body for ResponseBody<T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(bytes, end) => {
                if let Some(end) = end.take() {
                    end.complete(Instant::now());
                }
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Stream(stream, end) => {
                let frame = ready!(Pin::new(&mut *stream).poll_frame(cx));
                // Nobody asks again behind the last frame of a body whose length is known, nor behind trailers.
                let over = match &frame {
                    None => true,
                    Some(Ok(frame)) => frame.is_trailers() || stream.is_end_stream(),
                    Some(Err(_)) => false,
                };
                if over && let Some(end) = end.take() {
                    end.complete(stream.last());
                }
                Poll::Ready(frame)
            }
            Self::Staged(body, progress, end) => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                match &frame {
                    None => progress.passed(0),
                    Some(Ok(frame)) => progress.passed(frame.data_ref().map_or(0, Bytes::len)),
                    Some(Err(error)) => progress.fail(*error),
                }
                let over = match &frame {
                    None => true,
                    Some(Ok(frame)) => frame.is_trailers() || body.is_end_stream(),
                    Some(Err(_)) => false,
                };
                if over && let Some(end) = end.take() {
                    end.complete(progress.last());
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes, _) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(stream, _) => stream.is_end_stream(),
            Self::Staged(body, ..) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(stream, _) => stream.size_hint(),
            Self::Staged(body, ..) => body.size_hint(),
        }
    }
}

impl<T: EndOfBody> Piped for ResponseBody<T> {
    fn paced(&mut self, blocked: Duration) {
        match self {
            Self::Stream(stream, _) => stream.paced(blocked),
            // What changes bodies has pieces of its own sizes.
            Self::Whole(..) | Self::Staged(..) => {}
        }
    }

    fn poll_pipe(&mut self, cx: &mut Context<'_>, pipe: &mut Option<Pipe>) -> Poll<Spliced> {
        let Self::Stream(stream, end) = self else { return Poll::Ready(Spliced::Frame) };
        let spliced = ready!(stream.poll_pipe(cx, pipe));
        if stream.is_end_stream()
            && let Some(end) = end.take()
        {
            end.complete(stream.last());
        }
        Poll::Ready(spliced)
    }
}

/// Told when a body has been handed on completely; dropping it untold means that it was cut.
pub(crate) trait EndOfBody {
    /// The last byte was handed on, at that moment.
    fn complete(self, at: Instant);

    /// It will be cut because its receiver takes too little of it.
    fn taken_slowly(&mut self);
}
