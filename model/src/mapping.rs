//! Parameter mapping expressions (section e.5): where a request parameter goes, and where its value comes from.
//!
//! Parsed when a configuration is accepted, compiled with the route, evaluated per request against [`RequestFacts`].

use crate::text::{is_parameter_name, is_token};
use std::borrow::Cow;
use std::collections::BTreeMap;

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
        let rest = text.strip_prefix("integration.request.").ok_or_else(|| invalid(text))?;
        let (place, name) = rest.split_once('.').ok_or_else(|| invalid(text))?;
        let name = name.to_owned();
        match place {
            "path" if is_parameter_name(&name) => Ok(Self::Path(name)),
            "querystring" if !name.is_empty() => Ok(Self::Query(name)),
            "header" if is_token(&name) => Ok(Self::Header(name)),
            _ => Err(invalid(text)),
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
                .ok_or_else(|| invalid(text));
        }
        if let Some(name) = text.strip_prefix("stageVariables.") {
            return named(text, name, Self::StageVariable);
        }
        if let Some(name) = text.strip_prefix("context.") {
            return named(text, name, Self::Context);
        }
        let rest = text.strip_prefix("method.request.").ok_or_else(|| invalid(text))?;
        if rest == "body" {
            return Ok(Self::Body(None));
        }
        let (place, name) = rest.split_once('.').ok_or_else(|| invalid(text))?;
        match place {
            "path" => named(text, name, Self::Path),
            "querystring" => nonempty(text, name, Self::Query),
            "multivaluequerystring" => nonempty(text, name, Self::MultiValueQuery),
            "header" if is_token(name) => Ok(Self::Header(name.to_owned())),
            "multivalueheader" if is_token(name) => Ok(Self::MultiValueHeader(name.to_owned())),
            "body" => nonempty(text, name, |path| Self::Body(Some(path))),
            _ => Err(invalid(text)),
        }
    }
}

fn named(whole: &str, name: &str, make: impl FnOnce(String) -> Source) -> Result<Source, String> {
    if is_parameter_name(name) { Ok(make(name.to_owned())) } else { Err(invalid(whole)) }
}

fn nonempty(whole: &str, name: &str, make: impl FnOnce(String) -> Source) -> Result<Source, String> {
    if name.is_empty() { Err(invalid(whole)) } else { Ok(make(name.to_owned())) }
}

fn invalid(text: &str) -> String {
    format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: {text}]"
    )
}

/// Facts about a request that only exist while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextField {
    /// `requestId`
    RequestId,
    /// `extendedRequestId`
    ExtendedRequestId,
    /// `requestTime`, as `dd/MMM/yyyy:HH:mm:ss +0000`
    RequestTime,
    /// `requestTimeEpoch`, in milliseconds
    RequestTimeEpoch,
    /// `httpMethod` of the client
    HttpMethod,
    /// `path`, with the stage
    Path,
    /// `protocol`, for example `HTTP/1.1`
    Protocol,
    /// `domainName`
    DomainName,
    /// `domainPrefix`: the first label of the domain name
    DomainPrefix,
    /// `identity.sourceIp`
    SourceIp,
    /// `identity.userAgent`
    UserAgent,
}

/// What a running request knows about itself. Implemented by the proxy, and by tests.
pub trait RequestFacts {
    /// The path behind stage or base path, with exactly one leading slash, percent-encoding kept.
    fn route_path(&self) -> &str;
    /// The query as sent, without `?`.
    fn query(&self) -> Option<&str>;
    /// The headers as received.
    fn headers(&self) -> &http::HeaderMap;
    /// Everything else; `None` where the request has no such fact.
    fn context(&self, field: ContextField) -> Option<Cow<'_, str>>;
}

/// What is fixed when a stage is compiled.
pub struct StageFacts<'a> {
    /// The API.
    pub api_id: &'a str,
    /// The stage.
    pub stage: &'a str,
    /// Its deployment.
    pub deployment_id: &'a str,
    /// The resource's id.
    pub resource_id: &'a str,
    /// The resource's path.
    pub resource_path: &'a str,
    /// The stage's variables.
    pub variables: &'a BTreeMap<String, String>,
}

/// A source with everything resolved that does not depend on the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompiledSource {
    /// Known when the table is built.
    Fixed(String),
    /// The path segment with this number, counted from 0.
    Segment(usize),
    /// All path segments from this number on.
    SegmentsFrom(usize),
    /// Last value of a query parameter.
    Query(String),
    /// Every value of a query parameter.
    MultiValueQuery(String),
    /// Last value of a header.
    Header(http::HeaderName),
    /// Every value of a header, joined.
    MultiValueHeader(http::HeaderName),
    /// Something that the running request knows.
    Context(ContextField),
    /// Never has a value: an undefined stage variable, an unknown path parameter, a context name that has no meaning here.
    Absent,
}

impl CompiledSource {
    /// Resolves `source` for a route. `None` for sources in the body, which need a collected request.
    pub fn compile(source: &Source, facts: &StageFacts<'_>) -> Option<Self> {
        Some(match source {
            Source::Literal(text) => Self::Fixed(text.clone()),
            Source::StageVariable(name) => facts.variables.get(name).map_or(Self::Absent, |v| Self::Fixed(v.clone())),
            Source::Context(name) => context(name, facts),
            Source::Path(name) => segment(name, facts.resource_path),
            Source::Query(name) => Self::Query(name.clone()),
            Source::MultiValueQuery(name) => Self::MultiValueQuery(name.clone()),
            Source::Header(name) => header(name).map_or(Self::Absent, Self::Header),
            Source::MultiValueHeader(name) => header(name).map_or(Self::Absent, Self::MultiValueHeader),
            Source::Body(_) => return None,
        })
    }

    /// The values for one request, decoded; none when the source is absent.
    pub fn values<'a>(&'a self, facts: &'a impl RequestFacts) -> Vec<Cow<'a, str>> {
        match self {
            Self::Fixed(text) => vec![Cow::Borrowed(text)],
            Self::Absent => Vec::new(),
            Self::Segment(_) | Self::SegmentsFrom(_) => {
                self.raw_path_value(facts.route_path()).map(|raw| percent_decode(raw)).into_iter().collect()
            }
            Self::Query(name) => query_values(facts.query(), name).last().into_iter().collect(),
            Self::MultiValueQuery(name) => query_values(facts.query(), name).collect(),
            Self::Header(name) => header_values(facts.headers(), name).last().into_iter().collect(),
            Self::MultiValueHeader(name) => {
                let all: Vec<_> = header_values(facts.headers(), name).collect();
                if all.is_empty() { all } else { vec![Cow::Owned(all.join(","))] }
            }
            Self::Context(field) => facts.context(*field).into_iter().collect(),
        }
    }

    /// A path value as it stands in the request, still encoded; `None` when this source is not in the path or the path
    /// is too short. A greedy value loses its trailing slash (section d.1).
    pub fn raw_path_value<'a>(&self, route_path: &'a str) -> Option<&'a str> {
        let (number, greedy) = match self {
            Self::Segment(number) => (*number, false),
            Self::SegmentsFrom(number) => (*number, true),
            _ => return None,
        };
        let mut rest = route_path.strip_prefix('/')?;
        for _ in 0..number {
            rest = rest.split_once('/')?.1;
        }
        let value = if greedy { rest.strip_suffix('/').unwrap_or(rest) } else { rest.split('/').next()? };
        (!value.is_empty()).then_some(value)
    }
}

fn header(name: &str) -> Option<http::HeaderName> {
    http::HeaderName::from_bytes(name.as_bytes()).ok()
}

fn segment(name: &str, resource_path: &str) -> CompiledSource {
    use crate::resource::{PathPart, segments};
    for (number, part) in segments(resource_path).enumerate() {
        match PathPart::parse(part) {
            Ok(PathPart::Param(found)) if found == name => return CompiledSource::Segment(number),
            Ok(PathPart::Greedy(found)) if found == name => return CompiledSource::SegmentsFrom(number),
            _ => {}
        }
    }
    CompiledSource::Absent
}

fn context(name: &str, facts: &StageFacts<'_>) -> CompiledSource {
    let fixed = |text: &str| CompiledSource::Fixed(text.to_owned());
    match name {
        "apiId" => fixed(facts.api_id),
        "stage" => fixed(facts.stage),
        "deploymentId" => fixed(facts.deployment_id),
        "resourceId" => fixed(facts.resource_id),
        "resourcePath" => fixed(facts.resource_path),
        "requestId" => CompiledSource::Context(ContextField::RequestId),
        "extendedRequestId" => CompiledSource::Context(ContextField::ExtendedRequestId),
        "requestTime" => CompiledSource::Context(ContextField::RequestTime),
        "requestTimeEpoch" => CompiledSource::Context(ContextField::RequestTimeEpoch),
        "httpMethod" => CompiledSource::Context(ContextField::HttpMethod),
        "path" => CompiledSource::Context(ContextField::Path),
        "protocol" => CompiledSource::Context(ContextField::Protocol),
        "domainName" => CompiledSource::Context(ContextField::DomainName),
        "domainPrefix" => CompiledSource::Context(ContextField::DomainPrefix),
        "identity.sourceIp" => CompiledSource::Context(ContextField::SourceIp),
        "identity.userAgent" => CompiledSource::Context(ContextField::UserAgent),
        _ => CompiledSource::Absent,
    }
}

fn header_values<'a>(headers: &'a http::HeaderMap, name: &'a http::HeaderName) -> impl Iterator<Item = Cow<'a, str>> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// The decoded values of one query parameter, in order. `+` is a space (section b.2).
pub fn query_values<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decode(key) == name).then(|| form_decode(value))
    })
}

fn form_decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        Cow::Owned(percent_decode(&text.replace('+', " ")).into_owned())
    } else {
        percent_decode(text)
    }
}

/// Resolves `%XX`; what is not an escape stays, what is not UTF-8 becomes U+FFFD.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape =
            (bytes[at] == b'%').then(|| Some((hex(*bytes.get(at + 1)?)?, hex(*bytes.get(at + 2)?)?))).flatten();
        if let Some((high, low)) = escape {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Appends `text` with everything but unreserved characters (RFC 3986 section 2.3) as `%XX`.
pub fn percent_encode_into(out: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)] as char);
            out.push(DIGITS[usize::from(byte & 15)] as char);
        }
    }
}

#[cfg(test)]
mod tests;
