//! A node of the first release on the control plane of today.

use harness::previous::{self, Held, Noted, OldNode, Taste};
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use harness::{World, client};
use penstock_previous::first::discovery::v1 as old;
use penstock_proto::management::v1::{
    ActivationPolicy, CreateDeploymentRequest, EndNodeCanaryRequest, ListNodesRequest, Node, NodeCanarySettings,
    NodeCanaryState, NodePreviewState, NodeRolloutState, PreviewDeploymentRequest, Rollout, RolloutState, Stage,
    UpdateStageRequest, WaitFor, WatchNodeCanaryRequest, node_canary_settings,
};
use prost::Message as _;

fn takes_all(_: &old::Bundle) -> Option<&'static str> {
    None
}

/// As a program that cannot compile something new would.
fn takes_no_refused(bundle: &old::Bundle) -> Option<&'static str> {
    let mut integrations = bundle.methods.iter().filter_map(|method| method.method_integration.as_ref());
    integrations.any(|integration| integration.uri.ends_with("/refused")).then_some("not to my taste")
}

/// Two APIs whose stages deploy by themselves, and a proxy of today.
struct Setup {
    world: World,
    apis: [String; 2],
    upstream: Upstream,
}

impl Setup {
    async fn start() -> Self {
        let world = World::start(1).await;
        let upstream = Upstream::mirror("up").await;
        let mut apis = [String::new(), String::new()];
        for (number, api) in apis.iter_mut().enumerate() {
            let document = routed(&upstream, &format!("api{number}"), "first");
            let imported = world.register_at(&document, "*", &format!("b{number}")).await;
            *api = imported.rest_api.unwrap().id;
        }
        Self { world, apis, upstream }
    }

    async fn node(&self, taste: Taste, held: Held) -> OldNode {
        let node = OldNode::subscribe(self.world.channel().await, "old", taste, held).await;
        self.serves(&node).await;
        node
    }

    /// Waits until the node serves what is published, and the control plane has heard of it.
    async fn serves(&self, node: &OldNode) {
        let (version, root_hash) = self.world.published().await;
        let shown = async || (self.shown().await, node.noted().breach);
        let good = |node: &Node| node.applied_version == version && node.applied_root_hash == root_hash;
        until("the old node serves", shown, |(node, breach)| breach.is_some() || node.as_ref().is_some_and(good)).await;
        assert_eq!(node.noted().breach, None);
        assert_eq!(node.held().version, version);
    }

    /// How the control plane shows it.
    async fn shown(&self) -> Option<Node> {
        let nodes = self.world.fleet().await.list_nodes(ListNodesRequest {}).await.unwrap().into_inner();
        nodes.items.into_iter().find(|node| node.id == "old")
    }

    /// Changes where the second API leads, which its stage deploys.
    async fn change(&self, path: &str) {
        let document = routed(&self.upstream, "api1", path);
        World::overwrite(&mut self.world.rest_apis().await, &self.apis[1], &document).await;
    }

    fn deployment(&self, policy: ActivationPolicy) -> CreateDeploymentRequest {
        CreateDeploymentRequest {
            rest_api_id: self.apis[1].clone(),
            stage_name: Some("prod".to_owned()),
            wait_for: WaitFor::All.into(),
            policy: policy.into(),
            ..Default::default()
        }
    }

    async fn deploy(&self, policy: ActivationPolicy) -> Rollout {
        let request = self.deployment(policy);
        self.world.deployments().await.create_deployment(request).await.unwrap().into_inner().rollout.unwrap()
    }

    async fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.world.cli(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

fn routed(upstream: &Upstream, title: &str, path: &str) -> serde_json::Value {
    document(title, &[("GET", "/x", format!("http://{}/{path}", upstream.address))])
}

/// What the node says of a version.
fn standing(rollout: &Rollout) -> NodeRolloutState {
    rollout.nodes.iter().find(|node| node.node_id == "old").unwrap().state()
}

#[test]
fn what_a_manifest_holds_beyond_its_types_makes_its_root_hash_another_one() {
    let known = old::Manifest { base_path_mappings: vec![previous::mapping("api")], ..Default::default() };
    let mut bytes = known.encode_to_vec();
    assert_eq!(previous::hash(&bytes), previous::root_hash(&known));
    // Field 15 as text, which no release has had yet: what a newer control plane would have made its hash of.
    bytes.extend_from_slice(&[0x7a, 1, b'x']);
    let read = old::Manifest::decode(&bytes[..]).unwrap();
    assert_eq!(read, known, "it is skipped");
    assert_ne!(previous::hash(&bytes), previous::root_hash(&read), "and so the manifest is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_every_change_and_is_told_nothing_that_it_does_not_know() {
    let setup = Setup::start().await;
    let node = setup.node(takes_all, Held::default()).await;
    let Noted { manifests, bundles, chunks, .. } = node.noted();
    assert_eq!((manifests.len(), bundles), (1, 2));
    assert!(chunks > bundles, "it takes small chunks, so there are several: {chunks}");

    for (change, path) in ["second", "third"].iter().enumerate() {
        setup.change(path).await;
        setup.serves(&node).await;
        setup.world.settled().await;
        // The proxy of today was told what differs, the node of before is told all, and both come to the same root hash.
        assert_eq!(setup.world.serving(0).await.1, setup.shown().await.unwrap().applied_root_hash);
        let answer = client::get(setup.world.proxy(), "any", "/b1/x").await;
        assert_eq!(answer.json()["target"], format!("/{path}"));
        let noted = node.noted();
        assert_eq!((noted.manifests.len(), noted.bundles), (change + 2, change + 3), "one bundle for each change");
        let [.., newest] = &noted.manifests[..] else { panic!("no manifest") };
        assert_eq!((newest.bundles.len(), newest.base_path_mappings.len()), (2, 2), "all of it");
    }
    let (newest, _) = setup.world.published().await;
    until("a heartbeat comes", async || node.noted().heartbeats, |beats| beats.contains(&newest)).await;
    let noted = node.noted();
    assert_eq!((noted.not_understood, noted.not_all_read), (0, Vec::new()));

    // It comes back with what it has: the manifest is sent again, and no bundle.
    let held = node.held();
    drop(node);
    let node = setup.node(takes_all, held).await;
    let again = async || node.noted().activations.len();
    until("it is activated", again, |&count| count == 1).await;
    assert_eq!(node.noted().bundles, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_waited_for_and_shown_and_cannot_say_what_requests_it_had() {
    let setup = Setup::start().await;
    let node = setup.node(takes_all, Held::default()).await;
    let rollout = setup.deploy(ActivationPolicy::Unspecified).await;
    assert_eq!((rollout.state(), rollout.nodes.len()), (RolloutState::RolloutReached, 2));
    assert_eq!(standing(&rollout), NodeRolloutState::NodeApplied);
    assert_eq!(node.held().version, rollout.version);

    let shown = setup.shown().await.unwrap();
    assert!(shown.connected && shown.generations.is_empty() && shown.kept.is_none());
    let (code, out, _) = setup.cli(&["nodes"]).await;
    let line = out.lines().find(|line| line.starts_with("old ")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!((code, &words[1..5]), (0, &["current", &rollout.version.to_string(), "2", "-"][..]), "{out}");

    let (code, out, err) = setup.cli(&["deploy", "api1", "--stage", "prod", "--wait", "all"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(" serves on 2 of 2 after "), "{out}");
    assert!(out.ends_with("Not among them are those of old: an older program does not count them.\n"), "{out}");

    let request = PreviewDeploymentRequest {
        deployment: Some(setup.deployment(ActivationPolicy::Unspecified)),
        ..Default::default()
    };
    let preview = setup.world.deployments().await.preview_deployment(request).await.unwrap().into_inner();
    let states: Vec<_> = preview.nodes.iter().map(|node| (node.node_id == "old", node.state())).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&(true, NodePreviewState::NodePreviewCannot)), "{states:?}");
    assert!(states.contains(&(false, NodePreviewState::NodePreviewAnswered)), "{states:?}");
    let (code, out, _) = setup.cli(&["deploy", "api1", "--stage", "prod", "--preview"]).await;
    assert_eq!((code, out.contains("old remembers no requests")), (0, true), "{out}");
    assert_eq!(node.noted().not_understood, 0, "it is not even asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_refuses_counts_as_refused_and_is_not_sent_again() {
    let setup = Setup::start().await;
    let node = setup.node(takes_no_refused, Held::default()).await;
    setup.change("refused").await;
    setup.serves(&node).await;
    let [refusal] = &setup.shown().await.unwrap().refusals[..] else { panic!("one refusal") };
    assert_eq!((&refusal.rest_api_id, refusal.reason.as_str()), (&setup.apis[1], "not to my taste"));
    let (_, out, _) = setup.cli(&["nodes"]).await;
    assert!(out.contains(&format!("old refuses {}/prod: not to my taste", setup.apis[1])), "{out}");

    let sent = node.noted().bundles;
    let rollout = setup.deploy(ActivationPolicy::Unspecified).await;
    assert_eq!((rollout.state(), standing(&rollout)), (RolloutState::RolloutRefused, NodeRolloutState::NodeRefused));
    setup.serves(&node).await;
    let (whole, new) = (node.held().version, node.noted().bundles - sent);
    // A deployment is part of its bundle, so each one is sent once.
    assert_eq!((whole, new), (rollout.version, 1));

    // As a whole: it goes on serving the version before, until there is one that it can take.
    let rollout = setup.deploy(ActivationPolicy::AllOrNothing).await;
    assert_eq!((rollout.state(), standing(&rollout)), (RolloutState::RolloutRefused, NodeRolloutState::NodeRefused));
    assert_eq!(node.held().version, whole);
    assert_eq!(node.noted().activations.last(), Some(&(rollout.version, old::ActivationPolicy::AllOrNothing.into())));
    setup.change("better").await;
    setup.serves(&node).await;
    assert_eq!(setup.shown().await.unwrap().refusals, []);

    // It comes back with what it refused, and is not sent that again.
    setup.change("refused").await;
    setup.serves(&node).await;
    let held = node.held();
    assert_eq!(held.refused.len(), 1);
    drop(node);
    let node = setup.node(takes_no_refused, held).await;
    until("it is activated", async || node.noted().activations.len(), |&count| count == 1).await;
    assert_eq!(node.noted().bundles, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_never_tried_on_it_first() {
    let mut setup = Setup::start().await;
    setup.world.add_proxy(&["--node-id", "second"]).await;
    let node = setup.node(takes_all, Held::default()).await;
    let (rest_api_id, stage_name) = (setup.apis[1].clone(), "prod".to_owned());
    let stage = Stage { rest_api_id: rest_api_id.clone(), stage_name: stage_name.clone(), ..Stage::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["auto_deploy".to_owned()] });
    let update = UpdateStageRequest { stage: Some(stage), update_mask, ..Default::default() };
    setup.world.stages().await.update_stage(update).await.unwrap();
    setup.change("tried").await;
    setup.serves(&node).await;

    let mut deployments = setup.world.deployments().await;
    let node_canary = |count| {
        let share = Some(node_canary_settings::Share::NodeCount(count));
        Some(NodeCanarySettings { share, ..Default::default() })
    };
    let request = |count| CreateDeploymentRequest {
        wait_for: WaitFor::None.into(),
        node_canary: node_canary(count),
        ..setup.deployment(ActivationPolicy::Unspecified)
    };
    let status = deployments.create_deployment(request(2)).await.unwrap_err();
    assert!(status.message().contains("2 of 2 nodes"), "it does not count: {status:?}");
    deployments.create_deployment(request(1)).await.unwrap();
    let watch = WatchNodeCanaryRequest { rest_api_id: rest_api_id.clone(), stage_name: stage_name.clone() };
    let mut pictures = deployments.watch_node_canary(watch).await.unwrap().into_inner();
    let watching = loop {
        let picture = pictures.message().await.unwrap().unwrap();
        if picture.state() == NodeCanaryState::NodeCanaryWatching {
            break picture;
        }
        assert_eq!(picture.state(), NodeCanaryState::NodeCanaryStarting, "{picture:?}");
    };
    assert!(watching.node_ids.len() == 1 && watching.node_ids[0] != "old", "{watching:?}");
    // It has what the stage has.
    setup.serves(&node).await;
    let sent = node.noted().bundles;
    let end = EndNodeCanaryRequest { rest_api_id, stage_name, promote: true };
    let ended = deployments.end_node_canary(end).await.unwrap().into_inner();
    assert_eq!(ended.state(), NodeCanaryState::NodeCanaryPromoted);
    setup.serves(&node).await;
    assert_eq!((node.held().version, node.noted().bundles), (ended.version, sent + 1));
    assert_eq!(node.noted().not_understood, 0, "it is not asked to measure anything");
}
