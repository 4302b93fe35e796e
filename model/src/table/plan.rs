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
    /// What happens to the request body.
    pub request: RequestPlan,
    /// What requests are signed for; `None` for those that carry no signature of ours.
    pub service: Option<Box<ServiceScope>>,
    /// The method towards the upstream; `None` forwards the client's.
    pub method: Option<http::Method>,
    /// Query parameters that are added, in order of their names.
    pub query: Box<[(String, CompiledSource)]>,
    /// Headers that are set, in order of their names.
    pub headers: Box<[(HeaderName, CompiledSource)]>,
    /// The upstream's `Host`, ready as a header.
    pub host: HeaderValue,
    /// What connections to the upstream are found by. The routes of a stage that lead to the same one share it.
    pub target: Arc<TargetKey>,
    /// The upstream's address.
    pub uri: UriTemplate,
    /// How answers are turned into the client's; unused by [`HttpStyle::Proxy`].
    pub responses: Responses,
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
        Ok(Plan::Http(Self {
            style,
            target: Arc::new(TargetKey {
                scheme: uri.scheme,
                authority: uri.authority.clone(),
                tls: integration.tls_config.clone(),
                http2: false,
            }),
            uri,
            method: integration.http_method.and_then(Verb::to_method),
            query: mappings.query.into(),
            headers: mappings.headers.into(),
            host,
            request,
            responses,
            service: target.service.map(Box::new),
        }))
    }
}

impl HttpPlan {
    /// Shares with the others of its stage what it has in common with them, so that what most requests look at is the same memory.
    pub(super) fn share(&mut self, upstreams: &mut HashSet<SharedUpstream>) {
        let own = SharedUpstream { target: Arc::clone(&self.target), host: self.host.clone() };
        if let Some(shared) = upstreams.get(&own) {
            self.target = Arc::clone(&shared.target);
            self.host = shared.host.clone();
            self.uri.authority = shared.target.authority.clone();
        } else {
            upstreams.insert(own);
        }
    }
}

/// What routes to the same upstream have in common.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct SharedUpstream {
    target: Arc<TargetKey>,
    /// As it was spelled: hosts are equal in either case.
    host: HeaderValue,
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
        let statuses = request.templates.iter().map(|template| mock::status_code(template.text())).collect();
        Ok(Self { request, statuses, responses })
    }
}
