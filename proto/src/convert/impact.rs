//! What a change means for requests: the model's answer as messages.

use crate::management::v1 as wire;
use penstock_model::impact::{ChangeKind, Count, LineChange, Outcome, RouteName, Unreached};

impl From<ChangeKind> for wire::ImpactKind {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Refused => wire::ImpactKind::ImpactRefused,
            ChangeKind::Rerouted => wire::ImpactKind::ImpactRerouted,
            ChangeKind::Retargeted => wire::ImpactKind::ImpactRetargeted,
            ChangeKind::RefusedOtherwise => wire::ImpactKind::ImpactRefusedOtherwise,
            ChangeKind::Served => wire::ImpactKind::ImpactServed,
        }
    }
}

impl From<Count> for wire::RequestCount {
    fn from(count: Count) -> Self {
        Self { lines: count.lines, requests: count.requests }
    }
}

impl From<RouteName> for wire::RouteName {
    fn from(route: RouteName) -> Self {
        Self {
            rest_api_id: route.rest_api_id.to_string(),
            stage_name: route.stage_name.to_string(),
            http_method: route.verb.as_str().to_owned(),
            path: route.path,
        }
    }
}

impl From<Unreached> for wire::UnreachedRoute {
    fn from(unreached: Unreached) -> Self {
        Self { route: Some(unreached.route.into()), reason: unreached.why.to_string() }
    }
}

impl From<LineChange> for wire::RequestChange {
    fn from(change: LineChange) -> Self {
        Self {
            kind: wire::ImpactKind::from(change.kind).into(),
            http_method: change.line.method.to_string(),
            host: change.line.host,
            path: change.line.path,
            requests: change.requests,
            before: Some(change.before.into()),
            after: Some(change.after.into()),
        }
    }
}

impl From<Outcome> for wire::RequestOutcome {
    fn from(outcome: Outcome) -> Self {
        let (route, integration) = outcome.met.map(|met| (met.route.into(), met.integration)).unzip();
        let refusal = outcome
            .refusal
            .map(|refusal| (i32::from(refusal.status), refusal.response_type.to_owned(), refusal.reason));
        let (refusal_status, refusal_type, refusal_reason) = refusal.unwrap_or_default();
        Self { route, integration: integration.unwrap_or_default(), refusal_status, refusal_type, refusal_reason }
    }
}
