//! [`Order`]: what a worker is told to hand over, decided from what all of them did. Pure.

use crate::limits::{SHARES_BUSY_MIN, SHARES_DIFFERENCE_MIN, SHARES_MOVES_MAX};

/// What a worker did between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Part of the time, from 0 to 1.
    pub(super) busy: f64,
    /// Requests of HTTP/1.1 that came to it.
    pub(super) requests: u32,
    /// Whether it takes no connections: it has ended.
    pub(super) is_gone: bool,
}

/// Whom a worker is to hand connections over to, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// The worker that gets them.
    to: u16,
    /// New connections that are still to go there.
    new: u8,
    /// Open connections that are still to go there, at most.
    open: u8,
    /// Requests between two looks that are still to go there with them.
    requests: u32,
}

impl Order {
    /// What is to be done about a difference, and by which worker. Nothing while no core is short of time.
    ///
    /// Half of the difference moves, counted in requests: if all of them are as much work, the two workers are as busy as each other then.
    /// New connections go to the idler one whatever it is that keeps the other busy.
    pub(super) fn of(loads: &[Load]) -> Option<(usize, Self)> {
        let there = || loads.iter().enumerate().filter(|(_, load)| !load.is_gone);
        let (from, most) = there().max_by(|(_, one), (_, other)| one.busy.total_cmp(&other.busy))?;
        let (to, least) = there().min_by(|(_, one), (_, other)| one.busy.total_cmp(&other.busy))?;
        let difference = most.busy - least.busy;
        if most.busy < SHARES_BUSY_MIN || difference < SHARES_DIFFERENCE_MIN {
            return None;
        }
        let requests = (f64::from(most.requests) * difference / 2.0 / most.busy) as u32;
        Some((from, Self { to: u16::try_from(to).ok()?, new: SHARES_MOVES_MAX, open: SHARES_MOVES_MAX, requests }))
    }

    /// The order with one new connection less, and whose that is.
    pub(super) fn without_new(self) -> Option<Self> {
        Some(Self { new: self.new.checked_sub(1)?, ..self })
    }

    /// The order with one open connection less, which made so many requests between two looks. None when that one had better stay: what
    /// goes must at least halve the difference that is left. The only busy one would just make the other worker the busy one.
    pub(super) fn without_open(self, requests: u32) -> Option<Self> {
        let open = self.open.checked_sub(1)?;
        let helps = requests > 0 && 2 * u64::from(requests) <= 3 * u64::from(self.requests);
        helps.then(|| Self { open, requests: self.requests.saturating_sub(requests), ..self })
    }

    /// The worker that gets what is handed over.
    pub(super) fn to(self) -> usize {
        self.to.into()
    }

    /// In one word, so that it is read and changed at once; 0 where nothing is to be handed over.
    pub(super) fn to_bits(self) -> u64 {
        let [to_low, to_high] = self.to.to_le_bytes();
        let [a, b, c, d] = self.requests.to_le_bytes();
        u64::from_le_bytes([to_low, to_high, self.new, self.open, a, b, c, d])
    }

    /// What [`Self::to_bits`] said.
    pub(super) fn from_bits(bits: u64) -> Self {
        let [to_low, to_high, new, open, a, b, c, d] = bits.to_le_bytes();
        let (to, requests) = (u16::from_le_bytes([to_low, to_high]), u32::from_le_bytes([a, b, c, d]));
        Self { to, new, open, requests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(all: &[(f64, u32)]) -> Option<(usize, Order)> {
        let load = |&(busy, requests): &(f64, u32)| Load { busy, requests, is_gone: false };
        Order::of(&all.iter().map(load).collect::<Vec<_>>())
    }

    fn order(to: u16, requests: u32) -> Order {
        Order { to, new: SHARES_MOVES_MAX, open: SHARES_MOVES_MAX, requests }
    }

    #[test]
    fn half_of_the_difference_moves_from_the_busiest_to_the_idlest() {
        for (all, from, to, requests) in [
            (&[(1.0, 400), (0.0, 0)][..], 0, 1, 200),
            (&[(0.1, 300), (0.9, 900), (0.5, 500)], 1, 0, 400),
            // Two of four workers are idle; one gets some now, the other one when it is the idlest.
            (&[(0.8, 100), (0.8, 1_000), (0.0, 0), (0.0, 0)], 1, 2, 500),
            // What is busy is not connections that could move, for instance streams of HTTP/2; new ones go elsewhere.
            (&[(1.0, 0), (0.0, 0)], 0, 1, 0),
        ] {
            assert_eq!(decided(all), Some((from, order(to, requests))), "{all:?}");
        }
    }

    #[test]
    fn what_would_not_help_is_left_alone() {
        for all in [
            &[][..],
            &[(1.0, 9)],
            // Nobody is short of time.
            &[(0.3, 9), (0.0, 0)],
            // As busy as each other.
            &[(1.0, 9), (0.95, 2)],
        ] {
            assert_eq!(decided(all), None, "{all:?}");
        }
    }

    #[test]
    fn a_worker_that_has_ended_gets_nothing() {
        let loads =
            [(1.0, false), (0.0, true), (0.6, false)].map(|(busy, is_gone)| Load { busy, requests: 10, is_gone });
        assert_eq!(Order::of(&loads), Some((0, order(2, 2))));
        assert_eq!(Order::of(&loads[..2]), None);
    }

    /// How many of these connections, which ask in this order, go along.
    fn moved(mut order: Order, connections: &[u32]) -> Vec<u32> {
        let goes = |&requests: &u32| order.without_open(requests).map(|rest| order = rest).is_some();
        connections.iter().copied().filter(goes).collect()
    }

    #[test]
    fn connections_go_as_long_as_it_makes_the_two_more_even() {
        for (connections, gone) in [
            (&[100, 100, 100, 100][..], &[100, 100][..]),
            (&[100, 100, 100], &[100]),
            (&[100, 100], &[100]),
            // The only busy one stays, and the others leave it, whoever asks first.
            (&[100], &[]),
            (&[100, 5, 5, 5, 5, 5], &[5, 5, 5, 5, 5]),
            (&[5, 100, 5, 5], &[5, 5, 5]),
            // Of two busy ones one goes, and not both.
            (&[100, 90, 5], &[100]),
            // Who has asked nothing makes no difference.
            (&[0, 10, 10], &[10]),
        ] {
            let all = connections.iter().sum();
            let (_, order) = decided(&[(1.0, all), (0.0, 0)]).expect("they differ");
            assert_eq!(moved(order, connections), gone, "{connections:?}");
        }
    }

    #[test]
    fn no_more_connections_move_at_a_time_than_there_are_places() {
        let few = vec![1; 1_000];
        assert_eq!(moved(order(1, 500), &few).len(), usize::from(SHARES_MOVES_MAX));
        let mut order = order(1, 0);
        let mut new = 0;
        while let Some(rest) = order.without_new() {
            (order, new) = (rest, new + 1);
        }
        assert_eq!(new, SHARES_MOVES_MAX);
    }

    #[test]
    fn an_order_is_the_same_behind_its_bits() {
        for order in [Order::default(), order(0, 0), order(u16::MAX, u32::MAX), order(3, 70_000)] {
            assert_eq!(Order::from_bits(order.to_bits()), order);
        }
        assert_eq!(Order::default().to_bits(), 0);
        assert_ne!(order(0, 0).to_bits(), 0);
    }
}
