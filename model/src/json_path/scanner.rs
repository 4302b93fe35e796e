//! A position in an expression, and the tokens that paths and filters share.

use super::JsonPathError;

/// A position in an expression.
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes behind `token` if it comes next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), JsonPathError> {
        if self.eat(token) { Ok(()) } else { Err(self.error(format!("expected {token}"))) }
    }

    pub(super) fn skip_blanks(&mut self) {
        self.take_while(|c| c == ' ');
    }

    pub(super) fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// An integer, or nothing if none stands here.
    pub(super) fn integer(&mut self) -> Result<Option<i64>, JsonPathError> {
        let start = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '-');
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| Self { at: start, ..*self }.error("this is no index"))
    }

    /// Text in single or double quotes; a backslash takes the next character as it is, or as JSON means it.
    pub(super) fn quoted(&mut self) -> Result<String, JsonPathError> {
        let quote = self.peek().filter(|c| matches!(c, '\'' | '"')).ok_or_else(|| self.error("expected a quote"))?;
        let open = Self { ..*self };
        self.at += 1;
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((offset, c)) = chars.next() {
            if c == quote {
                self.at += offset + 1;
                return Ok(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 'b')) => out.push('\u{8}'),
                Some((_, 'f')) => out.push('\u{c}'),
                Some((escape, 'u')) => {
                    let code =
                        self.rest().get(escape + 1..escape + 5).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    out.push(code.and_then(char::from_u32).ok_or_else(|| self.error("\\u needs four hex digits"))?);
                    chars.nth(3);
                }
                Some((_, other)) => out.push(other),
                None => break,
            }
        }
        Err(open.error("this quote is not closed"))
    }

    /// An error at this position, counted in characters from 1.
    pub(super) fn error(&self, problem: impl Into<String>) -> JsonPathError {
        JsonPathError { position: self.text[..self.at].chars().count() + 1, problem: problem.into() }
    }
}
