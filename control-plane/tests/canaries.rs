//! Canaries, method settings and rollbacks over gRPC (sections h.1 and h.2): what they do, and every refusal.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use penstock_proto::management::v1 as wire;
use std::collections::BTreeMap;
use support::Program;
use support::client::{Operator, mask, proxy};
use tonic::{Code, Status};

/// An API whose GET / leads to `http://${stageVariables.host}/`, deployed on the stage `v1`.
struct Setup {
    _data: tempfile::TempDir,
    _program: Program,
    operator: Operator,
    api: String,
    get: wire::MethodKey,
    first: String,
}

async fn setup() -> Setup {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path());
    let mut operator = Operator::of(&program).await;
    let api = operator.create_api("api").await;
    let get = operator.create_get(&api.id, &api.root_resource_id, "http://${stageVariables.host}/").await;
    let deploy = wire::CreateDeploymentRequest {
        rest_api_id: api.id.clone(),
        stage_name: Some("v1".into()),
        variables: words(&[("host", "one.test")]),
        ..Default::default()
    };
    let first = operator.deployments.create_deployment(deploy).await.unwrap().into_inner().id;
    Setup { _data: data, _program: program, operator, api: api.id, get, first }
}

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The refusal of a call, word for word.
fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("it must be refused");
    (status.code(), status.message().to_owned())
}

impl Setup {
    /// Deploys the API as it is now to the canary of a stage, for 10 percent.
    async fn canary(&mut self, stage: Option<&str>, overrides: &[(&str, &str)]) -> Result<wire::Deployment, Status> {
        let request = wire::CreateDeploymentRequest {
            rest_api_id: self.api.clone(),
            stage_name: stage.map(ToOwned::to_owned),
            canary_settings: Some(wire::DeploymentCanarySettings {
                percent_traffic: 10.0,
                stage_variable_overrides: words(overrides),
                use_stage_cache: true,
            }),
            ..Default::default()
        };
        Ok(self.operator.deployments.create_deployment(request).await?.into_inner())
    }

    async fn deploy(&mut self, stage: Option<&str>) -> Result<wire::Deployment, Status> {
        let stage_name = stage.map(ToOwned::to_owned);
        let request = wire::CreateDeploymentRequest { rest_api_id: self.api.clone(), stage_name, ..Default::default() };
        Ok(self.operator.deployments.create_deployment(request).await?.into_inner())
    }

    async fn stage(&mut self) -> wire::Stage {
        let request = wire::GetStageRequest { rest_api_id: self.api.clone(), stage_name: "v1".into() };
        self.operator.stages.get_stage(request).await.unwrap().into_inner()
    }

    /// Writes these fields of the stage `v1`.
    async fn update(&mut self, stage: wire::Stage, paths: &[&str]) -> Result<wire::Stage, Status> {
        let stage = wire::Stage { rest_api_id: self.api.clone(), stage_name: "v1".into(), ..stage };
        let request = wire::UpdateStageRequest { stage: Some(stage), update_mask: mask(paths), ..Default::default() };
        Ok(self.operator.stages.update_stage(request).await?.into_inner())
    }

    async fn set_canary(&mut self, canary: wire::CanarySettings) -> Result<wire::Stage, Status> {
        let stage = wire::Stage { canary_settings: Some(canary), ..Default::default() };
        self.update(stage, &["canary_settings"]).await
    }

    async fn promote(&mut self, revision: i64) -> Result<wire::Stage, Status> {
        let request = wire::PromoteCanaryRequest {
            rest_api_id: self.api.clone(),
            stage_name: "v1".into(),
            revision,
            ..Default::default()
        };
        Ok(self.operator.stages.promote_canary(request).await?.into_inner())
    }

    async fn delete(&mut self, deployment: &str) -> Result<(), Status> {
        let (rest_api_id, deployment_id) = (self.api.clone(), deployment.to_owned());
        let request = wire::DeleteDeploymentRequest { rest_api_id, deployment_id, revision: 0 };
        self.operator.deployments.delete_deployment(request).await.map(drop)
    }

    /// Leads GET / elsewhere, undeployed.
    async fn edit(&mut self, uri: &str) {
        let put = wire::PutIntegrationRequest { method: Some(self.get.clone()), integration: Some(proxy(uri)) };
        self.operator.methods.put_integration(put).await.unwrap();
    }

    /// The routes that the stage lists: upstream and problem.
    async fn routes(&mut self) -> Vec<(String, String)> {
        let list = wire::ListRoutesRequest { rest_api_id: self.api.clone(), ..Default::default() };
        let routes = self.operator.fleet.list_routes(list).await.unwrap().into_inner().items;
        routes.into_iter().map(|route| (route.uri, route.problem)).collect()
    }

    /// The root hash of what is published.
    async fn root_hash(&mut self) -> String {
        let request = wire::GetConfigurationRequest {};
        self.operator.fleet.get_configuration(request).await.unwrap().into_inner().root_hash
    }
}

fn percent(percent_traffic: f64) -> wire::CanarySettings {
    wire::CanarySettings { percent_traffic, ..Default::default() }
}

#[tokio::test]
async fn a_canary_deployment_leaves_the_stages_own() {
    let mut world = setup().await;
    world.edit("http://two.test/").await;
    let before = world.root_hash().await;
    let second = world.canary(Some("v1"), &[("host", "canary.test")]).await.unwrap();
    let stage = world.stage().await;
    assert_eq!((stage.deployment_id.as_str(), stage.revision), (world.first.as_str(), 2));
    let expected = wire::CanarySettings {
        percent_traffic: 10.0,
        deployment_id: second.id.clone(),
        stage_variable_overrides: words(&[("host", "canary.test")]),
        use_stage_cache: true,
    };
    assert_eq!(stage.canary_settings, Some(expected));
    assert_eq!(stage.variables, words(&[("host", "one.test")]));
    assert_eq!(world.routes().await, [("http://one.test/".to_owned(), String::new())]);
    assert_ne!(world.root_hash().await, before, "nodes hear of it");

    let third = world.canary(Some("v1"), &[]).await.unwrap();
    let canary = world.stage().await.canary_settings.unwrap();
    assert_eq!((&canary.deployment_id, canary.stage_variable_overrides.len()), (&third.id, 0), "the newest has it");
    world.delete(&second.id).await.unwrap();
}

#[tokio::test]
async fn a_canary_deployment_needs_a_stage_that_is_there() {
    let mut world = setup().await;
    let refused =
        |reason: &str| (Code::InvalidArgument, format!("stageName: Invalid deployment content specified.{reason}"));
    let none = "Non null and non empty stageName must be provided for canary deployment. Provided value is ";
    assert_eq!(refusal(world.canary(None, &[]).await), refused(&format!("{none}null")));
    assert_eq!(refusal(world.canary(Some(""), &[]).await), refused(none));
    let unknown = "Stage v9 must already be created before making a canary release deployment";
    assert_eq!(refusal(world.canary(Some("v9"), &[]).await), refused(unknown));
    let list = wire::ListDeploymentsRequest { rest_api_id: world.api.clone(), ..Default::default() };
    let kept = world.operator.deployments.list_deployments(list).await.unwrap().into_inner().items;
    assert_eq!(kept.len(), 1, "a refusal leaves no deployment");
}

#[tokio::test]
async fn a_plain_deployment_does_not_pass_by_a_canary() {
    let mut world = setup().await;
    world.canary(Some("v1"), &[]).await.unwrap();
    let reason = "Stage v1 has a canary: deploy to it with canarySettings, or promote or remove it first";
    assert_eq!(refusal(world.deploy(Some("v1")).await), (Code::FailedPrecondition, reason.to_owned()));
    world.edit("http://two.test/").await;
    let import = |path: &str| wire::PutRestApiRequest {
        rest_api_id: world.api.clone(),
        mode: wire::put_rest_api_request::Mode::Merge.into(),
        document: support::document("api", "http://up.test/", &[path]),
        stage: Some(wire::StageSpec { stage_name: "v1".into(), ..Default::default() }),
        ..Default::default()
    };
    let put = import("/a");
    assert_eq!(refusal(world.operator.apis.put_rest_api(put).await), (Code::FailedPrecondition, reason.to_owned()));

    world.deploy(None).await.unwrap();
    world.deploy(Some("v2")).await.unwrap();
    world.update(wire::Stage::default(), &["canary_settings"]).await.unwrap();
    let plain = world.deploy(Some("v1")).await.unwrap();
    assert_eq!(world.stage().await.deployment_id, plain.id, "without the canary it works again");
}

#[tokio::test]
async fn a_canary_can_begin_on_the_stages_deployment_and_keeps_its_own_later() {
    let mut world = setup().await;
    let made = world.set_canary(percent(2.5)).await.unwrap().canary_settings.unwrap();
    assert_eq!((made.percent_traffic, &made.deployment_id), (2.5, &world.first));
    let second = world.canary(Some("v1"), &[("host", "canary.test")]).await.unwrap().id;
    let kept = world.set_canary(percent(50.0)).await.unwrap().canary_settings.unwrap();
    assert_eq!((kept.percent_traffic, &kept.deployment_id), (50.0, &second));
    assert_eq!(kept.stage_variable_overrides, words(&[]), "the field is written as a whole");

    let api = world.api.clone();
    let stage = wire::Stage {
        rest_api_id: api,
        stage_name: "v2".into(),
        deployment_id: second.clone(),
        canary_settings: Some(wire::CanarySettings { deployment_id: world.first.clone(), ..percent(1.0) }),
        ..Default::default()
    };
    let create = wire::CreateStageRequest { stage: Some(stage) };
    let created = world.operator.stages.create_stage(create).await.unwrap().into_inner();
    assert_eq!(created.canary_settings.unwrap().deployment_id, world.first);
}

#[tokio::test]
async fn promoting_makes_the_canarys_part_the_stages_own() {
    let mut world = setup().await;
    let none = "Promotion not available. Canary does not exist.";
    assert_eq!(refusal(world.promote(0).await), (Code::FailedPrecondition, none.to_owned()));
    world.edit("http://${stageVariables.host}/${stageVariables.added}").await;
    let second = world.canary(Some("v1"), &[("host", "two.test"), ("added", "x")]).await.unwrap().id;
    let stale = refusal(world.promote(1).await);
    assert_eq!(stale, (Code::Aborted, "the stage is at revision 2, not 1: read it again".to_owned()));

    let stage = world.promote(2).await.unwrap();
    assert_eq!((stage.deployment_id.as_str(), stage.revision), (second.as_str(), 3));
    assert_eq!(stage.variables, words(&[("host", "two.test"), ("added", "x")]));
    let canary = stage.canary_settings.unwrap();
    assert_eq!((canary.percent_traffic, &canary.deployment_id), (0.0, &second), "it stays, and gets nothing");
    assert_eq!(world.routes().await, [("http://two.test/x".to_owned(), String::new())]);
    let removed = world.update(wire::Stage::default(), &["canary_settings"]).await.unwrap();
    assert_eq!((removed.canary_settings, removed.deployment_id), (None, second));
}

#[tokio::test]
async fn settings_that_no_canary_can_have_are_named() {
    let mut world = setup().await;
    for (wrong, field) in [
        (percent(100.5), "canarySettings.percentTraffic: must be between 0.0 and 100.0"),
        (percent(-1.0), "canarySettings.percentTraffic: must be between 0.0 and 100.0"),
        (percent(f64::NAN), "canarySettings.percentTraffic: must be a finite number"),
        (
            wire::CanarySettings { deployment_id: "nowhere".into(), ..percent(1.0) },
            "canarySettings.deploymentId: Deployment id does not exist",
        ),
    ] {
        assert_eq!(refusal(world.set_canary(wrong).await), (Code::InvalidArgument, field.to_owned()));
    }
    let (code, text) = refusal(world.canary(Some("v1"), &[("a-b", "x")]).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(text.starts_with("canarySettings.stageVariableOverrides[a-b]: "), "{text}");
    assert_eq!(world.stage().await.revision, 1, "nothing of it is stored");
}

#[tokio::test]
async fn a_stage_that_deploys_by_itself_has_no_canary() {
    let mut world = setup().await;
    let text = "canarySettings: a stage that deploys by itself cannot have a canary: set autoDeploy to false";
    let refused = (Code::InvalidArgument, text.to_owned());
    let auto = wire::Stage { auto_deploy: true, ..Default::default() };
    world.update(auto.clone(), &["auto_deploy"]).await.unwrap();
    assert_eq!(refusal(world.canary(Some("v1"), &[]).await), refused);
    assert_eq!(refusal(world.set_canary(percent(1.0)).await), refused);
    world.update(wire::Stage::default(), &["auto_deploy"]).await.unwrap();
    world.set_canary(percent(1.0)).await.unwrap();
    assert_eq!(refusal(world.update(auto, &["auto_deploy"]).await), refused);
}

#[tokio::test]
async fn a_deployment_of_a_canary_is_in_use() {
    let mut world = setup().await;
    let second = world.canary(Some("v1"), &[]).await.unwrap().id;
    let reason = "Active stages pointing to this deployment must be moved or deleted";
    assert_eq!(refusal(world.delete(&second).await), (Code::FailedPrecondition, reason.to_owned()));
    world.update(wire::Stage::default(), &["canary_settings"]).await.unwrap();
    world.delete(&second).await.unwrap();
}

#[tokio::test]
async fn an_address_that_only_the_canary_cannot_form_is_listed() {
    let mut world = setup().await;
    world.edit("http://${stageVariables.elsewhere}/").await;
    world.canary(Some("v1"), &[]).await.unwrap();
    let problem = "its canary: invalid endpoint address: stage variable elsewhere is not defined";
    assert_eq!(world.routes().await, [("http://one.test/".to_owned(), problem.to_owned())]);
}

#[tokio::test]
async fn a_rollback_publishes_the_very_bytes_of_before() {
    let mut world = setup().await;
    let before = world.root_hash().await;
    world.edit("http://two.test/").await;
    assert_eq!(world.root_hash().await, before, "a deployment does not follow the API");
    world.deploy(Some("v1")).await.unwrap();
    assert_ne!(world.root_hash().await, before);
    let back = wire::Stage { deployment_id: world.first.clone(), ..Default::default() };
    world.update(back, &["deployment_id"]).await.unwrap();
    assert_eq!(world.root_hash().await, before);
}

#[tokio::test]
async fn method_settings_are_kept_with_their_defaults_filled_in() {
    let mut world = setup().await;
    let set = |key: &str, setting: wire::MethodSetting| wire::Stage {
        method_settings: [(key.to_owned(), setting)].into(),
        ..Default::default()
    };
    let metrics = wire::MethodSetting { metrics_enabled: true, ..Default::default() };
    let stage = world.update(set("*/*", metrics), &["method_settings"]).await.unwrap();
    let expected = wire::MethodSetting {
        metrics_enabled: true,
        logging_level: "OFF".into(),
        data_trace_enabled: false,
        throttling_burst_limit: Some(5_000),
        throttling_rate_limit: Some(10_000.0),
        caching_enabled: false,
        cache_ttl_in_seconds: Some(300),
        cache_data_encrypted: false,
        require_authorization_for_cache_control: Some(true),
        unauthorized_cache_control_header_strategy: "SUCCEED_WITH_RESPONSE_HEADER".into(),
    };
    assert_eq!(stage.method_settings, [("*/*".to_owned(), expected)].into());
    assert_eq!(world.stage().await, stage);

    let wrong = wire::MethodSetting { cache_ttl_in_seconds: Some(3_601), ..Default::default() };
    let (code, text) = refusal(world.update(set("/images", wrong), &["method_settings"]).await);
    assert_eq!(code, Code::InvalidArgument);
    let fields: Vec<_> = text.split("; ").filter_map(|part| part.split(": ").next()).collect();
    assert_eq!(fields, ["methodSettings[/images]", "methodSettings[/images].cacheTtlInSeconds"]);
}
