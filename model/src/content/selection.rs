//! [`Selection`]: which integration response answers (section f).

use super::java_pattern::JavaPattern;
use crate::response::IntegrationResponse;
use crate::violation::Violations;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// The compiled patterns of a stage. Most methods of an API share theirs, and a compiled pattern is large.
#[derive(Default)]
pub struct PatternCache {
    compiled: HashMap<String, Arc<JavaPattern>>,
}

impl PatternCache {
    fn get(&mut self, pattern: &str) -> Result<Arc<JavaPattern>, String> {
        if let Some(found) = self.compiled.get(pattern) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(JavaPattern::compile(pattern)?);
        self.compiled.insert(pattern.to_owned(), Arc::clone(&made));
        Ok(made)
    }
}

impl fmt::Debug for PatternCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.compiled.keys()).finish()
    }
}

/// Checks that a selection pattern compiles.
///
/// # Errors
/// A sentence that names what is wrong and where.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    JavaPattern::compile(pattern).map(drop)
}

/// The integration responses of one integration, as far as choosing among them goes.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// In the order of status codes, with the entry's place among them.
    patterns: Vec<(usize, Arc<JavaPattern>)>,
    /// The first entry without pattern.
    default: Option<usize>,
}

impl Selection {
    /// Of no entries: nothing is ever chosen.
    pub fn none() -> Self {
        Self::default()
    }

    /// Compiles the patterns of `responses`. Entries are named by their place in the order of the map's keys, which is
    /// the ascending order of status codes.
    ///
    /// # Errors
    /// Each pattern that does not compile, at `integrationResponses[{code}].selectionPattern`.
    pub fn compile(
        responses: &BTreeMap<String, IntegrationResponse>,
        cache: &mut PatternCache,
    ) -> Result<Self, Violations> {
        let mut found = Violations::new();
        let mut this = Self::default();
        for (place, (code, response)) in responses.iter().enumerate() {
            if response.selection_pattern.is_empty() {
                this.default = this.default.or(Some(place));
                continue;
            }
            match cache.get(&response.selection_pattern) {
                Ok(pattern) => this.patterns.push((place, pattern)),
                Err(text) => found.add(format!("integrationResponses[{code}].selectionPattern"), text),
            }
        }
        found.into_result(this)
    }

    /// Chooses the entry for `subject`: the first whose pattern matches all of it, else the default. `None` is a 500
    /// `API_CONFIGURATION_ERROR`. The subject of a function is its error message, which is empty when it succeeds; see
    /// [`Selection::select_status`] for the others.
    pub fn select(&self, subject: &str) -> Option<usize> {
        self.patterns.iter().find(|(_, pattern)| pattern.matches(subject)).map(|(place, _)| *place).or(self.default)
    }

    /// The same for an integration whose subject is a status code, as text: `HTTP`, `MOCK` and services.
    pub fn select_status(&self, status: i32) -> Option<usize> {
        if self.patterns.is_empty() { self.default } else { self.select(&status.to_string()) }
    }

    /// The pattern of the entry at `place`; `None` for the default.
    pub fn pattern(&self, place: usize) -> Option<&str> {
        self.patterns.iter().find(|(at, _)| *at == place).map(|(_, pattern)| pattern.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn responses(entries: &[(&str, &str)]) -> BTreeMap<String, IntegrationResponse> {
        let entry = |(code, pattern): &(&str, &str)| {
            let response = IntegrationResponse {
                status_code: (*code).to_owned(),
                selection_pattern: (*pattern).to_owned(),
                ..IntegrationResponse::default()
            };
            ((*code).to_owned(), response)
        };
        entries.iter().map(entry).collect()
    }

    /// Section f: entries, the subject, the status code of the chosen entry.
    #[test]
    fn entries_are_chosen_as_section_f_says() {
        for (entries, subject, expected) in [
            (&[][..], "200", None),
            (&[("200", "")], "404", Some("200")),
            (&[("200", ""), ("400", r"4\d{2}")], "404", Some("400")),
            (&[("200", ""), ("400", r"4\d{2}")], "200", Some("200")),
            (&[("200", ""), ("400", r"4\d{2}")], "4040", Some("200")),
            (&[("400", r"4\d{2}")], "500", None),
            // A pattern comes before the default, whatever their codes are.
            (&[("200", ""), ("500", ".*")], "200", Some("500")),
            // Ascending order: the catch-all stands last because its code does.
            (&[("502", ".+"), ("405", ".*four hundred.*")], "a four hundred error", Some("405")),
            (&[("502", ".+"), ("405", ".*four hundred.*")], "another", Some("502")),
            // A function's success is the empty message.
            (&[("200", ""), ("500", ".+")], "", Some("200")),
            (&[("200", ""), ("500", r"(\n|.)*")], "", Some("500")),
            (&[("200", "200")], "", None),
            (&[("200", ""), ("404", "")], "500", Some("200")),
            (&[("400", "Invalid*"), ("500", "")], "Invalid input", Some("500")),
            (&[("400", "Invalid.*"), ("500", "")], "Invalid\ninput", Some("500")),
        ] {
            let map = responses(entries);
            let selector = Selection::compile(&map, &mut PatternCache::default()).expect("patterns compile");
            let chosen = selector.select(subject).and_then(|place| map.keys().nth(place));
            assert_eq!(chosen.map(String::as_str), expected, "{subject:?} among {entries:?}");
        }
    }

    #[test]
    fn a_status_is_matched_as_text() {
        let map = responses(&[("200", ""), ("404", "4.4")]);
        let selection = Selection::compile(&map, &mut PatternCache::default()).expect("patterns compile");
        assert_eq!([200, 404, 414, 4040].map(|status| selection.select_status(status)), [0, 1, 1, 0].map(Some));
        assert_eq!(Selection::none().select_status(200), None);
    }

    #[test]
    fn every_pattern_that_does_not_compile_is_named() {
        let map = responses(&[("200", ""), ("400", "4("), ("500", "5.."), ("502", "[z-a]")]);
        let found = Selection::compile(&map, &mut PatternCache::default()).expect_err("two are wrong");
        let fields: Vec<_> = found.as_slice().iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            fields,
            ["integrationResponses[400].selectionPattern", "integrationResponses[502].selectionPattern"]
        );
        assert_eq!(check_pattern("[z-a]").expect_err("wrong"), found.as_slice()[1].description);
    }

    #[test]
    fn equal_patterns_are_compiled_once() {
        let mut cache = PatternCache::default();
        let map = responses(&[("400", "4.."), ("500", "5..")]);
        let first = Selection::compile(&map, &mut cache).expect("patterns compile");
        let second = Selection::compile(&map, &mut cache).expect("patterns compile");
        assert!(Arc::ptr_eq(&first.patterns[1].1, &second.patterns[1].1));
        assert_eq!(format!("{cache:?}").matches("5..").count(), 1);
    }
}
