//! Upstreams at several addresses of this machine and one port, behind a name that a test's own DNS server knows.

use crate::World;
use crate::client::Connection;
use crate::dns::{DnsServer, Reply};
use crate::upstream::{Body, Upstream, whole};
use crate::world::document;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// Attempts to find a port that is free at all addresses.
const PORTS_TRIED: usize = 100;
/// The name that all of them have.
pub const NAME: &str = "up.test";

/// How a server behaves. It says who it is with the last number of its address.
#[derive(Default)]
pub struct Manner {
    /// The status that it answers; 0 stands for a connection that ends instead.
    status: AtomicU16,
    /// How long it thinks about it, in milliseconds.
    pause_ms: AtomicU64,
    /// Requests that it has got.
    hits: AtomicUsize,
    /// What their bodies were.
    bodies: Mutex<Vec<Bytes>>,
}

impl Manner {
    /// Answers so from now on.
    pub fn status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Ends connections instead of answering.
    pub fn hang_up(&self) {
        self.status(0);
    }

    /// Takes so long from now on, in milliseconds.
    pub fn pause_ms(&self, pause_ms: u64) {
        self.pause_ms.store(pause_ms, Ordering::SeqCst);
    }

    /// Requests that it has got.
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// The bodies of all requests that it has got.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.bodies.lock().unwrap().clone()
    }

    async fn answer(&self, address: SocketAddr, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        self.bodies.lock().unwrap().push(body);
        self.hits.fetch_add(1, Ordering::SeqCst);
        let pause = Duration::from_millis(self.pause_ms.load(Ordering::SeqCst));
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        match self.status.load(Ordering::SeqCst) {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            status => {
                let mut response = Response::new(whole(address.ip().to_string()));
                *response.status_mut() = status.try_into().unwrap();
                Ok(response)
            }
        }
    }
}

/// A server at one of the addresses.
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// How it behaves.
    pub manner: Arc<Manner>,
    upstream: Upstream,
}

impl Server {
    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let manner = Arc::new(Manner::default());
        manner.status(200);
        let shared = Arc::clone(&manner);
        let upstream = Upstream::tcp_on(listener, move |stream| {
            let manner = Arc::clone(&shared);
            async move {
                let service = service_fn(|request| manner.answer(address, request));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { address, manner, upstream }
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.upstream.open()
    }
}

/// Servers at these addresses of this machine, on the same port of each.
pub async fn servers(addresses: &[IpAddr]) -> Vec<Server> {
    'port: for _ in 0..PORTS_TRIED {
        let mut listeners: Vec<TcpListener> = Vec::new();
        for &address in addresses {
            let port = listeners.first().map_or(0, |first| first.local_addr().unwrap().port());
            match TcpListener::bind((address, port)).await {
                Ok(listener) => listeners.push(listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue 'port,
                Err(error) => panic!("{address}: {error}"),
            }
        }
        return listeners.into_iter().map(Server::on).collect();
    }
    panic!("no port is free at {addresses:?}");
}

/// Servers at addresses of the loopback network, by their last numbers.
pub async fn local_servers(last: &[u8]) -> Vec<Server> {
    let addresses: Vec<IpAddr> = last.iter().map(|&last| [127, 0, 0, last].into()).collect();
    servers(&addresses).await
}

/// A proxy with one worker whose upstream is called [`NAME`], and the DNS server that knows the name.
pub struct Named {
    /// The proxy.
    pub world: World,
    /// The server that it asks.
    pub dns: DnsServer,
}

impl Named {
    /// Starts them. All methods of `/x` go to the upstream, at this port.
    pub async fn start(port: u16, reply: Reply, arguments: &[&str]) -> Self {
        let dns = DnsServer::start().await;
        dns.set(NAME, reply);
        let server = dns.address.to_string();
        let mut all = vec!["--workers", "1", "--dns-server", &server];
        all.extend(arguments);
        let world = World::start_with(1, &all).await;
        world.register(&document("named", &[("ANY", "/x", format!("http://{NAME}:{port}/"))])).await;
        Self { world, dns }
    }

    /// Sends so many requests over so many connections at a time; the statuses.
    pub async fn call(&self, method: &Method, requests: usize, connections: usize) -> Vec<u16> {
        let proxy = self.world.proxy();
        let left = Arc::new(AtomicUsize::new(requests));
        let tasks: Vec<_> = (0..connections)
            .map(|_| {
                let (left, method) = (Arc::clone(&left), method.clone());
                tokio::spawn(async move {
                    let mut statuses = Vec::new();
                    let mut connection = Connection::open(proxy).await;
                    let takes = |left: usize| left.checked_sub(1);
                    while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes).is_ok() {
                        let request = Request::builder().method(&method).uri("/x").header("host", "any");
                        let body = if matches!(method, Method::POST | Method::PUT) { "sent once" } else { "" };
                        let response = connection.send(request.body(Full::from(body)).unwrap()).await.unwrap();
                        statuses.push(response.status().as_u16());
                        response.into_body().collect().await.unwrap();
                    }
                    statuses
                })
            })
            .collect();
        let mut statuses = Vec::new();
        for task in tasks {
            statuses.extend(task.await.unwrap());
        }
        statuses
    }

    /// Sends so many GETs, one after the other, each of which must be answered well.
    pub async fn get(&self, requests: usize) {
        let statuses = self.call(&Method::GET, requests, 1).await;
        assert!(statuses.iter().all(|&status| status == 200), "{statuses:?}");
    }

    /// The addresses that the proxy shows, each with what its worker makes of it.
    pub async fn addresses(&self) -> Vec<(String, &'static str)> {
        let page = crate::client::get(self.world.admin(0), "admin", "/upstreams").await.json();
        let targets = page["targets"].as_array().unwrap();
        let addresses = targets.iter().flat_map(|target| target["addresses"].as_array().unwrap());
        let state = |workers: &Value| {
            ["serving", "returning", "ejected"].into_iter().find(|&state| workers[state] == 1).unwrap()
        };
        addresses.map(|one| (one["address"].as_str().unwrap().to_owned(), state(&one["workers"]))).collect()
    }

    /// One of the proxy's counters; 0 where it has counted nothing yet.
    pub async fn count(&self, name: &str) -> usize {
        let text = crate::client::get(self.world.admin(0), "admin", "/metrics").await;
        let value = text.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0)
    }
}
