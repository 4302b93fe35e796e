//! [`Shares`]: how busy the workers are, and which of them hands connections over to which.
//!
//! The kernel spreads connections over the workers' listeners without knowing what they will ask for, so a few busy ones may
//! meet on one core and stay there for as long as they live. So the workers are compared once in a while, and the busiest one is told to hand some
//! over to the idlest. Each moves between two of its requests, when nothing of it is under way (`server::http1`): no request
//! waits for another thread, and while nothing is to be moved a request costs two looks at memory that hardly ever changes.
//! Each connection knows how much it asks for, so that those go which make the two more even: a single busy one stays, and the others leave it.

mod order;

use crate::limits::{SHARES_LOOK_MS, SHARES_MOVES_MAX};
use crate::server::Entry;
use order::{Load, Order};
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
use tokio::time::{Instant, MissedTickBehavior, interval};

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
    /// Requests of HTTP/1.1 since it began, as it counts them itself; goes round.
    requests: AtomicU32,
    /// What it is to hand over until the next look: an [`Order`].
    wanted: AtomicU64,
    /// Connections that it has handed over since the process began.
    moved: AtomicU64,
    inbox: mpsc::Sender<Moved>,
}

/// All workers of a process.
#[derive(Debug)]
pub(crate) struct Shares {
    /// How often they were compared, so that a connection counts its requests between two looks.
    round: AtomicU32,
    workers: Box<[Share]>,
}

/// One worker's part in it.
#[derive(Debug)]
pub(crate) struct WorkerShare {
    all: Arc<Shares>,
    worker: usize,
}

/// What one connection asks for.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    round: Cell<u32>,
    /// Requests in that round, and in the one before.
    requests: Cell<(u32, u32)>,
}

impl Asking {
    /// Goes on to this round.
    fn enter(&self, round: u32) {
        let rounds = round.wrapping_sub(self.round.replace(round));
        let (this, _) = self.requests.get();
        match rounds {
            0 => {}
            1 => self.requests.set((0, this)),
            _ => self.requests.set((0, 0)),
        }
    }

    fn note(&self) {
        let (this, last) = self.requests.get();
        self.requests.set((this.saturating_add(1), last));
    }

    /// Requests in the round before.
    fn last(&self) -> u32 {
        self.requests.get().1
    }
}

impl Shares {
    /// Those of so many workers, and where each finds what is handed to it.
    pub(crate) fn new(workers: usize) -> (Arc<Self>, Vec<mpsc::Receiver<Moved>>) {
        let (workers, inboxes) = (0..workers)
            .map(|_| {
                let (inbox, received) = mpsc::channel(2 * usize::from(SHARES_MOVES_MAX));
                let share = Share {
                    runtime: OnceLock::new(),
                    requests: AtomicU32::new(0),
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
        tick.tick().await;
        let mut last = self.look();
        loop {
            tick.tick().await;
            let now = self.look();
            let loads = self.loads(&last, &now);
            // Connections count anew from here on, and the order is about what they counted until here.
            self.round.fetch_add(1, Ordering::Relaxed);
            let order = Order::of(&loads);
            if let Some((from, order)) = &order {
                tracing::debug!(from, ?order, ?loads, "a worker is busier than another");
            }
            for (worker, share) in self.workers.iter().enumerate() {
                let wanted = order.filter(|(from, _)| *from == worker).map_or(0, |(_, order)| order.to_bits());
                share.wanted.store(wanted, Ordering::Relaxed);
            }
            last = now;
        }
    }

    /// What can be seen now.
    fn look(&self) -> Look {
        let requests = self.workers.iter().map(|share| share.requests.load(Ordering::Relaxed));
        Look { at: Instant::now(), busy: self.busy(), requests: requests.collect() }
    }

    /// For how long each worker has had something to do since it began.
    fn busy(&self) -> Vec<Duration> {
        let of =
            |share: &Share| share.runtime.get().map_or(Duration::ZERO, |runtime| runtime.worker_total_busy_duration(0));
        self.workers.iter().map(of).collect()
    }

    /// What each did between two looks.
    fn loads(&self, before: &Look, now: &Look) -> Vec<Load> {
        let between = (now.at - before.at).as_secs_f64();
        let of = |(worker, share): (usize, &Share)| Load {
            busy: (now.busy[worker].saturating_sub(before.busy[worker]).as_secs_f64() / between).min(1.0),
            requests: now.requests[worker].wrapping_sub(before.requests[worker]),
            is_gone: share.inbox.is_closed(),
        };
        self.workers.iter().enumerate().map(of).collect()
    }
}

/// What the watcher saw of all workers.
struct Look {
    at: Instant,
    busy: Vec<Duration>,
    requests: Vec<u32>,
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

    /// Notes that a connection asks for something.
    pub(crate) fn note(&self, asking: &Asking) {
        asking.enter(self.all.round.load(Ordering::Relaxed));
        asking.note();
        // Nobody else writes it.
        let requests = &self.share().requests;
        requests.store(requests.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether connections are to leave.
    pub(crate) fn hands_over(&self) -> bool {
        self.share().wanted.load(Ordering::Relaxed) != 0
    }

    /// A place at another worker for a new connection, if it is to go there.
    pub(crate) fn place_for_new(&self) -> Option<Place> {
        self.place(Order::without_new)
    }

    /// A place at another worker for one that is open, if it is to go there.
    pub(crate) fn place_for_open(&self, asking: &Asking) -> Option<Place> {
        asking.enter(self.all.round.load(Ordering::Relaxed));
        self.place(|order| order.without_open(asking.last()))
    }

    fn place(&self, less: impl Fn(Order) -> Option<Order>) -> Option<Place> {
        let wanted = &self.share().wanted;
        let less = |bits| less(Order::from_bits(bits)).map(Order::to_bits);
        let before = wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok()?;
        let to = self.all.workers.get(Order::from_bits(before).to())?;
        to.inbox.clone().try_reserve_owned().ok()
    }

    /// Notes that a connection has gone to another worker.
    pub(crate) fn moved(&self) {
        self.share().moved.fetch_add(1, Ordering::Relaxed);
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

    fn connected() -> (TcpStream, SocketAddr) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        (TcpStream::connect(address).expect("it listens"), address)
    }

    fn two_workers() -> (Arc<Shares>, Vec<mpsc::Receiver<Moved>>, WorkerShare) {
        let (shares, inboxes) = Shares::new(2);
        let one = WorkerShare { all: Arc::clone(&shares), worker: 0 };
        (shares, inboxes, one)
    }

    /// A second is over in which only the first worker had something to do, for so many requests.
    fn one_was_busy(shares: &Shares, requests: u32) {
        shares.round.fetch_add(1, Ordering::Relaxed);
        let busy = Load { busy: 1.0, requests, is_gone: false };
        let (from, order) = Order::of(&[busy, Load::default()]).expect("they differ");
        shares.workers[from].wanted.store(order.to_bits(), Ordering::Relaxed);
    }

    fn on_its_way() -> (Moved, Arc<crate::server::Doors>) {
        let (stream, address) = connected();
        let doors = crate::server::Doors::new(1, 0);
        let entry = doors.enter(address.ip()).expect("there is room");
        (Moved { stream, is_new: false, address, entry }, doors)
    }

    #[tokio::test]
    async fn a_connection_moves_when_it_is_told_to_by_what_it_asked_in_the_last_second() {
        let (shares, mut inboxes, one) = two_workers();
        let before = shares.look();
        let all = [Asking::default(), Asking::default(), Asking::default()];
        for (asking, requests) in all.iter().zip([6, 2, 2]) {
            (0..requests).for_each(|_| one.note(asking));
            assert!(!one.hands_over() && one.place_for_open(asking).is_none(), "nobody is told to");
        }
        assert_eq!(shares.loads(&before, &shares.look())[0].requests, 10);
        one_was_busy(&shares, 10);
        assert!(one.hands_over());
        assert!(one.place_for_open(&Asking::default()).is_none(), "it would make no difference");
        let place = one.place_for_open(&all[0]).expect("it is told to");
        assert!(one.place_for_open(&all[1]).is_none(), "what is left is even");
        let (moved, _doors) = on_its_way();
        let address = moved.address;
        place.send(moved);
        assert_eq!(inboxes[1].recv().await.expect("it was sent").address, address);
        // A second later nobody knows what it asked before the last one.
        one_was_busy(&shares, 10);
        one_was_busy(&shares, 10);
        assert!(one.place_for_open(&all[1]).is_none());
        assert!(one.place_for_new().is_some(), "new ones go whatever the others ask");
    }

    #[tokio::test]
    async fn nothing_is_lost_when_a_worker_ends_while_something_is_on_its_way_to_it() {
        let (shares, mut inboxes, one) = two_workers();
        one_was_busy(&shares, 10);
        let place = one.place_for_new().expect("it is told to");
        inboxes[1].close();
        assert!(one.place_for_new().is_none(), "nobody is there any more");
        let now = shares.look();
        assert!(shares.loads(&now, &shares.look())[1].is_gone);
        let (moved, _doors) = on_its_way();
        place.send(moved);
        assert!(inboxes[1].recv().await.is_some(), "a place that was kept before is one");
        assert!(inboxes[1].recv().await.is_none());
    }
}
