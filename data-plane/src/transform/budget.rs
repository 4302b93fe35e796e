//! [`CollectBudget`]: how many bytes the process may hold for bodies at a time, whoever holds them.

use crate::limits::{COLLECT_BUDGET_BYTES, COLLECT_BUDGET_WAIT_MS};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

const KIB: usize = 1024;

/// The collected bytes of the process. Clones are the same budget, also on other threads.
#[derive(Clone, Debug)]
pub(crate) struct CollectBudget {
    /// One permit for each KiB, because the semaphore hands out at most 2³² at a time.
    kib: Arc<Semaphore>,
    total_kib: usize,
}

/// The budget is spent: just now, or for the whole of [`COLLECT_BUDGET_WAIT_MS`] if somebody waited.
#[derive(Debug)]
pub(crate) struct BudgetSpent;

impl Default for CollectBudget {
    fn default() -> Self {
        Self::new(COLLECT_BUDGET_BYTES)
    }
}

impl CollectBudget {
    /// A budget of `total_bytes`, rounded down to KiB.
    pub(crate) fn new(total_bytes: usize) -> Self {
        let total_kib = (total_bytes / KIB).min(Semaphore::MAX_PERMITS);
        Self { kib: Arc::new(Semaphore::new(total_kib)), total_kib }
    }

    /// What may be held, in bytes.
    pub(crate) fn total_bytes(&self) -> usize {
        self.total_kib * KIB
    }

    /// What is held, in bytes, rounded up to KiB for each holder.
    pub(crate) fn in_use_bytes(&self) -> usize {
        (self.total_kib - self.kib.available_permits()) * KIB
    }

    /// The right to hold nothing yet.
    pub(crate) fn permit(&self) -> Permit {
        Permit { budget: self.clone(), held: None }
    }
}

/// The right to hold bytes, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: CollectBudget,
    held: Option<OwnedSemaphorePermit>,
}

impl Permit {
    fn held_kib(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Extends the right to `bytes` in all, if it does not reach as far. Waits when others hold the rest.
    pub(crate) async fn cover(&mut self, bytes: usize) -> Result<(), BudgetSpent> {
        if self.try_cover(bytes).is_ok() {
            return Ok(());
        }
        let asked = Arc::clone(&self.budget.kib).acquire_many_owned(self.missing_kib(bytes)?);
        let wait = Duration::from_millis(COLLECT_BUDGET_WAIT_MS);
        let more = timeout(wait, asked).await.map_err(|_| BudgetSpent)?.expect("nobody closes the budget");
        self.add(more);
        Ok(())
    }

    /// [`Permit::cover`] for those who can do without: waits for nobody, and overtakes nobody who waits.
    pub(super) fn try_cover(&mut self, bytes: usize) -> Result<(), BudgetSpent> {
        let missing = self.missing_kib(bytes)?;
        if missing > 0 {
            let more = Arc::clone(&self.budget.kib).try_acquire_many_owned(missing).map_err(|_| BudgetSpent)?;
            self.add(more);
        }
        Ok(())
    }

    /// What the right lacks to reach to `bytes`; an error when the whole budget does not.
    fn missing_kib(&self, bytes: usize) -> Result<u32, BudgetSpent> {
        let kib = bytes.div_ceil(KIB);
        if kib > self.budget.total_kib {
            return Err(BudgetSpent);
        }
        u32::try_from(kib.saturating_sub(self.held_kib())).map_err(|_| BudgetSpent)
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.held {
            Some(held) => held.merge(more),
            none @ None => *none = Some(more),
        }
    }

    /// The same bytes, with which the right lives on: until the last part of them is dropped, wherever that is. Nothing is
    /// left of it here.
    pub(crate) fn tied_to(&mut self, bytes: Bytes) -> Bytes {
        match self.held.take() {
            Some(held) => Bytes::from_owner(Held { bytes, _permit: held }),
            None => bytes,
        }
    }

    /// Gives back what goes beyond `bytes`.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let excess = self.held_kib().saturating_sub(bytes.div_ceil(KIB));
        if let Some(held) = &mut self.held {
            drop(held.split(excess));
        }
    }
}

/// Bytes and the right to hold them.
struct Held {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_limit() {
        assert_eq!(CollectBudget::default().total_bytes(), COLLECT_BUDGET_BYTES);
    }

    #[tokio::test]
    async fn what_is_held_is_counted_in_kib_and_given_back_exactly() {
        let budget = CollectBudget::new(10 * KIB + 1);
        assert_eq!((budget.total_bytes(), budget.in_use_bytes()), (10 * KIB, 0));
        let mut permit = budget.permit();
        for (bytes, held_kib) in [(0, 0), (1, 1), (KIB, 1), (KIB + 1, 2), (5, 2), (10 * KIB, 10)] {
            permit.cover(bytes).await.expect("there is room");
            assert_eq!(budget.in_use_bytes(), held_kib * KIB, "{bytes}");
        }
        for (bytes, held_kib) in [(20 * KIB, 10), (4 * KIB + 1, 5), (1, 1), (0, 0)] {
            permit.shrink(bytes);
            assert_eq!(budget.in_use_bytes(), held_kib * KIB, "{bytes}");
        }
        permit.cover(3 * KIB).await.expect("there is room");
        drop(permit);
        assert_eq!(budget.in_use_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_the_budget_spent_waits_for_the_limit_and_no_longer() {
        let budget = CollectBudget::new(4 * KIB);
        let (mut first, mut second) = (budget.permit(), budget.permit());
        first.cover(3 * KIB).await.expect("there is room");
        let asked = tokio::time::Instant::now();
        assert!(second.cover(2 * KIB).await.is_err());
        assert_eq!(asked.elapsed(), Duration::from_millis(COLLECT_BUDGET_WAIT_MS));
        first.shrink(2 * KIB);
        second.cover(2 * KIB).await.expect("the first gave back what the second needs");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_when_another_gives_back() {
        let budget = CollectBudget::new(4 * KIB);
        let (mut first, mut second) = (budget.permit(), budget.permit());
        first.cover(4 * KIB).await.expect("there is room");
        let (waited, ()) = tokio::join!(second.cover(KIB), async { drop(first) });
        assert!(waited.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_wait_gets_what_is_there_but_overtakes_nobody() {
        let budget = CollectBudget::new(4 * KIB);
        let (mut first, mut second, mut third) = (budget.permit(), budget.permit(), budget.permit());
        assert!(first.try_cover(4 * KIB + 1).is_err());
        first.try_cover(3 * KIB).expect("there is room");
        assert!(second.try_cover(2 * KIB).is_err());
        assert_eq!(budget.in_use_bytes(), 3 * KIB);
        let (waited, ()) = tokio::join!(second.cover(2 * KIB), async {
            assert!(third.try_cover(KIB).is_err(), "what is left belongs to the one who waits");
            drop(first);
        });
        assert!(waited.is_ok());
        third.try_cover(2 * KIB).expect("there is room");
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_never_be_held_is_refused_without_waiting() {
        let budget = CollectBudget::new(4 * KIB);
        let asked = tokio::time::Instant::now();
        assert!(budget.permit().cover(4 * KIB + 1).await.is_err());
        assert!(asked.elapsed().is_zero());
    }

    #[tokio::test]
    async fn a_right_lasts_as_long_as_the_last_part_of_its_bytes() {
        let budget = CollectBudget::new(4 * KIB);
        let mut permit = budget.permit();
        permit.cover(2 * KIB).await.expect("there is room");
        let mut bytes = permit.tied_to(Bytes::from(vec![7; 2 * KIB]));
        assert_eq!(permit.tied_to(bytes.clone()), bytes, "a right that is given away is not given twice");
        drop(permit);
        let part = bytes.split_to(1);
        drop(bytes);
        assert_eq!((&part[..], budget.in_use_bytes()), (&[7][..], 2 * KIB));
        drop(part);
        assert_eq!(budget.in_use_bytes(), 0);
    }
}
