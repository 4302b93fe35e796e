//! One child of `penstock up`: this program again, with the hidden `serve`.
//!
//! The pipe on a child's standard input is its lifeline: while it is open the child serves; when it ends, because the
//! parent closed it or is gone in whatever way, the child drains and ends. So no child outlives its parent, and no
//! signal is sent but the last one.

use std::ffi::OsString;
use std::future::poll_fn;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::task::Poll;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{self, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::link;
use crate::exit::Failure;
use crate::serve;

/// From start to open sockets; the control plane may have a database to bring up to date.
const START_MS_MAX: u64 = 30_000;
/// Longer than any child's own deadline for requests in flight.
const STOP_MS_MAX: u64 = 40_000;

/// A running child.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    process: process::Child,
    /// Held open, never written to.
    lifeline: Option<ChildStdin>,
    /// Until the addresses were read.
    stdout: Option<Lines<BufReader<ChildStdout>>>,
}

impl Child {
    /// Starts `part` of this program; `name` is for people.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the system does not start it.
    pub(crate) fn start<const N: usize>(
        name: &'static str,
        part: &str,
        log: &str,
        trust_network: bool,
        flags: [(&str, OsString); N],
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::Failed(format!("starting the {name}: {error}"));
        let mut command = process::Command::new(std::env::current_exe().map_err(failed)?);
        command.args([serve::WORD, part, "--until-stdin-ends", "--print-addresses", "--log", log]);
        for (flag, value) in flags {
            command.arg(flag).arg(value);
        }
        for name in link::ELSEWHERE {
            command.env_remove(name);
        }
        command.env(link::TRUST_NETWORK, trust_network.to_string());
        // A group of its own, or Ctrl-C would reach the child together with us and we could not choose the order.
        command.process_group(0).kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(failed)?;
        let lifeline = process.stdin.take();
        let stdout = process.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Ok(Self { name, process, lifeline, stdout })
    }

    /// Waits until the child has its sockets. What it writes to standard output later is passed on to ours.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it ends instead, or takes too long.
    pub(crate) async fn addresses(&mut self) -> Result<Addresses, Failure> {
        let name = self.name;
        let mut stdout = self.stdout.take().expect("the addresses are asked for once");
        let line = match timeout(Duration::from_millis(START_MS_MAX), stdout.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(_) => {
                return Err(Failure::Failed(format!(
                    "the {name} did not start ({}); it says why above",
                    self.end().await
                )));
            }
            Err(_) => return Err(Failure::Failed(format!("the {name} did not start within {START_MS_MAX} ms"))),
        };
        tokio::spawn(pass_on(stdout));
        let addresses = serde_json::from_str(&line).map(|addresses| Addresses { name, addresses });
        addresses.map_err(|_| Failure::Failed(format!("the {name} wrote {line:?} instead of its addresses")))
    }

    /// Waits for the end and puts it into words.
    async fn end(&mut self) -> String {
        describe(self.process.wait().await)
    }

    /// Lets the child finish what it has begun, and ends it when the time is over.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it did not end by itself, or not well.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        drop(self.lifeline.take());
        let name = self.name;
        match timeout(Duration::from_millis(STOP_MS_MAX), self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(ended) => Err(Failure::Failed(format!("the {name} did not stop well: {}", describe(ended)))),
            Err(_) => {
                self.kill().await;
                Err(Failure::Failed(format!("the {name} did not stop within {STOP_MS_MAX} ms and was killed")))
            }
        }
    }

    /// Ends the child at once.
    pub(crate) async fn kill(&mut self) {
        // The only way to fail is that it has ended already.
        let _ = self.process.kill().await;
    }
}

/// Where a child listens, as it says.
#[derive(Debug)]
pub(crate) struct Addresses {
    name: &'static str,
    addresses: Value,
}

impl Addresses {
    /// # Errors
    /// [`Failure::Failed`] when the child does not tell this one.
    pub(crate) fn get(&self, key: &str) -> Result<SocketAddr, Failure> {
        let address = self.addresses.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok());
        address.ok_or_else(|| Failure::Failed(format!("the {} does not tell its {key} address", self.name)))
    }
}

/// Waits until a child ends, which none should do by itself, and says which and how.
pub(crate) async fn first_to_end(children: &mut [Child]) -> Failure {
    let names: Vec<_> = children.iter().map(|child| child.name).collect();
    let mut ends: Vec<_> = children.iter_mut().map(|child| Box::pin(child.process.wait())).collect();
    let (index, ended) = poll_fn(|context| {
        for (index, end) in ends.iter_mut().enumerate() {
            if let Poll::Ready(ended) = end.as_mut().poll(context) {
                return Poll::Ready((index, ended));
            }
        }
        Poll::Pending
    })
    .await;
    Failure::Failed(format!("the {} ended unexpectedly: {}", names[index], describe(ended)))
}

fn describe(ended: io::Result<ExitStatus>) -> String {
    ended.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Access logs, when they are on.
async fn pass_on(mut lines: Lines<BufReader<ChildStdout>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        // Nobody may be reading any more; the child must not be stopped by that.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }
}
