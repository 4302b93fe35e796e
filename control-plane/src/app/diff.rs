//! What a change did to an API: gives every changed object its next revision, and says which rows to write.
//!
//! A pure function, so that every use case may simply edit the definition as a whole.

use penstock_model::definition::ApiDefinition;
use penstock_model::id::{ResourceId, Revision};
use penstock_model::integration::Integration;
use penstock_model::method::{Method, Verb};
use std::collections::HashMap;

/// Rows to write, as positions in the settled definition; and keys of rows to delete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Diff {
    pub(super) rest_api_changed: bool,
    pub(super) resources_inserted: Vec<usize>,
    pub(super) resources_updated: Vec<usize>,
    pub(super) resources_deleted: Vec<ResourceId>,
    pub(super) methods_inserted: Vec<usize>,
    pub(super) methods_updated: Vec<usize>,
    pub(super) methods_deleted: Vec<(ResourceId, Verb)>,
}

impl Diff {
    /// Whether the change changed nothing.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares by content and sets revisions in `after`: an unchanged object keeps its own, a changed one gets the next,
/// a new one the first. Whatever revisions `after` came with do not count.
pub(super) fn settle(before: &ApiDefinition, after: &mut ApiDefinition) -> Diff {
    let mut diff = Diff::default();
    after.rest_api.revision = before.rest_api.revision;
    if after.rest_api != before.rest_api {
        after.rest_api.revision = before.rest_api.revision.next();
        diff.rest_api_changed = true;
    }
    settle_resources(before, after, &mut diff);
    settle_methods(before, after, &mut diff);
    diff
}

fn settle_resources(before: &ApiDefinition, after: &mut ApiDefinition, diff: &mut Diff) {
    let mut old: HashMap<_, _> = before.resources.iter().map(|resource| (&resource.id, resource)).collect();
    for (at, resource) in after.resources.iter_mut().enumerate() {
        match old.remove(&resource.id) {
            None => {
                resource.revision = Revision::FIRST;
                diff.resources_inserted.push(at);
            }
            Some(old) => {
                resource.revision = old.revision;
                if resource != old {
                    resource.revision = old.revision.next();
                    diff.resources_updated.push(at);
                }
            }
        }
    }
    diff.resources_deleted = old.into_keys().cloned().collect();
    diff.resources_deleted.sort();
}

fn settle_methods(before: &ApiDefinition, after: &mut ApiDefinition, diff: &mut Diff) {
    let mut old: HashMap<_, _> =
        before.methods.iter().map(|method| ((&method.resource_id, method.http_method), method)).collect();
    let previous: Vec<_> =
        after.methods.iter().map(|method| old.remove(&(&method.resource_id, method.http_method))).collect();
    diff.methods_deleted = old.into_keys().map(|(resource, verb)| (resource.clone(), verb)).collect();
    diff.methods_deleted.sort();
    for (at, (method, previous)) in after.methods.iter_mut().zip(previous).enumerate() {
        settle_method(previous, method);
        match previous {
            None => diff.methods_inserted.push(at),
            Some(previous) if method != previous => diff.methods_updated.push(at),
            Some(_) => {}
        }
    }
}

fn settle_method(before: Option<&Method>, after: &mut Method) {
    for (code, response) in &mut after.method_responses {
        let old = before.and_then(|method| method.method_responses.get(code));
        response.revision = old.map_or(Revision::FIRST, |old| old.revision);
        if old.is_some_and(|old| old != response) {
            response.revision = response.revision.next();
        }
    }
    if let Some(integration) = &mut after.integration {
        settle_integration(before.and_then(|method| method.integration.as_ref()), integration);
    }
    after.revision = before.map_or(Revision::FIRST, |before| before.revision);
    if before.is_some_and(|before| before != after) {
        after.revision = after.revision.next();
    }
}

fn settle_integration(before: Option<&Integration>, after: &mut Integration) {
    for (code, response) in &mut after.integration_responses {
        let old = before.and_then(|integration| integration.integration_responses.get(code));
        response.revision = old.map_or(Revision::FIRST, |old| old.revision);
        if old.is_some_and(|old| old != response) {
            response.revision = response.revision.next();
        }
    }
    after.revision = before.map_or(Revision::FIRST, |before| before.revision);
    if before.is_some_and(|before| before != after) {
        after.revision = after.revision.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::integration::IntegrationType;
    use penstock_model::resource::Resource;
    use penstock_model::response::{IntegrationResponse, MethodResponse};

    fn sample() -> ApiDefinition {
        let mut get = Method::new("api".into(), "r".into(), Verb::Get);
        let mut integration = Integration::new(IntegrationType::HttpProxy, Some(Verb::Get), "http://a/");
        integration.integration_responses.insert("200".into(), IntegrationResponse::default());
        get.integration = Some(integration);
        get.method_responses.insert("200".into(), MethodResponse::default());
        let mut api = ApiDefinition {
            resources: vec![Resource { id: "r".into(), ..Resource::default() }],
            methods: vec![get, Method::new("api".into(), "r".into(), Verb::Put)],
            ..ApiDefinition::default()
        };
        settle(&ApiDefinition::default(), &mut api);
        api
    }

    #[test]
    fn new_objects_have_the_first_revision() {
        let mut api = sample();
        let diff = settle(&ApiDefinition::default(), &mut api);
        assert_eq!((diff.resources_inserted, diff.methods_inserted), (vec![0], vec![0, 1]));
        assert!(api.methods.iter().all(|method| method.revision == Revision::FIRST));
        let integration = api.methods[0].integration.as_ref().expect("the sample has one");
        assert_eq!(integration.revision, Revision::FIRST);
        assert_eq!(integration.integration_responses["200"].revision, Revision::FIRST);
    }

    #[test]
    fn equal_content_changes_nothing_whatever_its_revisions() {
        let before = sample();
        let mut after = before.clone();
        after.normalise();
        assert!(settle(&before, &mut after).is_empty());
        assert_eq!(after.methods[0].revision, Revision::FIRST);
    }

    #[test]
    fn a_change_below_a_method_counts_for_everything_above_it_and_nothing_beside() {
        let before = sample();
        let mut after = before.clone();
        let integration = after.methods[0].integration.as_mut().expect("the sample has one");
        integration.integration_responses.get_mut("200").expect("the sample has one").selection_pattern = "5..".into();
        let diff = settle(&before, &mut after);
        assert_eq!(diff, Diff { methods_updated: vec![0], ..Diff::default() });

        let integration = after.methods[0].integration.as_ref().expect("the sample has one");
        assert_eq!(integration.integration_responses["200"].revision, Revision(2));
        assert_eq!((integration.revision, after.methods[0].revision), (Revision(2), Revision(2)));
        assert_eq!(after.methods[0].method_responses["200"].revision, Revision::FIRST);
        assert_eq!(after.methods[1].revision, Revision::FIRST);
    }

    #[test]
    fn what_went_is_deleted_by_key() {
        let before = sample();
        let mut after = before.clone();
        after.resources.clear();
        after.methods.remove(0);
        after.rest_api.name = "new".into();
        let diff = settle(&before, &mut after);
        assert_eq!(diff.resources_deleted, vec![ResourceId::from("r")]);
        assert_eq!(diff.methods_deleted, vec![(ResourceId::from("r"), Verb::Get)]);
        assert!(diff.rest_api_changed);
        assert_eq!(after.rest_api.revision, before.rest_api.revision.next());
    }
}
