//! [`decode_in_place`]: base64 that stands in a document becomes the bytes that it stands for, where it stands.

use crate::body::BodyError;
use crate::limits::DECODE_PIECE_BYTES;
use crate::transform::units::ENGINE;
use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Decodes the part of `document` that is base64, as strictly as a body that streams (see `decode`). What is decoded takes
/// the place of its base64, so that a document of megabytes needs no second copy of itself; only a document that somebody
/// else holds too is copied.
///
/// # Errors
/// The part is not base64.
pub(crate) fn decode_in_place(document: Bytes, part: Range<usize>) -> Result<Bytes, BodyError> {
    let Range { start, end } = part;
    let mut bytes = document.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    let mut decoded = vec![0; DECODE_PIECE_BYTES.min(end - start).div_ceil(4) * 3];
    let (mut read, mut written) = (start, start);
    while read < end {
        let piece = &bytes[read..end.min(read + DECODE_PIECE_BYTES)];
        read += piece.len();
        if read < end && piece.ends_with(b"=") {
            // Padding stands at the end, and this is none.
            return Err(BodyError::Base64);
        }
        let count = ENGINE.decode_slice(piece, &mut decoded).map_err(|_| BodyError::Base64)?;
        // Three bytes come of four, so what is written never reaches what is still to be read.
        bytes[written..written + count].copy_from_slice(&decoded[..count]);
        written += count;
    }
    Ok(bytes.freeze().slice(start..written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..3 * DECODE_PIECE_BYTES), shared: bool) {
            for text in [STANDARD.encode(&bytes), STANDARD_NO_PAD.encode(&bytes)] {
                let document = Bytes::from(format!("{{\"{text}\"}}").into_bytes());
                let other = shared.then(|| document.clone());
                let part = 2..2 + text.len();
                prop_assert_eq!(&decode_in_place(document, part).expect("base64")[..], &bytes[..]);
                prop_assert!(other.is_none_or(|other| other.ends_with(b"\"}")), "the other holder sees no change");
            }
        }
    }

    #[test]
    fn nothing_is_copied_when_nobody_else_holds_the_document() {
        let document = Bytes::from(b"{\"aGVsbG8=\"}".to_vec());
        let place = document.as_ptr();
        let decoded = decode_in_place(document, 2..10).expect("base64");
        assert_eq!((&decoded[..], decoded.as_ptr()), (&b"hello"[..], place.wrapping_add(2)));
    }

    #[test]
    fn what_is_no_base64_is_refused_wherever_it_is_wrong() {
        let long = "AAAA".repeat(DECODE_PIECE_BYTES / 4);
        for bad in ["a", "aGVs bG8=", "aGVsbG8=aGVs", "aGV=bG8=", "a-_=", "aGVsbG8==", "=", "aGVsbG8=\n"] {
            for text in [bad.to_owned(), format!("{long}{bad}"), format!("{bad}{long}")] {
                let part = 0..text.len();
                let found = decode_in_place(Bytes::from(text.into_bytes()), part);
                assert_eq!(found, Err(BodyError::Base64), "{bad}");
            }
        }
        let padded_within = format!("{}AA=={long}", "AAAA".repeat(DECODE_PIECE_BYTES / 4 - 1));
        let part = 0..padded_within.len();
        assert_eq!(decode_in_place(padded_within.into(), part), Err(BodyError::Base64));
        assert_eq!(decode_in_place(Bytes::from_static(b"x"), 0..0), Ok(Bytes::new()));
    }
}
