//! The contestants: Penstock as it ships, with a control plane; and the peers as Debian packages them, each with a plain
//! configuration that proxies everything to the backend, keeps connections to it, and logs no requests.

use crate::account;
use harness::World;
use harness::wait::until;
use harness::world::document;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Routes of each API where there are many.
const ROUTES_PER_API: usize = 100;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With the few routes that the work needs.
    Penstock,
    /// With so many APIs of so many routes.
    PenstockWith(usize, usize),
    Nginx,
    Haproxy,
    /// The same with `splice` for bodies.
    HaproxySplice,
    H2o,
    /// No proxy, but what is below each: see [`forwarder`](crate::forwarder).
    Forwarder,
}

/// 10 routes, and 100,000.
pub(crate) const FEW_ROUTES: Kind = Kind::PenstockWith(1, 10);
pub(crate) const MANY_ROUTES: Kind = Kind::PenstockWith(1_000, ROUTES_PER_API);

impl Kind {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Penstock => "Penstock".into(),
            Self::PenstockWith(apis, routes) => format!("Penstock, {} routes", apis * routes),
            Self::Nginx => "nginx".into(),
            Self::Haproxy => "HAProxy".into(),
            Self::HaproxySplice => "HAProxy with splice".into(),
            Self::H2o => "h2o".into(),
            Self::Forwarder => "bytes forwarded".into(),
        }
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Penstock | Self::PenstockWith(..))
    }

    /// The program of a peer, and the words that make it tell its version.
    fn program(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Penstock | Self::PenstockWith(..) | Self::Forwarder => None,
            Self::Nginx => Some(("nginx", "-v")),
            Self::Haproxy | Self::HaproxySplice => Some(("haproxy", "-v")),
            Self::H2o => Some(("h2o", "--version")),
        }
    }

    /// Its version; `None` when it is not installed.
    pub(crate) fn version(self) -> Option<String> {
        let Some((program, word)) = self.program() else {
            return Some(match self {
                Self::Forwarder => "bytes forwarded, and nothing thought about them".to_owned(),
                _ => format!("Penstock {}", env!("CARGO_PKG_VERSION")),
            });
        };
        let output = Command::new(program).arg(word).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
    }
}

/// How a contestant is to be set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) workers: usize,
    /// The words before its program: on which cores it runs.
    pub(crate) pin: Vec<String>,
    /// Buffers for large bodies, where the usual ones are small.
    pub(crate) is_large: bool,
    pub(crate) backend: SocketAddr,
}

enum Running {
    Ours(Box<World>),
    Peer(Child),
}

/// A contestant that runs. Dropping it ends it.
pub(crate) struct Contestant {
    pub(crate) kind: Kind,
    /// HTTP/1.1.
    pub(crate) address: SocketAddr,
    /// HTTP/2 with prior knowledge.
    pub(crate) address_h2: SocketAddr,
    running: Running,
}

impl Contestant {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(kind: Kind, setup: &Setup, directory: &Path) -> Self {
        match kind {
            Kind::Penstock | Kind::PenstockWith(..) => {
                let world = penstock(kind, setup).await;
                Self {
                    kind,
                    address: world.proxy(),
                    address_h2: world.proxy(),
                    running: Running::Ours(Box::new(world)),
                }
            }
            _ => peer(kind, setup, directory).await,
        }
    }

    /// Where operators reach it, if it is ours.
    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        match &self.running {
            Running::Ours(world) => Some(world.admin(0)),
            Running::Peer(_) => None,
        }
    }

    /// The processes that serve.
    pub(crate) fn family(&self) -> Vec<u32> {
        account::family(match &self.running {
            Running::Ours(world) => world.proxies[0].pid(),
            Running::Peer(child) => child.id(),
        })
    }

    /// Everything that belongs to it.
    pub(crate) fn whole_family(&self) -> Vec<u32> {
        let control = match &self.running {
            Running::Ours(world) => Some(world.control.pid()),
            Running::Peer(_) => None,
        };
        self.family().into_iter().chain(control).collect()
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        if let Running::Peer(child) = &mut self.running {
            // nginx ends its workers when it is asked to end, not when it is killed.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

async fn penstock(kind: Kind, setup: &Setup) -> World {
    let mut world = World::start_settling(0);
    let pin: Vec<&str> = setup.pin.iter().map(String::as_str).collect();
    world.add_proxy_unready(&pin, &["--workers", &setup.workers.to_string()], &[]);
    let backend = setup.backend;
    if let Kind::PenstockWith(apis, routes) = kind {
        for api in 0..apis {
            let paths: Vec<String> = (0..routes).map(|route| format!("/r{route}/{{id}}")).collect();
            let to = |route: usize| format!("http://{backend}/{api}/{route}/{{id}}");
            let all: Vec<_> = paths.iter().enumerate().map(|(at, path)| ("GET", path.as_str(), to(at))).collect();
            world.register_at(&document(&format!("api {api}"), &all), "*", &format!("v{api}")).await;
        }
    } else {
        let routes = [("GET", "/small"), ("POST", "/echo"), ("GET", "/large"), ("POST", "/sink"), ("GET", "/slow")];
        let all: Vec<_> = routes.map(|(method, path)| (method, path, format!("http://{backend}{path}"))).into();
        world.register(&document("compare", &all)).await;
    }
    let admin = world.admin(0);
    until(
        "the proxy is ready",
        async || harness::client::get(admin, "admin", "/health/ready").await.status.as_u16(),
        |&status| status == 200,
    )
    .await;
    world
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn peer(kind: Kind, setup: &Setup, directory: &Path) -> Contestant {
    let http1 = free_port();
    let http2 = if kind == Kind::Forwarder { http1 } else { free_port() };
    let name = kind.name().replace(' ', "-");
    let mut command = match kind.program() {
        Some((program, _)) => {
            let mut command = crate::load::pinned(&setup.pin, Path::new(program));
            match kind {
                Kind::Nginx => command.arg("-p").arg(directory).arg("-c"),
                Kind::H2o => command.arg("-c"),
                _ => command.args(["-db", "-f"]),
            };
            let file = directory.join(format!("{name}.conf"));
            let text = match kind {
                Kind::Nginx => nginx(setup, directory, http1, http2),
                Kind::H2o => h2o(setup, http1, http2),
                _ => haproxy(setup, kind == Kind::HaproxySplice, http1, http2),
            };
            std::fs::write(&file, text).unwrap();
            command.arg(&file);
            command
        }
        None => {
            let mut command = crate::load::pinned(&setup.pin, &std::env::current_exe().unwrap());
            command.args(["--role", "forwarder", &format!("127.0.0.1:{http1}"), &setup.backend.to_string()]);
            command
        }
    };
    let log = directory.join(format!("{name}.log"));
    let said = File::create(&log).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
    let addresses = [http1, http2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    until(
        "the peer listens",
        async || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{name} ended: {}", std::fs::read_to_string(&log).unwrap());
            addresses.iter().all(|address| TcpStream::connect(address).is_ok())
        },
        |&listens| listens,
    )
    .await;
    Contestant { kind, address: addresses[0], address_h2: addresses[1], running: Running::Peer(child) }
}

fn nginx(setup: &Setup, directory: &Path, http1: u16, http2: u16) -> String {
    let (workers, backend, directory) = (setup.workers, setup.backend, directory.display());
    let share = if workers > 1 { "reuseport" } else { "" };
    let buffers = if setup.is_large {
        "proxy_buffer_size 256k; proxy_buffers 8 256k; proxy_busy_buffers_size 512k; client_body_buffer_size 256k;"
    } else {
        ""
    };
    format!(
        "daemon off; worker_processes {workers}; worker_rlimit_nofile 16384; pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log;
events {{ worker_connections 16000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; client_max_body_size 0;
  client_body_temp_path {directory}/nginx-body; proxy_temp_path {directory}/nginx-proxy;
  fastcgi_temp_path {directory}/nginx-f; uwsgi_temp_path {directory}/nginx-u; scgi_temp_path {directory}/nginx-s;
  upstream backend {{ server {backend}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{http1} {share};
    listen 127.0.0.1:{http2} http2 {share};
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_request_buffering off; proxy_max_temp_file_size 0; {buffers}
    }}
  }}
}}
"
    )
}

fn haproxy(setup: &Setup, splices: bool, http1: u16, http2: u16) -> String {
    let (workers, backend) = (setup.workers, setup.backend);
    let buffers = if setup.is_large { "tune.bufsize 262144" } else { "" };
    let splice = if splices { "option splice-request\n  option splice-response" } else { "" };
    format!(
        "global
  nbthread {workers}
  maxconn 6000
  {buffers}
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  http-reuse always
  {splice}
frontend front
  bind 127.0.0.1:{http1}
  bind 127.0.0.1:{http2} proto h2
  default_backend back
backend back
  server one {backend}
"
    )
}

fn h2o(setup: &Setup, http1: u16, http2: u16) -> String {
    let (workers, backend) = (setup.workers, setup.backend);
    format!(
        "num-threads: {workers}
max-connections: 6000
http1-request-timeout: 300
limit-request-body: 1073741824
proxy.timeout.keepalive: 300000
hosts:
  default:
    paths:
      /:
        proxy.reverse.url: http://{backend}/
listen:
  host: 127.0.0.1
  port: {http1}
listen:
  host: 127.0.0.1
  port: {http2}
"
    )
}
