//! [`Fields`]: one object of a document, read key by key, with a word about every key that nobody asked for.

use super::document::kind;
use super::report::{Place, Report, shown};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The keys of one object that are still unread. A null counts as absent.
pub(crate) struct Fields<'a> {
    place: &'a Place<'a>,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    /// The key as the reader asks for it.
    name: Cow<'a, str>,
    /// The key as the document spells it.
    key: &'a str,
    value: &'a Value,
}

/// The spelling under which the reader asks for a key of the document.
pub(crate) type Rename = fn(&str) -> Cow<'_, str>;

impl<'a> Fields<'a> {
    /// The fields of `object`, whose keys `rename` brings into the reader's spelling. Two keys of one meaning are a
    /// violation.
    pub(crate) fn new(
        object: &'a Map<String, Value>,
        place: &'a Place<'a>,
        rename: Rename,
        report: &mut Report,
    ) -> Self {
        let mut names = BTreeMap::new();
        let mut entries = Vec::with_capacity(object.len());
        for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let name = rename(key);
            if let Some(other) = names.insert(name.clone(), key) {
                report.violation(place.key(key), format!("says the same as {:?}: leave one of them out", shown(other)));
            }
            entries.push(Entry { name, key, value });
        }
        Self { place, entries }
    }

    /// Takes out one field.
    pub(crate) fn take(&mut self, name: &str) -> Option<(Place<'a>, &'a Value)> {
        let at = self.entries.iter().position(|entry| entry.name == name)?;
        let entry = self.entries.remove(at);
        Some((self.place.key(entry.key), entry.value))
    }

    /// Where a field stands, in the document's spelling.
    pub(crate) fn place_of(&self, name: &str) -> Option<Place<'a>> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| self.place.key(entry.key))
    }

    /// Text; a number or boolean is taken as it is written.
    pub(crate) fn text(&mut self, name: &str, report: &mut Report) -> Option<String> {
        let (place, value) = self.take(name)?;
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            // A template that was never filled in is what people bring most often.
            Value::Object(object) if object.keys().any(|key| key.starts_with("Fn::") || key == "Ref") => {
                report.violation(
                    place,
                    "must be text: resolve the template's functions (Fn::Sub, Ref, ...) before import",
                );
                None
            }
            other => {
                report.violation(place, format!("must be text, and it is {}", kind(other)));
                None
            }
        }
    }

    /// Text that `read` understands.
    pub(crate) fn word<T>(
        &mut self,
        name: &str,
        report: &mut Report,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let place = self.place_of(name)?;
        let text = self.text(name, report)?;
        read(&text).map_err(|message| report.violation(place, message)).ok()
    }

    /// A boolean, or its word.
    pub(crate) fn flag(&mut self, name: &str, report: &mut Report) -> Option<bool> {
        self.word(name, report, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("must be true or false, and it is {:?}", shown(other))),
        })
    }

    /// A whole number, or its digits.
    pub(crate) fn number(&mut self, name: &str, report: &mut Report) -> Option<u32> {
        self.word(name, report, |text| {
            text.parse().map_err(|_| format!("must be a whole number and not negative, and it is {:?}", shown(text)))
        })
    }

    /// Texts by name. What is no text is left out with a warning (section i.2).
    pub(crate) fn texts(&mut self, name: &str, report: &mut Report) -> BTreeMap<String, String> {
        let Some((place, value)) = self.take(name) else { return BTreeMap::new() };
        let Value::Object(object) = value else {
            report.warning(place, format!("must be an object of texts, and it is {}: ignored", kind(value)));
            return BTreeMap::new();
        };
        let mut texts = BTreeMap::new();
        for (key, value) in object {
            if let Value::String(text) = value {
                texts.insert(key.clone(), text.clone());
            } else {
                report.warning(place.key(key), format!("must be text, and it is {}: ignored", kind(value)));
            }
        }
        texts
    }

    /// A list of texts. What is no text is left out with a warning.
    pub(crate) fn list(&mut self, name: &str, report: &mut Report) -> Vec<String> {
        let Some((place, value)) = self.take(name) else { return Vec::new() };
        text_list(value, &place, report)
    }

    /// The keys that nobody took, in the document's order.
    pub(crate) fn rest(self) -> impl Iterator<Item = (Place<'a>, &'a str)> {
        let place = self.place;
        self.entries.into_iter().map(|entry| (place.key(entry.key), entry.key))
    }
}

/// The texts of a list. What is no text is left out with a warning.
pub(crate) fn text_list(value: &Value, place: &Place<'_>, report: &mut Report) -> Vec<String> {
    let Value::Array(list) = value else {
        report.warning(place, format!("must be a list of texts, and it is {}: ignored", kind(value)));
        return Vec::new();
    };
    let mut texts = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        match value {
            Value::String(text) => texts.push(text.clone()),
            other => report.warning(place.index(at), format!("must be text, and it is {}: ignored", kind(other))),
        }
    }
    texts
}

/// The reader's own spelling.
pub(crate) fn as_written(key: &str) -> Cow<'_, str> {
    Cow::Borrowed(key)
}
