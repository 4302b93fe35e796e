//! Deployments: immutable snapshots that operators ask for.

use super::deploy::{Origin, snapshot};
use super::error::{Error, Result};
use super::{App, Written, check_revision, rest_apis};
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::id::{DeploymentId, RestApiId, Revision, StageName};
use std::collections::BTreeMap;

fn unknown() -> Error {
    Error::NotFound("Invalid Deployment identifier specified".to_owned())
}

impl App {
    /// Snapshots an API. With a stage name the stage is pointed at the snapshot, or made with `variables`.
    pub async fn create_deployment(
        &self,
        api: &RestApiId,
        stage_name: Option<StageName>,
        description: &str,
        variables: BTreeMap<String, String>,
    ) -> Result<Written<Deployment>> {
        let mut change = self.begin().await?;
        let definition = change.tx.definition(api).await?.ok_or_else(|| rest_apis::unknown(api))?;
        let value = change.deploy(&snapshot(&definition, Origin::Asked)?, Origin::Asked, description).await?;
        if let Some(stage_name) = stage_name {
            let deployment_id = value.id.clone();
            match change.tx.stage(api, &stage_name).await? {
                Some(before) => change.replace_stage(&before, Stage { deployment_id, ..before.clone() }).await?,
                None => {
                    let rest_api_id = api.clone();
                    let stage = Stage { rest_api_id, stage_name, deployment_id, variables, ..Stage::default() };
                    change.add_stage(stage).await?
                }
            };
        }
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

    /// Deletes a deployment that no stage points at.
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
        if change.stages(api).await?.iter().any(|stage| stage.deployment_id == *id) {
            let reason = "Active stages pointing to this deployment must be moved or deleted";
            return Err(Error::FailedPrecondition(reason.to_owned()));
        }
        change.tx.delete_deployment(api, id).await?;
        Ok(Written { value: (), version: change.commit().await?.version })
    }
}
