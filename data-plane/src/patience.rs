//! [`Patience`]: how long a peer is waited for that is slow. It is spent while the peer owes us the next step, and earned with
//! each byte that passes, up to what one begins with. So whoever is faster on average than the least rate is never given up,
//! whoever is slower is, and a peer that does nothing at all is given up after all of it.
//!
//! A mean over all of a body would let an hour of good behaviour pay for an hour of silence; a mean over fixed spans of time
//! would give up a peer that pauses once. This is neither, and needs no timer of its own.

use crate::limits::RECEIVER_LOOKS;
use std::time::Duration;

/// What is left for one peer of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    left: Duration,
    limit: BodyLimit,
}

/// What a body's peer must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLimit {
    /// Longest time without any progress.
    pub(crate) idle: Duration,
    /// Least rate while it is waited for, in bytes per second; 0: any progress will do.
    pub(crate) rate_min: u32,
}

impl BodyLimit {
    /// A bound on silence alone.
    pub(crate) fn idle(idle: Duration) -> Self {
        Self { idle, rate_min: 0 }
    }

    /// The time that so many bytes take at the least rate; without one, nothing.
    fn time_of(self, bytes: u64) -> Duration {
        match self.rate_min {
            0 => Duration::ZERO,
            rate => Duration::from_micros(bytes.saturating_mul(1_000_000) / u64::from(rate)),
        }
    }
}

impl Patience {
    /// All of it.
    pub(crate) fn new(limit: BodyLimit) -> Self {
        Self { left: limit.idle, limit }
    }

    /// How much longer the peer is waited for.
    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// How much longer it is waited for when it has so many bytes in hand, and is seen only when it has dealt with all of them.
    pub(crate) fn left_for(&self, bytes: u64) -> Duration {
        self.left.max(self.limit.time_of(bytes))
    }

    /// Notes that the peer was waited for.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// Notes that so many bytes have passed.
    pub(crate) fn earn(&mut self, bytes: u64) {
        if self.is_full() || bytes == 0 {
            return;
        }
        self.left = match self.limit.rate_min {
            0 => self.limit.idle,
            _ => self.limit.idle.min(self.left.saturating_add(self.limit.time_of(bytes))),
        };
    }

    /// Whether nothing of it is spent.
    fn is_full(&self) -> bool {
        self.left == self.limit.idle
    }

    /// Whether most of it is left: who is given up now was silent rather than slow.
    pub(crate) fn is_mostly_left(&self) -> bool {
        self.left * 2 > self.limit.idle
    }

    /// How long a receiver is waited for between two looks at what it has taken meanwhile.
    pub(crate) fn look(&self) -> Duration {
        self.left.min(self.limit.idle / RECEIVER_LOOKS)
    }

    /// Whether none is left.
    pub(crate) fn is_over(&self) -> bool {
        self.left.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    /// Seconds until a peer that sends so many bytes each so many seconds is given up; `None`: not within a day.
    fn given_up_after(rate_min: u32, bytes: u64, every_seconds: u64) -> Option<u64> {
        let mut patience = Patience::new(BodyLimit { idle: IDLE, rate_min });
        for pause in 1..=86_400 / every_seconds {
            patience.spend(Duration::from_secs(every_seconds));
            if patience.is_over() {
                return Some(pause * every_seconds);
            }
            patience.earn(bytes);
        }
        None
    }

    #[test]
    fn who_keeps_the_rate_is_waited_for_however_it_spreads_its_bytes() {
        for (bytes, every_seconds) in [(240, 1), (500, 2), (240 * 50, 50), (100_000, 59)] {
            assert_eq!(given_up_after(240, bytes, every_seconds), None, "{bytes} bytes every {every_seconds} s");
        }
    }

    #[test]
    fn who_does_not_is_given_up_soon_and_sooner_the_slower_it_is() {
        assert_eq!(given_up_after(240, 10, 1), Some(63));
        assert_eq!(given_up_after(240, 120, 1), Some(119));
        assert_eq!(given_up_after(240, 1, 10), Some(70), "at the seventh look");
        assert_eq!(given_up_after(240, 230, 1), Some(1_417));
    }

    #[test]
    fn without_a_rate_any_byte_is_progress_and_silence_is_not() {
        assert_eq!(given_up_after(0, 1, 59), None);
        assert_eq!(given_up_after(0, 1, 60), Some(60));
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let mut patience = Patience::new(BodyLimit { idle: IDLE, rate_min: 240 });
        patience.earn(u64::MAX);
        patience.spend(Duration::from_secs(1));
        patience.earn(u64::MAX);
        assert_eq!(patience.left(), IDLE);
        assert_eq!(patience.left_for(240 * 70), Duration::from_secs(70), "what it has in hand may take its time");
        patience.spend(IDLE);
        assert!(patience.is_over() && patience.left_for(0).is_zero());
    }
}
