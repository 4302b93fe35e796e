//! Rebuilds when a migration changes: they are embedded with `include_str!`, but a *new* file must be noticed too.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
