//! Explanation: one direction only, from model to wire.

use crate::management::v1 as wire;
use penstock_model::explain::{
    BodyFacts, Entrance, Explanation, Header, Mapped, RefusalFacts, RequestFacts, ResponseFacts, RouteFacts,
    SelectedFacts, StageFacts, UpstreamFacts,
};
use penstock_model::table::{Candidate, Verdict};

impl From<Explanation> for wire::Explanation {
    /// Leaves the names empty that only the control plane knows: the API's, and what was asked.
    fn from(told: Explanation) -> Self {
        Self {
            version: told.version.0,
            http_method: told.method,
            entrance: told.door.map(Into::into),
            stage: told.stage.map(Into::into),
            candidates: all(told.candidates),
            candidates_left_out: i32::try_from(told.candidates_left_out).unwrap_or(i32::MAX),
            route: told.route.map(Into::into),
            request: told.request.map(Into::into),
            upstream: told.upstream.map(Into::into),
            response: told.response.map(Into::into),
            refusal: told.refusal.map(Into::into),
            notes: told.notes,
            host: String::new(),
            target: String::new(),
        }
    }
}

fn all<M, W: From<M>>(items: Vec<M>) -> Vec<W> {
    items.into_iter().map(Into::into).collect()
}

impl From<Entrance> for wire::Entrance {
    fn from(door: Entrance) -> Self {
        Self { name: door.name, behind: door.behind }
    }
}

impl From<StageFacts> for wire::ExplainedStage {
    fn from(stage: StageFacts) -> Self {
        Self {
            rest_api_id: stage.rest_api_id,
            rest_api_name: String::new(),
            stage_name: stage.stage_name,
            deployment_id: stage.deployment_id,
            base_path: stage.base_path,
            route_path: stage.route_path,
            canary_percent: stage.canary_percent.unwrap_or_default(),
            canary: stage.canary,
            fidelity: stage.fidelity.to_owned(),
        }
    }
}

impl From<Candidate> for wire::Candidate {
    fn from(candidate: Candidate) -> Self {
        let chosen = matches!(candidate.verdict, Verdict::Chosen(_));
        Self { path: candidate.path, chosen, reason: candidate.verdict.to_string() }
    }
}

impl From<RouteFacts> for wire::ExplainedRoute {
    fn from(route: RouteFacts) -> Self {
        let parameters = route.path_parameters.into_iter().map(|(name, value)| wire::PathParameter { name, value });
        Self {
            resource_id: route.resource_id,
            resource_path: route.resource_path,
            http_method: route.verb.as_str().to_owned(),
            integration_type: route.integration_type.to_owned(),
            path_parameters: parameters.collect(),
            problem: route.problem,
        }
    }
}

impl From<BodyFacts> for wire::BodyDecision {
    fn from(body: BodyFacts) -> Self {
        Self { cell: body.cell, conversion: body.conversion, template: body.template, passage: body.passage }
    }
}

impl From<RequestFacts> for wire::RequestDecision {
    fn from(request: RequestFacts) -> Self {
        Self {
            content_type: request.content_type,
            content_type_missing: request.content_type_is_missing,
            binary_media_type: request.binary_media_type,
            body: Some(request.body.into()),
        }
    }
}

impl From<Header> for wire::HeaderLine {
    fn from(header: Header) -> Self {
        Self { name: header.name, value: header.value }
    }
}

impl From<Mapped> for wire::MappedValue {
    fn from(mapped: Mapped) -> Self {
        Self { target: mapped.target, source: mapped.source, values: mapped.values, from_body: mapped.from_body }
    }
}

impl From<UpstreamFacts> for wire::UpstreamRequest {
    fn from(upstream: UpstreamFacts) -> Self {
        Self {
            http_method: upstream.method,
            address: upstream.address,
            target: upstream.target,
            headers: all(upstream.headers),
            mapped: all(upstream.mapped),
            body: upstream.body,
        }
    }
}

impl From<ResponseFacts> for wire::ResponseDecision {
    fn from(response: ResponseFacts) -> Self {
        Self {
            integration_status: response.integration_status,
            selected: response.selected.map(Into::into),
            content_type: response.content_type,
            binary_media_type: response.binary_media_type,
            accepted_media_type: response.accepted_media_type,
            body: Some(response.body.into()),
            status: response.status.into(),
            headers: all(response.headers),
            compression: response.compression,
        }
    }
}

impl From<SelectedFacts> for wire::SelectedResponse {
    fn from(selected: SelectedFacts) -> Self {
        Self { status: selected.status.into(), pattern: selected.pattern }
    }
}

impl From<RefusalFacts> for wire::ExplainedRefusal {
    fn from(refusal: RefusalFacts) -> Self {
        Self {
            reason: refusal.reason,
            response_type: refusal.response_type,
            status: refusal.status.into(),
            headers: all(refusal.headers),
            body: refusal.body,
        }
    }
}
