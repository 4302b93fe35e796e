//! The works that are compared, each with its bar.

use crate::Backend;
use crate::account;
use crate::backend::PIECE_BYTES;
use crate::contestants::{Contestant, FEW_ROUTES, Kind, MANY_ROUTES};
use crate::load::{self, Seen, Small};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

/// What is done to a contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Small requests as fast as they go: processor time for each.
    Small(Small),
    /// The same over HTTP/2.
    Http2,
    /// `download` or `upload`: processor time for each GiB.
    Transfer(&'static str),
    /// Slow readers: the most memory.
    Slow,
    /// Idle connections: memory for each.
    Idle,
    /// A third of what the fastest peer can do: the time of the slowest hundredth.
    Paced,
}

/// What Penstock's figure is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// The lowest of these.
    Best(&'static [Kind]),
    /// Nothing: the figure itself has a bound.
    Nothing,
}

/// One row of the table.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) task: Task,
    pub(crate) ours: Kind,
    pub(crate) others: &'static [Kind],
    pub(crate) against: Against,
    pub(crate) bar: f64,
    /// One worker for each core and nothing pinned, instead of one worker on the first core.
    pub(crate) is_on_all_cores: bool,
}

const PEERS: &[Kind] = &[Kind::Nginx, Kind::Haproxy, Kind::H2o];
/// And what is below them, where each client keeps its connection.
const PEERS_AND_FLOOR: &[Kind] = &[Kind::Nginx, Kind::Haproxy, Kind::H2o, Kind::Forwarder];
const COPYING: &[Kind] = &[Kind::Nginx, Kind::Haproxy];
const HAPROXY: &[Kind] = &[Kind::Haproxy];

const fn work(name: &'static str, title: &'static str, task: Task, bar: f64) -> Work {
    Work {
        name,
        title,
        unit: "µs/request",
        task,
        ours: Kind::Penstock,
        others: PEERS,
        against: Against::Best(PEERS),
        bar,
        is_on_all_cores: false,
    }
}

const fn transfer(name: &'static str, title: &'static str) -> Work {
    Work {
        unit: "s/GiB",
        others: &[Kind::Nginx, Kind::Haproxy, Kind::HaproxySplice],
        against: Against::Best(COPYING),
        ..work(name, title, Task::Transfer(name), 0.95)
    }
}

/// All of them, in the order in which they are done.
pub(crate) const WORKS: &[Work] = &[
    Work { others: PEERS_AND_FLOOR, ..work("get", "GET of 1 KiB, 64 kept connections", Task::Small(Small::Get), 0.90) },
    Work {
        others: PEERS_AND_FLOOR,
        ..work("post", "POST of 4 KiB, echoed, 64 kept connections", Task::Small(Small::Post), 0.90)
    },
    Work {
        is_on_all_cores: true,
        ..work("cores", "the same GET, a worker for each core", Task::Small(Small::Get), 0.85)
    },
    transfer("download", "64 MiB down, 8 connections"),
    transfer("upload", "64 MiB up, 8 connections"),
    Work {
        unit: "MiB at most",
        others: &[Kind::Nginx, Kind::Haproxy],
        against: Against::Best(HAPROXY),
        ..work("slow", "200 slow readers of 16 MiB", Task::Slow, 1.1)
    },
    Work {
        against: Against::Best(HAPROXY),
        ..work("http2", "the same GET over HTTP/2, 16 × 32 streams", Task::Http2, 1.0)
    },
    work("close", "GET of 1 KiB, a connection for each", Task::Small(Small::Close), 1.1),
    Work {
        unit: "KiB/connection",
        against: Against::Nothing,
        ..work("idle", "5,000 idle connections", Task::Idle, 12.0)
    },
    Work {
        ours: MANY_ROUTES,
        others: &[FEW_ROUTES],
        against: Against::Best(&[FEW_ROUTES]),
        ..work("routes", "100,000 routes, random paths", Task::Small(Small::Get), 1.15)
    },
    Work { unit: "µs, p99", ..work("p99", "the same GET at a third of saturation", Task::Paced, 1.0) },
];

/// Where generators run and for how long.
pub(crate) struct Conditions<'a> {
    pub(crate) pin: &'a [String],
    pub(crate) directory: &'a Path,
    pub(crate) seconds: u64,
    /// Requests a second where they are paced.
    pub(crate) rate: f64,
    pub(crate) backend: &'a Backend,
}

/// One measurement: the figure that is compared, and what else was seen.
pub(crate) fn measure(task: Task, contestant: &Contestant, conditions: &Conditions) -> (f64, Seen) {
    let (pin, directory, seconds) = (conditions.pin, conditions.directory, conditions.seconds);
    let to = contestant.address;
    let family = contestant.family();
    let before = account::processor_time(&family);
    let spent = || (account::processor_time(&family) - before).as_secs_f64();
    match task {
        Task::Small(small) => {
            let small = match contestant.kind {
                Kind::PenstockWith(apis, routes) => Small::Routes(apis, routes),
                _ => small,
            };
            let seen = load::wrk(pin, directory, to, small, seconds);
            (spent() * 1e6 / seen.requests, seen)
        }
        Task::Http2 => {
            let seen = load::h2load(pin, contestant.address_h2, seconds);
            (spent() * 1e6 / seen.requests, seen)
        }
        Task::Transfer(role) => {
            load::own(pin, role, to);
            (spent() / (load::TRANSFERRED_BYTES as f64 / f64::from(1 << 30)), Seen::default())
        }
        Task::Slow => {
            load::own(pin, "slow", to);
            (account::peak_kib(&family) as f64 / 1024.0, Seen::default())
        }
        Task::Idle => (idle(pin, contestant, &family), Seen::default()),
        Task::Paced => {
            let seen = conditions.backend.pace(to, conditions.rate, seconds);
            (seen.p99_us, seen)
        }
    }
}

/// KiB for each connection that has had an answer and is kept.
fn idle(pin: &[String], contestant: &Contestant, family: &[u32]) -> f64 {
    let before = account::proportional_kib(family);
    let mut command = load::pinned(pin, &std::env::current_exe().unwrap());
    command.args(["--role", "idle", &contestant.address.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("{} connections\n", load::IDLE));
    let after = account::proportional_kib(family);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    (after.saturating_sub(before)) as f64 / load::IDLE as f64
}

/// Whether the memory of a process that has done other work before would be in the figure.
pub(crate) fn wants_fresh_processes(task: Task) -> bool {
    matches!(task, Task::Slow | Task::Idle)
}

/// The largest read or write of a generator, for the text.
pub(crate) const GENERATOR_BYTES: usize = PIECE_BYTES;
