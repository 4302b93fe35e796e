//! Stages: the names under which deployments serve.

use super::change::Change;
use super::deploy::{Origin, snapshot};
use super::error::{Error, Result};
use super::{App, Written, check_revision, rest_apis};
use crate::store::Reads;
use penstock_model::deployment::{CanarySettings, Stage};
use penstock_model::id::{RestApiId, Revision, StageName};
use penstock_model::number::Number;

fn unknown() -> Error {
    Error::NotFound("Invalid Stage identifier specified".to_owned())
}

impl App {
    /// Makes a stage. One with `auto_deploy` that names no deployment makes its first one itself; a canary that names none
    /// begins on the stage's.
    pub async fn create_stage(&self, mut stage: Stage) -> Result<Written<Stage>> {
        let mut change = self.begin().await?;
        let api = stage.rest_api_id.clone();
        let definition = change.tx.definition(&api).await?.ok_or_else(|| rest_apis::unknown(&api))?;
        if change.tx.stage(&api, &stage.stage_name).await?.is_some() {
            return Err(Error::AlreadyExists("Stage already exists".to_owned()));
        }
        if stage.auto_deploy && stage.deployment_id.is_empty() {
            let snapshot = snapshot(&definition, Origin::Automatic)?;
            stage.deployment_id = change.deploy(&snapshot, Origin::Automatic, "").await?.id;
        }
        place_canary(&mut stage, None);
        let value = change.add_stage(stage).await?;
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// One stage.
    pub async fn stage(&self, api: &RestApiId, name: &StageName) -> Result<Stage> {
        find(&mut *self.read().await?, api, name).await
    }

    /// Stages of one API, or of all, by API and name, behind `after`.
    pub async fn stages(&self, api: Option<&RestApiId>, after: (&str, &str), limit: u32) -> Result<Vec<Stage>> {
        let mut reads = self.read().await?;
        let Some(api) = api else { return Ok(reads.stages(after, limit).await?) };
        let stages = reads.stages_of_api(api, after.1, limit).await?;
        if stages.is_empty() && reads.rest_api(api).await?.is_none() {
            return Err(rest_apis::unknown(api));
        }
        Ok(stages)
    }

    /// Changes a stage: `apply` edits it; its key and dates are put back. Rollback is another deployment id. A canary that
    /// names no deployment keeps the one that it has, or begins on the stage's.
    pub async fn update_stage(
        &self,
        api: &RestApiId,
        name: &StageName,
        revision: Revision,
        apply: impl FnOnce(&mut Stage) + Send,
    ) -> Result<Written<Stage>> {
        let mut change = self.begin().await?;
        let before = stored(&mut change, api, name, revision).await?;
        let mut stage = before.clone();
        apply(&mut stage);
        stage.rest_api_id = before.rest_api_id.clone();
        stage.stage_name = before.stage_name.clone();
        stage.created_at_ms = before.created_at_ms;
        stage.last_updated_at_ms = before.last_updated_at_ms;
        stage.revision = before.revision;
        place_canary(&mut stage, before.canary_settings.as_ref());
        let value = change.replace_stage(&before, stage).await?;
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// Makes the canary's deployment and variables the stage's own (section h.2). The canary stays, with 0 percent.
    pub async fn promote_canary(
        &self,
        api: &RestApiId,
        name: &StageName,
        revision: Revision,
    ) -> Result<Written<Stage>> {
        let mut change = self.begin().await?;
        let before = stored(&mut change, api, name, revision).await?;
        let mut stage = before.clone();
        let Some(canary) = &mut stage.canary_settings else {
            let reason = "Promotion not available. Canary does not exist.".to_owned();
            return Err(Error::FailedPrecondition(reason));
        };
        canary.percent_traffic = Number::default();
        stage.deployment_id = canary.deployment_id.clone();
        stage.variables = canary.overlay(&stage.variables);
        let value = change.replace_stage(&before, stage).await?;
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// Deletes a stage that no mapping names; its deployment stays.
    pub async fn delete_stage(&self, api: &RestApiId, name: &StageName, revision: Revision) -> Result<Written<()>> {
        let mut change = self.begin().await?;
        let stage = stored(&mut change, api, name, revision).await?;
        let mappings = change.tx.base_path_mappings_of_api(api).await?;
        if let Some(mapping) = mappings.iter().find(|mapping| mapping.stage.as_ref() == Some(name)) {
            let place = format!("{}/{}", mapping.domain_name, mapping.base_path);
            let reason = format!("Base path mappings pointing to this stage must be moved or deleted: {place}");
            return Err(Error::FailedPrecondition(reason));
        }
        change.tx.delete_stage(api, name).await?;
        change.touch(&stage);
        Ok(Written { value: (), version: change.commit().await?.version })
    }
}

/// Gives a canary that names no deployment the one that it had before, or else the stage's (section h.2).
fn place_canary(stage: &mut Stage, before: Option<&CanarySettings>) {
    if let Some(canary) = stage.canary_settings.as_mut().filter(|canary| canary.deployment_id.is_empty()) {
        canary.deployment_id = before.map_or(&stage.deployment_id, |before| &before.deployment_id).clone();
    }
}

/// A stage as it stands before a change, which must have the revision that the caller expects.
async fn stored(change: &mut Change, api: &RestApiId, name: &StageName, revision: Revision) -> Result<Stage> {
    let stage = find(&mut *change.tx, api, name).await?;
    check_revision("the stage", revision, stage.revision)?;
    Ok(stage)
}

/// One stage, or the answer about one that is not there.
pub(super) async fn find(reads: &mut dyn Reads, api: &RestApiId, name: &StageName) -> Result<Stage> {
    match reads.stage(api, name).await? {
        Some(stage) => Ok(stage),
        None if reads.rest_api(api).await?.is_none() => Err(rest_apis::unknown(api)),
        None => Err(unknown()),
    }
}
