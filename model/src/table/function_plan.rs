//! [`FunctionPlan`]: a compiled `AWS_PROXY` or `AWS` integration that calls a function (sections b and k).

use super::request_plan::{Mappings, RequestPlan};
use super::response_plan::Responses;
use super::route::{Plan, Problem};
use crate::aws_uri::ServiceUri;
use crate::content::selection::PatternCache;
use crate::endpoint::Endpoint;
use crate::function::{FunctionEventPlan, FunctionUri, PayloadFormat};
use crate::headers::mapped_to_aws;
use crate::integration::{Integration, IntegrationType, LambdaEndpoint, ResponseTransferMode, TlsConfig};
use crate::mapping::{CompiledSource, StageFacts};
use crate::method::Verb;
use crate::uri_template::{Scheme, UriProblem, fill_stage_variables};
use crate::violation::Violations;
use http::HeaderName;
use http::uri::{Authority, PathAndQuery};

/// What a function gets and what its result is.
#[derive(Debug)]
pub enum FunctionStyle {
    /// `AWS_PROXY`: an event made of the request, an answer made of the result.
    Proxy(FunctionEventPlan),
    /// `AWS`: what the mappings say, in both directions.
    Custom,
}

/// A compiled integration that calls a function.
#[derive(Debug)]
pub struct FunctionPlan {
    /// Which of the two.
    pub style: FunctionStyle,
    /// Whether the answer comes as a stream (section k).
    pub streams: bool,
    /// Where the function is, by its own name or by that of the integration's URI; what a signature is valid for.
    pub region: String,
    /// Host of the service in that region.
    pub authority: Authority,
    /// Path of the call there.
    pub path: PathAndQuery,
    /// The same with the function's name in place of its ARN, as emulators take it.
    pub path_by_name: PathAndQuery,
    /// Where the configuration wants the function to be called instead.
    pub endpoint: Option<FunctionEndpoint>,
    /// How the endpoint's certificate is checked.
    pub tls: TlsConfig,
    /// Headers that are set, in order of their names; none of a proxy.
    pub headers: Vec<(HeaderName, CompiledSource)>,
    /// What happens to the request body.
    pub request: RequestPlan,
    /// How results are turned into answers; unused by proxies.
    pub responses: Responses,
}

/// A place of the configuration's own where a function is called: an emulator, for example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionEndpoint {
    /// Clear text or TLS.
    pub scheme: Scheme,
    /// Host and optional port.
    pub authority: Authority,
    /// Path of the call there.
    pub path: PathAndQuery,
    /// Whether calls carry no signature.
    pub unsigned: bool,
}

impl FunctionPlan {
    pub(super) fn compile(
        integration: &Integration,
        uri: &ServiceUri<'_>,
        verb: Verb,
        facts: &StageFacts<'_>,
        patterns: &mut PatternCache,
    ) -> Result<Plan, Violations> {
        let Some(function) = FunctionUri::of(uri) else {
            return Ok(Plan::Fail(match uri.invocation() {
                Some(_) => Problem::FunctionName,
                None => Problem::NotServed("AWS_PROXY to a service other than Lambda"),
            }));
        };
        let proxy = integration.kind == IntegrationType::AwsProxy;
        let streams = integration.response_transfer_mode == ResponseTransferMode::Stream;
        if function.streamed != streams || function.streamed && !proxy {
            return Ok(Plan::Fail(Problem::TransferMode));
        }
        if integration.http_method != Some(Verb::Post) {
            return Ok(Plan::Fail(Problem::FunctionMethod));
        }
        let mut violations = Violations::new();
        let mappings = violations.take(Mappings::compile(&integration.request_parameters, facts, mapped_to_aws));
        let request = if proxy {
            Some(RequestPlan::as_it_is())
        } else {
            violations.take(RequestPlan::compile(integration, false))
        };
        let responses = if proxy {
            Some(Responses::default())
        } else {
            violations.take(Responses::compile(&integration.integration_responses, facts, patterns))
        };
        let (Some(mappings), Some(mut request), Some(responses)) = (mappings, request, responses) else {
            return Err(violations);
        };
        if let Some(name) = mappings.illegal_header {
            return Ok(Plan::Fail(Problem::IllegalHeader(name)));
        }
        let places = Places::of(&function, uri.partition, integration.lambda_endpoint.as_ref(), facts);
        let Places { authority, path, path_by_name, endpoint } = match places {
            Ok(places) => places,
            Err(problem) => return Ok(Plan::Fail(problem)),
        };
        let style = match proxy {
            true => {
                let format = PayloadFormat::parse(&integration.payload_format_version).unwrap_or_default();
                FunctionStyle::Proxy(FunctionEventPlan::compile(format, verb, facts))
            }
            false => FunctionStyle::Custom,
        };
        request.reads_body = !proxy && mappings.reads_body;
        Ok(Plan::Function(Box::new(Self {
            style,
            streams: function.streamed,
            region: function.region.to_owned(),
            authority,
            path,
            path_by_name,
            endpoint,
            tls: integration.tls_config.clone(),
            headers: if proxy { Vec::new() } else { mappings.headers },
            request,
            responses,
        })))
    }
}

/// Where a function can be called.
struct Places {
    authority: Authority,
    path: PathAndQuery,
    path_by_name: PathAndQuery,
    endpoint: Option<FunctionEndpoint>,
}

impl Places {
    fn of(
        function: &FunctionUri<'_>,
        partition: &str,
        endpoint: Option<&LambdaEndpoint>,
        facts: &StageFacts<'_>,
    ) -> Result<Self, Problem> {
        let unnamed = |_| Problem::FunctionName;
        let authority = service_authority("lambda", Some(function.region), partition).map_err(unnamed)?;
        let path = call_path(function.function_arn, function.streamed, "").map_err(unnamed)?;
        let qualifier = function.qualifier.map(|qualifier| format!("?Qualifier={qualifier}")).unwrap_or_default();
        let path_by_name = call_path(function.name, function.streamed, &qualifier).map_err(unnamed)?;
        let endpoint = endpoint.map(|endpoint| {
            let url = fill_stage_variables(&endpoint.url, facts.variables)?;
            let name = fill_stage_variables(&endpoint.function_name, facts.variables)?;
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:.$".contains(&byte)) {
                return Err(Problem::Address(UriProblem::InvalidAddress));
            }
            let Endpoint { scheme, authority, prefix } =
                Endpoint::parse(&url).map_err(|_| UriProblem::InvalidAddress)?;
            let path = if name.is_empty() { path.clone() } else { call_path(&name, function.streamed, "")? };
            let path = format!("{prefix}{path}").parse().map_err(|_| UriProblem::InvalidAddress)?;
            Ok(FunctionEndpoint { scheme, authority, path, unsigned: endpoint.unsigned })
        });
        Ok(Self { authority, path, path_by_name, endpoint: endpoint.transpose()? })
    }
}

/// Host of a service: `name` with the region behind it, if it has one. What an ARN says must be names and nothing that
/// ends a host.
pub(super) fn service_authority(name: &str, region: Option<&str>, partition: &str) -> Result<Authority, UriProblem> {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !name.split('.').chain(region).all(is_label) {
        return Err(UriProblem::InvalidAddress);
    }
    let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let host = match region {
        Some(region) => format!("{name}.{region}.{suffix}"),
        None => format!("{name}.{suffix}"),
    };
    host.parse().map_err(|_| UriProblem::InvalidAddress)
}

/// Path of a call (section b.1), or of one whose answer is streamed (section k).
fn call_path(function: &str, streamed: bool, query: &str) -> Result<PathAndQuery, UriProblem> {
    let path = match streamed {
        true => format!("/2021-11-15/functions/{function}/response-streaming-invocations{query}"),
        false => format!("/2015-03-31/functions/{function}/invocations{query}"),
    };
    path.parse().map_err(|_| UriProblem::InvalidAddress)
}
