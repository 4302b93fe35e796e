//! A body that does what a test says, and what all tests of adapters ask of one.

use super::BoxedBody;
use super::collect::CollectBudget;
use super::compress::{Compress, CompressPermit};
use super::decompress::decompress;
use crate::body::BodyError;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use penstock_model::content::coding::Coding;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a [`Script`] does when it is asked.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Has nothing once, and wakes at once.
    Pause,
    /// Has nothing and never will.
    Stall,
    Fail(BodyError),
}

/// A body that acts by the list.
#[derive(Debug)]
pub(super) struct Script {
    acts: VecDeque<Act>,
    /// What it says about its size.
    hint: SizeHint,
}

impl Script {
    /// Says nothing about its size.
    pub(super) fn unsized_of(acts: impl IntoIterator<Item = Act>) -> Self {
        Self { acts: acts.into_iter().collect(), hint: SizeHint::default() }
    }

    /// Knows its size, as a body behind a `Content-Length` does.
    pub(super) fn sized(acts: impl IntoIterator<Item = Act>) -> Self {
        let mut script = Self::unsized_of(acts);
        script.hint = SizeHint::with_exact(script.acts.iter().map(Act::len).sum());
        script
    }

    /// The whole of `bytes` in one frame.
    pub(super) fn whole(bytes: &[u8]) -> Self {
        Self::sized([Act::Data(Bytes::copy_from_slice(bytes))])
    }

    /// Frames that end at these places.
    pub(super) fn split(bytes: &[u8], cuts: &[usize]) -> Self {
        Self::sized(cut(bytes, cuts).into_iter().map(Act::Data))
    }
}

impl Act {
    fn len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) | Self::Pause | Self::Stall | Self::Fail(_) => 0,
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(Act::Stall) = self.acts.front() {
            return Poll::Pending;
        }
        let Some(act) = self.acts.pop_front() else { return Poll::Ready(None) };
        if let Some(bytes) = self.hint.exact() {
            self.hint = SizeHint::with_exact(bytes - act.len());
        }
        match act {
            Act::Data(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Act::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Act::Fail(error) => Poll::Ready(Some(Err(error))),
            Act::Pause | Act::Stall => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.acts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// `bytes` in pieces that end at these places, which need no order and may go beyond the end.
pub(super) fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut begin = 0;
    let pieces = ends.into_iter().map(|end| Bytes::copy_from_slice(&bytes[std::mem::replace(&mut begin, end)..end]));
    pieces.collect()
}

/// Any split of `bytes`, empty frames and pauses included.
pub(super) fn acts(bytes: &[u8], cuts: &[usize], pauses: &[bool]) -> Vec<Act> {
    let mut acts = Vec::new();
    for (place, piece) in cut(bytes, cuts).into_iter().enumerate() {
        if pauses.get(place).copied().unwrap_or(false) {
            acts.push(Act::Pause);
        }
        acts.push(Act::Data(piece));
    }
    acts
}

/// Places to cut at, and where to pause.
pub(super) fn splits() -> impl Strategy<Value = (Vec<usize>, Vec<bool>)> {
    (prop::collection::vec(any::<usize>(), 0..12), prop::collection::vec(any::<bool>(), 0..13))
}

/// Everything that a body hands on.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) frames: Vec<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) error: Option<BodyError>,
}

impl Outcome {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.frames.concat()
    }

    /// The bytes of a body that ended well, or why it did not.
    pub(super) fn result(&self) -> Result<Vec<u8>, BodyError> {
        self.error.map_or_else(|| Ok(self.bytes()), Err)
    }
}

/// Reads a body to its end or error, and holds it to what every body promises: a size that fits its hint, no end behind an
/// error, and an end that `is_end_stream` does not announce too early.
pub(super) async fn read<B: Body<Data = Bytes, Error = BodyError> + Unpin>(mut body: B) -> Outcome {
    let hint = body.size_hint();
    let mut outcome = Outcome::default();
    let mut announced = body.is_end_stream();
    while let Some(frame) = body.frame().await {
        assert!(!announced, "a frame behind the announced end: {frame:?}");
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => outcome.frames.push(data),
            Ok(Err(frame)) => outcome.trailers = frame.into_trailers().ok(),
            Err(error) => {
                outcome.error = Some(error);
                assert!(!body.is_end_stream());
                assert!(
                    matches!(body.frame().await, Some(Err(again)) if again == error),
                    "an error is followed by one"
                );
                return outcome;
            }
        }
        announced = body.is_end_stream();
    }
    assert!(body.is_end_stream());
    let bytes = outcome.bytes().len() as u64;
    assert!(hint.lower() <= bytes && hint.upper().is_none_or(|upper| bytes <= upper), "{bytes} are not {hint:?}");
    outcome
}

/// [`read`] for tests that are no tasks.
pub(super) fn read_now<B: Body<Data = Bytes, Error = BodyError> + Unpin>(body: B) -> Outcome {
    tokio::task::unconstrained(read(body)).now_or_never().unwrap_or_else(|| panic!("it waits"))
}

/// A body compressed, with a budget of its own.
pub(super) fn coded<B: Body>(body: B, coding: Coding) -> Compress<B> {
    let permit = CompressPermit::try_take(coding, &CollectBudget::default()).expect("nobody else holds anything");
    Compress::new(body, permit)
}

/// A body decompressed, with a budget of its own.
pub(super) fn decoded<B>(body: B, codings: &[Coding], bytes_max: Option<u64>) -> BoxedBody
where
    B: Body<Data = Bytes, Error = BodyError> + 'static,
{
    let budget = CollectBudget::default();
    let body = decompress(Box::pin(body), codings, bytes_max, &budget).now_or_never().expect("nobody is waited for");
    body.expect("nobody else holds anything")
}

/// Trailers of one line.
pub(super) fn trailers(name: &'static str, value: &str) -> HeaderMap {
    let value = value.parse().expect("a test's trailer is a header value");
    HeaderMap::from_iter([(http::HeaderName::from_static(name), value)])
}
