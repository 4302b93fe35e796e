//! What a small request costs in instructions and in misses of the first cache, counted by callgrind, which does not care who else
//! runs. The kernel's part is not in it.

use crate::Backend;
use crate::contestants::{Contestant, Kind, Setup};
use crate::load;
use harness::wait::until;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use tokio::net::TcpStream;

/// Requests before counting begins, and those that are counted.
const WARM_UP: usize = 1_000;
const REQUESTS: usize = 4_000;
/// A first cache of 32 KiB for instructions and one for data, eight ways each, behind them 1 MiB.
const CALLGRIND: &[&str] =
    &["valgrind", "--tool=callgrind", "--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64"];

/// How the small GET is asked for.
#[derive(Clone, Copy, Debug)]
enum Way {
    Http1,
    Http2,
    /// A connection for each.
    Close,
}

impl Way {
    fn title(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1, 8 connections",
            Self::Http2 => "HTTP/2, 4 × 16 streams",
            Self::Close => "a connection for each",
        }
    }

    async fn ask(self, contestant: &Contestant, requests: usize) {
        match self {
            Self::Http1 => h2load(contestant.address, requests, &["--h1", "-c8"]),
            Self::Http2 => h2load(contestant.address_h2, requests, &["-c4", "-m16"]),
            Self::Close => {
                for _ in 0..requests {
                    load::small(&mut TcpStream::connect(contestant.address).await.unwrap()).await;
                }
            }
        }
    }
}

fn h2load(to: SocketAddr, requests: usize, words: &[&str]) {
    let mut command = Command::new("h2load");
    command.args(["-t1", "-n", &requests.to_string()]).args(words).arg(format!("http://{to}/small"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&format!(" {requests} succeeded")), "{command:?}: {text}");
}

/// Tells callgrind in a process to begin anew (`--zero`) or to write down what it has counted (`--dump`).
fn control(word: &str, process: u32) {
    let done = Command::new("callgrind_control").args([word, &process.to_string()]).output().unwrap();
    assert!(done.status.success(), "callgrind_control {word}: {}", String::from_utf8_lossy(&done.stderr));
}

/// What was counted: instructions, and misses of instructions, of reads and of writes.
async fn dumped(directory: &Path, process: u32) -> [f64; 4] {
    let file = directory.join(format!("counts.{process}.1"));
    let text = async || std::fs::read_to_string(&file).unwrap_or_default();
    // Its last line.
    let is_whole = |text: &String| text.rfind("\ntotals: ").is_some_and(|at| text[at + 1..].ends_with('\n'));
    let text = until("callgrind has written down what it counted", text, is_whole).await;
    let numbers = |name: &str| -> Vec<&str> {
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        line.split_whitespace().collect()
    };
    let (events, totals) = (numbers("events:"), numbers("totals:"));
    std::fs::remove_file(file).unwrap();
    ["Ir", "I1mr", "D1mr", "D1mw"].map(|event| {
        let at = events.iter().position(|name| *name == event).unwrap();
        totals[at].parse().unwrap()
    })
}

/// Counts one contestant, for each request.
async fn count(kind: Kind, way: Way, backend: SocketAddr, directory: &Path) -> [f64; 4] {
    let out = format!("--callgrind-out-file={}/counts.%p", directory.display());
    let pin = CALLGRIND.iter().copied().chain([out.as_str()]).map(str::to_owned).collect();
    let setup = Setup { workers: 1, pin, is_large: false, backend };
    let contestant = Contestant::start(kind, &setup, directory).await;
    way.ask(&contestant, WARM_UP).await;
    let family = contestant.family();
    family.iter().for_each(|process| control("--zero", *process));
    way.ask(&contestant, REQUESTS).await;
    let mut sum = [0.0; 4];
    for process in family {
        control("--dump", process);
        let counted = dumped(directory, process).await;
        sum.iter_mut().zip(counted).for_each(|(sum, counted)| *sum += counted / REQUESTS as f64);
    }
    sum
}

/// Counts those that serve in their first process, which is the one that callgrind can be asked about, and prints a table.
pub(crate) async fn run(directory: &Path) {
    let backend = Backend::start(&[], "backend-that-sleeps");
    println!("| a small GET | | instructions | misses of instructions | of reads | of writes |");
    println!("|---|---|---:|---:|---:|---:|");
    for way in [Way::Http1, Way::Http2, Way::Close] {
        for kind in [Kind::Penstock, Kind::Haproxy] {
            if kind.version().is_none() {
                continue;
            }
            let [instructions, fetches, reads, writes] = count(kind, way, backend.address, directory).await;
            let name = kind.name();
            println!("| {} | {name} | {instructions:.0} | {fetches:.0} | {reads:.0} | {writes:.0} |", way.title());
        }
    }
}
