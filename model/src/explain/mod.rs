//! What a request would meet, told without sending it.
//!
//! [`explain`] goes a request's way through the same pure functions that the proxy calls for real ones: it decides
//! nothing by itself, so it cannot say anything else than what happens. What depends on bytes that are not there is said
//! to depend on them. Ids, times and the client's address are placeholders that nobody can take for real.

mod facts;
mod function;
mod request;
mod response;
mod words;

pub use facts::{
    BodyFacts, Entrance, Explanation, Header, Mapped, RefusalFacts, RequestFacts, ResponseFacts, RouteFacts,
    SelectedFacts, StageFacts, UpstreamFacts,
};

use crate::exchange::{BodyLength, Inbound, effective_method};
use crate::gateway_response::{GatewayError, is_signature};
use crate::header_list::HeaderList;
use crate::mapping::CompiledSource;
use crate::resource::{PathPart, segments};
use crate::rest_api::Fidelity;
use crate::table::{Door, LocateError, Located, Plan, Route, RoutingTable, StageSettings, StageTable};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Stands for the ids of a request.
pub const REQUEST_ID: &str = "00000000-0000-0000-0000-000000000000";
/// Stands for the extended id of a request.
pub const EXTENDED_REQUEST_ID: &str = "AAAAAAAAAAAAAAA=";
/// Stands for the client: an address for documentation (RFC 5737).
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Just below 100: the draw of a request that meets a canary only when every request does.
const LAST_DRAW: f64 = 99.999_999_999;

/// A request that nobody sends, and the answer that an upstream would give to it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// As the client would send it.
    pub method: &'a Method,
    /// Path and query.
    pub uri: &'a Uri,
    /// Host and optional port.
    pub host: &'a str,
    /// As the client would send them, `Host` and framing included.
    pub headers: &'a HeaderList,
    /// Of its body.
    pub body: BodyLength,
    /// Whether to follow the canary's side where a part of the requests goes there.
    pub canary: bool,
    /// Of the proxy.
    pub listener_port: u16,
    /// base64 of the SHA-256 of `Authorization`; stands in one answer. Empty without that header.
    pub authorization_hash: &'a str,
    /// The upstream's status.
    pub answer_status: StatusCode,
    /// The upstream's headers.
    pub answer_headers: &'a HeaderList,
}

/// A request that goes no further.
struct Refused {
    reason: String,
    error: GatewayError,
}

impl Refused {
    fn new(reason: impl ToString, error: impl Into<GatewayError>) -> Self {
        Self { reason: reason.to_string(), error: error.into() }
    }
}

/// Tells what the request would meet.
pub fn explain(table: &RoutingTable, ask: &Ask<'_>) -> Explanation {
    let method = effective_method(ask.method, ask.headers);
    let mut told = Explanation { version: table.version(), method: method.to_string(), ..Explanation::default() };
    let doors = table.doors(ask.host);
    told.door = doors.map(|(door, behind)| Entrance { name: name(door).to_owned(), behind });
    let (stage, located) = match table.locate(ask.host, ask.uri.path()) {
        Ok(located) => (located.stage.choose(|| if ask.canary { 0.0 } else { LAST_DRAW }), located),
        Err(error) => {
            let reason = match error {
                LocateError::UnknownHost => "no API has this host",
                LocateError::UnknownStage => "the host is known, but nothing is behind this base path or stage",
            };
            told.refusal = Some(refusal(None, &ask.inbound(&method, "", ask.uri.path()), &Refused::new(reason, error)));
            return told;
        }
    };
    told.stage = Some(stage_facts(&located, stage));
    let inbound = ask.inbound(&method, located.base_path, located.route_path);
    let trace = stage.trace(&method, located.route_path);
    (told.candidates, told.candidates_left_out) = (trace.candidates, trace.candidates_left_out);
    let Some(route) = trace.route else {
        let refused = Refused::new("no resource with this path has this method", ask.no_route());
        told.refusal = Some(refusal(Some(stage.settings()), &inbound, &refused));
        return told;
    };
    let inbound = Inbound { resource: Some(&route.resource), ..inbound };
    told.route = Some(route_facts(route, &inbound));
    let ended = match &route.plan {
        Plan::Fail(problem) => Err(Refused::new(problem, GatewayError::configuration())),
        Plan::Http(plan) => request::http(ask, route, plan, &inbound, &mut told)
            .and_then(|trace_id| response::http(ask, route, plan, &inbound, &trace_id, &mut told)),
        Plan::Function(plan) => function::function(ask, route, plan, &inbound, &mut told),
        Plan::Mock(plan) => request::mock(ask, route, plan, &mut told)
            .and_then(|status| response::mock(ask, route, plan, &inbound, status, &mut told)),
    };
    told.refusal = ended.err().map(|refused| refusal(Some(&route.stage), &inbound, &refused));
    told
}

impl<'a> Ask<'a> {
    fn inbound(&self, method: &'a Method, base_path: &'a str, route_path: &'a str) -> Inbound<'a> {
        Inbound {
            uri: self.uri,
            version: Version::HTTP_11,
            headers: self.headers,
            method,
            host: self.host,
            base_path,
            route_path,
            resource: None,
            request_id: REQUEST_ID,
            extended_request_id: EXTENDED_REQUEST_ID,
            client: SocketAddr::new(CLIENT, 0),
            time_ms: 0,
            body: None,
        }
    }

    fn no_route(&self) -> GatewayError {
        let unsigned = self.headers.get(AUTHORIZATION).is_some_and(|value| !is_signature(value.as_bytes()));
        GatewayError::no_route(unsigned.then_some(self.authorization_hash))
    }
}

fn name(door: Door<'_>) -> &str {
    match door {
        Door::Domain(name) => name,
        Door::ExecuteApi => "execute-api",
        Door::CatchAll => "*",
    }
}

fn stage_facts(located: &Located<'_, '_>, side: &StageTable) -> StageFacts {
    let settings = side.settings();
    StageFacts {
        rest_api_id: settings.key.rest_api_id.to_string(),
        stage_name: settings.key.stage_name.to_string(),
        deployment_id: settings.deployment_id.clone(),
        base_path: located.base_path.to_owned(),
        route_path: located.route_path.to_owned(),
        canary_percent: located.stage.canary_percent().map(|percent| percent.to_string()),
        canary: settings.is_canary(),
        fidelity: match settings.fidelity {
            Fidelity::Transparent => "TRANSPARENT",
            Fidelity::Aws => "AWS",
        },
    }
}

fn route_facts(route: &Route, inbound: &Inbound<'_>) -> RouteFacts {
    let parameters = segments(&route.resource.path).filter_map(|part| match PathPart::parse(part) {
        Ok(PathPart::Param(name) | PathPart::Greedy(name)) => Some(name.to_owned()),
        Ok(PathPart::Literal(_)) | Err(_) => None,
    });
    let with_value = |name: String| {
        let source = CompiledSource::PathParameter(name);
        let value = source.head_values(inbound).first().map(ToString::to_string).unwrap_or_default();
        match source {
            CompiledSource::PathParameter(name) => (name, value),
            _ => (String::new(), value),
        }
    };
    RouteFacts {
        resource_id: route.resource.id.to_string(),
        resource_path: route.resource.path.to_string(),
        verb: route.verb,
        integration_type: route.integration_type.as_str(),
        path_parameters: parameters.map(with_value).collect(),
        problem: route.problem().map(ToString::to_string).unwrap_or_default(),
    }
}

/// What the client is told, as the stage wants it that the request met.
fn refusal(stage: Option<&StageSettings>, inbound: &Inbound<'_>, refused: &Refused) -> RefusalFacts {
    let answer = match stage {
        Some(stage) => stage.gateway_responses.answer(&refused.error, inbound),
        None => refused.error.default_response(),
    };
    let mut headers = HeaderList::new();
    headers.insert(CONTENT_TYPE, answer.content_type);
    if let Some(kind) = answer.error_type {
        headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(kind));
    }
    for (name, value) in answer.headers {
        headers.append(name, value);
    }
    RefusalFacts {
        reason: refused.reason.clone(),
        response_type: refused.error.kind.name().unwrap_or_default().to_owned(),
        status: answer.status,
        headers: words::headers(&headers),
        body: answer.body.into_owned(),
    }
}

#[cfg(test)]
mod tests;
