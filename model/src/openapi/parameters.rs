//! Parameters, bodies and responses of an operation to the declarations of a [`Method`].

use super::document::kind;
use super::import::{Context, Flavour};
use super::report::{Place, shown};
use crate::limits::PARAMETERS_MAX;
use crate::method::Method;
use crate::response::MethodResponse;
use crate::text::{is_parameter_name, is_token};
use serde_json::{Map, Value};

/// Reads a list of parameters into `method`; one that is there already is replaced, so lists are read outermost first.
pub(super) fn read_parameters<'d>(
    context: &mut Context<'d>,
    list: Option<&'d Value>,
    place: &Place<'_>,
    operation: &'d Map<String, Value>,
    method: &mut Method,
) {
    let list = match list {
        None | Some(Value::Null) => return,
        Some(Value::Array(list)) => list,
        Some(other) => {
            context.report.warning(place, format!("must be a list, and it is {}: ignored", kind(other)));
            return;
        }
    };
    for (at, value) in list.iter().enumerate() {
        let here = place.index(at);
        match context.refs.resolve(value) {
            Ok(found) => one(context, found.object, &found.place(&here), operation, method),
            Err(message) => context.report.warning(here, format!("{message}: ignored")),
        }
    }
}

fn one<'d>(
    context: &mut Context<'d>,
    parameter: &'d Map<String, Value>,
    place: &Place<'_>,
    operation: &'d Map<String, Value>,
    method: &mut Method,
) {
    let word = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = word("name");
    let (part, name) = match word("in") {
        // Some tools repeat the greedy sign of the path in the name.
        "path" => ("path", name.strip_suffix('+').unwrap_or(name)),
        "query" => ("querystring", name),
        "header" => ("header", name),
        "body" => {
            for media_type in media_types(context.document, operation, "consumes") {
                add_model(&mut method.request_models, media_type, parameter.get("schema"));
            }
            return;
        }
        // Fields of a form are a body, and bodies are described by models.
        "formData" => return,
        "cookie" => {
            context.report.warning(place, "cookies cannot be mapped: ignored");
            return;
        }
        other => {
            let text = format!("\"in\" must be path, query, header or body, and it is {:?}: ignored", shown(other));
            context.report.warning(place, text);
            return;
        }
    };
    if !is_parameter_name(name) || (part == "header" && !is_token(name)) {
        let text = format!("the name {:?} cannot be mapped: use letters, digits and ._$-; ignored", shown(name));
        context.report.warning(place, text);
        return;
    }
    // A path variable is always there, whatever the document says.
    let required = part == "path" || parameter.get("required").and_then(Value::as_bool).unwrap_or_default();
    method.request_parameters.insert(format!("method.request.{part}.{name}"), required);
}

/// Reads the body of an operation of OpenAPI 3.
pub(super) fn read_request_body<'d>(
    context: &mut Context<'d>,
    operation: &'d Map<String, Value>,
    place: &Place<'_>,
    method: &mut Method,
) {
    let Some(value) = operation.get("requestBody").filter(|value| !value.is_null()) else { return };
    match context.refs.resolve(value) {
        Ok(found) => add_content(&mut method.request_models, found.object),
        Err(message) => context.report.warning(place.key("requestBody"), format!("{message}: ignored")),
    }
}

/// Reads what an operation promises for each status.
pub(super) fn read_responses<'d>(
    context: &mut Context<'d>,
    operation: &'d Map<String, Value>,
    place: &Place<'_>,
    method: &mut Method,
) {
    let place = place.key("responses");
    let responses = match operation.get("responses") {
        None | Some(Value::Null) => return,
        Some(Value::Object(responses)) => responses,
        Some(other) => {
            context.report.warning(place, format!("must be an object, and it is {}: ignored", kind(other)));
            return;
        }
    };
    for (code, value) in responses {
        // A response for every other status has no status of its own, which a method response needs.
        if code == "default" || code.starts_with("x-") {
            continue;
        }
        let here = place.key(code);
        if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
            context.report.warning(here, "is not a status code of three digits: ignored");
            continue;
        }
        match context.refs.resolve(value) {
            Ok(found) => {
                let response = one_response(context, code, found.object, &found.place(&here), operation);
                method.method_responses.insert(code.clone(), response);
            }
            Err(message) => context.report.warning(here, format!("{message}: ignored")),
        }
    }
}

fn one_response<'d>(
    context: &mut Context<'d>,
    code: &str,
    response: &'d Map<String, Value>,
    place: &Place<'_>,
    operation: &'d Map<String, Value>,
) -> MethodResponse {
    let mut made = MethodResponse { status_code: code.to_owned(), ..MethodResponse::default() };
    let place = place.key("headers");
    for (name, header) in response.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let here = place.key(name);
        if !is_parameter_name(name) || !is_token(name) {
            context.report.warning(here, "the name cannot be mapped: use letters, digits and ._$-; ignored");
            continue;
        }
        match context.refs.resolve(header) {
            Ok(found) => {
                let required = found.object.get("required").and_then(Value::as_bool).unwrap_or_default();
                made.response_parameters.insert(format!("method.response.header.{name}"), required);
            }
            Err(message) => context.report.warning(here, format!("{message}: ignored")),
        }
    }
    match context.flavour {
        Flavour::OpenApi3 => add_content(&mut made.response_models, response),
        Flavour::Swagger2 => {
            for media_type in media_types(context.document, operation, "produces") {
                add_model(&mut made.response_models, media_type, response.get("schema"));
            }
        }
    }
    made
}

type Models = std::collections::BTreeMap<String, String>;

fn add_content(models: &mut Models, body: &Map<String, Value>) {
    for (media_type, content) in body.get("content").and_then(Value::as_object).into_iter().flatten() {
        add_model(models, media_type, content.get("schema"));
    }
}

/// Notes the name of a schema that is referred to. A schema without a name has no model (section i.2).
fn add_model(models: &mut Models, media_type: &str, schema: Option<&Value>) {
    let reference = schema.and_then(|schema| schema.get("$ref")?.as_str());
    let name = reference.and_then(|reference| reference.rsplit('/').next()).unwrap_or_default();
    if !name.is_empty() {
        models.insert(media_type.to_owned(), name.replace("~1", "/").replace("~0", "~"));
    }
}

/// What an operation of Swagger 2 consumes or produces.
fn media_types<'d>(
    document: &'d Map<String, Value>,
    operation: &'d Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'d str> {
    let list = operation.get(key).or_else(|| document.get(key)).and_then(Value::as_array);
    let given = list.into_iter().flatten().filter_map(Value::as_str);
    // The whole document shares one list, so a long one would be copied to each operation.
    given.chain(list.is_none().then_some("application/json")).take(PARAMETERS_MAX)
}
