//! The path tree.

use super::mask::{Field, Mask, writable};
use super::page::Page;
use super::{Answer, Management, object, read, revision, wire, written};
use penstock_model::resource::Resource;
use tonic::{Request, Response};
use wire::resource_service_server::ResourceService;

const WRITABLE: &[Field<Resource>] = writable!(Resource: path_part, parent_id);

#[tonic::async_trait]
impl ResourceService for Management {
    async fn create_resource(&self, request: Request<wire::CreateResourceRequest>) -> Answer<wire::Resource> {
        let resource = object("resource", request.into_inner().resource)?;
        written(self.app.create_resource(resource).await?)
    }

    async fn get_resource(&self, request: Request<wire::GetResourceRequest>) -> Answer<wire::Resource> {
        let request = request.into_inner();
        read(self.app.resource(&request.rest_api_id.into(), &request.resource_id.into()).await?)
    }

    async fn list_resources(
        &self,
        request: Request<wire::ListResourcesRequest>,
    ) -> Answer<wire::ListResourcesResponse> {
        let request = request.into_inner();
        let page = Page::read("resources", &[&request.rest_api_id], 1, request.page_size, &request.page_token)?;
        let found = self.app.resources(&request.rest_api_id.into(), page.after_part(0), page.fetch()).await?;
        let found: Vec<wire::Resource> = found.into_iter().map(Into::into).collect();
        let (items, next_page_token) = page.cut(found, |item| vec![item.id.clone()]);
        Ok(Response::new(wire::ListResourcesResponse { items, next_page_token }))
    }

    async fn update_resource(&self, request: Request<wire::UpdateResourceRequest>) -> Answer<wire::Resource> {
        let request = request.into_inner();
        let wanted: Resource = object("resource", request.resource)?;
        let mask = Mask::read(request.update_mask, WRITABLE)?;
        let (api, id, at) = (wanted.rest_api_id.clone(), wanted.id.clone(), wanted.revision);
        written(self.app.update_resource(&api, &id, at, move |stored| mask.write(stored, wanted)).await?)
    }

    async fn delete_resource(&self, request: Request<wire::DeleteResourceRequest>) -> Answer<()> {
        let request = request.into_inner();
        let at = revision(request.revision)?;
        written(self.app.delete_resource(&request.rest_api_id.into(), &request.resource_id.into(), at).await?)
    }
}
