//! Documents whose mappings, templates or patterns are wrong: each is refused at its place, in the specification's words.

use penstock_model::openapi::{ImportOptions, import};

#[test]
fn what_a_response_sets_is_declared_and_what_it_renders_is_only_text() {
    let document = r#"{"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/{id}": {"get": {
        "responses": {"200": {"description": "", "headers": {"A": {}}}},
        "x-amazon-apigateway-integration": {"type": "http", "httpMethod": "GET", "uri": "http://localhost/",
            "requestParameters": {
                "integration.request.header.I": "method.request.path.id",
                "integration.request.header.O": "method.request.path.other",
                "integration.request.header.J": "method.request.body.a["},
            "responses": {
                "default": {"statusCode": "200", "responseParameters": {
                    "method.response.header.A": "integration.response.header.A", "method.response.header.B": "'b'"}},
                "5..": {"statusCode": "500", "responseParameters": {"method.response.header.A": "'a'"}},
                "(4": {"statusCode": "404", "responseTemplates": {"text/plain": "$input.body"}}}}}}}}"#;
    let mut ids = (0..).map(|number| format!("id{number}"));
    let mut new_id = || ids.next().expect("there is always a next number");
    let refused = import(document.as_bytes(), &ImportOptions::default(), &mut new_id);
    let violations = refused.expect_err("six things are wrong");
    let found: String = violations.as_slice().iter().map(|violation| format!("{violation}\n")).collect();
    let frame = "Invalid mapping expression specified: Validation Result: warnings : [], errors : [";
    let parameter = format!("{frame}Invalid mapping expression parameter specified: ");
    for expected in [
        format!("/requestParameters/integration.request.header.O: {parameter}method.request.path.other]"),
        format!(
            "/requestParameters/integration.request.header.J: {frame}Invalid mapping expression specified: \
             method.request.body.a[]: JSON path, character 3: this bracket is not closed"
        ),
        format!("/responses/default/responseParameters/method.response.header.B: {parameter}method.response.header.B]"),
        format!("/responses/5../responseParameters: {frame}No method response exists for method.]"),
        "/responses/(4/responseTemplates/text~1plain: mapping templates with $ or # are not yet".to_owned(),
        "/responses/(4/selectionPattern: ".to_owned(),
    ] {
        let place = "/paths/~1{id}/get/x-amazon-apigateway-integration";
        assert!(found.contains(&format!("{place}{expected}")), "{expected} is not in\n{found}");
    }
    assert_eq!(found.lines().count(), 6, "{found}");
}

#[test]
fn of_two_responses_without_a_pattern_the_one_that_never_answers_is_pointed_at() {
    for (codes, used) in [(["200", "403"], "200"), (["404", "201"], "201")] {
        let [of_default, of_empty] = codes;
        let document = format!(
            r#"{{"openapi": "3.0.1", "info": {{"title": "t"}}, "paths": {{"/": {{"get": {{"responses": {{}},
            "x-amazon-apigateway-integration": {{"type": "http", "httpMethod": "GET", "uri": "http://localhost/",
            "responses": {{"default": {{"statusCode": "{of_default}"}}, "": {{"statusCode": "{of_empty}"}},
            "5..": {{"statusCode": "502"}}}}}}}}}}}}}}"#
        );
        let mut ids = (0..).map(|number| format!("id{number}"));
        let mut new_id = || ids.next().expect("there is always a next number");
        let imported = import(document.as_bytes(), &ImportOptions::default(), &mut new_id).expect("it is right");
        let warnings: Vec<_> = imported.warnings.iter().map(|warning| warning.message.as_str()).collect();
        let text = format!("a second response without a pattern: the one of status code {used:?} answers");
        assert!(matches!(warnings.as_slice(), [warning] if *warning == text), "{warnings:?}");
    }
}
