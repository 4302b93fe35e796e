//! Functions: the event that an `AWS_PROXY` function is called with, and the answer that is made of what it returns.
//!
//! | module | subject | section |
//! |---|---|---|
//! | [`event`] | the request as an event, up to its body | b.2, b.5 |
//! | [`spelling`] | how the client spelled the names of its headers | b.2 |
//! | [`binary`] | whether the event's body is base64 | a.7, a.9 |
//! | [`answer`] | the document that a function returns | b.3, b.6 |
//! | [`prelude`] | the same in front of a streamed answer | k |
//! | [`uri`] | which function an integration calls | b.1 |
//!
//! Deliberately absent: the call itself, base64, and what becomes of the answer's headers on their way to the client,
//! see [`crate::headers`]. Events are written into one buffer from beginning to end, answers are read without a tree:
//! both may be megabytes.

pub mod answer;
pub mod binary;
pub mod event;
pub mod prelude;
pub mod spelling;
pub mod uri;

mod custom;
mod document;
mod event_v1;
mod event_v2;
mod json;
mod query;
mod shown;

pub use answer::{AnswerProblem, FunctionAnswer, FunctionHead, read_answer};
pub use binary::is_binary_request;
pub use custom::{bare_string, error_message};
pub use event::{EventFacts, FunctionEventPlan};
pub use json::push_text;
pub use prelude::read_prelude;
pub use spelling::HeaderSpelling;
pub use uri::FunctionUri;

/// The two forms of events and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PayloadFormat {
    /// `1.0`: that of REST APIs (sections b.2 and b.3).
    #[default]
    V1,
    /// `2.0`: that of HTTP APIs (sections b.5 and b.6).
    V2,
}

impl PayloadFormat {
    /// Reads an integration's `payloadFormatVersion`; empty is `1.0`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "1.0" => Some(Self::V1),
            "2.0" => Some(Self::V2),
            _ => None,
        }
    }

    /// As written in requests and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unset_format_is_the_first() {
        for (text, expected) in [
            ("", Some(PayloadFormat::V1)),
            ("1.0", Some(PayloadFormat::V1)),
            ("2.0", Some(PayloadFormat::V2)),
            ("2", None),
            ("3.0", None),
        ] {
            assert_eq!(PayloadFormat::parse(text), expected, "{text:?}");
        }
        for format in [PayloadFormat::V1, PayloadFormat::V2] {
            assert_eq!(PayloadFormat::parse(format.as_str()), Some(format));
        }
    }
}
