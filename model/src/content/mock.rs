//! The status code that a `MOCK` integration's request names (section g.5).
//!
//! Read leniently, as the hosted gateway does: names without quotes, single quotes, a comma too many. A reader of its own
//! and not one for JSON5, because only one member is wanted: the rest is skipped without recursion and without being kept.

use crate::limits::{MOCK_DEPTH_MAX, MOCK_REQUEST_BYTES_MAX};

/// The integer `statusCode` of the object in `text`; of several the last. `None`, which is a 500 to the client, when
/// there is none, when it is no integer of 32 bits, when the text is no object, or when it is larger or deeper than
/// [`MOCK_REQUEST_BYTES_MAX`] and [`MOCK_DEPTH_MAX`]. What follows the object is not looked at.
pub fn status_code(text: &str) -> Option<i32> {
    if text.len() > MOCK_REQUEST_BYTES_MAX {
        return None;
    }
    let mut reader = Reader { rest: text.as_bytes() };
    let mut found = None;
    reader.take(b'{')?;
    while reader.take(b'}').is_none() {
        let name = reader.name()?;
        reader.take(b':')?;
        let value = reader.value()?;
        if name == b"statusCode" {
            found = Some(value);
        }
        if reader.take(b',').is_none() {
            reader.take(b'}')?;
            break;
        }
    }
    status(found?)
}

/// Any integer counts, as the specification has it: the code only chooses an integration response, by its text, and what
/// the client gets is the chosen entry's code.
fn status(value: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(value).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A leading zero is no number in JSON.
    (is_integer && (digits == "0" || !digits.starts_with('0'))).then(|| text.parse().ok()).flatten()
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next byte that is no blank, left where it is.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.rest = &self.rest[1..])
    }

    fn cut(&mut self, at: usize) -> &'a [u8] {
        let (cut, rest) = self.rest.split_at(at);
        self.rest = rest;
        cut
    }

    /// A member's name, without its quotes if it has some. Escapes in it stay: `statusCode` needs none.
    fn name(&mut self) -> Option<&'a [u8]> {
        match self.peek()? {
            b'"' | b'\'' => self.string().map(|quoted| &quoted[1..quoted.len() - 1]),
            _ => self.word(),
        }
    }

    /// Any value, as it is written.
    fn value(&mut self) -> Option<&'a [u8]> {
        match self.peek()? {
            b'"' | b'\'' => self.string(),
            b'{' | b'[' => self.container(),
            _ => self.word(),
        }
    }

    /// A name, a number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<&'a [u8]> {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$+-.".contains(byte) || !byte.is_ascii();
        let end = self.rest.iter().position(|byte| !is_word(byte)).unwrap_or(self.rest.len());
        (end > 0).then(|| self.cut(end))
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let quote = *self.rest.first()?;
        let mut at = 1;
        while *self.rest.get(at)? != quote {
            at += if self.rest[at] == b'\\' { 2 } else { 1 };
        }
        Some(self.cut(at + 1))
    }

    /// An object or array whose brackets close in order; what stands in it is not looked at otherwise.
    fn container(&mut self) -> Option<&'a [u8]> {
        let all = self.rest;
        let mut closing = [0; MOCK_DEPTH_MAX];
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' | b'\'' => drop(self.string()?),
                opening @ (b'{' | b'[') => {
                    *closing.get_mut(depth)? = if opening == b'{' { b'}' } else { b']' };
                    depth += 1;
                    self.cut(1);
                }
                byte @ (b'}' | b']') => {
                    depth -= 1;
                    self.cut(1);
                    if byte != closing[depth] {
                        return None;
                    }
                    if depth == 0 {
                        return Some(&all[..all.len() - self.rest.len()]);
                    }
                }
                b',' | b':' => drop(self.cut(1)),
                _ => drop(self.word()?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_that_are_accepted() {
        for text in [
            r#"{"statusCode": 200}"#,
            "{statusCode: 200}",
            "{statusCode:200}",
            "{'statusCode':200}",
            "{ \"statusCode\" : 200 , }",
            "\r\n\t{\"statusCode\":200}\n",
            r#"{"statusCode": 200} and more"#,
            r#"{"a": "}", "statusCode": 200}"#,
            r#"{"a": "\"}", b: 'it\'s', "statusCode": 200, "c": null}"#,
            r#"{"a": {"statusCode": 404, "b": [1, {"c": "]"}, -2.5e3]}, "statusCode": 200, d: [true,]}"#,
            r#"{"statusCode": 404, "statusCode": 200}"#,
            "{\"\u{e4}\": \"\u{20ac}\", statusCode: 200}",
        ] {
            assert_eq!(status_code(text), Some(200), "{text}");
        }
    }

    #[test]
    fn texts_without_a_status_code() {
        for text in [
            "",
            "{}",
            "200",
            "statusCode: 200",
            "[{\"statusCode\": 200}]",
            r#"{"statusCode": "200"}"#,
            r#"{"statusCode": 200.0}"#,
            r#"{"statusCode": 2e2}"#,
            r#"{"statusCode": +200}"#,
            r#"{"statusCode": null}"#,
            r#"{"statusCode": [200]}"#,
            r#"{"statusCode": 200"#,
            r#"{"statusCode": }"#,
            r#"{"statusCode" 200}"#,
            r#"{"statuscode": 200}"#,
            r#"{"a": 1 "statusCode": 200}"#,
            r#"{, "statusCode": 200}"#,
            r#"{"a": {"statusCode": 200}}"#,
            r#"{"a": [}, "statusCode": 200}"#,
            r#"{"a": "open, "statusCode": 200}"#,
            "{\"a\": \"\\",
        ] {
            assert_eq!(status_code(text), None, "{text}");
        }
    }

    #[test]
    fn the_code_is_any_integer() {
        for (code, expected) in [
            ("99", Some(99)),
            ("200", Some(200)),
            ("599", Some(599)),
            ("1000", Some(1000)),
            ("0", Some(0)),
            ("-1000", Some(-1000)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("0200", None),
            ("-", None),
            ("20x", None),
            ("200.0", None),
            ("2e2", None),
        ] {
            assert_eq!(status_code(&format!("{{\"statusCode\": {code}}}")), expected, "{code}");
        }
    }

    #[test]
    fn size_and_depth_have_bounds() {
        let sized = |bytes: usize| format!("{{a:'{}',statusCode:200}}", "x".repeat(bytes - 21));
        assert_eq!(sized(100).len(), 100);
        assert_eq!(status_code(&sized(MOCK_REQUEST_BYTES_MAX)), Some(200));
        assert_eq!(status_code(&sized(MOCK_REQUEST_BYTES_MAX + 1)), None);
        let deep = |depth: usize| format!("{{a:{}{},statusCode:200}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(status_code(&deep(MOCK_DEPTH_MAX)), Some(200));
        assert_eq!(status_code(&deep(MOCK_DEPTH_MAX + 1)), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in r#"[\{\}\[\]"'\\:, a2\u{20ac}]{0,40}"#) {
            // One member only, and its name cannot be spelled with these characters.
            prop_assert_eq!(status_code(&text), None);
        }

        #[test]
        fn json_that_has_the_member_is_read(code in any::<i32>(), other in "\\PC{0,20}", before in any::<bool>()) {
            let other = serde_json::json!({ "text": other, "list": [other, {"deep": [null, 1.5]}] }).to_string();
            let member = format!("\"statusCode\":{code}");
            let text = if before {
                format!("{{{member},\"other\":{other}}}")
            } else {
                format!("{{\"other\":{other},{member}}}")
            };
            prop_assert_eq!(status_code(&text), Some(code));
        }
    }
}
