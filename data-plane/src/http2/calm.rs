//! [`Allowance`]: how much of what costs us work and says nothing a client may send, measured by what it does besides.

use std::time::Duration;
use tokio::time::Instant;

/// A store of frames that is used up by some and filled by others, and by time. Nobody looks at a clock before it is empty.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    max: u32,
    per_second: u32,
    /// When time last filled it.
    filled: Instant,
}

impl Allowance {
    pub(crate) fn new(max: u32, per_second: u32, now: Instant) -> Self {
        Self { left: max, max, per_second, filled: now }
    }

    /// Takes one; whether there was one.
    #[must_use]
    pub(crate) fn take(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.left == 0 {
            self.fill(now());
        }
        let had = self.left > 0;
        self.left = self.left.saturating_sub(1);
        had
    }

    /// Gives some for something that was worth it.
    pub(crate) fn give(&mut self, more: u32) {
        self.left = self.left.saturating_add(more).min(self.max);
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).min(Duration::from_secs(60));
        let more = u64::from(self.per_second) * u64::try_from(passed.as_millis()).unwrap_or(u64::MAX) / 1_000;
        if more > 0 {
            self.filled = now;
            self.give(u32::try_from(more).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_used_up_and_filled_by_time_and_by_what_is_given() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(10, 4, begun);
        let taken = |allowance: &mut Allowance, now: Instant| (0..100).filter(|_| allowance.take(|| now)).count();
        assert_eq!(taken(&mut allowance, begun), 10);
        assert_eq!(taken(&mut allowance, begun + Duration::from_millis(100)), 0, "not one whole");
        assert_eq!(taken(&mut allowance, begun + Duration::from_millis(1_000)), 4);
        allowance.give(7);
        assert_eq!(taken(&mut allowance, begun + Duration::from_millis(1_000)), 7);
        assert_eq!(taken(&mut allowance, begun + Duration::from_secs(1_000)), 10, "never more than the most");
    }
}
