//! Integrations that name functions and other services, compiled.

use super::*;
use crate::bundle::Bundle;
use crate::definition::ApiDefinition;
use crate::deployment::Stage;
use crate::integration::{Integration, IntegrationType, LambdaEndpoint, ResponseTransferMode};
use crate::mapping::CompiledSource;
use crate::method::{Method, Verb};
use crate::resource::Resource;
use crate::response::IntegrationResponse;
use std::collections::BTreeMap;
use std::sync::Arc;

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:resize";

fn invoke(function: &str) -> String {
    format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations")
}

fn integration(kind: IntegrationType, uri: &str) -> Integration {
    Integration {
        integration_responses: [("200".to_owned(), default_response())].into(),
        ..Integration::new(kind, Some(Verb::Post), uri)
    }
}

fn default_response() -> IntegrationResponse {
    IntegrationResponse { status_code: "200".to_owned(), ..IntegrationResponse::default() }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The one route of an API with this integration at `ANY /{key}`; the stage has these variables.
fn route(integration: Integration, variables: &[(&str, &str)]) -> Arc<Route> {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = "api7".into();
    definition.resources.push(Resource { id: "r".into(), path: "/{key}".to_owned(), ..Resource::default() });
    let mut method = Method::new("api7".into(), "r".into(), Verb::Any);
    method.integration = Some(integration);
    definition.methods.push(method);
    let stage = Stage {
        rest_api_id: "api7".into(),
        stage_name: "prod".into(),
        deployment_id: "d1".into(),
        variables: pairs(variables),
        ..Stage::default()
    };
    let table = StageTable::compile(&Bundle::new(definition, stage)).expect("it compiles");
    Arc::clone(&table.routes()[0])
}

#[track_caller]
fn function(integration: Integration, variables: &[(&str, &str)], look: impl FnOnce(&FunctionPlan)) {
    let route = route(integration, variables);
    match &route.plan {
        Plan::Function(plan) => look(plan),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn service(integration: Integration, look: impl FnOnce(&HttpPlan, &ServiceScope)) {
    let route = route(integration, &[]);
    match &route.plan {
        Plan::Http(plan) => look(plan, plan.service.as_ref().expect("it is signed")),
        other => panic!("{other:?}"),
    }
}

fn problem(integration: Integration, variables: &[(&str, &str)]) -> String {
    route(integration, variables).problem().expect("it cannot be called").to_string()
}

#[test]
fn a_function_is_called_in_its_own_region_by_whatever_the_arn_says() {
    for (name, region, path, by_name) in [
        (ARN, "eu-west-1", ARN, "resize"),
        (&format!("{ARN}:live"), "eu-west-1", &format!("{ARN}:live"), "resize/invocations?Qualifier=live"),
        (&format!("{ARN}:$LATEST"), "eu-west-1", &format!("{ARN}:$LATEST"), "resize/invocations?Qualifier=$LATEST"),
        ("resize", "us-east-1", "resize", "resize"),
        (
            "123456789012:function:resize:7",
            "us-east-1",
            "123456789012:function:resize:7",
            "resize/invocations?Qualifier=7",
        ),
    ] {
        function(integration(IntegrationType::AwsProxy, &invoke(name)), &[], |plan| {
            assert_eq!((&*plan.region, plan.authority.as_str()), (region, &*format!("lambda.{region}.amazonaws.com")));
            assert_eq!(plan.path, format!("/2015-03-31/functions/{path}/invocations"));
            assert!(
                plan.path_by_name.as_str().starts_with(&format!("/2015-03-31/functions/{by_name}")),
                "{}",
                plan.path_by_name
            );
            assert!(!plan.streams && plan.endpoint.is_none());
        });
    }
    let chinese = invoke(ARN).replacen("arn:aws:", "arn:aws-cn:", 1);
    function(integration(IntegrationType::Aws, &chinese), &[], |plan| {
        assert_eq!(plan.authority.as_str(), "lambda.eu-west-1.amazonaws.com.cn");
        assert!(matches!(plan.style, FunctionStyle::Custom));
    });
}

#[test]
fn stage_variables_stand_in_names_and_aliases_and_an_undefined_one_fails_the_call() {
    let uri = invoke("arn:aws:lambda:eu-west-1:123456789012:function:${stageVariables.f}:${stageVariables.alias}");
    let aws_proxy = || integration(IntegrationType::AwsProxy, &uri);
    function(aws_proxy(), &[("f", "resize"), ("alias", "blue")], |plan| {
        assert_eq!(plan.path, format!("/2015-03-31/functions/{ARN}:blue/invocations"));
    });
    assert!(problem(aws_proxy(), &[("f", "resize")]).contains("alias is not defined"));
    assert!(problem(aws_proxy(), &[("f", "a/../b"), ("alias", "x")]).contains("names no function"));
}

#[test]
fn a_streamed_function_is_called_where_streams_come_from() {
    let uri = "arn:aws:apigateway:us-east-1:lambda:path//2021-11-15/functions/f/response-streaming-invocations";
    let with = |kind, uri: &str, mode| Integration { response_transfer_mode: mode, ..integration(kind, uri) };
    function(with(IntegrationType::AwsProxy, uri, ResponseTransferMode::Stream), &[], |plan| {
        assert_eq!(
            (plan.path.as_str(), plan.streams),
            ("/2021-11-15/functions/f/response-streaming-invocations", true)
        );
    });
    for (kind, uri, mode) in [
        (IntegrationType::AwsProxy, uri, ResponseTransferMode::Buffered),
        (IntegrationType::AwsProxy, &*invoke("f"), ResponseTransferMode::Stream),
        (IntegrationType::Aws, uri, ResponseTransferMode::Buffered),
        (IntegrationType::Aws, uri, ResponseTransferMode::Stream),
    ] {
        assert!(problem(with(kind, uri, mode), &[]).contains("do not go together"), "{kind:?} {uri} {mode:?}");
    }
}

#[test]
fn an_endpoint_of_its_own_takes_the_place_of_the_regions() {
    let with = |url: &str, name: &str, unsigned: bool| Integration {
        lambda_endpoint: Some(LambdaEndpoint { url: url.to_owned(), function_name: name.to_owned(), unsigned }),
        ..integration(IntegrationType::AwsProxy, &invoke(ARN))
    };
    function(
        with("http://${stageVariables.host}/lambda/", "${stageVariables.name}", true),
        &[("host", "127.0.0.1:9000"), ("name", "f")],
        |plan| {
            let endpoint = plan.endpoint.as_ref().expect("it has one");
            assert_eq!((endpoint.authority.as_str(), endpoint.unsigned), ("127.0.0.1:9000", true));
            assert_eq!(endpoint.path, "/lambda/2015-03-31/functions/f/invocations");
        },
    );
    function(with("https://lambda.test", "", false), &[], |plan| {
        let endpoint = plan.endpoint.as_ref().expect("it has one");
        assert_eq!(endpoint.path, format!("/2015-03-31/functions/{ARN}/invocations"));
        assert!(!endpoint.unsigned);
    });
    for name in ["f?x", "a/b", "f#", "f g"] {
        let mut named = with("http://a", "${stageVariables.name}", true);
        assert!(problem(named.clone(), &[("name", name)]).contains("invalid endpoint address"), "{name}");
        named.lambda_endpoint = None;
        assert!(route(named, &[]).problem().is_none());
    }
    for url in ["http://${stageVariables.none}", "ftp://a", "http://", "http://u@a", "http://a/?b"] {
        assert!(problem(with(url, "", true), &[]).contains("invalid endpoint address"), "{url}");
    }
}

#[test]
fn what_can_never_be_called_fails_when_it_is_called() {
    let mut get = integration(IntegrationType::AwsProxy, &invoke(ARN));
    get.http_method = Some(Verb::Get);
    assert!(problem(get, &[]).contains("POST"));
    let firehose = "arn:aws:apigateway:us-east-1:firehose:action/PutRecord";
    assert!(problem(integration(IntegrationType::AwsProxy, firehose), &[]).contains("not served"));
    for (kind, header) in [
        (IntegrationType::AwsProxy, "Authorization"),
        (IntegrationType::AwsProxy, "Transfer-Encoding"),
        (IntegrationType::Aws, "TE"),
    ] {
        let mut illegal = integration(kind, &invoke(ARN));
        illegal.request_parameters = pairs(&[(&format!("integration.request.header.{header}"), "'x'")]);
        assert!(problem(illegal, &[]).contains(header), "{kind:?}");
    }
}

#[test]
fn mappings_of_a_proxy_have_no_effect_and_those_of_a_custom_integration_are_sent() {
    for (kind, expected) in [(IntegrationType::AwsProxy, 0), (IntegrationType::Aws, 1)] {
        let mut mapped = integration(kind, &invoke(ARN));
        mapped.request_parameters = pairs(&[("integration.request.header.X-Amz-Invocation-Type", "'Event'")]);
        function(mapped, &[], |plan| assert_eq!(plan.headers.len(), expected, "{kind:?}"));
    }
}

#[test]
fn services_have_the_address_and_the_scope_that_their_arn_says() {
    for (uri, authority, service_name, region, streams) in [
        ("us-west-2:s3:path/bucket/key", "s3.us-west-2.amazonaws.com", "s3", "us-west-2", true),
        ("us-west-2:photos.s3:path/key", "photos.s3.us-west-2.amazonaws.com", "s3", "us-west-2", true),
        ("eu-west-1:sqs:path/1/queue", "sqs.eu-west-1.amazonaws.com", "sqs", "eu-west-1", false),
        ("eu-west-1:iam:action/ListUsers", "iam.amazonaws.com", "iam", "us-east-1", false),
    ] {
        let uri = format!("arn:aws:apigateway:{uri}");
        service(integration(IntegrationType::Aws, &uri), |plan, scope| {
            assert_eq!(plan.uri.authority.as_str(), authority, "{uri}");
            assert_eq!(
                (&*scope.service, &*scope.region, scope.streams_bodies),
                (service_name, region, streams),
                "{uri}"
            );
            assert_eq!(plan.style, HttpStyle::Custom);
        });
    }
}

#[test]
fn what_an_arn_says_cannot_end_the_host() {
    for uri in [
        "us-east-1:evil.test/.iam:path/x",
        "us-east-1:evil.test?.s3:path/x",
        "us-east-1@evil.test:s3:path/x",
        "us-east-1:a..s3:path/x",
    ] {
        let uri = format!("arn:aws:apigateway:{uri}");
        assert!(problem(integration(IntegrationType::Aws, &uri), &[]).contains("invalid endpoint address"), "{uri}");
    }
}

#[test]
fn an_action_is_in_the_query_or_in_the_header_that_its_service_wants() {
    let action = |uri: &str| integration(IntegrationType::Aws, &format!("arn:aws:apigateway:eu-west-1:{uri}"));
    service(action("sns:action/Publish&Version=2010-03-31"), |plan, _| {
        assert!(plan.headers().is_empty());
        let mut text = format!("{:?}", plan.uri);
        text.retain(|c| c != ' ');
        assert!(text.contains("Action=Publish&Version=2010-03-31"), "{text}");
    });
    service(action("dynamodb:action/GetItem"), |plan, _| {
        let header = |name: &str| plan.headers().iter().find(|(key, _)| key == name).map(|(_, source)| source.clone());
        assert_eq!(header("x-amz-target"), Some(CompiledSource::Fixed("DynamoDB_20120810.GetItem".to_owned())));
        assert_eq!(header("content-type"), Some(CompiledSource::Fixed("application/x-amz-json-1.0".to_owned())));
    });
    let mut mapped = action("kinesis:action/PutRecord");
    mapped.request_parameters = pairs(&[("integration.request.header.Content-Type", "'mine'")]);
    service(mapped, |plan, _| {
        let types: Vec<_> = plan.headers().iter().filter(|(name, _)| name == "content-type").collect();
        assert_eq!(types.len(), 1);
        assert_eq!(types[0].1, CompiledSource::Fixed("mine".to_owned()));
    });
}

#[test]
fn path_parameters_fill_buckets_and_keys() {
    let mut get = integration(IntegrationType::Aws, "arn:aws:apigateway:eu-west-1:s3:path/photos/{key}");
    get.request_parameters = pairs(&[("integration.request.path.key", "method.request.path.key")]);
    service(get, |plan, _| assert_eq!(plan.uri.sources().count(), 1));
    let unmapped = integration(IntegrationType::Aws, "arn:aws:apigateway:eu-west-1:s3:path/photos/{key}");
    assert!(problem(unmapped, &[]).contains("integration.request.path.key"));
}

#[test]
fn only_a_table_whose_requests_become_events_wants_to_know_how_names_are_spelled() {
    for (kind, uri, wanted) in [
        (IntegrationType::AwsProxy, invoke(ARN), true),
        (IntegrationType::Aws, invoke(ARN), false),
        (IntegrationType::HttpProxy, "http://a".to_owned(), false),
    ] {
        let mut definition = ApiDefinition::default();
        definition.rest_api.id = "api7".into();
        definition.resources.push(Resource { id: "r".into(), path: "/".to_owned(), ..Resource::default() });
        let mut method = Method::new("api7".into(), "r".into(), Verb::Post);
        method.integration = Some(integration(kind, &uri));
        definition.methods.push(method);
        let stage = Stage { rest_api_id: "api7".into(), stage_name: "prod".into(), ..Stage::default() };
        let table = StageTable::compile(&Bundle::new(definition, stage)).expect("it compiles");
        assert_eq!(table.has_events(), wanted, "{kind:?}");
    }
}
