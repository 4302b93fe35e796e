//! Parameters of gateway responses (section e.7).

use super::compiled::CompiledSource;
use super::expression::Source;
use super::facts::StageFacts;
use super::problem::{invalid_expression, invalid_parameter};
use crate::text::is_parameter_name;

/// What a gateway response's parameter sets: `gatewayresponse.header.{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayResponseTarget {
    /// The header's name, as written.
    pub header: String,
}

impl GatewayResponseTarget {
    /// Reads the left side of a mapping.
    ///
    /// # Errors
    /// The specification's sentence for a wrong expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("gatewayresponse.header.") {
            Some(name) if is_parameter_name(name) => Ok(Self { header: name.to_owned() }),
            _ => Err(invalid_parameter(text)),
        }
    }
}

/// Where its value comes from: everything that a request's mapping may name except the body, which may not even have
/// been read when the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayResponseSource(Source);

impl GatewayResponseSource {
    /// Reads the right side of a mapping.
    ///
    /// # Errors
    /// The specification's sentence for a wrong expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        match Source::parse(text)? {
            Source::Body(_) => Err(invalid_expression(text)),
            source => Ok(Self(source)),
        }
    }

    /// Resolves what the stage knows. Its [`CompiledSource::head_values`] are asked on
    /// [`super::ErrorFacts::on`] the request, which answers `context.error.*`.
    pub fn compile(&self, stage: &StageFacts<'_>) -> CompiledSource {
        CompiledSource::compile(&self.0, stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_header() {
        let parsed = GatewayResponseTarget::parse("gatewayresponse.header.Access-Control-Allow-Origin");
        assert_eq!(parsed.map(|target| target.header), Ok("Access-Control-Allow-Origin".to_owned()));
        for bad in ["", "gatewayresponse.header.", "gatewayresponse.header.a b", "gatewayresponse.body", "header.x"] {
            assert_eq!(GatewayResponseTarget::parse(bad), Err(invalid_parameter(bad)));
        }
    }

    #[test]
    fn a_source_is_not_in_the_body() {
        for good in [
            "method.request.header.Origin",
            "method.request.path.id",
            "method.request.querystring.q",
            "method.request.multivalueheader.Via",
            "method.request.multivaluequerystring.q",
            "context.error.message",
            "stageVariables.x",
            "'*'",
        ] {
            assert!(GatewayResponseSource::parse(good).is_ok(), "{good}");
        }
        for bad in ["method.request.body", "method.request.body.a", "integration.response.header.x", "*"] {
            assert_eq!(GatewayResponseSource::parse(bad), Err(invalid_expression(bad)));
        }
    }
}
