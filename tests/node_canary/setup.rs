//! Proxies, an API, and the calls of a node canary.

use harness::World;
use harness::upstream::{Upstream, whole};
use harness::wait::{bounded, until};
use harness::world::document;
use hyper::Response;
use penstock_proto::management::v1::node_canary_settings::Share;
use penstock_proto::management::v1::{
    CreateDeploymentRequest, Deployment, EndNodeCanaryRequest, GetStageRequest, ImportRestApiRequest, NodeCanary,
    NodeCanarySettings, NodeCanaryState, PutRestApiRequest, StageSpec, WatchNodeCanaryRequest, put_rest_api_request,
};
use std::time::Duration;
use tonic::Status;

pub(crate) const WATCH_S: i64 = 2;

/// Answers its name, after a while, with this status.
pub(crate) async fn upstream(name: &'static str, status: u16, after: Duration) -> Upstream {
    Upstream::http(move |_| async move {
        // What an upstream takes that is slow.
        let _ = tokio::time::timeout(after, std::future::pending::<()>()).await;
        Response::builder().status(status).body(whole(name)).unwrap()
    })
    .await
}

/// Proxies and an API whose stage has a deployment that answers `old`.
pub(crate) struct Setup {
    pub world: World,
    pub api: String,
    _old: Upstream,
}

pub(crate) async fn setup(proxies: usize) -> Setup {
    let world = World::start(proxies).await;
    let old = upstream("old", 200, Duration::ZERO).await;
    let stage = StageSpec { stage_name: "prod".into(), domain_name: "*".into(), ..Default::default() };
    let document = document("api", &[("GET", "/x", format!("http://{}/", old.address))]);
    let request =
        ImportRestApiRequest { document: document.to_string().into(), stage: Some(stage), ..Default::default() };
    let answer = world.rest_apis().await.import_rest_api(request).await.unwrap().into_inner();
    world.settled().await;
    Setup { world, api: answer.rest_api.unwrap().id, _old: old }
}

pub(crate) fn settings() -> NodeCanarySettings {
    NodeCanarySettings {
        share: Some(Share::NodeCount(1)),
        watch: Some(prost_types::Duration { seconds: WATCH_S, nanos: 0 }),
        requests_min: Some(20),
        // On a machine that does many things, what is equally fast is not so by the clock.
        duration_ratio_max: Some(20.0),
        ..Default::default()
    }
}

impl Setup {
    pub(crate) fn request(&self, settings: NodeCanarySettings) -> CreateDeploymentRequest {
        CreateDeploymentRequest {
            rest_api_id: self.api.clone(),
            stage_name: Some("prod".to_owned()),
            node_canary: Some(settings),
            ..Default::default()
        }
    }

    /// Changes the API, which no stage follows.
    pub(crate) async fn change(&self, routes: &[(&str, &str, String)]) {
        let request = PutRestApiRequest {
            rest_api_id: self.api.clone(),
            mode: put_rest_api_request::Mode::Overwrite.into(),
            document: document("api", routes).to_string().into(),
            ..Default::default()
        };
        self.world.rest_apis().await.put_rest_api(request).await.unwrap();
    }

    pub(crate) async fn change_to(&self, upstream: &Upstream) {
        self.change(&[("GET", "/x", format!("http://{}/", upstream.address))]).await;
    }

    pub(crate) async fn try_it(&self, settings: NodeCanarySettings) -> Result<Deployment, Status> {
        let request = self.request(settings);
        Ok(self.world.deployments().await.create_deployment(request).await?.into_inner())
    }

    /// The picture that has this state, or the last one.
    pub(crate) async fn watch_until(&self, wanted: NodeCanaryState) -> NodeCanary {
        let request = WatchNodeCanaryRequest { rest_api_id: self.api.clone(), stage_name: "prod".to_owned() };
        let mut pictures = self.world.deployments().await.watch_node_canary(request).await.unwrap().into_inner();
        let mut last = NodeCanary::default();
        while let Some(picture) = bounded("it is watched", pictures.message()).await.unwrap() {
            let is_wanted = picture.state() == wanted;
            last = picture;
            if is_wanted {
                break;
            }
        }
        last
    }

    pub(crate) async fn ended(&self) -> NodeCanary {
        let mut last = self.watch_until(NodeCanaryState::NodeCanaryEnded).await;
        // Promoted is an end too.
        if last.state() == NodeCanaryState::NodeCanaryWatching {
            last = self.watch_until(NodeCanaryState::NodeCanaryPromoted).await;
        }
        last
    }

    pub(crate) async fn stage_deployment(&self) -> String {
        let request = GetStageRequest { rest_api_id: self.api.clone(), stage_name: "prod".to_owned() };
        self.world.stages().await.get_stage(request).await.unwrap().into_inner().deployment_id
    }

    pub(crate) async fn end(&self, promote: bool) -> Result<NodeCanary, Status> {
        let request = EndNodeCanaryRequest { rest_api_id: self.api.clone(), stage_name: "prod".to_owned(), promote };
        Ok(self.world.deployments().await.end_node_canary(request).await?.into_inner())
    }

    /// What each proxy answers now.
    pub(crate) async fn answers(&self) -> Vec<String> {
        let mut answers = Vec::new();
        for proxy in &self.world.proxies {
            answers.push(harness::client::get(proxy.address("proxy"), "any", "/x").await.text().to_owned());
        }
        answers
    }

    pub(crate) async fn all_answer(&self, name: &str) {
        let good = |answers: &Vec<String>| answers.iter().all(|answer| answer == name);
        until("every proxy answers it", async || self.answers().await, good).await;
    }
}
