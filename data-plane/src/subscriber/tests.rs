//! The shell against a control plane that says what the test says, over real sockets.

use super::*;
use bytes::Bytes;
use penstock_model::bundle::{Bundle, BundleKey, BundleRef, Hash, Manifest};
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::Stage;
use penstock_model::id::Version;
use penstock_proto::convert::{bundle_hash, encode_bundle, manifest_root_hash, manifest_to_wire};
use penstock_proto::discovery::v1::control_message::Kind as Say;
use penstock_proto::discovery::v1::discovery_service_server::{DiscoveryService, DiscoveryServiceServer};
use penstock_proto::discovery::v1::node_message::Kind as Heard;
use penstock_proto::discovery::v1::{Activate, ActivationPolicy, Applied, BundleChunk, ControlMessage, NodeMessage};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// Longest wait for anything that a test waits for.
const WAIT: Duration = Duration::from_secs(20);

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(WAIT, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// One stream, in the hands of the test.
struct FakeStream {
    heard: Streaming<NodeMessage>,
    say: mpsc::Sender<Result<ControlMessage, Status>>,
}

struct FakeService {
    streams: mpsc::Sender<FakeStream>,
}

#[tonic::async_trait]
impl DiscoveryService for FakeService {
    type SubscribeStream = ReceiverStream<Result<ControlMessage, Status>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (say, said) = mpsc::channel(64);
        let stream = FakeStream { heard: request.into_inner(), say };
        self.streams.send(stream).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(said)))
    }
}

struct FakeControl {
    address: Uri,
    streams: mpsc::Receiver<FakeStream>,
}

impl FakeControl {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = uri(&listener);
        let (sender, streams) = mpsc::channel(4);
        let service = DiscoveryServiceServer::new(FakeService { streams: sender });
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        Self { address, streams }
    }

    async fn next_stream(&mut self) -> FakeStream {
        soon("a stream", self.streams.recv()).await.expect("the server lives as long as the test")
    }
}

fn uri(listener: &TcpListener) -> Uri {
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

impl FakeStream {
    /// The next message that is no heartbeat.
    async fn hear(&mut self) -> Heard {
        loop {
            let message = soon("a message of the node", self.heard.message()).await.unwrap();
            match message.expect("the stream goes on").kind.unwrap() {
                Heard::Heartbeat(_) => {}
                other => return other,
            }
        }
    }

    async fn hear_hello(&mut self) -> wire_types::Hello {
        match self.hear().await {
            Heard::Hello(hello) => hello,
            other => panic!("{other:?} instead of hello"),
        }
    }

    async fn hear_applied(&mut self) -> Applied {
        match self.hear().await {
            Heard::Applied(applied) => applied,
            other => panic!("{other:?} instead of applied"),
        }
    }

    async fn hear_refused(&mut self) -> wire_types::Refused {
        match self.hear().await {
            Heard::Refused(refused) => refused,
            other => panic!("{other:?} instead of refused"),
        }
    }

    async fn say(&self, kind: Say) {
        self.say.send(Ok(ControlMessage { kind: Some(kind) })).await.unwrap();
    }

    async fn push(&self, manifest: &Manifest, sent: &[&Bytes]) {
        self.say(Say::Manifest(manifest_to_wire(manifest))).await;
        for bytes in sent {
            let hash = bundle_hash(bytes).0.to_vec();
            self.say(Say::BundleChunk(BundleChunk { hash, offset: 0, data: (*bytes).clone(), last: true })).await;
        }
        let (version, root_hash) = (manifest.version.0, manifest.root_hash.0.to_vec());
        self.say(Say::Activate(Activate { version, root_hash, policy: ActivationPolicy::Quarantine.into() })).await;
    }
}

/// A node under test.
struct Node {
    live_table: LiveTable,
    status: SubscriberStatus,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Node {
    fn start(control_planes: Vec<Uri>) -> Self {
        let (live_table, status) = (LiveTable::new(), SubscriberStatus::new());
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
        let (stream_age_max, stale_after) = (Duration::from_secs(600), Duration::from_secs(600));
        let build = "test/1".to_owned();
        let settings = Settings {
            node_id: "n1".to_owned(),
            instance: 1,
            control_planes,
            link: Arc::default(),
            build,
            labels,
            stream_age_max,
            stale_after,
            recent: RecentRequests::default(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(run(settings, None, live_table.clone(), status.clone(), shutdown));
        Self { live_table, status, stop: Some(stop), task }
    }

    fn served(&self) -> (Version, Hash) {
        let table = self.live_table.load();
        (table.version(), table.root_hash())
    }
}

fn bundle(api: &str, description: &str) -> Bytes {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = api.into();
    definition.rest_api.description = description.into();
    let stage = Stage { rest_api_id: api.into(), stage_name: "v1".into(), ..Stage::default() };
    encode_bundle(&Bundle::new(definition, stage))
}

fn manifest(version: u64, bundles: &[(&str, &Bytes)]) -> Manifest {
    let reference = |(api, bytes): &(&str, &Bytes)| BundleRef {
        key: BundleKey { rest_api_id: (*api).into(), stage_name: "v1".into() },
        hash: bundle_hash(bytes),
        size_bytes: bytes.len() as u64,
    };
    let bundles: Vec<BundleRef> = bundles.iter().map(reference).collect();
    let root_hash = manifest_root_hash(&bundles, &[]);
    Manifest { version: Version(version), root_hash, bundles, base_path_mappings: [].into() }
}

#[tokio::test]
async fn a_node_moves_on_to_an_address_that_answers_and_says_applied_after_the_swap() {
    let nobody = uri(&TcpListener::bind("127.0.0.1:0").await.unwrap());
    let mut control = FakeControl::start().await;
    let node = Node::start(vec![nobody, control.address.clone()]);

    let mut stream = control.next_stream().await;
    let hello = stream.hear_hello().await;
    assert_eq!((hello.node_id.as_str(), hello.build.as_str(), hello.held_version), ("n1", "test/1", 0));
    assert_eq!((hello.labels["zone"].as_str(), hello.chunk_bytes_max), ("a", 262_144));
    assert!(!node.live_table.is_ready());

    let a = bundle("a", "");
    let first = manifest(1, &[("a", &a)]);
    stream.push(&first, &[&a]).await;
    let applied = stream.hear_applied().await;

    assert_eq!(node.served(), (first.version, first.root_hash), "applied means serving");
    assert_eq!((applied.version, applied.root_hash), (1, first.root_hash.0.to_vec()));
    assert!(node.live_table.is_ready() && node.status.is_connected());
}

#[tokio::test]
async fn a_node_without_control_plane_serves_on_and_comes_back_with_what_it_holds() {
    let mut control = FakeControl::start().await;
    let node = Node::start(vec![control.address.clone()]);
    let a = bundle("a", "");
    let first = manifest(1, &[("a", &a)]);
    let mut stream = control.next_stream().await;
    stream.hear_hello().await;
    stream.push(&first, &[&a]).await;
    stream.hear_applied().await;

    stream.say.send(Err(Status::unavailable("restarting"))).await.unwrap();
    drop(stream);

    let mut stream = control.next_stream().await;
    let hello = stream.hear_hello().await;
    assert_eq!((hello.held_version, hello.held_root_hash), (1, first.root_hash.0.to_vec()));
    assert_eq!(hello.held_bundles, [bundle_hash(&a).0.to_vec()]);
    assert!(node.live_table.is_ready());
    assert_eq!(node.served().0, Version(1));
    assert_eq!(node.status.snapshot()["lastFailure"], "restarting");
    stream.push(&first, &[]).await;
    assert_eq!(stream.hear_applied().await.version, 1);
}

#[tokio::test]
async fn a_bundle_that_does_not_compile_keeps_the_one_before() {
    let mut control = FakeControl::start().await;
    let node = Node::start(vec![control.address.clone()]);
    let (a, b) = (bundle("a", "1"), bundle("b", "1"));
    let mut stream = control.next_stream().await;
    stream.hear_hello().await;
    stream.push(&manifest(1, &[("a", &a), ("b", &b)]), &[&a, &b]).await;
    stream.hear_applied().await;
    let before = node.live_table.load();

    let (broken, newer) = (Bytes::from_static(&[0xff; 8]), bundle("b", "2"));
    let second = manifest(2, &[("a", &broken), ("b", &newer)]);
    stream.push(&second, &[&broken, &newer]).await;

    let refused = stream.hear_refused().await;
    assert_eq!((refused.version, refused.bundle_hash), (2, bundle_hash(&broken).0.to_vec()));
    assert!(refused.reason.starts_with("reading the bytes of a bundle"), "{}", refused.reason);
    assert_eq!(stream.hear_applied().await.version, 2);
    let after = node.live_table.load();
    let stage = |table: &penstock_model::table::RoutingTable, api: &str| {
        table.stages().find(|stage| stage.key().rest_api_id.as_str() == api).cloned().unwrap()
    };
    assert!(Arc::ptr_eq(&stage(&before, "a"), &stage(&after, "a")), "the old a serves");
    assert!(!Arc::ptr_eq(&stage(&before, "b"), &stage(&after, "b")), "the new b serves");
    assert!(node.status.last_refusal().is_some());
}

#[tokio::test]
async fn a_lying_control_plane_is_told_and_left() {
    let mut control = FakeControl::start().await;
    let node = Node::start(vec![control.address.clone()]);
    let mut stream = control.next_stream().await;
    stream.hear_hello().await;
    let (a, other) = (bundle("a", "1"), bundle("a", "2"));
    stream.say(Say::Manifest(manifest_to_wire(&manifest(1, &[("a", &a)])))).await;
    let hash = bundle_hash(&a).0.to_vec();
    stream.say(Say::BundleChunk(BundleChunk { hash, offset: 0, data: other, last: true })).await;

    let refused = stream.hear_refused().await;
    assert!(refused.bundle_hash.is_empty() && refused.reason.contains("other bytes"), "{}", refused.reason);
    let end = soon("the end of the stream", stream.heard.message()).await;
    assert!(matches!(end, Ok(None) | Err(_)), "{end:?}");
    assert!(!node.live_table.is_ready());

    control.next_stream().await.hear_hello().await;
}

#[tokio::test]
async fn shutdown_ends_the_stream_and_the_task() {
    let mut control = FakeControl::start().await;
    let mut node = Node::start(vec![control.address.clone()]);
    let mut stream = control.next_stream().await;
    stream.hear_hello().await;
    node.stop.take().unwrap().send(()).unwrap();
    soon("the end of the task", node.task).await.unwrap();
    let end = soon("the end of the stream", stream.heard.message()).await;
    assert!(matches!(end, Ok(None) | Err(_)), "{end:?}");
}
