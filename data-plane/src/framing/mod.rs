//! Strict request framing in front of hyper's lenient HTTP/1 server.
//!
//! Two parties that disagree about where a request ends can be made to disagree about whose request comes next. So a
//! request whose framing could be read in two ways is never given to the gateway: it is answered 400 (or 414, 431, 501, 505)
//! and the connection is closed.
//!
//! - [`scan_head`]/[`HeadScanner`] and [`ChunkedChecker`] are the grammar: pure, without input, output or allocation.
//! - [`FramingRule`] and [`FramingViolation`] say what is wrong, [`FramingLimits`] how much is too much.
//! - [`ViolationCell`] is where the server finds it.
//!
//! `http1` and `server` read connections by it. This module never writes an answer, never resolves a route and never speaks
//! HTTP/2.
//!
//! # Where hyper differs
//!
//! hyper reads HTTP/1.1 in most Rust servers, so what it would have done shows why this grammar exists. hyper 1.12
//! accepts: a bare LF at the end of any line, any number of empty lines before a request (with bare LF too), equal
//! repeated lengths, `Transfer-Encoding` next to `Content-Length` (it drops the latter), any coding list that ends with
//! `chunked`, several `Transfer-Encoding` lines, a missing, repeated or malformed `Host`, targets with a fragment (which
//! it cuts off) or with bytes from 0x80 on, a path for CONNECT and `*` for any method, blanks after a chunk size, longer
//! chunk sizes with leading zeros, control characters in chunk extensions, framing headers among the trailers.
//!
//! hyper is stricter in nothing, as long as its limits are left as they are: 100 headers, 417,792 bytes of head, a target
//! of 65,534 bytes, 16 KiB of chunk extensions and of trailers. A test asks the real hyper about every good request of
//! our corpus and about random ones.
//!
//! Left to others on purpose: whether percent-encoding is good, what an absolute target means for the `Host` header (the
//! target wins), hop-by-hop headers, and `Upgrade`, which is ignored.

mod cell;
mod chunked;
mod fields;
mod grammar;
mod limits;
mod octets;
mod target;
#[cfg(test)]
pub(crate) mod tests;
mod violation;

pub use cell::ViolationCell;
pub use chunked::{ChunkPiece, ChunkedChecker};
pub use grammar::{BodyFraming, HeadScan, HeadScanner, HttpVersion, RequestHead, scan_head};
pub use limits::{
    CHUNK_SIZE_DIGITS_MAX, ChunkedLimits, FramingLimits, HeadLimits, LEADING_EMPTY_LINES_MAX, LENGTH_MAX,
    LingeringLimits, METHOD_BYTES_MAX,
};
pub use target::TargetForm;
pub(crate) use target::is_host_and_port;
pub use violation::{FramingRule, FramingViolation, MessagePart};
