//! Frames as they are read, as far as their first nine octets tell, and those of ours that are always alike (RFC 9113 sections
//! 4.1 and 6).

/// Octets of a frame's head.
pub(crate) const HEAD_BYTES: usize = 9;

/// Types (RFC 9113 section 6).
pub(crate) mod kind {
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
pub(crate) mod flag {
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 32;
}

/// Settings (RFC 9113 section 6.5.2).
pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// Error codes (RFC 9113 section 7).
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0;
    pub(crate) const PROTOCOL_ERROR: u32 = 1;
    pub(crate) const INTERNAL_ERROR: u32 = 2;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
    pub(crate) const STREAM_CLOSED: u32 = 5;
    pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const CANCEL: u32 = 8;
    pub(crate) const COMPRESSION_ERROR: u32 = 9;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
}

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Octets of its payload.
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// Without the reserved bit.
    pub(crate) stream: u32,
}

impl Head {
    pub(crate) fn of(bytes: [u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = bytes;
        let (length, stream) = (u32::from_be_bytes([0, a, b, c]), u32::from_be_bytes([d & 0x7f, e, f, g]));
        Self { length, kind, flags, stream }
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes the head of a frame whose payload follows.
pub(crate) fn put_head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let ([_, a, b, c], [d, e, f, g]) = ((length as u32).to_be_bytes(), stream.to_be_bytes());
    out.extend_from_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

/// Writes `RST_STREAM`.
pub(crate) fn put_reset(out: &mut Vec<u8>, stream: u32, code: u32) {
    put_head(out, 4, kind::RST_STREAM, 0, stream);
    out.extend_from_slice(&code.to_be_bytes());
}

/// Writes GOAWAY without debug data.
pub(crate) fn put_goaway(out: &mut Vec<u8>, last: u32, code: u32) {
    put_head(out, 8, kind::GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.to_be_bytes());
}

/// Writes `WINDOW_UPDATE`.
pub(crate) fn put_window(out: &mut Vec<u8>, stream: u32, increment: u32) {
    put_head(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&increment.to_be_bytes());
}

/// Writes PING, or its acknowledgement.
pub(crate) fn put_ping(out: &mut Vec<u8>, flags: u8, opaque: [u8; 8]) {
    put_head(out, 8, kind::PING, flags, 0);
    out.extend_from_slice(&opaque);
}

/// Writes SETTINGS.
pub(crate) fn put_settings(out: &mut Vec<u8>, pairs: &[(u16, u32)]) {
    put_head(out, 6 * pairs.len(), kind::SETTINGS, 0, 0);
    for (identifier, value) in pairs {
        out.extend_from_slice(&identifier.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        put_reset(&mut bytes, 5, code::CANCEL);
        put_goaway(&mut bytes, 7, code::ENHANCE_YOUR_CALM);
        put_window(&mut bytes, 9, 100);
        put_settings(&mut bytes, &[(4, 5)]);
        put_ping(&mut bytes, flag::ACK, *b"pingping");
        let mut heads = Vec::new();
        let mut rest = &bytes[..];
        while let Some(first) = rest.first_chunk() {
            let head = Head::of(*first);
            heads.push((head.length, head.kind, head.flags, head.stream));
            rest = &rest[HEAD_BYTES + head.length as usize..];
        }
        let expected = [
            (4, kind::RST_STREAM, 0, 5),
            (8, kind::GOAWAY, 0, 0),
            (4, kind::WINDOW_UPDATE, 0, 9),
            (6, kind::SETTINGS, 0, 0),
            (8, kind::PING, flag::ACK, 0),
        ];
        assert_eq!((heads, rest), (expected.to_vec(), &[][..]));
        assert_eq!(bytes[..13], [0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 8]);
    }
}
