//! Whether a licence expression can be satisfied with the licences that this project accepts.

/// Licences of dependencies that go with Apache-2.0 and ask for no more than notices.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Reads an SPDX expression, or the older form with `/` for OR; what cannot be read is not accepted.
pub(crate) fn is_accepted(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) == Some(true) && rest.is_empty()
}

fn any_of(words: &mut &[&str]) -> Option<bool> {
    let mut accepted = all_of(words)?;
    while take(words, "OR") {
        accepted |= all_of(words)?;
    }
    Some(accepted)
}

fn all_of(words: &mut &[&str]) -> Option<bool> {
    let mut accepted = one(words)?;
    while take(words, "AND") {
        accepted &= one(words)?;
    }
    Some(accepted)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let inner = any_of(words)?;
        return take(words, ")").then_some(inner);
    }
    let (name, rest) = words.split_first()?;
    *words = rest;
    if take(words, "WITH") {
        let (exception, rest) = words.split_first()?;
        *words = rest;
        return Some(ACCEPTED.contains(&format!("{name} WITH {exception}").as_str()));
    }
    Some(ACCEPTED.contains(name))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let found = words.first() == Some(&word);
    if found {
        *words = &words[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_one_that_we_accept() {
        for expression in ["MIT", "MIT OR GPL-3.0-only", "GPL-2.0/MIT", "LGPL-2.1-or-later OR (Zlib AND ISC)"] {
            assert!(is_accepted(expression), "{expression}");
        }
    }

    #[test]
    fn a_sum_needs_all() {
        assert!(is_accepted("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!is_accepted("MIT AND GPL-3.0-only"));
        assert!(!is_accepted("MIT AND (GPL-3.0-only OR AGPL-3.0-only) OR EUPL-1.2"));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert!(is_accepted("Apache-2.0 WITH LLVM-exception"));
        assert!(!is_accepted("Apache-2.0 WITH Another-exception"));
    }

    #[test]
    fn what_cannot_be_read_is_not_accepted() {
        for expression in ["", "MIT OR", "(MIT", "MIT MIT", "mine"] {
            assert!(!is_accepted(expression), "{expression}");
        }
    }
}
