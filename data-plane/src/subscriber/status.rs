//! [`SubscriberStatus`]: how the subscription stands, for the admin page and the metrics.

use penstock_model::bundle::Hash;
use penstock_model::id::Version;
use serde_json::json;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle that is cheap to clone. Written by the subscriber only.
#[derive(Clone, Debug, Default)]
pub struct SubscriberStatus {
    state: Arc<Mutex<State>>,
}

/// How the subscription stands at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a set of plain assignments: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
