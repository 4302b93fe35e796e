//! How answers share a connection, and who does not take them.

use super::*;
use crate::http2::answer::Answer;
use crate::http2::streams::Turn;
use crate::limits::{H2_OUT_BYTES_MAX, H2_PIECE_BYTES};
use crate::metrics::{Metrics, WorkerMetrics};
use crate::overload::Overload;
use crate::patience::BodyLimit;
use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

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
    (async move { exchange.answer(Response::new(body).into(), LIMIT, &metrics).await }, was_told)
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
async fn a_head_larger_than_a_frame_goes_out_in_several() {
    let mut side = Side::new();
    side.take(&get(1)).unwrap();
    let metrics = WorkerMetrics::new(Arc::new(Metrics::new()), Arc::new(Overload::unlimited()));
    let body = Pieces { left: 0, size: 1, was_told: Rc::default() };
    let response = Response::builder().header("x-large", "y".repeat(40_000)).body(body).unwrap();
    side.exchange(1).answer(response.into(), LIMIT, &metrics).await;
    let said = side.said();
    let kinds: Vec<_> = said.iter().map(|(head, _)| (head.kind, head.flags)).collect();
    let behind = |flags| (kind::CONTINUATION, flags);
    assert_eq!(kinds, [(kind::HEADERS, flag::END_STREAM), behind(0), behind(flag::END_HEADERS)]);
    let block: Vec<u8> = said.into_iter().flat_map(|(_, payload)| payload).collect();
    let mut names = Vec::new();
    let decoded = crate::http2::hpack::Decoder::default().decode(&block, |field| names.push(field.name()));
    assert_eq!((decoded, names.len()), (Ok(true), 3), "a status, the header and the date");
}

#[tokio::test]
async fn a_head_that_goes_on_without_its_turn_leaves_the_turn_to_others() {
    let mut side = Side::new();
    let waiting = 0..20_u32;
    waiting.clone().for_each(|at| assert_eq!(side.take(&get(2 * at + 1)).unwrap().len(), 1));
    let state = &mut *side.state.borrow_mut();
    let cx = &Context::from_waker(Waker::noop());
    state.out.tail().resize(H2_OUT_BYTES_MAX, 0);
    for at in waiting.clone() {
        assert!(state.poll_room(2 * at + 1, 0, cx).is_pending());
    }
    // There is room again, and all of them are woken because the client has changed their windows, before it is anybody's turn.
    state.out.take();
    state.first_window(100_000).unwrap();
    for at in waiting {
        assert_eq!(state.poll_room(2 * at + 1, 0, cx), Poll::Ready(Some(0)));
    }
    state.grant();
    assert!(state.queue.is_empty() && state.granted == 0, "{:?}, {}", state.queue, state.granted);
    assert_eq!(state.poll_room(1, 100, cx), Poll::Ready(Some(100)));
    assert_eq!(state.streams.get(1).unwrap().turn, Turn::Free);
}
