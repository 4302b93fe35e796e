//! What one file says of another: settings that deployment files name exist, links in prose lead somewhere, cells of the
//! conversion tables are tested where the README says, and the command that people are told to test with is the one that
//! CI runs.

use crate::tree::{File, Tree, Violation};
use std::collections::BTreeSet;

/// How the names of our settings begin.
const PREFIXES: &[&str] = &["PENSTOCK_", "IMAGE_RESIZER_"];

const COMPOSE: &str = "docker-compose.yml";
const DOCKERFILE: &str = "Dockerfile";
const README: &str = "README.md";
const CI: &str = ".ci/run";

/// What a person runs to test everything.
const TEST_COMMAND: &str = "cargo test --workspace";

/// Every mention of something that is not there.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    [check_settings(tree), check_flags(tree), check_links(tree), check_cells(tree), check_test_command(tree)]
        .into_iter()
        .flatten()
        .collect()
}

/// Environment variables that deployment files and prose name must be read by somebody.
fn check_settings(tree: &Tree) -> Vec<Violation> {
    let mut known = BTreeSet::new();
    for file in &tree.files {
        let text = file.text.as_str();
        if file.rust.is_some() {
            // In a string: `env = "NAME"` of a flag, or a name that the tests ask for.
            known.extend(setting_names(text).filter(|(at, _)| text[..*at].ends_with('"')).map(|(_, name)| name));
        } else if file.path == COMPOSE || is_script(file) {
            known.extend(setting_names(text).filter(|(at, _)| text[..*at].ends_with("${")).map(|(_, name)| name));
        }
    }
    let mut violations = Vec::new();
    for file in tree.files.iter().filter(|file| file.path == COMPOSE || file.path == DOCKERFILE || is_prose(file)) {
        for (number, line) in file.lines() {
            for (_, name) in setting_names(line).filter(|(_, name)| !known.contains(name)) {
                violations.push(Violation::at(&file.path, number, format!("nothing reads {name}")));
            }
        }
    }
    violations
}

/// Flags in the compose file's commands must exist in a program: as a field that clap turns into one, or spelled out.
fn check_flags(tree: &Tree) -> Vec<Violation> {
    let Some(compose) = tree.file(COMPOSE) else { return Vec::new() };
    let exists = |flag: &str| {
        let field = flag.replace('-', "_");
        tree.files.iter().filter_map(|file| Some((file, file.shipped()?))).any(|(file, code)| {
            let is_field = code.match_indices(&format!("{field}:")).any(|(at, _)| !code[..at].ends_with(is_name));
            is_field || file.text.contains(&format!("long = \"{flag}\""))
        })
    };
    let mut violations = Vec::new();
    for (number, line) in compose.lines() {
        let Some(flag) = line.trim_start().strip_prefix("- --") else { continue };
        let flag = flag.split(['=', ' ']).next().unwrap_or(flag);
        if !exists(flag) {
            violations.push(Violation::at(COMPOSE, number, format!("no program has a flag --{flag}")));
        }
    }
    violations
}

/// A link whose text is the name of a cell, such as `request/undefined/match`, must lead to a file that names the cell.
fn check_cells(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files.iter().filter(|file| is_prose(file)) {
        for (number, line) in file.lines() {
            for (name, behind) in line.split("[`").skip(1).filter_map(|part| part.split_once("`](")) {
                let is_cell = name.starts_with("request/") || name.starts_with("response/");
                let target = behind.split(')').next().unwrap_or_default();
                let tested = tree.file(target).is_some_and(|file| file.text.contains(name));
                if is_cell && !tested {
                    violations.push(Violation::at(&file.path, number, format!("{target} does not name {name}")));
                }
            }
        }
    }
    violations
}

/// Links in Markdown to files of the repository must lead to one.
fn check_links(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files.iter().filter(|file| is_prose(file)) {
        for (number, line) in file.lines() {
            for target in link_targets(line) {
                let path = target.split('#').next().unwrap_or_default();
                let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
                if path.is_empty() || is_elsewhere {
                    continue;
                }
                if !resolve(&file.path, path).is_some_and(|path| path.is_empty() || tree.paths.contains(&path)) {
                    violations.push(Violation::at(&file.path, number, format!("the link to {target} leads nowhere")));
                }
            }
        }
    }
    violations
}

fn check_test_command(tree: &Tree) -> Vec<Violation> {
    let missing =
        [README, CI].into_iter().filter_map(|path| tree.file(path)).filter(|file| !file.text.contains(TEST_COMMAND));
    missing
        .map(|file| Violation::of(&file.path, format!("people and CI test with one command, `{TEST_COMMAND}`")))
        .collect()
}

fn is_prose(file: &File) -> bool {
    file.path.ends_with(".md")
}

fn is_script(file: &File) -> bool {
    file.path.ends_with(".sh") || file.path == CI
}

fn is_name(char: char) -> bool {
    char == '_' || char.is_ascii_alphanumeric()
}

/// Names of settings in the text, with their offsets; `PENSTOCK_*` and other patterns are none.
fn setting_names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    PREFIXES.iter().flat_map(move |prefix| {
        text.match_indices(prefix).filter_map(move |(at, _)| {
            let rest = &text[at..];
            let name = &rest[..rest.find(|char| !is_name(char)).unwrap_or(rest.len())];
            (name.len() > prefix.len() && !text[..at].ends_with(is_name)).then_some((at, name))
        })
    })
}

/// The targets of the inline links and pictures in a line.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(at, mark)| {
        let inside = line[at + mark.len()..].split(')').next()?;
        inside.split_whitespace().next()
    })
}

/// The path from the repository's root, of a link in the file at `from`; nothing if it leaves the repository.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(texts: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(texts.iter().copied())).iter().map(Violation::to_string).collect()
    }

    const SETTINGS: (&str, &str) =
        ("a/src/settings.rs", "struct S { #[arg(long, env = \"PENSTOCK_LISTEN\")] listen: A }");

    #[test]
    fn a_setting_that_nothing_reads_is_found() {
        let compose = "environment:\n  PENSTOCK_LISTEN: x\n  PENSTOCK_LISTENS: x\n";
        assert_eq!(broken(&[SETTINGS, (COMPOSE, compose)]), ["docker-compose.yml:3: nothing reads PENSTOCK_LISTENS"]);
        assert_eq!(broken(&[SETTINGS, (DOCKERFILE, "ENV IMAGE_RESIZER_LISTEN=x")]).len(), 1);
        assert_eq!(broken(&[SETTINGS, ("docs/a.md", "Set `PENSTOCK_PORT`, one of PENSTOCK_*.")]).len(), 1);
    }

    #[test]
    fn the_compose_file_may_read_settings_of_its_own() {
        assert!(
            broken(&[(COMPOSE, "ports: [\"${PENSTOCK_PORTS:-1}:1\"]"), ("docs/a.md", "PENSTOCK_PORTS")]).is_empty()
        );
    }

    #[test]
    fn a_flag_that_no_program_has_is_found() {
        let compose = "command:\n  - --listen=x\n  - --no-such\n";
        assert_eq!(broken(&[SETTINGS, (COMPOSE, compose)]), ["docker-compose.yml:3: no program has a flag --no-such"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let text = "[a](../README.md#top) [b](b.md) ![c](https://example.com/c.png) [d](#here) [e](../../x) [f](..)";
        let said = broken(&[("docs/a.md", text), (README, TEST_COMMAND)]);
        assert_eq!(
            said,
            ["docs/a.md:1: the link to b.md leads nowhere", "docs/a.md:1: the link to ../../x leads nowhere"]
        );
    }

    #[test]
    fn a_cell_that_no_test_names_is_found() {
        let text = "cargo test --workspace | [`request/a/b`](t.rs) | [`response/c`](t.rs) [`other/d`](t.rs)";
        let said = broken(&[(README, text), ("t.rs", "// request/a/b")]);
        assert_eq!(said, ["README.md:1: t.rs does not name response/c"]);
    }

    #[test]
    fn people_and_ci_run_the_same_tests() {
        assert_eq!(broken(&[(README, "make test"), (CI, TEST_COMMAND)]).len(), 1);
        assert_eq!(broken(&[(README, TEST_COMMAND), (CI, "cargo nextest run")]).len(), 1);
    }
}
