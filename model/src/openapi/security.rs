//! Security schemes and requirements to an [`Authorization`] (section i.2).
//!
//! What cannot be enforced yet is imported as what it is, so that the compiled route is closed: a method that asks for
//! an authorizer must not become one that is open to everybody.

use super::extensions::warn_unused;
use super::report::{Place, Report, shown};
use crate::limits::PARAMETERS_MAX;
use crate::method::AuthorizationType;
use serde_json::{Map, Value};
use std::collections::HashMap;

const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
/// What is said wherever signed requests are asked for.
const UNSIGNED: &str = "signatures are not checked yet: methods that ask for one are closed to everybody";
const AUTHTYPE: &str = "x-amazon-apigateway-authtype";

/// What a scheme asks of callers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    ApiKey,
    Iam,
    Authorizer(AuthorizationType),
    /// Nothing that a gateway looks at.
    Documented,
}

/// Who may call an operation.
#[derive(Default)]
pub(super) struct Authorization {
    pub(super) kind: AuthorizationType,
    pub(super) authorizer_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) api_key_required: bool,
}

/// The schemes of a document.
pub(super) struct Schemes<'d> {
    by_name: HashMap<&'d str, Scheme>,
    /// The requirements of operations without their own.
    root: Option<&'d Value>,
}

impl<'d> Schemes<'d> {
    pub(super) fn read(document: &'d Map<String, Value>, report: &mut Report) -> Self {
        let (components, definitions) = (Place::ROOT.key("components"), Place::ROOT.key("securityDefinitions"));
        let (place, schemes) = match document.get("securityDefinitions") {
            Some(schemes) => (definitions, Some(schemes)),
            None => {
                let schemes = document.get("components").and_then(|components| components.get("securitySchemes"));
                (components.key("securitySchemes"), schemes)
            }
        };
        let mut by_name = HashMap::new();
        for (name, scheme) in schemes.and_then(Value::as_object).into_iter().flatten() {
            if let Value::Object(scheme) = scheme {
                by_name.insert(name.as_str(), Scheme::read(scheme, &place.key(name), report));
            }
        }
        Self { by_name, root: document.get("security") }
    }

    /// What the requirements of an operation at `place` come to.
    pub(super) fn of_operation(
        &self,
        operation: &Map<String, Value>,
        place: &Place<'_>,
        report: &mut Report,
    ) -> Authorization {
        let own = operation.get("security");
        let mut authorization = Authorization::default();
        // The whole document shares one list, so a long one would be walked for each operation.
        let requirements = own.or(self.root).and_then(Value::as_array).into_iter().flatten().take(PARAMETERS_MAX);
        for (name, scopes) in requirements.filter_map(Value::as_object).flat_map(|all| all.iter().take(PARAMETERS_MAX))
        {
            match self.by_name.get(name.as_str()) {
                Some(Scheme::ApiKey) => authorization.api_key_required = true,
                Some(Scheme::Iam) => authorization.kind = AuthorizationType::AwsIam,
                Some(Scheme::Authorizer(kind)) if authorization.authorizer_id.is_empty() => {
                    authorization.kind = *kind;
                    authorization.authorizer_id.clone_from(name);
                    let scopes = scopes.as_array().into_iter().flatten().filter_map(Value::as_str);
                    authorization.scopes = scopes.map(str::to_owned).collect();
                }
                Some(Scheme::Authorizer(_)) => {
                    let text = format!("a method has one authorizer: {:?} is ignored", shown(name));
                    report.warning(place.key("security"), text);
                }
                Some(Scheme::Documented) => {}
                None => {
                    report.warning(place.key("security"), format!("no security scheme is called {:?}", shown(name)));
                }
            }
        }
        explicit(&mut authorization, operation, place, report);
        authorization
    }
}

impl Scheme {
    fn read(scheme: &Map<String, Value>, place: &Place<'_>, report: &mut Report) -> Self {
        warn_unused(scheme, place, &["authtype"], report);
        let word = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
        let is = |key: &str, expected: &str| word(key).eq_ignore_ascii_case(expected);
        if let Some(authorizer) = scheme.get(AUTHORIZER) {
            let kind = authorizer.get("type").and_then(Value::as_str).unwrap_or_default();
            return Self::Authorizer(if kind.eq_ignore_ascii_case("cognito_user_pools") {
                AuthorizationType::CognitoUserPools
            } else {
                AuthorizationType::Custom
            });
        }
        if is(AUTHTYPE, "awsSigv4") {
            report.warning(place, UNSIGNED);
            return Self::Iam;
        }
        if is("type", "apiKey") && is("in", "header") && is("name", "x-api-key") {
            report.warning(place, "API keys are not checked yet: the method is closed until they are");
            return Self::ApiKey;
        }
        report.warning(place, "ignored: the gateway does not check this kind of scheme");
        Self::Documented
    }
}

/// `x-amazon-apigateway-auth` decides what the requirements left open.
fn explicit(authorization: &mut Authorization, operation: &Map<String, Value>, place: &Place<'_>, report: &mut Report) {
    let Some(value) = operation.get("x-amazon-apigateway-auth") else { return };
    let word = value.get("type").and_then(Value::as_str);
    let place = place.key("x-amazon-apigateway-auth");
    match word.and_then(AuthorizationType::parse) {
        Some(AuthorizationType::None) => {}
        Some(kind) => {
            if kind == AuthorizationType::AwsIam {
                report.warning(place, UNSIGNED);
            }
            authorization.kind = kind;
        }
        None => {
            report.violation(place.key("type"), "must be NONE or AWS_IAM");
        }
    }
}
