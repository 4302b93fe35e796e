//! Requests to every proxy, and who gave which answer.

use harness::World;
use harness::client::Connection;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

pub(crate) type Answers = BTreeMap<(usize, String), u64>;

/// Requests to every proxy, all the time.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Answers>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Traffic {
    pub(crate) fn on(world: &World) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let addresses = world.proxies.iter().map(|proxy| proxy.address("proxy")).enumerate();
        let task = |(proxy, address)| tokio::spawn(ask(proxy, address, Arc::clone(&stop), Arc::clone(&seen)));
        let tasks = addresses.map(task).collect();
        Self { stop, seen, tasks }
    }

    /// How often each proxy gave which answer: status and body.
    pub(crate) async fn end(self) -> Answers {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) async fn ask(proxy: usize, address: SocketAddr, stop: Arc<AtomicBool>, seen: Arc<Mutex<Answers>>) {
    let mut connection = Connection::open(address).await;
    while !stop.load(Ordering::SeqCst) {
        let request = Request::get("/x").header("host", "any").body(Empty::<Bytes>::new()).unwrap();
        let response = connection.send(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answer = format!("{status} {}", String::from_utf8_lossy(&body));
        *seen.lock().unwrap().entry((proxy, answer)).or_default() += 1;
    }
}

/// Which proxies gave this answer at all.
pub(crate) fn who(answers: &Answers, answer: &str) -> Vec<usize> {
    answers.keys().filter(|(_, given)| given == answer).map(|(proxy, _)| *proxy).collect()
}
