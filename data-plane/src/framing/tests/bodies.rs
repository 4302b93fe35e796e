//! Bodies: RFC 9112 sections 6 and 7.1.

use super::super::FramingRule::{
    BareCr, BareLf, ChunkEnd, ChunkExtension, ChunkExtensionsTooLong, ChunkSize, ChunkSizeTooLarge, FoldedLine,
    HeaderName, HeaderValue, SpaceInName, TooManyTrailers, TrailerForbidden, TrailersTooLarge,
};
use super::corpus::{Case, Verdict};
use Verdict::{Bad, Cut, Good};

const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A chunked body: what passes of it, the rest, and what becomes of the rest.
const CHUNKS: &[(&[u8], &[u8], Verdict)] = &[
    (b"0\r\n\r\n", b"", Good),
    (b"5\r\nhello\r\n0\r\n\r\n", b"", Good),
    (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"", Good),
    (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"", Good),
    (b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", b"", Good),
    (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"", Good),
    (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"", Good),
    (b"", b"", Cut),
    (b"5\r\nhel", b"", Cut),
    (b"5\r\nhello\r\n", b"", Cut),
    (b"0\r\n", b"", Cut),
    (b"7fffffffffffffff\r\nhello", b"", Cut),
    // 7.1: the size
    (b"800000000000000", b"0\r\n", Bad(ChunkSizeTooLarge)),
    (b"0000000000000000", b"5\r\nhello\r\n0\r\n\r\n", Bad(ChunkSizeTooLarge)),
    (b"fffffffffffffff", b"f\r\n", Bad(ChunkSizeTooLarge)),
    (b"", b"\r\n", Bad(ChunkSize)),
    (b"", b"x\r\n", Bad(ChunkSize)),
    (b"0", b"x5\r\nhello\r\n0\r\n\r\n", Bad(ChunkSize)),
    (b"", b"-5\r\nhello\r\n0\r\n\r\n", Bad(ChunkSize)),
    (b"", b"+5\r\nhello\r\n0\r\n\r\n", Bad(ChunkSize)),
    (b"", b" 5\r\nhello\r\n0\r\n\r\n", Bad(ChunkSize)),
    (b"5", b" \r\nhello\r\n0\r\n\r\n", Bad(ChunkSize)),
    (b"5", b"\t\r\nhello\r\n0\r\n\r\n", Bad(ChunkSize)),
    (b"5", b" ;a\r\nhello\r\n0\r\n\r\n", Bad(ChunkSize)),
    (b"5", b",5\r\nhello\r\n0\r\n\r\n", Bad(ChunkSize)),
    (b"5", b"_0\r\n", Bad(ChunkSize)),
    (b"", b";a\r\n", Bad(ChunkSize)),
    (b"5", b"\nhello\r\n0\r\n\r\n", Bad(BareLf)),
    (b"5\r", b"hello\r\n0\r\n\r\n", Bad(BareCr)),
    (b"5\r\nhello\r\n", b"\r\n0\r\n\r\n", Bad(ChunkSize)),
    // 7.1.1: extensions
    (b"5;a\r\nhello\r\n0;b=c\r\n\r\n", b"", Good),
    (b"5;a=\"b c\";\td\r\nhello\r\n0\r\n\r\n", b"", Good),
    (b"5;\r\nhello\r\n0\r\n\r\n", b"", Good),
    (b"5;a", b"\nhello\r\n0\r\n\r\n", Bad(BareLf)),
    (b"5;a\r", b"b\r\nhello\r\n0\r\n\r\n", Bad(BareCr)),
    (b"5;a", b"\x00\r\nhello\r\n0\r\n\r\n", Bad(ChunkExtension)),
    (b"5;a=\"", b"\x7f\"\r\nhello\r\n0\r\n\r\n", Bad(ChunkExtension)),
    // 7.1: the end of the data
    (b"5\r\nhello", b"0\r\n\r\n", Bad(ChunkEnd)),
    (b"5\r\nhello", b"\n0\r\n\r\n", Bad(ChunkEnd)),
    (b"5\r\nhello\r", b"0\r\n\r\n", Bad(ChunkEnd)),
    (b"5\r\nhello", b"!\r\n0\r\n\r\n", Bad(ChunkEnd)),
    (b"5\r\nhell\r", b"\n0\r\n\r\n", Bad(ChunkEnd)),
    // 7.1.2: trailers
    (b"0\r\nA: b\r\n\r\n", b"", Good),
    (b"0\r\nA: b\r\nC:\r\nDigest-Of-A-Rather-Long-Name: d\r\n\r\n", b"", Good),
    (b"0\r\nHosts: b\r\n\r\n", b"", Good),
    (b"0\r\nA: b\r\n", b"", Cut),
    (b"0\r", b"X", Bad(BareCr)),
    (b"0\r\n\r", b"X", Bad(BareCr)),
    (b"0\r\n", b"\n", Bad(BareLf)),
    (b"0\r\nA: b", b"\n\r\n", Bad(BareLf)),
    (b"0\r\nA: b\r", b"C: d\r\n\r\n", Bad(BareCr)),
    (b"0\r\nA", b" : b\r\n\r\n", Bad(SpaceInName)),
    (b"0\r\nA", b"\r\n\r\n", Bad(HeaderName)),
    (b"0\r\n", b": b\r\n\r\n", Bad(HeaderName)),
    (b"0\r\nA: b\r\n", b" c\r\n\r\n", Bad(FoldedLine)),
    (b"0\r\nA: b", b"\x00\r\n\r\n", Bad(HeaderValue)),
    (b"0\r\nContent-Length", b": 5\r\n\r\n", Bad(TrailerForbidden)),
    (b"0\r\ncontent_length", b": 5\r\n\r\n", Bad(TrailerForbidden)),
    (b"0\r\nA: b\r\nTRANSFER-encoding", b": chunked\r\n\r\n", Bad(TrailerForbidden)),
    (b"0\r\nHost", b": b\r\n\r\n", Bad(TrailerForbidden)),
    (b"0\r\nTe", b": trailers\r\n\r\n", Bad(TrailerForbidden)),
    (b"0\r\nConnection", b": close\r\n\r\n", Bad(TrailerForbidden)),
];

/// Sized bodies, whole inputs.
const SIZED: &[(&[u8], Verdict)] = &[
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Good),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", Cut),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n", Good),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\x00\n\xff", Good),
    (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", Good),
];

pub(super) fn cases() -> Vec<Case> {
    let chunks = CHUNKS.iter().map(|&(good, rest, verdict)| Case::new(&[CHUNKED, good].concat(), rest, verdict));
    let sized = SIZED.iter().map(|&(raw, verdict)| Case::new(b"", raw, verdict));
    let limits = [
        (format!("1;{}", "a".repeat(8191)), "\r\nx\r\n0\r\n\r\n", Good),
        (format!("1;{}", "a".repeat(8191)), "a\r\nx\r\n0\r\n\r\n", Bad(ChunkExtensionsTooLong)),
        ("1;a\r\nx\r\n".repeat(4096), "0\r\n\r\n", Good),
        ("1;a\r\nx\r\n".repeat(4096) + "0", ";\r\n\r\n", Bad(ChunkExtensionsTooLong)),
        (format!("0\r\nA: {}", "a".repeat(8185)), "\r\n\r\n", Good),
        (format!("0\r\nA: {}\r\n\r", "a".repeat(8186)), "\n", Bad(TrailersTooLarge)),
        (format!("0\r\n{}", "A: b\r\n".repeat(64)), "\r\n", Good),
        (format!("0\r\n{}", "A: b\r\n".repeat(64)), "A: b\r\n\r\n", Bad(TooManyTrailers)),
    ];
    let limits = limits
        .into_iter()
        .map(|(good, rest, verdict)| Case::new(&[CHUNKED, good.as_bytes()].concat(), rest.as_bytes(), verdict));
    chunks.chain(sized).chain(limits).collect()
}
