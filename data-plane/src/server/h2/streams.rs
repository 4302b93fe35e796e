//! [`Streams`]: which streams of a connection are open, and since when the client has not let one of them send (RFC 9113
//! sections 5.1 and 6.9).

use crate::limits::H2_STREAMS_REMEMBERED_MAX;
use std::time::Duration;
use tokio::time::Instant;

/// The first size of every window (RFC 9113 section 6.9.2).
const WINDOW_FIRST: i64 = 65_535;

/// A stream that is open on either side, or that we reset while the client was still sending.
#[derive(Debug)]
pub(super) struct Stream {
    id: u32,
    /// What the client still takes of the answer. Below zero where a setting has lowered it.
    window: i64,
    pub(super) client_ended: bool,
    pub(super) reset_by_us: bool,
    answer: Answer,
    /// Since when its own window is closed in the middle of an answer.
    closed_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    Begun,
    Ended,
}

/// Those of one connection, in the order of their identifiers. Its memory is used again.
#[derive(Debug)]
pub(super) struct Streams {
    all: Vec<Stream>,
    /// The highest that the client has opened.
    pub(super) highest: u32,
    /// Whether the client has opened the highest, the next lower one, and so on, from the lowest bit.
    opened: u128,
    reset_by_us: usize,
    window_first: i64,
    /// The connection's window, and since when it is closed.
    window: i64,
    closed_since: Option<Instant>,
}

impl Default for Streams {
    fn default() -> Self {
        let (all, window_first, window) = (Vec::new(), WINDOW_FIRST, WINDOW_FIRST);
        Self { all, highest: 0, opened: 0, reset_by_us: 0, window_first, window, closed_since: None }
    }
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

    fn place(&self, id: u32) -> Option<usize> {
        self.all.binary_search_by_key(&id, |stream| stream.id).ok()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Stream> {
        self.place(id).map(|at| &self.all[at])
    }

    /// Whether nobody has opened it yet. A server pushes nothing here, so its own are idle for ever.
    pub(super) fn is_idle(&self, id: u32) -> bool {
        id > self.highest || id.is_multiple_of(2)
    }

    /// Whether it was one, as far as that is remembered.
    pub(super) fn was_opened(&self, id: u32) -> bool {
        self.opened.checked_shr(self.highest.saturating_sub(id) / 2).is_some_and(|from| from & 1 == 1)
    }

    /// Opens one above all others.
    pub(super) fn open(&mut self, id: u32) {
        if self.all.len() >= H2_STREAMS_REMEMBERED_MAX
            && let Some(oldest) = self.all.iter().position(|stream| stream.reset_by_us)
        {
            self.remove(oldest);
        }
        // Identifiers of a client are odd, so the first of all is one step above none.
        let steps = (id - self.highest).div_ceil(2);
        self.opened = self.opened.checked_shl(steps).unwrap_or(0) | 1;
        self.highest = id;
        let window = self.window_first;
        let (client_ended, reset_by_us, answer, closed_since) = (false, false, Answer::Awaited, None);
        self.all.push(Stream { id, window, client_ended, reset_by_us, answer, closed_since });
    }

    fn remove(&mut self, at: usize) {
        let stream = self.all.remove(at);
        self.reset_by_us -= usize::from(stream.reset_by_us);
    }

    /// The client sends no more on it.
    pub(super) fn client_ended(&mut self, id: u32) {
        let Some(at) = self.place(id) else { return };
        self.all[at].client_ended = true;
        if self.all[at].reset_by_us || self.all[at].answer == Answer::Ended {
            self.remove(at);
        }
    }

    /// The client gave it up; whether it was under way.
    pub(super) fn client_reset(&mut self, id: u32) -> bool {
        let Some(at) = self.place(id) else { return false };
        let was_under_way = !self.all[at].reset_by_us;
        self.remove(at);
        was_under_way
    }

    /// We gave it up. What the client has sent meanwhile is still on its way.
    pub(super) fn we_reset(&mut self, id: u32) {
        let Some(at) = self.place(id) else { return };
        match self.all[at].client_ended {
            true => self.remove(at),
            false if self.all[at].reset_by_us => {}
            false => {
                self.all[at].reset_by_us = true;
                self.all[at].closed_since = None;
                self.reset_by_us += 1;
            }
        }
    }

    /// We have sent the head of an answer, or so many octets of it; `ends` with its end. Whether a closed window, and not
    /// the answer's length, was what bounded it.
    pub(super) fn we_sent(&mut self, id: u32, bytes: u32, ends: bool, now: impl Fn() -> Instant) -> bool {
        self.window -= i64::from(bytes);
        if self.window <= 0 && self.closed_since.is_none() {
            self.closed_since = Some(now());
        }
        let Some(at) = self.place(id) else { return false };
        let stream = &mut self.all[at];
        stream.window -= i64::from(bytes);
        if ends {
            (stream.answer, stream.closed_since) = (Answer::Ended, None);
            if stream.client_ended {
                self.remove(at);
            }
            return false;
        }
        stream.answer = Answer::Begun;
        if stream.window <= 0 && stream.closed_since.is_none() {
            stream.closed_since = Some(now());
        }
        stream.window <= 0 || self.window <= 0
    }

    /// The client takes more.
    pub(super) fn widened(&mut self, id: u32, increment: u32) {
        if id == 0 {
            self.window += i64::from(increment);
            if self.window > 0 {
                self.closed_since = None;
            }
        } else if let Some(at) = self.place(id) {
            self.all[at].widen(i64::from(increment));
        }
    }

    /// The client's setting of the first size of windows changes those that there are, too (RFC 9113 section 6.9.2).
    pub(super) fn initial_window(&mut self, bytes: u32) {
        let difference = i64::from(bytes) - self.window_first;
        self.window_first = i64::from(bytes);
        self.all.iter_mut().for_each(|stream| stream.widen(difference));
    }

    /// When the first of all windows that are closed has been so for `limit`.
    pub(super) fn stalled_at(&self, limit: Duration) -> Option<Instant> {
        let own = self.all.iter().filter_map(|stream| stream.closed_since).min();
        let answering = self.all.iter().any(Stream::is_answering);
        own.into_iter().chain(self.closed_since.filter(|_| answering)).min().map(|since| since + limit)
    }

    /// A stream whose window has been closed for `limit`.
    pub(super) fn stalled(&self, limit: Duration, now: Instant) -> Option<u32> {
        let is_long = |since: Option<Instant>| since.is_some_and(|since| since + limit <= now);
        let all = is_long(self.closed_since);
        let stalls = |stream: &&Stream| stream.is_answering() && (all || is_long(stream.closed_since));
        self.all.iter().find(stalls).map(|stream| stream.id)
    }
}

impl Stream {
    fn is_answering(&self) -> bool {
        self.answer == Answer::Begun && !self.reset_by_us
    }

    fn widen(&mut self, bytes: i64) {
        self.window += bytes;
        if self.window > 0 {
            self.closed_since = None;
        }
    }
}
