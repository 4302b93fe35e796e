//! [`Resource`]: a node of the path tree, and the rules for one part of a path.

use crate::id::{ResourceId, RestApiId, Revision};
use crate::limits::PATH_PART_BYTES_MAX;
use serde::{Deserialize, Serialize};

/// A node of an API's path tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resource {
    /// Given by the store.
    pub id: ResourceId,
    /// The API that it belongs to.
    pub rest_api_id: RestApiId,
    /// `None` for the root.
    pub parent_id: Option<ResourceId>,
    /// A literal, `{param}` or `{greedy+}`; empty for the root.
    pub path_part: String,
    /// The whole path, for example `/images/{id}`. Derived from the tree.
    pub path: String,
    /// For optimistic locking.
    pub revision: Revision,
}

/// One segment of a resource path, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathPart<'a> {
    /// Matches itself.
    Literal(&'a str),
    /// `{name}`: matches exactly one non-empty segment.
    Param(&'a str),
    /// `{name+}`: matches one or more segments; only ever the last part.
    Greedy(&'a str),
}

impl<'a> PathPart<'a> {
    /// Reads one segment of a resource path.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a path part must not be empty".to_owned());
        }
        if text.len() > PATH_PART_BYTES_MAX {
            return Err(format!("a path part must have at most {PATH_PART_BYTES_MAX} bytes"));
        }
        let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return literal(text);
        };
        let (name, greedy) = match inner.strip_suffix('+') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(format!("the path variable {text} must have a name of letters, digits, '.', '_', '-' or ':'"));
        }
        Ok(if greedy { Self::Greedy(name) } else { Self::Param(name) })
    }

    /// Whether it stands for more than itself.
    pub fn is_variable(&self) -> bool {
        !matches!(self, Self::Literal(_))
    }
}

fn literal(text: &str) -> Result<PathPart<'_>, String> {
    // The alphabet of the management API, plus `%` escapes, `~` and the sub-delimiters that real documents use.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-~:%$@!&'()*+,;=".contains(c);
    if text == "." || text == ".." {
        return Err("'.' and '..' cannot be path parts: clients resolve them before they send".to_owned());
    }
    match text.chars().find(|&c| !allowed(c)) {
        None => Ok(PathPart::Literal(text)),
        Some(c) => Err(format!(
            "the path part {text:?} has the character {c:?}: use letters, digits and ._-~:%$@!&'()*+,;= or one {{variable}}"
        )),
    }
}

/// The path of a child called `path_part` below `parent`.
pub fn child_path(parent: &str, path_part: &str) -> String {
    if parent == "/" { format!("/{path_part}") } else { format!("{parent}/{path_part}") }
}

/// The segments of a resource path; none for `/`.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_parts_are_literals_params_or_greedy() {
        assert_eq!(PathPart::parse("images"), Ok(PathPart::Literal("images")));
        assert_eq!(PathPart::parse("{id}"), Ok(PathPart::Param("id")));
        assert_eq!(PathPart::parse("{proxy+}"), Ok(PathPart::Greedy("proxy")));
        for bad in ["", "{}", "{+}", "{a b}", "a/b", "{a}{b}", "a{b}", "..", ".", "a b", "ä"] {
            assert!(PathPart::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn child_paths_have_one_slash_between_parts() {
        assert_eq!(child_path("/", "a"), "/a");
        assert_eq!(child_path("/a", "{b}"), "/a/{b}");
        assert_eq!(segments("/a/{b}").collect::<Vec<_>>(), ["a", "{b}"]);
    }
}
