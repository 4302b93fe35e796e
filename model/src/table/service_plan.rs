//! [`ServiceScope`]: an `AWS` integration that calls a service other than a function is an HTTP upstream behind mappings,
//! at an address that its ARN says, with a signature (section e.1).

use super::function_plan::service_authority;
use super::plan::{HttpPlan, HttpStyle, HttpTarget};
use super::route::Plan;
use crate::aws_uri::{ServiceTarget, ServiceUri};
use crate::content::selection::PatternCache;
use crate::integration::Integration;
use crate::mapping::{CompiledSource, StageFacts};
use crate::uri_template::UriProblem;
use crate::violation::Violations;
use http::HeaderName;
use http::header::CONTENT_TYPE;

const X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// What a request to a service is signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceScope {
    /// Its name in ARNs and signatures, for example `s3`.
    pub service: String,
    /// Its region.
    pub region: String,
    /// Whether it takes bodies that the signature does not cover, so that they stream.
    pub streams_bodies: bool,
}

/// Services that are told the action in a header, with the first half of what that says. For them alone the hosted gateway
/// writes it; others of their kind want it mapped.
const BY_HEADER: [(&str, &str, &str); 4] = [
    ("dynamodb", "DynamoDB_20120810", "application/x-amz-json-1.0"),
    ("firehose", "Firehose_20150804", "application/x-amz-json-1.1"),
    ("kinesis", "Kinesis_20131202", "application/x-amz-json-1.1"),
    ("states", "AWSStepFunctions", "application/x-amz-json-1.0"),
];

/// Services with one address for all regions, and where they sign.
const GLOBAL: [&str; 3] = ["cloudfront", "iam", "route53"];
const REGION_OF_GLOBAL: &str = "us-east-1";

pub(super) fn compile(
    integration: &Integration,
    uri: &ServiceUri<'_>,
    facts: &StageFacts<'_>,
    patterns: &mut PatternCache,
) -> Result<Plan, Violations> {
    let (host, region) = match host(uri) {
        Ok(found) => found,
        Err(problem) => return Ok(Plan::Fail(problem.into())),
    };
    let by_header = BY_HEADER.iter().find(|(service, ..)| *service == uri.service);
    let mut headers = Vec::new();
    let rest = match (&uri.target, by_header) {
        (ServiceTarget::Path(path), _) => format!("/{}", path.trim_start_matches('/')),
        (ServiceTarget::Action(action), Some((_, target, content_type))) => {
            headers.push((CONTENT_TYPE, CompiledSource::Fixed((*content_type).to_owned())));
            headers.push((X_AMZ_TARGET, CompiledSource::Fixed(format!("{target}.{action}"))));
            "/".to_owned()
        }
        (ServiceTarget::Action(action), None) => format!("/?Action={action}"),
    };
    let target = HttpTarget {
        uri: format!("https://{host}{rest}"),
        headers,
        service: Some(ServiceScope { service: uri.service.to_owned(), region, streams_bodies: uri.service == "s3" }),
    };
    HttpPlan::compile(integration, HttpStyle::Custom, target, facts, patterns)
}

/// Host and region of a service.
fn host(uri: &ServiceUri<'_>) -> Result<(String, String), UriProblem> {
    let name = match uri.subdomain {
        Some(subdomain) => format!("{subdomain}.{}", uri.service),
        None => uri.service.to_owned(),
    };
    let (region, signed_for) = match GLOBAL.contains(&uri.service) {
        true => (None, REGION_OF_GLOBAL),
        false => (Some(uri.region), uri.region),
    };
    Ok((service_authority(&name, region, uri.partition)?.to_string(), signed_for.to_owned()))
}
