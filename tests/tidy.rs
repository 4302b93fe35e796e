//! The house rules as a test: who may import what, how long a file may be, which words stay out, what the lock file may
//! hold. A rule that a machine can check is written here and not in a review.
//!
//! Each rule is a function from the [`tree::Tree`] (or the dependency graph) to violations, in a file of its own, with
//! tests that show it failing. `CONTRIBUTING.md` gives the rules in short.

#![allow(clippy::unwrap_used, reason = "a rule that cannot be checked has failed")]

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/licences.rs"]
mod licences;
#[path = "tidy/mentions.rs"]
mod mentions;
#[path = "tidy/packages.rs"]
mod packages;
#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

use std::path::Path;
use tree::{Tree, Violation};

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let tree = Tree::of_repository(root);
    let graph = packages::Graph::of_repository(root);
    let mut violations: Vec<Violation> = [
        arrows::check(&tree),
        arrows::check_places(&tree),
        files::check(&tree),
        words::check(&tree),
        mentions::check(&tree),
        packages::check(&graph),
    ]
    .into_iter()
    .flatten()
    .collect();
    violations.sort();
    violations.dedup();
    let list: String = violations.iter().map(|violation| format!("\n  {violation}")).collect();
    assert!(violations.is_empty(), "{} rules of the house are broken:{list}\n", violations.len());
}
