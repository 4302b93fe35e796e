//! The end of `penstock up`: which signals mean it, and in which order the children go.

use std::io::{self, Write};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::child::Child;
use crate::exit::Failure;

/// Ctrl-C, a service manager's stop, and the closing of the terminal.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    /// From now on these signals no longer end the process.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the system refuses.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::Failed(format!("listening for signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for any of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Stops the children, the last one started first: the proxy while its upstream and its control plane still answer.
/// Another signal ends them all at once.
///
/// # Errors
/// The first child that did not stop well.
pub(crate) async fn all(mut children: Vec<Child>, signals: &mut StopSignals) -> Result<(), Failure> {
    if children.is_empty() {
        return Ok(());
    }
    say("Stopping: requests in flight may finish. Another Ctrl-C does not wait.");
    let stopped = tokio::select! {
        stopped = one_by_one(&mut children) => Some(stopped),
        () = signals.next() => None,
    };
    match stopped {
        Some(Ok(())) => {
            say("Stopped.");
            Ok(())
        }
        Some(failed) => failed,
        None => {
            for child in &mut children {
                child.kill().await;
            }
            Err(Failure::Failed("stopped before requests in flight had finished".into()))
        }
    }
}

async fn one_by_one(children: &mut [Child]) -> Result<(), Failure> {
    let mut result = Ok(());
    for child in children.iter_mut().rev() {
        result = result.and(child.stop().await);
    }
    result
}

fn say(line: &str) {
    // Where nobody listens any more, stopping goes on.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
