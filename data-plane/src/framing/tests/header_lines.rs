//! Header lines: RFC 9112 section 5, and the lines that decide framing or routing: sections 3.2, 6.1 to 6.3.

use super::super::FramingRule::{
    BareCr, BareLf, ContentLengthInvalid, ContentLengthRepeated, ContentLengthTooLarge, DisguisedName, FoldedLine,
    HeadTooLarge, HeaderName, HeaderValue, HostInvalid, HostMissing, HostRepeated, LengthConflict, SpaceInName,
    TooManyHeaders, TransferEncodingInvalid, TransferEncodingRepeated, TransferEncodingUnsupported,
    TransferEncodingVersion,
};
use super::corpus::{Case, Verdict};
use Verdict::{Bad, Cut, Good};

/// Lines after `Host: a`, without the last CRLF.
const LINES: &[(&[u8], Verdict)] = &[
    // 5: name ":" OWS value OWS
    (b"A: b", Good),
    (b"A:b", Good),
    (b"A:\t b \t", Good),
    (b"A:", Good),
    (b"A: ", Good),
    (b"A: b\r\nA: c", Good),
    (b"!#$%&'*+-.^_`|~09azAZ: b", Good),
    (b"A: b: c, \"d\" (e) \\ @", Good),
    (b"A: \x80\xff", Good),
    (b"A: sixteen bytes or\tmore of a value", Good),
    (b"A : b", Bad(SpaceInName)),
    (b"A\t: b", Bad(SpaceInName)),
    (b"A B: c", Bad(SpaceInName)),
    (b"A", Bad(HeaderName)),
    (b": b", Bad(HeaderName)),
    (b"A@: b", Bad(HeaderName)),
    (b"A\x00: b", Bad(HeaderName)),
    (b"\x00A: b", Bad(HeaderName)),
    (b"A\xe4: b", Bad(HeaderName)),
    (b"A(c): b", Bad(HeaderName)),
    (b"A: b\x00", Bad(HeaderValue)),
    (b"A: \x01b", Bad(HeaderValue)),
    (b"A: b\x1f\x0b", Bad(HeaderValue)),
    (b"A: sixteen bytes or more of a value\x7f", Bad(HeaderValue)),
    // 5.2: line folding
    (b" A: b", Bad(FoldedLine)),
    (b"\tA: b", Bad(FoldedLine)),
    (b"A: b\r\n c", Bad(FoldedLine)),
    (b"A: b\r\n\tc", Bad(FoldedLine)),
    (b"A: b\r\n ", Bad(FoldedLine)),
    // 2.2: bare CR and bare LF
    (b"A: b\nC: d", Bad(BareLf)),
    (b"A: b\n", Bad(BareLf)),
    (b"A\n", Bad(BareLf)),
    (b"A: b\r\n\nC: d", Bad(BareLf)),
    (b"A: b\rC: d", Bad(BareCr)),
    (b"A: b\r", Bad(BareCr)),
    (b"A\r: b", Bad(HeaderName)),
    (b"\rA: b", Bad(BareCr)),
    (b"A: b\r\n\rX", Bad(BareCr)),
    // 6.2, 6.3: Content-Length
    (b"Content-Length: 0", Good),
    (b"content-length:0", Good),
    (b"CONTENT-LENGTH: \t0\t ", Good),
    (b"Content-Length: 000", Good),
    (b"Content-Length: 9223372036854775807", Cut),
    (b"Content-Length: 00000000000000000000000000000001", Cut),
    (b"Content-Length: 9223372036854775808", Bad(ContentLengthTooLarge)),
    (b"Content-Length: 18446744073709551616", Bad(ContentLengthTooLarge)),
    (b"Content-Length: 99999999999999999999999999", Bad(ContentLengthTooLarge)),
    (b"Content-Length:", Bad(ContentLengthInvalid)),
    (b"Content-Length: ", Bad(ContentLengthInvalid)),
    (b"Content-Length: +5", Bad(ContentLengthInvalid)),
    (b"Content-Length: -5", Bad(ContentLengthInvalid)),
    (b"Content-Length: 5, 5", Bad(ContentLengthInvalid)),
    (b"Content-Length: 5,", Bad(ContentLengthInvalid)),
    (b"Content-Length: 5 5", Bad(ContentLengthInvalid)),
    (b"Content-Length: 5.0", Bad(ContentLengthInvalid)),
    (b"Content-Length: 5e0", Bad(ContentLengthInvalid)),
    (b"Content-Length: 0x5", Bad(ContentLengthInvalid)),
    (b"Content-Length: \"5\"", Bad(ContentLengthInvalid)),
    (b"Content-Length: five", Bad(ContentLengthInvalid)),
    (b"Content-Length: \xb2", Bad(ContentLengthInvalid)),
    (b"Content-Length: 0\r\nContent-Length: 0", Bad(ContentLengthRepeated)),
    (b"Content-Length: 0\r\ncontent-length: 5", Bad(ContentLengthRepeated)),
    (b"Content_Length: 5", Bad(DisguisedName)),
    (b"Transfer_Encoding: chunked", Bad(DisguisedName)),
    (b"Content-Length : 5", Bad(SpaceInName)),
    (b"Content-Lengths: x", Good),
    // 6.1, 6.3: Transfer-Encoding
    (b"Transfer-Encoding: chunked", Cut),
    (b"transfer-encoding:\tChUnKeD ", Cut),
    (b"Transfer-Encoding: gzip, chunked", Bad(TransferEncodingUnsupported)),
    (b"Transfer-Encoding: x;q=\"1\" , chunked", Bad(TransferEncodingUnsupported)),
    (b"Transfer-Encoding: identity, chunked", Bad(TransferEncodingUnsupported)),
    (b"Transfer-Encoding: identity", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: gzip", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: chunked, gzip", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: chunked, chunked", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: chunked;a, chunked", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: , chunked", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: chunked,", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: chunked;a=b", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: \"chunked\"", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: xchunked", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding:", Bad(TransferEncodingInvalid)),
    (b"Transfer-Encoding: chun\x0bked", Bad(HeaderValue)),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Bad(TransferEncodingRepeated)),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Bad(TransferEncodingRepeated)),
    (b"Transfer-Encoding: chunked\r\n , gzip", Bad(FoldedLine)),
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked", Bad(LengthConflict)),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5", Bad(LengthConflict)),
    (b"Content-Length: 0\r\nTransfer-Encoding: chunked", Bad(LengthConflict)),
    (b"Transfer-Encoding\r\n: chunked", Bad(HeaderName)),
    // What is somebody else's business
    (b"Upgrade: websocket\r\nConnection: Upgrade", Good),
    (b"Expect: 100-continue", Good),
    (b"Host: a", Bad(HostRepeated)),
    (b"hOsT: b", Bad(HostRepeated)),
];

/// Values of the only Host line of an HTTP/1.1 request.
const HOSTS: &[(&[u8], Verdict)] = &[
    (b"example.com", Good),
    (b"example.com:8080", Good),
    (b"example.com:", Good),
    (b"EXAMPLE.com.", Good),
    (b"under_score-1.~!$&'()*+,;=", Good),
    (b"127.0.0.1:65535", Good),
    (b"[::1]", Good),
    (b"[2001:db8::192.0.2.1]:1", Good),
    (b" \t", Good),
    (b"", Good),
    (b":80", Bad(HostInvalid)),
    (b"a b", Bad(HostInvalid)),
    (b"a, b", Bad(HostInvalid)),
    (b"a:65536", Bad(HostInvalid)),
    (b"a:80:80", Bad(HostInvalid)),
    (b"a:-1", Bad(HostInvalid)),
    (b"a:000080", Bad(HostInvalid)),
    (b"a/b", Bad(HostInvalid)),
    (b"a?b", Bad(HostInvalid)),
    (b"a\\b", Bad(HostInvalid)),
    (b"http://a", Bad(HostInvalid)),
    (b"user@a", Bad(HostInvalid)),
    (b"a%20b", Bad(HostInvalid)),
    (b"\xe4.com", Bad(HostInvalid)),
    (b"::1", Bad(HostInvalid)),
    (b"[::1", Bad(HostInvalid)),
    (b"[::1]80", Bad(HostInvalid)),
    (b"[::g]", Bad(HostInvalid)),
    (b"[fe80::1%25eth0]", Bad(HostInvalid)),
    (b"[v1.a]", Bad(HostInvalid)),
    (b"[]", Bad(HostInvalid)),
];

/// Whole heads where the version, or the absence of Host, matters.
const HEADS: &[(&[u8], Verdict)] = &[
    (b"GET / HTTP/1.1\r\n\r\n", Bad(HostMissing)),
    (b"GET http://a/ HTTP/1.1\r\n\r\n", Bad(HostMissing)),
    (b"GET / HTTP/1.1\r\nHosts: a\r\n\r\n", Bad(HostMissing)),
    (b"GET / HTTP/1.0\r\n\r\n", Good),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Bad(HostRepeated)),
    (b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", Good),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Bad(TransferEncodingVersion)),
    (b"POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Bad(TransferEncodingVersion)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n \r\n\r\n", Bad(FoldedLine)),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Bad(FoldedLine)),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Bad(BareLf)),
];

pub(super) fn cases() -> Vec<Case> {
    let lines = LINES.iter().map(|&(lines, verdict)| {
        let raw = [b"POST / HTTP/1.1\r\nHost: a\r\n", lines, b"\r\n\r\n"].concat();
        Case::new(b"", &raw, verdict)
    });
    let hosts = HOSTS.iter().map(|&(host, verdict)| {
        let raw = [b"GET / HTTP/1.1\r\nhost:", host, b"\r\n\r\n"].concat();
        Case::new(b"", &raw, verdict)
    });
    let heads = HEADS.iter().map(|&(raw, verdict)| Case::new(b"", raw, verdict));
    let counts = [(99, Good), (100, Bad(TooManyHeaders))].into_iter().map(|(more, verdict)| {
        let raw = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(more));
        Case::new(b"", raw.as_bytes(), verdict)
    });
    let sizes = [(64 * 1024, Good), (64 * 1024 + 1, Bad(HeadTooLarge))].into_iter().flat_map(|(size, verdict)| {
        // One long value, one long name.
        [("A: ", "\r\n\r\n"), ("", ": b\r\n\r\n")].map(|(start, end)| {
            let start = format!("GET / HTTP/1.1\r\nHost: a\r\n{start}");
            let width = size - end.len();
            Case::new(b"", format!("{start:a<width$}{end}").as_bytes(), verdict)
        })
    });
    lines.chain(hosts).chain(heads).chain(counts).chain(sizes).collect()
}
