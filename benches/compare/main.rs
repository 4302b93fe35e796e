//! Penstock beside the proxies that Debian packages: the same backend, the same generators, the same cores, processor time
//! as the kernel counts it. Prints tables in Markdown.
//!
//! `cargo bench --profile dist -p penstock-tests --bench compare [-- WORK...]`, after
//! `cargo build --profile dist -p penstock-control-plane -p penstock-data-plane` and
//! `apt-get install nginx haproxy h2o wrk nghttp2-client`. The figures and what they mean are in `benches/README.md`.
//! `PENSTOCK_BENCH_ROUNDS` and `PENSTOCK_BENCH_SECONDS` make it longer, `PENSTOCK_BENCH_ALONE` leaves the others out.
//!
//! `-- slowclients` and `-- shares` compare with nobody: the one measures good requests beside a thousand slow clients
//! (`apt-get install slowhttptest`), the other what becomes of busy connections that have met on one worker. `-- counts` counts
//! instructions and misses of the cache (`apt-get install valgrind`).

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do than to say where")]

mod account;
mod backend;
mod contestants;
mod counts;
mod forwarder;
mod load;
mod report;
mod shares;
mod slow_clients;
mod works;

use account::Neighbours;
use contestants::{Contestant, Kind, Setup};
use harness::world::temporary_directory;
use load::Seen;
use report::Row;
use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use works::{Conditions, Task, WORKS, Work};

/// Rounds of each work, and how long a generator of small requests runs in each, when nothing else is asked for.
const ROUNDS: u64 = 5;
const SECONDS: u64 = 2;
/// Rounds with slow clients, each of which takes half a minute.
const SLOW_CLIENTS_ROUNDS: u64 = 3;
/// Share of the machine that others may use beside a measurement before it is made again, and how often it is.
const NEIGHBOURS_MAX: f64 = 0.15;
const REPEATS_MAX: usize = 4;

/// The backend as a process of its own.
struct Backend {
    child: Child,
    address: SocketAddr,
    said: RefCell<BufReader<ChildStdout>>,
}

impl Backend {
    fn start(pin: &[String], role: &str) -> Self {
        let mut command = load::pinned(pin, &std::env::current_exe().unwrap());
        let mut child = command.args(["--role", role]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap(), said: RefCell::new(said) }
    }

    /// Lets a backend that is the generator too ask `to` so often a second, for so many seconds.
    fn pace(&self, to: SocketAddr, per_second: f64, seconds: u64) -> Seen {
        writeln!(self.child.stdin.as_ref().unwrap(), "{to} {per_second} {seconds}").unwrap();
        let mut line = String::new();
        self.said.borrow_mut().read_line(&mut line).unwrap();
        let numbers: Vec<f64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let &[requests, p50_us, p99_us] = &numbers[..] else { panic!("{line}") };
        Seen { requests, failed: 0.0, seconds: seconds as f64, p50_us, p99_us }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The words that put a program on these cores and, where we may, ahead of whatever else runs on the machine: as a real-time
/// process, because `nice` weighs only against processes of the same session.
fn on_cores(cores: &str) -> Vec<String> {
    let first: &[&str] = if may_go_first() { &["chrt", "-r", "1"] } else { &[] };
    first.iter().copied().chain(["taskset", "-c", cores]).map(str::to_owned).collect()
}

fn may_go_first() -> bool {
    std::process::Command::new("chrt").args(["-r", "1", "true"]).status().is_ok_and(|status| status.success())
}

/// What is said on all works alike.
struct Bench {
    directory: PathBuf,
    cores: usize,
    rounds: u64,
    seconds: u64,
    /// Whether nobody is compared with.
    is_alone: bool,
}

impl Bench {
    /// A work in rotated order, after a round that warms up.
    async fn run(&self, work: &Work) -> Vec<Row> {
        let all = format!("0-{}", self.cores - 1);
        let (ours, theirs) = if work.is_on_all_cores { (all.as_str(), all.as_str()) } else { ("0", "1") };
        let (pin, generators) = (on_cores(ours), on_cores(theirs));
        let is_fresh = works::wants_fresh_processes(work.task);
        let (role, on) = match work.task {
            // One thread, and not ahead of others: the kernel stops whoever is for 50 ms of each second, unless he sleeps.
            Task::Paced => ("backend-and-generator", &generators[generators.len() - 3..]),
            _ if work.is_on_all_cores || is_fresh => ("backend-that-sleeps", &generators[..]),
            _ => ("backend", &generators[..]),
        };
        let backend = Backend::start(on, role);
        let workers = if work.is_on_all_cores { self.cores } else { 1 };
        let is_large = matches!(work.task, Task::Transfer(_));
        let setup = Setup { workers, pin, is_large, backend: backend.address };
        let kinds: Vec<Kind> = std::iter::once(work.ours).chain(work.others.iter().copied()).collect();
        let takes_part = |kind: &Kind| kind.version().is_some() && (kind.is_ours() || !self.is_alone);
        let mut rows: Vec<Row> = kinds.into_iter().filter(takes_part).map(Row::new).collect();
        let mut kept = Vec::new();
        if !is_fresh {
            for row in &rows {
                kept.push(Contestant::start(row.kind, &setup, &self.directory).await);
            }
        }
        let mut conditions = Conditions {
            pin: &generators,
            directory: &self.directory,
            seconds: self.seconds,
            rate: 0.0,
            backend: &backend,
        };
        if work.task == Task::Paced {
            conditions.rate = third_of_saturation(&kept, &conditions);
        }
        let first = if is_fresh { 1 } else { 0 };
        for round in first..=self.rounds {
            for place in 0..rows.len() {
                let place = (place + usize::try_from(round).unwrap()) % rows.len();
                let row = &mut rows[place];
                let fresh;
                let contestant = if is_fresh {
                    fresh = Contestant::start(row.kind, &setup, &self.directory).await;
                    &fresh
                } else {
                    &kept[place]
                };
                let seen = quiet(work.task, contestant, &conditions, backend.child.id(), !is_fresh);
                // The first round warms up.
                if round > 0 {
                    row.add(seen);
                }
            }
        }
        rows
    }
}

/// A measurement beside which others did little, or the last of a few.
fn quiet(
    task: Task,
    contestant: &Contestant,
    conditions: &Conditions,
    backend: u32,
    repeats: bool,
) -> report::Measured {
    let mut family = contestant.whole_family();
    family.push(backend);
    let mut left = if repeats { REPEATS_MAX } else { 0 };
    loop {
        let neighbours = Neighbours::watch(family.clone());
        let (value, seen) = works::measure(task, contestant, conditions);
        let strange = neighbours.share();
        if strange <= NEIGHBOURS_MAX || left == 0 {
            return report::Measured { value, seen, strange };
        }
        left -= 1;
    }
}

/// A third of the requests a second that the fastest peer answers.
fn third_of_saturation(contestants: &[Contestant], conditions: &Conditions) -> f64 {
    let peers = contestants.iter().filter(|contestant| contestant.kind != Kind::Penstock);
    let rates = peers.map(|contestant| {
        let (_, seen) = works::measure(Task::Small(load::Small::Get), contestant, conditions);
        seen.requests / seen.seconds
    });
    let rate = rates.fold(0.0, f64::max) / 3.0;
    println!("\nA third of saturation is {rate:.0} requests a second.");
    rate
}

fn say_conditions(bench: &Bench, works: &[&Work]) {
    println!("# Penstock beside other proxies\n");
    let mut known = Vec::new();
    for kind in works.iter().flat_map(|work| std::iter::once(&work.ours).chain(work.others)) {
        let text =
            kind.version().unwrap_or_else(|| format!("**{} is missing: install Debian's package**", kind.name()));
        if !known.contains(&text) {
            println!("- {text}");
            known.push(text);
        }
    }
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("- Linux {}, {} cores, load average at the start {}", kernel.trim(), bench.cores, load.trim());
    let order =
        if may_go_first() { "ahead of other processes (SCHED_RR)" } else { "beside other processes (no SCHED_RR)" };
    println!("- contestant on core 0, generator and backend on core 1, except for `cores`; {order}");
    println!("- {} rounds in rotated order, {} s of small requests in each", bench.rounds, bench.seconds);
    println!("- generators read and write large bodies in pieces of {} KiB", works::GENERATOR_BYTES / 1024);
}

fn generators_are_there() -> bool {
    let there = |program: &str| std::process::Command::new(program).arg("--version").output().is_ok();
    let missing: Vec<&str> = ["wrk", "h2load", "taskset"].into_iter().filter(|program| !there(program)).collect();
    if !missing.is_empty() {
        println!("missing: {} (`apt-get install wrk nghttp2-client`)", missing.join(", "));
    }
    missing.is_empty()
}

async fn compare(names: &[String]) {
    for name in names {
        assert!(WORKS.iter().any(|work| work.name == name), "no work {name}; there are {}", report::names());
    }
    if !generators_are_there() {
        std::process::exit(1);
    }
    let works: Vec<&Work> =
        WORKS.iter().filter(|work| names.is_empty() || names.iter().any(|name| name == work.name)).collect();
    let bench = Bench {
        directory: temporary_directory(),
        cores: std::thread::available_parallelism().unwrap().get(),
        rounds: setting("PENSTOCK_BENCH_ROUNDS", ROUNDS),
        seconds: setting("PENSTOCK_BENCH_SECONDS", SECONDS),
        is_alone: setting("PENSTOCK_BENCH_ALONE", 0) > 0,
    };
    assert!(bench.cores > 1, "one core for the contestant and another one for everything else are needed");
    say_conditions(&bench, &works);
    let mut lines = Vec::new();
    for work in works {
        let rows = bench.run(work).await;
        report::print(work, &rows);
        lines.push(report::line(work, &rows));
    }
    report::print_lines(&lines);
    remove(&bench.directory);
}

/// Penstock alone, with a worker for each core, in front of a backend that sleeps. Everybody shares all cores as the kernel likes: ahead of
/// others, and of each other by turns of a tenth of a second, the generators' own loops would be what is measured.
async fn alone(measure: impl AsyncFnOnce(&Setup, &Path)) {
    let backend = Backend::start(&[], "backend-that-sleeps");
    let workers = std::thread::available_parallelism().unwrap().get();
    let setup = Setup { workers, pin: Vec::new(), is_large: false, backend: backend.address };
    let directory = temporary_directory();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{workers} cores, load average at the start {}", load.trim());
    measure(&setup, &directory).await;
    remove(&directory);
}

fn remove(directory: &Path) {
    let _ = std::fs::remove_dir_all(directory);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--role", "backend"] => backend::run(backend::Idling::Spins).await,
        ["--role", "backend-that-sleeps"] => backend::run(backend::Idling::Sleeps).await,
        ["--role", "backend-and-generator"] => backend::run(backend::Idling::Asks).await,
        ["--role", "forwarder", listen, backend] => {
            forwarder::run(listen.parse().unwrap(), backend.parse().unwrap()).unwrap();
        }
        ["--role", role, to] => load::play(role, to.parse().unwrap()).await,
        ["slowclients"] => {
            let rounds = setting("PENSTOCK_BENCH_ROUNDS", SLOW_CLIENTS_ROUNDS);
            alone(async |setup, directory| slow_clients::run(setup, directory, rounds).await).await;
        }
        ["counts"] => {
            let directory = temporary_directory();
            counts::run(&directory).await;
            remove(&directory);
        }
        ["shares"] => {
            let rounds = setting("PENSTOCK_BENCH_ROUNDS", ROUNDS);
            alone(async |setup, directory| shares::run(setup, directory, rounds).await).await;
        }
        _ => compare(&arguments).await,
    }
}
