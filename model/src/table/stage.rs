//! [`StageTable`]: one (API, stage) pair, compiled.

use super::route::{Plan, Route, RouteContext};
use super::settings::StageSettings;
use super::tree::PathTree;
use crate::bundle::{Bundle, BundleKey};
use crate::content::selection::PatternCache;
use crate::definition::ApiDefinition;
use crate::mapping::{ResourceFacts, StageFacts};
use crate::method::Verb;
use crate::violation::Violations;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// One (API, stage) pair, compiled. Shared by all routing tables that contain its bundle.
#[derive(Debug)]
pub struct StageTable {
    key: Arc<BundleKey>,
    settings: Arc<StageSettings>,
    execute_api: bool,
    tree: PathTree,
    routes: Vec<Arc<Route>>,
    has_events: bool,
    canary: Option<Canary>,
}

/// What a part of the stage's requests meets instead. Its table has no canary of its own.
#[derive(Debug)]
struct Canary {
    percent: f64,
    table: Box<StageTable>,
}

/// One of the two things that a stage with a canary serves.
struct Side<'a> {
    definition: &'a ApiDefinition,
    deployment_id: &'a str,
    variables: &'a BTreeMap<String, String>,
    canary: Option<bool>,
}

impl StageTable {
    /// Compiles a bundle, and its canary whatever share that has: a change of the share alone cannot fail. The control
    /// plane calls this before it commits, a node before it swaps.
    ///
    /// # Errors
    /// Every rule that the bundle breaks, with the field's path; those of its canary are below `canary`.
    pub fn compile(bundle: &Bundle) -> Result<Self, Violations> {
        let key = Arc::new(bundle.key());
        let stage = &bundle.stage;
        let own = Side {
            definition: &bundle.definition,
            deployment_id: stage.deployment_id.as_str(),
            variables: &stage.variables,
            canary: stage.canary_settings.as_ref().map(|_| false),
        };
        let own = Self::compile_side(&key, &own);
        let Some(settings) = &stage.canary_settings else { return own };
        let canary = Side {
            definition: bundle.canary.as_deref().unwrap_or(&bundle.definition),
            deployment_id: settings.deployment_id.as_str(),
            variables: &settings.overlay(&stage.variables),
            canary: Some(true),
        };
        match (own, Self::compile_side(&key, &canary)) {
            (Ok(own), Ok(table)) => {
                let canary = Canary { percent: settings.percent_traffic.get(), table: Box::new(table) };
                Ok(Self { canary: Some(canary), ..own })
            }
            (own, canary) => {
                let mut violations = own.err().unwrap_or_default();
                violations.add_below("canary", canary.err().unwrap_or_default());
                Err(violations)
            }
        }
    }

    fn compile_side(key: &Arc<BundleKey>, side: &Side<'_>) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let Side { definition, deployment_id, variables, canary } = *side;
        let api = &definition.rest_api;
        let facts = StageFacts {
            api_id: key.rest_api_id.as_str(),
            stage: key.stage_name.as_str(),
            deployment_id,
            variables,
            canary,
            resource: None,
        };
        let settings = Arc::new(StageSettings::compile(key, api, &facts)?);
        let paths: HashMap<_, _> = definition.resources.iter().map(|r| (&r.id, r.path.as_str())).collect();
        let (mut patterns, mut upstreams) = (PatternCache::default(), HashSet::new());
        let mut tree = PathTree::new();
        let mut routes = Vec::with_capacity(definition.methods.len());
        for method in &definition.methods {
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
                stage: &settings,
                facts: StageFacts { resource: Some(ResourceFacts { id: method.resource_id.as_str(), path }), ..facts },
            };
            match Route::compile(method, integration, &context, &mut patterns) {
                Ok(mut route) => {
                    if let Plan::Http(plan) = &mut route.plan {
                        plan.share(&mut upstreams);
                    }
                    let index = u32::try_from(routes.len()).expect("limits.rs bounds the methods of an API");
                    tree.insert(path, method.http_method, index);
                    routes.push(Arc::new(route));
                }
                Err(found) => violations.add_below(&place, found),
            }
        }
        let key = Arc::clone(key);
        let execute_api = !api.disable_execute_api_endpoint;
        let has_events = routes.iter().any(|route| route.makes_event());
        violations.into_result(Self { key, settings, execute_api, tree, routes, has_events, canary: None })
    }

    /// What one request meets: this, or the canary. `draw` is asked only where there is a canary, and answers a number
    /// from 0 up to, but not including, 100; each equally likely. Then 0 percent is no request and 100 percent is every
    /// one (section h.2).
    pub fn choose(&self, draw: impl FnOnce() -> f64) -> &Self {
        match &self.canary {
            Some(canary) if draw() < canary.percent => &canary.table,
            Some(_) | None => self,
        }
    }

    /// How many of a hundred requests meet the canary; `None` when there is none.
    pub fn canary_percent(&self) -> Option<f64> {
        self.canary.as_ref().map(|canary| canary.percent)
    }

    pub(super) fn tree(&self) -> &PathTree {
        &self.tree
    }

    /// What the stage's canary serves; `None` when there is none.
    pub fn canary(&self) -> Option<&Self> {
        self.canary.as_ref().map(|canary| &*canary.table)
    }

    /// What all its routes share, and requests that meet none of them.
    pub fn settings(&self) -> &Arc<StageSettings> {
        &self.settings
    }

    /// Which bundle this is.
    pub fn key(&self) -> &BundleKey {
        &self.key
    }

    /// Whether `{restApiId}.execute-api.…` hosts reach it.
    pub fn has_execute_api(&self) -> bool {
        self.execute_api
    }

    /// Whether a request may become a function's event, on this side or the canary's.
    pub fn has_events(&self) -> bool {
        self.has_events || self.canary().is_some_and(Self::has_events)
    }

    /// Number of (resource, method) pairs, without those of the canary.
    pub fn route_count(&self) -> usize {
        self.routes.len()
    }

    /// Every route, ordered by resource id and method, without those of the canary.
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

#[cfg(test)]
mod tests;
