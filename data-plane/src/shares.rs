//! [`Shares`]: how busy the workers are, and which of them hands connections over to which.
//!
//! The kernel spreads connections over the workers' listeners without knowing what they will ask for, so a few busy ones may
//! meet on one core and stay there for as long as they live. So the workers are compared once in a while, and the busiest one is told to hand some
//! over to the idlest. Each moves between two of its requests, when nothing of it is under way (`server::http1`): no request
//! waits for another thread, and while nothing is to be moved a request costs two looks at memory that hardly ever changes.

use crate::limits::{SHARES_BUSY_MIN, SHARES_DIFFERENCE_MIN, SHARES_LOOK_MS, SHARES_MOVES_MAX};
use crate::server::Entry;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;
use std::cell::Cell;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// A connection on its way to another worker: a new one, or one of HTTP/1.1 between two requests. No byte of it was read that was
/// not used.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) stream: TcpStream,
    pub(crate) is_new: bool,
    pub(crate) address: SocketAddr,
    pub(crate) entry: Entry,
}

/// A place at another worker, kept for one connection.
pub(crate) type Place = mpsc::OwnedPermit<Moved>;

/// What is known of one worker, and wanted of it. On cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Share {
    /// Since when it runs, and how busy it was; empty until it does.
    runtime: OnceLock<RuntimeMetrics>,
    /// Connections that have asked for something since the workers were last compared.
    active: AtomicU32,
    /// Connections that it is to hand over, and to whom: the number in the lower half, the worker in the upper one.
    wanted: AtomicU64,
    /// Connections that it has handed over since the process began.
    moved: AtomicU64,
    inbox: mpsc::Sender<Moved>,
}

/// All workers of a process.
#[derive(Debug)]
pub(crate) struct Shares {
    /// How often they were compared, so that a connection counts once each time.
    round: AtomicU32,
    workers: Box<[Share]>,
}

/// One worker's part in it.
#[derive(Debug)]
pub(crate) struct WorkerShare {
    all: Arc<Shares>,
    worker: usize,
}

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    from: usize,
    to: usize,
    connections: u32,
}

impl Shares {
    /// Those of so many workers, and where each finds what is handed to it.
    pub(crate) fn new(workers: usize) -> (Arc<Self>, Vec<mpsc::Receiver<Moved>>) {
        let (workers, inboxes) = (0..workers)
            .map(|_| {
                let (inbox, received) = mpsc::channel(SHARES_MOVES_MAX as usize);
                let share = Share {
                    runtime: OnceLock::new(),
                    active: AtomicU32::new(0),
                    wanted: AtomicU64::new(0),
                    moved: AtomicU64::new(0),
                    inbox,
                };
                (share, received)
            })
            .unzip();
        let workers: Vec<Share> = workers;
        (Arc::new(Self { round: AtomicU32::new(0), workers: workers.into() }), inboxes)
    }

    /// Compares the workers from time to time. Runs until dropped, where there is something to compare.
    pub(crate) async fn watch(self: Arc<Self>) {
        if self.workers.len() < 2 {
            return;
        }
        let mut tick = interval(Duration::from_millis(SHARES_LOOK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = (tick.tick().await, self.busy());
        loop {
            let now = tick.tick().await;
            let busy = self.busy();
            let loads = self.loads(&last.1, &busy, now - last.0);
            if let Some(order) = order(&loads) {
                tracing::debug!(?order, ?loads, "a worker is busier than another");
                let wanted = (order.to as u64) << 32 | u64::from(order.connections);
                self.workers[order.from].wanted.store(wanted, Ordering::Relaxed);
            }
            self.round.fetch_add(1, Ordering::Relaxed);
            last = (now, busy);
        }
    }

    /// For how long each worker has had something to do since it began.
    fn busy(&self) -> Vec<Duration> {
        let of =
            |share: &Share| share.runtime.get().map_or(Duration::ZERO, |runtime| runtime.worker_total_busy_duration(0));
        self.workers.iter().map(of).collect()
    }

    /// What each did between two looks. What was wanted of it before is over then.
    fn loads(&self, before: &[Duration], now: &[Duration], between: Duration) -> Vec<Load> {
        let of = |(share, (before, now)): (&Share, (&Duration, &Duration))| {
            share.wanted.store(0, Ordering::Relaxed);
            let busy = now.saturating_sub(*before).as_secs_f64() / between.as_secs_f64();
            Load { busy: busy.min(1.0), active: share.active.swap(0, Ordering::Relaxed) }
        };
        self.workers.iter().zip(before.iter().zip(now)).map(of).collect()
    }
}

/// What a worker did between two looks.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// Part of the time, from 0 to 1.
    busy: f64,
    /// Connections that asked for something.
    active: u32,
}

/// What is to be done about a difference: so many connections move that the two workers are as busy as each other, if all
/// connections of the busier one ask for as much. Nothing while no core is short of time, and never the only busy one, which would only
/// make another core the busy one.
fn order(loads: &[Load]) -> Option<Order> {
    let by_busy = |(_, one): &(usize, &Load), (_, other): &(usize, &Load)| one.busy.total_cmp(&other.busy);
    let (from, most) = loads.iter().enumerate().max_by(by_busy)?;
    let (to, least) = loads.iter().enumerate().min_by(by_busy)?;
    let difference = most.busy - least.busy;
    if most.busy < SHARES_BUSY_MIN || difference < SHARES_DIFFERENCE_MIN {
        return None;
    }
    let connections = (f64::from(most.active) * difference / 2.0 / most.busy) as u32;
    (connections > 0).then(|| Order { from, to, connections: connections.min(SHARES_MOVES_MAX) })
}

impl WorkerShare {
    /// The part of a worker, which runs on this thread from now on.
    pub(crate) fn begin(all: Arc<Shares>, worker: usize) -> Self {
        // A worker begins once.
        let _ = all.workers[worker].runtime.set(tokio::runtime::Handle::current().metrics());
        Self { all, worker }
    }

    /// The part of a worker that is alone.
    #[cfg(test)]
    pub(crate) fn alone() -> Self {
        Self { all: Shares::new(1).0, worker: 0 }
    }

    fn share(&self) -> &Share {
        &self.all.workers[self.worker]
    }

    /// Notes that a connection asks for something. `seen` is the round in which it asked last.
    pub(crate) fn note(&self, seen: &Cell<u32>) {
        let round = self.all.round.load(Ordering::Relaxed);
        if seen.replace(round) != round {
            self.share().active.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A place at another worker, if a connection is to move.
    pub(crate) fn place(&self) -> Option<Place> {
        let share = self.share();
        if share.wanted.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let one_less = |wanted: u64| (wanted as u32 > 0).then(|| wanted - 1);
        let wanted = share.wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok()?;
        let to = self.all.workers.get((wanted >> 32) as usize)?;
        let place = to.inbox.clone().try_reserve_owned().ok()?;
        share.moved.fetch_add(1, Ordering::Relaxed);
        Some(place)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabel {
    worker: usize,
}

/// What operators see of it, once there is something.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShownShares(Arc<OnceLock<Arc<Shares>>>);

impl ShownShares {
    /// Shows these.
    pub(crate) fn watch(&self, shares: &Arc<Shares>) {
        // A process has one.
        let _ = self.0.set(Arc::clone(shares));
    }
}

impl Collector for ShownShares {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(shares) = self.0.get() else { return Ok(()) };
        let help = "For how long each worker had something to do";
        let mut family = encoder.encode_descriptor("worker_busy", help, Some(&Unit::Seconds), MetricType::Counter)?;
        for (worker, busy) in shares.busy().into_iter().enumerate() {
            ConstCounter::new(busy.as_secs_f64()).encode(family.encode_family(&WorkerLabel { worker })?)?;
        }
        let help = "Client connections that a busy worker handed over to an idle one";
        let moved: u64 = shares.workers.iter().map(|share| share.moved.load(Ordering::Relaxed)).sum();
        let counter = encoder.encode_descriptor("connections_moved", help, None, MetricType::Counter)?;
        ConstCounter::new(moved).encode(counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(all: &[(f64, u32)]) -> Vec<Load> {
        all.iter().map(|&(busy, active)| Load { busy, active }).collect()
    }

    #[test]
    fn half_of_the_difference_moves_from_the_busiest_to_the_idlest() {
        for (all, moves) in [
            (&[(1.0, 4), (0.0, 0)][..], Some((0, 1, 2))),
            (&[(0.1, 3), (0.9, 9), (0.5, 5)], Some((1, 0, 4))),
            (&[(0.0, 0), (1.0, 3)], Some((1, 0, 1))),
            // Two of four workers are idle; one gets some now, the other one when it is the idlest.
            (&[(0.8, 10), (0.8, 10), (0.0, 0), (0.0, 0)], Some((1, 2, 5))),
            (&[(1.0, 1_000_000), (0.0, 0)], Some((0, 1, SHARES_MOVES_MAX))),
        ] {
            let (from, to, connections) = moves.expect("each of these moves");
            assert_eq!(order(&loads(all)), Some(Order { from, to, connections }), "{all:?}");
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
            // The only busy one would make the other worker the busy one.
            &[(1.0, 1), (0.0, 0)],
            // What is busy is not connections that could move, for instance streams of HTTP/2.
            &[(1.0, 0), (0.0, 0)],
            &[(0.7, 2), (0.45, 1)],
        ] {
            assert_eq!(order(&loads(all)), None, "{all:?}");
        }
    }

    fn connected() -> (TcpStream, SocketAddr) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        (TcpStream::connect(address).expect("it listens"), address)
    }

    #[tokio::test]
    async fn a_connection_counts_once_in_each_round_and_moves_when_it_is_told_to() {
        let (shares, mut inboxes) = Shares::new(2);
        let one = WorkerShare { all: Arc::clone(&shares), worker: 0 };
        let seen = [Cell::new(u32::MAX), Cell::new(u32::MAX)];
        for _ in 0..3 {
            seen.iter().for_each(|seen| one.note(seen));
            assert!(one.place().is_none(), "nobody is told to");
        }
        let loads =
            shares.loads(&[Duration::ZERO; 2], &[Duration::from_secs(1), Duration::ZERO], Duration::from_secs(1));
        assert_eq!(loads[0].active, 2);
        shares.workers[0].wanted.store(1 << 32 | 1, Ordering::Relaxed);
        let place = one.place().expect("it is told to");
        assert!(one.place().is_none(), "one was enough");
        let (stream, address) = connected();
        let entry = crate::server::Doors::new(1, 0).enter(address.ip()).expect("there is room");
        place.send(Moved { stream, is_new: false, address, entry });
        assert_eq!(inboxes[1].recv().await.expect("it was sent").address, address);
    }

    #[tokio::test]
    async fn nothing_is_lost_when_a_worker_ends_while_something_is_on_its_way_to_it() {
        let (shares, mut inboxes) = Shares::new(2);
        let one = WorkerShare { all: Arc::clone(&shares), worker: 0 };
        shares.workers[0].wanted.store(1 << 32 | 2, Ordering::Relaxed);
        let place = one.place().expect("it is told to");
        inboxes[1].close();
        assert!(one.place().is_none(), "nobody is there any more");
        let (stream, address) = connected();
        let entry = crate::server::Doors::new(1, 0).enter(address.ip()).expect("there is room");
        place.send(Moved { stream, is_new: false, address, entry });
        assert!(inboxes[1].recv().await.is_some(), "a place that was kept before is one");
        assert!(inboxes[1].recv().await.is_none());
    }
}
