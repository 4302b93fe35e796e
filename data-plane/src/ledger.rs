//! [`Ledger`]: what a change of the configuration costs requests. For each version that served here it knows how many
//! requests met it, how many of those have ended, and how many were cut although neither their client nor their upstream
//! ended them, which must be none.
//!
//! Each worker counts on pages of its own, so that a request writes where no other thread does. Pages are shared with
//! whoever asks; the list of them is locked once for each worker and version.

use penstock_model::id::Version;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Versions of which the counts are kept apart; those before are counted together.
pub const GENERATIONS_MAX: usize = 16;

/// The counts of a process. Clones are the same ledger.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The version that serves.
    serving: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// The newest is last.
    generations: VecDeque<(Version, Vec<Arc<Page>>)>,
    /// Pages of versions that are not kept apart any more, and on which something is still under way.
    older: Vec<Arc<Page>>,
    /// Cut requests of pages that are gone.
    cut_before: u64,
}

/// One version on one worker. Only that worker writes.
#[derive(Debug, Default)]
struct Page {
    started: AtomicU64,
    finished: AtomicU64,
    cut: AtomicU64,
}

/// What became of the requests that met one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Which.
    pub version: Version,
    /// Requests that began.
    pub started: u64,
    /// Of those, the ones that ended.
    pub finished: u64,
    /// Of those, the ones that were cut.
    pub cut: u64,
}

impl Generation {
    /// Requests that are still under way.
    pub fn pinned(&self) -> u64 {
        self.started - self.finished
    }

    fn add(&mut self, page: &Page) {
        // In this order, so that what has finished has also started.
        self.finished += page.finished.load(Ordering::Acquire);
        self.cut += page.cut.load(Ordering::Acquire);
        self.started += page.started.load(Ordering::Acquire);
    }
}

/// What is not told of one version alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Requests under way on versions that do not serve any more.
    pub pinned: u64,
    /// Requests that were cut, since the start.
    pub cut: u64,
}

impl Ledger {
    /// From now on requests meet this version. Called after the swap.
    pub(crate) fn serves(&self, version: Version) {
        self.shared.serving.store(version.0, Ordering::Release);
        self.lock().open(version);
    }

    /// Versions that served here, the oldest first, at most [`GENERATIONS_MAX`] of them.
    pub fn generations(&self) -> Vec<Generation> {
        let book = self.lock();
        book.generations.iter().map(|(version, pages)| sum(*version, pages)).collect()
    }

    /// What is not told of one version alone.
    pub fn totals(&self) -> Totals {
        let serving = Version(self.shared.serving.load(Ordering::Acquire));
        let book = self.lock();
        let older = sum(Version(0), &book.older);
        let mut totals = Totals { pinned: older.pinned(), cut: book.cut_before + older.cut };
        for (version, pages) in &book.generations {
            let counts = sum(*version, pages);
            totals.cut += counts.cut;
            totals.pinned += if *version == serving { 0 } else { counts.pinned() };
        }
        totals
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // No change below can panic half way.
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum(version: Version, pages: &[Arc<Page>]) -> Generation {
    let mut counts = Generation { version, started: 0, finished: 0, cut: 0 };
    pages.iter().for_each(|page| counts.add(page));
    counts
}

impl Book {
    /// Puts a version in its place.
    fn open(&mut self, version: Version) {
        if let Err(at) = self.generations.binary_search_by_key(&version, |(version, _)| *version) {
            self.generations.insert(at, (version, Vec::new()));
            self.close_the_oldest();
        }
    }

    /// Adds a page to a version; to those before, if it is not kept apart.
    fn add(&mut self, version: Version, page: Arc<Page>) {
        let is_closed = self.generations.len() == GENERATIONS_MAX
            && self.generations.front().is_some_and(|(oldest, _)| version < *oldest);
        if is_closed {
            return self.older.push(page);
        }
        self.open(version);
        let at = self.generations.binary_search_by_key(&version, |(version, _)| *version);
        if let Some((_, pages)) = at.ok().and_then(|at| self.generations.get_mut(at)) {
            pages.push(page);
        }
    }

    fn close_the_oldest(&mut self) {
        if self.generations.len() > GENERATIONS_MAX
            && let Some((_, pages)) = self.generations.pop_front()
        {
            self.older.extend(pages);
        }
        let cut_before = &mut self.cut_before;
        self.older.retain(|page| {
            let counts = sum(Version(0), std::slice::from_ref(page));
            if counts.pinned() == 0 {
                *cut_before += counts.cut;
            }
            counts.pinned() > 0
        });
    }
}

/// One worker's way to the ledger.
#[derive(Debug)]
pub(crate) struct WorkerLedger {
    ledger: Ledger,
    current: RefCell<Option<Rc<Open>>>,
}

/// The page that a worker writes on.
#[derive(Debug)]
struct Open {
    version: Version,
    page: Arc<Page>,
    ledger: Ledger,
}

/// A request that met a version. It has ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Entry(Rc<Open>);

impl WorkerLedger {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, current: RefCell::new(None) }
    }

    /// A request has met this version.
    pub(crate) fn begin(&self, version: Version) -> Entry {
        let mut current = self.current.borrow_mut();
        let open = match &*current {
            Some(open) if open.version == version => Rc::clone(open),
            _ => {
                let page = Arc::new(Page::default());
                self.ledger.lock().add(version, Arc::clone(&page));
                let open = Rc::new(Open { version, page, ledger: self.ledger.clone() });
                *current = Some(Rc::clone(&open));
                open
            }
        };
        count(&open.page.started);
        Entry(open)
    }
}

impl Entry {
    /// The request ends early, and neither its client nor its upstream has ended it. If another version serves by now, that
    /// is held against the swap.
    pub(crate) fn cut(&self) {
        let serving = self.0.ledger.shared.serving.load(Ordering::Acquire);
        if serving != self.0.version.0 {
            count(&self.0.page.cut);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        count(&self.0.page.finished);
    }
}

/// One more. There is one writer, so this needs no exchange with other cores.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(version: u64, started: u64, finished: u64, cut: u64) -> Generation {
        Generation { version: Version(version), started, finished, cut }
    }

    #[test]
    fn requests_are_counted_where_they_began() {
        let ledger = Ledger::default();
        let (one, other) = (WorkerLedger::new(ledger.clone()), WorkerLedger::new(ledger.clone()));
        ledger.serves(Version(1));
        let slow = one.begin(Version(1));
        drop(other.begin(Version(1)));
        assert_eq!(ledger.totals(), Totals { pinned: 0, cut: 0 }, "what serves pins nothing");
        ledger.serves(Version(2));
        let second = one.begin(Version(2));
        assert_eq!(ledger.generations(), [generation(1, 2, 1, 0), generation(2, 1, 0, 0)]);
        assert_eq!(ledger.totals(), Totals { pinned: 1, cut: 0 });
        drop((slow, second));
        assert_eq!(ledger.generations(), [generation(1, 2, 2, 0), generation(2, 1, 1, 0)]);
        assert_eq!(ledger.totals(), Totals { pinned: 0, cut: 0 });
    }

    #[test]
    fn only_what_is_cut_behind_a_swap_is_held_against_it() {
        let ledger = Ledger::default();
        let worker = WorkerLedger::new(ledger.clone());
        ledger.serves(Version(1));
        worker.begin(Version(1)).cut();
        let cut = worker.begin(Version(1));
        ledger.serves(Version(2));
        cut.cut();
        drop(cut);
        assert_eq!(ledger.generations(), [generation(1, 2, 2, 1), generation(2, 0, 0, 0)]);
        assert_eq!(ledger.totals(), Totals { pinned: 0, cut: 1 });
    }

    #[test]
    fn old_versions_are_counted_together_and_nothing_is_lost_or_kept_for_ever() {
        let ledger = Ledger::default();
        let worker = WorkerLedger::new(ledger.clone());
        let slow: Vec<_> = (1..=100)
            .map(|version| {
                ledger.serves(Version(version));
                drop(worker.begin(Version(version)));
                worker.begin(Version(version))
            })
            .collect();
        let kept = ledger.generations();
        assert_eq!((kept.len(), kept[0], kept[15]), (16, generation(85, 2, 1, 0), generation(100, 2, 1, 0)));
        assert_eq!(ledger.totals(), Totals { pinned: 99, cut: 0 });
        slow[0].cut();
        slow[99].cut();
        drop(slow);
        assert_eq!(ledger.totals(), Totals { pinned: 0, cut: 1 });
        ledger.serves(Version(101));
        assert_eq!(ledger.lock().older.len(), 0);
        assert_eq!(ledger.totals(), Totals { pinned: 0, cut: 1 });
    }

    #[test]
    fn a_worker_that_comes_late_writes_beside_the_others() {
        let ledger = Ledger::default();
        (1..=30).for_each(|version| ledger.serves(Version(version)));
        let late = WorkerLedger::new(ledger.clone());
        let entry = late.begin(Version(3));
        assert_eq!(ledger.totals().pinned, 1, "a version that was closed is not lost");
        drop(entry);
        assert_eq!(ledger.generations().len(), GENERATIONS_MAX);
    }
}
