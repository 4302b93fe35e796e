//! Partial updates: which fields of an object a caller may write, and which of them this call does.

use crate::app::Error;
use penstock_model::violation::Violations;
use prost_types::FieldMask;

/// A field that can be written: its path, and how it moves from one object to another.
pub(super) type Field<T> = (&'static str, fn(&mut T, &mut T));

/// Lists fields of a type that share their name with their path.
macro_rules! writable {
    ($type:ty: $($field:ident),* $(,)?) => {
        &[$((stringify!($field), |to: &mut $type, from: &mut $type| std::mem::swap(&mut to.$field, &mut from.$field))),*]
    };
}
pub(super) use writable;

/// The fields that one call writes.
pub(super) struct Mask<T: 'static> {
    fields: Vec<&'static Field<T>>,
}

impl<T> Mask<T> {
    /// Reads a mask; an empty one, or `*`, means every field that can be written.
    pub(super) fn read(mask: Option<FieldMask>, writable: &'static [Field<T>]) -> Result<Self, Error> {
        let paths = mask.unwrap_or_default().paths;
        if paths.is_empty() || paths == ["*"] {
            return Ok(Self { fields: writable.iter().collect() });
        }
        let mut violations = Violations::new();
        let mut fields = Vec::new();
        for path in paths {
            match writable.iter().find(|(name, _)| *name == path) {
                // A field named twice would move back.
                Some(field) if fields.iter().any(|known: &&Field<T>| known.0 == field.0) => {}
                Some(field) => fields.push(field),
                None => {
                    let names: Vec<_> = writable.iter().map(|(name, _)| *name).collect();
                    let reason = format!("{path:?} is not a field that can be written: use {}", names.join(", "));
                    violations.add("updateMask", reason);
                }
            }
        }
        Ok(violations.into_result(Self { fields })?)
    }

    /// Whether the mask has a field of this path.
    pub(super) fn names(&self, path: &str) -> bool {
        self.fields.iter().any(|(name, _)| *name == path)
    }

    /// Writes the fields of the mask.
    pub(super) fn write(&self, to: &mut T, mut from: T) {
        for (_, copy) in &self.fields {
            copy(to, &mut from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Thing {
        id: u8,
        name: String,
        size: u8,
    }

    const FIELDS: &[Field<Thing>] = writable!(Thing: name, size);

    fn written(paths: &[&str]) -> Result<Thing, Error> {
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let mut to = Thing { id: 1, name: "old".into(), size: 1 };
        Mask::read(Some(mask), FIELDS)?.write(&mut to, Thing { id: 2, name: "new".into(), size: 2 });
        Ok(to)
    }

    #[test]
    fn only_named_fields_are_written() {
        let thing = |name: &str, size| Thing { id: 1, name: name.into(), size };
        assert_eq!(written(&["name"]).ok(), Some(thing("new", 1)));
        assert_eq!(written(&["name", "name"]).ok(), Some(thing("new", 1)));
        assert_eq!(written(&[]).ok(), Some(thing("new", 2)));
        assert_eq!(written(&["*"]).ok(), Some(thing("new", 2)));
    }

    #[test]
    fn every_unknown_path_is_named() {
        let Err(Error::Invalid(violations)) = written(&["id", "name", "colour"]) else { panic!("it must be refused") };
        let text = violations.to_string();
        assert_eq!(violations.as_slice().len(), 2);
        assert!(text.contains("\"id\"") && text.contains("\"colour\"") && text.contains("use name, size"), "{text}");
    }
}
