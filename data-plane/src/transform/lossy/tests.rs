//! Repairing against the standard library over the whole body.

use super::super::testing::*;
use super::*;
use http_body::Body as _;
use proptest::prelude::*;

fn reference(bytes: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(bytes).into_owned().into_bytes()
}

/// Bytes in which the beginnings, middles and ends of characters meet in every way.
fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"a",
        "é".as_bytes(),
        "€".as_bytes(),
        "😀".as_bytes(),
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f",
        b"\xf0\x9f\x98",
        b"\x80",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xf4\x90",
        b"\xe0\x80",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_gives_what_the_whole_gives(bytes in nearly_text(), (cuts, _) in splits()) {
        let text = read_now(Lossy::new(Script::split(&bytes, &cuts))).result();
        prop_assert_eq!(text, Ok(reference(&bytes)));
    }

    #[test]
    fn any_bytes_give_what_the_library_gives(bytes in prop::collection::vec(any::<u8>(), 0..200), (cuts, _) in splits()) {
        let text = read_now(Lossy::new(Script::split(&bytes, &cuts))).result();
        prop_assert_eq!(text, Ok(reference(&bytes)));
    }
}

#[test]
fn every_byte_value_and_every_pair_is_repaired() {
    for first in 0..=u8::MAX {
        assert_eq!(read_now(Lossy::new(Script::whole(&[first]))).result(), Ok(reference(&[first])));
        for second in 0..=u8::MAX {
            let bytes = [first, second];
            let split = read_now(Lossy::new(Script::split(&bytes, &[1]))).result();
            assert_eq!(split, Ok(reference(&bytes)), "{bytes:x?}");
        }
    }
}

#[test]
fn what_is_well_formed_is_not_copied() {
    let text = Bytes::from_static("Grüße, 世界, 😀".as_bytes());
    let outcome = read_now(Lossy::new(Script::sized([Act::Data(text.clone())])));
    assert_eq!(outcome.frames.len(), 1);
    assert_eq!(outcome.frames[0].as_ptr(), text.as_ptr());
}

#[test]
fn a_large_frame_of_damage_is_repaired_piece_by_piece() {
    let bytes = vec![0xff; 3 * LOSSY_PIECE_BYTES + 5];
    let outcome = read_now(Lossy::new(Script::whole(&bytes)));
    assert_eq!(outcome.result(), Ok(REPLACEMENT.repeat(bytes.len()).into_bytes()));
    assert_eq!(outcome.frames.iter().map(Bytes::len).max(), Some(3 * LOSSY_PIECE_BYTES));
}

#[tokio::test]
async fn pauses_within_a_character_change_nothing() {
    let acts = "😀€é".bytes().flat_map(|byte| [Act::Pause, Act::Data(Bytes::copy_from_slice(&[byte]))]);
    assert_eq!(read(Lossy::new(Script::sized(acts))).await.result(), Ok("😀€é".into()));
}

#[test]
fn a_size_is_never_said_to_be_known_before_it_is() {
    assert_eq!(Lossy::new(Script::whole(b"a")).size_hint().exact(), None);
    assert_eq!(Lossy::new(Script::whole(b"")).size_hint().exact(), Some(0));
}

#[test]
fn trailers_pass_and_a_sender_that_breaks_off_is_no_end() {
    let trailers = trailers("x-checksum", "1");
    let acts = [Act::Data(Bytes::from_static(b"a\xc3")), Act::Trailers(trailers.clone())];
    let outcome = read_now(Lossy::new(Script::unsized_of(acts)));
    assert_eq!((outcome.result(), outcome.trailers), (Ok("a\u{FFFD}".into()), Some(trailers)));
    let acts = [Act::Data(Bytes::from_static(b"a\xc3")), Act::Fail(BodyError::Broken)];
    let outcome = read_now(Lossy::new(Script::unsized_of(acts)));
    assert_eq!((outcome.bytes(), outcome.error), (b"a".to_vec(), Some(BodyError::Broken)));
}
