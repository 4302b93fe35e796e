//! Every bound of the discovery service, with its unit.

use std::time::Duration;

/// Chunk of a bundle when the node wishes no smaller one, in bytes.
pub(super) const CHUNK_BYTES_DEFAULT: usize = 256 * 1024;
/// Smallest chunk that a node may wish, in bytes: below, the messages would cost more than the bundle.
pub(super) const CHUNK_BYTES_MIN: usize = 64;
/// Messages to one node that are on their way at a time.
pub(super) const WINDOW_MESSAGES: usize = 4;
/// Missing bundles that are sent without admission, in bytes together. More is a full sync.
pub(super) const SMALL_SYNC_BYTES_MAX: usize = 1024 * 1024;
/// Largest message of a node, in bytes: a hello with the bundles of a whole manifest.
pub(super) const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest node id, in bytes.
pub(super) const NODE_ID_BYTES_MAX: usize = 256;
/// Longest build, label name and label value, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 256;
/// Most labels of a node.
pub(super) const LABELS_MAX: usize = 64;
/// Longest reason that is kept of a refusal, in bytes.
pub(super) const REASON_BYTES_MAX: usize = 1024;

/// The bounds that a test makes shorter.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Between two heartbeats, in milliseconds. A node that is silent for three of them is dropped.
    pub heartbeat_ms: u64,
    /// Longest wait for the hello, in milliseconds.
    pub hello_ms_max: u64,
    /// Longest wait for the answer to an activation, in milliseconds.
    pub answer_ms_max: u64,
    /// Longest wait for a node that takes no message, in milliseconds.
    pub stall_ms_max: u64,
    /// Longest time that one full sync keeps others waiting, in milliseconds.
    pub sync_ms_max: u64,
    /// Full syncs at a time.
    pub full_syncs_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heartbeat_ms: 5_000,
            hello_ms_max: 10_000,
            answer_ms_max: 60_000,
            stall_ms_max: 30_000,
            sync_ms_max: 10_000,
            full_syncs_max: 8,
        }
    }
}

impl Limits {
    pub(super) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(super) fn silence_max(&self) -> Duration {
        self.heartbeat() * 3
    }
}
