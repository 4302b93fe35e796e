//! Random messages in the form in which we write them, and the law that they survive the way through the model.

use crate::management::v1 as wire;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::integration::Integration;
use penstock_model::method::{AuthorizationType, Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::response::{IntegrationResponse, MethodResponse};
use penstock_model::rest_api::RestApi;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn text() -> impl Strategy<Value = String> {
    "[ -~äöü€]{0,12}"
}

fn words() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(text(), text(), 0..3)
}

fn flags() -> impl Strategy<Value = BTreeMap<String, bool>> {
    btree_map(text(), any::<bool>(), 0..3)
}

fn date() -> impl Strategy<Value = Option<prost_types::Timestamp>> {
    (0..4_000_000_000_000_i64).prop_map(super::timestamp)
}

fn revision() -> impl Strategy<Value = i64> {
    0..i64::MAX
}

fn custom_gateway_response() -> impl Strategy<Value = wire::CustomGatewayResponse> {
    (text(), words(), words()).prop_map(|t| wire::CustomGatewayResponse {
        status_code: t.0,
        response_parameters: t.1,
        response_templates: t.2,
    })
}

fn rest_api() -> impl Strategy<Value = wire::RestApi> {
    let texts = (text(), text(), text(), text(), text());
    let rest = (vec(text(), 0..3), 1..3_i32, 1..3_i32, any::<bool>(), proptest::option::of(0..10_485_761_i32));
    let content = (1..3_i32, 1..4_i32, 1..4_i32, vec(text(), 0..3), btree_map(text(), custom_gateway_response(), 0..3));
    (texts, rest, words(), date(), revision(), content).prop_map(|(t, r, tags, created_date, revision, c)| {
        wire::RestApi {
            accept_policy: c.0,
            missing_content_type: c.1,
            integrity: c.2,
            compression_media_types: c.3,
            gateway_responses: c.4,
            id: t.0,
            name: t.1,
            description: t.2,
            version: t.3,
            binary_media_types: r.0,
            fidelity: r.1,
            minimum_compression_size: r.4,
            api_key_source: r.2,
            disable_execute_api_endpoint: r.3,
            root_resource_id: t.4,
            tags,
            created_date,
            revision,
        }
    })
}

fn resource() -> impl Strategy<Value = wire::Resource> {
    (text(), text(), text(), text(), text(), revision()).prop_map(|t| wire::Resource {
        id: t.0,
        rest_api_id: t.1,
        parent_id: t.2,
        path_part: t.3,
        path: t.4,
        revision: t.5,
    })
}

// PASSTHROUGH (1) is read and written as unset, so it is not among the words that we write.
fn content_handling() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), Just(2), Just(3)]
}

fn integration_response() -> impl Strategy<Value = wire::IntegrationResponse> {
    (text(), text(), words(), words(), content_handling(), revision()).prop_map(|t| wire::IntegrationResponse {
        status_code: t.0,
        selection_pattern: t.1,
        response_parameters: t.2,
        response_templates: t.3,
        content_handling: t.4,
        revision: t.5,
    })
}

fn method_response() -> impl Strategy<Value = wire::MethodResponse> {
    (text(), flags(), words(), revision()).prop_map(|t| wire::MethodResponse {
        status_code: t.0,
        response_parameters: t.1,
        response_models: t.2,
        revision: t.3,
    })
}

fn verb() -> impl Strategy<Value = String> {
    (0..Verb::ALL.len()).prop_map(|at| Verb::ALL[at].as_str().to_owned())
}

fn tls() -> impl Strategy<Value = Option<wire::integration::TlsConfig>> {
    (any::<bool>(), text()).prop_map(|(insecure_skip_verification, server_name_to_verify)| {
        let config = wire::integration::TlsConfig { insecure_skip_verification, server_name_to_verify };
        (config != wire::integration::TlsConfig::default()).then_some(config)
    })
}

fn lambda_endpoint() -> impl Strategy<Value = Option<wire::integration::LambdaEndpoint>> {
    let endpoint = (text(), text(), any::<bool>())
        .prop_map(|(url, function_name, unsigned)| wire::integration::LambdaEndpoint { url, function_name, unsigned });
    proptest::option::of(endpoint)
}

fn integration() -> impl Strategy<Value = wire::Integration> {
    let texts = (text(), text(), text(), text(), text(), prop_oneof![Just(String::new()), verb()]);
    let numbers = (1..6_i32, 1..3_i32, 1..4_i32, content_handling(), 1..i32::MAX, 1..3_i32, revision());
    let maps = (words(), words(), vec(text(), 0..3), btree_map(text(), integration_response(), 0..3));
    let messages = (tls(), lambda_endpoint());
    (texts, numbers, maps, messages).prop_map(|(t, n, m, o)| wire::Integration {
        r#type: n.0,
        http_method: t.5,
        uri: t.0,
        connection_type: n.1,
        connection_id: t.1,
        credentials: t.2,
        request_parameters: m.0,
        request_templates: m.1,
        passthrough_behavior: n.2,
        content_handling: n.3,
        timeout_in_millis: n.4,
        cache_namespace: t.3,
        cache_key_parameters: m.2,
        tls_config: o.0,
        revision: n.6,
        integration_responses: m.3,
        response_transfer_mode: n.5,
        payload_format_version: t.4,
        lambda_endpoint: o.1,
    })
}

fn method() -> impl Strategy<Value = wire::Method> {
    let authorization = prop_oneof![
        Just(AuthorizationType::None),
        Just(AuthorizationType::AwsIam),
        Just(AuthorizationType::Custom),
        Just(AuthorizationType::CognitoUserPools)
    ];
    let texts = (text(), text(), verb(), text(), text(), text());
    let maps = (flags(), words(), btree_map(text(), method_response(), 0..3), vec(text(), 0..3));
    let rest = (authorization, any::<bool>(), proptest::option::of(integration()), revision());
    (texts, maps, rest).prop_map(|(t, m, r)| wire::Method {
        rest_api_id: t.0,
        resource_id: t.1,
        http_method: t.2,
        authorization_type: r.0.as_str().to_owned(),
        api_key_required: r.1,
        operation_name: t.3,
        request_parameters: m.0,
        request_models: m.1,
        method_integration: r.2,
        method_responses: m.2,
        authorizer_id: t.4,
        request_validator_id: t.5,
        authorization_scopes: m.3,
        revision: r.3,
    })
}

fn deployment() -> impl Strategy<Value = wire::Deployment> {
    (text(), text(), text(), date(), 0..i32::MAX, any::<bool>()).prop_map(|t| wire::Deployment {
        id: t.0,
        rest_api_id: t.1,
        description: t.2,
        created_date: t.3,
        route_count: t.4,
        automatic: t.5,
        revision: 1,
        rollout: None,
    })
}

fn number() -> impl Strategy<Value = f64> {
    (0..1_000_000_u32).prop_map(|number| f64::from(number) / 1_000.0)
}

fn canary() -> impl Strategy<Value = wire::CanarySettings> {
    (number(), text(), words(), any::<bool>()).prop_map(|t| wire::CanarySettings {
        percent_traffic: t.0,
        deployment_id: t.1,
        stage_variable_overrides: t.2,
        use_stage_cache: t.3,
    })
}

fn method_setting() -> impl Strategy<Value = wire::MethodSetting> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, "[A-Z]{1,5}", any::<i32>(), number(), any::<i32>(), "[A-Z]{1,5}").prop_map(|t| wire::MethodSetting {
        metrics_enabled: t.0.0,
        logging_level: t.1,
        data_trace_enabled: t.0.1,
        throttling_burst_limit: Some(t.2),
        throttling_rate_limit: Some(t.3),
        caching_enabled: t.0.2,
        cache_ttl_in_seconds: Some(t.4),
        cache_data_encrypted: t.0.3,
        require_authorization_for_cache_control: Some(t.0.4),
        unauthorized_cache_control_header_strategy: t.5,
    })
}

/// A stage as we write it.
pub(super) fn stage() -> impl Strategy<Value = wire::Stage> {
    let parts = (proptest::option::of(canary()), btree_map(text(), method_setting(), 0..3));
    (text(), text(), text(), text(), words(), any::<bool>(), (date(), date()), words(), revision(), parts).prop_map(
        |t| wire::Stage {
            canary_settings: t.9.0,
            method_settings: t.9.1,
            rest_api_id: t.0,
            stage_name: t.1,
            deployment_id: t.2,
            description: t.3,
            variables: t.4,
            auto_deploy: t.5,
            created_date: t.6.0,
            last_updated_date: t.6.1,
            tags: t.7,
            revision: t.8,
            rollout: None,
        },
    )
}

fn domain_name() -> impl Strategy<Value = wire::DomainName> {
    (text(), words(), date(), revision()).prop_map(|t| wire::DomainName {
        domain_name: t.0,
        tags: t.1,
        created_date: t.2,
        revision: t.3,
    })
}

fn base_path_mapping() -> impl Strategy<Value = wire::BasePathMapping> {
    (text(), "[a-z/]{0,9}", text(), text(), revision()).prop_map(|t| wire::BasePathMapping {
        domain_name: t.0,
        base_path: t.1,
        rest_api_id: t.2,
        stage: t.3,
        revision: t.4,
    })
}

/// A whole API, not necessarily a sensible one.
pub(super) fn definition() -> impl Strategy<Value = ApiDefinition> {
    (rest_api(), vec(resource(), 0..4), vec(method(), 0..4)).prop_map(|(api, resources, methods)| ApiDefinition {
        rest_api: api.try_into().expect("the sample is good"),
        resources: resources.into_iter().map(|r| r.try_into().expect("the sample is good")).collect(),
        methods: methods.into_iter().map(|m| m.try_into().expect("the sample is good")).collect(),
    })
}

fn write_like<W: From<M>, M>(_: &W, model: M) -> W {
    W::from(model)
}

macro_rules! survives {
    ($($test:ident: $strategy:expr => $model:ty;)*) => {
        proptest! {
            $(
                #[test]
                fn $test(sent in $strategy) {
                    let model = <$model>::try_from(sent.clone()).expect("the sample is good");
                    prop_assert_eq!(&write_like(&sent, model.clone()), &sent);
                    prop_assert_eq!(<$model>::try_from(sent), Ok(model));
                }
            )*
        }
    };
}

survives! {
    rest_apis_survive: rest_api() => RestApi;
    resources_survive: resource() => Resource;
    methods_survive: method() => Method;
    method_responses_survive: method_response() => MethodResponse;
    integrations_survive: integration() => Integration;
    integration_responses_survive: integration_response() => IntegrationResponse;
    deployments_survive: deployment() => Deployment;
    stages_survive: stage() => Stage;
    domain_names_survive: domain_name() => DomainName;
    base_path_mappings_survive: base_path_mapping() => BasePathMapping;
}
