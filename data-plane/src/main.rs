//! The `penstock-data-plane` program.

use anyhow::Context as _;
use clap::Parser;
use penstock_data_plane::Settings;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// A request makes some two dozen allocations, all of them on the thread that frees them; what a burst took goes back to the
/// operating system (figures in `benches/README.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Penstock's proxy: serves what the control plane publishes.
#[derive(Parser)]
#[command(name = "penstock-data-plane", version)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,

    /// What to log on standard error, for example info or penstock_data_plane=debug
    #[arg(long, env = "PENSTOCK_LOG", default_value = "info", value_name = "FILTER")]
    log: EnvFilter,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(arguments.log)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    penstock_data_plane::run(arguments.settings).context("the proxy stopped")
}
