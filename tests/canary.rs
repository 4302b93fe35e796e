//! A canary gets its share of the requests, drawn one by one, and growing, promoting and rolling back cost none of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::upstream::Upstream;
use harness::world::document;
use harness::{World, client};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use penstock_proto::management::v1::{
    CanarySettings, CreateDeploymentRequest, DeploymentCanarySettings, ImportRestApiRequest, PromoteCanaryRequest,
    PutRestApiRequest, Stage, StageSpec, UpdateStageRequest, put_rest_api_request,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const CONNECTIONS: usize = 4;
/// Requests of one connection where their number matters for the share.
const DRAWS: usize = 1_000;
/// Requests of one connection where all must meet the same.
const REQUESTS: usize = 200;
/// How far from half of 4,000 draws the canary's may be. By Hoeffding's inequality a right lottery leaves this range with
/// a probability below 2·exp(−2·210²/4000), which is less than 10⁻⁹.
const TOLERANCE: usize = 210;

/// What answered: the deployment and the value of a stage variable as the path towards the upstream, and what the request
/// said about itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Met {
    target: String,
    is_canary_request: Option<String>,
}

fn met(target: &str, is_canary_request: Option<&str>) -> Met {
    Met { target: target.into(), is_canary_request: is_canary_request.map(Into::into) }
}

/// An API on the stage `prod` of the first proxy, with the two deployments that differ in the path towards the upstream.
struct Release {
    world: World,
    api: String,
    _upstream: Upstream,
}

impl Release {
    /// Serves the deployment `one` with the variable `old`, and makes an edit that only a deployment will show.
    async fn start() -> Self {
        let world = World::start(1).await;
        let upstream = Upstream::mirror("upstream").await;
        let version = |name: &str| {
            let uri = format!("http://{}/{name}/${{stageVariables.value}}", upstream.address);
            let mut document = document("released", &[("GET", "/a", uri)]);
            let integration = &mut document["paths"]["/a"]["get"]["x-amazon-apigateway-integration"];
            integration["requestParameters"]["integration.request.header.X-Canary"] = "context.isCanaryRequest".into();
            document.to_string().into()
        };
        let stage = StageSpec {
            stage_name: "prod".into(),
            variables: BTreeMap::from([("value".into(), "old".into())]),
            domain_name: "*".into(),
            ..Default::default()
        };
        let import = ImportRestApiRequest { document: version("one"), stage: Some(stage), ..Default::default() };
        let mut apis = world.rest_apis().await;
        let api = apis.import_rest_api(import).await.unwrap().into_inner().rest_api.unwrap().id;
        let edit = PutRestApiRequest {
            rest_api_id: api.clone(),
            mode: put_rest_api_request::Mode::Overwrite.into(),
            document: version("two"),
            ..Default::default()
        };
        apis.put_rest_api(edit).await.unwrap();
        world.settled().await;
        Self { world, api, _upstream: upstream }
    }

    /// Deploys `two` to the canary, with the variable `new`.
    async fn deploy_canary(&self, percent_traffic: f64) {
        let canary = DeploymentCanarySettings {
            percent_traffic,
            stage_variable_overrides: BTreeMap::from([("value".into(), "new".into())]),
            use_stage_cache: false,
        };
        let deploy = CreateDeploymentRequest {
            rest_api_id: self.api.clone(),
            stage_name: Some("prod".into()),
            canary_settings: Some(canary),
            ..Default::default()
        };
        self.world.deployments().await.create_deployment(deploy).await.unwrap();
        self.world.settled().await;
    }

    /// Changes the canary's share; `None` removes the canary.
    async fn share(&self, percent_traffic: Option<f64>) {
        let stage_variable_overrides = BTreeMap::from([("value".into(), "new".into())]);
        let canary =
            |percent_traffic| CanarySettings { percent_traffic, stage_variable_overrides, ..Default::default() };
        let stage = Stage {
            rest_api_id: self.api.clone(),
            stage_name: "prod".into(),
            canary_settings: percent_traffic.map(canary),
            ..Default::default()
        };
        let paths = vec!["canary_settings".into()];
        let update = UpdateStageRequest {
            stage: Some(stage),
            update_mask: Some(prost_types::FieldMask { paths }),
            ..Default::default()
        };
        self.world.stages().await.update_stage(update).await.unwrap();
        self.world.settled().await;
    }

    async fn promote(&self) {
        let (rest_api_id, stage_name) = (self.api.clone(), "prod".into());
        let promote = PromoteCanaryRequest { rest_api_id, stage_name, ..Default::default() };
        self.world.stages().await.promote_canary(promote).await.unwrap();
        self.world.settled().await;
    }

    /// What so many requests met on each of [`CONNECTIONS`] connections, counted.
    async fn measure(&self, requests: usize) -> Vec<BTreeMap<Met, usize>> {
        let proxy = self.world.proxy();
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                tokio::spawn(async move {
                    let mut connection = client::Connection::open(proxy).await;
                    let mut counts = BTreeMap::new();
                    for _ in 0..requests {
                        *counts.entry(ask(&mut connection).await.unwrap()).or_default() += 1;
                    }
                    counts
                })
            })
            .collect();
        let mut all = Vec::new();
        for connection in connections {
            all.push(connection.await.unwrap());
        }
        all
    }

    /// Every request of a measurement must meet this.
    async fn all_meet(&self, expected: Met) {
        for counts in self.measure(REQUESTS).await {
            assert_eq!(counts, BTreeMap::from([(expected.clone(), REQUESTS)]));
        }
    }
}

/// One request: what it met, or what went wrong.
async fn ask(connection: &mut client::Connection<Empty<Bytes>>) -> Result<Met, String> {
    let request = Request::get("/a").header("host", "any").body(Empty::new()).unwrap();
    let response = connection.send(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let text = || format!("{status}: {}", String::from_utf8_lossy(&body));
    let mirrored: serde_json::Value = serde_json::from_slice(&body).map_err(|_| text())?;
    let headers = mirrored["headers"].as_array().ok_or_else(text)?;
    let value = headers.iter().find(|header| header[0] == "x-canary").and_then(|header| header[1].as_str());
    Ok(met(mirrored["target"].as_str().ok_or_else(text)?, value))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_gets_its_share_of_every_connections_requests() {
    let release = Release::start().await;
    release.all_meet(met("/one/old", None)).await;
    let (own, canary) = (met("/one/old", Some("false")), met("/two/new", Some("true")));
    release.deploy_canary(0.0).await;
    release.all_meet(own.clone()).await;
    release.share(Some(100.0)).await;
    release.all_meet(canary.clone()).await;

    release.share(Some(50.0)).await;
    let mut met_canary = 0;
    for counts in release.measure(DRAWS).await {
        assert_eq!(counts.keys().collect::<Vec<_>>(), [&own, &canary], "both, and nothing mixed, on each connection");
        met_canary += counts[&canary];
    }
    let half = CONNECTIONS * DRAWS / 2;
    assert!(met_canary.abs_diff(half) <= TOLERANCE, "{met_canary} of {}", 2 * half);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_and_its_rollback_cost_no_request() {
    let release = Release::start().await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let wrong = Arc::new(Mutex::new(Vec::new()));
    let load: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let load = load(release.world.proxy(), Arc::clone(&stop), Arc::clone(&done), Arc::clone(&wrong));
            tokio::spawn(load)
        })
        .collect();

    for percent in [1.0, 50.0, 99.0] {
        release.deploy_canary(percent).await;
        release.measure(REQUESTS).await;
    }
    release.promote().await;
    release.all_meet(met("/two/new", Some("false"))).await;
    release.share(None).await;
    release.all_meet(met("/two/new", None)).await;
    let said = release.world.cli(&["stage", "rollback", "released", "prod", "--to", &oldest(&release).await]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    release.world.settled().await;
    // A rollback is of the deployment; variables are the stage's.
    release.all_meet(met("/one/new", None)).await;

    stop.store(true, Ordering::SeqCst);
    for connection in load {
        connection.await.unwrap();
    }
    let wrong = wrong.lock().unwrap();
    let done = done.load(Ordering::SeqCst);
    assert!(wrong.is_empty(), "{} of {done} went wrong: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(done > 100, "there was load: {done}");
}

/// The deployment that everything began with.
async fn oldest(release: &Release) -> String {
    let listed = release.world.cli(&["deployment", "list", "released", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    listed["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
}

/// One connection that asks until it is told to stop.
async fn load(proxy: SocketAddr, stop: Arc<AtomicBool>, done: Arc<AtomicU64>, wrong: Arc<Mutex<Vec<String>>>) {
    let mut connection = client::Connection::open(proxy).await;
    while !stop.load(Ordering::SeqCst) {
        let fault = match ask(&mut connection).await {
            // The new deployment never runs with the old variable: that would be a mixture of two versions.
            Ok(met) if ["/one/old", "/two/new", "/one/new"].contains(&met.target.as_str()) => None,
            Ok(met) => Some(format!("mixed: {met:?}")),
            Err(error) => Some(error),
        };
        done.fetch_add(1, Ordering::SeqCst);
        if let Some(fault) = fault {
            wrong.lock().unwrap().push(fault);
            connection = client::Connection::open(proxy).await;
        }
    }
}
