//! The guard of one connection: head, body, head, … as bytes come in, without any input or output of its own.
//!
//! Called by [`GuardedIo`](super::GuardedIo). It decides how many of the bytes just read may pass on to hyper. A head
//! passes only when it is complete and good; until then it waits in the guard. A refused head is replaced by a small
//! request that no client can send, the *stand-in*, so that our own service answers the violation, and in its turn.
//! After a violation nothing passes any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http::Request;

use super::chunked::ChunkedChecker;
use super::grammar::{BodyFraming, HeadScan, HeadScanner};
use super::limits::FramingLimits;
use super::spelling::SpellingWriter;
use super::violation::{FramingRule, FramingViolation, MessagePart};

/// The request that takes the place of a refused one. No client can send it: the grammar allows the target `*` with
/// OPTIONS only. HTTP/1.0 makes hyper close the connection after the answer.
const STAND_IN: &[u8] = b"REFUSED * HTTP/1.0\r\n\r\n";
const STAND_IN_METHOD: &str = "REFUSED";

/// The violation of a connection, if there is one: the guard writes it, the service reads it.
///
/// There is at most one, because nothing passes after it. It may stay unanswered: when the connection ends after an
/// earlier request, nobody asks for it.
#[derive(Clone, Debug, Default)]
pub struct ViolationCell(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    violation: OnceLock<FramingViolation>,
    is_broken: AtomicBool,
}

impl ViolationCell {
    /// The violation, if `request` stands in for a refused one. To be asked at the beginning of every request.
    pub fn refused<B>(&self, request: &Request<B>) -> Option<FramingViolation> {
        let stands_in = request.method().as_str() == STAND_IN_METHOD && request.uri().path() == "*";
        self.get().filter(|_| stands_in)
    }

    /// Whether reading or writing the connection has failed: the client broke off, or is out of reach.
    pub fn is_broken(&self) -> bool {
        self.0.is_broken.load(Ordering::Relaxed)
    }

    /// Notes the violation; the first one stays.
    pub(crate) fn note(&self, violation: FramingViolation) {
        let _ = self.0.violation.set(violation);
    }

    /// Notes that reading or writing the connection has failed.
    pub(crate) fn break_off(&self) {
        self.0.is_broken.store(true, Ordering::Relaxed);
    }

    /// The violation, if it is in a body. To be asked only when reading the body of a request has failed: the request
    /// may then be answered with the violation instead of being called cut off.
    pub fn in_body(&self) -> Option<FramingViolation> {
        self.get().filter(|violation| violation.part == MessagePart::Body)
    }

    /// The violation, wherever it is. It may belong to a later request than the one at hand.
    pub fn get(&self) -> Option<FramingViolation> {
        self.0.violation.get().copied()
    }
}

/// The state of one connection's framing.
///
/// The owner takes [`released`](Self::released) bytes first, and feeds new ones only when there are none.
#[derive(Debug)]
pub struct FramingGuard {
    limits: FramingLimits,
    stage: Stage,
    /// Bytes that could not pass where they were read. The first `released` of them may pass now, the rest is the
    /// beginning of a head.
    held: Vec<u8>,
    released: usize,
    delivered: usize,
    cell: ViolationCell,
    spelling: Option<SpellingWriter>,
}

#[derive(Debug)]
enum Stage {
    Head(HeadScanner),
    Sized(u64),
    Chunked(ChunkedChecker),
    Refused(FramingViolation),
}

impl FramingGuard {
    /// Makes the guard of a new connection.
    pub fn new(limits: FramingLimits) -> Self {
        Self {
            limits,
            stage: Stage::next_head(),
            held: Vec::new(),
            released: 0,
            delivered: 0,
            cell: ViolationCell::default(),
            spelling: None,
        }
    }

    /// The same, which also notes how the names in each head are spelled.
    pub(super) fn noting(limits: FramingLimits, spelling: SpellingWriter) -> Self {
        Self { spelling: Some(spelling), ..Self::new(limits) }
    }

    /// The place where the violation of this connection will stand.
    pub fn cell(&self) -> &ViolationCell {
        &self.cell
    }

    /// Judges the next bytes of the connection and says how many of them, from the first on, may pass where they are.
    /// The others are held or dropped; the owner must not pass them.
    pub fn feed(&mut self, fresh: &[u8]) -> usize {
        debug_assert!(self.released().is_empty(), "released bytes come before fresh ones");
        if self.refusal().is_some() {
            return 0;
        }
        if !self.held.is_empty() {
            self.feed_held(fresh);
            return 0;
        }
        let passed = self.judge(fresh);
        match self.stage {
            Stage::Refused(violation) => self.stand_in(violation),
            Stage::Head(_) => self.held.extend_from_slice(&fresh[passed..]),
            Stage::Sized(_) | Stage::Chunked(_) => {}
        }
        passed
    }

    /// As [`feed`](Self::feed), for bytes that cannot pass where they are: those that may pass are then released.
    pub fn feed_held(&mut self, fresh: &[u8]) {
        debug_assert!(self.released().is_empty(), "released bytes come before fresh ones");
        if self.refusal().is_some() {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(fresh);
        self.released = self.judge(&held);
        self.held = held;
        if let Stage::Refused(violation) = self.stage {
            self.held.truncate(self.released);
            self.stand_in(violation);
        }
    }

    /// Learns that no more bytes will come. A request that has begun and has no complete head is refused; an unfinished
    /// body is left to hyper, which knows its end as well.
    pub fn feed_end(&mut self) {
        if let Stage::Head(scanner) = &self.stage
            && scanner.has_begun()
        {
            let violation = FramingViolation::head(FramingRule::HeadTruncated, self.held.len());
            self.held.clear();
            self.refuse(violation);
            self.stand_in(violation);
        }
    }

    /// The bytes that pass next, before anything else that is read.
    pub fn released(&self) -> &[u8] {
        &self.held[self.delivered..self.released]
    }

    /// Forgets the first `count` released bytes, which have passed.
    pub fn delivered(&mut self, count: usize) {
        self.delivered += count;
        debug_assert!(self.delivered <= self.released, "only released bytes are delivered");
        if self.delivered == self.released {
            // Dropped, not cleared: an idle connection should not keep the memory of its largest head.
            self.held = self.held[self.released..].to_vec();
            self.released = 0;
            self.delivered = 0;
        }
    }

    /// How many bytes may be read at most while an incomplete head is held; `None` while none is.
    pub fn room_bytes(&self) -> Option<usize> {
        // A held head that has reached the limit is refused, so that there is always room for a byte more.
        (!self.held.is_empty()).then(|| self.limits.head.head_bytes_max.saturating_sub(self.held.len()).max(1))
    }

    /// The violation after which nothing passes any more.
    pub fn refusal(&self) -> Option<FramingViolation> {
        match self.stage {
            Stage::Refused(violation) => Some(violation),
            Stage::Head(_) | Stage::Sized(_) | Stage::Chunked(_) => None,
        }
    }

    /// Whether everything read so far was whole requests, so that the client has nothing under way that we know of.
    pub fn at_boundary(&self) -> bool {
        matches!(&self.stage, Stage::Head(scanner) if !scanner.has_begun())
    }

    /// Goes through the stages as far as the bytes reach and returns how many may pass.
    fn judge(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while passed < bytes.len() {
            let rest = &bytes[passed..];
            let next = match &mut self.stage {
                Stage::Head(scanner) => match scanner.advance(rest, &self.limits.head) {
                    Ok(HeadScan::Incomplete) => break,
                    Ok(HeadScan::Complete(head)) => {
                        if let Some(spelling) = &mut self.spelling {
                            spelling.head(&rest[..head.head_len]);
                        }
                        passed += head.head_len;
                        Ok(Stage::of_body(head.framing))
                    }
                    Err(violation) => Err(violation),
                },
                Stage::Sized(left) => {
                    let taken = (*left).min(rest.len() as u64);
                    passed += taken as usize;
                    *left -= taken;
                    if *left > 0 { break } else { Ok(Stage::next_head()) }
                }
                Stage::Chunked(checker) => {
                    let good_before = checker.offset();
                    let progress = checker.advance(rest, &self.limits.chunked);
                    passed += (checker.offset() - good_before) as usize;
                    match progress {
                        Ok(progress) if !progress.done => break,
                        Ok(_) => Ok(Stage::next_head()),
                        Err(violation) => Err(violation),
                    }
                }
                Stage::Refused(_) => break,
            };
            match next {
                Ok(stage) => self.stage = stage,
                Err(violation) => self.refuse(violation),
            }
        }
        passed
    }

    fn refuse(&mut self, violation: FramingViolation) {
        self.stage = Stage::Refused(violation);
        // It cannot be set already: a refused guard judges nothing.
        let _ = self.cell.0.violation.set(violation);
    }

    /// Releases the stand-in after whatever is released already. A body has none: its request has passed.
    fn stand_in(&mut self, violation: FramingViolation) {
        if violation.part == MessagePart::Head {
            self.held.extend_from_slice(STAND_IN);
            self.released = self.held.len();
        }
    }
}

impl Stage {
    fn next_head() -> Self {
        Stage::Head(HeadScanner::default())
    }

    fn of_body(framing: BodyFraming) -> Self {
        match framing {
            BodyFraming::None | BodyFraming::Sized(0) => Stage::next_head(),
            BodyFraming::Sized(length) => Stage::Sized(length),
            BodyFraming::Chunked => Stage::Chunked(ChunkedChecker::default()),
        }
    }
}
