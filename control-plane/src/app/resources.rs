//! Resources: the path tree of an API.

use super::error::{Error, Result};
use super::{App, Written, check_revision, rest_apis};
use crate::store::Reads;
use penstock_model::definition::ApiDefinition;
use penstock_model::id::{ResourceId, RestApiId, Revision};
use penstock_model::resource::Resource;
use std::collections::HashSet;

/// The answer about a resource that is not there.
pub(super) fn unknown() -> Error {
    Error::NotFound("Invalid Resource identifier specified".to_owned())
}

impl App {
    /// Makes a resource below its parent.
    pub async fn create_resource(&self, resource: Resource) -> Result<Written<Resource>> {
        let api = resource.rest_api_id.clone();
        let Some(parent) = resource.parent_id else {
            return Err(Error::invalid("parentId", "must name the resource below which this one stands"));
        };
        let mut change = self.begin().await?;
        let mut edit = change.edit(&api).await?;
        let definition = &mut edit.after;
        find(definition, &parent)?;
        check_name(definition, &parent, &resource.path_part, None)?;
        let id = change.new_resource_id(definition)?;
        definition.resources.push(Resource {
            id: id.clone(),
            rest_api_id: api,
            parent_id: Some(parent),
            path_part: resource.path_part,
            ..Resource::default()
        });
        let value = find(change.save(edit).await?, &id)?.clone();
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// One resource.
    pub async fn resource(&self, api: &RestApiId, id: &ResourceId) -> Result<Resource> {
        let mut reads = self.read().await?;
        match reads.resource(api, id).await? {
            Some(resource) => Ok(resource),
            None => Err(missing(&mut *reads, api).await?),
        }
    }

    /// Resources of an API by id, behind `after`.
    pub async fn resources(&self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Resource>> {
        let mut reads = self.read().await?;
        let resources = reads.resources(api, after, limit).await?;
        if resources.is_empty() && reads.rest_api(api).await?.is_none() {
            return Err(rest_apis::unknown(api));
        }
        Ok(resources)
    }

    /// Renames or moves a resource with all that is below it: `apply` edits its path part and its parent.
    pub async fn update_resource(
        &self,
        api: &RestApiId,
        id: &ResourceId,
        revision: Revision,
        apply: impl FnOnce(&mut Resource) + Send,
    ) -> Result<Written<Resource>> {
        let mut change = self.begin().await?;
        let mut edit = change.edit(api).await?;
        let before = find(&edit.after, id)?.clone();
        check_revision("the resource", revision, before.revision)?;
        let mut wanted = before.clone();
        apply(&mut wanted);
        if before.parent_id.is_none() && wanted.path_part != before.path_part {
            return Err(Error::invalid("pathPart", "Root resource cannot update its pathPart."));
        }
        if before.parent_id.is_none() && wanted.parent_id.is_some() {
            return Err(Error::invalid("parentId", "Root resource cannot update its parentId."));
        }
        if let Some(parent) = &before.parent_id {
            let parent = wanted.parent_id.unwrap_or_else(|| parent.clone());
            find(&edit.after, &parent)?;
            check_name(&edit.after, &parent, &wanted.path_part, Some(id))?;
            wanted.parent_id = Some(parent);
        }
        for resource in edit.after.resources.iter_mut().filter(|resource| resource.id == *id) {
            resource.path_part.clone_from(&wanted.path_part);
            resource.parent_id.clone_from(&wanted.parent_id);
        }
        let value = find(change.save(edit).await?, id)?.clone();
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// Deletes a resource, its methods, and everything below it.
    pub async fn delete_resource(&self, api: &RestApiId, id: &ResourceId, revision: Revision) -> Result<Written<()>> {
        let mut change = self.begin().await?;
        let mut edit = change.edit(api).await?;
        let resource = find(&edit.after, id)?;
        check_revision("the resource", revision, resource.revision)?;
        if resource.parent_id.is_none() {
            return Err(Error::FailedPrecondition("Root resource cannot be deleted".to_owned()));
        }
        let gone = subtree(&edit.after, id);
        edit.after.resources.retain(|resource| !gone.contains(&resource.id));
        edit.after.methods.retain(|method| !gone.contains(&method.resource_id));
        change.save(edit).await?;
        Ok(Written { value: (), version: change.commit().await?.version })
    }
}

/// Why there is no such resource: no such API, or the API has none.
pub(super) async fn missing(reads: &mut dyn Reads, api: &RestApiId) -> Result<Error> {
    Ok(match reads.rest_api(api).await? {
        Some(_) => unknown(),
        None => rest_apis::unknown(api),
    })
}

fn find<'a>(definition: &'a ApiDefinition, id: &ResourceId) -> Result<&'a Resource> {
    definition.resources.iter().find(|resource| resource.id == *id).ok_or_else(unknown)
}

/// A sibling of the same name is the one rule of the tree that has a status of its own.
fn check_name(
    definition: &ApiDefinition,
    parent: &ResourceId,
    path_part: &str,
    except: Option<&ResourceId>,
) -> Result<()> {
    let same = |resource: &&Resource| {
        resource.parent_id.as_ref() == Some(parent) && resource.path_part == path_part && Some(&resource.id) != except
    };
    match definition.resources.iter().find(same) {
        Some(_) => Err(Error::AlreadyExists(format!(
            "Another resource with the same parent already has this name: {path_part}"
        ))),
        None => Ok(()),
    }
}

/// A resource and everything below it. Ends on cycles too, since it only ever adds.
fn subtree(definition: &ApiDefinition, id: &ResourceId) -> HashSet<ResourceId> {
    let mut below = HashSet::from([id.clone()]);
    loop {
        let found: Vec<_> = definition
            .resources
            .iter()
            .filter(|r| !below.contains(&r.id) && r.parent_id.as_ref().is_some_and(|parent| below.contains(parent)))
            .map(|r| r.id.clone())
            .collect();
        if found.is_empty() {
            return below;
        }
        below.extend(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subtree_is_everything_below() {
        let resource =
            |id: &str, parent: &str| Resource { id: id.into(), parent_id: Some(parent.into()), ..Resource::default() };
        let definition = ApiDefinition {
            resources: vec![resource("c", "b"), resource("b", "a"), resource("a", "root"), resource("x", "root")],
            ..ApiDefinition::default()
        };
        let below = subtree(&definition, &"a".into());
        assert_eq!(below, HashSet::from(["a".into(), "b".into(), "c".into()]));
    }
}
