//! What a custom integration looks for in a function's result (sections b.4 and f).

use serde::Deserialize;
use std::borrow::Cow;

/// The message of a function's error, which chooses the integration response. An error without one is its own message, so
/// that it is none of a success.
pub fn error_message(result: &[u8]) -> Cow<'_, str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct FunctionError<'a> {
        #[serde(borrow)]
        error_message: Cow<'a, str>,
    }
    match serde_json::from_slice::<FunctionError<'_>>(result) {
        Ok(error) => error.error_message,
        Err(_) => String::from_utf8_lossy(result),
    }
}

/// The text of a result that is a string and nothing else; `None` of every other result. Not copied where no escape stands
/// in it.
pub fn bare_string(result: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    if result.trim_ascii_start().first() != Some(&b'"') {
        return None;
    }
    serde_json::from_slice(result).ok().map(|Text(text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_an_error_is_found_or_the_error_is_its_own() {
        for (result, message) in [
            (r#"{"errorMessage":"a \"b\"","errorType":"E","stackTrace":[]}"#, "a \"b\""),
            (r#"{"errorMessage":""}"#, ""),
            (r#"{"errorType":"E"}"#, r#"{"errorType":"E"}"#),
            (r#"{"errorMessage":1}"#, r#"{"errorMessage":1}"#),
            ("no JSON", "no JSON"),
            ("", ""),
        ] {
            assert_eq!(error_message(result.as_bytes()), message, "{result}");
        }
        assert!(matches!(error_message(b"{\"errorMessage\":\"x\"}"), Cow::Borrowed("x")));
    }

    #[test]
    fn only_a_string_is_a_bare_string() {
        for (result, text) in [
            (r#" "aGk=" "#, Some("aGk=")),
            (r#""a\/b""#, Some("a/b")),
            (r#""""#, Some("")),
            (r#"{"a":"b"}"#, None),
            ("aGk=", None),
            (r#""open"#, None),
            (r#""a" "b""#, None),
            ("", None),
        ] {
            assert_eq!(bare_string(result.as_bytes()).as_deref(), text, "{result}");
        }
        assert!(matches!(bare_string(b"\"x\""), Some(Cow::Borrowed("x"))));
    }
}
