//! The URI of an HTTP integration (section e.2): `${stageVariables.x}` filled in when a stage is compiled, `{name}` when
//! a request runs.

use crate::mapping::{CompiledSource, PathValue, RequestFacts, SourceProblem, percent_decode, percent_encode_into};
use crate::resource::segments;
use http::uri::Authority;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Whether the upstream speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As written before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Port when the URI names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A stretch of path or query.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// In place, when it is short.
    Literal(SmolStr),
    Path(PathValue),
    Other(Box<CompiledSource>),
}

/// Pieces that a path has as a rule.
const FIRST_PIECES: usize = 2;

/// What most addresses have not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MorePieces {
    path: Box<[Piece]>,
    query: Box<[Piece]>,
}

/// An integration URI with everything resolved that does not depend on the request.
///
/// What all requests look at comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct UriTemplate {
    /// Of the path; empty ones where it has fewer.
    first: [Piece; FIRST_PIECES],
    more: Option<Box<MorePieces>>,
    /// Clear text or TLS.
    pub scheme: Scheme,
    /// Host and optional port.
    pub authority: Authority,
}

/// Why a URI cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriProblem {
    /// A stage variable that the stage does not have (section e.2: 500 when called).
    #[error("stage variable {0} is not defined")]
    UndefinedStageVariable(String),
    /// A `{name}` that no `integration.request.path.{name}` fills (section e.2: the call fails).
    #[error("{{{0}}} has no mapping integration.request.path.{0}")]
    UnmappedParameter(String),
    /// Not `http://` or `https://` with a host.
    #[error("not an absolute http or https address")]
    InvalidAddress,
    /// A `{` without `}`.
    #[error("a brace is not closed")]
    OpenBrace,
}

/// Why a request cannot be turned into a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetProblem {
    /// A path parameter has no value.
    #[error("a path parameter of the integration has no value")]
    MissingParameter,
    /// A path parameter holds `.` or `..` as a segment, encoded or not: it would leave the place that the configuration
    /// gives it in the upstream's path.
    #[error("a path parameter holds a dot segment")]
    DotSegment,
    /// A value in the body is beyond a bound.
    #[error(transparent)]
    Source(#[from] SourceProblem),
}

/// Fills `${stageVariables.name}` in any text.
///
/// # Errors
/// The first undefined variable, or an unclosed brace.
pub fn fill_stage_variables(text: &str, variables: &BTreeMap<String, String>) -> Result<String, UriProblem> {
    const OPEN: &str = "${stageVariables.";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        out.push_str(&rest[..at]);
        let (name, behind) = rest[at + OPEN.len()..].split_once('}').ok_or(UriProblem::OpenBrace)?;
        let value = variables.get(name).ok_or_else(|| UriProblem::UndefinedStageVariable(name.to_owned()))?;
        out.push_str(value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

impl UriTemplate {
    /// Bytes of what every request looks at, from the beginning.
    #[cfg(test)]
    pub(crate) const LOOKED_AT: usize = std::mem::offset_of!(Self, scheme);

    /// Compiles `uri` for a stage. `parameters` are the mappings `integration.request.path.{name}`.
    ///
    /// # Errors
    /// Why calls would fail.
    pub fn compile(
        uri: &str,
        variables: &BTreeMap<String, String>,
        parameters: &BTreeMap<String, CompiledSource>,
    ) -> Result<Self, UriProblem> {
        let filled = fill_stage_variables(uri, variables)?;
        let (scheme, rest) = if let Some(rest) = strip_prefix_ignore_case(&filled, "http://") {
            (Scheme::Http, rest)
        } else if let Some(rest) = strip_prefix_ignore_case(&filled, "https://") {
            (Scheme::Https, rest)
        } else {
            return Err(UriProblem::InvalidAddress);
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let authority: Authority = rest[..end].parse().map_err(|_| UriProblem::InvalidAddress)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(UriProblem::InvalidAddress);
        }
        let (path, query) = rest[end..].split_once('?').unwrap_or((&rest[end..], ""));
        let path = if path.is_empty() { "/" } else { path };
        let (mut path, query) = (pieces(path, parameters)?.into_iter(), pieces(query, parameters)?);
        let first = std::array::from_fn(|_| path.next().unwrap_or(Piece::Literal(SmolStr::default())));
        let has_more = path.len() > 0 || !query.is_empty();
        let more = has_more.then(|| Box::new(MorePieces { path: path.collect(), query: query.into() }));
        Ok(Self { first, more, scheme, authority })
    }

    /// The values that a request fills in, in their order.
    pub fn sources(&self) -> impl Iterator<Item = CompiledSource> {
        self.path().chain(self.query()).filter_map(Piece::source)
    }

    fn path(&self) -> impl Iterator<Item = &Piece> {
        self.first.iter().chain(self.more.iter().flat_map(|more| &more.path))
    }

    fn query(&self) -> &[Piece] {
        self.more.as_ref().map_or(&[], |more| &more.query)
    }

    /// The address for people, with the names that `resource_path` gives to what a request fills in.
    pub fn shown(&self, resource_path: &str) -> String {
        let named = |number: usize| segments(resource_path).nth(number).unwrap_or("{}");
        let mut text = format!("{}://{}", self.scheme.as_str(), self.authority);
        let query = self.query().iter().enumerate().map(|(at, piece)| (if at == 0 { "?" } else { "" }, piece));
        for (before, piece) in self.path().map(|piece| ("", piece)).chain(query) {
            text.push_str(before);
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Path(PathValue::Segment(number) | PathValue::SegmentsFrom(number)) => {
                    text.push_str(named(*number))
                }
                Piece::Other(source) => match &**source {
                    CompiledSource::Fixed(value) => text.push_str(value),
                    source => text.push_str(&format!("{{{source:?}}}")),
                },
            }
        }
        text
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(self.scheme.default_port())
    }

    /// Path and query for one request: the URI's own query, then `client_query` as sent, then `mapped` (section e.3).
    ///
    /// # Errors
    /// When a path parameter is missing or would climb in the upstream's path.
    pub fn request_target(
        &self,
        facts: &impl RequestFacts,
        client_query: Option<&str>,
        mapped: &[(String, CompiledSource)],
    ) -> Result<String, TargetProblem> {
        let client_query = client_query.unwrap_or_default();
        let mut out = String::with_capacity(64 + facts.route_path().len() + client_query.len());
        for piece in self.path() {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Path(value) => push_path(&mut out, value.raw(facts.route_path()))?,
                Piece::Other(source) => push_path_value(&mut out, source, facts)?,
            }
        }
        let mut separator = '?';
        if !self.query().is_empty() {
            out.push(separator);
            separator = '&';
            for piece in self.query() {
                match piece {
                    Piece::Literal(text) => out.push_str(text),
                    Piece::Path(value) => {
                        let raw = value.raw(facts.route_path()).ok_or(TargetProblem::MissingParameter)?;
                        percent_encode_into(&mut out, &percent_decode(raw));
                    }
                    Piece::Other(source) => {
                        let values = source.values(facts)?;
                        let value = values.first().ok_or(TargetProblem::MissingParameter)?;
                        percent_encode_into(&mut out, value);
                    }
                }
            }
        }
        if !client_query.is_empty() {
            out.push(separator);
            separator = '&';
            out.push_str(client_query);
        }
        for (name, source) in mapped {
            for value in source.values(facts)? {
                out.push(separator);
                separator = '&';
                percent_encode_into(&mut out, name);
                out.push('=');
                percent_encode_into(&mut out, &value);
            }
        }
        Ok(out)
    }
}

impl Piece {
    fn of(source: &CompiledSource) -> Self {
        match source {
            CompiledSource::Path(value) => Self::Path(*value),
            other => Self::Other(Box::new(other.clone())),
        }
    }

    /// What fills it in.
    fn source(&self) -> Option<CompiledSource> {
        match self {
            Self::Literal(_) => None,
            Self::Path(value) => Some(CompiledSource::Path(*value)),
            Self::Other(source) => Some(CompiledSource::clone(source)),
        }
    }
}

/// A value that comes from the client's path keeps its spelling.
fn push_path(out: &mut String, raw: Option<&str>) -> Result<(), TargetProblem> {
    let raw = raw.ok_or(TargetProblem::MissingParameter)?;
    if raw.split('/').any(is_dot_segment) {
        return Err(TargetProblem::DotSegment);
    }
    out.push_str(raw);
    Ok(())
}

/// Others are encoded, `/` included.
fn push_path_value(out: &mut String, source: &CompiledSource, facts: &impl RequestFacts) -> Result<(), TargetProblem> {
    let values = source.values(facts)?;
    let value = values.first().ok_or(TargetProblem::MissingParameter)?;
    if is_dot_segment(value) {
        return Err(TargetProblem::DotSegment);
    }
    percent_encode_into(out, value);
    Ok(())
}

fn is_dot_segment(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    let mut dots = 0;
    while !rest.is_empty() {
        rest = match rest {
            [b'.', behind @ ..] | [b'%', b'2', b'e' | b'E', behind @ ..] => behind,
            _ => return false,
        };
        dots += 1;
    }
    dots == 1 || dots == 2
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn pieces(text: &str, parameters: &BTreeMap<String, CompiledSource>) -> Result<Vec<Piece>, UriProblem> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        if at > 0 {
            out.push(Piece::Literal(rest[..at].into()));
        }
        let (name, behind) = rest[at + 1..].split_once('}').ok_or(UriProblem::OpenBrace)?;
        let name = name.strip_suffix('+').unwrap_or(name);
        match parameters.get(name) {
            Some(source) => out.push(Piece::of(source)),
            None => return Err(UriProblem::UnmappedParameter(name.to_owned())),
        }
        rest = behind;
    }
    if !rest.is_empty() {
        out.push(Piece::Literal(rest.into()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header_list::HeaderList;
    use crate::mapping::ContextField;
    use std::borrow::Cow;

    struct Facts(&'static str, Option<&'static str>, HeaderList);

    impl RequestFacts for Facts {
        fn route_path(&self) -> &str {
            self.0
        }
        fn query(&self) -> Option<&str> {
            self.1
        }
        fn headers(&self) -> &HeaderList {
            &self.2
        }
        fn context(&self, _: ContextField) -> Option<Cow<'_, str>> {
            None
        }
    }

    fn compile(uri: &str) -> Result<UriTemplate, UriProblem> {
        let variables =
            BTreeMap::from([("host".to_owned(), "up.test:81".to_owned()), ("v".to_owned(), "v2".to_owned())]);
        let parameters = BTreeMap::from([
            ("proxy".to_owned(), CompiledSource::Path(PathValue::SegmentsFrom(1))),
            ("id".to_owned(), CompiledSource::Path(PathValue::Segment(0))),
            ("q".to_owned(), CompiledSource::Query("q".to_owned())),
        ]);
        UriTemplate::compile(uri, &variables, &parameters)
    }

    fn target(uri: &str, path: &'static str, query: Option<&'static str>) -> Result<String, TargetProblem> {
        let mapped = [("m".to_owned(), CompiledSource::Fixed("a b".to_owned()))];
        let mapped = if query.is_some() { &mapped[..] } else { &[] };
        compile(uri).expect("compiles").request_target(&Facts(path, query, HeaderList::new()), query, mapped)
    }

    #[test]
    fn stage_variables_stand_in_host_path_and_query() {
        let template =
            compile("http://${stageVariables.host}/${stageVariables.v}/x?y=${stageVariables.v}").expect("compiles");
        assert_eq!(template.authority.as_str(), "up.test:81");
        assert_eq!(template.port(), 81);
        let facts = Facts("/", None, HeaderList::new());
        assert_eq!(template.request_target(&facts, None, &[]), Ok("/v2/x?y=v2".to_owned()));
        assert_eq!(compile("https://a").expect("compiles").port(), 443);
    }

    #[test]
    fn path_values_keep_their_spelling_and_greedy_ones_their_slashes() {
        assert_eq!(target("http://a/{id}", "/x%2Fy/z", None), Ok("/x%2Fy".to_owned()));
        assert_eq!(target("http://a/b/{proxy}", "/x/y//z%20/", None), Ok("/b/y//z%20".to_owned()));
        assert_eq!(target("http://a/b/{q}", "/x", Some("q=a/b")), Ok("/b/a%2Fb?q=a/b&m=a%20b".to_owned()));
    }

    #[test]
    fn pieces_keep_their_order_however_many_there_are() {
        for (uri, expected, sources) in [
            ("http://a", "/", 0),
            ("http://a/b", "/b", 0),
            ("http://a/{id}", "/x", 1),
            ("http://a/{id}/c", "/x/c", 1),
            ("http://a/b/{id}/c", "/b/x/c", 1),
            ("http://a/b/{id}/c/{proxy}/d", "/b/x/c/y/z/d", 2),
            ("http://a/b/{id}/c/{proxy}/d?e={id}&f={proxy}", "/b/x/c/y/z/d?e=x&f=y%2Fz", 4),
        ] {
            assert_eq!(target(uri, "/x/y/z", None), Ok(expected.to_owned()), "{uri}");
            assert_eq!(compile(uri).expect("compiles").sources().count(), sources, "{uri}");
        }
        let shown = compile("http://a/b/{id}/c/{proxy}?e={id}").expect("compiles").shown("/{id}/{proxy+}");
        assert_eq!(shown, "http://a/b/{id}/c/{proxy+}?e={id}");
    }

    #[test]
    fn queries_are_joined_in_the_specified_order_and_the_clients_is_not_rewritten() {
        assert_eq!(target("http://a/?a={id}", "/7", Some("a=2&b=%zz")), Ok("/?a=7&a=2&b=%zz&m=a%20b".to_owned()));
        assert_eq!(target("http://a", "/7", Some("")), Ok("/?m=a%20b".to_owned()));
    }

    #[test]
    fn values_cannot_climb_out_of_their_place() {
        for path in ["/x/../y", "/x/%2e%2E/y", "/x/.%2e", "/x/y/."] {
            assert_eq!(target("http://a/b/{proxy}", path, None), Err(TargetProblem::DotSegment), "{path}");
        }
        assert_eq!(target("http://a/b/{proxy}", "/x/..y/...", None), Ok("/b/..y/...".to_owned()));
        assert_eq!(target("http://a/b/{proxy}", "/x", None), Err(TargetProblem::MissingParameter));
    }

    #[test]
    fn addresses_that_cannot_be_called_say_why() {
        let table = [
            ("http://${stageVariables.none}/", UriProblem::UndefinedStageVariable("none".to_owned())),
            ("http://a/{other}", UriProblem::UnmappedParameter("other".to_owned())),
            ("ftp://a/", UriProblem::InvalidAddress),
            ("http:///x", UriProblem::InvalidAddress),
            ("http://user@host/", UriProblem::InvalidAddress),
            ("http://a b/", UriProblem::InvalidAddress),
            ("http://a/{id", UriProblem::OpenBrace),
        ];
        for (uri, problem) in table {
            assert_eq!(compile(uri), Err(problem), "{uri}");
        }
    }
}
