//! [`Backoff`]: how long a node waits before it connects again.

use std::time::Duration;

/// Wait after the first failure, in milliseconds.
pub const BACKOFF_MS_MIN: u64 = 10;
/// Longest wait, in milliseconds. It is most of what passes between the moment a network works again and the moment a node
/// serves the newest.
pub const BACKOFF_MS_MAX: u64 = 4_000;
/// Longest wait of a node whose place was taken by another one with its id, in milliseconds.
pub const SUPERSEDED_MS_MAX: u64 = 15_000;

/// Failures after which the wait is the longest.
const FAILURES_MAX: u32 = 9;
/// Failures that count at most after a connection that brought something: a wait of 160 ms.
const EASED_FAILURES: u32 = 4;

const _: () = assert!(BACKOFF_MS_MIN << FAILURES_MAX >= BACKOFF_MS_MAX);

/// Waits that double with each failure, each shortened at random by up to a half, so that a fleet that lost its control
/// plane does not come back as one.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    superseded: bool,
    random: u64,
}

impl Backoff {
    /// `seed` makes the waits of this node differ from those of others; equal seeds give equal waits.
    pub(super) fn new(seed: u64) -> Self {
        // The generator below stands still at 0.
        Self { failures: 0, superseded: false, random: seed | 1 }
    }

    /// The wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let doubled = BACKOFF_MS_MIN << self.failures;
        self.failures = (self.failures + 1).min(FAILURES_MAX);
        let superseded = std::mem::take(&mut self.superseded);
        let whole = if superseded { SUPERSEDED_MS_MAX } else { doubled.min(BACKOFF_MS_MAX) };
        Duration::from_millis(whole - self.draw() % (whole / 2 + 1))
    }

    /// The next wait is the longest of all: connecting again at once would hurt somebody.
    pub(super) fn raise(&mut self) {
        self.superseded = true;
        self.failures = FAILURES_MAX;
    }

    /// The next wait is at most middling: the connection brought something. Not short, since a control plane that
    /// fails after each success would be asked a hundred times a second.
    pub(super) fn ease(&mut self) {
        self.failures = self.failures.min(EASED_FAILURES);
    }

    /// The next wait is short again: the connection was good for long.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// xorshift64: good enough to spread nodes, and the same again for the same seed.
    pub(super) fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_within_their_bounds_and_start_over() {
        let mut backoff = Backoff::new(7);
        for failures in 0..40_u32 {
            let whole = (BACKOFF_MS_MIN << failures.min(FAILURES_MAX)).min(BACKOFF_MS_MAX);
            let wait = u64::try_from(backoff.next().as_millis()).unwrap();
            assert!((whole / 2..=whole).contains(&wait), "{wait} ms after {failures} failures");
        }
        backoff.ease();
        assert!(backoff.next() <= Duration::from_millis(BACKOFF_MS_MIN << EASED_FAILURES));
        backoff.reset();
        backoff.ease();
        assert!(backoff.next() <= Duration::from_millis(BACKOFF_MS_MIN));
        backoff.raise();
        assert!(backoff.next() >= Duration::from_millis(SUPERSEDED_MS_MAX / 2));
        assert!(backoff.next() <= Duration::from_millis(BACKOFF_MS_MAX));
    }

    #[test]
    fn seeds_spread_the_waits_and_repeat_them() {
        let waits = |seed| -> Vec<Duration> {
            let mut backoff = Backoff::new(seed);
            (0..12).map(|_| backoff.next()).collect()
        };
        assert_eq!(waits(5), waits(5));
        assert_ne!(waits(5), waits(6));
    }
}
