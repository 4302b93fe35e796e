//! [`Route`]: a (resource, method, integration), with everything prepared that does not depend on the request.

use crate::bundle::BundleKey;
use crate::headers::{MappedHeaderRule, mapped_to_http};
use crate::id::ResourceId;
use crate::integration::{Integration, IntegrationType, TlsConfig};
use crate::mapping::{CompiledSource, Source, StageFacts, Target};
use crate::method::{AuthorizationType, Method, Verb};
use crate::rest_api::Fidelity;
use crate::uri_template::{UriProblem, UriTemplate};
use crate::violation::Violations;
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a request that matched is going to meet. A request holds its route, not the table.
#[derive(Debug)]
pub struct Route {
    /// The bundle that it came from.
    pub key: Arc<BundleKey>,
    /// The deployment that it came from.
    pub deployment_id: Arc<str>,
    /// The resource.
    pub resource_id: ResourceId,
    /// With placeholders, for example `/images/{id}`; used in logs and metrics.
    pub resource_path: String,
    /// The method's own verb: may be [`Verb::Any`].
    pub verb: Verb,
    /// Of the API.
    pub fidelity: Fidelity,
    /// The API's id, ready as a header.
    pub api_id: HeaderValue,
    /// Longest wait for the response head.
    pub timeout: Duration,
    /// Which kind of integration was configured.
    pub integration_type: IntegrationType,
    /// What to do.
    pub plan: Plan,
}

/// What a route does.
#[derive(Debug)]
pub enum Plan {
    /// Streams to and from an HTTP upstream.
    HttpProxy(Box<HttpProxy>),
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
    /// A kind of integration that this version keeps but does not serve.
    #[error("{0} integrations are not served by this version")]
    NotServed(&'static str),
    /// The method asks for a protection that this version cannot give.
    #[error("{0} authorization is not served by this version, so the method is closed")]
    NotProtected(&'static str),
}

/// A compiled `HTTP_PROXY` integration.
#[derive(Debug)]
pub struct HttpProxy {
    /// The upstream's address.
    pub uri: UriTemplate,
    /// How its certificate is checked.
    pub tls: TlsConfig,
    /// The method towards it; `None` forwards the client's.
    pub method: Option<http::Method>,
    /// Query parameters that are added, in order of their names.
    pub query: Vec<(String, CompiledSource)>,
    /// Headers that are set, in order of their names.
    pub headers: Vec<(HeaderName, CompiledSource)>,
    /// The upstream's `Host`, ready as a header.
    pub host: HeaderValue,
}

/// What all routes of one resource share.
pub(super) struct RouteContext<'a> {
    pub(super) key: &'a Arc<BundleKey>,
    pub(super) deployment_id: &'a Arc<str>,
    pub(super) fidelity: Fidelity,
    pub(super) api_id: &'a HeaderValue,
    pub(super) facts: StageFacts<'a>,
}

impl Route {
    /// Compiles one method.
    ///
    /// # Errors
    /// Mappings that are wrong or need a feature that does not exist yet.
    pub(super) fn compile(
        method: &Method,
        integration: &Integration,
        context: &RouteContext<'_>,
    ) -> Result<Self, Violations> {
        let plan = match integration.kind {
            // Fails closed: a method that must not be open to everybody is closed to everybody.
            _ if method.authorization_type != AuthorizationType::None => {
                Plan::Fail(Problem::NotProtected(method.authorization_type.as_str()))
            }
            _ if method.api_key_required => Plan::Fail(Problem::NotProtected("API key")),
            IntegrationType::HttpProxy => http_proxy(integration, context)?,
            IntegrationType::Http | IntegrationType::Aws | IntegrationType::AwsProxy | IntegrationType::Mock => {
                Plan::Fail(Problem::NotServed(integration.kind.as_str()))
            }
        };
        Ok(Self {
            key: Arc::clone(context.key),
            deployment_id: Arc::clone(context.deployment_id),
            resource_id: method.resource_id.clone(),
            resource_path: context.facts.resource.map_or("", |resource| resource.path).to_owned(),
            verb: method.http_method,
            fidelity: context.fidelity,
            api_id: context.api_id.clone(),
            timeout: Duration::from_millis(integration.timeout_in_millis.into()),
            integration_type: integration.kind,
            plan,
        })
    }

    /// Why calls of this route fail, when they must.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.plan {
            Plan::Fail(problem) => Some(problem),
            Plan::HttpProxy(_) => None,
        }
    }
}

/// The mappings of one integration, by what they set.
#[derive(Default)]
struct Mappings {
    path: BTreeMap<String, CompiledSource>,
    query: Vec<(String, CompiledSource)>,
    headers: Vec<(HeaderName, CompiledSource)>,
    illegal_header: Option<String>,
}

fn http_proxy(integration: &Integration, context: &RouteContext<'_>) -> Result<Plan, Violations> {
    let mappings = mappings(&integration.request_parameters, &context.facts)?;
    if let Some(name) = mappings.illegal_header {
        return Ok(Plan::Fail(Problem::IllegalHeader(name)));
    }
    let uri = match UriTemplate::compile(&integration.uri, context.facts.variables, &mappings.path) {
        Ok(uri) => uri,
        Err(problem) => return Ok(Plan::Fail(problem.into())),
    };
    let Ok(host) = HeaderValue::from_str(uri.authority.as_str()) else {
        return Ok(Plan::Fail(UriProblem::InvalidAddress.into()));
    };
    Ok(Plan::HttpProxy(Box::new(HttpProxy {
        uri,
        tls: integration.tls_config.clone(),
        method: integration.http_method.and_then(Verb::to_method),
        query: mappings.query,
        headers: mappings.headers,
        host,
    })))
}

fn mappings(parameters: &BTreeMap<String, String>, facts: &StageFacts<'_>) -> Result<Mappings, Violations> {
    let mut out = Mappings::default();
    let mut violations = Violations::new();
    for (target, expression) in parameters {
        let field = || format!("requestParameters[{target}]");
        let (target, source) = match (Target::parse(target), Source::parse(expression)) {
            (Ok(target), Ok(source)) => (target, source),
            (target, source) => {
                for error in [target.err(), source.err()].into_iter().flatten() {
                    violations.add(field(), error);
                }
                continue;
            }
        };
        let Some(source) = CompiledSource::compile(&source, facts) else {
            violations.add(field(), "mappings from the body are not yet supported: the body of HTTP_PROXY is streamed");
            continue;
        };
        match target {
            Target::Path(name) => drop(out.path.insert(name, source)),
            Target::Query(name) => out.query.push((name, source)),
            Target::Header(name) => out.header(&name, source),
        }
    }
    violations.into_result(out)
}

impl Mappings {
    fn header(&mut self, name: &str, source: CompiledSource) {
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else { return };
        match mapped_to_http(&parsed) {
            MappedHeaderRule::Set => self.headers.push((parsed, source)),
            MappedHeaderRule::Drop => {}
            MappedHeaderRule::Fail => self.illegal_header = Some(name.to_owned()),
        }
    }
}
