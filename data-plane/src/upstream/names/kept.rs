//! [`Kept`]: what is known of a name, for how long, and when to ask again.
//!
//! No clock and no I/O: whoever asks says what was heard and what time it is.

use super::{Known, ResolveError};
use crate::limits::{
    DNS_ADDRESSES_MAX, DNS_NEGATIVE_MS, DNS_REFRESH_PERCENT, DNS_RETRY_MS, DNS_STALE_MS, DNS_TTL_MAX_MS, DNS_TTL_MIN_MS,
};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Addresses, and how long they may be kept.
    Addresses(Vec<IpAddr>, Duration),
    /// A server says that there is no such name, or that it has no address.
    Nothing,
    /// Nobody has answered, or only that they cannot.
    Failed,
}

/// What is known of one name.
#[derive(Debug)]
pub(super) struct Kept {
    known: Known,
    /// Until when it was given.
    expires: Instant,
    /// Questions in a row that failed.
    failures: u32,
}

impl Kept {
    pub(super) fn new(now: Instant) -> Self {
        Self { known: Known::Asked, expires: now, failures: 0 }
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Whether the last question failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Takes in what was heard, and says when to ask again.
    pub(super) fn hear(&mut self, heard: Heard, now: Instant) -> Instant {
        let negative = Duration::from_millis(DNS_NEGATIVE_MS);
        let has_addresses = matches!(self.known, Known::Addresses(_));
        match heard {
            Heard::Addresses(addresses, ttl) if !addresses.is_empty() => {
                let ttl = ttl.clamp(Duration::from_millis(DNS_TTL_MIN_MS), Duration::from_millis(DNS_TTL_MAX_MS));
                self.known = Known::Addresses(in_order(addresses).into());
                self.expires = now + ttl;
                self.failures = 0;
                now + ttl * DNS_REFRESH_PERCENT / 100
            }
            Heard::Addresses(..) | Heard::Nothing => {
                self.failures = 0;
                // What was given for some time holds for that time, and the name may be back by then.
                if has_addresses && now < self.expires {
                    return self.expires.min(now + negative);
                }
                self.known = Known::Nothing(ResolveError::NoAddress);
                now + negative
            }
            Heard::Failed => {
                let (first, longest) = DNS_RETRY_MS;
                let pause = Duration::from_millis((first << self.failures.min(16)).min(longest));
                self.failures = self.failures.saturating_add(1);
                if has_addresses && now < self.expires + Duration::from_millis(DNS_STALE_MS) {
                    return now + pause;
                }
                self.known = Known::Nothing(ResolveError::NoAnswer);
                now + pause.min(negative)
            }
        }
    }
}

/// Each address once, in an order that does not depend on the answer's: servers turn it with each answer.
fn in_order(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(DNS_ADDRESSES_MAX);
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn addresses(last: &[u8], ttl_s: u64) -> Heard {
        Heard::Addresses(last.iter().copied().map(ip).collect(), Duration::from_secs(ttl_s))
    }

    fn known(last: &[u8]) -> Known {
        Known::Addresses(last.iter().copied().map(ip).collect::<Vec<_>>().into())
    }

    fn seconds(from: Instant, to: Instant) -> f64 {
        to.duration_since(from).as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_asked_for_again_before_they_expire() {
        let now = Instant::now();
        let mut kept = Kept::new(now);
        assert_eq!(*kept.known(), Known::Asked);
        let at = kept.hear(addresses(&[2, 1, 2], 30), now);
        assert_eq!(*kept.known(), known(&[1, 2]));
        assert!((seconds(now, at) - 24.0).abs() < 0.001);
        kept.hear(addresses(&[3], 30), at);
        assert_eq!(*kept.known(), known(&[3]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_to_live_has_bounds() {
        let now = Instant::now();
        let mut kept = Kept::new(now);
        let part = |ms: u64| ms as f64 / 1_000.0 * f64::from(DNS_REFRESH_PERCENT) / 100.0;
        let at = kept.hear(addresses(&[1], 0), now);
        assert!((seconds(now, at) - part(DNS_TTL_MIN_MS)).abs() < 0.001);
        let at = kept.hear(addresses(&[1], 86_400), now);
        assert!((seconds(now, at) - part(DNS_TTL_MAX_MS)).abs() < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_outlives_its_time_while_nobody_answers_up_to_a_bound() {
        let begun = Instant::now();
        let mut kept = Kept::new(begun);
        let mut now = kept.hear(addresses(&[1], 10), begun);
        let mut pauses = Vec::new();
        while *kept.known() == known(&[1]) {
            let at = kept.hear(Heard::Failed, now);
            assert!(kept.is_failing());
            pauses.push(at.duration_since(now).as_millis() as u64);
            now = at;
        }
        assert_eq!(pauses[..6], [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
        let kept_for = seconds(begun, now) - 10.0;
        let bound = DNS_STALE_MS as f64 / 1_000.0;
        assert!((bound..bound + 60.0).contains(&kept_for), "{kept_for}");
        assert_eq!(*kept.known(), Known::Nothing(ResolveError::NoAnswer));
        kept.hear(addresses(&[4], 10), now);
        assert_eq!((kept.known(), kept.is_failing()), (&known(&[4]), false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_gone_is_gone_when_its_time_is_over() {
        let begun = Instant::now();
        let mut kept = Kept::new(begun);
        let now = kept.hear(addresses(&[1], 10), begun);
        let again = kept.hear(Heard::Nothing, now);
        assert_eq!(*kept.known(), known(&[1]));
        assert!((seconds(begun, again) - 10.0).abs() < 0.001);
        kept.hear(Heard::Nothing, again);
        assert_eq!(*kept.known(), Known::Nothing(ResolveError::NoAddress));
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_kept_shortly() {
        let now = Instant::now();
        let mut kept = Kept::new(now);
        let at = kept.hear(Heard::Nothing, now);
        assert_eq!(*kept.known(), Known::Nothing(ResolveError::NoAddress));
        assert_eq!(at.duration_since(now), Duration::from_millis(DNS_NEGATIVE_MS));
        let mut last = at;
        for _ in 0..20 {
            let at = kept.hear(Heard::Failed, last);
            assert!(at.duration_since(last) <= Duration::from_millis(DNS_NEGATIVE_MS));
            last = at;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_too_long() {
        let now = Instant::now();
        let mut kept = Kept::new(now);
        let many = (0..=u8::MAX).map(ip).collect();
        kept.hear(Heard::Addresses(many, Duration::from_secs(5)), now);
        assert!(matches!(kept.known(), Known::Addresses(addresses) if addresses.len() == DNS_ADDRESSES_MAX));
    }
}
