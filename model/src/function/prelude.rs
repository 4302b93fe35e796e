//! [`read_prelude`]: what stands before the body of a streamed answer (section k).

use super::answer::{AnswerProblem, FunctionHead, read_document, streamed_head};
use super::document::Root;
use crate::limits::FUNCTION_PRELUDE_BYTES_MAX;

/// Between the prelude's object and the body.
const DELIMITER: [u8; 8] = [0; 8];

/// Reads the beginning of a streamed answer: its head, and where its body begins. `None` asks for more bytes; a stream
/// that ends there has the [`AnswerProblem::Prelude`].
///
/// # Errors
/// No continuation makes it a streamed answer.
pub fn read_prelude(bytes: &[u8]) -> Result<Option<(FunctionHead, usize)>, AnswerProblem> {
    let bytes = &bytes[..bytes.len().min(FUNCTION_PRELUDE_BYTES_MAX)];
    // Found at once, and not after the bound, in what a function streams that knows nothing of preludes.
    if bytes.trim_ascii_start().first().is_some_and(|&byte| byte != b'{') {
        return Err(AnswerProblem::Prelude);
    }
    // No text of JSON holds a NUL, so the first one ends the object.
    let end = bytes.iter().position(|&byte| byte == 0);
    let (object, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    if !rest.starts_with(&DELIMITER) {
        let may_become_one = DELIMITER.starts_with(rest) && bytes.len() < FUNCTION_PRELUDE_BYTES_MAX;
        return if may_become_one { Ok(None) } else { Err(AnswerProblem::Prelude) };
    }
    let text = std::str::from_utf8(object).map_err(|_| AnswerProblem::NotUtf8)?;
    match read_document(text)? {
        Root::Object(document) => Ok(Some((streamed_head(*document)?, object.len() + DELIMITER.len()))),
        Root::Other(_) => Err(AnswerProblem::Prelude),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use proptest::prelude::*;

    fn prelude(object: &str, body: &str) -> Vec<u8> {
        [object.as_bytes(), &DELIMITER, body.as_bytes()].concat()
    }

    #[test]
    fn the_body_begins_behind_eight_nul_bytes() {
        let object =
            r#" {"statusCode":201,"headers":{"A":"1"},"multiValueHeaders":{"a":["2","1"]},"cookies":["c=1","d=2"]}"#;
        let bytes = prelude(object, "body");
        let (head, at) = read_prelude(&bytes).expect("it is one").expect("it is whole");
        assert_eq!((head.status, &bytes[at..]), (StatusCode::CREATED, &b"body"[..]));
        let lines: Vec<_> = head.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        assert_eq!(lines, [r#"a: "2""#, r#"a: "1""#, r#"set-cookie: "c=1""#, r#"set-cookie: "d=2""#]);
        let (head, at) = read_prelude(&prelude("{}", "")).expect("it is one").expect("it is whole");
        assert_eq!((head.status, head.headers.len(), at), (StatusCode::OK, 0, 10));
    }

    #[test]
    fn any_beginning_of_a_prelude_asks_for_more() {
        let whole = prelude(r#"{"statusCode":404}"#, "");
        for length in 0..whole.len() {
            assert_eq!(read_prelude(&whole[..length]), Ok(None), "{length}");
        }
        let with_nul_in_body = prelude("{}", "\0\0");
        assert_eq!(read_prelude(&with_nul_in_body).expect("it is one").expect("it is whole").1, 10);
    }

    #[test]
    fn what_can_be_no_prelude_is_refused_at_once() {
        let unknown = |key: &str| AnswerProblem::UnknownKey(key.to_owned());
        for (bytes, problem) in [
            (b"plain text".to_vec(), AnswerProblem::Prelude),
            (b"  [1]".to_vec(), AnswerProblem::Prelude),
            (b"\0".to_vec(), AnswerProblem::Prelude),
            (b"{}\0\0x".to_vec(), AnswerProblem::Prelude),
            (b"{}\0\0\0\0\0\0\0x".to_vec(), AnswerProblem::Prelude),
            (prelude("{\"a\"", ""), AnswerProblem::NotJson { line: 1, column: 4 }),
            (prelude("{} {}", ""), AnswerProblem::NotJson { line: 1, column: 4 }),
            (prelude(r#"{"body":"x"}"#, ""), unknown("body")),
            (prelude(r#"{"isBase64Encoded":false}"#, ""), unknown("isBase64Encoded")),
            (prelude(r#"{"base64Encoded":null}"#, ""), unknown("base64Encoded")),
            (prelude(r#"{"trailers":{}}"#, ""), unknown("trailers")),
            (prelude(r#"{"statusCode":101}"#, ""), AnswerProblem::Status),
            ([&b"{\"a\":\"\xff\"}"[..], &DELIMITER].concat(), AnswerProblem::NotUtf8),
        ] {
            assert_eq!(read_prelude(&bytes), Err(problem), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn the_delimiter_ends_within_the_bound() {
        let of = |length: usize| prelude(&format!("{{}}{}", " ".repeat(length - 2 - DELIMITER.len())), "body");
        let longest = of(FUNCTION_PRELUDE_BYTES_MAX);
        let (_, at) = read_prelude(&longest).expect("it is one").expect("it is whole");
        assert_eq!(at, FUNCTION_PRELUDE_BYTES_MAX);
        let longer = of(FUNCTION_PRELUDE_BYTES_MAX + 1);
        assert_eq!(read_prelude(&longer), Err(AnswerProblem::Prelude));
        assert_eq!(read_prelude(&longer[..FUNCTION_PRELUDE_BYTES_MAX - 1]), Ok(None));
        assert_eq!(read_prelude(&longer[..FUNCTION_PRELUDE_BYTES_MAX]), Err(AnswerProblem::Prelude));
    }

    proptest! {
        #[test]
        fn more_bytes_never_change_what_was_said(bytes in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..64)) {
            let bytes = [&b"{}"[..], &bytes].concat();
            let whole = read_prelude(&bytes);
            for length in 0..bytes.len() {
                match read_prelude(&bytes[..length]) {
                    Ok(None) => {}
                    said => prop_assert_eq!(&said, &whole),
                }
            }
        }
    }
}
