//! [`Receiver`]: what a client sends, frame by frame: what each must be, how much of it may come, and what it does (RFC 9113
//! sections 4 to 6).
//!
//! What is wrong is an error of the connection wherever the RFC lets that be, since nobody breaks the rules in earnest. Streams
//! are reset only for what one request may have got wrong by itself; how often is bounded.

use super::body::Http2Body;
use super::fault::Fault;
use super::frames::{HEAD_BYTES, Head, code, flag, kind, put_head, put_ping, put_window, setting};
use super::hpack::Decoder;
use super::request::{self, Asked, Trailers};
use super::state::{ANNOUNCED, Shared, State};
use super::streams::Stream;
use crate::framing::FramingRule;
use crate::limits::{H2_CONTINUATIONS_MAX, H2_EMPTY_FRAMES_MAX, H2_FRAME_BYTES_MAX, H2_FRAMES_PER_STREAM};
use crate::memory::{Held, Part};
use tokio::time::Instant;

/// Values that settings may have (RFC 9113 sections 6.5.2 and 6.9.1).
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;
const FRAME_BYTES: std::ops::RangeInclusive<u32> = 16_384..=16_777_215;

/// Octets of fixed payloads (RFC 9113 section 6).
const PRIORITY_BYTES: usize = 5;
const RST_STREAM_BYTES: usize = 4;
const SETTING_BYTES: usize = 6;
const PING_BYTES: usize = 8;
const GOAWAY_BYTES: usize = 8;
const WINDOW_UPDATE_BYTES: usize = 4;

/// One connection's.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    decoder: Decoder,
    has_settings: bool,
    /// A block of fields that has not ended.
    block: Option<Block>,
    /// Frames of DATA without data, one behind the other.
    empty: u32,
}

/// A block of fields in several frames.
#[derive(Debug)]
struct Block {
    begun: Begun,
    since: Instant,
    bytes: Vec<u8>,
    continuations: u32,
    _held: Held,
}

/// What the HEADERS have said with which a block begins.
#[derive(Clone, Copy, Debug)]
struct Begun {
    id: u32,
    ends: bool,
    /// Whether the stream depends on itself, which makes it malformed (RFC 7540 section 5.3.1).
    is_wrong: bool,
}

/// A request that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) id: u32,
    pub(crate) asked: Asked,
    pub(crate) body: Http2Body,
}

impl Receiver {
    /// Reads the whole frames at the front of some bytes. `opened` gets each request. How many bytes they had.
    ///
    /// # Errors
    /// The connection has to end.
    pub(crate) fn read(
        &mut self,
        shared: &Shared,
        bytes: &[u8],
        mut opened: impl FnMut(Opened),
    ) -> Result<usize, Fault> {
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
            let head = Head::of(*first);
            if !self.has_settings {
                Fault::unless(head.kind == kind::SETTINGS && !head.has(flag::ACK), Fault::PROTOCOL)?;
                self.has_settings = true;
            }
            if let Some(block) = &self.block {
                Fault::unless(head.kind == kind::CONTINUATION && head.stream == block.begun.id, Fault::PROTOCOL)?;
            }
            Fault::unless(head.length <= H2_FRAME_BYTES_MAX, Fault::FRAME_SIZE)?;
            let Some((payload, behind)) = behind.split_at_checked(head.length as usize) else { break };
            rest = behind;
            if let Some(request) = self.frame(shared, head, payload)? {
                opened(request);
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Since when a block of fields is under way that has not ended.
    pub(crate) fn block_since(&self) -> Option<Instant> {
        self.block.as_ref().map(|block| block.since)
    }

    fn frame(&mut self, shared: &Shared, head: Head, payload: &[u8]) -> Result<Option<Opened>, Fault> {
        let state = &mut *shared.borrow_mut();
        match head.kind {
            kind::DATA => self.data(state, head, payload)?,
            kind::HEADERS => return self.headers(shared, state, head, payload),
            kind::CONTINUATION => return self.continuation(shared, state, head, payload),
            kind::PRIORITY => {
                state.costs()?;
                Fault::unless(head.stream != 0, Fault::PROTOCOL)?;
                Fault::unless(payload.len() == PRIORITY_BYTES, Fault::FRAME_SIZE)?;
                if depends_on_itself(head, payload) {
                    // What is idle cannot be reset (RFC 9113 section 6.4).
                    Fault::unless(!state.streams.is_idle(head.stream), Fault::PROTOCOL)?;
                    state.reset_at_fault(head.stream, code::PROTOCOL_ERROR)?;
                }
            }
            kind::RST_STREAM => reset(state, head, payload)?,
            kind::SETTINGS => settings(state, head, payload)?,
            kind::PUSH_PROMISE => return Err(Fault::PROTOCOL),
            kind::PING => ping(state, head, payload)?,
            kind::GOAWAY => {
                state.costs()?;
                Fault::unless(head.stream == 0, Fault::PROTOCOL)?;
                Fault::unless(payload.len() >= GOAWAY_BYTES, Fault::FRAME_SIZE)?;
                state.client_says_end();
            }
            kind::WINDOW_UPDATE => {
                state.costs()?;
                Fault::unless(payload.len() == WINDOW_UPDATE_BYTES, Fault::FRAME_SIZE)?;
                Fault::unless(head.stream == 0 || !state.streams.is_idle(head.stream), Fault::PROTOCOL)?;
                let increment = number(payload) & WINDOW_BYTES_MAX;
                Fault::unless(increment > 0, Fault::PROTOCOL)?;
                state.widened(head.stream, increment)?;
            }
            _ => state.costs()?,
        }
        Ok(None)
    }

    fn data(&mut self, state: &mut State, head: Head, payload: &[u8]) -> Result<(), Fault> {
        Fault::unless(head.stream != 0 && !state.streams.is_idle(head.stream), Fault::PROTOCOL)?;
        let ends = head.has(flag::END_STREAM);
        let data = unpadded(head, payload, 0)?;
        match data.len() {
            0 if !ends => {
                state.costs()?;
                self.empty += 1;
                Fault::unless(self.empty <= H2_EMPTY_FRAMES_MAX, Fault::CALM)?;
            }
            0 => self.empty = 0,
            _ => {
                self.empty = 0;
                state.frames.give(1);
            }
        }
        state.fits(head.length)?;
        let Some(stream) = state.streams.get_mut(head.stream) else {
            state.give_back(payload.len());
            state.reset(head.stream, code::STREAM_CLOSED);
            return state.gave_up();
        };
        Fault::unless(!stream.client_ended, Fault::STREAM_CLOSED)?;
        let inbound = stream.inbound.clone().filter(|_| !stream.reset_by_us);
        let Some(inbound) = inbound else {
            state.give_back(payload.len());
            if ends {
                state.client_ended(head.stream);
            }
            return Ok(());
        };
        let mut body = inbound.borrow_mut();
        let error = match () {
            () if !body.fits(head.length) => Some(code::FLOW_CONTROL_ERROR),
            () if !body.agrees(data.len(), ends) => Some(code::PROTOCOL_ERROR),
            () => None,
        };
        // What nobody waits for is given back at once: padding, and for the connection what nobody will take.
        let padding = payload.len() - data.len();
        let is_taken = error.is_none() && !body.is_dropped;
        let widened = if is_taken { body.give_back(padding).filter(|_| !ends) } else { None };
        if is_taken {
            body.put(data);
        }
        drop(body);
        state.give_back(if is_taken { padding } else { payload.len() });
        if let Some(increment) = widened {
            put_window(state.out.tail(), head.stream, increment);
        }
        match error {
            Some(code) => state.reset_at_fault(head.stream, code),
            None if ends => {
                state.client_ended(head.stream);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn headers(
        &mut self,
        shared: &Shared,
        state: &mut State,
        head: Head,
        payload: &[u8],
    ) -> Result<Option<Opened>, Fault> {
        Fault::unless(head.stream % 2 == 1, Fault::PROTOCOL)?;
        let priority = if head.has(flag::PRIORITY) { PRIORITY_BYTES } else { 0 };
        let (priority, fields) = unpadded(head, payload, priority)?.split_at(priority);
        if head.stream <= state.streams.highest {
            // Of one that we gave up the client may not know yet.
            let stream = state.streams.get(head.stream).filter(|stream| stream.reset_by_us || !stream.client_ended);
            let was_opened = state.streams.was_opened(head.stream);
            Fault::unless(stream.is_some(), if was_opened { Fault::STREAM_CLOSED } else { Fault::PROTOCOL })?;
        }
        let is_wrong = depends_on_itself(head, priority);
        let begun = Begun { id: head.stream, ends: head.has(flag::END_STREAM), is_wrong };
        if head.has(flag::END_HEADERS) {
            return self.fields(shared, state, begun, fields);
        }
        let held = Held::new(Part::Http2Block);
        let bytes = fields.to_vec();
        self.block = Some(Block { begun, since: Instant::now(), bytes, continuations: 0, _held: held });
        Ok(None)
    }

    fn continuation(
        &mut self,
        shared: &Shared,
        state: &mut State,
        head: Head,
        payload: &[u8],
    ) -> Result<Option<Opened>, Fault> {
        let Some(block) = &mut self.block else { return Err(Fault::PROTOCOL) };
        block.bytes.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            state.costs()?;
            block.continuations += 1;
            Fault::unless(block.continuations <= H2_CONTINUATIONS_MAX, Fault::CALM)?;
            return Ok(None);
        }
        match self.block.take() {
            Some(block) => self.fields(shared, state, block.begun, &block.bytes),
            None => Ok(None),
        }
    }

    /// A whole block of fields.
    fn fields(
        &mut self,
        shared: &Shared,
        state: &mut State,
        begun: Begun,
        block: &[u8],
    ) -> Result<Option<Opened>, Fault> {
        let Begun { id, ends, is_wrong } = begun;
        if id <= state.streams.highest {
            self.trailers(state, begun, block)?;
            return Ok(None);
        }
        let mut head = request::Head::new();
        if !self.decoder.decode(block, |field| head.take(field))? {
            head.refuse(FramingRule::HeadTooLarge);
        }
        state.streams.note(id);
        state.frames.give(H2_FRAMES_PER_STREAM);
        let refused = |state: &mut State, code| {
            let mut stream = Stream::new(id, 0);
            stream.client_ended = ends;
            state.streams.add(stream);
            state.reset_at_fault(id, code).map(|()| None)
        };
        if !state.takes(id) {
            return refused(state, code::REFUSED_STREAM);
        }
        let may_be = |asked: &Asked| !is_wrong && (!ends || asked.length.is_none_or(|bytes| bytes == 0));
        let asked = head.finish().filter(may_be);
        let Some(asked) = asked else { return refused(state, code::PROTOCOL_ERROR) };
        let body = match state.open(id, !ends, asked.length) {
            Some(inbound) => {
                inbound.borrow_mut().expects_continue = asked.expects_continue();
                Http2Body::coming(shared, id, inbound)
            }
            None => Http2Body::nothing(),
        };
        Ok(Some(Opened { id, asked, body }))
    }

    /// What stands behind a body.
    fn trailers(&mut self, state: &mut State, begun: Begun, block: &[u8]) -> Result<(), Fault> {
        let Begun { id, ends, is_wrong } = begun;
        let mut trailers = Trailers::default();
        let is_small = self.decoder.decode(block, |field| trailers.take(field))?;
        let Some(stream) = state.streams.get_mut(id).filter(|stream| !stream.reset_by_us) else {
            if ends {
                state.client_ended(id);
                return Ok(());
            }
            return state.costs();
        };
        let trailers = trailers.finish().filter(|_| ends && is_small && !is_wrong);
        let agrees = stream.inbound.as_ref().is_none_or(|inbound| inbound.borrow_mut().agrees(0, true));
        let Some(trailers) = trailers.filter(|_| agrees) else {
            stream.client_ended = ends;
            return state.reset_at_fault(id, code::PROTOCOL_ERROR);
        };
        if let Some(inbound) = &stream.inbound
            && !trailers.is_empty()
        {
            inbound.borrow_mut().trailers = Some(trailers);
        }
        state.client_ended(id);
        Ok(())
    }
}

fn reset(state: &mut State, head: Head, payload: &[u8]) -> Result<(), Fault> {
    Fault::unless(head.stream != 0 && !state.streams.is_idle(head.stream), Fault::PROTOCOL)?;
    Fault::unless(payload.len() == RST_STREAM_BYTES, Fault::FRAME_SIZE)?;
    if state.client_reset(head.stream) { state.gave_up() } else { state.costs() }
}

fn settings(state: &mut State, head: Head, payload: &[u8]) -> Result<(), Fault> {
    state.costs()?;
    Fault::unless(head.stream == 0, Fault::PROTOCOL)?;
    let is_answer = head.has(flag::ACK);
    let is_whole = if is_answer { payload.is_empty() } else { payload.len().is_multiple_of(SETTING_BYTES) };
    Fault::unless(is_whole, Fault::FRAME_SIZE)?;
    // Each change is made to all streams, so those of one frame are made at once: the largest, which may be too large, and the last.
    let (mut largest, mut last) = (None, None);
    for pair in payload.chunks_exact(SETTING_BYTES) {
        let value = number(&pair[2..]);
        match u16::from_be_bytes([pair[0], pair[1]]) {
            setting::HEADER_TABLE_SIZE => state.encoder.resize(value),
            setting::ENABLE_PUSH => Fault::unless(value <= 1, Fault::PROTOCOL)?,
            setting::INITIAL_WINDOW_SIZE => {
                Fault::unless(value <= WINDOW_BYTES_MAX, Fault::FLOW_CONTROL)?;
                (largest, last) = (largest.max(Some(value)), Some(value));
            }
            setting::MAX_FRAME_SIZE => Fault::unless(FRAME_BYTES.contains(&value), Fault::PROTOCOL)?,
            // Nothing is pushed, answers are as large as they are, and what is unknown is ignored.
            _ => {}
        }
    }
    for window in [largest.filter(|_| largest > last), last].into_iter().flatten() {
        state.first_window(window)?;
    }
    if !is_answer {
        put_head(state.out.tail(), 0, kind::SETTINGS, flag::ACK, 0);
    }
    Ok(())
}

fn ping(state: &mut State, head: Head, payload: &[u8]) -> Result<(), Fault> {
    state.costs()?;
    Fault::unless(head.stream == 0, Fault::PROTOCOL)?;
    let opaque: [u8; PING_BYTES] = payload.try_into().map_err(|_| Fault::FRAME_SIZE)?;
    match head.has(flag::ACK) {
        false => put_ping(state.out.tail(), flag::ACK, opaque),
        true if opaque == ANNOUNCED => state.say_end(),
        true => {}
    }
    Ok(())
}

/// Whether what a frame says of priority, if anything, depends on the frame's own stream.
fn depends_on_itself(head: Head, priority: &[u8]) -> bool {
    !priority.is_empty() && number(priority) & WINDOW_BYTES_MAX == head.stream
}

/// The first four octets.
fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// A payload without its padding, of which so many octets must be left (RFC 9113 sections 6.1 and 6.2).
fn unpadded(head: Head, payload: &[u8], least: usize) -> Result<&[u8], Fault> {
    if !head.has(flag::PADDED) {
        Fault::unless(payload.len() >= least, Fault::FRAME_SIZE)?;
        return Ok(payload);
    }
    let (&padding, rest) = payload.split_first().ok_or(Fault::FRAME_SIZE)?;
    Fault::unless(rest.len() >= least, Fault::FRAME_SIZE)?;
    let bytes = (rest.len() - least).checked_sub(padding.into()).ok_or(Fault::PROTOCOL)?;
    Ok(&rest[..least + bytes])
}
