//! Words that stay out: of what ships, of every code file, of every file.

use crate::rust::line_of;
use crate::tree::{File, Tree, Violation};

/// This file, which must name what it forbids.
const ITSELF: &str = "tests/tidy/words.rs";

/// Calls and macros that never ship, and what to do instead.
const NEVER_SHIPPED: &[(&str, &str)] = &[
    (".unwrap()", "return an error, or `expect` why this cannot fail"),
    (".unwrap_err()", "return an error, or `expect_err` why this cannot fail"),
    ("unbounded_channel", "every queue has a limit with a name"),
];

/// Macros that are for a minute at one's own desk.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

const PRINTING: &[&str] = &["println!", "print!", "eprintln!", "eprint!"];

/// Who may print, and how often; everyone else logs.
const PRINTERS: &[(&str, usize)] = &[
    // `--print-addresses`: one line of JSON, for whoever asked for port 0.
    ("control-plane/src/process.rs", 1),
    ("data-plane/src/process.rs", 1),
];

/// Tests wait for states; these files hold the waiting itself, or a peer that is slow on purpose.
const MAY_SLEEP: &[&str] = &["tests/harness/", "cli/tests/support/"];

/// Notes to oneself, which need the number of an issue.
const NOTES: &[&str] = &["TODO", "FIXME", "XXX"];

/// Beginnings of paths that mean one machine only.
const MACHINE_PATHS: &[&str] = &["/root/", "/home/", "/Users/", "/work/"];

/// Hosts that package clients know by themselves, in two halves: a mirror of them belongs in a machine's own settings.
const REGISTRY_HOSTS: &[[&str; 2]] = &[
    ["index.crates", "io"],
    ["static.crates", "io"],
    ["pypi", "org"],
    ["pythonhosted", "org"],
    ["deb.debian", "org"],
    ["security.debian", "org"],
    ["registry.npmjs", "org"],
    ["proxy.golang", "org"],
];

/// Written by cargo, not by us.
const LOCK_FILE: &str = "Cargo.lock";

/// Every forbidden word.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.files {
        violations.extend(check_shipped(file));
        violations.extend(check_code(file));
        if file.path != ITSELF && file.path != LOCK_FILE {
            violations.extend(check_text(file));
        }
    }
    violations
}

fn check_shipped(file: &File) -> Vec<Violation> {
    let Some(code) = file.shipped() else { return Vec::new() };
    let mut violations = Vec::new();
    for (word, instead) in NEVER_SHIPPED {
        violations
            .extend(found(code, word).map(|line| Violation::at(&file.path, line, format!("`{word}`: {instead}"))));
    }
    if !file.path.starts_with("cli/src/") {
        let allowed = PRINTERS.iter().find(|(path, _)| *path == file.path).map_or(0, |(_, times)| *times);
        let mut lines: Vec<usize> = PRINTING.iter().flat_map(|word| found(code, word)).collect();
        lines.sort_unstable();
        violations.extend(lines.into_iter().skip(allowed).map(|line| {
            Violation::at(
                &file.path,
                line,
                "only the command line prints; log with `tracing`, or write to what was given",
            )
        }));
    }
    violations
}

fn check_code(file: &File) -> Vec<Violation> {
    let Some(rust) = &file.rust else { return Vec::new() };
    let mut violations = Vec::new();
    for word in UNFINISHED {
        violations.extend(
            found(&rust.code, word).map(|line| Violation::at(&file.path, line, format!("`{word}`: finish it"))),
        );
    }
    let may_sleep = MAY_SLEEP.iter().any(|place| file.path.starts_with(place));
    // With a paused clock a sleep costs no time and decides nothing by luck.
    if file.is_test && !may_sleep && !rust.code.contains("start_paused") && !rust.code.contains("time::pause") {
        violations.extend(
            found(&rust.code, "sleep(").map(|line| {
                Violation::at(&file.path, line, "a test waits for a state, with a bound, and not for time")
            }),
        );
    }
    violations.extend(check_allowances(file, &rust.code));
    violations
}

/// Every lint that is allowed somewhere says why: with a `reason`, or with a comment beside or above it.
fn check_allowances(file: &File, code: &str) -> Vec<Violation> {
    let lines: Vec<&str> = file.text.lines().collect();
    let has_comment = |line: usize| lines.get(line.wrapping_sub(1)).is_some_and(|text| text.contains("//"));
    let mut violations = Vec::new();
    for (at, opening) in
        ["#[allow(", "#![allow(", "#[expect(", "#![expect("].iter().flat_map(|mark| code.match_indices(mark))
    {
        let attribute = &code[at..at + opening.len() + code[at + opening.len()..].find(']').unwrap_or(0)];
        let line = line_of(code, at);
        if !attribute.contains("reason") && !has_comment(line) && !has_comment(line - 1) {
            violations.push(Violation::at(&file.path, line, "a lint is allowed with a `reason`"));
        }
    }
    violations
}

fn check_text(file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    // Prose may speak about such notes.
    let is_prose = file.path.ends_with(".md");
    for (number, line) in file.lines() {
        let mut broken = |text: String| violations.push(Violation::at(&file.path, number, text));
        if !is_prose && !names_an_issue(line) {
            for note in NOTES.iter().filter(|note| has_word(line, note)) {
                broken(format!("{note} without the number of an issue"));
            }
        }
        for path in MACHINE_PATHS.iter().filter(|path| has_absolute_path(line, path)) {
            broken(format!("`{path}` is a path of one machine"));
        }
        for host in REGISTRY_HOSTS.iter().map(|halves| halves.join(".")).filter(|host| line.contains(host.as_str())) {
            broken(format!("`{host}`: package clients know their registry"));
        }
    }
    violations
}

/// The lines of the word in the code, where it does not end a longer name.
fn found<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .filter(move |(at, _)| word.starts_with('.') || !code[..*at].ends_with(is_name))
        .map(move |(at, _)| line_of(code, at))
}

fn is_name(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_name) && !line[at + word.len()..].starts_with(is_name))
}

fn names_an_issue(line: &str) -> bool {
    line.split('#').skip(1).any(|after| after.starts_with(|char: char| char.is_ascii_digit()))
}

/// Is the path there, and not as the end of a longer one?
fn has_absolute_path(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|char| is_name(char) || matches!(char, '.' | '-' | '}' | ')' | '*')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> usize {
        check(&Tree::of([(path, text)])).len()
    }

    #[test]
    fn unwrap_ships_never_and_is_fine_in_tests() {
        assert_eq!(broken("model/src/text.rs", "fn f() { g().unwrap(); h().unwrap_or(1) }"), 1);
        assert_eq!(broken("model/src/text.rs", "#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }"), 0);
        assert_eq!(broken("model/tests/text.rs", "fn f() { g().unwrap() }"), 0);
    }

    #[test]
    fn queues_have_limits() {
        assert_eq!(broken("data-plane/src/ops.rs", "fn f() { mpsc::unbounded_channel() }"), 1);
    }

    #[test]
    fn unfinished_code_is_found_in_tests_too() {
        for word in UNFINISHED {
            assert_eq!(broken("tests/drain.rs", &format!("fn f() {{ {word}() }}")), 1, "{word}");
        }
        assert_eq!(broken("tests/drain.rs", "fn f() { not_todo!() } // todo!"), 0);
    }

    #[test]
    fn printing_is_counted() {
        let once = "fn f() { println!() }";
        assert_eq!(broken("model/src/text.rs", once), 1);
        assert_eq!(broken("cli/src/output/mod.rs", once), 0);
        assert_eq!(broken("data-plane/src/process.rs", once), 0);
        assert_eq!(broken("data-plane/src/process.rs", "fn f() { println!() }\nfn g() { eprintln!() }"), 1);
    }

    #[test]
    fn tests_do_not_sleep() {
        assert_eq!(broken("tests/drain.rs", "fn f() { thread::sleep(SECOND) }"), 1);
        assert_eq!(broken("tests/harness/wait.rs", "fn f() { thread::sleep(SECOND) }"), 0);
        assert_eq!(broken("tests/drain.rs", "#[tokio::test(start_paused = true)]\nfn f() { sleep(SECOND) }"), 0);
        assert_eq!(broken("data-plane/src/server.rs", "fn f() { sleep(SECOND) }"), 0);
    }

    #[test]
    fn lints_are_allowed_with_a_reason() {
        assert_eq!(broken("a/src/b.rs", "#[allow(dead_code)]\nfn f() {}"), 1);
        assert_eq!(broken("a/src/b.rs", "#[allow(dead_code, reason = \"why\")]\nfn f() {}"), 0);
        assert_eq!(broken("a/src/b.rs", "#![allow(dead_code)] // why\nfn f() {}"), 0);
        assert_eq!(broken("a/src/b.rs", "// why\n#[expect(dead_code)]\nfn f() {}"), 0);
    }

    #[test]
    fn a_note_names_its_issue() {
        for note in NOTES {
            assert_eq!(broken("Dockerfile", &format!("# {note} later")), 1, "{note}");
            assert_eq!(broken("Dockerfile", &format!("# {note}(#12): later")), 0, "{note}");
            assert_eq!(broken("README.md", &format!("A {note} needs an issue")), 0, "{note}");
        }
    }

    #[test]
    fn machines_are_not_named() {
        for path in MACHINE_PATHS {
            assert_eq!(broken("docs/a.md", &format!("see {path}x")), 1, "{path}");
            assert_eq!(broken("docs/a.md", &format!("see some{path}x")), 0, "{path}");
        }
        for host in REGISTRY_HOSTS {
            assert_eq!(broken(".ci/run", &format!("curl https://{}/x", host.join("."))), 1, "{host:?}");
        }
    }
}
