//! Nodes that do not play along, many of them: some never read what they are sent, some refuse everything, some say
//! nothing. The others do not wait for them, and the control plane does not grow with them.

use crate::CONVERGENCE_MAX;
use harness::memory::Watch;
use harness::stranger::{Manner, Stranger};
use harness::traffic::Traffic;
use harness::wait::until_within;
use harness::world::document;
use harness::writers::{Writers, upstreams};
use harness::{World, full, memory, sized};
use penstock_proto::management::v1::rest_api_service_client::RestApiServiceClient;
use penstock_proto::management::v1::{ListNodesRequest, Node};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::{Channel, Endpoint};

const PROXIES: [usize; 2] = [0, 1];
/// Routes of the API that is sent again and again: more than the buffers take of a node that does not read.
const ROUTES: usize = 2_000;
/// What HTTP/2 lets a server send before anybody has read anything, in bytes; the least that it may be.
const WINDOW_BYTES: u32 = 65_535;
/// How long a node may leave waiting what it does not read: 30 s, and up to a heartbeat until somebody looks.
const STALL_MAX: Duration = Duration::from_secs(40);
/// How long it may leave unanswered what the buffers of its connection have taken: 60 s, and as much.
const ANSWER_MAX: Duration = Duration::from_secs(70);
/// What a control plane may hold for one node that does not read: one publication, and what is in the buffers of its
/// connection.
const BYTES_PER_NODE_MAX: u64 = 4 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_never_read_or_refuse_everything_hold_up_nobody() {
    let world = World::start(PROXIES.len()).await;
    let large = |number: usize| -> Value {
        let paths: Vec<String> = (0..ROUTES).map(|path| format!("/{number}/{path}")).collect();
        let routes: Vec<_> =
            paths.iter().map(|path| ("GET", path.as_str(), "http://127.0.0.1:1/".to_owned())).collect();
        document("large", &routes)
    };
    let api = world.register_at(&large(0), "*", "large").await.rest_api.unwrap().id;
    let clients = vec![RestApiServiceClient::new(world.lasting_channel())];
    let writers = Writers::start(clients, upstreams().await).await;
    let proxies: Vec<_> = world.proxies.iter().map(|proxy| proxy.address("proxy")).collect();
    let traffic = Traffic::on(&proxies, writers.ceiling());
    let mut client = world.rest_apis().await;
    let (mut strangers, mut slowest, mut number) = (Vec::new(), Duration::ZERO, 0);
    let mut change = async || {
        number += 1;
        World::overwrite(&mut client, &api, &large(number)).await;
        let begun = Instant::now();
        let _quiet = writers.quiet().await;
        world.converged_within(CONVERGENCE_MAX, &PROXIES, writers.expected().version).await;
        begun.elapsed()
    };
    for _ in 0..3 {
        change().await;
    }
    let before = memory::resident_bytes(world.control.pid());
    let watch = Watch::start(world.control.pid());
    let relay = deaf_relay(world.control.address("grpc")).await;
    // Of each kind.
    let count = sized(4, 20);
    for stranger in 0..count {
        // Each at another version, so that what is held for one is not held for the next one too.
        strangers.extend(five(&world, relay, stranger).await);
        slowest = slowest.max(change().await);
    }
    for _ in 0..sized(2, 200) {
        slowest = slowest.max(change().await);
    }
    let refusing = async || nodes(&world, |node| node.connected && !node.refusals.is_empty()).await;
    let refusing =
        until_within(CONVERGENCE_MAX, "who refuses is shown", refusing, |refusing| refusing.len() == 2 * count).await;
    assert!(refusing.iter().all(|id| id.starts_with("refuses")), "{refusing:?}");
    for (kind, bound) in [("deaf-stream", STALL_MAX), ("deaf-socket", ANSWER_MAX)] {
        if kind == "deaf-stream" || full() {
            let deaf = async || nodes(&world, |node| node.connected && node.id.starts_with(kind)).await;
            until_within(bound, "who does not read is dropped", deaf, Vec::is_empty).await;
        }
    }
    slowest = slowest.max(change().await);

    let grown = watch.stop().saturating_sub(before);
    println!("{} KiB more for {} strangers, slowest {slowest:?}", grown / 1024, strangers.len());
    assert!(grown < BYTES_PER_NODE_MAX * strangers.len() as u64, "{grown} bytes");
    traffic.end().await;
    writers.end().await;
}

/// One of each kind.
async fn five(world: &World, relay: SocketAddr, number: usize) -> [Stranger; 5] {
    let id = |kind: &str| format!("{kind}-{number}");
    let narrow = Endpoint::from_shared(world.grpc_url()).unwrap().initial_stream_window_size(WINDOW_BYTES);
    let through_relay = Channel::from_shared(format!("http://{relay}")).unwrap().connect_lazy();
    [
        Stranger::subscribe_deaf(narrow.connect_lazy(), &id("deaf-stream")).await,
        Stranger::subscribe_deaf(through_relay, &id("deaf-socket")).await,
        Stranger::subscribe_living(world.channel().await, &id("refuses-all"), Manner::RefusesAll).await,
        Stranger::subscribe_living(world.channel().await, &id("refuses-bundles"), Manner::RefusesBundles).await,
        Stranger::subscribe_living(world.channel().await, &id("silent"), Manner::Silent).await,
    ]
}

async fn nodes(world: &World, which: impl Fn(&Node) -> bool) -> Vec<String> {
    let nodes = world.fleet().await.list_nodes(ListNodesRequest {}).await.unwrap().into_inner().items;
    nodes.into_iter().filter(which).map(|node| node.id).collect()
}

/// Takes connections to a server on which nothing is ever read of what that says: not even its settings.
async fn deaf_relay(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(server).await.unwrap();
            tokio::spawn(async move {
                let (mut from_client, _to_client) = client.into_split();
                let (_unread, mut to_server) = server.split();
                // It ends with either of them.
                let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                let _ = from_client.read(&mut [0]).await;
            });
        }
    });
    address
}
