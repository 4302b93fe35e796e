//! What the subscription is told, and what it asks for.

use super::keeping::ToKeep;
use super::message::{Incoming, Outgoing};
use super::offer::Uncompiled;
use penstock_model::bundle::Hash;
use penstock_model::domain::BasePathMapping;
use penstock_model::id::Version;
use std::sync::Arc;
use std::time::Duration;

/// A bundle and what it became; what does not compile, with the reason.
pub(super) type CompiledBundle<T> = (Hash, Result<T, String>);

/// What happened. `T` is a compiled bundle.
#[derive(Debug)]
pub enum Event<T> {
    /// The stream that [`Action::Connect`] or [`Action::Move`] asked for is open. The one before, if any, is closed.
    Connected,
    /// The stream that [`Action::Move`] asked for did not open.
    NotMoved,
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
        results: Vec<CompiledBundle<T>>,
    },
    /// The end of [`Action::Swap`]. Comes before any other event.
    Swapped {
        /// Number of (resource, method) pairs; or why the old table still serves.
        result: Result<u64, String>,
    },
    /// The end of [`Action::Keep`].
    Kept {
        /// Whether it is durable; or why it is not.
        result: Result<(), String>,
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
        /// Where to.
        to: Address,
    },
    /// Open another stream, and close the one that is open as soon as there is the other.
    Move {
        /// Any number: the rest of its division by the number of addresses says which.
        draw: u64,
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
    /// What was kept cannot serve, for this reason.
    Discard {
        /// For the log.
        reason: String,
    },
    /// Make this durable, away from request threads.
    Keep(ToKeep),
    /// Note that a control plane confirms this now, which is durable.
    Note {
        /// Of the manifest.
        version: Version,
        /// Of the manifest.
        root_hash: Hash,
    },
}

/// Which of several control planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// The one before; the first, when there was none.
    Same,
    /// The one behind it in the list; behind the last comes the first.
    Next,
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
    pub base_path_mappings: Arc<[BasePathMapping]>,
}
