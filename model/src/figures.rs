//! [`Figures`]: what became of requests, in so few numbers that they can be sent once a second, added up over nodes and
//! compared.
//!
//! Durations are counted in buckets of which each is at most a quarter as wide as where it begins, so that a percentile is
//! off by no more than that, whatever the scale.

/// Number of buckets. The last one begins above forty days.
pub const BUCKETS: usize = 164;

/// What became of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// That ended.
    pub requests: u64,
    /// Of those, the ones that failed.
    pub errors: u64,
    /// What they took.
    pub durations: Durations,
}

/// Requests by what they took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durations([u64; BUCKETS]);

impl Default for Durations {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

/// The bucket of a duration in microseconds: itself below 4, else 4 × (digits − 2) + the two digits behind the first, in
/// binary.
pub fn bucket_of(us: u64) -> usize {
    let digits = u64::BITS - us.leading_zeros();
    if digits < 3 {
        return us as usize;
    }
    let fraction = (us >> (digits - 3)) & 3;
    (4 * (digits as usize - 2) + fraction as usize).min(BUCKETS - 1)
}

/// The longest duration of a bucket, in microseconds.
fn longest_of(bucket: usize) -> u64 {
    match bucket {
        0..4 => bucket as u64,
        _ => {
            let shift = bucket / 4 - 1;
            ((4 + bucket as u64 % 4 + 1) << shift) - 1
        }
    }
}

impl Durations {
    /// From buckets and what is in them. `None`: there is no such bucket.
    pub fn from_counts(counts: impl IntoIterator<Item = (usize, u64)>) -> Option<Self> {
        let mut durations = Self::default();
        for (bucket, requests) in counts {
            let slot = durations.0.get_mut(bucket)?;
            *slot = slot.saturating_add(requests);
        }
        Some(durations)
    }

    /// The buckets that are not empty, in order.
    pub fn counts(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().copied().enumerate().filter(|(_, requests)| *requests > 0)
    }

    /// What so many of a hundred requests did not exceed, in microseconds; at most a quarter too much. 0 without requests.
    pub fn percentile_us(&self, percent: u32) -> u64 {
        let all: u128 = self.0.iter().map(|&requests| u128::from(requests)).sum();
        let wanted = (all * u128::from(percent)).div_ceil(100);
        let mut seen = 0;
        for (bucket, requests) in self.counts() {
            seen += u128::from(requests);
            if seen >= wanted {
                return longest_of(bucket);
            }
        }
        0
    }
}

impl Figures {
    /// Adds what became of other requests.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        for (slot, more) in self.durations.0.iter_mut().zip(other.durations.0) {
            *slot = slot.saturating_add(more);
        }
    }

    /// The part of requests that failed, of 1; 0 without requests.
    pub fn error_rate(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 / self.requests as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for us in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1_000, 1_000_000] {
            assert!(longest_of(bucket_of(us)) >= us, "{us}");
        }
        for bucket in 0..BUCKETS - 1 {
            let longest = longest_of(bucket);
            assert_eq!((bucket_of(longest), bucket_of(longest + 1)), (bucket, bucket + 1), "{longest}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_bucket_is_off_by_at_most_a_quarter(us in 1..1_u64 << 41) {
            let longest = longest_of(bucket_of(us));
            prop_assert!(longest >= us && longest - us <= us / 4, "{us} counts as {longest}");
        }
    }

    fn of(us: &[u64], errors: u64) -> Figures {
        let durations = Durations::from_counts(us.iter().map(|&us| (bucket_of(us), 1))).unwrap();
        Figures { requests: us.len() as u64, errors, durations }
    }

    #[test]
    fn percentiles_count_from_the_fastest() {
        let hundred: Vec<u64> = (1..=100).map(|n| n * 1_000).collect();
        let figures = of(&hundred, 0);
        for (percent, us) in [(1, 1_000), (50, 50_000), (95, 95_000), (100, 100_000)] {
            let found = figures.durations.percentile_us(percent);
            assert!(found >= us && found <= us * 5 / 4, "{percent}: {found}");
        }
        assert_eq!(Figures::default().durations.percentile_us(95), 0);
        assert_eq!(of(&[3], 0).durations.percentile_us(1), 3);
    }

    #[test]
    fn figures_add_up() {
        let mut sum = of(&[10, 10], 1);
        sum.add(&of(&[10, 2_000], 0));
        assert_eq!((sum.requests, sum.errors, sum.error_rate()), (4, 1, 0.25));
        assert_eq!(sum.durations.counts().collect::<Vec<_>>(), [(bucket_of(10), 3), (bucket_of(2_000), 1)]);
        assert_eq!(Figures::default().error_rate(), 0.0);
        assert_eq!(Durations::from_counts([(BUCKETS, 1)]), None);
    }
}
