//! [`sniff`]: a media type from the first bytes of a body, for [`MissingContentType::Sniff`].
//!
//! [`MissingContentType::Sniff`]: crate::rest_api::MissingContentType::Sniff

use super::media_type::CONTENT_TYPE_DEFAULT;
use infer::MatcherType;

/// How many bytes [`sniff`] wants, if the body has them. The farthest signature with a fixed place, that of tar, ends at
/// byte 262. Office documents would want some kilobytes more; without them they are the zip archives that they are,
/// which is as binary.
pub const SNIFF_BYTES_MAX: usize = 512;

/// A media type for a body that names none: by its signature, else `application/json` for text, else
/// `application/octet-stream`. Nothing is text.
pub fn sniff(first_bytes: &[u8]) -> &'static str {
    let first_bytes = &first_bytes[..first_bytes.len().min(SNIFF_BYTES_MAX)];
    let known = infer::get(first_bytes);
    if is_text(first_bytes) {
        // Two letters are a signature: without this rule every text that begins with `BM` would be a bitmap.
        return known
            .filter(|kind| {
                kind.matcher_type() == MatcherType::Text
                    || ["application/pdf", "application/rtf"].contains(&kind.mime_type())
            })
            .map_or(CONTENT_TYPE_DEFAULT, |kind| kind.mime_type());
    }
    known.map_or("application/octet-stream", |kind| kind.mime_type())
}

/// Whether this is UTF-8 without control characters, perhaps cut inside its last character.
fn is_text(bytes: &[u8]) -> bool {
    let whole = match std::str::from_utf8(bytes) {
        Ok(_) => bytes,
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        Err(_) => return false,
    };
    whole.iter().all(|&byte| byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0c'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn signatures_are_known_and_text_is_json() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "application/pdf"),
            (b"%PDF-1.4\nonly text", "application/pdf"),
            (b"PK\x03\x04\x14\0\0\0", "application/zip"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "application/gzip"),
            (b"<?xml version=\"1.0\"?><a/>", "text/xml"),
            (b"<!DOCTYPE html><p>", "text/html"),
            (b"{\"a\":1}", "application/json"),
            (b"just words", "application/json"),
            (b"BMW and MZ are words too", "application/json"),
            (b"BM\x36\0\0\0\0\0", "image/bmp"),
            (b"", "application/json"),
            (b"\0\x01\x02\x03", "application/octet-stream"),
            (b"caf\xe9 in Latin-1", "application/octet-stream"),
            ("gr\u{fc}n".as_bytes(), "application/json"),
            // Cut inside the last character.
            (b"gr\xc3", "application/json"),
        ] {
            assert_eq!(sniff(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_farthest_signature_is_within_the_bytes_asked_for() {
        let mut tar = vec![0; SNIFF_BYTES_MAX];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(sniff(&tar), "application/x-tar");
        tar.rotate_right(SNIFF_BYTES_MAX - 261);
        assert_eq!(sniff(&tar), "application/octet-stream");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(
            prefix in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"RIFF", b"\0\0\0\x18ftyp"]),
            rest in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let bytes = [prefix, &rest].concat();
            prop_assert!(sniff(&bytes).contains('/'));
            prop_assert_eq!(sniff(&bytes), sniff(&bytes[..bytes.len().min(SNIFF_BYTES_MAX)]));
        }
    }
}
