//! [`Streams`]: which streams of a connection there are, and how far each is (RFC 9113 section 5.1).

use super::inbound::Inbound;
use crate::limits::H2_STREAMS_REMEMBERED_MAX;
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};
use tokio::task::AbortHandle;

/// A stream that is open on either side, or that we reset while the client was still sending.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// What the client still takes of the answer, in bytes. Below zero where a setting has lowered it.
    pub(super) window: i64,
    pub(super) client_ended: bool,
    pub(super) reset_by_us: bool,
    /// Whether the end of the answer is said.
    pub(super) answered: bool,
    pub(super) turn: Turn,
    /// Who sends the answer, while it waits for room or a window.
    pub(super) sender: Option<Waker>,
    pub(super) task: Option<AbortHandle>,
    /// The request's body, where it has one.
    pub(super) inbound: Option<Rc<RefCell<Inbound>>>,
}

/// Where a stream is among those that share a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It does not wait.
    Free,
    /// It waits behind others.
    Queued,
    /// It may send one frame.
    Granted,
}

/// Those of one connection, in the order of their identifiers. Its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Streams {
    all: Vec<Stream>,
    /// The highest that the client has opened.
    pub(super) highest: u32,
    /// Whether the client has opened the highest, the next lower one, and so on, from the lowest bit.
    opened: u128,
    reset_by_us: usize,
}

impl Streams {
    /// How many exchanges are under way.
    pub(super) fn under_way(&self) -> usize {
        self.all.len() - self.reset_by_us
    }

    /// How many there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.all.capacity()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Stream> {
        let at = self.all.binary_search_by_key(&id, |stream| stream.id).ok()?;
        self.all.get(at)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.all.binary_search_by_key(&id, |stream| stream.id).ok()?;
        self.all.get_mut(at)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.all.iter_mut()
    }

    /// Whether nobody has opened it yet. A server pushes nothing here, so its own are idle for ever.
    pub(super) fn is_idle(&self, id: u32) -> bool {
        id > self.highest || id.is_multiple_of(2)
    }

    /// Whether it was one, as far as that is remembered.
    pub(super) fn was_opened(&self, id: u32) -> bool {
        self.opened.checked_shr(self.highest.saturating_sub(id) / 2).is_some_and(|from| from & 1 == 1)
    }

    /// Notes that one above all others was opened.
    pub(super) fn note(&mut self, id: u32) {
        // Identifiers of a client are odd, so the first of all is one step above none.
        let steps = (id - self.highest).div_ceil(2);
        self.opened = self.opened.checked_shl(steps).unwrap_or(0) | 1;
        self.highest = id;
    }

    /// Adds one above all others, which was noted.
    pub(super) fn add(&mut self, stream: Stream) {
        if self.all.len() >= H2_STREAMS_REMEMBERED_MAX
            && let Some(oldest) = self.all.iter().position(|stream| stream.reset_by_us)
        {
            self.all.remove(oldest);
            self.reset_by_us -= 1;
        }
        self.reset_by_us += usize::from(stream.reset_by_us);
        self.all.push(stream);
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Stream> {
        let at = self.all.binary_search_by_key(&id, |stream| stream.id).ok()?;
        let stream = self.all.remove(at);
        self.reset_by_us -= usize::from(stream.reset_by_us);
        Some(stream)
    }

    /// Remembers one only because its client may not know yet that it was reset.
    pub(super) fn bury(&mut self, id: u32) {
        if let Some(stream) = self.get_mut(id).filter(|stream| !stream.reset_by_us) {
            stream.reset_by_us = true;
            self.reset_by_us += 1;
        }
    }

    /// Takes all of them.
    pub(super) fn take_all(&mut self) -> Vec<Stream> {
        self.reset_by_us = 0;
        std::mem::take(&mut self.all)
    }
}

impl Stream {
    /// One that the client has just opened.
    pub(super) fn new(id: u32, window: i64) -> Self {
        Self {
            id,
            window,
            client_ended: false,
            reset_by_us: false,
            answered: false,
            turn: Turn::Free,
            sender: None,
            task: None,
            inbound: None,
        }
    }

    /// Wakes whoever sends its answer.
    pub(super) fn wake(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }

    /// Wakes whoever asks now, as soon as something has changed.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.sender {
            Some(sender) => sender.clone_from(cx.waker()),
            None => self.sender = Some(cx.waker().clone()),
        }
    }
}
