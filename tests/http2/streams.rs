//! What may come in each state of a stream, stream identifiers, and how many there may be (RFC 9113 section 5.1).

use crate::table::{Case, Want, case};
use harness::frames::{code, continuation, data, fields, flag, get, headers, priority, request, reset, window};

/// The proxy's own limit.
const STREAMS_MAX: u32 = 128;

fn post(stream: u32) -> Vec<u8> {
    headers(stream, flag::END_HEADERS, request("POST", "/", &[]))
}

/// A request that stays half-closed.
fn never(stream: u32) -> Vec<u8> {
    headers(stream, flag::WHOLE, request("GET", "/never", &[]))
}

fn trailers(stream: u32) -> Vec<u8> {
    headers(stream, flag::WHOLE, fields(&[("x-sum", "1")]))
}

pub(crate) fn cases() -> Vec<Case> {
    [idle(), half_closed(), closed_by_client(), closed_by_both(), identifiers(), concurrency()]
        .into_iter()
        .flatten()
        .collect()
}

fn idle() -> Vec<Case> {
    vec![
        case("5.1", "idle: DATA").send([data(1, flag::END_STREAM, "x")]).breaks(&[code::PROTOCOL_ERROR]),
        case("5.1", "idle: RST_STREAM").send([reset(1, code::CANCEL)]).breaks(&[code::PROTOCOL_ERROR]),
        case("5.1", "idle: WINDOW_UPDATE").send([window(1, 100)]).breaks(&[code::PROTOCOL_ERROR]),
        case("5.1", "idle: CONTINUATION")
            .send([continuation(1, flag::END_HEADERS, request("GET", "/", &[]))])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("5.1", "idle: PRIORITY").send([priority(1, 0)]).ignored(),
        case("5.1", "idle, above one that is open: DATA")
            .send([never(1), data(3, 0, "x")])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("5.1", "idle, above one that is open: WINDOW_UPDATE")
            .send([never(1), window(3, 1)])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("5.1", "idle, the server's: DATA").send([data(2, 0, "x")]).breaks(&[code::PROTOCOL_ERROR]),
        case("5.1", "idle, the server's: RST_STREAM").send([reset(2, code::CANCEL)]).breaks(&[code::PROTOCOL_ERROR]),
        case("5.1", "idle, the server's: WINDOW_UPDATE").send([window(2, 1)]).breaks(&[code::PROTOCOL_ERROR]),
    ]
}

fn half_closed() -> Vec<Case> {
    let closed = &[code::STREAM_CLOSED];
    vec![
        case("5.1", "half-closed: DATA").send([never(1), data(1, flag::END_STREAM, "x")]).resets(closed),
        case("5.1", "half-closed: empty DATA").send([never(1), data(1, flag::END_STREAM, [])]).resets(closed),
        case("5.1", "half-closed: HEADERS").send([never(1), trailers(1)]).resets(closed),
        case("5.1", "half-closed: HEADERS of another request").send([never(1), get(1)]).resets(closed),
        case("5.1", "half-closed: CONTINUATION")
            .send([never(1), continuation(1, flag::END_HEADERS, [])])
            .breaks(&[code::PROTOCOL_ERROR, code::STREAM_CLOSED]),
        case("5.1", "half-closed: WINDOW_UPDATE").send([get(1), window(1, 100)]).answers(200),
        case("5.1", "half-closed: PRIORITY").send([get(1), priority(1, 0)]).answers(200),
        case("5.1", "half-closed: RST_STREAM").send([never(1), reset(1, code::CANCEL)]).ignored(),
        case("5.1", "half-closed by DATA: DATA")
            .send([
                headers(1, flag::END_HEADERS, request("POST", "/never", &[])),
                data(1, flag::END_STREAM, "x"),
                data(1, 0, "y"),
            ])
            .resets(closed),
        case("5.1", "half-closed by trailers: DATA")
            .send([headers(1, flag::END_HEADERS, request("POST", "/never", &[])), trailers(1), data(1, 0, "y")])
            .resets(closed),
    ]
}

fn closed_by_client() -> Vec<Case> {
    let closed = &[code::STREAM_CLOSED];
    let given_up = || [never(1), reset(1, code::CANCEL)].concat();
    vec![
        case("5.1", "closed by RST_STREAM: DATA").send([given_up(), data(1, flag::END_STREAM, "x")]).resets(closed),
        case("5.1", "closed by RST_STREAM: HEADERS").send([given_up(), get(1)]).resets(closed),
        case("5.1", "closed by RST_STREAM: CONTINUATION")
            .send([given_up(), continuation(1, flag::END_HEADERS, [])])
            .breaks(&[code::STREAM_CLOSED, code::PROTOCOL_ERROR]),
        case("5.1", "closed by RST_STREAM: WINDOW_UPDATE").send([given_up(), window(1, 1)]).ignored(),
        case("5.1", "closed by RST_STREAM: PRIORITY").send([given_up(), priority(1, 0)]).ignored(),
        case("5.1", "an upload that was given up: DATA")
            .send([post(1), data(1, 0, "abc"), reset(1, code::CANCEL), data(1, flag::END_STREAM, "x")])
            .resets(closed),
        case("5.1", "an upload that was given up: trailers")
            .send([post(1), data(1, 0, "abc"), reset(1, code::CANCEL), trailers(1)])
            .resets(closed),
    ]
}

fn closed_by_both() -> Vec<Case> {
    let closed = &[code::STREAM_CLOSED];
    let done = |name| case("5.1", name).send([get(1)]).answers(200);
    vec![
        done("closed: DATA").send([data(1, flag::END_STREAM, "x")]).resets(closed),
        done("closed: empty DATA").send([data(1, 0, [])]).resets(closed),
        done("closed: HEADERS").send([get(1)]).breaks(&[code::STREAM_CLOSED, code::PROTOCOL_ERROR]),
        done("closed: trailers").send([trailers(1)]).breaks(&[code::STREAM_CLOSED, code::PROTOCOL_ERROR]),
        done("closed: CONTINUATION")
            .send([continuation(1, flag::END_HEADERS, [])])
            .breaks(&[code::STREAM_CLOSED, code::PROTOCOL_ERROR]),
        done("closed: WINDOW_UPDATE").send([window(1, 100)]).ignored(),
        done("closed: RST_STREAM").send([reset(1, code::CANCEL)]).ignored(),
        done("closed: PRIORITY").send([priority(1, 0)]).ignored(),
        case("5.1", "closed implicitly, because a higher one was opened: DATA")
            .send([get(5)])
            .want(Want::Answer(5, 200))
            .send([data(3, 0, "x")])
            .want(Want::Stream(3, &[code::STREAM_CLOSED, code::PROTOCOL_ERROR])),
        case("5.1", "closed implicitly: WINDOW_UPDATE")
            .send([get(5)])
            .want(Want::Answer(5, 200))
            .send([window(3, 1)])
            .ignored(),
        case("5.1", "closed implicitly: RST_STREAM")
            .send([get(5)])
            .want(Want::Answer(5, 200))
            .send([reset(3, code::CANCEL)])
            .ignored(),
    ]
}

fn identifiers() -> Vec<Case> {
    vec![
        case("5.1.1", "an even identifier").send([get(2)]).breaks(&[code::PROTOCOL_ERROR]),
        case("5.1.1", "a decreasing identifier").send([get(5), get(3)]).breaks(&[code::PROTOCOL_ERROR]),
        case("5.1.1", "a decreasing identifier behind an answer")
            .send([get(5)])
            .want(Want::Answer(5, 200))
            .send([get(1)])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("5.1.1", "the same identifier again")
            .send([get(1)])
            .answers(200)
            .send([get(1)])
            .breaks(&[code::PROTOCOL_ERROR, code::STREAM_CLOSED]),
        case("5.1.1", "identifiers with gaps")
            .send([get(1), get(9), get(101)])
            .answers(200)
            .want(Want::Answer(9, 200))
            .want(Want::Answer(101, 200)),
        case("5.1.1", "a decreasing identifier behind a request that was malformed")
            .send([headers(5, flag::WHOLE, request("GET", "", &[]))])
            .want(Want::StreamOr(5, &[code::PROTOCOL_ERROR], 400))
            .send([get(3)])
            .breaks(&[code::PROTOCOL_ERROR]),
    ]
}

fn concurrency() -> Vec<Case> {
    let many = |count: u32| (0..count).flat_map(|at| never(2 * at + 1)).collect::<Vec<u8>>();
    let next = 2 * STREAMS_MAX + 1;
    let refused = &[code::REFUSED_STREAM, code::PROTOCOL_ERROR];
    vec![
        case("5.1.2", "one stream too many")
            .send([many(STREAMS_MAX + 1)])
            .want(Want::Stream(next, refused))
            .send([reset(1, code::CANCEL)])
            .ignored(),
        case("5.1.2", "as many as there may be, and one behind one that has ended")
            .send([many(STREAMS_MAX), reset(1, code::CANCEL), get(next)])
            .want(Want::Answer(next, 200))
            .send([reset(3, code::CANCEL), reset(5, code::CANCEL)]),
        case("5.1.2", "the fields of a refused stream are decompressed")
            .send([many(STREAMS_MAX), headers(next, flag::WHOLE, indexed())])
            .want(Want::Stream(next, refused))
            .send([reset(1, code::CANCEL), reset(3, code::CANCEL)])
            .ignored()
            .send([headers(next + 2, flag::WHOLE, [&request("GET", "/", &[])[..], &[0xbe]].concat())])
            .want(Want::Answer(next + 2, 200)),
    ]
}

/// A request with a field that goes into the table.
fn indexed() -> Vec<u8> {
    let mut block = request("GET", "/", &[]);
    block.push(0x40);
    harness::frames::string(&mut block, b"x-kept");
    harness::frames::string(&mut block, b"value");
    block
}
