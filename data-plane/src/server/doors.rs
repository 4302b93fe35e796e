//! [`Doors`]: how many connections the process has, and how many of each client address. One for all workers, without a lock:
//! connections come and go on every core.

use crate::limits::{ADDRESS_COUNTERS, IPV6_CLIENT_BITS};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Rows of counters; each address has one counter in each.
const ROWS: usize = 2;

/// Who comes in.
#[derive(Debug)]
pub(crate) struct Doors {
    connections_max: u32,
    /// 0: any number.
    per_address_max: u32,
    open: AtomicU32,
    /// Addresses may share a counter, so each has two, by different hashes: the smaller one is never less than the truth, and
    /// more only where both are shared. A table of addresses would need a lock, and memory for whoever comes.
    rows: [(RandomState, Box<[AtomicU32]>); ROWS],
    began: Instant,
    /// Since when there is no room, in milliseconds after `began`, and one more; 0: there is.
    full_since_ms: AtomicU64,
    freed: Notify,
}

/// Why a connection does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The process has as many as it may.
    Full,
    /// The client's address has.
    Address,
}

/// The right to one connection, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    doors: Arc<Doors>,
    counters: Option<[usize; ROWS]>,
}

impl Doors {
    pub(crate) fn new(connections_max: u32, per_address_max: u32) -> Arc<Self> {
        let row = || (RandomState::new(), (0..ADDRESS_COUNTERS).map(|_| AtomicU32::new(0)).collect());
        Arc::new(Self {
            connections_max,
            per_address_max,
            open: AtomicU32::new(0),
            rows: std::array::from_fn(|_| row()),
            began: Instant::now(),
            full_since_ms: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    /// Lets a connection in, or not.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Entry, Closed> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        // From here on whatever happens is undone when it is dropped.
        let mut entry = Entry { doors: Arc::clone(self), counters: None };
        if before >= self.connections_max {
            return Err(Closed::Full);
        }
        if self.per_address_max > 0 {
            let client = client_of(address);
            let counters = std::array::from_fn(|row| self.counter(row, client));
            entry.counters = Some(counters);
            let before = self.rows.iter().zip(counters).map(|((_, row), at)| row[at].fetch_add(1, Ordering::Relaxed));
            // All of them are counted, so no short cut.
            if before.fold(u32::MAX, u32::min) >= self.per_address_max {
                return Err(Closed::Address);
            }
        }
        if before + 1 == self.connections_max {
            let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
            self.full_since_ms.store(now_ms + 1, Ordering::Relaxed);
        }
        Ok(entry)
    }

    /// Until when somebody may wait who finds no room: so long after the process became full.
    pub(crate) fn full_until(&self, patience: Duration) -> Instant {
        match self.full_since_ms.load(Ordering::Relaxed) {
            // There is room again, or will be at once.
            0 => Instant::now() + patience,
            since_ms => self.began + Duration::from_millis(since_ms - 1) + patience,
        }
    }

    /// Waits until there is room, for whoever takes it first.
    pub(crate) async fn room(&self) {
        let mut freed = pin!(self.freed.notified());
        loop {
            // Before the look, so that nothing is missed behind it.
            freed.as_mut().enable();
            if self.open.load(Ordering::SeqCst) < self.connections_max {
                return;
            }
            freed.as_mut().await;
            freed.set(self.freed.notified());
        }
    }

    fn counter(&self, row: usize, client: IpAddr) -> usize {
        let hash = self.rows[row].0.hash_one(client);
        usize::try_from(hash % ADDRESS_COUNTERS as u64).unwrap_or(0)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let doors = &self.doors;
        for ((_, row), at) in doors.rows.iter().zip(self.counters.into_iter().flatten()) {
            row[at].fetch_sub(1, Ordering::Relaxed);
        }
        if doors.open.fetch_sub(1, Ordering::SeqCst) == doors.connections_max {
            doors.full_since_ms.store(0, Ordering::Relaxed);
            doors.freed.notify_waiters();
        }
    }
}

/// What stands for a client: an IPv6 network is one, and an IPv4 address is the same in either notation.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> (128 - IPV6_CLIENT_BITS) << (128 - IPV6_CLIENT_BITS);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn address(text: &str) -> IpAddr {
        text.parse().expect("it is an address")
    }

    #[test]
    fn each_limit_holds_and_what_is_given_back_can_be_had_again() {
        let doors = Doors::new(3, 2);
        let first = doors.enter(ONE).expect("there is room");
        let second = doors.enter(ONE).expect("there is room");
        assert_eq!(doors.enter(ONE).err(), Some(Closed::Address));
        let third = doors.enter(address("192.0.2.2")).expect("another address");
        for other in ["192.0.2.2", "192.0.2.1", "::1"] {
            assert_eq!(doors.enter(address(other)).err(), Some(Closed::Full), "{other}");
        }
        drop(second);
        let second = doors.enter(ONE).expect("there is room again");
        drop((first, second, third));
        assert_eq!(doors.open.load(Ordering::SeqCst), 0);
        assert!(doors.rows.iter().flat_map(|(_, row)| row).all(|counter| counter.load(Ordering::SeqCst) == 0));
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_an_ipv4_address_in_any_notation() {
        assert_eq!(client_of(address("2001:db8:1:2:3::4")), client_of(address("2001:db8:1:2:ffff::")));
        assert_ne!(client_of(address("2001:db8:1:2::")), client_of(address("2001:db8:1:3::")));
        assert_eq!(client_of(address("::ffff:192.0.2.1")), ONE);
    }

    #[test]
    fn without_a_limit_of_addresses_none_is_counted() {
        let doors = Doors::new(100, 0);
        let entries: Vec<_> = (0..100).map(|_| doors.enter(ONE).expect("there is room")).collect();
        assert_eq!(doors.enter(ONE).err(), Some(Closed::Full));
        assert!(entries.iter().all(|entry| entry.counters.is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_room_goes_on_when_there_is_some_and_full_is_timed_from_its_beginning() {
        let patience = Duration::from_secs(1);
        let doors = Doors::new(1, 0);
        doors.room().await;
        let entry = doors.enter(ONE).expect("there is room");
        let full_at = Instant::now();
        tokio::time::advance(Duration::from_millis(700)).await;
        assert_eq!(doors.full_until(patience), full_at + patience);
        let ((), ()) = tokio::join!(doors.room(), async { drop(entry) });
        let entry = doors.enter(ONE).expect("there is room");
        assert!(doors.full_until(patience) > full_at + patience);
        drop(entry);
    }
}
