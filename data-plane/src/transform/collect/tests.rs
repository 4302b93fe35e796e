//! Whole bodies, and every way of not getting one.

use super::super::testing::*;
use super::*;
use crate::limits::COLLECT_BUDGET_WAIT_MS;
use proptest::prelude::*;
use tokio::time::Instant;

const KIB: usize = 1024;

fn budget() -> CollectBudget {
    CollectBudget::new(1024 * KIB)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..20_000), (cuts, pauses) in splits()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        for script in [Script::sized, Script::unsized_of] as [fn(Vec<Act>) -> Script; 2] {
            let budget = budget();
            let body = script(acts(&bytes, &cuts, &pauses));
            let collected = runtime.block_on(collect(body, bytes.len(), &budget)).expect("it fits");
            prop_assert_eq!(&collected.bytes[..], &bytes[..]);
            prop_assert!(collected.bytes.len() <= budget.in_use_bytes());
            prop_assert!(budget.in_use_bytes() <= (2 * bytes.len()).max(COLLECT_FIRST_BYTES) + KIB);
            drop(collected);
            prop_assert_eq!(budget.in_use_bytes(), 0);
        }
    }
}

#[tokio::test]
async fn a_sized_body_takes_no_more_than_its_size() {
    let budget = budget();
    let frames = (0..100).map(|_| Act::Data(vec![1; KIB].into()));
    let collected = collect(Script::sized(frames), 1024 * KIB, &budget).await.expect("it fits");
    let Collected { bytes, permit, .. } = collected;
    assert_eq!((bytes.len(), budget.in_use_bytes()), (100 * KIB, 100 * KIB));
    drop(permit);
    assert_eq!(budget.in_use_bytes(), 0);
}

#[tokio::test]
async fn one_byte_more_than_allowed_is_too_large() {
    let budget = budget();
    let body = |len: usize| Script::unsized_of([Act::Data(vec![0; len - 1].into()), Act::Data("a".into())]);
    assert!(collect(body(100), 100, &budget).await.is_ok());
    assert_eq!(collect(body(101), 100, &budget).await.err(), Some(CollectError::TooLarge));
    assert_eq!(budget.in_use_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_announces_too_much_is_refused_unread() {
    let body = Script::sized([Act::Stall, Act::Data(vec![0; 101].into())]);
    assert_eq!(collect(body, 100, &budget()).await.err(), Some(CollectError::TooLarge));
}

#[tokio::test(start_paused = true)]
async fn a_trickle_that_never_ends_is_answered() {
    let began = Instant::now();
    let acts = [Act::Data("a".into()), Act::Stall];
    let budget = budget();
    assert_eq!(collect(Script::unsized_of(acts), 100, &budget).await.err(), Some(CollectError::Time));
    assert_eq!((began.elapsed(), budget.in_use_bytes()), (Duration::from_millis(COLLECT_TIMEOUT_MS), 0));
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_is_waited_for_and_then_answered() {
    let budget = CollectBudget::new(16 * KIB);
    let held = collect(Script::whole(&[0; 10 * KIB]), 100 * KIB, &budget).await.expect("it fits");
    let began = Instant::now();
    let refused = collect(Script::whole(&[0; 7 * KIB]), 100 * KIB, &budget).await;
    assert_eq!(refused.err(), Some(CollectError::Budget));
    assert_eq!(began.elapsed(), Duration::from_millis(COLLECT_BUDGET_WAIT_MS));
    assert_eq!(budget.in_use_bytes(), 10 * KIB);
    drop(held);
    assert!(collect(Script::whole(&[0; 7 * KIB]), 100 * KIB, &budget).await.is_ok());
}

#[tokio::test]
async fn trailers_are_kept_and_failures_are_the_bodys() {
    let trailers = trailers("x-checksum", "1");
    let acts = [Act::Data("a".into()), Act::Trailers(trailers.clone())];
    let collected = collect(Script::unsized_of(acts), 100, &budget()).await.expect("it fits");
    assert_eq!((&collected.bytes[..], collected.trailers), (&b"a"[..], Some(trailers)));
    let acts = [Act::Data("a".into()), Act::Fail(BodyError::Base64)];
    let failed = collect(Script::unsized_of(acts), 100, &budget()).await;
    assert_eq!(failed.err(), Some(CollectError::Body(BodyError::Base64)));
}
