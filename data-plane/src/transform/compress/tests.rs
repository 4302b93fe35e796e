//! Compressing, judged by what decompressing gives back.

use super::super::testing::*;
use super::*;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use std::time::Duration;
use tokio::time::timeout;

/// Text that compresses, in places.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), 0..3000_usize).prop_map(|(byte, times)| vec![byte; times]),
        Just(b"{\"id\": 1, \"name\": \"penstock\"}".to_vec()),
    ];
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_split_comes_back(bytes in contents(), (cuts, pauses) in splits(), (cuts_behind, _) in splits()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for coding in Coding::PREFERRED {
            for script in [Script::sized, Script::unsized_of] as [fn(Vec<Act>) -> Script; 2] {
                let compressed = runtime.block_on(read(coded(script(acts(&bytes, &cuts, &pauses)), coding)));
                let compressed = compressed.result().expect("nothing is wrong");
                let body = decoded(Script::split(&compressed, &cuts_behind), &[coding], None);
                prop_assert_eq!(read_now(body).result(), Ok(bytes.clone()), "{:?}", coding);
            }
        }
    }
}

#[test]
fn what_is_compressed_is_smaller() {
    let text = "A text that says the same again and again. ".repeat(10_000);
    for coding in Coding::PREFERRED {
        let outcome = read_now(coded(Script::whole(text.as_bytes()), coding));
        assert!(outcome.bytes().len() < text.len() / 50, "{coding:?}: {}", outcome.bytes().len());
    }
}

#[test]
fn what_cannot_be_compressed_passes_through_pieces() {
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(5 * CODING_PIECE_BYTES)
    .collect();
    for coding in Coding::PREFERRED {
        let outcome = read_now(coded(Script::whole(&noise), coding));
        assert!(outcome.frames.iter().all(|frame| frame.len() <= CODING_PIECE_BYTES), "{coding:?}");
        let body = decoded(Script::whole(&outcome.bytes()), &[coding], None);
        assert_eq!(read_now(body).result(), Ok(noise.clone()), "{coding:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_unsized_sender_said_before_a_pause_has_gone_on() {
    for coding in Coding::PREFERRED {
        let mut body = coded(Script::unsized_of([Act::Data("event: tick\n\n".into()), Act::Stall]), coding);
        let mut sent = Vec::new();
        while let Ok(Some(frame)) = timeout(Duration::from_millis(1), body.frame()).await {
            sent.push(Act::Data(frame.expect("nothing fails").into_data().expect("it is data")));
        }
        let mut received = decoded(Script::unsized_of(sent.into_iter().chain([Act::Stall])), &[coding], None);
        let frame = timeout(Duration::from_millis(1), received.frame()).await.ok().flatten();
        let data = frame.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
        assert_eq!(data.as_deref(), Some(&b"event: tick\n\n"[..]), "{coding:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sized_sender_that_pauses_costs_no_compression() {
    let piece = "A text that says the same again and again. ".repeat(10);
    for coding in Coding::PREFERRED {
        let with = |pause: bool| {
            let acts =
                (0..50).flat_map(|_| pause.then_some(Act::Pause).into_iter().chain([Act::Data(piece.clone().into())]));
            coded(Script::sized(acts.collect::<Vec<_>>()), coding)
        };
        assert_eq!(read(with(true)).await.bytes().len(), read(with(false)).await.bytes().len(), "{coding:?}");
    }
}

#[test]
fn a_flush_that_does_not_fit_ends_before_anything_else() {
    // Pauses that come while more than one piece waits inside: noise that brotli has not given out yet.
    let noise: Vec<u8> =
        (0..6 * CODING_PIECE_BYTES as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for coding in Coding::PREFERRED {
        let acts = noise
            .chunks(CODING_PIECE_BYTES * 2)
            .flat_map(|chunk| [Act::Data(Bytes::copy_from_slice(chunk)), Act::Pause]);
        let outcome = runtime.block_on(read(coded(Script::unsized_of(acts), coding)));
        let body = decoded(Script::whole(&outcome.bytes()), &[coding], None);
        assert_eq!(read_now(body).result(), Ok(noise.clone()), "{coding:?}");
    }
}

#[test]
fn trailers_pass_and_a_sender_that_breaks_off_is_no_end() {
    for coding in Coding::PREFERRED {
        let trailers = trailers("x-checksum", "1");
        let acts = [Act::Data("abc".into()), Act::Trailers(trailers.clone())];
        let outcome = read_now(coded(Script::unsized_of(acts), coding));
        assert_eq!((outcome.error, outcome.trailers), (None, Some(trailers)));
        let acts = [Act::Data("abc".into()), Act::Fail(BodyError::Broken)];
        let outcome = read_now(coded(Script::unsized_of(acts), coding));
        assert_eq!(outcome.error, Some(BodyError::Broken));
        let body = decoded(Script::whole(&outcome.bytes()), &[coding], None);
        // Nothing at all may have gone on yet, and nothing is no coded body.
        assert!(outcome.bytes().is_empty() || read_now(body).error == Some(BodyError::Coding), "{coding:?}");
    }
}

#[tokio::test]
async fn an_encoder_is_in_the_budget_as_long_as_its_body_lives_and_waits_for_nobody() {
    for coding in Coding::PREFERRED {
        let bytes = Encoder::bytes_max(coding);
        let budget = CollectBudget::new(2 * bytes - 1024);
        let permit = CompressPermit::try_take(coding, &budget).expect("there is room");
        let body = Compress::new(Script::whole(b"a text"), permit);
        assert_eq!(budget.in_use_bytes(), bytes, "{coding:?}");
        assert!(CompressPermit::try_take(coding, &budget).is_none(), "{coding:?}");
        assert_eq!(budget.in_use_bytes(), bytes, "{coding:?}");
        drop(body);
        assert_eq!(budget.in_use_bytes(), 0, "{coding:?}");
        assert!(CompressPermit::try_take(coding, &budget).is_some(), "{coding:?}");
    }
}
