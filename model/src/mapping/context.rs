//! The names below `context.` (sections b.2 and g.3).

use super::compiled::CompiledSource;
use super::facts::{ACCOUNT_ID, ContextField, ErrorField, StageFacts};

/// Resolves `context.{name}` as far as the stage knows it.
///
/// A name that exists only with a feature that the stage does not use (an authorizer, an API key, a client certificate,
/// most of `identity`) is `null` on the hosted service, which leaves a mapping's target out: [`CompiledSource::Absent`].
/// So is a name that nobody knows.
pub(super) fn compile(name: &str, facts: &StageFacts<'_>) -> CompiledSource {
    let fixed = |text: &str| CompiledSource::Fixed(text.to_owned());
    let running = CompiledSource::Context;
    let error = |field| CompiledSource::Context(ContextField::Error(field));
    match name {
        "accountId" => fixed(ACCOUNT_ID),
        "apiId" => fixed(facts.api_id),
        "stage" => fixed(facts.stage),
        "deploymentId" => fixed(facts.deployment_id),
        "isCanaryRequest" => facts.canary.map_or(CompiledSource::Absent, |canary| fixed(&canary.to_string())),
        "resourceId" => facts.resource.map_or(running(ContextField::ResourceId), |resource| fixed(resource.id)),
        "resourcePath" => facts.resource.map_or(running(ContextField::ResourcePath), |resource| fixed(resource.path)),
        "requestId" => running(ContextField::RequestId),
        "extendedRequestId" => running(ContextField::ExtendedRequestId),
        "requestTime" => running(ContextField::RequestTime),
        "requestTimeEpoch" => running(ContextField::RequestTimeEpoch),
        "httpMethod" => running(ContextField::HttpMethod),
        "path" => running(ContextField::Path),
        "protocol" => running(ContextField::Protocol),
        "domainName" => running(ContextField::DomainName),
        "domainPrefix" => running(ContextField::DomainPrefix),
        "identity.sourceIp" => running(ContextField::SourceIp),
        "identity.userAgent" => running(ContextField::UserAgent),
        "error.message" => error(ErrorField::Message),
        "error.messageString" => error(ErrorField::MessageString),
        "error.responseType" => error(ErrorField::ResponseType),
        "error.validationErrorString" => error(ErrorField::ValidationErrorString),
        _ => CompiledSource::Absent,
    }
}
