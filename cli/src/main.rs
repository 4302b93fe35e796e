//! `penstock`: runs a whole gateway with one command, and manages one over gRPC.
//!
//! `up` starts control plane, proxy and example as child processes of itself; they come back here as the hidden
//! `serve`. Everything else is a client of the management API, in `commands/`. No rule of the gateway lives here.

mod args;
mod client;
mod commands;
mod exit;
mod output;
mod serve;
mod up;

use std::env;
use std::process::ExitCode;

use crate::args::Cli;
use crate::commands::Context;
use crate::exit::Failure;

/// The proxy's, which `up` runs in this program too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if env::args_os().nth(1).is_some_and(|word| word == serve::WORD) {
        return serve::main();
    }
    match Cli::from_command_line().and_then(client) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code())
        }
    }
}

/// One thread is enough for waiting; the processes that do the work have their own.
fn client(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("starting the runtime: {error}")))?;
    let context = Context::new(cli.global);
    runtime.block_on(Box::pin(commands::run(cli.command, &context)))
}
