//! Requests that call functions.

use super::*;

fn function(kind: IntegrationType, format: &str) -> Integration {
    const URI: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/resize:live/invocations";
    Integration {
        payload_format_version: format.to_owned(),
        integration_responses: custom("", &[("200", ""), ("400", "Bad.+")]).integration_responses,
        ..Integration::new(kind, Some(Verb::Post), URI)
    }
}

#[test]
fn a_function_gets_an_event_whose_body_is_what_the_type_says() {
    let table = table(definition(&[
        ("/one", Verb::Post, function(IntegrationType::AwsProxy, "")),
        ("/two", Verb::Post, function(IntegrationType::AwsProxy, "2.0")),
    ]));
    for (target, content_type, body, cell) in [
        ("/v1/one", "image/png", BodyLength::Exactly(3), "event/base64"),
        ("/v1/one", "text/plain", BodyLength::Exactly(3), "event/text"),
        ("/v1/one", "image/png", BodyLength::Empty, "event/none"),
        ("/v1/two", "text/plain", BodyLength::Unknown, "event/text"),
        ("/v1/two", "application/x-www-form-urlencoded", BodyLength::Unknown, "event/base64"),
    ] {
        let told =
            told(&table, "POST", target, &Question { headers: &[("content-type", content_type)], body, ..PLAIN });
        assert_eq!(told.request.expect("decided").body.cell, cell, "{target} {content_type}");
        let upstream = told.upstream.expect("called");
        assert_eq!((&*upstream.method, &*upstream.address), ("POST", "https://lambda.us-east-1.amazonaws.com"));
        assert_eq!(upstream.target, "/2015-03-31/functions/resize:live/invocations");
        assert_eq!(told.response, None, "the function decides");
    }
    let of = |accept: &'static str| {
        let told = told(&table, "POST", "/v1/one", &Question { headers: &[("accept", accept)], ..PLAIN });
        told.notes.join(" ")
    };
    assert!(of("image/png").contains("is decoded: Accept matches image/*"), "{}", of("image/png"));
    assert!(of("*/*").contains("stays base64"), "{}", of("*/*"));
}

#[test]
fn a_custom_function_is_told_with_the_response_of_a_success() {
    let mut integration = function(IntegrationType::Aws, "");
    integration.request_parameters = words(&[("integration.request.header.X-Amz-Invocation-Type", "'Event'")]);
    if let Some(response) = integration.integration_responses.get_mut("200") {
        response.content_handling = Some(ContentHandling::ConvertToBinary);
    }
    let table = table(definition(&[("/custom", Verb::Post, integration)]));
    let told = told(&table, "POST", "/v1/custom", &Question { body: BodyLength::Exactly(2), ..PLAIN });
    let upstream = told.upstream.expect("called");
    assert_eq!(upstream.mapped[0].values, ["Event"]);
    assert!(upstream.headers.iter().any(|header| header.name == "x-amz-invocation-type"));
    let response = told.response.expect("told");
    assert_eq!((response.status, &*response.body.cell), (200, "response/convert-to-binary/type-no-accept-no"));
    assert!(told.notes.iter().any(|note| note.contains("function's error")), "{:?}", told.notes);
}
