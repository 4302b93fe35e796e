//! One method, with its integration and responses, as an operation of a document.

use super::export::{ExportOptions, Format};
use super::lambda_endpoint;
use super::report::escape;
use crate::definition::ApiDefinition;
use crate::integration::{ConnectionType, Integration, ResponseTransferMode, TlsConfig};
use crate::limits::TIMEOUT_MS_DEFAULT;
use crate::method::{AuthorizationType, Method};
use crate::resource::{PathPart, segments};
use crate::response::{IntegrationResponse, MethodResponse};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the scheme that stands for API keys.
const API_KEY: &str = "api_key";

pub(super) fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A method of the resource at `path`.
pub(super) fn operation(method: &Method, path: &str, options: &ExportOptions<'_>) -> Map<String, Value> {
    let mut made = Map::new();
    if !method.operation_name.is_empty() {
        made.insert("operationId".to_owned(), json!(method.operation_name));
    }
    if options.format == Format::Swagger {
        media_types(&mut made, method);
    }
    let parameters = parameters(method, path, options);
    if !parameters.is_empty() {
        made.insert("parameters".to_owned(), parameters.into());
    }
    if options.format == Format::Oas30 && !method.request_models.is_empty() {
        made.insert("requestBody".to_owned(), json!({"content": content(&method.request_models), "required": true}));
    }
    let mut responses: Map<String, Value> =
        method.method_responses.iter().map(|(code, one)| (code.clone(), response(code, one, options).into())).collect();
    if responses.is_empty() {
        // Both standards want one response at least; import takes this one for none.
        responses.insert("default".to_owned(), json!({"description": "Default response"}));
    }
    made.insert("responses".to_owned(), responses.into());
    let security = security(method, options);
    if !security.is_empty() {
        made.insert("security".to_owned(), security.into());
    }
    if options.extensions {
        if method.authorization_type == AuthorizationType::AwsIam {
            made.insert("x-amazon-apigateway-auth".to_owned(), json!({"type": "AWS_IAM"}));
        }
        if let Some(behind) = &method.integration {
            made.insert("x-amazon-apigateway-integration".to_owned(), integration(behind).into());
            if let Some(endpoint) = &behind.lambda_endpoint {
                made.insert(lambda_endpoint::KEY.to_owned(), lambda_endpoint::write(endpoint));
            }
        }
    }
    made
}

fn media_types(made: &mut Map<String, Value>, method: &Method) {
    let consumes: BTreeSet<&String> = method.request_models.keys().collect();
    let produces: BTreeSet<&String> =
        method.method_responses.values().flat_map(|response| response.response_models.keys()).collect();
    for (key, list) in [("consumes", consumes), ("produces", produces)] {
        if !list.is_empty() {
            made.insert(key.to_owned(), json!(list));
        }
    }
}

fn parameters(method: &Method, path: &str, options: &ExportOptions<'_>) -> Vec<Value> {
    let mut declared = method.request_parameters.clone();
    if !options.extensions {
        // Only the gateway knows variables that nobody declared; other readers want them all.
        for part in segments(path) {
            if let Ok(PathPart::Param(name) | PathPart::Greedy(name)) = PathPart::parse(part) {
                declared.insert(format!("method.request.path.{name}"), true);
            }
        }
    }
    let mut list = Vec::new();
    for (key, required) in declared {
        let Some((part, name)) = key.strip_prefix("method.request.").and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let place = if part == "querystring" { "query" } else { part };
        let required = required || part == "path";
        let mut parameter = object([("name", json!(name)), ("in", json!(place))]);
        match options.format {
            Format::Oas30 => {
                if required {
                    parameter.insert("required".to_owned(), json!(true));
                }
                parameter.insert("schema".to_owned(), json!({"type": "string"}));
            }
            Format::Swagger => {
                parameter.insert("required".to_owned(), json!(required));
                parameter.insert("type".to_owned(), json!("string"));
            }
        }
        list.push(parameter.into());
    }
    if let (Format::Swagger, Some(model)) = (options.format, method.request_models.values().next()) {
        let schema = json!({"$ref": format!("#/definitions/{}", escape(model))});
        list.push(json!({"in": "body", "name": model, "required": true, "schema": schema}));
    }
    list
}

fn content(models: &BTreeMap<String, String>) -> Map<String, Value> {
    let one = |name: &String| json!({"schema": {"$ref": format!("#/components/schemas/{}", escape(name))}});
    models.iter().map(|(media_type, name)| (media_type.clone(), one(name))).collect()
}

fn response(code: &str, response: &MethodResponse, options: &ExportOptions<'_>) -> Map<String, Value> {
    let mut made = object([("description", json!(format!("{code} response")))]);
    let mut headers = Map::new();
    for (key, required) in &response.response_parameters {
        let Some(name) = key.strip_prefix("method.response.header.") else { continue };
        let header = match options.format {
            Format::Oas30 if *required => json!({"required": true, "schema": {"type": "string"}}),
            Format::Oas30 => json!({"schema": {"type": "string"}}),
            Format::Swagger => json!({"type": "string"}),
        };
        headers.insert(name.to_owned(), header);
    }
    if !headers.is_empty() {
        made.insert("headers".to_owned(), headers.into());
    }
    match options.format {
        Format::Oas30 => {
            made.insert("content".to_owned(), content(&response.response_models).into());
        }
        Format::Swagger => {
            if let Some(model) = response.response_models.values().next() {
                let schema = json!({"$ref": format!("#/definitions/{}", escape(model))});
                made.insert("schema".to_owned(), schema);
            }
        }
    }
    made
}

fn has_authorizer(method: &Method) -> bool {
    matches!(method.authorization_type, AuthorizationType::Custom | AuthorizationType::CognitoUserPools)
        && !method.authorizer_id.is_empty()
}

fn security(method: &Method, options: &ExportOptions<'_>) -> Vec<Value> {
    let mut list = Vec::new();
    if options.extensions && has_authorizer(method) {
        list.push(object([(&method.authorizer_id, json!(method.authorization_scopes))]).into());
    }
    if method.api_key_required {
        list.push(json!({API_KEY: []}));
    }
    list
}

/// The schemes that the methods of the API refer to.
pub(super) fn security_schemes(definition: &ApiDefinition, options: &ExportOptions<'_>) -> Map<String, Value> {
    let mut schemes = Map::new();
    let header = |name: &str| object([("type", json!("apiKey")), ("name", json!(name)), ("in", json!("header"))]);
    for method in definition.methods.iter().filter(|method| options.extensions && has_authorizer(method)) {
        let kind = match method.authorization_type {
            AuthorizationType::CognitoUserPools => "cognito_user_pools",
            _ => "token",
        };
        let mut scheme = header("Authorization");
        scheme.insert("x-amazon-apigateway-authorizer".to_owned(), json!({"type": kind}));
        schemes.insert(method.authorizer_id.clone(), scheme.into());
    }
    if definition.methods.iter().any(|method| method.api_key_required) {
        schemes.insert(API_KEY.to_owned(), header("x-api-key").into());
    }
    schemes
}

fn integration(behind: &Integration) -> Map<String, Value> {
    let mut made = object([("type", json!(behind.kind.as_str().to_ascii_lowercase()))]);
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            made.insert(key.to_owned(), value);
        }
    };
    let text = |text: &String| (!text.is_empty()).then(|| json!(text));
    let map = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| json!(map));
    put("httpMethod", behind.http_method.map(|verb| json!(verb.as_str())));
    put("uri", text(&behind.uri));
    put("connectionType", (behind.connection_type == ConnectionType::VpcLink).then(|| json!("VPC_LINK")));
    put("connectionId", text(&behind.connection_id));
    put("credentials", text(&behind.credentials));
    put("requestParameters", map(&behind.request_parameters));
    put("requestTemplates", map(&behind.request_templates));
    put("passthroughBehavior", Some(json!(behind.passthrough_behavior.as_str().to_ascii_lowercase())));
    put("contentHandling", behind.content_handling.map(|handling| json!(handling.as_str())));
    put("timeoutInMillis", (behind.timeout_in_millis != TIMEOUT_MS_DEFAULT).then(|| json!(behind.timeout_in_millis)));
    put("cacheNamespace", text(&behind.cache_namespace));
    put("cacheKeyParameters", (!behind.cache_key_parameters.is_empty()).then(|| json!(behind.cache_key_parameters)));
    put("tlsConfig", tls(&behind.tls_config));
    put(
        "responseTransferMode",
        (behind.response_transfer_mode == ResponseTransferMode::Stream).then(|| json!("STREAM")),
    );
    put("payloadFormatVersion", text(&behind.payload_format_version));
    put("responses", responses(&behind.integration_responses));
    made
}

fn tls(config: &TlsConfig) -> Option<Value> {
    let mut made = Map::new();
    if config.insecure_skip_verification {
        made.insert("insecureSkipVerification".to_owned(), json!(true));
    }
    if !config.server_name_to_verify.is_empty() {
        made.insert("serverNameToVerify".to_owned(), json!(config.server_name_to_verify));
    }
    (!made.is_empty()).then(|| made.into())
}

fn responses(all: &BTreeMap<String, IntegrationResponse>) -> Option<Value> {
    let mut made = Map::new();
    for response in all.values() {
        let key = match response.selection_pattern.as_str() {
            "" => "default",
            // The same expression, which is not the word for "no expression".
            "default" => "(default)",
            pattern => pattern,
        };
        let mut entry = object([("statusCode", json!(response.status_code))]);
        if !response.response_parameters.is_empty() {
            entry.insert("responseParameters".to_owned(), json!(response.response_parameters));
        }
        if !response.response_templates.is_empty() {
            entry.insert("responseTemplates".to_owned(), json!(response.response_templates));
        }
        if let Some(handling) = response.content_handling {
            entry.insert("contentHandling".to_owned(), json!(handling.as_str()));
        }
        made.entry(key).or_insert(entry.into());
    }
    (!made.is_empty()).then(|| made.into())
}
