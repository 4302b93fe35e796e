//! The compose file, built and run for real, where a container engine runs.

use harness::process::repository;
use harness::scale;
use std::process::Command;

/// What the script answers when it cannot run here.
const SKIPPED: i32 = 77;

#[test]
fn two_proxies_in_containers_resize_a_photo_and_scale_to_four() {
    let status = Command::new(repository().join("tests/compose/run.sh")).current_dir(repository()).status().unwrap();
    match status.code() {
        Some(0) => {}
        Some(SKIPPED) if !scale::in_ci() => println!("SKIPPED: no container engine runs here"),
        other => panic!("tests/compose/run.sh ended with {other:?}"),
    }
}
