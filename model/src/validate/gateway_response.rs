//! Rules for customised gateway responses (section e.7).

use super::check_count;
use super::mappings::header_literal;
use crate::gateway_response::{CustomGatewayResponse, CustomisableType, read};
use crate::limits::{PARAMETERS_MAX, TEMPLATE_BYTES_MAX};
use crate::violation::Violations;
use std::collections::BTreeMap;

/// Checks one customisation.
pub fn gateway_response(custom: &CustomGatewayResponse) -> Violations {
    let mut found = Violations::new();
    check_count(&mut found, "responseParameters", custom.response_parameters.len(), PARAMETERS_MAX);
    check_count(&mut found, "responseTemplates", custom.response_templates.len(), PARAMETERS_MAX);
    if !found.is_empty() {
        return found;
    }
    for (key, template) in &custom.response_templates {
        if template.len() > TEMPLATE_BYTES_MAX {
            let text = format!("a template must have at most {TEMPLATE_BYTES_MAX} bytes");
            found.add(format!("responseTemplates[{key}]"), text);
        }
    }
    for (target, source) in &custom.response_parameters {
        if let Some(problem) = header_literal(source) {
            found.add(format!("responseParameters[{target}]"), problem);
        }
    }
    if let Err(unread) = read(custom) {
        found.add_below("", unread);
    }
    found
}

/// Checks all of an API's, as `gatewayResponses[{type}].{field}`.
pub(super) fn check_gateway_responses(found: &mut Violations, all: &BTreeMap<String, CustomGatewayResponse>) {
    for (name, custom) in all {
        let field = format!("gatewayResponses[{name}]");
        match CustomisableType::parse(name) {
            Ok(_) => found.add_below(&field, gateway_response(custom)),
            Err(text) => found.add(field, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(parameters: usize, templates: usize, bytes: usize) -> CustomGatewayResponse {
        let parameter = |at| (format!("gatewayresponse.header.X-{at}"), "'x'".to_owned());
        let template = |at| (format!("text/x-{at}"), "x".repeat(bytes));
        CustomGatewayResponse {
            status_code: "404".to_owned(),
            response_parameters: (0..parameters).map(parameter).collect(),
            response_templates: (0..templates).map(template).collect(),
        }
    }

    #[test]
    fn a_literal_that_no_header_can_hold_is_refused() {
        for (literal, right) in [("'a b'", true), ("''", true), ("'a\nb'", false), ("'\u{7f}'", false)] {
            let mut custom = with(1, 0, 0);
            custom.response_parameters.values_mut().for_each(|source| literal.clone_into(source));
            let found = gateway_response(&custom);
            assert_eq!(found.is_empty(), right, "{literal:?}: {found}");
            assert_eq!(found.to_string().starts_with("responseParameters[gatewayresponse.header.X-0]: "), !right);
        }
    }

    #[test]
    fn sizes_are_bounded() {
        for (parameters, templates, bytes, field) in [
            (PARAMETERS_MAX, PARAMETERS_MAX, 1, None),
            (PARAMETERS_MAX + 1, 0, 0, Some("responseParameters")),
            (0, PARAMETERS_MAX + 1, 1, Some("responseTemplates")),
            (0, 1, TEMPLATE_BYTES_MAX, None),
            (0, 1, TEMPLATE_BYTES_MAX + 1, Some("responseTemplates[text/x-0]")),
        ] {
            let found = gateway_response(&with(parameters, templates, bytes));
            assert_eq!(found.as_slice().first().map(|violation| violation.field.as_str()), field);
        }
    }

    #[test]
    fn every_entry_of_an_api_is_checked_under_its_name() {
        let wrong = CustomGatewayResponse { status_code: "4xx".to_owned(), ..CustomGatewayResponse::default() };
        let all = BTreeMap::from([("THROTTLED".to_owned(), wrong), ("NONE".to_owned(), with(1, 1, 1))]);
        let mut found = Violations::new();
        check_gateway_responses(&mut found, &all);
        let fields: Vec<_> = found.as_slice().iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["gatewayResponses[NONE]", "gatewayResponses[THROTTLED].statusCode"]);
        assert!(found.as_slice()[0].description.contains("use one of ACCESS_DENIED, "), "{found}");
    }
}
