//! `penstock up`: a whole gateway in one process tree, from nothing to serving, and back.
//!
//! The parent starts control plane, proxy and example as children of itself, watches them, and stops them in the
//! order that loses no request. It moves no request itself and holds no configuration.

mod banner;
mod child;
mod demo;
mod directory;
mod link;
mod ports;
mod ready;
mod stop;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::banner::Banner;
use self::child::Child;
use self::ports::Port;
use self::stop::StopSignals;
use crate::client::{CALL_MS_DEFAULT, ControlPlane, Identity};
use crate::exit::Failure;

/// What our proxy is called among the nodes.
const NODE_ID: &str = "local";

/// Run a whole gateway here: control plane and proxy, with --demo an example too
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock up --demo
  penstock up --data-dir ./gateway --listen 0.0.0.0:80

Ctrl-C lets requests in flight finish and stops everything; a second one does
not wait. What was registered is in the data directory, and is served again by
the next `penstock up`.

Settings of the proxy and the control plane that have no option here are read
from the environment, as PENSTOCK_ACCESS_LOG=text penstock up; the --help of
penstock-data-plane and penstock-control-plane names them.")]
pub(crate) struct Up {
    /// Also run the example image resizer, and register its API
    #[arg(long)]
    demo: bool,
    /// Where the control plane keeps its database [default: $XDG_DATA_HOME/penstock or ~/.local/share/penstock]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the proxy takes requests
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = loopback(8080))]
    listen: SocketAddr,
    /// Where the proxy tells its health and metrics
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = loopback(8081))]
    admin_listen: SocketAddr,
    /// Where the control plane offers its management API
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = loopback(50051))]
    grpc_listen: SocketAddr,
    /// Where the control plane tells its health and metrics
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = loopback(9090))]
    control_admin_listen: SocketAddr,
    /// Where the example image resizer listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = loopback(9000))]
    resizer_listen: SocketAddr,
    /// What to log: a level, or a list of module=level
    #[arg(long, env = "PENSTOCK_LOG", value_name = "FILTER", default_value = "warn")]
    log: String,
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// The children, in the order in which they start. Stopping goes the other way.
#[derive(Debug, Default)]
struct Tree {
    children: Vec<Child>,
}

impl Up {
    /// Runs until it is told to stop, or a child ends.
    ///
    /// # Errors
    /// [`Failure::Ports`], [`Failure::Usage`] for unusable directories; [`Failure::Failed`] when a child ends by itself.
    pub(crate) async fn run(self, trust_network: bool) -> Result<(), Failure> {
        link::check()?;
        // Before anything starts: a stop signal that comes early must not be lost.
        let mut signals = StopSignals::listen()?;
        let data_dir = directory::prepare(self.data_dir.clone())?;
        ports::check(&self.ports())?;
        let mut tree = Tree::default();
        let ended = tokio::select! {
            () = signals.next() => Ok(()),
            failed = Box::pin(self.serve(&mut tree, data_dir, trust_network)) => failed,
        };
        let stopped = stop::all(tree.children, &mut signals).await;
        // Why we stop is more than how it went.
        ended.and(stopped)
    }

    fn ports(&self) -> Vec<Port> {
        let mut ports = vec![
            Port { what: "the proxy", flag: "--listen", address: self.listen },
            Port { what: "the proxy's health and metrics", flag: "--admin-listen", address: self.admin_listen },
            Port { what: "the management API", flag: "--grpc-listen", address: self.grpc_listen },
            Port {
                what: "the control plane's health and metrics",
                flag: "--control-admin-listen",
                address: self.control_admin_listen,
            },
        ];
        if self.demo {
            ports.push(Port { what: "the image resizer", flag: "--resizer-listen", address: self.resizer_listen });
        }
        ports
    }

    /// Starts everything, says so, and returns when a child has ended.
    async fn serve(&self, tree: &mut Tree, data_dir: PathBuf, trust_network: bool) -> Result<(), Failure> {
        let banner = self.start(tree, data_dir, trust_network).await?;
        let grpc = format!("http://{}", ports::reachable(banner.grpc));
        let came_up = async {
            let control_plane =
                ControlPlane::connect(&grpc, Identity::default(), Duration::from_millis(CALL_MS_DEFAULT)).await?;
            let version = match banner.resizer {
                Some(resizer) => demo::register(&control_plane, resizer).await?,
                None => ready::published(&control_plane).await?,
            };
            ready::wait(&control_plane, NODE_ID, version).await
        };
        tokio::select! {
            ended = child::first_to_end(&mut tree.children) => return Err(ended),
            came_up = came_up => came_up?,
        }
        banner.print();
        Err(child::first_to_end(&mut tree.children).await)
    }

    /// Starts the children one after another, each once the one that it needs has its socket.
    async fn start(&self, tree: &mut Tree, data_dir: PathBuf, trust_network: bool) -> Result<Banner, Failure> {
        let control_plane = tree.add(Child::start(
            "control plane",
            "control-plane",
            &self.log,
            trust_network,
            [
                ("--data-dir", data_dir.as_os_str().to_owned()),
                ("--listen", self.grpc_listen.to_string().into()),
                ("--admin-listen", self.control_admin_listen.to_string().into()),
            ],
        )?);
        let control = control_plane.addresses().await?;
        let grpc = control.get("grpc")?;
        let resizer = if self.demo {
            let listen = [("--listen", self.resizer_listen.to_string().into())];
            let child = tree.add(Child::start("image resizer", "image-resizer", &self.log, trust_network, listen)?);
            Some(child.addresses().await?.get("http")?)
        } else {
            None
        };
        let proxy = tree.add(Child::start(
            "proxy",
            "data-plane",
            &self.log,
            trust_network,
            [
                ("--listen", self.listen.to_string().into()),
                ("--admin-listen", self.admin_listen.to_string().into()),
                ("--control-plane", format!("http://{}", ports::reachable(grpc)).into()),
                ("--node-id", NODE_ID.into()),
            ],
        )?);
        let addresses = proxy.addresses().await?;
        let (proxy, admin) = (addresses.get("proxy")?, addresses.get("admin")?);
        Ok(Banner { data_dir, proxy, admin, grpc, control_admin: control.get("admin")?, resizer })
    }
}

impl Tree {
    fn add(&mut self, child: Child) -> &mut Child {
        self.children.push(child);
        self.children.last_mut().expect("one was pushed just now")
    }
}
