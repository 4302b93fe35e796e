//! Answers, row by row from sections b.3 and b.6.

use super::*;
use PayloadFormat::{V1, V2};
use proptest::prelude::*;
use serde_json::json;

fn told(answer: &FunctionAnswer<'_>) -> (u16, Vec<String>, String, bool) {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    (
        answer.status.as_u16(),
        answer.headers.iter().map(line).collect(),
        answer.body.clone().into_owned(),
        answer.is_base64,
    )
}

/// Document, status, headers, body, whether it is base64.
#[test]
fn documents_of_format_1_become_answers() {
    for (document, status, headers, body, is_base64) in [
        ("{}", 200, &[][..], "", false),
        (r#" {"statusCode": 200} "#, 200, &[], "", false),
        (r#"{"headers":{"X-A":"1"}}"#, 200, &["x-a: 1"], "", false),
        (r#"{"statusCode":"201"}"#, 201, &[], "", false),
        (r#"{"statusCode":200.0}"#, 200, &[], "", false),
        (r#"{"statusCode":2.01e2}"#, 201, &[], "", false),
        (r#"{"statusCode":null}"#, 200, &[], "", false),
        (r#"{"statusCode":599}"#, 599, &[], "", false),
        (
            r#"{"headers":null,"multiValueHeaders":null,"cookies":null,"body":null,"isBase64Encoded":null}"#,
            200,
            &[],
            "",
            false,
        ),
        (
            r#"{"headers":{"a":true,"b":false,"c":7,"d":-1.5,"e":null,"f":"","g":1.0}}"#,
            200,
            &["a: true", "b: false", "c: 7", "d: -1.5", "f: ", "g: 1.0"],
            "",
            false,
        ),
        (r#"{"body":"text \"quoted\" \u00e4"}"#, 200, &[], "text \"quoted\" \u{e4}", false),
        (r#"{"body":"aGk=","isBase64Encoded":true}"#, 200, &[], "aGk=", true),
        (r#"{"body":"x","isBase64Encoded":"true"}"#, 200, &[], "x", true),
        (r#"{"base64Encoded":true,"isBase64Encoded":false}"#, 200, &[], "", true),
        (r#"{"isBase64Encoded":true,"base64Encoded":false}"#, 200, &[], "", false),
        // Merging: the lists first, names without regard to case, equal pairs once.
        (
            r#"{"headers":{"x-a":"3","X-B":"4"},"multiValueHeaders":{"X-A":["1","2"]}}"#,
            200,
            &["x-a: 1", "x-a: 2", "x-a: 3", "x-b: 4"],
            "",
            false,
        ),
        (
            r#"{"multiValueHeaders":{"A":["1","2","1"]},"headers":{"a":"2","B":"1"}}"#,
            200,
            &["a: 1", "a: 2", "b: 1"],
            "",
            false,
        ),
        (r#"{"multiValueHeaders":{"A":[1,null,true],"B":[]}}"#, 200, &["a: 1", "a: true"], "", false),
        (
            r#"{"cookies":["c=1","d=2"],"headers":{"Set-Cookie":"b=0"}}"#,
            200,
            &["set-cookie: b=0", "set-cookie: c=1", "set-cookie: d=2"],
            "",
            false,
        ),
        // Of equal names the last one counts.
        (r#"{"statusCode":"abc","statusCode":204,"body":7,"body":"x"}"#, 204, &[], "x", false),
        (r#"{"headers":{"A":[],"A":"1"}}"#, 200, &["a: 1"], "", false),
        (r#"{"headers":{"A":"1"},"headers":{"B":"2"}}"#, 200, &["b: 2"], "", false),
        (r#"{"status\u0043ode":204}"#, 204, &[], "", false),
        ("{\"headers\":{\"a\":\"caf\u{e9}\"}}", 200, &["a: caf\u{e9}"], "", false),
    ] {
        let answer = read_answer(V1, document.as_bytes()).unwrap_or_else(|problem| panic!("{document}: {problem}"));
        let headers = headers.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(told(&answer), (status, headers, body.to_owned(), is_base64), "{document}");
    }
}

/// Document, reason, and what the sentence says.
#[test]
fn documents_that_are_no_answers_of_format_1_say_why() {
    for (document, reason, sentence) in [
        (r#""text""#, "answer_not_an_object", "must be an object, and it is a string"),
        ("7", "answer_not_an_object", "it is a number"),
        ("[1,[2]]", "answer_not_an_object", "it is a list"),
        ("null", "answer_not_an_object", "it is null"),
        ("true", "answer_not_an_object", "it is a boolean"),
        ("", "answer_not_json", "(line 1, column 0)"),
        ("{\n\"body\":\"secret", "answer_not_json", "(line 2, column 14)"),
        (r#"{} {"body":"secret"}"#, "answer_not_json", "(line 1, column 4)"),
        (r#"{"body":"\ud800"}"#, "answer_not_json", "not JSON"),
        (r#"{"statuscode":"secret"}"#, "answer_unknown_key", "an unknown key: \"statuscode\""),
        (r#"{"a":{"b":["secret"]},"c":1}"#, "answer_unknown_key", "an unknown key: \"a\""),
        (r#"{"statusCode":"secret"}"#, "answer_status", "statusCode must be"),
        (r#"{"statusCode":""}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":"+200"}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":200.5}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":199}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":100}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":600}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":-200}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":18446744073709551616}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":true}"#, "answer_status", "statusCode"),
        (r#"{"statusCode":[200]}"#, "answer_status", "statusCode"),
        (r#"{"body":{"a":"secret"}}"#, "answer_member", "body must be a string, and it is an object"),
        (r#"{"body":7}"#, "answer_member", "body must be a string, and it is a number"),
        (r#"{"isBase64Encoded":"secret"}"#, "answer_member", "isBase64Encoded must be a boolean"),
        (r#"{"isBase64Encoded":1}"#, "answer_member", "isBase64Encoded must be a boolean, and it is a number"),
        (r#"{"base64Encoded":"yes"}"#, "answer_member", "base64Encoded must be a boolean"),
        (r#"{"headers":"secret"}"#, "answer_member", "headers must be an object, and it is a string"),
        (r#"{"headers":[]}"#, "answer_member", "headers must be an object, and it is a list"),
        (r#"{"multiValueHeaders":1}"#, "answer_member", "multiValueHeaders must be an object"),
        (r#"{"cookies":"secret"}"#, "answer_member", "cookies must be a list, and it is a string"),
        (r#"{"cookies":[{}]}"#, "answer_header", "the header \"set-cookie\" in cookies"),
        (
            r#"{"headers":{"A":["secret"]}}"#,
            "answer_header",
            "\"A\" in headers must have a string as its value, and it has a list",
        ),
        (r#"{"headers":{"A":{}}}"#, "answer_header", "it has an object"),
        (
            r#"{"multiValueHeaders":{"A":"secret"}}"#,
            "answer_header",
            "must have a list as its value, and it has a string",
        ),
        (r#"{"multiValueHeaders":{"A":null}}"#, "answer_header", "it has null"),
        (r#"{"multiValueHeaders":{"A":[["secret"]]}}"#, "answer_header", "must have a string"),
        (r#"{"headers":{"A B":"secret"}}"#, "answer_header", "\"A B\" cannot be the name of a header"),
        (r#"{"headers":{"":"secret"}}"#, "answer_header", "\"\" cannot be the name of a header"),
        (r#"{"headers":{"A":"secret\r\nB: c"}}"#, "answer_header", "the value of the header \"A\" holds"),
        (r#"{"headers":{"A":"secret\u0000"}}"#, "answer_header", "the value of the header \"A\" holds"),
    ] {
        let problem = read_answer(V1, document.as_bytes()).expect_err(document);
        let text = problem.to_string();
        assert_eq!(problem.reason(), reason, "{document}: {text}");
        assert!(text.contains(sentence) && !text.contains("secret"), "{document}: {text}");
    }
    assert_eq!(read_answer(V1, b"{\"body\":\"\xff\"}"), Err(AnswerProblem::NotUtf8));
}

/// As above, of format 2.0.
#[test]
fn documents_of_format_2_become_answers() {
    const JSON: &[&str] = &["content-type: application/json"];
    for (document, status, headers, body, is_base64) in [
        (r#"{"statusCode":200}"#, 200, &[][..], "", false),
        (
            r#"{"statusCode":"404","headers":{"A":"1"},"body":"x","isBase64Encoded":true,"unheard":{"of":[]}}"#,
            404,
            &["a: 1"],
            "x",
            true,
        ),
        (r#"{"statusCode":200,"multiValueHeaders":7,"base64Encoded":true}"#, 200, &[], "", false),
        (
            r#"{"statusCode":200,"headers":{"Set-Cookie":"a=0","B":"1"},"cookies":["c=1","d=2"]}"#,
            200,
            &["b: 1", "set-cookie: c=1", "set-cookie: d=2"],
            "",
            false,
        ),
        (r#"{"statusCode":200,"headers":{"set-cookie":"a=0"},"cookies":[]}"#, 200, &["set-cookie: a=0"], "", false),
        (r#"{"hello":"world"}"#, 200, JSON, r#"{"hello":"world"}"#, false),
        (r#"{"body":7,"headers":"x"}"#, 200, JSON, r#"{"body":7,"headers":"x"}"#, false),
        ("{}", 200, JSON, "{}", false),
        (r#"{"statusCode":null}"#, 200, JSON, r#"{"statusCode":null}"#, false),
        (r#""a \"text\"""#, 200, JSON, "a \"text\"", false),
        ("[1, {\"a\": 2}]", 200, JSON, "[1, {\"a\": 2}]", false),
        ("1.50", 200, JSON, "1.50", false),
        ("null", 200, JSON, "null", false),
    ] {
        let answer = read_answer(V2, document.as_bytes()).unwrap_or_else(|problem| panic!("{document}: {problem}"));
        let headers = headers.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(told(&answer), (status, headers, body.to_owned(), is_base64), "{document}");
    }
    for (document, reason) in [
        ("", "answer_not_json"),
        ("hello", "answer_not_json"),
        (r#"{"a":1"#, "answer_not_json"),
        ("[1] 2", "answer_not_json"),
        (r#"{"statusCode":"abc"}"#, "answer_status"),
        (r#"{"statusCode":200,"body":7}"#, "answer_member"),
        (r#"{"statusCode":200,"cookies":"a=1"}"#, "answer_member"),
        (r#"{"statusCode":200,"headers":{"A":[]}}"#, "answer_header"),
    ] {
        assert_eq!(read_answer(V2, document.as_bytes()).expect_err(document).reason(), reason, "{document}");
    }
}

#[test]
fn a_body_without_escapes_is_not_copied() {
    let document = json!({"body": "a".repeat(1024), "statusCode": 200}).to_string();
    let bare = format!("\"{}\"", "a".repeat(1024));
    for (format, document) in [(V1, &document), (V2, &document), (V2, &bare)] {
        let answer = read_answer(format, document.as_bytes()).expect("it is one");
        assert!(
            matches!(answer.body, Cow::Borrowed(body) if document.as_bytes().as_ptr_range().contains(&body.as_ptr()))
        );
    }
}

#[test]
fn headers_have_a_bound_in_number_and_in_bytes() {
    let of = |member: &str, lines: usize| {
        let value = match member {
            "headers" => json!((0..lines).map(|n| (format!("h{n}"), json!("v"))).collect::<serde_json::Map<_, _>>()),
            "multiValueHeaders" => json!({"h": (0..lines).collect::<Vec<_>>()}),
            _ => json!((0..lines).map(|n| format!("c={n}")).collect::<Vec<_>>()),
        };
        json!({"statusCode": 200, member: value}).to_string()
    };
    for member in ["headers", "multiValueHeaders", "cookies"] {
        let most = of(member, FUNCTION_HEADERS_MAX);
        assert_eq!(read_answer(V1, most.as_bytes()).map(|answer| answer.headers.len()), Ok(FUNCTION_HEADERS_MAX));
        for lines in [FUNCTION_HEADERS_MAX + 1, 50_000] {
            let more = of(member, lines);
            assert_eq!(read_answer(V1, more.as_bytes()), Err(AnswerProblem::TooManyHeaders), "{lines} {member}");
        }
    }
    let of = |bytes: usize| json!({"headers": {"abcd": "v".repeat(bytes - 4)}}).to_string();
    assert!(read_answer(V1, of(FUNCTION_HEADER_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(read_answer(V1, of(FUNCTION_HEADER_BYTES_MAX + 1).as_bytes()), Err(AnswerProblem::TooManyHeaders));
}

#[test]
fn deep_nesting_is_a_problem_and_no_crash() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"statusCode\":200,\"x\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
        for format in [V1, V2] {
            // Passed over without going down, or refused: what matters is that it ends.
            let _ = read_answer(format, deep.as_bytes());
        }
        let headers = format!("{{\"headers\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
        assert!(read_answer(V1, headers.as_bytes()).is_err());
    }
}

proptest! {
    #[test]
    fn bytes_never_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [V1, V2] {
            let _ = read_answer(format, &bytes);
        }
    }

    #[test]
    fn text_that_looks_like_answers_never_makes_it_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "1e9", "-1", "\"statusCode\"", "\"headers\"",
                "\"body\"", "\"multiValueHeaders\"", "\"cookies\"", "\"isBase64Encoded\"", "\"a\"", "200", "\\ud800", " ",
            ]),
            0..24,
        ),
    ) {
        let text = parts.concat();
        for format in [V1, V2] {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            match read_answer(format, text.as_bytes()) {
                Ok(_) => prop_assert!(is_json, "{text}"),
                Err(problem) => prop_assert!(is_json || problem.reason() == "answer_not_json", "{text}: {problem}"),
            }
        }
    }

    /// What a function meant is what is read.
    #[test]
    fn answers_survive_the_way(status in 200u16..=599, body in any::<String>(), value in "[ -~]{0,20}", is_base64: bool) {
        let document = json!({"statusCode": status, "headers": {"X-Own": value}, "body": body, "isBase64Encoded": is_base64});
        for format in [V1, V2] {
            let text = document.to_string();
            let answer = read_answer(format, text.as_bytes()).expect("it is one");
            let headers = vec![format!("x-own: {value}")];
            prop_assert_eq!(told(&answer), (status, headers, body.clone(), is_base64));
        }
    }
}
