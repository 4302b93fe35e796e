//! [`Health`]: what an address has shown lately: whether it gets requests, none for a while, or few at first.
//!
//! No clock: whoever asks says what time it is.

use crate::limits::{
    UPSTREAM_EJECTED_PERCENT_MAX, UPSTREAM_EJECTION_FAILURES, UPSTREAM_EJECTION_TIMES_MAX, UPSTREAM_RETURN_WEIGHT_MIN,
};
use std::time::Duration;
use tokio::time::Instant;

/// The weight of an address of which nothing bad is known.
pub(super) const FULL_WEIGHT: u32 = 1_000;

/// Whether an address gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// As many as others.
    Serving,
    /// None before then.
    Ejected { until: Instant },
    /// More and more of them, since then.
    Returning { since: Instant },
}

/// What one address has shown lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    standing: Standing,
    /// Failures without an answer in between that was none.
    failures: u32,
    /// How often it was ejected, since it last served well for long.
    ejections: u32,
    /// Since when it serves again.
    serving_since: Option<Instant>,
}

impl Default for Health {
    fn default() -> Self {
        Self { standing: Standing::Serving, failures: 0, ejections: 0, serving_since: None }
    }
}

impl Health {
    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it is as if nothing had ever happened.
    pub(super) fn is_spotless(&self) -> bool {
        self.standing == Standing::Serving && self.failures == 0
    }

    /// It has answered, and with no error of a gateway.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// It has failed; whether that was once too often. What was sent to it before it was ejected counts no more.
    pub(super) fn failed(&mut self) -> bool {
        if matches!(self.standing, Standing::Ejected { .. }) {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.failures >= UPSTREAM_EJECTION_FAILURES
    }

    /// Takes it out: the first time for `first`, each further time for twice as long, up to a bound. Whoever has served well for
    /// as long as that begins anew.
    pub(super) fn eject(&mut self, now: Instant, first: Duration) {
        let longest = first * UPSTREAM_EJECTION_TIMES_MAX;
        if self.serving_since.is_some_and(|since| now.duration_since(since) >= longest) {
            self.ejections = 0;
        }
        let time = (first * (1 << self.ejections.min(16))).min(longest);
        self.ejections = self.ejections.saturating_add(1);
        self.standing = Standing::Ejected { until: now + time };
    }

    /// Moves on with the time. To return takes as long as a first ejection.
    pub(super) fn look(&mut self, now: Instant, first: Duration) {
        match self.standing {
            Standing::Ejected { until } if now >= until => {
                self.standing = Standing::Returning { since: now };
                // Its first answer decides: nobody has to meet the same failure five times again.
                self.failures = UPSTREAM_EJECTION_FAILURES - 1;
            }
            Standing::Returning { since } if now.duration_since(since) >= first => {
                self.standing = Standing::Serving;
                self.serving_since = Some(now);
            }
            Standing::Serving | Standing::Ejected { .. } | Standing::Returning { .. } => {}
        }
    }

    /// How large its share of the requests is, up to [`FULL_WEIGHT`]; 0: none.
    pub(super) fn weight(&self, now: Instant, first: Duration) -> u32 {
        match self.standing {
            Standing::Serving => FULL_WEIGHT,
            Standing::Ejected { .. } => 0,
            Standing::Returning { since } => {
                let part = now.duration_since(since).as_millis() * u128::from(FULL_WEIGHT) / first.as_millis().max(1);
                u32::try_from(part).unwrap_or(FULL_WEIGHT).clamp(UPSTREAM_RETURN_WEIGHT_MIN, FULL_WEIGHT)
            }
        }
    }
}

/// Whether one more address may be ejected where so many of so many are. Never the only one.
pub(super) fn may_eject(ejected: usize, addresses: usize) -> bool {
    (ejected + 1) * 100 <= addresses * UPSTREAM_EJECTED_PERCENT_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const FIRST: Duration = Duration::from_secs(30);

    fn ejected(health: &mut Health, now: Instant) -> Duration {
        while !health.failed() {}
        health.eject(now, FIRST);
        match health.standing() {
            Standing::Ejected { until } => until - now,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut health = Health::default();
        for _ in 1..UPSTREAM_EJECTION_FAILURES {
            assert!(!health.failed());
        }
        health.answered();
        assert!(health.is_spotless());
        for _ in 1..UPSTREAM_EJECTION_FAILURES {
            assert!(!health.failed());
        }
        assert!(health.failed());
    }

    #[tokio::test(start_paused = true)]
    async fn each_ejection_lasts_twice_as_long_up_to_a_bound() {
        let mut health = Health::default();
        let mut now = Instant::now();
        let mut lasted = Vec::new();
        for _ in 0..6 {
            let time = ejected(&mut health, now);
            lasted.push(time.as_secs());
            now += time;
            health.look(now, FIRST);
            assert!(matches!(health.standing(), Standing::Returning { .. }));
        }
        assert_eq!(lasted, [30, 60, 120, 240, 300, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_serves_well_for_long_begins_anew() {
        let mut health = Health::default();
        let mut now = Instant::now();
        now += ejected(&mut health, now);
        health.look(now, FIRST);
        now += FIRST;
        health.look(now, FIRST);
        assert_eq!(health.standing(), Standing::Serving);
        let soon = now + FIRST * UPSTREAM_EJECTION_TIMES_MAX - SECOND;
        assert_eq!(ejected(&mut health.clone(), soon).as_secs(), 60);
        assert_eq!(ejected(&mut health, soon + SECOND).as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_returns_gradually_and_its_first_answer_decides() {
        let mut health = Health::default();
        let mut now = Instant::now();
        assert_eq!(health.weight(now, FIRST), FULL_WEIGHT);
        let time = ejected(&mut health, now);
        health.look(now + time - SECOND, FIRST);
        assert_eq!(health.weight(now + time - SECOND, FIRST), 0);
        now += time;
        health.look(now, FIRST);
        assert_eq!(health.weight(now, FIRST), UPSTREAM_RETURN_WEIGHT_MIN);
        let mut last = 0;
        for _ in 0..10 {
            let weight = health.weight(now, FIRST);
            assert!((last..=FULL_WEIGHT).contains(&weight));
            last = weight;
            now += FIRST / 10;
        }
        health.look(now, FIRST);
        assert_eq!((health.standing(), health.weight(now, FIRST)), (Standing::Serving, FULL_WEIGHT));

        let mut again = Health::default();
        let time = ejected(&mut again, now);
        again.look(now + time, FIRST);
        let mut well = again;
        assert!(again.failed(), "one failure is enough");
        well.answered();
        assert!(!well.failed(), "behind a good answer it is not");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_under_way_when_it_was_ejected_does_not_prolong_that() {
        let mut health = Health::default();
        ejected(&mut health, Instant::now());
        for _ in 0..100 {
            assert!(!health.failed());
        }
    }

    #[test]
    fn never_more_than_half_and_never_the_only_one() {
        for (addresses, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
            let mut ejected = 0;
            while may_eject(ejected, addresses) {
                ejected += 1;
            }
            assert_eq!(ejected, most, "of {addresses}");
        }
    }
}
