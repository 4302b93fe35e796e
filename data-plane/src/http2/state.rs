//! [`State`]: what the streams of a connection have in common.

use super::calm::Allowance;
use super::fault::Fault;
use super::frames::{code, put_goaway, put_ping, put_reset, put_settings, put_window, setting};
use super::hpack::Encoder;
use super::inbound::{Course, Inbound};
use super::out::Out;
use super::streams::{Stream, Streams, Turn};
use crate::limits::{
    H2_CONNECTION_WINDOW_BYTES, H2_FRAMES_ALLOWED, H2_FRAMES_PER_SECOND, H2_HEADER_LIST_BYTES_MAX, H2_RESETS_ALLOWED,
    H2_RESETS_PER_SECOND, H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX,
};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The first size of every window, and the largest, in bytes (RFC 9113 sections 6.9.1 and 6.9.2).
pub(super) const WINDOW_FIRST: u32 = 65_535;
pub(super) const WINDOW_MAX: i64 = (1 << 31) - 1;
/// The last stream of a GOAWAY that only announces another (RFC 9113 section 6.8).
const STREAM_MAX: u32 = (1 << 31) - 1;
/// What the PING holds whose answer says that the announcement was heard.
pub(super) const ANNOUNCED: [u8; 8] = *b"goodbye!";

/// The state of one connection, for all on its thread.
pub(crate) type Shared = Rc<RefCell<State>>;

/// What the streams of a connection have in common.
#[derive(Debug)]
pub(crate) struct State {
    /// What is to be said.
    pub(crate) out: Out,
    pub(super) encoder: Encoder,
    pub(super) streams: Streams,
    pub(super) frames: Allowance,
    resets: Allowance,
    /// What the client still takes of all answers, in bytes, and the first window of each.
    pub(super) window: i64,
    window_first: i64,
    /// Streams that wait for the connection, and whether each waits for its window or only to say something.
    pub(super) queue: VecDeque<(u32, bool)>,
    /// How many streams may send, and have not yet.
    pub(super) granted: usize,
    /// What the client may still send on all streams, in bytes.
    receive_window: i64,
    /// What was taken, and not given back to that window.
    unreturned: u32,
    uploads: Rc<Cell<u32>>,
    /// The connection's own task, and whether it knows that there is something to do.
    waker: Option<Waker>,
    is_woken: bool,
    /// Since when nothing is under way; `None` while something is.
    pub(crate) idle_since: Option<Instant>,
    goodbye: Goodbye,
    /// Why the connection ends, if it does.
    pub(crate) fault: Option<Fault>,
}

/// How far the end of a connection is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goodbye {
    No,
    /// Both sides are to know that there will be one, since then.
    Announced(Instant),
    /// What comes above this stream is not looked at.
    Said(u32),
}

impl State {
    /// Of a connection that has just begun: our settings come first.
    pub(crate) fn new(now: Instant) -> Self {
        let mut out = Out::default();
        let settings = [
            (setting::MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX),
            (setting::INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES),
            (setting::MAX_HEADER_LIST_SIZE, H2_HEADER_LIST_BYTES_MAX),
        ];
        put_settings(out.tail(), &settings);
        put_window(out.tail(), 0, H2_CONNECTION_WINDOW_BYTES - WINDOW_FIRST);
        Self {
            out,
            encoder: Encoder::new(),
            streams: Streams::default(),
            frames: Allowance::new(H2_FRAMES_ALLOWED, H2_FRAMES_PER_SECOND, now),
            resets: Allowance::new(H2_RESETS_ALLOWED, H2_RESETS_PER_SECOND, now),
            window: i64::from(WINDOW_FIRST),
            window_first: i64::from(WINDOW_FIRST),
            queue: VecDeque::new(),
            granted: 0,
            receive_window: i64::from(H2_CONNECTION_WINDOW_BYTES),
            unreturned: 0,
            uploads: Rc::default(),
            waker: None,
            is_woken: false,
            idle_since: Some(now),
            goodbye: Goodbye::No,
            fault: None,
        }
    }

    /// The connection's task looks after everything now.
    pub(crate) fn attend(&mut self, cx: &Context<'_>) {
        self.is_woken = true;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    /// It has done so, and is to be woken when there is more.
    pub(crate) fn unattended(&mut self) {
        self.is_woken = false;
    }

    /// There is something to write, or something has ended.
    pub(super) fn wake(&mut self) {
        if !std::mem::replace(&mut self.is_woken, true)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Ends the connection.
    pub(crate) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.wake();
    }

    /// Something that costs us work and says nothing.
    pub(super) fn costs(&mut self) -> Result<(), Fault> {
        Fault::unless(self.frames.take(Instant::now), Fault::FRAME_FLOOD)
    }

    /// Something that was given up by the client, or by its fault.
    pub(super) fn gave_up(&mut self) -> Result<(), Fault> {
        Fault::unless(self.resets.take(Instant::now), Fault::RESET_FLOOD)
    }

    /// Opens a stream, which was noted.
    pub(super) fn open(&mut self, id: u32, has_body: bool, length: Option<u64>) -> Option<Rc<RefCell<Inbound>>> {
        let mut stream = Stream::new(id, self.window_first);
        stream.client_ended = !has_body;
        stream.inbound = has_body.then(|| Rc::new(RefCell::new(Inbound::new(length, &self.uploads))));
        let inbound = stream.inbound.clone();
        self.streams.add(stream);
        self.idle_since = None;
        inbound
    }

    /// Who answers on a stream, and is to end with it.
    pub(crate) fn served_by(&mut self, id: u32, task: AbortHandle) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.task = Some(task);
        }
    }

    /// The client has said all on a stream.
    pub(super) fn client_ended(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.client_ended = true;
        if let Some(inbound) = &stream.inbound {
            inbound.borrow_mut().end(Course::Ended);
        }
        if stream.answered || stream.reset_by_us {
            self.close(id);
        }
    }

    /// We have said all on a stream.
    pub(super) fn answered(&mut self, id: u32) {
        self.resets.give(1);
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.answered = true;
        // Nobody ends it any more: what is left of it is its request's body.
        stream.task = None;
        if stream.client_ended {
            self.close(id);
        } else if stream.inbound.as_ref().is_none_or(|inbound| inbound.borrow().is_dropped) {
            self.reset(id, code::NO_ERROR);
        }
    }

    /// Nobody wants the rest of a request's body.
    pub(super) fn unwanted(&mut self, id: u32) {
        // What is asked for nothing any more may end (RFC 9113 section 8.1).
        if self.streams.get(id).is_some_and(|stream| stream.answered && !stream.client_ended && !stream.reset_by_us) {
            self.reset(id, code::NO_ERROR);
        }
    }

    /// We give a stream up, whoever answers on it with it.
    pub(super) fn reset(&mut self, id: u32, code: u32) {
        put_reset(self.out.tail(), id, code);
        self.wake();
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.end();
        match stream.client_ended {
            true => self.close(id),
            false => {
                self.release(id);
                self.streams.bury(id);
                self.rest();
            }
        }
    }

    /// We give a stream up because of what its client did.
    pub(super) fn reset_at_fault(&mut self, id: u32, code: u32) -> Result<(), Fault> {
        self.reset(id, code);
        self.gave_up()
    }

    /// The client gave a stream up; whether it was under way.
    pub(super) fn client_reset(&mut self, id: u32) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        let was_under_way = !stream.reset_by_us;
        stream.end();
        self.close(id);
        was_under_way
    }

    /// A stream is over.
    fn close(&mut self, id: u32) {
        self.release(id);
        self.streams.remove(id);
        self.rest();
    }

    /// A stream does not send any more.
    fn release(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        match std::mem::replace(&mut stream.turn, Turn::Free) {
            Turn::Free => {}
            Turn::Queued => self.queue.retain(|&(queued, _)| queued != id),
            Turn::Granted => {
                self.granted -= 1;
                self.grant();
            }
        }
    }

    /// Notes when the last one is over.
    fn rest(&mut self) {
        if self.streams.under_way() == 0 && self.idle_since.is_none() {
            self.idle_since = Some(Instant::now());
            if self.goodbye != Goodbye::No {
                self.wake();
            }
        }
    }

    /// Everything is over, whatever was under way.
    pub(crate) fn end(&mut self) {
        self.streams.take_all().iter_mut().for_each(Stream::end);
        self.waker = None;
    }

    /// Whether a stream may be opened: there are not too many, and no end was said.
    pub(super) fn takes(&self, id: u32) -> bool {
        let is_late = matches!(self.goodbye, Goodbye::Said(last) if id > last);
        !is_late && self.streams.under_way() < H2_STREAMS_MAX as usize
    }

    /// Takes from the connection's window what a frame of DATA had.
    pub(super) fn fits(&mut self, bytes: u32) -> Result<(), Fault> {
        self.receive_window -= i64::from(bytes);
        Fault::unless(self.receive_window >= 0, Fault::FLOW_CONTROL)
    }

    /// So much of what came was taken, or thrown away. The window is widened when that is half of it.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.unreturned += bytes as u32;
        if self.unreturned >= H2_CONNECTION_WINDOW_BYTES / 2 {
            let increment = std::mem::take(&mut self.unreturned);
            self.receive_window += i64::from(increment);
            put_window(self.out.tail(), 0, increment);
            self.wake();
        }
    }

    /// The client's setting of the first size of windows changes those that there are, too (RFC 9113 section 6.9.2).
    pub(super) fn first_window(&mut self, bytes: u32) -> Result<(), Fault> {
        let difference = i64::from(bytes) - self.window_first;
        self.window_first = i64::from(bytes);
        for stream in self.streams.iter_mut() {
            stream.window += difference;
            // Of one that was reset nothing goes out any more, whatever its window was made.
            Fault::unless(stream.reset_by_us || stream.window <= WINDOW_MAX, Fault::FLOW_CONTROL)?;
            if stream.window > 0 {
                stream.wake();
            }
        }
        Ok(())
    }

    /// Asks the client for a sign of life (RFC 9113 section 6.7).
    pub(crate) fn ask(&mut self) {
        put_ping(self.out.tail(), 0, [0; 8]);
    }

    /// Announces that the connection ends; what is under way goes on (RFC 9113 section 6.8).
    pub(crate) fn announce_end(&mut self) {
        if self.goodbye == Goodbye::No {
            self.goodbye = Goodbye::Announced(Instant::now());
            put_goaway(self.out.tail(), STREAM_MAX, code::NO_ERROR);
            put_ping(self.out.tail(), 0, ANNOUNCED);
        }
    }

    /// Since when the client has not said that it has heard the announcement.
    pub(crate) fn announced_since(&self) -> Option<Instant> {
        match self.goodbye {
            Goodbye::Announced(since) => Some(since),
            Goodbye::No | Goodbye::Said(_) => None,
        }
    }

    /// The client has heard the announcement, or had time to: what it has opened by now is all.
    pub(crate) fn say_end(&mut self) {
        if matches!(self.goodbye, Goodbye::Announced(_)) {
            self.goodbye = Goodbye::Said(self.streams.highest);
            put_goaway(self.out.tail(), self.streams.highest, code::NO_ERROR);
        }
    }

    /// The client will open no more streams.
    pub(super) fn client_says_end(&mut self) {
        if !matches!(self.goodbye, Goodbye::Said(_)) {
            self.goodbye = Goodbye::Announced(Instant::now());
            self.say_end();
        }
    }

    /// Says why the connection ends. What was said to be the last stream stays the last (RFC 9113 section 6.8).
    pub(crate) fn say(&mut self, fault: Fault) {
        let last = match self.goodbye {
            Goodbye::Said(last) => last,
            Goodbye::No | Goodbye::Announced(_) => self.streams.highest,
        };
        put_goaway(self.out.tail(), last, fault.code);
    }

    /// Whether the end was said, and nothing is left to do but to write.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.goodbye, Goodbye::Said(_)) && self.streams.under_way() == 0
    }
}

impl Stream {
    /// Ends who answers, and tells who reads.
    fn end(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if let Some(inbound) = self.inbound.take() {
            inbound.borrow_mut().end(Course::Broken);
        }
    }
}
