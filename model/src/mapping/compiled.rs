//! [`CompiledSource`]: a source with everything resolved that does not depend on the request.

use super::body::{self, SourceProblem};
use super::context;
use super::escape::{percent_decode, query_values};
use super::expression::Source;
use super::facts::{ContextField, RequestFacts, StageFacts};
use crate::header_list::HeaderList;
use crate::headers::ends_on_entry;
use crate::json_path::JsonPath;
use crate::resource::{PathPart, segments};
use crate::text::split_segment;
use std::borrow::Cow;

/// A source with everything resolved that does not depend on the request.
///
/// Query names are compared as they are. Header names are too on the hosted service (section c.1), but a name has no
/// case left when it gets here: HTTP/2 has none, and those of HTTP/1 are lowered. So headers are found in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompiledSource {
    /// Known when the table is built.
    Fixed(String),
    /// A part of the path.
    Path(PathValue),
    /// A path parameter of whatever resource the running request met. Only in gateway responses.
    PathParameter(String),
    /// Last value of a query parameter.
    Query(String),
    /// Every value of a query parameter.
    MultiValueQuery(String),
    /// Last value of a header.
    Header(http::HeaderName),
    /// Every value of a header, joined.
    MultiValueHeader(http::HeaderName),
    /// The body, or what a path in it leads to.
    Body(Option<JsonPath>),
    /// Something that the running request knows.
    Context(ContextField),
    /// Never has a value: an undefined stage variable, an unknown path parameter, a context name that has no meaning here.
    Absent,
}

/// Where in a request's path a parameter's value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathValue {
    /// The segment with this number, counted from 0.
    Segment(usize),
    /// All segments from this number on.
    SegmentsFrom(usize),
}

impl CompiledSource {
    /// Resolves `source` as far as the stage knows it.
    pub fn compile(source: &Source, facts: &StageFacts<'_>) -> Self {
        match source {
            Source::Literal(text) => Self::Fixed(text.clone()),
            Source::StageVariable(name) => facts.variables.get(name).map_or(Self::Absent, |v| Self::Fixed(v.clone())),
            Source::Context(name) => context::compile(name, facts),
            Source::Path(name) => match facts.resource {
                Some(resource) => PathValue::of(name, resource.path).map_or(Self::Absent, Self::Path),
                None => Self::PathParameter(name.clone()),
            },
            Source::Query(name) => Self::Query(name.clone()),
            Source::MultiValueQuery(name) => Self::MultiValueQuery(name.clone()),
            Source::Header(name) => request_header(name).map_or(Self::Absent, Self::Header),
            Source::MultiValueHeader(name) => request_header(name).map_or(Self::Absent, Self::MultiValueHeader),
            Source::Body(path) => Self::Body(path.clone()),
        }
    }

    /// Whether the request's body must be collected before [`CompiledSource::values`] is asked.
    pub fn reads_body(&self) -> bool {
        matches!(self, Self::Body(_))
    }

    /// The values for one request, decoded; none when the source is absent, and several only for
    /// [`CompiledSource::MultiValueQuery`], which is repeated on the wire.
    ///
    /// # Errors
    /// When a value in the body is beyond a bound.
    pub fn values<'a>(&'a self, facts: &'a impl RequestFacts) -> Result<Vec<Cow<'a, str>>, SourceProblem> {
        match self {
            Self::Body(path) => Ok(body::value(path.as_ref(), facts.body())?.into_iter().collect()),
            head => Ok(head.head_values(facts)),
        }
    }

    /// The same of what needs no body; a source in the body has none.
    pub fn head_values<'a>(&'a self, facts: &'a impl RequestFacts) -> Vec<Cow<'a, str>> {
        match self {
            Self::Fixed(text) => vec![Cow::Borrowed(text)],
            Self::Absent | Self::Body(_) => Vec::new(),
            Self::Path(value) => value.raw(facts.route_path()).map(|raw| percent_decode(raw)).into_iter().collect(),
            Self::PathParameter(name) => {
                let resource_path = facts.context(ContextField::ResourcePath).unwrap_or_default();
                let value = PathValue::of(name, &resource_path);
                let raw = value.and_then(|value| value.raw(facts.route_path()));
                raw.map(|raw| percent_decode(raw)).into_iter().collect()
            }
            Self::Query(name) => query_values(facts.query(), name).last().into_iter().collect(),
            Self::MultiValueQuery(name) => query_values(facts.query(), name).collect(),
            Self::Header(name) => last_header(facts.headers(), name).into_iter().collect(),
            Self::MultiValueHeader(name) => joined_headers(facts.headers(), name).into_iter().collect(),
            Self::Context(field) => facts.context(*field).into_iter().collect(),
        }
    }
}

impl PathValue {
    /// Where a resource's path holds the parameter.
    pub(crate) fn of(name: &str, resource_path: &str) -> Option<Self> {
        segments(resource_path).enumerate().find_map(|(number, part)| match PathPart::parse(part) {
            Ok(PathPart::Param(found)) if found == name => Some(Self::Segment(number)),
            Ok(PathPart::Greedy(found)) if found == name => Some(Self::SegmentsFrom(number)),
            _ => None,
        })
    }

    /// The value as it stands in the request, still encoded; `None` when the path is too short. A greedy value loses its trailing
    /// slash (section d.1).
    pub fn raw(self, route_path: &str) -> Option<&str> {
        let (Self::Segment(number) | Self::SegmentsFrom(number)) = self;
        let mut rest = route_path.strip_prefix('/')?;
        for _ in 0..number {
            rest = split_segment(rest).1?;
        }
        let value = match self {
            Self::Segment(_) => split_segment(rest).0,
            Self::SegmentsFrom(_) => rest.strip_suffix('/').unwrap_or(rest),
        };
        (!value.is_empty()).then_some(value)
    }
}

/// A header that a method request may have.
fn request_header(name: &str) -> Option<http::HeaderName> {
    header(name).filter(|name| !ends_on_entry(name))
}

pub(super) fn header(name: &str) -> Option<http::HeaderName> {
    http::HeaderName::from_bytes(name.as_bytes()).ok()
}

pub(super) fn last_header<'a>(headers: &'a HeaderList, name: &http::HeaderName) -> Option<Cow<'a, str>> {
    headers.get_all(name).next_back().map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// All values of a header, joined with `,` (section e.5).
pub(super) fn joined_headers<'a>(headers: &'a HeaderList, name: &http::HeaderName) -> Option<Cow<'a, str>> {
    let all: Vec<_> = headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!all.is_empty()).then(|| Cow::Owned(all.join(",")))
}
