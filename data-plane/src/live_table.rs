//! [`LiveTable`]: the routing table that serves right now, and whether there is one.
//!
//! The subscriber swaps it; a request loads it exactly once; the admin page asks for readiness. This is the only file
//! that knows how the swap is done. It never compiles, never keeps an old table alive and never becomes unready again:
//! a control plane that is gone takes nothing away from what serves.

use crate::ledger::Ledger;
use crate::measuring::Measuring;
use arc_swap::ArcSwap;
use penstock_model::table::RoutingTable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// A handle on the table that serves. Clones are cheap and see the same table.
#[derive(Clone, Debug)]
pub struct LiveTable {
    current: Arc<ArcSwap<RoutingTable>>,
    ready: Arc<watch::Sender<bool>>,
    spelling_wanted: Arc<AtomicBool>,
    ledger: Ledger,
    measuring: Measuring,
    stale: Arc<AtomicBool>,
}

impl LiveTable {
    /// An empty table: it knows no host, and the node is not ready.
    pub fn new() -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(RoutingTable::empty())),
            ready: Arc::new(watch::Sender::new(false)),
            spelling_wanted: Arc::default(),
            ledger: Ledger::default(),
            measuring: Measuring::default(),
            stale: Arc::default(),
        }
    }

    /// The table that serves now. Call it once per request: two loads may answer two different tables.
    pub fn load(&self) -> Arc<RoutingTable> {
        self.current.load_full()
    }

    /// Looks at the table that serves now without counting a reference to it. For the request path: `look` must be
    /// short and take out of the table what it needs.
    pub fn read<T>(&self, look: impl FnOnce(&RoutingTable) -> T) -> T {
        look(&self.current.load())
    }

    /// Makes `table` serve and returns the one that served before. Requests that hold routes of the old one keep them.
    /// The first swap makes the node ready.
    pub fn swap(&self, table: RoutingTable) -> Arc<RoutingTable> {
        let wanted = table.has_events();
        if wanted {
            self.spelling_wanted.store(true, Ordering::Relaxed);
        }
        let version = table.version();
        let before = self.current.swap(Arc::new(table));
        self.ledger.serves(version);
        // Not before: a request may still have met the old table.
        self.spelling_wanted.store(wanted, Ordering::Relaxed);
        self.ready.send_replace(true);
        before
    }

    /// Whether a function of the table that serves is to be told how clients spell the names of headers.
    pub(crate) fn spelling_wanted(&self) -> bool {
        self.spelling_wanted.load(Ordering::Relaxed)
    }

    /// What became of the requests that met the tables of before and now.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What becomes of the requests of one stage, while that is measured.
    pub(crate) fn measuring(&self) -> &Measuring {
        &self.measuring
    }

    /// Says whether what serves was not confirmed by a control plane for too long. What was said before.
    pub(crate) fn set_stale(&self, stale: bool) -> bool {
        self.stale.swap(stale, Ordering::Relaxed)
    }

    /// Whether it was not. One load of a flag; asked for each request, unless the policy says that it does not matter.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// Whether there was a first swap.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Returns as soon as there was a first swap.
    pub async fn wait_ready(&self) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as `self`, so the wait ends with the first swap only.
        let _ = ready.wait_for(|ready| *ready).await;
    }
}

impl Default for LiveTable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::bundle::Hash;
    use penstock_model::id::Version;

    fn table(version: u64) -> RoutingTable {
        RoutingTable::assemble(Version(version), Hash([1; 32]), Vec::new(), [])
    }

    #[tokio::test]
    async fn the_first_swap_makes_it_ready_and_every_handle_sees_it() {
        let live = LiveTable::new();
        let other = live.clone();
        assert!(!other.is_ready());
        let waiting = tokio::spawn(async move { other.wait_ready().await });

        let before = live.swap(table(1));

        assert_eq!((before.version(), live.load().version()), (Version(0), Version(1)));
        assert!(live.is_ready());
        waiting.await.expect("it was woken");
    }

    #[test]
    fn a_loaded_table_outlives_the_swap() {
        let live = LiveTable::new();
        live.swap(table(1));
        let held = live.load();
        live.swap(table(2));
        assert_eq!((held.version(), live.load().version()), (Version(1), Version(2)));
        assert_eq!(Arc::strong_count(&held), 1, "nothing else keeps the old table");
    }
}
