//! Requests and answers (RFC 9113 section 8): fields, pseudo-fields, lengths, trailers, methods.

use crate::table::{Case, Want, case};
use harness::frames::{code, data, fields, flag, get, headers, request, settings};

/// A whole request of these fields.
fn whole(pairs: &[(&str, &str)]) -> Vec<u8> {
    headers(1, flag::WHOLE, fields(pairs))
}

/// A whole GET with further fields.
fn with(others: &[(&str, &str)]) -> Vec<u8> {
    headers(1, flag::WHOLE, request("GET", "/", others))
}

/// The head of a POST with further fields.
fn post(others: &[(&str, &str)]) -> Vec<u8> {
    headers(1, flag::END_HEADERS, request("POST", "/", others))
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "any");
const LAST: u8 = flag::END_STREAM;

pub(crate) fn cases() -> Vec<Case> {
    [exchanges(), field_names(), pseudo(), targets(), connection_fields(), lengths(), trailers(), lists()]
        .into_iter()
        .flatten()
        .collect()
}

fn exchanges() -> Vec<Case> {
    vec![
        case("8.1", "a GET").send([get(1)]).answers(200),
        case("8.1", "a HEAD")
            .send([headers(1, flag::WHOLE, request("HEAD", "/", &[]))])
            .answers(200)
            .want(Want::Data(1, 0)),
        case("8.1", "a POST with a body in one frame")
            .send([post(&[]), data(1, LAST, "test")])
            .answers(200)
            .want(Want::Data(1, "4 bytes and 0 trailers".len())),
        case("8.1", "a POST with a body in several frames")
            .send([post(&[]), data(1, 0, "one"), data(1, 0, "two"), data(1, LAST, "three")])
            .answers(200)
            .want(Want::Data(1, "11 bytes and 0 trailers".len())),
        case("8.1", "a POST whose client waits until it is asked for the body")
            .send([post(&[("expect", "100-continue")])])
            .want(Want::Interim(1, 100))
            .send([data(1, LAST, "test")])
            .answers(200),
        case("8.1", "a POST whose client might wait and does not")
            .send([post(&[("expect", "100-continue")]), data(1, LAST, "test")])
            .answers(200),
        case("8.1", "a POST whose client would wait, and which is refused")
            .send([headers(
                1,
                flag::END_HEADERS,
                request("POST", "/", &[("expect", "100-continue"), ("host", "another")]),
            )])
            .answers(400),
        case("8.1", "a POST with an empty body").send([post(&[]), data(1, LAST, [])]).answers(200),
        case("8.1", "a POST that ends with its head")
            .send([headers(1, flag::WHOLE, request("POST", "/", &[]))])
            .answers(200),
        case("8.1", "a POST with trailers")
            .send([
                post(&[("te", "trailers"), ("trailer", "x-sum")]),
                data(1, 0, "test"),
                headers(1, flag::WHOLE, fields(&[("x-sum", "1")])),
            ])
            .answers(200)
            .want(Want::Data(1, "4 bytes and 1 trailers".len())),
        case("8.1", "trailers without a body")
            .send([post(&[]), headers(1, flag::WHOLE, fields(&[("x-sum", "1")]))])
            .answers(200),
        case("8.1", "a second block without END_STREAM")
            .send([post(&[]), data(1, 0, "test"), headers(1, flag::END_HEADERS, fields(&[("x-sum", "1")]))])
            .malformed(),
        case("8.1", "a second block without END_STREAM, at once")
            .send([post(&[]), headers(1, flag::END_HEADERS, fields(&[("x-sum", "1")]))])
            .malformed(),
        case("8.1", "an interleaved pair of requests")
            .send([
                post(&[]),
                headers(3, flag::END_HEADERS, request("POST", "/", &[])),
                data(3, 0, "a"),
                data(1, 0, "b"),
                data(3, LAST, "c"),
                data(1, LAST, "d"),
            ])
            .answers(200)
            .want(Want::Answer(3, 200)),
        case("8.1", "an answer of no known length under a header list limit")
            .send([settings(&[(6, 16_384)]), get(1)])
            .answers(200),
    ]
}

fn field_names() -> Vec<Case> {
    let bad = |name, pair: (&str, &str)| case("8.2.1", name).send([with(&[pair])]).malformed();
    vec![
        case("8.2", "a name with an upper case letter").send([with(&[("X-TEST", "ok")])]).malformed(),
        case("8.2", "a name with one upper case letter at its end").send([with(&[("x-tesT", "ok")])]).malformed(),
        bad("a name with a space", ("x test", "ok")),
        bad("a name with a colon within", ("x:test", "ok")),
        bad("a name with a line's end", ("x-test\r\nx-other", "ok")),
        bad("a name with a NUL", ("x\0test", "ok")),
        bad("a name with DEL", ("x\x7ftest", "ok")),
        bad("a name beyond ASCII", ("x-t\u{e9}st", "ok")),
        bad("an empty name", ("", "ok")),
        bad("a value with a NUL", ("x-test", "o\0k")),
        bad("a value with a line feed", ("x-test", "ok\nx-other: bad")),
        bad("a value with a carriage return", ("x-test", "ok\rbad")),
        bad("a value with a space in front", ("x-test", " ok")),
        bad("a value with a space behind", ("x-test", "ok ")),
        bad("a value with a tab in front", ("x-test", "\tok")),
        bad("a value with a tab behind", ("x-test", "ok\t")),
        case("8.2.1", "a value with a tab within").send([with(&[("x-test", "o\tk")])]).answers(200),
        case("8.2.1", "an empty value").send([with(&[("x-test", "")])]).answers(200),
        case("8.2.1", "a value beyond ASCII").send([with(&[("x-test", "\u{e9}")])]).answers(200),
        case("8.2.3", "a cookie in crumbs").send([with(&[("cookie", "a=1"), ("cookie", "b=2")])]).answers(200),
    ]
}

fn pseudo() -> Vec<Case> {
    let bad = |name, pairs: &[(&str, &str)]| case("8.3", name).send([whole(pairs)]).malformed();
    vec![
        bad("an unknown pseudo-field", &[METHOD, SCHEME, PATH, AUTHORITY, (":test", "ok")]),
        bad("an answer's pseudo-field", &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")]),
        bad("a pseudo-field behind a field", &[METHOD, SCHEME, ("x-test", "ok"), PATH, AUTHORITY]),
        bad("a pseudo-field behind all fields", &[METHOD, SCHEME, AUTHORITY, ("x-test", "ok"), PATH]),
        bad("a pseudo-field with upper case", &[(":METHOD", "GET"), SCHEME, PATH, AUTHORITY]),
        bad("a pseudo-field without a name", &[METHOD, SCHEME, PATH, AUTHORITY, (":", "ok")]),
        bad("an empty :path", &[METHOD, SCHEME, (":path", ""), AUTHORITY]),
        bad("no :method", &[SCHEME, PATH, AUTHORITY]),
        bad("no :scheme", &[METHOD, PATH, AUTHORITY]),
        bad("no :path", &[METHOD, SCHEME, AUTHORITY]),
        bad("no pseudo-field at all", &[("x-test", "ok")]),
        case("8.3", "no field at all").send([headers(1, flag::WHOLE, [])]).malformed(),
        bad(":method twice", &[METHOD, METHOD, SCHEME, PATH, AUTHORITY]),
        bad(":scheme twice", &[METHOD, SCHEME, SCHEME, PATH, AUTHORITY]),
        bad(":path twice", &[METHOD, SCHEME, PATH, PATH, AUTHORITY]),
        bad(":authority twice", &[METHOD, SCHEME, PATH, AUTHORITY, AUTHORITY]),
        bad(":protocol without extended CONNECT", &[METHOD, SCHEME, PATH, AUTHORITY, (":protocol", "x")]),
        bad("an empty :method", &[(":method", ""), SCHEME, PATH, AUTHORITY]),
        bad("a :method that is no token", &[(":method", "G T"), SCHEME, PATH, AUTHORITY]),
        bad("an empty :scheme", &[METHOD, (":scheme", ""), PATH, AUTHORITY]),
        bad("a :scheme that is none", &[METHOD, (":scheme", "ht tp"), PATH, AUTHORITY]),
        case("8.3", "pseudo-fields in another order").send([whole(&[AUTHORITY, PATH, METHOD, SCHEME])]).answers(200),
        case("8.3.1", "https, told by a proxy that ends TLS")
            .send([whole(&[METHOD, (":scheme", "https"), PATH, AUTHORITY])])
            .answers(200),
    ]
}

fn targets() -> Vec<Case> {
    let bad = |name, pairs: &[(&str, &str)]| case("8.3.1", name).send([whole(pairs)]).malformed();
    vec![
        bad("a :path with a space", &[METHOD, SCHEME, (":path", "/a b"), AUTHORITY]),
        // Not allowed, but who parses the URI cuts it off before anybody can see it.
        case("8.3.1", "a :path with a fragment loses it")
            .send([whole(&[METHOD, SCHEME, (":path", "/#b"), AUTHORITY])])
            .answers(200),
        bad("a :path with a line's end", &[METHOD, SCHEME, (":path", "/a\r\nhost: b"), AUTHORITY]),
        bad("a :path without its slash", &[METHOD, SCHEME, (":path", "a"), AUTHORITY]),
        bad("a :path of * for GET", &[METHOD, SCHEME, (":path", "*"), AUTHORITY]),
        bad("a :path that is a whole URI", &[METHOD, SCHEME, (":path", "http://other/"), AUTHORITY]),
        bad("an :authority with user information", &[METHOD, SCHEME, PATH, (":authority", "user@any")]),
        bad("an :authority with a space", &[METHOD, SCHEME, PATH, (":authority", "a b")]),
        bad("an :authority with a path", &[METHOD, SCHEME, PATH, (":authority", "any/other")]),
        bad("neither :authority nor Host", &[METHOD, SCHEME, PATH]),
        bad("an empty :authority", &[METHOD, SCHEME, PATH, (":authority", "")]),
        case("8.3.1", "Host in place of :authority")
            .send([whole(&[METHOD, SCHEME, PATH, ("host", "any")])])
            .answers(200),
        case("8.3.1", "Host that says the same").send([with(&[("host", "any")])]).answers(200),
        case("8.3.1", "Host that says something else").send([with(&[("host", "other")])]).malformed(),
        case("8.3.1", "Host twice")
            .send([whole(&[METHOD, SCHEME, PATH, ("host", "any"), ("host", "any")])])
            .malformed(),
        case("8.5", "CONNECT").send([whole(&[(":method", "CONNECT"), (":authority", "any:80")])]).want(Want::StreamOr(
            1,
            &[code::PROTOCOL_ERROR],
            501,
        )),
        case("8.5", "CONNECT with a path")
            .send([whole(&[(":method", "CONNECT"), (":authority", "any:80"), PATH])])
            .malformed(),
        case("8.5", "CONNECT with a scheme")
            .send([whole(&[(":method", "CONNECT"), (":authority", "any:80"), SCHEME])])
            .malformed(),
        case("8.5", "CONNECT without an authority").send([whole(&[(":method", "CONNECT")])]).want(Want::StreamOr(
            1,
            &[code::PROTOCOL_ERROR],
            501,
        )),
        case("8.5", "CONNECT with a length")
            .send([headers(
                1,
                flag::END_HEADERS,
                fields(&[(":method", "CONNECT"), (":authority", "any:80"), ("content-length", "5")]),
            )])
            .want(Want::StreamOr(1, &[code::PROTOCOL_ERROR, code::INTERNAL_ERROR], 501)),
    ]
}

fn connection_fields() -> Vec<Case> {
    let bad = |name, pair| case("8.2.2", name).send([with(&[pair])]).malformed();
    vec![
        bad("Connection", ("connection", "keep-alive")),
        bad("Connection: close", ("connection", "close")),
        bad("Keep-Alive", ("keep-alive", "timeout=5")),
        bad("Proxy-Connection", ("proxy-connection", "keep-alive")),
        bad("Transfer-Encoding", ("transfer-encoding", "chunked")),
        bad("Upgrade", ("upgrade", "h2c")),
        bad("TE of a coding", ("te", "gzip")),
        bad("TE of trailers and a coding", ("te", "trailers, deflate;q=0.5")),
        case("8.2.2", "TE: trailers").send([with(&[("te", "trailers")])]).answers(200),
        case("8.2.2", "Transfer-Encoding with a body")
            .send([post(&[("transfer-encoding", "chunked")]), data(1, LAST, "0\r\n\r\n")])
            .malformed(),
    ]
}

fn lengths() -> Vec<Case> {
    let length = |bytes: &'static str| post(&[("content-length", bytes)]);
    vec![
        case("8.1.1", "a length that is right").send([length("4"), data(1, LAST, "test")]).answers(200),
        case("8.1.1", "a length that is right in several frames")
            .send([length("4"), data(1, 0, "te"), data(1, 0, "st"), data(1, LAST, [])])
            .answers(200),
        case("8.1.1", "a length above the body in one frame").send([length("5"), data(1, LAST, "test")]).malformed(),
        case("8.1.1", "a length below the body in one frame").send([length("1"), data(1, LAST, "test")]).malformed(),
        case("8.1.1", "a length above the body in several frames")
            .send([length("9"), data(1, 0, "test"), data(1, LAST, "test")])
            .malformed(),
        case("8.1.1", "a length below the body in several frames")
            .send([length("1"), data(1, 0, "test"), data(1, LAST, "test")])
            .malformed(),
        case("8.1.1", "a length and no body")
            .send([headers(1, flag::WHOLE, request("POST", "/", &[("content-length", "1")]))])
            .malformed(),
        case("8.1.1", "a length above the body before trailers")
            .send([length("9"), data(1, 0, "test"), headers(1, flag::WHOLE, fields(&[("x-sum", "1")]))])
            .malformed(),
        case("8.1.1", "a length that is no number").send([length("four"), data(1, LAST, "test")]).malformed(),
        case("8.1.1", "a length with a sign").send([length("+4"), data(1, LAST, "test")]).malformed(),
        case("8.1.1", "a negative length").send([length("-4"), data(1, LAST, "test")]).malformed(),
        case("8.1.1", "a length of more than 64 bits")
            .send([length("18446744073709551620"), data(1, LAST, "test")])
            .malformed(),
        case("8.1.1", "two lengths")
            .send([post(&[("content-length", "4"), ("content-length", "5")]), data(1, LAST, "test")])
            .malformed(),
        case("8.1.1", "the same length twice")
            .send([post(&[("content-length", "4"), ("content-length", "4")]), data(1, LAST, "test")])
            .want(Want::StreamOr(1, &[code::PROTOCOL_ERROR], 400)),
        case("8.1.1", "a length of 0 and an empty body").send([length("0"), data(1, LAST, [])]).answers(200),
        case("8.1.1", "padding does not count")
            .send([length("4"), data(1, LAST | flag::PADDED, b"\x03test\0\0\0")])
            .answers(200),
    ]
}

fn trailers() -> Vec<Case> {
    let behind = |name, pairs: &[(&str, &str)]| {
        case("8.1", name).send([post(&[]), data(1, 0, "test"), headers(1, flag::WHOLE, fields(pairs))])
    };
    let compressed = |block: &[u8]| [post(&[]), data(1, 0, "test"), headers(1, flag::WHOLE, block)];
    vec![
        behind("a pseudo-field in trailers", &[(":method", "200"), ("x-test", "ok")]).malformed(),
        behind("a path in trailers", &[PATH]).malformed(),
        behind("a status in trailers", &[("x-test", "ok"), (":status", "200")]).malformed(),
        behind("an unknown pseudo-field in trailers", &[(":test", "ok")]).malformed(),
        case("8.1", "an indexed pseudo-field in trailers").send(compressed(&[0x82])).malformed(),
        case("8.1", "a pseudo-field in trailers behind a change of the table")
            .send(compressed(&[0x3f, 0xe1, 0x1f, 0x84]))
            .malformed(),
        case("8.1", "a pseudo-field in padded trailers")
            .send([
                post(&[]),
                data(1, 0, "test"),
                headers(1, flag::WHOLE | flag::PADDED | flag::PRIORITY, [2, 0, 0, 0, 0, 9, 0x84, 0, 0]),
            ])
            .malformed(),
        case("8.1", "a pseudo-field in trailers of two frames")
            .send([
                post(&[]),
                data(1, 0, "test"),
                headers(1, flag::END_STREAM, []),
                harness::frames::continuation(1, flag::END_HEADERS, [0x84]),
            ])
            .malformed(),
        behind("a connection-specific field in trailers", &[("connection", "close")]).malformed(),
        behind("a name with upper case in trailers", &[("X-Sum", "1")]).malformed(),
        behind("trailers without a field", &[]).answers(200),
        behind("a trailer that may not be one does not pass", &[("content-length", "9"), ("host", "other")])
            .answers(200)
            .want(Want::Data(1, "4 bytes and 0 trailers".len())),
    ]
}

fn lists() -> Vec<Case> {
    let long = "a".repeat(15_000);
    let large = |path: &str, names: &[&str]| {
        let block = request("GET", path, &names.iter().map(|name| (*name, long.as_str())).collect::<Vec<_>>());
        let mut frames = Vec::new();
        let pieces: Vec<&[u8]> = block.chunks(16_384).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let last = if at + 1 == pieces.len() { flag::END_HEADERS } else { flag::NONE };
            frames.extend(match at {
                0 => headers(1, last | flag::END_STREAM, piece),
                _ => harness::frames::continuation(1, last, piece),
            });
        }
        frames
    };
    // An upstream that takes a hundred gets what the gateway adds besides.
    let many: Vec<String> = (0..101).map(|at| format!("x-{at}")).collect();
    let fields =
        |count: usize| -> Vec<(&str, &str)> { many[..count].iter().map(|name| (name.as_str(), "1")).collect() };
    let target = format!("/{}", "a".repeat(16 * 1024));
    vec![
        case("10.5.1", "many fields").send([with(&fields(80))]).answers(200),
        case("10.5.1", "more than a hundred fields").send([with(&fields(101))]).answers(431),
        case("10.5.1", "a cookie in more pieces than that").send([with(&[("cookie", "a=1"); 150])]).answers(200),
        case("10.5.1", "a target that is too long").send([large(&target, &[])]).answers(414),
        case("10.5.1", "a list below the limit").send([large("/", &["x-a"])]).answers(200),
        case("10.5.1", "a list above the limit")
            .send([large("/", &["x-a", "x-b", "x-c", "x-d", "x-e"])])
            .want(Want::StreamOr(1, &[code::PROTOCOL_ERROR], 431)),
    ]
}
