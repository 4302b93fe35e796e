//! Which of several addresses gets a request: of two that are drawn by chance, the one with fewer requests under way. That
//! keeps all of them about as busy as each other, and those that are slow get less, without looking at all of them.

use std::cell::Cell;

/// A source of chance for one worker. Not for secrets.
pub(super) struct Random(Cell<u64>);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// A number below `bound`, which is not 0 (splitmix64, scaled down).
    fn below(&self, bound: usize) -> usize {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The product's upper half is below the bound.
        ((u128::from(mixed) * bound as u128) >> 64) as usize
    }
}

/// One of `count` addresses, which are at least two and of equal weight.
pub(super) fn choose_evenly(count: usize, in_flight: impl Fn(usize) -> usize, random: &Random) -> usize {
    let first = random.below(count);
    let second = (first + 1 + random.below(count - 1)) % count;
    if in_flight(second) < in_flight(first) { second } else { first }
}

/// One of `count` addresses, each drawn as often as its weight says; `None` when none has any.
pub(super) fn choose_by_weight(
    count: usize,
    weight: impl Fn(usize) -> u32,
    in_flight: impl Fn(usize) -> usize,
    random: &Random,
) -> Option<usize> {
    let total: usize = (0..count).map(|at| weight(at) as usize).sum();
    let draw = |total: usize, except: Option<usize>| {
        let mut left = random.below(total);
        (0..count).filter(|&at| Some(at) != except).find(|&at| match left.checked_sub(weight(at) as usize) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    };
    if total == 0 {
        return None;
    }
    let first = draw(total, None)?;
    let others = total - weight(first) as usize;
    if others == 0 {
        return Some(first);
    }
    let second = draw(others, Some(first))?;
    Some(if in_flight(second) < in_flight(first) { second } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(draws: usize, count: usize, choose: impl Fn() -> usize) -> Vec<usize> {
        let mut shares = vec![0; count];
        for _ in 0..draws {
            shares[choose()] += 1;
        }
        shares
    }

    #[test]
    fn equals_get_equal_shares() {
        let random = Random::new(1);
        for count in 2..6 {
            let even = shares(30_000, count, || choose_evenly(count, |_| 0, &random));
            let weighted =
                shares(30_000, count, || choose_by_weight(count, |_| 1_000, |_| 0, &random).expect("has weight"));
            let fair = 30_000 / count;
            for share in even.into_iter().chain(weighted) {
                assert!((fair * 9 / 10..fair * 11 / 10).contains(&share), "{share} of {fair}");
            }
        }
    }

    #[test]
    fn the_busiest_of_all_is_never_chosen() {
        let random = Random::new(2);
        let in_flight = [3, 9, 4, 3];
        let shares = shares(10_000, 4, || choose_evenly(4, |at| in_flight[at], &random));
        assert_eq!(shares[1], 0, "{shares:?}");
        assert!(shares[0] > shares[2] && shares[3] > shares[2], "{shares:?}");
    }

    #[test]
    fn without_weight_there_is_no_share() {
        let random = Random::new(3);
        let weights = [1_000, 0, 1_000];
        let shares =
            shares(10_000, 3, || choose_by_weight(3, |at| weights[at], |_| 0, &random).expect("two have weight"));
        assert_eq!(shares[1], 0);
        assert_eq!(choose_by_weight(3, |_| 0, |_| 0, &random), None);
        assert_eq!(choose_by_weight(3, |at| u32::from(at == 2), |_| 9, &random), Some(2));
    }

    #[test]
    fn a_tenth_of_the_weight_is_about_a_tenth_of_the_share() {
        let random = Random::new(4);
        let weights = [1_000, 1_000, 100];
        let shares = shares(21_000, 3, || choose_by_weight(3, |at| weights[at], |_| 0, &random).expect("has weight"));
        assert!((800..1_200).contains(&shares[2]), "{shares:?}");
    }

    #[test]
    fn the_idler_of_two_is_chosen_whatever_the_weights() {
        let random = Random::new(5);
        let in_flight = [5, 0];
        assert_eq!(choose_by_weight(2, |_| 1_000, |at| in_flight[at], &random), Some(1));
    }
}
