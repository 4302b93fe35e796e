//! Connections without sockets: what is read wherever it is cut, what is too much, and how an answer shares its connection.

use super::exchange::Exchange;
use super::fault::Fault;
use super::frames::{HEAD_BYTES, Head, code, flag, kind, put_head, put_reset, put_settings, put_window};
use super::receiver::{Opened, Receiver};
use super::state::{Shared, State};
use crate::limits::{H2_EMPTY_FRAMES_MAX, H2_FRAMES_ALLOWED, H2_RESETS_ALLOWED};
use crate::message::Response;
use futures_util::FutureExt as _;
use http_body::Body;
use http_body_util::BodyExt as _;
use std::cell::RefCell;
use std::rc::Rc;
use tokio::time::Instant;

mod answers;

/// GET, http, `/`, and an authority.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 3, b'a', b'n', b'y'];
const POST: &[u8] = &[0x83, 0x86, 0x84, 0x01, 3, b'a', b'n', b'y'];
const WHOLE: u8 = flag::END_STREAM | flag::END_HEADERS;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_head(&mut bytes, payload.len(), kind, flags, stream);
    bytes.extend_from_slice(payload);
    bytes
}

fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_settings(&mut bytes, pairs);
    bytes
}

fn window(stream: u32, bytes: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    put_window(&mut frame, stream, bytes);
    frame
}

fn get(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, WHOLE, stream, GET)
}

/// One connection.
struct Side {
    state: Shared,
    receiver: Receiver,
    unread: Vec<u8>,
}

impl Side {
    /// Behind the settings that come first.
    fn new() -> Self {
        let mut side = Self::bare();
        assert!(side.take(&settings(&[])).unwrap().is_empty());
        side.said();
        side
    }

    fn bare() -> Self {
        let state = Rc::new(RefCell::new(State::new(Instant::now())));
        Self { state, receiver: Receiver::default(), unread: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Vec<Opened>, Fault> {
        self.unread.extend_from_slice(bytes);
        let mut opened = Vec::new();
        let bytes = std::mem::take(&mut self.unread);
        let read = self.receiver.read(&self.state, &bytes, |request| opened.push(request))?;
        self.unread.extend_from_slice(&bytes[read..]);
        Ok(opened)
    }

    /// The frames that were said since it was asked last.
    fn said(&self) -> Vec<(Head, Vec<u8>)> {
        let bytes = self.state.borrow_mut().out.take();
        self.state.borrow_mut().grant();
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while let Some((first, behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
            let head = Head::of(*first);
            let (payload, behind) = behind.split_at(head.length as usize);
            frames.push((head, payload.to_vec()));
            rest = behind;
        }
        assert!(rest.is_empty());
        frames
    }

    fn exchange(&self, id: u32) -> Exchange {
        Exchange::of(&self.state, id)
    }
}

/// What was said, in short: types, streams and lengths.
fn short(frames: &[(Head, Vec<u8>)]) -> Vec<(u8, u32, u32)> {
    frames.iter().map(|(head, _)| (head.kind, head.stream, head.length)).collect()
}

#[tokio::test]
async fn requests_and_bodies_are_the_same_wherever_their_bytes_are_cut() {
    let padded = [&[3][..], &[0, 0, 0, 0, 9], POST, &[0, 0, 0]].concat();
    let bytes = [
        settings(&[(4, 100)]),
        get(1),
        frame(kind::HEADERS, flag::PADDED | flag::PRIORITY, 3, &padded),
        frame(kind::CONTINUATION, 0, 3, &[0x00, 1, b'x']),
        frame(kind::CONTINUATION, flag::END_HEADERS, 3, &[1, b'y']),
        frame(kind::DATA, 0, 3, b"a bo"),
        frame(0x42, 0xff, 3, b"unknown"),
        frame(kind::DATA, flag::PADDED, 3, b"\x02dy.."),
        frame(kind::HEADERS, WHOLE, 3, &[0x00, 1, b't', 1, b'u']),
        get(5),
    ]
    .concat();
    for size in 1..=bytes.len() {
        let mut side = Side::bare();
        let mut opened = Vec::new();
        for piece in bytes.chunks(size) {
            opened.extend(side.take(piece).unwrap());
        }
        assert!(side.unread.is_empty());
        assert_eq!(opened.iter().map(|request| request.id).collect::<Vec<_>>(), [1, 3, 5], "pieces of {size}");
        let upload = opened.remove(1);
        assert_eq!(upload.asked.head.headers.get("x").unwrap(), "y");
        assert_eq!(upload.asked.head.uri, "http://any/");
        let collected = upload.body.collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["t"], "u");
        assert_eq!(collected.to_bytes(), "a body", "pieces of {size}");
        assert!(opened.iter().all(|request| request.body.is_end_stream()));
    }
}

#[test]
fn what_stands_before_a_fault_is_heard_and_nothing_behind_it() {
    for (wrong, reason) in [
        (frame(kind::DATA, 0, 0, b"x"), "h2_protocol_error"),
        (frame(kind::PING, 0, 0, b"x"), "h2_frame_size_error"),
        (settings(&[(4, 1 << 31)]), "h2_flow_control_error"),
        (window(0, 0), "h2_protocol_error"),
        (frame(kind::HEADERS, 4 | flag::PADDED, 1, b"\xffx"), "h2_protocol_error"),
        (frame(kind::HEADERS, 5, 1, &[0xff; 8]), "h2_compression_error"),
    ] {
        let raw = [&frame(kind::PING, 0, 0, b"pingping")[..], &wrong, &get(1)].concat();
        for size in 1..=raw.len() {
            let mut side = Side::new();
            let fault = raw.chunks(size).find_map(|piece| match side.take(piece) {
                Ok(opened) => {
                    assert!(opened.is_empty());
                    None
                }
                Err(fault) => Some(fault),
            });
            assert_eq!(fault.map(|fault| fault.reason), Some(reason), "pieces of {size}");
            assert_eq!(short(&side.said()), [(kind::PING, 0, 8)]);
        }
    }
}

#[test]
fn floods_end_and_what_goes_with_requests_does_not() {
    let mut side = Side::new();
    let ping = frame(kind::PING, 0, 0, b"pingping");
    for at in 0..10_000 {
        let stream = 2 * at + 1;
        side.take(&get(stream)).unwrap();
        (0..8).for_each(|_| assert!(side.take(&ping).is_ok()));
        side.state.borrow_mut().answered(stream);
        side.said();
    }
    let pings = (0..).take_while(|_| side.take(&ping).is_ok()).count();
    assert!(pings as u32 <= H2_FRAMES_ALLOWED + 1_000, "{pings}");
    let given_up = (10_000..).take_while(|at| {
        let stream = 2 * at + 1;
        side.take(&get(stream)).unwrap();
        let mut reset = Vec::new();
        put_reset(&mut reset, stream, code::CANCEL);
        side.take(&reset).is_ok()
    });
    let given_up = given_up.count();
    assert!(given_up as u32 <= H2_RESETS_ALLOWED + 100, "{given_up}");
}

#[test]
fn nothing_is_kept_of_what_is_over() {
    let mut side = Side::new();
    let exchange = |side: &mut Side, streams: std::ops::Range<u32>| {
        let ids = streams.map(|at| 2 * at + 1);
        ids.clone().for_each(|id| assert_eq!(side.take(&get(id)).unwrap().len(), 1));
        ids.for_each(|id| side.state.borrow_mut().answered(id));
    };
    exchange(&mut side, 0..100);
    let capacity = side.state.borrow().streams.capacity();
    (1..1_000).for_each(|round| exchange(&mut side, round * 100..round * 100 + 100));
    let state = side.state.borrow();
    assert_eq!((state.streams.capacity(), state.streams.under_way()), (capacity, 0));
    assert!(state.idle_since.is_some());
    assert!(size_of::<State>() + size_of::<Receiver>() <= 768, "{}", size_of::<State>() + size_of::<Receiver>());
}

#[tokio::test]
async fn a_body_that_nobody_wants_is_thrown_away_and_given_back() {
    let mut side = Side::new();
    let mut opened = side.take(&frame(kind::HEADERS, flag::END_HEADERS, 1, POST)).unwrap();
    side.take(&frame(kind::DATA, 0, 1, &[0; 16_384])).unwrap();
    drop(opened.pop());
    for _ in 0..40 {
        // The stream's own window ends what comes to nobody.
        let taken = side.take(&frame(kind::DATA, 0, 1, &[0; 16_384]));
        assert!(taken.is_ok());
    }
    let said = side.said();
    let resets = said.iter().filter(|(head, _)| head.kind == kind::RST_STREAM).count();
    let given_back = said.iter().filter(|(head, _)| head.kind == kind::WINDOW_UPDATE && head.stream == 0).count();
    assert_eq!((resets, given_back), (1, 1), "{:?}", short(&said));
}

#[tokio::test]
async fn what_is_dropped_in_the_middle_is_reset() {
    let mut side = Side::new();
    side.take(&get(1)).unwrap();
    drop(side.exchange(1));
    let said = side.said();
    assert_eq!(short(&said), [(kind::RST_STREAM, 1, 4)]);
    assert_eq!(said[0].1, [0, 0, 0, code::INTERNAL_ERROR as u8]);
    assert!(side.state.borrow().idle_since.is_some());
}

/// A POST whose client waits to be asked for the body.
fn expecting(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS, stream, &[POST, b"\x0f\x14\x0c100-continue"].concat())
}

#[tokio::test]
async fn a_body_that_waits_to_be_asked_for_is_asked_for_once_when_somebody_reads_it() {
    let asked = |side: &Side| short(&side.said()).into_iter().filter(|(kind, ..)| *kind == kind::HEADERS).count();
    let polled = |body: &mut super::body::Http2Body| body.frame().now_or_never().is_some();
    let mut side = Side::new();
    let mut body = side.take(&expecting(1)).unwrap().remove(0).body;
    assert_eq!(asked(&side), 0, "nobody reads it yet");
    assert!(!polled(&mut body));
    let said = side.said();
    assert_eq!((said[0].0.kind, said[0].0.flags), (kind::HEADERS, flag::END_HEADERS), "{said:?}");
    assert!(!polled(&mut body));
    assert_eq!(asked(&side), 0, "once is enough");
    // Whoever has not waited is not asked, and neither is whoever has an answer already or is reset.
    let mut body = side.take(&[expecting(3), frame(kind::DATA, 0, 3, b"x")].concat()).unwrap().remove(0).body;
    assert!(polled(&mut body) && !polled(&mut body));
    assert_eq!(asked(&side), 0);
    let mut body = side.take(&expecting(5)).unwrap().remove(0).body;
    side.state.borrow_mut().send_head(5, &Response::from(http::Response::new(())).head, None, false);
    assert!(!polled(&mut body));
    assert_eq!(asked(&side), 1, "the answer's own");
    let mut body = side.take(&expecting(7)).unwrap().remove(0).body;
    drop(side.exchange(7));
    assert!(polled(&mut body), "it is broken");
    assert_eq!(asked(&side), 0);
}

#[test]
fn empty_frames_count_only_one_behind_the_other() {
    let mut side = Side::new();
    for at in 0..3 * H2_EMPTY_FRAMES_MAX {
        let stream = 2 * at + 1;
        let head = frame(kind::HEADERS, flag::END_HEADERS, stream, POST);
        let empty = frame(kind::DATA, 0, stream, b"");
        let last = frame(kind::DATA, flag::END_STREAM, stream, if at % 2 == 0 { b"x" } else { b"" });
        side.take(&[head, empty, last].concat()).unwrap();
        side.state.borrow_mut().answered(stream);
    }
    side.take(&frame(kind::HEADERS, flag::END_HEADERS, 2_001, POST)).unwrap();
    let empty = frame(kind::DATA, 0, 2_001, b"");
    let taken = (0..).take_while(|_| side.take(&empty).is_ok()).count();
    assert_eq!(taken as u32, H2_EMPTY_FRAMES_MAX);
}

#[test]
fn fields_for_what_was_reset_are_a_flood_like_any_other() {
    let mut side = Side::new();
    side.take(&frame(kind::HEADERS, flag::END_HEADERS, 1, POST)).unwrap();
    drop(side.exchange(1));
    let trailers = frame(kind::HEADERS, flag::END_HEADERS, 1, &[0x00, 1, b't', 1, b'u']);
    let fault = (0..2 * H2_FRAMES_ALLOWED).find_map(|_| side.take(&trailers).err());
    assert_eq!(fault, Some(Fault::FRAME_FLOOD));
}

#[test]
fn windows_that_are_set_twice_in_a_frame_end_as_the_last_and_may_not_be_too_large_between() {
    let mut side = Side::new();
    side.take(&get(1)).unwrap();
    side.take(&settings(&[(4, 200_000), (4, 7), (4, 70_000), (4, 100)])).unwrap();
    assert_eq!(side.state.borrow().streams.get(1).unwrap().window, 100);
    side.take(&window(1, (1 << 31) - 1 - 200)).unwrap();
    side.take(&settings(&[(4, 200)])).unwrap();
    let fault = side.take(&settings(&[(4, 0), (4, 202), (4, 0)])).err();
    assert_eq!(fault, Some(Fault::FLOW_CONTROL));
}
