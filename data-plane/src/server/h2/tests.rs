//! The guard without sockets: where bytes are cut, what is marked, what takes too long, and what it costs in memory.

use super::frames::{Head, code, flag, goaway, kind, reset};
use super::guard::{Fault, Guard, Overdue};
use super::inbound::Inbound;
use crate::limits::{BODY_IDLE_TIMEOUT_MS, H2_FRAMES_ALLOWED, H2_IDLE_TIMEOUT_MS, H2_RESETS_ALLOWED};
use std::time::Duration;
use tokio::time::Instant;

/// What operators leave as it is.
const STALL: Duration = Duration::from_millis(BODY_IDLE_TIMEOUT_MS);
/// `host` without a value.
const MARK: u8 = 0xa6;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[length[1], length[2], length[3], kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

fn settings() -> Vec<u8> {
    frame(kind::SETTINGS, 0, 0, &[])
}

/// A guard behind the settings that come first.
fn guard(now: Instant) -> Guard {
    let mut guard = Guard::new(now, STALL);
    guard.received(head(kind::SETTINGS, 0, 0, 0)).unwrap();
    guard
}

fn head(kind: u8, flags: u8, stream: u32, length: u32) -> Head {
    Head { length, kind, flags, stream }
}

/// What the engine gets of bytes that come in pieces of this size, and what is wrong with them.
fn passed(raw: &[u8], size: usize) -> (Vec<u8>, Option<Fault>) {
    let (mut guard, mut inbound, mut out) = (Guard::new(Instant::now(), STALL), Inbound::before(3), Vec::new());
    let mut pieces = raw.chunks(size);
    loop {
        let piece = if inbound.is_over { Some(&[][..]) } else { pieces.next() };
        let Some(piece) = piece else { break };
        let mut bytes = [inbound.kept(), piece].concat();
        let count = inbound.pass(&mut guard, &mut bytes);
        let count = guard.passed(count);
        out.extend_from_slice(&bytes[..count]);
        if guard.fault.is_some() {
            break;
        }
    }
    assert!(guard.fault.is_some() || inbound.kept().is_empty(), "whole frames are not kept back");
    (out, guard.fault)
}

#[test]
fn trailers_are_marked_and_all_else_passes_as_it_came_wherever_it_is_cut() {
    let end = flag::END_STREAM | flag::END_HEADERS;
    let begun = [b"pre".to_vec(), settings(), frame(kind::HEADERS, flag::END_HEADERS, 1, b"fields")].concat();
    let body = frame(kind::DATA, 0, 1, b"a body");
    let behind = [frame(kind::PING, 0, 0, b"what is "), frame(kind::HEADERS, end, 3, b"behind")].concat();
    // The payload of trailers with these flags, and where the mark goes.
    for (flags, payload, at) in [
        (end, &b"fields"[..], 0),
        (end, b"", 0),
        (end, b"\x20fields", 1),
        (end, b"\x3f\xe1\x1ffields", 3),
        (end, b"\x20\x3f\xe1\x1f", 4),
        (end | flag::PADDED, b"\x02fields..", 1),
        (end | flag::PRIORITY, b"pppppfields", 5),
        (end | flag::PADDED | flag::PRIORITY, b"\x01ppppp\x21fields.", 7),
        (flag::END_STREAM, b"", 0),
    ] {
        let marked = [&payload[..at], &[MARK], &payload[at..]].concat();
        let last = if flags & flag::END_HEADERS == 0 { frame(kind::CONTINUATION, 4, 1, b"more") } else { Vec::new() };
        let around =
            |trailers: &[u8]| [&begun[..], &body, &frame(kind::HEADERS, flags, 1, trailers), &last, &behind].concat();
        let (raw, expected) = (around(payload), around(&marked));
        for size in 1..=raw.len() {
            assert_eq!(passed(&raw, size), (expected.clone(), None), "{payload:?} in pieces of {size}");
        }
    }
}

#[test]
fn what_stands_before_a_fault_passes_and_nothing_behind_it() {
    let before = [b"pre".to_vec(), settings(), frame(kind::PING, 0, 0, b"pingping")].concat();
    for (wrong, reason) in [
        (frame(kind::DATA, 0, 0, b"x"), "h2_protocol_error"),
        (frame(kind::PING, 0, 0, b"x"), "h2_frame_size_error"),
        (frame(kind::SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]), "h2_flow_control_error"),
        (frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4]), "h2_protocol_error"),
        (frame(kind::HEADERS, 4 | flag::PADDED, 1, b"\xffx"), "h2_protocol_error"),
    ] {
        let raw = [&before[..], &wrong, b"behind"].concat();
        for size in 1..=raw.len() {
            let (out, fault) = passed(&raw, size);
            assert_eq!(fault.map(|fault| fault.reason), Some(reason), "pieces of {size}");
            assert!(out.starts_with(&before) && out.len() < raw.len() - 6, "{out:?}");
        }
    }
}

#[test]
fn a_window_that_stays_closed_and_a_connection_that_stays_idle_are_overdue() {
    let begun = Instant::now();
    let (stall, idle) = (Duration::from_millis(BODY_IDLE_TIMEOUT_MS), Duration::from_millis(H2_IDLE_TIMEOUT_MS));
    let mut guard = guard(begun);
    assert_eq!(guard.overdue(begun + idle / 2), None);
    assert_eq!(guard.overdue(begun + idle), Some(Overdue::Idle));
    guard.received(head(kind::HEADERS, 5, 1, 10)).unwrap();
    assert_eq!(guard.overdue(begun + 10 * idle), None, "an upstream may take as long as it may");
    guard.sent(head(kind::HEADERS, 4, 1, 10), &[]);
    guard.sent(head(kind::DATA, 0, 1, 65_534), &[]);
    let later = Instant::now() + stall;
    assert_eq!(guard.overdue(later), None, "a byte is left");
    guard.sent(head(kind::DATA, 0, 1, 1), &[]);
    let closed = Instant::now();
    assert_eq!(guard.overdue(closed + stall / 2), None);
    assert!(guard.due <= closed + stall);
    assert_eq!(guard.overdue(closed + stall), Some(Overdue::Stalled(1)));
    guard.widened(1, 1).unwrap();
    assert_eq!(guard.overdue(closed + stall), Some(Overdue::Stalled(1)), "the connection's is closed as well");
    guard.widened(0, 1).unwrap();
    assert_eq!(guard.overdue(closed + stall), None);
    // Below nothing by a setting, and up again.
    guard.sent(head(kind::DATA, 0, 1, 1), &[]);
    guard.widened(0, 1_000).unwrap();
    guard.set(4, 0).unwrap();
    guard.widened(1, 65_534).unwrap();
    assert!(guard.overdue(Instant::now() + stall).is_some());
    guard.widened(1, 2).unwrap();
    assert_eq!(guard.overdue(Instant::now() + stall), None);
    guard.sent(head(kind::DATA, 1, 1, 1), &[]);
    assert_eq!(guard.streams.under_way(), 0, "both sides have ended");
    assert_eq!(guard.overdue(Instant::now() + idle), Some(Overdue::Idle));
}

#[test]
fn a_window_may_stay_closed_for_as_long_as_the_operator_says() {
    for limit in [STALL / 2, STALL * 10] {
        let mut guard = Guard::new(Instant::now(), limit);
        guard.received(head(kind::SETTINGS, 0, 0, 0)).unwrap();
        guard.received(head(kind::HEADERS, 5, 1, 10)).unwrap();
        guard.sent(head(kind::HEADERS, 4, 1, 10), &[]);
        let before = Instant::now();
        guard.sent(head(kind::DATA, 0, 1, 65_535), &[]);
        let closed = Instant::now();
        assert_eq!(guard.overdue(before + limit - Duration::from_millis(1)), None, "{limit:?}");
        assert_eq!(guard.overdue(closed + limit), Some(Overdue::Stalled(1)), "{limit:?}");
    }
}

#[test]
fn floods_end_and_what_goes_with_requests_does_not() {
    let mut guard = guard(Instant::now());
    let ping = head(kind::PING, 0, 0, 8);
    for at in 0..10_000 {
        let stream = 2 * at + 1;
        guard.received(head(kind::HEADERS, 5, stream, 10)).unwrap();
        (0..8).for_each(|_| assert!(guard.received(ping).is_ok()));
        guard.sent(head(kind::HEADERS, 4, stream, 10), &[]);
        guard.sent(head(kind::DATA, 1, stream, 0), &[]);
    }
    let pings = (0..).take_while(|_| guard.received(ping).is_ok()).count();
    assert!(pings as u32 <= H2_FRAMES_ALLOWED + 1_000, "{pings}");
    let given_up = (10_000..).take_while(|at| {
        let stream = 2 * at + 1;
        guard.received(head(kind::HEADERS, 5, stream, 10)).unwrap();
        guard.received(head(kind::RST_STREAM, 0, stream, 4)).is_ok()
    });
    let given_up = given_up.count();
    assert!(given_up as u32 <= H2_RESETS_ALLOWED + 100, "{given_up}");
}

#[test]
fn nothing_is_allocated_for_a_frame() {
    let mut guard = guard(Instant::now());
    let exchange = |guard: &mut Guard, streams: std::ops::Range<u32>| {
        let ids = streams.map(|at| 2 * at + 1);
        ids.clone().for_each(|id| assert!(guard.received(head(kind::HEADERS, 5, id, 10)).is_ok()));
        ids.clone().for_each(|id| guard.sent(head(kind::HEADERS, 4, id, 10), &[]));
        ids.for_each(|id| guard.sent(head(kind::DATA, 1, id, 0), &[]));
    };
    exchange(&mut guard, 0..100);
    let capacity = guard.streams.capacity();
    (1..1_000).for_each(|round| exchange(&mut guard, round * 100..round * 100 + 100));
    assert_eq!((guard.streams.capacity(), guard.streams.under_way()), (capacity, 0));
    // And nothing else of it is anywhere but in the connection's own memory.
    assert!(size_of::<Guard>() + size_of::<Inbound>() <= 512, "{}", size_of::<Guard>() + size_of::<Inbound>());
}

#[test]
fn frames_of_our_own_are_frames() {
    assert_eq!(reset(5, code::CANCEL).to_vec(), frame(kind::RST_STREAM, 0, 5, &[0, 0, 0, 8]));
    assert_eq!(goaway(7, 11).to_vec(), frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 11]));
}
