//! [`import()`]: a document to an [`ApiDefinition`] (sections i.1 and i.2).

use super::base_path::{self, BasePath};
use super::document::{self, kind};
use super::extensions::warn_unused;
use super::fields::{Fields, as_written, text_list};
use super::gateway_responses;
use super::locate::{OperationOrigin, Origins};
use super::operation::{self, Operation};
use super::paths::{self, TreeBuilder};
use super::refs::Refs;
use super::report::{Place, Report, shown};
use super::security::Schemes;
use crate::definition::ApiDefinition;
use crate::id::{ResourceId, RestApiId};
use crate::method::{Method, Verb};
use crate::rest_api::{ApiKeySource, RestApi};
use crate::validate;
use crate::violation::{Violations, Warning};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What becomes of a document's base path (section i.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BasePathMode {
    /// It is dropped.
    #[default]
    Ignore,
    /// Its segments become resources above all paths.
    Prepend,
    /// Its first segment is dropped, the rest is prepended.
    Split,
}

/// How a document is imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// See [`BasePathMode`].
    pub base_path_mode: BasePathMode,
}

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Valid by [`validate::definition`].
    pub definition: ApiDefinition,
    /// What was ignored or changed, each with the JSON pointer of its place.
    pub warnings: Vec<Warning>,
}

/// Reads Swagger 2.0 or OpenAPI 3.0, JSON or YAML; which of them, the content decides.
///
/// `new_id` is asked for the API's identifier first, then for the root's, then for each resource in document order.
///
/// # Errors
/// Every violation, each with the JSON pointer of its place; the field is empty if the document cannot be read at all.
pub fn import(
    bytes: &[u8],
    options: &ImportOptions,
    new_id: &mut dyn FnMut() -> String,
) -> Result<Imported, Violations> {
    let unreadable = |message: String| Violations::one("", format!("Invalid OpenAPI input. {message}"));
    let document = document::read(bytes).map_err(unreadable)?;
    let mut report = Report::default();
    let flavour = Flavour::of(&document, &mut report).map_err(unreadable)?;
    let schemes = Schemes::read(&document, &mut report);
    let mut context = Context { document: &document, flavour, refs: Refs::new(&document), schemes, report };
    let mut rest_api = read_settings(&mut context);
    let base_path = base_path::read(&document, options.base_path_mode, &mut context.report);
    rest_api.id = new_id().into();
    let mut tree = TreeBuilder::new(rest_api.id.clone(), new_id);
    rest_api.root_resource_id = tree.root_id();
    let mut reader = Reader { context, base_path, methods: Vec::new(), origins: HashMap::new() };
    reader.paths(&mut tree, &rest_api.id);

    let Reader { context: Context { mut report, .. }, methods, origins, .. } = reader;
    let (resources, resource_origins) = tree.finish();
    let definition = ApiDefinition { rest_api, resources, methods };
    let origins = Origins { resources: resource_origins, methods: origins };
    // Where reading failed, the value is a default, and what is wrong with that says nothing about the document.
    let unread = report.violated_places();
    for violation in validate::definition(&definition) {
        let place = origins.locate(&violation.field);
        if !unread.contains(&place) {
            report.violation(place, violation.description);
        }
    }
    report.finish().map(|warnings| Imported { definition, warnings })
}

/// Which standard a document follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    Swagger2,
    OpenApi3,
}

impl Flavour {
    fn of(document: &Map<String, Value>, report: &mut Report) -> Result<Self, String> {
        let version = |key: &str| match document.get(key)? {
            Value::String(text) => Some(text.clone()),
            // YAML reads an unquoted version as a number.
            other => Some(other.to_string()),
        };
        match (version("swagger"), version("openapi")) {
            (Some(_), Some(_)) => Err("the document has both \"swagger\" and \"openapi\"".to_owned()),
            (Some(version), None) if version == "2.0" || version == "2" => Ok(Self::Swagger2),
            (None, Some(version)) if version == "3.0" || version.starts_with("3.0.") => Ok(Self::OpenApi3),
            (None, Some(version)) if version == "3.1" || version.starts_with("3.1.") => {
                let text = "OpenAPI 3.1 is read like 3.0: what is new in it is ignored";
                report.warning(Place::ROOT.key("openapi"), text);
                Ok(Self::OpenApi3)
            }
            (Some(version), None) | (None, Some(version)) => {
                Err(format!("version {:?} is not supported: use Swagger 2.0 or OpenAPI 3.0", shown(&version)))
            }
            (None, None) => Err("the document has neither \"swagger\" nor \"openapi\"".to_owned()),
        }
    }
}

/// What the parts of one reading share.
pub(super) struct Context<'d> {
    pub(super) document: &'d Map<String, Value>,
    pub(super) flavour: Flavour,
    pub(super) refs: Refs<'d>,
    pub(super) schemes: Schemes<'d>,
    pub(super) report: Report,
}

fn read_settings(context: &mut Context<'_>) -> RestApi {
    const USED: [&str; 5] = [
        "api-key-source",
        "binary-media-types",
        "endpoint-configuration",
        "gateway-responses",
        "minimum-compression-size",
    ];
    let (document, report) = (context.document, &mut context.report);
    let root = Place::ROOT;
    warn_unused(document, &root, &USED, report);
    let mut api = RestApi::default();
    let mut fields = Fields::new(document, &root, as_written, report);
    match fields.take("info") {
        Some((place, Value::Object(info))) => {
            warn_unused(info, &place, &[], report);
            let mut info = Fields::new(info, &place, as_written, report);
            api.name = info.text("title", report).unwrap_or_default();
            api.description = info.text("description", report).unwrap_or_default();
            api.version = info.text("version", report).unwrap_or_default();
        }
        Some((place, other)) => report.violation(place, format!("must be an object, and it is {}", kind(other))),
        None => {}
    }
    api.minimum_compression_size = fields.number("x-amazon-apigateway-minimum-compression-size", report);
    let source = fields.word("x-amazon-apigateway-api-key-source", report, |text| match &*text.to_ascii_uppercase() {
        "HEADER" => Ok(ApiKeySource::Header),
        "AUTHORIZER" => Ok(ApiKeySource::Authorizer),
        _ => Err(format!("{:?} is not one of HEADER, AUTHORIZER", shown(text))),
    });
    api.api_key_source = source.unwrap_or_default();
    if let Some((place, value)) = fields.take("x-amazon-apigateway-binary-media-types") {
        api.binary_media_types = read_binary_media_types(value, &place, report);
    }
    if let Some((place, value)) = fields.take(gateway_responses::KEY) {
        api.gateway_responses = gateway_responses::read(value, &place, report);
    }
    read_tags(&mut api, document, report);
    api.disable_execute_api_endpoint = read_endpoint(document, report);
    warn_about_models(document, report);
    api
}

fn read_binary_media_types(value: &Value, place: &Place<'_>, report: &mut Report) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for (at, entry) in text_list(value, place, report).into_iter().enumerate() {
        let here = place.index(at);
        // Templates spell the slash as patch paths do.
        let plain = entry.replace("~1", "/");
        if plain != entry {
            report.warning(here, format!("{:?} is taken as {:?}", shown(&entry), shown(&plain)));
        }
        if plain.starts_with("*/") && plain != "*/*" {
            report.warning(here, "never matches: only the subtype can be a wildcard, or both");
        }
        if !types.contains(&plain) {
            types.push(plain);
        }
    }
    types
}

/// Tags of an API travel as tags of the document that carry a value.
fn read_tags(api: &mut RestApi, document: &Map<String, Value>, report: &mut Report) {
    let list = document.get("tags").and_then(Value::as_array).into_iter().flatten();
    let (root, mut at) = (Place::ROOT.key("tags"), 0);
    for tag in list.filter_map(Value::as_object) {
        let place = root.index(at);
        at += 1;
        warn_unused(tag, &place, &["tag-value"], report);
        let mut fields = Fields::new(tag, &place, as_written, report);
        if let Some(value) = fields.text("x-amazon-apigateway-tag-value", report) {
            api.tags.insert(fields.text("name", report).unwrap_or_default(), value);
        }
    }
}

/// The endpoint's settings stand at the document itself or at a server (section i.1).
fn read_endpoint(document: &Map<String, Value>, report: &mut Report) -> bool {
    let servers = Place::ROOT.key("servers");
    let mut disabled = endpoint_of(document, &Place::ROOT, report);
    let list = document.get("servers").and_then(Value::as_array).into_iter().flatten();
    for (at, server) in list.enumerate() {
        if let Value::Object(server) = server {
            let place = servers.index(at);
            warn_unused(server, &place, &["endpoint-configuration"], report);
            disabled |= endpoint_of(server, &place, report);
        }
    }
    disabled
}

fn endpoint_of(holder: &Map<String, Value>, place: &Place<'_>, report: &mut Report) -> bool {
    let mut holder = Fields::new(holder, place, as_written, report);
    let Some((place, value)) = holder.take("x-amazon-apigateway-endpoint-configuration") else { return false };
    let Value::Object(endpoint) = value else {
        report.warning(place, format!("must be an object, and it is {}: ignored", kind(value)));
        return false;
    };
    let mut fields = Fields::new(endpoint, &place, as_written, report);
    let disabled = fields.flag("disableExecuteApiEndpoint", report).unwrap_or_default();
    for (place, key) in fields.rest() {
        report.warning(place, format!("{:?} means nothing outside the cloud: ignored", shown(key)));
    }
    disabled
}

fn warn_about_models(document: &Map<String, Value>, report: &mut Report) {
    let text = "models are not kept yet: only their names are";
    if document.get("definitions").and_then(Value::as_object).is_some_and(|models| !models.is_empty()) {
        report.warning(Place::ROOT.key("definitions"), text);
    }
    let Some(Value::Object(components)) = document.get("components") else { return };
    let place = Place::ROOT.key("components");
    warn_unused(components, &place, &["integrations"], report);
    if components.get("schemas").and_then(Value::as_object).is_some_and(|models| !models.is_empty()) {
        report.warning(place.key("schemas"), text);
    }
}

/// The walk over the paths.
struct Reader<'d> {
    context: Context<'d>,
    base_path: BasePath,
    methods: Vec<Method>,
    origins: HashMap<(Verb, String), OperationOrigin>,
}

impl<'d> Reader<'d> {
    fn paths(&mut self, tree: &mut TreeBuilder<'_>, rest_api_id: &RestApiId) {
        let place = Place::ROOT.key("paths");
        let paths = match self.context.document.get("paths") {
            Some(Value::Object(paths)) => paths,
            None | Some(Value::Null) => {
                self.context.report.warning(Place::ROOT, "the document has no paths");
                return;
            }
            Some(other) => {
                self.context.report.violation(place, format!("must be an object, and it is {}", kind(other)));
                return;
            }
        };
        warn_unused(paths, &place, &[], &mut self.context.report);
        for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
            let here = place.key(path);
            let resource = self.resource(tree, path, &here);
            match self.context.refs.resolve(item) {
                Ok(found) => {
                    let item_place = found.place(&here);
                    self.operations(found.object, &item_place, resource, rest_api_id);
                }
                Err(message) => self.context.report.violation(here, message),
            }
        }
    }

    /// The resource of a path; `None` when the path is wrong, with a violation.
    fn resource(&mut self, tree: &mut TreeBuilder<'_>, path: &str, place: &Place<'_>) -> Option<(ResourceId, String)> {
        let base: Vec<&str> = self.base_path.segments.iter().map(String::as_str).collect();
        if let Err(message) = tree.place(&base, &self.base_path.pointer) {
            self.context.report.violation(&self.base_path.pointer, message);
            // Once is enough, and the paths may still be right.
            self.base_path.segments.clear();
            return self.resource(tree, path, place);
        }
        let resource = paths::parts(path).and_then(|parts| {
            let all: Vec<&str> = base.into_iter().chain(parts).collect();
            tree.place(&all, &place.to_string()).map(|resource| (resource.id.clone(), resource.path.clone()))
        });
        resource.map_err(|message| self.context.report.violation(place, message)).ok()
    }

    fn operations(
        &mut self,
        path_item: &'d Map<String, Value>,
        path_place: &Place<'_>,
        resource: Option<(ResourceId, String)>,
        rest_api_id: &RestApiId,
    ) {
        warn_unused(path_item, path_place, &["any-method"], &mut self.context.report);
        for (key, value) in path_item {
            let place = path_place.key(key);
            let Some(verb) = verb_of(key) else {
                if key == "trace" {
                    self.context.report.warning(place, "TRACE cannot be routed: ignored");
                }
                continue;
            };
            let Value::Object(object) = value else {
                self.context.report.violation(place, format!("must be an object, and it is {}", kind(value)));
                continue;
            };
            let operation = Operation { object, place, path_item, path_place: *path_place };
            let id = resource.as_ref().map(|(id, _)| id.clone()).unwrap_or_default();
            let (method, origin) = operation::read(&mut self.context, &operation, verb, rest_api_id.clone(), id);
            self.add(method, origin, resource.as_ref().map(|(_, path)| path), &place);
        }
    }

    fn add(&mut self, method: Method, origin: OperationOrigin, path: Option<&String>, place: &Place<'_>) {
        let Some(path) = path else {
            // It has no place in the tree, but what is wrong with it besides shall be said too.
            for violation in validate::method(&method) {
                self.context.report.violation(origin.locate(&violation.field), violation.description);
            }
            return;
        };
        let key = (method.http_method, path.clone());
        if let Some(other) = self.origins.get(&key) {
            self.context.report.violation(place, format!("{} is the same method of the same path", other.operation));
            return;
        }
        self.origins.insert(key, origin);
        self.methods.push(method);
    }
}

fn verb_of(key: &str) -> Option<Verb> {
    Some(match key {
        "get" => Verb::Get,
        "put" => Verb::Put,
        "post" => Verb::Post,
        "delete" => Verb::Delete,
        "options" => Verb::Options,
        "head" => Verb::Head,
        "patch" => Verb::Patch,
        "x-amazon-apigateway-any-method" => Verb::Any,
        _ => return None,
    })
}
