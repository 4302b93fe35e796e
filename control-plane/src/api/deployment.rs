//! Deployments.

use super::page::Page;
use super::{Answer, Management, optional, read, revision, wire, written};
use crate::app::Error;
use tonic::{Request, Response};
use wire::deployment_service_server::DeploymentService;

#[tonic::async_trait]
impl DeploymentService for Management {
    async fn create_deployment(&self, request: Request<wire::CreateDeploymentRequest>) -> Answer<wire::Deployment> {
        let wire::CreateDeploymentRequest { rest_api_id, stage_name, description, variables, canary_settings } =
            request.into_inner();
        if canary_settings.is_some() {
            return Err(Error::invalid("canarySettings", "cannot be set yet").into());
        }
        let stage_name = optional(stage_name);
        written(self.app.create_deployment(&rest_api_id.into(), stage_name, &description, variables).await?)
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

    async fn delete_deployment(&self, request: Request<wire::DeleteDeploymentRequest>) -> Answer<()> {
        let request = request.into_inner();
        let at = revision(request.revision)?;
        written(self.app.delete_deployment(&request.rest_api_id.into(), &request.deployment_id.into(), at).await?)
    }
}
