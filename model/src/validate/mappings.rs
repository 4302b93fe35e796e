//! Rules for mapping expressions (sections e.5 and l.4): they can be read, and what they name is declared.

use crate::integration::Integration;
use crate::limits::PARAMETERS_MAX;
use crate::mapping::{
    NO_METHOD_RESPONSE, ResponseSource, ResponseTarget, Source, Target, invalid_expression, invalid_parameter,
    mapping_message,
};
use crate::method::Method;
use crate::resource::{PathPart, segments};
use crate::response::IntegrationResponse;
use crate::violation::Violations;
use http::HeaderValue;

/// Checks the request parameters of an integration. Query parameters and headers that they read must be declared by the
/// method; for path variables see [`path_parameters`].
pub(super) fn request_parameters(found: &mut Violations, integration: &Integration, method: &Method) {
    for (target, text) in integration.request_parameters.iter().take(PARAMETERS_MAX) {
        let field = || format!("requestParameters[{target}]");
        match Target::parse(target) {
            Err(problem) => found.add(field(), problem),
            Ok(Target::Header(_)) => {
                if let Some(problem) = header_literal(text) {
                    found.add(field(), problem);
                }
            }
            Ok(Target::Path(_) | Target::Query(_)) => {}
        }
        match Source::parse(text) {
            Err(problem) => found.add(field(), problem),
            Ok(Source::Path(_)) => {}
            Ok(source) => {
                if source.declared_as().is_some_and(|key| !method.request_parameters.contains_key(&key)) {
                    found.add(field(), invalid_parameter(text));
                }
            }
        }
    }
}

/// Checks that path variables that a method's mappings read exist: declared by the method or, as documents often leave
/// it (section i.2), only by the path of its resource.
pub(super) fn path_parameters(method: &Method, resource_path: &str) -> Violations {
    let mut found = Violations::new();
    let Some(integration) = &method.integration else { return found };
    for (target, text) in integration.request_parameters.iter().take(PARAMETERS_MAX) {
        let Ok(source @ Source::Path(_)) = Source::parse(text) else { continue };
        let declared = source.declared_as().is_some_and(|key| method.request_parameters.contains_key(&key));
        if !declared && !segments(resource_path).any(|part| is_variable(part, &source)) {
            found.add(format!("integration.requestParameters[{target}]"), invalid_parameter(text));
        }
    }
    found
}

/// What is wrong with a literal for a header that no header can hold: every call would fail.
pub(super) fn header_literal(text: &str) -> Option<String> {
    let literal = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let problem = || format!("{}: no header can hold it", invalid_expression(text));
    HeaderValue::from_bytes(literal.as_bytes()).is_err().then(problem)
}

fn is_variable(part: &str, source: &Source) -> bool {
    match (PathPart::parse(part), source) {
        (Ok(PathPart::Param(name) | PathPart::Greedy(name)), Source::Path(wanted)) => name == wanted,
        _ => false,
    }
}

/// Checks how the parameters of an integration response are written.
pub(super) fn response_parameters(found: &mut Violations, response: &IntegrationResponse) {
    for (target, text) in response.response_parameters.iter().take(PARAMETERS_MAX) {
        let field = || format!("responseParameters[{target}]");
        if let Err(problem) = ResponseTarget::parse(target) {
            found.add(field(), problem);
        }
        if let Some(problem) = header_literal(text) {
            found.add(field(), problem);
        }
        if let Err(problem) = ResponseSource::parse(text) {
            found.add(field(), problem);
        }
    }
}

/// Checks that the headers that an integration response sets are declared by the method response of its status.
///
/// A response that sets none needs no declaration to be stored; the hosted service finds out when it is called.
pub(super) fn declared_headers(found: &mut Violations, response: &IntegrationResponse, method: &Method) {
    if response.response_parameters.is_empty() {
        return;
    }
    let Some(declared) = method.method_responses.get(&response.status_code) else {
        found.add("responseParameters", mapping_message(NO_METHOD_RESPONSE));
        return;
    };
    for target in response.response_parameters.keys().take(PARAMETERS_MAX) {
        if ResponseTarget::parse(target).is_ok() && !declared.response_parameters.contains_key(target) {
            found.add(format!("responseParameters[{target}]"), invalid_parameter(target));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::IntegrationType;
    use crate::method::Verb;

    #[test]
    fn path_variables_are_declared_by_the_path_or_by_the_method() {
        let mut method = Method::new("api".into(), "root".into(), Verb::Get);
        let mut integration = Integration::new(IntegrationType::HttpProxy, Some(Verb::Get), "http://localhost/{a}");
        let target = "integration.request.path.a".to_owned();
        integration.request_parameters.insert(target.clone(), "method.request.path.id".to_owned());
        method.integration = Some(integration);
        for (path, declared) in
            [("/", false), ("/id", false), ("/{id}", true), ("/a/{id+}", true), ("/{id}/b", true), ("/{other}", false)]
        {
            let found = path_parameters(&method, path);
            assert_eq!(found.is_empty(), declared, "{path}: {found}");
        }
        let expected =
            format!("integration.requestParameters[{target}]: {}", invalid_parameter("method.request.path.id"));
        assert_eq!(path_parameters(&method, "/").to_string(), expected);
        method.request_parameters.insert("method.request.path.id".to_owned(), true);
        assert!(path_parameters(&method, "/").is_empty());
    }

    #[test]
    fn a_literal_fits_where_it_is_put() {
        let integration = |target: &str, literal: &str| {
            let mut integration = Integration::new(IntegrationType::Http, Some(Verb::Get), "http://localhost/{x}");
            integration.request_parameters.insert(format!("integration.request.{target}.x"), literal.to_owned());
            integration
        };
        let method = Method::new("api".into(), "root".into(), Verb::Get);
        for (target, literal, fits) in [
            ("header", "'a b\tü'", true),
            ("header", "''", true),
            ("header", "'a\nb'", false),
            ("header", "'a\0'", false),
            ("querystring", "'a\nb'", true),
            ("path", "'a\nb'", true),
        ] {
            let mut found = Violations::new();
            request_parameters(&mut found, &integration(target, literal), &method);
            assert_eq!(found.is_empty(), fits, "{target} {literal:?}: {found}");
        }
        let mut response = IntegrationResponse::default();
        response.response_parameters.insert("method.response.header.x".to_owned(), "'a\nb'".to_owned());
        let mut found = Violations::new();
        response_parameters(&mut found, &response);
        let expected =
            format!("responseParameters[method.response.header.x]: {}", header_literal("'a\nb'").unwrap_or_default());
        assert_eq!(found.to_string(), expected);
    }
}
