//! How long a change takes from the answer of the management call until the last of ten proxies serves it, while clients ask
//! all of them; and what a large configuration costs a proxy.
//!
//! `cargo bench -p penstock-tests --bench propagation [-- APIS [CHANGES]]`, after `cargo build --release`. The figures are in
//! `benches/README.md`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do than to say where")]

use bytes::Bytes;
use harness::payload::Noise;
use harness::rollout::change;
use harness::upstream::{Upstream, whole};
use harness::world::document;
use harness::{World, client, cpu, memory};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response};
use penstock_proto::management::v1::ListNodesRequest;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// Proxies, each with one worker.
const NODES: usize = 10;
/// Routes of each API.
const ROUTES: usize = 100;
/// Clients, each with a connection to one of the proxies in turn.
const CLIENTS: usize = 20;
/// From one request of a client to the next.
const PAUSE: Duration = Duration::from_millis(10);
/// From one change to the next at least, so that each is measured alone.
const BETWEEN: Duration = Duration::from_millis(60);
/// APIs and changes when nothing else is asked for.
const APIS: usize = 100;
const CHANGES: u64 = 1_000;

/// What is served, and what every new request must see at least.
struct Served {
    /// By API: the newest mark that every proxy serves.
    newest: Vec<AtomicU64>,
    requests: AtomicU64,
    wrong: std::sync::Mutex<Vec<String>>,
    stop: AtomicBool,
}

fn api(upstream: SocketAddr, number: usize, mark: u64) -> serde_json::Value {
    let paths: Vec<String> = (0..ROUTES).map(|route| format!("/r{route}/{{id}}")).collect();
    let to = |route: usize| format!("http://{upstream}/{mark}/{number}/{route}/{{id}}");
    let all: Vec<_> = paths.iter().enumerate().map(|(at, path)| ("GET", path.as_str(), to(at))).collect();
    document(&format!("api {number}"), &all)
}

/// Asks for random routes and looks whether the answer comes from where it must.
async fn load(proxies: Vec<SocketAddr>, number: usize, served: Arc<Served>) {
    let mut noise = Noise::new(number as u64 + 1);
    let mut random = |below: usize| {
        let bytes: [u8; 8] = noise.take(8)[..8].try_into().unwrap();
        usize::try_from(u64::from_le_bytes(bytes) % below as u64).unwrap()
    };
    let proxy = proxies[number % proxies.len()];
    let mut connection = client::Connection::open(proxy).await;
    let mut pace = tokio::time::interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !served.stop.load(Ordering::Relaxed) {
        let (api, route) = (random(served.newest.len()), random(ROUTES));
        let at_least = served.newest[api].load(Ordering::SeqCst);
        let path = format!("/v{api}/r{route}/x");
        let request = Request::get(&path).header("host", "any").body(Empty::<Bytes>::new()).unwrap();
        let fault = match connection.send(request).await {
            Err(error) => Some(error.to_string()),
            Ok(response) => match response.into_body().collect().await {
                Err(error) => Some(error.to_string()),
                Ok(body) => judge(&String::from_utf8_lossy(&body.to_bytes()), api, route, at_least),
            },
        };
        served.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(fault) = fault {
            served.wrong.lock().unwrap().push(format!("{path}: {fault}"));
            connection = client::Connection::open(proxy).await;
        }
        pace.tick().await;
    }
}

/// What is wrong with an answer, which is the target that the upstream saw.
fn judge(target: &str, api: usize, route: usize, at_least: u64) -> Option<String> {
    let parts: Vec<&str> = target.trim_start_matches('/').split('/').collect();
    let right = matches!(&parts[..], [mark, of, at, "x"]
        if mark.parse::<u64>().is_ok_and(|mark| mark >= at_least)
            && **of == api.to_string() && **at == route.to_string());
    (!right).then(|| format!("{target}, and the mark must be at least {at_least}"))
}

fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

fn argument(position: usize) -> Option<u64> {
    std::env::args().filter(|argument| !argument.starts_with("--")).nth(position).and_then(|text| text.parse().ok())
}

async fn upstream() -> Upstream {
    Upstream::http(async |request| Response::new(whole(request.uri().to_string()))).await
}

#[tokio::main]
async fn main() {
    let apis = argument(1).map_or(APIS, |apis| usize::try_from(apis).unwrap());
    let changes = argument(2).unwrap_or(CHANGES);
    let up = upstream().await;
    let mut world = World::start(0).await;
    let begun = Instant::now();
    let mut ids = Vec::new();
    for number in 0..apis {
        let imported = world.register_at(&api(up.address, number, 0), "*", &format!("v{number}")).await;
        ids.push(imported.rest_api.unwrap().id);
    }
    println!("{apis} APIs of {ROUTES} routes imported in {:.1} s", begun.elapsed().as_secs_f64());

    let empty = idle_proxy().await;
    for _ in 0..NODES {
        world.add_proxy(&["--workers", "1"]).await;
    }
    world.settled().await;
    let nodes = world.fleet().await.list_nodes(ListNodesRequest {}).await.unwrap().into_inner().items;
    let longest = nodes.iter().map(|node| node.build_time_us).max().unwrap();
    let resident: u64 = world.proxies.iter().map(|proxy| memory::resident_bytes(proxy.pid())).max().unwrap();
    println!(
        "a proxy: {:.0} ms from the activate message to serving all of it (the longest), {:.2} KiB of memory for each route",
        longest as f64 / 1e3,
        (resident.saturating_sub(empty)) as f64 / 1024.0 / (apis * ROUTES) as f64,
    );

    let served = Arc::new(Served {
        newest: (0..apis).map(|_| AtomicU64::new(0)).collect(),
        requests: AtomicU64::new(0),
        wrong: std::sync::Mutex::default(),
        stop: AtomicBool::new(false),
    });
    let quiet = cost(&world, &ids, up.address, &served).await;
    println!("one changed API: {quiet:.2} ms of a proxy's processor time, nothing else running");

    let proxies: Vec<SocketAddr> = world.proxies.iter().map(|proxy| proxy.address("proxy")).collect();
    let load: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(load(proxies.clone(), number, Arc::clone(&served)))).collect();
    let (mut answered, mut serving) = (Vec::new(), Vec::new());
    let mut pace = tokio::time::interval(BETWEEN);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1..=changes {
        pace.tick().await;
        let (mark, changed) = (COST_CHANGES + number, usize::try_from(number).unwrap() % apis);
        let (call, reach) = change(&world, &ids[changed], &api(up.address, changed, mark), NODES).await;
        served.newest[changed].store(mark, Ordering::SeqCst);
        answered.push(call.as_secs_f64() * 1e3);
        serving.push(reach.as_secs_f64() * 1e3);
    }
    served.stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    answered.sort_by(f64::total_cmp);
    serving.sort_by(f64::total_cmp);
    println!(
        "{changes} changes: from the call to its answer p50 {:.1} ms, p99 {:.1} ms",
        at(&answered, 50),
        at(&answered, 99)
    );
    println!(
        "from the answer to serving on the last of {NODES} proxies p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
        at(&serving, 50),
        at(&serving, 99),
        at(&serving, 100)
    );
    let wrong = served.wrong.lock().unwrap();
    println!("{} requests meanwhile, {} failed or misrouted", served.requests.load(Ordering::Relaxed), wrong.len());
    assert!(wrong.is_empty(), "{:?}", &wrong[..wrong.len().min(5)]);
    assert!(served.requests.load(Ordering::Relaxed) > changes, "there was load");
}

/// Changes over which the cost of one is measured: the kernel counts processor time in steps of 10 ms.
const COST_CHANGES: u64 = 100;

/// Processor time of the first proxy for one changed API, in milliseconds.
async fn cost(world: &World, ids: &[String], upstream: SocketAddr, served: &Served) -> f64 {
    let pid = world.proxies[0].pid();
    let before = cpu::time_of(pid);
    for mark in 1..=COST_CHANGES {
        change(world, &ids[0], &api(upstream, 0, mark), NODES).await;
        served.newest[0].store(mark, Ordering::SeqCst);
    }
    (cpu::time_of(pid) - before).as_secs_f64() * 1e3 / COST_CHANGES as f64
}

/// Resident bytes of a proxy that serves nothing.
async fn idle_proxy() -> u64 {
    let world = World::start_with(1, &["--workers", "1"]).await;
    memory::resident_bytes(world.proxies[0].pid())
}
