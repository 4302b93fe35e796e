//! Request lines: RFC 9112 sections 2.2 and 3.

use super::super::FramingRule::{
    BareCr, BareLf, ConnectUnsupported, HeadTruncated, LeadingLines, MethodByte, MethodTooLong, RequestLine,
    TargetAuthority, TargetByte, TargetForm, TargetTooLong, VersionMalformed, VersionUnsupported,
};
use super::corpus::{Case, Verdict};
use Verdict::{Bad, Good, Waits};

/// A request line without its CRLF, with a good head after it.
const LINES: &[(&[u8], Verdict)] = &[
    // 3: method SP target SP version
    (b"GET / HTTP/1.1", Good),
    (b"GET / HTTP/1.0", Good),
    (b"POST /a/b%20c?d=e&f HTTP/1.1", Good),
    (b"GET  / HTTP/1.1", RL),
    (b"GET /  HTTP/1.1", RL),
    (b"GET / HTTP/1.1 ", RL),
    (b"GET / HTTP/1.1\t", RL),
    (b"GET\t/ HTTP/1.1", RL),
    (b"GET /\tHTTP/1.1", RL),
    (b"GET /", RL),
    (b"GET", RL),
    (b"GET ", RL),
    (b"GET / ", RL),
    (b"GET HTTP/1.1", RL),
    (b"GET /a b HTTP/1.1", Bad(VersionMalformed)),
    (b" GET / HTTP/1.1", RL),
    (b"\tGET / HTTP/1.1", RL),
    // 3.1: the method is a case-sensitive token
    (b"get / HTTP/1.1", Good),
    (b"M-SEARCH / HTTP/1.1", Good),
    (b"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", Good),
    (b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1", Good),
    (b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", Bad(MethodTooLong)),
    (b"G(T / HTTP/1.1", Bad(MethodByte)),
    (b"GET: / HTTP/1.1", Bad(MethodByte)),
    (b"G\x00T / HTTP/1.1", Bad(MethodByte)),
    (b"G\xc3\x89T / HTTP/1.1", Bad(MethodByte)),
    (b"\x16\x03\x01\x02\x00\x01\x00", Bad(MethodByte)),
    (b"{\"json\": true}", Bad(MethodByte)),
    // 3.2: the target
    (b"GET /? HTTP/1.1", Good),
    (b"GET /??a?b=/ HTTP/1.1", Good),
    (b"GET //double//slash HTTP/1.1", Good),
    (b"GET /a|b{c}[d]^\\ HTTP/1.1", Good),
    (b"GET /\"json\" HTTP/1.1", Good),
    (b"GET /?a|b{c}[d]^\\` HTTP/1.1", Good),
    (b"GET /%zz HTTP/1.1", Good),
    (b"GET /a#b HTTP/1.1", Bad(TargetByte)),
    (b"GET /?a#b HTTP/1.1", Bad(TargetByte)),
    (b"GET /<a> HTTP/1.1", Bad(TargetByte)),
    (b"GET /a`b HTTP/1.1", Bad(TargetByte)),
    (b"GET /?\"a\" HTTP/1.1", Bad(TargetByte)),
    (b"GET /\x00 HTTP/1.1", Bad(TargetByte)),
    (b"GET /\x7f HTTP/1.1", Bad(TargetByte)),
    (b"GET /\xc3\xa4 HTTP/1.1", Bad(TargetByte)),
    (b"GET /?\xff HTTP/1.1", Bad(TargetByte)),
    (b"GET a/b HTTP/1.1", Bad(TargetForm)),
    (b"GET ? HTTP/1.1", Bad(TargetForm)),
    // 3.2.2: absolute form
    (b"GET http://example.com/a?b HTTP/1.1", Good),
    (b"GET HTTPS://example.com HTTP/1.1", Good),
    (b"GET http://example.com:8080?a HTTP/1.1", Good),
    (b"GET http://[::1]:80/ HTTP/1.1", Good),
    (b"OPTIONS http://example.com HTTP/1.0", Good),
    (b"GET http:// HTTP/1.1", Bad(TargetAuthority)),
    (b"GET http:///a HTTP/1.1", Bad(TargetAuthority)),
    (b"GET http://user@example.com/ HTTP/1.1", Bad(TargetAuthority)),
    (b"GET http://a:b@example.com/ HTTP/1.1", Bad(TargetAuthority)),
    (b"GET http://example.com:http/ HTTP/1.1", Bad(TargetAuthority)),
    (b"GET http://ex%61mple.com/ HTTP/1.1", Bad(TargetAuthority)),
    (b"GET http://[::1/ HTTP/1.1", Bad(TargetAuthority)),
    (b"GET ftp://example.com/ HTTP/1.1", Bad(TargetForm)),
    (b"GET http:/example.com/ HTTP/1.1", Bad(TargetForm)),
    (b"GET example.com:80 HTTP/1.1", Bad(TargetForm)),
    // 3.2.3: authority form
    (b"CONNECT example.com:443 HTTP/1.1", Bad(ConnectUnsupported)),
    (b"CONNECT / HTTP/1.1", Bad(ConnectUnsupported)),
    // 3.2.4: asterisk form
    (b"OPTIONS * HTTP/1.1", Good),
    (b"GET * HTTP/1.1", Bad(TargetForm)),
    (b"OPTIONS *a HTTP/1.1", Bad(TargetForm)),
    (b"OPTIONS ** HTTP/1.1", Bad(TargetForm)),
    (b"REFUSED * HTTP/1.0", Bad(TargetForm)),
    (b"PRI * HTTP/2.0", Bad(TargetForm)),
    // 2.3: the version
    (b"GET / HTTP/2.0", Bad(VersionUnsupported)),
    (b"GET / HTTP/1.2", Bad(VersionUnsupported)),
    (b"GET / HTTP/0.9", Bad(VersionUnsupported)),
    (b"GET / HTTP/1.10", Bad(VersionMalformed)),
    (b"GET / HTTP/1", RL),
    (b"GET / HTTP/1.", RL),
    (b"GET / HTTP/01.1", Bad(VersionMalformed)),
    (b"GET / http/1.1", Bad(VersionMalformed)),
    (b"GET / HTTP 1.1", RL),
    (b"GET / HTTP/1,1", Bad(VersionMalformed)),
    (b"GET / ICY/1.1", Bad(VersionMalformed)),
    // 2.2: bare CR and bare LF
    (b"GET\n/ HTTP/1.1", Bad(BareLf)),
    (b"GET /\n", Bad(BareLf)),
    (b"GET /a\rb HTTP/1.1", RL),
    (b"GET / HTTP/1.1\n", Bad(BareLf)),
    (b"GET / HTTP/1.1\r", Bad(BareCr)),
    (b"GET / HTTP/1.1\rX: y", Bad(BareCr)),
];
const RL: Verdict = Bad(RequestLine);

/// Whole inputs: what comes before a request line, and lines without an end.
const RAW: &[(&[u8], Verdict)] = &[
    (b"", Good),
    (b"\r\n", Waits),
    (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Good),
    (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Good),
    (b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Bad(LeadingLines)),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Bad(BareLf)),
    (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Bad(BareCr)),
    (b"\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n", RL),
    (b"G", Bad(HeadTruncated)),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r", Bad(HeadTruncated)),
    (b"GET / HTTP/1.1\nHost: a\n\n", Bad(BareLf)),
    (b"GET / HTTP/1.1\rHost: a\r\r", Bad(BareCr)),
];

pub(super) fn cases() -> Vec<Case> {
    let lines = LINES.iter().map(|&(line, verdict)| {
        let raw = [line, b"\r\nHost: a\r\n\r\n"].concat();
        Case::new(b"", &raw, verdict)
    });
    let raw = RAW.iter().map(|&(raw, verdict)| Case::new(b"", raw, verdict));
    let long = [(16 * 1024, Good), (16 * 1024 + 1, Bad(TargetTooLong))].into_iter().flat_map(|(len, verdict)| {
        ["/", "/?", "http://a/"].map(|start| {
            let target = format!("{start:a<len$}");
            Case::new(b"", format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), verdict)
        })
    });
    lines.chain(raw).chain(long).collect()
}
