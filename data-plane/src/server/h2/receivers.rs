//! [`Streams`]: the requests of one HTTP/2 connection, as far as their clients must take what is sent to them.
//!
//! Flow control lets a client keep an answer waiting for ever, with memory held for it. What an answer gives is counted as taken
//! when the engine asks for more: then the client's window has covered it. While something is given and nothing is asked for,
//! the client is waited for, and given up by its patience: the stream is reset, the connection goes on.

use crate::body::{EndOfBody, ResponseBody};
use crate::deadline::Deadline;
use crate::limits::{H2_CONNECTION_WINDOW_BYTES, H2_PIECE_BYTES, H2_STREAM_WINDOW_BYTES};
use crate::memory::{Held, Part};
use crate::metrics::WorkerMetrics;
use crate::patience::{BodyLimit, Patience};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Body, Frame, SizeHint};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// Request bodies for which one connection can have a whole window each.
const WINDOWS_MAX: u32 = H2_CONNECTION_WINDOW_BYTES / H2_STREAM_WINDOW_BYTES;

/// Of one connection.
pub(super) struct Streams {
    limit: BodyLimit,
    metrics: Rc<WorkerMetrics>,
    /// Of the request that the engine hands out now, for the task that it spawns next.
    next: Cell<Option<Rc<Receiver>>>,
    uploads: Cell<u32>,
}

/// Spawns what the engine has to do, on this worker's own thread.
#[derive(Clone)]
pub(super) struct StreamExecutor(Rc<Streams>);

/// The client of one request, as the receiver of its answer.
pub(super) struct Receiver {
    streams: Rc<Streams>,
    /// Given, and not known to be taken, in bytes.
    in_hand: Cell<usize>,
    /// Since when it is waited for.
    since: Cell<Option<Instant>>,
    patience: Cell<Patience>,
    is_given_up: Cell<bool>,
    _upload: Option<Upload>,
}

/// One request body of the connection, for the law of memory.
struct Upload {
    streams: Rc<Streams>,
    _held: Held,
    _window: Option<Held>,
}

/// An answer whose receiver is watched.
pub(super) struct Watched<B: Answer> {
    body: B,
    /// Of a frame that is larger than a piece.
    rest: Bytes,
    receiver: Rc<Receiver>,
}

/// A body that wants to know when it is given up.
pub(super) trait Answer {
    /// It is cut because its receiver takes too little of it. Answers whether anybody waited to hear of its end.
    fn taken_slowly(&mut self) -> bool;
}

impl<T: EndOfBody> Answer for ResponseBody<T> {
    fn taken_slowly(&mut self) -> bool {
        Self::taken_slowly(self)
    }
}

impl Streams {
    pub(super) fn new(limit: BodyLimit, metrics: Rc<WorkerMetrics>) -> Rc<Self> {
        Rc::new(Self { limit, metrics, next: Cell::new(None), uploads: Cell::new(0) })
    }

    pub(super) fn executor(self: &Rc<Self>) -> StreamExecutor {
        StreamExecutor(Rc::clone(self))
    }

    /// The receiver of the answer to a request that was just handed out.
    pub(super) fn begin(self: &Rc<Self>, has_body: bool) -> Rc<Receiver> {
        let receiver = Rc::new(Receiver {
            streams: Rc::clone(self),
            in_hand: Cell::new(0),
            since: Cell::new(None),
            patience: Cell::new(Patience::new(self.limit)),
            is_given_up: Cell::new(false),
            _upload: has_body.then(|| Upload::begin(self)),
        });
        self.next.set(Some(Rc::clone(&receiver)));
        receiver
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        match self.0.next.take() {
            // Moved once, to the heap: a future that awaits it would have room for it twice.
            Some(receiver) => drop(tokio::task::spawn_local(receiver.while_patient(Box::pin(future)))),
            None => drop(tokio::task::spawn_local(future.map(drop))),
        }
    }
}

impl Receiver {
    /// Works on a stream until it ends or its client is given up. Dropping the work resets the stream.
    async fn while_patient<F: Future>(self: Rc<Self>, mut work: Pin<Box<F>>) {
        let mut deadline: Option<Deadline> = None;
        poll_fn(|cx| {
            if work.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let in_hand = self.in_hand.get();
            if in_hand == 0 {
                return Poll::Pending;
            }
            let since = self.since.get().unwrap_or_else(Instant::now);
            self.since.set(Some(since));
            let at = since + self.patience.get().left_for(in_hand as u64);
            let deadline = deadline.get_or_insert_with(|| Deadline::new(at));
            deadline.set(at);
            ready!(deadline.poll(cx));
            self.is_given_up.set(true);
            Poll::Ready(())
        })
        .await;
    }

    /// The answer, of which the client must take what it is given.
    pub(super) fn watching<B: Answer>(self: Rc<Self>, body: B) -> Watched<B> {
        Watched { body, rest: Bytes::new(), receiver: self }
    }

    /// More is asked for: what was given is taken.
    fn asked(&self) {
        let taken = self.in_hand.take();
        let mut patience = self.patience.get();
        if let Some(since) = self.since.take() {
            patience.spend(since.elapsed());
        }
        patience.earn(taken as u64);
        self.patience.set(patience);
    }
}

impl Upload {
    fn begin(streams: &Rc<Streams>) -> Self {
        let uploads = streams.uploads.get();
        streams.uploads.set(uploads + 1);
        // Further ones have to share the connection's window with the others.
        let window = (uploads < WINDOWS_MAX).then(|| Held::new(Part::Http2Window));
        Self { streams: Rc::clone(streams), _held: Held::new(Part::Http2Upload), _window: window }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.streams.uploads.set(self.streams.uploads.get() - 1);
    }
}

impl<B: Answer> Watched<B> {
    /// A piece of what is there.
    fn piece(&mut self, data: Bytes) -> Frame<Bytes> {
        self.rest = data;
        let piece = self.rest.split_to(self.rest.len().min(H2_PIECE_BYTES));
        self.receiver.in_hand.set(piece.len());
        Frame::data(piece)
    }
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes> + Answer + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        this.receiver.asked();
        if !this.rest.is_empty() {
            let rest = std::mem::take(&mut this.rest);
            return Poll::Ready(Some(Ok(this.piece(rest))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        Poll::Ready(
            frame.map(|frame| frame.map(|frame| frame.into_data().map_or_else(|other| other, |data| this.piece(data)))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

impl<B: Answer> Drop for Watched<B> {
    fn drop(&mut self) {
        if self.receiver.is_given_up.get() && !self.body.taken_slowly() {
            // The record of the request is written already: all of the answer was handed on.
            self.receiver.streams.metrics.failure("client_slow");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::overload::Overload;
    use http_body_util::BodyExt as _;
    use std::sync::Arc;
    use std::time::Duration;

    const LIMIT: BodyLimit = BodyLimit { idle: Duration::from_secs(60), rate_min: 240 };

    struct Whole(Option<Bytes>, Rc<Cell<bool>>);

    impl Body for Whole {
        type Data = Bytes;
        type Error = ();

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
            Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_none()
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
        }
    }

    impl Answer for Whole {
        fn taken_slowly(&mut self) -> bool {
            self.1.set(true);
            true
        }
    }

    fn streams() -> Rc<Streams> {
        Streams::new(LIMIT, WorkerMetrics::new(Arc::new(Metrics::new()), Arc::new(Overload::unlimited())))
    }

    /// Takes an answer piece by piece, with a pause behind each, and says whether it was given up, and when.
    async fn taken(bytes: usize, pause: Duration) -> (bool, u64) {
        let was_told = Rc::new(Cell::new(false));
        let receiver = streams().begin(false);
        let mut body = Rc::clone(&receiver).watching(Whole(Some(vec![7; bytes].into()), Rc::clone(&was_told)));
        assert_eq!(body.size_hint().exact(), Some(bytes as u64));
        let begun = Instant::now();
        let work = async move {
            let mut left = bytes;
            while let Some(frame) = body.frame().await {
                let piece = frame.expect("it does not break off").into_data().expect("it is data");
                assert!(piece.len() <= H2_PIECE_BYTES);
                left -= piece.len();
                assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(left as u64), left == 0));
                tokio::time::sleep(pause).await;
            }
        };
        Rc::clone(&receiver).while_patient(Box::pin(work)).await;
        assert_eq!(was_told.get(), receiver.is_given_up.get());
        (was_told.get(), begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_one_that_takes_enough_is_not() {
        assert_eq!(taken(100 * H2_PIECE_BYTES, Duration::from_secs(86_400)).await, (true, 68));
        assert_eq!(taken(100, Duration::from_secs(86_400)).await, (true, 60));
        assert_eq!(taken(100 * H2_PIECE_BYTES, Duration::from_secs(65)).await, (false, 6_500));
        assert!(taken(100 * H2_PIECE_BYTES, Duration::from_secs(140)).await.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_taken_everything_is_not_timed() {
        let receiver = streams().begin(false);
        let silent = async { tokio::time::sleep(Duration::from_secs(86_400)).await };
        Rc::clone(&receiver).while_patient(Box::pin(silent)).await;
        assert!(!receiver.is_given_up.get());
    }

    #[tokio::test]
    async fn uploads_share_the_connections_window() {
        let streams = streams();
        let receivers: Vec<_> = (0..2 * WINDOWS_MAX).map(|_| streams.begin(true)).collect();
        let windows = receivers.iter().filter_map(|receiver| receiver._upload.as_ref()?._window.as_ref());
        assert_eq!(windows.count(), WINDOWS_MAX as usize);
        assert_eq!(streams.uploads.get(), 2 * WINDOWS_MAX);
        drop(receivers);
        streams.next.take();
        assert_eq!(streams.uploads.get(), 0);
    }
}
