//! No door is open because somebody forgot a flag.

use crate::setup::{Scratch, control_at, done, node, ready, refused};

#[test]
fn an_open_door_is_refused_with_the_flags_that_close_it() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let line = ["--listen", "0.0.0.0:0", "--admin-listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let said = refused(&scratch, "penstock-control-plane", &line);
    for flag in ["--listen 0.0.0.0:0", "--access-file", "--join-token-file", "--tls-certificate", "--trust-network"] {
        assert!(said.contains(flag), "{flag} is not in {said}");
    }
    assert!(!data.exists(), "nothing was made");
    let tokens = scratch.write("tokens", "0123456789abcdef\n");
    let said = refused(&scratch, "penstock-control-plane", &[&line[..], &["--join-token-file", &tokens]].concat());
    assert!(said.contains("in clear") && said.contains("--tls-key"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_insists_gets_an_open_door() {
    let scratch = Scratch::new();
    let control = control_at(&scratch, "0.0.0.0:0", &["--trust-network"]);
    let address = format!("http://127.0.0.1:{}", control.address("grpc").port());
    let node = node(&scratch, &address, &[]);
    ready(&node).await;
    assert!(done(&address, &["nodes"]).contains("current"));
}

#[test]
fn a_token_is_not_sent_in_clear_over_a_network() {
    let scratch = Scratch::new();
    let token = scratch.write("token", "0123456789abcdef\n");
    let far = "http://192.0.2.1:50051";
    for said in [
        refused(&scratch, "penstock-data-plane", &["--control-plane", far, "--join-token-file", &token]),
        refused(&scratch, "penstock", &["--control-plane", far, "--token-file", &token, "nodes"]),
    ] {
        assert!(said.contains(far) && said.contains("https://") && said.contains("--trust-network"), "{said}");
        assert!(!said.contains("0123456789abcdef"), "{said}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let scratch = Scratch::new();
    let short = scratch.write("short", "# one\nsecret-short\n");
    let access = scratch.write("access", "identities:\n- name: a\n  role: viewer\n  tokens: [x]\n");
    let missing = scratch.path().join("missing").to_str().unwrap().to_owned();
    let line = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", "data"];
    let control = |flags: &[&str]| refused(&scratch, "penstock-control-plane", &[&line[..], flags].concat());
    let said = control(&["--join-token-file", &short]);
    assert!(said.contains("short: line 2") && !said.contains("secret-short"), "{said}");
    let said = control(&["--access-file", &access]);
    assert!(said.contains("line 4") && said.contains("tokens"), "{said}");
    let said = control(&["--tls-certificate", &missing, "--tls-key", &missing]);
    assert!(said.contains("missing: No such file"), "{said}");
    let said = control(&["--tls-certificate", &short, "--tls-key", &short]);
    assert!(said.contains("short: holds no certificate"), "{said}");
    let said = refused(&scratch, "penstock-data-plane", &["--join-token-file", &missing]);
    assert!(said.contains("missing: No such file"), "{said}");
}

/// `penstock up` never looks protected without being so.
#[test]
fn up_refuses_settings_that_it_would_not_follow() {
    let scratch = Scratch::new();
    let output = std::process::Command::new(harness::process::binary("penstock"))
        .arg("up")
        .env("PENSTOCK_ACCESS_FILE", "access.yaml")
        .current_dir(scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("PENSTOCK_ACCESS_FILE"), "{said}");
}
