//! The document that a function returns, read without a tree: what is long is borrowed from it, and what nobody asks for
//! is passed over. Judges nothing; [`super::answer`] does.

mod quick;

use crate::limits::FUNCTION_HEADERS_MAX;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A JSON value, as deep as it was asked for: lists and objects below that are empty.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl Value<'_> {
    /// What it is, in words that do not say what it holds.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A whole document.
pub(super) enum Root<'a> {
    Object(Box<Document<'a>>),
    /// Anything else; of a list only that it is one.
    Other(Value<'a>),
}

/// The members that mean something; of each the last one of its name.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Document<'a> {
    pub(super) status_code: Option<Value<'a>>,
    pub(super) headers: Option<Value<'a>>,
    pub(super) multi_value_headers: Option<Value<'a>>,
    pub(super) cookies: Option<Value<'a>>,
    pub(super) body: Option<Value<'a>>,
    pub(super) is_base64_encoded: Option<Value<'a>>,
    pub(super) base64_encoded: Option<Value<'a>>,
    /// The first member that means nothing.
    pub(super) unknown: Option<Cow<'a, str>>,
}

impl<'a> Document<'a> {
    /// How deep the member of this name is read; `None`: it means nothing.
    fn depth_of(name: &str) -> Option<u8> {
        match name {
            "statusCode" | "body" | "isBase64Encoded" | "base64Encoded" => Some(0),
            "headers" | "cookies" => Some(1),
            "multiValueHeaders" => Some(2),
            _ => None,
        }
    }

    /// Adds a member.
    fn put(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let slot = match &*name {
            "statusCode" => &mut self.status_code,
            "headers" => &mut self.headers,
            "multiValueHeaders" => &mut self.multi_value_headers,
            "cookies" => &mut self.cookies,
            "body" => &mut self.body,
            "isBase64Encoded" => &mut self.is_base64_encoded,
            "base64Encoded" => &mut self.base64_encoded,
            _ => {
                self.unknown.get_or_insert(name);
                return;
            }
        };
        *slot = Some(value);
    }
}

/// Reads a document.
///
/// # Errors
/// It is not JSON. Every kind of value is taken everywhere, so the error never quotes one.
pub(super) fn read(text: &str) -> Result<Root<'_>, serde_json::Error> {
    match quick::read_quickly(text) {
        Some(document) => Ok(Root::Object(Box::new(document))),
        None => read_thoroughly(text),
    }
}

fn read_thoroughly(text: &str) -> Result<Root<'_>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let root = match text.trim_ascii_start().starts_with('{') {
        true => reader.deserialize_map(DocumentVisitor).map(|document| Root::Object(Box::new(document)))?,
        false => Root::Other(ValueReader { depth: 0 }.deserialize(&mut reader)?),
    };
    reader.end()?;
    Ok(root)
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut document = Document::default();
        while let Some(key) = map.next_key_seed(ValueReader { depth: 0 })? {
            let key = name(key)?;
            let value = match Self::Value::depth_of(&key) {
                Some(depth) => map.next_value_seed(ValueReader { depth })?,
                None => map.next_value::<IgnoredAny>().map(|_| Value::Null)?,
            };
            document.put(key, value);
        }
        Ok(document)
    }
}

/// Reads a value with so many levels of lists and objects in it.
struct ValueReader {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for ValueReader {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        // One more than allowed is kept, so that it is noticed.
        while self.depth > 0 && found.len() <= FUNCTION_HEADERS_MAX {
            match list.next_element_seed(Self { depth: self.depth - 1 })? {
                Some(value) => found.push(value),
                None => return Ok(Value::List(found)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while self.depth > 0 && found.len() <= FUNCTION_HEADERS_MAX {
            let Some(key) = map.next_key_seed(Self { depth: 0 })? else { return Ok(Value::Object(found)) };
            let value = map.next_value_seed(Self { depth: self.depth - 1 })?;
            put(&mut found, name(key)?, value);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object(found))
    }
}

/// Of two members with one name the last one counts.
fn put<'a>(members: &mut Vec<(Cow<'a, str>, Value<'a>)>, name: Cow<'a, str>, value: Value<'a>) {
    match members.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) => *known = value,
        None => members.push((name, value)),
    }
}

fn name<E: serde::de::Error>(key: Value<'_>) -> Result<Cow<'_, str>, E> {
    match key {
        Value::Text(name) => Ok(name),
        _ => Err(E::custom("a name must be a string")),
    }
}
