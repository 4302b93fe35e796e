//! The bounds of HTTP/2 connections of clients, and of those to services.

use super::HEAD_READ_TIMEOUT_MS;

/// Largest piece of an answer that is handed to an HTTP/2 stream, in bytes: what a frame carries unless its receiver asked for
/// larger ones (RFC 9113 section 6.5.2). A receiver is seen to take whole pieces only.
pub(crate) const H2_PIECE_BYTES: usize = 16 * 1024;

/// Concurrent streams of one HTTP/2 client connection.
pub(crate) const H2_STREAMS_MAX: u32 = 128;

/// Flow-control window of one HTTP/2 stream, in bytes: what a client may send before the upstream takes it.
pub(crate) const H2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Flow-control window of one HTTP/2 connection, in bytes.
pub(crate) const H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes waiting to be sent on one HTTP/2 stream to a service.
pub(crate) const H2_SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Header list of one HTTP/2 request, in bytes as RFC 9113 section 10.5.1 counts them.
pub(crate) const H2_HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;

/// A header list that is larger than this, in bytes, is not an HTTP/2 request that is too large but an attack: it ends the
/// connection. What lies between is answered.
pub(crate) const H2_HEADER_LIST_FAR_BYTES_MAX: usize = 4 * H2_HEADER_LIST_BYTES_MAX as usize;

/// Table of fields of each direction of an HTTP/2 connection, in octets as RFC 7541 section 4.1 counts them: the size that
/// everybody begins with.
pub(crate) const H2_HEADER_TABLE_BYTES: usize = 4 * 1024;

/// Longest value of an answer's field that is looked at for whether it comes again, in bytes. Longer ones are mostly
/// different each time, and would drive others out of the table.
pub(crate) const H2_REPEATED_VALUE_BYTES_MAX: usize = 128;

/// What waits to be written on one HTTP/2 connection, in bytes, before the streams that have more wait for their turn.
pub(crate) const H2_OUT_BYTES_MAX: usize = 64 * 1024;

/// … before nothing more is read: what a client makes the proxy say by itself is small, unless it does not read.
pub(crate) const H2_OUT_DEAF_BYTES: usize = 2 * H2_OUT_BYTES_MAX;

/// A payload of an answer up to this size is copied into what is gathered, in bytes: a piece of its own would cost more.
pub(crate) const H2_COPIED_BYTES_MAX: usize = 4 * 1024;

/// Memory for what is gathered that an HTTP/2 connection keeps when nothing is under way on it, in bytes.
pub(crate) const H2_KEPT_BYTES_MAX: usize = 16 * 1024;

/// Read from an HTTP/2 connection at a time, in bytes, into memory that all of a worker share: a few frames of the largest
/// size, one of which may have begun before.
pub(crate) const H2_READ_BYTES: usize = 64 * 1024;

/// Reads from one HTTP/2 connection before others have their turn.
pub(crate) const H2_READS_MAX: usize = 4;

/// Largest frame that an HTTP/2 client may send, in bytes of payload: the smallest that may be announced (RFC 9113 section
/// 6.5.2), since larger ones are held until they are whole.
pub(crate) const H2_FRAME_BYTES_MAX: u32 = 16_384;

/// Frames that say nothing of a request (PING, SETTINGS, PRIORITY, `WINDOW_UPDATE`, empty DATA, unfinished CONTINUATION,
/// unknown types) and that an HTTP/2 client may send without doing anything else. Enough for a client that greets
/// with a tree of priorities, and a quarter of a second of work at most.
pub(crate) const H2_FRAMES_ALLOWED: u32 = 2_000;

/// … and how many more each second, for a client that only listens: four for each of fifty events a second.
pub(crate) const H2_FRAMES_PER_SECOND: u32 = 200;

/// … and for each request: its priority, changes of it, windows of its own and of the connection.
pub(crate) const H2_FRAMES_PER_STREAM: u32 = 16;

/// … and for each frame of an answer: a client that is as careful as can be widens two windows for each.
pub(crate) const H2_FRAMES_PER_ANSWER_FRAME: u32 = 4;

/// A frame of an answer that is smaller because the client's window was no larger earns nothing, in bytes: such a window
/// makes a frame of nine octets and a system call for a few bytes.
pub(crate) const H2_SMALL_FRAME_BYTES: u32 = 256;

/// HTTP/2 streams that a client may give up, or make the proxy give up by its own faults, one behind the other: a
/// browser whose page is left gives up all that it has open, and may do so twice.
pub(crate) const H2_RESETS_ALLOWED: u32 = 2 * H2_STREAMS_MAX;

/// … and how many more each second. Each answer that was taken to its end allows one more, so a client that gives up
/// half of what it asks for never meets this.
pub(crate) const H2_RESETS_PER_SECOND: u32 = 32;

/// Frames of DATA without data that an HTTP/2 client may send one behind the other, the last of a body not counted.
pub(crate) const H2_EMPTY_FRAMES_MAX: u32 = 100;

/// CONTINUATION frames of one block before its last: as many as the largest list of fields takes, and one for those who
/// do not fill their frames.
pub(crate) const H2_CONTINUATIONS_MAX: u32 = H2_HEADER_LIST_BYTES_MAX / H2_FRAME_BYTES_MAX + 1;

/// HTTP/2 streams of a connection that are remembered: those that are open, and those that the proxy gave up while the
/// client was still sending.
pub(crate) const H2_STREAMS_REMEMBERED_MAX: usize = 4 * H2_STREAMS_MAX as usize;

/// An HTTP/2 connection on which nothing is asked for this long is told to go, in milliseconds, whatever it says
/// otherwise: as long as an HTTP/1.1 connection may wait for its next request.
pub(crate) const H2_IDLE_TIMEOUT_MS: u64 = HEAD_READ_TIMEOUT_MS;

/// How long an HTTP/2 client that is told to go may take to go by itself, in milliseconds.
pub(crate) const H2_GOODBYE_MS: u64 = 1_000;

/// How often is looked whether an HTTP/2 connection has said anything, in milliseconds: one that has not is asked for a sign
/// of life.
pub(crate) const H2_PING_INTERVAL_MS: u64 = 30_000;

/// … and closed when it gives none for this long, in milliseconds.
pub(crate) const H2_PING_TIMEOUT_MS: u64 = 20_000;
