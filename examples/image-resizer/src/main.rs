//! The `image-resizer` process: flags, log, stop signal, and then the library.

use std::io::{self, IsTerminal};

use anyhow::Context;
use clap::Parser;
use image_resizer::Settings;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Takes a picture with POST /upload and answers it smaller
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    settings: Settings,

    /// What to log: a level, or a list of module=level
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    log: EnvFilter,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { settings, log } = Cli::parse();
    let colours = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(log).with_ansi(colours).with_writer(io::stderr).init();
    // Before the socket is open: a stop signal that comes first must not be lost.
    let terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let bound = image_resizer::bind(settings).await?;
    bound.run(either(terminate, interrupt)).await;
    Ok(())
}

async fn either(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
