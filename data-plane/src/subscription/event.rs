//! What the subscription is told, and what it asks for.

use super::message::{Incoming, Outgoing};
use super::offer::Uncompiled;
use penstock_model::bundle::Hash;
use penstock_model::domain::BasePathMapping;
use penstock_model::id::Version;
use std::time::Duration;

/// What happened. `T` is a compiled bundle.
#[derive(Debug)]
pub enum Event<T> {
    /// The stream that [`Action::Connect`] asked for is open.
    Connected,
    /// The control plane said something.
    Received(Incoming),
    /// The stream ended, or did not open.
    Closed {
        /// In words.
        reason: String,
        /// The control plane has a newer stream of a node with our id.
        superseded: bool,
    },
    /// The end of [`Action::Compile`].
    Compiled {
        /// Of the action.
        build: u64,
        /// Each bundle of the action; what does not compile, with the reason.
        results: Vec<(Hash, Result<T, String>)>,
    },
    /// The end of [`Action::Swap`]. Comes before any other event.
    Swapped {
        /// Number of (resource, method) pairs; or why the old table still serves.
        result: Result<u64, String>,
    },
    /// Time went by. Wanted a few times per heartbeat.
    Tick,
}

/// What the subscriber has to do, in order.
#[derive(Debug)]
pub enum Action<T> {
    /// Open a stream, after a while.
    Connect {
        /// How long to wait before.
        after: Duration,
    },
    /// Say this.
    Send(Outgoing),
    /// Close the stream, once everything is said.
    Close {
        /// For the log.
        reason: String,
    },
    /// Compile these away from request threads.
    Compile {
        /// To be repeated in [`Event::Compiled`].
        build: u64,
        /// Nothing but these changed.
        bundles: Vec<Uncompiled>,
    },
    /// Make this serve.
    Swap(Table<T>),
}

/// The parts of a routing table.
#[derive(Debug)]
pub struct Table<T> {
    /// Of the manifest.
    pub version: Version,
    /// Of the manifest.
    pub root_hash: Hash,
    /// Every stage that serves.
    pub stages: Vec<T>,
    /// Of the manifest.
    pub base_path_mappings: Vec<BasePathMapping>,
}
