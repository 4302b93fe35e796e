//! Methods of resources.

use super::error::{Error, Result};
use super::{App, Written, check_revision, resources, rest_apis};
use crate::store::Reads;
use penstock_model::definition::ApiDefinition;
use penstock_model::id::{ResourceId, RestApiId, Revision};
use penstock_model::method::{Method, Verb};
use penstock_model::validate;

/// Which method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodKey {
    /// Of which API.
    pub rest_api_id: RestApiId,
    /// On which resource.
    pub resource_id: ResourceId,
    /// Which of the resource's.
    pub verb: Verb,
}

impl App {
    /// Makes a method, without an integration and without responses.
    pub async fn create_method(&self, method: Method) -> Result<Written<Method>> {
        let key = MethodKey {
            rest_api_id: method.rest_api_id.clone(),
            resource_id: method.resource_id.clone(),
            verb: method.http_method,
        };
        let method = Method { integration: None, method_responses: Default::default(), ..method };
        validate::method(&method).into_result(())?;
        let mut change = self.begin().await?;
        let mut edit = change.edit(&key.rest_api_id).await?;
        if !edit.after.resources.iter().any(|resource| resource.id == key.resource_id) {
            return Err(resources::unknown());
        }
        if find(&edit.after, &key).is_ok() {
            return Err(Error::AlreadyExists("Method already exists for this resource".to_owned()));
        }
        edit.after.methods.push(method);
        let value = find(change.save(edit).await?, &key)?.clone();
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// One method.
    pub async fn method(&self, key: &MethodKey) -> Result<Method> {
        let mut reads = self.read().await?;
        match reads.method(&key.rest_api_id, &key.resource_id, key.verb).await? {
            Some(method) => Ok(method),
            None => Err(missing(&mut *reads, key).await?),
        }
    }

    /// Methods of an API by resource and verb, behind `after`; with `resource`, only those on it.
    pub async fn methods(
        &self,
        api: &RestApiId,
        resource: Option<&ResourceId>,
        after: (&str, &str),
        limit: u32,
    ) -> Result<Vec<Method>> {
        let mut reads = self.read().await?;
        if let Some(resource) = resource {
            let methods = reads.methods_of_resource(api, resource, after.1, limit).await?;
            if methods.is_empty() && reads.resource(api, resource).await?.is_none() {
                return Err(resources::missing(&mut *reads, api).await?);
            }
            return Ok(methods);
        }
        let methods = reads.methods(api, after, limit).await?;
        if methods.is_empty() && reads.rest_api(api).await?.is_none() {
            return Err(rest_apis::unknown(api));
        }
        Ok(methods)
    }

    /// Changes a method: `apply` edits it; its key, its integration and its responses are put back.
    pub async fn update_method(
        &self,
        key: &MethodKey,
        revision: Revision,
        apply: impl FnOnce(&mut Method) + Send,
    ) -> Result<Written<Method>> {
        self.edit_method(key, |method| {
            check_revision("the method", revision, method.revision)?;
            let before = method.clone();
            apply(method);
            method.rest_api_id = before.rest_api_id;
            method.resource_id = before.resource_id;
            method.http_method = before.http_method;
            method.integration = before.integration;
            method.method_responses = before.method_responses;
            Ok(validate::method(method).into_result(())?)
        })
        .await
    }

    /// Deletes a method with its integration and its responses.
    pub async fn delete_method(&self, key: &MethodKey, revision: Revision) -> Result<Written<()>> {
        let mut change = self.begin().await?;
        let mut edit = change.edit(&key.rest_api_id).await?;
        check_revision("the method", revision, find(&edit.after, key)?.revision)?;
        edit.after.methods.retain(|method| !key.names(method));
        change.save(edit).await?;
        Ok(Written { value: (), version: change.commit().await?.version })
    }

    /// Edits one method within a change of its own.
    pub(super) async fn edit_method(
        &self,
        key: &MethodKey,
        apply: impl FnOnce(&mut Method) -> Result<()> + Send,
    ) -> Result<Written<Method>> {
        let mut change = self.begin().await?;
        let mut edit = change.edit(&key.rest_api_id).await?;
        if !edit.after.resources.iter().any(|resource| resource.id == key.resource_id) {
            return Err(resources::unknown());
        }
        let method = edit.after.methods.iter_mut().find(|method| key.names(method)).ok_or_else(unknown)?;
        apply(method)?;
        let value = find(change.save(edit).await?, key)?.clone();
        Ok(Written { value, version: change.commit().await?.version })
    }
}

impl MethodKey {
    pub(super) fn names(&self, method: &Method) -> bool {
        method.resource_id == self.resource_id && method.http_method == self.verb
    }
}

/// The answer about a method that is not there.
pub(super) fn unknown() -> Error {
    Error::NotFound("Invalid Method identifier specified".to_owned())
}

/// Why there is no such method: no such API, no such resource, or the resource has none.
async fn missing(reads: &mut dyn Reads, key: &MethodKey) -> Result<Error> {
    Ok(match reads.resource(&key.rest_api_id, &key.resource_id).await? {
        Some(_) => unknown(),
        None => resources::missing(reads, &key.rest_api_id).await?,
    })
}

pub(super) fn find<'a>(definition: &'a ApiDefinition, key: &MethodKey) -> Result<&'a Method> {
    definition.methods.iter().find(|method| key.names(method)).ok_or_else(unknown)
}
