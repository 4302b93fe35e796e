//! The headers that an event shows (sections b.2, c.1, c.2): the client's, and those that the gateway adds.

use super::event::EventFacts;
use crate::exchange::{ConnectionNames, FORWARDED_PROTO};
use crate::headers::request_to_function;
use http::header::{COOKIE, HOST};
use std::borrow::Cow;

/// What is shown, with all lines of one name behind each other.
pub(super) struct ShownHeaders<'a> {
    pub(super) lines: Vec<Line<'a>>,
    /// Of all names and values, in bytes.
    pub(super) bytes: usize,
}

/// One header line.
pub(super) struct Line<'a> {
    /// As an event of format 1.0 spells it.
    pub(super) spelled: &'a str,
    /// In lower case.
    pub(super) name: &'a str,
    pub(super) value: Cow<'a, [u8]>,
}

impl<'a> ShownHeaders<'a> {
    pub(super) fn of(facts: &EventFacts<'a>) -> Self {
        let headers = facts.inbound.headers;
        let mut shown = Self { lines: Vec::with_capacity(headers.len() + 5), bytes: 0 };
        let connection = ConnectionNames::of(headers);
        for (name, value) in headers {
            // The host that an event shows is the one that the request was routed by.
            if request_to_function(name) && !connection.names(name) && *name != HOST {
                shown.push(facts.spelling.spelled(name), name.as_str(), Cow::Borrowed(value.as_bytes()));
            }
        }
        if !facts.inbound.host.is_empty() {
            // Not the header's own value: a target may name another host, and HTTP/2 does.
            shown.push("Host", "host", Cow::Borrowed(facts.inbound.host.as_bytes()));
        }
        shown.push("X-Amzn-Trace-Id", "x-amzn-trace-id", Cow::Borrowed(facts.trace_id.as_bytes()));
        shown.push("X-Forwarded-For", "x-forwarded-for", Cow::Owned(facts.inbound.forwarded_for()));
        let port = facts.listener_port.to_string().into_bytes();
        shown.push("X-Forwarded-Port", "x-forwarded-port", Cow::Owned(port));
        shown.push("X-Forwarded-Proto", "x-forwarded-proto", Cow::Borrowed(FORWARDED_PROTO.as_bytes()));
        shown
    }

    /// Each name once, with all its lines.
    pub(super) fn by_name(&self) -> impl Iterator<Item = &[Line<'a>]> {
        self.lines.chunk_by(|line, next| line.name == next.name)
    }

    fn push(&mut self, spelled: &'a str, name: &'a str, value: Cow<'a, [u8]>) {
        self.bytes += name.len() + value.len();
        match self.lines.iter().rposition(|line| line.name == name) {
            // HTTP/2 clients may send a cookie in pieces, of which a reader of one value would see the last
            // (RFC 9113 section 8.2.3).
            Some(at) if name == COOKIE.as_str() => {
                let joined = self.lines[at].value.to_mut();
                joined.extend_from_slice(b"; ");
                joined.extend_from_slice(&value);
            }
            Some(at) => self.lines.insert(at + 1, Line { spelled, name, value }),
            None => self.lines.push(Line { spelled, name, value }),
        }
    }
}
