//! Export and import are inverse, for documents of the field and for arbitrary definitions.

use penstock_model::definition::ApiDefinition;
use penstock_model::gateway_response::{CustomGatewayResponse, CustomisableType};
use penstock_model::id::{ResourceId, RestApiId};
use penstock_model::integration::{
    ConnectionType, ContentHandling, Integration, IntegrationType, LambdaEndpoint, PassthroughBehavior,
    ResponseTransferMode, TlsConfig,
};
use penstock_model::method::{AuthorizationType, Method, Verb};
use penstock_model::openapi::{Encoding, ExportOptions, Format, ImportOptions, export, import};
use penstock_model::resource::{Resource, child_path};
use penstock_model::response::{IntegrationResponse, MethodResponse};
use penstock_model::rest_api::{ApiKeySource, RestApi};
use penstock_model::validate;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn read(document: &[u8]) -> ApiDefinition {
    let mut count = 0;
    let mut new_id = || {
        count += 1;
        format!("n{count}")
    };
    match import(document, &ImportOptions::default(), &mut new_id) {
        Ok(imported) => imported.definition,
        Err(violations) => panic!("{violations}\n{}", String::from_utf8_lossy(document)),
    }
}

/// What export and import together keep: everything but identifiers, order, and resources that lead to no method.
fn essence(definition: &ApiDefinition) -> ApiDefinition {
    let mut api = definition.clone();
    api.derive_paths();
    let paths: BTreeMap<ResourceId, String> = api.resources.iter().map(|r| (r.id.clone(), r.path.clone())).collect();
    for method in &mut api.methods {
        method.resource_id = paths[&method.resource_id].clone().into();
        method.rest_api_id = RestApiId::default();
    }
    let leads = |path: &str| {
        let below = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        path == "/"
            || api.methods.iter().any(|m| m.resource_id.as_str() == path || m.resource_id.as_str().starts_with(&below))
    };
    api.resources.retain(|resource| leads(&resource.path));
    for resource in &mut api.resources {
        resource.id = resource.path.clone().into();
        resource.parent_id = resource.parent_id.as_ref().map(|id| paths[id].clone().into());
        resource.rest_api_id = RestApiId::default();
    }
    api.rest_api.id = RestApiId::default();
    api.rest_api.root_resource_id = "/".into();
    api.normalise();
    api
}

fn all_options() -> impl Iterator<Item = ExportOptions<'static>> {
    let formats = [Format::Oas30, Format::Swagger];
    let stages = [None, Some("prod")];
    formats.into_iter().flat_map(move |format| {
        [Encoding::Json, Encoding::Yaml].into_iter().flat_map(move |encoding| {
            stages.map(|stage| ExportOptions { format, encoding, extensions: true, stage, version: None })
        })
    })
}

#[test]
fn documents_of_the_field_come_back() {
    for (name, document) in [
        ("proxy", include_bytes!("documents/proxy.yaml").as_slice()),
        ("sam", include_bytes!("documents/sam.json")),
        ("preflight", include_bytes!("documents/preflight.yaml")),
        ("http_api", include_bytes!("documents/http_api.yaml")),
        ("shop", include_bytes!("documents/shop.swagger.json")),
    ] {
        let first = read(document);
        for options in all_options() {
            let mut expected = essence(&first);
            if options.format == Format::Swagger {
                swagger_loses(&mut expected);
            }
            let exported = export(&first, &options);
            assert_eq!(essence(&read(&exported.document)), expected, "{name} {options:?}");
        }
    }
}

/// Swagger 2.0 has no word for a response header that is required.
fn swagger_loses(api: &mut ApiDefinition) {
    for response in api.methods.iter_mut().flat_map(|method| method.method_responses.values_mut()) {
        response.response_parameters.values_mut().for_each(|required| *required = false);
    }
}

fn sample() -> ApiDefinition {
    read(include_bytes!("documents/proxy.yaml"))
}

#[test]
fn responses_that_share_a_pattern_are_written_once() {
    let mut api = sample();
    let responses = &mut api.methods[2].integration.as_mut().unwrap().integration_responses;
    for (code, pattern) in [("500", ""), ("501", "default")] {
        let (status_code, selection_pattern) = (code.to_owned(), pattern.to_owned());
        let response = IntegrationResponse { status_code, selection_pattern, ..IntegrationResponse::default() };
        responses.insert(code.to_owned(), response);
    }
    let back = read(&export(&api, &ExportOptions { extensions: true, ..ExportOptions::default() }).document);
    let method = back.methods.iter().find(|m| m.http_method == Verb::Post).unwrap();
    let patterns: Vec<_> = method.integration.as_ref().unwrap().integration_responses.values().collect();
    let patterns: Vec<_> = patterns.iter().map(|r| (r.status_code.as_str(), r.selection_pattern.as_str())).collect();
    assert_eq!(patterns, [("200", ""), ("501", "(default)")]);
}

prop_compose! {
    /// Text with what documents and YAML find difficult.
    fn text()(text in prop_oneof![
        "[ -~]{0,12}",
        "[0-9.eE+_-]{1,6}",
        "\\PC{0,8}",
        "[ \t\n\r'\"#:&*!|>%@`{}\\[\\],?-]{1,8}",
        prop_oneof![Just("yes"), Just("no"), Just("null"), Just("~"), Just("on"), Just("true"), Just("0x1F"), Just("1_000"),
            Just("2024-01-01"), Just("12:30:45"), Just(".nan"), Just("---"), Just("a\n\nb\n"), Just("<<"), Just("= "),
            Just("\u{feff}x"), Just("\u{85}"), Just("\u{2028}a"), Just("trailing ")].prop_map(str::to_owned),
    ]) -> String { text }
}

fn media_type() -> impl Strategy<Value = String> {
    prop_oneof![Just("application/json"), Just("text/xml"), Just("image/*"), Just("$default")].prop_map(str::to_owned)
}

fn header(prefix: &'static str) -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9-]{0,6}".prop_map(move |name| format!("{prefix}{name}"))
}

fn source(side: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -&(-~]{0,8}".prop_map(|literal| format!("'{literal}'")),
        "[a-z]{1,5}".prop_map(|name| format!("stageVariables.{name}")),
        "[a-z]{1,5}".prop_map(|name| format!("context.{name}")),
        Just(format!("{side}.body")),
        "[a-z]{1,3}([.][a-z]|[.][.][a-z]|\\[[0-9]\\]|\\['[a-z ]'\\]){0,2}"
            .prop_map(move |path| format!("{side}.body.{path}")),
    ]
}

fn content_handling() -> impl Strategy<Value = Option<ContentHandling>> {
    prop_oneof![Just(None), Just(Some(ContentHandling::ConvertToBinary)), Just(Some(ContentHandling::ConvertToText))]
}

fn templates() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(media_type(), text(), 0..3)
}

prop_compose! {
    fn integration_response(code: &'static str, pattern: &'static str)(
        parameters in prop::collection::btree_map(header("method.response.header."), source("integration.response"), 0..3),
        response_templates in templates(),
        content_handling in content_handling(),
    ) -> (String, IntegrationResponse) {
        (code.to_owned(), IntegrationResponse {
            status_code: code.to_owned(),
            selection_pattern: pattern.to_owned(),
            response_parameters: parameters,
            response_templates,
            content_handling,
            ..IntegrationResponse::default()
        })
    }
}

/// Takes out what begins a reference or a directive: such templates are not served yet.
fn only_text(templates: &mut BTreeMap<String, String>) {
    templates.values_mut().for_each(|template| template.retain(|c| c != '$' && c != '#'));
}

fn target() -> impl Strategy<Value = (IntegrationType, Option<Verb>, String)> {
    const FUNCTION: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:x/invocations";
    let http = prop_oneof![Just("http://localhost:8080/{id}?a=b"), Just("https://${stageVariables.host}/")];
    let verb = prop::sample::select(Verb::ALL.to_vec());
    prop_oneof![
        Just((IntegrationType::Mock, None, String::new())),
        (verb.clone(), http.clone()).prop_map(|(verb, uri)| (IntegrationType::Http, Some(verb), uri.to_owned())),
        (verb, http).prop_map(|(verb, uri)| (IntegrationType::HttpProxy, Some(verb), uri.to_owned())),
        Just((IntegrationType::Aws, Some(Verb::Post), "arn:aws:apigateway:us-east-1:s3:path/{x}".to_owned())),
        Just((IntegrationType::AwsProxy, Some(Verb::Post), FUNCTION.to_owned())),
    ]
}

prop_compose! {
    fn lambda_endpoint()(
        url in prop_oneof![Just("http://localhost:9001"), Just("https://${stageVariables.host}/emulator/")],
        function_name in "[a-zA-Z0-9_-]{0,12}(:[$]LATEST)?",
        unsigned in any::<bool>(),
    ) -> LambdaEndpoint {
        LambdaEndpoint { url: url.to_owned(), function_name, unsigned }
    }
}

prop_compose! {
    fn integration()(
        (kind, http_method, uri) in target(),
        request_parameters in
            prop::collection::btree_map(header("integration.request.header."), source("method.request"), 0..3),
        request_templates in templates(),
        passthrough in prop_oneof![
            Just(PassthroughBehavior::WhenNoMatch), Just(PassthroughBehavior::WhenNoTemplates), Just(PassthroughBehavior::Never)
        ],
        content_handling in content_handling(),
        timeout_in_millis in 50u32..=900_000,
        words in [text(), text(), text()],
        cache_key_parameters in prop::collection::vec(text(), 0..3),
        flags in any::<(bool, bool, bool)>(),
        version in prop_oneof![Just(""), Just("1.0"), Just("2.0")],
        lambda_endpoint in prop::option::of(lambda_endpoint()),
        responses in (
            prop::option::of(integration_response("200", "")),
            prop::option::of(integration_response("404", "4\\d{2}")),
            prop::option::of(integration_response("500", ".*\n: #x")),
        ),
    ) -> Integration {
        let streams = flags.0 && matches!(kind, IntegrationType::HttpProxy | IntegrationType::AwsProxy);
        // A function has a URI of its own for answers that stream.
        let uri = match kind {
            IntegrationType::AwsProxy if streams => {
                uri.replace("2015-03-31", "2021-11-15").replace("/invocations", "/response-streaming-invocations")
            }
            _ => uri,
        };
        let [credentials, cache_namespace, server_name_to_verify] = words;
        let mut integration_responses: BTreeMap<_, _> = [responses.0, responses.1, responses.2].into_iter().flatten().collect();
        let mut request_templates = request_templates;
        if !kind.is_proxy() {
            only_text(&mut request_templates);
            integration_responses.values_mut().for_each(|response| only_text(&mut response.response_templates));
        }
        Integration {
            request_parameters,
            request_templates,
            passthrough_behavior: passthrough,
            content_handling,
            timeout_in_millis,
            credentials,
            cache_namespace,
            cache_key_parameters,
            connection_type: if flags.1 { ConnectionType::VpcLink } else { ConnectionType::Internet },
            connection_id: if flags.1 { "link".to_owned() } else { String::new() },
            tls_config: TlsConfig { insecure_skip_verification: flags.2, server_name_to_verify },
            response_transfer_mode: if streams { ResponseTransferMode::Stream } else { ResponseTransferMode::Buffered },
            payload_format_version: version.to_owned(),
            lambda_endpoint: lambda_endpoint.filter(|_| kind == IntegrationType::AwsProxy),
            integration_responses,
            ..Integration::new(kind, http_method, uri)
        }
    }
}

prop_compose! {
    fn method()(
        verb in prop::sample::select(Verb::ALL.to_vec()),
        operation_name in text(),
        api_key_required in any::<bool>(),
        authorization in prop_oneof![
            Just((AuthorizationType::None, "", vec![])),
            Just((AuthorizationType::AwsIam, "", vec![])),
            Just((AuthorizationType::Custom, "tokens", vec![])),
            Just((AuthorizationType::CognitoUserPools, "pool", vec!["a/b".to_owned()])),
        ],
        headers in prop::collection::btree_map(header("method.request.header.h-"), any::<bool>(), 0..3),
        queries in prop::collection::btree_map(header("method.request.querystring.q-"), any::<bool>(), 0..2),
        in_path in any::<bool>(),
        body in prop::option::of(("[A-Za-z]{1,5}", Just("application/json"))),
        responses in prop::collection::btree_map(prop_oneof![Just("200"), Just("404"), Just("500")], (
            prop::collection::btree_map(header("method.response.header."), any::<bool>(), 0..3),
            prop::option::of("[A-Za-z]{1,5}"),
        ), 0..3),
        behind in prop::option::of(integration()),
    ) -> Method {
        let (authorization_type, authorizer_id, authorization_scopes) = authorization;
        let mut method = Method::new(RestApiId::default(), ResourceId::default(), verb);
        method.operation_name = operation_name;
        method.api_key_required = api_key_required;
        method.authorization_type = authorization_type;
        method.authorizer_id = authorizer_id.to_owned();
        method.authorization_scopes = authorization_scopes;
        method.request_parameters = headers.into_iter().chain(queries).collect();
        if in_path {
            method.request_parameters.insert("method.request.path.id".to_owned(), true);
        }
        method.request_models = body.into_iter().map(|(name, media_type)| (media_type.to_owned(), name)).collect();
        method.method_responses = responses.into_iter().map(|(code, (response_parameters, model))| {
            let response_models = model.into_iter().map(|name| ("text/xml".to_owned(), name)).collect();
            let status_code = code.to_owned();
            (code.to_owned(), MethodResponse { status_code, response_parameters, response_models, ..MethodResponse::default() })
        }).collect();
        for response in behind.iter().flat_map(|behind| behind.integration_responses.values()) {
            if response.response_parameters.is_empty() {
                continue;
            }
            let status_code = response.status_code.clone();
            let declared = method.method_responses.entry(status_code.clone()).or_insert_with(|| {
                MethodResponse { status_code, ..MethodResponse::default() }
            });
            let headers = response.response_parameters.keys().cloned();
            declared.response_parameters.extend(headers.map(|header| (header, false)));
        }
        method.integration = behind;
        method
    }
}

prop_compose! {
    fn gateway_response()(
        name in prop::sample::select(CustomisableType::all()),
        status_code in prop_oneof![Just(""), Just("200"), Just("418")],
        response_parameters in prop::collection::btree_map(
            header("gatewayresponse.header."), "[ -&(-~]{0,8}".prop_map(|literal| format!("'{literal}'")), 0..3),
        response_templates in prop::collection::btree_map(
            prop_oneof![Just("application/json"), Just("text/html;charset=utf-8")].prop_map(str::to_owned),
            text().prop_filter("a template is not empty", |text| !text.is_empty()), 0..3),
    ) -> (String, CustomGatewayResponse) {
        let status_code = status_code.to_owned();
        (name.name().to_owned(), CustomGatewayResponse { status_code, response_parameters, response_templates })
    }
}

prop_compose! {
    fn definition()(
        name in text().prop_filter("a name is not empty", |name| !name.is_empty()),
        description in text(),
        version in text(),
        binary_media_types in prop::sample::subsequence(vec!["image/png", "image/*", "*/*", "a/b"], 0..4),
        minimum_compression_size in prop::option::of(0u32..=10_485_760),
        flags in any::<(bool, bool)>(),
        tags in prop::collection::btree_map("[a-z]{1,4}", text(), 0..3),
        paths in prop::sample::subsequence(
            vec!["/", "/a", "/a/{id}", "/a/{id}/b", "/{proxy+}", "/c/$d~e%20", "/c/{x+}"], 0..7),
        methods in prop::collection::vec((0usize..7, method()), 0..6),
        gateway_responses in prop::collection::vec(gateway_response(), 0..3),
    ) -> ApiDefinition {
        let mut api = ApiDefinition::default();
        let api_key_source = if flags.0 { ApiKeySource::Authorizer } else { ApiKeySource::Header };
        api.rest_api = RestApi {
            name, description, version, minimum_compression_size, tags, api_key_source,
            binary_media_types: binary_media_types.into_iter().map(str::to_owned).collect(),
            disable_execute_api_endpoint: flags.1,
            gateway_responses: gateway_responses.into_iter().collect(),
            root_resource_id: "/".into(),
            ..RestApi::default()
        };
        api.resources.push(Resource { id: "/".into(), ..Resource::default() });
        for path in &paths {
            let mut parent = "/".to_owned();
            for part in path.split('/').filter(|part| !part.is_empty()) {
                let here = child_path(&parent, part);
                if !api.resources.iter().any(|r| r.id.as_str() == here) {
                    api.resources.push(Resource {
                        id: here.as_str().into(), parent_id: Some(parent.as_str().into()), path_part: part.to_owned(),
                        ..Resource::default()
                    });
                }
                parent = here;
            }
        }
        for (at, mut method) in methods {
            method.resource_id = api.resources[at % api.resources.len()].id.clone();
            if !api.methods.iter().any(|m| (&m.resource_id, m.http_method) == (&method.resource_id, method.http_method)) {
                api.methods.push(method);
            }
        }
        api.derive_paths();
        api
    }
}

proptest! {
    #[test]
    fn what_is_exported_is_imported_as_it_was(api in definition()) {
        prop_assert_eq!(validate::definition(&api).to_string(), "");
        for options in all_options() {
            let mut expected = essence(&api);
            if options.format == Format::Swagger {
                swagger_loses(&mut expected);
            }
            let exported = export(&api, &options);
            prop_assert_eq!(essence(&read(&exported.document)), expected, "{}", String::from_utf8_lossy(&exported.document));
        }
    }
}
