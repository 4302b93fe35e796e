//! A thousand nodes on one control plane: how long one change takes to reach all of them, how they come back when it starts
//! anew, and what an idle one costs it. The nodes are real subscribers with connections, streams and routing tables of their own,
//! in one process; the control plane is a process beside it.
//!
//! `cargo bench -p penstock-tests --bench fleet [-- NODES]`, after `cargo build --release`. The figures are in `benches/README.md`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do than to say where")]

use harness::rollout::change;
use harness::upstream::Upstream;
use harness::world::document;
use harness::{World, cpu, memory};
use penstock_data_plane::live_table::LiveTable;
use penstock_data_plane::recent::RecentRequests;
use penstock_data_plane::subscriber::{self, Settings, SubscriberStatus};
use penstock_proto::management::v1::ListNodesRequest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nodes when nothing else is asked for.
const NODES: usize = 1_000;
/// Routes of the one API.
const ROUTES: usize = 20;
/// Changes that are measured.
const CHANGES: u64 = 20;
/// Between two looks at the nodes, while they come.
const LOOK: Duration = Duration::from_millis(50);
/// Longer than two heartbeats.
const IDLE: Duration = Duration::from_secs(12);
/// Between two changes, so that each is measured alone.
const BETWEEN: Duration = Duration::from_millis(200);
/// Long enough that nodes have begun to wait longer, as they do when nobody starts a control plane again at once.
const DOWN: Duration = Duration::from_secs(3);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

fn api(upstream: &Upstream, mark: u64) -> serde_json::Value {
    let paths: Vec<String> = (0..ROUTES).map(|route| format!("/r{route}")).collect();
    let to = |route: usize| format!("http://{}/{mark}/{route}", upstream.address);
    let all: Vec<_> = paths.iter().enumerate().map(|(at, path)| ("GET", path.as_str(), to(at))).collect();
    document("api", &all)
}

/// Waits until this many nodes are connected and serve what is published.
async fn all_serve(world: &World, nodes: usize) -> Duration {
    let begun = Instant::now();
    let mut fleet = world.fleet().await;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let answer = fleet.list_nodes(ListNodesRequest {}).await.unwrap().into_inner();
        let serve =
            |version| answer.items.iter().filter(|node| node.connected && node.applied_version >= version).count();
        if serve(answer.version) == nodes {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {nodes} serve", serve(answer.version));
    }
}

/// Lets everything go on by itself.
async fn idle_for(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

async fn run() {
    let nodes = std::env::args().filter(|argument| !argument.starts_with("--")).nth(1);
    let nodes = nodes.map_or(NODES, |nodes| nodes.parse().unwrap());
    let upstream = Upstream::mirror("up").await;
    let mut world = World::start(0).await;
    let id = world.register(&api(&upstream, 0)).await.rest_api.unwrap().id;
    let alone = memory::resident_bytes(world.control.pid());

    for number in 0..nodes {
        let settings = Settings {
            node_id: format!("node-{number}"),
            instance: 1,
            control_planes: vec![world.grpc_url().parse().unwrap()],
            link: Arc::default(),
            build: "bench".to_owned(),
            labels: BTreeMap::new(),
            stale_after: PATIENCE,
            stream_age_max: Duration::from_secs(1_800),
            recent: RecentRequests::default(),
        };
        let (live_table, status) = (LiveTable::new(), SubscriberStatus::new());
        tokio::spawn(subscriber::run(settings, None, live_table, status, std::future::pending()));
    }
    println!("{nodes} nodes came within {:.1} s", all_serve(&world, nodes).await.as_secs_f64());
    idle_for(IDLE).await;
    let idle = memory::resident_bytes(world.control.pid()).saturating_sub(alone);
    println!("an idle node costs the control plane {:.1} KiB", idle as f64 / 1024.0 / nodes as f64);

    let mut reached = Vec::new();
    let mut answered = Vec::new();
    for mark in 1..=CHANGES {
        let (call, reach) = change(&world, &id, &api(&upstream, mark), nodes).await;
        answered.push(millis(call));
        reached.push(millis(reach));
        idle_for(BETWEEN).await;
    }
    answered.sort_by(f64::total_cmp);
    reached.sort_by(f64::total_cmp);
    let (middle, last) = (reached.len() / 2, reached.len() - 1);
    println!(
        "{CHANGES} changes: answered within {:.0} ms (median; most {:.0}), and served by all {:.0} ms later (median; most {:.0})",
        answered[middle], answered[last], reached[middle], reached[last]
    );

    world.kill_control();
    idle_for(DOWN).await;
    world.restart_control();
    let watch = memory::Watch::start(world.control.pid());
    let back = all_serve(&world, nodes).await;
    println!(
        "killed, and started again 3 s later: all {nodes} back after {:.1} s, for {:.2} s of its processor time and at most {:.0} MiB",
        back.as_secs_f64(),
        cpu::time_of(world.control.pid()).as_secs_f64(),
        watch.stop() as f64 / 1_048_576.0
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Nodes compile there: with hundreds of threads they would measure the scheduler.
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run());
    // The nodes never end by themselves.
    runtime.shutdown_background();
}
