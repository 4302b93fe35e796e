//! [`Inbound`]: the client's bytes on their way to hyper's engine, with the guard's eyes on them. They stay where they were
//! read; only the beginning of a frame that is not whole yet is kept back.
//!
//! The engine ignores pseudo-fields behind a body, which make a request malformed (RFC 9113 section 8.1). It does refuse
//! them behind a field, so a field is put in front of every block there: `host`, which never passes as a trailer.

use super::frames::{HEAD_BYTES, Head, flag};
use super::guard::{Fault, Guard, Look};
use crate::limits::{H2_FRAME_BYTES_MAX, H2_STREAMS_MAX};

/// `host` without a value (RFC 7541 section 6.1 and appendix A).
const MARK: u8 = 0x80 | 38;
/// Octets of a frame that are looked through to find where its block begins, at most: padding, a priority, and changes of
/// the table's size, of which an honest client makes two.
const PREFIX_BYTES_MAX: usize = 24;
/// Blocks that are marked in one piece: one for each stream that there may be.
const MARKS_MAX: usize = H2_STREAMS_MAX as usize;
/// Octets that are kept back, at most.
pub(super) const KEPT_BYTES_MAX: usize = HEAD_BYTES + PREFIX_BYTES_MAX + MARKS_MAX;

/// Where in its frames a client is.
#[derive(Debug)]
pub(super) struct Inbound {
    /// To come of the preface.
    preface: usize,
    /// To come of the payload of the frame under way.
    rest: usize,
    look: Look,
    /// Octets of a value that is looked at, and how many there are.
    value: [u8; 6],
    have: usize,
    /// What has come and the engine has not got.
    kept: [u8; KEPT_BYTES_MAX],
    kept_bytes: usize,
    /// Whether some of that is there only because marks took its room.
    pub(super) is_over: bool,
}

/// Whether and where in its payload a frame is marked.
enum Marked {
    No,
    At(usize),
    /// As soon as more has come.
    Later,
}

impl Inbound {
    /// Before a preface of so many bytes.
    pub(super) fn before(preface: usize) -> Self {
        Self {
            preface,
            rest: 0,
            look: Look::Nothing,
            value: [0; 6],
            have: 0,
            kept: [0; KEPT_BYTES_MAX],
            kept_bytes: 0,
            is_over: false,
        }
    }

    /// Whether another frame may begin behind what the engine has got.
    pub(super) fn is_between(&self) -> bool {
        self.preface == 0 && self.rest == 0
    }

    /// What was kept back, which comes before what is read next.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept[..self.kept_bytes]
    }

    /// Looks through bytes, which begin with what was kept. How many of them the engine may have.
    ///
    /// # Errors
    /// What is wrong behind those, and how many may pass before it.
    pub(super) fn pass(&mut self, guard: &mut Guard, bytes: &mut [u8]) -> Result<usize, (usize, Fault)> {
        let mut at = 0;
        let mut over = Over { bytes: [0; MARKS_MAX], from: MARKS_MAX };
        while at < bytes.len() {
            if self.preface > 0 {
                let passed = self.preface.min(bytes.len() - at);
                (self.preface, at) = (self.preface - passed, at + passed);
                continue;
            }
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len() - at);
                self.look_at(guard, &bytes[at..at + passed]).map_err(|fault| (at, fault))?;
                (self.rest, at) = (self.rest - passed, at + passed);
                continue;
            }
            let Some(first) = bytes[at..].first_chunk() else { break };
            let head = Head::of(*first);
            let mark = match mark(guard, head, &bytes[at + HEAD_BYTES..]) {
                Marked::Later => break,
                Marked::At(put) if over.has_room() => Some(at + HEAD_BYTES + put),
                Marked::At(_) | Marked::No => None,
            };
            self.look = guard.received(head).map_err(|fault| (at, fault))?;
            (self.have, self.rest) = (0, head.length as usize);
            if let Some(put) = mark {
                self.rest += 1;
                bytes[at..at + 3].copy_from_slice(&(head.length + 1).to_be_bytes()[1..]);
                over.put(bytes, put);
            }
            at += HEAD_BYTES;
        }
        self.keep(&bytes[at..], &over);
        Ok(at)
    }

    fn keep(&mut self, tail: &[u8], over: &Over) {
        let over = &over.bytes[over.from..];
        self.is_over = !over.is_empty();
        self.kept_bytes = tail.len() + over.len();
        self.kept[..tail.len()].copy_from_slice(tail);
        self.kept[tail.len()..self.kept_bytes].copy_from_slice(over);
    }

    fn look_at(&mut self, guard: &mut Guard, payload: &[u8]) -> Result<(), Fault> {
        match self.look {
            Look::Nothing => {}
            Look::Padding(most) => {
                self.look = Look::Nothing;
                if payload.first().is_some_and(|&octets| u32::from(octets) > most) {
                    return Err(Fault::PROTOCOL);
                }
            }
            Look::Settings => {
                for &octet in payload {
                    self.value[self.have] = octet;
                    self.have += 1;
                    if let (6, [a, b, c, d, e, f]) = (self.have, self.value) {
                        self.have = 0;
                        guard.set(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))?;
                    }
                }
            }
            Look::Increment(stream) => {
                for &octet in payload {
                    self.value[self.have] = octet;
                    self.have += 1;
                }
                if let (4, [a, b, c, d, ..]) = (self.have, self.value) {
                    guard.widened(stream, u32::from_be_bytes([a, b, c, d]))?;
                }
            }
        }
        Ok(())
    }
}

/// What does not fit any more behind a mark.
struct Over {
    bytes: [u8; MARKS_MAX],
    from: usize,
}

impl Over {
    fn has_room(&self) -> bool {
        self.from > 0
    }

    /// Puts the mark in, and takes the last octet out.
    fn put(&mut self, bytes: &mut [u8], at: usize) {
        self.from -= 1;
        let last = bytes.len() - 1;
        if at > last {
            self.bytes[self.from] = MARK;
            return;
        }
        self.bytes[self.from] = bytes[last];
        bytes.copy_within(at..last, at + 1);
        bytes[at] = MARK;
    }
}

/// Whether a frame begins the fields behind a body, and where in its payload the mark goes. One of the largest size, to
/// which nothing can be added, goes without.
fn mark(guard: &Guard, head: Head, payload: &[u8]) -> Marked {
    if !guard.begins_trailers(head) || head.length >= H2_FRAME_BYTES_MAX {
        return Marked::No;
    }
    let whole = head.length as usize;
    let payload = &payload[..payload.len().min(whole)];
    let mut at = usize::from(head.has(flag::PADDED)) + if head.has(flag::PRIORITY) { 5 } else { 0 };
    if at > whole {
        return Marked::No;
    }
    // Changes of the table's size come before all fields (RFC 7541 section 4.2).
    while at < whole.min(PREFIX_BYTES_MAX) {
        match payload.get(at) {
            None => return Marked::Later,
            Some(0x20..0x3f) => at += 1,
            Some(0x3f) => match payload[at + 1..].iter().position(|&octet| octet < 0x80) {
                Some(more) => at += more + 2,
                None if payload.len() < whole.min(PREFIX_BYTES_MAX) => return Marked::Later,
                None => return Marked::No,
            },
            Some(_) => break,
        }
    }
    if at > payload.len() { Marked::Later } else { Marked::At(at) }
}
