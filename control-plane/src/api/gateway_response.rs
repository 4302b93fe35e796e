//! Gateway responses.

use super::mask::{Field, Mask, writable};
use super::{Answer, Management, read, required, revision, wire, written};
use crate::app::{ApiGatewayResponse, Error};
use penstock_model::gateway_response::CustomGatewayResponse;
use penstock_model::id::{RestApiId, Revision};
use tonic::{Request, Response};
use wire::gateway_response_service_server::GatewayResponseService;

const WRITABLE: &[Field<CustomGatewayResponse>] =
    writable!(CustomGatewayResponse: status_code, response_parameters, response_templates);

/// A message of a write, taken apart.
struct Wanted {
    api: RestApiId,
    response_type: String,
    at: Revision,
    custom: CustomGatewayResponse,
}

impl Wanted {
    fn read(message: Option<wire::GatewayResponse>) -> Result<Self, Error> {
        let message = required("gatewayResponse", message)?;
        Ok(Self {
            api: message.rest_api_id.into(),
            response_type: message.response_type,
            at: revision(message.revision)?,
            custom: CustomGatewayResponse {
                status_code: message.status_code,
                response_parameters: message.response_parameters,
                response_templates: message.response_templates,
            },
        })
    }
}

impl From<ApiGatewayResponse> for wire::GatewayResponse {
    fn from(found: ApiGatewayResponse) -> Self {
        Self {
            rest_api_id: found.rest_api_id.to_string(),
            response_type: found.response.response_type.name().to_owned(),
            status_code: found.response.status_code,
            response_parameters: found.response.response_parameters,
            response_templates: found.response.response_templates,
            default_response: found.response.default_response,
            revision: found.revision.0,
        }
    }
}

#[tonic::async_trait]
impl GatewayResponseService for Management {
    async fn put_gateway_response(
        &self,
        request: Request<wire::PutGatewayResponseRequest>,
    ) -> Answer<wire::GatewayResponse> {
        let wanted = Wanted::read(request.into_inner().gateway_response)?;
        let put = self.app.put_gateway_response(&wanted.api, &wanted.response_type, wanted.at, wanted.custom);
        written(put.await?)
    }

    async fn get_gateway_response(&self, request: Request<wire::GatewayResponseKey>) -> Answer<wire::GatewayResponse> {
        let key = request.into_inner();
        read(self.app.gateway_response(&key.rest_api_id.into(), &key.response_type).await?)
    }

    async fn list_gateway_responses(
        &self,
        request: Request<wire::ListGatewayResponsesRequest>,
    ) -> Answer<wire::ListGatewayResponsesResponse> {
        let found = self.app.gateway_responses(&request.into_inner().rest_api_id.into()).await?;
        let items = found.into_iter().map(Into::into).collect();
        Ok(Response::new(wire::ListGatewayResponsesResponse { items }))
    }

    async fn update_gateway_response(
        &self,
        request: Request<wire::UpdateGatewayResponseRequest>,
    ) -> Answer<wire::GatewayResponse> {
        let request = request.into_inner();
        let Wanted { api, response_type, at, custom } = Wanted::read(request.gateway_response)?;
        let mask = Mask::read(request.update_mask, WRITABLE)?;
        let apply = move |stored: &mut CustomGatewayResponse| mask.write(stored, custom);
        written(self.app.update_gateway_response(&api, &response_type, at, apply).await?)
    }

    async fn delete_gateway_response(&self, request: Request<wire::DeleteGatewayResponseRequest>) -> Answer<()> {
        let request = request.into_inner();
        let at = revision(request.revision)?;
        written(self.app.delete_gateway_response(&request.rest_api_id.into(), &request.response_type, at).await?)
    }
}
