//! What the gateway answers where the model says no: the one mapping from such a reason to a [`GatewayError`], for the
//! proxy that answers it and for the explanation that foretells it.

use super::{GatewayError, GatewayResponseType as Type, incomplete_signature_message};
use crate::content::coding::CodingsError;
use crate::content::passthrough::Refusal;
use crate::exchange::HeadProblem;
use crate::mapping::SourceProblem;
use crate::table::LocateError;
use crate::uri_template::TargetProblem;

impl GatewayError {
    /// The configuration makes the call impossible: a route with a problem, no integration response, a value that no
    /// head can hold.
    pub fn configuration() -> Self {
        Self::new(Type::ApiConfigurationError)
    }

    /// No (resource, method) is there. The answer depends on what the caller shows as authorization (section d.2):
    /// `unsigned` is base64 of the SHA-256 of a value that is no signature.
    pub fn no_route(unsigned: Option<&str>) -> Self {
        match unsigned {
            Some(hash) => Self::new(Type::IncompleteSignature).with_message(incomplete_signature_message(hash)),
            None => Self::new(Type::MissingAuthenticationToken),
        }
    }
}

impl From<LocateError> for GatewayError {
    fn from(error: LocateError) -> Self {
        match error {
            LocateError::UnknownHost => Self::new(Type::NotFound),
            LocateError::UnknownStage => Self::new(Type::Forbidden),
        }
    }
}

impl From<Refusal> for GatewayError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnsupportedMediaType => Self::new(Type::UnsupportedMediaType),
            Refusal::UnableToTransformRequest | Refusal::UnableToTransformResponse => Self::configuration(),
        }
    }
}

impl From<CodingsError> for GatewayError {
    fn from(error: CodingsError) -> Self {
        match error {
            CodingsError::Unknown | CodingsError::TooMany => Self::new(Type::UnsupportedMediaType),
        }
    }
}

impl From<HeadProblem> for GatewayError {
    fn from(problem: HeadProblem) -> Self {
        match problem {
            HeadProblem::Target(TargetProblem::DotSegment) => {
                Self::new(Type::BadRequest).with_message("a path parameter holds a dot segment")
            }
            HeadProblem::ValueTooLarge
            | HeadProblem::Source(SourceProblem::ValueTooLarge)
            | HeadProblem::Target(TargetProblem::Source(SourceProblem::ValueTooLarge)) => {
                Self::new(Type::RequestHeadersTooLarge).with_message(HeadProblem::ValueTooLarge.to_string())
            }
            HeadProblem::Source(SourceProblem::SearchTooLarge)
            | HeadProblem::Target(TargetProblem::Source(SourceProblem::SearchTooLarge)) => {
                Self::new(Type::RequestTooLarge)
            }
            HeadProblem::Target(TargetProblem::MissingParameter) | HeadProblem::Unsendable => Self::configuration(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_status() {
        let head = |problem: HeadProblem| GatewayError::from(problem);
        for (error, status) in [
            (GatewayError::configuration(), 500),
            (LocateError::UnknownHost.into(), 404),
            (LocateError::UnknownStage.into(), 403),
            (Refusal::UnsupportedMediaType.into(), 415),
            (Refusal::UnableToTransformRequest.into(), 500),
            (Refusal::UnableToTransformResponse.into(), 500),
            (CodingsError::Unknown.into(), 415),
            (CodingsError::TooMany.into(), 415),
            (head(HeadProblem::Target(TargetProblem::DotSegment)), 400),
            (head(HeadProblem::Target(TargetProblem::MissingParameter)), 500),
            (head(HeadProblem::Unsendable), 500),
            (head(HeadProblem::ValueTooLarge), 431),
            (head(SourceProblem::ValueTooLarge.into()), 431),
            (head(TargetProblem::Source(SourceProblem::ValueTooLarge).into()), 431),
            (head(SourceProblem::SearchTooLarge.into()), 413),
            (head(TargetProblem::Source(SourceProblem::SearchTooLarge).into()), 413),
        ] {
            assert_eq!(error.default_response().status, status, "{error:?}");
        }
    }

    #[test]
    fn an_unknown_path_asks_unsigned_callers_for_a_signature() {
        assert!(GatewayError::no_route(None).default_response().body.contains("Missing Authentication Token"));
        let unsigned = GatewayError::no_route(Some("aGFzaA==")).default_response();
        assert!(unsigned.status == 403 && unsigned.body.contains("'aGFzaA=='"), "{unsigned:?}");
    }
}
