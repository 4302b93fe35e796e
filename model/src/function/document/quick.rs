//! [`read_quickly`]: a document whose strings hold no escapes, which is what a body in base64 is. Such a string is searched
//! for its end with the processor's wide registers, and not looked at again: bodies have megabytes.

use super::{Document, Value, ValueReader};
use serde::de::{DeserializeSeed as _, IgnoredAny};
use std::borrow::Cow;

/// Control characters are looked for in pieces of so many bytes, so that the search can stop early and is wide none the less.
const PIECE_BYTES: usize = 4 * 1024;

/// A document, if it is an object in which no name and no string on the first level holds an escape. `None` says nothing:
/// it may be any other document, and it may be no JSON at all.
pub(super) fn read_quickly(text: &str) -> Option<Document<'_>> {
    let mut document = Document::default();
    let mut rest = blank(text).strip_prefix('{')?;
    loop {
        let (key, behind) = plain_string(blank(rest))?;
        let behind = blank(blank(behind).strip_prefix(':')?);
        let value;
        (value, rest) = match behind.starts_with('"') {
            true => plain_string(behind).map(|(text, behind)| (Value::Text(Cow::Borrowed(text)), behind))?,
            false => other_value(Document::depth_of(key).unwrap_or(0), behind)?,
        };
        document.put(Cow::Borrowed(key), value);
        rest = blank(rest);
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return blank(rest.strip_prefix('}')?).is_empty().then_some(document),
        }
    }
}

/// Text behind the white space that JSON allows between tokens.
fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// The string that `text` begins with, and what is behind it.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let end = memchr::memchr2(b'"', b'\\', inside.as_bytes())?;
    let (inside, behind) = inside.split_at_checked(end)?;
    let is_plain = |piece: &[u8]| piece.iter().fold(true, |plain, &byte| plain & (byte >= b' '));
    let plain = inside.as_bytes().chunks(PIECE_BYTES).all(is_plain);
    Some((inside, behind.strip_prefix('"')?)).filter(|_| plain)
}

fn other_value(depth: u8, text: &str) -> Option<(Value<'_>, &str)> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = ValueReader { depth }.deserialize(&mut reader).ok()?;
    let end = reader.into_iter::<IgnoredAny>().byte_offset();
    Some((value, text.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::super::{Root, read_thoroughly};
    use super::*;
    use proptest::prelude::*;

    fn thoroughly(text: &str) -> Option<Document<'_>> {
        match read_thoroughly(text) {
            Ok(Root::Object(document)) => Some(*document),
            Ok(Root::Other(_)) | Err(_) => None,
        }
    }

    #[test]
    fn what_is_plain_is_read_and_nothing_else_is() {
        for (text, is_read) in [
            (r#"{"body":"aGk="}"#, true),
            (" {\n\"body\" :\t\"aGk=\" , \"statusCode\":200 } \r\n", true),
            (r#"{"headers":{"a":"1\n","b":[2]},"multiValueHeaders":{"c":["x"]},"isBase64Encoded":true}"#, true),
            (r#"{"body":"a","body":"b","odd":{"a":[{}]},"other":1.5e3}"#, true),
            (r#"{"statusCode":-1}"#, true),
            (r#"{"body":"é"}"#, true),
            (r"{}", false),
            (r#"{"body":"a\n"}"#, false),
            (r#"{"bod\u0079":"a"}"#, false),
            ("{\"body\":\"a\nb\"}", false),
            (r#"{"body":"a"} x"#, false),
            (r#"{"body":"a",}"#, false),
            (r#"{"body":"a" "b":1}"#, false),
            (r#"{"body":01}"#, false),
            (r#"{"body":nul}"#, false),
            (r#"{"body":}"#, false),
            (r#"{"body"}"#, false),
            (r#"{"body":"a"#, false),
            (r#"{"body":"a""#, false),
            (r#"{body:"a"}"#, false),
            (r#"["a"]"#, false),
            ("", false),
        ] {
            let quick = read_quickly(text);
            assert_eq!(quick.is_some(), is_read, "{text}");
            if is_read {
                assert_eq!(quick, thoroughly(text), "{text}");
            }
        }
    }

    #[test]
    fn a_control_character_is_found_in_every_piece() {
        for at in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 3 * PIECE_BYTES - 1] {
            let mut body = "a".repeat(3 * PIECE_BYTES);
            assert!(read_quickly(&format!("{{\"body\":\"{body}\"}}")).is_some());
            body.replace_range(at..=at, "\u{1f}");
            assert!(read_quickly(&format!("{{\"body\":\"{body}\"}}")).is_none(), "{at}");
        }
    }

    proptest! {
        /// Whatever it takes, the thorough reader takes as the same; texts are near enough to JSON to be taken often.
        #[test]
        fn it_agrees_with_the_thorough_reader(
            members in prop::collection::vec(
                (
                    prop::sample::select(vec!["body", "headers", "statusCode", "isBase64Encoded", "cookies", "odd", "b\\u006fdy"]),
                    prop::sample::select(vec![
                        "\"aGk=\"", "\"\"", "\"a\\\"b\"", "{\"a\":\"1\"}", "[1,[2]]", "null", "true", "2e2", "-", "\"\u{7f}é\"", "\"\t\"", "{",
                    ]),
                    prop::sample::select(vec![",", " ,\n", ",,", " "]),
                ),
                0..4,
            ),
            closed in prop::sample::select(vec!["}", " } ", "", "}}"]),
        ) {
            let mut text = "{".to_owned();
            let last = members.len().saturating_sub(1);
            for (index, (name, value, separator)) in members.iter().enumerate() {
                text += &format!("\"{name}\":{value}");
                if index < last {
                    text += separator;
                }
            }
            text += closed;
            if let Some(quick) = read_quickly(&text) {
                prop_assert_eq!(Some(quick), thoroughly(&text));
            }
        }
    }
}
