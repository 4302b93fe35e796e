//! REST APIs, and whole documents.

use super::mask::{Field, Mask, writable};
use super::page::Page;
use super::{Answer, Management, object, optional, read, revision, versioned, wire, written};
use crate::app::{Error, ExportRequest, FragmentRequest, ImportRequest, Imported, PutRequest, StageSpec, Written};
use penstock_model::openapi::{BasePathMode, Encoding, Format, PutMode};
use penstock_model::rest_api::RestApi;
use penstock_model::violation::Violations;
use penstock_proto::convert::{base_path, fidelity};
use tonic::{Request, Response};
use wire::rest_api_service_server::RestApiService;

const WRITABLE: &[Field<RestApi>] = writable!(
    RestApi: name, description, version, binary_media_types, fidelity, minimum_compression_size, api_key_source,
    disable_execute_api_endpoint, tags, accept_policy, missing_content_type, integrity, compression_media_types
);

/// Reads an enum of a request; a number outside of it is a violation.
fn known<W: TryFrom<i32>>(field: &str, number: i32) -> Result<W, Error> {
    W::try_from(number).map_err(|_| Error::invalid(field, format!("has the unknown value {number}")))
}

fn base_path_mode(number: i32) -> Result<BasePathMode, Error> {
    Ok(match known("basePathMode", number)? {
        wire::BasePathMode::Unspecified | wire::BasePathMode::Ignore => BasePathMode::Ignore,
        wire::BasePathMode::Prepend => BasePathMode::Prepend,
        wire::BasePathMode::Split => BasePathMode::Split,
    })
}

fn put_mode(number: i32) -> Result<PutMode, Error> {
    use wire::put_rest_api_request::Mode;
    Ok(match known("mode", number)? {
        Mode::Unspecified | Mode::Merge => PutMode::Merge,
        Mode::Overwrite => PutMode::Overwrite,
    })
}

fn format(number: i32) -> Result<Format, Error> {
    use wire::export_rest_api_request::Format as W;
    Ok(match known("format", number)? {
        W::Unspecified | W::Oas30 => Format::Oas30,
        W::Swagger => Format::Swagger,
    })
}

fn encoding(number: i32) -> Result<Encoding, Error> {
    use wire::export_rest_api_request::Encoding as W;
    Ok(match known("encoding", number)? {
        W::Unspecified | W::Json => Encoding::Json,
        W::Yaml => Encoding::Yaml,
    })
}

fn stage_spec(spec: wire::StageSpec) -> StageSpec {
    StageSpec {
        stage_name: spec.stage_name.into(),
        variables: spec.variables,
        auto_deploy: spec.auto_deploy,
        domain_name: spec.domain_name,
        base_path: base_path(spec.base_path),
    }
}

fn imported(written: Written<Imported>) -> Answer<wire::ImportRestApiResponse> {
    let Written { value, version } = written;
    let answer = wire::ImportRestApiResponse {
        rest_api: Some(value.rest_api.into()),
        warnings: value.warnings.into_iter().map(Into::into).collect(),
        deployment: value.deployment.map(Into::into),
        stage: value.stage.map(Into::into),
    };
    versioned(answer, version)
}

#[tonic::async_trait]
impl RestApiService for Management {
    async fn create_rest_api(&self, request: Request<wire::CreateRestApiRequest>) -> Answer<wire::RestApi> {
        let api: RestApi = object("restApi", request.into_inner().rest_api)?;
        // Dropping them silently would leave the caller with the default answers.
        if !api.gateway_responses.is_empty() {
            return Err(Error::invalid("gatewayResponses", "is output only: use PutGatewayResponse").into());
        }
        written(self.app.create_rest_api(api).await?)
    }

    async fn get_rest_api(&self, request: Request<wire::GetRestApiRequest>) -> Answer<wire::RestApi> {
        read(self.app.rest_api(&request.into_inner().rest_api_id.into()).await?)
    }

    async fn list_rest_apis(&self, request: Request<wire::ListRestApisRequest>) -> Answer<wire::ListRestApisResponse> {
        let request = request.into_inner();
        let page = Page::read("restApis", &[&request.name], 1, request.page_size, &request.page_token)?;
        let name: Option<String> = optional(request.name);
        let found = self.app.rest_apis(name.as_deref(), page.after_part(0), page.fetch()).await?;
        let found: Vec<wire::RestApi> = found.into_iter().map(Into::into).collect();
        let (items, next_page_token) = page.cut(found, |item| vec![item.id.clone()]);
        Ok(Response::new(wire::ListRestApisResponse { items, next_page_token }))
    }

    async fn update_rest_api(&self, request: Request<wire::UpdateRestApiRequest>) -> Answer<wire::RestApi> {
        let request = request.into_inner();
        let wanted: RestApi = object("restApi", request.rest_api)?;
        let mask = Mask::read(request.update_mask, WRITABLE)?;
        let (id, at) = (wanted.id.clone(), wanted.revision);
        written(self.app.update_rest_api(&id, at, move |stored| mask.write(stored, wanted)).await?)
    }

    async fn delete_rest_api(&self, request: Request<wire::DeleteRestApiRequest>) -> Answer<()> {
        let request = request.into_inner();
        let at = revision(request.revision)?;
        written(self.app.delete_rest_api(&request.rest_api_id.into(), at, request.force).await?)
    }

    async fn import_rest_api(
        &self,
        request: Request<wire::ImportRestApiRequest>,
    ) -> Answer<wire::ImportRestApiResponse> {
        let request = request.into_inner();
        let fidelity = match request.fidelity {
            0 => None,
            number => Some(fidelity("fidelity", number).map_err(|error| Error::from(Violations::from(error)))?),
        };
        let import = ImportRequest {
            document: request.document,
            fail_on_warnings: request.fail_on_warnings,
            base_path_mode: base_path_mode(request.base_path_mode)?,
            replace_by_name: request.replace_by_name,
            fidelity,
            stage: request.stage.map(stage_spec),
        };
        imported(self.app.import_rest_api(import).await?)
    }

    async fn put_rest_api(&self, request: Request<wire::PutRestApiRequest>) -> Answer<wire::ImportRestApiResponse> {
        let request = request.into_inner();
        let put = PutRequest {
            mode: put_mode(request.mode)?,
            base_path_mode: base_path_mode(request.base_path_mode)?,
            revision: revision(request.revision)?,
            rest_api_id: request.rest_api_id.into(),
            document: request.document,
            fail_on_warnings: request.fail_on_warnings,
            stage: request.stage.map(stage_spec),
        };
        imported(self.app.put_rest_api(put).await?)
    }

    async fn export_rest_api(
        &self,
        request: Request<wire::ExportRestApiRequest>,
    ) -> Answer<wire::ExportRestApiResponse> {
        let request = request.into_inner();
        let export = ExportRequest {
            format: format(request.format)?,
            encoding: encoding(request.encoding)?,
            rest_api_id: request.rest_api_id.into(),
            stage_name: optional(request.stage_name),
            extensions: !request.without_extensions,
        };
        let exported = self.app.export_rest_api(export).await?;
        Ok(Response::new(wire::ExportRestApiResponse {
            document: exported.document,
            content_type: exported.content_type.to_owned(),
            file_name: exported.file_name,
        }))
    }

    async fn apply_fragment(
        &self,
        request: Request<wire::ApplyFragmentRequest>,
    ) -> Answer<wire::ApplyFragmentResponse> {
        let request = request.into_inner();
        let fragment = FragmentRequest {
            revision: revision(request.revision)?,
            rest_api_id: request.rest_api_id.into(),
            document: request.document,
            path: request.path,
            http_method: request.http_method,
        };
        let Written { value, version } = self.app.apply_fragment(fragment).await?;
        let answer = wire::ApplyFragmentResponse {
            rest_api: Some(value.rest_api.into()),
            method: value.method.map(Into::into),
            warnings: value.warnings.into_iter().map(Into::into).collect(),
        };
        versioned(answer, version)
    }
}
