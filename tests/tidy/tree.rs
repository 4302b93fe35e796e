//! The repository as the rules see it: every text file that git tracks or would track, and the Rust ones read once.

use crate::rust::Rust;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// A broken rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    text: String,
}

impl Violation {
    /// In the line of `path` that is given, from 1.
    pub(crate) fn at(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }

    /// In the whole of `path`.
    pub(crate) fn of(path: &str, text: impl Into<String>) -> Self {
        Self::at(path, 0, text)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.text),
            line => write!(formatter, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// A text file.
pub(crate) struct File {
    /// Relative to the repository, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// What the compiler sees of it, if it is Rust.
    pub(crate) rust: Option<Rust>,
    /// Whether it is for tests or benches, helpers included.
    pub(crate) is_test: bool,
}

impl File {
    /// The lines, numbered from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The code that ships, without comments and contents of strings; nothing if the file is for tests or for cargo, or is
    /// no Rust.
    pub(crate) fn shipped(&self) -> Option<&str> {
        let ships = !self.is_test && !self.path.ends_with("/build.rs");
        self.rust.as_ref().filter(|_| ships).map(|rust| rust.shipped.as_str())
    }
}

/// All text files.
pub(crate) struct Tree {
    /// By path.
    pub(crate) files: Vec<File>,
    /// Every file, the binary ones and the folders included.
    pub(crate) paths: BTreeSet<String>,
}

impl Tree {
    /// What git tracks in `root`, and what it would track.
    pub(crate) fn of_repository(root: &Path) -> Self {
        let list = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .expect("git lists the files");
        assert!(list.status.success(), "git ls-files: {}", String::from_utf8_lossy(&list.stderr));
        let names: BTreeSet<String> = String::from_utf8(list.stdout)
            .unwrap()
            .split_terminator('\0')
            .filter(|name| root.join(name).is_file())
            .map(str::to_owned)
            .collect();
        let texts: Vec<(String, String)> = names
            .iter()
            .filter_map(|name| Some((name.clone(), String::from_utf8(std::fs::read(root.join(name)).ok()?).ok()?)))
            .collect();
        let mut tree = Self::of(texts);
        for name in names {
            tree.add_path(&name);
        }
        tree
    }

    /// The given paths and texts, as if they were a repository.
    pub(crate) fn of<P: Into<String>, T: Into<String>>(texts: impl IntoIterator<Item = (P, T)>) -> Self {
        let mut files: Vec<File> = texts.into_iter().map(|(path, text)| read(path.into(), text.into())).collect();
        let test_modules: Vec<String> = files
            .iter()
            .flat_map(|file| {
                let names = file.rust.as_ref().map_or(&[][..], |rust| &rust.test_modules);
                names.iter().map(|name| format!("{}{name}", children_of(&file.path)))
            })
            .collect();
        for file in &mut files {
            file.is_test |= test_modules.iter().any(|module| {
                file.path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            });
        }
        let mut tree = Self { files, paths: BTreeSet::new() };
        let names: Vec<String> = tree.files.iter().map(|file| file.path.clone()).collect();
        for name in names {
            tree.add_path(&name);
        }
        tree
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    fn add_path(&mut self, name: &str) {
        let folders = name.match_indices('/').map(|(at, _)| &name[..at]);
        self.paths.extend(folders.chain([name]).map(str::to_owned));
    }
}

fn read(path: String, text: String) -> File {
    let rust = path.ends_with(".rs").then(|| Rust::read(&text));
    let is_test = path.split('/').rev().skip(1).any(|folder| folder == "tests" || folder == "benches");
    File { path, text, rust, is_test }
}

/// Where the modules that the file at `path` declares are found.
fn children_of(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => format!("{folder}/"),
        _ => format!("{}/", path.trim_end_matches(".rs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_files(texts: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::of(texts.iter().copied());
        tree.files.into_iter().filter(|file| file.is_test).map(|file| file.path).collect()
    }

    #[test]
    fn files_below_a_tests_folder_are_tests() {
        assert_eq!(
            test_files(&[
                ("a/tests/smoke.rs", ""),
                ("a/benches/fast.rs", ""),
                ("tests/x.rs", ""),
                ("a/src/tests.rs", "")
            ]),
            ["a/tests/smoke.rs", "a/benches/fast.rs", "tests/x.rs"]
        );
    }

    #[test]
    fn a_module_declared_for_tests_is_one_wherever_it_lies() {
        let declares = "#[cfg(test)]\nmod samples;\n";
        assert_eq!(test_files(&[("a/src/lib.rs", declares), ("a/src/samples.rs", "")]), ["a/src/samples.rs"]);
        assert_eq!(
            test_files(&[("a/src/b.rs", declares), ("a/src/b/samples/deep.rs", "")]),
            ["a/src/b/samples/deep.rs"]
        );
        assert!(test_files(&[("a/src/b.rs", declares), ("a/src/samples.rs", "")]).is_empty());
    }

    #[test]
    fn folders_are_paths_too() {
        let tree = Tree::of([("a/b/c.txt", "")]);
        assert!(["a", "a/b", "a/b/c.txt"].iter().all(|path| tree.paths.contains(*path)));
    }

    #[test]
    fn a_violation_names_file_and_line() {
        assert_eq!(Violation::at("a.rs", 7, "no").to_string(), "a.rs:7: no");
        assert_eq!(Violation::of("a.rs", "no").to_string(), "a.rs: no");
    }
}
