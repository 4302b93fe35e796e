//! What a case is, and the checks that run over all of them without a server.

use super::super::{FramingLimits, FramingRule, FramingViolation, MessagePart};
use super::guard::FramingGuard;
use super::raw_messages::{self, End, Reaches, RequestCase};
use super::reading::{Call, requests};
use http::Uri;

/// One raw input and what must become of it.
pub(crate) struct Case {
    /// Everything the client sends before it ends its side.
    pub(crate) raw: Vec<u8>,
    /// How many of these bytes pass as they are.
    pub(crate) passes: usize,
    /// What the input is found to be.
    pub(crate) verdict: Verdict,
    /// The requests in it that are whole.
    whole: Vec<Call>,
    /// Whether a server comes to read all of it: a request in it may close the connection.
    pub(crate) is_read: bool,
    /// Where it stands in the corpus.
    place: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Whole requests.
    Good,
    /// Whole requests, then empty lines that wait in the guard for a request that does not come.
    Waits,
    /// Good as far as it goes, but it ends inside a body.
    Cut,
    /// Refused.
    Bad(FramingRule),
}

impl Case {
    fn of(case: RequestCase) -> Self {
        let RequestCase { place, raw, passes, whole, end } = case;
        let is_left = matches!(end, End::Refused { is_read: false, .. });
        let is_read = !is_left && whole.iter().all(|request| request.reaches != Reaches::Nobody);
        let verdict = match end {
            End::Clean => Verdict::Good,
            End::Waits => Verdict::Waits,
            End::Cut => Verdict::Cut,
            End::Refused { rule, .. } => {
                let known = FramingRule::ALL.iter().find(|known| known.reason() == rule);
                Verdict::Bad(*known.unwrap_or_else(|| panic!("{place}: no rule {rule}")))
            }
        };
        let whole = whole.into_iter().map(|request| {
            let target = Uri::try_from(&request.target).expect("a good target is a target for hyper");
            (request.method, target.to_string(), Some(request.body))
        });
        let whole = whole.collect();
        Self { raw, passes, verdict, whole, is_read, place }
    }

    pub(crate) fn text(&self) -> String {
        format!("{}: {}", self.place, self.raw[..self.raw.len().min(300)].escape_ascii())
    }
}

pub(crate) fn corpus() -> Vec<Case> {
    raw_messages::requests().into_iter().map(Case::of).collect()
}

/// What a guard made of an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: Vec<u8>,
    pub(crate) violation: Option<FramingViolation>,
    pub(crate) at_boundary: bool,
}

/// Feeds the pieces to a guard, then the end.
pub(crate) fn guarded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: FramingLimits) -> Outcome {
    let mut guard = FramingGuard::new(limits);
    let mut passed = Vec::new();
    for piece in pieces {
        let in_place = guard.feed(piece);
        passed.extend_from_slice(&piece[..in_place]);
        take_released(&mut guard, &mut passed);
    }
    guard.feed_end();
    take_released(&mut guard, &mut passed);
    assert_eq!(guard.refusal(), guard.cell().get(), "the cell says what the guard decided");
    Outcome { passed, violation: guard.refusal(), at_boundary: guard.at_boundary() }
}

fn take_released(guard: &mut FramingGuard, passed: &mut Vec<u8>) {
    let released = guard.released().to_vec();
    guard.delivered(released.len());
    passed.extend_from_slice(&released);
}

fn expected_bytes(case: &Case, violation: Option<FramingViolation>) -> Vec<u8> {
    let mut bytes = case.raw[..case.passes].to_vec();
    if violation.is_some_and(|violation| violation.part == MessagePart::Head) {
        bytes.extend_from_slice(b"REFUSED * HTTP/1.0\r\n\r\n");
    }
    bytes
}

#[test]
fn every_case_gets_its_verdict() {
    for case in corpus() {
        let outcome = guarded([&case.raw[..]], FramingLimits::default());
        let verdict = match outcome.violation {
            Some(violation) => Verdict::Bad(violation.rule),
            None if outcome.at_boundary && outcome.passed.len() < case.raw.len() => Verdict::Waits,
            None if outcome.at_boundary => Verdict::Good,
            None => Verdict::Cut,
        };
        assert_eq!(verdict, case.verdict, "{}", case.text());
        assert_eq!(outcome.passed, expected_bytes(&case, outcome.violation), "what passes of {}", case.text());
        let mut whole = requests(&outcome.passed);
        whole.retain(|(method, ..)| method != "REFUSED");
        assert_eq!(whole, case.whole, "the requests in {}", case.text());
    }
}

#[test]
fn every_case_gets_the_same_verdict_byte_by_byte_and_in_two_pieces() {
    for case in corpus().iter().filter(|case| case.raw.len() < 2_000) {
        let whole = guarded([&case.raw[..]], FramingLimits::default());
        assert_eq!(guarded(case.raw.chunks(1), FramingLimits::default()), whole, "{}", case.text());
        for middle in 1..case.raw.len() {
            let (first, second) = case.raw.split_at(middle);
            assert_eq!(guarded([first, second], FramingLimits::default()), whole, "{} at {middle}", case.text());
        }
    }
}

#[test]
fn the_corpus_is_large_and_breaks_every_rule() {
    let corpus = corpus();
    assert!(corpus.len() >= 600, "only {} cases", corpus.len());
    // HTTP/1 has an answer to a host that contradicts the target: it does not count.
    for &rule in FramingRule::ALL.iter().filter(|rule| **rule != FramingRule::HostConflict) {
        assert!(corpus.iter().any(|case| case.verdict == Verdict::Bad(rule)), "no case breaks {rule:?}");
    }
}

#[test]
fn rules_are_told_apart_by_their_reasons_and_answered_with_error_statuses() {
    for (place, rule) in FramingRule::ALL.iter().enumerate() {
        assert!(FramingRule::ALL[..place].iter().all(|other| other.reason() != rule.reason()), "{rule:?}");
        assert!(rule.reason().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{rule:?}");
        assert!([400, 414, 431, 501, 505].contains(&rule.status()), "{rule:?}");
    }
}

#[test]
fn a_violation_tells_the_client_the_place_and_repeats_nothing() {
    let outcome = guarded([&b"GET /secret HTTP/1.1\r\nHost: a\r\nsecret : 1\r\n\r\n"[..]], FramingLimits::default());
    let sentence = outcome.violation.expect("a violation").to_string();
    assert_eq!(sentence, "a header name holds white space or is followed by it (byte 37 of the request head)");
}
