//! Strict request framing in front of hyper's lenient HTTP/1 server.
//!
//! Two parties that disagree about where a request ends can be made to disagree about whose request comes next. So a
//! request whose framing could be read in two ways is never handed to hyper: it is answered 400 (or 414, 431, 501, 505)
//! and the connection is closed. What passes is passed byte for byte.
//!
//! - [`scan_head`]/[`HeadScanner`] and [`ChunkedChecker`] are the grammar: pure, without input, output or allocation.
//! - [`FramingGuard`] follows one connection from head to body to the next head; pure as well.
//! - [`GuardedIo`] puts a guard into a connection and gives it a lingering close.
//! - [`SpellingReader`] remembers how header names were spelled, for those who want to know.
//! - [`FramingRule`] and [`FramingViolation`] say what is wrong, [`FramingLimits`] how much is too much.
//!
//! This module never writes an answer, never resolves a route and never speaks HTTP/2: the server recognises the HTTP/2
//! preface first and gives back what it read as the `prefix`.
//!
//! # How the server calls it
//!
//! ```no_run
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, header};
//! use http_body_util::{BodyExt, Full};
//! use hyper::body::{Bytes, Incoming};
//! use hyper::server::conn::http1;
//! use hyper::service::service_fn;
//! use hyper_util::rt::TokioIo;
//! use penstock_data_plane::framing::{FramingLimits, FramingViolation, GuardedIo, ViolationCell};
//!
//! async fn serve(stream: tokio::net::TcpStream, prefix: &[u8]) {
//!     let (io, violations) = GuardedIo::new(stream, prefix, FramingLimits::default());
//!     let service = service_fn(|request| answer(request, violations.clone()));
//!     let mut connection = http1::Builder::new().serve_connection(TokioIo::new(io), service);
//!     let _served = (&mut connection).await;
//!     // hyper does not always shut the connection down; see `GuardedIo::close`.
//!     connection.into_parts().io.into_inner().close().await;
//! }
//!
//! async fn answer(
//!     request: Request<Incoming>,
//!     violations: ViolationCell,
//! ) -> Result<Response<Full<Bytes>>, Infallible> {
//!     // First of all: this may be the stand-in of a refused request.
//!     if let Some(violation) = violations.refused(&request) {
//!         return Ok(refusal(violation));
//!     }
//!     match request.into_body().collect().await {
//!         Ok(body) => Ok(Response::new(Full::new(body.to_bytes()))),
//!         // Reading the body has failed: because of its framing, or because the client went away?
//!         Err(_) => Ok(violations.in_body().map_or_else(Response::default, refusal)),
//!     }
//! }
//!
//! fn refusal(violation: FramingViolation) -> Response<Full<Bytes>> {
//!     Response::builder()
//!         .status(violation.status())
//!         .header(header::CONNECTION, "close")
//!         .body(Full::new(violation.to_string().into()))
//!         .expect("a rule's status and a constant header make a response")
//! }
//! ```
//!
//! The service must set `Connection: close` on the answer to a violation in a body; after one in a head hyper speaks
//! HTTP/1.0, where closing is the rule. hyper's head timeout works through the guard, which holds incomplete heads back.
//!
//! # Where hyper differs
//!
//! hyper never sees what is refused here, so what it would have done matters only to see why the guard exists. hyper 1.12
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

mod chunked;
mod fields;
mod grammar;
mod guard;
mod io;
mod limits;
mod octets;
mod spelling;
mod target;
#[cfg(test)]
mod tests;
mod violation;

pub use chunked::{ChunkPiece, ChunkProgress, ChunkedChecker};
pub use grammar::{BodyFraming, HeadScan, HeadScanner, HttpVersion, RequestHead, scan_head};
pub use guard::{FramingGuard, ViolationCell};
pub use io::GuardedIo;
pub use limits::{
    CHUNK_SIZE_DIGITS_MAX, ChunkedLimits, FramingLimits, HeadLimits, LEADING_EMPTY_LINES_MAX, LENGTH_MAX,
    LingeringLimits, METHOD_BYTES_MAX,
};
pub use spelling::{SpellingReader, SpellingWanted};
pub use target::TargetForm;
pub(crate) use target::is_host_and_port;
pub use violation::{FramingRule, FramingViolation, MessagePart};
