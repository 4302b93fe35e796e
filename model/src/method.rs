//! [`Method`]: a verb, or `ANY`, on a resource.

use crate::id::{ResourceId, RestApiId, Revision};
use crate::integration::Integration;
use crate::response::MethodResponse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The verbs that a method can have (section d.1). Their number is an index into a route's table of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum Verb {
    /// DELETE
    Delete,
    /// GET
    Get,
    /// HEAD; not served by GET.
    Head,
    /// OPTIONS; never answered by itself.
    Options,
    /// PATCH
    Patch,
    /// POST
    Post,
    /// PUT
    Put,
    /// Any of the seven others that the resource does not name.
    Any,
}

impl Verb {
    /// All eight, in the order of their numbers.
    pub const ALL: [Self; 8] =
        [Self::Delete, Self::Get, Self::Head, Self::Options, Self::Patch, Self::Post, Self::Put, Self::Any];

    /// As written in requests and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Any => "ANY",
        }
    }

    /// Reads a verb in upper case.
    ///
    /// # Errors
    /// The specification's sentence for an unknown verb (section l.4).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.as_str() == text)
            .ok_or("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
    }

    /// The verb of a request; `None` for methods that no route can have.
    pub fn of_request(method: &http::Method) -> Option<Self> {
        Some(match *method {
            http::Method::GET => Self::Get,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            http::Method::DELETE => Self::Delete,
            http::Method::PATCH => Self::Patch,
            http::Method::HEAD => Self::Head,
            http::Method::OPTIONS => Self::Options,
            _ => return None,
        })
    }

    /// As a method of the `http` crate; `None` for `ANY`.
    pub fn to_method(self) -> Option<http::Method> {
        Some(match self {
            Self::Delete => http::Method::DELETE,
            Self::Get => http::Method::GET,
            Self::Head => http::Method::HEAD,
            Self::Options => http::Method::OPTIONS,
            Self::Patch => http::Method::PATCH,
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Any => return None,
        })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who may call a method. Authorizers are a later feature; until then a method that asks for one is closed to everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthorizationType {
    /// Everybody.
    #[default]
    None,
    /// Signed requests.
    AwsIam,
    /// A Lambda authorizer.
    Custom,
    /// A user pool's tokens.
    CognitoUserPools,
}

impl AuthorizationType {
    /// As written in requests and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::AwsIam => "AWS_IAM",
            Self::Custom => "CUSTOM",
            Self::CognitoUserPools => "COGNITO_USER_POOLS",
        }
    }

    /// Reads a type in any case (section l.3: it is normalised to upper case); empty is `NONE`. `None` if unknown.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::None);
        }
        [Self::None, Self::AwsIam, Self::Custom, Self::CognitoUserPools]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// A verb on a resource, with its integration and its responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    /// The API that it belongs to.
    pub rest_api_id: RestApiId,
    /// The resource that it belongs to.
    pub resource_id: ResourceId,
    /// The verb.
    pub http_method: Verb,
    /// See [`AuthorizationType`].
    #[serde(default)]
    pub authorization_type: AuthorizationType,
    /// Whether callers need an API key.
    #[serde(default)]
    pub api_key_required: bool,
    /// For people and generated clients.
    #[serde(default)]
    pub operation_name: String,
    /// `method.request.{path|querystring|header}.{name}` to whether it is required.
    #[serde(default)]
    pub request_parameters: BTreeMap<String, bool>,
    /// Media type to model name.
    #[serde(default)]
    pub request_models: BTreeMap<String, String>,
    /// Needed before the method can be deployed.
    #[serde(default)]
    pub integration: Option<Integration>,
    /// By status code.
    #[serde(default)]
    pub method_responses: BTreeMap<String, MethodResponse>,
    /// Of `CUSTOM` and `COGNITO_USER_POOLS`.
    #[serde(default)]
    pub authorizer_id: String,
    /// Empty: requests are not validated.
    #[serde(default)]
    pub request_validator_id: String,
    /// Of `COGNITO_USER_POOLS`.
    #[serde(default)]
    pub authorization_scopes: Vec<String>,
    /// For optimistic locking.
    #[serde(default)]
    pub revision: Revision,
}

impl Method {
    /// A method without authorization, integration or responses.
    pub fn new(rest_api_id: RestApiId, resource_id: ResourceId, http_method: Verb) -> Self {
        Self {
            rest_api_id,
            resource_id,
            http_method,
            authorization_type: AuthorizationType::None,
            api_key_required: false,
            operation_name: String::new(),
            request_parameters: BTreeMap::new(),
            request_models: BTreeMap::new(),
            integration: None,
            method_responses: BTreeMap::new(),
            authorizer_id: String::new(),
            request_validator_id: String::new(),
            authorization_scopes: Vec::new(),
            revision: Revision::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_read_back_as_written_and_lower_case_is_refused() {
        for verb in Verb::ALL {
            assert_eq!(Verb::parse(verb.as_str()), Ok(verb));
        }
        assert!(Verb::parse("get").is_err());
        assert!(Verb::parse("TRACE").is_err());
    }

    #[test]
    fn authorization_types_are_read_in_any_case() {
        assert_eq!(AuthorizationType::parse("aws_iam"), Some(AuthorizationType::AwsIam));
        assert_eq!(AuthorizationType::parse(""), Some(AuthorizationType::None));
        assert_eq!(AuthorizationType::parse("magic"), None);
    }
}
