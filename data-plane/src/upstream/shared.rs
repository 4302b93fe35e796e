//! HTTP/2 connections of one address: many requests share one, up to a number.

use crate::limits::H2_FRAME_BYTES_MAX;
use crate::memory::{Held, Part};
use crate::outgoing::OutgoingBody;
use http_body::Body;
use hyper::client::conn::http2::SendRequest;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::time::Instant;

/// The connections to one address that take several requests at a time.
#[derive(Default)]
pub(super) struct SharedConnections {
    all: RefCell<Vec<Shared>>,
}

struct Shared {
    sender: SendRequest<OutgoingBody>,
    use_of_it: Rc<Use>,
}

struct Use {
    streams: Cell<usize>,
    streams_max: Rc<Cell<usize>>,
    last: Cell<Instant>,
    /// Whether a request was given up without an answer, and nothing has been answered since: the other side may be gone
    /// without a word, which only the next ping tells.
    is_doubtful: Cell<bool>,
}

/// One of the requests on a connection. Dropping it makes room for another.
pub(super) struct Stream {
    use_of_it: Rc<Use>,
    is_answered: bool,
    /// What is on its way, to the upstream and from it.
    bodies: [Option<Held>; 2],
}

impl Stream {
    fn begin(use_of_it: &Rc<Use>) -> Self {
        use_of_it.streams.set(use_of_it.streams.get() + 1);
        Self { use_of_it: Rc::clone(use_of_it), is_answered: false, bodies: [None, None] }
    }

    /// Notes what is sent. What is in memory waits there, and is counted there.
    pub(super) fn sends(&mut self, body: &OutgoingBody) {
        if body.whole_bytes().is_none() {
            self.bodies[0] = held_of(body);
        }
    }

    /// Notes that the other side has answered.
    pub(super) fn answered(&mut self, body: &hyper::body::Incoming) {
        self.is_answered = true;
        self.bodies[1] = held_of(body);
        self.use_of_it.is_doubtful.set(false);
    }
}

/// What a body may hold on its way; `None`: no more than its request does.
fn held_of(body: &impl Body) -> Option<Held> {
    let is_large = body.size_hint().upper().is_none_or(|bytes| bytes > H2_FRAME_BYTES_MAX.into());
    (is_large && !body.is_end_stream()).then(|| Held::new(Part::Http2UpstreamBody))
}

impl Drop for Stream {
    fn drop(&mut self) {
        let use_of_it = &self.use_of_it;
        use_of_it.streams.set(use_of_it.streams.get() - 1);
        use_of_it.last.set(Instant::now());
        if !self.is_answered {
            use_of_it.is_doubtful.set(true);
        }
    }
}

impl SharedConnections {
    /// Room on a connection that is open. One that is doubtful is closed when the last request has left it: nobody would ask on
    /// it what ends the doubt.
    pub(super) fn join(&self) -> Option<(SendRequest<OutgoingBody>, Stream)> {
        let mut all = self.all.borrow_mut();
        all.retain(|shared| !shared.use_of_it.is_doubtful.get() || shared.use_of_it.streams.get() > 0);
        let with_room = all.iter().find(|shared| {
            let use_of_it = &shared.use_of_it;
            let has_room = use_of_it.streams.get() < use_of_it.streams_max.get();
            has_room && !use_of_it.is_doubtful.get() && !shared.sender.is_closed()
        })?;
        Some((with_room.sender.clone(), Stream::begin(&with_room.use_of_it)))
    }

    /// Adds a connection, whose first request is the caller's.
    pub(super) fn add(&self, sender: &SendRequest<OutgoingBody>, streams_max: Rc<Cell<usize>>) -> Stream {
        let use_of_it = Rc::new(Use {
            streams: Cell::new(0),
            streams_max,
            last: Cell::new(Instant::now()),
            is_doubtful: Cell::new(false),
        });
        let stream = Stream::begin(&use_of_it);
        self.all.borrow_mut().push(Shared { sender: sender.clone(), use_of_it });
        stream
    }

    /// Forgets all of them. Those with requests close behind the last one.
    pub(super) fn clear(&self) {
        let all = self.all.take();
        drop(all);
    }

    /// Forgets those that are closed, and those without a request since `oldest`, which closes them.
    pub(super) fn sweep(&self, oldest: Option<Instant>) {
        self.all.borrow_mut().retain(|shared| {
            let is_used = shared.use_of_it.streams.get() > 0;
            !shared.sender.is_closed() && (is_used || oldest.is_none_or(|oldest| shared.use_of_it.last.get() > oldest))
        });
    }
}
