//! Values as the text that a mapping puts into a head: strings raw, everything else as JSON.

use super::JsonPathFailure;
use serde_json::Value;
use std::borrow::Cow;
use std::io;

/// Of JSON text that is one valid value. Numbers keep their spelling.
pub(super) fn of_raw(raw: &str, bytes_max: usize) -> Result<Option<Cow<'_, str>>, JsonPathFailure> {
    if raw == "null" {
        return Ok(None);
    }
    let Some(inner) = raw.strip_prefix('"').and_then(|open| open.strip_suffix('"')) else {
        return without_blanks(raw, bytes_max).map(Some);
    };
    if inner.len() > bytes_max {
        return Err(JsonPathFailure::ValueTooLarge);
    }
    if !inner.contains('\\') {
        return Ok(Some(Cow::Borrowed(inner)));
    }
    serde_json::from_str(raw).map(|text: String| Some(Cow::Owned(text))).map_err(|_| JsonPathFailure::NotJson)
}

/// The same value without what JSON may hold between its tokens.
fn without_blanks(raw: &str, bytes_max: usize) -> Result<Cow<'_, str>, JsonPathFailure> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    let (mut in_string, mut escaped) = (false, false);
    let mut kept = Vec::with_capacity(raw.len().min(bytes_max));
    for byte in raw.bytes() {
        if in_string {
            in_string = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
        } else if is_blank(&byte) {
            continue;
        } else {
            in_string = byte == b'"';
        }
        if kept.len() == bytes_max {
            return Err(JsonPathFailure::ValueTooLarge);
        }
        kept.push(byte);
    }
    Ok(Cow::Owned(String::from_utf8(kept).expect("only whole ASCII characters were left out")))
}

/// Of a value in memory.
pub(super) fn of_value<'a>(value: &Value, bytes_max: usize) -> Result<Option<Cow<'a, str>>, JsonPathFailure> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.len() > bytes_max => Err(JsonPathFailure::ValueTooLarge),
        Value::String(text) => Ok(Some(Cow::Owned(text.clone()))),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => json(value, bytes_max).map(Some),
    }
}

/// Of what an indefinite path gives.
pub(super) fn of_list<'a>(nodes: &[Cow<'_, Value>], bytes_max: usize) -> Result<Cow<'a, str>, JsonPathFailure> {
    json(nodes, bytes_max)
}

/// Values that contain each other can be far larger as text than the document, so the bound holds while writing.
fn json<'a>(value: &(impl serde::Serialize + ?Sized), bytes_max: usize) -> Result<Cow<'a, str>, JsonPathFailure> {
    let mut out = Bounded { bytes: Vec::new(), bytes_max };
    serde_json::to_writer(&mut out, value).map_err(|_| JsonPathFailure::ValueTooLarge)?;
    Ok(Cow::Owned(String::from_utf8(out.bytes).expect("JSON is UTF-8")))
}

struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
