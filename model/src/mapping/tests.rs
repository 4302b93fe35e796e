//! Expressions as section e.5 lists them, and their values for one request.

use super::*;
use crate::header_list::HeaderList;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A request on `/users/{id}/files/{rest+}`.
pub(super) struct TestRequest {
    headers: HeaderList,
    pub(super) body: Option<&'static str>,
}

impl Default for TestRequest {
    fn default() -> Self {
        let mut headers = HeaderList::new();
        headers.append(http::HeaderName::from_static("x-a"), http::HeaderValue::from_static("one"));
        headers.append(http::HeaderName::from_static("x-a"), http::HeaderValue::from_static("two"));
        Self { headers, body: None }
    }
}

impl RequestFacts for TestRequest {
    fn route_path(&self) -> &str {
        "/users/a%2Fb/files/x//y%20z/"
    }
    fn query(&self) -> Option<&str> {
        Some("a=1&b=%41+c&a=2&flag&a%20b=3")
    }
    fn headers(&self) -> &HeaderList {
        &self.headers
    }
    fn context(&self, field: ContextField) -> Option<Cow<'_, str>> {
        match field {
            ContextField::RequestId => Some(Cow::Borrowed("id-1")),
            ContextField::ResourceId => Some(Cow::Borrowed("res-1")),
            ContextField::ResourcePath => Some(Cow::Borrowed(RESOURCE_PATH)),
            _ => None,
        }
    }
    fn body(&self) -> Option<&str> {
        self.body
    }
}

const RESOURCE_PATH: &str = "/users/{id}/files/{rest+}";

/// A stage with a route on that resource.
pub(super) fn stage(variables: &BTreeMap<String, String>) -> StageFacts<'_> {
    StageFacts {
        api_id: "api",
        stage: "prod",
        deployment_id: "dep",
        variables,
        canary: None,
        resource: Some(ResourceFacts { id: "res", path: RESOURCE_PATH }),
    }
}

fn values(expression: &str, body: Option<&'static str>) -> Vec<String> {
    let variables = BTreeMap::from([("colour".to_owned(), "red".to_owned())]);
    let source = Source::parse(expression).expect("an expression");
    let compiled = CompiledSource::compile(&source, &stage(&variables));
    assert_eq!(compiled.reads_body(), expression.starts_with("method.request.body"));
    let request = TestRequest { body, ..TestRequest::default() };
    compiled.values(&request).expect("small").into_iter().map(Cow::into_owned).collect()
}

#[test]
fn every_source_has_the_value_that_the_specification_says() {
    let body = r#"{"a": {"b": ["x", 1.50]}, "none": null}"#;
    let table: &[(&str, &[&str])] = &[
        ("method.request.path.id", &["a/b"]),
        ("method.request.path.rest", &["x//y z"]),
        ("method.request.path.unknown", &[]),
        ("method.request.querystring.a", &["2"]),
        ("method.request.querystring.b", &["A c"]),
        ("method.request.querystring.flag", &[""]),
        ("method.request.querystring.none", &[]),
        ("method.request.querystring.A", &[]),
        ("method.request.multivaluequerystring.a", &["1", "2"]),
        ("method.request.multivaluequerystring.none", &[]),
        ("method.request.header.X-A", &["two"]),
        ("method.request.header.X-B", &[]),
        ("method.request.multivalueheader.x-a", &["one,two"]),
        ("method.request.multivalueheader.x-b", &[]),
        ("method.request.body", &[body]),
        ("method.request.body.a.b[0]", &["x"]),
        ("method.request.body.a.b[-1]", &["1.5"]),
        ("method.request.body.a.b[1]", &["1.50"]),
        ("method.request.body.a", &[r#"{"b":["x",1.50]}"#]),
        ("method.request.body.a.b[*]", &[r#"["x",1.5]"#]),
        ("method.request.body..b", &[r#"[["x",1.5]]"#]),
        ("method.request.body.$.a.b[0]", &["x"]),
        ("method.request.body.none", &[]),
        ("method.request.body.missing", &[]),
        ("stageVariables.colour", &["red"]),
        ("stageVariables.size", &[]),
        ("'it is'", &["it is"]),
        ("''", &[""]),
    ];
    for (expression, expected) in table {
        assert_eq!(values(expression, Some(body)), *expected, "{expression}");
    }
}

#[test]
fn a_body_that_is_missing_or_not_json_is_absent() {
    for body in [None, Some("")] {
        assert_eq!(values("method.request.body", body), [] as [&str; 0]);
        assert_eq!(values("method.request.body.a", body), [] as [&str; 0]);
    }
    assert_eq!(values("method.request.body", Some("a=b")), ["a=b"]);
    assert_eq!(values("method.request.body.a", Some("a=b")), [] as [&str; 0]);
}

#[test]
fn the_context_is_what_exists_without_an_authorizer() {
    let variables = BTreeMap::new();
    let of = |name: &str, stage: StageFacts<'_>| {
        let source = Source::parse(&format!("context.{name}")).expect("an expression");
        let compiled = CompiledSource::compile(&source, &stage);
        compiled.head_values(&TestRequest::default()).pop().map(Cow::into_owned)
    };
    for (name, expected) in [
        ("accountId", Some(ACCOUNT_ID)),
        ("apiId", Some("api")),
        ("deploymentId", Some("dep")),
        ("stage", Some("prod")),
        ("resourceId", Some("res")),
        ("resourcePath", Some(RESOURCE_PATH)),
        ("requestId", Some("id-1")),
        ("isCanaryRequest", None),
        ("authorizer.principalId", None),
        ("identity.apiKey", None),
        ("identity.cognitoIdentityId", None),
        ("error.message", None),
        ("error.messageString", None),
        ("error.responseType", None),
        ("error.validationErrorString", None),
        ("nonsense", None),
    ] {
        assert_eq!(of(name, stage(&variables)).as_deref(), expected, "{name}");
    }
    for (name, field) in [
        ("extendedRequestId", ContextField::ExtendedRequestId),
        ("requestTime", ContextField::RequestTime),
        ("requestTimeEpoch", ContextField::RequestTimeEpoch),
        ("httpMethod", ContextField::HttpMethod),
        ("path", ContextField::Path),
        ("protocol", ContextField::Protocol),
        ("domainName", ContextField::DomainName),
        ("domainPrefix", ContextField::DomainPrefix),
        ("identity.sourceIp", ContextField::SourceIp),
        ("identity.userAgent", ContextField::UserAgent),
    ] {
        let compiled = CompiledSource::compile(&Source::Context(name.to_owned()), &stage(&variables));
        assert_eq!(compiled, CompiledSource::Context(field), "{name}");
    }
    for (canary, expected) in [(true, "true"), (false, "false")] {
        let stage = StageFacts { canary: Some(canary), ..stage(&variables) };
        assert_eq!(of("isCanaryRequest", stage).as_deref(), Some(expected));
    }
    let gateway = StageFacts { resource: None, ..stage(&variables) };
    assert_eq!(of("resourceId", gateway).as_deref(), Some("res-1"));
    assert_eq!(of("resourcePath", gateway).as_deref(), Some(RESOURCE_PATH));
}

#[test]
fn wrong_sources_are_refused_with_the_text_named() {
    for bad in [
        "",
        "'",
        "'open",
        "literal",
        "method",
        "method.request",
        "method.request.path.",
        "method.request.cookie.a",
        "method.request.header.a b",
        "method.request.querystring.a[b]",
        "integration.response.header.a",
        "context.",
        "stageVariables.",
        "$context.x",
    ] {
        assert_eq!(Source::parse(bad), Err(invalid_expression(bad)), "{bad}");
    }
    let error = Source::parse("method.request.body.a[x]").expect_err("no index");
    assert!(error.starts_with(&invalid_expression("method.request.body.a[x]")), "{error}");
    assert!(error.ends_with(": JSON path, character 3: expected an index, a quoted name, * or ?"), "{error}");
    assert!(Source::parse("method.request.body.").is_err());
}

#[test]
fn targets_are_path_query_or_header() {
    for bad in [
        "",
        "integration.request.path.",
        "integration.request.body",
        "integration.response.header.a",
        "integration.request.header.a b",
        "integration.request.querystring.a b",
        "integration.request.multivaluequerystring.a",
    ] {
        assert_eq!(Target::parse(bad), Err(invalid_parameter(bad)), "{bad}");
    }
    assert_eq!(Target::parse("integration.request.path.proxy"), Ok(Target::Path("proxy".to_owned())));
    assert_eq!(Target::parse("integration.request.querystring.a.b"), Ok(Target::Query("a.b".to_owned())));
    assert_eq!(Target::parse("integration.request.header.X-A"), Ok(Target::Header("X-A".to_owned())));
}
