//! Stages.

use super::mask::{Field, Mask, writable};
use super::page::Page;
use super::rollout::{Wait, wants_whole};
use super::{Answer, Management, object, optional, read, revision, versioned, wire, written};
use crate::app::Written;
use crate::rollout::Target;
use penstock_model::deployment::Stage;
use tonic::{Request, Response};
use wire::stage_service_server::StageService;

const WRITABLE: &[Field<Stage>] =
    writable!(Stage: deployment_id, description, variables, auto_deploy, tags, canary_settings, method_settings);

#[tonic::async_trait]
impl StageService for Management {
    async fn create_stage(&self, request: Request<wire::CreateStageRequest>) -> Answer<wire::Stage> {
        written(self.app.create_stage(object("stage", request.into_inner().stage)?).await?)
    }

    async fn get_stage(&self, request: Request<wire::GetStageRequest>) -> Answer<wire::Stage> {
        let request = request.into_inner();
        read(self.app.stage(&request.rest_api_id.into(), &request.stage_name.into()).await?)
    }

    async fn list_stages(&self, request: Request<wire::ListStagesRequest>) -> Answer<wire::ListStagesResponse> {
        let request = request.into_inner();
        let page = Page::read("stages", &[&request.rest_api_id], 2, request.page_size, &request.page_token)?;
        let after = (page.after_part(0), page.after_part(1));
        let api = optional(request.rest_api_id);
        let found = self.app.stages(api.as_ref(), after, page.fetch()).await?;
        let found: Vec<wire::Stage> = found.into_iter().map(Into::into).collect();
        let (items, next_page_token) = page.cut(found, |s| vec![s.rest_api_id.clone(), s.stage_name.clone()]);
        Ok(Response::new(wire::ListStagesResponse { items, next_page_token }))
    }

    async fn update_stage(&self, request: Request<wire::UpdateStageRequest>) -> Answer<wire::Stage> {
        let request = request.into_inner();
        let wait = Wait::read(request.wait_for, request.wait_deadline)?;
        let _place = self.place(wait)?;
        let app = self.app.clone().whole(wants_whole(request.policy)?);
        let wanted: Stage = object("stage", request.stage)?;
        let mask = Mask::read(request.update_mask, WRITABLE)?;
        let (api, name, at) = (wanted.rest_api_id.clone(), wanted.stage_name.clone(), wanted.revision);
        let updated = app.update_stage(&api, &name, at, move |stored| mask.write(stored, wanted)).await?;
        self.rolled_out(wait, updated).await
    }

    async fn promote_canary(&self, request: Request<wire::PromoteCanaryRequest>) -> Answer<wire::Stage> {
        let request = request.into_inner();
        let wait = Wait::read(request.wait_for, request.wait_deadline)?;
        let _place = self.place(wait)?;
        let app = self.app.clone().whole(wants_whole(request.policy)?);
        let at = revision(request.revision)?;
        let promoted = app.promote_canary(&request.rest_api_id.into(), &request.stage_name.into(), at).await?;
        self.rolled_out(wait, promoted).await
    }

    async fn delete_stage(&self, request: Request<wire::DeleteStageRequest>) -> Answer<()> {
        let request = request.into_inner();
        let at = revision(request.revision)?;
        written(self.app.delete_stage(&request.rest_api_id.into(), &request.stage_name.into(), at).await?)
    }
}

impl Management {
    /// Answers a change of a stage, when it has come as far as the caller waits for.
    async fn rolled_out(&self, wait: Wait, stage: Written<Stage>) -> Answer<wire::Stage> {
        let Written { value, version } = stage;
        let target = Target { version, api: Some(value.rest_api_id.clone()), stage: Some(value.stage_name.clone()) };
        let rollout = self.reached(wait, target).await;
        versioned(wire::Stage { rollout, ..value.into() }, version)
    }
}
