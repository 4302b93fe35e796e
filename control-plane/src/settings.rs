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

    /// Our certificate, PEM, with what lies between it and its authority: makes the gRPC address https://
    #[arg(long, env = "PENSTOCK_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// The key of that certificate, PEM
    #[arg(long, env = "PENSTOCK_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Authorities whose client certificates are taken, PEM
    #[arg(long, env = "PENSTOCK_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,

    /// Who is who and may do what, by certificates and tokens: docs/security.md
    #[arg(long, env = "PENSTOCK_ACCESS_FILE", value_name = "FILE")]
    pub access_file: Option<PathBuf>,

    /// Tokens with which nodes join, one a line; each is valid
    #[arg(long, env = "PENSTOCK_JOIN_TOKEN_FILE", value_name = "FILE")]
    pub join_token_file: Option<PathBuf>,

    /// The network is protected otherwise: do without credentials or without TLS where they would be required
    #[arg(long, env = "PENSTOCK_TRUST_NETWORK")]
    pub trust_network: bool,
    /// PostgreSQL database to use instead of the directory, for example postgres://penstock@db.example.com/penstock
    #[arg(long, env = "PENSTOCK_STORE", hide_env_values = true, value_name = "URL")]
    pub store: Option<StoreUrl>,

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
