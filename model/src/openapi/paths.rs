//! [`TreeBuilder`]: resources out of the paths of a document, with those between created as needed.

use crate::id::{ResourceId, RestApiId};
use crate::limits::{PATH_DEPTH_MAX, RESOURCES_PER_API_MAX};
use crate::resource::{PathPart, Resource, child_path};
use std::collections::HashMap;

/// The tree that grows, and for each resource the place in the document that made it.
pub(super) struct TreeBuilder<'n> {
    rest_api_id: RestApiId,
    resources: Vec<Resource>,
    origins: Vec<String>,
    /// (index of the parent, path part) to index.
    children: HashMap<(usize, String), usize>,
    new_id: &'n mut dyn FnMut() -> String,
}

impl<'n> TreeBuilder<'n> {
    /// A tree with its root only.
    pub(super) fn new(rest_api_id: RestApiId, new_id: &'n mut dyn FnMut() -> String) -> Self {
        let root = Resource {
            id: new_id().into(),
            rest_api_id: rest_api_id.clone(),
            path: "/".to_owned(),
            ..Resource::default()
        };
        let origins = vec!["/paths".to_owned()];
        Self { rest_api_id, resources: vec![root], origins, children: HashMap::new(), new_id }
    }

    /// The resource at `parts` below the root, made where it is missing. `origin` is the place that asks for it.
    ///
    /// # Errors
    /// Why there can be no such resource; nothing is made then.
    pub(super) fn place(&mut self, parts: &[&str], origin: &str) -> Result<&Resource, String> {
        if parts.len() > PATH_DEPTH_MAX {
            return Err(format!("a path must have at most {PATH_DEPTH_MAX} segments"));
        }
        for part in parts {
            PathPart::parse(part)?;
        }
        let mut here = 0;
        for part in parts {
            here = match self.children.get(&(here, (*part).to_owned())) {
                Some(&child) => child,
                None if self.resources.len() >= RESOURCES_PER_API_MAX => {
                    return Err(format!("an API must have at most {RESOURCES_PER_API_MAX} resources"));
                }
                None => self.grow(here, part, origin),
            };
        }
        Ok(&self.resources[here])
    }

    fn grow(&mut self, parent: usize, part: &str, origin: &str) -> usize {
        let at = self.resources.len();
        self.resources.push(Resource {
            id: (self.new_id)().into(),
            rest_api_id: self.rest_api_id.clone(),
            parent_id: Some(self.resources[parent].id.clone()),
            path_part: part.to_owned(),
            path: child_path(&self.resources[parent].path, part),
            ..Resource::default()
        });
        self.origins.push(origin.to_owned());
        self.children.insert((parent, part.to_owned()), at);
        at
    }

    /// The identifier of the root.
    pub(super) fn root_id(&self) -> ResourceId {
        self.resources[0].id.clone()
    }

    /// The resources, root first, and path to place.
    pub(super) fn finish(self) -> (Vec<Resource>, HashMap<String, String>) {
        let paths = self.resources.iter().map(|resource| resource.path.clone());
        let origins = paths.zip(self.origins).collect();
        (self.resources, origins)
    }
}

/// The parts of a path of the document; a slash at the end means nothing.
///
/// # Errors
/// Why it is no path.
pub(super) fn parts(path: &str) -> Result<Vec<&str>, String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err("a path must begin with '/'".to_owned());
    };
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let parts: Vec<&str> = rest.split('/').take(PATH_DEPTH_MAX + 1).collect();
    if parts.contains(&"") { Err("a path must not have empty segments".to_owned()) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_between_are_made_once_in_document_order() {
        let mut count = 0;
        let mut new_id = || {
            count += 1;
            format!("id{count}")
        };
        let mut tree = TreeBuilder::new("api".into(), &mut new_id);
        assert_eq!(tree.place(&parts("/a/b/{c}").unwrap(), "1").unwrap().path, "/a/b/{c}");
        assert_eq!(tree.place(&parts("/a/d/").unwrap(), "2").unwrap().path, "/a/d");
        assert_eq!(tree.place(&parts("/").unwrap(), "3").unwrap().path, "/");
        assert!(tree.place(&["a", "b c"], "4").is_err());
        let (resources, origins) = tree.finish();
        let made: Vec<_> = resources.iter().map(|r| (r.id.as_str(), r.path.as_str())).collect();
        assert_eq!(made, [("id1", "/"), ("id2", "/a"), ("id3", "/a/b"), ("id4", "/a/b/{c}"), ("id5", "/a/d")]);
        assert_eq!((&*origins["/a"], &*origins["/a/d"]), ("1", "2"));
    }

    #[test]
    fn paths_begin_with_a_slash_and_have_no_empty_segments() {
        assert_eq!(parts("/a/"), Ok(vec!["a"]));
        for bad in ["", "a", "//", "/a//b", "/a//"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tree_has_a_limited_depth_and_size() {
        let mut new_id = String::new;
        let mut tree = TreeBuilder::new("api".into(), &mut new_id);
        assert!(tree.place(&["a"; PATH_DEPTH_MAX], "").is_ok());
        assert!(tree.place(&["a"; PATH_DEPTH_MAX + 1], "").is_err());
        for at in 0..RESOURCES_PER_API_MAX - 1 - PATH_DEPTH_MAX {
            assert!(tree.place(&[&format!("n{at}")], "").is_ok());
        }
        assert!(tree.place(&["one-too-many"], "").is_err());
    }
}
