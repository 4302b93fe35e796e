//! What a process is told once, at its start. The only reader of flags and environment.

use crate::access_log::AccessLogFormat;
use crate::limits::COLLECT_BUDGET_BYTES;
use std::net::SocketAddr;

/// Settings of one proxy. Flags win over environment variables.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Address for clients: HTTP/1.1, and HTTP/2 with prior knowledge
    #[arg(long, env = "PENSTOCK_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Address for operators: /health/live, /health/ready, /metrics, /config
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

    /// Name of this node in the fleet [default: host name and process id]
    #[arg(long, env = "PENSTOCK_NODE_ID", value_name = "ID")]
    pub node_id: Option<String>,

    /// Label of this node, for people and for choosing nodes
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// Threads that serve clients [default: one for each core]
    #[arg(long, env = "PENSTOCK_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,

    /// Client connections at a time; further ones wait to be accepted
    #[arg(
        long,
        env = "PENSTOCK_CONNECTIONS_MAX",
        default_value_t = 16_384,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub connections_max: u32,

    /// Milliseconds that requests under way get to finish after SIGTERM
    #[arg(long, env = "PENSTOCK_DRAIN_DEADLINE_MS", default_value_t = 30_000, value_name = "MS")]
    pub drain_deadline_ms: u64,

    /// Largest body that is collected for a template, a mapping or a document, in bytes
    #[arg(long, env = "PENSTOCK_COLLECT_BYTES_MAX", default_value_t = 10_485_760, value_name = "BYTES")]
    pub collect_bytes_max: usize,

    /// Bytes of bodies, and of the coders of bodies, that the process holds in memory at a time
    #[arg(long, env = "PENSTOCK_COLLECT_BUDGET_BYTES", default_value_t = COLLECT_BUDGET_BYTES, value_name = "BYTES")]
    pub collect_budget_bytes: usize,

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

    /// The node's name.
    pub(crate) fn node_name(&self) -> String {
        self.node_id.clone().unwrap_or_else(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let host = if host.trim().is_empty() { "node" } else { host.trim() };
            format!("{host}-{}", std::process::id())
        })
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
