//! [`Confirmation`]: when a control plane last knew what serves, across the start of a process.

use std::time::Duration;

/// The last confirmation, if there was one.
#[derive(Debug, Default)]
pub(super) struct Confirmation {
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    /// On the clock of this process.
    at: Duration,
    /// How old it was at that moment: that of an earlier process has no place on this clock.
    age: Duration,
}

impl Confirmation {
    /// A control plane confirms now.
    pub(super) fn confirm(&mut self, now: Duration) {
        self.last = Some(Last { at: now, age: Duration::ZERO });
    }

    /// An earlier process had the last confirmation, this long ago.
    pub(super) fn inherit(&mut self, now: Duration, age: Duration) {
        self.last = Some(Last { at: now, age });
    }

    /// There was none.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// How long ago the last one was.
    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        self.last.as_ref().map(|last| now.saturating_sub(last.at).saturating_add(last.age))
    }
}
