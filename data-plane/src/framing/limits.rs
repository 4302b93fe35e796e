//! Every bound of the framing guard, with its unit and its default.
//!
//! The shells build one [`FramingLimits`] from the settings at start and copy it into each connection. Nothing here
//! is checked at run time: a limit may be any number, and a limit that is looser than hyper's own merely means that
//! hyper answers first, with an empty body.

/// The longest method that is read before the request is refused, in bytes. The longest registered one has 17.
pub const METHOD_BYTES_MAX: usize = 32;

/// How many empty lines may precede a request line. RFC 9112 section 2.2 asks for at least one, because old clients
/// send a CRLF after a form.
pub const LEADING_EMPTY_LINES_MAX: usize = 2;

/// The most digits a chunk size may have, leading zeros included.
pub const CHUNK_SIZE_DIGITS_MAX: u8 = 16;

/// The largest `Content-Length` and the largest chunk, in bytes. It is the largest *signed* 64-bit number: upstreams
/// that count in signed integers would read a greater one as something else.
pub const LENGTH_MAX: u64 = i64::MAX as u64;

/// Bounds of one request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the first byte of the request (leading empty lines included) to the end of the empty line: more is
    /// answered 431. hyper's own bound is its `max_buf_size`, 417,792 unless set.
    pub head_bytes_max: usize,
    /// Bytes of the request target: more is answered 414. hyper's own bound is 65,534.
    pub target_bytes_max: usize,
    /// Header lines: more is answered 431. hyper's own bound is its `max_headers`, 100 unless set.
    pub header_count_max: usize,
}

impl HeadLimits {
    /// Unless the settings say otherwise.
    pub const DEFAULT: Self = Self { head_bytes_max: 64 * 1024, target_bytes_max: 16 * 1024, header_count_max: 100 };
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bounds of the parts of a chunked body that are not payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkedLimits {
    /// Bytes of all chunk extensions of one body together, semicolons included. hyper's own bound is 16,384.
    pub extension_bytes_max: usize,
    /// Bytes of the trailer section, its final CRLF included. hyper's own bound is 16,384 or its `max_header_size`.
    pub trailer_bytes_max: usize,
    /// Lines of the trailer section. hyper's own bound is its `max_headers`, 100 unless set.
    pub trailer_count_max: usize,
}

impl Default for ChunkedLimits {
    fn default() -> Self {
        Self { extension_bytes_max: 8 * 1024, trailer_bytes_max: 8 * 1024, trailer_count_max: 64 }
    }
}

/// Bounds of the lingering close: how long and how much is read and thrown away after our last byte, so that the
/// kernel does not answer the client's unread bytes with a reset that destroys our answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LingeringLimits {
    /// Milliseconds from the first wait for the client to the end of the connection. While the client has not taken all that was
    /// sent to it, it is waited for as long again.
    pub lingering_close_ms: u64,
    /// Bytes that are thrown away before the connection ends.
    pub lingering_bytes_max: u64,
}

impl Default for LingeringLimits {
    fn default() -> Self {
        Self { lingering_close_ms: 2_000, lingering_bytes_max: 64 * 1024 * 1024 }
    }
}

/// Every bound of the guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FramingLimits {
    /// Bounds of a request head.
    pub head: HeadLimits,
    /// Bounds of a chunked body.
    pub chunked: ChunkedLimits,
    /// Bounds of the lingering close.
    pub lingering: LingeringLimits,
}
