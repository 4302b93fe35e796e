//! Writing JSON text, piece by piece into one buffer.

const LANES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Appends `text` as the inside of a JSON string, quotes not included. Text without escapes is found eight bytes at a
/// time and copied as a whole: bodies are text, and may be megabytes.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len());
    while let Some(at) = first_escaped(rest) {
        out.extend_from_slice(&rest[..at]);
        push_escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// The same of bytes that may not be UTF-8: what is not becomes U+FFFD, as in mappings.
pub(super) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        push_text(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
}

/// Appends `text` as a JSON string.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_text(out, text);
    out.push(b'"');
}

/// Appends `,"name":"text"`.
pub(super) fn push_member(out: &mut Vec<u8>, name: &str, text: &str) {
    push_name(out, name);
    push_string(out, text);
}

/// Appends `,"name":`.
pub(super) fn push_name(out: &mut Vec<u8>, name: &str) {
    out.push(b',');
    push_string(out, name);
    out.push(b':');
}

/// Puts one separator before every element but the first.
pub(super) struct Separator {
    between: u8,
    started: bool,
}

impl Separator {
    pub(super) fn new(between: u8) -> Self {
        Self { between, started: false }
    }

    pub(super) fn push(&mut self, out: &mut Vec<u8>) {
        if self.started {
            out.push(self.between);
        }
        self.started = true;
    }
}

/// Where the first byte stands that JSON does not allow in a string.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let mut chunks = bytes.chunks_exact(8);
    let mut at = 0;
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks_exact gives eight bytes"));
        let found = zero_lanes(word ^ (LANES * u64::from(b'"')))
            | zero_lanes(word ^ (LANES * u64::from(b'\\')))
            | (word.wrapping_sub(LANES * 0x20) & !word & HIGH_BITS);
        if found != 0 {
            // Above the lowest bit there may be false ones, where a subtraction has borrowed; never below it.
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    chunks.remainder().iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\').map(|rest| at + rest)
}

/// The high bit of each byte that is zero; exact up to the lowest of them.
fn zero_lanes(word: u64) -> u64 {
    word.wrapping_sub(LANES) & !word & HIGH_BITS
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_character_is_escaped_wherever_it_stands_in_a_word() {
        for character in (0..=0x1ff).filter_map(char::from_u32) {
            for before in 0..10 {
                let text = format!("{}{character}rest", "a".repeat(before));
                let mut out = Vec::new();
                push_string(&mut out, &text);
                assert_eq!(String::from_utf8(out).expect("UTF-8"), serde_json::to_string(&text).expect("a string"));
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        for (bytes, expected) in [
            (&b"plain"[..], "plain"),
            (b"caf\xe9", "caf\u{FFFD}"),
            (b"\xff\xff\"", "\u{FFFD}\u{FFFD}\\\""),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
        ] {
            let mut out = Vec::new();
            push_bytes(&mut out, bytes);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
        }
    }

    proptest! {
        #[test]
        fn text_is_written_as_a_library_writes_it(text in any::<String>(), tail in "[a\"\\\\\u{1}-\u{1f} -\u{2ff}]{0,64}") {
            let text = text + &tail;
            let mut out = Vec::new();
            push_string(&mut out, &text);
            prop_assert_eq!(String::from_utf8(out).expect("UTF-8"), serde_json::to_string(&text).expect("a string"));
        }
    }
}
