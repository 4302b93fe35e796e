//! [`Addresses`]: all addresses of a target: which of them is next, which get nothing for a while, and what becomes of those
//! that a name has no more.

use super::address::{Address, Busy, Capacity};
use super::balance::{Random, choose_by_weight, choose_evenly};
use super::ejection::{Standing, may_eject};
use crate::metrics::AddressState;
use std::cell::{Cell, Ref, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The addresses of one target.
pub(super) struct Addresses {
    all: RefCell<Vec<Rc<Address>>>,
    /// For how long an address is ejected for the first time; zero: never.
    ejection: Duration,
    /// How many of them do not get a whole share. While there is none, nobody looks at a clock.
    restrained: Cell<usize>,
    /// Whether one of them stands otherwise than operators were told.
    has_news: Cell<bool>,
}

impl Addresses {
    pub(super) fn new(ejection: Duration) -> Self {
        Self { all: RefCell::default(), ejection, restrained: Cell::new(0), has_news: Cell::new(false) }
    }

    pub(super) fn all(&self) -> Ref<'_, [Rc<Address>]> {
        Ref::map(self.all.borrow(), Vec::as_slice)
    }

    /// Takes over what a name has now. Addresses that it had before stay as they are.
    pub(super) fn replace(&self, now: &[SocketAddr], capacity: &Rc<Capacity>) {
        let before = self.all.take();
        let (stay, leave): (Vec<_>, Vec<_>) = before.into_iter().partition(|address| now.contains(&address.at));
        let all = now.iter().map(|&at| match stay.iter().find(|address| address.at == at) {
            Some(address) => Rc::clone(address),
            None => Address::new(at, Rc::clone(capacity)),
        });
        self.all.replace(all.collect());
        leave.iter().for_each(|address| address.leave());
        self.count();
    }

    /// The address for a request, unless all of them are in `failed`. One of `avoided` only if there is no other.
    pub(super) fn choose(&self, failed: &[SocketAddr], avoided: &[SocketAddr], random: &Random) -> Option<Busy> {
        let all = self.all.borrow();
        let chosen = match &**all {
            [] => return None,
            [only] if failed.is_empty() => only,
            several if failed.is_empty() && avoided.is_empty() && self.restrained.get() == 0 => {
                &several[choose_evenly(several.len(), |at| several[at].in_flight(), random)]
            }
            several => {
                let now = Instant::now();
                self.look(several, now);
                let is_tried = |at: usize| failed.contains(&several[at].at);
                let is_avoided = |at: usize| is_tried(at) || avoided.contains(&several[at].at);
                let weight = |at: usize| several[at].health.get().weight(now, self.ejection);
                let in_flight = |at: usize| several[at].in_flight();
                let without = |excluded: &dyn Fn(usize) -> bool, weight: &dyn Fn(usize) -> u32| {
                    let weight = |at| if excluded(at) { 0 } else { weight(at) };
                    choose_by_weight(several.len(), weight, in_flight, random)
                };
                // If nothing else is left, an address that is ejected is better than none.
                let at = without(&is_avoided, &weight)
                    .or_else(|| without(&is_tried, &weight))
                    .or_else(|| without(&is_tried, &|_| 1))?;
                &several[at]
            }
        };
        Some(Busy::with(Rc::clone(chosen)))
    }

    /// Whether there is an address that has not failed.
    pub(super) fn has_others(&self, failed: &[SocketAddr]) -> bool {
        self.all.borrow().len() > failed.len() + 1
    }

    /// An address has failed. Whether it was ejected for that.
    pub(super) fn failed(&self, address: &Address, now: Instant) -> bool {
        let all = self.all.borrow();
        // The only one gets all requests whatever it does.
        if all.len() < 2 || self.ejection.is_zero() {
            return false;
        }
        self.look(&all, now);
        let mut health = address.health.get();
        let is_too_much = health.failed();
        let ejected = all.iter().filter(|one| matches!(one.health.get().standing(), Standing::Ejected { .. })).count();
        let ejects = is_too_much && may_eject(ejected, all.len());
        if ejects {
            health.eject(now, self.ejection);
        }
        address.health.set(health);
        drop(all);
        self.count();
        ejects
    }

    /// Moves on with the time. Whether operators should be told anew.
    pub(super) fn sweep(&self, now: Instant) -> bool {
        if self.restrained.get() > 0 {
            self.look(&self.all.borrow(), now);
        }
        self.has_news.take()
    }

    /// Whether something would be forgotten with it.
    pub(super) fn is_restrained(&self) -> bool {
        self.restrained.get() > 0
    }

    /// Closes an idle connection to any of them, and whether there was one.
    pub(super) fn close_one(&self) -> bool {
        self.all.borrow().iter().any(|address| address.close_one())
    }

    /// Each with its state, for operators.
    pub(super) fn states(&self) -> Vec<(SocketAddr, AddressState)> {
        let state = |address: &Rc<Address>| match address.health.get().standing() {
            Standing::Serving => AddressState::Serving,
            Standing::Returning { .. } => AddressState::Returning,
            Standing::Ejected { .. } => AddressState::Ejected,
        };
        self.all.borrow().iter().map(|address| (address.at, state(address))).collect()
    }

    fn look(&self, all: &[Rc<Address>], now: Instant) {
        for address in all {
            let before = address.health.get();
            let mut health = before;
            health.look(now, self.ejection);
            if health.standing() != before.standing() {
                address.health.set(health);
                self.has_news.set(true);
            }
        }
        self.restrained.set(restrained(all));
    }

    fn count(&self) {
        self.restrained.set(restrained(&self.all.borrow()));
    }
}

fn restrained(all: &[Rc<Address>]) -> usize {
    all.iter().filter(|address| address.health.get().standing() != Standing::Serving).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::UPSTREAM_EJECTION_FAILURES;

    const FIRST: Duration = Duration::from_secs(30);

    fn at(last: u8) -> SocketAddr {
        ([127, 0, 0, last], 80).into()
    }

    fn addresses(last: &[u8]) -> (Addresses, Rc<Capacity>) {
        let (addresses, capacity) = (Addresses::new(FIRST), Rc::default());
        let now: Vec<_> = last.iter().copied().map(at).collect();
        addresses.replace(&now, &capacity);
        (addresses, capacity)
    }

    fn find(addresses: &Addresses, last: u8) -> Rc<Address> {
        Rc::clone(addresses.all().iter().find(|address| address.at == at(last)).expect("is there"))
    }

    /// Lets it fail as often as it takes; whether that ejects it.
    fn break_down(addresses: &Addresses, last: u8) -> bool {
        let address = find(addresses, last);
        (0..UPSTREAM_EJECTION_FAILURES).any(|_| addresses.failed(&address, Instant::now()))
    }

    /// How often each is chosen of a hundred times, by the last number.
    fn shares(addresses: &Addresses, random: &Random) -> [usize; 10] {
        let mut shares = [0; 10];
        for _ in 0..1_000 {
            let SocketAddr::V4(chosen) = addresses.choose(&[], &[], random).expect("one is chosen").address().at else {
                panic!("only such addresses are there")
            };
            shares[usize::from(chosen.ip().octets()[3])] += 1;
        }
        shares
    }

    #[test]
    fn a_request_counts_until_it_ends() {
        let (addresses, _) = addresses(&[1, 2]);
        let random = Random::new(1);
        let busy = addresses.choose(&[], &[], &random).expect("one is chosen");
        let other = addresses.choose(&[], &[], &random).expect("one is chosen");
        assert_ne!(busy.address().at, other.address().at, "the one that is busy is not chosen");
        let address = Rc::clone(busy.address());
        assert_eq!(address.in_flight(), 1);
        drop(busy);
        assert_eq!(address.in_flight(), 0);
    }

    #[test]
    fn what_stays_is_the_same_and_what_leaves_takes_no_request() {
        let (addresses, capacity) = addresses(&[1, 2]);
        let (stays, leaves) = (find(&addresses, 2), find(&addresses, 1));
        addresses.replace(&[at(2), at(3)], &capacity);
        assert!(Rc::ptr_eq(&stays, &find(&addresses, 2)));
        assert!(addresses.all().iter().all(|address| address.at != leaves.at));
        addresses.replace(&[], &capacity);
        assert!(addresses.choose(&[], &[], &Random::new(1)).is_none());
    }

    #[test]
    fn an_address_that_failed_is_not_tried_again_and_one_to_avoid_only_in_need() {
        let (addresses, _) = addresses(&[1, 2]);
        let random = Random::new(1);
        let chosen = |failed: &[SocketAddr], avoided: &[SocketAddr]| {
            addresses.choose(failed, avoided, &random).map(|busy| busy.address().at)
        };
        for _ in 0..20 {
            assert_eq!(chosen(&[at(1)], &[]), Some(at(2)));
            assert_eq!(chosen(&[], &[at(2)]), Some(at(1)));
            assert_eq!(chosen(&[at(1)], &[at(2)]), Some(at(2)));
            assert_eq!(chosen(&[at(1), at(2)], &[]), None);
        }
        assert!(addresses.has_others(&[]) && !addresses.has_others(&[at(1)]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ejected_address_gets_nothing_and_then_more_and_more() {
        let (addresses, _) = addresses(&[1, 2, 3]);
        let random = Random::new(1);
        assert!(break_down(&addresses, 2));
        assert_eq!(shares(&addresses, &random)[2], 0);
        tokio::time::advance(FIRST).await;
        let first = shares(&addresses, &random)[2];
        assert!((10..150).contains(&first), "{first}");
        tokio::time::advance(FIRST / 2).await;
        let half = shares(&addresses, &random)[2];
        assert!((120..330).contains(&half) && half > first, "{half}");
        tokio::time::advance(FIRST / 2).await;
        addresses.sweep(Instant::now());
        assert!(!addresses.is_restrained());
        assert!(shares(&addresses, &random)[2] > half.max(280));
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_them_serve_on_whatever_they_do() {
        let (addresses, _) = addresses(&[1, 2, 3, 4]);
        assert!(break_down(&addresses, 1) && break_down(&addresses, 2));
        assert!(!break_down(&addresses, 3) && !break_down(&addresses, 4));
        let shares = shares(&addresses, &Random::new(1));
        assert_eq!((shares[1], shares[2]), (0, 0));
        assert!(shares[3] > 400 && shares[4] > 400, "{shares:?}");
        let ejected = addresses.states().iter().filter(|(_, state)| *state == AddressState::Ejected).count();
        assert_eq!(ejected, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn where_ejection_is_switched_off_none_is_ejected() {
        let addresses = Addresses::new(Duration::ZERO);
        addresses.replace(&[at(1), at(2)], &Rc::default());
        assert!(!break_down(&addresses, 1));
        assert!(shares(&addresses, &Random::new(1))[1] > 400);
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_address_is_never_ejected_and_one_that_is_left_alone_serves() {
        let (only, _) = addresses(&[1]);
        assert!(!break_down(&only, 1));
        let (both, capacity) = addresses(&[1, 2]);
        assert!(break_down(&both, 1));
        both.replace(&[at(1)], &capacity);
        assert_eq!(shares(&both, &Random::new(1))[1], 1_000);
    }
}
