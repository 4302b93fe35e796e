//! What stands behind a method: its integration, and the responses of both.

use super::error::{Error, Result};
use super::{App, MethodKey, Written, check_revision};
use penstock_model::id::Revision;
use penstock_model::integration::Integration;
use penstock_model::method::Method;
use penstock_model::response::{IntegrationResponse, MethodResponse};
use penstock_model::validate;

fn no_integration() -> Error {
    Error::NotFound("Invalid Integration identifier specified".to_owned())
}

fn no_response() -> Error {
    Error::NotFound("Invalid Response status code specified".to_owned())
}

impl App {
    /// Creates or replaces a method's integration; its integration responses stay.
    pub async fn put_integration(&self, key: &MethodKey, wanted: Integration) -> Result<Written<Integration>> {
        self.edit_integration(key, |method| {
            let stored = method.integration.take();
            let at = stored.as_ref().map(|integration| integration.revision).unwrap_or_default();
            check_revision("the integration", wanted.revision, at)?;
            let integration_responses = stored.map(|integration| integration.integration_responses).unwrap_or_default();
            method.integration = Some(Integration { integration_responses, ..wanted });
            Ok(())
        })
        .await
    }

    /// A method's integration.
    pub async fn integration(&self, key: &MethodKey) -> Result<Integration> {
        self.method(key).await?.integration.ok_or_else(no_integration)
    }

    /// Changes an integration: `apply` edits it; its responses are put back.
    pub async fn update_integration(
        &self,
        key: &MethodKey,
        revision: Revision,
        apply: impl FnOnce(&mut Integration) + Send,
    ) -> Result<Written<Integration>> {
        self.edit_integration(key, |method| {
            let integration = method.integration.as_mut().ok_or_else(no_integration)?;
            check_revision("the integration", revision, integration.revision)?;
            let responses = integration.integration_responses.clone();
            apply(integration);
            integration.integration_responses = responses;
            Ok(())
        })
        .await
    }

    /// Deletes a method's integration with its responses.
    pub async fn delete_integration(&self, key: &MethodKey, revision: Revision) -> Result<Written<()>> {
        let edited = self.edit_method(key, |method| {
            let integration = method.integration.take().ok_or_else(no_integration)?;
            check_revision("the integration", revision, integration.revision)
        });
        Ok(Written { value: (), version: edited.await?.version })
    }

    /// Creates or replaces one response of an integration.
    pub async fn put_integration_response(
        &self,
        key: &MethodKey,
        wanted: IntegrationResponse,
    ) -> Result<Written<IntegrationResponse>> {
        validate::integration_response(&wanted).into_result(())?;
        let code = wanted.status_code.clone();
        let written = self.edit_integration(key, |method| {
            let responses = &mut method.integration.as_mut().ok_or_else(no_integration)?.integration_responses;
            let at = responses.get(&wanted.status_code).map(|stored| stored.revision).unwrap_or_default();
            check_revision("the integration response", wanted.revision, at)?;
            responses.insert(wanted.status_code.clone(), wanted);
            Ok(())
        });
        let Written { mut value, version } = written.await?;
        let value = value.integration_responses.remove(&code).ok_or_else(no_response)?;
        Ok(Written { value, version })
    }

    /// One response of an integration.
    pub async fn integration_response(&self, key: &MethodKey, code: &str) -> Result<IntegrationResponse> {
        self.integration(key).await?.integration_responses.remove(code).ok_or_else(no_response)
    }

    /// Deletes one response of an integration.
    pub async fn delete_integration_response(
        &self,
        key: &MethodKey,
        code: &str,
        revision: Revision,
    ) -> Result<Written<()>> {
        let edited = self.edit_method(key, |method| {
            let responses = &mut method.integration.as_mut().ok_or_else(no_integration)?.integration_responses;
            let response = responses.remove(code).ok_or_else(no_response)?;
            check_revision("the integration response", revision, response.revision)
        });
        Ok(Written { value: (), version: edited.await?.version })
    }

    /// Creates or replaces one response of a method.
    pub async fn put_method_response(
        &self,
        key: &MethodKey,
        wanted: MethodResponse,
    ) -> Result<Written<MethodResponse>> {
        validate::method_response(&wanted).into_result(())?;
        let code = wanted.status_code.clone();
        let written = self.edit_method(key, |method| {
            let at = method.method_responses.get(&wanted.status_code).map(|stored| stored.revision).unwrap_or_default();
            check_revision("the method response", wanted.revision, at)?;
            method.method_responses.insert(wanted.status_code.clone(), wanted);
            Ok(())
        });
        let Written { mut value, version } = written.await?;
        let value = value.method_responses.remove(&code).ok_or_else(no_response)?;
        Ok(Written { value, version })
    }

    /// One response of a method.
    pub async fn method_response(&self, key: &MethodKey, code: &str) -> Result<MethodResponse> {
        self.method(key).await?.method_responses.remove(code).ok_or_else(no_response)
    }

    /// Deletes one response of a method.
    pub async fn delete_method_response(&self, key: &MethodKey, code: &str, revision: Revision) -> Result<Written<()>> {
        let edited = self.edit_method(key, |method| {
            let response = method.method_responses.remove(code).ok_or_else(no_response)?;
            check_revision("the method response", revision, response.revision)
        });
        Ok(Written { value: (), version: edited.await?.version })
    }

    /// Edits a method that has an integration afterwards, and checks that one by itself: the caller of this noun wants
    /// its violations without the path of the whole API before them.
    async fn edit_integration(
        &self,
        key: &MethodKey,
        apply: impl FnOnce(&mut Method) -> Result<()> + Send,
    ) -> Result<Written<Integration>> {
        let edited = self.edit_method(key, |method| {
            apply(method)?;
            let integration = method.integration.as_ref().ok_or_else(no_integration)?;
            Ok(validate::integration(integration, method).into_result(())?)
        });
        let Written { value, version } = edited.await?;
        let value = value.integration.ok_or_else(no_integration)?;
        Ok(Written { value, version })
    }
}
