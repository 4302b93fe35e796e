//! Method, MethodResponse.

use super::{ConvertError, Reader, error, revision};
use crate::management::v1 as wire;
use penstock_model::integration::Integration;
use penstock_model::method::{AuthorizationType, Method, Verb};
use penstock_model::response::MethodResponse;
use penstock_model::violation::Violations;
use std::collections::BTreeMap;

/// Reads the verb of a method.
///
/// # Errors
/// The specification's sentence for an unknown verb.
pub fn verb(field: &str, text: &str) -> Result<Verb, ConvertError> {
    Verb::parse(text).map_err(|reason| error(field, reason))
}

fn authorization_type(text: &str) -> Result<AuthorizationType, ConvertError> {
    AuthorizationType::parse(text).ok_or_else(|| {
        error("authorizationType", format!("{text:?} is not one of NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS"))
    })
}

impl TryFrom<wire::Method> for Method {
    type Error = Violations;

    fn try_from(method: wire::Method) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let mut method_responses = BTreeMap::new();
        for (code, response) in method.method_responses {
            if let Some(response) = read.below(&format!("methodResponses[{code}]"), response.try_into()) {
                method_responses.insert(code, response);
            }
        }
        let integration = method
            .method_integration
            .and_then(|integration| read.below("methodIntegration", Integration::try_from(integration)));
        let authorization_type = read.take(authorization_type(&method.authorization_type)).unwrap_or_default();
        let revision = read.take(revision(method.revision)).unwrap_or_default();
        let Some(http_method) = read.take(verb("httpMethod", &method.http_method)) else {
            return Err(read.violations);
        };
        read.finish(Self {
            rest_api_id: method.rest_api_id.into(),
            resource_id: method.resource_id.into(),
            http_method,
            authorization_type,
            api_key_required: method.api_key_required,
            operation_name: method.operation_name,
            request_parameters: method.request_parameters,
            request_models: method.request_models,
            integration,
            method_responses,
            authorizer_id: method.authorizer_id,
            request_validator_id: method.request_validator_id,
            authorization_scopes: method.authorization_scopes,
            revision,
        })
    }
}

impl From<Method> for wire::Method {
    fn from(method: Method) -> Self {
        Self {
            rest_api_id: method.rest_api_id.to_string(),
            resource_id: method.resource_id.to_string(),
            http_method: method.http_method.as_str().to_owned(),
            authorization_type: method.authorization_type.as_str().to_owned(),
            api_key_required: method.api_key_required,
            operation_name: method.operation_name,
            request_parameters: method.request_parameters,
            request_models: method.request_models,
            method_integration: method.integration.map(Into::into),
            method_responses: method.method_responses.into_iter().map(|(code, r)| (code, r.into())).collect(),
            authorizer_id: method.authorizer_id,
            request_validator_id: method.request_validator_id,
            authorization_scopes: method.authorization_scopes,
            revision: method.revision.0,
        }
    }
}

impl TryFrom<wire::MethodResponse> for MethodResponse {
    type Error = Violations;

    fn try_from(response: wire::MethodResponse) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let converted = Self {
            status_code: response.status_code,
            response_parameters: response.response_parameters,
            response_models: response.response_models,
            revision: read.take(revision(response.revision)).unwrap_or_default(),
        };
        read.finish(converted)
    }
}

impl From<MethodResponse> for wire::MethodResponse {
    fn from(response: MethodResponse) -> Self {
        Self {
            status_code: response.status_code,
            response_parameters: response.response_parameters,
            response_models: response.response_models,
            revision: response.revision.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_below_a_method_carry_their_path() {
        let bad = wire::Method {
            http_method: "FETCH".into(),
            method_integration: Some(wire::Integration { content_handling: 9, ..Default::default() }),
            method_responses: BTreeMap::from([(
                "200".to_owned(),
                wire::MethodResponse { revision: -1, ..Default::default() },
            )]),
            ..Default::default()
        };
        let violations = Method::try_from(bad).expect_err("several fields are bad");
        let fields: Vec<_> = violations.as_slice().iter().map(|v| v.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "methodResponses[200].revision",
                "methodIntegration.contentHandling",
                "methodIntegration.type",
                "httpMethod"
            ]
        );
    }
}
