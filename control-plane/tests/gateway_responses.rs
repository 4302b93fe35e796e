//! Gateway responses over gRPC, as the comments of the protocol promise them.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use penstock_proto::management::v1 as wire;
use std::collections::BTreeMap;
use support::client::{Operator, mask};
use support::{Program, document};
use tonic::{Code, Status};

struct Setup {
    _data: tempfile::TempDir,
    _program: Program,
    operator: Operator,
    api: String,
}

/// An API with a route, and a stage that follows every change or none.
async fn setup(auto_deploy: bool) -> Setup {
    let data = tempfile::tempdir().expect("there is room for a directory");
    let program = Program::start(data.path());
    let mut operator = Operator::of(&program).await;
    let stage = Some(wire::StageSpec { stage_name: "v1".into(), auto_deploy, ..Default::default() });
    let document = document("api", "http://up.test/", &["/a"]);
    let import = wire::ImportRestApiRequest { document, stage, ..Default::default() };
    let api = operator.apis.import_rest_api(import).await.unwrap().into_inner().rest_api.unwrap().id;
    Setup { _data: data, _program: program, operator, api }
}

impl Setup {
    fn response(&self, response_type: &str) -> wire::GatewayResponse {
        wire::GatewayResponse {
            rest_api_id: self.api.clone(),
            response_type: response_type.into(),
            ..Default::default()
        }
    }

    async fn put(&mut self, response: wire::GatewayResponse) -> Result<wire::GatewayResponse, Status> {
        let request = wire::PutGatewayResponseRequest { gateway_response: Some(response) };
        Ok(self.operator.gateway_responses.put_gateway_response(request).await?.into_inner())
    }

    async fn get(&mut self, response_type: &str) -> Result<wire::GatewayResponse, Status> {
        let key = wire::GatewayResponseKey { rest_api_id: self.api.clone(), response_type: response_type.into() };
        Ok(self.operator.gateway_responses.get_gateway_response(key).await?.into_inner())
    }

    async fn update(
        &mut self,
        response: wire::GatewayResponse,
        paths: &[&str],
    ) -> Result<wire::GatewayResponse, Status> {
        let request = wire::UpdateGatewayResponseRequest { gateway_response: Some(response), update_mask: mask(paths) };
        Ok(self.operator.gateway_responses.update_gateway_response(request).await?.into_inner())
    }

    async fn delete(&mut self, response_type: &str, revision: i64) -> Result<(), Status> {
        let request = wire::DeleteGatewayResponseRequest {
            rest_api_id: self.api.clone(),
            response_type: response_type.into(),
            revision,
        };
        self.operator.gateway_responses.delete_gateway_response(request).await.map(drop)
    }

    async fn rest_api(&mut self) -> wire::RestApi {
        let get = wire::GetRestApiRequest { rest_api_id: self.api.clone() };
        self.operator.apis.get_rest_api(get).await.unwrap().into_inner()
    }

    /// What nodes are asked to serve.
    async fn published(&mut self) -> Vec<u8> {
        let request = wire::GetConfigurationRequest {};
        self.operator.fleet.get_configuration(request).await.unwrap().into_inner().root_hash.into()
    }
}

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, text: &str) {
    let status = result.expect_err(text);
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(text), "{:?} does not say {text:?}", status.message());
}

const DEFAULT: &[(&str, &str)] = &[("application/json", r#"{"message":$context.error.messageString}"#)];

#[tokio::test]
async fn a_customisation_is_put_read_changed_and_deleted() {
    let mut setup = setup(false).await;
    let before = setup.rest_api().await.revision;
    let put = setup
        .put(wire::GatewayResponse {
            status_code: "404".into(),
            response_parameters: words(&[("gatewayresponse.header.X", "'x'")]),
            response_templates: words(&[("text/plain", "nothing here")]),
            ..setup.response("MISSING_AUTHENTICATION_TOKEN")
        })
        .await
        .unwrap();
    assert_eq!((put.status_code.as_str(), put.default_response, put.revision), ("404", false, before + 1));
    assert_eq!(setup.get("MISSING_AUTHENTICATION_TOKEN").await.unwrap(), put);
    assert_eq!(setup.rest_api().await.gateway_responses["MISSING_AUTHENTICATION_TOKEN"].status_code, "404");

    let wanted = wire::GatewayResponse { status_code: "410".into(), ..setup.response("MISSING_AUTHENTICATION_TOKEN") };
    let updated = setup.update(wanted, &["status_code"]).await.unwrap();
    assert_eq!((updated.status_code.as_str(), updated.revision), ("410", before + 2));
    assert_eq!(updated.response_templates, put.response_templates, "a mask leaves out what it does not name");

    let emptied = setup.put(setup.response("MISSING_AUTHENTICATION_TOKEN")).await.unwrap();
    assert_eq!((emptied.status_code.as_str(), emptied.default_response), ("403", false), "a put replaces everything");
    assert_eq!((emptied.response_parameters.len(), emptied.response_templates), (0, words(DEFAULT)));

    setup.delete("MISSING_AUTHENTICATION_TOKEN", 0).await.unwrap();
    assert!(setup.get("MISSING_AUTHENTICATION_TOKEN").await.unwrap().default_response);
    assert!(setup.rest_api().await.gateway_responses.is_empty());
}

#[tokio::test]
async fn types_that_are_not_customised_show_their_default_or_what_they_inherit() {
    let mut setup = setup(false).await;
    let plain = setup.get("THROTTLED").await.unwrap();
    assert_eq!((plain.status_code.as_str(), plain.default_response), ("429", true));
    assert_eq!(plain.response_templates, words(DEFAULT));
    let own = wire::GatewayResponse { status_code: "420".into(), ..setup.response("THROTTLED") };
    setup.update(own, &["status_code"]).await.unwrap();
    setup.put(wire::GatewayResponse { status_code: "418".into(), ..setup.response("DEFAULT_4XX") }).await.unwrap();

    let request = wire::ListGatewayResponsesRequest { rest_api_id: setup.api.clone() };
    let all = setup.operator.gateway_responses.list_gateway_responses(request).await.unwrap().into_inner().items;
    assert!(all.is_sorted_by(|a, b| a.response_type < b.response_type));
    let shown = |name: &str| {
        let found = all.iter().find(|response| response.response_type == name).unwrap();
        (found.status_code.as_str(), found.default_response)
    };
    assert_eq!(all.len(), 21);
    assert_eq!(shown("THROTTLED"), ("420", false));
    assert_eq!(shown("UNAUTHORIZED"), ("418", true));
    assert_eq!(shown("INTEGRATION_TIMEOUT"), ("504", true));
    assert_eq!(shown("DEFAULT_4XX"), ("418", false));
    assert_eq!(shown("DEFAULT_5XX"), ("", true));
}

#[tokio::test]
async fn clients_see_a_change_with_the_next_deployment() {
    let mut by_hand = setup(false).await;
    let before = by_hand.published().await;
    by_hand.put(by_hand.response("THROTTLED")).await.unwrap();
    assert_eq!(by_hand.published().await, before);
    let deploy = wire::CreateDeploymentRequest {
        rest_api_id: by_hand.api.clone(),
        stage_name: Some("v1".into()),
        ..Default::default()
    };
    by_hand.operator.deployments.create_deployment(deploy).await.unwrap();
    assert_ne!(by_hand.published().await, before);

    let mut following = setup(true).await;
    let before = following.published().await;
    following.put(following.response("THROTTLED")).await.unwrap();
    let after = following.published().await;
    assert_ne!(after, before);
    following.put(following.response("THROTTLED")).await.unwrap();
    assert_eq!(following.published().await, after, "what says the same again changes nothing");
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_the_specifications_words() {
    let mut setup = setup(false).await;
    refused(setup.delete("THROTTLED", 0).await, Code::NotFound, "Gateway response type not defined on api");
    refused(setup.get("DEFAULT_3XX").await, Code::InvalidArgument, "use one of ACCESS_DENIED, ");
    refused(setup.put(setup.response("")).await, Code::InvalidArgument, "responseType");
    let code = wire::GatewayResponse { status_code: "4xx".into(), ..setup.response("THROTTLED") };
    refused(setup.put(code.clone()).await, Code::InvalidArgument, "statusCode: \"4xx\"");
    refused(setup.update(code, &["status_code"]).await, Code::InvalidArgument, "statusCode: \"4xx\"");
    refused(setup.update(setup.response("THROTTLED"), &["revision"]).await, Code::InvalidArgument, "updateMask");
    let template =
        wire::GatewayResponse { response_templates: words(&[("text/plain", "")]), ..setup.response("THROTTLED") };
    refused(
        setup.put(template).await,
        Code::InvalidArgument,
        "responseTemplates[text/plain]: Invalid null or empty value in responseTemplates",
    );
    let parameter = wire::GatewayResponse {
        response_parameters: words(&[("gatewayresponse.header.X", "method.request.body")]),
        ..setup.response("THROTTLED")
    };
    refused(setup.put(parameter).await, Code::InvalidArgument, "Invalid mapping expression specified");
    let stale = wire::GatewayResponse { revision: 99, ..setup.response("THROTTLED") };
    refused(setup.put(stale).await, Code::Aborted, "the API is at revision 1, not 99");
    refused(setup.delete("THROTTLED", 99).await, Code::Aborted, "the API is at revision 1, not 99");
    let nowhere = wire::GatewayResponse { rest_api_id: "nowhere".into(), ..setup.response("THROTTLED") };
    refused(setup.put(nowhere).await, Code::NotFound, "Invalid API identifier specified");
    assert!(setup.rest_api().await.gateway_responses.is_empty());
}

#[tokio::test]
async fn the_settings_of_an_api_only_show_them() {
    let mut setup = setup(false).await;
    let custom = wire::CustomGatewayResponse { status_code: "404".into(), ..Default::default() };
    let rest_api = wire::RestApi {
        name: "other".into(),
        gateway_responses: [("THROTTLED".to_owned(), custom)].into(),
        ..Default::default()
    };
    let create = wire::CreateRestApiRequest { rest_api: Some(rest_api.clone()) };
    let created = setup.operator.apis.create_rest_api(create).await;
    refused(created, Code::InvalidArgument, "is output only: use PutGatewayResponse");

    setup.put(wire::GatewayResponse { status_code: "420".into(), ..setup.response("THROTTLED") }).await.unwrap();
    let rest_api = wire::RestApi { id: setup.api.clone(), ..rest_api };
    let update = wire::UpdateRestApiRequest { rest_api: Some(rest_api.clone()), ..Default::default() };
    let updated = setup.operator.apis.update_rest_api(update).await.unwrap().into_inner();
    assert_eq!((updated.name.as_str(), updated.gateway_responses["THROTTLED"].status_code.as_str()), ("other", "420"));
    let update = wire::UpdateRestApiRequest { rest_api: Some(rest_api), update_mask: mask(&["gateway_responses"]) };
    let refusal = setup.operator.apis.update_rest_api(update).await;
    refused(refusal, Code::InvalidArgument, "updateMask");
}
