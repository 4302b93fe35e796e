//! Compression of fields (RFC 7541).

use crate::table::{Case, case};
use harness::frames::{code, flag, headers, integer, request, settings, string};

/// `www.example.com` with Huffman's code (appendix C.4.1).
const HUFFMAN: [u8; 12] = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
/// A GET of `/` at `any`, of indexed fields where there are such.
const GET: [u8; 8] = [0x82, 0x86, 0x84, 0x01, 3, b'a', b'n', b'y'];

/// A whole request with these octets behind those of [`GET`].
fn with(rest: &[u8]) -> Vec<u8> {
    headers(1, flag::WHOLE, [&GET[..], rest].concat())
}

/// … on stream 3.
fn then(rest: &[u8]) -> Vec<u8> {
    headers(3, flag::WHOLE, [&GET[..], rest].concat())
}

/// A field with a name of its own and this value, as it stands in the block.
fn valued(value: &[u8]) -> Vec<u8> {
    [&[0x00, 1, b'x'][..], value].concat()
}

/// The name and value of a field that goes into the table.
fn kept(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0x40];
    string(&mut block, name.as_bytes());
    string(&mut block, value.as_bytes());
    block
}

/// A change of the table's size.
fn resized(bytes: usize) -> Vec<u8> {
    let mut block = Vec::new();
    integer(&mut block, 0x20, 5, bytes);
    block
}

/// The code that is meant for it.
const WRONG: &[u32] = &[code::COMPRESSION_ERROR];

pub(crate) fn cases() -> Vec<Case> {
    [representations(), tables(), sizes(), strings()].into_iter().flatten().collect()
}

fn representations() -> Vec<Case> {
    let good = |name, rest: &[u8]| case("HPACK 6", name).send([with(rest)]).answers(200);
    vec![
        good("indexed fields", &[0x90]),
        good("a literal that is kept, its name indexed", &[0x7a, 2, b'o', b'k']),
        good("a literal that is kept, its name new", &kept("x-test", "ok")),
        good("a literal that is not kept, its name indexed", &[0x0f, 0x2b, 2, b'o', b'k']),
        good("a literal that is not kept, its name new", &valued(b"\x02ok")),
        good("a literal that is never kept, its name indexed", &[0x1f, 0x2b, 2, b'o', b'k']),
        good("a literal that is never kept, its name new", b"\x10\x01x\x02ok"),
        case("HPACK 6.1", "index 0").send([with(&[0x80])]).breaks(WRONG),
        case("HPACK 2.3.3", "an index beyond both tables").send([with(&[0xff, 0x00])]).breaks(WRONG),
        case("HPACK 2.3.3", "the first index beyond the static table").send([with(&[0xbe])]).breaks(WRONG),
        case("HPACK 2.3.3", "a name beyond both tables").send([with(&[0x7f, 0x20, 1, b'x'])]).breaks(WRONG),
        case("HPACK 2.3.3", "a name beyond both tables, not kept").send([with(&[0x0f, 0x7f, 1, b'x'])]).breaks(WRONG),
        case("HPACK 2.3.3", "a name beyond both tables, never kept").send([with(&[0x1f, 0x7f, 1, b'x'])]).breaks(WRONG),
    ]
}

fn tables() -> Vec<Case> {
    let large = "v".repeat(3_000);
    vec![
        case("HPACK 2.3.2", "a field of the table")
            .send([with(&kept("x-test", "ok"))])
            .answers(200)
            .send([then(&[0xbe])]),
        case("HPACK 2.3.2", "the newest field has the lowest index")
            .send([with(&[kept("x-one", "1"), kept("content-length", "0")].concat())])
            .answers(200)
            .send([then(&[0xbf, 0xbe])]),
        case("HPACK 2.3.3", "one beyond the last of the table")
            .send([with(&kept("x-test", "ok"))])
            .answers(200)
            .send([then(&[0xbf])])
            .breaks(WRONG),
        case("HPACK 4.4", "what does not fit any more goes")
            .send([with(&kept("x-one", &large))])
            .answers(200)
            .send([then(&kept("x-two", &large))])
            .send([headers(5, flag::WHOLE, [&GET[..], &[0xbf]].concat())])
            .breaks(WRONG),
        case("HPACK 4.4", "a field larger than the table empties it")
            .send([with(&kept("x-one", "1"))])
            .answers(200)
            .send([then(&kept("x-two", &"v".repeat(5_000)))])
            .send([headers(5, flag::WHOLE, [&GET[..], &[0xbe]].concat())])
            .breaks(WRONG),
        case("HPACK 2.2", "the table of a malformed request is kept")
            .send([with(&[kept("x-test", "ok"), harness::frames::fields(&[("connection", "close")])].concat())])
            .malformed()
            .send([then(&[0xbe])])
            .want(crate::table::Want::Answer(3, 200)),
    ]
}

fn sizes() -> Vec<Case> {
    let first = |rest: &[u8]| headers(1, flag::WHOLE, [rest, &GET].concat());
    vec![
        case("HPACK 6.3", "a change to the size that was set").send([first(&resized(4_096))]).answers(200),
        case("HPACK 6.3", "a change to nothing").send([first(&resized(0))]).answers(200),
        case("HPACK 6.3", "a change to nothing empties the table")
            .send([with(&kept("x-test", "ok"))])
            .answers(200)
            .send([headers(3, flag::WHOLE, [&resized(0)[..], &GET, &[0xbe]].concat())])
            .breaks(WRONG),
        case("HPACK 6.3", "two changes at once").send([first(&[resized(0), resized(4_096)].concat())]).answers(200),
        case("HPACK 6.3", "a change above the size that was set").send([first(&resized(4_097))]).breaks(WRONG),
        case("HPACK 6.3", "a change far above").send([first(&resized(1 << 30))]).breaks(WRONG),
        case("HPACK 4.2", "a change behind a field").send([with(&resized(100))]).breaks(WRONG),
        case("HPACK 4.2", "a change between fields")
            .send([headers(1, flag::WHOLE, [&GET[..1], &resized(100), &GET[1..]].concat())])
            .breaks(WRONG),
        case("HPACK 4.2", "a change at the beginning of a later block")
            .send([with(&kept("x-test", "ok"))])
            .answers(200)
            .send([headers(3, flag::WHOLE, [&resized(1_000)[..], &GET, &[0xbe]].concat())])
            .want(crate::table::Want::Answer(3, 200)),
        case("HPACK 4.2", "the client's own size is not the server's")
            .send([settings(&[(1, 65_536)]), first(&resized(65_536))])
            .breaks(WRONG),
    ]
}

fn strings() -> Vec<Case> {
    let good = |name, rest: &[u8]| case("HPACK 5.2", name).send([with(rest)]).answers(200);
    let bad = |name, rest: &[u8]| case("HPACK 5.2", name).send([with(rest)]).breaks(WRONG);
    let huffman = |bytes: &[u8]| valued(&[&[0x80 | u8::try_from(bytes.len()).unwrap()][..], bytes].concat());
    let padded = [&HUFFMAN[..], &[0xff]].concat();
    let mut zeros = HUFFMAN;
    // The last octet is the end of a letter and padding.
    zeros[11] &= 0x80;
    let far = |first: u8| [&[first][..], &[0xff; 10], &[0x7f]].concat();
    vec![
        good("Huffman's code", &huffman(&HUFFMAN)),
        good("Huffman's code of a name", &[&[0x00, 0x84][..], &[0xf2, 0xb2, 0x4a, 0x9f], &[0]].concat()),
        good("an empty string with Huffman's code", &valued(&[0x80])),
        bad("padding of more than seven bits", &huffman(&padded)),
        bad("padding that is not of ones", &huffman(&zeros)),
        bad("the EOS symbol", &huffman(&[0xff, 0xff, 0xff, 0xff])),
        bad("the EOS symbol within", &huffman(&[0xf1, 0xff, 0xff, 0xff, 0xff, 0xe3, 0xff])),
        bad("nothing but padding", &huffman(&[0xff])),
        bad("a string longer than its block", &valued(&[100, b'x'])),
        case("HPACK 5.1", "an index that overflows").send([with(&far(0xff))]).breaks(WRONG),
        case("HPACK 5.1", "a length that overflows").send([with(&valued(&far(0x7f)))]).breaks(WRONG),
        case("HPACK 5.1", "a table size that overflows").send([headers(1, flag::WHOLE, far(0x3f))]).breaks(WRONG),
        case("HPACK 5.1", "an integer that does not end").send([headers(1, flag::WHOLE, [0xff, 0x80])]).breaks(WRONG),
        case("HPACK 5.1", "an integer in more octets than it needs")
            .send([with(&valued(&[0x7f, 0x80, 0x00].iter().copied().chain([b'v'; 127]).collect::<Vec<u8>>()))])
            .answers(200),
        case("HPACK 5.2", "a request without compression")
            .send([headers(1, flag::WHOLE, request("GET", "/", &[]))])
            .answers(200),
    ]
}
