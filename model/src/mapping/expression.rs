//! The expressions of section e.5 as they are written: [`Target`] to the left, [`Source`] to the right.

use super::problem::{invalid_expression, invalid_parameter};
use crate::json_path::JsonPath;
use crate::text::is_parameter_name;

/// What a mapping sets: `integration.request.{path|querystring|header}.{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A `{name}` in the integration's URI.
    Path(String),
    /// A query parameter towards the upstream.
    Query(String),
    /// A header towards the upstream.
    Header(String),
}

impl Target {
    /// Reads the left side of a mapping.
    ///
    /// # Errors
    /// The specification's sentence for a wrong expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (place, name) = text
            .strip_prefix("integration.request.")
            .and_then(|rest| rest.split_once('.'))
            .filter(|(_, name)| is_parameter_name(name))
            .ok_or_else(|| invalid_parameter(text))?;
        let name = name.to_owned();
        match place {
            "path" => Ok(Self::Path(name)),
            "querystring" => Ok(Self::Query(name)),
            "header" => Ok(Self::Header(name)),
            _ => Err(invalid_parameter(text)),
        }
    }
}

/// Where a value comes from, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `method.request.path.x`
    Path(String),
    /// `method.request.querystring.x`: the last value.
    Query(String),
    /// `method.request.multivaluequerystring.x`: all values.
    MultiValueQuery(String),
    /// `method.request.header.x`: the last value.
    Header(String),
    /// `method.request.multivalueheader.x`: all values, joined with `,`.
    MultiValueHeader(String),
    /// `method.request.body`, or a path into it, usually written without `$.`.
    Body(Option<JsonPath>),
    /// `stageVariables.x`
    StageVariable(String),
    /// `context.x`
    Context(String),
    /// `'text'`
    Literal(String),
}

impl Source {
    /// Reads the right side of a mapping.
    ///
    /// # Errors
    /// The specification's sentence for a wrong expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(literal) = text.strip_prefix('\'') {
            return literal
                .strip_suffix('\'')
                .map(|inner| Self::Literal(inner.to_owned()))
                .ok_or_else(|| invalid_expression(text));
        }
        if let Some(name) = text.strip_prefix("stageVariables.") {
            return named(text, name, Self::StageVariable);
        }
        if let Some(name) = text.strip_prefix("context.") {
            return named(text, name, Self::Context);
        }
        let rest = text.strip_prefix("method.request.").ok_or_else(|| invalid_expression(text))?;
        if rest == "body" {
            return Ok(Self::Body(None));
        }
        let (place, name) = rest.split_once('.').ok_or_else(|| invalid_expression(text))?;
        match place {
            "path" => named(text, name, Self::Path),
            "querystring" => named(text, name, Self::Query),
            "multivaluequerystring" => named(text, name, Self::MultiValueQuery),
            "header" => named(text, name, Self::Header),
            "multivalueheader" => named(text, name, Self::MultiValueHeader),
            "body" => body_path(text, name).map(|path| Self::Body(Some(path))),
            _ => Err(invalid_expression(text)),
        }
    }

    /// The method's own parameter that is read, as `requestParameters` of the method declare it; `None` for sources that
    /// need no declaration (section e.5).
    pub fn declared_as(&self) -> Option<String> {
        match self {
            Self::Path(name) => Some(format!("method.request.path.{name}")),
            Self::Query(name) | Self::MultiValueQuery(name) => Some(format!("method.request.querystring.{name}")),
            Self::Header(name) | Self::MultiValueHeader(name) => Some(format!("method.request.header.{name}")),
            Self::Body(_) | Self::StageVariable(_) | Self::Context(_) | Self::Literal(_) => None,
        }
    }
}

fn named(whole: &str, name: &str, make: impl FnOnce(String) -> Source) -> Result<Source, String> {
    if is_parameter_name(name) { Ok(make(name.to_owned())) } else { Err(invalid_expression(whole)) }
}

/// Reads the path of a body source; what is wrong with it is said behind the specification's sentence.
pub(super) fn body_path(whole: &str, path: &str) -> Result<JsonPath, String> {
    JsonPath::parse(path).map_err(|error| format!("{}: {error}", invalid_expression(whole)))
}
