//! Rules for [`Method`] and [`MethodResponse`].

use super::{check_chars, check_count, check_models, check_status_code, integration, names_request_parameter};
use crate::limits::{NAME_CHARS_MAX, PARAMETERS_MAX};
use crate::mapping::{ResponseTarget, invalid_parameter};
use crate::method::{AuthorizationType, Method};
use crate::response::MethodResponse;
use crate::violation::Violations;
use std::collections::HashSet;

/// Checks a method with its integration and its responses.
pub fn method(method: &Method) -> Violations {
    let mut found = Violations::new();
    check_chars(&mut found, "operationName", &method.operation_name, NAME_CHARS_MAX);
    let needs_authorizer =
        matches!(method.authorization_type, AuthorizationType::Custom | AuthorizationType::CognitoUserPools);
    if needs_authorizer && method.authorizer_id.is_empty() {
        found.add(
            "authorizerId",
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a \
             valid authorizer.",
        );
    }
    check_request_parameters(&mut found, method);
    check_models(&mut found, "requestModels", &method.request_models);
    check_count(&mut found, "methodResponses", method.method_responses.len(), PARAMETERS_MAX);
    for (code, response) in method.method_responses.iter().take(PARAMETERS_MAX) {
        let field = format!("methodResponses[{code}]");
        if *code != response.status_code {
            found.add(
                format!("{field}.statusCode"),
                format!("stands under {code:?} but says {:?}", response.status_code),
            );
        }
        found.add_below(&field, method_response(response));
    }
    if let Some(behind) = &method.integration {
        found.add_below("integration", integration(behind, method));
    }
    found
}

/// Checks what a method promises for one status.
pub fn method_response(response: &MethodResponse) -> Violations {
    let mut found = Violations::new();
    check_status_code(&mut found, "statusCode", &response.status_code);
    check_count(&mut found, "responseParameters", response.response_parameters.len(), PARAMETERS_MAX);
    for target in response.response_parameters.keys().take(PARAMETERS_MAX) {
        if let Err(problem) = ResponseTarget::parse(target) {
            found.add(format!("responseParameters[{target}]"), problem);
        }
    }
    check_models(&mut found, "responseModels", &response.response_models);
    found
}

fn check_request_parameters(found: &mut Violations, method: &Method) {
    check_count(found, "requestParameters", method.request_parameters.len(), PARAMETERS_MAX);
    let mut names = HashSet::new();
    let mut unique = true;
    for key in method.request_parameters.keys().take(PARAMETERS_MAX) {
        if names_request_parameter(key) {
            unique &= names.insert(key.splitn(4, '.').nth(3));
        } else {
            found.add(format!("requestParameters[{key}]"), invalid_parameter(key));
        }
    }
    if !unique {
        found.add("requestParameters", "Parameter names must be unique across querystring, header and path");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::{Integration, IntegrationType};
    use crate::method::Verb;

    fn sample() -> Method {
        Method::new("api".into(), "root".into(), Verb::Get)
    }

    fn fields(found: Violations) -> Vec<String> {
        found.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn parameters_are_named_once_over_all_places() {
        let mut method = sample();
        for key in ["method.request.path.a.b", "method.request.header.b", "method.request.querystring.c"] {
            method.request_parameters.insert(key.to_owned(), true);
        }
        assert!(super::method(&method).is_empty());
        method.request_parameters.insert("method.request.querystring.b".to_owned(), true);
        let expected = "requestParameters: Parameter names must be unique across querystring, header and path";
        assert_eq!(super::method(&method).to_string(), expected);
        method.request_parameters = [("method.request.cookie.a".to_owned(), true)].into();
        assert_eq!(fields(super::method(&method)), ["requestParameters[method.request.cookie.a]"]);
    }

    #[test]
    fn an_authorizer_is_needed_by_the_two_types_that_have_one() {
        for (kind, needed) in [
            (AuthorizationType::None, false),
            (AuthorizationType::AwsIam, false),
            (AuthorizationType::Custom, true),
            (AuthorizationType::CognitoUserPools, true),
        ] {
            let mut method = Method { authorization_type: kind, ..sample() };
            assert_eq!(!super::method(&method).is_empty(), needed, "{kind:?}");
            method.authorizer_id = "a1".to_owned();
            assert!(super::method(&method).is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn what_is_wrong_below_a_method_is_found_with_its_path() {
        let mut method = sample();
        method.integration = Some(Integration::new(IntegrationType::HttpProxy, Some(Verb::Get), "nowhere"));
        let response = MethodResponse {
            status_code: "201".to_owned(),
            response_parameters: [("method.response.header.a b".to_owned(), true)].into(),
            response_models: [("json".to_owned(), String::new())].into(),
            ..MethodResponse::default()
        };
        method.method_responses.insert("200".to_owned(), response);
        assert_eq!(
            fields(super::method(&method)),
            [
                "methodResponses[200].statusCode",
                "methodResponses[200].responseParameters[method.response.header.a b]",
                "methodResponses[200].responseModels[json]",
                "methodResponses[200].responseModels[json]",
                "integration.uri",
            ]
        );
    }
}
