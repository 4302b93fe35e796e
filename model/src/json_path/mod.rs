//! [`JsonPath`]: paths into JSON in the dialect of Jayway, which is the hosted service's.
//!
//! Understood: `$.a.b[0]`, `..x`, `['a']`, `["a","b"]`, `*`, `[*]`, `[0,1]`, `[1:]`, `[:2]`, `[-2:]`, `[-1]`,
//! `[(@.length-1)]`, filters `[?(…)]` with paths from `@` and `$`, `==`, `!=`, `<`, `<=`, `>`, `>=`, `=~ /…/i`, `&&`,
//! `||`, `!`, groups, and `.length()` at the end. Names may hold dashes. A path without `$` stands behind `$.`.
//!
//! A path that can lead to one place only is *definite* and gives that value; any other gives a list.
//!
//! Deliberately absent: Jayway's other functions and operators, which are refused, and slices with a step, which Jayway
//! refuses too. Nothing here changes a document.

mod ast;
mod evaluate;
mod filter;
mod parse;
mod scanner;
mod select;
mod text;

use crate::limits::{JSON_PATH_DOCUMENT_BYTES_MAX, JSON_PATH_STEPS_MAX};
use ast::{Path, Segment, Selector};
use evaluate::{Evaluation, OutOfSteps};
use select::Step;
use serde_json::Value;
use std::borrow::Cow;

/// A path, compiled. Two are equal when they mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// The names and indexes at its beginning, which need no document in memory.
    walk: Vec<Step>,
    /// What follows.
    rest: Path,
    definite: bool,
}

/// Why text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JSON path, character {position}: {problem}")]
pub struct JsonPathError {
    /// Where, in characters from 1.
    pub position: usize,
    /// What is wrong there.
    pub problem: String,
}

/// Why a path gives nothing from a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonPathFailure {
    /// The text is not JSON, or nests deeper than the JSON reader goes.
    #[error("the text is not JSON")]
    NotJson,
    /// What the path has to search does not fit [`JSON_PATH_DOCUMENT_BYTES_MAX`].
    #[error("a search needs a document of at most {JSON_PATH_DOCUMENT_BYTES_MAX} bytes")]
    DocumentTooLarge,
    /// What the path leads to does not fit the caller's bound.
    #[error("the value is too large")]
    ValueTooLarge,
    /// The search took more than [`JSON_PATH_STEPS_MAX`] steps.
    #[error("the search takes more than {JSON_PATH_STEPS_MAX} steps")]
    TooManySteps,
}

impl From<OutOfSteps> for JsonPathFailure {
    fn from(OutOfSteps: OutOfSteps) -> Self {
        Self::TooManySteps
    }
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        let mut rest = parse::parse(text)?;
        let definite = rest.is_definite();
        let steps: Vec<Step> = if rest.looks_at_root() { Vec::new() } else { walk(&rest) };
        rest.segments.drain(..steps.len());
        Ok(Self { walk: steps, rest, definite })
    }

    /// Whether it gives one value instead of a list.
    pub fn is_definite(&self) -> bool {
        self.definite
    }

    /// What the path gives, as text: a string without its quotes, anything else as JSON without blanks, a list as a
    /// JSON array. `None` when a definite path leads nowhere or to `null`.
    ///
    /// Names and non-negative indexes at the path's beginning are followed in the text itself. Only what is searched
    /// after them is read into memory, [`JSON_PATH_DOCUMENT_BYTES_MAX`] bytes at most. The result has at most
    /// `bytes_max` bytes.
    ///
    /// # Errors
    /// When the text is not JSON, or a bound is reached.
    pub fn text<'a>(&self, json: &'a str, bytes_max: usize) -> Result<Option<Cow<'a, str>>, JsonPathFailure> {
        let found = select::select(json, &self.walk).map_err(|_| JsonPathFailure::NotJson)?;
        if self.rest.segments.is_empty() && !self.rest.length {
            return found.map_or(Ok(None), |raw| text::of_raw(raw, bytes_max));
        }
        let Some(raw) = found else {
            return if self.definite { Ok(None) } else { text::of_list(&[], bytes_max).map(Some) };
        };
        if raw.len() > JSON_PATH_DOCUMENT_BYTES_MAX {
            return Err(JsonPathFailure::DocumentTooLarge);
        }
        let document: Value = serde_json::from_str(raw).map_err(|_| JsonPathFailure::NotJson)?;
        let nodes = Evaluation::new(&document, JSON_PATH_STEPS_MAX).run(&self.rest)?;
        if self.definite {
            nodes.first().map_or(Ok(None), |value| text::of_value(value, bytes_max))
        } else {
            text::of_list(&nodes, bytes_max).map(Some)
        }
    }
}

/// The leading segments that need nothing but the text.
fn walk(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Child(Selector::Name(name)) => Some(Step::Name(name.clone())),
        Segment::Child(Selector::Index(index)) => usize::try_from(*index).ok().map(Step::Index),
        Segment::Child(
            Selector::Names(_)
            | Selector::Wildcard
            | Selector::Indexes(_)
            | Selector::Slice { .. }
            | Selector::Filter(_),
        )
        | Segment::Descendant(_) => None,
    };
    path.segments.iter().map_while(step).collect()
}

#[cfg(test)]
mod tests;
