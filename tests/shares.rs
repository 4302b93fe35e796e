//! Busy connections that the kernel has put on one worker do not stay there together while another worker idles.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::upstream::{Upstream, read_head};
use harness::wait::{bounded, until};
use harness::world::document;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections that are wanted on one worker.
const TOGETHER: usize = 4;
/// Requests that tell which worker a connection is on.
const PROBES: usize = 50;

/// One answered request.
async fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /x HTTP/1.1\r\nhost: any\r\n\r\n").await.unwrap();
    let head = String::from_utf8(bounded("an answer", read_head(stream)).await).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let bytes = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; bytes];
    bounded("its body", stream.read_exact(&mut body)).await.unwrap();
}

async fn busy_seconds(world: &World) -> [f64; 2] {
    let of = async |worker: usize| {
        world.metric(0, &format!("penstock_proxy_worker_busy_seconds_total{{worker=\"{worker}\"}}")).await
    };
    [of(0).await, of(1).await]
}

/// The worker that a connection is on, as the work of its requests shows.
async fn worker_of(world: &World, stream: &mut TcpStream) -> usize {
    let before = busy_seconds(world).await;
    for _ in 0..PROBES {
        ask(stream).await;
    }
    let after = busy_seconds(world).await;
    usize::from(after[1] - before[1] > after[0] - before[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_connections_that_have_met_on_one_worker_are_shared_with_the_other() {
    let upstream = Upstream::mirror("up").await;
    let world = World::start_with(1, &["--workers", "2"]).await;
    world.register(&document("shares", &[("ANY", "/{path+}", format!("http://{}/{{path}}", upstream.address))])).await;
    let mut found = [Vec::new(), Vec::new()];
    let together = loop {
        let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
        let worker = worker_of(&world, &mut stream).await;
        found[worker].push(stream);
        if found[worker].len() == TOGETHER {
            break worker;
        }
    };
    let opened = found.iter().map(Vec::len).sum::<usize>() as f64;
    let moved = async || world.metric(0, "penstock_proxy_connections_moved_total").await;
    assert!(moved().await < 1.0, "one after the other, no worker was busier than another for long");

    let idle = 1 - together;
    let before = busy_seconds(&world).await[idle];
    let stop = Arc::new(AtomicBool::new(false));
    let busy = found[together].drain(..).map(|mut stream| {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                ask(&mut stream).await;
            }
            stream
        })
    });
    let busy: Vec<_> = busy.collect();
    until("some move", moved, |&moved| moved >= 1.0).await;
    let works = async || busy_seconds(&world).await[idle] - before;
    until("the other worker works too", works, |&seconds| seconds > 0.5).await;
    stop.store(true, Ordering::Relaxed);
    for task in busy {
        // It has failed nothing, and goes on.
        let mut stream = task.await.unwrap();
        ask(&mut stream).await;
    }
    // A connection is one wherever it is.
    assert_eq!(world.metric(0, "penstock_proxy_connections_accepted_total").await, opened);
    let open = async || world.metric(0, "penstock_proxy_connections_active").await;
    until("all that were closed are gone", open, |&open| open <= opened - TOGETHER as f64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_busy_connection_stays_where_it_is() {
    let upstream = Upstream::mirror("up").await;
    let world = World::start_with(1, &["--workers", "2"]).await;
    world.register(&document("shares", &[("ANY", "/{path+}", format!("http://{}/{{path}}", upstream.address))])).await;
    let mut stream = TcpStream::connect(world.proxy()).await.unwrap();
    let worker = worker_of(&world, &mut stream).await;
    let before = busy_seconds(&world).await[worker];
    while busy_seconds(&world).await[worker] - before < 2.5 {
        ask(&mut stream).await;
    }
    assert_eq!(world.metric(0, "penstock_proxy_connections_moved_total").await, 0.0);
}
