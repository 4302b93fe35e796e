//! Mutual TLS: who is trusted, and what those learn who are not.

use crate::setup::{
    Scratch, access_file, control, done, failed, http, https, node, page, ready, register, said, token,
};
use harness::pki::{Authority, Identity, Use};
use harness::process::Program;
use harness::upstream::Upstream;

const PEOPLE: [(&str, &str); 3] = [("ned", "node"), ("ada", "admin"), ("eve", "viewer")];

fn text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Flags of somebody who connects.
fn flags(ca: &Authority, identity: Option<&Identity>) -> Vec<String> {
    let mut flags = vec!["--control-plane-ca".to_owned(), text(&ca.file)];
    if let Some(identity) = identity {
        flags.extend(["--control-plane-certificate".to_owned(), text(&identity.certificate)]);
        flags.extend(["--control-plane-key".to_owned(), text(&identity.key)]);
    }
    flags
}

fn with<'a>(flags: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    flags.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

struct Secure {
    scratch: Scratch,
    ca: Authority,
    control: Program,
}

fn secure() -> Secure {
    let scratch = Scratch::new();
    let ca = Authority::new(scratch.path(), "ca");
    let server = ca.issue(scratch.path(), "server", Use::Server);
    let access = scratch.write("access", &access_file(&PEOPLE));
    let (certificate, key, authority) = (text(&server.certificate), text(&server.key), text(&ca.file));
    let control = control(
        &scratch,
        &[
            "--tls-certificate",
            &certificate,
            "--tls-key",
            &key,
            "--tls-client-ca",
            &authority,
            "--access-file",
            &access,
        ],
    );
    Secure { scratch, ca, control }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_callers_are_known_by_their_certificates() {
    let Secure { scratch, ca, control } = secure();
    let address = https(&control);
    let ned = flags(&ca, Some(&ca.issue(scratch.path(), "ned", Use::Client)));
    let ada = flags(&ca, Some(&ca.issue(scratch.path(), "ada", Use::Client)));
    let eve = flags(&ca, Some(&ca.issue(scratch.path(), "eve", Use::Client)));
    let node = node(&scratch, &address, &with(&ned, &[]));
    ready(&node).await;
    let upstream = Upstream::mirror("up").await;
    register(&scratch, &address, &with(&ada, &[]), upstream.address, &node).await;
    assert_eq!(page(node.address("proxy"), "/up").await, 200);
    done(&address, &with(&eve, &["api", "list"]));
    assert!(failed(&address, &with(&eve, &["api", "create", "x"])).contains("\"eve\" is viewer"));
    assert!(failed(&address, &with(&ned, &["api", "list"])).contains("nodes may only subscribe"));
    // A token works beside certificates, and counts before one.
    let file = scratch.write("token", &token("ada"));
    done(&address, &with(&eve, &["--token-file", &file, "api", "create", "by-token"]));
    let wrong = scratch.write("wrong", "a-token-nobody-knows");
    assert!(failed(&address, &with(&ada, &["--token-file", &wrong, "api", "list"])).contains("not known here"));
}

#[test]
fn who_is_not_trusted_learns_why() {
    let Secure { scratch, ca, control } = secure();
    let address = https(&control);
    let other = Authority::new(scratch.path(), "other-ca");
    let ada = ca.issue(scratch.path(), "ada", Use::Client);
    let cases = [
        (flags(&ca, None), "--control-plane-certificate"),
        (flags(&other, Some(&ada)), "--control-plane-ca names the one to trust"),
        (flags(&ca, Some(&ca.issue(scratch.path(), "mallory", Use::Client))), "commonName \"mallory\""),
        (flags(&ca, Some(&other.issue(scratch.path(), "ada-other", Use::Client))), "--tls-client-ca"),
        (flags(&ca, Some(&ca.issue_expired(scratch.path(), "ada-old", Use::Client))), "our certificate has expired"),
    ];
    for (flags, expected) in cases {
        let said = failed(&address, &with(&flags, &["api", "create", "intruder"]));
        assert!(said.contains(expected), "{expected:?} is not in {said}");
        assert!(!said.contains("PRIVATE KEY"), "{said}");
    }
    let ada = flags(&ca, Some(&ada));
    assert!(!done(&address, &with(&ada, &["api", "list"])).contains("intruder"));
    let server_name = with(&ada, &["--control-plane-server-name", "elsewhere.example", "api", "list"]);
    assert!(failed(&address, &server_name).contains("--control-plane-server-name says"));
    let plain = failed(&http(&control), &["api", "list"]);
    assert!(plain.contains("cannot reach") || plain.contains("listing"), "{plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_not_trusted_say_why_in_their_log() {
    let Secure { scratch, ca, control } = secure();
    let address = https(&control);
    let other = Authority::new(scratch.path(), "other-ca");
    let ned = ca.issue(scratch.path(), "ned", Use::Client);
    let cases = [
        (flags(&ca, None), "nodes must say who they are"),
        (flags(&other, Some(&ned)), "--control-plane-ca names the one to trust"),
        (flags(&ca, Some(&other.issue(scratch.path(), "ned-other", Use::Client))), "--tls-client-ca"),
        (flags(&ca, Some(&ca.issue_expired(scratch.path(), "ned-old", Use::Client))), "our certificate has expired"),
        (flags(&ca, Some(&ca.issue(scratch.path(), "ada", Use::Client))), "management callers may not subscribe"),
    ];
    for (flags, expected) in cases {
        said(&node(&scratch, &address, &with(&flags, &[])), expected).await;
    }
    said(&control, "a TLS handshake failed").await;
    assert!(!control.log().contains("PRIVATE KEY"));
}

#[test]
fn a_server_whose_certificate_is_expired_or_without_tls_is_not_trusted() {
    let scratch = Scratch::new();
    let ca = Authority::new(scratch.path(), "ca");
    let old = ca.issue_expired(scratch.path(), "old", Use::Server);
    let (certificate, key) = (text(&old.certificate), text(&old.key));
    let expired = control(&scratch, &["--tls-certificate", &certificate, "--tls-key", &key]);
    let trusting = flags(&ca, None);
    let said = failed(&https(&expired), &with(&trusting, &["api", "list"]));
    assert!(said.contains("the control plane's certificate has expired"), "{said}");
    let other = Scratch::new();
    let plain = control(&other, &[]);
    let said = failed(&https(&plain), &with(&trusting, &["api", "list"]));
    assert!(said.contains("does not speak TLS"), "{said}");
}

#[test]
fn a_certificate_and_a_key_that_do_not_belong_together_are_refused() {
    let scratch = Scratch::new();
    let ca = Authority::new(scratch.path(), "ca");
    let (one, two) = (ca.issue(scratch.path(), "one", Use::Server), ca.issue(scratch.path(), "two", Use::Server));
    let line = ["--tls-certificate", &text(&one.certificate), "--tls-key", &text(&two.key), "--data-dir", "data"];
    let said = crate::setup::refused(&scratch, "penstock-control-plane", &line);
    assert!(said.contains("one.pem: does not belong to the key in"), "{said}");
}
