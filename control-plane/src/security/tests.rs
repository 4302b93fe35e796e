//! The decision, case by case.

use super::access_file::{self, AccessFile};
use super::decide::{Code, Credential, Denied, Permission, Policy};
use super::{Names, Peer};
use crate::app::Role;
use penstock_link::TokenHash;
use penstock_link::file::Contents;
use rcgen::{CertificateParams, DnType, KeyPair};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

const ROLES: [&str; 4] = ["node", "viewer", "editor", "admin"];

/// One identity of each role, called like it, whose token and common name are its name.
fn access() -> AccessFile {
    let identity = |role: &&str| {
        let digest: String = Sha256::digest(role).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("- {{name: {role}, role: {role}, tokenSha256: [{digest}], certificates: [{{commonName: {role}}}]}}\n")
    };
    let text = format!("identities:\n{}", ROLES.iter().map(identity).collect::<String>());
    access_file::parse(&[Contents { path: "access".into(), bytes: text.into() }]).unwrap()
}

fn near() -> Peer {
    Peer { address: Some("127.0.0.1:1".parse().unwrap()), certificate: None }
}

fn far() -> Peer {
    Peer { address: Some("192.0.2.1:1".parse().unwrap()), certificate: None }
}

fn with_certificate(name: &str) -> Peer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    Peer { certificate: Some(Arc::new(Names::read(made.der()))), ..far() }
}

fn token(text: &str) -> Credential {
    Credential::Token(TokenHash::of(text))
}

fn admit(
    policy: &Policy<'_>,
    permission: Permission,
    peer: &Peer,
    credential: Credential,
) -> Result<(String, Role), Denied> {
    policy.admit(permission, peer, credential, "a.Service/Call")
}

#[test]
fn each_role_may_what_the_table_says() {
    let access = access();
    let policy = Policy { access: Some(&access), join: None, trust_network: false };
    let table = [
        (Permission::Open, [true, true, true, true]),
        (Permission::Known, [true, true, true, true]),
        (Permission::Subscribe, [true, false, false, false]),
        (Permission::Read, [false, true, true, true]),
        (Permission::Write, [false, false, true, true]),
        (Permission::Administer, [false, false, false, true]),
    ];
    for (permission, expected) in table {
        for (role, expected) in ROLES.into_iter().zip(expected) {
            let by_token = admit(&policy, permission, &far(), token(role));
            let by_certificate = admit(&policy, permission, &with_certificate(role), Credential::None);
            assert_eq!(by_token, by_certificate, "{role} {permission:?}");
            match by_token {
                Ok(_) => assert!(expected, "{role} may {permission:?}"),
                Err(denied) => {
                    assert!(!expected && denied.code == Code::PermissionDenied, "{role} {permission:?}: {denied:?}");
                    assert!(denied.text.contains(role), "{denied:?}");
                }
            }
        }
    }
}

#[test]
fn a_refusal_says_what_to_do_and_nothing_of_the_token() {
    let access = access();
    let policy = Policy { access: Some(&access), join: Some(&[TokenHash::of("join")]), trust_network: true };
    let cases = [
        (Permission::Read, far(), Credential::None, "--token-file"),
        (Permission::Read, near(), Credential::None, "--token-file"),
        (Permission::Subscribe, near(), Credential::None, "--join-token-file"),
        (Permission::Read, near(), token("wrong-secret"), "ask for a valid one"),
        (Permission::Read, with_certificate("admin"), token("wrong-secret"), "not known"),
        (Permission::Read, near(), Credential::Unreadable, "Bearer"),
        (Permission::Read, with_certificate("stranger"), Credential::None, "access file"),
    ];
    for (permission, peer, credential, expected) in cases {
        let denied = admit(&policy, permission, &peer, credential).unwrap_err();
        assert_eq!(denied.code, Code::Unauthenticated, "{denied:?}");
        assert!(denied.text.contains(expected) && !denied.text.contains("secret"), "{denied:?}");
    }
}

#[test]
fn tokens_of_one_kind_are_not_taken_for_the_other() {
    let access = access();
    let policy = Policy { access: Some(&access), join: Some(&[TokenHash::of("join")]), trust_network: false };
    assert_eq!(admit(&policy, Permission::Subscribe, &far(), token("join")), Ok(("node".into(), Role::Node)));
    for permission in [Permission::Read, Permission::Write, Permission::Administer] {
        let denied = admit(&policy, permission, &far(), token("join")).unwrap_err();
        assert!(denied.code == Code::PermissionDenied && denied.text.contains("only subscribe"), "{denied:?}");
    }
    let denied = admit(&policy, Permission::Subscribe, &far(), token("admin")).unwrap_err();
    assert!(denied.code == Code::PermissionDenied && denied.text.contains("may not subscribe"), "{denied:?}");
}

#[test]
fn without_settings_this_machine_is_trusted_and_no_other() {
    let policy = Policy { access: None, join: None, trust_network: false };
    let anonymous = Ok(("anonymous".to_owned(), Role::Admin));
    for permission in [Permission::Subscribe, Permission::Read, Permission::Administer] {
        assert_eq!(admit(&policy, permission, &near(), Credential::None), anonymous);
        assert_eq!(admit(&policy, permission, &near(), token("of another control plane")), anonymous);
        assert_eq!(admit(&policy, permission, &far(), Credential::None).unwrap_err().code, Code::Unauthenticated);
        assert!(admit(&policy, permission, &Peer::default(), Credential::None).is_err(), "no address is not near");
    }
    let trusting = Policy { trust_network: true, ..policy };
    assert_eq!(admit(&trusting, Permission::Administer, &far(), Credential::None), anonymous);
}

#[test]
fn join_tokens_alone_leave_management_to_this_machine() {
    let policy = Policy { access: None, join: Some(&[TokenHash::of("join")]), trust_network: true };
    assert!(admit(&policy, Permission::Administer, &near(), Credential::None).is_ok());
    let denied = admit(&policy, Permission::Read, &far(), Credential::None).unwrap_err();
    assert!(denied.text.contains("--access-file"), "{denied:?}");
    assert!(admit(&policy, Permission::Subscribe, &near(), Credential::None).is_err());
}

#[test]
fn a_bearer_token_is_read_from_its_header() {
    let read = |text: &'static str| Credential::read(Some(&http::HeaderValue::from_static(text)));
    assert!(matches!(read("Bearer abc"), Credential::Token(_)));
    assert!(matches!(read("bearer abc"), Credential::Token(_)));
    for wrong in ["abc", "Basic abc", "Bearer", "Bearer  ", ""] {
        assert!(matches!(read(wrong), Credential::Unreadable), "{wrong:?}");
    }
    assert!(matches!(Credential::read(None), Credential::None));
}
