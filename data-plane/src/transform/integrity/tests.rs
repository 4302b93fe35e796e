//! A body whose digest is wrong is never complete for anybody.

use super::super::digest::{DigestFieldError, REPR_DIGEST};
use super::super::testing::*;
use super::*;
use http::header::TRAILER;
use penstock_model::header_list::HeaderList;
use proptest::prelude::*;

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn sha512_value(bytes: &[u8]) -> String {
    use base64::Engine as _;
    format!("sha-512=:{}:", base64::engine::general_purpose::STANDARD.encode(Sha512::digest(bytes)))
}

/// What a head with this `Content-Digest` expects.
fn expecting(value: &str) -> Expected {
    let head = HeaderList::from_iter([(CONTENT_DIGEST, value.parse().expect("a header value"))]);
    Expected::content(&head).expect("a well-formed field")
}

fn expecting_sha256(bytes: &[u8]) -> Expected {
    expecting(content_digest(&sha256(bytes)).to_str().expect("base64 is text"))
}

fn expecting_trailers() -> Expected {
    let head = HeaderList::from_iter([(TRAILER, "content-digest".parse().expect("a header value"))]);
    Expected::content(&head).expect("a well-formed field")
}

proptest! {
    #[test]
    fn any_split_of_the_right_bytes_passes(bytes in prop::collection::vec(any::<u8>(), 0..300), (cuts, _) in splits()) {
        for expected in [expecting_sha256(&bytes), expecting(&sha512_value(&bytes)), Expected::default()] {
            let receipt = Progress::new();
            let body = Verify::new(Script::split(&bytes, &cuts), expected, receipt.clone()).expect("nothing is wrong");
            prop_assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
            prop_assert_eq!(read_now(body).result(), Ok(bytes.clone()));
            prop_assert_eq!(receipt.sha256(), Some(sha256(&bytes)));
        }
    }

    #[test]
    fn no_split_of_wrong_bytes_is_ever_complete(
        bytes in prop::collection::vec(any::<u8>(), 1..300),
        (cuts, _) in splits(),
        place in any::<prop::sample::Index>(),
    ) {
        let mut wrong = bytes.clone();
        wrong[place.index(bytes.len())] ^= 1;
        for expected in [expecting_sha256(&bytes), expecting(&sha512_value(&bytes))] {
            let body = Verify::new(Script::split(&wrong, &cuts), expected, Progress::new()).expect("it is not empty");
            let outcome = read_now(body);
            prop_assert_eq!(outcome.error, Some(BodyError::Digest));
            let last = cut(&wrong, &cuts).into_iter().rfind(|piece| !piece.is_empty()).expect("it is not empty");
            prop_assert_eq!(outcome.bytes().len(), wrong.len() - last.len(), "the last frame is held back");
        }
    }

    #[test]
    fn what_is_added_is_what_is_verified(bytes in prop::collection::vec(any::<u8>(), 0..300), (cuts, _) in splits()) {
        let (added, verified) = (Progress::new(), Progress::new());
        let body = AddDigest::new(Script::split(&bytes, &cuts), added.clone());
        let body = Verify::new(body, expecting_trailers(), verified.clone()).expect("it is not checked yet");
        let outcome = read_now(body);
        prop_assert_eq!(outcome.result(), Ok(bytes.clone()));
        prop_assert_eq!(added.sha256(), Some(sha256(&bytes)));
        prop_assert_eq!(added.sha256(), verified.sha256());
        prop_assert!(outcome.trailers.is_some_and(|trailers| trailers.contains_key(CONTENT_DIGEST)));
    }
}

#[test]
fn an_empty_body_is_checked_though_nobody_reads_it() {
    let wrong = Verify::new(Script::sized([]), expecting_sha256(b"a"), Progress::new());
    assert_eq!(wrong.err(), Some(BodyError::Digest));
    let receipt = Progress::new();
    let right = Verify::new(Script::sized([]), expecting_sha256(b""), receipt.clone()).expect("it is right");
    assert!(right.is_end_stream());
    assert_eq!(receipt.sha256(), Some(sha256(b"")));
}

#[test]
fn every_digest_must_hold() {
    let wrong_second = format!("{}, {}", content_digest(&sha256(b"a")).to_str().expect("text"), sha512_value(b"b"));
    let body = Verify::new(Script::whole(b"a"), expecting(&wrong_second), Progress::new()).expect("it is not empty");
    assert_eq!(read_now(body).result(), Err(BodyError::Digest));
    let head = HeaderList::from_iter([(REPR_DIGEST, content_digest(&sha256(b"b")))]);
    let expected = expecting_sha256(b"a").and_representation(&head).expect("it is well-formed");
    let body = Verify::new(Script::whole(b"a"), expected, Progress::new()).expect("it is not empty");
    assert_eq!(read_now(body).result(), Err(BodyError::Digest));
}

#[test]
fn trailers_are_checked_before_the_last_frame_goes() {
    let sha512_of_b = sha512_value(b"b");
    let right = content_digest(&sha256(b"ab"));
    let right = right.to_str().expect("text");
    let table = [
        (right, Ok(b"ab".to_vec())),
        (&*sha512_value(b"ab"), Ok(b"ab".to_vec())),
        ("unixsum=:AA==:", Ok(b"ab".to_vec())),
        (&*sha512_of_b, Err(BodyError::Digest)),
        ("sha-256=:AA==:", Err(BodyError::Digest)),
        ("sha-256=", Err(BodyError::Digest)),
    ];
    for (value, expected) in table {
        let acts = ["a", "b"].map(|text| Act::Data(text.into()));
        let trailers = trailers("content-digest", value);
        let acts = acts.into_iter().chain([Act::Trailers(trailers.clone())]);
        let body = Verify::new(Script::unsized_of(acts), expecting_trailers(), Progress::new());
        let outcome = read_now(body.expect("it is not empty"));
        assert_eq!(outcome.result(), expected, "{value}");
        match expected {
            Ok(_) => assert_eq!(outcome.trailers, Some(trailers)),
            Err(_) => assert_eq!((outcome.bytes(), outcome.trailers), (b"a".to_vec(), None)),
        }
    }
}

#[test]
fn a_sender_that_breaks_off_is_no_end_and_leaves_no_receipt() {
    let acts = || [Act::Data("a".into()), Act::Data("b".into()), Act::Fail(BodyError::Broken)];
    let receipt = Progress::new();
    let body =
        Verify::new(Script::unsized_of(acts()), expecting_sha256(b"ab"), receipt.clone()).expect("it is not empty");
    let outcome = read_now(body);
    assert_eq!((outcome.bytes(), outcome.error, receipt.sha256()), (b"a".to_vec(), Some(BodyError::Broken), None));
    let outcome = read_now(AddDigest::new(Script::unsized_of(acts()), receipt.clone()));
    assert_eq!((outcome.error, outcome.trailers, receipt.sha256()), (Some(BodyError::Broken), None, None));
}

#[tokio::test]
async fn pauses_change_nothing() {
    let acts = || [Act::Pause, Act::Data("a".into()), Act::Pause, Act::Data("b".into()), Act::Pause];
    let body = Verify::new(Script::unsized_of(acts()), expecting_sha256(b"ab"), Progress::new()).expect("not empty");
    assert_eq!(read(body).await.result(), Ok(b"ab".to_vec()));
    let outcome = read(AddDigest::new(Script::unsized_of(acts()), Progress::new())).await;
    assert_eq!(outcome.trailers, Some(HeaderMap::from_iter([(CONTENT_DIGEST, content_digest(&sha256(b"ab")))])));
}

#[test]
fn what_gets_a_trailer_has_no_known_size() {
    for bytes in [&b"a"[..], b""] {
        let body = AddDigest::new(Script::whole(bytes), Progress::new());
        let hint = body.size_hint();
        assert_eq!((hint.lower(), hint.upper(), body.is_end_stream()), (bytes.len() as u64, None, false));
    }
}

#[test]
fn other_trailers_and_other_digests_stay() {
    let mut theirs = trailers("x-checksum", "1");
    theirs.append(CONTENT_DIGEST, sha512_value(b"a").parse().expect("a header value"));
    let acts = [Act::Data("a".into()), Act::Trailers(theirs)];
    let outcome = read_now(AddDigest::new(Script::unsized_of(acts), Progress::new()));
    let ours = outcome.trailers.expect("there are trailers");
    assert_eq!(ours["x-checksum"], "1");
    let lines: Vec<_> = ours.get_all(CONTENT_DIGEST).iter().collect();
    assert_eq!(lines, [sha512_value(b"a").as_str(), content_digest(&sha256(b"a")).to_str().expect("text")]);
    let expected = Expected::content(&HeaderList::from(ours.clone()));
    assert!(!matches!(expected, Err(DigestFieldError::Syntax | DigestFieldError::Value)));
}
