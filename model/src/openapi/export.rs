//! [`export()`]: an [`ApiDefinition`] to a document (section i.3).

use super::export_operation::{object, operation, security_schemes};
use super::gateway_responses;
use crate::definition::ApiDefinition;
use crate::id::ResourceId;
use crate::method::{Method, Verb};
use crate::rest_api::{ApiKeySource, RestApi};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Which standard the document follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// OpenAPI 3.0.1.
    #[default]
    Oas30,
    /// Swagger 2.0.
    Swagger,
}

/// How the document is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Indented JSON.
    #[default]
    Json,
    /// YAML 1.2.
    Yaml,
}

/// What is exported, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions<'a> {
    /// See [`Format`].
    pub format: Format,
    /// See [`Encoding`].
    pub encoding: Encoding,
    /// Whether `x-amazon-apigateway-*` keys are written. Without them an `ANY` method becomes one operation for each verb
    /// that the resource does not name.
    pub extensions: bool,
    /// The stage whose address the document carries.
    pub stage: Option<&'a str>,
    /// The document's version if the API has none; by the specification the date of the deployment.
    pub version: Option<&'a str>,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// UTF-8 text.
    pub document: Vec<u8>,
    /// Of the document.
    pub content_type: &'static str,
    /// A suggestion, for example `oas30_1.0.json`.
    pub file_name: String,
}

/// Writes an API down. Equal definitions give equal bytes.
///
/// With `extensions`, [`super::import()`] reads the same API back up to identifiers and order. What the formats cannot
/// say is lost: resources without methods, fidelity, validators; a path parameter always comes back as required. In
/// Swagger 2.0 also: whether a response header is required, and all but one model for each body. Of integration responses
/// that share one selection pattern only the first, which is the one that can be chosen, is written.
pub fn export(definition: &ApiDefinition, options: &ExportOptions<'_>) -> Exported {
    let api = &definition.rest_api;
    let version = if api.version.is_empty() { options.version.unwrap_or_default() } else { &api.version };
    let mut root = match options.format {
        Format::Oas30 => object([("openapi", json!("3.0.1"))]),
        Format::Swagger => object([("swagger", json!("2.0"))]),
    };
    root.insert("info".to_owned(), info(api, version));
    address(&mut root, api, options);
    let tags: Vec<Value> =
        api.tags.iter().map(|(key, value)| json!({"name": key, "x-amazon-apigateway-tag-value": value})).collect();
    if options.extensions && !tags.is_empty() {
        root.insert("tags".to_owned(), tags.into());
    }
    root.insert("paths".to_owned(), paths(definition, options).into());
    definitions(&mut root, definition, options);
    if options.extensions {
        settings(&mut root, api);
    }
    write(&Value::Object(root), version, options)
}

fn write(document: &Value, version: &str, options: &ExportOptions<'_>) -> Exported {
    let (text, content_type, extension) = match options.encoding {
        Encoding::Json => {
            let text = serde_json::to_string_pretty(document).expect("a tree of values has text keys only");
            (text + "\n", "application/json", "json")
        }
        Encoding::Yaml => {
            let plain = serde_saphyr::ser_options! { prefer_block_scalars: false };
            let text = serde_saphyr::to_string_with_options(document, plain);
            (text.expect("a tree of values has nothing that YAML lacks"), "application/yaml", "yaml")
        }
    };
    let format = match options.format {
        Format::Oas30 => "oas30",
        Format::Swagger => "swagger",
    };
    let spelled = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let version: String = version.chars().take(64).map(spelled).collect();
    let separator = if version.is_empty() { "" } else { "_" };
    let file_name = format!("{format}{separator}{version}.{extension}");
    Exported { document: text.into_bytes(), content_type, file_name }
}

fn info(api: &RestApi, version: &str) -> Value {
    let mut info = object([("title", json!(api.name))]);
    if !api.description.is_empty() {
        info.insert("description".to_owned(), json!(api.description));
    }
    info.insert("version".to_owned(), json!(version));
    info.into()
}

fn address(root: &mut Map<String, Value>, api: &RestApi, options: &ExportOptions<'_>) {
    let Some(stage) = options.stage else { return };
    let host = format!("{}.execute-api.localhost", api.id);
    match options.format {
        Format::Oas30 => {
            let variables = json!({"basePath": {"default": stage}});
            root.insert(
                "servers".to_owned(),
                json!([{"url": format!("https://{host}/{{basePath}}"), "variables": variables}]),
            );
        }
        Format::Swagger => {
            root.insert("host".to_owned(), json!(host));
            root.insert("basePath".to_owned(), json!(format!("/{stage}")));
            root.insert("schemes".to_owned(), json!(["https"]));
        }
    }
}

fn settings(root: &mut Map<String, Value>, api: &RestApi) {
    if !api.binary_media_types.is_empty() {
        root.insert("x-amazon-apigateway-binary-media-types".to_owned(), json!(api.binary_media_types));
    }
    if let Some(bytes) = api.minimum_compression_size {
        root.insert("x-amazon-apigateway-minimum-compression-size".to_owned(), json!(bytes));
    }
    if !api.gateway_responses.is_empty() {
        root.insert(gateway_responses::KEY.to_owned(), gateway_responses::write(&api.gateway_responses));
    }
    if api.api_key_source == ApiKeySource::Authorizer {
        root.insert("x-amazon-apigateway-api-key-source".to_owned(), json!("AUTHORIZER"));
    }
    if api.disable_execute_api_endpoint {
        // Of a server in OpenAPI 3, of the document where there is no server (section i.1).
        let server = root.get_mut("servers").and_then(|servers| servers.get_mut(0)).and_then(Value::as_object_mut);
        let endpoint = ("x-amazon-apigateway-endpoint-configuration", json!({"disableExecuteApiEndpoint": true}));
        match server {
            Some(server) => server.insert(endpoint.0.to_owned(), endpoint.1),
            None => root.insert(endpoint.0.to_owned(), endpoint.1),
        };
    }
}

fn paths(definition: &ApiDefinition, options: &ExportOptions<'_>) -> Map<String, Value> {
    let mut named = definition.clone();
    named.derive_paths();
    let path_of: HashMap<&ResourceId, &str> =
        named.resources.iter().map(|resource| (&resource.id, resource.path.as_str())).collect();
    let mut by_path: BTreeMap<&str, BTreeMap<Verb, &Method>> = BTreeMap::new();
    for method in &named.methods {
        if let Some(path) = path_of.get(&method.resource_id) {
            by_path.entry(path).or_default().insert(method.http_method, method);
        }
    }
    let mut paths = Map::new();
    for (path, methods) in by_path {
        let mut item = Map::new();
        for (verb, method) in &methods {
            if *verb != Verb::Any {
                item.insert(verb.as_str().to_ascii_lowercase(), operation(method, path, options).into());
            } else if options.extensions {
                let any = operation(method, path, options);
                item.insert("x-amazon-apigateway-any-method".to_owned(), any.into());
            } else {
                let others = Verb::ALL.into_iter().filter(|verb| *verb != Verb::Any && !methods.contains_key(verb));
                for other in others {
                    // Names of operations are unique, and these would share one.
                    let unnamed = Method { operation_name: String::new(), ..(*method).clone() };
                    item.insert(other.as_str().to_ascii_lowercase(), operation(&unnamed, path, options).into());
                }
            }
        }
        paths.insert(path.to_owned(), item.into());
    }
    paths
}

/// Security schemes and the names of models, without which references would lead nowhere.
fn definitions(root: &mut Map<String, Value>, definition: &ApiDefinition, options: &ExportOptions<'_>) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for method in &definition.methods {
        names.extend(method.request_models.values().map(String::as_str));
        names.extend(
            method.method_responses.values().flat_map(|response| response.response_models.values()).map(String::as_str),
        );
    }
    let models: Map<String, Value> =
        names.into_iter().map(|name| (name.to_owned(), json!({"type": "object"}))).collect();
    let schemes = security_schemes(definition, options);
    let (models, schemes) = (("schemas", "definitions", models), ("securitySchemes", "securityDefinitions", schemes));
    match options.format {
        Format::Oas30 => {
            let filled = [models, schemes].into_iter().filter(|(_, _, map)| !map.is_empty());
            let components: Map<String, Value> = filled.map(|(name, _, map)| (name.to_owned(), map.into())).collect();
            root.insert("components".to_owned(), components.into());
        }
        Format::Swagger => {
            for (_, name, map) in [models, schemes] {
                if !map.is_empty() {
                    root.insert(name.to_owned(), map.into());
                }
            }
        }
    }
}
