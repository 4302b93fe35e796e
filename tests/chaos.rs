//! Everything that can happen to a gateway, done to the real programs: kills, frozen processes, networks that lose what is
//! sent, full disks, clocks that jump, nodes that do not play along, a database that restarts. After each of them all come
//! to serve the same within [`CONVERGENCE_MAX`], nothing that was acknowledged is lost, and no request has failed unless
//! its own proxy was killed.
//!
//! CONTRIBUTING.md says how to run the long form, and how to repeat a failure by its seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "chaos/agreement.rs"]
mod agreement;
#[path = "chaos/clocks.rs"]
mod clocks;
#[path = "chaos/disks.rs"]
mod disks;
#[path = "chaos/mixed.rs"]
mod mixed;
#[path = "chaos/partition.rs"]
mod partition;
#[path = "chaos/planes.rs"]
mod planes;
#[path = "chaos/strangers.rs"]
mod strangers;

use std::time::Duration;

/// How long anything may take to come to the same version once what happened is over.
const CONVERGENCE_MAX: Duration = Duration::from_secs(15);
/// How long either side may take to notice that the other one is silent: 15 s, and up to a heartbeat until it looks.
const NOTICE_MAX: Duration = Duration::from_secs(25);
