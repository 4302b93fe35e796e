//! Methods, integrations, and the responses of both.

use super::mask::{Field, Mask, writable};
use super::page::Page;
use super::{Answer, Management, object, optional, read, required, revision, wire, written};
use crate::app::{Error, MethodKey};
use penstock_model::integration::Integration;
use penstock_model::method::Method;
use penstock_model::violation::Violations;
use penstock_proto::convert::verb;
use tonic::{Request, Response};
use wire::method_service_server::MethodService;

const METHOD_WRITABLE: &[Field<Method>] = writable!(
    Method: authorization_type, api_key_required, operation_name, request_parameters, request_models, authorizer_id,
    request_validator_id, authorization_scopes
);

const KIND: Field<Integration> = ("type", |to, from| to.kind = from.kind);
const INTEGRATION_WRITABLE: &[Field<Integration>] = &{
    const OTHERS: &[Field<Integration>] = writable!(
        Integration: http_method, uri, connection_type, connection_id, credentials, request_parameters,
        request_templates, passthrough_behavior, content_handling, timeout_in_millis, cache_namespace,
        cache_key_parameters, tls_config, response_transfer_mode, payload_format_version,
        lambda_endpoint
    );
    // `type` is a word of the language, so this one field does not share its name with its path.
    let mut all = [KIND; OTHERS.len() + 1];
    let mut at = 0;
    while at < OTHERS.len() {
        all[at + 1] = OTHERS[at];
        at += 1;
    }
    all
};

fn key(key: wire::MethodKey) -> Result<MethodKey, Error> {
    Ok(MethodKey {
        verb: verb("httpMethod", &key.http_method).map_err(Violations::from)?,
        rest_api_id: key.rest_api_id.into(),
        resource_id: key.resource_id.into(),
    })
}

fn method_key(message: Option<wire::MethodKey>) -> Result<MethodKey, Error> {
    key(required("method", message)?)
}

fn response_key(message: wire::ResponseKey) -> Result<(MethodKey, String), Error> {
    Ok((method_key(message.method)?, message.status_code))
}

#[tonic::async_trait]
impl MethodService for Management {
    async fn create_method(&self, request: Request<wire::CreateMethodRequest>) -> Answer<wire::Method> {
        let method: Method = object("method", request.into_inner().method)?;
        // Dropping them silently would leave the caller with a method that cannot be called.
        if method.integration.is_some() {
            return Err(Error::invalid("methodIntegration", "is output only: use PutIntegration").into());
        }
        if !method.method_responses.is_empty() {
            return Err(Error::invalid("methodResponses", "is output only: use PutMethodResponse").into());
        }
        written(self.app.create_method(method).await?)
    }

    async fn get_method(&self, request: Request<wire::MethodKey>) -> Answer<wire::Method> {
        read(self.app.method(&key(request.into_inner())?).await?)
    }

    async fn list_methods(&self, request: Request<wire::ListMethodsRequest>) -> Answer<wire::ListMethodsResponse> {
        let request = request.into_inner();
        let filters = [request.rest_api_id.as_str(), request.resource_id.as_str()];
        let page = Page::read("methods", &filters, 2, request.page_size, &request.page_token)?;
        let after = (page.after_part(0), page.after_part(1));
        let resource = optional(request.resource_id);
        let found = self.app.methods(&request.rest_api_id.into(), resource.as_ref(), after, page.fetch()).await?;
        let found: Vec<wire::Method> = found.into_iter().map(Into::into).collect();
        let (items, next_page_token) = page.cut(found, |m| vec![m.resource_id.clone(), m.http_method.clone()]);
        Ok(Response::new(wire::ListMethodsResponse { items, next_page_token }))
    }

    async fn update_method(&self, request: Request<wire::UpdateMethodRequest>) -> Answer<wire::Method> {
        let request = request.into_inner();
        let wanted: Method = object("method", request.method)?;
        let mask = Mask::read(request.update_mask, METHOD_WRITABLE)?;
        let key = MethodKey {
            rest_api_id: wanted.rest_api_id.clone(),
            resource_id: wanted.resource_id.clone(),
            verb: wanted.http_method,
        };
        written(self.app.update_method(&key, wanted.revision, move |stored| mask.write(stored, wanted)).await?)
    }

    async fn delete_method(&self, request: Request<wire::DeleteMethodRequest>) -> Answer<()> {
        let request = request.into_inner();
        written(self.app.delete_method(&method_key(request.method)?, revision(request.revision)?).await?)
    }

    async fn put_integration(&self, request: Request<wire::PutIntegrationRequest>) -> Answer<wire::Integration> {
        let request = request.into_inner();
        let integration = object("integration", request.integration)?;
        written(self.app.put_integration(&method_key(request.method)?, integration).await?)
    }

    async fn get_integration(&self, request: Request<wire::MethodKey>) -> Answer<wire::Integration> {
        read(self.app.integration(&key(request.into_inner())?).await?)
    }

    async fn update_integration(&self, request: Request<wire::UpdateIntegrationRequest>) -> Answer<wire::Integration> {
        let request = request.into_inner();
        let key = method_key(request.method)?;
        let mask = Mask::read(request.update_mask, INTEGRATION_WRITABLE)?;
        let mut message = required("integration", request.integration)?;
        // A mask that leaves the type out may come with an object that does.
        if message.r#type == 0 && !mask.names(KIND.0) {
            message.r#type = wire::integration::Type::Mock.into();
        }
        let wanted: Integration = message.try_into().map_err(Error::from)?;
        written(self.app.update_integration(&key, wanted.revision, move |stored| mask.write(stored, wanted)).await?)
    }

    async fn delete_integration(&self, request: Request<wire::DeleteIntegrationRequest>) -> Answer<()> {
        let request = request.into_inner();
        written(self.app.delete_integration(&method_key(request.method)?, revision(request.revision)?).await?)
    }

    async fn put_integration_response(
        &self,
        request: Request<wire::PutIntegrationResponseRequest>,
    ) -> Answer<wire::IntegrationResponse> {
        let request = request.into_inner();
        let response = object("integrationResponse", request.integration_response)?;
        written(self.app.put_integration_response(&method_key(request.method)?, response).await?)
    }

    async fn get_integration_response(&self, request: Request<wire::ResponseKey>) -> Answer<wire::IntegrationResponse> {
        let (key, code) = response_key(request.into_inner())?;
        read(self.app.integration_response(&key, &code).await?)
    }

    async fn delete_integration_response(&self, request: Request<wire::DeleteResponseRequest>) -> Answer<()> {
        let request = request.into_inner();
        let (key, code) = response_key(required("response", request.response)?)?;
        written(self.app.delete_integration_response(&key, &code, revision(request.revision)?).await?)
    }

    async fn put_method_response(
        &self,
        request: Request<wire::PutMethodResponseRequest>,
    ) -> Answer<wire::MethodResponse> {
        let request = request.into_inner();
        let response = object("methodResponse", request.method_response)?;
        written(self.app.put_method_response(&method_key(request.method)?, response).await?)
    }

    async fn get_method_response(&self, request: Request<wire::ResponseKey>) -> Answer<wire::MethodResponse> {
        let (key, code) = response_key(request.into_inner())?;
        read(self.app.method_response(&key, &code).await?)
    }

    async fn delete_method_response(&self, request: Request<wire::DeleteResponseRequest>) -> Answer<()> {
        let request = request.into_inner();
        let (key, code) = response_key(required("response", request.response)?)?;
        written(self.app.delete_method_response(&key, &code, revision(request.revision)?).await?)
    }
}
