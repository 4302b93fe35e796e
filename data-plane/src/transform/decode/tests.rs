//! Decoding: what is base64, what is not, and that frames make no difference to either.

use super::super::encode::Encode;
use super::super::testing::*;
use super::*;
use base64::engine::general_purpose::STANDARD;
use http_body::Body as _;
use proptest::prelude::*;

fn decoded(text: &[u8]) -> Result<Vec<u8>, BodyError> {
    read_now(Decode::new(Script::whole(text))).result()
}

/// Decoding as section a.6 has it, one character at a time.
fn reference(text: &[u8]) -> Result<Vec<u8>, BodyError> {
    let value = |character: u8| match character {
        b'A'..=b'Z' => Ok(character - b'A'),
        b'a'..=b'z' => Ok(character - b'a' + 26),
        b'0'..=b'9' => Ok(character - b'0' + 52),
        b'+' => Ok(62),
        b'/' => Ok(63),
        _ => Err(BodyError::Base64),
    };
    let padding = text.iter().rev().take_while(|character| **character == b'=').count();
    let characters = &text[..text.len() - padding];
    let is_padded_well = padding == 0 || (padding <= 2 && text.len().is_multiple_of(4));
    if !is_padded_well || characters.len() % 4 == 1 {
        return Err(BodyError::Base64);
    }
    let values = characters.iter().map(|character| value(*character)).collect::<Result<Vec<_>, _>>()?;
    let bits: Vec<u8> = values.iter().flat_map(|value| (0..6).rev().map(move |bit| value >> bit & 1)).collect();
    Ok(bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect())
}

/// A text, and what it stands for.
type Row = (&'static [u8], Result<&'static [u8], BodyError>);

#[test]
fn what_is_base64_and_what_is_not() {
    let table: &[Row] = &[
        (b"", Ok(b"")),
        (b"QQ==", Ok(b"A")),
        (b"QUI=", Ok(b"AB")),
        (b"QUJD", Ok(b"ABC")),
        (b"QUJDRA==", Ok(b"ABCD")),
        (b"+/+/", Ok(&[0xfb, 0xff, 0xbf])),
        // Absent padding.
        (b"QQ", Ok(b"A")),
        (b"QUI", Ok(b"AB")),
        (b"QUJDRA", Ok(b"ABCD")),
        // Bits that belong to no byte.
        (b"QR==", Ok(b"A")),
        (b"QUJ=", Ok(b"AB")),
        (b"QR", Ok(b"A")),
        // One character stands for no byte.
        (b"Q", Err(BodyError::Base64)),
        (b"QUJDR", Err(BodyError::Base64)),
        // Wrong padding.
        (b"=", Err(BodyError::Base64)),
        (b"==", Err(BodyError::Base64)),
        (b"====", Err(BodyError::Base64)),
        (b"Q===", Err(BodyError::Base64)),
        (b"Q=", Err(BodyError::Base64)),
        (b"QQ=", Err(BodyError::Base64)),
        (b"QQ===", Err(BodyError::Base64)),
        (b"QUJD=", Err(BodyError::Base64)),
        (b"QUJD====", Err(BodyError::Base64)),
        (b"QQ==QQ==", Err(BodyError::Base64)),
        (b"QQ==Q", Err(BodyError::Base64)),
        (b"Q=Q=", Err(BodyError::Base64)),
        (b"QQ=Q", Err(BodyError::Base64)),
        // Other alphabets and decoration.
        (b"-_-_", Err(BodyError::Base64)),
        (b"QUJD\n", Err(BodyError::Base64)),
        (b"QUJD\r\nQUJD", Err(BodyError::Base64)),
        (b" QUJD", Err(BodyError::Base64)),
        (b"QU JD", Err(BodyError::Base64)),
        (b"QQ== ", Err(BodyError::Base64)),
        (b"QUJ\xc3", Err(BodyError::Base64)),
        (b"hello, world", Err(BodyError::Base64)),
    ];
    for (text, expected) in table {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(decoded(text), expected.map(<[u8]>::to_vec), "{shown}");
        assert_eq!(reference(text), expected.map(<[u8]>::to_vec), "the reference, {shown}");
        let bytewise: Vec<usize> = (0..text.len()).collect();
        let split = read_now(Decode::new(Script::split(text, &bytewise))).result();
        assert_eq!(split, expected.map(<[u8]>::to_vec), "{shown}, one character in each frame");
    }
}

#[test]
fn one_wrong_character_anywhere_fails() {
    let good = STANDARD.encode([7; 300]);
    for place in [0, 1, 63, 64, 200, 398, 399] {
        for wrong in [b' ', b'-', b'_', b'\n', 0, 0x80] {
            let mut text = good.clone().into_bytes();
            text[place] = wrong;
            assert_eq!(decoded(&text), Err(BodyError::Base64), "{wrong:#x} at {place}");
        }
    }
}

#[test]
fn what_was_decoded_before_a_wrong_character_has_gone_on() {
    let frames = [Bytes::from_static(b"QUJDRA"), Bytes::from_static(b"QQ"), Bytes::from_static(b"!!!!")];
    let outcome = read_now(Decode::new(Script::unsized_of(frames.map(Act::Data))));
    assert_eq!((outcome.bytes(), outcome.error), (b"ABCD\x04\x10".to_vec(), Some(BodyError::Base64)));
}

/// Text that is nearly base64.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let alphabet = prop::sample::select(b"ABCwxyz0189+/+/AAAA==".to_vec());
    let valid = prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| STANDARD.encode(bytes).into_bytes());
    prop_oneof![
        prop::collection::vec(alphabet, 0..30),
        valid.clone(),
        (valid, any::<u8>(), any::<prop::sample::Index>()).prop_map(|(mut text, character, place)| {
            let at = place.index(text.len() + 1);
            text.insert(at, character);
            text
        }),
    ]
}

proptest! {
    #[test]
    fn any_split_gives_what_the_whole_gives(text in nearly(), (cuts, _) in splits()) {
        prop_assert_eq!(read_now(Decode::new(Script::split(&text, &cuts))).result(), reference(&text));
    }

    #[test]
    fn what_was_encoded_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..600), (cuts, _) in splits()) {
        let body = Decode::new(Encode::new(Script::split(&bytes, &cuts)));
        prop_assert_eq!(read_now(body).result(), Ok(bytes));
    }
}

#[tokio::test]
async fn pauses_change_nothing() {
    let text = STANDARD.encode("any carnal pleasure.");
    for place in 0..text.len() {
        let acts = text.bytes().enumerate().flat_map(|(at, character)| {
            let pause = (at == place).then_some(Act::Pause);
            pause.into_iter().chain([Act::Data(Bytes::copy_from_slice(&[character]))])
        });
        assert_eq!(read(Decode::new(Script::sized(acts))).await.result(), Ok(b"any carnal pleasure.".to_vec()));
    }
}

#[test]
fn a_large_frame_is_decoded_piece_by_piece() {
    let bytes: Vec<u8> = (0..200_000).map(|at| (at % 251) as u8).collect();
    let outcome = read_now(Decode::new(Script::whole(STANDARD.encode(&bytes).as_bytes())));
    assert_eq!(outcome.result(), Ok(bytes));
    assert_eq!(outcome.frames.iter().map(Bytes::len).max(), Some(DECODE_PIECE_BYTES / 4 * 3));
}

#[test]
fn a_size_is_never_said_to_be_known_before_it_is() {
    for characters in 1..20 {
        let hint = FromBase64::default().size_hint(&SizeHint::with_exact(characters));
        assert_eq!(hint.exact(), None, "{characters}");
    }
    assert_eq!(Decode::new(Script::whole(b"")).size_hint().exact(), Some(0));
}

#[test]
fn trailers_pass_and_a_sender_that_breaks_off_is_no_end() {
    let trailers = trailers("x-checksum", "1");
    let acts = [Act::Data(Bytes::from_static(b"QUI")), Act::Trailers(trailers.clone())];
    let outcome = read_now(Decode::new(Script::unsized_of(acts)));
    assert_eq!((outcome.result(), outcome.trailers), (Ok(b"AB".to_vec()), Some(trailers)));
    let acts = [Act::Data(Bytes::from_static(b"QUJD")), Act::Fail(BodyError::Idle)];
    assert_eq!(read_now(Decode::new(Script::unsized_of(acts))).result(), Err(BodyError::Idle));
}
