//! How a connection begins, what frames look like, and how errors of the connection are told (RFC 9113 sections 3 to 5.5).

use crate::table::{Case, Want, beginning, case};
use harness::frames::{
    PREFACE, code, continuation, data, flag, frame, get, goaway, headers, kind, ping, request, reset, settings,
};

/// The largest payload that is allowed without a setting (section 4.2).
const FRAME_BYTES_MAX: usize = 16_384;

/// A block of fields of a GET, padded to so many bytes by a field that means nothing.
fn block_of(bytes: usize) -> Vec<u8> {
    let empty = request("GET", "/", &[("x-filler", "")]).len();
    // A length of more than 127 bytes takes two octets more, one of more than 254 three.
    let value = "a".repeat(bytes - empty - 2);
    let block = request("GET", "/", &[("x-filler", &value)]);
    assert_eq!(block.len(), bytes);
    block
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = beginnings();
    cases.extend(formats());
    cases.extend(sizes());
    cases.extend(blocks());
    cases.extend(extensions());
    cases
}

fn beginnings() -> Vec<Case> {
    vec![
        case("3.4", "SETTINGS come first").bare().send([beginning(&[])]).want(Want::Settings),
        case("3.4", "SETTINGS come although the client has said nothing else")
            .bare()
            .send([PREFACE.to_vec()])
            .want(Want::Settings)
            .send([settings(&[])]),
        case("3.4", "the preface alone, then a request without SETTINGS")
            .bare()
            .send([PREFACE.to_vec(), get(1)])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("3.4", "the preface, then PING in place of SETTINGS")
            .bare()
            .send([PREFACE.to_vec(), ping(b"too soon")])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("3.4", "the preface, then an acknowledgement in place of SETTINGS")
            .bare()
            .send([PREFACE.to_vec(), frame(kind::SETTINGS, flag::ACK, 0, [])])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("3.4", "an invalid preface")
            .bare()
            .send([b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec()])
            .want(Want::Closed),
        case("3.4", "a preface whose second half is wrong")
            .bare()
            .send([b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(), settings(&[])])
            .want(Want::Closed),
        case("3.4", "a preface of another version")
            .bare()
            .send([b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n".to_vec(), settings(&[])])
            .want(Want::Closed),
        case("3.4", "the preface again")
            .send([PREFACE.to_vec()])
            .breaks(&[code::PROTOCOL_ERROR, code::FRAME_SIZE_ERROR]),
        case("3.4", "a request of HTTP/1.1 behind the preface")
            .send([b"GET / HTTP/1.1\r\nhost: any\r\n\r\n".to_vec()])
            .breaks(&[code::PROTOCOL_ERROR, code::FRAME_SIZE_ERROR]),
        case("3.4", "a request before the server's SETTINGS are acknowledged").send([get(1)]).answers(200),
        case("3.4", "the preface in pieces")
            .bare()
            .send([PREFACE[..5].to_vec()])
            .send([PREFACE[5..20].to_vec()])
            .send([PREFACE[20..].to_vec(), settings(&[(1, 0)])])
            .send([get(1)])
            .answers(200),
        case("3.4", "everything at once")
            .bare()
            .send([beginning(&[]), get(1), get(3), ping(b"at once!")])
            .want(Want::Pong(*b"at once!"))
            .answers(200)
            .want(Want::Answer(3, 200)),
    ]
}

fn formats() -> Vec<Case> {
    let reserved = |mut bytes: Vec<u8>| {
        bytes[5] |= 0x80;
        bytes
    };
    let pieces = get(1);
    vec![
        case("4.1", "an unknown type is ignored").send([frame(0x16, 0, 0, [0; 8]), get(1)]).answers(200),
        case("4.1", "an unknown type on a stream is ignored")
            .send([get(1), frame(0xfe, 0xff, 1, [1; 100])])
            .answers(200),
        case("4.1", "an unknown type without a payload")
            .send([frame(0x42, 0, 0, []), frame(0x42, 0, 77, [])])
            .ignored(),
        case("4.1", "unknown flags of PING")
            .send([frame(kind::PING, 0xfe, 0, b"flagged!")])
            .want(Want::Pong(*b"flagged!")),
        case("4.1", "unknown flags of SETTINGS").send([frame(kind::SETTINGS, 0xfe, 0, [])]).want(Want::SettingsAck),
        case("4.1", "unknown flags of HEADERS")
            .send([headers(1, flag::WHOLE | 0xc2, request("GET", "/", &[]))])
            .answers(200),
        case("4.1", "unknown flags of DATA")
            .send([headers(1, flag::END_HEADERS, request("POST", "/", &[])), data(1, 0xf6 | flag::END_STREAM, "abc")])
            .answers(200),
        case("4.1", "unknown flags of RST_STREAM")
            .send([
                headers(1, flag::END_HEADERS, request("POST", "/never", &[])),
                frame(kind::RST_STREAM, 0xff, 1, 8_u32.to_be_bytes()),
            ])
            .ignored(),
        case("4.1", "unknown flags of WINDOW_UPDATE")
            .send([frame(kind::WINDOW_UPDATE, 0xff, 0, 1_u32.to_be_bytes())])
            .ignored(),
        case("4.1", "the reserved bit of PING").send([reserved(ping(b"reserved"))]).want(Want::Pong(*b"reserved")),
        case("4.1", "the reserved bit of HEADERS").send([reserved(get(1))]).answers(200),
        case("4.1", "the reserved bit of SETTINGS").send([reserved(settings(&[]))]).want(Want::SettingsAck),
        case("4.1", "a frame in pieces")
            .send([pieces[..3].to_vec()])
            .send([pieces[3..9].to_vec()])
            .send([pieces[9..12].to_vec()])
            .send([pieces[12..].to_vec()])
            .answers(200),
    ]
}

fn sizes() -> Vec<Case> {
    vec![
        case("4.2", "DATA of the largest size")
            .send([
                headers(1, flag::END_HEADERS, request("POST", "/", &[])),
                data(1, flag::END_STREAM, [0; FRAME_BYTES_MAX]),
            ])
            .answers(200),
        case("4.2", "DATA above the largest size")
            .send([
                headers(1, flag::END_HEADERS, request("POST", "/", &[])),
                data(1, flag::END_STREAM, [0; FRAME_BYTES_MAX + 1]),
            ])
            .resets(&[code::FRAME_SIZE_ERROR]),
        case("4.2", "HEADERS of the largest size")
            .send([headers(1, flag::WHOLE, block_of(FRAME_BYTES_MAX))])
            .answers(200),
        case("4.2", "HEADERS above the largest size")
            .send([headers(1, flag::WHOLE, block_of(FRAME_BYTES_MAX + 1))])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("4.2", "CONTINUATION above the largest size")
            .send([headers(1, flag::END_STREAM, []), continuation(1, flag::END_HEADERS, block_of(FRAME_BYTES_MAX + 1))])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("4.2", "SETTINGS above the largest size")
            .send([frame(kind::SETTINGS, 0, 0, [0; 6 * 2_731])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("4.2", "an unknown type above the largest size")
            .send([frame(0x42, 0, 0, [0; FRAME_BYTES_MAX + 1])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("4.2", "the largest length that there is")
            .send([vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]])
            .breaks(&[code::FRAME_SIZE_ERROR]),
    ]
}

fn blocks() -> Vec<Case> {
    let block = request("GET", "/", &[]);
    let (first, second) = block.split_at(7);
    let begun = || headers(1, flag::END_STREAM, first);
    vec![
        case("4.3", "a block that cannot be decompressed")
            .send([headers(1, flag::WHOLE, [0xff; 8])])
            .breaks(&[code::COMPRESSION_ERROR]),
        case("4.3", "a block that ends in the middle of a field")
            .send([headers(1, flag::WHOLE, &block[..block.len() - 1])])
            .breaks(&[code::COMPRESSION_ERROR]),
        case("4.3", "another stream's HEADERS within a block").send([begun(), get(3)]).breaks(&[code::PROTOCOL_ERROR]),
        case("4.3", "another stream's CONTINUATION within a block")
            .send([begun(), continuation(3, flag::END_HEADERS, second)])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("4.3", "PRIORITY within a block")
            .send([begun(), frame(kind::PRIORITY, 0, 1, [0, 0, 0, 0, 1])])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("4.3", "PING within a block").send([begun(), ping(b"between!")]).breaks(&[code::PROTOCOL_ERROR]),
        case("4.3", "SETTINGS within a block").send([begun(), settings(&[])]).breaks(&[code::PROTOCOL_ERROR]),
        case("4.3", "DATA within a block").send([begun(), data(1, 0, "x")]).breaks(&[code::PROTOCOL_ERROR]),
        case("4.3", "RST_STREAM within a block")
            .send([begun(), reset(1, code::CANCEL)])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("5.5", "an unknown type within a block")
            .send([begun(), frame(0x42, 0, 1, [])])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("4.3", "a block in two frames").send([begun(), continuation(1, flag::END_HEADERS, second)]).answers(200),
        case("4.3", "a block of an empty HEADERS and one CONTINUATION")
            .send([headers(1, flag::END_STREAM, []), continuation(1, flag::END_HEADERS, &block)])
            .answers(200),
        case("4.3", "a block in one octet each")
            .send([
                headers(1, flag::END_STREAM, &block[..block.len() - 3]),
                continuation(1, 0, &block[block.len() - 3..block.len() - 2]),
                continuation(1, 0, &block[block.len() - 2..block.len() - 1]),
                continuation(1, flag::END_HEADERS, &block[block.len() - 1..]),
            ])
            .answers(200),
    ]
}

fn extensions() -> Vec<Case> {
    vec![
        case("5.4.1", "behind a connection error the connection ends")
            .send([ping(b"first...")])
            .want(Want::Pong(*b"first..."))
            .send([data(0, 0, "x")])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("5.4.1", "what stands before the error is read")
            .send([ping(b"in time."), data(0, 0, "x")])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("5.4.2", "a stream error leaves the other streams")
            .send([
                headers(1, flag::END_HEADERS, request("POST", "/", &[])),
                headers(3, flag::WHOLE, request("GET", "", &[])),
                data(1, flag::END_STREAM, "abc"),
            ])
            .want(Want::StreamOr(3, &[code::PROTOCOL_ERROR], 400))
            .answers(200),
        case("5.5", "extensions between DATA")
            .send([
                headers(1, flag::END_HEADERS, request("POST", "/", &[])),
                data(1, 0, "abc"),
                frame(0x42, 0, 1, "?"),
                data(1, flag::END_STREAM, "def"),
            ])
            .answers(200),
        case("6.8", "GOAWAY of a client that has nothing open").send([goaway(0, code::NO_ERROR)]).want(Want::Closed),
        case("6.8", "GOAWAY of a client that waits for an answer")
            .send([get(1), goaway(0, code::NO_ERROR)])
            .answers(200)
            .want(Want::Closed),
        case("6.8", "GOAWAY with debug data")
            .send([get(1), frame(kind::GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0because")])
            .answers(200)
            .want(Want::Closed),
        case("6.8", "GOAWAY on a stream").send([frame(kind::GOAWAY, 0, 1, [0; 8])]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.8", "GOAWAY too short").send([frame(kind::GOAWAY, 0, 0, [0; 7])]).breaks(&[code::FRAME_SIZE_ERROR]),
    ]
}
