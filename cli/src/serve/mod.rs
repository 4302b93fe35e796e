//! The hidden `penstock serve`: one part of the gateway in this process, as `penstock up` starts it.
//!
//! Apart from the command tree of `args`, because the parts bring flags of their own that are no one else's. It only
//! joins the libraries to flags, log and stop signals.

mod lifeline;
mod log;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use self::lifeline::Lifeline;

/// The first argument that leads here.
pub(crate) const WORD: &str = "serve";

/// Run one part of the gateway in this process
#[derive(Debug, Parser)]
#[command(name = "penstock serve", version)]
struct Serve {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Args)]
struct Common {
    /// Drain and end when standard input ends
    #[arg(long, global = true)]
    until_stdin_ends: bool,
    /// What to log on standard error: a level, or a list of module=level
    #[arg(long, global = true, env = "PENSTOCK_LOG", value_name = "FILTER", default_value = "info")]
    log: EnvFilter,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The management API over its database, and the publisher
    ControlPlane(Box<penstock_control_plane::Settings>),
    /// The proxy
    DataPlane(Box<penstock_data_plane::Settings>),
    /// The example upstream
    ImageResizer {
        #[command(flatten)]
        settings: image_resizer::Settings,
        /// Write the bound addresses to standard output as one line of JSON
        #[arg(long, hide = true)]
        print_addresses: bool,
    },
}

/// Parses the arguments behind [`WORD`] and serves.
pub(crate) fn main() -> ExitCode {
    let Serve { common, part } = Serve::parse_from(std::env::args_os().skip(1));
    log::install(common.log, part.name());
    let lifeline = if common.until_stdin_ends { Lifeline::standard_input() } else { Lifeline::none() };
    match part.run(lifeline) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Part {
    /// What stands before each line of its log.
    fn name(&self) -> &'static str {
        match self {
            Self::ControlPlane(_) => "control plane",
            Self::DataPlane(_) => "proxy",
            Self::ImageResizer { .. } => "image resizer",
        }
    }

    fn run(self, lifeline: Lifeline) -> anyhow::Result<()> {
        match self {
            Self::ControlPlane(settings) => {
                let print = settings.print_addresses;
                runtime()?.block_on(async {
                    let bound = penstock_control_plane::bind(*settings).await?;
                    announce(print, &json!({ "grpc": bound.grpc_addr(), "admin": bound.admin_addr() }))?;
                    bound.run(lifeline.cut()).await?;
                    Ok(())
                })
            }
            // It makes its own threads and runtimes, so there must be none here.
            Self::DataPlane(settings) => {
                let print = settings.print_addresses;
                let bound = penstock_data_plane::bind(*settings)?;
                announce(print, &json!({ "proxy": bound.proxy_addr(), "admin": bound.admin_addr() }))?;
                Ok(bound.run(lifeline.cut())?)
            }
            Self::ImageResizer { settings, print_addresses } => runtime()?.block_on(async {
                let bound = image_resizer::bind(settings).await?;
                announce(print_addresses, &json!({ "http": bound.local_addr() }))?;
                bound.run(lifeline.cut()).await;
                Ok(())
            }),
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")
}

fn announce(print: bool, addresses: &Value) -> anyhow::Result<()> {
    if print {
        writeln!(io::stdout().lock(), "{addresses}").context("writing the addresses")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_of_the_parts_do_not_clash() {
        Serve::command().debug_assert();
    }

    #[test]
    fn every_part_takes_what_up_says_to_all() {
        for part in ["control-plane", "data-plane", "image-resizer"] {
            let line = format!("serve {part} --until-stdin-ends --print-addresses --log warn --listen 127.0.0.1:0");
            let serve = Serve::try_parse_from(line.split(' ')).unwrap();
            assert!(serve.common.until_stdin_ends, "{part}");
        }
    }
}
