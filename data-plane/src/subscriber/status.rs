//! [`SubscriberStatus`]: how the subscription stands, for the admin page and the metrics.

use super::Subscriber;
use penstock_model::bundle::Hash;
use penstock_model::id::Version;
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A handle that is cheap to clone. Written by the subscriber only.
#[derive(Clone, Debug, Default)]
pub struct SubscriberStatus {
    state: Arc<Mutex<State>>,
}

/// How the subscription stands at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Whether a stream is open.
    pub(super) connected: bool,
    /// The control plane of that stream, or the one that was tried last.
    pub(super) address: Option<String>,
    /// What serves.
    pub(super) serving: Option<(Version, Hash)>,
    /// The newest version that the control plane spoke of.
    pub(super) newest_published: Option<Version>,
    /// What was refused since the last activation without any refusal.
    pub(super) last_refusal: Option<String>,
    /// Why the last stream ended.
    pub(super) last_failure: Option<String>,
    /// When a control plane last confirmed what serves.
    pub(super) confirmed: Option<Confirmed>,
    /// Whether what serves was kept by an earlier process, and nobody has confirmed it since.
    pub(super) from_disk: bool,
    /// Whether that is too long ago.
    pub(super) stale: bool,
    /// `None`: the node keeps nothing.
    pub(super) keeping: Option<Keeping>,
}

/// A confirmation that was `age` old at `at`. An earlier process may have had it before this machine was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirmed {
    pub(super) at: Instant,
    pub(super) age: Duration,
}

/// How it stands with what the node keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// Where.
    pub(crate) directory: PathBuf,
    /// The newest that is durable.
    pub(crate) kept: Option<(Version, Hash)>,
    /// Why nothing of what was there could be used, until it is written over.
    pub(crate) read_problem: Option<String>,
    /// Why the last writing failed.
    pub(crate) write_problem: Option<String>,
    /// Writings that failed.
    pub(crate) write_failures: u64,
}

impl Keeping {
    /// What is wrong, for people.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.write_problem.as_deref().or(self.read_problem.as_deref())
    }
}

impl SubscriberStatus {
    /// Of a node that was just started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a stream to a control plane is open.
    pub fn is_connected(&self) -> bool {
        self.lock().connected
    }

    /// Version and root hash of the manifest that serves.
    pub fn serving(&self) -> Option<(Version, Hash)> {
        self.lock().serving
    }

    /// Why the last refused bundle or manifest was refused; `None` after an activation without any refusal.
    pub fn last_refusal(&self) -> Option<String> {
        self.lock().last_refusal.clone()
    }

    /// How long ago a control plane last confirmed what serves; `None` when nothing serves.
    pub(crate) fn confirmed_age(&self) -> Option<Duration> {
        self.lock().confirmed.map(|confirmed| confirmed.at.elapsed().saturating_add(confirmed.age))
    }

    /// Whether what serves was kept by an earlier process, and nobody has confirmed it since.
    pub(crate) fn is_from_disk(&self) -> bool {
        self.lock().from_disk
    }

    /// Whether it is stale.
    pub(crate) fn is_stale(&self) -> bool {
        self.lock().stale
    }

    /// What the node keeps; `None`: nothing.
    pub(crate) fn keeping(&self) -> Option<Keeping> {
        self.lock().keeping.clone()
    }

    /// Says that the node has a state directory.
    pub(crate) fn begin_keeping(&self, keeping: Keeping) {
        self.change(|state| state.keeping = Some(keeping));
    }

    /// Everything, for people.
    pub fn snapshot(&self) -> serde_json::Value {
        let state = self.lock().clone();
        json!({
            "connected": state.connected,
            "address": state.address,
            "activeVersion": state.serving.map(|(version, _)| version.0),
            "activeRootHash": state.serving.map(|(_, root_hash)| root_hash.to_string()),
            "newestVersion": state.newest_published.map(|version| version.0),
            "lastRefusal": state.last_refusal,
            "lastFailure": state.last_failure,
        })
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    pub(super) fn change_keeping(&self, change: impl FnOnce(&mut Keeping)) {
        if let Some(keeping) = &mut self.lock().keeping {
            change(keeping);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a set of plain assignments: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    /// Says to whoever serves whether what serves is stale.
    pub(super) fn mark_stale(&self) -> bool {
        let now = self.started.elapsed();
        let is_stale = self.subscription.is_stale(now, self.settings.stale_after);
        if self.live_table.set_stale(is_stale) != is_stale {
            match is_stale {
                true => tracing::warn!("no control plane has confirmed what serves for too long: it is stale"),
                false => tracing::info!("a control plane confirms what serves: it is not stale any more"),
            }
        }
        is_stale
    }

    /// Writes down how the subscription stands.
    pub(super) fn show(&self) {
        let is_stale = self.mark_stale();
        let (subscription, now) = (&self.subscription, self.started.elapsed());
        self.status.change(|state| {
            state.connected = subscription.is_connected();
            state.address = Some(self.current_address().to_string());
            state.serving = subscription.serving();
            state.newest_published = subscription.newest_published();
            state.last_refusal = subscription.last_refusal().map(str::to_owned);
            state.confirmed = subscription.confirmed_age(now).map(|age| Confirmed { at: Instant::now(), age });
            state.from_disk = subscription.is_from_disk();
            state.stale = is_stale;
            if let Some(keeping) = &mut state.keeping {
                keeping.kept = subscription.kept();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handle_shows_what_was_written() {
        let status = SubscriberStatus::new();
        assert_eq!(status.snapshot()["activeVersion"], serde_json::Value::Null);
        status.clone().change(|state| {
            state.connected = true;
            state.serving = Some((Version(4), Hash([0xab; 32])));
        });
        let snapshot = status.snapshot();
        assert_eq!((status.is_connected(), &snapshot["activeVersion"]), (true, &json!(4)));
        assert_eq!(snapshot["activeRootHash"], "ab".repeat(32));
    }
}
