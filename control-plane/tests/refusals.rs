//! Every class of refusal, as a caller sees it over gRPC; after each the process serves on.

mod support;

use penstock_proto::management::v1 as wire;
use support::client::{Operator, mask, proxy};
use support::{Program, document};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

struct Setup {
    _data: tempfile::TempDir,
    program: Program,
    operator: Operator,
    api: wire::RestApi,
}

async fn setup() -> Setup {
    let data = tempfile::tempdir().expect("there is room for a directory");
    let program = Program::start(data.path());
    let mut operator = Operator::of(&program).await;
    let api = operator.create_api("api").await;
    Setup { _data: data, program, operator, api }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, text: &str) {
    let status = result.expect_err(text);
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(text), "{:?} does not say {text:?}", status.message());
}

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let request = details.bad_request().expect("the details list the fields");
    request.field_violations.iter().map(|violation| violation.field.clone()).collect()
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_in_the_specifications_words() {
    let Setup { mut operator, api, _data, program: _program } = setup().await;
    let (id, root) = (api.id, api.root_resource_id);
    let get = wire::GetRestApiRequest { rest_api_id: "nowhere".into() };
    refused(
        operator.apis.get_rest_api(get).await,
        Code::NotFound,
        "Invalid API identifier specified 000000000000:nowhere",
    );
    let get = wire::GetResourceRequest { rest_api_id: id.clone(), resource_id: "nowhere".into() };
    refused(operator.resources.get_resource(get).await, Code::NotFound, "Invalid Resource identifier specified");
    let key = wire::MethodKey { rest_api_id: id.clone(), resource_id: root.clone(), http_method: "GET".into() };
    let get = operator.methods.get_method(key.clone()).await;
    refused(get, Code::NotFound, "Invalid Method identifier specified");
    let method =
        wire::Method { rest_api_id: id.clone(), resource_id: root, http_method: "GET".into(), ..Default::default() };
    operator.methods.create_method(wire::CreateMethodRequest { method: Some(method) }).await.unwrap();
    let get = operator.methods.get_integration(key.clone()).await;
    refused(get, Code::NotFound, "Invalid Integration identifier specified");
    let response = wire::ResponseKey { method: Some(key), status_code: "200".into() };
    let get = operator.methods.get_method_response(response).await;
    refused(get, Code::NotFound, "Invalid Response status code specified");
    let get = wire::GetStageRequest { rest_api_id: id.clone(), stage_name: "v1".into() };
    refused(operator.stages.get_stage(get).await, Code::NotFound, "Invalid Stage identifier specified");
    let get = wire::GetDomainNameRequest { domain_name: "example.com".into() };
    refused(operator.domains.get_domain_name(get).await, Code::NotFound, "Invalid domain name");
    let list = wire::ListMethodsRequest { rest_api_id: "nowhere".into(), ..Default::default() };
    refused(operator.methods.list_methods(list).await, Code::NotFound, "Invalid API identifier specified");
    operator.create_api("still serving").await;
}

#[tokio::test]
async fn every_violation_is_listed_with_its_field() {
    let Setup { mut operator, api, _data, program: _program } = setup().await;
    let rest_api = wire::RestApi {
        name: String::new(),
        binary_media_types: vec!["image/png".into(), "nonsense".into()],
        minimum_compression_size: Some(99_000_000),
        ..Default::default()
    };
    let create = operator.apis.create_rest_api(wire::CreateRestApiRequest { rest_api: Some(rest_api) }).await;
    let status = create.expect_err("three fields are wrong");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(fields(&status), ["name", "binaryMediaTypes[1]", "minimumCompressionSize"]);
    assert!(status.message().contains("Invalid minimum compression size, must be between 0 and 10485760"));

    let unknown = wire::RestApi { name: "x".into(), fidelity: 77, api_key_source: 88, ..Default::default() };
    let create = operator.apis.create_rest_api(wire::CreateRestApiRequest { rest_api: Some(unknown) }).await;
    assert_eq!(fields(&create.expect_err("two words are unknown")), ["fidelity", "apiKeySource"]);

    let key = operator.create_get(&api.id, &api.root_resource_id, "http://up.test/").await;
    let bad = wire::Integration { http_method: String::new(), timeout_in_millis: 1, ..proxy("nowhere") };
    let put = wire::PutIntegrationRequest { method: Some(key), integration: Some(bad) };
    let status = operator.methods.put_integration(put).await.expect_err("three fields are wrong");
    assert_eq!(fields(&status), ["httpMethod", "uri", "timeoutInMillis"]);
}

#[tokio::test]
async fn a_function_is_called_where_and_how_it_can_be() {
    let Setup { mut operator, api, _data, program: _program } = setup().await;
    let key = operator.create_get(&api.id, &api.root_resource_id, "http://up.test/").await;
    let endpoint = |url: &str, function_name: &str| wire::integration::LambdaEndpoint {
        url: url.into(),
        function_name: function_name.into(),
        unsigned: true,
    };
    let put = |integration: wire::Integration| wire::PutIntegrationRequest {
        method: Some(key.clone()),
        integration: Some(integration),
    };
    let misplaced =
        wire::Integration { lambda_endpoint: Some(endpoint("http://localhost:9001", "f")), ..proxy("http://up.test/") };
    let status = operator.methods.put_integration(put(misplaced)).await.expect_err("no function is called");
    assert_eq!(fields(&status), ["lambdaEndpoint"]);

    let function = wire::Integration {
        r#type: wire::integration::Type::AwsProxy.into(),
        http_method: "POST".into(),
        uri: "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:\
              function:f/invocations"
            .into(),
        ..Default::default()
    };
    let bad = wire::Integration {
        lambda_endpoint: Some(endpoint("http://localhost:9001/?x=1", "f/g")),
        response_transfer_mode: wire::integration::ResponseTransferMode::Stream.into(),
        ..function.clone()
    };
    let status = operator.methods.put_integration(put(bad)).await.expect_err("three fields are wrong");
    assert_eq!(fields(&status), ["responseTransferMode", "lambdaEndpoint.url", "lambdaEndpoint.functionName"]);
    assert!(status.message().contains("/response-streaming-invocations"), "{status}");

    let stored = operator.methods.put_integration(put(function)).await.unwrap().into_inner();
    assert_eq!(stored.lambda_endpoint, None);
    let emulator = Some(endpoint("http://${stageVariables.emulator}", ""));
    let update = |lambda_endpoint| wire::UpdateIntegrationRequest {
        method: Some(key.clone()),
        integration: Some(wire::Integration { lambda_endpoint, revision: 0, ..stored.clone() }),
        update_mask: mask(&["lambda_endpoint"]),
    };
    let wrong = operator.methods.update_integration(update(Some(endpoint("localhost", "")))).await;
    refused(wrong, Code::InvalidArgument, "it must start with http:// or https://");
    let updated = operator.methods.update_integration(update(emulator.clone())).await.unwrap().into_inner();
    assert_eq!((updated.lambda_endpoint, updated.uri), (emulator, stored.uri.clone()));
    let unset = operator.methods.update_integration(update(None)).await.unwrap().into_inner();
    assert_eq!(unset, wire::Integration { revision: updated.revision + 1, ..stored.clone() });
}

#[tokio::test]
async fn a_document_names_every_place_that_is_wrong() {
    let Setup { mut operator, api: _, _data, program: _program } = setup().await;
    let import = |document: Vec<u8>| wire::ImportRestApiRequest { document, ..Default::default() };
    let status = operator.apis.import_rest_api(import(document("x", "nonsense", &["/a", "/b"]))).await;
    let status = status.expect_err("both integrations are impossible");
    assert_eq!(status.code(), Code::InvalidArgument);
    let named = fields(&status);
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(named[0].starts_with("/paths/~1a/get/") && named[1].starts_with("/paths/~1b/get/"), "{named:?}");

    for unreadable in [&b""[..], b"{", b"\xff\xfe\xff", b"[1, 2]", b"swagger: [", b"{\"openapi\": \"9\"}"] {
        let result = operator.apis.import_rest_api(import(unreadable.to_vec())).await;
        refused(result, Code::InvalidArgument, "Invalid OpenAPI input");
    }
    let large = vec![b' '; penstock_model::limits::DOCUMENT_BYTES_MAX + 1];
    refused(operator.apis.import_rest_api(import(large)).await, Code::InvalidArgument, "document");
    let huge = vec![b' '; penstock_control_plane::api::REQUEST_BYTES_MAX + 1];
    refused(operator.apis.import_rest_api(import(huge)).await, Code::OutOfRange, "too large");

    let warned = serde_json::json!({
        "openapi": "3.0.1", "info": {"title": "x", "version": "1"}, "paths": {}, "x-amazon-apigateway-unheard-of": 1,
    });
    let warned = wire::ImportRestApiRequest { fail_on_warnings: true, ..import(serde_json::to_vec(&warned).unwrap()) };
    let status = operator.apis.import_rest_api(warned).await.expect_err("a warning is enough");
    assert_eq!(fields(&status), ["/x-amazon-apigateway-unheard-of"]);
    operator.create_api("still serving").await;
}

#[tokio::test]
async fn a_tree_is_only_changed_into_a_tree() {
    let Setup { mut operator, api, _data, program: _program } = setup().await;
    let (id, root) = (api.id.clone(), api.root_resource_id.clone());
    let a = operator.create_resource(&id, &root, "a").await.unwrap();
    let b = operator.create_resource(&id, &a.id, "{b}").await.unwrap();
    assert_eq!(b.path, "/a/{b}");
    let again = operator.create_resource(&id, &root, "a").await;
    refused(again, Code::AlreadyExists, "Another resource with the same parent already has this name: a");
    let sibling = operator.create_resource(&id, &a.id, "{c}").await;
    refused(sibling, Code::InvalidArgument, "already has a variable path part -- only one is allowed");
    let greedy = operator.create_resource(&id, &root, "{proxy+}").await.unwrap();
    let below = operator.create_resource(&id, &greedy.id, "x").await;
    refused(below, Code::InvalidArgument, "Cannot create a child of a resource with a greedy path variable: {proxy+}");
    refused(operator.create_resource(&id, "nowhere", "x").await, Code::NotFound, "Invalid Resource identifier");
    refused(operator.create_resource(&id, &root, "x/y").await, Code::InvalidArgument, "path part");

    let update = |resource: wire::Resource, paths: &[&str]| wire::UpdateResourceRequest {
        resource: Some(resource),
        update_mask: mask(paths),
    };
    let cyclic = wire::Resource { parent_id: b.id.clone(), ..a.clone() };
    let cyclic = operator.resources.update_resource(update(cyclic, &["parent_id"])).await;
    refused(cyclic, Code::InvalidArgument, "Resources cannot be cyclical.");
    let renamed =
        wire::Resource { id: root.clone(), rest_api_id: id.clone(), path_part: "x".into(), ..Default::default() };
    let renamed = operator.resources.update_resource(update(renamed, &["path_part"])).await;
    refused(renamed, Code::InvalidArgument, "Root resource cannot update its pathPart.");
    let moved =
        wire::Resource { id: root.clone(), rest_api_id: id.clone(), parent_id: a.id.clone(), ..Default::default() };
    let moved = operator.resources.update_resource(update(moved, &["parent_id"])).await;
    refused(moved, Code::InvalidArgument, "Root resource cannot update its parentId.");
    let delete = wire::DeleteResourceRequest { rest_api_id: id.clone(), resource_id: root, revision: 0 };
    refused(operator.resources.delete_resource(delete).await, Code::FailedPrecondition, "Root resource");

    let renamed = wire::Resource { path_part: "z".into(), ..a.clone() };
    let renamed = operator.resources.update_resource(update(renamed, &["path_part"])).await.unwrap().into_inner();
    assert_eq!((renamed.path.as_str(), renamed.revision), ("/z", 2));
    let get = wire::GetResourceRequest { rest_api_id: id.clone(), resource_id: b.id.clone() };
    assert_eq!(operator.resources.get_resource(get.clone()).await.unwrap().into_inner().path, "/z/{b}");
    let delete = wire::DeleteResourceRequest { rest_api_id: id, resource_id: a.id, revision: 2 };
    operator.resources.delete_resource(delete).await.unwrap();
    refused(operator.resources.get_resource(get).await, Code::NotFound, "Invalid Resource identifier specified");
}

#[tokio::test]
async fn stale_writers_are_aborted_and_change_nothing() {
    let Setup { mut operator, api, _data, program: _program } = setup().await;
    let update = |revision, description: &str| wire::UpdateRestApiRequest {
        rest_api: Some(wire::RestApi { revision, description: description.into(), ..api.clone() }),
        update_mask: mask(&["description"]),
    };
    let second = operator.apis.update_rest_api(update(1, "first writer")).await.unwrap().into_inner();
    assert_eq!((second.revision, second.name.as_str()), (2, "api"));
    refused(operator.apis.update_rest_api(update(1, "late")).await, Code::Aborted, "is at revision 2, not 1");
    refused(operator.apis.update_rest_api(update(-1, "odd")).await, Code::InvalidArgument, "revision");
    let same = operator.apis.update_rest_api(update(0, "first writer")).await.unwrap().into_inner();
    assert_eq!(same.revision, 2, "what changes nothing is no change");

    let key = operator.create_get(&api.id, &api.root_resource_id, "http://up.test/").await;
    let put = |revision| wire::PutIntegrationRequest {
        method: Some(key.clone()),
        integration: Some(wire::Integration { revision, ..proxy("http://other.test/") }),
    };
    refused(operator.methods.put_integration(put(7)).await, Code::Aborted, "revision 1, not 7");
    assert_eq!(operator.methods.put_integration(put(1)).await.unwrap().into_inner().revision, 2);
    let delete = wire::DeleteMethodRequest { method: Some(key.clone()), revision: 1 };
    refused(operator.methods.delete_method(delete).await, Code::Aborted, "the method is at revision 3");
    let delete = wire::DeleteRestApiRequest { rest_api_id: api.id.clone(), revision: 1, force: false };
    refused(operator.apis.delete_rest_api(delete).await, Code::Aborted, "is at revision 2");
}

#[tokio::test]
async fn taken_names_and_things_in_use_have_codes_of_their_own() {
    let Setup { mut operator, api, _data, program: _program } = setup().await;
    operator.create_get(&api.id, &api.root_resource_id, "http://up.test/").await;
    let deploy = |stage: &str| wire::CreateDeploymentRequest {
        rest_api_id: api.id.clone(),
        stage_name: Some(stage.into()),
        ..Default::default()
    };
    let deployment = operator.deployments.create_deployment(deploy("v1")).await.unwrap().into_inner();
    assert_eq!((deployment.route_count, deployment.automatic, deployment.revision), (1, false, 1));
    let stage = wire::Stage {
        rest_api_id: api.id.clone(),
        stage_name: "v1".into(),
        deployment_id: deployment.id.clone(),
        ..Default::default()
    };
    let create = operator.stages.create_stage(wire::CreateStageRequest { stage: Some(stage.clone()) }).await;
    refused(create, Code::AlreadyExists, "Stage already exists");
    let nowhere = wire::Stage { stage_name: "v2".into(), deployment_id: "nowhere".into(), ..stage.clone() };
    let create = operator.stages.create_stage(wire::CreateStageRequest { stage: Some(nowhere) }).await;
    refused(create, Code::InvalidArgument, "Deployment id does not exist");
    let delete =
        wire::DeleteDeploymentRequest { rest_api_id: api.id.clone(), deployment_id: deployment.id, revision: 0 };
    let delete = operator.deployments.delete_deployment(delete).await;
    refused(delete, Code::FailedPrecondition, "Active stages pointing to this deployment must be moved or deleted");

    let domain = || wire::CreateDomainNameRequest {
        domain_name: Some(wire::DomainName { domain_name: "*".into(), ..Default::default() }),
    };
    operator.domains.create_domain_name(domain()).await.unwrap();
    refused(operator.domains.create_domain_name(domain()).await, Code::AlreadyExists, "domain name");
    let mapping = |stage: &str, base_path: &str| wire::CreateBasePathMappingRequest {
        base_path_mapping: Some(wire::BasePathMapping {
            domain_name: "*".into(),
            base_path: base_path.into(),
            rest_api_id: api.id.clone(),
            stage: stage.into(),
            revision: 0,
        }),
    };
    operator.domains.create_base_path_mapping(mapping("v1", "(none)")).await.unwrap();
    let again = operator.domains.create_base_path_mapping(mapping("v1", "")).await;
    refused(again, Code::AlreadyExists, "Base path already exists");
    let nowhere = operator.domains.create_base_path_mapping(mapping("v9", "x")).await;
    refused(nowhere, Code::InvalidArgument, "stage");
    let delete = wire::DeleteStageRequest { rest_api_id: api.id.clone(), stage_name: "v1".into(), revision: 0 };
    refused(operator.stages.delete_stage(delete).await, Code::FailedPrecondition, "Base path mappings");
    let delete = wire::DeleteRestApiRequest { rest_api_id: api.id.clone(), revision: 0, force: false };
    refused(operator.apis.delete_rest_api(delete.clone()).await, Code::FailedPrecondition, "set force");
    operator.apis.delete_rest_api(wire::DeleteRestApiRequest { force: true, ..delete }).await.unwrap();
}

#[tokio::test]
async fn requests_that_make_no_sense_are_named() {
    let Setup { mut operator, api, _data, program } = setup().await;
    let none = operator.apis.create_rest_api(wire::CreateRestApiRequest { rest_api: None }).await;
    refused(none, Code::InvalidArgument, "restApi: is missing");
    let update = wire::UpdateRestApiRequest { rest_api: Some(api.clone()), update_mask: mask(&["name", "nmae", "id"]) };
    let status = operator.apis.update_rest_api(update).await.expect_err("two paths are wrong");
    assert_eq!(fields(&status), ["updateMask", "updateMask"]);
    assert!(status.message().contains("\"nmae\"") && status.message().contains("\"id\""), "{status}");
    let key = wire::MethodKey { rest_api_id: api.id.clone(), resource_id: "r".into(), http_method: "get".into() };
    refused(operator.methods.get_method(key).await, Code::InvalidArgument, "Invalid HttpMethod specified.");
    let method = Some(wire::Method {
        rest_api_id: api.id.clone(),
        resource_id: api.root_resource_id.clone(),
        http_method: "GET".into(),
        method_integration: Some(proxy("http://up.test/")),
        ..Default::default()
    });
    let create = operator.methods.create_method(wire::CreateMethodRequest { method }).await;
    refused(create, Code::InvalidArgument, "use PutIntegration");
    let list = |page_size, token: &str| wire::ListRestApisRequest {
        page_size,
        page_token: token.to_owned(),
        ..Default::default()
    };
    refused(operator.apis.list_rest_apis(list(-1, "")).await, Code::InvalidArgument, "pageSize");
    refused(operator.apis.list_rest_apis(list(0, "made up")).await, Code::InvalidArgument, "pageToken");
    for noise in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0xff; 64]] {
        let mut stream = std::net::TcpStream::connect(program.grpc).unwrap();
        std::io::Write::write_all(&mut stream, noise).unwrap();
    }
    operator.create_api("still serving").await;
}
