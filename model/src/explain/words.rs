//! Decisions in words.

use super::facts::{BodyFacts, Header, Mapped};
use crate::content::coding::Coding;
use crate::content::conversion::{Conversion, Decision};
use crate::exchange::BodyLength;
use crate::header_list::HeaderList;
use crate::mapping::{CompiledSource, PathValue, RequestFacts};
use crate::table::{BodyWay, Passage};

/// The length of the body that is sent, as far as it is known without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// As the head states it.
    Known(BodyLength),
    /// Counted when it was collected.
    Counted,
    /// Counted if it ends within the look-ahead, else unknown.
    Open,
}

impl Sent {
    /// For the head. A length that is not known here is stated by the HTTP library, so any stands for it.
    pub(super) fn length(self) -> BodyLength {
        match self {
            Self::Known(length) => length,
            Self::Counted | Self::Open => BodyLength::Exactly(1),
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Known(BodyLength::Empty) => "none".to_owned(),
            Self::Known(BodyLength::Exactly(1)) => "1 byte".to_owned(),
            Self::Known(BodyLength::Exactly(bytes)) => format!("{bytes} bytes"),
            Self::Known(BodyLength::Unknown) => "of unknown length, in chunks".to_owned(),
            Self::Counted => "with the Content-Length that it turns out to have".to_owned(),
            Self::Open => "with its Content-Length if it ends within the look-ahead, else in chunks".to_owned(),
        }
    }
}

pub(super) fn conversion(decision: Decision) -> &'static str {
    match decision.conversion {
        Conversion::Pass => "passes byte for byte",
        Conversion::Text => "passes as text: what is not UTF-8 becomes U+FFFD",
        Conversion::Encode => "becomes base64",
        Conversion::Decode => "is base64, and becomes the bytes that it stands for; anything else answers 500",
    }
}

/// The bound is each proxy's own: the model does not know its value.
const COLLECTED: &str = "more than a proxy's --collect-bytes-max is a 413";

/// A request body's way. `template` is its key.
pub(super) fn body(
    decision: Decision,
    template: Option<&str>,
    way: &BodyWay,
    has_body: bool,
    is_mock: bool,
) -> BodyFacts {
    let mut passage = match way.passage {
        Passage::Stream | Passage::LookAhead | Passage::Collect if !has_body => "there is none".to_owned(),
        Passage::Stream if is_mock => "is read by nobody".to_owned(),
        Passage::Stream => "streams: nothing needs to see all of it".to_owned(),
        Passage::LookAhead => "streams, behind a look at its beginning: an error there is still answered".to_owned(),
        Passage::Collect if is_mock && template.is_none() => {
            format!("is collected: the MOCK looks for its status in it; {COLLECTED}")
        }
        Passage::Collect => format!("is collected: a mapping reads it; {COLLECTED}"),
        Passage::Discard => "is not sent: the template takes its place".to_owned(),
    };
    if !way.decompress.is_empty() {
        passage += &format!("; {} is undone on the way", codings(&way.decompress));
    }
    if !way.decompress_to_read.is_empty() {
        passage +=
            &format!("; {} is undone for the mapping, and kept for the upstream", codings(&way.decompress_to_read));
    }
    BodyFacts {
        cell: decision.cell.to_string(),
        conversion: conversion(decision).to_owned(),
        template: template.map(ToOwned::to_owned),
        passage,
    }
}

fn codings(codings: &[Coding]) -> String {
    codings.iter().map(|coding| coding.as_str()).collect::<Vec<_>>().join(", ")
}

/// One mapping with what it gives for this request.
pub(super) fn mapped(target: String, source: &CompiledSource, facts: &impl RequestFacts) -> Mapped {
    let values = source.head_values(facts).into_iter().map(std::borrow::Cow::into_owned).collect();
    Mapped { target, source: origin(source), values, from_body: source.reads_body() }
}

fn origin(source: &CompiledSource) -> String {
    match source {
        CompiledSource::Fixed(_) => "a value fixed when the stage was compiled".to_owned(),
        CompiledSource::Path(PathValue::Segment(number)) => format!("segment {} of the path", number + 1),
        CompiledSource::Path(PathValue::SegmentsFrom(number)) => format!("the path from segment {} on", number + 1),
        CompiledSource::PathParameter(name) => format!("the path parameter {name}"),
        CompiledSource::Query(name) => format!("the query parameter {name}"),
        CompiledSource::MultiValueQuery(name) => format!("every query parameter {name}"),
        CompiledSource::Header(name) => format!("the header {name}"),
        CompiledSource::MultiValueHeader(name) => format!("every header {name}"),
        CompiledSource::Body(None) => "the body".to_owned(),
        CompiledSource::Body(Some(_)) => "a place in the body".to_owned(),
        CompiledSource::Context(_) => "the request's context".to_owned(),
        CompiledSource::Absent => "nothing that exists here".to_owned(),
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every line, ordered by name; lines of one name keep their order.
pub(super) fn headers(map: &HeaderList) -> Vec<Header> {
    let mut all: Vec<Header> =
        map.iter().map(|(name, value)| Header { name: name.to_string(), value: text(value.as_bytes()) }).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
