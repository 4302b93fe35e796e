//! What is published, route by route.

use super::App;
use super::error::{Error, Result};
use crate::publication::Publication;
use penstock_model::bundle::{Bundle, BundleKey};
use penstock_model::id::{ResourceId, RestApiId, StageName, Version};
use penstock_model::integration::IntegrationType;
use penstock_model::method::Verb;
use penstock_model::table::{Route, StageTable};
use penstock_model::uri_template::fill_stage_variables;
use penstock_proto::convert::decode_bundle;
use std::collections::HashMap;
use std::sync::Arc;

/// Which route; also their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteKey {
    /// Of which API.
    pub rest_api_id: RestApiId,
    /// On which stage.
    pub stage_name: StageName,
    /// The resource's.
    pub path: String,
    /// The method's.
    pub verb: Verb,
}

/// A route as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRoute {
    /// Which.
    pub key: RouteKey,
    /// What stands behind it.
    pub integration_type: IntegrationType,
    /// With stage variables filled in, as far as they are there.
    pub uri: String,
    /// Host and base path under which the stage is reached.
    pub base_urls: Vec<String>,
    /// Why its calls fail, or those of the stage's canary, when they must; empty otherwise.
    pub problem: String,
}

impl App {
    /// Routes of the newest publication behind `after`, and its version. `None` means all.
    pub async fn routes(
        &self,
        api: Option<RestApiId>,
        stage: Option<StageName>,
        after: Option<RouteKey>,
        limit: usize,
    ) -> Result<(Vec<ListedRoute>, Version)> {
        let publication = self.newest();
        let version = publication.version;
        // A bundle of thousands of routes is decoded for its page.
        let list = tokio::task::spawn_blocking(move || {
            let wanted = |key: &BundleKey| {
                api.as_ref().is_none_or(|api| *api == key.rest_api_id)
                    && stage.as_ref().is_none_or(|stage| *stage == key.stage_name)
            };
            page(&publication, wanted, after.as_ref(), limit)
        });
        let routes = list.await.map_err(|error| Error::internal("listing routes", error))??;
        Ok((routes, version))
    }
}

fn page(
    publication: &Publication,
    wanted: impl Fn(&BundleKey) -> bool,
    after: Option<&RouteKey>,
    limit: usize,
) -> Result<Vec<ListedRoute>> {
    let mut page = Vec::new();
    for reference in &publication.manifest.bundles {
        let key = &reference.key;
        let passed = after.is_some_and(|a| (&key.rest_api_id, &key.stage_name) < (&a.rest_api_id, &a.stage_name));
        if passed || !wanted(key) {
            continue;
        }
        let bytes = publication.bundles.get(&reference.hash).map(|bytes| &bytes[..]).unwrap_or_default();
        let bundle = decode_bundle(bytes).map_err(|error| Error::internal("listing routes", error))?;
        let mut routes = routes(publication, &bundle);
        routes.retain(|route| after.is_none_or(|after| route.key > *after));
        routes.sort_by(|a, b| a.key.cmp(&b.key));
        routes.truncate(limit - page.len());
        page.append(&mut routes);
        if page.len() == limit {
            break;
        }
    }
    Ok(page)
}

fn routes(publication: &Publication, bundle: &Bundle) -> Vec<ListedRoute> {
    let key = bundle.key();
    let problems = publication.compiled.get(&key).map(|table| problems(table));
    let base_urls = base_urls(publication, bundle);
    let paths: HashMap<_, _> =
        bundle.definition.resources.iter().map(|resource| (&resource.id, resource.path.as_str())).collect();
    let listed = bundle.definition.methods.iter().filter_map(|method| {
        let integration = method.integration.as_ref()?;
        let uri = fill_stage_variables(&integration.uri, &bundle.stage.variables);
        let problem = match &problems {
            None => "the stage does not compile".to_owned(),
            Some(problems) => {
                problems.get(&(method.resource_id.clone(), method.http_method)).cloned().unwrap_or_default()
            }
        };
        Some(ListedRoute {
            key: RouteKey {
                rest_api_id: key.rest_api_id.clone(),
                stage_name: key.stage_name.clone(),
                path: (*paths.get(&method.resource_id)?).to_owned(),
                verb: method.http_method,
            },
            integration_type: integration.kind,
            uri: uri.unwrap_or_else(|_| integration.uri.clone()),
            base_urls: base_urls.clone(),
            problem,
        })
    });
    listed.collect()
}

/// Why calls fail, by route; where only those of the canary do, it says so.
fn problems(table: &StageTable) -> HashMap<(ResourceId, Verb), String> {
    let failing = |route: &Arc<Route>| {
        let canary = if route.stage.canary == Some(true) { "its canary: " } else { "" };
        Some(((route.resource.id.clone(), route.verb), format!("{canary}{}", route.problem()?)))
    };
    let canary = table.canary().map(StageTable::routes).unwrap_or_default();
    // The stage's own problem replaces its canary's.
    canary.iter().chain(table.routes()).filter_map(failing).collect()
}

/// The ways to a stage: its mappings, and the host that names its API.
fn base_urls(publication: &Publication, bundle: &Bundle) -> Vec<String> {
    let (api, stage) = (&bundle.definition.rest_api, &bundle.stage.stage_name);
    let mut urls: Vec<_> = publication
        .manifest
        .base_path_mappings
        .iter()
        .filter(|mapping| mapping.rest_api_id == api.id)
        .filter_map(|mapping| match &mapping.stage {
            Some(mapped) if mapped != stage => None,
            Some(_) => Some(format!("{}/{}", mapping.domain_name, mapping.base_path)),
            None if mapping.base_path.is_empty() => Some(format!("{}/{stage}", mapping.domain_name)),
            None => Some(format!("{}/{}/{stage}", mapping.domain_name, mapping.base_path)),
        })
        .collect();
    if !api.disable_execute_api_endpoint {
        urls.push(format!("{}.execute-api.*/{stage}", api.id));
    }
    urls
}
