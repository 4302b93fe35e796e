//! [`Route`]: a (resource, method, integration), with everything prepared that does not depend on the request.

use super::function_plan::{FunctionPlan, FunctionStyle};
use super::plan::{HttpPlan, HttpStyle, HttpTarget, MockPlan};
use super::service_plan;
use super::settings::StageSettings;
use crate::aws_uri::ServiceUri;
use crate::content::selection::PatternCache;
use crate::id::ResourceId;
use crate::integration::{Integration, IntegrationType, ResponseTransferMode};
use crate::mapping::StageFacts;
use crate::method::{AuthorizationType, Method, Verb};
use crate::uri_template::{UriProblem, fill_stage_variables};
use crate::violation::Violations;
use std::sync::Arc;
use std::time::Duration;

/// What a request that matched is going to meet. A request holds its route, not the table.
///
/// In one piece and in this order: where there are many routes a request finds its own in no cache, and what all requests look at stands
/// in as few lines of it as can be.
#[derive(Debug)]
#[repr(C)]
pub struct Route {
    /// What it shares with the other routes of its stage.
    pub stage: Arc<StageSettings>,
    /// Longest wait for the response head, in milliseconds.
    pub timeout_ms: u32,
    /// The method's own verb: may be [`Verb::Any`].
    pub verb: Verb,
    /// Which kind of integration was configured.
    pub integration_type: IntegrationType,
    /// Whether the answer is to be handed on as it comes (section k).
    pub transfer: ResponseTransferMode,
    /// What to do.
    pub plan: Plan,
    /// What it is a route of, for logs, mappings and people.
    pub resource: RouteResource,
}

/// The resource that a request met.
#[derive(Debug)]
pub struct RouteResource {
    /// Its id.
    pub id: ResourceId,
    /// With placeholders, for example `/images/{id}`.
    pub path: Box<str>,
}

/// What a route does.
#[derive(Debug)]
pub enum Plan {
    /// Calls an HTTP upstream, through mappings or as it is.
    Http(HttpPlan),
    /// Calls a function.
    Function(Box<FunctionPlan>),
    /// Answers by itself.
    Mock(Box<MockPlan>),
    /// Answers 500: the configuration is valid, but calls cannot work (section e.2).
    Fail(Problem),
}

/// Why every call of a route fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The endpoint's address cannot be formed.
    #[error("invalid endpoint address: {0}")]
    Address(#[from] UriProblem),
    /// A mapping sets a header that no request may set (section c.3).
    #[error("the header {0} cannot be set by a mapping")]
    IllegalHeader(String),
    /// Functions are called with POST, and the integration names another method (section b.1).
    #[error("a function is called with the integration method POST")]
    FunctionMethod,
    /// No call can be addressed with what the URI says about the function.
    #[error("the integration's URI names no function: its ARN or region has something that no address can hold")]
    FunctionName,
    /// The form of the URI asks for a stream and the integration does not, or the other way round (section k).
    #[error("the transfer mode and the form of the function's URI do not go together")]
    TransferMode,
    /// A kind of integration that this version keeps but does not serve.
    #[error("{0} is not served by this version")]
    NotServed(&'static str),
    /// Its mappings, templates or patterns cannot be read. Registration refuses that, but snapshots are kept that were
    /// made before it did; the rest of their stage is served.
    #[error("the integration cannot be read: {0}")]
    Unreadable(String),
    /// The method asks for a protection that this version cannot give.
    #[error("{0} authorization is not served by this version, so the method is closed")]
    NotProtected(&'static str),
}

/// What all routes of one resource share.
pub(super) struct RouteContext<'a> {
    pub(super) stage: &'a Arc<StageSettings>,
    pub(super) facts: StageFacts<'a>,
}

impl Route {
    /// Compiles one method.
    ///
    /// # Errors
    /// Mappings of an `HTTP_PROXY` that are wrong.
    pub(super) fn compile(
        method: &Method,
        integration: &Integration,
        context: &RouteContext<'_>,
        patterns: &mut PatternCache,
    ) -> Result<Self, Violations> {
        let plan = match integration.kind {
            // Fails closed: a method that must not be open to everybody is closed to everybody.
            _ if method.authorization_type != AuthorizationType::None => {
                Plan::Fail(Problem::NotProtected(method.authorization_type.as_str()))
            }
            _ if method.api_key_required => Plan::Fail(Problem::NotProtected("API key")),
            IntegrationType::HttpProxy => {
                let target = HttpTarget::named(integration);
                HttpPlan::compile(integration, HttpStyle::Proxy, target, &context.facts, patterns)?
            }
            IntegrationType::Http => {
                let target = HttpTarget::named(integration);
                let plan = HttpPlan::compile(integration, HttpStyle::Custom, target, &context.facts, patterns);
                plan.unwrap_or_else(unreadable)
            }
            IntegrationType::Mock => {
                let plan = MockPlan::compile(integration, &context.facts, patterns);
                plan.map_or_else(unreadable, |plan| Plan::Mock(Box::new(plan)))
            }
            IntegrationType::Aws | IntegrationType::AwsProxy => {
                service(integration, method.http_method, &context.facts, patterns).unwrap_or_else(unreadable)
            }
        };
        Ok(Self {
            stage: Arc::clone(context.stage),
            timeout_ms: integration.timeout_in_millis,
            verb: method.http_method,
            integration_type: integration.kind,
            transfer: integration.response_transfer_mode,
            plan,
            resource: RouteResource {
                id: method.resource_id.clone(),
                path: context.facts.resource.map(|resource| resource.path).unwrap_or_default().into(),
            },
        })
    }

    /// Longest wait for the response head.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// Whether requests become a function's events.
    pub(super) fn makes_event(&self) -> bool {
        matches!(&self.plan, Plan::Function(plan) if matches!(plan.style, FunctionStyle::Proxy(_)))
    }

    /// Why calls of this route fail, when they must.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.plan {
            Plan::Fail(problem) => Some(problem),
            Plan::Http(_) | Plan::Function(_) | Plan::Mock(_) => None,
        }
    }
}

/// What is named by an ARN: a function, or another service.
fn service(
    integration: &Integration,
    verb: Verb,
    facts: &StageFacts<'_>,
    patterns: &mut PatternCache,
) -> Result<Plan, Violations> {
    let uri = match fill_stage_variables(&integration.uri, facts.variables) {
        Ok(uri) => uri,
        Err(problem) => return Ok(Plan::Fail(problem.into())),
    };
    let Ok(uri) = ServiceUri::parse(&uri) else { return Ok(Plan::Fail(UriProblem::InvalidAddress.into())) };
    match integration.kind {
        IntegrationType::Aws if uri.invocation().is_none() => service_plan::compile(integration, &uri, facts, patterns),
        _ => FunctionPlan::compile(integration, &uri, verb, facts, patterns),
    }
}

fn unreadable(found: Violations) -> Plan {
    Plan::Fail(Problem::Unreadable(found.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn what_every_request_of_a_proxy_integration_looks_at_is_three_lines_of_the_cache() {
        let counts_of_arc = 2 * size_of::<usize>();
        let looked_at = counts_of_arc + offset_of!(Route, plan) + HttpPlan::LOOKED_AT;
        // Wherever it begins, which is at a multiple of 16.
        assert!(48 + looked_at <= 3 * 64, "{looked_at}");
        assert_eq!(size_of::<Plan>(), size_of::<HttpPlan>(), "the plan of an upstream begins where the plan does");
    }
}
