//! Values in a body, for requests and responses alike.

use crate::json_path::{JsonPath, JsonPathFailure};
use crate::limits::{JSON_PATH_DOCUMENT_BYTES_MAX, MAPPED_HEADER_BYTES_MAX};
use std::borrow::Cow;

/// Why a source in a body has no value although there may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceProblem {
    /// The value does not fit into a head.
    #[error("a value mapped from the body is larger than {MAPPED_HEADER_BYTES_MAX} bytes")]
    ValueTooLarge,
    /// Looking for it would take too much memory or time.
    #[error("a JSON path has to search more than {JSON_PATH_DOCUMENT_BYTES_MAX} bytes of the body, or for too long")]
    SearchTooLarge,
}

/// The body, or what `path` in it gives: a string as it is, anything else as JSON, a list as a JSON array.
///
/// No body, an empty one, one that is not JSON under a path, a place that does not exist and JSON `null` are all absent:
/// the target is left out. The specification says so of absent sources (section e.5) and leaves the others open; a
/// mapping is not a validator.
pub(super) fn value<'a>(path: Option<&JsonPath>, body: Option<&'a str>) -> Result<Option<Cow<'a, str>>, SourceProblem> {
    let Some(body) = body.filter(|body| !body.is_empty()) else { return Ok(None) };
    let Some(path) = path else {
        return if body.len() > MAPPED_HEADER_BYTES_MAX {
            Err(SourceProblem::ValueTooLarge)
        } else {
            Ok(Some(Cow::Borrowed(body)))
        };
    };
    path.text(body, MAPPED_HEADER_BYTES_MAX).or_else(|failure| match failure {
        JsonPathFailure::NotJson => Ok(None),
        JsonPathFailure::ValueTooLarge => Err(SourceProblem::ValueTooLarge),
        JsonPathFailure::DocumentTooLarge | JsonPathFailure::TooManySteps => Err(SourceProblem::SearchTooLarge),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_be_as_large_as_the_limit_and_no_larger() {
        let path = JsonPath::parse("a").expect("a path");
        for (bytes, fits) in [(MAPPED_HEADER_BYTES_MAX, true), (MAPPED_HEADER_BYTES_MAX + 1, false)] {
            let text = "x".repeat(bytes);
            let expected =
                if fits { Ok(Some(Cow::Borrowed(text.as_str()))) } else { Err(SourceProblem::ValueTooLarge) };
            assert_eq!(value(None, Some(&text)), expected);
            assert_eq!(value(Some(&path), Some(&format!(r#"{{"a":"{text}"}}"#))), expected);
        }
    }

    #[test]
    fn a_search_through_too_much_is_a_problem_and_not_an_absent_value() {
        let body = format!(r#"[{{"a":1}},"{}"]"#, "x".repeat(JSON_PATH_DOCUMENT_BYTES_MAX));
        let [walked, searched] = ["$[0].a", "$..a"].map(|path| JsonPath::parse(path).expect("a path"));
        assert_eq!(value(Some(&walked), Some(&body)), Ok(Some(Cow::Borrowed("1"))));
        assert_eq!(value(Some(&searched), Some(&body)), Err(SourceProblem::SearchTooLarge));
    }
}
