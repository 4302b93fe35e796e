//! Customisations as clients see them, rule by rule of section e.7.

use super::*;
use crate::gateway_response::GatewayResponseType as Type;
use crate::header_list::HeaderList;
use crate::mapping::ContextField;

/// A request on `/users/{id}`.
#[derive(Default)]
struct Request {
    headers: HeaderList,
}

impl Request {
    fn with(pairs: &[(&'static str, &'static str)]) -> Self {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Self { headers: pairs.collect() }
    }
}

impl RequestFacts for Request {
    fn route_path(&self) -> &str {
        "/users/a%0Ab"
    }
    fn query(&self) -> Option<&str> {
        Some("q=1&q=2")
    }
    fn headers(&self) -> &HeaderList {
        &self.headers
    }
    fn context(&self, field: ContextField) -> Option<Cow<'_, str>> {
        match field {
            ContextField::RequestId => Some(Cow::Borrowed("id-1")),
            ContextField::ResourcePath => Some(Cow::Borrowed("/users/{id}")),
            _ => None,
        }
    }
}

/// (type, status, parameters as (header, source), templates)
type Entry<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)]);

fn customised(entries: &[Entry<'_>]) -> BTreeMap<String, CustomGatewayResponse> {
    let entry = |&(name, status, parameters, templates): &Entry<'_>| {
        let header = |(name, source): &(&str, &str)| (format!("gatewayresponse.header.{name}"), (*source).to_owned());
        let template = |(key, text): &(&str, &str)| ((*key).to_owned(), (*text).to_owned());
        let custom = CustomGatewayResponse {
            status_code: status.to_owned(),
            response_parameters: parameters.iter().map(header).collect(),
            response_templates: templates.iter().map(template).collect(),
        };
        (name.to_owned(), custom)
    };
    entries.iter().map(entry).collect()
}

fn compile(entries: &[Entry<'_>]) -> Result<CompiledGatewayResponses, Violations> {
    let variables = BTreeMap::from([("site".to_owned(), "example.org".to_owned())]);
    let stage = StageFacts {
        api_id: "api",
        stage: "prod",
        deployment_id: "dep",
        variables: &variables,
        canary: None,
        resource: None,
    };
    CompiledGatewayResponses::compile(&customised(entries), &stage)
}

fn answer(entries: &[Entry<'_>], error: &GatewayError, request: &Request) -> GatewayResponse {
    compile(entries).expect("nothing is wrong with it").answer(error, request)
}

fn headers(answer: &GatewayResponse) -> Vec<(&str, &[u8])> {
    answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

#[test]
fn a_type_that_nobody_customised_is_answered_as_ever() {
    for error in [
        GatewayError::new(Type::MissingAuthenticationToken),
        GatewayError::new(Type::IntegrationFailure).with_status(502).with_message("Internal server error"),
    ] {
        let other = ("THROTTLED", "420", [].as_slice(), [].as_slice());
        assert_eq!(answer(&[other], &error, &Request::default()), error.default_response());
    }
}

#[test]
fn status_headers_and_body_are_those_of_the_api() {
    let entry: Entry<'_> = (
        "MISSING_AUTHENTICATION_TOKEN",
        "404",
        &[("Access-Control-Allow-Origin", "method.request.header.Origin"), ("X-Site", "stageVariables.site")],
        &[("application/json", r#"{"id":"$context.requestId","what":$context.error.messageString}"#)],
    );
    let request = Request::with(&[("origin", "https://a.test")]);
    let found = answer(&[entry], &GatewayError::new(Type::MissingAuthenticationToken), &request);
    assert_eq!((found.status, found.error_type), (404, Some("MissingAuthenticationTokenException")));
    assert_eq!(found.body, r#"{"id":"id-1","what":"Missing Authentication Token"}"#);
    assert_eq!(found.content_type, "application/json");
    assert_eq!(
        headers(&found),
        [("access-control-allow-origin", b"https://a.test".as_slice()), ("x-site", b"example.org")]
    );
}

#[test]
fn what_the_api_leaves_out_stays_the_default() {
    let entry: Entry<'_> = ("UNSUPPORTED_MEDIA_TYPE", "", &[("X-A", "'1'")], &[]);
    let found = answer(&[entry], &GatewayError::new(Type::UnsupportedMediaType), &Request::default());
    assert_eq!((found.status, &*found.body), (415, r#"{"message": "Unsupported Media Type"}"#));
    assert_eq!(headers(&found), [("x-a", b"1".as_slice())]);
}

#[test]
fn a_customised_status_wins_over_that_of_the_error() {
    let error = GatewayError::new(Type::IntegrationFailure).with_status(502);
    for (status, expected) in [("", 502), ("503", 503)] {
        let found = answer(&[("INTEGRATION_FAILURE", status, &[], &[])], &error, &Request::default());
        assert_eq!(found.status, expected);
    }
}

#[test]
fn types_follow_their_class_unless_they_are_customised_themselves() {
    let entries: [Entry<'_>; 3] = [
        ("DEFAULT_4XX", "418", &[("X-From", "'4xx'")], &[("text/plain", "$context.error.responseType")]),
        ("DEFAULT_5XX", "", &[("X-From", "'5xx'")], &[]),
        ("THROTTLED", "", &[], &[]),
    ];
    let of = |kind| {
        let found = answer(&entries, &GatewayError::new(kind), &Request::default());
        let from = found.headers.first().map(|(_, value)| value.to_str().unwrap().to_owned());
        (found.status, from, found.body.into_owned())
    };
    let text = str::to_owned;
    assert_eq!(of(Type::Unauthorized), (418, Some(text("4xx")), text("UNAUTHORIZED")));
    assert_eq!(of(Type::Throttled), (429, None, text(r#"{"message":"Too Many Requests"}"#)));
    assert_eq!(
        of(Type::IntegrationTimeout),
        (504, Some(text("5xx")), text(r#"{"message": "Endpoint request timed out"}"#))
    );
    assert_eq!(of(Type::IncompleteSignature), (418, Some(text("4xx")), String::new()));
    assert_eq!(of(Type::ServiceUnavailable).1, Some(text("5xx")));
    for ours in [Type::NotFound, Type::Forbidden, Type::RequestTooLarge] {
        assert_eq!(of(ours), (ours.status(), None, ours.default_body(None).into_owned()), "{ours:?}");
    }
}

#[test]
fn accept_chooses_among_the_templates() {
    let json = ("application/json", "j");
    let html = ("text/html;charset=utf-8", "h");
    let xml = ("application/xml", "x");
    for (templates, accept, expected) in [
        (&[json, html][..], None, ("j", "application/json")),
        (&[json, html], Some("text/html"), ("h", "text/html;charset=utf-8")),
        (&[json, html], Some(" Text/HTML ;q=0.1, application/json"), ("h", "text/html;charset=utf-8")),
        (&[json, html], Some("image/png, text/html"), ("j", "application/json")),
        (&[json, html], Some("*/*"), ("j", "application/json")),
        (&[html, xml], Some("*/*"), ("x", "application/xml")),
        (&[html, xml], None, ("x", "application/xml")),
    ] {
        let request = Request::with(&accept.map(|accept| ("accept", accept)).into_iter().collect::<Vec<_>>());
        let found = answer(&[("THROTTLED", "", &[], templates)], &GatewayError::new(Type::Throttled), &request);
        assert_eq!((&*found.body, found.content_type.to_str().unwrap()), expected, "{accept:?}");
    }
}

#[test]
fn a_parameter_may_set_the_content_type() {
    let entry: Entry<'_> = ("THROTTLED", "", &[("Content-Type", "'text/html'")], &[("text/plain", "no")]);
    let found = answer(&[entry], &GatewayError::new(Type::Throttled), &Request::default());
    assert_eq!((found.content_type.as_bytes(), found.headers.len()), (b"text/html".as_slice(), 0));
}

#[test]
fn values_that_no_header_can_hold_are_left_out_and_several_become_lines() {
    let long = format!("'{}'", "a".repeat(MAPPED_HEADER_BYTES_MAX));
    let longer = format!("'{}'", "a".repeat(MAPPED_HEADER_BYTES_MAX + 1));
    let parameters = [
        ("A-Break", "method.request.path.id"),
        ("B-Absent", "method.request.header.none"),
        ("C-Lines", "method.request.multivaluequerystring.q"),
        ("D-Long", long.as_str()),
        ("E-Longer", longer.as_str()),
        ("Transfer-Encoding", "'chunked'"),
        ("Content-Length", "'0'"),
        ("Www-Authenticate", "'Basic'"),
    ];
    let found =
        answer(&[("UNAUTHORIZED", "", &parameters, &[])], &GatewayError::new(Type::Unauthorized), &Request::default());
    let names: Vec<_> = found.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["c-lines", "c-lines", "x-amzn-remapped-content-length", "d-long", "www-authenticate"]);
}

#[test]
fn a_text_beyond_the_limit_gives_way_to_the_default_body() {
    let value: &'static str = "v".repeat(1024).leak();
    let request = Request::with(&[("x-a", value)]);
    for (times, whole) in [(1024, true), (1025, false)] {
        let template = "$method.request.header.X-A".repeat(times);
        let entry: Entry<'_> = ("THROTTLED", "", &[], &[("text/plain", template.as_str())]);
        let found = answer(&[entry], &GatewayError::new(Type::Throttled), &request);
        let expected = if whole { ("text/plain", GATEWAY_RESPONSE_BYTES_MAX) } else { ("application/json", 31) };
        assert_eq!((found.content_type.to_str().unwrap(), found.body.len()), expected);
    }
}

#[test]
fn a_status_without_content_has_no_body() {
    for status in ["204", "205", "304"] {
        let entry: Entry<'_> = ("THROTTLED", status, &[], &[("text/plain", "text")]);
        let found = answer(&[entry], &GatewayError::new(Type::Throttled), &Request::default());
        assert_eq!((found.status.to_string(), &*found.body), (status.to_owned(), ""));
    }
}

#[test]
fn templates_know_what_a_validator_found() {
    let mut error = GatewayError::new(Type::BadRequestBody);
    error.validation_error = Some("[too short]".to_owned());
    let entry: Entry<'_> = ("BAD_REQUEST_BODY", "", &[], &[("text/plain", "$context.error.validationErrorString")]);
    assert_eq!(answer(&[entry], &error, &Request::default()).body, "[too short]");
}

#[test]
fn what_cannot_be_compiled_is_named_with_its_place() {
    let wrong: [Entry<'_>; 2] = [("DEFAULT_3XX", "", &[], &[]), ("THROTTLED", "999", &[("X", "nothing")], &[])];
    let found = compile(&wrong).expect_err("three things are wrong");
    let fields: Vec<_> = found.as_slice().iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "gatewayResponses[DEFAULT_3XX]",
            "gatewayResponses[THROTTLED].statusCode",
            "gatewayResponses[THROTTLED].responseParameters[gatewayresponse.header.X]",
        ]
    );
}
