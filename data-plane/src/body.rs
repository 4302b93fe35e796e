//! Bodies in both directions: streams with backpressure, bounds on silence and on dripping, and an honest end.
//!
//! Nothing here holds more than the frame that passes. A body that stops early ends in an error, never in an end.

mod incoming;
mod response;

pub(crate) use incoming::Incoming;
pub(crate) use response::{EndOfBody, ResponseBody};

use crate::deadline::Deadline;
use crate::http1::{Pipe, Piped, Spliced};
use crate::patience::{BodyLimit, Patience};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use penstock_model::headers::passes_as_trailer;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// Why a streamed body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// No byte came for the idle limit.
    #[error("no byte came for too long")]
    Idle,
    /// It came at less than the least rate for too long.
    #[error("the bytes came too slowly")]
    Slow,
    /// The sender broke off, or broke the framing.
    #[error("the sender broke off")]
    Broken,
    /// It was to be decoded from base64 and is none.
    #[error("the body is not base64")]
    Base64,
    /// It has not the digest that its sender announced, or the announcement cannot be read.
    #[error("the body has another digest than announced")]
    Digest,
    /// It is not in the content coding that its sender named, or not complete.
    #[error("the body is not in its content coding")]
    Coding,
    /// Decompressed, it is larger than what is allowed.
    #[error("the body expands too much")]
    Expansion,
    /// The function that makes it has failed on the way.
    #[error("the function failed while it answered")]
    Function,
    /// It is not in the framing in which a service streams.
    #[error("the body is not in the framing of a streamed answer")]
    EventStream,
    /// A piece of it is larger than what the process may hold besides all others.
    #[error("the process holds as many bodies as it may")]
    Budget,
}

impl BodyError {
    /// Why a request failed, as logs and metrics say it.
    pub(crate) fn request_reason(self) -> &'static str {
        match self {
            Self::Idle => "client_idle",
            Self::Slow => "client_slow",
            Self::Broken => "client_gone",
            Self::Base64 => "request_base64",
            Self::Digest => "request_digest",
            Self::Coding => "request_coding",
            Self::Expansion => "request_expansion",
            // Only answers are streamed by functions.
            Self::Function | Self::EventStream => "upstream_broke",
            Self::Budget => "collect_budget",
        }
    }

    /// Why an answer failed, as logs and metrics say it.
    pub(crate) fn response_reason(self) -> &'static str {
        match self {
            Self::Idle => "upstream_idle",
            // Only clients must keep a rate.
            Self::Slow => "upstream_slow",
            Self::Broken => "upstream_broke",
            Self::Base64 => "response_base64",
            Self::Digest => "response_digest",
            Self::Coding => "response_coding",
            Self::Expansion => "response_expansion",
            Self::Function => "function_failed",
            Self::EventStream => "response_event_stream",
            Self::Budget => "collect_budget",
        }
    }
}

/// What the rest of the request may know about a body on its way. Shared within one thread.
pub(crate) struct Progress {
    bytes: Cell<u64>,
    last: Cell<Instant>,
    waiting_since: Cell<Option<Instant>>,
    is_over: Cell<bool>,
    is_abandoned: Cell<bool>,
    failure: Cell<Option<BodyError>>,
    is_taken_slowly: Cell<bool>,
    /// On the heap, since hardly any body is hashed: what follows every body takes few lines of the cache.
    sha256: Cell<Option<Box<[u8; 32]>>>,
}

impl Progress {
    pub(crate) fn new() -> Rc<Self> {
        Self::begun(Instant::now())
    }

    /// Of a body that is made at this moment.
    pub(crate) fn begun(now: Instant) -> Rc<Self> {
        Rc::new(Self {
            bytes: Cell::new(0),
            last: Cell::new(now),
            waiting_since: Cell::new(None),
            is_over: Cell::new(false),
            is_abandoned: Cell::new(false),
            failure: Cell::new(None),
            is_taken_slowly: Cell::new(false),
            sha256: Cell::new(None),
        })
    }

    /// Bytes that passed.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// When the last frame or the end passed, or the body was made.
    pub(crate) fn last(&self) -> Instant {
        self.last.get()
    }

    /// Whether the next step is the sender's: its receiver has asked for a frame, and there is none.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting_since.get().is_some()
    }

    /// Whether the sender has sent all of it.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Notes that nobody will read what is left of it.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.set(true);
    }

    /// Whether a part of it stays unread for good, so that nothing can follow it on its connection.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned.get() && !self.is_over.get()
    }

    /// Why it ended early, if it did.
    pub(crate) fn failure(&self) -> Option<BodyError> {
        self.failure.get()
    }

    /// Whether its receiver was given up because it took too little of it for too long.
    pub(crate) fn is_taken_slowly(&self) -> bool {
        self.is_taken_slowly.get()
    }

    /// Notes that its receiver is given up for that.
    pub(crate) fn taken_slowly(&self) {
        self.is_taken_slowly.set(true);
    }

    /// The SHA-256 of a body that was hashed on its way; `None` while it has not ended, or when it broke off.
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        let noted = self.sha256.take();
        let sha256 = noted.as_deref().copied();
        self.sha256.set(noted);
        sha256
    }

    /// Notes the SHA-256 of all of it.
    pub(crate) fn hashed(&self, sha256: [u8; 32]) {
        self.sha256.set(Some(Box::new(sha256)));
    }

    /// Notes that it ended early.
    pub(crate) fn fail(&self, error: BodyError) {
        self.failure.set(Some(error));
        self.waiting_since.set(None);
    }

    /// Notes that this much, or the end, was handed on.
    pub(crate) fn passed(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
        self.last.set(Instant::now());
        self.waiting_since.set(None);
    }

    /// Notes that its receiver, who may have asked for a frame that has not come, has turned to something else.
    pub(crate) fn unasked(&self) {
        self.waiting_since.set(None);
    }

    /// Since when the sender owes a frame. A receiver that does not ask, because it is slow itself or because the body
    /// has only just begun, is no reason to call the sender idle.
    fn waiting_since(&self) -> Instant {
        let since = self.waiting_since.get().unwrap_or_else(Instant::now);
        self.waiting_since.set(Some(since));
        since
    }
}

/// A body on its way from one side to the other.
pub(crate) struct StreamBody<B = Incoming> {
    /// `None` in the place of one that was empty.
    inner: Option<B>,
    progress: Rc<Progress>,
    patience: Patience,
    /// Made when the body first has to wait, then moved on: most bodies never wait.
    deadline: Option<Deadline>,
}

impl<B> StreamBody<B> {
    /// A body whose sender must keep to `limit`.
    pub(crate) fn new(inner: B, progress: Rc<Progress>, limit: BodyLimit) -> Self
    where
        B: Body,
    {
        progress.is_over.set(inner.is_end_stream());
        Self { inner: Some(inner), progress, patience: Patience::new(limit), deadline: None }
    }

    /// When the last frame or the end passed, or the body was made.
    fn last(&self) -> Instant {
        self.progress.last()
    }

    /// Where it is seen how far the body is.
    pub(crate) fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    /// The same body, followed by another progress: what is changed on its way is counted where it arrives.
    pub(crate) fn counted_by(self, progress: Rc<Progress>) -> Self {
        Self { progress, ..self }
    }

    fn fail(&self, error: BodyError) -> BodyError {
        self.progress.fail(error);
        error
    }

    /// Notes that so much, or the end, was handed on, and how long it was waited for.
    fn passed(&mut self, bytes: usize, is_over: bool) {
        let asked_at = self.progress.waiting_since.get();
        self.progress.passed(bytes);
        self.progress.is_over.set(is_over);
        if let Some(since) = asked_at {
            self.patience.spend(self.progress.last() - since);
        }
        self.patience.earn(bytes as u64);
    }

    /// Ready when the sender was waited for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let since = self.progress.waiting_since();
        let at = since + self.patience.left();
        let deadline = self.deadline.get_or_insert_with(|| Deadline::new(at));
        deadline.set(at);
        let error = if self.patience.is_mostly_left() { BodyError::Idle } else { BodyError::Slow };
        deadline.poll(cx).map(|()| error)
    }
}

impl<B: Body> StreamBody<B> {
    /// A second one, for a second attempt; `None` when there is something in this one, which passes only once.
    pub(crate) fn repeated(&self) -> Option<Self> {
        self.inner.as_ref().is_none_or(Body::is_end_stream).then(|| Self {
            inner: None,
            progress: Rc::clone(&self.progress),
            patience: self.patience,
            deadline: None,
        })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for StreamBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        match Pin::new(&mut *inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    passing_trailers(trailers);
                }
                let is_over = inner.is_end_stream();
                self.passed(frame.data_ref().map_or(0, Bytes::len), is_over);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(self.fail(BodyError::Broken)))),
            Poll::Ready(None) => {
                self.passed(0, true);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let error = ready!(self.poll_late(cx));
                Poll::Ready(Some(Err(self.fail(error))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Piped + Body> Piped for StreamBody<B> {
    fn paced(&mut self, blocked: Duration) {
        if let Some(inner) = &mut self.inner {
            inner.paced(blocked);
        }
    }

    fn poll_pipe(&mut self, cx: &mut Context<'_>, pipe: &mut Option<Pipe>) -> Poll<Spliced> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(Spliced::Frame) };
        match inner.poll_pipe(cx, pipe) {
            Poll::Ready(Spliced::Bytes(bytes)) => {
                let is_over = inner.is_end_stream();
                self.passed(bytes, is_over);
                Poll::Ready(Spliced::Bytes(bytes))
            }
            Poll::Ready(Spliced::Frame) => Poll::Ready(Spliced::Frame),
            Poll::Ready(Spliced::Broken) => {
                self.fail(BodyError::Broken);
                Poll::Ready(Spliced::Broken)
            }
            Poll::Pending => {
                let error = ready!(self.poll_late(cx));
                self.fail(error);
                Poll::Ready(Spliced::Broken)
            }
        }
    }
}

fn passing_trailers(trailers: &mut HeaderMap) {
    let forbidden: Vec<_> = trailers.keys().filter(|name| !passes_as_trailer(name)).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests;
