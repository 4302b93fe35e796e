//! Deployments.

use super::page::Page;
use super::rollout::{Wait, wants_whole};
use super::{Answer, Management, optional, read, revision, versioned, wire, written};
use crate::app::Error;
use crate::rollout::Target;
use penstock_model::deployment::CanarySettings;
use penstock_model::id::StageName;
use penstock_model::violation::Violations;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use wire::deployment_service_server::DeploymentService;

#[tonic::async_trait]
impl DeploymentService for Management {
    async fn create_deployment(&self, request: Request<wire::CreateDeploymentRequest>) -> Answer<wire::Deployment> {
        let mut request = request.into_inner();
        if let Some(settings) = request.node_canary.take() {
            return written(self.begin_node_canary(request, settings).await?);
        }
        let wait = Wait::read(request.wait_for, request.wait_deadline)?;
        let _place = self.place(wait)?;
        let app = self.app.clone().whole(wants_whole(request.policy)?);
        let api = request.rest_api_id.into();
        let stage: Option<StageName> = request.stage_name.clone().and_then(optional);
        let made = match request.canary_settings {
            Some(canary) => {
                let canary = canary_of(canary)?;
                app.create_canary_deployment(&api, request.stage_name, &request.description, canary).await?
            }
            None => app.create_deployment(&api, stage.clone(), &request.description, request.variables).await?,
        };
        let target = Target { version: made.version, api: Some(api), stage };
        let rollout = self.reached(wait, target).await;
        versioned(wire::Deployment { rollout, ..made.value.into() }, made.version)
    }

    async fn preview_deployment(
        &self,
        request: Request<wire::PreviewDeploymentRequest>,
    ) -> Answer<wire::DeploymentPreview> {
        Ok(Response::new(self.preview(request.into_inner()).await?))
    }

    async fn get_deployment(&self, request: Request<wire::GetDeploymentRequest>) -> Answer<wire::Deployment> {
        let request = request.into_inner();
        read(self.app.deployment(&request.rest_api_id.into(), &request.deployment_id.into()).await?)
    }

    async fn list_deployments(
        &self,
        request: Request<wire::ListDeploymentsRequest>,
    ) -> Answer<wire::ListDeploymentsResponse> {
        let request = request.into_inner();
        let page = Page::read("deployments", &[&request.rest_api_id], 1, request.page_size, &request.page_token)?;
        let before = match page.after() {
            None => i64::MAX,
            Some(_) => page.after_part(0).parse().map_err(|_| Error::invalid("pageToken", "names no deployment"))?,
        };
        let found = self.app.deployments(&request.rest_api_id.into(), before, page.fetch()).await?;
        let numbers: std::collections::HashMap<_, _> =
            found.iter().map(|(number, deployment)| (deployment.id.to_string(), *number)).collect();
        let found: Vec<wire::Deployment> = found.into_iter().map(|(_, deployment)| deployment.into()).collect();
        let (items, next_page_token) = page.cut(found, |item| vec![numbers[&item.id].to_string()]);
        Ok(Response::new(wire::ListDeploymentsResponse { items, next_page_token }))
    }

    type WatchNodeCanaryStream = ReceiverStream<Result<wire::NodeCanary, Status>>;

    async fn watch_node_canary(
        &self,
        request: Request<wire::WatchNodeCanaryRequest>,
    ) -> Answer<Self::WatchNodeCanaryStream> {
        Ok(Response::new(ReceiverStream::new(self.node_canary_pictures(request.into_inner())?)))
    }

    async fn end_node_canary(&self, request: Request<wire::EndNodeCanaryRequest>) -> Answer<wire::NodeCanary> {
        Ok(Response::new(self.end_node_canary(request.into_inner()).await?))
    }

    async fn delete_deployment(&self, request: Request<wire::DeleteDeploymentRequest>) -> Answer<()> {
        let request = request.into_inner();
        let at = revision(request.revision)?;
        written(self.app.delete_deployment(&request.rest_api_id.into(), &request.deployment_id.into(), at).await?)
    }
}

/// The canary that a call asks for; the deployment that it makes is not there yet.
pub(super) fn canary_of(asked: wire::DeploymentCanarySettings) -> Result<CanarySettings, Error> {
    let wire::DeploymentCanarySettings { percent_traffic, stage_variable_overrides, use_stage_cache } = asked;
    let deployment_id = String::new();
    let canary = wire::CanarySettings { percent_traffic, deployment_id, stage_variable_overrides, use_stage_cache };
    CanarySettings::try_from(canary).map_err(|found| {
        let mut violations = Violations::new();
        violations.add_below("canarySettings", found);
        violations.into()
    })
}
