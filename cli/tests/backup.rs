//! `penstock backup` and `penstock restore`, as an operator at night types them.

#![allow(clippy::unwrap_used)] // Nothing but tests, their helpers included.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use support::{ControlPlane, directory};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/demo-api.yaml");

#[test]
fn what_was_backed_up_is_restored_elsewhere() {
    let origin = ControlPlane::start("backup-origin");
    origin.say(&["api", "import", DEMO, "--stage", "prod", "--domain", "*"]);
    let files = directory("backup-files");
    let file = files.join("night.backup");
    let path = file.to_str().unwrap();
    let said = origin.say(&["backup", path]);
    assert!(said.contains("1 API, 1 deployment, 1 stage, 1 domain, version 2"), "{said}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it holds stage variables");
    let names: Vec<_> = fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["night.backup"], "nothing else is left");

    let said = origin.fails(&["backup", path], 4);
    assert!(said.contains("exists already"), "{said}");
    let said = origin.fails(&["restore", path], 4);
    assert!(said.contains("something is stored here already"), "{said}");

    let target = ControlPlane::start("backup-target");
    let answer = target.json(&["restore", path]);
    assert_eq!(answer["backup"]["restApiCount"], json!("1"));
    assert_eq!(answer["rootHash"], answer["backup"]["rootHash"]);
    assert_eq!(target.json(&["config"])["version"], answer["version"]);
    assert_eq!(target.json(&["routes"])["items"], origin.json(&["routes"])["items"]);
    assert_eq!(target.json(&["api", "list"]), origin.json(&["api", "list"]));

    target.say(&["api", "create", "another"]);
    let said = target.fails(&["restore", path, "--replace"], 2);
    assert!(said.contains("--yes"), "{said}");
    let said = target.say(&["restore", path, "--replace", "--yes"]);
    assert!(said.starts_with("Restored 1 API, "), "{said}");
    assert_eq!(target.json(&["api", "list"]), origin.json(&["api", "list"]));
    origin.stop();
    target.stop();
}

#[test]
fn a_file_that_is_no_backup_is_not_even_sent() {
    let control_plane = ControlPlane::start("backup-refused");
    control_plane.say(&["api", "import", DEMO, "--stage", "prod"]);
    let files = directory("backup-refused-files");
    let good = files.join("good");
    control_plane.say(&["backup", good.to_str().unwrap()]);
    let before = control_plane.json(&["config"]);
    let whole = fs::read_to_string(&good).unwrap();
    let bad = files.join("bad");
    for (text, reason) in [
        (&whole[..whole.len() - 1], "cut off"),
        (&whole[..100], "no backup"),
        ("", "no backup"),
        (&whole.replace("image", "imago"), "checksum does not fit"),
        (&whole.replacen("\"penstockBackup\":1", "\"penstockBackup\":2", 1), "use the program that wrote it"),
    ] {
        fs::write(&bad, text).unwrap();
        let said = control_plane.fails(&["restore", bad.to_str().unwrap(), "--replace", "--yes"], 1);
        assert!(said.contains(reason), "{said} for {reason}");
        assert_eq!(control_plane.json(&["config"]), before);
    }
    let said = control_plane.fails(&["restore", files.join("nowhere").to_str().unwrap()], 1);
    assert!(said.contains("nowhere"), "{said}");
    control_plane.stop();
}

#[test]
fn a_backup_that_cannot_be_finished_leaves_no_file() {
    let control_plane = ControlPlane::start("backup-unfinished");
    let files = directory("backup-unfinished-files");
    let nowhere = files.join("missing/night.backup");
    let said = control_plane.fails(&["backup", nowhere.to_str().unwrap()], 1);
    assert!(said.contains("missing/night.backup"), "{said}");
    control_plane.stop();
    let file = files.join("night.backup");
    let output = support::penstock(&["backup", file.to_str().unwrap(), "--control-plane", "127.0.0.1:1"]).output();
    assert_eq!(output.unwrap().status.code(), Some(6));
    assert_eq!(fs::read_dir(&files).unwrap().count(), 0);
}
