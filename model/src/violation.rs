//! A rule broken by a configuration, and where. Checks collect every violation instead of stopping at the first.

use std::fmt;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where: a field path (`integration.uri`) or, in a document, a JSON pointer (`/paths/~1images/post`).
    pub field: String,
    /// What is wrong and what would be right; in the specification's words where it gives them (section l.4).
    pub description: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.description)
        } else {
            write!(f, "{}: {}", self.field, self.description)
        }
    }
}

/// Something accepted that the caller probably did not mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, as in [`Violation::field`].
    pub field: String,
    /// What was ignored or changed.
    pub message: String,
}

impl Warning {
    /// A warning about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Broken rules in the order found. The usual result of a check is `Result<T, Violations>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    list: Vec<Violation>,
}

impl Violations {
    /// No violation yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Exactly one.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::new();
        violations.add(field, description);
        violations
    }

    /// Notes a violation.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.list.push(Violation { field: field.into(), description: description.into() });
    }

    /// Notes what another check found below `prefix`.
    pub fn add_below(&mut self, prefix: &str, others: Violations) {
        self.list.extend(others.list.into_iter().map(|violation| Violation {
            field: match (prefix.is_empty(), violation.field.is_empty()) {
                (true, _) => violation.field,
                (_, true) => prefix.to_owned(),
                _ => format!("{prefix}.{}", violation.field),
            },
            description: violation.description,
        }));
    }

    /// Takes the value, or notes why there is none.
    pub fn take<T>(&mut self, result: Result<T, Violations>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(others) => {
                self.add_below("", others);
                None
            }
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Violation] {
        &self.list
    }

    /// `Ok(value)` when nothing was found.
    ///
    /// # Errors
    /// The violations, when there are any.
    pub fn into_result<T>(self, value: T) -> Result<T, Violations> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, violation) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

impl IntoIterator for Violations {
    type Item = Violation;
    type IntoIter = std::vec::IntoIter<Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_below_a_field_carries_its_path() {
        let mut all = Violations::new();
        all.add_below("integration", Violations::one("uri", "must be absolute"));
        all.add_below("integration", Violations::one("", "is missing"));
        assert_eq!(all.to_string(), "integration.uri: must be absolute; integration: is missing");
    }
}
