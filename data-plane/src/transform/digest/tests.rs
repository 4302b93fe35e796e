//! The fields of RFC 9530, with the examples of its appendix.

use super::*;
use penstock_model::header_list::HeaderList;

/// `{"hello": "world"}` and a line feed, as in RFC 9530 appendix B.
const SHA256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
const SHA512: &str =
    "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";

fn head(lines: &[(&HeaderName, &str)]) -> HeaderList {
    lines.iter().map(|(name, value)| ((*name).clone(), value.parse().expect("a header value"))).collect()
}

fn kinds(expected: &Expected) -> Vec<&'static str> {
    let kind = |digest: &Digest| match digest {
        Digest::Sha256(_) => "256",
        Digest::Sha512(_) => "512",
    };
    expected.digests.iter().map(kind).collect()
}

#[test]
fn the_two_algorithms_are_read_and_others_ignored() {
    let table: &[(&str, &[&str])] = &[
        (SHA256, &["256"]),
        (&format!("{SHA256}, {SHA512}"), &["256", "512"]),
        (&format!("md5=:ISuPjWhlfK0gqIW0c8OOkg==:, {SHA512}"), &["512"]),
        ("unixsum=:GQU=:", &[]),
        ("sha-384=:AA==:, x=1, y;z=?0", &[]),
        ("", &[]),
    ];
    for (value, expected) in table {
        let read = Expected::content(&head(&[(&CONTENT_DIGEST, value)])).expect("it is well-formed");
        assert_eq!(kinds(&read), *expected, "{value}");
    }
}

#[test]
fn lines_are_one_dictionary_and_the_last_member_counts() {
    let other = content_digest(&[7; 32]);
    let other = other.to_str().expect("base64 is text");
    let read = Expected::content(&head(&[(&CONTENT_DIGEST, SHA256), (&CONTENT_DIGEST, other)]));
    assert_eq!(read.expect("it is well-formed").digests, [Digest::Sha256([7; 32])]);
}

#[test]
fn a_malformed_field_is_no_absent_field() {
    let table = [
        ("sha-256", DigestFieldError::Value),
        ("sha-256=abc", DigestFieldError::Value),
        ("sha-256=\"RK/0\"", DigestFieldError::Value),
        ("sha-256=(:AA==:)", DigestFieldError::Value),
        ("sha-256=:AA==:", DigestFieldError::Value),
        ("sha-512=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", DigestFieldError::Value),
        ("sha-256=:RK/0", DigestFieldError::Syntax),
        ("sha-256=:!!!!:", DigestFieldError::Syntax),
        ("=:AA==:", DigestFieldError::Syntax),
        ("sha-256=:AA==:,", DigestFieldError::Syntax),
        ("SHA-256=:AA==:", DigestFieldError::Syntax),
    ];
    for (value, error) in table {
        assert_eq!(Expected::content(&head(&[(&CONTENT_DIGEST, value)])).err(), Some(error), "{value}");
        let read = Expected::default().and_representation(&head(&[(&REPR_DIGEST, value)]));
        assert_eq!(read.err(), Some(error), "{value}");
    }
}

#[test]
fn the_representation_counts_only_when_it_is_asked_for() {
    let head = head(&[(&REPR_DIGEST, SHA256)]);
    let content = Expected::content(&head).expect("it is well-formed");
    assert!(content.is_nothing());
    assert_eq!(kinds(&content.and_representation(&head).expect("it is well-formed")), ["256"]);
}

#[test]
fn announced_trailers_are_waited_for() {
    for (announced, expected) in
        [("content-digest", true), ("X-Sum,  Content-Digest", true), ("x-content-digest", false), ("", false)]
    {
        let read = Expected::content(&head(&[(&TRAILER, announced)])).expect("it is well-formed");
        assert_eq!((read.is_nothing(), read.needs_sha512()), (!expected, expected), "{announced}");
    }
}

#[test]
fn what_we_write_is_what_we_read() {
    let sha256: [u8; 32] = std::array::from_fn(|at| at as u8);
    let head = HeaderList::from_iter([(CONTENT_DIGEST, content_digest(&sha256))]);
    let read = Expected::content(&head).expect("it is well-formed");
    assert_eq!(read.digests, [Digest::Sha256(sha256)]);
    assert!(read.holds(&sha256, None) && !read.holds(&[0; 32], None));
}
