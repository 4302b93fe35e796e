//! Gateway responses: they are settings of the API, so a change counts up its revision.

use super::error::{Error, Result};
use super::{App, Written, check_revision};
use penstock_model::gateway_response::{CustomGatewayResponse, CustomisableType, EffectiveGatewayResponse, effective};
use penstock_model::id::{RestApiId, Revision};
use penstock_model::rest_api::RestApi;
use penstock_model::validate;
use std::collections::BTreeMap;

/// What one type answers in an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiGatewayResponse {
    /// Which API.
    pub rest_api_id: RestApiId,
    /// Which type, and what it answers.
    pub response: EffectiveGatewayResponse,
    /// Of the API.
    pub revision: Revision,
}

impl App {
    /// Customises one type; what the type had before does not count.
    pub async fn put_gateway_response(
        &self,
        api: &RestApiId,
        response_type: &str,
        revision: Revision,
        custom: CustomGatewayResponse,
    ) -> Result<Written<ApiGatewayResponse>> {
        validate::gateway_response(&custom).into_result(())?;
        self.edit_gateway_responses(api, response_type, revision, |all, name| {
            all.insert(name.to_owned(), custom);
            Ok(())
        })
        .await
    }

    /// What one type answers, customised or not.
    pub async fn gateway_response(&self, api: &RestApiId, response_type: &str) -> Result<ApiGatewayResponse> {
        let kind = kind(response_type)?;
        Ok(of(&self.rest_api(api).await?, kind))
    }

    /// What every type answers, ordered by name.
    pub async fn gateway_responses(&self, api: &RestApiId) -> Result<Vec<ApiGatewayResponse>> {
        let api = self.rest_api(api).await?;
        Ok(CustomisableType::all().into_iter().map(|kind| of(&api, kind)).collect())
    }

    /// Changes a customisation: `apply` edits it. A type that has none gets one that differs from the type's own default
    /// only in what `apply` sets; it inherits nothing any more.
    pub async fn update_gateway_response(
        &self,
        api: &RestApiId,
        response_type: &str,
        revision: Revision,
        apply: impl FnOnce(&mut CustomGatewayResponse) + Send,
    ) -> Result<Written<ApiGatewayResponse>> {
        self.edit_gateway_responses(api, response_type, revision, |all, name| {
            let custom = all.entry(name.to_owned()).or_default();
            apply(custom);
            Ok(validate::gateway_response(custom).into_result(())?)
        })
        .await
    }

    /// Returns a type to its default, or to what it inherits.
    pub async fn delete_gateway_response(
        &self,
        api: &RestApiId,
        response_type: &str,
        revision: Revision,
    ) -> Result<Written<()>> {
        let edited = self.edit_gateway_responses(api, response_type, revision, |all, name| {
            let gone = all.remove(name).map(drop);
            gone.ok_or_else(|| Error::NotFound("Gateway response type not defined on api".to_owned()))
        });
        Ok(Written { value: (), version: edited.await?.version })
    }

    async fn edit_gateway_responses(
        &self,
        api: &RestApiId,
        response_type: &str,
        revision: Revision,
        apply: impl FnOnce(&mut BTreeMap<String, CustomGatewayResponse>, &str) -> Result<()> + Send,
    ) -> Result<Written<ApiGatewayResponse>> {
        let kind = kind(response_type)?;
        let mut change = self.begin().await?;
        let mut edit = change.edit(api).await?;
        check_revision("the API", revision, edit.after.rest_api.revision)?;
        apply(&mut edit.after.rest_api.gateway_responses, kind.name())?;
        let value = of(&change.save(edit).await?.rest_api, kind);
        Ok(Written { value, version: change.commit().await?.version })
    }
}

fn kind(response_type: &str) -> Result<CustomisableType> {
    CustomisableType::parse(response_type).map_err(|text| Error::invalid("responseType", text))
}

fn of(api: &RestApi, kind: CustomisableType) -> ApiGatewayResponse {
    ApiGatewayResponse {
        rest_api_id: api.id.clone(),
        response: effective(&api.gateway_responses, kind),
        revision: api.revision,
    }
}
