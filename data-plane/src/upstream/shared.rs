//! HTTP/2 connections of one address: many requests share one, up to a number.

use super::address::Capacity;
use super::http2::{Rest, Sender, Use};
use h2::RecvStream;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The connections to one address that take several requests at a time.
#[derive(Default)]
pub(super) struct SharedConnections {
    all: RefCell<Vec<Sender>>,
}

/// One of the requests on a connection. Dropping it makes room for another, and resets what is left of it.
pub(super) struct Stream {
    use_of_it: Rc<Use>,
    capacity: Rc<Capacity>,
    /// Whether it has begun and was not answered.
    is_waiting: bool,
    /// What is still being sent.
    rest: Option<Rest>,
    /// An answer that is over but for its end, and how long that may take.
    ending: Option<(RecvStream, Duration)>,
}

impl Stream {
    fn begin(use_of_it: &Rc<Use>, capacity: &Rc<Capacity>) -> Self {
        use_of_it.streams.set(use_of_it.streams.get() + 1);
        Self {
            use_of_it: Rc::clone(use_of_it),
            capacity: Rc::clone(capacity),
            is_waiting: false,
            rest: None,
            ending: None,
        }
    }

    /// Notes that it is on its way.
    pub(super) fn began(&mut self) {
        self.is_waiting = true;
    }

    /// Keeps what is still being sent.
    pub(super) fn sends(&mut self, rest: Rest) {
        self.rest = Some(rest);
    }

    /// Notes that the other side has answered.
    pub(super) fn answered(&mut self) {
        self.is_waiting = false;
    }

    /// Keeps an answer of which only the end is to come, which may take so long.
    pub(super) fn ends_with(&mut self, receiving: RecvStream, limit: Duration) {
        if !receiving.is_end_stream() {
            self.ending = Some((receiving, limit));
        }
    }

    /// Ends it when both sides have, or nothing more will come of them: all of its answer has been passed on.
    pub(super) fn finish(mut self) {
        let (rest, ending) = (self.rest.take().filter(|rest| !rest.is_over()), self.ending.take());
        if rest.is_none() && ending.is_none() {
            return;
        }
        tokio::task::spawn_local(async move {
            if let Some((mut receiving, limit)) = ending {
                let end = async { while let Some(Ok(_)) = receiving.data().await {} };
                // One that does not end is reset.
                let _ = timeout(limit, end).await;
            }
            if let Some(mut rest) = rest {
                rest.ended().await;
            }
            drop(self);
        });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let use_of_it = &self.use_of_it;
        use_of_it.streams.set(use_of_it.streams.get() - 1);
        use_of_it.last.set(Instant::now());
        if self.is_waiting {
            use_of_it.is_doubtful.set(true);
        }
        self.capacity.has_changed();
    }
}

impl SharedConnections {
    /// Room on a connection that is open. One that is doubtful is closed when the last request has left it: nobody would ask on
    /// it what ends the doubt.
    pub(super) fn join(&self, capacity: &Rc<Capacity>) -> Option<(Sender, Stream)> {
        let mut all = self.all.borrow_mut();
        all.retain(|sender| !sender.use_of_it.is_doubtful.get() || sender.use_of_it.streams.get() > 0);
        let with_room = all.iter().find(|sender| {
            let use_of_it = &sender.use_of_it;
            let has_room = use_of_it.streams.get() < use_of_it.streams_max.get();
            has_room && !use_of_it.is_doubtful.get() && sender.is_open()
        })?;
        Some((with_room.clone(), Stream::begin(&with_room.use_of_it, capacity)))
    }

    /// Adds a connection, whose first request is the caller's.
    pub(super) fn add(&self, sender: &Sender, capacity: &Rc<Capacity>) -> Stream {
        self.all.borrow_mut().push(sender.clone());
        Stream::begin(&sender.use_of_it, capacity)
    }

    /// Forgets all of them. Those with requests close behind the last one.
    pub(super) fn clear(&self) {
        let all = self.all.take();
        drop(all);
    }

    /// Forgets those that are closed, and those without a request since `oldest`, which closes them.
    pub(super) fn sweep(&self, oldest: Option<Instant>) {
        self.all.borrow_mut().retain(|sender| {
            let use_of_it = &sender.use_of_it;
            let is_used = use_of_it.streams.get() > 0;
            sender.is_open() && (is_used || oldest.is_none_or(|oldest| use_of_it.last.get() > oldest))
        });
    }
}
