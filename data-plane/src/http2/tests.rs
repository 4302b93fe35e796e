//! Connections without sockets: what is read wherever it is cut, what is too much, and how an answer shares its connection.

use super::fault::Fault;
use super::frames::{HEAD_BYTES, Head, code, flag, kind, put_head, put_reset, put_settings, put_window};
use super::receiver::{Opened, Receiver};
use super::state::{Shared, State};
use super::{answer::Answer, exchange::Exchange};
use crate::limits::{H2_FRAMES_ALLOWED, H2_OUT_BYTES_MAX, H2_PIECE_BYTES, H2_RESETS_ALLOWED};
use crate::metrics::{Metrics, WorkerMetrics};
use crate::overload::Overload;
use crate::patience::BodyLimit;
use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

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
        assert_eq!(upload.asked.request.headers()["x"], "y");
        assert_eq!(upload.asked.request.uri(), "http://any/");
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

/// An answer of so many bytes, in pieces of a size.
struct Pieces {
    left: usize,
    size: usize,
    was_told: Rc<Cell<bool>>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        let bytes = self.left.min(self.size);
        self.left -= bytes;
        Poll::Ready((bytes > 0).then(|| Ok(Frame::data(vec![7; bytes].into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

impl Answer for Pieces {
    fn taken_slowly(&mut self) -> bool {
        self.was_told.set(true);
        true
    }
}

const LIMIT: BodyLimit = BodyLimit { idle: Duration::from_secs(60), rate_min: 240 };

fn answer(side: &Side, id: u32, bytes: usize, size: usize) -> (impl Future<Output = ()> + use<>, Rc<Cell<bool>>) {
    let metrics = WorkerMetrics::new(Arc::new(Metrics::new()), Arc::new(Overload::unlimited()));
    let (exchange, was_told) = (side.exchange(id), Rc::<Cell<bool>>::default());
    let body = Pieces { left: bytes, size, was_told: Rc::clone(&was_told) };
    (async move { exchange.answer(Response::new(body), LIMIT, &metrics).await }, was_told)
}

#[tokio::test]
async fn an_answer_at_hand_is_a_head_and_one_frame() {
    let mut side = Side::new();
    side.take(&[get(1), get(3)].concat()).unwrap();
    answer(&side, 1, 100, 100).0.await;
    answer(&side, 3, 0, 1).0.await;
    let said = side.said();
    let kinds: Vec<_> = said.iter().map(|(head, _)| (head.kind, head.stream, head.flags)).collect();
    let headers = |stream, flags| (kind::HEADERS, stream, flags);
    assert_eq!(kinds, [headers(1, 4), (kind::DATA, 1, flag::END_STREAM), headers(3, 5)]);
    assert_eq!(side.state.borrow().streams.under_way(), 0);
}

#[tokio::test]
async fn streams_share_a_connection_frame_by_frame() {
    let mut side = Side::new();
    side.take(&[settings(&[(4, 1 << 20)]), window(0, 1 << 24), get(1), get(3), get(5)].concat()).unwrap();
    side.said();
    let answers = [1, 3, 5].map(|id| answer(&side, id, 300_000, 200_000).0);
    let [one, two, three] = answers;
    let reading = async {
        let mut order = Vec::new();
        while side.state.borrow().streams.under_way() > 0 {
            tokio::task::yield_now().await;
            assert!(side.state.borrow().out.bytes() <= H2_OUT_BYTES_MAX + H2_PIECE_BYTES + 100);
            order.extend(side.said().iter().filter(|(head, _)| head.kind == kind::DATA).map(|(head, _)| head.stream));
        }
        order
    };
    let (order, ..) = tokio::join!(reading, one, two, three);
    // When the first of them is done, the others nearly are.
    let last = |id| order.iter().rposition(|&stream| stream == id).unwrap();
    let first = [1, 3, 5].map(last).into_iter().min().unwrap();
    for id in [1, 3, 5] {
        let sent = |until: usize| order[..until].iter().filter(|&&stream| stream == id).count();
        assert!(3 * sent(first) >= 2 * (sent(order.len()) - 4), "{id}: {order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up_and_one_that_takes_enough_is_not() {
    for (bytes, widened, every, is_given_up) in [
        (100 * H2_PIECE_BYTES, 0, 10, true),
        (100, 0, 10, true),
        (20 * H2_PIECE_BYTES, H2_PIECE_BYTES, 65, false),
        (20 * H2_PIECE_BYTES, H2_PIECE_BYTES, 140, true),
        (100_000, 2_500, 10, false),
        (100_000, 2_000, 10, true),
    ] {
        let mut side = Side::new();
        side.take(&[settings(&[(4, 0)]), window(0, 1 << 24), get(1)].concat()).unwrap();
        side.said();
        let (answering, was_told) = answer(&side, 1, bytes, 200_000);
        let begun = Instant::now();
        let taking = async {
            while side.state.borrow().streams.under_way() > 0 && begun.elapsed().as_secs() < 86_400 {
                tokio::time::sleep(Duration::from_secs(every)).await;
                if widened > 0 && side.state.borrow().streams.under_way() > 0 {
                    side.take(&window(1, widened as u32)).unwrap();
                }
                tokio::task::yield_now().await;
                side.said();
            }
        };
        tokio::join!(answering, taking);
        assert_eq!(was_told.get(), is_given_up, "{bytes} bytes, {widened} every {every} s");
        let least = if is_given_up { 60 } else { bytes as u64 / 16_384 };
        assert!(begun.elapsed().as_secs() >= least);
    }
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

#[tokio::test]
async fn a_head_larger_than_a_frame_goes_out_in_several() {
    let mut side = Side::new();
    side.take(&get(1)).unwrap();
    let metrics = WorkerMetrics::new(Arc::new(Metrics::new()), Arc::new(Overload::unlimited()));
    let body = Pieces { left: 0, size: 1, was_told: Rc::default() };
    let response = Response::builder().header("x-large", "y".repeat(40_000)).body(body).unwrap();
    side.exchange(1).answer(response, LIMIT, &metrics).await;
    let said = side.said();
    let kinds: Vec<_> = said.iter().map(|(head, _)| (head.kind, head.flags)).collect();
    let behind = |flags| (kind::CONTINUATION, flags);
    assert_eq!(kinds, [(kind::HEADERS, flag::END_STREAM), behind(0), behind(flag::END_HEADERS)]);
    let block: Vec<u8> = said.into_iter().flat_map(|(_, payload)| payload).collect();
    let mut names = Vec::new();
    let decoded = super::hpack::Decoder::default().decode(&block, |field| names.push(field.name()));
    assert_eq!((decoded, names.len()), (Ok(true), 3), "a status, the header and the date");
}
