//! Expressions as section e.5 lists them, and their values for one request.

use super::*;

struct Facts(http::HeaderMap);

impl RequestFacts for Facts {
    fn route_path(&self) -> &str {
        "/users/a%2Fb/files/x//y%20z/"
    }
    fn query(&self) -> Option<&str> {
        Some("a=1&b=%41+c&a=2&flag&a%20b=3")
    }
    fn headers(&self) -> &http::HeaderMap {
        &self.0
    }
    fn context(&self, field: ContextField) -> Option<Cow<'_, str>> {
        (field == ContextField::RequestId).then_some(Cow::Borrowed("id-1"))
    }
}

fn values(expression: &str) -> Vec<String> {
    let mut headers = http::HeaderMap::new();
    headers.append("x-a", "one".parse().expect("a header value"));
    headers.append("x-a", "two".parse().expect("a header value"));
    let variables = BTreeMap::from([("colour".to_owned(), "red".to_owned())]);
    let facts = StageFacts {
        api_id: "api",
        stage: "prod",
        deployment_id: "dep",
        resource_id: "res",
        resource_path: "/users/{id}/files/{rest+}",
        variables: &variables,
    };
    let source = Source::parse(expression).expect("an expression");
    let compiled = CompiledSource::compile(&source, &facts).expect("not in the body");
    compiled.values(&Facts(headers)).into_iter().map(Cow::into_owned).collect()
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

#[test]
fn escapes_survive_a_round_trip_and_broken_ones_stay() {
    let mut encoded = String::new();
    percent_encode_into(&mut encoded, "a/ü %&~");
    assert_eq!(encoded, "a%2F%C3%BC%20%25%26~");
    assert_eq!(percent_decode(&encoded), "a/ü %&~");
    assert_eq!(percent_decode("100%"), "100%");
    assert_eq!(percent_decode("%zz%4"), "%zz%4");
}
