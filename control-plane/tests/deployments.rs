//! Which deployments serve, which are kept, and the way back to an earlier one.

mod support;

use penstock_control_plane::store::Store as _;
use penstock_model::deployment::{CanarySettings, Deployment, Stage};
use penstock_model::id::Revision;
use penstock_model::rest_api::RestApi;
use std::collections::BTreeMap;
use support::{World, document, import, serve, served, v1, violated};

#[tokio::test]
async fn a_deployment_that_does_not_compile_gets_no_stage_and_no_canary() {
    let world = World::new().await;
    let made = serve(&world.app, "api", false).await.value;
    let (api, first) = (made.rest_api.id, made.deployment.unwrap());
    // What an older program accepted, and this one would not.
    let mut tx = world.store.begin().await.unwrap();
    let mut snapshot = tx.snapshot(&api, &first.id).await.unwrap().unwrap();
    let integration = snapshot.methods[0].integration.as_mut().unwrap();
    integration.request_parameters.insert("integration.request.header.x".into(), "nonsense".into());
    let old = Deployment { id: "old".into(), ..first };
    tx.insert_deployment(&old, &snapshot).await.unwrap();
    tx.commit().await.unwrap();

    let name = "v1".into();
    let (version, stage) = (world.version(), world.app.stage(&api, &name).await.unwrap());
    let place = "GET /a.requestParameters[integration.request.header.x]";
    let id = old.id.clone();
    let refused = world.app.update_stage(&api, &name, Revision(0), |stage| stage.deployment_id = id).await;
    assert_eq!(violated(refused.unwrap_err())[0].0, place);
    let canary = Some(CanarySettings { deployment_id: old.id, ..CanarySettings::default() });
    let refused = world.app.update_stage(&api, &name, Revision(0), |stage| stage.canary_settings = canary).await;
    assert_eq!(violated(refused.unwrap_err())[0].0, format!("canary.{place}"));

    assert_eq!(world.app.stage(&api, &name).await.unwrap(), stage, "nothing of it is stored");
    assert_eq!(world.version(), version);
    assert_eq!(served(&world.app, api.as_str(), "v1").await, ["GET /a"]);
}

#[tokio::test]
async fn automatic_deployments_are_pruned_to_the_newest() {
    let world = World::new().await;
    let api = serve(&world.app, "busy", true).await.value.rest_api.id;
    for number in 0..30 {
        let rename = |api: &mut RestApi| api.description = number.to_string();
        world.app.update_rest_api(&api, Revision(0), rename).await.unwrap();
    }
    let deployments = world.app.deployments(&api, i64::MAX, 100).await.unwrap();
    assert_eq!(deployments.len(), 21, "the one that serves, and twenty to roll back to");
    let stage = world.app.stage(&api, &"v1".into()).await.unwrap();
    assert_eq!(stage.deployment_id, deployments[0].1.id, "the newest serves");
    let numbers: Vec<_> = deployments.iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted_by(|a, b| a > b), "{numbers:?}");
}

#[tokio::test]
async fn the_deployment_of_a_canary_is_not_pruned() {
    let world = World::new().await;
    let served = serve(&world.app, "busy", true).await.value;
    let (api, first) = (served.rest_api.id, served.deployment.unwrap().id);
    let asked = world.app.create_deployment(&api, None, "", BTreeMap::new()).await.unwrap().value.id;
    let canary = CanarySettings { deployment_id: first.clone(), ..CanarySettings::default() };
    let stage = Stage {
        rest_api_id: api.clone(),
        stage_name: "v2".into(),
        deployment_id: asked,
        canary_settings: Some(canary),
        ..Stage::default()
    };
    world.app.create_stage(stage).await.unwrap();
    for number in 0..30 {
        let rename = |api: &mut RestApi| api.description = number.to_string();
        world.app.update_rest_api(&api, Revision(0), rename).await.unwrap();
    }
    assert_eq!(world.app.deployment(&api, &first).await.unwrap().id, first);
    let before = world.app.newest().manifest.clone();
    assert_eq!(world.restart().await.app.newest().manifest, before, "and is loaded again");
}

#[tokio::test]
async fn a_rollback_serves_the_earlier_snapshot() {
    let world = World::new().await;
    let first = serve(&world.app, "api", false).await.value;
    let api = first.rest_api.id;
    world.app.import_rest_api(import(document("api", "http://up.test/", &["/b"]), Some(v1(false)))).await.unwrap();
    assert_eq!(served(&world.app, api.as_str(), "v1").await, ["GET /b"]);
    let earlier = first.deployment.unwrap().id;
    let back = world.app.update_stage(&api, &"v1".into(), Revision(0), |stage| stage.deployment_id = earlier).await;
    assert_eq!(back.unwrap().value.revision, Revision(3));
    assert_eq!(served(&world.app, api.as_str(), "v1").await, ["GET /a"]);
}
