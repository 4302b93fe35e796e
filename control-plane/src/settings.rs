//! What a process is told once, at its start. The only reader of flags and environment.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Settings of one control plane. Flags win over environment variables.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Address for operators' programs and for nodes: gRPC
    #[arg(long, env = "PENSTOCK_LISTEN", default_value = "127.0.0.1:50051", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Address for operators: /health/live, /health/ready, /metrics
    #[arg(long, env = "PENSTOCK_ADMIN_LISTEN", default_value = "127.0.0.1:9090", value_name = "ADDR")]
    pub admin_listen: SocketAddr,

    /// Directory of the database; made if it is not there
    #[arg(long, env = "PENSTOCK_DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Milliseconds that calls under way get to finish after SIGTERM
    #[arg(long, env = "PENSTOCK_DRAIN_DEADLINE_MS", default_value_t = 5_000, value_name = "MS")]
    pub drain_deadline_ms: u64,

    /// Milliseconds after the start in which proxies may still be coming back, so that a deployment that waits for all of
    /// them goes on waiting
    #[arg(long, env = "PENSTOCK_FLEET_SETTLE_MS", default_value_t = 15_000, value_name = "MS")]
    pub fleet_settle_ms: u64,

    /// Write the bound addresses to standard output as one line of JSON
    #[arg(long, hide = true)]
    pub print_addresses: bool,
}
