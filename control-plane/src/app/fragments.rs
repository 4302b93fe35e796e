//! The JSON fragments that people paste: one integration, or one list of binary media types.

use super::error::{Error, Result};
use super::{App, MethodKey, Written, change::Change, check_revision, methods};
use penstock_model::definition::ApiDefinition;
use penstock_model::fragment::{self, Fragment};
use penstock_model::id::{ResourceId, RestApiId, Revision};
use penstock_model::integration::Integration;
use penstock_model::limits::FRAGMENT_BYTES_MAX;
use penstock_model::method::{Method, Verb};
use penstock_model::resource::{Resource, segments};
use penstock_model::rest_api::RestApi;
use penstock_model::validate;
use penstock_model::violation::{Violations, Warning};

/// A fragment, and where it belongs.
#[derive(Clone, Debug)]
pub struct FragmentRequest {
    /// To which API.
    pub rest_api_id: RestApiId,
    /// Of the API's settings; zero is any.
    pub revision: Revision,
    /// JSON.
    pub document: Vec<u8>,
    /// Of an integration: the resource, made with all above it if it is not there.
    pub path: String,
    /// Of an integration: the method, made without authorization if it is not there.
    pub http_method: String,
}

/// What a fragment became.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The API's settings.
    pub rest_api: RestApi,
    /// The method of an integration.
    pub method: Option<Method>,
    /// What was guessed or ignored.
    pub warnings: Vec<Warning>,
}

impl App {
    /// Applies a fragment to an API.
    pub async fn apply_fragment(&self, request: FragmentRequest) -> Result<Written<Applied>> {
        if request.document.len() > FRAGMENT_BYTES_MAX {
            let reason = format!("has {} bytes, but may have at most {FRAGMENT_BYTES_MAX}", request.document.len());
            return Err(Error::invalid("document", reason));
        }
        let fragment::Parsed { fragment, warnings } = fragment::parse(&request.document)?;
        let mut change = self.begin().await?;
        let mut edit = change.edit(&request.rest_api_id).await?;
        check_revision("the API", request.revision, edit.after.rest_api.revision)?;
        let key = match fragment {
            Fragment::BinaryMediaTypes(types) => {
                edit.after.rest_api.binary_media_types = types;
                validate::rest_api(&edit.after.rest_api).into_result(())?;
                None
            }
            Fragment::Integration(integration) => {
                let (path, verb) = place(&request)?;
                let resource_id = change.make_path(&mut edit.after, path)?;
                let key = MethodKey { rest_api_id: request.rest_api_id, resource_id, verb };
                put(&mut edit.after, &key, *integration)?;
                Some(key)
            }
        };
        let saved = change.save(edit).await?;
        let method = key.map(|key| methods::find(saved, &key).cloned()).transpose()?;
        let value = Applied { rest_api: saved.rest_api.clone(), method, warnings };
        Ok(Written { value, version: change.commit().await?.version })
    }
}

impl Change {
    /// The resource of this path, made with all that is missing above it.
    fn make_path(&self, definition: &mut ApiDefinition, path: &str) -> Result<ResourceId> {
        let mut here = definition.rest_api.root_resource_id.clone();
        for part in segments(path) {
            let child = |resource: &&Resource| resource.parent_id.as_ref() == Some(&here) && resource.path_part == part;
            here = match definition.resources.iter().find(child) {
                Some(resource) => resource.id.clone(),
                None => {
                    let id = self.new_resource_id(definition)?;
                    definition.resources.push(Resource {
                        id: id.clone(),
                        rest_api_id: definition.rest_api.id.clone(),
                        parent_id: Some(here),
                        path_part: part.to_owned(),
                        ..Resource::default()
                    });
                    id
                }
            };
        }
        Ok(here)
    }
}

/// Where an integration goes.
fn place(request: &FragmentRequest) -> Result<(&str, Verb)> {
    let mut violations = Violations::new();
    if !request.path.starts_with('/') {
        violations.add("path", "must be the path of a resource, beginning with a slash");
    }
    let verb = Verb::parse(&request.http_method).map_err(|reason| violations.add("httpMethod", reason));
    match verb {
        Ok(verb) if violations.is_empty() => Ok((&request.path, verb)),
        _ => Err(violations.into()),
    }
}

/// Puts an integration on its method. Responses that the fragment does not have stay.
fn put(definition: &mut ApiDefinition, key: &MethodKey, mut integration: Integration) -> Result<()> {
    let at = match definition.methods.iter().position(|method| key.names(method)) {
        Some(at) => at,
        None => {
            let method = Method::new(key.rest_api_id.clone(), key.resource_id.clone(), key.verb);
            definition.methods.push(method);
            definition.methods.len() - 1
        }
    };
    let method = &mut definition.methods[at];
    fragment::declare_headers(&integration, method);
    if let Some(stored) = method.integration.take() {
        for (code, response) in stored.integration_responses {
            integration.integration_responses.entry(code).or_insert(response);
        }
    }
    validate::integration(&integration, method).into_result(())?;
    method.integration = Some(integration);
    Ok(())
}
