//! What an operator can do over gRPC, as the field comments of the protocol promise it.

mod support;

use penstock_proto::management::v1 as wire;
use std::collections::BTreeMap;
use support::client::{Operator, mask, proxy};
use support::{Program, document};

struct Setup {
    _data: tempfile::TempDir,
    _program: Program,
    operator: Operator,
}

async fn setup() -> Setup {
    let data = tempfile::tempdir().expect("there is room for a directory");
    let program = Program::start(data.path());
    let operator = Operator::of(&program).await;
    Setup { _data: data, _program: program, operator }
}

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn lists_come_in_pages_that_follow_each_other() {
    let Setup { mut operator, _data, _program } = setup().await;
    for number in 0..7 {
        operator.create_api(&format!("api {}", number % 2)).await;
    }
    let mut ids = Vec::new();
    let mut token = String::new();
    loop {
        let request = wire::ListRestApisRequest { page_size: 3, page_token: token, ..Default::default() };
        let page = operator.apis.list_rest_apis(request).await.unwrap().into_inner();
        assert!(page.items.len() <= 3);
        ids.extend(page.items.into_iter().map(|api| api.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids.len(), 7);
    assert!(ids.is_sorted_by(|a, b| a < b), "ordered by id, each once: {ids:?}");
    let named = wire::ListRestApisRequest { name: "api 1".into(), ..Default::default() };
    assert_eq!(operator.apis.list_rest_apis(named).await.unwrap().into_inner().items.len(), 3);
}

#[tokio::test]
async fn routes_methods_and_deployments_come_in_pages_too() {
    let Setup { mut operator, _data, _program } = setup().await;
    let paths = ["/a", "/b", "/c", "/d", "/e"];
    let stage = wire::StageSpec { stage_name: "v1".into(), ..Default::default() };
    let import = wire::ImportRestApiRequest {
        document: document("api", "http://up.test/", &paths),
        stage: Some(stage),
        ..Default::default()
    };
    let api = operator.apis.import_rest_api(import).await.unwrap().into_inner().rest_api.unwrap().id;
    let first = wire::ListRoutesRequest { page_size: 3, ..Default::default() };
    let page = operator.fleet.list_routes(first.clone()).await.unwrap().into_inner();
    let next = wire::ListRoutesRequest { page_token: page.next_page_token, ..first };
    let rest = operator.fleet.list_routes(next).await.unwrap().into_inner();
    let listed: Vec<_> = page.items.iter().chain(&rest.items).map(|route| route.path.as_str()).collect();
    assert_eq!((listed, rest.next_page_token.as_str()), (paths.to_vec(), ""));

    let first = wire::ListMethodsRequest { rest_api_id: api.clone(), page_size: 4, ..Default::default() };
    let page = operator.methods.list_methods(first.clone()).await.unwrap().into_inner();
    let next = wire::ListMethodsRequest { page_token: page.next_page_token, ..first };
    let rest = operator.methods.list_methods(next).await.unwrap().into_inner();
    assert_eq!((page.items.len(), rest.items.len()), (4, 1));

    for _ in 0..2 {
        let deploy = wire::CreateDeploymentRequest { rest_api_id: api.clone(), ..Default::default() };
        operator.deployments.create_deployment(deploy).await.unwrap();
    }
    let first = wire::ListDeploymentsRequest { rest_api_id: api.clone(), page_size: 2, ..Default::default() };
    let page = operator.deployments.list_deployments(first.clone()).await.unwrap().into_inner();
    let next = wire::ListDeploymentsRequest { page_token: page.next_page_token, ..first };
    let rest = operator.deployments.list_deployments(next).await.unwrap().into_inner();
    let stage = wire::GetStageRequest { rest_api_id: api, stage_name: "v1".into() };
    let oldest = operator.stages.get_stage(stage).await.unwrap().into_inner().deployment_id;
    assert_eq!((page.items.len(), rest.items.len(), &rest.items[0].id), (2, 1, &oldest), "the newest first");
}

#[tokio::test]
async fn a_mask_changes_what_it_names_and_no_mask_everything() {
    let Setup { mut operator, _data, _program } = setup().await;
    let full = wire::RestApi {
        name: "api".into(),
        description: "text".into(),
        binary_media_types: vec!["image/png".into()],
        minimum_compression_size: Some(10),
        disable_execute_api_endpoint: true,
        tags: words(&[("team", "a")]),
        // Output only, so none of these counts.
        id: "chosen".into(),
        root_resource_id: "chosen".into(),
        revision: 9,
        ..Default::default()
    };
    let create = wire::CreateRestApiRequest { rest_api: Some(full.clone()) };
    let made = operator.apis.create_rest_api(create).await.unwrap().into_inner();
    assert_eq!((made.id.len(), made.revision, made.tags.len()), (10, 1, 1));
    assert!(made.created_date.is_some() && made.root_resource_id != "chosen");
    let (transparent, header) = (wire::rest_api::Fidelity::Transparent, wire::rest_api::ApiKeySource::Header);
    assert_eq!((made.fidelity(), made.api_key_source()), (transparent, header));

    let update = |api: wire::RestApi, paths: &[&str]| wire::UpdateRestApiRequest {
        rest_api: Some(wire::RestApi { id: made.id.clone(), revision: 0, ..api }),
        update_mask: mask(paths),
    };
    let renamed = wire::RestApi { name: "new".into(), description: "ignored".into(), ..Default::default() };
    let renamed = operator.apis.update_rest_api(update(renamed, &["name"])).await.unwrap().into_inner();
    assert_eq!((renamed.name.as_str(), renamed.description.as_str(), renamed.revision), ("new", "text", 2));
    let plain = wire::RestApi { name: "plain".into(), ..Default::default() };
    let plain = operator.apis.update_rest_api(update(plain, &[])).await.unwrap().into_inner();
    assert_eq!((plain.description.as_str(), plain.minimum_compression_size, plain.tags.len()), ("", None, 0));
    assert_eq!((plain.created_date, plain.root_resource_id), (made.created_date, made.root_resource_id.clone()));
}

#[tokio::test]
async fn what_stands_behind_a_method_is_put_read_and_deleted() {
    let Setup { mut operator, _data, _program } = setup().await;
    let api = operator.create_api("api").await;
    let key = operator.create_get(&api.id, &api.root_resource_id, "http://up.test/{a}").await;
    let update = wire::UpdateIntegrationRequest {
        method: Some(key.clone()),
        integration: Some(wire::Integration { timeout_in_millis: 1_000, ..Default::default() }),
        update_mask: mask(&["timeout_in_millis"]),
    };
    let updated = operator.methods.update_integration(update).await.unwrap().into_inner();
    assert_eq!((updated.timeout_in_millis, updated.uri.as_str()), (1_000, "http://up.test/{a}"));
    assert_eq!(updated.r#type(), wire::integration::Type::HttpProxy, "a mask leaves out what it does not name");

    let response = wire::IntegrationResponse { status_code: "200".into(), ..Default::default() };
    let put = wire::PutIntegrationResponseRequest { method: Some(key.clone()), integration_response: Some(response) };
    assert_eq!(operator.methods.put_integration_response(put).await.unwrap().into_inner().revision, 1);
    let response = wire::MethodResponse { status_code: "200".into(), ..Default::default() };
    let put = wire::PutMethodResponseRequest { method: Some(key.clone()), method_response: Some(response) };
    assert_eq!(operator.methods.put_method_response(put).await.unwrap().into_inner().revision, 1);

    let other = wire::Integration { passthrough_behavior: 3, ..proxy("http://other.test/") };
    let put = wire::PutIntegrationRequest { method: Some(key.clone()), integration: Some(other) };
    let replaced = operator.methods.put_integration(put).await.unwrap().into_inner();
    assert_eq!(replaced.integration_responses.len(), 1, "its integration responses stay");
    assert_eq!((replaced.timeout_in_millis, replaced.revision), (29_000, 4));

    let method = operator.methods.get_method(key.clone()).await.unwrap().into_inner();
    assert_eq!(method.method_integration.as_ref(), Some(&replaced));
    assert_eq!(method.method_responses.len(), 1);
    let response = wire::ResponseKey { method: Some(key.clone()), status_code: "200".into() };
    let delete = wire::DeleteResponseRequest { response: Some(response.clone()), revision: 1 };
    operator.methods.delete_integration_response(delete.clone()).await.unwrap();
    operator.methods.delete_method_response(delete).await.unwrap();
    let gone = operator.methods.get_integration_response(response).await.expect_err("it is gone");
    assert_eq!(gone.message(), "Invalid Response status code specified");
    let delete = wire::DeleteIntegrationRequest { method: Some(key.clone()), revision: 0 };
    operator.methods.delete_integration(delete).await.unwrap();
    let method = operator.methods.get_method(key).await.unwrap().into_inner();
    assert_eq!((method.method_integration, method.method_responses.len()), (None, 0));
}

#[tokio::test]
async fn stage_variables_reach_the_routes_at_once() {
    let Setup { mut operator, _data, _program } = setup().await;
    let api = operator.create_api("api").await;
    operator.create_get(&api.id, &api.root_resource_id, "http://${stageVariables.host}/").await;
    let deploy = |host: &str| wire::CreateDeploymentRequest {
        rest_api_id: api.id.clone(),
        stage_name: Some("v1".into()),
        variables: words(&[("host", host)]),
        ..Default::default()
    };
    operator.deployments.create_deployment(deploy("one.test")).await.unwrap();
    operator.deployments.create_deployment(deploy("ignored.test")).await.unwrap();
    let list = wire::ListRoutesRequest { rest_api_id: api.id.clone(), ..Default::default() };
    let routes = operator.fleet.list_routes(list.clone()).await.unwrap().into_inner();
    assert_eq!(routes.items[0].uri, "http://one.test/", "variables count only when the call makes the stage");

    let stage = wire::Stage {
        rest_api_id: api.id.clone(),
        stage_name: "v1".into(),
        variables: words(&[("host", "two.test")]),
        ..Default::default()
    };
    let update =
        wire::UpdateStageRequest { stage: Some(stage), update_mask: mask(&["variables"]), ..Default::default() };
    let updated = operator.stages.update_stage(update).await.unwrap();
    let version: u64 = updated.metadata().get("penstock-config-version").unwrap().to_str().unwrap().parse().unwrap();
    let routes = operator.fleet.list_routes(list).await.unwrap().into_inner();
    assert_eq!((routes.items[0].uri.as_str(), routes.version), ("http://two.test/", version));
}

#[tokio::test]
async fn what_is_exported_is_imported_as_the_same_api() {
    let Setup { mut operator, _data, _program } = setup().await;
    let stage = wire::StageSpec { stage_name: "v1".into(), ..Default::default() };
    let import = wire::ImportRestApiRequest {
        document: document("api", "http://up.test/", &["/a/{id}", "/b"]),
        stage: Some(stage.clone()),
        ..Default::default()
    };
    let api = operator.apis.import_rest_api(import).await.unwrap().into_inner().rest_api.unwrap();
    let put = |document: Vec<u8>, mode: wire::put_rest_api_request::Mode, revision| wire::PutRestApiRequest {
        rest_api_id: api.id.clone(),
        mode: mode.into(),
        document,
        revision,
        ..Default::default()
    };
    use wire::put_rest_api_request::Mode;
    let draft = document("api", "http://up.test/", &["/c"]);
    operator.apis.put_rest_api(put(draft.clone(), Mode::Unspecified, 1)).await.unwrap();
    let list = wire::ListMethodsRequest { rest_api_id: api.id.clone(), ..Default::default() };
    let count = operator.methods.list_methods(list.clone()).await.unwrap().into_inner().items.len();
    assert_eq!(count, 3, "unspecified means to merge");

    for (encoding, format) in [(0, 0), (1, 2), (2, 1), (2, 2)] {
        let export = wire::ExportRestApiRequest {
            rest_api_id: api.id.clone(),
            stage_name: "v1".into(),
            format,
            encoding,
            ..Default::default()
        };
        let exported = operator.apis.export_rest_api(export).await.unwrap().into_inner();
        let again = put(exported.document, Mode::Overwrite, 0);
        let again = operator.apis.put_rest_api(again).await.unwrap().into_inner();
        assert_eq!(again.rest_api.unwrap().id, api.id);
        let count = operator.methods.list_methods(list.clone()).await.unwrap().into_inner().items.len();
        assert_eq!(count, 2, "the stage serves what was deployed, not the draft");
        operator.apis.put_rest_api(put(draft.clone(), Mode::Merge, 0)).await.unwrap();
    }
    let stale = operator.apis.put_rest_api(put(draft, Mode::Merge, 77)).await.expect_err("it is at another revision");
    assert_eq!(stale.code(), tonic::Code::Aborted);
}

#[tokio::test]
async fn the_fragments_of_the_documentation_are_accepted_as_they_are() {
    let Setup { mut operator, _data, _program } = setup().await;
    let api = operator.create_api("api").await;
    let fragment = |document: &str, path: &str, http_method: &str| wire::ApplyFragmentRequest {
        rest_api_id: api.id.clone(),
        document: document.as_bytes().to_vec(),
        path: path.to_owned(),
        http_method: http_method.to_owned(),
        revision: 0,
    };
    let types = r#"{"binaryMediaTypes":["image/jpeg","image/png","application/octet-stream"]}"#;
    let applied = operator.apis.apply_fragment(fragment(types, "", "")).await.unwrap().into_inner();
    assert_eq!((applied.rest_api.unwrap().binary_media_types.len(), applied.method), (3, None));

    let upload = r#"{"IntegrationType":"HTTP_PROXY","IntegrationHttpMethod":"POST",
        "IntegrationUri":"http://resizer.test/upload","ContentHandling":"PASSTHROUGH"}"#;
    let applied = operator.apis.apply_fragment(fragment(upload, "/images/raw", "POST")).await.unwrap().into_inner();
    let method = applied.method.unwrap();
    let integration = method.method_integration.unwrap();
    assert_eq!((method.http_method.as_str(), integration.uri.as_str()), ("POST", "http://resizer.test/upload"));
    let again = operator.apis.apply_fragment(fragment(upload, "/images/raw", "POST")).await.unwrap().into_inner();
    assert_eq!(again.method.unwrap().revision, 1, "twice is once");
    let list = wire::ListResourcesRequest { rest_api_id: api.id.clone(), ..Default::default() };
    let resources = operator.resources.list_resources(list).await.unwrap().into_inner().items;
    let mut paths: Vec<_> = resources.iter().map(|resource| resource.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/", "/images", "/images/raw"]);

    let lambda = r#"{"ContentHandling":"PASSTHROUGH","Type":"HTTP_PROXY","IntegrationResponse":{
        "ContentHandling":"PASSTHROUGH","ResponseParameters":{
        "integration.response.header.Content-Type":"method.response.header.Content-Type"},
        "ResponseTemplates":{},"StatusCode":"200"},"RequestParameters":{},"RequestTemplates":{},
        "Uri":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:my-image-processor/invocations"}"#;
    let applied = operator.apis.apply_fragment(fragment(lambda, "/images", "ANY")).await.unwrap().into_inner();
    let integration = applied.method.unwrap().method_integration.unwrap();
    assert_eq!(integration.r#type(), wire::integration::Type::Aws);
    let response = &integration.integration_responses["200"];
    let turned = words(&[("method.response.header.Content-Type", "integration.response.header.Content-Type")]);
    assert_eq!(response.response_parameters, turned);
    assert!(applied.warnings.len() >= 2, "{:?}", applied.warnings);

    let nowhere = operator.apis.apply_fragment(fragment(upload, "images", "FETCH")).await.expect_err("both are wrong");
    assert!(nowhere.message().contains("path:") && nowhere.message().contains("httpMethod:"), "{nowhere}");
}

#[tokio::test]
async fn domains_and_their_mappings_are_managed() {
    let Setup { mut operator, _data, _program } = setup().await;
    let api = operator.create_api("api").await;
    let domain = wire::DomainName { domain_name: "api.example.com".into(), ..Default::default() };
    let create = wire::CreateDomainNameRequest { domain_name: Some(domain.clone()) };
    assert_eq!(operator.domains.create_domain_name(create).await.unwrap().into_inner().revision, 1);
    let tagged = wire::DomainName { tags: words(&[("a", "b")]), ..domain };
    let update = wire::UpdateDomainNameRequest { domain_name: Some(tagged), update_mask: None };
    assert_eq!(operator.domains.update_domain_name(update).await.unwrap().into_inner().revision, 2);
    for base_path in ["", "v1", "v1/a"] {
        let base_path_mapping = Some(wire::BasePathMapping {
            domain_name: "api.example.com".into(),
            base_path: base_path.into(),
            rest_api_id: api.id.clone(),
            ..Default::default()
        });
        let create = wire::CreateBasePathMappingRequest { base_path_mapping };
        operator.domains.create_base_path_mapping(create).await.unwrap();
    }
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let domain_name = "api.example.com".into();
        let request = wire::ListBasePathMappingsRequest { domain_name, page_size: 1, page_token: token };
        let page = operator.domains.list_base_path_mappings(request).await.unwrap().into_inner();
        found.extend(page.items.into_iter().map(|mapping| mapping.base_path));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ["", "v1", "v1/a"], "the root, whose key is empty, begins the first page only");

    let key = wire::BasePathMappingKey { domain_name: "api.example.com".into(), base_path: "(none)".into() };
    assert_eq!(operator.domains.get_base_path_mapping(key.clone()).await.unwrap().into_inner().base_path, "");
    let delete = wire::DeleteBasePathMappingRequest { key: Some(key.clone()), revision: 1 };
    operator.domains.delete_base_path_mapping(delete).await.unwrap();
    assert!(operator.domains.get_base_path_mapping(key).await.is_err());
    let delete = wire::DeleteDomainNameRequest { domain_name: "api.example.com".into(), revision: 2 };
    operator.domains.delete_domain_name(delete).await.unwrap();
    let all = operator.domains.list_base_path_mappings(wire::ListBasePathMappingsRequest::default()).await.unwrap();
    assert_eq!(all.into_inner().items, []);
}
