//! [`Tree`]: the resources of an API as they hang together, and the rules of section d.3. Used by
//! [`super::definition()`] and [`super::for_deployment`].

use super::{mappings, method, resource};
use crate::definition::ApiDefinition;
use crate::id::ResourceId;
use crate::limits::{PATH_DEPTH_MAX, VIOLATIONS_MAX};
use crate::resource::{PathPart, Resource, child_path};
use crate::violation::Violations;
use std::collections::{HashMap, HashSet};

/// Violations up to the limit. A definition has so many objects that its violations could be larger than itself.
#[derive(Default)]
pub(super) struct Capped {
    listed: Violations,
    unlisted: usize,
}

impl Capped {
    /// Notes a violation.
    pub(super) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.listed.as_slice().len() < VIOLATIONS_MAX {
            self.listed.add(field, description);
        } else {
            self.unlisted += 1;
        }
    }

    /// Notes what another check found below `prefix`.
    pub(super) fn add_below(&mut self, prefix: &str, others: Violations) {
        for violation in others {
            if self.listed.as_slice().len() < VIOLATIONS_MAX {
                self.listed.add_below(prefix, Violations::one(violation.field, violation.description));
            } else {
                self.unlisted += 1;
            }
        }
    }

    /// The list, with a last line that counts what is not on it.
    pub(super) fn finish(mut self) -> Violations {
        if self.unlisted > 0 {
            self.listed.add("", format!("{} more violations are not listed", self.unlisted));
        }
        self.listed
    }
}

/// How a resource hangs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// So many segments below a root.
    Depth(usize),
    /// Its parents form a circle.
    Cyclic,
    /// Some parent does not exist.
    Dangling,
}

/// The resources, by identifier and by standing.
pub(super) struct Tree<'a> {
    resources: &'a [Resource],
    by_id: HashMap<&'a ResourceId, usize>,
    standing: Vec<Standing>,
}

impl<'a> Tree<'a> {
    /// The tree of these resources, sound or not.
    pub(super) fn new(resources: &'a [Resource]) -> Self {
        let mut by_id = HashMap::with_capacity(resources.len());
        for (at, resource) in resources.iter().enumerate() {
            by_id.entry(&resource.id).or_insert(at);
        }
        let standing = standing(resources, &by_id);
        Self { resources, by_id, standing }
    }

    fn parent(&self, at: usize) -> Option<usize> {
        self.by_id.get(self.resources[at].parent_id.as_ref()?).copied()
    }

    /// The path, for those that have one within limits.
    fn path(&self, at: usize) -> Option<String> {
        let Standing::Depth(depth @ 0..=PATH_DEPTH_MAX) = self.standing[at] else { return None };
        let mut parts = Vec::with_capacity(depth);
        let mut here = at;
        while let Some(parent) = self.parent(here) {
            parts.push(self.resources[here].path_part.as_str());
            here = parent;
        }
        Some(parts.into_iter().rev().fold("/".to_owned(), |path, part| child_path(&path, part)))
    }

    fn name(&self, at: usize) -> String {
        self.path(at).unwrap_or_else(|| self.resources[at].id.to_string())
    }

    /// What messages call the resource with this identifier.
    pub(super) fn name_of_id(&self, id: &ResourceId) -> String {
        self.by_id.get(id).map_or_else(|| id.to_string(), |&at| self.name(at))
    }

    /// There is one root, and the settings name it.
    pub(super) fn check_root(&self, found: &mut Capped, api: &ApiDefinition) {
        let mut roots = self.resources.iter().filter(|resource| resource.parent_id.is_none());
        match roots.next() {
            None => found.add("resources", "an API must have a root resource"),
            Some(root) if root.id != api.rest_api.root_resource_id => {
                found.add("restApi.rootResourceId", format!("must name the root resource, {}", root.id));
            }
            Some(_) => {}
        }
        for extra in roots {
            found.add(format!("resources[{}].parentId", extra.id), "an API must have only one root resource");
        }
    }

    /// Each resource by itself, and along the path that leads to it.
    pub(super) fn check_resources(&self, found: &mut Capped) {
        for (at, here) in self.resources.iter().enumerate() {
            let field = || format!("resources[{}]", self.name(at));
            let broken = resource(here);
            if !broken.is_empty() {
                found.add_below(&field(), broken);
            }
            if self.by_id.get(&here.id) != Some(&at) {
                found
                    .add(format!("{}.id", field()), format!("another resource already has the identifier {}", here.id));
            }
            match self.standing[at] {
                Standing::Cyclic => found.add(format!("{}.parentId", field()), "Resources cannot be cyclical."),
                Standing::Dangling => {
                    found.add(format!("{}.parentId", field()), "Invalid Resource identifier specified");
                }
                Standing::Depth(depth) if depth > PATH_DEPTH_MAX => {
                    found.add(
                        format!("{}.parentId", field()),
                        format!("a path must have at most {PATH_DEPTH_MAX} segments"),
                    );
                }
                Standing::Depth(_) => self.check_path(found, at),
            }
        }
    }

    /// The rules along one path, from the root down to `at`.
    fn check_path(&self, found: &mut Capped, at: usize) {
        let here = &self.resources[at];
        let Some(parent) = self.parent(at) else { return };
        let field = || format!("resources[{}].pathPart", self.name(at));
        if let Ok(PathPart::Greedy(_)) = PathPart::parse(&self.resources[parent].path_part) {
            let above = &self.resources[parent].path_part;
            found.add(field(), format!("Cannot create a child of a resource with a greedy path variable: {above}"));
        }
        if let Some(name) = variable(&here.path_part) {
            let mut above = Some(parent);
            while let Some(ancestor) = above {
                if variable(&self.resources[ancestor].path_part) == Some(name) {
                    found.add(field(), format!("the path already has a variable called {name}"));
                    break;
                }
                above = self.parent(ancestor);
            }
        }
        let derived = || self.path(at).unwrap_or_default();
        if !here.path.is_empty() && here.path != derived() {
            found.add(
                format!("resources[{}].path", self.name(at)),
                format!("does not follow from the tree: {}", here.path),
            );
        }
    }

    /// Siblings differ, and at most one of them is variable.
    pub(super) fn check_siblings(&self, found: &mut Capped) {
        let mut names: HashSet<(&ResourceId, &str)> = HashSet::new();
        let mut variables: HashMap<&ResourceId, &str> = HashMap::new();
        for (at, here) in self.resources.iter().enumerate() {
            let Some(parent) = &here.parent_id else { continue };
            let field = || format!("resources[{}].pathPart", self.name(at));
            let part = here.path_part.as_str();
            if !names.insert((parent, part)) {
                found.add(field(), format!("Another resource with the same parent already has this name: {part}"));
            } else if variable(part).is_some() {
                if let Some(sibling) = variables.get(parent) {
                    let text = format!(
                        "A sibling ({sibling}) of this resource already has a variable path part -- only one is allowed"
                    );
                    found.add(field(), text);
                } else {
                    variables.insert(parent, part);
                }
            }
        }
    }

    /// Methods stand on resources, once each.
    pub(super) fn check_methods(&self, found: &mut Capped, api: &ApiDefinition) {
        let mut seen = HashSet::new();
        for one in &api.methods {
            let field = || format!("methods[{} {}]", one.http_method, self.name_of_id(&one.resource_id));
            if !self.by_id.contains_key(&one.resource_id) {
                found.add(format!("{}.resourceId", field()), "Invalid Resource identifier specified");
            }
            if !seen.insert((&one.resource_id, one.http_method)) {
                found.add(field(), "the resource already has a method of this name");
            }
            let mut broken = method(one);
            if let Some(path) = self.by_id.get(&one.resource_id).and_then(|&at| self.path(at)) {
                broken.add_below("", mappings::path_parameters(one, &path));
            }
            if !broken.is_empty() {
                found.add_below(&field(), broken);
            }
        }
    }
}

fn variable(part: &str) -> Option<&str> {
    match PathPart::parse(part) {
        Ok(PathPart::Param(name) | PathPart::Greedy(name)) => Some(name),
        Ok(PathPart::Literal(_)) | Err(_) => None,
    }
}

/// Climbs from every resource until something known, so the work is linear in their number.
fn standing(resources: &[Resource], by_id: &HashMap<&ResourceId, usize>) -> Vec<Standing> {
    let mut known: Vec<Option<Standing>> = vec![None; resources.len()];
    let mut on_climb = vec![false; resources.len()];
    for start in 0..resources.len() {
        let mut climb = Vec::new();
        let mut here = start;
        let mut result = loop {
            if let Some(standing) = known[here] {
                break standing;
            }
            if on_climb[here] {
                break Standing::Cyclic;
            }
            let Some(parent) = &resources[here].parent_id else {
                known[here] = Some(Standing::Depth(0));
                break Standing::Depth(0);
            };
            on_climb[here] = true;
            climb.push(here);
            match by_id.get(parent) {
                Some(&next) => here = next,
                None => break Standing::Dangling,
            }
        };
        for &below in climb.iter().rev() {
            if let Standing::Depth(depth) = result {
                result = Standing::Depth(depth + 1);
            }
            known[below] = Some(result);
        }
    }
    known.into_iter().map(|standing| standing.unwrap_or(Standing::Dangling)).collect()
}
