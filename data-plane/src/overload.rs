//! [`Overload`]: whether the process takes on more work. Beyond its budgets it refuses new requests at once, before their
//! bodies are read and before an upstream is called, and keeps what it has.
//!
//! Asked for each request: a few numbers are read that hardly ever change hands. Requests are counted by each worker, and told to
//! the process in steps that are small against the limit.

use crate::limits::OVERLOAD_RELIEF;
use crate::memory;
use crate::transform::collect::CollectBudget;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Largest step in which workers tell how many requests they have.
const STEP_MAX: i64 = 64;

/// The limits of the process, and how far they are reached.
#[derive(Debug)]
pub(crate) struct Overload {
    budget_bytes: i64,
    fixed_bytes: i64,
    collected: CollectBudget,
    memory_is_over: AtomicBool,
    /// [`i64::MAX`]: any number.
    requests_max: i64,
    requests_are_over: AtomicBool,
    /// Requests under way, but for what each worker has not told yet.
    requests: AtomicI64,
    step: i64,
}

impl Overload {
    /// Of a process with so many workers. `requests_max` 0: any number.
    pub(crate) fn new(budget_bytes: u64, requests_max: u32, workers: usize, collected: CollectBudget) -> Self {
        let shares = i64::try_from(workers).unwrap_or(i64::MAX).saturating_mul(STEP_MAX);
        Self {
            budget_bytes: i64::try_from(budget_bytes).unwrap_or(i64::MAX),
            fixed_bytes: memory::fixed_bytes(workers),
            collected,
            memory_is_over: AtomicBool::new(false),
            requests_max: if requests_max == 0 { i64::MAX } else { requests_max.into() },
            requests_are_over: AtomicBool::new(false),
            requests: AtomicI64::new(0),
            step: (i64::from(requests_max) / shares).clamp(1, STEP_MAX),
        }
    }

    /// Without any limit.
    #[cfg(test)]
    pub(crate) fn unlimited() -> Self {
        Self::new(u64::MAX, 0, 1, CollectBudget::default())
    }

    /// What the process may hold, in bytes.
    pub(crate) fn budget_bytes(&self) -> i64 {
        self.budget_bytes
    }

    /// What it holds that serves nobody, in bytes.
    pub(crate) fn fixed_bytes(&self) -> i64 {
        self.fixed_bytes
    }

    /// What collected bodies, and coders, hold at most, in bytes.
    pub(crate) fn collected_bytes(&self) -> i64 {
        i64::try_from(self.collected.in_use_bytes()).unwrap_or(i64::MAX).saturating_mul(memory::COLLECTED_TIMES)
    }

    /// What it holds by the law of memory, in bytes.
    fn held_bytes(&self) -> i64 {
        self.fixed_bytes.saturating_add(memory::told_bytes()).saturating_add(self.collected_bytes())
    }

    /// Whether new requests are refused now.
    pub(crate) fn sheds(&self) -> bool {
        let requests = self.requests.load(Ordering::Relaxed);
        // Both, so that each knows when it is relieved.
        let memory = is_over(self.held_bytes(), self.budget_bytes, &self.memory_is_over);
        is_over(requests, self.requests_max, &self.requests_are_over) || memory
    }
}

/// Whether a limit is exceeded. Once it was, that lasts until there is some room again.
fn is_over(now: i64, limit: i64, was: &AtomicBool) -> bool {
    let was_over = was.load(Ordering::Relaxed);
    let relieved = limit - limit / OVERLOAD_RELIEF;
    let is_over = now > if was_over { relieved } else { limit };
    if is_over != was_over {
        was.store(is_over, Ordering::Relaxed);
    }
    is_over
}

/// The same, for one worker, with what it has not told.
#[derive(Debug)]
pub(crate) struct WorkerLoad {
    all: Arc<Overload>,
    untold: Cell<i64>,
}

impl WorkerLoad {
    pub(crate) fn new(all: Arc<Overload>) -> Self {
        Self { all, untold: Cell::new(0) }
    }

    /// Whether a request that has begun is refused.
    pub(crate) fn sheds(&self) -> bool {
        self.all.sheds()
    }

    /// A request has begun.
    pub(crate) fn request_began(&self) {
        memory::request_began();
        self.tell(1);
    }

    /// A request has ended.
    pub(crate) fn request_ended(&self) {
        memory::request_ended();
        self.tell(-1);
    }

    fn tell(&self, more: i64) {
        let untold = self.untold.get() + more;
        if untold.abs() < self.all.step {
            self.untold.set(untold);
        } else {
            self.all.requests.fetch_add(untold, Ordering::Relaxed);
            self.untold.set(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(requests_max: u32, workers: usize) -> (Arc<Overload>, WorkerLoad) {
        let all = Arc::new(Overload::new(u64::MAX, requests_max, workers, CollectBudget::default()));
        let one = WorkerLoad::new(Arc::clone(&all));
        (all, one)
    }

    #[test]
    fn a_small_limit_is_exact_over_all_workers() {
        let (all, one) = load(4, 2);
        let other = WorkerLoad::new(all);
        for worker in [&one, &other, &one, &other] {
            worker.request_began();
            assert!(!worker.sheds());
        }
        one.request_began();
        assert!(one.sheds() && other.sheds(), "the fifth");
        one.request_ended();
        assert!(!one.sheds() && !other.sheds());
        for worker in [&one, &one, &other, &other] {
            worker.request_ended();
        }
        assert_eq!(one.all.requests.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_large_limit_is_told_in_steps_and_relieved_with_some_room() {
        let limit = 64 * 1024;
        let (all, one) = load(limit, 2);
        assert_eq!(all.step, STEP_MAX);
        let limit = i64::from(limit);
        (0..limit).for_each(|_| one.request_began());
        assert!(!one.sheds());
        (0..STEP_MAX).for_each(|_| one.request_began());
        assert!(one.sheds());
        (0..STEP_MAX).for_each(|_| one.request_ended());
        assert!(one.sheds(), "it does not flap");
        (0..limit / OVERLOAD_RELIEF).for_each(|_| one.request_ended());
        assert!(!one.sheds());
        (0..limit - limit / OVERLOAD_RELIEF).for_each(|_| one.request_ended());
    }

    #[tokio::test]
    async fn collected_bodies_count_and_no_limit_is_none() {
        const GIB: usize = 1024 * 1024 * 1024;
        let fixed = u64::try_from(memory::fixed_bytes(1)).expect("it is positive");
        // Other tests of this process count too, some of them a gibibyte.
        let all = Overload::new(fixed + 16 * GIB as u64, 0, 1, CollectBudget::new(64 * GIB));
        assert_eq!((all.sheds(), all.requests_max), (false, i64::MAX));
        let mut permit = all.collected.permit();
        permit.cover(32 * GIB).await.expect("there is room");
        assert!(all.sheds());
        drop(permit);
        assert!(!all.sheds());
    }
}
