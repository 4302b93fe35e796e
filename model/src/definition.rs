//! [`ApiDefinition`]: one API as a whole, as it is edited, imported, exported and deployed.

use crate::id::{ResourceId, Revision};
use crate::method::Method;
use crate::resource::{Resource, child_path};
use crate::rest_api::RestApi;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One API with its resources and methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiDefinition {
    /// The settings.
    pub rest_api: RestApi,
    /// The path tree; one of them is the root.
    pub resources: Vec<Resource>,
    /// The methods on it.
    pub methods: Vec<Method>,
}

impl ApiDefinition {
    /// Fills in every resource's `path` from the tree, leaving empty those that do not hang on the root.
    pub fn derive_paths(&mut self) {
        let at: HashMap<ResourceId, usize> =
            self.resources.iter().enumerate().map(|(i, r)| (r.id.clone(), i)).collect();
        let mut paths: Vec<Option<String>> = vec![None; self.resources.len()];
        for start in 0..self.resources.len() {
            let mut chain = Vec::new();
            let mut here = start;
            // Climbs until a known path or the root; the length check ends cycles.
            let mut path = loop {
                if let Some(known) = &paths[here] {
                    break Some(known.clone());
                }
                match &self.resources[here].parent_id {
                    None => {
                        paths[here] = Some("/".to_owned());
                        break Some("/".to_owned());
                    }
                    Some(_) if chain.len() > self.resources.len() => break None,
                    Some(parent) => {
                        chain.push(here);
                        match at.get(parent) {
                            Some(&next) => here = next,
                            None => break None,
                        }
                    }
                }
            };
            for &below in chain.iter().rev() {
                path = path.map(|parent| child_path(&parent, &self.resources[below].path_part));
                paths[below] = path.clone();
            }
        }
        for (resource, path) in self.resources.iter_mut().zip(paths) {
            resource.path = path.unwrap_or_default();
        }
    }

    /// Brings everything into the one order that equal definitions share, and clears what changes without meaning:
    /// dates and revisions. What comes out is what a deployment stores and a bundle carries.
    pub fn normalise(&mut self) {
        self.rest_api.created_at_ms = 0;
        self.rest_api.revision = Revision::default();
        for resource in &mut self.resources {
            resource.revision = Revision::default();
        }
        for method in &mut self.methods {
            method.revision = Revision::default();
            for response in method.method_responses.values_mut() {
                response.revision = Revision::default();
            }
            if let Some(integration) = &mut method.integration {
                integration.revision = Revision::default();
                for response in integration.integration_responses.values_mut() {
                    response.revision = Revision::default();
                }
            }
        }
        self.resources.sort_by(|a, b| a.path.cmp(&b.path));
        self.methods.sort_by(|a, b| (&a.resource_id, a.http_method).cmp(&(&b.resource_id, b.http_method)));
    }

    /// The resource with this path.
    pub fn resource_at(&self, path: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(id: &str, parent: Option<&str>, part: &str) -> Resource {
        Resource { id: id.into(), parent_id: parent.map(Into::into), path_part: part.into(), ..Resource::default() }
    }

    #[test]
    fn paths_follow_the_tree_and_cycles_end() {
        let mut api = ApiDefinition {
            resources: vec![
                resource("c", Some("b"), "{id}"),
                resource("b", Some("a"), "images"),
                resource("a", None, ""),
                resource("x", Some("y"), "x"),
                resource("y", Some("x"), "y"),
                resource("z", Some("gone"), "z"),
            ],
            ..ApiDefinition::default()
        };
        api.derive_paths();
        let paths: Vec<_> = api.resources.iter().map(|r| r.path.as_str()).collect();
        assert_eq!(paths, ["/images/{id}", "/images", "/", "", "", ""]);
    }
}
