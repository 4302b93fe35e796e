//! Each type of frame by itself (RFC 9113 section 6 without flow control).

use crate::table::{Case, Want, case};
use harness::frames::{
    code, continuation, data, dependency, flag, frame, get, headers, kind, ping, priority, request, reset, settings,
};

/// A POST whose body follows.
fn post(stream: u32) -> Vec<u8> {
    headers(stream, flag::END_HEADERS, request("POST", "/", &[]))
}

/// So many octets of padding around a payload.
fn padded(padding: u8, payload: &[u8]) -> Vec<u8> {
    [&[padding][..], payload, &vec![0; usize::from(padding)]].concat()
}

pub(crate) fn cases() -> Vec<Case> {
    [data_cases(), headers_cases(), priority_cases(), reset_cases(), settings_cases(), push_ping(), continuations()]
        .into_iter()
        .flatten()
        .collect()
}

fn data_cases() -> Vec<Case> {
    let end = flag::PADDED | flag::END_STREAM;
    vec![
        case("6.1", "DATA on the connection").send([data(0, 0, "x")]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.1", "padding").send([post(1), data(1, end, padded(6, b"abc"))]).answers(200),
        case("6.1", "the most padding").send([post(1), data(1, end, padded(255, b"abc"))]).answers(200),
        case("6.1", "padding and nothing else").send([post(1), data(1, end, padded(7, b""))]).answers(200),
        case("6.1", "no padding but its length").send([post(1), data(1, end, padded(0, b"abc"))]).answers(200),
        case("6.1", "padding as long as the payload")
            .send([post(1), data(1, end, [5, 1, 2, 3, 4])])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("6.1", "padding longer than the payload")
            .send([post(1), data(1, end, b"\xffabc")])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("6.1", "padding without its length")
            .send([post(1), data(1, end, [])])
            .breaks(&[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR]),
        case("6.1", "an empty frame with END_STREAM")
            .send([post(1), data(1, 0, "abc"), data(1, flag::END_STREAM, [])])
            .answers(200),
        case("6.1", "a few empty frames")
            .send([post(1), data(1, 0, []), data(1, 0, []), data(1, flag::END_STREAM, "x")])
            .answers(200),
    ]
}

fn headers_cases() -> Vec<Case> {
    let block = request("GET", "/", &[]);
    let prioritized = |on| [dependency(on, 200), block.clone()].concat();
    let whole = flag::WHOLE;
    vec![
        case("6.2", "HEADERS on the connection").send([headers(0, whole, &block)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.2", "padding").send([headers(1, whole | flag::PADDED, padded(20, &block))]).answers(200),
        case("6.2", "padding longer than the payload")
            .send([headers(1, whole | flag::PADDED, [&[200][..], &block].concat())])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("6.2", "padding without its length")
            .send([headers(1, whole | flag::PADDED, [])])
            .breaks(&[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR]),
        case("6.2", "a priority").send([headers(1, whole | flag::PRIORITY, prioritized(0))]).answers(200),
        case("6.2", "an exclusive priority")
            .send([headers(1, whole | flag::PRIORITY, prioritized(0x8000_0000))])
            .answers(200),
        case("6.2", "padding and a priority")
            .send([headers(1, whole | flag::PADDED | flag::PRIORITY, padded(9, &prioritized(0)))])
            .answers(200),
        case("6.2", "a priority that does not fit")
            .send([headers(1, whole | flag::PRIORITY, [0, 0, 0])])
            .breaks(&[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR]),
        case("6.2", "padding that leaves no room for the priority")
            .send([headers(1, whole | flag::PADDED | flag::PRIORITY, [4, 0, 0, 0, 0, 1, 0, 0])])
            .breaks(&[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR]),
        // RFC 9113 deprecates priorities; RFC 7540 section 5.3.1 demanded a stream error.
        case("5.3.1", "HEADERS that depend on themselves")
            .send([headers(1, whole | flag::PRIORITY, prioritized(1))])
            .want(Want::StreamOr(1, &[code::PROTOCOL_ERROR], 200)),
    ]
}

fn priority_cases() -> Vec<Case> {
    vec![
        case("6.3", "PRIORITY on the connection").send([priority(0, 1)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.3", "PRIORITY too short")
            .send([get(1), frame(kind::PRIORITY, 0, 1, [0; 4])])
            .resets(&[code::FRAME_SIZE_ERROR]),
        case("6.3", "PRIORITY too long")
            .send([get(1), frame(kind::PRIORITY, 0, 1, [0; 6])])
            .resets(&[code::FRAME_SIZE_ERROR]),
        case("6.3", "PRIORITY of an idle stream").send([priority(1, 0), get(1)]).answers(200),
        case("6.3", "PRIORITY of a stream under way").send([post(1), priority(1, 0), data(1, 1, "abc")]).answers(200),
        case("6.3", "PRIORITY of a closed stream").send([get(1)]).answers(200).send([priority(1, 3)]).ignored(),
        case("6.3", "PRIORITY on a stream above").send([get(1), priority(7, 5)]).answers(200).ignored(),
        case("5.3.1", "PRIORITY that depends on itself").send([get(1), priority(1, 1)]).want(Want::StreamOr(
            1,
            &[code::PROTOCOL_ERROR],
            200,
        )),
    ]
}

fn reset_cases() -> Vec<Case> {
    let never = || headers(1, flag::WHOLE, request("GET", "/never", &[]));
    vec![
        case("6.4", "RST_STREAM on the connection").send([reset(0, code::CANCEL)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.4", "RST_STREAM of an idle stream").send([reset(1, code::CANCEL)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.4", "RST_STREAM too short")
            .send([never(), frame(kind::RST_STREAM, 0, 1, [0; 3])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("6.4", "RST_STREAM too long")
            .send([never(), frame(kind::RST_STREAM, 0, 1, [0; 5])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("6.4", "RST_STREAM of a request that waits").send([never(), reset(1, code::CANCEL)]).ignored(),
        case("6.4", "RST_STREAM of an upload").send([post(1), data(1, 0, "abc"), reset(1, code::CANCEL)]).ignored(),
        case("6.4", "RST_STREAM with an unknown code").send([never(), reset(1, 0xdead_beef)]).ignored(),
        case("6.4", "RST_STREAM twice").send([never(), reset(1, code::CANCEL), reset(1, code::CANCEL)]).ignored(),
    ]
}

fn settings_cases() -> Vec<Case> {
    let too_large = 1 << 31;
    vec![
        case("6.5", "an acknowledgement with a payload")
            .send([frame(kind::SETTINGS, flag::ACK, 0, [0; 6])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("6.5", "SETTINGS on a stream").send([frame(kind::SETTINGS, 0, 1, [])]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.5", "a length that is no multiple of six")
            .send([frame(kind::SETTINGS, 0, 0, [0, 3, 0])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
        case("6.5", "SETTINGS without a value").send([settings(&[])]).want(Want::SettingsAck),
        case("6.5.2", "ENABLE_PUSH of 0").send([settings(&[(2, 0)])]).want(Want::SettingsAck),
        case("6.5.2", "ENABLE_PUSH of 1").send([settings(&[(2, 1)])]).want(Want::SettingsAck),
        case("6.5.2", "ENABLE_PUSH of 2").send([settings(&[(2, 2)])]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.5.2", "the largest window").send([settings(&[(4, too_large - 1)])]).want(Want::SettingsAck),
        case("6.5.2", "a window above the largest")
            .send([settings(&[(4, too_large)])])
            .breaks(&[code::FLOW_CONTROL_ERROR]),
        case("6.5.2", "frames below the smallest").send([settings(&[(5, 16_383)])]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.5.2", "the smallest frames").send([settings(&[(5, 16_384)])]).want(Want::SettingsAck),
        case("6.5.2", "the largest frames").send([settings(&[(5, 16_777_215)])]).want(Want::SettingsAck),
        case("6.5.2", "frames above the largest").send([settings(&[(5, 16_777_216)])]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.5.2", "an unknown setting").send([settings(&[(0xff, 1), (0xffff, u32::MAX)]), get(1)]).answers(200),
        case("6.5.2", "a table of the largest size").send([settings(&[(1, u32::MAX)])]).want(Want::SettingsAck),
        case("6.5.2", "no pushed streams at all").send([settings(&[(3, 0)]), get(1)]).answers(200),
        case("6.5.2", "a header list of one octet").send([settings(&[(6, 1)]), get(1)]).answers(200),
        case("6.5.3", "a setting twice in a frame")
            .send([settings(&[(5, 20_000), (5, 16_384)])])
            .want(Want::SettingsAck),
        case("6.5.3", "values are taken in order")
            .settings(&[(4, 100), (4, 1)])
            .send([get(1)])
            .want(Want::Data(1, 1))
            .send([settings(&[(4, 3), (4, 10)])])
            .answers(200),
        case("6.5.3", "an acknowledgement that was not asked for")
            .send([frame(kind::SETTINGS, flag::ACK, 0, [])])
            .ignored(),
    ]
}

fn push_ping() -> Vec<Case> {
    let promise = |stream, promised: u32| {
        let block = [&promised.to_be_bytes()[..], &request("GET", "/", &[])].concat();
        frame(kind::PUSH_PROMISE, flag::END_HEADERS, stream, block)
    };
    vec![
        case("6.6", "PUSH_PROMISE of a client").send([post(1), promise(1, 3)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.6", "PUSH_PROMISE of an even stream").send([post(1), promise(1, 2)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.6", "PUSH_PROMISE on an idle stream").send([promise(1, 2)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.6", "PUSH_PROMISE on the connection").send([promise(0, 2)]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.7", "PING")
            .send([ping(b"\0\x01\x02\x03\xff\xfe\xfd\xfc")])
            .want(Want::Pong(*b"\0\x01\x02\x03\xff\xfe\xfd\xfc")),
        case("6.7", "PINGs are answered each")
            .send([ping(b"ping one"), ping(b"ping two")])
            .want(Want::Pong(*b"ping one"))
            .want(Want::Pong(*b"ping two")),
        case("6.7", "an answer that was not asked for").send([frame(kind::PING, flag::ACK, 0, b"nobody!!")]).ignored(),
        case("6.7", "PING on a stream").send([frame(kind::PING, 0, 1, [0; 8])]).breaks(&[code::PROTOCOL_ERROR]),
        case("6.7", "PING too short").send([frame(kind::PING, 0, 0, [0; 6])]).breaks(&[code::FRAME_SIZE_ERROR]),
        case("6.7", "PING too long").send([frame(kind::PING, 0, 0, [0; 9])]).breaks(&[code::FRAME_SIZE_ERROR]),
        case("6.7", "an answer to PING that is too short")
            .send([frame(kind::PING, flag::ACK, 0, [0; 7])])
            .breaks(&[code::FRAME_SIZE_ERROR]),
    ]
}

fn continuations() -> Vec<Case> {
    let block = request("GET", "/", &[]);
    let (first, rest) = block.split_at(9);
    let (second, third) = rest.split_at(9);
    vec![
        case("6.10", "several CONTINUATIONs")
            .send([
                headers(1, flag::END_STREAM, first),
                continuation(1, 0, second),
                continuation(1, flag::END_HEADERS, third),
            ])
            .answers(200),
        case("6.10", "an empty CONTINUATION among them")
            .send([
                headers(1, flag::END_STREAM, first),
                continuation(1, 0, []),
                continuation(1, flag::END_HEADERS, rest),
            ])
            .answers(200),
        case("6.10", "CONTINUATION behind a block that is complete")
            .send([get(1), continuation(1, flag::END_HEADERS, [])])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION behind a block of two frames")
            .send([
                headers(1, flag::END_STREAM, first),
                continuation(1, flag::END_HEADERS, rest),
                continuation(1, flag::END_HEADERS, []),
            ])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION first of all")
            .send([continuation(1, flag::END_HEADERS, &block)])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION behind DATA")
            .send([post(1), data(1, 0, "x"), continuation(1, flag::END_HEADERS, [])])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION on the connection")
            .send([headers(1, flag::END_STREAM, first), continuation(0, flag::END_HEADERS, rest)])
            .breaks(&[code::PROTOCOL_ERROR]),
        case("6.10", "END_STREAM of a CONTINUATION means nothing")
            .send([
                headers(1, 0, request("POST", "/", &[])),
                continuation(1, flag::END_HEADERS | flag::END_STREAM, []),
                data(1, flag::END_STREAM, "abc"),
            ])
            .answers(200),
        case("6.10", "trailers in two frames")
            .send([
                post(1),
                data(1, 0, "abc"),
                headers(1, flag::END_STREAM, []),
                continuation(1, flag::END_HEADERS, harness::frames::fields(&[("x-sum", "1")])),
            ])
            .answers(200),
    ]
}
