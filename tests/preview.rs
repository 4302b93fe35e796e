//! A preview says which of the requests that came lately would meet something else, and a deployment proves it right.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use harness::stranger::{Manner, Stranger};
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use harness::{World, client};
use http_body_util::Empty;
use hyper::{Method, Request};
use penstock_proto::management::v1::{
    CreateDeploymentRequest, DeploymentCanarySettings, DeploymentPreview, ImpactKind, ListDeploymentsRequest,
    NodePreviewState, PreviewDeploymentRequest, RequestChange, RequestOutcome, Stage, UpdateStageRequest,
};
use std::collections::BTreeMap;
use tonic::{Code, Status};

/// Method and path of the requests, and how many of them each of two proxies gets.
const TRAFFIC: [(&str, &str, usize); 7] = [
    ("GET", "/images", 5),
    ("GET", "/images/7", 4),
    ("GET", "/images/latest", 3),
    ("POST", "/images", 2),
    ("GET", "/renamed-from", 3),
    ("GET", "/renamed-to", 1),
    ("DELETE", "/far/away", 1),
];

/// An API that is served as it was before an edit.
struct Setup {
    world: World,
    api: String,
    upstream: Upstream,
}

impl Setup {
    async fn start(proxies: &[&[&str]]) -> Self {
        let mut world = World::start(0).await;
        for arguments in proxies {
            world.add_proxy(arguments).await;
        }
        let upstream = Upstream::mirror("upstream").await;
        let to = |path: &str| format!("http://{}{path}", upstream.address);
        let imported = world
            .register(&document(
                "api",
                &[
                    ("GET", "/images", to("/list")),
                    ("POST", "/images", to("/add")),
                    ("GET", "/images/{id}", to("/one")),
                    ("GET", "/renamed-from", to("/renamed")),
                ],
            ))
            .await;
        let setup = Self { api: imported.rest_api.unwrap().id, world, upstream };
        let stage = Stage { rest_api_id: setup.api.clone(), stage_name: "prod".into(), ..Stage::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["auto_deploy".into()] });
        let update = UpdateStageRequest { stage: Some(stage), update_mask, ..Default::default() };
        setup.world.stages().await.update_stage(update).await.unwrap();
        setup
    }

    /// Renames a path, removes a method, moves another, and adds what takes the rest. Not deployed.
    async fn edit(&self) {
        let to = |path: &str| format!("http://{}{path}", self.upstream.address);
        let edited = document(
            "api",
            &[
                ("GET", "/images", to("/new-list")),
                ("GET", "/images/{id}", to("/one")),
                ("GET", "/images/latest", to("/latest")),
                ("GET", "/renamed-to", to("/renamed")),
                ("DELETE", "/{proxy+}", to("/rest")),
            ],
        );
        World::overwrite(&mut self.world.rest_apis().await, &self.api, &edited).await;
        self.world.settled().await;
    }

    fn deployment(&self) -> CreateDeploymentRequest {
        CreateDeploymentRequest {
            rest_api_id: self.api.clone(),
            stage_name: Some("prod".into()),
            ..CreateDeploymentRequest::default()
        }
    }

    async fn preview(&self, deployment: CreateDeploymentRequest) -> Result<DeploymentPreview, Status> {
        let request = PreviewDeploymentRequest { deployment: Some(deployment), lines_per_node_max: 0 };
        Ok(self.world.deployments().await.preview_deployment(request).await?.into_inner())
    }

    /// What a request is answered: the status, and what the upstream was asked for.
    async fn send(&self, proxy: usize, method: &str, path: &str) -> (u16, String) {
        let method: Method = method.parse().unwrap();
        let request = Request::builder().method(method).uri(path).header("host", "h.test");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = client::call(self.world.proxies[proxy].address("proxy"), request).await.unwrap();
        let target =
            if answer.status == 200 { answer.json()["target"].as_str().unwrap().to_owned() } else { String::new() };
        (answer.status.as_u16(), target)
    }

    async fn traffic(&self, proxies: usize) {
        for proxy in 0..proxies {
            for (method, path, times) in TRAFFIC {
                for _ in 0..times {
                    self.send(proxy, method, &format!("{path}?secret=1")).await;
                }
            }
        }
    }

    /// Everything that a preview must leave alone.
    async fn state(&self) -> (u64, String, usize) {
        let (version, root_hash) = self.world.published().await;
        let list = ListDeploymentsRequest { rest_api_id: self.api.clone(), ..Default::default() };
        let deployments = self.world.deployments().await.list_deployments(list).await.unwrap().into_inner();
        (version, root_hash, deployments.items.len())
    }
}

/// What the outcome would answer: a status, and where the upstream would be asked.
fn foretold(outcome: &RequestOutcome) -> (u16, String) {
    match outcome.refusal_status {
        0 => (200, outcome.integration.rsplit_once('/').map(|(_, path)| format!("/{path}")).unwrap()),
        status => (status.try_into().unwrap(), String::new()),
    }
}

fn summary(change: &RequestChange) -> (ImpactKind, String, u64) {
    (change.kind(), format!("{} {}", change.http_method, change.path), change.requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foretold_happens_and_nothing_before_that() {
    let setup = Setup::start(&[&["--workers", "2"], &[]]).await;
    setup.traffic(2).await;
    setup.edit().await;
    let before = setup.state().await;

    let preview = setup.preview(setup.deployment()).await.unwrap();
    assert_eq!(setup.state().await, before, "nothing is changed");
    let found: Vec<_> = preview.changes.iter().map(summary).collect();
    let expected = [
        (ImpactKind::ImpactRefused, "GET /renamed-from", 6),
        (ImpactKind::ImpactRefused, "POST /images", 4),
        (ImpactKind::ImpactRerouted, "GET /images/latest", 6),
        (ImpactKind::ImpactRetargeted, "GET /images", 10),
        (ImpactKind::ImpactServed, "DELETE /far/away", 2),
        (ImpactKind::ImpactServed, "GET /renamed-to", 2),
    ];
    assert_eq!(found, expected.map(|(kind, line, requests)| (kind, line.to_owned(), requests)));
    let replayed = preview.replayed.unwrap();
    assert_eq!((replayed.lines, replayed.requests), (7, 38));
    assert_eq!((preview.version, preview.route_count, preview.changes_left_out), (before.0, 5, 0));
    let refused = &preview.changes[0].after.as_ref().unwrap();
    assert_eq!(refused.refusal_type, "MISSING_AUTHENTICATION_TOKEN");
    let names = |routes: &[penstock_proto::management::v1::RouteName]| {
        routes.iter().map(|route| format!("{} {}", route.http_method, route.path)).collect::<Vec<_>>()
    };
    assert_eq!(names(&preview.removed_routes), ["POST /images", "GET /renamed-from"]);
    assert_eq!(names(&preview.added_routes), ["GET /images/latest", "GET /renamed-to", "DELETE /{proxy+}"]);
    assert_eq!((preview.unreached_routes.len(), preview.unreached_routes_complete), (0, true));
    let text = format!("{preview:?}");
    assert!(!text.contains("secret"), "queries are not remembered");

    // Each prediction, on both sides of the deployment and on both proxies.
    let sides: BTreeMap<_, _> = preview
        .changes
        .iter()
        .map(|change| {
            let sides = [&change.before, &change.after].map(|side| foretold(side.as_ref().unwrap()));
            ((change.http_method.clone(), change.path.clone()), sides)
        })
        .collect();
    for proxy in 0..2 {
        for ((method, path), [old, _]) in &sides {
            assert_eq!(setup.send(proxy, method, path).await, *old, "{method} {path} before");
        }
    }
    let same = setup.send(0, "GET", "/images/7").await;
    setup.world.deployments().await.create_deployment(setup.deployment()).await.unwrap();
    setup.world.settled().await;
    for proxy in 0..2 {
        for ((method, path), [_, new]) in &sides {
            assert_eq!(setup.send(proxy, method, path).await, *new, "{method} {path} after");
        }
        assert_eq!(setup.send(proxy, "GET", "/images/7").await, same);
    }
    // What is served already changes nothing any more.
    let preview = setup.preview(setup.deployment()).await.unwrap();
    assert_eq!((preview.changes.len(), preview.removed_routes.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_refused_like_the_deployment() {
    let setup = Setup::start(&[&[]]).await;
    let before = setup.state().await;
    let long = "x".repeat(1025);
    let canary = Some(DeploymentCanarySettings { percent_traffic: 101.0, ..Default::default() });
    for (deployment, code) in [
        (CreateDeploymentRequest { rest_api_id: "nobody".into(), ..setup.deployment() }, Code::NotFound),
        (CreateDeploymentRequest { description: long, ..setup.deployment() }, Code::InvalidArgument),
        (CreateDeploymentRequest { stage_name: Some("a b".into()), ..setup.deployment() }, Code::InvalidArgument),
        (CreateDeploymentRequest { canary_settings: canary, ..setup.deployment() }, Code::InvalidArgument),
    ] {
        let preview = setup.preview(deployment.clone()).await.unwrap_err();
        let made = setup.world.deployments().await.create_deployment(deployment).await.unwrap_err();
        assert_eq!((preview.code(), preview.message()), (code, made.message()));
    }
    for lines_per_node_max in [-1, 4097] {
        let request = PreviewDeploymentRequest { deployment: Some(setup.deployment()), lines_per_node_max };
        let status = setup.world.deployments().await.preview_deployment(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("linesPerNodeMax"), "{status:?}");
    }
    assert_eq!(setup.state().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_looked_at_from_its_own_side() {
    let setup = Setup::start(&[&[]]).await;
    setup.traffic(1).await;
    setup.edit().await;
    let canary_settings = Some(DeploymentCanarySettings { percent_traffic: 1.0, ..Default::default() });
    let preview = setup.preview(CreateDeploymentRequest { canary_settings, ..setup.deployment() }).await.unwrap();
    let refused = preview.changes.iter().filter(|change| change.kind() == ImpactKind::ImpactRefused);
    let paths: Vec<_> = refused.map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["/renamed-from", "/images"], "of the requests that meet the canary");
    // A stage that does not exist changes nothing for anybody, except that its routes are new.
    let other = CreateDeploymentRequest { stage_name: Some("test".into()), ..setup.deployment() };
    let preview = setup.preview(other).await.unwrap();
    assert_eq!((preview.changes.len(), preview.added_routes.len()), (0, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_do_not_answer_are_named() {
    let setup = Setup::start(&[&["--node-id", "a"], &["--node-id", "b", "--recent-requests", "0"]]).await;
    setup.traffic(2).await;
    let old = Stranger::subscribe(setup.world.channel().await, "c-old", Manner::Applies).await;
    let features = ["refused_bundles", "recent_requests"];
    let silent = Stranger::subscribe_with(setup.world.channel().await, "d-silent", Manner::Applies, &features).await;
    for node in [&old, &silent] {
        until("it is activated", async || node.activations().len(), |&count| count > 0).await;
    }
    let preview = setup.preview(setup.deployment()).await.unwrap();
    use NodePreviewState::{NodePreviewAnswered, NodePreviewCannot, NodePreviewSilent};
    let nodes: Vec<_> = preview.nodes.iter().map(|node| (node.node_id.as_str(), node.state())).collect();
    assert_eq!(
        nodes,
        [
            ("a", NodePreviewAnswered),
            ("b", NodePreviewCannot),
            ("c-old", NodePreviewCannot),
            ("d-silent", NodePreviewSilent)
        ]
    );
    assert_eq!(preview.replayed.unwrap().requests, 19, "of the one that answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_it_and_ends_with_a_code() {
    let setup = Setup::start(&[&["--recent-requests", "4", "--workers", "1"]]).await;
    let preview = |more: &[&str]| {
        let output = setup.world.cli(&[&["deploy", "api", "--stage", "prod", "--preview"][..], more].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = preview(&[]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("No recent request would meet anything else."), "{out}");
    assert!(out.contains("Of 0 recent requests on 1 proxy, against version "), "{out}");

    // Four lines are remembered: the last.
    setup.traffic(1).await;
    setup.edit().await;
    let before = setup.state().await;
    let (code, out, err) = preview(&[]);
    assert_eq!(code, 8, "{out}{err}");
    let columns = out.lines().map(|line| line.split_whitespace().take(5).collect::<Vec<_>>().join(" "));
    let rows: Vec<_> = columns.skip(1).take(4).collect();
    assert_eq!(
        rows,
        [
            "refused 3 GET h.test /renamed-from",
            "refused 2 POST h.test /images",
            "served 1 DELETE h.test /far/away",
            "served 1 GET h.test /renamed-to",
        ]
    );
    assert!(out.contains("5 refused, 2 served, 0 as before. Nothing was changed."), "{out}");
    assert!(err.contains("error: 5 requests that are served now would be refused"), "{err}");

    let (code, out, _) = preview(&["--output", "json", "--preview-lines", "1"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, json["changes"].as_array().unwrap().len()), (8, 1));
    assert_eq!(json["changes"][0]["kind"], "IMPACT_REFUSED");
    assert_eq!(json["nodes"][0]["requestsLeftOut"], "4");
    let (code, ..) = preview(&["--wait", "all"]);
    assert_eq!(code, 2, "a preview waits for nobody");
    assert_eq!(setup.state().await, before);
}
