//! [`Guard`]: what every frame of a client must be before hyper's engine gets it, and how much of it may come.
//!
//! It looks at the first nine octets of each frame, at those of a payload that are of fixed size (settings, increments, the
//! length of padding), and at nothing else; it knows which streams are open because it sees what goes out as well. What is
//! wrong here is an error of the connection with its own code, where the engine often says only that something is wrong. What
//! is wrong in a block of fields is the engine's to find.

use super::calm::Allowance;
use super::frames::{Head, code, flag, kind};
use super::streams::Streams;
use crate::limits::{
    H2_FRAME_BYTES_MAX, H2_FRAMES_ALLOWED, H2_FRAMES_PER_ANSWER_FRAME, H2_FRAMES_PER_SECOND, H2_FRAMES_PER_STREAM,
    H2_IDLE_TIMEOUT_MS, H2_RESETS_ALLOWED, H2_RESETS_PER_SECOND, H2_SMALL_FRAME_BYTES,
};
use std::time::Duration;
use tokio::time::Instant;

/// `SETTINGS_ENABLE_PUSH`, `SETTINGS_INITIAL_WINDOW_SIZE` and `SETTINGS_MAX_FRAME_SIZE` (RFC 9113 section 6.5.2).
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
/// Values that those may have (RFC 9113 sections 6.5.2 and 6.9.1).
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;
const FRAME_BYTES: std::ops::RangeInclusive<u32> = 16_384..=16_777_215;

/// Octets of fixed payloads (RFC 9113 section 6).
const PRIORITY_BYTES: u32 = 5;
const RST_STREAM_BYTES: u32 = 4;
const SETTING_BYTES: u32 = 6;
const PING_BYTES: u32 = 8;
const GOAWAY_BYTES: u32 = 8;
const WINDOW_UPDATE_BYTES: u32 = 4;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What GOAWAY says.
    pub(super) code: u32,
    /// What the metrics say.
    pub(super) reason: &'static str,
}

impl Fault {
    pub(super) const PROTOCOL: Self = Self { code: code::PROTOCOL_ERROR, reason: "h2_protocol_error" };
    const FRAME_SIZE: Self = Self { code: code::FRAME_SIZE_ERROR, reason: "h2_frame_size_error" };
    pub(super) const FLOW_CONTROL: Self = Self { code: code::FLOW_CONTROL_ERROR, reason: "h2_flow_control_error" };
    const STREAM_CLOSED: Self = Self { code: code::STREAM_CLOSED, reason: "h2_stream_closed" };
    /// Too much of what costs us work and says nothing.
    const FRAME_FLOOD: Self = Self { code: code::ENHANCE_YOUR_CALM, reason: "h2_frame_flood" };
    /// Too many streams that were given up, or that were wrong.
    const RESET_FLOOD: Self = Self { code: code::ENHANCE_YOUR_CALM, reason: "h2_reset_flood" };
    /// It takes nothing of its answers, and nothing can be said to it either.
    pub(super) const STALLED: Self = Self { code: code::ENHANCE_YOUR_CALM, reason: "h2_client_stalled" };
    /// Nothing was asked for too long, which is nobody's fault.
    pub(super) const IDLE: Self = Self { code: code::NO_ERROR, reason: "h2_idle" };

    fn unless(is_right: bool, fault: Self) -> Result<(), Self> {
        if is_right { Ok(()) } else { Err(fault) }
    }
}

/// What is looked at in a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    #[default]
    Nothing,
    /// The first octet: so many octets of padding at most.
    Padding(u32),
    /// Settings, six octets each.
    Settings,
    /// The increment of this stream's window.
    Increment(u32),
}

/// One connection's.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) streams: Streams,
    has_settings: bool,
    /// The stream of a block of fields that has not ended.
    block: Option<u32>,
    frames: Allowance,
    resets: Allowance,
    /// Since when nothing is under way; `None` while something is.
    idle_since: Option<Instant>,
    stall_limit: Duration,
    /// When to look whether something takes too long.
    pub(super) due: Instant,
    /// Why the connection ends.
    pub(super) fault: Option<Fault>,
}

const IDLE_LIMIT: Duration = Duration::from_millis(H2_IDLE_TIMEOUT_MS);

impl Guard {
    /// Of a client that may leave a window closed for `stall_limit` in the middle of an answer.
    pub(super) fn new(now: Instant, stall_limit: Duration) -> Self {
        Self {
            streams: Streams::default(),
            stall_limit,
            has_settings: false,
            block: None,
            frames: Allowance::new(H2_FRAMES_ALLOWED, H2_FRAMES_PER_SECOND, now),
            resets: Allowance::new(H2_RESETS_ALLOWED, H2_RESETS_PER_SECOND, now),
            idle_since: Some(now),
            due: now + IDLE_LIMIT,
            fault: None,
        }
    }

    /// Notes what is wrong; how many bytes may pass before it.
    pub(super) fn passed(&mut self, passed: Result<usize, (usize, Fault)>) -> usize {
        passed.unwrap_or_else(|(bytes, fault)| {
            self.fault.get_or_insert(fault);
            bytes
        })
    }

    /// Whether a frame of ours, put between two of the client's, is one by itself.
    pub(super) fn is_between_blocks(&self) -> bool {
        self.block.is_none() && self.has_settings
    }

    /// Whether a frame begins the fields behind a body.
    pub(super) fn begins_trailers(&self, head: Head) -> bool {
        let is_second =
            || self.streams.get(head.stream).is_some_and(|stream| !stream.client_ended && !stream.reset_by_us);
        head.kind == kind::HEADERS && self.block.is_none() && is_second()
    }

    /// A frame that has come, and what is to be looked at in its payload.
    pub(super) fn received(&mut self, head: Head) -> Result<Look, Fault> {
        if !self.has_settings {
            Fault::unless(head.kind == kind::SETTINGS && !head.has(flag::ACK), Fault::PROTOCOL)?;
            self.has_settings = true;
        }
        if let Some(stream) = self.block {
            Fault::unless(head.kind == kind::CONTINUATION && head.stream == stream, Fault::PROTOCOL)?;
        }
        Fault::unless(head.length <= H2_FRAME_BYTES_MAX, Fault::FRAME_SIZE)?;
        let mut look = Look::Nothing;
        match head.kind {
            kind::DATA => look = self.data(head)?,
            kind::HEADERS => look = self.headers(head)?,
            kind::PRIORITY => {
                self.costs()?;
                Fault::unless(head.stream != 0, Fault::PROTOCOL)?;
                Fault::unless(head.length == PRIORITY_BYTES, Fault::FRAME_SIZE)?;
            }
            kind::RST_STREAM => self.reset(head)?,
            kind::SETTINGS => look = self.settings(head)?,
            kind::PUSH_PROMISE => return Err(Fault::PROTOCOL),
            kind::PING => {
                self.costs()?;
                Fault::unless(head.stream == 0, Fault::PROTOCOL)?;
                Fault::unless(head.length == PING_BYTES, Fault::FRAME_SIZE)?;
            }
            kind::GOAWAY => {
                self.costs()?;
                Fault::unless(head.stream == 0, Fault::PROTOCOL)?;
                Fault::unless(head.length >= GOAWAY_BYTES, Fault::FRAME_SIZE)?;
            }
            kind::WINDOW_UPDATE => {
                self.costs()?;
                Fault::unless(head.length == WINDOW_UPDATE_BYTES, Fault::FRAME_SIZE)?;
                Fault::unless(head.stream == 0 || !self.streams.is_idle(head.stream), Fault::PROTOCOL)?;
                look = Look::Increment(head.stream);
            }
            kind::CONTINUATION => {
                Fault::unless(self.block.is_some(), Fault::PROTOCOL)?;
                if head.has(flag::END_HEADERS) {
                    self.block = None;
                } else {
                    self.costs()?;
                }
            }
            _ => self.costs()?,
        }
        Ok(look)
    }

    fn data(&mut self, head: Head) -> Result<Look, Fault> {
        Fault::unless(head.stream != 0 && !self.streams.is_idle(head.stream), Fault::PROTOCOL)?;
        let is_closed = self.streams.get(head.stream).is_some_and(|stream| stream.client_ended);
        Fault::unless(!is_closed, Fault::STREAM_CLOSED)?;
        let ends = head.has(flag::END_STREAM);
        match head.length {
            0 if !ends => self.costs()?,
            0 => {}
            _ => self.frames.give(1),
        }
        if ends {
            self.streams.client_ended(head.stream);
        }
        padding(head, 0)
    }

    fn headers(&mut self, head: Head) -> Result<Look, Fault> {
        Fault::unless(head.stream % 2 == 1, Fault::PROTOCOL)?;
        let priority = if head.has(flag::PRIORITY) { PRIORITY_BYTES } else { 0 };
        let look = padding(head, priority)?;
        if head.stream > self.streams.highest {
            self.streams.open(head.stream);
            self.frames.give(H2_FRAMES_PER_STREAM);
            self.idle_since = None;
        } else {
            // Of one that we gave up the client may not know yet.
            let stream = self.streams.get(head.stream).filter(|stream| stream.reset_by_us || !stream.client_ended);
            let was_opened = self.streams.was_opened(head.stream);
            Fault::unless(stream.is_some(), if was_opened { Fault::STREAM_CLOSED } else { Fault::PROTOCOL })?;
        }
        if head.has(flag::END_STREAM) {
            self.streams.client_ended(head.stream);
        }
        if !head.has(flag::END_HEADERS) {
            self.block = Some(head.stream);
        }
        Ok(look)
    }

    fn reset(&mut self, head: Head) -> Result<(), Fault> {
        Fault::unless(head.stream != 0 && !self.streams.is_idle(head.stream), Fault::PROTOCOL)?;
        Fault::unless(head.length == RST_STREAM_BYTES, Fault::FRAME_SIZE)?;
        if self.streams.client_reset(head.stream) { self.gave_up() } else { self.costs() }
    }

    fn settings(&mut self, head: Head) -> Result<Look, Fault> {
        self.costs()?;
        Fault::unless(head.stream == 0, Fault::PROTOCOL)?;
        let is_whole = if head.has(flag::ACK) { head.length == 0 } else { head.length.is_multiple_of(SETTING_BYTES) };
        Fault::unless(is_whole, Fault::FRAME_SIZE)?;
        Ok(Look::Settings)
    }

    /// One setting that the client makes.
    pub(super) fn set(&mut self, identifier: u16, value: u32) -> Result<(), Fault> {
        match identifier {
            ENABLE_PUSH => Fault::unless(value <= 1, Fault::PROTOCOL),
            INITIAL_WINDOW_SIZE => {
                Fault::unless(value <= WINDOW_BYTES_MAX, Fault::FLOW_CONTROL)?;
                self.streams.initial_window(value);
                Ok(())
            }
            MAX_FRAME_SIZE => Fault::unless(FRAME_BYTES.contains(&value), Fault::PROTOCOL),
            _ => Ok(()),
        }
    }

    /// A window that the client widens.
    pub(super) fn widened(&mut self, stream: u32, increment: u32) -> Result<(), Fault> {
        let increment = increment & WINDOW_BYTES_MAX;
        Fault::unless(increment > 0, Fault::PROTOCOL)?;
        self.streams.widened(stream, increment);
        Ok(())
    }

    /// A frame that goes out, and what there is of its payload.
    pub(super) fn sent(&mut self, head: Head, payload: &[u8]) {
        match head.kind {
            kind::HEADERS | kind::DATA => self.answered(head),
            kind::RST_STREAM => {
                self.streams.we_reset(head.stream);
                let code = payload.first_chunk().map(|code| u32::from_be_bytes(*code));
                if code.is_some_and(is_fault_of_client)
                    && let Err(fault) = self.gave_up()
                {
                    self.fault.get_or_insert(fault);
                }
            }
            _ => {}
        }
        if self.idle_since.is_none() && self.streams.under_way() == 0 {
            self.idle(Instant::now());
        }
    }

    fn answered(&mut self, head: Head) {
        let (is_data, ends) = (head.kind == kind::DATA, head.has(flag::END_STREAM));
        let bytes = if is_data { head.length } else { 0 };
        let is_bounded = self.streams.we_sent(head.stream, bytes, ends, Instant::now);
        if is_bounded {
            self.due = self.due.min(Instant::now() + self.stall_limit);
        }
        if ends {
            self.resets.give(1);
        }
        // A client that widens windows by drops makes many frames out of one.
        if is_data && !(is_bounded && bytes < H2_SMALL_FRAME_BYTES) {
            self.frames.give(H2_FRAMES_PER_ANSWER_FRAME);
        }
    }

    fn idle(&mut self, now: Instant) {
        self.idle_since = Some(now);
        self.due = self.due.min(now + IDLE_LIMIT);
    }

    /// What takes too long when it is due, and when it is due next.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Overdue> {
        if let Some(stream) = self.streams.stalled(self.stall_limit, now) {
            return Some(Overdue::Stalled(stream));
        }
        if self.idle_since.is_none() && self.streams.under_way() == 0 {
            self.idle_since = Some(now);
        }
        if self.idle_since.is_some_and(|since| since + IDLE_LIMIT <= now) {
            return Some(Overdue::Idle);
        }
        let next = [self.streams.stalled_at(self.stall_limit), self.idle_since.map(|since| since + IDLE_LIMIT)];
        // With nothing to wait for, a look now and then costs nothing.
        self.due = next.into_iter().flatten().min().unwrap_or(now + IDLE_LIMIT);
        None
    }

    /// A stream is reset in the client's name and in ours.
    pub(super) fn gave_up_stalled(&mut self, stream: u32) {
        self.streams.client_reset(stream);
    }

    fn costs(&mut self) -> Result<(), Fault> {
        Fault::unless(self.frames.take(Instant::now), Fault::FRAME_FLOOD)
    }

    fn gave_up(&mut self) -> Result<(), Fault> {
        Fault::unless(self.resets.take(Instant::now), Fault::RESET_FLOOD)
    }
}

/// What takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The client's window of this stream, or of the connection, has been closed in the middle of an answer.
    Stalled(u32),
    /// Nothing was asked.
    Idle,
}

/// Whether padding, and what else comes before the rest, fits into a frame (RFC 9113 sections 6.1 and 6.2).
fn padding(head: Head, besides: u32) -> Result<Look, Fault> {
    let is_padded = head.has(flag::PADDED);
    let least = besides + u32::from(is_padded);
    Fault::unless(head.length >= least, Fault::FRAME_SIZE)?;
    Ok(if is_padded { Look::Padding(head.length - least) } else { Look::Nothing })
}

/// Whether we reset a stream because of what the client did: so resets can be provoked without one that is sent.
fn is_fault_of_client(code: u32) -> bool {
    matches!(
        code,
        code::PROTOCOL_ERROR
            | code::FLOW_CONTROL_ERROR
            | code::STREAM_CLOSED
            | code::FRAME_SIZE_ERROR
            | code::REFUSED_STREAM
    )
}
