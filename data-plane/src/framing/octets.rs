//! The character classes of the grammar, and how far a run of each reaches.
//!
//! Called for every byte of every head, so classes are one table and long runs are looked at many bytes at a time.

const TOKEN: u8 = 1;
const PATH: u8 = 2;
const QUERY: u8 = 4;
const REG_NAME: u8 = 8;

static CLASSES: [u8; 256] = classes();

/// How many of the first bytes are `tchar` (RFC 9110 section 5.6.2).
#[inline]
pub(super) fn token_run(bytes: &[u8]) -> usize {
    run(bytes, TOKEN)
}

/// How many of the first bytes may stand in a target before its question mark.
#[inline]
pub(super) fn path_run(bytes: &[u8]) -> usize {
    run(bytes, PATH)
}

/// How many of the first bytes may stand in a target after its question mark.
#[inline]
pub(super) fn query_run(bytes: &[u8]) -> usize {
    run(bytes, QUERY)
}

/// Whether every byte may stand in a registered name (RFC 3986 section 3.2.2), percent-encoding excepted.
pub(super) fn is_reg_name(bytes: &[u8]) -> bool {
    run(bytes, REG_NAME) == bytes.len()
}

/// How many of the first bytes may stand in a header value: everything but control characters, HTAB allowed.
#[inline]
pub(super) fn value_run(bytes: &[u8]) -> usize {
    // Fixed blocks without an early exit inside compile to vector instructions; most heads are mostly values.
    const BLOCK: usize = 16;
    let mut len = 0;
    for block in bytes.chunks_exact(BLOCK) {
        if block.iter().fold(false, |bad, &byte| bad | !is_value_byte(byte)) {
            break;
        }
        len += BLOCK;
    }
    len + bytes[len..].iter().take_while(|&&byte| is_value_byte(byte)).count()
}

/// Cuts spaces and tabs from both ends (`OWS`, RFC 9110 section 5.6.3).
pub(super) fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[inline]
fn is_value_byte(byte: u8) -> bool {
    ((byte >= b' ') & (byte != 0x7f)) | (byte == b'\t')
}

#[inline]
fn run(bytes: &[u8], class: u8) -> usize {
    bytes.iter().position(|&byte| CLASSES[byte as usize] & class == 0).unwrap_or(bytes.len())
}

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let octet = byte as u8;
        if octet.is_ascii_alphanumeric() {
            table[byte] |= TOKEN | REG_NAME;
        }
        if matches!(
            octet,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        ) {
            table[byte] |= TOKEN;
        }
        // RFC 3986 forbids more than this, but browsers send these bytes unencoded and nobody reads them differently.
        // A fragment has no place in a target, and a byte that `http::Uri` refuses would be answered by hyper.
        if octet.is_ascii_graphic() && !matches!(octet, b'#' | b'<' | b'>' | b'?' | b'`') {
            table[byte] |= PATH;
        }
        if octet.is_ascii_graphic() && !matches!(octet, b'#' | b'<' | b'>' | b'"') {
            table[byte] |= QUERY;
        }
        if matches!(
            octet,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        ) {
            table[byte] |= REG_NAME;
        }
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_hold_exactly_the_ascii_bytes_that_http_accepts_unchanged() {
        for byte in 0..=u8::MAX {
            for (prefix, run) in [(&b"/"[..], path_run as fn(&[u8]) -> usize), (b"/?", query_run)] {
                let target = [prefix, &[byte]].concat();
                let unchanged = http::Uri::try_from(&target[..])
                    .is_ok_and(|uri| byte.is_ascii() && uri.to_string().as_bytes() == target);
                let question_mark = byte == b'?' && prefix.len() == 1;
                assert_eq!(run(&[byte]) == 1, unchanged && !question_mark, "byte {byte:#x} after {prefix:?}");
            }
        }
    }

    #[test]
    fn tokens_are_what_http_accepts_as_a_method() {
        for byte in 0..=u8::MAX {
            assert_eq!(token_run(&[byte]) == 1, http::Method::from_bytes(&[byte]).is_ok(), "byte {byte:#x}");
        }
    }

    #[test]
    fn a_value_runs_to_its_first_control_character_wherever_that_stands() {
        for byte in 0..=u8::MAX {
            let fits = http::HeaderValue::from_bytes(&[byte]).is_ok();
            for place in 0..40 {
                let mut value = [b'v'; 40];
                value[place] = byte;
                assert_eq!(value_run(&value), if fits { 40 } else { place }, "byte {byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn blanks_are_trimmed_from_both_ends_only() {
        assert_eq!(trim_blanks(b" \t a b\t "), b"a b");
        assert_eq!(trim_blanks(b" \t"), b"");
    }
}
