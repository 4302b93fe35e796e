//! What a process is told once, at its start. The only reader of flags and environment.

use crate::access_log::AccessLogFormat;
use crate::limits::{
    BODY_IDLE_TIMEOUT_MS, BODY_RATE_MIN, COLLECT_BUDGET_BYTES, CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX,
    FUNCTION_PAYLOAD_BYTES_MAX, REQUESTS_MAX, UPSTREAM_EJECTION_S,
};
use crate::memory;
use crate::metrics::UpstreamFigures;
use crate::overload::Overload;
use crate::patience::BodyLimit;
use crate::server::Doors;
use crate::services::service_endpoint;
use crate::subscription::STREAM_AGE_MS_MAX;
use crate::transform::collect::CollectBudget;
use crate::upstream::{Common, Names, RetrySettings};
use penstock_link::ClientSettings;
use penstock_model::endpoint::Endpoint;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// What stands for a function in the path of its invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LambdaInvokeBy {
    /// The ARN of the integration's URI, as the service takes it.
    #[default]
    Arn,
    /// The name in that ARN, as emulators take it.
    Name,
}

/// Whether calls of functions and other services carry a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AwsSigning {
    /// Signature Version 4, with credentials from the standard chain.
    #[default]
    Sigv4,
    /// None, and no credentials are looked for.
    None,
}

/// What a proxy does when no control plane has confirmed its configuration for long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum StalePolicy {
    /// Serves on as if nothing were.
    #[default]
    Serve,
    /// Serves on, and every answer carries a `Warning`.
    Warn,
    /// Answers 503, and is not ready.
    Refuse,
}

/// Settings of one proxy. Flags win over environment variables.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Address for clients: HTTP/1.1, and HTTP/2 with prior knowledge
    #[arg(long, env = "PENSTOCK_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Address for operators: /health/live, /health/ready, /metrics, /config, /upstreams
    #[arg(long, env = "PENSTOCK_ADMIN_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub admin_listen: SocketAddr,

    /// Control plane to subscribe to; several, separated by commas, are tried in turn
    #[arg(
        long,
        env = "PENSTOCK_CONTROL_PLANE",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub control_plane: Vec<tonic::transport::Uri>,

    /// Age of a stream to a control plane at which another one is looked for, in seconds; up to a quarter earlier, by chance
    #[arg(
        long,
        env = "PENSTOCK_STREAM_AGE_SECONDS_MAX",
        default_value_t = STREAM_AGE_MS_MAX / 1_000,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub stream_age_seconds_max: u64,

    /// Directory of this node alone, in which it keeps its configuration to start without a control plane [default: none]
    #[arg(long, env = "PENSTOCK_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// What to do when no control plane has confirmed the configuration for too long
    #[arg(long, env = "PENSTOCK_STALE_POLICY", value_enum, default_value_t = StalePolicy::Serve)]
    pub stale_policy: StalePolicy,

    /// Seconds without a confirmation from which on the configuration is stale
    #[arg(
        long,
        env = "PENSTOCK_STALE_AFTER_SECONDS",
        default_value_t = 300,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=31_536_000)
    )]
    pub stale_after_seconds: u64,

    /// How it is reached
    #[command(flatten)]
    pub link: ClientSettings,

    /// File whose first line is the token with which this node joins
    #[arg(long, env = "PENSTOCK_JOIN_TOKEN_FILE", value_name = "FILE")]
    pub join_token_file: Option<PathBuf>,

    /// Name of this node in the fleet [default: host name and process id; with a state directory, the name kept there]
    #[arg(long, env = "PENSTOCK_NODE_ID", value_name = "ID")]
    pub node_id: Option<String>,

    /// Label of this node, for people and for choosing nodes
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// Threads that serve clients [default: one for each core]
    #[arg(long, env = "PENSTOCK_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,

    /// Client connections at a time; further ones wait for a second, then get 503
    #[arg(
        long,
        env = "PENSTOCK_CONNECTIONS_MAX",
        default_value_t = CONNECTIONS_MAX,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub connections_max: u32,

    /// Connections of one client address (IPv6: of one /64) at a time; further ones are closed at once; 0: any number
    #[arg(
        long,
        env = "PENSTOCK_CONNECTIONS_PER_ADDRESS_MAX",
        default_value_t = CONNECTIONS_PER_ADDRESS_MAX,
        value_name = "N"
    )]
    pub connections_per_address_max: u32,

    /// Requests under way at a time; further ones get 503; 0: any number
    #[arg(long, env = "PENSTOCK_REQUESTS_MAX", default_value_t = REQUESTS_MAX, value_name = "N")]
    pub requests_max: u32,

    /// Bytes that the process may hold by the law of memory (docs/limits.md); beyond, new requests get 503 [default: what the
    /// other limits add up to, or three quarters of the memory that there is, if that is less]
    #[arg(long, env = "PENSTOCK_MEMORY_BUDGET_BYTES", value_name = "BYTES")]
    pub memory_budget_bytes: Option<u64>,

    /// Milliseconds that a body may make no progress, in either direction
    #[arg(
        long,
        env = "PENSTOCK_BODY_IDLE_MS",
        default_value_t = BODY_IDLE_TIMEOUT_MS,
        value_name = "MS",
        value_parser = clap::value_parser!(u64).range(100..=3_600_000)
    )]
    pub body_idle_ms: u64,

    /// Bytes per second that a client must send, or take, on average while it is waited for; 0: any progress will do
    #[arg(long, env = "PENSTOCK_BODY_RATE_MIN", default_value_t = BODY_RATE_MIN, value_name = "BYTES")]
    pub body_rate_min: u32,

    /// Milliseconds that requests under way get to finish after SIGTERM
    #[arg(long, env = "PENSTOCK_DRAIN_DEADLINE_MS", default_value_t = 30_000, value_name = "MS")]
    pub drain_deadline_ms: u64,

    /// Request lines (method, host, path) that each worker remembers for `penstock deploy --preview`; 0: none
    #[arg(
        long,
        env = "PENSTOCK_RECENT_REQUESTS",
        default_value_t = 1_024,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(0..=16_384)
    )]
    pub recent_requests: u16,

    /// Offer HTTP/2 in the TLS handshake to https upstreams: many requests share a connection to those that take it
    #[arg(long, env = "PENSTOCK_UPSTREAM_HTTP2")]
    pub upstream_http2: bool,

    /// DNS server to ask for the addresses of upstreams; several, separated by commas [default: those of /etc/resolv.conf]
    #[arg(
        long = "dns-server",
        env = "PENSTOCK_DNS_SERVERS",
        value_name = "IP[:PORT]",
        value_parser = dns_server,
        value_delimiter = ','
    )]
    pub dns_servers: Vec<SocketAddr>,

    /// Seconds for which an upstream's address that fails gets no requests, the first time; 0: it always gets some
    #[arg(
        long,
        env = "PENSTOCK_UPSTREAM_EJECTION_SECONDS",
        default_value_t = UPSTREAM_EJECTION_S,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=3_600)
    )]
    pub upstream_ejection_seconds: u64,

    /// How often a request that means the same twice is sent again when its upstream fails; 0: never
    #[arg(
        long,
        env = "PENSTOCK_UPSTREAM_RETRIES",
        default_value_t = 0,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(0..=5)
    )]
    pub upstream_retries: u32,

    /// How many of the requests to an upstream may be sent again, in percent of those of the last ten seconds
    #[arg(
        long,
        env = "PENSTOCK_UPSTREAM_RETRY_BUDGET_PERCENT",
        default_value_t = 20,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    pub upstream_retry_budget_percent: u32,

    /// Largest body that is collected for a template, a mapping or a document, in bytes
    #[arg(long, env = "PENSTOCK_COLLECT_BYTES_MAX", default_value_t = 10_485_760, value_name = "BYTES")]
    pub collect_bytes_max: usize,

    /// Bytes of bodies, and of the coders of bodies, that the process holds in memory at a time
    #[arg(long, env = "PENSTOCK_COLLECT_BUDGET_BYTES", default_value_t = COLLECT_BUDGET_BYTES, value_name = "BYTES")]
    pub collect_budget_bytes: usize,

    /// Largest document that is sent to a function, in bytes; results may have 100 more, as the service lets them
    #[arg(
        long,
        env = "PENSTOCK_LAMBDA_PAYLOAD_BYTES_MAX",
        default_value_t = FUNCTION_PAYLOAD_BYTES_MAX,
        value_name = "BYTES"
    )]
    pub lambda_payload_bytes_max: usize,

    /// Where functions are invoked [default: lambda.REGION.amazonaws.com, over TLS]
    #[arg(long, env = "PENSTOCK_LAMBDA_ENDPOINT", value_name = "URL", value_parser = Endpoint::parse)]
    pub lambda_endpoint: Option<Endpoint>,

    /// What stands for a function in the path of its invocation
    #[arg(long, env = "PENSTOCK_LAMBDA_INVOKE_BY", value_enum, default_value_t = LambdaInvokeBy::Arn)]
    pub lambda_invoke_by: LambdaInvokeBy,

    /// Where another service is called, for example s3=http://127.0.0.1:9000; several, separated by commas
    #[arg(
        long = "aws-endpoint",
        env = "PENSTOCK_AWS_ENDPOINTS",
        value_name = "SERVICE=URL",
        value_parser = service_endpoint,
        value_delimiter = ','
    )]
    pub aws_endpoints: Vec<(String, Endpoint)>,

    /// Whether calls of functions and other services carry a signature
    #[arg(long, env = "PENSTOCK_AWS_SIGNING", value_enum, default_value_t = AwsSigning::Sigv4)]
    pub aws_signing: AwsSigning,

    /// Access log on standard output: one line for each request
    #[arg(long, env = "PENSTOCK_ACCESS_LOG", value_enum, default_value_t = AccessLogFormat::Off)]
    pub access_log: AccessLogFormat,

    /// Write the bound addresses to standard output as one line of JSON
    #[arg(long, hide = true)]
    pub print_addresses: bool,
}

impl Settings {
    /// Threads that serve clients.
    pub(crate) fn worker_count(&self) -> usize {
        match self.workers {
            Some(workers) => workers.into(),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// What the ways to the upstreams share. Names are looked up by `control`.
    pub(crate) fn upstreams(&self, control: &Handle, figures: Arc<UpstreamFigures>) -> Common {
        Common {
            tls: Arc::default(),
            names: Arc::new(Names::new(control.clone(), self.dns_servers.clone(), Arc::clone(&figures))),
            figures,
            retries: self.retries(),
            ejection: Duration::from_secs(self.upstream_ejection_seconds),
            idle: self.client_limit().idle,
            http2: self.upstream_http2,
        }
    }

    /// What may be sent again.
    fn retries(&self) -> RetrySettings {
        RetrySettings { attempts: self.upstream_retries, budget_percent: self.upstream_retry_budget_percent }
    }

    /// What the bodies of clients keep to, in both directions.
    pub(crate) fn client_limit(&self) -> BodyLimit {
        BodyLimit { idle: Duration::from_millis(self.body_idle_ms), rate_min: self.body_rate_min }
    }

    /// How many connections come in.
    pub(crate) fn doors(&self) -> Arc<Doors> {
        Doors::new(self.connections_max, self.connections_per_address_max)
    }

    /// Whether anybody could be served within the budget.
    ///
    /// # Errors
    /// What the process holds that serves nobody, in bytes.
    pub(crate) fn budget_suffices(&self) -> Result<(), i64> {
        let fixed = memory::fixed_bytes(self.worker_count());
        let budget = self.memory_budget_bytes.map_or(i64::MAX, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        if budget > fixed { Ok(()) } else { Err(fixed) }
    }

    /// When the process refuses new work.
    pub(crate) fn overload(&self, collected: CollectBudget) -> Arc<Overload> {
        let workers = self.worker_count();
        let budget_bytes = self.memory_budget_bytes.unwrap_or_else(|| {
            let collect_bytes = collected.total_bytes();
            memory::default_budget_bytes(workers, self.connections_max, self.requests_max, collect_bytes)
        });
        Arc::new(Overload::new(budget_bytes, self.requests_max, workers, collected))
    }

    /// Where services are called instead of their regions' own addresses, by name.
    pub(crate) fn service_endpoints(&self) -> HashMap<String, Endpoint> {
        let lambda = self.lambda_endpoint.iter().map(|endpoint| ("lambda".to_owned(), endpoint.clone()));
        self.aws_endpoints.iter().cloned().chain(lambda).collect()
    }

    /// The node's name, unless it is kept in a state directory.
    pub(crate) fn node_name(&self) -> String {
        self.node_id.clone().unwrap_or_else(|| format!("{}-{}", host_name(), std::process::id()))
    }

    /// A name that outlives the process, and is no other's: a process id comes back.
    pub(crate) fn lasting_node_name(&self) -> String {
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        format!("{}-{:08x}", host_name(), random >> 32)
    }
}

fn host_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if host.trim().is_empty() { "node".to_owned() } else { host.trim().to_owned() }
}

fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
    with_port.map_err(|_| "expected an IP address, or one with a port".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
