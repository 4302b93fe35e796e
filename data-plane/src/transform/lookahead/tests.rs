//! A body that was looked into is the same body.

use super::super::decode::Decode;
use super::super::testing::*;
use super::*;
use crate::limits::DECODE_LOOKAHEAD_BYTES;
use proptest::prelude::*;

const KIB: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(1);

fn budget() -> CollectBudget {
    CollectBudget::new(1024 * KIB)
}

proptest! {
    #[test]
    fn any_split_goes_on_unchanged(
        bytes in prop::collection::vec(any::<u8>(), 0..20_000),
        (cuts, pauses) in splits(),
        bytes_max in 0..25_000_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let budget = budget();
        for script in [Script::sized, Script::unsized_of] as [fn(Vec<Act>) -> Script; 2] {
            let body = script(acts(&bytes, &cuts, &pauses));
            let ahead = runtime.block_on(look_ahead(body, bytes_max, PATIENCE, &budget)).expect("nothing is wrong");
            prop_assert!(ahead.held_bytes() >= bytes_max.min(bytes.len()));
            prop_assert!(ahead.held_bytes() <= budget.in_use_bytes());
            prop_assert_eq!(ahead.first_bytes(), &bytes[..ahead.held_bytes()]);
            if bytes_max > bytes.len() {
                prop_assert!(ahead.is_whole());
            }
            if ahead.is_whole() {
                prop_assert_eq!(ahead.size_hint().exact(), Some(bytes.len() as u64));
            }
            prop_assert_eq!(runtime.block_on(read(ahead)).result(), Ok(bytes.clone()));
            prop_assert_eq!(budget.in_use_bytes(), 0);
        }
    }
}

#[tokio::test]
async fn large_bodies_are_held_in_blocks_that_are_given_back_one_by_one() {
    let budget = budget();
    let bytes: Vec<u8> = (0..300 * KIB).map(|at| (at % 251) as u8).collect();
    let mut ahead = look_ahead(Script::whole(&bytes), KIB, PATIENCE, &budget).await.expect("nothing is wrong");
    assert_eq!((ahead.held_bytes(), ahead.first_bytes().len()), (300 * KIB, LOOK_AHEAD_BLOCK_BYTES));
    let mut seen = Vec::new();
    let mut held = budget.in_use_bytes();
    assert!(held >= 300 * KIB);
    while let Some(frame) = ahead.frame().await {
        seen.extend_from_slice(&frame.expect("nothing fails").into_data().expect("it is data"));
        assert!(budget.in_use_bytes() < held);
        held = budget.in_use_bytes();
    }
    assert_eq!((seen, held), (bytes, 0));
}

#[tokio::test]
async fn many_small_frames_cost_no_more_than_their_bytes() {
    let budget = budget();
    let frames = (0..50 * KIB).map(|_| Act::Data("a".into()));
    let ahead = look_ahead(Script::unsized_of(frames), 100 * KIB, PATIENCE, &budget).await.expect("nothing is wrong");
    assert_eq!((ahead.held_bytes(), ahead.blocks.len()), (50 * KIB, 1));
    assert!(budget.in_use_bytes() <= LOOK_AHEAD_BLOCK_BYTES);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_goes_on_as_it_comes() {
    let began = Instant::now();
    let acts = [Act::Data("a".into()), Act::Stall];
    let mut ahead = look_ahead(Script::unsized_of(acts), 100, PATIENCE, &budget()).await.expect("nothing is wrong");
    assert_eq!((began.elapsed(), ahead.is_whole(), ahead.first_bytes()), (PATIENCE, false, &b"a"[..]));
    let first = ahead.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
    assert_eq!(first.as_deref(), Some(&b"a"[..]));
    assert!(timeout_at(Instant::now() + PATIENCE, ahead.frame()).await.is_err(), "the rest stalls");
}

#[tokio::test]
async fn a_failure_shows_at_once_or_when_it_is_reached() {
    let text = Bytes::from_static(b"QUJDQUJD");
    let acts = || [Act::Data(text.clone()), Act::Data("!!!!".into())];
    let seen = look_ahead(Decode::new(Script::unsized_of(acts())), 7, PATIENCE, &budget()).await;
    assert_eq!(seen.err(), Some(CollectError::Body(BodyError::Base64)));
    let beyond = look_ahead(Decode::new(Script::unsized_of(acts())), 6, PATIENCE, &budget()).await;
    let outcome = read(beyond.expect("nothing is wrong so far")).await;
    assert_eq!((outcome.bytes(), outcome.error), (b"ABCABC".to_vec(), Some(BodyError::Base64)));
}

#[tokio::test]
async fn the_size_of_a_small_converted_body_is_known() {
    let decode = Decode::new(Script::whole(b"QUJDRA=="));
    assert_eq!(decode.size_hint().exact(), None);
    let ahead = look_ahead(decode, 100, PATIENCE, &budget()).await.expect("nothing is wrong");
    assert_eq!((ahead.is_whole(), ahead.size_hint().exact()), (true, Some(4)));
}

#[tokio::test]
async fn trailers_come_behind_what_was_held() {
    let trailers = trailers("x-checksum", "1");
    let acts = [Act::Data("a".into()), Act::Trailers(trailers.clone())];
    let ahead = look_ahead(Script::unsized_of(acts), 100, PATIENCE, &budget()).await.expect("nothing is wrong");
    assert!(ahead.is_whole());
    let outcome = read(ahead).await;
    assert_eq!((outcome.result(), outcome.trailers), (Ok(b"a".to_vec()), Some(trailers)));
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_is_answered() {
    let budget = CollectBudget::new(4 * KIB);
    let held = look_ahead(Script::whole(b"a"), 100, PATIENCE, &budget).await.expect("nothing is wrong");
    let refused = look_ahead(Script::whole(b"a"), 100, PATIENCE, &budget).await;
    assert_eq!(refused.err(), Some(CollectError::Budget));
    drop(held);
    assert!(look_ahead(Script::whole(b"a"), 100, PATIENCE, &budget).await.is_ok());
}

#[tokio::test]
async fn errors_show_up_to_the_limit_of_decoding_and_not_beyond() {
    let body = |good: usize| {
        let text = [vec![b'A'; good], b"!".to_vec()].concat();
        let frames: Vec<Act> = text.chunks(16 * KIB).map(Bytes::copy_from_slice).map(Act::Data).collect();
        Decode::new(Script::unsized_of(frames))
    };
    let budget = CollectBudget::new(2 * DECODE_LOOKAHEAD_BYTES);
    let within = look_ahead(body(DECODE_LOOKAHEAD_BYTES), DECODE_LOOKAHEAD_BYTES, PATIENCE, &budget).await;
    assert_eq!(within.err(), Some(CollectError::Body(BodyError::Base64)));
    let beyond = look_ahead(body(2 * DECODE_LOOKAHEAD_BYTES), DECODE_LOOKAHEAD_BYTES, PATIENCE, &budget).await;
    let beyond = beyond.expect("the error is further on");
    assert!(!beyond.is_whole() && beyond.held_bytes() < DECODE_LOOKAHEAD_BYTES + 16 * KIB);
    assert_eq!(read(beyond).await.error, Some(BodyError::Base64));
}

#[tokio::test]
async fn a_body_is_told_apart_from_a_smaller_one() {
    let of = |len: usize| Script::unsized_of([Act::Data(vec![0; len - 1].into()), Act::Data("a".into()), Act::Pause]);
    for (len, is_large) in [(99, false), (100, true), (101, true)] {
        let measured = look_ahead(of(len), 100, PATIENCE, &budget()).await.expect("nothing is wrong");
        assert_eq!(measured.held_bytes() >= 100, is_large, "{len}");
    }
}
