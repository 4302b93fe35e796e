//! Good requests while a thousand clients are slow on purpose: `slowhttptest` in its three modes against Penstock, and beside it one
//! client after the other that opens a connection, gets 1 KiB and closes.

use crate::backend::SMALL_BYTES;
use crate::contestants::{Contestant, Kind, Setup};
use crate::load;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections of the slow clients, and how many of them are made in a second.
const CONNECTIONS: usize = 1_000;
const CONNECTIONS_PER_SECOND: usize = 400;
/// Of good requests in each measurement, in seconds.
const SECONDS: u64 = 6;
/// How long the slow clients stay: while they come, and while good requests are measured.
const ATTACK_SECONDS: u64 = 30;
/// A good request that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the slow clients do.
struct Attack {
    name: &'static str,
    path: &'static str,
    words: &'static [&'static str],
}

const ATTACKS: [Attack; 3] = [
    Attack { name: "heads that never end", path: "/small", words: &["-H", "-i", "5"] },
    Attack { name: "bodies that never end", path: "/sink", words: &["-B", "-i", "5", "-s", "8192"] },
    Attack {
        name: "answers that are hardly read",
        path: "/slow",
        words: &["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "5"],
    },
];

/// What the good client saw.
#[derive(Clone, Copy, Debug, Default)]
struct Good {
    requests: usize,
    failed: usize,
    p50_ms: f64,
    p99_ms: f64,
}

/// Slow clients that are connected. Dropping it ends them.
struct SlowClients {
    child: Child,
    connected: usize,
}

impl SlowClients {
    /// Starts them and waits until all are there, as far as they say so.
    fn start(pin: &[String], attack: &Attack, to: SocketAddr) -> Self {
        let mut command = load::pinned(pin, Path::new("slowhttptest"));
        command.args(attack.words).args(["-c", &CONNECTIONS.to_string(), "-r", &CONNECTIONS_PER_SECOND.to_string()]);
        command.args(["-l", &ATTACK_SECONDS.to_string(), "-u", &format!("http://{to}{}", attack.path)]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut connected = 0;
        while connected < CONNECTIONS {
            let Some(Ok(line)) = lines.next() else { break };
            connected = figure(&line, "connected:").unwrap_or(connected);
        }
        // Somebody has to read what it says, or it waits.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, connected }
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number behind a word in a line that is coloured for a terminal.
fn figure(line: &str, word: &str) -> Option<usize> {
    let (_, rest) = line.split_once(word)?;
    let plain = rest.replace('\u{1b}', " ");
    plain.split_whitespace().find_map(|word| word.parse().ok())
}

/// Measures and prints a table in Markdown.
///
/// # Panics
/// A good request has failed, or the slow clients are not there.
pub(crate) async fn run(setup: &Setup, directory: &Path, rounds: u64) {
    let has_program = Command::new("slowhttptest").arg("-h").output().is_ok();
    assert!(has_program, "slowhttptest is missing (`apt-get install slowhttptest`)");
    let penstock = Contestant::start(Kind::Penstock, setup, directory).await;
    println!("\n## Slow clients\n");
    println!("{CONNECTIONS} slow connections; good requests for {SECONDS} s in each of {rounds} rounds; medians.\n");
    println!(
        "| slow clients | connected, at least | good requests | failed | p50, ms | p99, ms | least and most p99 |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let mut all: [Vec<(usize, Good)>; 4] = Default::default();
    for _ in 0..rounds {
        all[0].push((0, good(setup, penstock.address)));
        for (attack, seen) in ATTACKS.iter().zip(&mut all[1..]) {
            let slow = SlowClients::start(&setup.pin, attack, penstock.address);
            seen.push((slow.connected, good(setup, penstock.address)));
        }
    }
    let names = ["none"].into_iter().chain(ATTACKS.iter().map(|attack| attack.name));
    for (name, seen) in names.zip(&all) {
        print(name, seen);
    }
    let failed: usize = all.iter().flatten().map(|(_, good)| good.failed).sum();
    assert_eq!(failed, 0, "good requests that failed");
    assert!(
        all[1..].iter().flatten().all(|(connected, _)| *connected == CONNECTIONS),
        "the slow clients are not there"
    );
}

fn good(setup: &Setup, to: SocketAddr) -> Good {
    let text = load::own(&setup.pin, &format!("good {SECONDS}"), to);
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let &[requests, failed, p50_ms, p99_ms] = &numbers[..] else { panic!("{text}") };
    Good { requests: requests as usize, failed: failed as usize, p50_ms, p99_ms }
}

fn print(name: &str, seen: &[(usize, Good)]) {
    let sorted = |figure: fn(&Good) -> f64| {
        let mut all: Vec<f64> = seen.iter().map(|(_, good)| figure(good)).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let middle = |all: &[f64]| all[all.len() / 2];
    let p99 = sorted(|good| good.p99_ms);
    println!(
        "| {name} | {} | {:.0} | {} | {:.1} | **{:.1}** | {:.1}, {:.1} |",
        seen.iter().map(|(connected, _)| *connected).min().unwrap_or_default(),
        middle(&sorted(|good| good.requests as f64)),
        seen.iter().map(|(_, good)| good.failed).sum::<usize>(),
        middle(&sorted(|good| good.p50_ms)),
        middle(&p99),
        p99[0],
        p99[p99.len() - 1],
    );
}

/// Plays the good client, and prints how many requests it made, how many of them failed, and the times of the middle and of the slowest
/// hundredth, in milliseconds.
pub(crate) async fn play(to: SocketAddr, seconds: u64) {
    let (begin, mut times, mut failed) = (Instant::now(), Vec::new(), 0);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let asked = Instant::now();
        match tokio::time::timeout(PATIENCE, one(to)).await {
            Ok(Ok(true)) => {}
            _ => failed += 1,
        }
        times.push(asked.elapsed());
    }
    times.sort();
    let at = |per_cent: usize| times[times.len() * per_cent / 100].as_secs_f64() * 1e3;
    println!("{} {failed} {} {}", times.len(), at(50), at(99));
}

/// Whether a request on a connection of its own is answered as it should be.
async fn one(to: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(b"GET /small HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n").await?;
    let mut answer = Vec::with_capacity(2 * SMALL_BYTES);
    stream.read_to_end(&mut answer).await?;
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    Ok(answer.starts_with(b"HTTP/1.1 200") && head.is_some_and(|head| answer.len() == head + 4 + SMALL_BYTES))
}
