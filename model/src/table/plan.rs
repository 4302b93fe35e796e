//! What the kinds of integrations do, compiled: [`HttpPlan`] and [`MockPlan`].

use super::request_plan::{Mappings, RequestPlan};
use super::response_plan::Responses;
use super::route::{Plan, Problem};
use super::service_plan::ServiceScope;
use super::target::TargetKey;
use crate::content::mock;
use crate::content::selection::PatternCache;
use crate::headers::{mapped_to_aws, mapped_to_http};
use crate::integration::Integration;
use crate::mapping::{CompiledSource, StageFacts};
use crate::method::Verb;
use crate::uri_template::{UriProblem, UriTemplate};
use crate::violation::Violations;
use http::{HeaderName, HeaderValue};
use std::collections::HashSet;
use std::sync::Arc;

/// Whether an HTTP integration stands behind mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpStyle {
    /// `HTTP_PROXY`: heads and bodies pass.
    Proxy,
    /// `HTTP`: the upstream gets what the mappings say, the client what the integration responses say.
    Custom,
}

/// A compiled `HTTP` or `HTTP_PROXY` integration. In this order, like [`Route`](super::Route).
#[derive(Debug)]
#[repr(C)]
pub struct HttpPlan {
    /// Which of the two.
    pub style: HttpStyle,
    /// The method towards the upstream; `None` forwards the client's.
    pub method: Option<Verb>,
    /// What happens to the request body.
    pub request: RequestPlan,
    /// What requests are signed for; `None` for those that carry no signature of ours.
    pub service: Option<Box<ServiceScope>>,
    /// What is mapped into query and headers; `None` where nothing is, as for most.
    parameters: Option<Box<RequestParameters>>,
    /// Shared by the routes of a stage that lead to it.
    pub upstream: Arc<Upstream>,
    /// The upstream's address.
    pub uri: UriTemplate,
    /// How answers are turned into the client's; unused by [`HttpStyle::Proxy`].
    pub responses: Responses,
}

/// What the mappings of a request set, besides parts of its path.
#[derive(Debug)]
struct RequestParameters {
    query: Box<[(String, CompiledSource)]>,
    headers: Box<[(HeaderName, CompiledSource)]>,
}

/// What routes to the same upstream have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// What connections to it are found by.
    pub target: TargetKey,
    /// Its `Host`, ready as a header, as it was spelled: keys are equal in either case.
    pub host: HeaderValue,
}

/// Where an HTTP integration leads, and what belongs to being called there.
pub(super) struct HttpTarget {
    pub(super) uri: String,
    /// Set unless a mapping sets them.
    pub(super) headers: Vec<(HeaderName, CompiledSource)>,
    pub(super) service: Option<ServiceScope>,
}

impl HttpTarget {
    /// The upstream that an integration names.
    pub(super) fn named(integration: &Integration) -> Self {
        Self { uri: integration.uri.clone(), headers: Vec::new(), service: None }
    }
}

impl HttpPlan {
    pub(super) fn compile(
        integration: &Integration,
        style: HttpStyle,
        target: HttpTarget,
        facts: &StageFacts<'_>,
        patterns: &mut PatternCache,
    ) -> Result<Plan, Violations> {
        let mut violations = Violations::new();
        let rule = if target.service.is_some() { mapped_to_aws } else { mapped_to_http };
        let mappings = violations.take(Mappings::compile(&integration.request_parameters, facts, rule));
        let proxy = style == HttpStyle::Proxy;
        let request = violations.take(RequestPlan::compile(integration, proxy));
        let responses = match style {
            HttpStyle::Proxy => Some(Responses::default()),
            HttpStyle::Custom => {
                violations.take(Responses::compile(&integration.integration_responses, facts, patterns))
            }
        };
        let (Some(mut mappings), Some(mut request), Some(responses)) = (mappings, request, responses) else {
            return Err(violations);
        };
        if let Some(name) = mappings.illegal_header {
            return Ok(Plan::Fail(Problem::IllegalHeader(name)));
        }
        let uri = match UriTemplate::compile(&target.uri, facts.variables, &mappings.path) {
            Ok(uri) => uri,
            Err(problem) => return Ok(Plan::Fail(problem.into())),
        };
        let Ok(host) = HeaderValue::from_str(uri.authority.as_str()) else {
            return Ok(Plan::Fail(UriProblem::InvalidAddress.into()));
        };
        request.reads_body = mappings.reads_body;
        for header in target.headers {
            if !mappings.headers.iter().any(|(name, _)| *name == header.0) {
                mappings.headers.push(header);
            }
        }
        let has_parameters = !mappings.query.is_empty() || !mappings.headers.is_empty();
        let parameters = || RequestParameters { query: mappings.query.into(), headers: mappings.headers.into() };
        Ok(Plan::Http(Self {
            style,
            upstream: Arc::new(Upstream {
                target: TargetKey {
                    scheme: uri.scheme,
                    authority: uri.authority.clone(),
                    tls: integration.tls_config.clone(),
                    http2: false,
                },
                host,
            }),
            uri,
            method: integration.http_method.filter(|verb| *verb != Verb::Any),
            parameters: has_parameters.then(|| Box::new(parameters())),
            request,
            responses,
            service: target.service.map(Box::new),
        }))
    }
}

impl HttpPlan {
    /// Bytes of what every request of a proxy integration looks at, from the beginning.
    #[cfg(test)]
    pub(super) const LOOKED_AT: usize = std::mem::offset_of!(Self, uri) + UriTemplate::LOOKED_AT;

    /// Query parameters that are added, in order of their names.
    pub fn query(&self) -> &[(String, CompiledSource)] {
        self.parameters.as_ref().map_or(&[], |parameters| &parameters.query)
    }

    /// Headers that are set, in order of their names.
    pub fn headers(&self) -> &[(HeaderName, CompiledSource)] {
        self.parameters.as_ref().map_or(&[], |parameters| &parameters.headers)
    }

    /// Shares with the others of its stage what it has in common with them, so that what most requests look at is the same memory.
    pub(super) fn share(&mut self, upstreams: &mut HashSet<Arc<Upstream>>) {
        if let Some(shared) = upstreams.get(&self.upstream) {
            self.upstream = Arc::clone(shared);
            self.uri.authority = shared.target.authority.clone();
        } else {
            upstreams.insert(Arc::clone(&self.upstream));
        }
    }
}

/// A compiled `MOCK` integration (section g.5).
#[derive(Debug)]
pub struct MockPlan {
    /// What happens to the request body.
    pub request: RequestPlan,
    /// The status that each request template renders, by the template's index; `None` where it renders none.
    pub statuses: Vec<Option<i32>>,
    /// How that status is turned into the client's answer.
    pub responses: Responses,
}

impl MockPlan {
    pub(super) fn compile(
        integration: &Integration,
        facts: &StageFacts<'_>,
        patterns: &mut PatternCache,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request = violations.take(RequestPlan::compile(integration, false));
        let responses = violations.take(Responses::compile(&integration.integration_responses, facts, patterns));
        let (Some(request), Some(responses)) = (request, responses) else { return Err(violations) };
        let statuses = request.templates().iter().map(|template| mock::status_code(template.text())).collect();
        Ok(Self { request, statuses, responses })
    }
}
