//! Domain names and base path mappings.

use super::mask::{Field, Mask, writable};
use super::page::Page;
use super::{Answer, Management, object, required, revision, wire, written};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_proto::convert::base_path;
use tonic::{Request, Response};
use wire::domain_name_service_server::DomainNameService;

const DOMAIN_WRITABLE: &[Field<DomainName>] = writable!(DomainName: tags);
const MAPPING_WRITABLE: &[Field<BasePathMapping>] = writable!(BasePathMapping: rest_api_id, stage);

#[tonic::async_trait]
impl DomainNameService for Management {
    async fn create_domain_name(&self, request: Request<wire::CreateDomainNameRequest>) -> Answer<wire::DomainName> {
        written(self.app.create_domain_name(object("domainName", request.into_inner().domain_name)?).await?)
    }

    async fn get_domain_name(&self, request: Request<wire::GetDomainNameRequest>) -> Answer<wire::DomainName> {
        super::read(self.app.domain_name(&request.into_inner().domain_name).await?)
    }

    async fn list_domain_names(
        &self,
        request: Request<wire::ListDomainNamesRequest>,
    ) -> Answer<wire::ListDomainNamesResponse> {
        let request = request.into_inner();
        let page = Page::read("domainNames", &[], 1, request.page_size, &request.page_token)?;
        let found = self.app.domain_names(page.after_part(0), page.fetch()).await?;
        let found: Vec<wire::DomainName> = found.into_iter().map(Into::into).collect();
        let (items, next_page_token) = page.cut(found, |item| vec![item.domain_name.clone()]);
        Ok(Response::new(wire::ListDomainNamesResponse { items, next_page_token }))
    }

    async fn update_domain_name(&self, request: Request<wire::UpdateDomainNameRequest>) -> Answer<wire::DomainName> {
        let request = request.into_inner();
        let wanted: DomainName = object("domainName", request.domain_name)?;
        let mask = Mask::read(request.update_mask, DOMAIN_WRITABLE)?;
        let (name, at) = (wanted.domain_name.clone(), wanted.revision);
        written(self.app.update_domain_name(&name, at, move |stored| mask.write(stored, wanted)).await?)
    }

    async fn delete_domain_name(&self, request: Request<wire::DeleteDomainNameRequest>) -> Answer<()> {
        let request = request.into_inner();
        written(self.app.delete_domain_name(&request.domain_name, revision(request.revision)?).await?)
    }

    async fn create_base_path_mapping(
        &self,
        request: Request<wire::CreateBasePathMappingRequest>,
    ) -> Answer<wire::BasePathMapping> {
        let mapping = object("basePathMapping", request.into_inner().base_path_mapping)?;
        written(self.app.create_base_path_mapping(mapping).await?)
    }

    async fn get_base_path_mapping(&self, request: Request<wire::BasePathMappingKey>) -> Answer<wire::BasePathMapping> {
        let key = request.into_inner();
        super::read(self.app.base_path_mapping(&key.domain_name, &base_path(key.base_path)).await?)
    }

    async fn list_base_path_mappings(
        &self,
        request: Request<wire::ListBasePathMappingsRequest>,
    ) -> Answer<wire::ListBasePathMappingsResponse> {
        let request = request.into_inner();
        let domain = request.domain_name;
        let page = Page::read("basePathMappings", &[&domain], 2, request.page_size, &request.page_token)?;
        let after = page.after().map(|_| (page.after_part(0), page.after_part(1)));
        let domain = (!domain.is_empty()).then_some(&domain[..]);
        let found = self.app.base_path_mappings(domain, after, page.fetch()).await?;
        let found: Vec<wire::BasePathMapping> = found.into_iter().map(Into::into).collect();
        let (items, next_page_token) = page.cut(found, |item| vec![item.domain_name.clone(), item.base_path.clone()]);
        Ok(Response::new(wire::ListBasePathMappingsResponse { items, next_page_token }))
    }

    async fn update_base_path_mapping(
        &self,
        request: Request<wire::UpdateBasePathMappingRequest>,
    ) -> Answer<wire::BasePathMapping> {
        let request = request.into_inner();
        let wanted: BasePathMapping = object("basePathMapping", request.base_path_mapping)?;
        let mask = Mask::read(request.update_mask, MAPPING_WRITABLE)?;
        let (domain, path, at) = (wanted.domain_name.clone(), wanted.base_path.clone(), wanted.revision);
        let update = move |stored: &mut BasePathMapping| mask.write(stored, wanted);
        written(self.app.update_base_path_mapping(&domain, &path, at, update).await?)
    }

    async fn delete_base_path_mapping(&self, request: Request<wire::DeleteBasePathMappingRequest>) -> Answer<()> {
        let request = request.into_inner();
        let key = required("key", request.key)?;
        let at = revision(request.revision)?;
        written(self.app.delete_base_path_mapping(&key.domain_name, &base_path(key.base_path), at).await?)
    }
}
