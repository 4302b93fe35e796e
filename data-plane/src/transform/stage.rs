//! [`Stage`]: one step of a conversion as a body. The step knows bytes and nothing of polling; the stage knows polling,
//! trailers and ends, once for all of them.

use super::digest::{CONTENT_DIGEST, REPR_DIGEST};
use crate::body::BodyError;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// One conversion of a stream of bytes, without I/O.
pub(crate) trait Step {
    /// Converts the beginning of `input`, which is not empty, and takes it off. The output may be empty, but not for
    /// ever: a step that neither reads nor writes must fail.
    fn take(&mut self, input: &mut Bytes) -> Result<Bytes, BodyError>;

    /// Output that waits inside and needs no further input. Asked before anything else is done.
    fn more(&mut self) -> Result<Bytes, BodyError> {
        Ok(Bytes::new())
    }

    /// Output that is handed on early because the input has nothing at the moment.
    fn pause(&mut self) -> Result<Bytes, BodyError> {
        Ok(Bytes::new())
    }

    /// What remains when the input has ended; asked until it is empty.
    fn finish(&mut self) -> Result<Bytes, BodyError>;

    /// Whether an end of the input now would be an end of the output: nothing is kept, nothing is left to check.
    fn is_settled(&self) -> bool;

    /// The size of the output to come when this much input comes.
    fn size_hint(&self, input: &SizeHint) -> SizeHint;
}

enum State {
    Reading,
    /// The input has ended, the output has not.
    Finishing(Option<HeaderMap>),
    Done,
    /// Asked again, it fails again: a failure must never be followed by an end.
    Failed(BodyError),
}

/// A body that is another one, converted.
pub(crate) struct Stage<B, S> {
    inner: B,
    step: S,
    /// What of the last frame was not converted yet.
    input: Bytes,
    state: State,
}

impl<B, S> Stage<B, S> {
    pub(super) fn over(inner: B, step: S) -> Self {
        Self { inner, step, input: Bytes::new(), state: State::Reading }
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin, S: Step> Stage<B, S> {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        loop {
            match &mut self.state {
                State::Done => return Poll::Ready(Ok(None)),
                State::Failed(error) => return Poll::Ready(Err(*error)),
                State::Reading | State::Finishing(_) => {}
            }
            let waiting = self.step.more()?;
            if !waiting.is_empty() {
                return Poll::Ready(Ok(Some(Frame::data(waiting))));
            }
            if let State::Finishing(trailers) = &mut self.state {
                let rest = self.step.finish()?;
                if !rest.is_empty() {
                    return Poll::Ready(Ok(Some(Frame::data(rest))));
                }
                let trailers = trailers.take();
                self.state = State::Done;
                return Poll::Ready(Ok(trailers.map(Frame::trailers)));
            }
            if self.input.is_empty() {
                ready!(self.poll_input(cx))?;
                if let State::Finishing(_) = self.state {
                    continue;
                }
            }
            if !self.input.is_empty() {
                let output = self.step.take(&mut self.input)?;
                if !output.is_empty() {
                    return Poll::Ready(Ok(Some(Frame::data(output))));
                }
            }
        }
    }

    /// Waits for input, or for its end.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        match ready!(Pin::new(&mut self.inner).poll_frame(cx)?) {
            None => self.state = State::Finishing(None),
            Some(frame) => match frame.into_data() {
                Ok(data) => self.input = data,
                // Of the two kinds of frames that exist, the one that is not data.
                Err(frame) => self.state = State::Finishing(frame.into_trailers().ok().and_then(true_of_others)),
            },
        }
        Poll::Ready(Ok(()))
    }
}

impl<B, S> Body for Stage<B, S>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
    S: Step + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match self.poll_step(cx) {
            Poll::Pending => match self.step.pause() {
                // The input's waker is registered all the same.
                Ok(early) if early.is_empty() => return Poll::Pending,
                Ok(early) => Ok(Some(Frame::data(early))),
                Err(error) => Err(error),
            },
            Poll::Ready(polled) => polled,
        };
        if let Err(error) = &polled {
            self.state = State::Failed(*error);
        }
        Poll::Ready(polled.transpose())
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Reading => self.input.is_empty() && self.inner.is_end_stream() && self.step.is_settled(),
            State::Finishing(trailers) => trailers.is_none() && self.step.is_settled(),
            State::Done => true,
            State::Failed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Reading => {
                let unread = self.input.len() as u64;
                self.step.size_hint(&map_bounds(&self.inner.size_hint(), |bytes| bytes.saturating_add(unread)))
            }
            State::Finishing(_) => self.step.size_hint(&SizeHint::with_exact(0)),
            State::Done => SizeHint::with_exact(0),
            State::Failed(_) => SizeHint::default(),
        }
    }
}

/// Trailers without what they say about the bytes that were converted: it is not true of those that came of them.
fn true_of_others(mut trailers: HeaderMap) -> Option<HeaderMap> {
    for name in [CONTENT_DIGEST, REPR_DIGEST] {
        trailers.remove(name);
    }
    (!trailers.is_empty()).then_some(trailers)
}

/// Both bounds of a hint, changed alike; `change` must keep their order.
pub(super) fn map_bounds(hint: &SizeHint, change: impl Fn(u64) -> u64) -> SizeHint {
    bounds(change(hint.lower()), hint.upper().map(change))
}

/// A hint with these bounds.
pub(super) fn bounds(lower: u64, upper: Option<u64>) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(lower);
    if let Some(upper) = upper {
        hint.set_upper(upper);
    }
    hint
}
