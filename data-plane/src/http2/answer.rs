//! How an answer goes out: its head, and its body frame by frame, as its client and the others of the connection let it.
//!
//! Flow control lets a client keep an answer waiting for ever, with memory held for it. While a piece of an answer cannot go, the
//! client is waited for, and given up by its patience: the stream is reset, the connection goes on.

use super::exchange::Exchange;
use super::frames::code;
use crate::body::{EndOfBody, ResponseBody};
use crate::deadline::Deadline;
use crate::limits::H2_PIECE_BYTES;
use crate::message::{Response, ResponseParts};
use crate::metrics::WorkerMetrics;
use crate::patience::{BodyLimit, Patience};
use bytes::Bytes;
use http_body::Body;
use penstock_model::header_list::HeaderList;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// A body that wants to know when it is given up.
pub(crate) trait Answer: Body<Data = Bytes> + Unpin {
    /// It is cut because its receiver takes too little of it. Answers whether anybody waited to hear of its end.
    fn taken_slowly(&mut self) -> bool;
}

impl<T: EndOfBody + Unpin> Answer for ResponseBody<T> {
    fn taken_slowly(&mut self) -> bool {
        Self::taken_slowly(self)
    }
}

/// An answer on its way out.
struct Outgoing<'a, B> {
    exchange: &'a Exchange,
    /// Until it is sent.
    head: Option<ResponseParts>,
    body: B,
    /// What has come of the body and was not sent.
    rest: Bytes,
    trailers: Option<HeaderList>,
    /// Whether nothing comes behind that.
    is_whole: bool,
    waiting: Waiting,
}

/// How long the client is waited for.
struct Waiting {
    patience: Patience,
    /// Since when something waits.
    since: Option<Instant>,
    deadline: Option<Deadline>,
}

/// Why an answer did not go out whole.
enum Failed {
    /// Its body broke off.
    Broken,
    /// Its client took too little of it.
    Slow,
}

impl Exchange {
    /// Sends an answer, whose client must keep to `limit`.
    pub(crate) async fn answer<B: Answer>(self, response: Response<B>, limit: BodyLimit, metrics: &WorkerMetrics) {
        let Response { head: parts, body } = response;
        let waiting = Waiting::new(limit);
        let (rest, trailers, is_whole) = (Bytes::new(), None, body.is_end_stream());
        let mut outgoing = Outgoing { exchange: &self, head: Some(parts), body, rest, trailers, is_whole, waiting };
        match poll_fn(|cx| outgoing.poll(cx)).await {
            Ok(()) => {}
            Err(Failed::Broken) => self.give_up(code::INTERNAL_ERROR),
            Err(Failed::Slow) => {
                if !outgoing.body.taken_slowly() {
                    // The record of the request is written already: all of the answer was handed on.
                    metrics.failure("client_slow");
                }
                self.give_up(code::CANCEL);
            }
        }
    }
}

impl<B: Answer> Outgoing<'_, B> {
    /// Ready when all of it is sent, or the stream is over already.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        if self.head.is_some() {
            let Some(_) = ready!(self.poll_room(cx))? else { return Poll::Ready(Ok(())) };
            if self.send_head() {
                return Poll::Ready(Ok(()));
            }
        }
        loop {
            if self.rest.is_empty() && !self.is_whole {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    None => self.is_whole = true,
                    Some(Err(_)) => return Poll::Ready(Err(Failed::Broken)),
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => {
                            self.rest = data;
                            self.is_whole = self.body.is_end_stream();
                        }
                        Err(frame) => {
                            self.trailers = frame.into_trailers().ok().map(HeaderList::from);
                            self.is_whole = true;
                        }
                    },
                }
                if self.rest.is_empty() && !self.is_whole {
                    continue;
                }
            }
            let Some(bytes) = ready!(self.poll_room(cx))? else { return Poll::Ready(Ok(())) };
            if self.send(bytes) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// How much of the rest may go now. It fails when that takes too long.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<usize>, Failed>> {
        let wanted = if self.head.is_some() { 0 } else { self.rest.len() };
        let state = &mut *self.exchange.state.borrow_mut();
        match state.poll_room(self.exchange.id, wanted, cx) {
            Poll::Ready(room) => Poll::Ready(Ok(room)),
            Poll::Pending => {
                let is_shut = wanted > 0 && state.is_shut(self.exchange.id);
                self.waiting.poll_over(cx, is_shut).map(|()| Err(Failed::Slow))
            }
        }
    }

    /// Whether that was all.
    fn send_head(&mut self) -> bool {
        let Some(parts) = self.head.take() else { return false };
        let length = self.body.size_hint().exact().filter(|_| !self.is_whole);
        let state = &mut *self.exchange.state.borrow_mut();
        state.send_head(self.exchange.id, &parts, length, self.is_whole);
        self.waiting.took(0);
        if self.is_whole {
            state.answered(self.exchange.id);
        }
        self.is_whole
    }

    /// Whether that was all.
    fn send(&mut self, bytes: usize) -> bool {
        let state = &mut *self.exchange.state.borrow_mut();
        let id = self.exchange.id;
        let piece = self.rest.split_to(bytes);
        let ends = self.is_whole && self.rest.is_empty();
        match &self.trailers {
            Some(trailers) => state.send_trailers(id, trailers),
            None => state.send_data(id, piece, ends),
        }
        self.waiting.took(bytes);
        if ends {
            state.answered(id);
        }
        ends
    }
}

/// How often it is looked whether a window was shut meanwhile, at most.
const LOOK: Duration = Duration::from_secs(1);

impl Waiting {
    fn new(limit: BodyLimit) -> Self {
        // Who opens its window for one frame at a time may take what that takes at the least rate.
        let idle = Patience::new(limit).left_for(H2_PIECE_BYTES as u64);
        Self { patience: Patience::new(BodyLimit { idle, ..limit }), since: None, deadline: None }
    }

    /// Ready when the client has kept a window shut for too long. While its socket or its turn is what is waited for nobody's window is,
    /// and the connection looks after that; but a window may be shut meanwhile, so it is looked at again.
    fn poll_over(&mut self, cx: &mut Context<'_>, is_shut: bool) -> Poll<()> {
        loop {
            let since = *self.since.get_or_insert_with(Instant::now);
            let left = self.patience.left();
            let at = since + if is_shut { left } else { left.max(LOOK) };
            let deadline = self.deadline.get_or_insert_with(|| Deadline::new(at));
            deadline.set(at);
            ready!(deadline.poll(cx));
            if is_shut {
                return Poll::Ready(());
            }
            self.since = None;
        }
    }

    /// It has taken so much.
    fn took(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.patience.spend(since.elapsed());
        }
        self.patience.earn(bytes as u64);
    }
}
