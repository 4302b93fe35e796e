//! Secret words that stand for an identity: read from files, compared by their hashes in constant time, never shown.

use crate::file::{Contents, FileError};
use crate::limits::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, TOKENS_MAX};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A token as it is sent. `Debug` hides it.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The secret itself.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// What it is compared by.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

/// The SHA-256 of a token.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl TokenHash {
    /// Of a token that somebody presents.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 {
            return None;
        }
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits?.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Some(Self(bytes))
    }

    /// Whether both are of the same token, in a time that tells nothing.
    pub fn matches(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// Reads a file of tokens, one a line. Empty lines and lines that begin with `#` do not count.
///
/// # Errors
/// No token, too many, or a line that is none, by its number.
pub fn tokens(file: &Contents) -> Result<Vec<Token>, FileError> {
    let failed = |reason: String| FileError::new(&file.path, reason);
    let text = std::str::from_utf8(&file.bytes).map_err(|_| failed("is not text".to_owned()))?;
    let mut tokens = Vec::new();
    for (line, token) in (1..).zip(text.lines().map(str::trim)) {
        if token.is_empty() || token.starts_with('#') {
            continue;
        }
        if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) || !token.bytes().all(is_token_byte) {
            return Err(failed(format!(
                "line {line}: a token is {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} letters, digits or -._~+/=; make one \
                 with `openssl rand -hex 32`"
            )));
        }
        tokens.push(Token(token.to_owned()));
    }
    match tokens.len() {
        0 => Err(failed("holds no token".to_owned())),
        count if count > TOKENS_MAX => Err(failed(format!("holds {count} tokens, which is more than {TOKENS_MAX}"))),
        _ => Ok(tokens),
    }
}

/// RFC 6750, section 2.1.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Token>, FileError> {
        tokens(&Contents { path: "tokens".into(), bytes: text.into() })
    }

    #[test]
    fn a_file_has_one_token_a_line_with_room_for_comments() {
        let tokens = read("# new\nabcdefghijklmnop\n\n  0123456789abcdef  \n").unwrap();
        let secrets: Vec<_> = tokens.iter().map(Token::secret).collect();
        assert_eq!(secrets, ["abcdefghijklmnop", "0123456789abcdef"]);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_not_shown() {
        for text in ["abcdefghijklmnop\nshort", "abcdefghijklmnop\nhas spaces in between", "\u{e4}bcdefghijklmnopqrst"]
        {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("line "), "{error}");
            assert!(!error.contains("short") && !error.contains("spaces"), "{error}");
        }
        assert!(read("# nothing\n").unwrap_err().to_string().contains("no token"));
    }

    #[test]
    fn lengths_and_counts_hold_at_the_limit_and_not_beyond() {
        assert!(read(&"a".repeat(TOKEN_BYTES_MIN)).is_ok() && read(&"a".repeat(TOKEN_BYTES_MAX)).is_ok());
        assert!(read(&"a".repeat(TOKEN_BYTES_MIN - 1)).is_err() && read(&"a".repeat(TOKEN_BYTES_MAX + 1)).is_err());
        let lines = |count: usize| "abcdefghijklmnop\n".repeat(count);
        assert!(read(&lines(TOKENS_MAX)).is_ok());
        assert!(read(&lines(TOKENS_MAX + 1)).is_err());
    }

    #[test]
    fn a_hash_is_read_as_sha256sum_writes_it() {
        let written = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash = TokenHash::from_hex(written).unwrap();
        assert!(hash.matches(&TokenHash::of("abc")));
        assert!(!hash.matches(&TokenHash::of("abd")));
        assert!(TokenHash::from_hex(&written[1..]).is_none());
        assert!(TokenHash::from_hex(&written.replace('b', "g")).is_none());
    }

    #[test]
    fn a_secret_has_no_debug_form() {
        let token = read("abcdefghijklmnop").unwrap().remove(0);
        assert!(!format!("{token:?} {:?}", token.hash()).contains("abc"));
    }
}
