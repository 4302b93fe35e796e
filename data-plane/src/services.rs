//! What is called with a signature: functions and other services, where they are and what is signed with.
//!
//! The gateway asks [`Services`] for an address and a signature; nothing here sends a request.

mod credentials;
mod endpoint;
mod sign;

pub(crate) use credentials::{Credentials, NoCredentials, pair as credentials};
pub(crate) use endpoint::service_endpoint;
pub(crate) use sign::SignError;

use crate::error::{ProxyError, ServiceError};
use crate::request_side::Holding;
use crate::settings::{AwsSigning, LambdaInvokeBy};
use crate::upstream::UpstreamRequest;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method};
use penstock_model::aws_uri::object_path;
use penstock_model::endpoint::Endpoint;
use penstock_model::exchange::HeadProblem;
use penstock_model::header_list::HeaderList;
use penstock_model::integration::TlsConfig;
use penstock_model::table::{FunctionPlan, ServiceScope, TargetKey};
use penstock_model::uri_template::{Scheme, TargetProblem};
use sign::{Payload, Scope, add_signature};
use std::collections::HashMap;
use std::time::SystemTime;

/// The service that functions belong to, as signatures name it.
const LAMBDA: &str = "lambda";

/// Object storage, which computes signatures over paths of its own spelling.
const S3: &str = "s3";

/// Where services are and how they are called, as the process was told. Each worker has its own copy.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    /// By the service's name in ARNs.
    pub(crate) endpoints: HashMap<String, Endpoint>,
    pub(crate) invoke_by: LambdaInvokeBy,
    pub(crate) signing: AwsSigning,
    pub(crate) credentials: Credentials,
    /// How much of events and results may be held in memory.
    pub(crate) holding: Holding,
}

/// Where and how a function is called.
pub(crate) struct Invocation {
    pub(crate) key: TargetKey,
    pub(crate) host: HeaderValue,
    pub(crate) target: PathAndQuery,
    pub(crate) signed: bool,
}

impl Services {
    /// Where and how a function is called: as its integration says, else as the process was told, else at its region's
    /// own address.
    ///
    /// # Errors
    /// That is no address.
    pub(crate) fn invocation(&self, plan: &FunctionPlan) -> Result<Invocation, ProxyError> {
        let signs = self.signing == AwsSigning::Sigv4;
        let path = match self.invoke_by {
            LambdaInvokeBy::Arn => &plan.path,
            LambdaInvokeBy::Name => &plan.path_by_name,
        };
        // Only for a place of its own may an integration say how certificates are checked.
        let usual = TlsConfig::default();
        let (scheme, authority, target, signed, tls) = match (&plan.endpoint, self.endpoints.get(LAMBDA)) {
            (Some(own), _) => (own.scheme, &own.authority, own.path.clone(), signs && !own.unsigned, plan.tls.clone()),
            (None, Some(told)) => {
                let path = match &*told.prefix {
                    "" => path.clone(),
                    prefix => format!("{prefix}{path}").parse().map_err(|_| ProxyError::Unsendable)?,
                };
                (told.scheme, &told.authority, path, signs, usual)
            }
            (None, None) => (Scheme::Https, &plan.authority, path.clone(), signs, usual),
        };
        Ok(Invocation {
            key: TargetKey { scheme, authority: authority.clone(), tls, http2: true },
            host: host_of(authority)?,
            target,
            signed,
        })
    }

    /// Signs an invocation.
    ///
    /// # Errors
    /// There is nothing to sign with.
    pub(crate) async fn sign_invocation(
        &self,
        plan: &FunctionPlan,
        target: &PathAndQuery,
        headers: &mut HeaderList,
        event: &[u8],
    ) -> Result<(), ServiceError> {
        let keys = self.credentials.get().await.map_err(ServiceError::Credentials)?;
        let scope = Scope { service: LAMBDA, region: &plan.region };
        let payload = Payload::Whole(event);
        add_signature(&Method::POST, target, headers, &keys, scope, payload, SystemTime::now())
            .map_err(ServiceError::Sign)
    }

    /// Turns a request to a service to where the process was told that the service is, and tells where that is; else to `usual`.
    ///
    /// # Errors
    /// That is no address.
    pub(crate) fn address(
        &self,
        service: &ServiceScope,
        usual: &TargetKey,
        request: &mut UpstreamRequest,
    ) -> Result<TargetKey, ProxyError> {
        let at = |scheme, authority: &Authority| TargetKey {
            scheme,
            authority: authority.clone(),
            tls: TlsConfig::default(),
            http2: true,
        };
        if service.service == S3 {
            let target = &request.target;
            let path = object_path(target.path());
            // A slash that was escaped is one now, so there may be segments that nobody has seen.
            if path.split('/').any(|segment| matches!(segment, "." | "..")) {
                return Err(HeadProblem::Target(TargetProblem::DotSegment).into());
            }
            let target = target.query().map_or(path.clone(), |query| format!("{path}?{query}"));
            request.target = target.parse().map_err(|_| ProxyError::Unsendable)?;
        }
        let Some(told) = self.endpoints.get(&service.service) else { return Ok(at(usual.scheme, &usual.authority)) };
        request.headers.insert(HOST, host_of(&told.authority)?);
        if !told.prefix.is_empty() {
            let target = format!("{}{}", told.prefix, request.target);
            request.target = target.parse().map_err(|_| ProxyError::Unsendable)?;
        }
        Ok(at(told.scheme, &told.authority))
    }

    /// Signs a request to a service, whose body is in memory or is not covered.
    ///
    /// # Errors
    /// There is nothing to sign with.
    pub(crate) async fn sign_request(
        &self,
        service: &ServiceScope,
        request: &mut UpstreamRequest,
    ) -> Result<(), ServiceError> {
        if self.signing == AwsSigning::None {
            return Ok(());
        }
        let keys = self.credentials.get().await.map_err(ServiceError::Credentials)?;
        let scope = Scope { service: &service.service, region: &service.region };
        let UpstreamRequest { method, target, headers, body } = request;
        let payload = match body.whole_bytes() {
            Some(bytes) => Payload::Whole(bytes),
            None if service.streams_bodies => Payload::Unsigned,
            // Nothing is sent: what has a body was collected.
            None => Payload::Whole(&[]),
        };
        add_signature(method, target, headers, &keys, scope, payload, SystemTime::now()).map_err(ServiceError::Sign)
    }

    /// Notes that a service has called the credentials expired.
    pub(crate) fn credentials_refused(&self) {
        self.credentials.refused();
    }
}

fn host_of(authority: &Authority) -> Result<HeaderValue, ProxyError> {
    HeaderValue::from_str(authority.as_str()).map_err(|_| ProxyError::Unsendable)
}
