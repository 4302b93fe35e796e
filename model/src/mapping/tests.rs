//! Expressions as section e.5 lists them, and their values for one request.

use super::*;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A request on `/users/{id}/files/{rest+}`.
pub(super) struct TestRequest {
    headers: http::HeaderMap,
    pub(super) body: Option<&'static str>,
}

impl Default for TestRequest {
    fn default() -> Self {
        let mut headers = http::HeaderMap::new();
        headers.append("x-a", http::HeaderValue::from_static("one"));
        headers.append("x-a", http::HeaderValue::from_static("two"));
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
    fn headers(&self) -> &http::HeaderMap {
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

fn values(expression: &str) -> Vec<String> {
    let variables = BTreeMap::from([("colour".to_owned(), "red".to_owned())]);
    let source = Source::parse(expression).expect("an expression");
    let compiled = CompiledSource::compile(&source, &stage(&variables)).expect("not in the body");
    compiled.values(&TestRequest::default()).into_iter().map(Cow::into_owned).collect()
}

#[test]
fn every_source_has_the_value_that_the_specification_says() {
    let table: &[(&str, &[&str])] = &[
        ("method.request.path.id", &["a/b"]),
        ("method.request.path.rest", &["x//y z"]),
        ("method.request.path.unknown", &[]),
        ("method.request.querystring.a", &["2"]),
        ("method.request.querystring.b", &["A c"]),
        ("method.request.querystring.flag", &[""]),
        ("method.request.querystring.a b", &["3"]),
        ("method.request.querystring.none", &[]),
        ("method.request.multivaluequerystring.a", &["1", "2"]),
        ("method.request.header.X-A", &["two"]),
        ("method.request.header.X-B", &[]),
        ("method.request.multivalueheader.x-a", &["one,two"]),
        ("method.request.multivalueheader.x-b", &[]),
        ("stageVariables.colour", &["red"]),
        ("stageVariables.size", &[]),
        ("context.requestId", &["id-1"]),
        ("context.apiId", &["api"]),
        ("context.stage", &["prod"]),
        ("context.resourcePath", &["/users/{id}/files/{rest+}"]),
        ("context.authorizer.principalId", &[]),
        ("'it is'", &["it is"]),
        ("''", &[""]),
    ];
    for (expression, expected) in table {
        assert_eq!(values(expression), *expected, "{expression}");
    }
}

#[test]
fn sources_in_the_body_are_understood_and_left_to_collecting_routes() {
    assert_eq!(Source::parse("method.request.body"), Ok(Source::Body(None)));
    assert_eq!(Source::parse("method.request.body.a.b[0]"), Ok(Source::Body(Some("a.b[0]".to_owned()))));
}

#[test]
fn wrong_expressions_are_refused_with_the_text_named() {
    for bad in
        ["", "method", "method.request", "method.request.path.", "method.request.cookie.a", "'open", "context.", "$x"]
    {
        let error = Source::parse(bad).expect_err(bad);
        assert!(error.ends_with(&format!("Invalid mapping expression specified: {bad}]")), "{error}");
    }
    for bad in [
        "",
        "integration.request.path.",
        "integration.request.body",
        "integration.response.header.a",
        "integration.request.header.a b",
    ] {
        assert!(Target::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(Target::parse("integration.request.path.proxy"), Ok(Target::Path("proxy".to_owned())));
    assert_eq!(Target::parse("integration.request.querystring.a.b"), Ok(Target::Query("a.b".to_owned())));
    assert_eq!(Target::parse("integration.request.header.X-A"), Ok(Target::Header("X-A".to_owned())));
}
