//! Encoding against the scalar engine over the whole body.

use super::super::testing::*;
use super::*;
use crate::body::BodyError;
use base64::engine::general_purpose::STANDARD;
use http_body::Body as _;
use proptest::prelude::*;

#[test]
fn every_byte_value_and_every_short_body_is_encoded() {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let bodies = (0..=5).map(|len| every[..len].to_vec()).chain([every.clone()]);
    for bytes in bodies {
        assert_eq!(read_now(Encode::new(Script::whole(&bytes))).result(), Ok(STANDARD.encode(&bytes).into_bytes()));
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_text(bytes in prop::collection::vec(any::<u8>(), 0..600), (cuts, _) in splits()) {
        let body = Encode::new(Script::split(&bytes, &cuts));
        prop_assert_eq!(body.size_hint().exact(), Some(STANDARD.encode(&bytes).len() as u64));
        prop_assert_eq!(read_now(body).result(), Ok(STANDARD.encode(&bytes).into_bytes()));
    }

    #[test]
    fn the_size_stays_exact_on_the_way(bytes in prop::collection::vec(any::<u8>(), 1..200), (cuts, _) in splits()) {
        let mut body = Encode::new(Script::split(&bytes, &cuts));
        let mut size = body.size_hint().exact().expect("the size is known at first");
        while let Some(frame) = futures_util::FutureExt::now_or_never(http_body_util::BodyExt::frame(&mut body)).flatten() {
            size -= frame.expect("nothing fails").into_data().expect("it is data").len() as u64;
            prop_assert_eq!(body.size_hint().exact(), Some(size));
        }
    }
}

#[tokio::test]
async fn pauses_change_nothing() {
    for place in 0..10 {
        let acts = (0..10).flat_map(|at| {
            let pause = (at == place).then_some(Act::Pause);
            pause.into_iter().chain([Act::Data(Bytes::from_static(b"ab"))])
        });
        assert_eq!(read(Encode::new(Script::sized(acts))).await.result(), Ok(STANDARD.encode("ab".repeat(10)).into()));
    }
}

#[test]
fn a_large_frame_is_encoded_piece_by_piece() {
    let bytes: Vec<u8> = (0..3 * ENCODE_PIECE_BYTES + 1).map(|at| (at % 251) as u8).collect();
    let outcome = read_now(Encode::new(Script::whole(&bytes)));
    assert_eq!(outcome.result(), Ok(STANDARD.encode(&bytes).into_bytes()));
    let longest = outcome.frames.iter().map(Bytes::len).max();
    assert_eq!(longest, Some(ENCODE_PIECE_BYTES / 3 * 4));
}

#[test]
fn an_unknown_size_stays_unknown_and_trailers_pass() {
    let trailers = trailers("x-checksum", "1");
    let acts = [Act::Data(Bytes::from_static(b"abcd")), Act::Trailers(trailers.clone())];
    let body = Encode::new(Script::unsized_of(acts));
    assert_eq!((body.size_hint().exact(), body.size_hint().upper()), (None, None));
    let outcome = read_now(body);
    assert_eq!((outcome.result(), outcome.trailers), (Ok(b"YWJjZA==".to_vec()), Some(trailers)));
}

#[test]
fn a_sender_that_breaks_off_is_no_end() {
    let acts = [Act::Data(Bytes::from_static(b"abcd")), Act::Fail(BodyError::Broken)];
    let outcome = read_now(Encode::new(Script::unsized_of(acts)));
    assert_eq!((outcome.bytes(), outcome.error), (b"YWJj".to_vec(), Some(BodyError::Broken)));
}

#[test]
fn a_digest_of_the_bytes_before_goes_no_further() {
    let checked = |trailers: http::HeaderMap| {
        let acts = [Act::Data(Bytes::from_static(b"abcd")), Act::Trailers(trailers)];
        let outcome = read_now(Encode::new(Script::unsized_of(acts)));
        assert_eq!(outcome.result(), Ok(b"YWJjZA==".to_vec()));
        outcome.trailers
    };
    let mut both = trailers("content-digest", "sha-256=:AAAA:");
    both.extend(trailers("repr-digest", "sha-256=:AAAA:"));
    assert_eq!(checked(both.clone()), None);
    both.extend(trailers("x-checksum", "1"));
    assert_eq!(checked(both), Some(trailers("x-checksum", "1")));
}
