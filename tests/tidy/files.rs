//! How long a file may be, and that each says what it is for.

use crate::tree::{File, Tree, Violation};

/// Lines of a file that are not only compiled for its own unit tests.
const LINES_MAX: usize = 400;
/// Lines of a file, unit tests included.
const LINES_WITH_TESTS_MAX: usize = 600;

/// Files that may be longer than [`LINES_MAX`]: path, lines, why. An entry that is no longer needed is a violation too.
const LONGER: &[(&str, usize, &str)] = &[];

/// Files that are too long, or do not begin with what they are for.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    check_with(tree, LONGER)
}

fn check_with(tree: &Tree, longer: &[(&str, usize, &str)]) -> Vec<Violation> {
    let mut violations: Vec<Violation> =
        tree.files.iter().filter(|file| file.rust.is_some()).flat_map(|file| check_file(file, longer)).collect();
    for (path, ..) in longer {
        if tree.file(path).is_none_or(|file| own_lines(file) <= LINES_MAX) {
            violations.push(Violation::of(path, "is not longer than others, and needs no exception"));
        }
    }
    violations
}

fn check_file(file: &File, longer: &[(&str, usize, &str)]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let own = own_lines(file);
    let own_max = longer.iter().find(|(path, ..)| *path == file.path).map_or(LINES_MAX, |(_, lines, _)| *lines);
    if own > own_max {
        violations
            .push(Violation::of(&file.path, format!("{own} lines, which is more than {own_max}: split it by subject")));
    }
    let all = file.text.lines().count();
    if all > LINES_WITH_TESTS_MAX {
        violations.push(Violation::of(
            &file.path,
            format!("{all} lines with its tests, which is more than {LINES_WITH_TESTS_MAX}: give the tests a file of their own"),
        ));
    }
    if !file.text.starts_with("//! ") {
        violations.push(Violation::at(
            &file.path,
            1,
            "a file begins with `//!`: what it is for, and what it never does",
        ));
    }
    violations
}

fn own_lines(file: &File) -> usize {
    file.text.lines().count() - file.rust.as_ref().map_or(0, |rust| rust.test_lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: String, longer: &[(&str, usize, &str)]) -> usize {
        check_with(&Tree::of([("a.rs", text)]), longer).len()
    }

    fn of_lines(lines: usize) -> String {
        format!("//! Is long.\n{}", "fn a() {}\n".repeat(lines - 1))
    }

    #[test]
    fn a_file_at_the_limit_is_fine_and_one_line_more_is_not() {
        assert_eq!(broken(of_lines(LINES_MAX), &[]), 0);
        assert_eq!(broken(of_lines(LINES_MAX + 1), &[]), 1);
    }

    #[test]
    fn unit_tests_have_room_of_their_own() {
        let tests =
            |lines| format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", of_lines(LINES_MAX), "\n".repeat(lines - 3));
        let room = LINES_WITH_TESTS_MAX - LINES_MAX;
        assert_eq!(broken(tests(room), &[]), 0);
        assert_eq!(broken(tests(room + 1), &[]), 1);
    }

    #[test]
    fn an_exception_holds_as_long_as_it_is_needed() {
        let exception = [("a.rs", LINES_MAX + 1, "it is a table")];
        assert_eq!(broken(of_lines(LINES_MAX + 1), &exception), 0);
        assert_eq!(broken(of_lines(LINES_MAX + 2), &exception), 1);
        assert_eq!(broken(of_lines(LINES_MAX), &exception), 1);
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert_eq!(broken("use std::fmt;\n".to_owned(), &[]), 1);
    }
}
