//! Several control planes on one PostgreSQL database, and proxies that know all of them.

use crate::postgres::Postgres;
use crate::process::Program;
use crate::wait::{BOUND, until, until_within};
use crate::world::temporary_directory;
use penstock_proto::management::v1::fleet_service_client::FleetServiceClient;
use penstock_proto::management::v1::rest_api_service_client::RestApiServiceClient;
use penstock_proto::management::v1::{GetConfigurationRequest, ListNodesRequest};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tonic::transport::Channel;

/// Everything that a test runs. Dropping it ends all processes and removes the directories.
pub struct Replicas {
    directory: PathBuf,
    url: String,
    /// The control planes.
    pub planes: Vec<Program>,
    addresses: Vec<SocketAddr>,
    /// The proxies.
    pub proxies: Vec<Program>,
    /// The database, which goes last.
    pub database: Postgres,
}

impl Replicas {
    /// So many control planes on an empty database; `None` where there is no PostgreSQL.
    pub fn start(planes: usize) -> Option<Self> {
        let database = Postgres::start()?;
        let url = database.database();
        let directory = temporary_directory();
        let mut world = Self { directory, url, planes: vec![], addresses: vec![], proxies: vec![], database };
        for _ in 0..planes {
            let plane = world.run("127.0.0.1:0");
            world.addresses.push(plane.address("grpc"));
            world.planes.push(plane);
        }
        Some(world)
    }

    fn run(&self, listen: &str) -> Program {
        // In the environment, where a password would not be seen by everybody.
        let environment = [("PENSTOCK_STORE", self.url.as_str())];
        let arguments = ["--listen", listen, "--admin-listen", "127.0.0.1:0"];
        Program::start_in("penstock-control-plane", &self.directory, &arguments, &environment)
    }

    /// Starts a control plane that was killed again, on the same address.
    pub fn restart(&mut self, plane: usize) {
        self.planes[plane] = self.run(&self.addresses[plane].to_string());
    }

    /// Starts a proxy that tries these control planes in turn, and waits until it is ready.
    pub async fn add_proxy(&mut self, planes: &[usize]) {
        let urls: Vec<_> = planes.iter().map(|plane| self.grpc_url(*plane)).collect();
        let urls = urls.join(",");
        let arguments = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--control-plane", &urls];
        self.proxies.push(Program::start("penstock-data-plane", &self.directory, &arguments));
        let admin = self.proxies.last().unwrap().address("admin");
        let ready = async || crate::client::get(admin, "admin", "/health/ready").await.status.as_u16();
        until("the proxy is ready", ready, |&status| status == 200).await;
    }

    /// A control plane's URL.
    pub fn grpc_url(&self, plane: usize) -> String {
        format!("http://{}", self.addresses[plane])
    }

    /// A channel that connects again when it has to.
    pub fn channel(&self, plane: usize) -> Channel {
        Channel::from_shared(self.grpc_url(plane)).unwrap().connect_lazy()
    }

    /// The management API of a control plane.
    pub fn rest_apis(&self, plane: usize) -> RestApiServiceClient<Channel> {
        RestApiServiceClient::new(self.channel(plane))
    }

    /// What a control plane publishes: version and root hash.
    pub async fn published(&self, plane: usize) -> (u64, String) {
        let mut fleet = FleetServiceClient::new(self.channel(plane));
        let answer = fleet.get_configuration(GetConfigurationRequest {}).await.unwrap().into_inner();
        (answer.version, answer.root_hash)
    }

    /// What a proxy serves.
    pub async fn serving(&self, proxy: usize) -> (u64, String) {
        let config = crate::client::get(self.proxies[proxy].address("admin"), "admin", "/config").await.json();
        (config["version"].as_u64().unwrap(), config["rootHash"].as_str().unwrap().to_owned())
    }

    /// How many nodes hold a stream to a control plane.
    pub async fn nodes(&self, plane: usize) -> usize {
        let mut fleet = FleetServiceClient::new(self.channel(plane));
        let nodes = fleet.list_nodes(ListNodesRequest {}).await.unwrap().into_inner();
        nodes.items.iter().filter(|node| node.connected).count()
    }

    /// Waits until these control planes and all proxies have this version or a newer one, and all the same.
    pub async fn converged(&self, planes: &[usize], version: u64) {
        self.converged_within(BOUND, planes, version).await;
    }

    /// The same with another bound.
    pub async fn converged_within(&self, bound: Duration, planes: &[usize], version: u64) {
        let state = async || {
            let mut all = Vec::new();
            for plane in planes {
                all.push(self.published(*plane).await);
            }
            for proxy in 0..self.proxies.len() {
                all.push(self.serving(proxy).await);
            }
            all
        };
        let is_one = |all: &Vec<(u64, String)>| all.iter().all(|one| one.0 >= version && *one == all[0]);
        until_within(bound, "all have the same version", state, is_one).await;
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.proxies.clear();
        self.planes.clear();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
