//! A control plane, proxies and a catch-all way to a test's own API.

use crate::process::{Program, binary};
use crate::wait::{until, until_within};
use penstock_proto::management::v1::deployment_service_client::DeploymentServiceClient;
use penstock_proto::management::v1::fleet_service_client::FleetServiceClient;
use penstock_proto::management::v1::rest_api_service_client::RestApiServiceClient;
use penstock_proto::management::v1::stage_service_client::StageServiceClient;
use penstock_proto::management::v1::{
    GetConfigurationRequest, ImportRestApiRequest, ImportRestApiResponse, ListRestApisRequest, PutRestApiRequest,
    StageSpec, put_rest_api_request,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tonic::Status;
use tonic::transport::Channel;

/// Everything that a test runs. Dropping it ends all processes and removes the directory.
pub struct World {
    directory: PathBuf,
    /// The control plane.
    pub control: Program,
    /// The proxies, in the order of their start.
    pub proxies: Vec<Program>,
    grpc: SocketAddr,
}

/// What is particular about a control plane of a test.
#[derive(Debug, Default)]
pub struct Particular<'a> {
    /// Words of another program that becomes this one.
    pub wrapper: &'a [&'a str],
    /// Variables of its environment.
    pub environment: &'a [(&'a str, &'a str)],
    /// Further arguments.
    pub arguments: &'a [&'a str],
    /// Where it listens; a port of the loopback address if that is not said.
    pub listen: Option<&'a str>,
    /// Where its data is; in the directory of the world if that is not said.
    pub data_dir: Option<&'a Path>,
}

impl World {
    /// A control plane with an empty store, and this many proxies.
    pub async fn start(proxies: usize) -> Self {
        Self::start_with(proxies, &[]).await
    }

    /// The same, with further arguments for the proxies.
    pub async fn start_with(proxies: usize, arguments: &[&str]) -> Self {
        Self::start_in(proxies, arguments, &[]).await
    }

    /// The same, with variables of the proxies' environment.
    pub async fn start_in(proxies: usize, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut world = Self::start_settling(0);
        for _ in 0..proxies {
            world.add_proxy_in(arguments, environment).await;
        }
        world
    }

    /// A control plane alone, which takes so long to believe that it knows all proxies.
    pub fn start_settling(settle_ms: u64) -> Self {
        let settle_ms = settle_ms.to_string();
        Self::start_particular(&Particular { arguments: &["--fleet-settle-ms", &settle_ms], ..Particular::default() })
    }

    /// A control plane alone, with what is particular about it. It believes at once that it knows all proxies, unless its
    /// arguments say otherwise.
    pub fn start_particular(particular: &Particular<'_>) -> Self {
        let directory = temporary_directory();
        let data = particular.data_dir.map_or_else(|| directory.join("data"), Path::to_owned);
        let listen = particular.listen.unwrap_or("127.0.0.1:0");
        let mut arguments =
            vec!["--listen", listen, "--data-dir", data.to_str().unwrap(), "--admin-listen", "127.0.0.1:0"];
        if !particular.arguments.contains(&"--fleet-settle-ms") {
            arguments.extend(["--fleet-settle-ms", "0"]);
        }
        arguments.extend(particular.arguments);
        let (wrapper, environment) = (particular.wrapper, particular.environment);
        let control = Program::start_under(wrapper, "penstock-control-plane", &directory, &arguments, environment);
        let grpc = control.address("grpc");
        Self { directory, control, proxies: Vec::new(), grpc }
    }

    /// Starts one more proxy and waits until it is ready.
    pub async fn add_proxy(&mut self, arguments: &[&str]) {
        self.add_proxy_in(arguments, &[]).await;
    }

    async fn add_proxy_in(&mut self, arguments: &[&str], environment: &[(&str, &str)]) {
        self.add_proxy_unready(&[], arguments, environment);
        self.ready(self.proxies.len() - 1).await;
    }

    /// Waits until a proxy has a configuration.
    pub async fn ready(&self, proxy: usize) {
        let admin = self.admin(proxy);
        let ready = async || crate::client::get(admin, "admin", "/health/ready").await.status.as_u16();
        until("the proxy is ready", ready, |&status| status == 200).await;
    }

    /// Starts one more proxy behind the words of another program, and waits for nothing. Its arguments may say where it
    /// listens, on both ports.
    pub fn add_proxy_unready(&mut self, wrapper: &[&str], arguments: &[&str], environment: &[(&str, &str)]) {
        let control_plane = self.grpc_url();
        let mut all = vec!["--control-plane", &control_plane];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        }
        all.extend_from_slice(arguments);
        let proxy = Program::start_under(wrapper, "penstock-data-plane", &self.directory, &all, environment);
        self.proxies.push(proxy);
    }

    /// A directory that dies with the world.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where clients reach the first proxy.
    pub fn proxy(&self) -> SocketAddr {
        self.proxies[0].address("proxy")
    }

    /// Where operators reach a proxy.
    pub fn admin(&self, proxy: usize) -> SocketAddr {
        self.proxies[proxy].address("admin")
    }

    /// The control plane's URL.
    pub fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// `kill -9`.
    pub fn kill_control(&mut self) {
        self.control.kill();
    }

    /// Starts the control plane again, on the same port and the same store.
    pub fn restart_control(&mut self) {
        self.control.start_again();
    }

    /// A channel to the control plane.
    pub async fn channel(&self) -> Channel {
        Channel::from_shared(self.grpc_url()).unwrap().connect().await.unwrap()
    }

    /// A channel that connects again when it has to.
    pub fn lasting_channel(&self) -> Channel {
        Channel::from_shared(self.grpc_url()).unwrap().connect_lazy()
    }

    /// The management API's client for whole APIs.
    pub async fn rest_apis(&self) -> RestApiServiceClient<Channel> {
        RestApiServiceClient::new(self.channel().await)
    }

    /// … for stages.
    pub async fn stages(&self) -> StageServiceClient<Channel> {
        StageServiceClient::new(self.channel().await)
    }

    /// … for deployments.
    pub async fn deployments(&self) -> DeploymentServiceClient<Channel> {
        DeploymentServiceClient::new(self.channel().await)
    }

    /// … for the fleet.
    pub async fn fleet(&self) -> FleetServiceClient<Channel> {
        FleetServiceClient::new(self.channel().await)
    }

    /// Registers an API at the catch-all domain and waits until every proxy serves it.
    pub async fn register(&self, document: &Value) -> ImportRestApiResponse {
        self.register_at(document, "*", "").await
    }

    /// The same at a domain and base path.
    pub async fn register_at(&self, document: &Value, domain: &str, base_path: &str) -> ImportRestApiResponse {
        let stage = StageSpec {
            stage_name: "prod".into(),
            variables: BTreeMap::new(),
            auto_deploy: true,
            domain_name: domain.into(),
            base_path: base_path.into(),
        };
        let request =
            ImportRestApiRequest { document: document.to_string().into(), stage: Some(stage), ..Default::default() };
        let answer = self.rest_apis().await.import_rest_api(request).await.unwrap().into_inner();
        self.settled().await;
        answer
    }

    /// Overwrites an API whose stage deploys by itself. Does not wait for the proxies.
    pub async fn overwrite(client: &mut RestApiServiceClient<Channel>, rest_api_id: &str, document: &Value) -> u64 {
        Self::try_overwrite(client, rest_api_id, document).await.unwrap()
    }

    /// The same where it may be refused.
    ///
    /// # Errors
    /// As the control plane says.
    pub async fn try_overwrite(
        client: &mut RestApiServiceClient<Channel>,
        rest_api_id: &str,
        document: &Value,
    ) -> Result<u64, Status> {
        let request = PutRestApiRequest {
            rest_api_id: rest_api_id.into(),
            mode: put_rest_api_request::Mode::Overwrite.into(),
            document: document.to_string().into(),
            ..Default::default()
        };
        let answer = client.put_rest_api(request).await?;
        Ok(answer.metadata().get("penstock-config-version").unwrap().to_str().unwrap().parse().unwrap())
    }

    /// The newest published version and its root hash.
    pub async fn published(&self) -> (u64, String) {
        let answer = self.fleet().await.get_configuration(GetConfigurationRequest {}).await.unwrap().into_inner();
        (answer.version, answer.root_hash)
    }

    /// What a proxy serves.
    pub async fn serving(&self, proxy: usize) -> (u64, String) {
        let config = crate::client::get(self.admin(proxy), "admin", "/config").await.json();
        (config["version"].as_u64().unwrap(), config["rootHash"].as_str().unwrap().to_owned())
    }

    /// The page that says what a proxy serves and how old that is.
    pub async fn config(&self, proxy: usize) -> Value {
        crate::client::get(self.admin(proxy), "admin", "/config").await.json()
    }

    /// Waits until a proxy has this version on its disk, or a newer one.
    pub async fn kept(&self, proxy: usize, version: u64) {
        let kept = async || self.config(proxy).await["state"].clone();
        until("it is kept", kept, |state| state["keptVersion"].as_u64() >= Some(version)).await;
    }

    /// One of a proxy's metrics, by its whole name.
    pub async fn metric(&self, proxy: usize, name: &str) -> f64 {
        let text = crate::client::get(self.admin(proxy), "admin", "/metrics").await;
        let mut lines = text.text().lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no metric {name}"));
        value.parse().unwrap()
    }

    /// Waits until the control plane publishes this version or a newer one, and these proxies serve just that.
    ///
    /// # Panics
    /// It takes longer than `bound`.
    pub async fn converged_within(&self, bound: Duration, proxies: &[usize], version: u64) {
        let state = async || {
            let mut all = vec![self.published().await];
            for proxy in proxies {
                all.push(self.serving(*proxy).await);
            }
            all
        };
        let is_one = |all: &Vec<(u64, String)>| all.iter().all(|one| one.0 >= version && *one == all[0]);
        until_within(bound, "all have the same version", state, is_one).await;
    }

    /// Waits until every proxy serves what is published now, or something newer.
    pub async fn settled(&self) {
        let (version, _) = self.published().await;
        for proxy in 0..self.proxies.len() {
            until("the proxy serves the newest version", async || self.serving(proxy).await.0, |&now| now >= version)
                .await;
        }
    }

    /// Runs the command line against this control plane.
    pub fn cli(&self, arguments: &[&str]) -> std::process::Output {
        self.cli_command(arguments).output().unwrap()
    }

    /// The command line, to be run in another way.
    pub fn cli_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("penstock"));
        command.args(arguments).env("PENSTOCK_CONTROL_PLANE", self.grpc_url()).current_dir(&self.directory);
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// The names of all APIs that are stored.
///
/// # Panics
/// Two have the same name.
pub async fn api_names(client: &mut RestApiServiceClient<Channel>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut page_token = String::new();
    loop {
        let request = ListRestApisRequest { page_size: 100, page_token, name: String::new() };
        let page = client.list_rest_apis(request).await.unwrap().into_inner();
        for api in page.items {
            assert!(names.insert(api.name.clone()), "{} is stored twice", api.name);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return names;
        }
    }
}

/// A new empty directory.
pub fn temporary_directory() -> PathBuf {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("penstock-test-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// An OpenAPI document with `HTTP_PROXY` integrations: (method, path, upstream URI). `ANY` is allowed; every path
/// variable of a path is mapped to the same name in the URI.
pub fn document(title: &str, routes: &[(&str, &str, String)]) -> Value {
    let mut paths = serde_json::Map::new();
    for (method, path, uri) in routes {
        let parameters: serde_json::Map<String, Value> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| name.trim_end_matches('+'))
            .map(|name| (format!("integration.request.path.{name}"), json!(format!("method.request.path.{name}"))))
            .collect();
        let operation = json!({"x-amazon-apigateway-integration": {
            "type": "http_proxy", "httpMethod": method, "uri": uri, "requestParameters": parameters,
        }});
        let key = if *method == "ANY" { "x-amazon-apigateway-any-method".to_owned() } else { method.to_lowercase() };
        let item = paths.entry((*path).to_owned()).or_insert_with(|| json!({}));
        item[key] = operation;
    }
    json!({"openapi": "3.0.1", "info": {"title": title, "version": "1"}, "paths": paths})
}
