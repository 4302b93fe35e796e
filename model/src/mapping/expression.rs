//! The expressions of section e.5 as they are written: [`Target`] to the left, [`Source`] to the right.

use super::problem::invalid_expression;
use crate::text::{is_parameter_name, is_token};

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
        let rest = text.strip_prefix("integration.request.").ok_or_else(|| invalid_expression(text))?;
        let (place, name) = rest.split_once('.').ok_or_else(|| invalid_expression(text))?;
        let name = name.to_owned();
        match place {
            "path" if is_parameter_name(&name) => Ok(Self::Path(name)),
            "querystring" if !name.is_empty() => Ok(Self::Query(name)),
            "header" if is_token(&name) => Ok(Self::Header(name)),
            _ => Err(invalid_expression(text)),
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
    /// `method.request.body`, or below it a JSON path without `$.`.
    Body(Option<String>),
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
            "querystring" => nonempty(text, name, Self::Query),
            "multivaluequerystring" => nonempty(text, name, Self::MultiValueQuery),
            "header" if is_token(name) => Ok(Self::Header(name.to_owned())),
            "multivalueheader" if is_token(name) => Ok(Self::MultiValueHeader(name.to_owned())),
            "body" => nonempty(text, name, |path| Self::Body(Some(path))),
            _ => Err(invalid_expression(text)),
        }
    }
}

fn named(whole: &str, name: &str, make: impl FnOnce(String) -> Source) -> Result<Source, String> {
    if is_parameter_name(name) { Ok(make(name.to_owned())) } else { Err(invalid_expression(whole)) }
}

fn nonempty(whole: &str, name: &str, make: impl FnOnce(String) -> Source) -> Result<Source, String> {
    if name.is_empty() { Err(invalid_expression(whole)) } else { Ok(make(name.to_owned())) }
}
