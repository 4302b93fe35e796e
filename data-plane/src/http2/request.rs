//! Fields become a request, or what stands behind its body (RFC 9113 sections 8.1 to 8.3 and 8.5).

use super::field::{Field, Malformed};
use crate::framing::{FramingRule, FramingViolation, HeadLimits};
use crate::message::RequestParts;
use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use penstock_model::header_list::HeaderList;

/// What a head may be, as over HTTP/1.1. Its bytes are bounded where they are decompressed.
const LIMITS: HeadLimits = HeadLimits::DEFAULT;

/// Headers for which there is room at once: those of most requests.
const HEADERS: usize = 12;

/// The head of a request while its block is decoded.
#[derive(Debug, Default)]
pub(super) struct Head {
    method: Option<Method>,
    scheme: Option<Scheme>,
    path: Option<PathAndQuery>,
    authority: Option<Authority>,
    host: Option<HeaderValue>,
    /// What the body's length is said to be, in bytes.
    length: Option<u64>,
    headers: HeaderList,
    /// Fields that are no pseudo-fields, as lines of HTTP/1.1: a `Cookie` may come in pieces (RFC 9113 section 8.2.3).
    lines: usize,
    /// Whether a field has come that is no pseudo-field.
    has_fields: bool,
    wrong: Option<Malformed>,
}

/// A request that has come.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) head: RequestParts,
    /// Why it is refused, if it is.
    pub(crate) refused: Option<FramingViolation>,
    /// What its body's length is said to be, in bytes.
    pub(crate) length: Option<u64>,
}

impl Head {
    pub(super) fn new() -> Self {
        Self { headers: HeaderList::with_capacity(HEADERS), ..Self::default() }
    }

    pub(super) fn take(&mut self, field: Field) {
        match field {
            Field::Method(method) => {
                let twice = self.method.replace(method).is_some();
                self.pseudo(twice);
            }
            Field::Scheme(scheme) => {
                let twice = self.scheme.replace(scheme).is_some();
                self.pseudo(twice);
            }
            Field::Path(path) => {
                if path.as_str().len() > LIMITS.target_bytes_max {
                    self.refuse(FramingRule::TargetTooLong);
                }
                let twice = self.path.replace(path).is_some();
                self.pseudo(twice);
            }
            Field::Authority(authority) => {
                let twice = self.authority.replace(authority).is_some();
                self.pseudo(twice);
            }
            Field::Host(value) => {
                self.has_fields = true;
                if self.host.replace(value).is_some() {
                    self.refuse(FramingRule::HostRepeated);
                }
            }
            Field::Length(bytes, value) => {
                self.has_fields = true;
                match self.length.replace(bytes) {
                    None => self.headers.append(CONTENT_LENGTH, value),
                    Some(_) => self.refuse(FramingRule::ContentLengthRepeated),
                }
            }
            Field::Header(name, value) => {
                self.has_fields = true;
                self.lines += usize::from(name != COOKIE);
                if self.lines > LIMITS.header_count_max {
                    return self.refuse(FramingRule::TooManyHeaders);
                }
                self.headers.append(name, value);
            }
            Field::Malformed(_, Malformed::Reset) => self.wrong = Some(Malformed::Reset),
            Field::Malformed(_, Malformed::Refused(rule)) => self.refuse(rule),
        }
    }

    /// A pseudo-field comes once, and before all others.
    fn pseudo(&mut self, twice: bool) {
        if twice || self.has_fields {
            self.wrong = Some(Malformed::Reset);
        }
    }

    pub(super) fn refuse(&mut self, rule: FramingRule) {
        self.wrong.get_or_insert(Malformed::Refused(rule));
    }

    /// All of its fields have come; `None`: it is malformed.
    pub(super) fn finish(mut self) -> Option<Asked> {
        let method = self.method.take()?;
        let is_connect = method == Method::CONNECT;
        let is_whole = match is_connect {
            true => self.scheme.is_none() && self.path.is_none(),
            false => self.scheme.is_some() && self.path.is_some(),
        };
        if !is_whole || self.wrong == Some(Malformed::Reset) {
            return None;
        }
        let path = self.path.as_ref().map_or("*", PathAndQuery::as_str);
        let is_path = path.starts_with('/') || path == "*" && method == Method::OPTIONS;
        if is_connect {
            self.refuse(FramingRule::ConnectUnsupported);
        } else if !is_path {
            self.refuse(FramingRule::TargetForm);
        }
        if let (Some(host), Some(authority)) = (&self.host, &self.authority)
            && !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
        {
            self.refuse(FramingRule::HostConflict);
        }
        let refused = match self.wrong {
            Some(Malformed::Refused(rule)) => Some(FramingViolation::head(rule, 0)),
            Some(Malformed::Reset) | None => None,
        };
        if let Some(host) = self.host {
            self.headers.append(HOST, host);
        }
        let mut parts = http::uri::Parts::default();
        // A scheme without an authority makes no address.
        parts.scheme = self.scheme.filter(|_| self.authority.is_some());
        parts.authority = self.authority;
        parts.path_and_query = self.path;
        let uri = match parts.authority.is_none() && parts.path_and_query.is_none() {
            true => Uri::from_static("*"),
            false => Uri::from_parts(parts).ok()?,
        };
        let head = RequestParts { method, uri, version: Version::HTTP_2, headers: self.headers };
        Some(Asked { head, refused, length: self.length })
    }
}

impl Asked {
    /// Whether the client waits to be asked for the body (RFC 9110 section 10.1.1).
    pub(super) fn expects_continue(&self) -> bool {
        let expected = self.head.headers.get(EXPECT);
        expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    }
}

/// The fields behind a body.
#[derive(Debug, Default)]
pub(super) struct Trailers {
    fields: HeaderMap,
    is_wrong: bool,
}

impl Trailers {
    pub(super) fn take(&mut self, field: Field) {
        match field {
            Field::Host(value) => drop(self.fields.append(HOST, value)),
            Field::Length(_, value) => drop(self.fields.append(CONTENT_LENGTH, value)),
            Field::Header(name, value) => drop(self.fields.append(name, value)),
            Field::Method(_) | Field::Scheme(_) | Field::Path(_) | Field::Authority(_) | Field::Malformed(..) => {
                self.is_wrong = true;
            }
        }
    }

    /// All of them have come; `None`: they make the request malformed.
    pub(super) fn finish(self) -> Option<HeaderMap> {
        (!self.is_wrong).then_some(self.fields)
    }
}
