//! Node canaries: a deployment goes to some proxies first, and then everywhere or back, by itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "node_canary/setup.rs"]
mod setup;
#[path = "node_canary/traffic.rs"]
mod traffic;

use harness::stranger::{Manner, Stranger};
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use penstock_proto::management::v1::node_canary_settings::Share;
use penstock_proto::management::v1::{
    CreateDeploymentRequest, DeploymentCanarySettings, GetStageRequest, ImportRestApiRequest, NodeCanarySettings,
    NodeCanaryState, StageSpec, UpdateStageRequest, WatchNodeCanaryRequest,
};
use setup::{WATCH_S, settings, setup, upstream};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;
use tonic::Code;
use traffic::{Traffic, who};

#[tokio::test(flavor = "multi_thread")]
async fn what_does_well_on_one_proxy_goes_everywhere_by_itself() {
    let setup = setup(3).await;
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    let traffic = Traffic::on(&setup.world);
    let deployment = setup.try_it(settings()).await.unwrap();
    let watching = setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
    assert_eq!((watching.deployment_id.as_str(), watching.node_ids.len()), (deployment.id.as_str(), 1));
    let mut answers = setup.answers().await;
    answers.sort();
    assert_eq!(answers, ["new", "old", "old"]);

    // What others change meanwhile is served everywhere.
    let other = document("other", &[("GET", "/y", format!("http://{}/", new.address))]);
    let stage = StageSpec {
        stage_name: "prod".into(),
        auto_deploy: true,
        domain_name: "other.example".into(),
        ..Default::default()
    };
    let request = ImportRestApiRequest { document: other.to_string().into(), stage: Some(stage), ..Default::default() };
    let answer = setup.world.rest_apis().await.import_rest_api(request).await.unwrap();
    let version: u64 = answer.metadata().get("penstock-config-version").unwrap().to_str().unwrap().parse().unwrap();
    for (number, proxy) in setup.world.proxies.iter().enumerate() {
        // Not asked for before it is there: such requests would count against what is tried.
        let serving = async || setup.world.serving(number).await.0;
        until("the other API is served", serving, |&serving| serving >= version).await;
        let answer = harness::client::get(proxy.address("proxy"), "other.example", "/y").await;
        assert_eq!(answer.text(), "new");
    }

    let last = setup.ended().await;
    assert_eq!((last.state(), last.reason.is_empty()), (NodeCanaryState::NodeCanaryPromoted, false), "{last:?}");
    assert!(last.version > 0 && last.watched.unwrap().seconds >= WATCH_S, "{last:?}");
    assert_eq!(setup.stage_deployment().await, deployment.id);
    setup.all_answer("new").await;
    setup.world.settled().await;
    let answers = traffic.end().await;
    assert_eq!((who(&answers, "200 old"), who(&answers, "200 new")), (vec![0, 1, 2], vec![0, 1, 2]));
    assert!(answers.keys().all(|(_, answer)| answer.starts_with("200 ")), "no request has failed: {answers:?}");
    let (canary, others) = (last.canary.unwrap(), last.others.unwrap());
    assert!(canary.requests >= 20 && others.requests >= 20 && canary.errors + others.errors == 0, "{last:?}");
    assert!(canary.duration_p95_us >= canary.duration_p50_us && canary.duration_p50_us > 0, "{last:?}");
    assert_eq!(setup.end(true).await.unwrap_err().code(), Code::NotFound, "it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_or_is_slow_there_goes_back_by_itself_and_long_before_the_end() {
    let setup = setup(3).await;
    let before = setup.stage_deployment().await;
    let failing = upstream("failing", 503, Duration::ZERO).await;
    let slow = upstream("slow", 200, Duration::from_millis(150)).await;
    let url = |upstream: &Upstream| format!("http://{}/", upstream.address);
    let long = NodeCanarySettings { watch: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }), ..settings() };
    for (routes, answer, reason) in [
        ([("GET", "/x", url(&failing))], "503 failing", "requests failed there"),
        ([("GET", "/x", url(&slow))], "200 slow", "95 of 100 requests took"),
        // What was served, and is no more.
        (
            [("GET", "/elsewhere", url(&slow))],
            r#"403 {"message":"Missing Authentication Token"}"#,
            "requests failed there",
        ),
    ] {
        setup.change(&routes).await;
        let traffic = Traffic::on(&setup.world);
        setup.try_it(NodeCanarySettings { duration_ratio_max: None, ..long }).await.unwrap();
        let last = setup.ended().await;
        assert_eq!(last.state(), NodeCanaryState::NodeCanaryEnded, "{last:?}");
        assert!(last.reason.contains(reason), "{}", last.reason);
        setup.all_answer("old").await;
        let answers = traffic.end().await;
        assert_eq!(who(&answers, answer).len(), 1, "only one proxy met it: {answers:?}");
        assert_eq!(who(&answers, "200 old"), [0, 1, 2]);
        assert_eq!(setup.stage_deployment().await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_requests_nothing_is_proven() {
    let setup = setup(2).await;
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    setup.try_it(settings()).await.unwrap();
    let last = setup.ended().await;
    assert_eq!(last.state(), NodeCanaryState::NodeCanaryEnded);
    assert!(last.reason.contains("20 are needed"), "{}", last.reason);
    setup.all_answer("old").await;

    let none_needed = NodeCanarySettings { requests_min: Some(0), share: Some(Share::NodePercent(50.0)), ..settings() };
    setup.try_it(none_needed).await.unwrap();
    assert_eq!(setup.ended().await.state(), NodeCanaryState::NodeCanaryPromoted);
    setup.all_answer("new").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_or_a_change_of_the_stage_ends_it() {
    let setup = setup(2).await;
    let before = setup.stage_deployment().await;
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    let long = NodeCanarySettings { watch: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }), ..settings() };

    setup.try_it(long).await.unwrap();
    setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
    let busy = setup.try_it(long).await.unwrap_err();
    assert_eq!(busy.code(), Code::FailedPrecondition);
    assert!(busy.message().contains(&setup.api), "{}", busy.message());
    assert_eq!(setup.end(false).await.unwrap().state(), NodeCanaryState::NodeCanaryEnded);
    setup.all_answer("old").await;

    setup.try_it(long).await.unwrap();
    setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
    let stage = GetStageRequest { rest_api_id: setup.api.clone(), stage_name: "prod".to_owned() };
    let mut stage = setup.world.stages().await.get_stage(stage).await.unwrap().into_inner();
    stage.variables.insert("name".to_owned(), "value".to_owned());
    let update = UpdateStageRequest { stage: Some(stage), ..Default::default() };
    setup.world.stages().await.update_stage(update).await.unwrap();
    let last = setup.ended().await;
    assert_eq!(last.state(), NodeCanaryState::NodeCanaryEnded);
    assert!(last.reason.contains("changed meanwhile"), "{}", last.reason);
    setup.all_answer("old").await;
    assert_eq!(setup.stage_deployment().await, before);

    let last = setup.try_it(long).await.unwrap();
    setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
    let promoted = setup.end(true).await.unwrap();
    assert_eq!((promoted.state(), setup.stage_deployment().await), (NodeCanaryState::NodeCanaryPromoted, last.id));
    setup.all_answer("new").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_dies_leaves_every_proxy_with_what_the_stage_has() {
    let mut setup = setup(2).await;
    let before = setup.stage_deployment().await;
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    let traffic = Traffic::on(&setup.world);
    let long = NodeCanarySettings { watch: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }), ..settings() };
    setup.try_it(long).await.unwrap();
    setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
    setup.world.kill_control();
    let mut answers = setup.answers().await;
    answers.sort();
    assert_eq!(answers, ["new", "old"], "what serves goes on");
    setup.world.restart_control();
    setup.all_answer("old").await;
    setup.world.settled().await;
    assert_eq!(setup.stage_deployment().await, before);
    let answers = traffic.end().await;
    assert!(answers.keys().all(|(_, answer)| answer.starts_with("200 ")), "no request has failed: {answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_it_or_leaves_ends_it() {
    let mut setup = setup(1).await;
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    // An older proxy cannot tell how it does, so it does not count.
    let old = Stranger::subscribe(setup.world.channel().await, "~old", Manner::Applies).await;
    let error = setup.try_it(settings()).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().contains("needs two nodes"), "{}", error.message());

    let channel = setup.world.channel().await;
    let picky = Stranger::subscribe_with(channel, "~picky", Manner::RefusesBundles, &["stage_figures"]).await;
    until("it is activated", async || picky.activations().len(), |&count| count > 0).await;
    // Which of the two it is, is drawn.
    let refused = until(
        "it was drawn, and has refused it",
        async || {
            setup.try_it(settings()).await.unwrap();
            setup.ended().await.reason
        },
        |reason| reason.contains("~picky refuses it"),
    )
    .await;
    assert!(!refused.is_empty());
    drop((old, picky));
    setup.world.add_proxy(&["--node-id", "second"]).await;
    setup.all_answer("old").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_tried_changes_nothing() {
    let setup = setup(2).await;
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    let good = setup.request(settings());
    let canary = Some(DeploymentCanarySettings { percent_traffic: 1.0, ..Default::default() });
    let variables = BTreeMap::from([("name".to_owned(), "value".to_owned())]);
    let many = NodeCanarySettings { share: Some(Share::NodeCount(2)), ..settings() };
    let version = setup.world.published().await.0;
    for (request, code, says) in [
        (CreateDeploymentRequest { stage_name: None, ..good.clone() }, Code::InvalidArgument, "stageName"),
        (CreateDeploymentRequest { canary_settings: canary, ..good.clone() }, Code::InvalidArgument, "canarySettings"),
        (CreateDeploymentRequest { variables, ..good.clone() }, Code::InvalidArgument, "variables"),
        (CreateDeploymentRequest { wait_for: 3, ..good.clone() }, Code::InvalidArgument, "waitFor"),
        (setup.request(NodeCanarySettings { share: None, ..settings() }), Code::InvalidArgument, "share"),
        (setup.request(many), Code::FailedPrecondition, "leave none"),
        (CreateDeploymentRequest { stage_name: Some("none".into()), ..good.clone() }, Code::NotFound, "Stage"),
        (CreateDeploymentRequest { rest_api_id: "none".into(), ..good.clone() }, Code::NotFound, "API"),
    ] {
        let error = setup.world.deployments().await.create_deployment(request).await.unwrap_err();
        assert_eq!((error.code(), error.message().contains(says)), (code, true), "{says}: {}", error.message());
    }
    assert_eq!(setup.world.published().await.0, version);
    let request = WatchNodeCanaryRequest { rest_api_id: setup.api.clone(), stage_name: "prod".to_owned() };
    let error = setup.world.deployments().await.watch_node_canary(request).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_shows_it() {
    let setup = setup(2).await;
    let (new, failing) = (upstream("new", 200, Duration::ZERO).await, upstream("bad", 500, Duration::ZERO).await);
    let traffic = Traffic::on(&setup.world);
    let deploy = ["deploy", "api", "--stage", "prod", "--nodes", "50%", "--watch", "2s", "--requests-min", "20"];
    let deploy = [&deploy[..], &["--duration-ratio", "20"]].concat();

    setup.change_to(&failing).await;
    let taken_back = setup.world.cli(&deploy);
    let (out, err) = (String::from_utf8_lossy(&taken_back.stdout), String::from_utf8_lossy(&taken_back.stderr));
    assert_eq!(taken_back.status.code(), Some(9), "{out}{err}");
    assert!(out.contains("Took api, stage prod") && err.contains("requests failed there"), "{out}{err}");

    setup.change_to(&new).await;
    let promoted = setup.world.cli(&[&deploy[..], &["--wait", "all"]].concat());
    let (out, err) = (String::from_utf8_lossy(&promoted.stdout), String::from_utf8_lossy(&promoted.stderr));
    assert_eq!(promoted.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("Promoted api, stage prod") && out.contains("serves on 2 of 2"), "{out}{err}");
    assert!(err.contains("of 2 s on 1 proxy: 0 of "), "lines show how it comes along: {err}");
    assert_eq!(setup.answers().await, ["new", "new"]);

    let again = setup.world.cli(&["stage", "node-canary", "watch", "api", "prod"]);
    assert_eq!(again.status.code(), Some(0), "how the last one ended can be seen later");
    let none = setup.world.cli(&["stage", "node-canary", "end", "api", "prod"]);
    assert_eq!(none.status.code(), Some(3));
    traffic.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_sees_where_it_runs_and_who_ended_it() {
    let mut setup = setup(2).await;
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    let long = NodeCanarySettings { watch: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }), ..settings() };
    let run = |world: &harness::World, arguments: &[&str]| {
        let done = world.cli(arguments);
        let text = [&done.stdout[..], &done.stderr[..]].concat();
        (done.status.code(), String::from_utf8(text).unwrap())
    };
    for (word, says) in [("end", "Took api, stage prod"), ("promote", "Promoted api, stage prod")] {
        setup.try_it(long).await.unwrap();
        setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
        let (_, nodes) = run(&setup.world, &["nodes"]);
        assert!(nodes.contains(" canary ") && nodes.contains("1 of them try a deployment of "), "{nodes}");
        let (code, text) = run(&setup.world, &["stage", "node-canary", word, "api", "prod"]);
        assert!(code == Some(0) && text.contains(says), "{code:?} {text}");
        let (_, log) = run(&setup.world, &["audit", "--limit", "2"]);
        let lines: Vec<_> = log.lines().filter(|line| line.contains("nodeCanary")).collect();
        let [ended, began] = lines[..] else { panic!("{log}") };
        assert!(ended.contains("EndNodeCanary") && ended.contains("-nodeCanary"), "{log}");
        assert!(began.contains("CreateDeployment") && began.contains("+nodeCanary"), "{log}");
    }

    setup.try_it(long).await.unwrap();
    setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
    let mut watching = setup.world.cli_command(&["stage", "node-canary", "watch", "api", "prod"]);
    let mut watching = watching.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stderr.take().unwrap());
    let mut text = String::new();
    lines.read_line(&mut text).unwrap();
    assert!(text.contains("of 3600 s on 1 proxy"), "{text}");
    setup.world.kill_control();
    lines.read_to_string(&mut text).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(6), "{text}");
    assert!(text.contains("does not answer any more") && text.contains("proxies go back"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_dies_of_it_is_no_proof_however_short_the_watch() {
    let mut setup = setup(0).await;
    for id in ["a", "b"] {
        setup.world.add_proxy(&["--node-id", id]).await;
    }
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    setup.try_it(NodeCanarySettings { requests_min: Some(0), ..settings() }).await.unwrap();
    let watching = setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
    let drawn = usize::from(watching.node_ids == ["b"]);
    setup.world.proxies[drawn].kill();
    let last = setup.ended().await;
    assert_eq!(last.state(), NodeCanaryState::NodeCanaryEnded, "{last:?}");
    assert!(last.reason.contains("has not served it for 15 s"), "{}", last.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_dies_of_it_again_and_again_ends_it() {
    let mut setup = setup(0).await;
    for id in ["a", "b"] {
        setup.world.add_proxy(&["--node-id", id]).await;
    }
    let new = upstream("new", 200, Duration::ZERO).await;
    setup.change_to(&new).await;
    let long = NodeCanarySettings { watch: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }), ..settings() };
    setup.try_it(long).await.unwrap();
    let drawn = setup.watch_until(NodeCanaryState::NodeCanaryWatching).await.node_ids.remove(0);
    let at = usize::from(drawn == "b");
    for _ in 0..2 {
        setup.world.proxies[at].kill();
        setup.world.add_proxy(&["--node-id", &drawn]).await;
        let last = setup.world.proxies.pop().unwrap();
        setup.world.proxies[at] = last;
    }
    let last = setup.ended().await;
    assert_eq!(last.state(), NodeCanaryState::NodeCanaryEnded, "{last:?}");
    assert!(last.reason.contains(&format!("{drawn} was started anew 2 times")), "{}", last.reason);
    setup.all_answer("old").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_counts_in_the_next_and_a_restore_ends_it() {
    let setup = setup(2).await;
    let new = upstream("new", 200, Duration::ZERO).await;
    let saved = setup.world.cli(&["backup", "saved"]);
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    setup.change_to(&new).await;
    let long = NodeCanarySettings { watch: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }), ..settings() };
    let traffic = Traffic::on(&setup.world);
    setup.try_it(long).await.unwrap();
    until(
        "the other proxy tells of requests",
        async || setup.watch_until(NodeCanaryState::NodeCanaryWatching).await.others.unwrap().requests,
        |&requests| requests > 0,
    )
    .await;
    setup.end(false).await.unwrap();
    traffic.end().await;

    setup.try_it(NodeCanarySettings { requests_min: Some(0), ..settings() }).await.unwrap();
    let promoted = setup.ended().await;
    assert_eq!(promoted.state(), NodeCanaryState::NodeCanaryPromoted, "{promoted:?}");
    assert_eq!(
        (promoted.canary.unwrap().requests, promoted.others.unwrap().requests),
        (0, 0),
        "nobody asked meanwhile"
    );

    setup.try_it(long).await.unwrap();
    setup.watch_until(NodeCanaryState::NodeCanaryWatching).await;
    let restored = setup.world.cli(&["restore", "saved", "--replace", "--yes"]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let last = setup.ended().await;
    assert!(last.state() == NodeCanaryState::NodeCanaryEnded && last.reason.contains("restored"), "{last:?}");
    setup.all_answer("old").await;
    setup.world.settled().await;
}
