//! Deployment, Stage.

use super::{Reader, error, millis, revision, timestamp};
use crate::management::v1 as wire;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::violation::Violations;

/// Deployments do not change, so this is the only revision that one ever has.
const DEPLOYMENT_REVISION: i64 = 1;

impl TryFrom<wire::Deployment> for Deployment {
    type Error = Violations;

    fn try_from(deployment: wire::Deployment) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let route_count =
            u32::try_from(deployment.route_count).map_err(|_| error("routeCount", "must not be negative"));
        let converted = Self {
            id: deployment.id.into(),
            rest_api_id: deployment.rest_api_id.into(),
            description: deployment.description,
            created_at_ms: read.take(millis("createdDate", deployment.created_date)).unwrap_or_default(),
            route_count: read.take(route_count).unwrap_or_default(),
            automatic: deployment.automatic,
        };
        read.finish(converted)
    }
}

impl From<Deployment> for wire::Deployment {
    fn from(deployment: Deployment) -> Self {
        Self {
            id: deployment.id.to_string(),
            rest_api_id: deployment.rest_api_id.to_string(),
            description: deployment.description,
            created_date: timestamp(deployment.created_at_ms),
            // The model's bound on resources keeps this far below i32::MAX.
            route_count: i32::try_from(deployment.route_count).unwrap_or(i32::MAX),
            automatic: deployment.automatic,
            revision: DEPLOYMENT_REVISION,
        }
    }
}

impl TryFrom<wire::Stage> for Stage {
    type Error = Violations;

    fn try_from(stage: wire::Stage) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let converted = Self {
            rest_api_id: stage.rest_api_id.into(),
            stage_name: stage.stage_name.into(),
            deployment_id: stage.deployment_id.into(),
            description: stage.description,
            variables: stage.variables,
            auto_deploy: stage.auto_deploy,
            tags: stage.tags,
            created_at_ms: read.take(millis("createdDate", stage.created_date)).unwrap_or_default(),
            last_updated_at_ms: read.take(millis("lastUpdatedDate", stage.last_updated_date)).unwrap_or_default(),
            revision: read.take(revision(stage.revision)).unwrap_or_default(),
        };
        read.finish(converted)
    }
}

impl From<Stage> for wire::Stage {
    fn from(stage: Stage) -> Self {
        Self {
            rest_api_id: stage.rest_api_id.to_string(),
            stage_name: stage.stage_name.to_string(),
            deployment_id: stage.deployment_id.to_string(),
            description: stage.description,
            variables: stage.variables,
            auto_deploy: stage.auto_deploy,
            created_date: timestamp(stage.created_at_ms),
            last_updated_date: timestamp(stage.last_updated_at_ms),
            tags: stage.tags,
            revision: stage.revision.0,
        }
    }
}
