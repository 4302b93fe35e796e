//! Parameters of integration responses (sections e.5 and f): headers of the method response, and where they come from.

use super::body::{self, SourceProblem};
use super::compiled::{CompiledSource, header, joined_headers, last_header};
use super::expression::{Source, body_path};
use super::facts::{ResponseFacts, StageFacts};
use super::problem::{invalid_expression, invalid_parameter};
use crate::json_path::JsonPath;
use crate::text::is_parameter_name;
use std::borrow::Cow;

/// What a mapping sets: `method.response.header.{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseTarget {
    /// The header's name, as written.
    pub header: String,
}

impl ResponseTarget {
    /// Reads the left side of a mapping.
    ///
    /// # Errors
    /// The specification's sentence for a wrong parameter.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("method.response.header.") {
            Some(name) if is_parameter_name(name) => Ok(Self { header: name.to_owned() }),
            _ => Err(invalid_parameter(text)),
        }
    }
}

/// Where a value comes from, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseSource {
    /// `integration.response.header.x`: the last value.
    Header(String),
    /// `integration.response.multivalueheader.x`: all values, joined with `,`.
    MultiValueHeader(String),
    /// `integration.response.body`, or a path into it, usually written without `$.`.
    Body(Option<JsonPath>),
    /// `stageVariables.x`, `context.x` or `'text'`.
    Fact(Source),
}

impl ResponseSource {
    /// Reads the right side of a mapping.
    ///
    /// # Errors
    /// The specification's sentence for a wrong expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("integration.response.") else {
            return match Source::parse(text)? {
                fact @ (Source::StageVariable(_) | Source::Context(_) | Source::Literal(_)) => Ok(Self::Fact(fact)),
                Source::Path(_)
                | Source::Query(_)
                | Source::MultiValueQuery(_)
                | Source::Header(_)
                | Source::MultiValueHeader(_)
                | Source::Body(_) => Err(invalid_expression(text)),
            };
        };
        match rest.split_once('.') {
            None if rest == "body" => Ok(Self::Body(None)),
            Some(("body", path)) => body_path(text, path).map(|path| Self::Body(Some(path))),
            Some(("header", name)) if is_parameter_name(name) => Ok(Self::Header(name.to_owned())),
            Some(("multivalueheader", name)) if is_parameter_name(name) => Ok(Self::MultiValueHeader(name.to_owned())),
            Some(_) | None => Err(invalid_expression(text)),
        }
    }
}

/// A source with everything resolved that does not depend on the request and its answer. Headers are found in any case
/// (section e.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompiledResponseSource {
    /// Last value of a header.
    Header(http::HeaderName),
    /// Every value of a header, joined.
    MultiValueHeader(http::HeaderName),
    /// The body, or what a path in it leads to.
    Body(Option<JsonPath>),
    /// What stage or request know.
    Fact(CompiledSource),
}

impl CompiledResponseSource {
    /// Resolves `source` as far as the stage knows it.
    pub fn compile(source: &ResponseSource, facts: &StageFacts<'_>) -> Self {
        let absent = Self::Fact(CompiledSource::Absent);
        match source {
            ResponseSource::Header(name) => header(name).map_or(absent, Self::Header),
            ResponseSource::MultiValueHeader(name) => header(name).map_or(absent, Self::MultiValueHeader),
            ResponseSource::Body(path) => Self::Body(path.clone()),
            ResponseSource::Fact(source) => Self::Fact(CompiledSource::compile(source, facts)),
        }
    }

    /// Whether the response's body must be collected before [`CompiledResponseSource::value`] is asked.
    pub fn reads_body(&self) -> bool {
        matches!(self, Self::Body(_))
    }

    /// The value for one response; `None` when the source is absent and the target is left out.
    ///
    /// # Errors
    /// When a value in the body is beyond a bound.
    pub fn value<'a>(&'a self, facts: &'a impl ResponseFacts) -> Result<Option<Cow<'a, str>>, SourceProblem> {
        match self {
            Self::Header(name) => Ok(last_header(facts.response_headers(), name)),
            Self::MultiValueHeader(name) => Ok(joined_headers(facts.response_headers(), name)),
            Self::Body(path) => body::value(path.as_ref(), facts.response_body()),
            Self::Fact(source) => Ok(source.head_values(facts).pop()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header_list::HeaderList;
    use crate::mapping::tests::{TestRequest, stage};
    use crate::mapping::{ContextField, RequestFacts};
    use std::collections::BTreeMap;

    struct Answer {
        request: TestRequest,
        headers: HeaderList,
        body: Option<&'static str>,
    }

    impl RequestFacts for Answer {
        fn route_path(&self) -> &str {
            self.request.route_path()
        }
        fn query(&self) -> Option<&str> {
            self.request.query()
        }
        fn headers(&self) -> &HeaderList {
            self.request.headers()
        }
        fn context(&self, field: ContextField) -> Option<Cow<'_, str>> {
            self.request.context(field)
        }
    }

    impl ResponseFacts for Answer {
        fn response_headers(&self) -> &HeaderList {
            &self.headers
        }
        fn response_body(&self) -> Option<&str> {
            self.body
        }
    }

    fn value(expression: &str, body: Option<&'static str>) -> Option<String> {
        let mut headers = HeaderList::new();
        headers.append(http::header::ETAG, http::HeaderValue::from_static("one"));
        headers.append(http::header::ETAG, http::HeaderValue::from_static("two"));
        let variables = BTreeMap::from([("colour".to_owned(), "red".to_owned())]);
        let source = ResponseSource::parse(expression).expect("an expression");
        let compiled = CompiledResponseSource::compile(&source, &stage(&variables));
        assert_eq!(compiled.reads_body(), expression.starts_with("integration.response.body"));
        let answer = Answer { request: TestRequest::default(), headers, body };
        compiled.value(&answer).expect("small").map(Cow::into_owned)
    }

    #[test]
    fn every_source_has_the_value_that_the_specification_says() {
        let body = Some(r#"{"url": "https://a/", "ids": [1, 2], "none": null}"#);
        for (expression, expected) in [
            ("integration.response.header.ETag", Some("two")),
            ("integration.response.header.etag", Some("two")),
            ("integration.response.header.Other", None),
            ("integration.response.multivalueheader.ETag", Some("one,two")),
            ("integration.response.multivalueheader.Other", None),
            ("integration.response.body", body),
            ("integration.response.body.url", Some("https://a/")),
            ("integration.response.body.$.url", Some("https://a/")),
            ("integration.response.body.ids", Some("[1,2]")),
            ("integration.response.body.ids[1]", Some("2")),
            ("integration.response.body.none", None),
            ("integration.response.body.other", None),
            ("stageVariables.colour", Some("red")),
            ("stageVariables.size", None),
            ("context.requestId", Some("id-1")),
            ("context.stage", Some("prod")),
            ("'*'", Some("*")),
        ] {
            assert_eq!(value(expression, body).as_deref(), expected, "{expression}");
        }
        for body in [None, Some("")] {
            assert_eq!(value("integration.response.body", body), None);
            assert_eq!(value("integration.response.body.url", body), None);
        }
        assert_eq!(value("integration.response.body.url", Some("<html>")), None);
    }

    #[test]
    fn wrong_expressions_are_refused_with_the_text_named() {
        for bad in [
            "",
            "integration.response.",
            "integration.response.header.",
            "integration.response.cookie.a",
            "method.request.header.X",
            "method.request.body",
            "'open",
        ] {
            assert_eq!(ResponseSource::parse(bad), Err(invalid_expression(bad)));
        }
        let error = ResponseSource::parse("integration.response.body.a[").expect_err("an open bracket");
        assert!(error.ends_with("a[]: JSON path, character 3: this bracket is not closed"), "{error}");
        for bad in ["", "method.response.header.", "method.response.header.a b", "method.response.body"] {
            assert_eq!(ResponseTarget::parse(bad), Err(invalid_parameter(bad)));
        }
        let target = ResponseTarget::parse("method.response.header.X-Own");
        assert_eq!(target.map(|target| target.header), Ok("X-Own".to_owned()));
    }
}
