//! [`OldControlPlane`]: a control plane of the first release, whose configuration is in the hands of the test.

use super::{hash, root_hash};
use bytes::Bytes;
use penstock_previous::first::discovery::v1 as wire;
use penstock_previous::first::management::v1 as management;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::codegen::BoxStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use wire::control_message::Kind;
use wire::discovery_service_server::{DiscoveryService, DiscoveryServiceServer};
use wire::node_message::Kind as Said;

/// Between two heartbeats; the release took five seconds.
const HEARTBEAT_MS: u64 = 100;

/// What it was told.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Of each stream.
    pub hellos: Vec<wire::Hello>,
    /// In their order.
    pub applied: Vec<wire::Applied>,
    /// In their order.
    pub refused: Vec<wire::Refused>,
    /// In their order.
    pub heartbeats: Vec<wire::Heartbeat>,
    /// Messages of a kind that the release does not have.
    pub not_understood: usize,
    /// Bundles that it sent.
    pub sent: usize,
    /// Deployments that it was asked for.
    pub deployments: Vec<management::CreateDeploymentRequest>,
}

#[derive(Clone, Debug, Default)]
struct Published {
    manifest: wire::Manifest,
    bundles: BTreeMap<Bytes, Bytes>,
}

#[derive(Clone, Debug)]
struct Shared {
    newest: watch::Sender<Arc<Published>>,
    heard: Arc<Mutex<Heard>>,
    stop: watch::Sender<bool>,
}

/// A control plane of the first release.
#[derive(Debug)]
pub struct OldControlPlane {
    address: SocketAddr,
    shared: Shared,
    server: JoinHandle<()>,
}

impl OldControlPlane {
    /// Starts with an empty configuration at any port.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// The same at a given address.
    pub async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (newest, stop) = (watch::Sender::default(), watch::Sender::new(false));
        let shared = Shared { newest, heard: Arc::default(), stop };
        let mut stopped = shared.stop.subscribe();
        let server = Server::builder()
            .add_service(DiscoveryServiceServer::new(shared.clone()))
            .add_service(management::rest_api_service_server::RestApiServiceServer::new(shared.clone()))
            .add_service(management::deployment_service_server::DeploymentServiceServer::new(shared.clone()))
            .add_service(management::stage_service_server::StageServiceServer::new(shared.clone()))
            .add_service(management::fleet_service_server::FleetServiceServer::new(shared.clone()))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            });
        let server = tokio::spawn(async move { server.await.unwrap() });
        Self { address, shared, server }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes these bundles, each for the stage that it names.
    pub fn publish(&self, version: u64, bundles: &[wire::Bundle], mappings: Vec<management::BasePathMapping>) {
        let encoded = |bundle: &wire::Bundle| {
            let stage = bundle.stage.clone().unwrap_or_default();
            (stage.rest_api_id, stage.stage_name, Bytes::from(bundle.encode_to_vec()))
        };
        self.publish_bytes(version, bundles.iter().map(encoded).collect(), mappings);
    }

    /// The same for any bytes, each with the API and the stage that they are said to be.
    pub fn publish_bytes(
        &self,
        version: u64,
        bundles: Vec<(String, String, Bytes)>,
        base_path_mappings: Vec<management::BasePathMapping>,
    ) {
        let mut published = Published::default();
        for (rest_api_id, stage_name, bytes) in bundles {
            let (hash, size_bytes) = (hash(&bytes), bytes.len() as u64);
            let reference = wire::BundleRef { rest_api_id, stage_name, hash: hash.to_vec(), size_bytes };
            published.manifest.bundles.push(reference);
            published.bundles.insert(hash, bytes);
        }
        published.manifest.base_path_mappings = base_path_mappings;
        published.manifest.root_hash = root_hash(&published.manifest).to_vec();
        published.manifest.version = version;
        self.shared.newest.send_replace(Arc::new(published));
    }

    /// What it was told so far.
    pub fn heard(&self) -> Heard {
        self.shared.heard.lock().unwrap().clone()
    }

    /// Ends every stream and stops listening; gives the address that is free then.
    pub async fn stop(self) -> String {
        self.shared.stop.send_replace(true);
        crate::wait::bounded("the old control plane stops", self.server).await.unwrap();
        self.address.to_string()
    }
}

#[tonic::async_trait]
impl DiscoveryService for Shared {
    async fn subscribe(
        &self,
        request: Request<Streaming<wire::NodeMessage>>,
    ) -> Result<Response<BoxStream<wire::ControlMessage>>, Status> {
        let (sender, messages) = mpsc::channel(4);
        let (shared, mut inbound) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            let mut stop = shared.stop.subscribe();
            let end = tokio::select! {
                end = shared.talk(&mut inbound, &sender) => end,
                _ = stop.wait_for(|stop| *stop) => Status::unavailable("the control plane is stopping"),
            };
            let _ = sender.send(Err(end)).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }
}

type Outbound = mpsc::Sender<Result<wire::ControlMessage, Status>>;

impl Shared {
    async fn talk(&self, inbound: &mut Streaming<wire::NodeMessage>, outbound: &Outbound) -> Status {
        let Ok(Some(wire::NodeMessage { kind: Some(Said::Hello(hello)) })) = inbound.message().await else {
            return Status::invalid_argument("hello must come first");
        };
        let mut held: BTreeSet<Bytes> =
            hello.held_bundles.iter().chain(&hello.refused_bundles).map(|name| Bytes::from(name.clone())).collect();
        self.note(|heard| heard.hellos.push(hello));
        let mut newest = self.newest.subscribe();
        newest.mark_changed();
        let mut ticks = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
        let mut is_answered = true;
        loop {
            let messages = tokio::select! {
                _ = ticks.tick() => {
                    let published = self.newest.borrow();
                    let (active_version, active_root_hash) =
                        (published.manifest.version, published.manifest.root_hash.clone());
                    vec![Kind::Heartbeat(wire::Heartbeat { active_version, active_root_hash })]
                }
                _ = newest.changed(), if is_answered => {
                    let published = Arc::clone(&newest.borrow_and_update());
                    let messages = self.push(&published, &mut held);
                    is_answered = messages.is_empty();
                    messages
                }
                said = inbound.message() => {
                    let Ok(Some(said)) = said else { return Status::cancelled("the node left") };
                    is_answered |= answers(&said);
                    self.hear(said);
                    Vec::new()
                }
            };
            for kind in messages {
                if outbound.send(Ok(wire::ControlMessage { kind: Some(kind) })).await.is_err() {
                    return Status::cancelled("the node left");
                }
            }
        }
    }

    /// The whole manifest, the bundles that are missing, and the activation.
    fn push(&self, published: &Published, held: &mut BTreeSet<Bytes>) -> Vec<Kind> {
        let manifest = &published.manifest;
        // Version 0 is what stands there before anything was published.
        if manifest.version == 0 {
            return Vec::new();
        }
        let mut messages = vec![Kind::Manifest(manifest.clone())];
        for (name, bytes) in published.bundles.iter().filter(|(name, _)| !held.contains(*name)) {
            let half = bytes.len() / 2;
            for (offset, data, last) in [(0, bytes.slice(..half), false), (half, bytes.slice(half..), true)] {
                let chunk = wire::BundleChunk { hash: name.to_vec(), offset: offset as u64, data, last };
                messages.push(Kind::BundleChunk(chunk));
            }
            self.note(|heard| heard.sent += 1);
        }
        *held = published.bundles.keys().cloned().collect();
        messages.push(Kind::Activate(wire::Activate {
            version: manifest.version,
            root_hash: manifest.root_hash.clone(),
            policy: wire::ActivationPolicy::Quarantine.into(),
        }));
        messages
    }

    fn hear(&self, said: wire::NodeMessage) {
        self.note(|heard| match said.kind {
            Some(Said::Hello(hello)) => heard.hellos.push(hello),
            Some(Said::Applied(applied)) => heard.applied.push(applied),
            Some(Said::Refused(refused)) => heard.refused.push(refused),
            Some(Said::Heartbeat(beat)) => heard.heartbeats.push(beat),
            None => heard.not_understood += 1,
        });
    }

    fn note(&self, note: impl FnOnce(&mut Heard)) {
        note(&mut self.heard.lock().unwrap());
    }
}

/// Whether a message is the last word about an activation.
fn answers(said: &wire::NodeMessage) -> bool {
    match &said.kind {
        Some(Said::Applied(_)) => true,
        Some(Said::Refused(refused)) => refused.bundle_hash.is_empty(),
        Some(Said::Hello(_) | Said::Heartbeat(_)) | None => false,
    }
}

/// The one API of the management calls.
fn api() -> management::RestApi {
    management::RestApi { id: "abcdefghij".into(), name: "api".into(), revision: 1, ..Default::default() }
}

#[tonic::async_trait]
impl management::rest_api_service_server::RestApiService for Shared {
    async fn get_rest_api(
        &self,
        request: Request<management::GetRestApiRequest>,
    ) -> Result<Response<management::RestApi>, Status> {
        let found = Some(api()).filter(|api| api.id == request.get_ref().rest_api_id);
        found.map(Response::new).ok_or_else(|| Status::not_found("no such API"))
    }

    async fn list_rest_apis(
        &self,
        _request: Request<management::ListRestApisRequest>,
    ) -> Result<Response<management::ListRestApisResponse>, Status> {
        Ok(Response::new(management::ListRestApisResponse { items: vec![api()], next_page_token: String::new() }))
    }
}

#[tonic::async_trait]
impl management::deployment_service_server::DeploymentService for Shared {
    async fn create_deployment(
        &self,
        request: Request<management::CreateDeploymentRequest>,
    ) -> Result<Response<management::Deployment>, Status> {
        let request = request.into_inner();
        let (id, rest_api_id) = ("d1".to_owned(), request.rest_api_id.clone());
        self.note(|heard| heard.deployments.push(request));
        let deployment = management::Deployment { id, rest_api_id, route_count: 1, ..Default::default() };
        let mut answer = Response::new(deployment);
        answer.metadata_mut().insert("penstock-config-version", 7.into());
        Ok(answer)
    }
}

#[tonic::async_trait]
impl management::stage_service_server::StageService for Shared {}

#[tonic::async_trait]
impl management::fleet_service_server::FleetService for Shared {
    async fn list_nodes(
        &self,
        _request: Request<management::ListNodesRequest>,
    ) -> Result<Response<management::ListNodesResponse>, Status> {
        let node = management::Node { id: "n1".into(), connected: true, applied_version: 7, ..Default::default() };
        Ok(Response::new(management::ListNodesResponse { items: vec![node], version: 7 }))
    }
}

/// A bundle of the stage `prod` with one route, `GET /x`, to `uri`.
pub fn bundle(api: &str, uri: &str) -> wire::Bundle {
    let rest_api_id = || api.to_owned();
    let resource = |id: &str, parent: &str, part: &str, path: &str| management::Resource {
        id: id.to_owned(),
        rest_api_id: rest_api_id(),
        parent_id: parent.to_owned(),
        path_part: part.to_owned(),
        path: path.to_owned(),
        revision: 0,
    };
    let integration = management::Integration {
        r#type: management::integration::Type::HttpProxy.into(),
        http_method: "GET".to_owned(),
        uri: uri.to_owned(),
        ..Default::default()
    };
    wire::Bundle {
        rest_api: Some(management::RestApi {
            id: rest_api_id(),
            name: api.to_owned(),
            root_resource_id: "root0".to_owned(),
            ..Default::default()
        }),
        stage: Some(management::Stage { rest_api_id: rest_api_id(), stage_name: "prod".into(), ..Default::default() }),
        resources: vec![resource("root0", "", "", "/"), resource("x0", "root0", "x", "/x")],
        methods: vec![management::Method {
            rest_api_id: rest_api_id(),
            resource_id: "x0".to_owned(),
            http_method: "GET".to_owned(),
            method_integration: Some(integration),
            ..Default::default()
        }],
        canary: None,
    }
}

/// What leads requests of any host to the stage `prod` of an API.
pub fn mapping(api: &str) -> management::BasePathMapping {
    management::BasePathMapping {
        domain_name: "*".to_owned(),
        rest_api_id: api.to_owned(),
        stage: "prod".to_owned(),
        ..Default::default()
    }
}
