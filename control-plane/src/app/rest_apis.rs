//! REST APIs: their settings, and their end.

use super::error::{Error, Result};
use super::limits::{CHILD_ID_CHARS, ID_ATTEMPTS_MAX, REST_API_ID_CHARS, REST_APIS_MAX};
use super::{App, Written, change::Change, check_revision};
use crate::store::Counted;
use penstock_model::definition::ApiDefinition;
use penstock_model::id::{ResourceId, RestApiId, Revision};
use penstock_model::mapping::ACCOUNT_ID;
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;
use penstock_model::validate;

/// The answer about an API that is not there.
pub(super) fn unknown(api: &RestApiId) -> Error {
    Error::NotFound(format!("Invalid API identifier specified {ACCOUNT_ID}:{api}"))
}

impl App {
    /// Makes an API with a root resource. Identifiers, dates and revisions that `api` comes with do not count.
    pub async fn create_rest_api(&self, mut api: RestApi) -> Result<Written<RestApi>> {
        validate::rest_api(&api).into_result(())?;
        let mut change = self.begin().await?;
        api.id = change.new_rest_api_id().await?;
        api.created_at_ms = self.shared.surroundings.now_ms();
        api.root_resource_id = self.shared.surroundings.random_id(CHILD_ID_CHARS).into();
        let resources = vec![root(&api)];
        let value =
            change.create(ApiDefinition { rest_api: api, resources, methods: Vec::new() }).await?.rest_api.clone();
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// One API.
    pub async fn rest_api(&self, id: &RestApiId) -> Result<RestApi> {
        self.read().await?.rest_api(id).await?.ok_or_else(|| unknown(id))
    }

    /// APIs by id, behind `after`; with `name`, only those of exactly this name.
    pub async fn rest_apis(&self, name: Option<&str>, after: &str, limit: u32) -> Result<Vec<RestApi>> {
        Ok(self.read().await?.rest_apis(name, after, limit).await?)
    }

    /// Changes settings: `apply` edits them; what it may not edit is put back.
    pub async fn update_rest_api(
        &self,
        id: &RestApiId,
        revision: Revision,
        apply: impl FnOnce(&mut RestApi) + Send,
    ) -> Result<Written<RestApi>> {
        let mut change = self.begin().await?;
        let mut edit = change.edit(id).await?;
        let api = &mut edit.after.rest_api;
        check_revision("the API", revision, api.revision)?;
        let before = api.clone();
        apply(api);
        api.id = before.id;
        api.root_resource_id = before.root_resource_id;
        api.created_at_ms = before.created_at_ms;
        validate::rest_api(api).into_result(())?;
        let value = change.save(edit).await?.rest_api.clone();
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// Deletes an API with everything below it, and with `force` the mappings that point at it.
    pub async fn delete_rest_api(&self, id: &RestApiId, revision: Revision, force: bool) -> Result<Written<()>> {
        let mut change = self.begin().await?;
        let api = change.tx.rest_api(id).await?.ok_or_else(|| unknown(id))?;
        check_revision("the API", revision, api.revision)?;
        let mappings = change.tx.base_path_mappings_of_api(id).await?;
        if let (Some(mapping), false) = (mappings.first(), force) {
            return Err(Error::FailedPrecondition(format!(
                "{} base path mapping(s) point at this API, for example {}/{}: delete them first, or set force",
                mappings.len(),
                mapping.domain_name,
                mapping.base_path
            )));
        }
        for mapping in &mappings {
            change.tx.delete_base_path_mapping(&mapping.domain_name, &mapping.base_path).await?;
            change.touch_mappings();
        }
        for stage in change.stages(id).await? {
            change.touch(&stage);
        }
        change.tx.delete_rest_api(id).await?;
        Ok(Written { value: (), version: change.commit().await?.version })
    }
}

impl Change {
    /// An identifier that no API has, if there is still room for one.
    pub(super) async fn new_rest_api_id(&mut self) -> Result<RestApiId> {
        if self.tx.count(Counted::RestApis).await? >= REST_APIS_MAX {
            return Err(Error::Exhausted(format!("there can be at most {REST_APIS_MAX} APIs: delete some")));
        }
        for _ in 0..ID_ATTEMPTS_MAX {
            let id = RestApiId::from(self.shared.surroundings.random_id(REST_API_ID_CHARS));
            if self.tx.rest_api(&id).await?.is_none() {
                return Ok(id);
            }
        }
        Err(Error::internal("choosing an identifier", "all attempts were taken"))
    }

    /// An identifier that no resource of `definition` has.
    pub(super) fn new_resource_id(&self, definition: &ApiDefinition) -> Result<ResourceId> {
        (0..ID_ATTEMPTS_MAX)
            .map(|_| ResourceId::from(self.shared.surroundings.random_id(CHILD_ID_CHARS)))
            .find(|id| definition.resources.iter().all(|resource| resource.id != *id))
            .ok_or_else(|| Error::internal("choosing an identifier", "all attempts were taken"))
    }
}

fn root(api: &RestApi) -> Resource {
    Resource { id: api.root_resource_id.clone(), rest_api_id: api.id.clone(), ..Resource::default() }
}
