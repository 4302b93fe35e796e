//! [`merge()`]: a document put over an API that exists (sections a.10 and i.2).

use crate::definition::ApiDefinition;
use crate::id::ResourceId;
use crate::method::{Method, Verb};
use crate::rest_api::{ApiKeySource, RestApi};
use std::collections::HashMap;

/// What happens to the parts of the API that the document does not mention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PutMode {
    /// They stay.
    #[default]
    Merge,
    /// They go.
    Overwrite,
}

/// Puts an imported definition over an existing one.
///
/// The API keeps its identifier, root, date and revision in both modes, settings for which documents have no word, and tags
/// that the document does not name; resources keep their identifier and revision where the path stays the same, methods and what belongs to them
/// their revision where path and verb stay the same. A method is replaced as a whole. With [`PutMode::Merge`] binary
/// media types are appended, gateway responses replaced type by type, and settings that the document leaves at their default stay.
///
/// The result may break rules that neither part breaks, two variables below one parent for example: ask
/// [`crate::validate::definition`].
pub fn merge(existing: &ApiDefinition, imported: ApiDefinition, mode: PutMode) -> ApiDefinition {
    let mut base = existing.clone();
    base.derive_paths();
    let ApiDefinition { rest_api, mut resources, mut methods } = imported;
    let rest_api = match mode {
        PutMode::Merge => merged_settings(&base.rest_api, rest_api),
        PutMode::Overwrite => overwritten_settings(&base.rest_api, rest_api),
    };

    let known: HashMap<&str, usize> =
        base.resources.iter().enumerate().map(|(at, resource)| (resource.path.as_str(), at)).collect();
    let mut renamed: HashMap<ResourceId, ResourceId> = HashMap::new();
    for resource in &mut resources {
        if let Some(&at) = known.get(resource.path.as_str()) {
            renamed.insert(resource.id.clone(), base.resources[at].id.clone());
            resource.revision = base.resources[at].revision;
        }
    }
    let rename = |id: &mut ResourceId| {
        if let Some(kept) = renamed.get(id) {
            id.clone_from(kept);
        }
    };
    for resource in &mut resources {
        rename(&mut resource.id);
        resource.parent_id.iter_mut().for_each(&rename);
        resource.rest_api_id.clone_from(&rest_api.id);
    }
    let before: HashMap<(&ResourceId, Verb), &Method> =
        base.methods.iter().map(|method| ((&method.resource_id, method.http_method), method)).collect();
    for method in &mut methods {
        rename(&mut method.resource_id);
        method.rest_api_id.clone_from(&rest_api.id);
        if let Some(before) = before.get(&(&method.resource_id, method.http_method)) {
            keep_revisions(method, before);
        }
    }
    if mode == PutMode::Merge {
        let new: Vec<_> =
            resources.into_iter().filter(|resource| !known.contains_key(resource.path.as_str())).collect();
        let replaced: HashMap<(ResourceId, Verb), Method> =
            methods.iter().map(|method| ((method.resource_id.clone(), method.http_method), method.clone())).collect();
        let added =
            methods.into_iter().filter(|method| !before.contains_key(&(&method.resource_id, method.http_method)));
        let kept = base
            .methods
            .iter()
            .map(|method| replaced.get(&(method.resource_id.clone(), method.http_method)).unwrap_or(method).clone());
        methods = kept.chain(added).collect();
        resources = base.resources.iter().cloned().chain(new).collect();
    }
    ApiDefinition { rest_api, resources, methods }
}

fn overwritten_settings(existing: &RestApi, imported: RestApi) -> RestApi {
    let mut tags = existing.tags.clone();
    tags.extend(imported.tags);
    RestApi {
        id: existing.id.clone(),
        root_resource_id: existing.root_resource_id.clone(),
        fidelity: existing.fidelity,
        compression_media_types: existing.compression_media_types.clone(),
        accept_policy: existing.accept_policy,
        missing_content_type: existing.missing_content_type,
        integrity: existing.integrity,
        created_at_ms: existing.created_at_ms,
        revision: existing.revision,
        tags,
        ..imported
    }
}

fn merged_settings(existing: &RestApi, imported: RestApi) -> RestApi {
    let given = |new: String, old: &str| if new.is_empty() { old.to_owned() } else { new };
    let mut binary_media_types = existing.binary_media_types.clone();
    for entry in imported.binary_media_types.iter() {
        if !binary_media_types.contains(entry) {
            binary_media_types.push(entry.clone());
        }
    }
    let mut gateway_responses = existing.gateway_responses.clone();
    gateway_responses.extend(imported.gateway_responses.clone());
    let api_key_source = match imported.api_key_source {
        ApiKeySource::Header => existing.api_key_source,
        ApiKeySource::Authorizer => ApiKeySource::Authorizer,
    };
    RestApi {
        name: given(imported.name.clone(), &existing.name),
        description: given(imported.description.clone(), &existing.description),
        version: given(imported.version.clone(), &existing.version),
        minimum_compression_size: imported.minimum_compression_size.or(existing.minimum_compression_size),
        disable_execute_api_endpoint: imported.disable_execute_api_endpoint || existing.disable_execute_api_endpoint,
        binary_media_types,
        gateway_responses,
        api_key_source,
        ..overwritten_settings(existing, imported)
    }
}

/// So that a writer who knows the old objects still knows which they are.
fn keep_revisions(method: &mut Method, before: &Method) {
    method.revision = before.revision;
    for (code, response) in &mut method.method_responses {
        response.revision = before.method_responses.get(code).map(|response| response.revision).unwrap_or_default();
    }
    let (Some(integration), Some(before)) = (&mut method.integration, &before.integration) else { return };
    integration.revision = before.revision;
    for (code, response) in &mut integration.integration_responses {
        let before = before.integration_responses.get(code);
        response.revision = before.map(|response| response.revision).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway_response::CustomGatewayResponse;
    use crate::id::Revision;
    use crate::integration::{Integration, IntegrationType};
    use crate::openapi::{ImportOptions, import};
    use crate::rest_api::{AcceptPolicy, Fidelity, Integrity, MissingContentType};
    use crate::validate;
    use serde_json::json;

    fn imported(prefix: &str, types: &[&str], paths: &[(&str, &str)]) -> ApiDefinition {
        let mut document = json!({
            "openapi": "3.0.1", "info": {"title": prefix, "version": "1"},
            "x-amazon-apigateway-binary-media-types": types, "paths": {},
        });
        for (path, verb) in paths {
            document["paths"][path][verb] = json!({"x-amazon-apigateway-integration": {"type": "mock"}});
        }
        let mut count = 0;
        let mut new_id = || {
            count += 1;
            format!("{prefix}{count}")
        };
        import(document.to_string().as_bytes(), &ImportOptions::default(), &mut new_id).unwrap().definition
    }

    fn existing() -> ApiDefinition {
        let mut api = imported("old", &["image/png"], &[("/a/{id}", "get"), ("/a/{id}", "put"), ("/b", "get")]);
        api.rest_api.fidelity = Fidelity::Aws;
        api.rest_api.revision = Revision(7);
        api.rest_api.tags.insert("team".to_owned(), "x".to_owned());
        api.methods[0].revision = Revision(3);
        api.methods[0].integration = Some(Integration::new(IntegrationType::HttpProxy, None, "http://old/"));
        api.methods[0].integration.as_mut().unwrap().revision = Revision(4);
        api
    }

    fn routes(api: &ApiDefinition) -> Vec<String> {
        let path = |id| api.resources.iter().find(|r| r.id == id).unwrap().path.clone();
        api.methods.iter().map(|m| format!("{} {}", m.http_method, path(m.resource_id.clone()))).collect()
    }

    fn ids(api: &ApiDefinition) -> Vec<(&str, &str)> {
        api.resources.iter().map(|r| (r.path.as_str(), r.id.as_str())).collect()
    }

    #[test]
    fn overwriting_keeps_identifiers_where_paths_stay() {
        let new = imported("new", &["image/jpeg"], &[("/a/{id}", "get"), ("/c", "post")]);
        let api = merge(&existing(), new, PutMode::Overwrite);
        assert_eq!(ids(&api), [("/", "old2"), ("/a", "old3"), ("/a/{id}", "old4"), ("/c", "new5")]);
        assert_eq!(routes(&api), ["GET /a/{id}", "POST /c"]);
        assert_eq!((api.rest_api.id.as_str(), api.rest_api.root_resource_id.as_str()), ("old1", "old2"));
        assert_eq!((api.rest_api.name.as_str(), api.rest_api.fidelity), ("new", Fidelity::Aws));
        assert_eq!(api.rest_api.revision, Revision(7));
        assert_eq!(api.rest_api.tags["team"], "x");
        assert_eq!(api.rest_api.binary_media_types, ["image/jpeg"]);
        assert_eq!(api.methods[0].revision, Revision(3));
        let integration = api.methods[0].integration.as_ref().unwrap();
        assert_eq!((integration.kind, integration.revision), (IntegrationType::Mock, Revision(4)));
        assert!(validate::definition(&api).is_empty());
        assert!(api.resources.iter().all(|r| r.rest_api_id.as_str() == "old1"));
        assert!(api.methods.iter().all(|m| m.rest_api_id.as_str() == "old1"));
    }

    #[test]
    fn merging_adds_and_replaces_method_by_method() {
        let new = imported("new", &["image/png", "image/jpeg"], &[("/c", "post"), ("/a/{id}", "get")]);
        let api = merge(&existing(), new, PutMode::Merge);
        assert_eq!(ids(&api), [("/", "old2"), ("/a", "old3"), ("/a/{id}", "old4"), ("/b", "old5"), ("/c", "new3")]);
        assert_eq!(routes(&api), ["GET /a/{id}", "PUT /a/{id}", "GET /b", "POST /c"]);
        assert_eq!(api.methods[0].integration.as_ref().unwrap().kind, IntegrationType::Mock);
        assert_eq!(api.methods[0].revision, Revision(3));
        assert_eq!(api.rest_api.binary_media_types, ["image/png", "image/jpeg"]);
        assert!(validate::definition(&api).is_empty());
    }

    #[test]
    fn gateway_responses_are_merged_type_by_type_or_overwritten() {
        let custom = |code: &str| CustomGatewayResponse { status_code: code.to_owned(), ..Default::default() };
        let mut old = existing();
        let all = [("THROTTLED", "420"), ("UNAUTHORIZED", "403")];
        old.rest_api.gateway_responses = all.map(|(name, code)| (name.to_owned(), custom(code))).into();
        let mut new = imported("new", &[], &[("/c", "post")]);
        new.rest_api.gateway_responses.insert("THROTTLED".to_owned(), custom("503"));
        for (mode, expected) in [
            (PutMode::Merge, vec![("THROTTLED", "503"), ("UNAUTHORIZED", "403")]),
            (PutMode::Overwrite, vec![("THROTTLED", "503")]),
        ] {
            let merged = merge(&old, new.clone(), mode).rest_api.gateway_responses;
            let codes: Vec<_> = merged.iter().map(|(name, custom)| (&**name, &*custom.status_code)).collect();
            assert_eq!(codes, expected, "{mode:?}");
        }
    }

    #[test]
    fn settings_without_a_word_in_documents_stay() {
        let mut old = existing();
        old.rest_api.accept_policy = AcceptPolicy::All;
        old.rest_api.missing_content_type = MissingContentType::Sniff;
        old.rest_api.integrity = Integrity::Add;
        old.rest_api.compression_media_types = vec!["image/svg+xml".to_owned()];
        for mode in [PutMode::Merge, PutMode::Overwrite] {
            let merged = merge(&old, imported("new", &[], &[("/c", "post")]), mode).rest_api;
            let settings = (merged.accept_policy, merged.missing_content_type, merged.integrity);
            assert_eq!(settings, (AcceptPolicy::All, MissingContentType::Sniff, Integrity::Add), "{mode:?}");
            assert_eq!(merged.compression_media_types, ["image/svg+xml"], "{mode:?}");
        }
    }

    #[test]
    fn a_conflict_between_the_two_is_left_to_validation() {
        let api = merge(&existing(), imported("new", &[], &[("/a/{name}", "get")]), PutMode::Merge);
        assert!(validate::definition(&api).to_string().contains("already has a variable path part"));
    }

    #[test]
    fn putting_the_same_document_again_changes_nothing() {
        let existing = imported("old", &["image/png"], &[("/a/{id}", "get"), ("/b", "get")]);
        for mode in [PutMode::Merge, PutMode::Overwrite] {
            let again = imported("old", &["image/png"], &[("/a/{id}", "get"), ("/b", "get")]);
            assert_eq!(merge(&existing, again, mode), existing, "{mode:?}");
        }
    }
}
