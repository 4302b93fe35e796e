//! Busy connections that the kernel has put on one worker: what they get second by second, and how busy the workers are, from when
//! they begin until some have moved.

use crate::contestants::{Contestant, Kind, Setup};
use crate::load;
use harness::client;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Busy connections, all on one worker.
const TOGETHER: usize = 8;
/// Requests that tell which worker a connection is on.
const PROBES: usize = 200;
/// For how long they are watched, in seconds.
const SECONDS: usize = 6;

/// Each worker's busy time so far, in seconds, and the connections that have moved.
async fn seen(admin: SocketAddr) -> (Vec<f64>, f64) {
    let answer = client::get(admin, "admin", "/metrics").await;
    let values = |name: &str| -> Vec<f64> {
        let lines = answer.text().lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    };
    (values("penstock_proxy_worker_busy_seconds_total{"), values("penstock_proxy_connections_moved_total")[0])
}

/// Connections that are all on the same worker.
async fn together(to: SocketAddr, admin: SocketAddr, workers: usize) -> Vec<TcpStream> {
    let mut found: Vec<Vec<TcpStream>> = (0..workers).map(|_| Vec::new()).collect();
    loop {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let before = seen(admin).await.0;
        for _ in 0..PROBES {
            load::small(&mut stream).await;
        }
        let after = seen(admin).await.0;
        let more = |worker: &usize| after[*worker] - before[*worker];
        let worker = (0..workers).max_by(|one, other| more(one).total_cmp(&more(other))).unwrap();
        found[worker].push(stream);
        if found[worker].len() == TOGETHER {
            return found.swap_remove(worker);
        }
    }
}

/// What was seen in a second.
struct Second {
    requests: usize,
    p50: Duration,
    p99: Duration,
    /// Of the busier worker and of the idler one, in percent.
    busy: (f64, f64),
    moved: f64,
}

/// Watches connections that are busy from now on.
async fn watched(streams: Vec<TcpStream>, admin: SocketAddr) -> Vec<Second> {
    let times = Rc::<RefCell<Vec<Duration>>>::default();
    let over = Rc::<Cell<bool>>::default();
    let local = LocalSet::new();
    for mut stream in streams {
        let (times, over) = (Rc::clone(&times), Rc::clone(&over));
        local.spawn_local(async move {
            while !over.get() {
                let begun = Instant::now();
                load::small(&mut stream).await;
                times.borrow_mut().push(begun.elapsed());
            }
        });
    }
    let watch = async {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.tick().await;
        let mut before = seen(admin).await.0;
        let mut seconds = Vec::with_capacity(SECONDS);
        for _ in 0..SECONDS {
            tick.tick().await;
            let (now, moved) = seen(admin).await;
            let mut times = times.take();
            times.sort();
            let at = |per_cent: usize| times[times.len() * per_cent / 100];
            let shares = now.iter().zip(&before).map(|(now, before)| (now - before) * 100.0);
            let (most, least) =
                shares.fold((0.0, f64::MAX), |(most, least), share| (share.max(most), share.min(least)));
            seconds.push(Second { requests: times.len(), p50: at(50), p99: at(99), busy: (most, least), moved });
            before = now;
        }
        over.set(true);
        seconds
    };
    let seconds = local.run_until(watch).await;
    local.await;
    seconds
}

/// Measures with one proxy after the other and prints the medians as a table in Markdown.
pub(crate) async fn run(setup: &Setup, directory: &Path, rounds: u64) {
    let mut all = Vec::new();
    for _ in 0..rounds {
        let penstock = Contestant::start(Kind::Penstock, setup, directory).await;
        let admin = penstock.admin().unwrap();
        let streams = together(penstock.address, admin, setup.workers).await;
        all.push(watched(streams, admin).await);
    }
    println!("\n## Busy connections that have met\n");
    println!(
        "{TOGETHER} connections on one of {} workers ask one small GET after the other; {rounds} rounds.\n",
        setup.workers
    );
    println!("| second | requests | p50, µs | p99, µs | busiest worker | idlest | moved so far |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for second in 0..SECONDS {
        let of =
            |what: fn(&Second) -> f64| crate::report::median(all.iter().map(|round| what(&round[second])).collect());
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} % | {:.0} % | {:.0} |",
            second + 1,
            of(|seen| seen.requests as f64),
            of(|seen| seen.p50.as_secs_f64() * 1e6),
            of(|seen| seen.p99.as_secs_f64() * 1e6),
            of(|seen| seen.busy.0),
            of(|seen| seen.busy.1),
            of(|seen| seen.moved),
        );
    }
}
