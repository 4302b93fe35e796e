//! The service over real sockets, with nodes that behave and nodes that do not.

use super::samples::publication;
use super::*;
use crate::publication::Publication;
use penstock_model::bundle::Hash;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::Code;
use tonic::transport::{Channel, Server};
use wire::control_message::Kind as Said;
use wire::discovery_service_client::DiscoveryServiceClient;
use wire::node_message::Kind as Say;

/// Longest wait for anything that a test waits for.
const WAIT: Duration = Duration::from_secs(20);

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(WAIT, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

struct World {
    publisher: Arc<Publisher>,
    fleet: Arc<Fleet>,
    stop: watch::Sender<bool>,
    channel: Channel,
}

impl World {
    async fn start(first: Arc<Publication>, limits: Limits) -> Self {
        let (publisher, fleet) = (Arc::new(Publisher::new(first)), Arc::new(Fleet::default()));
        let stop = watch::Sender::new(false);
        let discovery = Discovery::new(Arc::clone(&publisher), Arc::clone(&fleet), limits, || 1, stop.subscribe());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = discovery.add_to(Routes::default());
        tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(TcpListenerStream::new(listener)));
        let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
        Self { publisher, fleet, stop, channel }
    }

    async fn open(&self) -> Node {
        let (say, said) = mpsc::channel(16);
        let mut client = DiscoveryServiceClient::new(self.channel.clone());
        let heard = client.subscribe(ReceiverStream::new(said)).await.unwrap().into_inner();
        Node { say, heard }
    }

    async fn join(&self, id: &str, held: &[Hash]) -> Node {
        let node = self.open().await;
        let held_bundles = held.iter().map(|hash| hash.0.to_vec()).collect();
        node.say(Say::Hello(wire::Hello { node_id: id.to_owned(), held_bundles, ..Default::default() })).await;
        node
    }

    /// Polls the fleet, which nobody can wait for.
    async fn until(&self, what: &str, is_true: impl Fn(&Fleet) -> bool) {
        let wait = async {
            while !is_true(&self.fleet) {
                tokio::task::yield_now().await;
            }
        };
        soon(what, wait).await;
    }
}

struct Node {
    say: mpsc::Sender<wire::NodeMessage>,
    heard: Streaming<wire::ControlMessage>,
}

impl Node {
    async fn say(&self, kind: Say) {
        self.say.send(wire::NodeMessage { kind: Some(kind) }).await.unwrap();
    }

    /// The next message that is no heartbeat.
    async fn hear(&mut self) -> Said {
        loop {
            match soon("a message", self.heard.message()).await.unwrap().expect("the stream goes on").kind.unwrap() {
                Said::Heartbeat(_) => {}
                other => return other,
            }
        }
    }

    /// Everything up to the activation: its version, and the number of chunks.
    async fn hear_offer(&mut self) -> (u64, usize) {
        let Said::Manifest(manifest) = self.hear().await else { panic!("no manifest") };
        let mut chunks = 0;
        loop {
            match self.hear().await {
                Said::BundleChunk(_) => chunks += 1,
                Said::Activate(activate) => {
                    assert_eq!((activate.version, &activate.root_hash), (manifest.version, &manifest.root_hash));
                    return (activate.version, chunks);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn apply(&self, publication: &Publication) {
        let (version, root_hash) = (publication.version.0, publication.manifest.root_hash.0.to_vec());
        self.say(Say::Applied(wire::Applied {
            version,
            root_hash,
            route_count: 1,
            build_time_us: 1,
            ..Default::default()
        }))
        .await;
    }

    /// The last word of the control plane.
    async fn end(mut self) -> Status {
        loop {
            match soon("the end", self.heard.message()).await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok(""),
                Err(status) => return status,
            }
        }
    }
}

#[tokio::test]
async fn a_late_node_gets_everything_and_a_change_sends_one_bundle() {
    let first = publication(1, &[("a", "1"), ("b", "1")]);
    let world = World::start(Arc::clone(&first), Limits::default()).await;
    let mut node = world.join("n", &[]).await;
    assert_eq!(node.hear_offer().await, (1, 2));
    node.apply(&first).await;

    let second = publication(2, &[("a", "2"), ("b", "1")]);
    world.publisher.publish(Arc::clone(&second));
    assert_eq!(node.hear_offer().await, (2, 1));
    node.apply(&second).await;
    let serves = |fleet: &Fleet| fleet.nodes()[0].serving.is_some_and(|s| s.version == second.version);
    world.until("version 2 serves", serves).await;

    let mut late = world.join("late", &[]).await;
    assert_eq!(late.hear_offer().await, (2, 2));
}

#[tokio::test]
async fn a_node_that_comes_back_is_sent_nothing_that_it_holds() {
    let first = publication(1, &[("a", "1"), ("b", "1")]);
    let held: Vec<Hash> = first.manifest.bundles.iter().map(|bundle| bundle.hash).collect();
    let world = World::start(first, Limits::default()).await;
    assert_eq!(world.join("n", &held).await.hear_offer().await, (1, 0));
}

#[tokio::test]
async fn bursts_coalesce_while_a_node_is_busy() {
    let first = publication(1, &[("a", "1")]);
    let world = World::start(Arc::clone(&first), Limits::default()).await;
    let mut node = world.join("n", &[]).await;
    node.hear_offer().await;
    (2..=100).for_each(|version| world.publisher.publish(publication(version, &[("a", "2")])));
    node.apply(&first).await;
    assert_eq!(node.hear_offer().await, (100, 1));
}

#[tokio::test]
async fn the_newer_of_two_streams_with_one_id_wins() {
    let world = World::start(publication(1, &[]), Limits::default()).await;
    let mut older = world.join("n", &[]).await;
    older.hear_offer().await;
    let mut newer = world.join("n", &[]).await;
    newer.hear_offer().await;
    let end = older.end().await;
    assert_eq!((end.code(), end.message()), (Code::AlreadyExists, "a newer stream has the same node id"));
    assert_eq!(world.fleet.connected_count(), 1);
}

#[tokio::test]
async fn a_stream_that_begins_wrongly_ends_with_a_reason() {
    let limits = Limits { hello_ms_max: 50, ..Limits::default() };
    let world = World::start(publication(1, &[]), limits).await;
    let node = world.open().await;
    node.say(Say::Heartbeat(wire::Heartbeat::default())).await;
    let end = node.end().await;
    assert_eq!((end.code(), end.message()), (Code::InvalidArgument, "hello must come first"));

    assert_eq!(world.join("", &[]).await.end().await.code(), Code::InvalidArgument);

    let end = world.open().await.end().await;
    assert_eq!((end.code(), end.message()), (Code::DeadlineExceeded, "no hello within 50 ms"));
    assert!(world.fleet.nodes().is_empty());
}

#[tokio::test]
async fn a_silent_node_is_dropped_and_one_that_speaks_is_not() {
    let limits = Limits { heartbeat_ms: 500, ..Limits::default() };
    let world = World::start(publication(1, &[]), limits).await;
    let silent = world.join("silent", &[]).await;
    let mut speaks = world.join("speaks", &[]).await;
    let end = soon("the end of the silent one", async {
        let mut end = std::pin::pin!(silent.end());
        loop {
            // It answers each message, heartbeats among them.
            tokio::select! {
                end = &mut end => return end,
                message = speaks.heard.message() => {
                    message.unwrap().expect("its stream goes on");
                    speaks.say(Say::Heartbeat(wire::Heartbeat::default())).await;
                }
            }
        }
    })
    .await;
    assert_eq!((end.code(), end.message()), (Code::DeadlineExceeded, "no message within 1500 ms"));
    let connected: Vec<bool> = world.fleet.nodes().iter().map(|node| node.connected).collect();
    assert_eq!(connected, [true, false]);
}

#[tokio::test]
async fn a_node_that_leaves_is_shown_as_gone() {
    let world = World::start(publication(1, &[]), Limits::default()).await;
    let mut node = world.join("n", &[]).await;
    node.hear_offer().await;
    drop(node);
    world.until("the node is gone", |fleet| fleet.connected_count() == 0).await;
    assert_eq!(world.fleet.nodes().len(), 1);
}

#[tokio::test]
async fn stopping_ends_every_stream_with_a_reason() {
    let world = World::start(publication(1, &[]), Limits::default()).await;
    let mut node = world.join("n", &[]).await;
    node.hear_offer().await;
    let nameless = world.open().await;
    world.stop.send_replace(true);
    for stream in [node, nameless] {
        let end = stream.end().await;
        assert_eq!((end.code(), end.message()), (Code::Unavailable, "the control plane is stopping"));
    }
}

/// Bundles of some MiB: more than every window between the two ends together.
fn large(version: u64) -> Arc<Publication> {
    let text = |seed: char| String::from(seed).repeat(8 << 20);
    publication(version, &[("a", &text('a')), ("b", &text('b'))])
}

#[tokio::test]
async fn a_node_that_does_not_read_costs_others_nothing() {
    let limits = Limits { full_syncs_max: 1, sync_ms_max: 50, ..Limits::default() };
    let world = World::start(large(1), limits).await;
    let stuck = world.join("stuck", &[]).await;
    world.until("it is there", |fleet| fleet.connected_count() == 1).await;
    // It took the one right to a full sync and holds it until its time is over.
    let mut other = world.join("other", &[]).await;
    assert_eq!(other.hear_offer().await, (1, 66));
    drop(stuck);
}

#[tokio::test]
async fn full_syncs_are_admitted_a_few_at_a_time_and_all_are_served() {
    let limits = Limits { full_syncs_max: 2, ..Limits::default() };
    let first = large(1);
    let world = World::start(Arc::clone(&first), limits).await;
    let nodes = (0..6).map(|number| {
        let world = &world;
        async move {
            let mut node = world.join(&format!("n{number}"), &[]).await;
            node.hear_offer().await
        }
    });
    let offers = soon("all syncs", futures_util::future::join_all(nodes)).await;
    assert_eq!(offers, [(1, 66); 6]);
    assert_eq!(world.fleet.nodes().len(), 6);
}
