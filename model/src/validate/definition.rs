//! Rules that span the objects of one API (section d.3), and what a deployment needs besides.

use super::rest_api;
use super::tree::{Capped, Tree};
use crate::definition::ApiDefinition;
use crate::limits::RESOURCES_PER_API_MAX;
use crate::violation::Violations;

/// Checks a whole API: every object, the tree that the resources form, and that methods stand on it once.
///
/// A resource is named by its path in field paths, or by its identifier if it has no path: `resources[/a/{b}].pathPart`.
///
/// At most [`crate::limits::VIOLATIONS_MAX`] violations are listed; a last one without a field counts the rest.
pub fn definition(api: &ApiDefinition) -> Violations {
    let mut found = Capped::default();
    found.add_below("restApi", rest_api(&api.rest_api));
    // A tree beyond the limit is not walked: the answer would be as large as the tree.
    if api.resources.len() > RESOURCES_PER_API_MAX {
        found.add("resources", format!("an API must have at most {RESOURCES_PER_API_MAX} resources"));
        return found.finish();
    }
    let tree = Tree::new(&api.resources);
    tree.check_root(&mut found, api);
    tree.check_resources(&mut found);
    tree.check_siblings(&mut found);
    tree.check_methods(&mut found, api);
    found.finish()
}

/// Checks what an API needs before it can be deployed, beyond [`definition`].
pub fn for_deployment(api: &ApiDefinition) -> Violations {
    let mut found = Capped::default();
    if api.methods.is_empty() {
        found.add("methods", "The REST API doesn't contain any methods");
    }
    let tree = Tree::new(&api.resources);
    for method in &api.methods {
        let field = || format!("methods[{} {}]", method.http_method, tree.name_of_id(&method.resource_id));
        if method.integration.is_none() {
            found.add(format!("{}.integration", field()), "No integration defined for method");
        }
    }
    found.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::{Integration, IntegrationType};
    use crate::limits::{PATH_DEPTH_MAX, VIOLATIONS_MAX};
    use crate::method::{Method, Verb};
    use crate::resource::Resource;
    use crate::rest_api::RestApi;

    /// An API with the given (id, parent, part) below the root `r`.
    fn api(resources: &[(&str, &str, &str)]) -> ApiDefinition {
        let mut api = ApiDefinition {
            rest_api: RestApi { name: "api".to_owned(), root_resource_id: "r".into(), ..RestApi::default() },
            resources: vec![Resource { id: "r".into(), ..Resource::default() }],
            methods: Vec::new(),
        };
        api.resources.extend(resources.iter().map(|&(id, parent, part)| Resource {
            id: id.into(),
            parent_id: Some(parent.into()),
            path_part: part.to_owned(),
            ..Resource::default()
        }));
        api
    }

    fn found(api: &ApiDefinition) -> String {
        definition(api).to_string()
    }

    #[test]
    fn a_tree_with_every_kind_of_part_is_valid() {
        let mut api =
            api(&[("a", "r", "a"), ("b", "a", "{b}"), ("c", "a", "b"), ("d", "b", "{rest+}"), ("e", "r", "{x}")]);
        assert_eq!(found(&api), "");
        api.derive_paths();
        assert_eq!(found(&api), "");
    }

    #[test]
    fn siblings_differ_and_one_of_them_is_variable() {
        let api = api(&[("a", "r", "{a}"), ("b", "r", "{b+}"), ("c", "r", "c"), ("d", "r", "c")]);
        assert_eq!(
            found(&api),
            "resources[/{b+}].pathPart: A sibling ({a}) of this resource already has a variable path part -- only one is \
             allowed; resources[/c].pathPart: Another resource with the same parent already has this name: c"
        );
    }

    #[test]
    fn nothing_hangs_below_a_greedy_part_and_a_path_names_a_variable_once() {
        let api = api(&[("a", "r", "{a+}"), ("b", "a", "b"), ("c", "r", "c"), ("d", "c", "{x}"), ("e", "d", "{x}")]);
        assert_eq!(
            found(&api),
            "resources[/{a+}/b].pathPart: Cannot create a child of a resource with a greedy path variable: {a+}; \
             resources[/c/{x}/{x}].pathPart: the path already has a variable called x"
        );
    }

    #[test]
    fn circles_and_loose_ends_are_found() {
        let api = api(&[("a", "b", "a"), ("b", "a", "b"), ("c", "a", "c"), ("d", "gone", "d"), ("e", "r", "a/b")]);
        assert_eq!(
            found(&api).split("; ").collect::<Vec<_>>(),
            [
                "resources[a].parentId: Resources cannot be cyclical.",
                "resources[b].parentId: Resources cannot be cyclical.",
                "resources[c].parentId: Resources cannot be cyclical.",
                "resources[d].parentId: Invalid Resource identifier specified",
                "resources[/a/b].pathPart: the path part \"a/b\" has the character '/': use letters, digits and \
                 ._-~:%$@!&'()*+,;= or one {variable}",
            ]
        );
    }

    #[test]
    fn there_is_exactly_one_root_and_the_settings_name_it() {
        let mut none = api(&[]);
        none.resources.clear();
        assert_eq!(found(&none), "resources: an API must have a root resource");
        let mut two = api(&[]);
        two.resources.push(Resource { id: "s".into(), ..Resource::default() });
        assert_eq!(found(&two), "resources[s].parentId: an API must have only one root resource");
        let mut misnamed = api(&[]);
        misnamed.rest_api.root_resource_id = "x".into();
        assert_eq!(found(&misnamed), "restApi.rootResourceId: must name the root resource, r");
        let mut twice = api(&[("a", "r", "a"), ("a", "r", "b")]);
        assert_eq!(found(&twice), "resources[/b].id: another resource already has the identifier a");
        twice.resources[1].path = "/elsewhere".to_owned();
        assert!(found(&twice).starts_with("resources[/a].path: does not follow from the tree: /elsewhere"));
    }

    #[test]
    fn paths_and_trees_stop_at_their_limits() {
        let ids: Vec<String> = (0..=PATH_DEPTH_MAX + 1).map(|at| format!("i{at}")).collect();
        let mut parts = vec![("i0", "r", "a")];
        parts.extend((1..PATH_DEPTH_MAX).map(|at| (ids[at].as_str(), ids[at - 1].as_str(), "a")));
        assert_eq!(found(&api(&parts)), "");
        parts.push((&ids[PATH_DEPTH_MAX], &ids[PATH_DEPTH_MAX - 1], "a"));
        assert_eq!(
            found(&api(&parts)),
            format!("resources[i64].parentId: a path must have at most {PATH_DEPTH_MAX} segments")
        );

        let mut wide = api(&[]);
        wide.resources.extend((1..RESOURCES_PER_API_MAX).map(|at| Resource {
            id: format!("{at}").into(),
            parent_id: Some("r".into()),
            path_part: format!("{at}"),
            ..Resource::default()
        }));
        assert_eq!(found(&wide), "");
        wide.resources.push(Resource { id: "x".into(), ..Resource::default() });
        assert_eq!(found(&wide), format!("resources: an API must have at most {RESOURCES_PER_API_MAX} resources"));
    }

    #[test]
    fn methods_stand_once_on_resources_that_exist() {
        let mut api = api(&[("a", "r", "a")]);
        let mut broken = Method::new("".into(), "a".into(), Verb::Get);
        broken.integration = Some(Integration::new(IntegrationType::Http, None, "http://localhost/"));
        api.methods = vec![
            Method::new("".into(), "a".into(), Verb::Get),
            Method::new("".into(), "a".into(), Verb::Any),
            broken,
            Method::new("".into(), "x".into(), Verb::Get),
        ];
        assert_eq!(
            found(&api),
            "methods[GET /a]: the resource already has a method of this name; methods[GET /a].integration.httpMethod: \
             Enumeration value for HttpMethod must be non-empty; methods[GET x].resourceId: Invalid Resource identifier \
             specified"
        );
    }

    #[test]
    fn the_rest_of_many_violations_is_counted() {
        let mut api = api(&[]);
        api.methods = (0..VIOLATIONS_MAX + 5).map(|_| Method::new("".into(), "x".into(), Verb::Get)).collect();
        let found = definition(&api);
        assert_eq!(found.as_slice().len(), VIOLATIONS_MAX + 1);
        let rest = 2 * (VIOLATIONS_MAX + 5) - 1 - VIOLATIONS_MAX;
        let last = &found.as_slice()[VIOLATIONS_MAX];
        assert_eq!(last.to_string(), format!("{rest} more violations are not listed"));
    }

    #[test]
    fn a_deployment_needs_methods_that_can_be_served() {
        let mut api = api(&[("a", "r", "a")]);
        assert_eq!(for_deployment(&api).to_string(), "methods: The REST API doesn't contain any methods");
        api.methods = vec![Method::new("".into(), "a".into(), Verb::Get)];
        let expected = "methods[GET /a].integration: No integration defined for method";
        assert_eq!(for_deployment(&api).to_string(), expected);
        api.methods[0].integration = Some(Integration::new(IntegrationType::Mock, None, ""));
        assert!(for_deployment(&api).is_empty());
    }
}
