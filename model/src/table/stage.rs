//! [`StageTable`]: one (API, stage) pair, compiled.

use super::route::{Route, RouteContext};
use super::tree::PathTree;
use crate::bundle::{Bundle, BundleKey};
use crate::mapping::{ResourceFacts, StageFacts};
use crate::method::Verb;
use crate::violation::Violations;
use http::HeaderValue;
use std::collections::HashMap;
use std::sync::Arc;

/// One (API, stage) pair, compiled. Shared by all routing tables that contain its bundle.
#[derive(Debug)]
pub struct StageTable {
    key: Arc<BundleKey>,
    execute_api: bool,
    tree: PathTree,
    routes: Vec<Arc<Route>>,
}

impl StageTable {
    /// Compiles a bundle. The control plane calls this before it commits, a node before it swaps.
    ///
    /// # Errors
    /// Every rule that the bundle breaks, with the field's path.
    pub fn compile(bundle: &Bundle) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let api = &bundle.definition.rest_api;
        let Ok(api_id) = HeaderValue::from_str(api.id.as_str()) else {
            return Err(Violations::one("restApi.id", "must be visible ASCII"));
        };
        let key = Arc::new(bundle.key());
        let deployment_id: Arc<str> = bundle.stage.deployment_id.as_str().into();
        let paths: HashMap<_, _> = bundle.definition.resources.iter().map(|r| (&r.id, r.path.as_str())).collect();
        let mut tree = PathTree::new();
        let mut routes = Vec::with_capacity(bundle.definition.methods.len());
        for method in &bundle.definition.methods {
            let Some(&path) = paths.get(&method.resource_id).filter(|path| !path.is_empty()) else {
                violations.add("methods", format!("resource {} does not exist", method.resource_id));
                continue;
            };
            let place = format!("{} {path}", method.http_method);
            let Some(integration) = &method.integration else {
                violations.add(place, "No integration defined for method");
                continue;
            };
            let context = RouteContext {
                key: &key,
                deployment_id: &deployment_id,
                fidelity: api.fidelity,
                api_id: &api_id,
                facts: StageFacts {
                    api_id: api.id.as_str(),
                    stage: bundle.stage.stage_name.as_str(),
                    deployment_id: &deployment_id,
                    variables: &bundle.stage.variables,
                    canary: None,
                    resource: Some(ResourceFacts { id: method.resource_id.as_str(), path }),
                },
            };
            match Route::compile(method, integration, &context) {
                Ok(route) => {
                    let index = u32::try_from(routes.len()).expect("limits.rs bounds the methods of an API");
                    tree.insert(path, method.http_method, index);
                    routes.push(Arc::new(route));
                }
                Err(found) => violations.add_below(&place, found),
            }
        }
        violations.into_result(Self { key, execute_api: !api.disable_execute_api_endpoint, tree, routes })
    }

    /// Which bundle this is.
    pub fn key(&self) -> &BundleKey {
        &self.key
    }

    /// Whether `{restApiId}.execute-api.…` hosts reach it.
    pub fn has_execute_api(&self) -> bool {
        self.execute_api
    }

    /// Number of (resource, method) pairs.
    pub fn route_count(&self) -> usize {
        self.routes.len()
    }

    /// Every route, ordered by resource id and method.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Finds the route of a request. `path` has exactly one leading slash and no query. A missing path and a missing
    /// method are the same answer (section d.2).
    pub fn resolve(&self, method: &http::Method, path: &str) -> Option<&Arc<Route>> {
        let verb = Verb::of_request(method)?;
        let index = self.tree.find(verb, path)?;
        self.routes.get(index as usize)
    }
}
