//! Where in a document something stands, and what was found there. Used by import and [`crate::fragment`].

use crate::limits::VIOLATIONS_MAX;
use crate::violation::{Violations, Warning};
use std::collections::HashSet;
use std::fmt;

/// Longest part of a pointer or quotation that a message shows, in bytes.
const SHOWN_BYTES_MAX: usize = 512;

/// A place in a document, printed as a JSON pointer. A chain of borrowed parts: nothing is allocated until something is
/// found there.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    above: Option<&'a Place<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    /// The pointer of the place itself, as it is.
    Pointer(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    /// The document itself.
    pub(crate) const ROOT: Self = Self { above: None, part: Part::Pointer("") };

    /// The place with this pointer.
    pub(crate) fn at(pointer: &'a str) -> Self {
        Self { above: None, part: Part::Pointer(pointer) }
    }

    /// A value of this object.
    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self { above: Some(self), part: Part::Key(key) }
    }

    /// An entry of this list.
    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self { above: Some(self), part: Part::Index(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.part {
            Part::Pointer(pointer) => f.write_str(pointer),
            Part::Key(key) => write!(f, "/{}", escape(shown(key))),
            Part::Index(index) => write!(f, "/{index}"),
        }
    }
}

/// A key as a part of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The beginning of a text that may be as long as a document.
pub(crate) fn shown(text: &str) -> &str {
    let end = (0..=text.len().min(SHOWN_BYTES_MAX)).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or_default()]
}

/// What was found in a document; at most [`VIOLATIONS_MAX`] of each kind are listed, the rest is counted.
#[derive(Default)]
pub(crate) struct Report {
    violations: Violations,
    warnings: Vec<Warning>,
    unlisted_violations: usize,
    unlisted_warnings: usize,
}

impl Report {
    /// Notes a broken rule.
    pub(crate) fn violation(&mut self, place: impl fmt::Display, text: impl Into<String>) {
        if self.violations.as_slice().len() < VIOLATIONS_MAX {
            self.violations.add(place.to_string(), text);
        } else {
            self.unlisted_violations += 1;
        }
    }

    /// Notes something accepted that was probably not meant.
    pub(crate) fn warning(&mut self, place: impl fmt::Display, text: impl Into<String>) {
        if self.warnings.len() < VIOLATIONS_MAX {
            self.warnings.push(Warning::new(place.to_string(), text));
        } else {
            self.unlisted_warnings += 1;
        }
    }

    /// Where violations are listed so far.
    pub(crate) fn violated_places(&self) -> HashSet<String> {
        self.violations.as_slice().iter().map(|violation| violation.field.clone()).collect()
    }

    /// The warnings, when there is no violation.
    pub(crate) fn finish(mut self) -> Result<Vec<Warning>, Violations> {
        if self.unlisted_violations > 0 {
            self.violations.add("", format!("{} more violations are not listed", self.unlisted_violations));
        }
        if self.unlisted_warnings > 0 {
            self.warnings.push(Warning::new("", format!("{} more warnings are not listed", self.unlisted_warnings)));
        }
        self.violations.into_result(self.warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_print_as_json_pointers() {
        let paths = Place::ROOT.key("paths");
        let path = paths.key("/a~b/{c}");
        let list = path.key("parameters");
        assert_eq!(list.index(3).to_string(), "/paths/~1a~0b~1{c}/parameters/3");
        assert_eq!(Place::at("/x/y").key("z").to_string(), "/x/y/z");
        assert_eq!(Place::ROOT.to_string(), "");
        let long = "ä".repeat(SHOWN_BYTES_MAX);
        assert_eq!(Place::ROOT.key(&long).to_string().len(), 1 + SHOWN_BYTES_MAX);
    }

    #[test]
    fn what_exceeds_the_limit_is_counted() {
        let mut report = Report::default();
        for _ in 0..VIOLATIONS_MAX + 2 {
            report.warning(Place::ROOT, "w");
        }
        let warnings = report.finish().unwrap();
        assert_eq!(warnings.len(), VIOLATIONS_MAX + 1);
        assert_eq!(warnings[VIOLATIONS_MAX].message, "2 more warnings are not listed");

        let mut report = Report::default();
        for _ in 0..=VIOLATIONS_MAX {
            report.violation(Place::ROOT, "v");
        }
        let violations = report.finish().unwrap_err();
        assert_eq!(violations.as_slice()[VIOLATIONS_MAX].description, "1 more violations are not listed");
    }
}
