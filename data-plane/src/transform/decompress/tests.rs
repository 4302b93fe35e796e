//! Decompressing: what other encoders write, what is damaged, and what expands too much.

use super::super::compress::Compress;
use super::super::testing::*;
use super::*;
use crate::limits::COLLECT_BUDGET_WAIT_MS;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use std::io::Write as _;

fn compressed(bytes: &[u8], coding: Coding) -> Vec<u8> {
    read_now(coded(Script::whole(bytes), coding)).result().expect("nothing is wrong")
}

fn decompressed(bytes: &[u8], coding: Coding) -> Result<Vec<u8>, BodyError> {
    read_now(decoded(Script::whole(bytes), &[coding], None)).result()
}

/// A gzip member with a name and a comment in its head, as files have.
fn member(bytes: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::GzBuilder::new().filename("a.txt").comment("a text").write(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

#[test]
fn what_other_encoders_write_is_read() {
    let text = b"a text, a text, a text".repeat(100);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&text).expect("a vector takes everything");
    let zlib = zlib.finish().expect("a vector takes everything");
    assert_eq!(decompressed(&zlib, Coding::Deflate), Ok(text.clone()));
    assert_eq!(decompressed(&member(&text), Coding::Gzip), Ok(text.clone()));
    // Of brotli's own test data: `x` and `10x10y`.
    assert_eq!(decompressed(b"\x0b\x00\x80\x58\x03", Coding::Brotli), Ok(b"X".to_vec()));
    let brotli = b"\x1b\x13\x00\x00\xa4\xb0\xb2\xea\x81\x47\x02\x8a";
    assert_eq!(decompressed(brotli, Coding::Brotli), Ok([[b'X'; 10], [b'Y'; 10]].concat()));
    // By the program `zstd`, with the checksum that it writes.
    let zstd =
        b"\x28\xb5\x2f\xfd\x04\x58\x75\x00\x00\x40\x68\x65\x6c\x6c\x6f\x2c\x20\x0a\x01\x00\xe2\x8a\x11\x21\x69\x9d\x87";
    assert_eq!(decompressed(zstd, Coding::Zstd), Ok(b"hello, hello, hello\n".to_vec()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn members_and_frames_follow_each_other_in_any_split(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..4),
        (cuts, _) in splits(),
    ) {
        let members: Vec<u8> = parts.iter().flat_map(|part| member(part)).collect();
        let body = decoded(Script::split(&members, &cuts), &[Coding::Gzip], None);
        prop_assert_eq!(read_now(body).result(), Ok(parts.concat()));
        let frames: Vec<u8> = parts.iter().flat_map(|part| compressed(part, Coding::Zstd)).collect();
        let body = decoded(Script::split(&frames, &cuts), &[Coding::Zstd], None);
        prop_assert_eq!(read_now(body).result(), Ok(parts.concat()));
    }

    #[test]
    fn what_is_cut_anywhere_fails(bytes in prop::collection::vec(any::<u8>(), 0..200), (cuts, _) in splits()) {
        for coding in Coding::PREFERRED {
            let whole = compressed(&bytes, coding);
            for end in 1..whole.len() {
                let body = decoded(Script::split(&whole[..end], &cuts), &[coding], None);
                prop_assert_eq!(read_now(body).result(), Err(BodyError::Coding), "{:?} cut at {}", coding, end);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_or_hang(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        for coding in Coding::PREFERRED {
            let _ = decompressed(&bytes, coding);
        }
    }
}

#[test]
fn a_changed_byte_is_noticed_where_the_format_has_a_checksum() {
    let text = b"a text that has a checksum behind it".repeat(10);
    for coding in [Coding::Gzip, Coding::Deflate] {
        let whole = compressed(&text, coding);
        for place in whole.len() - 4..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            assert_eq!(decompressed(&damaged, coding), Err(BodyError::Coding), "{coding:?} at {place}");
        }
    }
}

#[test]
fn what_stands_behind_the_end_fails() {
    for coding in Coding::PREFERRED {
        for garbage in [&b"x"[..], &[0; 16], b"another text"] {
            let whole = [compressed(b"a text", coding), garbage.to_vec()].concat();
            for cuts in [vec![], vec![whole.len() - garbage.len()], (0..whole.len()).collect()] {
                let body = decoded(Script::split(&whole, &cuts), &[coding], None);
                assert_eq!(read_now(body).result(), Err(BodyError::Coding), "{coding:?}");
            }
        }
    }
    // Only gzip and zstd are a sequence of what they are.
    for coding in [Coding::Deflate, Coding::Brotli] {
        let twice = compressed(b"a text", coding).repeat(2);
        assert_eq!(decompressed(&twice, coding), Err(BodyError::Coding), "{coding:?}");
    }
}

#[test]
fn a_body_without_a_byte_is_accepted() {
    for coding in Coding::PREFERRED {
        assert_eq!(decompressed(b"", coding), Ok(vec![]));
    }
}

/// A body of so many MiB of zeros, compressed while it is read.
fn zeros(mib: usize, coding: Coding) -> Compress<Script> {
    let frame = Bytes::from(vec![0; 1024 * 1024]);
    coded(Script::sized(std::iter::repeat_n(Act::Data(frame), mib)), coding)
}

#[test]
fn a_bomb_stops_at_the_bound_however_it_is_made() {
    for coding in Coding::PREFERRED {
        let outcome = read_now(decoded(zeros(1024, coding), &[coding], None));
        assert_eq!(outcome.error, Some(BodyError::Expansion), "{coding:?}");
        // The coder's own first frame may be as much as one piece of what it writes.
        let bound = EXPANSION_FREE_BYTES.max(CODING_PIECE_BYTES as u64 * EXPANSION_RATIO_MAX);
        let passed: u64 = outcome.frames.iter().map(|frame| frame.len() as u64).sum();
        assert!(passed <= bound, "{coding:?}: {passed} bytes");
        assert!(outcome.frames.iter().all(|frame| frame.len() <= CODING_PIECE_BYTES), "{coding:?}");
    }
}

#[test]
fn a_small_body_may_expand_as_it_likes() {
    for coding in Coding::PREFERRED {
        let body = decoded(zeros(1, coding), &[coding], None);
        assert_eq!(read_now(body).result().map(|bytes| bytes.len()), Ok(1024 * 1024), "{coding:?}");
    }
}

#[test]
fn the_output_is_bounded_besides() {
    for (bytes_max, expected) in [(1024 * 1024, None), (1024 * 1024 - 1, Some(BodyError::Expansion))] {
        let body = decoded(zeros(1, Coding::Gzip), &[Coding::Gzip], Some(bytes_max));
        assert_eq!(read_now(body).error, expected, "{bytes_max}");
    }
}

#[test]
fn codings_are_undone_from_the_last_to_the_first() {
    let text = b"a text, a text".repeat(20);
    let coded = compressed(&compressed(&text, Coding::Gzip), Coding::Brotli);
    let body = decoded(Script::whole(&coded), &[Coding::Gzip, Coding::Brotli], None);
    assert_eq!(read_now(body).result(), Ok(text.clone()));
    let untouched = decoded(Script::whole(&text), &[], None);
    assert_eq!(read_now(untouched).result(), Ok(text));
}

#[test]
fn stacking_does_not_multiply_the_bound() {
    let inner = read_now(zeros(64, Coding::Gzip)).bytes();
    let coded = compressed(&inner, Coding::Gzip);
    assert!((coded.len() as u64) * EXPANSION_RATIO_MAX < 64 * 1024 * 1024, "{} bytes on the wire", coded.len());
    let body = decoded(Script::whole(&coded), &[Coding::Gzip, Coding::Gzip], None);
    let outcome = read_now(body);
    assert_eq!(outcome.error, Some(BodyError::Expansion));
    assert!(outcome.bytes().len() as u64 <= EXPANSION_FREE_BYTES.max(coded.len() as u64 * EXPANSION_RATIO_MAX));
}

#[test]
fn trailers_pass_and_a_sender_that_breaks_off_is_no_end() {
    for coding in Coding::PREFERRED {
        let whole = Bytes::from(compressed(b"a text", coding));
        let trailers = trailers("x-checksum", "1");
        let acts = [Act::Data(whole.clone()), Act::Trailers(trailers.clone())];
        let outcome = read_now(decoded(Script::unsized_of(acts), &[coding], None));
        assert_eq!((outcome.result(), outcome.trailers), (Ok(b"a text".to_vec()), Some(trailers)));
        let acts = [Act::Data(whole), Act::Fail(BodyError::Broken)];
        let outcome = read_now(decoded(Script::unsized_of(acts), &[coding], None));
        assert_eq!(outcome.error, Some(BodyError::Broken));
    }
}

#[tokio::test]
async fn pauses_change_nothing() {
    for coding in Coding::PREFERRED {
        let acts = compressed(b"a text", coding)
            .into_iter()
            .flat_map(|byte| [Act::Pause, Act::Data(Bytes::copy_from_slice(&[byte]))]);
        let body = decoded(Script::unsized_of(acts.collect::<Vec<_>>()), &[coding], None);
        assert_eq!(read(body).await.result(), Ok(b"a text".to_vec()));
    }
}

#[tokio::test(start_paused = true)]
async fn decoders_are_in_the_budget_as_long_as_their_body_lives() {
    let budget = CollectBudget::default();
    for codings in
        [&[Coding::Gzip][..], &[Coding::Deflate], &[Coding::Brotli], &[Coding::Zstd], &[Coding::Zstd; 2], &[]]
    {
        let bytes: usize = codings.iter().map(|coding| Decoder::bytes_max(*coding)).sum();
        let body = decompress(Box::pin(Script::whole(b"")), codings, None, &budget).await.expect("there is room");
        assert_eq!(budget.in_use_bytes(), bytes, "{codings:?}");
        drop(body);
        assert_eq!(budget.in_use_bytes(), 0, "{codings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_decoder_waits_for_the_budget_and_not_longer_than_the_limit() {
    let budget = CollectBudget::new(Decoder::bytes_max(Coding::Brotli));
    let text = b"a text";
    let coded = compressed(text, Coding::Brotli);
    let begin = || decompress(Box::pin(Script::whole(&coded)), &[Coding::Brotli], None, &budget);
    let first = begin().await.expect("there is room");
    let asked = tokio::time::Instant::now();
    assert_eq!(begin().await.err(), Some(CollectError::Budget));
    assert_eq!(asked.elapsed(), std::time::Duration::from_millis(COLLECT_BUDGET_WAIT_MS));
    let (second, ()) = tokio::join!(begin(), async { drop(first) });
    assert_eq!(read(second.expect("the first gave back")).await.result(), Ok(text.to_vec()));
    assert_eq!(budget.in_use_bytes(), 0);
}
