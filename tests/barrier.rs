//! The deploy barrier: a deployment that waits says of every node whether it serves it, and what the change cost requests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::client;
use harness::payload::noise_body;
use harness::stranger::{Manner, Stranger};
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use harness::{World, upstream};
use hyper::Request;
use penstock_proto::management::v1::{
    ActivationPolicy, CreateDeploymentRequest, Deployment, GetStageRequest, NodeRolloutState, Rollout, RolloutState,
    UpdateStageRequest, WaitFor, WatchRolloutRequest,
};
use serde_json::Value;
use std::time::Duration;
use tonic::{Code, Status};

const DEADLINE_MS: i32 = 400;

/// An API whose stage is deployed to by hand.
struct Setup {
    world: World,
    api: String,
    _upstream: Upstream,
}

async fn setup(world: World) -> Setup {
    let upstream = Upstream::bulk().await;
    let uri = format!("http://{}/up", upstream.address);
    let imported = world.register(&document("api", &[("POST", "/up", uri)])).await;
    Setup { world, api: imported.rest_api.unwrap().id, _upstream: upstream }
}

impl Setup {
    fn request(&self, wait_for: WaitFor) -> CreateDeploymentRequest {
        CreateDeploymentRequest {
            rest_api_id: self.api.clone(),
            stage_name: Some("prod".to_owned()),
            wait_for: wait_for.into(),
            ..Default::default()
        }
    }

    async fn deploy(&self, request: CreateDeploymentRequest) -> Result<(u64, Deployment), Status> {
        let answer = self.world.deployments().await.create_deployment(request).await?;
        let version = answer.metadata().get("penstock-config-version").unwrap().to_str().unwrap().parse().unwrap();
        Ok((version, answer.into_inner()))
    }

    async fn rollout(&self, wait_for: WaitFor, deadline_ms: i32) -> Rollout {
        let mut request = self.request(wait_for);
        request.wait_deadline = Some(prost_types::Duration { seconds: 0, nanos: deadline_ms * 1_000_000 });
        let (version, deployment) = self.deploy(request).await.unwrap();
        let rollout = deployment.rollout.unwrap();
        assert_eq!(rollout.version, version);
        rollout
    }
}

fn standing(rollout: &Rollout) -> Vec<(&str, NodeRolloutState)> {
    rollout.nodes.iter().map(|node| (node.node_id.as_str(), node.state())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_answers_every_node_serves() {
    let mut world = World::start(1).await;
    world.add_proxy(&["--node-id", "second"]).await;
    let setup = setup(world).await;
    for _ in 0..20 {
        let (version, deployment) = setup.deploy(setup.request(WaitFor::All)).await.unwrap();
        let rollout = deployment.rollout.unwrap();
        assert_eq!((rollout.state(), rollout.version, rollout.nodes.len()), (RolloutState::RolloutReached, version, 2));
        for node in &rollout.nodes {
            assert_eq!(
                (node.state(), node.serving_version, node.connected),
                (NodeRolloutState::NodeApplied, version, true)
            );
        }
        for proxy in 0..2 {
            assert_eq!(setup.world.serving(proxy).await.0, version);
        }
    }
    let (_, deployment) = setup.deploy(setup.request(WaitFor::None)).await.unwrap();
    assert_eq!(deployment.rollout, None);

    let stage = GetStageRequest { rest_api_id: setup.api.clone(), stage_name: "prod".to_owned() };
    let mut stage = setup.world.stages().await.get_stage(stage).await.unwrap().into_inner();
    stage.description = "new".to_owned();
    let update = UpdateStageRequest { stage: Some(stage), wait_for: WaitFor::All.into(), ..Default::default() };
    let stage = setup.world.stages().await.update_stage(update).await.unwrap().into_inner();
    assert_eq!(stage.rollout.unwrap().state(), RolloutState::RolloutReached);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_has_applied_refused_or_said_nothing() {
    let setup = setup(World::start(2).await).await;
    let all = setup.rollout(WaitFor::All, DEADLINE_MS).await;
    let proxies: Vec<String> = all.nodes.iter().map(|node| node.node_id.clone()).collect();

    let silent = Stranger::subscribe(setup.world.channel().await, "~silent", Manner::Silent).await;
    until("it is activated", async || silent.activations().len(), |&count| count == 1).await;
    let rollout = setup.rollout(WaitFor::All, DEADLINE_MS).await;
    assert_eq!(rollout.state(), RolloutState::RolloutDeadline);
    use NodeRolloutState::{NodeApplied, NodeRefused, NodeSilent};
    let applied = [(proxies[0].as_str(), NodeApplied), (proxies[1].as_str(), NodeApplied)];
    assert_eq!(standing(&rollout), [&applied[..], &[("~silent", NodeSilent)]].concat());
    // Two of three are more than half.
    let quorum = setup.rollout(WaitFor::Quorum, DEADLINE_MS).await;
    assert_eq!(quorum.state(), RolloutState::RolloutReached);

    let picky = Stranger::subscribe(setup.world.channel().await, "~picky", Manner::RefusesBundles).await;
    let whole = Stranger::subscribe(setup.world.channel().await, "~whole", Manner::RefusesAll).await;
    for node in [&picky, &whole] {
        until("it is activated", async || node.activations().len(), |&count| count > 0).await;
    }
    let rollout = setup.rollout(WaitFor::All, DEADLINE_MS).await;
    assert_eq!(rollout.state(), RolloutState::RolloutRefused);
    let found = standing(&rollout);
    assert!(found.contains(&("~picky", NodeRefused)) || found.contains(&("~whole", NodeRefused)), "{found:?}");
    let refusals = |id: &str| {
        let node = rollout.nodes.iter().find(|node| node.node_id == id).unwrap();
        node.refusals.iter().map(|one| (one.rest_api_id.clone(), one.reason.clone())).collect::<Vec<_>>()
    };
    for (id, api) in [("~picky", setup.api.as_str()), ("~whole", "")] {
        for (of, reason) in refusals(id) {
            assert_eq!((of.as_str(), reason.as_str()), (api, "not to my taste"), "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_waited_for_is_refused_and_changes_nothing() {
    let setup = setup(World::start(1).await).await;
    let before = setup.world.published().await;
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let good = setup.request(WaitFor::All);
    for (request, field) in [
        (CreateDeploymentRequest { wait_for: 9, ..good.clone() }, "waitFor"),
        (CreateDeploymentRequest { wait_deadline: seconds(0), ..good.clone() }, "waitDeadline"),
        (CreateDeploymentRequest { wait_deadline: seconds(-1), ..good.clone() }, "waitDeadline"),
        (CreateDeploymentRequest { wait_deadline: seconds(601), ..good.clone() }, "waitDeadline"),
        (CreateDeploymentRequest { policy: 9, ..good.clone() }, "policy"),
    ] {
        let status = setup.deploy(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(field), "{status:?}");
    }
    let watch = WatchRolloutRequest { version: before.0 + 1, ..Default::default() };
    let status = setup.world.fleet().await.watch_rollout(watch).await.unwrap_err();
    assert_eq!((status.code(), status.message().contains("not published")), (Code::InvalidArgument, true));
    assert_eq!(setup.world.published().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_across_a_change_is_pinned_and_not_cut() {
    let setup = setup(World::start(1).await).await;
    let (proxy, admin) = (setup.world.proxy(), setup.world.admin(0));
    let (old, _) = setup.world.published().await;
    let (body, hash) = noise_body(3, 2 * 1024 * 1024, 8_192, Duration::from_millis(4));
    let upload = tokio::spawn(async move {
        client::call(proxy, Request::post("/up").header("host", "any").body(body).unwrap()).await.unwrap()
    });
    let config = async || client::get(admin, "admin", "/config").await.json();
    let counts = |config: &Value, version: u64| {
        let generations = config["generations"].as_array().unwrap();
        let found = generations.iter().find(|one| one["version"] == version).cloned().unwrap();
        ["started", "finished", "cut"].map(|name| found[name].as_u64().unwrap())
    };
    until("the upload runs", config, |config| counts(config, old) == [1, 0, 0]).await;

    let rollout = setup.rollout(WaitFor::All, DEADLINE_MS).await;
    let [node] = &rollout.nodes[..] else { panic!("one node") };
    let told = node.generations.iter().find(|one| one.version == old).unwrap();
    assert_eq!((told.requests_started, told.requests_finished, told.requests_cut), (1, 0, 0));
    let metrics = async || client::get(admin, "admin", "/metrics").await.text().to_owned();
    assert!(metrics().await.contains("penstock_proxy_config_requests_pinned 1\n"));

    let answer = upload.await.unwrap();
    assert!(answer.text().ends_with(&upstream::hex(&hash.await.unwrap())), "{}", answer.text());
    until("nothing is pinned", config, |config| counts(config, old) == [1, 1, 0]).await;
    let metrics = metrics().await;
    for line in [
        "penstock_proxy_config_requests_pinned 0\n".to_owned(),
        "penstock_proxy_config_requests_cut 0\n".to_owned(),
        format!("penstock_proxy_config_requests_started{{version=\"{old}\"}} 1\n"),
        format!("penstock_proxy_config_requests_finished{{version=\"{old}\"}} 1\n"),
    ] {
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_is_asked_of_nodes_that_serve_something() {
    let setup = setup(World::start(0).await).await;
    let node = Stranger::subscribe(setup.world.channel().await, "node", Manner::Applies).await;
    until("it is activated", async || node.activations().len(), |&count| count == 1).await;
    let mut request = setup.request(WaitFor::All);
    request.policy = ActivationPolicy::AllOrNothing.into();
    let (whole, _) = setup.deploy(request).await.unwrap();
    let (next, _) = setup.deploy(setup.request(WaitFor::All)).await.unwrap();
    // On the wire of discovery: 1 is quarantine, 2 is all or nothing.
    assert_eq!(node.activations()[1..], [(whole, 2), (next, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_just_started_does_not_know_all() {
    let mut world = World::start_settling(600_000);
    world.add_proxy(&[]).await;
    let setup = setup(world).await;
    let rollout = setup.rollout(WaitFor::All, DEADLINE_MS).await;
    assert_eq!((rollout.state(), rollout.nodes.len()), (RolloutState::RolloutDeadline, 1));
    assert_eq!(rollout.nodes[0].state(), NodeRolloutState::NodeApplied);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_it_in_lines_and_ends_with_a_code() {
    let setup = setup(World::start(2).await).await;
    let deploy = |more: &[&str]| {
        let output = setup.world.cli(&[&["deploy", "api", "--stage", "prod"][..], more].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = deploy(&["--wait", "all"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(" serves on 2 of 2 after "), "{out}");
    assert!(out.contains("Requests on versions before: 0 under way, 0 cut."), "{out}");
    assert!(err.lines().all(|line| line.starts_with("version ") && line.ends_with("serve it")), "{err}");
    assert!(err.ends_with("2 of 2 proxies serve it\n"), "{err}");

    let (code, out, _) = deploy(&["--wait", "all", "--output", "json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, json["rollout"]["state"].as_str(), json["rollout"]["nodes"].as_array().unwrap().len()),
        (0, Some("ROLLOUT_REACHED"), 2)
    );

    let silent = Stranger::subscribe(setup.world.channel().await, "silent", Manner::Silent).await;
    until("it is activated", async || silent.activations().len(), |&count| count == 1).await;
    let (code, out, err) = deploy(&["--wait", "all", "--wait-deadline", "300ms"]);
    assert_eq!(code, 7, "{err}");
    assert!(out.contains(" serves on 2 of 3 after 0.3"), "{out}");
    assert!(err.contains("error: not served everywhere after 0.3") && err.contains(": silent"), "{err}");
    let (code, ..) = deploy(&["--wait", "quorum"]);
    assert_eq!(code, 0);
}
