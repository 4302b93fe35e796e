//! What a process is told once, at its start. The only reader of flags and environment.

use std::fmt;
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

    /// PostgreSQL database to use instead of the directory, for example postgres://penstock@db.example.com/penstock
    #[arg(long, env = "PENSTOCK_STORE", hide_env_values = true, value_name = "URL")]
    pub store: Option<StoreUrl>,

    /// Milliseconds that calls under way get to finish after SIGTERM
    #[arg(long, env = "PENSTOCK_DRAIN_DEADLINE_MS", default_value_t = 5_000, value_name = "MS")]
    pub drain_deadline_ms: u64,

    /// Write the bound addresses to standard output as one line of JSON
    #[arg(long, hide = true)]
    pub print_addresses: bool,
}

/// Where a database is, perhaps with a password: it is never shown.
#[derive(Clone)]
pub struct StoreUrl(String);

impl StoreUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// Takes any text: what refuses an argument prints it, and it may hold a password.
impl From<String> for StoreUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://…")
    }
}
