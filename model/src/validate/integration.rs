//! Rules for [`Integration`] and [`IntegrationResponse`].

use super::{check_count, check_status_code, check_templates, function, mappings, uri};
use crate::content::selection::check_pattern;
use crate::content::template::PlainTemplate;
use crate::integration::{ConnectionType, Integration, IntegrationType, ResponseTransferMode};
use crate::limits::{PARAMETERS_MAX, TIMEOUT_MS_MAX, TIMEOUT_MS_MIN};
use crate::method::Method;
use crate::response::IntegrationResponse;
use crate::violation::Violations;
use std::collections::BTreeMap;

/// Checks what stands behind `method` (section e.1), its integration responses included.
pub fn integration(integration: &Integration, method: &Method) -> Violations {
    let mut found = Violations::new();
    if integration.kind != IntegrationType::Mock && integration.http_method.is_none() {
        found.add("httpMethod", "Enumeration value for HttpMethod must be non-empty");
    }
    check_uri(&mut found, integration);
    if !(TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX).contains(&integration.timeout_in_millis) {
        found.add("timeoutInMillis", format!("Timeout should be between {TIMEOUT_MS_MIN} ms and {TIMEOUT_MS_MAX} ms"));
    }
    if integration.connection_type == ConnectionType::VpcLink && integration.connection_id.is_empty() {
        found.add("connectionId", "a VPC_LINK connection needs the identifier of its link");
    }
    let streams = integration.response_transfer_mode == ResponseTransferMode::Stream;
    if streams && !matches!(integration.kind, IntegrationType::HttpProxy | IntegrationType::AwsProxy) {
        found.add("responseTransferMode", "only HTTP_PROXY and AWS_PROXY integrations can stream their responses");
    }
    function::check(&mut found, integration);
    if !["", "1.0", "2.0"].contains(&integration.payload_format_version.as_str()) {
        found.add("payloadFormatVersion", "must be 1.0 or 2.0");
    }
    check_count(&mut found, "requestParameters", integration.request_parameters.len(), PARAMETERS_MAX);
    check_count(&mut found, "cacheKeyParameters", integration.cache_key_parameters.len(), PARAMETERS_MAX);
    check_templates(&mut found, "requestTemplates", &integration.request_templates);
    if !integration.kind.is_proxy() {
        check_served(&mut found, "requestTemplates", &integration.request_templates);
    }
    mappings::request_parameters(&mut found, integration, method);
    check_count(&mut found, "integrationResponses", integration.integration_responses.len(), PARAMETERS_MAX);
    for (code, response) in integration.integration_responses.iter().take(PARAMETERS_MAX) {
        let field = format!("integrationResponses[{code}]");
        if *code != response.status_code {
            found.add(
                format!("{field}.statusCode"),
                format!("stands under {code:?} but says {:?}", response.status_code),
            );
        }
        let mut broken = integration_response(response);
        mappings::declared_headers(&mut broken, response, method);
        if !integration.kind.is_proxy() {
            check_served(&mut broken, "responseTemplates", &response.response_templates);
            if let Err(problem) = check_pattern(&response.selection_pattern) {
                broken.add("selectionPattern", problem);
            }
        }
        found.add_below(&field, broken);
    }
    found
}

/// Templates that are executed must be of the kind that can be. Those of proxies never are (section e.4).
fn check_served(found: &mut Violations, field: &str, templates: &BTreeMap<String, String>) {
    for (key, text) in templates.iter().take(PARAMETERS_MAX) {
        if let Err(problem) = PlainTemplate::compile(text) {
            found.add(format!("{field}[{key}]"), problem);
        }
    }
}

/// Checks one entry of an integration's responses (section f).
pub fn integration_response(response: &IntegrationResponse) -> Violations {
    let mut found = Violations::new();
    check_status_code(&mut found, "statusCode", &response.status_code);
    if response.status_code.starts_with('1') && found.is_empty() {
        found.add("statusCode", format!("{:?} answers no request: it must be 200 to 599", response.status_code));
    }
    check_count(&mut found, "responseParameters", response.response_parameters.len(), PARAMETERS_MAX);
    mappings::response_parameters(&mut found, response);
    check_templates(&mut found, "responseTemplates", &response.response_templates);
    found
}

fn check_uri(found: &mut Violations, integration: &Integration) {
    match integration.kind {
        IntegrationType::Mock => {}
        IntegrationType::Http | IntegrationType::HttpProxy => {
            if let Err(text) = uri::http(&integration.uri) {
                found.add("uri", text);
            }
        }
        IntegrationType::Aws | IntegrationType::AwsProxy => {
            if let Err(text) = uri::aws(&integration.uri, integration.kind) {
                found.add("uri", text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{NO_METHOD_RESPONSE, invalid_expression, invalid_parameter, mapping_message};
    use crate::method::Verb;
    use crate::response::MethodResponse;

    const LAMBDA: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:f/invocations";

    fn method() -> Method {
        let mut method = Method::new("api".into(), "root".into(), Verb::Post);
        method.request_parameters.insert("method.request.header.X-Known".to_owned(), false);
        method
    }

    fn http() -> Integration {
        Integration::new(IntegrationType::HttpProxy, Some(Verb::Post), "http://localhost/")
    }

    fn found(integration: &Integration) -> Vec<(String, String)> {
        super::integration(integration, &method()).into_iter().map(|v| (v.field, v.description)).collect()
    }

    fn fields(integration: &Integration) -> Vec<String> {
        found(integration).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn every_type_but_mock_needs_a_method_and_a_uri_of_its_kind() {
        for kind in IntegrationType::ALL {
            let mut empty = Integration::new(kind, None, "");
            let expected: &[&str] = if kind == IntegrationType::Mock { &[] } else { &["httpMethod", "uri"] };
            assert_eq!(fields(&empty), expected, "{kind:?}");
            empty.http_method = Some(Verb::Post);
            empty.uri = if kind.is_http() { "https://example.com/{id}".into() } else { LAMBDA.into() };
            assert_eq!(fields(&empty), [] as [&str; 0], "{kind:?}");
        }
    }

    #[test]
    fn the_timeout_has_two_ends() {
        for (timeout_ms, right) in [
            (TIMEOUT_MS_MIN - 1, false),
            (TIMEOUT_MS_MIN, true),
            (TIMEOUT_MS_MAX, true),
            (TIMEOUT_MS_MAX + 1, false),
            (u32::MAX, false),
        ] {
            let integration = Integration { timeout_in_millis: timeout_ms, ..http() };
            assert_eq!(fields(&integration).is_empty(), right, "{timeout_ms}");
        }
    }

    #[test]
    fn sources_have_the_shapes_of_the_specification() {
        let mut integration = http();
        for (at, good) in [
            "method.request.path.anything",
            "method.request.header.X-Known",
            "method.request.multivalueheader.X-Known",
            "method.request.body",
            "method.request.body.a.b[0]",
            "stageVariables.x",
            "context.authorizer.claims.sub",
            "'a literal'",
            "''",
        ]
        .iter()
        .enumerate()
        {
            integration.request_parameters.insert(format!("integration.request.header.h{at}"), (*good).to_owned());
        }
        assert_eq!(found(&integration), []);
        for bad in [
            "",
            "'",
            "'open",
            "literal",
            "method.request.cookie.a",
            "integration.response.body",
            "$context.x",
            "context.",
        ] {
            integration.request_parameters = [("integration.request.path.p".to_owned(), bad.to_owned())].into();
            let expected = invalid_expression(bad);
            assert_eq!(found(&integration), [("requestParameters[integration.request.path.p]".to_owned(), expected)]);
        }
    }

    #[test]
    fn a_mapping_reads_only_what_the_method_declares() {
        let mut integration = http();
        let source = "method.request.querystring.size".to_owned();
        integration.request_parameters.insert("integration.request.querystring.s".to_owned(), source.clone());
        assert_eq!(found(&integration)[0].1, invalid_parameter(&source));
        let mut declared = method();
        declared.request_parameters.insert(source, false);
        assert!(super::integration(&integration, &declared).is_empty());
    }

    #[test]
    fn settings_that_exclude_each_other_are_named() {
        let integration = Integration {
            response_transfer_mode: ResponseTransferMode::Stream,
            connection_type: ConnectionType::VpcLink,
            payload_format_version: "3.0".to_owned(),
            ..Integration::new(IntegrationType::Mock, None, "")
        };
        assert_eq!(fields(&integration), ["connectionId", "responseTransferMode", "payloadFormatVersion"]);
    }

    fn mapped(parameters: &[(&str, &str)]) -> Integration {
        let response = IntegrationResponse {
            status_code: "200".to_owned(),
            response_parameters: parameters.iter().map(|&(t, s)| (t.to_owned(), s.to_owned())).collect(),
            ..IntegrationResponse::default()
        };
        Integration { integration_responses: [("200".to_owned(), response)].into(), ..http() }
    }

    #[test]
    fn a_response_sets_only_what_the_method_declares_for_its_status() {
        let mut method = method();
        let integration = mapped(&[("method.response.header.A", "'a'"), ("method.response.header.B", "'b'")]);
        let at = |method: &Method, integration: &Integration| {
            let found = super::integration(integration, method).into_iter();
            found.map(|violation| (violation.field, violation.description)).collect::<Vec<_>>()
        };
        let field = "integrationResponses[200].responseParameters";
        let none = (field.to_owned(), mapping_message(NO_METHOD_RESPONSE));
        assert_eq!(at(&method, &integration), [none]);
        assert_eq!(at(&method, &mapped(&[])), []);
        let declared = MethodResponse {
            status_code: "200".to_owned(),
            response_parameters: [("method.response.header.A".to_owned(), false)].into(),
            ..MethodResponse::default()
        };
        method.method_responses.insert("200".to_owned(), declared);
        let other = "method.response.header.B";
        assert_eq!(at(&method, &integration), [(format!("{field}[{other}]"), invalid_parameter(other))]);
        assert_eq!(at(&method, &mapped(&[("method.response.header.A", "integration.response.body.a")])), []);
    }

    #[test]
    fn what_cannot_be_executed_is_refused_where_it_would_be() {
        for kind in IntegrationType::ALL {
            let mut integration = mapped(&[]);
            integration.kind = kind;
            let response = integration.integration_responses.get_mut("200").expect("it was put there");
            response.selection_pattern = "(4".to_owned();
            response.response_templates.insert("application/json".to_owned(), "$input.body".to_owned());
            integration.request_templates.insert("application/json".to_owned(), "{} ## nothing".to_owned());
            integration.request_templates.insert("text/plain".to_owned(), "only text".to_owned());
            let refused: Vec<_> = found(&integration)
                .into_iter()
                .filter(|(field, _)| field.contains("emplates") || field.contains("Pattern"))
                .collect();
            if kind.is_proxy() {
                assert_eq!(refused, [], "{kind:?}");
                continue;
            }
            let fields: Vec<_> = refused.iter().map(|(field, _)| field.as_str()).collect();
            let expected = [
                "requestTemplates[application/json]",
                "integrationResponses[200].responseTemplates[application/json]",
                "integrationResponses[200].selectionPattern",
            ];
            assert_eq!(fields, expected, "{kind:?}");
            assert!(refused[0].1.contains("not yet") && refused[1].1.contains("not yet"), "{refused:?}");
        }
    }

    #[test]
    fn an_informational_status_is_no_answer() {
        for (code, wrong) in [("100", true), ("101", true), ("199", true), ("200", false), ("599", false)] {
            let response = IntegrationResponse { status_code: code.to_owned(), ..IntegrationResponse::default() };
            assert_eq!(!integration_response(&response).is_empty(), wrong, "{code}");
        }
    }

    #[test]
    fn responses_are_checked_below_their_code() {
        let mut integration = http();
        let response = IntegrationResponse {
            status_code: "2".to_owned(),
            response_parameters: [
                ("method.response.header.A".to_owned(), "integration.response.multivalueheader.A".to_owned()),
                ("method.response.header.B".to_owned(), "method.request.header.B".to_owned()),
                ("integration.response.header.C".to_owned(), "'c'".to_owned()),
            ]
            .into(),
            response_templates: [("json".to_owned(), String::new()), ("$default".to_owned(), String::new())].into(),
            ..IntegrationResponse::default()
        };
        integration.integration_responses.insert("200".to_owned(), response);
        assert_eq!(
            fields(&integration),
            [
                "integrationResponses[200].statusCode",
                "integrationResponses[200].statusCode",
                "integrationResponses[200].responseParameters[integration.response.header.C]",
                "integrationResponses[200].responseParameters[method.response.header.B]",
                "integrationResponses[200].responseTemplates[json]",
                "integrationResponses[200].responseParameters",
            ]
        );
    }
}
