//! Busy connections that the kernel has put on one worker do not stay there together while another worker idles.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, mock, with};
use harness::upstream::read_head;
use harness::wait::{bounded, until};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Connections that are wanted on one worker.
const TOGETHER: usize = 4;
/// Requests that tell which worker a connection is on: so few that no worker is busy because of them.
const PROBES: usize = 20;
/// Requests of a busy connection that are under way at a time.
const PIPELINED: usize = 50;

/// A proxy with two workers that answers by itself.
async fn world() -> World {
    let world = World::start_with(1, &["--workers", "2"]).await;
    let mut api = Api::at("any");
    api.route(
        "ANY",
        "/x",
        with(mock("{\"statusCode\": 200}"), json!({"responses": {"default": {"statusCode": "200"}}})),
    );
    api.register(&world).await;
    world
}

/// So many requests at once, all of which are answered.
async fn ask(stream: &mut TcpStream, requests: usize) {
    stream.write_all(&b"GET /x HTTP/1.1\r\nhost: any\r\n\r\n".repeat(requests)).await.unwrap();
    for _ in 0..requests {
        let head = String::from_utf8(bounded("an answer", read_head(stream)).await).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\ncontent-length: 0\r\n"), "{head}");
    }
}

async fn busy_seconds(world: &World) -> [f64; 2] {
    let of = async |worker: usize| {
        world.metric(0, &format!("penstock_proxy_worker_busy_seconds_total{{worker=\"{worker}\"}}")).await
    };
    [of(0).await, of(1).await]
}

async fn moved(world: &World) -> f64 {
    world.metric(0, "penstock_proxy_connections_moved_total").await
}

/// The worker that a connection is on, as the work of its requests shows.
async fn worker_of(world: &World, stream: &mut TcpStream) -> usize {
    let before = busy_seconds(world).await;
    for _ in 0..PROBES {
        ask(stream, 1).await;
    }
    let after = busy_seconds(world).await;
    usize::from(after[1] - before[1] > after[0] - before[0])
}

/// Connections of either worker: so many of one of them, whose number that is, and what the kernel gave the other one meanwhile.
async fn met(world: &World, together: usize) -> (usize, [Vec<TcpStream>; 2]) {
    let mut found = [Vec::new(), Vec::new()];
    loop {
        let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
        let worker = worker_of(world, &mut stream).await;
        found[worker].push(stream);
        if found[worker].len() == together {
            assert_eq!(moved(world).await, 0.0, "one after the other, none was busy for long");
            return (worker, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_connections_that_have_met_on_one_worker_are_shared_with_the_other() {
    let world = world().await;
    let (together, mut found) = met(&world, TOGETHER).await;
    let opened = found.iter().map(Vec::len).sum::<usize>() as f64;

    let idle = 1 - together;
    let before = busy_seconds(&world).await[idle];
    let stop = Arc::new(AtomicBool::new(false));
    let busy = found[together].drain(..).map(|mut stream| {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                ask(&mut stream, PIPELINED).await;
            }
            stream
        })
    });
    let busy: Vec<_> = busy.collect();
    until("some move", async || moved(&world).await, |&moved| moved >= 1.0).await;
    let works = async || busy_seconds(&world).await[idle] - before;
    until("the other worker works too", works, |&seconds| seconds > 0.5).await;
    stop.store(true, Ordering::Relaxed);
    for task in busy {
        // It has failed nothing, and goes on.
        let mut stream = task.await.unwrap();
        ask(&mut stream, 1).await;
    }
    // A connection is one wherever it is.
    assert_eq!(world.metric(0, "penstock_proxy_connections_accepted_total").await, opened);
    let open = async || world.metric(0, "penstock_proxy_connections_active").await;
    until("all that were closed are gone", open, |&open| open <= opened - TOGETHER as f64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_busy_connection_stays_where_it_is_and_the_others_leave_it() {
    let world = world().await;
    let (worker, mut found) = met(&world, 1 + TOGETHER).await;
    let mut others = found[worker].split_off(1);
    let mut busy = found[worker].pop().unwrap();
    let mut since = None;
    loop {
        for other in &mut others {
            ask(&mut busy, PIPELINED).await;
            ask(other, 1).await;
        }
        let seconds = busy_seconds(&world).await[worker];
        if moved(&world).await >= 1.0 && seconds - *since.get_or_insert(seconds) > 3.0 {
            break;
        }
    }
    assert_eq!(worker_of(&world, &mut busy).await, worker);
    let moved = moved(&world).await;
    assert!(moved <= TOGETHER as f64, "{moved} moves of {TOGETHER}: some went to and fro");
}
