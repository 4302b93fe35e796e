//! Frames as far as their first nine octets tell (RFC 9113 section 4.1), wherever a stream of bytes is cut into pieces.

/// Octets of a frame's head.
pub(super) const HEAD_BYTES: usize = 9;

/// Types (RFC 9113 section 6).
pub(super) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Flags (RFC 9113 section 6).
pub(super) mod flag {
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 32;
}

/// Error codes (RFC 9113 section 7).
pub(super) mod code {
    pub(crate) const NO_ERROR: u32 = 0;
    pub(crate) const PROTOCOL_ERROR: u32 = 1;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
    pub(crate) const STREAM_CLOSED: u32 = 5;
    pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const CANCEL: u32 = 8;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
}

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Octets of its payload.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// Without the reserved bit.
    pub(super) stream: u32,
}

impl Head {
    pub(super) fn of(bytes: [u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = bytes;
        let (length, stream) = (u32::from_be_bytes([0, a, b, c]), u32::from_be_bytes([d & 0x7f, e, f, g]));
        Self { length, kind, flags, stream }
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// `RST_STREAM`.
pub(super) fn reset(stream: u32, code: u32) -> [u8; HEAD_BYTES + 4] {
    let ([a, b, c, d], [e, f, g, h]) = (stream.to_be_bytes(), code.to_be_bytes());
    [0, 0, 4, kind::RST_STREAM, 0, a, b, c, d, e, f, g, h]
}

/// GOAWAY without debug data.
pub(super) fn goaway(last: u32, code: u32) -> [u8; HEAD_BYTES + 8] {
    let ([a, b, c, d], [e, f, g, h]) = (last.to_be_bytes(), code.to_be_bytes());
    [0, 0, 8, kind::GOAWAY, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h]
}

/// Finds the heads in frames that are known to be right.
#[derive(Debug, Default)]
pub(super) struct Heads {
    head: [u8; HEAD_BYTES],
    have: usize,
    /// Octets to come of the frame's payload.
    rest: usize,
}

impl Heads {
    /// Reads on. `seen` gets each head that is complete now, and what lies behind it in this piece.
    pub(super) fn read<'a>(&mut self, mut bytes: &'a [u8], mut seen: impl FnMut(Head, &'a [u8])) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                (self.rest, bytes) = (self.rest - passed, &bytes[passed..]);
                continue;
            }
            let taken = (HEAD_BYTES - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            (self.have, bytes) = (self.have + taken, &bytes[taken..]);
            if self.have == HEAD_BYTES {
                let head = Head::of(self.head);
                (self.have, self.rest) = (0, head.length as usize);
                seen(head, bytes);
            }
        }
    }

    /// Whether another frame may begin here.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.rest == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_wherever_the_bytes_are_cut() {
        let mut bytes = reset(5, code::CANCEL).to_vec();
        bytes.extend_from_slice(&[0, 0, 3, kind::DATA, flag::END_STREAM, 0x80, 0, 0, 7, 1, 2, 3]);
        bytes.extend_from_slice(&goaway(9, code::NO_ERROR));
        let expected = [(4, kind::RST_STREAM, 0, 5), (3, kind::DATA, 1, 7), (8, kind::GOAWAY, 0, 0)]
            .map(|(length, kind, flags, stream)| Head { length, kind, flags, stream });
        for size in 1..=bytes.len() {
            let (mut heads, mut found) = (Heads::default(), Vec::new());
            bytes.chunks(size).for_each(|piece| heads.read(piece, |head, _| found.push(head)));
            assert_eq!(found, expected, "pieces of {size}");
            assert!(heads.is_between());
        }
    }
}
