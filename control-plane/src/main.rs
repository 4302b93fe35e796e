//! The `penstock-control-plane` program.

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use penstock_control_plane::{Settings, bind};
use std::io::{self, IsTerminal as _, Write as _};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Penstock's control plane: keeps the configuration and tells the proxies.
#[derive(Parser)]
#[command(name = "penstock-control-plane", version)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,

    /// What to log on standard error, for example info or penstock_control_plane=debug
    #[arg(long, env = "PENSTOCK_LOG", default_value = "info", value_name = "FILTER")]
    log: EnvFilter,

    /// How to log
    #[arg(long, env = "PENSTOCK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One object a line
    Json,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let log = tracing_subscriber::fmt()
        .with_env_filter(arguments.log)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    // Before binding, so that a signal during a long start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let print_addresses = arguments.settings.print_addresses;
    let bound = bind(arguments.settings).await.context("the control plane did not start")?;
    let (grpc, admin) = (bound.grpc_addr(), bound.admin_addr());
    tracing::info!(%grpc, %admin, "listening");
    if print_addresses {
        let line = serde_json::json!({ "grpc": grpc, "admin": admin });
        writeln!(io::stdout(), "{line}").context("writing the addresses")?;
    }
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    bound.run(shutdown).await.context("the control plane stopped")
}
