//! Programs that we did not write: curl as a client, Python's grpcio as a manager.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::process::repository;
use harness::upstream::Upstream;
use harness::world::document;
use harness::{World, scale};
use std::path::PathBuf;
use std::process::{Command, Output};

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_uploads_and_downloads_over_both_protocols() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(!scale::in_ci(), "curl is missing");
        println!("SKIPPED: curl is not installed");
        return;
    }
    let world = World::start(1).await;
    let upstream = Upstream::echo().await;
    world.register(&document("echo", &[("POST", "/echo", format!("http://{}/", upstream.address))])).await;
    let photo = repository().join("examples/my_image.jpg");
    let url = format!("http://{}/echo", world.proxy());
    for protocol in ["--http1.1", "--http2-prior-knowledge", "--http1.0"] {
        let back = world.directory().join("back.jpg");
        // Expect: 100-continue is curl's own idea for a body of this size; chunked is its way for standard input.
        run(Command::new("curl")
            .args(["-sS", "--fail", protocol, "-X", "POST", "-H", "Content-Type: image/jpeg", "--data-binary"])
            .arg(format!("@{}", photo.display()))
            .arg("-o")
            .arg(&back)
            .arg(&url));
        assert_eq!(std::fs::read(&back).unwrap(), std::fs::read(&photo).unwrap(), "{protocol}");
    }
    let chunked = run(Command::new("curl")
        .args(["-sS", "--fail", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-T"])
        .arg(&photo)
        .args(["-X", "POST"])
        .arg(&url));
    assert_eq!(chunked.stdout, std::fs::read(&photo).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn python_manages_an_api_through_reflection_alone() {
    python_manages(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_manages_an_api_with_the_descriptors_of_the_first_release() {
    python_manages(Some(repository().join("proto/releases/0.1-first/descriptors.bin"))).await;
}

async fn python_manages(descriptors: Option<PathBuf>) {
    let python = std::env::var_os("PENSTOCK_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let has_grpc = Command::new(&python).args(["-c", "import grpc, grpc_reflection.v1alpha"]).output();
    if !has_grpc.is_ok_and(|output| output.status.success()) {
        assert!(!scale::in_ci(), "Python's grpcio and grpcio-reflection are missing");
        println!("SKIPPED: install grpcio and grpcio-reflection, and name the Python in PENSTOCK_TEST_PYTHON");
        return;
    }
    let world = World::start(1).await;
    let upstream = Upstream::mirror("up").await;
    let script = repository().join("tests/strangers/manage.py");
    let target = world.grpc_url().replace("http://", "");
    let uri = format!("http://{}/from-python", upstream.address);
    let output = run(Command::new(&python).arg(script).args([target, uri]).args(descriptors));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.ends_with("managed\n"), "{said}");
    world.settled().await;
    let answer = harness::client::get(world.proxy(), "python.test", "/v1/things/7").await;
    assert_eq!(answer.json()["target"], "/from-python/7");
}
