//! Flow control in both directions (RFC 9113 sections 5.2 and 6.9).

use crate::setup::LARGE_BYTES;
use crate::table::{Case, Want, case};
use harness::frames::{code, data, flag, frame, get, headers, kind, request, reset, settings, window};

/// Every window's first size, and its largest.
const WINDOW_FIRST: usize = 65_535;
const WINDOW_MAX: u32 = (1 << 31) - 1;
/// The proxy's windows of a stream and of a connection.
const STREAM_WINDOW: usize = 256 * 1024;
const CONNECTION_WINDOW: usize = 1024 * 1024;
const FRAME: usize = 16_384;
const INITIAL_WINDOW_SIZE: u16 = 4;

fn large(stream: u32) -> Vec<u8> {
    headers(stream, flag::WHOLE, request("GET", "/large", &[]))
}

fn upload(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, flag::END_HEADERS, request("POST", path, &[]))
}

/// So many full frames of DATA.
fn full(stream: u32, frames: usize) -> Vec<u8> {
    data(stream, 0, [0; FRAME]).repeat(frames)
}

pub(crate) fn cases() -> Vec<Case> {
    [sending(), both_windows(), changes(), overflows(), receiving()].into_iter().flatten().collect()
}

fn sending() -> Vec<Case> {
    let initial = |bytes| [(INITIAL_WINDOW_SIZE, bytes)];
    vec![
        case("6.9.1", "the first window is honoured")
            .send([large(1)])
            .want(Want::Data(1, WINDOW_FIRST))
            .send([reset(1, code::CANCEL), window(0, 100)]),
        case("6.9.1", "a window of one octet")
            .settings(&initial(1))
            .send([get(1)])
            .want(Want::Data(1, 1))
            .send([settings(&initial(100))]),
        case("6.9.1", "octet by octet")
            .settings(&initial(1))
            .send([get(1)])
            .want(Want::Data(1, 1))
            .send([window(1, 1)])
            .want(Want::Data(1, 2))
            .send([window(1, 1)])
            .want(Want::Data(1, 3))
            .send([window(1, 7)])
            .answers(200)
            .send([settings(&initial(100))]),
        case("6.9.1", "a window of nothing lets the head pass")
            .settings(&initial(0))
            .send([get(1)])
            .want(Want::Data(1, 0))
            .send([window(1, 10)])
            .answers(200)
            .send([settings(&initial(100))]),
        case("6.9.1", "exactly the answer's length").settings(&initial(10)).send([get(1)]).answers(200),
        case("6.9.1", "a window of nothing and an answer without a body")
            .settings(&initial(0))
            .send([headers(1, flag::WHOLE, request("HEAD", "/", &[]))])
            .answers(200)
            .send([settings(&initial(65_535))]),
    ]
}

fn both_windows() -> Vec<Case> {
    let initial = |bytes| [(INITIAL_WINDOW_SIZE, bytes)];
    let rest = u32::try_from(LARGE_BYTES - WINDOW_FIRST).unwrap();
    vec![
        case("6.9.1", "the stream's window alone is not enough")
            .send([large(1), window(1, rest)])
            .want(Want::Data(1, WINDOW_FIRST))
            .send([window(0, rest)])
            .answers(200)
            .send([window(0, 100)]),
        case("6.9.1", "the connection's window alone is not enough")
            .send([large(1), window(0, rest)])
            .want(Want::Data(1, WINDOW_FIRST))
            .send([window(1, rest)])
            .answers(200)
            .send([window(0, 100)]),
        case("6.9.1", "a window for each stream, one for all")
            .send([large(1), large(3), window(0, 65_535)])
            .want(Want::Data(1, WINDOW_FIRST))
            .want(Want::Data(3, WINDOW_FIRST))
            .send([reset(1, code::CANCEL), reset(3, code::CANCEL), window(0, 100)]),
        case("6.9.1", "a stream that waits holds up no other")
            .settings(&initial(1))
            .send([large(1)])
            .want(Want::Data(1, 1))
            .send([get(3), window(3, 9)])
            .want(Want::Answer(3, 200))
            .send([reset(1, code::CANCEL), settings(&initial(100))]),
        case("6.9", "what a stream that was given up had is the others'")
            .send([large(1)])
            .want(Want::Data(1, WINDOW_FIRST))
            .send([reset(1, code::CANCEL), get(3), window(0, 10)])
            .want(Want::Answer(3, 200))
            .send([window(0, 100)]),
        case("6.9", "frames stay below the receiver's size")
            .settings(&[(5, 16_384)])
            .send([large(1), window(1, rest), window(0, rest)])
            .answers(200)
            .send([window(0, 100)]),
        case("6.9", "the reserved bit of an increment")
            .settings(&initial(1))
            .send([get(1), window(1, 0x8000_0000 | 9)])
            .answers(200)
            .send([settings(&initial(100))]),
    ]
}

fn changes() -> Vec<Case> {
    let initial = |bytes| settings(&[(INITIAL_WINDOW_SIZE, bytes)]);
    let began = |name, bytes| case("6.9.2", name).settings(&[(INITIAL_WINDOW_SIZE, bytes)]);
    vec![
        began("a setting raises the windows that there are", 1)
            .send([get(1)])
            .want(Want::Data(1, 1))
            .send([initial(4)])
            .want(Want::Data(1, 4))
            .send([initial(10)])
            .answers(200),
        began("from nothing to something", 0)
            .send([get(1), get(3)])
            .want(Want::Data(1, 0))
            .want(Want::Data(3, 0))
            .send([initial(10)])
            .answers(200)
            .want(Want::Answer(3, 200)),
        began("a setting that lowers makes a window negative", 3)
            .send([get(1)])
            .want(Want::Data(1, 3))
            .send([initial(2)])
            .want(Want::SettingsAck)
            .send([window(1, 1)])
            .want(Want::Data(1, 3))
            .send([window(1, 1)])
            .want(Want::Data(1, 4))
            .send([initial(100)])
            .answers(200),
        began("far below nothing", 1_000)
            .send([large(1)])
            .want(Want::Data(1, 1_000))
            .send([initial(0)])
            .want(Want::SettingsAck)
            .send([window(1, 999)])
            .want(Want::Data(1, 1_000))
            .send([window(1, 2)])
            .want(Want::Data(1, 1_001))
            .send([reset(1, code::CANCEL), initial(65_535)]),
        began("a negative window that a setting raises", 10)
            .send([large(1)])
            .want(Want::Data(1, 10))
            .send([initial(0)])
            .want(Want::SettingsAck)
            .send([initial(11)])
            .want(Want::Data(1, 11))
            .send([reset(1, code::CANCEL), initial(65_535)]),
        began("a new stream has the new window", 1)
            .send([get(1)])
            .want(Want::Data(1, 1))
            .send([initial(5)])
            .want(Want::SettingsAck)
            .send([get(3)])
            .want(Want::Data(3, 5))
            .send([initial(65_535)]),
        case("6.9.2", "a setting does not change the connection's window")
            .send([large(1)])
            .want(Want::Data(1, WINDOW_FIRST))
            .send([initial(WINDOW_MAX)])
            .want(Want::Data(1, WINDOW_FIRST))
            .send([window(0, 100)])
            .want(Want::Data(1, WINDOW_FIRST + 100))
            .send([reset(1, code::CANCEL), window(0, 10_000)]),
    ]
}

fn overflows() -> Vec<Case> {
    let window_first = u32::try_from(WINDOW_FIRST).unwrap();
    let never = || headers(1, flag::WHOLE, request("GET", "/never", &[]));
    let flow = &[code::FLOW_CONTROL_ERROR];
    vec![
        case("6.9", "an increment of 0 for the connection").send([window(0, 0)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.9", "an increment of 0 for a stream").send([never(), window(1, 0)]).resets(&[code::PROTOCOL_ERROR]),
        case("6.9", "an increment of 0 and the reserved bit")
            .send([never(), window(1, 1 << 31)])
            .resets(&[code::PROTOCOL_ERROR]),
        case("6.9", "WINDOW_UPDATE too short")
            .send([frame(kind::WINDOW_UPDATE, 0, 0, [0; 3])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("6.9", "WINDOW_UPDATE too long")
            .send([frame(kind::WINDOW_UPDATE, 0, 0, [0; 5])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("6.9.1", "the connection's largest window").send([window(0, WINDOW_MAX - window_first)]).ignored(),
        case("6.9.1", "above the connection's largest window").send([window(0, WINDOW_MAX)]).breaks(flow),
        case("6.9.1", "one above the connection's largest window")
            .send([window(0, WINDOW_MAX - window_first), window(0, 1)])
            .breaks(flow),
        case("6.9.1", "a stream's largest window").send([never(), window(1, WINDOW_MAX - window_first)]).ignored(),
        case("6.9.1", "above a stream's largest window").send([never(), window(1, WINDOW_MAX)]).resets(flow),
        case("6.9.1", "one above a stream's largest window")
            .send([never(), window(1, WINDOW_MAX - window_first), window(1, 1)])
            .resets(flow),
        case("6.9.2", "a setting does not count for a stream whose window was too large and that was reset")
            .send([headers(1, flag::END_HEADERS, request("POST", "/never", &[])), window(1, WINDOW_MAX)])
            .resets(flow)
            .send([settings(&[(INITIAL_WINDOW_SIZE, window_first)])])
            .ignored(),
        case("6.9.2", "a setting that takes a window above the largest")
            .send([never(), window(1, WINDOW_MAX - window_first), settings(&[(INITIAL_WINDOW_SIZE, 65_536)])])
            .breaks(flow),
        case("6.9.2", "the largest setting on top of an increment")
            .send([never(), window(1, 1), settings(&[(INITIAL_WINDOW_SIZE, WINDOW_MAX)])])
            .breaks(flow),
    ]
}

fn receiving() -> Vec<Case> {
    let frames = STREAM_WINDOW / FRAME;
    vec![
        case("6.9", "what was read is given back")
            .acknowledges()
            .send([upload(1, "/"), full(1, frames)])
            .want(Want::Window(1, u32::try_from(STREAM_WINDOW / 2).unwrap()))
            .send([data(1, 1, [])])
            .answers(200),
        case("6.9", "what was read is given back for the connection")
            .acknowledges()
            .send([upload(1, "/"), full(1, frames), upload(3, "/"), full(3, frames), upload(5, "/"), full(5, frames)])
            .want(Want::Window(0, u32::try_from(CONNECTION_WINDOW / 2).unwrap())),
        case("6.9", "what was thrown away is given back for the connection")
            .acknowledges()
            .send([get(1)])
            .answers(200)
            .send([full(1, CONNECTION_WINDOW / FRAME - 4)])
            .want(Want::Window(0, u32::try_from(CONNECTION_WINDOW / 2).unwrap()))
            .send([get(3)])
            .want(Want::Answer(3, 200)),
        case("6.9", "padding counts and is given back")
            .acknowledges()
            .send([upload(1, "/")])
            .send([data(1, flag::PADDED, [&[255][..], &[0; 255]].concat()).repeat(90)])
            .send([data(1, 1, "abc")])
            .answers(200),
        case("6.9.1", "a stream's window is there to its last octet")
            .acknowledges()
            .send([upload(1, "/"), full(1, frames - 1), data(1, flag::END_STREAM, [0; FRAME])])
            .answers(200),
        case("6.9.1", "more than a stream's window")
            .acknowledges()
            .send([upload(1, "/unread"), full(1, frames), data(1, 0, "x")])
            .resets(&[code::FLOW_CONTROL_ERROR]),
        case("6.9.1", "more than the connection's window")
            .acknowledges()
            .send([
                upload(1, "/unread"),
                full(1, frames),
                upload(3, "/unread"),
                full(3, frames),
                upload(5, "/unread"),
                full(5, frames),
                upload(7, "/unread"),
                full(7, frames),
                upload(9, "/unread"),
                full(9, frames),
                upload(11, "/unread"),
                full(11, frames),
                upload(13, "/unread"),
                full(13, frames),
                upload(15, "/unread"),
                full(15, frames),
            ])
            .breaks(&[code::FLOW_CONTROL_ERROR]),
    ]
}
