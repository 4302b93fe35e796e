//! [`OutgoingBody`]: what an upstream gets as the body of a request.

use crate::body::{BodyError, Progress, StreamBody};
use crate::http1::{Pipe, Piped, Spliced};
use crate::transform::BoxedBody;
use crate::transform::collect::{Permit, next_piece};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use penstock_model::exchange::BodyLength;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The body of an upstream request.
pub(crate) enum OutgoingBody {
    /// The client's, as it comes.
    Stream(StreamBody),
    /// The client's, changed on its way.
    Staged(BoxedBody, Rc<Progress>),
    /// In memory: collected, or rendered from a template.
    Whole(Bytes),
}

impl OutgoingBody {
    /// A body that was rendered.
    pub(crate) fn rendered(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }

    /// A body that was collected.
    pub(crate) fn collected(bytes: Bytes, mut permit: Permit) -> Self {
        Self::Whole(permit.tied_to(bytes))
    }

    /// A second one, for a second attempt; `None` when this one passes only once.
    pub(crate) fn repeated(&self) -> Option<Self> {
        match self {
            Self::Stream(stream) => stream.repeated().map(Self::Stream),
            Self::Staged(..) => None,
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
        }
    }

    /// All of it, when it is in memory.
    pub(crate) fn whole_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Stream(_) | Self::Staged(..) => None,
            Self::Whole(bytes) => Some(bytes),
        }
    }

    /// What its head says of its length.
    pub(crate) fn length(&self) -> BodyLength {
        if self.is_end_stream() {
            return BodyLength::Empty;
        }
        match self.size_hint().exact() {
            Some(0) => BodyLength::Empty,
            Some(bytes) => BodyLength::Exactly(bytes),
            None => BodyLength::Unknown,
        }
    }
}

impl Piped for OutgoingBody {
    fn paced(&mut self, blocked: Duration) {
        match self {
            Self::Stream(stream) => stream.paced(blocked),
            Self::Staged(..) | Self::Whole(_) => {}
        }
    }

    fn poll_pipe(&mut self, cx: &mut Context<'_>, pipe: &mut Option<Pipe>) -> Poll<Spliced> {
        match self {
            Self::Stream(stream) => stream.poll_pipe(cx, pipe),
            Self::Staged(..) | Self::Whole(_) => Poll::Ready(Spliced::Frame),
        }
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Stream(stream) => Pin::new(stream).poll_frame(cx),
            Self::Staged(body, progress) => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                if let Some(Err(error)) = &frame {
                    // Whoever sends learns only that there was an error; the gateway asks the progress which.
                    progress.fail(*error);
                }
                Poll::Ready(frame)
            }
            Self::Whole(bytes) => Poll::Ready(next_piece(bytes).map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.is_end_stream(),
            Self::Staged(body, _) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Stream(stream) => stream.size_hint(),
            Self::Staged(body, _) => body.size_hint(),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
