//! Certificates made with openssl by the commands of docs/security.md, programs started as it says, and Python's grpcio
//! as a client that we did not write.

use crate::setup::{Scratch, cli, page, ready};
use harness::process::{Program, binary, repository};
use harness::scale;
use std::collections::BTreeMap;
use std::process::Command;

fn has(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// The code blocks of the document below a heading, in their order.
fn blocks(heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("docs/security.md")).unwrap();
    let (_, below) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading} is not there"));
    let below = below.split("\n## ").next().unwrap();
    let blocks = below.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// The arguments of the program in a block, with addresses that are free here.
fn arguments(blocks: &[String], program: &str, exchange: &BTreeMap<&str, String>) -> Vec<String> {
    let line =
        blocks.iter().find(|block| block.starts_with(program)).unwrap_or_else(|| panic!("no {program} is started"));
    let line = line.replace("\\\n", " ");
    let words = line.split_whitespace().skip(1);
    words.map(|word| exchange.get(word).cloned().unwrap_or_else(|| word.to_owned())).collect()
}

fn start(scratch: &Scratch, program: &'static str, arguments: &[String]) -> Program {
    let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    all.extend(["--admin-listen", "127.0.0.1:0"]);
    Program::start(program, scratch.path(), &all)
}

/// Makes the files and starts the control plane as the document says.
fn by_the_document() -> Option<(Scratch, Program, Vec<String>)> {
    if !has("openssl", &["version"]) {
        assert!(!scale::in_ci(), "openssl is missing");
        println!("SKIPPED: openssl is not installed");
        return None;
    }
    let scratch = Scratch::new();
    for block in blocks("## Certificates and tokens, step by step") {
        let made =
            Command::new("bash").args(["-euo", "pipefail", "-c", &block]).current_dir(scratch.path()).output().unwrap();
        assert!(made.status.success(), "{block}\n{}", String::from_utf8_lossy(&made.stderr));
    }
    let starts = blocks("## Starting");
    let exchange = BTreeMap::from([("0.0.0.0:50051", "0.0.0.0:0".to_owned())]);
    let control = start(&scratch, "penstock-control-plane", &arguments(&starts, "penstock-control-plane", &exchange));
    Some((scratch, control, starts))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_document_says_works_word_for_word() {
    let Some((scratch, control, starts)) = by_the_document() else { return };
    let address = format!("https://localhost:{}", control.address("grpc").port());
    let exchange =
        BTreeMap::from([("https://control-plane:50051", address.clone()), ("0.0.0.0:8080", "127.0.0.1:0".to_owned())]);
    let nodes: Vec<_> = starts.iter().filter(|block| block.starts_with("penstock-data-plane")).collect();
    assert_eq!(nodes.len(), 2, "one with a certificate, one with a join token");
    for block in nodes {
        let line = arguments(std::slice::from_ref(block), "penstock-data-plane", &exchange);
        ready(&start(&scratch, "penstock-data-plane", &line)).await;
    }
    let calls: Vec<_> = starts.iter().filter(|block| block.starts_with("penstock ")).collect();
    assert_eq!(calls.len(), 2, "one with a certificate, one with a token");
    for block in calls {
        let line = arguments(std::slice::from_ref(block), "penstock ", &exchange);
        let output = Command::new(binary("penstock")).args(&line).current_dir(scratch.path()).output().unwrap();
        assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!cli(&address, &["nodes"]).status.success(), "the machine's authorities do not know ours");
    assert_eq!(page(control.address("admin"), "/health/ready").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn python_calls_over_mutual_tls() {
    let python = std::env::var("PENSTOCK_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    if !has(&python, &["-c", "import grpc, grpc_reflection.v1alpha"]) {
        assert!(!scale::in_ci(), "Python's grpcio and grpcio-reflection are missing");
        println!("SKIPPED: install grpcio and grpcio-reflection, and name the Python in PENSTOCK_TEST_PYTHON");
        return;
    }
    let Some((scratch, control, _)) = by_the_document() else { return };
    let target = format!("localhost:{}", control.address("grpc").port());
    let output = Command::new(&python)
        .arg(repository().join("tests/strangers/secure.py"))
        .args([&target, "ca.pem", "ops.pem", "ops.key", "ci.token"])
        .current_dir(scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let line = |start: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(&format!("{start} ")));
        found.unwrap_or_else(|| panic!("no {start} in {said}")).to_owned()
    };
    assert_eq!((line("certificate"), line("token")), ("OK".to_owned(), "OK".to_owned()));
    assert_eq!(line("reflection"), "penstock.management.v1.ListAuditEntriesResponse");
    assert_eq!((line("health"), line("hidden")), ("OK".to_owned(), "UNAUTHENTICATED".to_owned()));
    assert!(line("nothing").starts_with("UNAUTHENTICATED callers must say who they are"), "{said}");
    assert!(line("wrong-token").starts_with("UNAUTHENTICATED the token is not known here"), "{said}");
}
