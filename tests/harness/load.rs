//! Requests that go on while something else happens, and that must all succeed.

use crate::World;
use crate::client::Connection;
use crate::wait::until;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinHandle;

/// Requests for `/x` of the first proxy, each of which must be answered with 200.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins, over this many connections.
    pub fn on(world: &World, connections: usize) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let proxy = world.proxy();
        let task = |_| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let mut connection = Connection::open(proxy).await;
                while !stop.load(Ordering::SeqCst) {
                    let request = Request::get("/x").header("host", "any").body(Empty::<Bytes>::new()).unwrap();
                    let response = connection.send(request).await.unwrap();
                    assert_eq!(response.status(), 200);
                    response.into_body().collect().await.unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let tasks = (0..connections).map(task).collect();
        Self { stop, done, tasks }
    }

    /// Waits for so many more answers.
    pub async fn go_on(&self, answers: u64) {
        let before = self.done.load(Ordering::SeqCst);
        until("requests go on", async || self.done.load(Ordering::SeqCst), |&now| now > before + answers).await;
    }

    /// Ends it.
    ///
    /// # Panics
    /// A request has failed.
    pub async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}
