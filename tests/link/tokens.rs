//! Join tokens and bearer tokens, over plain connections on one machine.

use crate::setup::{Scratch, access_file, control, done, failed, http, node, page, ready, register, said, token};
use harness::upstream::Upstream;
use harness::wait::until;
use serde_json::Value;

const PEOPLE: [(&str, &str); 4] = [("eve", "viewer"), ("ed", "editor"), ("ada", "admin"), ("ned", "node")];

fn line<'a>(flags: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    [flags, command].concat()
}

/// The names of the registered APIs.
fn apis(address: &str, flags: &[&str]) -> Vec<String> {
    let listed = done(address, &line(flags, &["api", "list", "--output", "json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed["items"].as_array().unwrap().iter().map(|api| api["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_with_any_valid_token_and_with_no_other() {
    let scratch = Scratch::new();
    let tokens = scratch.write("tokens", "first-join-token-1\nsecond-join-token-2\n");
    let control = control(&scratch, &["--join-token-file", &tokens]);
    let address = http(&control);
    for valid in ["first-join-token-1", "second-join-token-2\nfirst-join-token-1"] {
        let file = scratch.write("valid", valid);
        ready(&node(&scratch, &address, &["--join-token-file", &file])).await;
    }
    let file = scratch.write("wrong", "a-wrong-join-token-3");
    let stranger = node(&scratch, &address, &["--join-token-file", &file]);
    said(&stranger, "the token is not known here").await;
    let silent = node(&scratch, &address, &[]);
    said(&silent, "start this one with --join-token-file").await;
    for node in [&stranger, &silent] {
        assert_eq!(page(node.address("admin"), "/health/ready").await, 503);
    }
    said(&control, "a call is refused").await;
    // Who manages on this machine needs no token: nothing was said about them.
    assert!(done(&address, &["nodes"]).contains("gone"));
    for log in [control.log(), stranger.log(), silent.log()] {
        assert!(!log.contains("join-token-1") && !log.contains("join-token-3"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_its_part_and_no_more() {
    let scratch = Scratch::new();
    let access = scratch.write("access", &access_file(&PEOPLE));
    let join = scratch.write("join", "a-join-token-for-nodes");
    let control = control(&scratch, &["--access-file", &access, "--join-token-file", &join]);
    let address = http(&control);
    let as_who = |name: &str| {
        let secret = if name == "join" { "a-join-token-for-nodes".to_owned() } else { token(name) };
        ["--token-file".to_owned(), scratch.write(&format!("token-{name}"), &secret)]
    };
    let who: Vec<_> = ["eve", "ed", "ada", "ned", "join"].map(as_who).into_iter().collect();
    let [eve, ed, ada, ned, join] = [0, 1, 2, 3, 4].map(|at| [who[at][0].as_str(), who[at][1].as_str()]);

    let said = failed(&address, &line(&eve, &["api", "create", "by-eve"]));
    assert!(said.contains("\"eve\" is viewer") && said.contains("needs the role editor"), "{said}");
    done(&address, &line(&ed, &["api", "create", "by-ed"]));
    done(&address, &line(&ada, &["api", "create", "by-ada"]));
    for flags in [eve, ed, ada] {
        assert_eq!(apis(&address, &flags).len(), 2, "what was denied changed nothing");
    }
    assert!(failed(&address, &line(&ed, &["audit"])).contains("needs the role admin"));
    assert!(done(&address, &line(&ada, &["audit"])).contains("CreateRestApi"));
    for flags in [ned, join] {
        let said = failed(&address, &line(&flags, &["api", "list"]));
        assert!(said.contains("nodes may only subscribe"), "{said}");
    }
    let said = failed(&address, &["api", "list"]);
    assert!(said.contains("--token-file"), "{said}");
    for secret in [token("eve"), token("ed"), token("ada"), token("ned"), "a-join-token-for-nodes".into()] {
        assert!(!control.log().contains(&secret), "{}", control.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_management_token_does_not_subscribe_and_a_node_identity_does() {
    let scratch = Scratch::new();
    let access = scratch.write("access", &access_file(&PEOPLE));
    let control = control(&scratch, &["--access-file", &access]);
    let manager = scratch.write("ada", &token("ada"));
    let wrong = node(&scratch, &http(&control), &["--join-token-file", &manager]);
    said(&wrong, "management callers may not subscribe").await;
    assert_eq!(page(wrong.address("admin"), "/health/ready").await, 503);
    let right = scratch.write("ned", &token("ned"));
    ready(&node(&scratch, &http(&control), &["--join-token-file", &right])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_exchanged_without_a_restart_or_a_lost_request() {
    let scratch = Scratch::new();
    let valid = scratch.write("valid", "the-old-join-token\n");
    let mine = scratch.write("mine", "the-old-join-token\n");
    let control = control(&scratch, &["--join-token-file", &valid]);
    let node = node(&scratch, &http(&control), &["--join-token-file", &mine]);
    ready(&node).await;
    let upstream = Upstream::mirror("up").await;
    register(&scratch, &http(&control), &[], upstream.address, &node).await;

    scratch.write("valid", "the-new-join-token\nthe-old-join-token\n");
    said(&control, "read again, and in force").await;
    scratch.write("mine", "the-new-join-token\n");
    scratch.write("valid", "the-new-join-token\n");
    // Its stream came with the old one, so it ends; the next comes with the new one.
    said(&control, "a credential is no longer valid").await;
    until(
        "the node has come back",
        async || {
            assert_eq!(page(node.address("proxy"), "/up").await, 200, "it serves all along");
            node.log().matches("subscribed to the control plane").count()
        },
        |&times| times == 2,
    )
    .await;
    assert_eq!(page(node.address("admin"), "/health/ready").await, 200);
    let log = control.log() + &node.log();
    assert!(!log.contains("join-token\n") && !log.contains("the-old") && !log.contains("the-new"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_token_is_taken_away_serves_on_and_gets_nothing_new() {
    let scratch = Scratch::new();
    let valid = scratch.write("valid", "the-old-join-token\n");
    let mine = scratch.write("mine", "the-old-join-token\n");
    let control = control(&scratch, &["--join-token-file", &valid]);
    let node = node(&scratch, &http(&control), &["--join-token-file", &mine]);
    ready(&node).await;
    scratch.write("valid", "some-other-join-token\n");
    said(&node, "the token is not known here").await;
    let listed = async || done(&http(&control), &["nodes"]);
    until("the fleet has lost it", listed, |nodes| nodes.contains("gone")).await;
    assert_eq!(page(node.address("admin"), "/health/ready").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_access_file_is_reported_and_the_old_one_stays() {
    let scratch = Scratch::new();
    let access = scratch.write("access", &access_file(&[("ada", "admin")]));
    let control = control(&scratch, &["--access-file", &access]);
    let address = http(&control);
    let (ada, ed) = (scratch.write("ada", &token("ada")), scratch.write("ed", &token("ed")));
    scratch.write("access", "identities:\n- name: ada\n  role: viewer\n  rights: all\n");
    said(&control, "what was in force before stays").await;
    assert!(control.log().contains("rights") && control.log().contains("line 4"), "{}", control.log());
    done(&address, &["--token-file", &ada, "api", "create", "still"]);
    assert!(failed(&address, &["--token-file", &ed, "api", "list"]).contains("not known"));
    scratch.write("access", &access_file(&[("ada", "viewer"), ("ed", "editor")]));
    until(
        "the new file is in force",
        async || crate::setup::cli(&address, &["--token-file", &ed, "api", "list"]).status.success(),
        |&done| done,
    )
    .await;
    let said = failed(&address, &["--token-file", &ada, "api", "create", "late"]);
    assert!(said.contains("\"ada\" is viewer"), "{said}");
}
