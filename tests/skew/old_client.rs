//! A client of the first release on the control plane of today.

use harness::World;
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use penstock_previous::first::management::v1 as old;
use std::collections::BTreeMap;

fn version<T>(answer: &tonic::Response<T>) -> u64 {
    answer.metadata().get("penstock-config-version").unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_imports_deploys_and_reads_as_it_did() {
    let world = World::start(1).await;
    let upstream = Upstream::mirror("up").await;
    let routed = |path: &str| document("api", &[("GET", "/x", format!("http://{}/{path}", upstream.address))]);
    let channel = world.channel().await;
    let mut apis = old::rest_api_service_client::RestApiServiceClient::new(channel.clone());
    let mut deployments = old::deployment_service_client::DeploymentServiceClient::new(channel.clone());
    let mut stages = old::stage_service_client::StageServiceClient::new(channel.clone());
    let mut fleet = old::fleet_service_client::FleetServiceClient::new(channel);

    let stage = old::StageSpec {
        stage_name: "prod".into(),
        variables: BTreeMap::from([("to".into(), "first".into())]),
        auto_deploy: false,
        domain_name: "*".into(),
        base_path: String::new(),
    };
    let request = old::ImportRestApiRequest {
        document: routed("first").to_string().into(),
        stage: Some(stage),
        ..Default::default()
    };
    let id = apis.import_rest_api(request).await.unwrap().into_inner().rest_api.unwrap().id;
    world.settled().await;
    let target = async || harness::client::get(world.proxy(), "any", "/x").await.json()["target"].clone();
    assert_eq!(target().await, "/first");

    let request = old::PutRestApiRequest {
        rest_api_id: id.clone(),
        mode: old::put_rest_api_request::Mode::Overwrite.into(),
        document: routed("second").to_string().into(),
        ..Default::default()
    };
    apis.put_rest_api(request).await.unwrap();
    let request =
        old::CreateDeploymentRequest { rest_api_id: id.clone(), stage_name: Some("prod".into()), ..Default::default() };
    let answer = deployments.create_deployment(request).await.unwrap();
    let (deployed, deployment) = (version(&answer), answer.into_inner());
    assert_eq!(deployment.route_count, 1);
    until("the deployment serves", async || world.serving(0).await.0, |&now| now >= deployed).await;
    assert_eq!(target().await, "/second");

    let listed = apis.list_rest_apis(old::ListRestApisRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.items.iter().map(|api| (&api.id, api.name.as_str())).collect::<Vec<_>>(), [(&id, "api")]);
    let request = old::ListDeploymentsRequest { rest_api_id: id.clone(), ..Default::default() };
    let made = deployments.list_deployments(request).await.unwrap().into_inner().items;
    assert_eq!((made.len(), &made[0].id), (2, &deployment.id));

    // It writes back what it read, all fields of it.
    let request = old::GetStageRequest { rest_api_id: id.clone(), stage_name: "prod".into() };
    let mut stage = stages.get_stage(request).await.unwrap().into_inner();
    assert_eq!((&stage.deployment_id, stage.variables["to"].as_str()), (&deployment.id, "first"));
    stage.deployment_id = made[1].id.clone();
    let update = old::UpdateStageRequest { stage: Some(stage), ..Default::default() };
    let answer = stages.update_stage(update).await.unwrap();
    let back = version(&answer);
    until("the rollback serves", async || world.serving(0).await.0, |&now| now >= back).await;
    assert_eq!(target().await, "/first");

    let nodes = fleet.list_nodes(old::ListNodesRequest {}).await.unwrap().into_inner();
    assert_eq!((nodes.version, nodes.items.len()), (back, 1));
    let current = async || fleet.clone().list_nodes(old::ListNodesRequest {}).await.unwrap().into_inner().items;
    until("the node is shown", current, |nodes| nodes[0].connected && nodes[0].applied_version == back).await;
}
