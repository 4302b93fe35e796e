//! Several requests on one connection: RFC 9112 section 9.3.2, and the attacks that live on it.

use super::super::FramingRule::{
    BareLf, ChunkEnd, ChunkSize, ConnectUnsupported, HeadTruncated, LeadingLines, LengthConflict, MethodByte,
    RequestLine,
};
use super::corpus::{Case, Verdict};
use Verdict::{Bad, Cut, Good, Waits};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SIZED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] =
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n";

/// The requests that pass, in order, what follows, and what becomes of that.
type Row = (&'static [&'static [u8]], &'static [u8], Verdict);

const CONNECTIONS: &[Row] = &[
    (&[GET, GET, GET], b"", Good),
    (&[SIZED, SIZED], b"", Good),
    (&[CHUNKED, CHUNKED], b"", Good),
    (&[GET, SIZED, CHUNKED, GET], b"", Good),
    (&[SIZED], b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Good),
    (&[GET], b"\r\n", Waits),
    (&[GET, SIZED], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello", Cut),
    (&[GET], b"nonsense\r\n\r\n", RL),
    (&[GET, CHUNKED, SIZED], b"GET / HTTP/1.1\nHost: a\n\n", Bad(BareLf)),
    (&[GET], b"GET / HT", Bad(HeadTruncated)),
    (&[CHUNKED], b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Bad(LeadingLines)),
    // A body longer than it says is the beginning of the next request.
    (&[SIZED], b"!GET / HTTP/1.1\r\nHost: a\r\n\r\n", Good),
    (&[SIZED], b"{more}", Bad(MethodByte)),
    (&[GET], b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Bad(ConnectUnsupported)),
    (
        &[GET],
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        Bad(LengthConflict),
    ),
    (
        &[GET, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Bad(ChunkSize),
    ),
    (
        &[GET, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx"],
        b"xGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Bad(ChunkEnd),
    ),
];
const RL: Verdict = Bad(RequestLine);

pub(super) fn cases() -> Vec<Case> {
    CONNECTIONS.iter().map(|&(good, rest, verdict)| Case::new(&good.concat(), rest, verdict)).collect()
}
