//! What asks the contestants: `wrk` and `h2load` for small requests, ourselves for what they cannot do. Each runs as a
//! process of its own, so that it can be pinned.

use crate::backend::{LARGE_BYTES, PIECE_BYTES};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections of the small requests.
pub(crate) const CONNECTIONS: usize = 64;
/// Connections of large transfers.
const TRANSFERS: usize = 8;
/// Bodies over each of them in one measurement.
const BODIES: usize = 4;
/// Bytes of all bodies of one measurement.
pub(crate) const TRANSFERRED_BYTES: usize = TRANSFERS * BODIES * LARGE_BYTES;

/// Readers that are slow, and what each of them reads in a tick.
const READERS: usize = 200;
const READ_BYTES: usize = 64 * 1024;
const READ_TICK: Duration = Duration::from_micros(62_500);
/// Ticks until they leave: six seconds.
const READ_TICKS: usize = 96;

/// Connections that have had an answer and ask for nothing more.
pub(crate) const IDLE: usize = 5_000;

/// What a generator saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: f64,
    pub(crate) failed: f64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// What every script for `wrk` ends with: its figures in one line.
const DONE: &str = r#"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %f %f %f\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
end
"#;

/// A kind of small request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Small {
    Get,
    Post,
    Close,
    /// Random paths of so many APIs of so many routes.
    Routes(usize, usize),
}

impl Small {
    fn script(self) -> String {
        let set = match self {
            Self::Get => String::new(),
            Self::Post => "wrk.method = 'POST'\nwrk.body = string.rep('x', 4096)\n\
                           wrk.headers['Content-Type'] = 'image/jpeg'\nwrk.path = '/echo'"
                .to_owned(),
            Self::Close => "wrk.headers['Connection'] = 'close'".to_owned(),
            Self::Routes(apis, routes) => format!(
                "function request()\n  return string.format('GET /v%d/r%d/x HTTP/1.1\\r\\nHost: any\\r\\n\\r\\n', \
                 math.random(0, {}), math.random(0, {}))\nend",
                apis - 1,
                routes - 1
            ),
        };
        set + DONE
    }
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A command behind the words that pin it.
pub(crate) fn pinned(pin: &[String], program: &Path) -> Command {
    let mut words = pin.iter().map(std::ffi::OsStr::new).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// Small requests as fast as they are answered, over [`CONNECTIONS`] connections.
pub(crate) fn wrk(pin: &[String], directory: &Path, to: SocketAddr, small: Small, seconds: u64) -> Seen {
    let script = directory.join("wrk.lua");
    std::fs::write(&script, small.script()).unwrap();
    let mut command = pinned(pin, Path::new("wrk"));
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "-s"]).arg(&script);
    let text = output(command.arg(format!("http://{to}/small")));
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<f64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
    let &[requests, failed, seconds, p50_us, p99_us] = &numbers[..] else { panic!("{line}") };
    Seen { requests, failed, seconds, p50_us, p99_us }
}

/// The numbers of a line `requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, …`.
fn counted(text: &str, what: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with("requests:")).unwrap_or_else(|| panic!("{text}"));
    let part = line.trim_start_matches("requests:").split(',').find(|part| part.ends_with(what)).unwrap();
    part.split_whitespace().next().unwrap().parse().unwrap()
}

/// The small GET over HTTP/2: 16 connections of 32 streams.
pub(crate) fn h2load(pin: &[String], to: SocketAddr, seconds: u64) -> Seen {
    let mut command = pinned(pin, Path::new("h2load"));
    command.args(["-t1", "-c16", "-m32", "-D", &seconds.to_string()]);
    let text = output(command.arg(format!("http://{to}/small")));
    let (requests, failed) = (counted(&text, "succeeded"), counted(&text, "failed"));
    Seen { requests, failed, seconds: seconds as f64, ..Seen::default() }
}

/// Ourselves as a process of its own, which ends when it has done its work; what it printed.
pub(crate) fn own(pin: &[String], role: &str, to: SocketAddr) -> String {
    output(pinned(pin, &std::env::current_exe().unwrap()).args(["--role", role, &to.to_string()]))
}

/// Reads a head byte by byte no further than its end, and a status of 200 with it.
async fn head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
}

async fn ask(stream: &mut TcpStream, path: &str) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: any\r\n\r\n").as_bytes()).await.unwrap();
    head(stream).await;
}

async fn skip(stream: &mut TcpStream, mut bytes: usize, scratch: &mut [u8]) {
    while bytes > 0 {
        let most = bytes.min(scratch.len());
        let read = stream.read(&mut scratch[..most]).await.unwrap();
        assert!(read > 0, "the answer broke off {bytes} bytes before its end");
        bytes -= read;
    }
}

async fn transfer(to: SocketAddr, is_upload: bool) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let mut piece = vec![b'x'; PIECE_BYTES];
    for _ in 0..BODIES {
        if is_upload {
            let head_line = format!(
                "POST /sink HTTP/1.1\r\nhost: any\r\ncontent-type: image/jpeg\r\ncontent-length: {LARGE_BYTES}\r\n\r\n"
            );
            stream.write_all(head_line.as_bytes()).await.unwrap();
            for _ in 0..LARGE_BYTES / PIECE_BYTES {
                stream.write_all(&piece).await.unwrap();
            }
            head(&mut stream).await;
            skip(&mut stream, crate::backend::SMALL_BYTES, &mut piece).await;
        } else {
            ask(&mut stream, "/large").await;
            skip(&mut stream, LARGE_BYTES, &mut piece).await;
        }
    }
}

async fn read_slowly(to: SocketAddr) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    ask(&mut stream, "/slow").await;
    let mut scratch = vec![0; READ_BYTES];
    let mut pace = tokio::time::interval(READ_TICK);
    for _ in 0..READ_TICKS {
        pace.tick().await;
        skip(&mut stream, READ_BYTES, &mut scratch).await;
    }
}

async fn join(tasks: impl Iterator<Item = tokio::task::JoinHandle<()>>) {
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Plays a role until it is done; [`idle`] waits for its standard input to end first.
pub(crate) async fn play(role: &str, to: SocketAddr) {
    match role {
        "download" | "upload" => join((0..TRANSFERS).map(|_| tokio::spawn(transfer(to, role == "upload")))).await,
        "slow" => join((0..READERS).map(|_| tokio::spawn(read_slowly(to)))).await,
        "idle" => idle(to).await,
        _ => match role.strip_prefix("good ") {
            Some(seconds) => crate::slow_clients::play(to, seconds.parse().unwrap()).await,
            None => panic!("no role {role}"),
        },
    }
}

/// The small GET over HTTP/1.1, answered. Nothing else is on its way on the connection.
pub(crate) async fn small(stream: &mut TcpStream) {
    stream.write_all(b"GET /small HTTP/1.1\r\nhost: any\r\n\r\n").await.unwrap();
    let mut scratch = [0; 4 * crate::backend::SMALL_BYTES];
    let mut read = 0;
    // The head and the body; the head ends with the first empty line.
    let whole = loop {
        read += match stream.read(&mut scratch[read..]).await.unwrap() {
            0 => panic!("the answer broke off"),
            more => more,
        };
        if let Some(end) = scratch[..read].windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4 + crate::backend::SMALL_BYTES;
        }
    };
    assert!(scratch.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&scratch[..read]));
    stream.read_exact(&mut scratch[read..whole]).await.unwrap();
}

/// The times of the answers on one connection, which asks at its places of the common schedule.
async fn paced_one(to: SocketAddr, begin: Instant, place: usize, per_second: f64, requests: usize) -> Vec<Duration> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut times = Vec::with_capacity(requests);
    for number in 0..requests {
        let due = begin + Duration::from_secs_f64((number * CONNECTIONS + place) as f64 / per_second);
        while Instant::now() < due {
            tokio::task::yield_now().await;
        }
        small(&mut stream).await;
        times.push(due.elapsed());
    }
    times
}

/// Reads from standard input whom to ask, how often a second and for how many seconds, and does so, line by line.
pub(crate) async fn pace_as_told() {
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || std::io::stdin().lines().try_for_each(|line| tell.blocking_send(line.unwrap())));
    while let Some(line) = told.recv().await {
        let [to, per_second, seconds] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        pace(to.parse().unwrap(), per_second.parse().unwrap(), seconds.parse().unwrap()).await;
    }
}

/// The small GET over HTTP/1.1 at a fixed rate, evenly over all connections; times count from when a request was due. `h2load`
/// could do this too, but sends in bursts of a tick of 10 ms. Prints how often it asked and the times of the middle and of
/// the slowest hundredth, in microseconds.
async fn pace(to: SocketAddr, per_second: f64, seconds: f64) {
    let each = (per_second * seconds / CONNECTIONS as f64) as usize;
    // Connections are made before the schedule begins.
    let begin = Instant::now() + Duration::from_millis(100);
    let tasks = (0..CONNECTIONS).map(|place| tokio::spawn(paced_one(to, begin, place, per_second, each)));
    let mut times = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        times.extend(task.await.unwrap());
    }
    times.sort();
    let at = |per_cent: usize| times[times.len() * per_cent / 100].as_secs_f64() * 1e6;
    println!("{} {} {}", times.len(), at(50), at(99));
}

/// Opens connections, has one answer on each, says so, and holds them until nobody listens any more.
async fn idle(to: SocketAddr) {
    let mut held = Vec::with_capacity(IDLE);
    let mut scratch = [0; crate::backend::SMALL_BYTES];
    for _ in 0..IDLE {
        let mut stream = TcpStream::connect(to).await.unwrap();
        ask(&mut stream, "/small").await;
        skip(&mut stream, scratch.len(), &mut scratch).await;
        held.push(stream);
    }
    println!("{} connections", held.len());
    let mut nothing = String::new();
    std::io::stdin().read_line(&mut nothing).unwrap();
}
