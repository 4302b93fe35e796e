//! Snapshots: how deployments are made, and how stages with `auto_deploy` make them by themselves.

use super::change::Change;
use super::error::{Error, Result};
use super::limits::{CHILD_ID_CHARS, DEPLOYMENTS_PER_API_MAX, ID_ATTEMPTS_MAX, SPARE_DEPLOYMENTS_MAX, STAGES_MAX};
use crate::store::Counted;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::id::{DeploymentId, RestApiId, Revision};
use penstock_model::limits::DESCRIPTION_CHARS_MAX;
use penstock_model::validate;
use std::collections::BTreeMap;

/// Who asks for a deployment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// An operator: the API must be complete.
    Asked,
    /// A stage: methods without an integration wait for theirs, so that an API can be built call by call.
    Automatic,
}

/// What a deployment of `definition` would hold.
///
/// # Errors
/// What still stands in the way of deploying it.
pub(super) fn snapshot(definition: &ApiDefinition, origin: Origin) -> Result<ApiDefinition> {
    let mut snapshot = definition.clone();
    if origin == Origin::Automatic {
        snapshot.methods.retain(|method| method.integration.is_some());
    }
    // An API whose last method went serves nothing; a stage that follows it must be able to say so.
    if origin == Origin::Asked || !snapshot.methods.is_empty() {
        validate::for_deployment(&snapshot).into_result(())?;
    }
    snapshot.normalise();
    Ok(snapshot)
}

impl Change {
    /// Stores a snapshot as a new deployment.
    pub(super) async fn deploy(
        &mut self,
        snapshot: &ApiDefinition,
        origin: Origin,
        description: &str,
    ) -> Result<Deployment> {
        if description.chars().count() > DESCRIPTION_CHARS_MAX {
            let reason = format!("must have at most {DESCRIPTION_CHARS_MAX} characters");
            return Err(Error::invalid("description", reason));
        }
        let api = &snapshot.rest_api.id;
        if origin == Origin::Asked && self.tx.count(Counted::Deployments(api)).await? >= DEPLOYMENTS_PER_API_MAX {
            let reason = format!("an API can have at most {DEPLOYMENTS_PER_API_MAX} deployments: delete some");
            return Err(Error::Exhausted(reason));
        }
        let deployment = Deployment {
            id: self.free_deployment_id(api).await?,
            rest_api_id: api.clone(),
            description: description.to_owned(),
            created_at_ms: self.shared.surroundings.now_ms(),
            // limits.rs of the model bounds the methods of an API far below 2^32.
            route_count: u32::try_from(snapshot.methods.len()).unwrap_or(u32::MAX),
            automatic: origin == Origin::Automatic,
        };
        self.tx.insert_deployment(&deployment, snapshot).await?;
        Ok(deployment)
    }

    async fn free_deployment_id(&mut self, api: &RestApiId) -> Result<DeploymentId> {
        for _ in 0..ID_ATTEMPTS_MAX {
            let id = DeploymentId::from(self.shared.surroundings.random_id(CHILD_ID_CHARS));
            if self.tx.deployment(api, &id).await?.is_none() {
                return Ok(id);
            }
        }
        Err(Error::internal("choosing an identifier", "all attempts were taken"))
    }

    /// Writes a stage that is new.
    pub(super) async fn add_stage(&mut self, mut stage: Stage) -> Result<Stage> {
        if self.tx.count(Counted::Stages).await? >= STAGES_MAX {
            return Err(Error::Exhausted(format!("there can be at most {STAGES_MAX} stages: delete some")));
        }
        stage.created_at_ms = self.shared.surroundings.now_ms();
        stage.last_updated_at_ms = stage.created_at_ms;
        stage.revision = Revision::FIRST;
        self.check_stage(&stage).await?;
        self.tx.insert_stage(&stage).await?;
        self.touch(&stage);
        Ok(stage)
    }

    /// Writes a stage that was there, if anything about it is different.
    pub(super) async fn replace_stage(&mut self, before: &Stage, mut stage: Stage) -> Result<Stage> {
        if stage == *before {
            return Ok(stage);
        }
        stage.last_updated_at_ms = self.shared.surroundings.now_ms();
        stage.revision = before.revision.next();
        self.check_stage(&stage).await?;
        self.tx.update_stage(&stage).await?;
        self.touch(&stage);
        Ok(stage)
    }

    async fn check_stage(&mut self, stage: &Stage) -> Result<()> {
        let mut violations = validate::stage(stage);
        if self.tx.deployment(&stage.rest_api_id, &stage.deployment_id).await?.is_none() {
            violations.add("deploymentId", "Deployment id does not exist");
        }
        if let Some(canary) = &stage.canary_settings
            && self.tx.deployment(&stage.rest_api_id, &canary.deployment_id).await?.is_none()
        {
            violations.add("canarySettings.deploymentId", "Deployment id does not exist");
        }
        Ok(violations.into_result(())?)
    }

    /// All stages of an API.
    pub(super) async fn stages(&mut self, api: &RestApiId) -> Result<Vec<Stage>> {
        Ok(self.tx.stages_of_api(api, "", u32::MAX).await?)
    }

    /// Deploys every edited API on those of its stages that ask for it. Answers the deployments that this made.
    pub(super) async fn deploy_automatically(&mut self) -> Result<BTreeMap<RestApiId, Deployment>> {
        let mut made = BTreeMap::new();
        for (api, definition) in std::mem::take(&mut self.edited) {
            let stages = self.stages(&api).await?;
            let following: Vec<_> = stages.into_iter().filter(|stage| stage.auto_deploy).collect();
            if following.is_empty() {
                continue;
            }
            let snapshot = snapshot(&definition, Origin::Automatic)?;
            let mut deployment: Option<Deployment> = None;
            for before in following {
                if self.tx.snapshot(&api, &before.deployment_id).await?.as_ref() == Some(&snapshot) {
                    continue;
                }
                let made_now = match deployment.take() {
                    Some(made) => made,
                    None => self.deploy(&snapshot, Origin::Automatic, "").await?,
                };
                let stage = Stage { deployment_id: made_now.id.clone(), ..before.clone() };
                self.replace_stage(&before, stage).await?;
                deployment = Some(made_now);
            }
            self.prune(&api).await?;
            made.extend(deployment.map(|deployment| (api, deployment)));
        }
        Ok(made)
    }

    /// Deletes the oldest of the automatic deployments that no stage uses.
    async fn prune(&mut self, api: &RestApiId) -> Result<()> {
        let spare = self.tx.spare_deployments(api).await?;
        for id in spare.iter().skip(SPARE_DEPLOYMENTS_MAX) {
            self.tx.delete_deployment(api, id).await?;
        }
        Ok(())
    }
}
