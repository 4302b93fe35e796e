//! Deployments: immutable snapshots that operators ask for.

use super::change::Change;
use super::deploy::{Origin, snapshot};
use super::error::{Error, Result};
use super::{App, Written, check_revision, rest_apis};
use penstock_model::deployment::{CanarySettings, Deployment, Stage};
use penstock_model::id::{DeploymentId, RestApiId, Revision, StageName};
use std::collections::BTreeMap;

fn unknown() -> Error {
    Error::NotFound("Invalid Deployment identifier specified".to_owned())
}

fn no_stage(reason: &str) -> Error {
    Error::invalid("stageName", format!("Invalid deployment content specified.{reason}"))
}

/// The refusal of a deployment that would pass by a canary.
pub(super) fn has_canary(stage: &StageName) -> Error {
    Error::FailedPrecondition(format!(
        "Stage {stage} has a canary: deploy to it with canarySettings, or promote or remove it first"
    ))
}

impl App {
    /// Snapshots an API. With a stage name the stage is pointed at the snapshot, or made with `variables`. Refused while
    /// the stage has a canary (section h.2): which of the two the new deployment is meant for is not said.
    pub async fn create_deployment(
        &self,
        api: &RestApiId,
        stage_name: Option<StageName>,
        description: &str,
        variables: BTreeMap<String, String>,
    ) -> Result<Written<Deployment>> {
        let mut change = self.begin().await?;
        let value = change.deploy_to_stage(api, stage_name, description, variables).await?;
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// Snapshots an API for the canary of a stage, which itself stays as it is (section h.2).
    ///
    /// `stage_name` is as the caller gave it; what `canary` names as its deployment does not count.
    pub async fn create_canary_deployment(
        &self,
        api: &RestApiId,
        stage_name: Option<String>,
        description: &str,
        canary: CanarySettings,
    ) -> Result<Written<Deployment>> {
        let mut change = self.begin().await?;
        let value = change.deploy_to_canary(api, stage_name, description, canary).await?;
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// One deployment.
    pub async fn deployment(&self, api: &RestApiId, id: &DeploymentId) -> Result<Deployment> {
        let mut reads = self.read().await?;
        match reads.deployment(api, id).await? {
            Some(deployment) => Ok(deployment),
            None if reads.rest_api(api).await?.is_none() => Err(rest_apis::unknown(api)),
            None => Err(unknown()),
        }
    }

    /// Deployments of an API with the numbers by which they are ordered, the newest first, below `before`.
    pub async fn deployments(&self, api: &RestApiId, before: i64, limit: u32) -> Result<Vec<(i64, Deployment)>> {
        let mut reads = self.read().await?;
        let deployments = reads.deployments(api, before, limit).await?;
        if deployments.is_empty() && reads.rest_api(api).await?.is_none() {
            return Err(rest_apis::unknown(api));
        }
        Ok(deployments)
    }

    /// Deletes a deployment that neither a stage nor a canary points at.
    pub async fn delete_deployment(
        &self,
        api: &RestApiId,
        id: &DeploymentId,
        revision: Revision,
    ) -> Result<Written<()>> {
        let mut change = self.begin().await?;
        if change.tx.rest_api(api).await?.is_none() {
            return Err(rest_apis::unknown(api));
        }
        change.tx.deployment(api, id).await?.ok_or_else(unknown)?;
        check_revision("the deployment", revision, Revision::FIRST)?;
        let serves = |stage: &Stage| {
            stage.deployment_id == *id
                || stage.canary_settings.as_ref().is_some_and(|canary| canary.deployment_id == *id)
        };
        if change.stages(api).await?.iter().any(serves) {
            let reason = "Active stages pointing to this deployment must be moved or deleted";
            return Err(Error::FailedPrecondition(reason.to_owned()));
        }
        change.tx.delete_deployment(api, id).await?;
        Ok(Written { value: (), version: change.commit().await?.version })
    }
}

impl Change {
    /// As [`App::create_deployment`], up to the commit.
    pub(super) async fn deploy_to_stage(
        &mut self,
        api: &RestApiId,
        stage_name: Option<StageName>,
        description: &str,
        variables: BTreeMap<String, String>,
    ) -> Result<Deployment> {
        let definition = self.tx.definition(api).await?.ok_or_else(|| rest_apis::unknown(api))?;
        let value = self.deploy(&snapshot(&definition, Origin::Asked)?, Origin::Asked, description).await?;
        if let Some(stage_name) = stage_name {
            let deployment_id = value.id.clone();
            match self.tx.stage(api, &stage_name).await? {
                Some(before) if before.canary_settings.is_some() => return Err(has_canary(&stage_name)),
                Some(before) => self.replace_stage(&before, Stage { deployment_id, ..before.clone() }).await?,
                None => {
                    let rest_api_id = api.clone();
                    let stage = Stage { rest_api_id, stage_name, deployment_id, variables, ..Stage::default() };
                    self.add_stage(stage).await?
                }
            };
        }
        Ok(value)
    }

    /// As [`App::create_canary_deployment`], up to the commit.
    pub(super) async fn deploy_to_canary(
        &mut self,
        api: &RestApiId,
        stage_name: Option<String>,
        description: &str,
        canary: CanarySettings,
    ) -> Result<Deployment> {
        let definition = self.tx.definition(api).await?.ok_or_else(|| rest_apis::unknown(api))?;
        let stage_name = match stage_name {
            Some(name) if !name.is_empty() => StageName::from(name),
            other => {
                let given = if other.is_none() { "null" } else { "" };
                let reason =
                    "Non null and non empty stageName must be provided for canary deployment. Provided value is";
                return Err(no_stage(&format!("{reason} {given}")));
            }
        };
        let Some(before) = self.tx.stage(api, &stage_name).await? else {
            let reason = "must already be created before making a canary release deployment";
            return Err(no_stage(&format!("Stage {stage_name} {reason}")));
        };
        let value = self.deploy(&snapshot(&definition, Origin::Asked)?, Origin::Asked, description).await?;
        let canary = CanarySettings { deployment_id: value.id.clone(), ..canary };
        self.replace_stage(&before, Stage { canary_settings: Some(canary), ..before.clone() }).await?;
        Ok(value)
    }
}
