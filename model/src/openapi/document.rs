//! Bytes to a tree of values, for JSON and YAML alike. Called by [`super::import()`] and, for JSON, by
//! [`crate::fragment`].
//!
//! What is bounded here: bytes, nesting, and what YAML aliases expand to. What is refused here and accepted by most
//! readers: a key that stands twice, because one of its values would silently be lost.

use crate::limits::{DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX, DOCUMENT_EXPANDED_BYTES_MAX};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::DuplicateKeyPolicy;
use std::cell::Cell;
use std::fmt;

/// What one value costs beyond its text, in bytes.
const VALUE_BYTES: usize = 64;
/// Deepest nesting of YAML. Less than [`DOCUMENT_DEPTH_MAX`], because its reader takes some 24 KiB of stack for each level
/// when it is not optimised, and threads have 2 MiB.
const YAML_DEPTH_MAX: usize = 48;
/// Most events that a YAML parser may report for one document: more than [`DOCUMENT_EXPANDED_BYTES_MAX`] admits.
const YAML_EVENTS_MAX: usize = 2 * DOCUMENT_EXPANDED_BYTES_MAX / VALUE_BYTES;

/// Reads a document whose content decides what it is: what begins with a brace and a quoted key is JSON, anything else
/// YAML. Broken JSON is not tried as YAML, which would take `tru` for a word and a missing quote for a longer one.
///
/// # Errors
/// The parser's message with line and column.
pub(crate) fn read(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = text(bytes, DOCUMENT_BYTES_MAX)?;
    let in_braces = text.trim_start().strip_prefix('{').map(str::trim_start);
    let is_json = in_braces.is_some_and(|inner| inner.starts_with(['"', '}']));
    object(if is_json { json(text)? } else { yaml(text)? })
}

/// Reads JSON of at most `bytes_max` bytes.
///
/// # Errors
/// The parser's message with line and column.
pub(crate) fn read_json(bytes: &[u8], bytes_max: usize) -> Result<Map<String, Value>, String> {
    object(json(text(bytes, bytes_max)?)?)
}

fn text(bytes: &[u8], bytes_max: usize) -> Result<&str, String> {
    if bytes.len() > bytes_max {
        return Err(format!("the document has {} bytes, and at most {bytes_max} are read", bytes.len()));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("the document is not UTF-8 text: byte {} is wrong", error.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() { Err("the document is empty".to_owned()) } else { Ok(text) }
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(format!("the document must be an object, and it is {}", kind(&other))),
    }
}

/// What a value is, for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn json(text: &str) -> Result<Value, String> {
    let spent = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Node { depth: 0, spent: &spent }.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: YAML_DEPTH_MAX,
            flow_nesting_limit: YAML_DEPTH_MAX,
            max_events: YAML_EVENTS_MAX,
            max_nodes: YAML_EVENTS_MAX,
            max_recorded_anchor_events: YAML_EVENTS_MAX,
            max_recorded_anchor_bytes: DOCUMENT_EXPANDED_BYTES_MAX,
            max_total_scalar_bytes: DOCUMENT_EXPANDED_BYTES_MAX,
            // One block of CORS headers under an anchor may well serve hundreds of operations.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: YAML_EVENTS_MAX },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // `on` and `no` are names of things in documents, and YAML 1.2 has no other booleans than these two.
        strict_booleans: true,
    };
    let spent = Cell::new(0);
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
        Node { depth: 0, spent: &spent }.deserialize(reader)
    })
    .map_err(|error| {
        let message = error.without_snippet().to_string();
        match error.location() {
            Some(at) if !message.contains("line ") => format!("{message} at line {} column {}", at.line(), at.column()),
            _ => message,
        }
    })
}

/// Builds one value, counting depth and size.
#[derive(Clone, Copy)]
struct Node<'a> {
    depth: usize,
    spent: &'a Cell<usize>,
}

impl Node<'_> {
    fn spend<E: Error>(self, bytes: usize) -> Result<(), E> {
        let spent = self.spent.get().saturating_add(bytes).saturating_add(VALUE_BYTES);
        self.spent.set(spent);
        if spent > DOCUMENT_EXPANDED_BYTES_MAX {
            return Err(E::custom(format!(
                "the document is larger than {DOCUMENT_EXPANDED_BYTES_MAX} bytes once expanded"
            )));
        }
        Ok(())
    }

    fn below<E: Error>(self) -> Result<Self, E> {
        if self.depth == DOCUMENT_DEPTH_MAX {
            return Err(E::custom(format!("the document is nested deeper than {DOCUMENT_DEPTH_MAX} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.spend(0).map(|()| Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.spend(0).map(|()| value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.spend(0).map(|()| value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.spend(0)?;
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.spend(value.len()).map(|()| Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.spend(value.len()).map(|()| Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.spend(0).map(|()| Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.spend(0)?;
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(below)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.spend(0)?;
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.spend(key.len())?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice in one object")));
            }
            let value = access.next_value_seed(below)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Result<Value, String> {
        read(text.as_bytes()).map(Value::Object)
    }

    #[test]
    fn json_and_yaml_give_the_same_values() {
        let expected = json!({"a": [1, -2, 0.5, true, null, "x"], "b": {}, "200": "ok"});
        assert_eq!(value(r#"{"a": [1, -2, 0.5, true, null, "x"], "b": {}, "200": "ok"}"#), Ok(expected.clone()));
        assert_eq!(value("\u{feff}a: [1, -2, 0.5, true, ~, x]\nb: {}\n200: ok\n"), Ok(expected.clone()));
        assert_eq!(value("{a: [1, -2, 0.5, true, null, x], b: {}, 200: ok,}"), Ok(expected));
    }

    #[test]
    fn yaml_words_stay_words() {
        assert_eq!(
            value("on: no\nyes: off\nv: 1.10.0\nd: 2024-05-06"),
            Ok(json!({"on": "no", "yes": "off", "v": "1.10.0", "d": "2024-05-06"}))
        );
        assert_eq!(value("uri: !Sub 'arn:${AWS::Region}'"), Ok(json!({"uri": "arn:${AWS::Region}"})));
    }

    #[test]
    fn anchors_serve_many_aliases() {
        let text = format!("x: &cors {{a: '*'}}\npaths: [{}]", "*cors, ".repeat(500));
        let read = value(&text).unwrap();
        assert_eq!(read["paths"][499], json!({"a": "*"}));
    }

    #[test]
    fn errors_say_line_and_column() {
        let error = value("{\n  \"a\": }\n").unwrap_err();
        assert!(error.contains("line 2 column"), "{error}");
        assert!(value("{\"a\": 1,}").is_err());
        let error = value("a: [1\nb: 2\n").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        for text in ["{\"a\": 1, \"a\": 2}", "a: 1\na: 2\n", "a:\n  b: 1\n  b: 2\n"] {
            let error = value(text).unwrap_err();
            assert!(error.contains("twice") || error.contains("duplicate"), "{error}");
            assert!(error.contains("line"), "{error}");
        }
    }

    #[test]
    fn what_is_no_object_is_named() {
        for (text, kind) in
            [("[]", "a list"), ("just words", "text"), ("7", "a number"), ("~", "null"), ("true", "a boolean")]
        {
            assert_eq!(value(text), Err(format!("the document must be an object, and it is {kind}")));
        }
        assert_eq!(value(" \n"), Err("the document is empty".to_owned()));
        assert!(read(b"a: \xff").unwrap_err().contains("byte 3"));
    }

    #[test]
    fn nesting_is_bounded_within_the_stack_of_a_thread() {
        let json = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let block = |depth: usize| (0..depth).map(|at| format!("{}a:\n", " ".repeat(at))).collect::<String>();
        let flow = |depth: usize| format!("a: {}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        let run = move || {
            assert!(value(&json(DOCUMENT_DEPTH_MAX)).is_ok());
            assert!(value(&json(DOCUMENT_DEPTH_MAX + 1)).is_err());
            assert!(value(&json(100_000)).is_err());
            for yaml in [&block as &dyn Fn(usize) -> String, &flow] {
                assert!(value(&yaml(YAML_DEPTH_MAX)).is_ok());
                assert!(value(&yaml(YAML_DEPTH_MAX + 1)).is_err());
                assert!(value(&yaml(1_000)).is_err());
            }
            assert!(value(&"[".repeat(100_000)).is_err());
            assert!(value(&"- ".repeat(100_000)).is_err());
        };
        // Three quarters of what threads have: callers need some, too.
        let thread = std::thread::Builder::new().stack_size(1536 * 1024).spawn(run).unwrap();
        assert!(thread.join().is_ok());
    }

    #[test]
    fn size_is_bounded() {
        assert!(read(&vec![b' '; DOCUMENT_BYTES_MAX + 1]).unwrap_err().contains("at most"));
        let many = format!("{{\"a\": [{}1]}}", "1,".repeat(DOCUMENT_BYTES_MAX / 2 - 8));
        assert!(value(&many).unwrap_err().contains("once expanded"));
    }

    #[test]
    fn aliases_cannot_multiply_without_end() {
        let mut levels = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(9);
            levels.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(value(&levels).is_err());
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), "*a, ".repeat(100));
        assert!(value(&long).is_err());
    }
}
