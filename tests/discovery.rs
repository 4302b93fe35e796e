//! Both ends of the discovery protocol in one process, over real sockets: the control plane's publisher, fleet and
//! service, a relay that counts what goes by, and the subscriber of a node. The binaries are tested elsewhere; here a
//! test can count messages and publish what no real control plane would.

#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use harness::wait::{bounded, until};
use penstock_control_plane::api::discovery::{Discovery, Limits};
use penstock_control_plane::fleet::{Fleet, NodeState};
use penstock_control_plane::publication::{Built, Changes, Publication, encode};
use penstock_control_plane::publisher::Publisher;
use penstock_data_plane::live_table::LiveTable;
use penstock_data_plane::recent::RecentRequests;
use penstock_data_plane::subscriber::{self, SubscriberStatus};
use penstock_model::bundle::{Bundle, BundleKey};
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::Stage;
use penstock_model::id::Version;
use penstock_model::table::StageTable;
use penstock_proto::convert::bundle_hash;
use penstock_proto::discovery::v1::control_message::Kind;
use penstock_proto::discovery::v1::discovery_service_client::DiscoveryServiceClient;
use penstock_proto::discovery::v1::discovery_service_server::{DiscoveryService, DiscoveryServiceServer};
use penstock_proto::discovery::v1::{ControlMessage, NodeMessage};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::service::Routes;
use tonic::transport::{Server, Uri};
use tonic::{Request, Response, Status, Streaming};

/// A control plane without store and management: what is published is in the hands of the test.
struct ControlPlane {
    address: Uri,
    publisher: Arc<Publisher>,
    fleet: Arc<Fleet>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

async fn listen() -> (TcpListener, Uri) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, address)
}

impl ControlPlane {
    async fn start(first: &Arc<Publication>) -> Self {
        let (publisher, fleet) = (Arc::new(Publisher::new(Arc::clone(first))), Arc::new(Fleet::default()));
        let stop = watch::Sender::new(false);
        let discovery =
            Discovery::new(Arc::clone(&publisher), Arc::clone(&fleet), Limits::default(), || 0, stop.subscribe());
        let (listener, address) = listen().await;
        let routes = discovery.add_to(Routes::default());
        let mut stopped = stop.subscribe();
        let server = Server::builder().add_routes(routes).serve_with_incoming_shutdown(
            TcpListenerStream::new(listener),
            async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            },
        );
        let server = tokio::spawn(async move { server.await.unwrap() });
        Self { address, publisher, fleet, stop, server }
    }

    /// Every connection is closed when this returns.
    async fn stop(self) {
        self.stop.send_replace(true);
        bounded("the control plane stops", self.server).await.unwrap();
    }

    /// Waits until the node says that it serves this version.
    async fn serves(&self, node: &str, version: u64) -> NodeState {
        let state = async || self.fleet.nodes().into_iter().find(|state| state.id.as_str() == node);
        let serves = |state: &Option<NodeState>| {
            state.as_ref().and_then(|state| state.serving).is_some_and(|s| s.version == Version(version))
        };
        until("the node serves", state, serves).await.unwrap()
    }
}

/// Stands before a control plane, hands everything on, and counts the chunks.
#[derive(Clone)]
struct Relay {
    target: Arc<Mutex<Uri>>,
    chunks: Arc<AtomicUsize>,
    manifests: Arc<AtomicUsize>,
}

impl Relay {
    async fn start(control: &ControlPlane) -> (Self, Uri) {
        let target = Arc::new(Mutex::new(control.address.clone()));
        let relay = Self { target, chunks: Arc::default(), manifests: Arc::default() };
        let (listener, address) = listen().await;
        let service = DiscoveryServiceServer::new(relay.clone());
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
        (relay, address)
    }

    fn turn_to(&self, control: &ControlPlane) {
        *self.target.lock().unwrap() = control.address.clone();
    }

    /// Chunks that went by since the last call.
    fn chunks(&self) -> usize {
        self.chunks.swap(0, Ordering::Relaxed)
    }

    /// Manifests that went by since the last call.
    fn manifests(&self) -> usize {
        self.manifests.swap(0, Ordering::Relaxed)
    }
}

#[tonic::async_trait]
impl DiscoveryService for Relay {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<ControlMessage, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let target = self.target.lock().unwrap().clone();
        let mut client =
            DiscoveryServiceClient::connect(target).await.map_err(|error| Status::unavailable(error.to_string()))?;
        let said = request.into_inner().map_while(Result::ok);
        let heard = client.subscribe(said).await?.into_inner();
        let (chunks, manifests) = (Arc::clone(&self.chunks), Arc::clone(&self.manifests));
        let counted = heard.map(move |message| {
            match message.as_ref().ok().and_then(|message| message.kind.as_ref()) {
                Some(Kind::BundleChunk(_)) => _ = chunks.fetch_add(1, Ordering::Relaxed),
                Some(Kind::Manifest(_) | Kind::ManifestDelta(_)) => _ = manifests.fetch_add(1, Ordering::Relaxed),
                _ => {}
            }
            message
        });
        Ok(Response::new(Box::pin(counted)))
    }
}

/// The part of a node that this is about.
struct Node {
    live_table: LiveTable,
    status: SubscriberStatus,
    _stop: oneshot::Sender<()>,
}

impl Node {
    fn start(id: &str, control_planes: &[&Uri]) -> Self {
        Self::start_with(id, control_planes, Duration::from_secs(600))
    }

    fn start_with(id: &str, control_planes: &[&Uri], stream_age_max: Duration) -> Self {
        let (live_table, status) = (LiveTable::new(), SubscriberStatus::new());
        let settings = subscriber::Settings {
            node_id: id.to_owned(),
            instance: 1,
            control_planes: control_planes.iter().copied().cloned().collect(),
            link: Arc::default(),
            build: "test/1".to_owned(),
            labels: BTreeMap::new(),
            stream_age_max,
            stale_after: Duration::from_secs(600),
            recent: RecentRequests::default(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(subscriber::run(settings, None, live_table.clone(), status.clone(), async {
            let _ = stopped.await;
        }));
        Self { live_table, status, _stop: stop }
    }

    fn stage(&self, api: &str) -> Arc<StageTable> {
        let table = self.live_table.load();
        table.stages().find(|stage| stage.key().rest_api_id.as_str() == api).cloned().unwrap()
    }
}

fn bundle(api: &str, description: &str) -> Bytes {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = api.into();
    definition.rest_api.description = description.into();
    let stage = Stage { rest_api_id: api.into(), stage_name: "v1".into(), ..Stage::default() };
    encode(&Bundle::new(definition, stage)).unwrap().1
}

/// A publication of these bundles, whatever they hold.
fn publication(version: u64, bundles: &[(&str, Bytes)]) -> Arc<Publication> {
    let built = |(api, bytes): &(&str, Bytes)| {
        let key = BundleKey { rest_api_id: (*api).into(), stage_name: "v1".into() };
        (key, Some(Built { hash: bundle_hash(bytes), bytes: bytes.clone(), table: None }))
    };
    let changes = Changes { bundles: bundles.iter().map(built).collect(), base_path_mappings: Some(Vec::new()) };
    Arc::new(Publication::default().with(changes).numbered(Version(version)))
}

#[tokio::test]
async fn a_late_node_gets_everything_and_a_change_of_one_bundle_sends_that_one() {
    let control = ControlPlane::start(&publication(1, &[("a", bundle("a", "1")), ("b", bundle("b", "1"))])).await;
    let (relay, address) = Relay::start(&control).await;
    let node = Node::start("n1", &[&address]);
    control.serves("n1", 1).await;
    assert_eq!(relay.chunks(), 2);
    let before = (node.stage("a"), node.stage("b"));

    let second = publication(2, &[("a", bundle("a", "2")), ("b", bundle("b", "1"))]);
    control.publisher.publish(Arc::clone(&second));
    control.serves("n1", 2).await;
    assert_eq!(relay.chunks(), 1);
    assert!(!Arc::ptr_eq(&before.0, &node.stage("a")), "the changed one was compiled");
    assert!(Arc::ptr_eq(&before.1, &node.stage("b")), "the other one was not");
    assert_eq!(node.live_table.load().root_hash(), second.manifest.root_hash);

    let late = Node::start("n2", &[&address]);
    let state = control.serves("n2", 2).await;
    assert_eq!((relay.chunks(), state.refusals), (2, vec![]));
    assert_eq!(late.live_table.load().root_hash(), second.manifest.root_hash);
}

#[tokio::test]
async fn a_control_plane_that_starts_anew_transfers_nothing_that_the_node_holds() {
    let first = publication(1, &[("a", bundle("a", "1")), ("b", bundle("b", "1"))]);
    let control = ControlPlane::start(&first).await;
    let (relay, address) = Relay::start(&control).await;
    let node = Node::start("n1", &[&address]);
    control.serves("n1", 1).await;
    assert_eq!((relay.chunks(), relay.manifests()), (2, 1));
    let before = node.live_table.load();

    control.stop().await;
    until("the node notices", async || node.status.is_connected(), |connected| !connected).await;
    assert!(node.live_table.is_ready());
    assert!(Arc::ptr_eq(&before, &node.live_table.load()), "what serves keeps serving");

    let control = ControlPlane::start(&first).await;
    relay.turn_to(&control);
    control.serves("n1", 1).await;
    until("it is asked again", async || relay.manifests(), |count| *count == 1).await;
    assert_eq!(relay.chunks(), 0);
    assert!(Arc::ptr_eq(&before, &node.live_table.load()));

    control.publisher.publish(publication(2, &[("a", bundle("a", "2")), ("b", bundle("b", "1"))]));
    control.serves("n1", 2).await;
    assert_eq!(relay.chunks(), 1);
}

#[tokio::test]
async fn a_refused_bundle_keeps_the_one_before_and_is_not_sent_again() {
    let control = ControlPlane::start(&publication(1, &[("a", bundle("a", "1")), ("b", bundle("b", "1"))])).await;
    let (relay, address) = Relay::start(&control).await;
    let node = Node::start("n1", &[&address]);
    control.serves("n1", 1).await;
    let before = node.stage("a");
    relay.chunks();

    let broken = Bytes::from_static(&[0xff; 16]);
    control.publisher.publish(publication(2, &[("a", broken.clone()), ("b", bundle("b", "2"))]));
    let state = control.serves("n1", 2).await;
    assert_eq!(relay.chunks(), 2);
    let [refusal] = &state.refusals[..] else { panic!("{:?}", state.refusals) };
    assert_eq!(refusal.bundle.as_ref().map(|(hash, _)| *hash), Some(bundle_hash(&broken)));
    assert!(Arc::ptr_eq(&before, &node.stage("a")), "the old a serves");

    let third = publication(3, &[("a", broken.clone()), ("b", bundle("b", "3"))]);
    control.publisher.publish(Arc::clone(&third));
    assert_eq!(control.serves("n1", 3).await.refusals.len(), 1);
    assert_eq!(relay.chunks(), 1, "only b travels");

    // Nor by a control plane that never heard of the refusal.
    control.stop().await;
    let control = ControlPlane::start(&third).await;
    relay.turn_to(&control);
    let refused = async || control.fleet.nodes().first().map(|state| state.refusals.len());
    until("the refusal is known again", refused, |count| *count == Some(1)).await;
    assert_eq!(relay.chunks(), 0);
    assert!(Arc::ptr_eq(&before, &node.stage("a")));

    control.publisher.publish(publication(4, &[("a", bundle("a", "4")), ("b", bundle("b", "3"))]));
    assert!(control.serves("n1", 4).await.refusals.is_empty());
    assert_eq!(relay.chunks(), 1);
}

#[tokio::test]
async fn a_control_plane_that_lost_its_store_is_refused_and_says_so() {
    let control = ControlPlane::start(&publication(7, &[("a", bundle("a", "7"))])).await;
    let (relay, address) = Relay::start(&control).await;
    let node = Node::start("n1", &[&address]);
    control.serves("n1", 7).await;
    control.stop().await;

    let control = ControlPlane::start(&publication(1, &[("a", bundle("a", "1"))])).await;
    relay.turn_to(&control);
    let reasons = async || {
        let nodes = control.fleet.nodes();
        nodes.iter().flat_map(|state| &state.refusals).map(|refusal| refusal.reason.clone()).collect::<Vec<_>>()
    };
    let reasons = until("the refusal is shown", reasons, |reasons| !reasons.is_empty()).await;
    assert_eq!(reasons, ["version 1 is older than version 7, which serves"]);
    assert_eq!(node.live_table.load().version(), Version(7));
    assert_eq!(control.fleet.nodes()[0].serving.unwrap().version, Version(7), "it shows what really serves");
}

#[tokio::test]
async fn a_node_moves_to_the_control_plane_that_lives() {
    let first = publication(1, &[("a", bundle("a", "1"))]);
    let (one, two) = (ControlPlane::start(&first).await, ControlPlane::start(&first).await);
    let node = Node::start("n1", &[&one.address, &two.address]);
    one.serves("n1", 1).await;
    one.stop().await;
    two.serves("n1", 1).await;
    two.publisher.publish(publication(2, &[("a", bundle("a", "2"))]));
    two.serves("n1", 2).await;
    assert_eq!(node.live_table.load().version(), Version(2));
}

#[tokio::test]
async fn old_streams_spread_over_the_control_planes_without_a_transfer_and_without_a_gap() {
    let first = publication(1, &[("a", bundle("a", "1")), ("b", bundle("b", "1"))]);
    let (one, two) = (ControlPlane::start(&first).await, ControlPlane::start(&first).await);
    let (relays, addresses) = (Relay::start(&one).await, Relay::start(&two).await);
    let ((relay_one, at_one), (relay_two, at_two)) = (relays, addresses);
    let node = Node::start_with("n1", &[&at_one, &at_two], Duration::from_secs(1));
    one.serves("n1", 1).await;
    let before = node.live_table.load();
    assert_eq!((relay_one.chunks(), relay_two.chunks()), (2, 0));

    two.serves("n1", 1).await;
    assert_eq!((relay_one.chunks(), relay_two.chunks()), (0, 0), "it says what it holds");
    assert!(Arc::ptr_eq(&before, &node.live_table.load()) && node.status.is_connected());
    // It goes to and fro, and a change reaches it wherever it is.
    for version in 2..=6 {
        let next = publication(version, &[("a", bundle("a", &version.to_string())), ("b", bundle("b", "1"))]);
        one.publisher.publish(Arc::clone(&next));
        two.publisher.publish(Arc::clone(&next));
        let serving = async || node.live_table.load().version();
        until("the change arrives", serving, |&now| now == Version(version)).await;
    }
    let back = async || one.fleet.nodes()[0].serving.map(|serving| serving.version);
    until("it comes back to the first", back, |&now| now == Some(Version(6))).await;
    assert!(relay_one.chunks() + relay_two.chunks() <= 2 * 5, "one bundle for each change, twice at most");
}
