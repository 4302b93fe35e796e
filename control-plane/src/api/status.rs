//! The only place where an error becomes a gRPC status.
//!
//! A status travels in HTTP/2 headers, of which common clients take 8 KiB in all: what does not fit is counted.

use crate::app::Error;
use penstock_model::violation::{Violation, Violations};
use std::fmt::Write as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// Violations that the text of a status lists, for people with a plain client.
const TEXT_VIOLATIONS_MAX: usize = 20;
/// Longest text of a status, in bytes as sent: everything outside of printable ASCII is sent as three. The details
/// repeat the text.
const TEXT_BYTES_MAX: usize = 900;
/// Most bytes of field violations in the details of a status, before they are sent as base64.
const DETAILS_BYTES_MAX: usize = 4_000;
/// What one field violation costs beside its texts, in bytes: tags and lengths.
const VIOLATION_OVERHEAD_BYTES: usize = 12;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => invalid(&violations),
            Error::NotFound(text) => Self::not_found(text),
            Error::AlreadyExists(text) => Self::already_exists(text),
            Error::Stale(text) => Self::aborted(text),
            Error::FailedPrecondition(text) => Self::failed_precondition(text),
            Error::Exhausted(text) => Self::resource_exhausted(text),
            Error::Unavailable(text) => Self::unavailable(text),
            Error::Internal { doing, source } => {
                let id = uuid::Uuid::new_v4().simple().to_string();
                tracing::error!(error.id = %id, error = %chain(source.as_ref()), "{doing}");
                Self::internal(format!("internal error {id}: the control plane's log says more"))
            }
        }
    }
}

/// An error with all of its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

fn invalid(violations: &Violations) -> Status {
    let all = violations.as_slice();
    let mut listed = Vec::new();
    let mut room = DETAILS_BYTES_MAX;
    for violation in all {
        let cost = violation.field.len() + violation.description.len() + VIOLATION_OVERHEAD_BYTES;
        let Some(left) = room.checked_sub(cost) else { break };
        room = left;
        listed.push(FieldViolation::new(&violation.field, &violation.description));
    }
    if listed.len() < all.len() {
        listed.push(FieldViolation::new("", format!("and {} more", all.len() - listed.len())));
    }
    Status::with_error_details(Code::InvalidArgument, text(all), ErrorDetails::with_bad_request(listed))
}

fn text(all: &[Violation]) -> String {
    let mut text = String::new();
    let mut listed = 0;
    for violation in all.iter().take(TEXT_VIOLATIONS_MAX) {
        let one = violation.to_string();
        if listed == 0 {
            text.push_str(start(&one, TEXT_BYTES_MAX));
        } else if sent_bytes(&text) + sent_bytes(&one) > TEXT_BYTES_MAX {
            break;
        } else {
            text.push_str("; ");
            text.push_str(&one);
        }
        listed += 1;
    }
    match all.len() - listed {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

/// As much of a text as so many bytes can carry.
fn start(text: &str, bytes: usize) -> &str {
    let mut room = bytes;
    for (at, letter) in text.char_indices() {
        match room.checked_sub(sent_bytes(letter.encode_utf8(&mut [0; 4]))) {
            Some(left) => room = left,
            None => return &text[..at],
        }
    }
    text
}

/// Length of a text once it is percent-encoded.
fn sent_bytes(text: &str) -> usize {
    text.bytes().map(|byte| if (b' '..=b'~').contains(&byte) && byte != b'%' { 1 } else { 3 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_code() {
        let text = || "text".to_owned();
        let table = [
            (Error::invalid("name", "must not be empty"), Code::InvalidArgument),
            (Error::NotFound(text()), Code::NotFound),
            (Error::AlreadyExists(text()), Code::AlreadyExists),
            (Error::Stale(text()), Code::Aborted),
            (Error::FailedPrecondition(text()), Code::FailedPrecondition),
            (Error::Exhausted(text()), Code::ResourceExhausted),
            (Error::Unavailable(text()), Code::Unavailable),
            (Error::internal("reading", "a secret path"), Code::Internal),
        ];
        for (error, code) in table {
            assert_eq!(Status::from(error).code(), code);
        }
    }

    #[test]
    fn what_happened_inside_stays_inside() {
        let status = Status::from(Error::internal("reading", "a secret path"));
        assert!(!status.message().contains("secret"), "{status}");
    }

    #[test]
    fn all_violations_are_listed_with_their_fields() {
        let mut violations = Violations::one("name", "must not be empty");
        violations.add("uri", "must be absolute");
        let status = Status::from(Error::from(violations));
        assert_eq!(status.message(), "name: must not be empty; uri: must be absolute");
        let details = status.get_error_details();
        let listed = &details.bad_request().expect("it has them").field_violations;
        assert_eq!((listed.len(), listed[1].field.as_str()), (2, "uri"));
    }

    #[test]
    fn what_does_not_fit_into_headers_is_counted() {
        for letter in ["x", "ü"] {
            let mut violations = Violations::new();
            for at in 0..100 {
                violations.add(format!("methods[{at}]"), letter.repeat(300));
            }
            let status = Status::from(Error::from(violations));
            let details = status.get_error_details();
            let listed = &details.bad_request().expect("it has them").field_violations;
            let last = &listed.last().expect("it has some").description;
            assert_eq!(*last, format!("and {} more", 100 - (listed.len() - 1)));
            assert!(status.message().ends_with(" more"), "{}", status.message());
            let sent = sent_bytes(status.message()) + status.details().len().div_ceil(3) * 4;
            assert!(sent < 8_000, "{sent} bytes");
        }
    }

    #[test]
    fn one_violation_longer_than_all_room_is_cut() {
        let status = Status::from(Error::invalid("document", "x".repeat(10_000)));
        assert_eq!(status.message().len(), TEXT_BYTES_MAX);
        assert!(status.message().starts_with("document: xxx"));
    }
}
