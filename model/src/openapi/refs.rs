//! [`Refs`]: `$ref` within a document, followed a bounded number of times and to a bounded total size.

use super::report::{Place, shown};
use crate::limits::{DOCUMENT_EXPANDED_BYTES_MAX, REFERENCE_HOPS_MAX};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// An object of the document, wherever it stands.
pub(super) struct Found<'d> {
    /// The object.
    pub(super) object: &'d Map<String, Value>,
    /// Where it stands, if a reference led to it.
    pointer: Option<&'d str>,
}

impl<'d> Found<'d> {
    /// Where it stands; `here` unless a reference led to it.
    pub(super) fn place<'p>(&self, here: &Place<'p>) -> Place<'p>
    where
        'd: 'p,
    {
        self.pointer.map_or(*here, Place::at)
    }
}

/// The references of one document.
pub(super) struct Refs<'d> {
    document: &'d Map<String, Value>,
    sizes: HashMap<&'d str, usize>,
    spent_bytes: usize,
}

impl<'d> Refs<'d> {
    pub(super) fn new(document: &'d Map<String, Value>) -> Self {
        Self { document, sizes: HashMap::new(), spent_bytes: 0 }
    }

    /// The object that `value` is or refers to.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn resolve(&mut self, value: &'d Value) -> Result<Found<'d>, String> {
        let mut here = value;
        let mut pointer = None;
        for _ in 0..=REFERENCE_HOPS_MAX {
            let Value::Object(object) = here else {
                return Err(format!("must be an object, and it is {}", super::document::kind(here)));
            };
            let Some(reference) = object.get("$ref").and_then(Value::as_str) else {
                if let Some(pointer) = pointer {
                    self.spend(pointer, here)?;
                }
                return Ok(Found { object, pointer });
            };
            let Some(target) = reference.strip_prefix('#').filter(|target| target.starts_with('/')) else {
                return Err(format!("only references within the document are followed, not {:?}", shown(reference)));
            };
            here = self.at(target).ok_or_else(|| format!("nothing stands at {:?}", shown(reference)))?;
            pointer = Some(target);
        }
        Err(format!("more than {REFERENCE_HOPS_MAX} references follow on each other"))
    }

    fn at(&self, pointer: &str) -> Option<&'d Value> {
        let (first, rest) = pointer[1..].split_once('/').map_or((&pointer[1..], ""), |(first, rest)| (first, rest));
        let top = self.document.get(&first.replace("~1", "/").replace("~0", "~"))?;
        if rest.is_empty() { Some(top) } else { top.pointer(&pointer[1 + first.len()..]) }
    }

    /// What a reference stands for is copied wherever it is used; a thousand uses of one long template add up.
    fn spend(&mut self, pointer: &'d str, value: &Value) -> Result<(), String> {
        let size = *self.sizes.entry(pointer).or_insert_with(|| size_bytes(value));
        self.spent_bytes = self.spent_bytes.saturating_add(size);
        if self.spent_bytes > DOCUMENT_EXPANDED_BYTES_MAX {
            return Err(format!("the references stand for more than {DOCUMENT_EXPANDED_BYTES_MAX} bytes"));
        }
        Ok(())
    }
}

fn size_bytes(value: &Value) -> usize {
    const VALUE_BYTES: usize = 64;
    VALUE_BYTES
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(size_bytes).sum(),
            Value::Object(object) => object.iter().map(|(key, value)| key.len() + size_bytes(value)).sum(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolve(document: &Value, at: &str) -> Result<(Value, String), String> {
        let document = document.as_object().unwrap();
        let found = Refs::new(document).resolve(&document[at])?;
        Ok((Value::Object(found.object.clone()), found.place(&Place::ROOT.key(at)).to_string()))
    }

    #[test]
    fn references_lead_to_objects_and_their_places() {
        let document = json!({
            "plain": {"a": 1},
            "ref": {"$ref": "#/components/x~1y"},
            "components": {"x/y": {"b": 2}, "again": {"$ref": "#/ref"}},
            "twice": {"$ref": "#/components/again"},
            "text": "x",
            "circle": {"$ref": "#/circle"},
            "outside": {"$ref": "other.yaml#/a"},
            "nowhere": {"$ref": "#/components/z"},
            "short": {"$ref": "#/"},
        });
        assert_eq!(resolve(&document, "plain"), Ok((json!({"a": 1}), "/plain".to_owned())));
        assert_eq!(resolve(&document, "ref"), Ok((json!({"b": 2}), "/components/x~1y".to_owned())));
        assert_eq!(resolve(&document, "twice"), Ok((json!({"b": 2}), "/components/x~1y".to_owned())));
        for at in ["text", "circle", "outside", "nowhere", "short"] {
            assert!(resolve(&document, at).is_err(), "{at}");
        }
    }

    #[test]
    fn references_stand_for_a_bounded_size() {
        let document = json!({"ref": {"$ref": "#/big"}, "big": {"text": "x".repeat(1 << 20)}});
        let document = document.as_object().unwrap();
        let mut refs = Refs::new(document);
        let followed = (0..100).take_while(|_| refs.resolve(&document["ref"]).is_ok()).count();
        assert_eq!(followed, (DOCUMENT_EXPANDED_BYTES_MAX >> 20) - 1);
    }
}
