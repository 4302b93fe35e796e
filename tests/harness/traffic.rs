//! Requests to several proxies that go on while something happens to them, each answer held against what the
//! configuration may be at that moment.

use crate::client::Connection;
use crate::wait::{bounded, until};
use crate::writers::{judge, moving_path};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Connections to each proxy.
const CONNECTIONS: usize = 4;
/// Between two requests of one connection: the rest of the machine has work too.
const PAUSE: Duration = Duration::from_millis(20);
/// Faults that are remembered of one proxy.
const FAULTS_MAX: usize = 20;

/// Requests to proxies. Dropping it ends them.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    lines: Vec<Arc<Line>>,
    tasks: Vec<JoinHandle<()>>,
}

struct Line {
    proxy: SocketAddr,
    /// The proxy is being killed: requests may fail.
    excused: AtomicBool,
    /// The lowest number that it may answer.
    floor: AtomicU64,
    done: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl Traffic {
    /// Begins. No answer may have a higher number than `ceiling` says when it is there.
    pub fn on(proxies: &[SocketAddr], ceiling: impl Fn() -> u64 + Clone + Send + Sync + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let line = |&proxy| {
            let (excused, floor, done) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
            Arc::new(Line { proxy, excused, floor, done, faults: Mutex::default() })
        };
        let lines: Vec<_> = proxies.iter().map(line).collect();
        let mut tasks = Vec::new();
        for line in lines.iter().flat_map(|line| std::iter::repeat_n(line, CONNECTIONS)) {
            tasks.push(tokio::spawn(Arc::clone(line).run(Arc::clone(&stop), ceiling.clone())));
        }
        Self { stop, lines, tasks }
    }

    /// Requests to this proxy may fail from now on, or must not any more.
    pub fn excuse(&self, proxy: usize, excused: bool) {
        self.lines[proxy].excused.store(excused, Ordering::SeqCst);
    }

    /// No proxy may answer a lower number from now on, even one that was killed.
    pub fn raise_floor(&self, number: u64) {
        for line in &self.lines {
            line.floor.store(number, Ordering::SeqCst);
        }
    }

    /// Waits for so many more answers of each of these proxies.
    pub async fn go_on(&self, proxies: &[usize], answers: u64) {
        for line in proxies.iter().map(|proxy| &self.lines[*proxy]) {
            let enough = line.done.load(Ordering::SeqCst) + answers;
            until("requests go on", async || line.done.load(Ordering::SeqCst), |&now| now >= enough).await;
        }
    }

    /// Not one answer was wrong so far, and none was missing.
    ///
    /// # Panics
    /// One was.
    pub fn check(&self) {
        for (proxy, line) in self.lines.iter().enumerate() {
            let faults = line.faults.lock().unwrap();
            assert!(faults.is_empty(), "proxy {proxy}: {faults:?}");
        }
    }

    /// Ends, and answers how many requests there were.
    ///
    /// # Panics
    /// An answer was wrong, or is missing.
    pub async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        for task in std::mem::take(&mut self.tasks) {
            bounded("every request is answered", task).await.unwrap();
        }
        self.check();
        self.lines.iter().map(|line| line.done.load(Ordering::SeqCst)).sum()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Line {
    async fn run(self: Arc<Self>, stop: Arc<AtomicBool>, ceiling: impl Fn() -> u64) {
        let mut connection = None;
        let mut last = 0;
        while !stop.load(Ordering::SeqCst) {
            tokio::time::sleep(PAUSE).await;
            let excused = self.excused.load(Ordering::SeqCst);
            let floor = last.max(self.floor.load(Ordering::SeqCst));
            match self.ask(&mut connection).await {
                Ok(number) if (floor..=ceiling()).contains(&number) => last = number,
                Ok(number) => self.fault(format!("{number} is not in {floor}..={}", ceiling())),
                Err(fault) => {
                    connection = None;
                    // Whoever starts anew may go back to what it kept, and no further.
                    last = 0;
                    if !excused && !self.excused.load(Ordering::SeqCst) {
                        self.fault(fault);
                    }
                    continue;
                }
            }
            self.done.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn ask(&self, connection: &mut Option<Connection<Empty<Bytes>>>) -> Result<u64, String> {
        if connection.is_none() {
            *connection = Some(Connection::try_open(self.proxy).await.map_err(|error| format!("connecting: {error}"))?);
        }
        let open = connection.as_mut().unwrap();
        let request = Request::get(moving_path()).header("host", "any").body(Empty::<Bytes>::new()).unwrap();
        let response = open.send(request).await.map_err(|error| format!("sending: {error:?}"))?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| format!("reading: {error:?}"))?;
        judge(status, &body.to_bytes())
    }

    fn fault(&self, fault: String) {
        let mut faults = self.faults.lock().unwrap();
        if faults.len() < FAULTS_MAX {
            faults.push(fault);
        }
    }
}
