//! A guard in front of the real hyper, the second engine of these tests: head, body, head, … as bytes come in, without any input
//! or output of its own.
//!
//! It decides how many of the bytes just read may pass on to hyper. A head passes only when it is complete and good; until then
//! it waits in the guard. A refused head is replaced by a small request that no client can send, the *stand-in*. After a
//! violation nothing passes any more.

use http::Request;

use super::super::{
    BodyFraming, ChunkedChecker, FramingLimits, FramingRule, FramingViolation, HeadScan, HeadScanner, MessagePart,
    ViolationCell,
};

/// The request that takes the place of a refused one. No client can send it: the grammar allows the target `*` with
/// OPTIONS only. HTTP/1.0 makes hyper close the connection after the answer.
const STAND_IN: &[u8] = b"REFUSED * HTTP/1.0\r\n\r\n";
const STAND_IN_METHOD: &str = "REFUSED";

/// The violation, if `request` stands in for a refused one.
pub(super) fn refused<B>(cell: &ViolationCell, request: &Request<B>) -> Option<FramingViolation> {
    let stands_in = request.method().as_str() == STAND_IN_METHOD && request.uri().path() == "*";
    cell.get().filter(|_| stands_in)
}

/// The state of one connection's framing.
///
/// The owner takes [`released`](Self::released) bytes first, and feeds new ones only when there are none.
#[derive(Debug)]
pub(super) struct FramingGuard {
    limits: FramingLimits,
    stage: Stage,
    /// Bytes that could not pass where they were read. The first `released` of them may pass now, the rest is the
    /// beginning of a head.
    held: Vec<u8>,
    released: usize,
    delivered: usize,
    cell: ViolationCell,
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
    pub(super) fn new(limits: FramingLimits) -> Self {
        Self {
            limits,
            stage: Stage::next_head(),
            held: Vec::new(),
            released: 0,
            delivered: 0,
            cell: ViolationCell::default(),
        }
    }

    /// The place where the violation of this connection will stand.
    pub(super) fn cell(&self) -> &ViolationCell {
        &self.cell
    }

    /// Judges the next bytes of the connection and says how many of them, from the first on, may pass where they are.
    /// The others are held or dropped; the owner must not pass them.
    pub(super) fn feed(&mut self, fresh: &[u8]) -> usize {
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
    pub(super) fn feed_held(&mut self, fresh: &[u8]) {
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
    pub(super) fn feed_end(&mut self) {
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
    pub(super) fn released(&self) -> &[u8] {
        &self.held[self.delivered..self.released]
    }

    /// Forgets the first `count` released bytes, which have passed.
    pub(super) fn delivered(&mut self, count: usize) {
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
    pub(super) fn room_bytes(&self) -> Option<usize> {
        // A held head that has reached the limit is refused, so that there is always room for a byte more.
        (!self.held.is_empty()).then(|| self.limits.head.head_bytes_max.saturating_sub(self.held.len()).max(1))
    }

    /// The violation after which nothing passes any more.
    pub(super) fn refusal(&self) -> Option<FramingViolation> {
        match self.stage {
            Stage::Refused(violation) => Some(violation),
            Stage::Head(_) | Stage::Sized(_) | Stage::Chunked(_) => None,
        }
    }

    /// Whether everything read so far was whole requests, so that the client has nothing under way that we know of.
    pub(super) fn at_boundary(&self) -> bool {
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
                    let piece = checker.piece(rest, &self.limits.chunked);
                    passed += (checker.offset() - good_before) as usize;
                    match piece {
                        Ok(piece) if !piece.done => continue,
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
        self.cell.note(violation);
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
