//! The shell around [`crate::subscription`]: owns the stream to the control plane, the clock and the threads that
//! compile, and does what the subscription says.
//!
//! Started once by the process, on the control runtime. It never gives up and never decides: what to answer, when to
//! close and how long to wait is the subscription's. It never runs on a thread that serves requests.

mod build;
mod connection;
mod status;
#[cfg(test)]
mod tests;
mod wire;

pub use status::SubscriberStatus;

use crate::live_table::LiveTable;
use crate::subscription::{Action, Event, HEARTBEAT_MS, MANIFEST_BUNDLES_MAX, Outgoing, Subscription};
use connection::{Connecting, Connection};
use penstock_link::Link;
use penstock_model::table::StageTable;
use penstock_proto::discovery::v1 as wire_types;
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tonic::transport::Uri;

/// Between two looks at the clock, in milliseconds.
const TICK_MS: u64 = HEARTBEAT_MS / 5;
/// Most messages that wait for a control plane that does not read; more, and the stream is closed. One activation may
/// refuse every bundle of a manifest.
const OUTBOX_MESSAGES_MAX: usize = MANIFEST_BUNDLES_MAX + 64;

/// Who this node is, and where the control plane is. Set once at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Unique in the fleet.
    pub node_id: String,
    /// Tried in turn, from the first.
    pub control_planes: Vec<Uri>,
    /// How they are reached.
    pub link: Arc<Link>,
    /// Name and version of the program.
    pub build: String,
    /// For people and for choosing nodes.
    pub labels: BTreeMap<String, String>,
}

/// Keeps `live_table` at the newest configuration until `shutdown` is done.
pub async fn run(
    settings: Settings,
    live_table: LiveTable,
    status: SubscriberStatus,
    shutdown: impl Future<Output = ()> + Send,
) {
    if settings.control_planes.is_empty() {
        tracing::error!("no control plane is given: this node will not become ready");
        return shutdown.await;
    }
    // Any 64 random bits will do: they only spread the waits of different nodes.
    let (_, seed) = uuid::Uuid::new_v4().as_u64_pair();
    let mut subscriber = Subscriber::new(settings, live_table, status, seed);
    let mut shutdown = pin!(shutdown);
    let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            () = &mut shutdown => return,
            event = subscriber.next_event() => event,
            _ = ticks.tick() => Event::Tick,
        };
        subscriber.handle(event).await;
    }
}

type Compiling = JoinHandle<Vec<build::Compiled>>;

struct Subscriber {
    settings: Arc<Settings>,
    live_table: LiveTable,
    status: SubscriberStatus,
    subscription: Subscription<Arc<StageTable>>,
    /// Origin of the subscription's time.
    started: Instant,
    address: usize,
    connecting: Option<Connecting>,
    connection: Option<Connection>,
    /// Was closed by us; kept until the next one so that our last words go out.
    closing: Option<Connection>,
    outbox: VecDeque<wire_types::NodeMessage>,
    compiling: Option<(u64, Compiling)>,
}

impl Subscriber {
    fn new(settings: Settings, live_table: LiveTable, status: SubscriberStatus, seed: u64) -> Self {
        let (subscription, first) = Subscription::new(seed);
        let mut subscriber = Self {
            settings: Arc::new(settings),
            live_table,
            status,
            subscription,
            started: Instant::now(),
            address: 0,
            connecting: None,
            connection: None,
            closing: None,
            outbox: VecDeque::new(),
            compiling: None,
        };
        if let Action::Connect { after } = first {
            subscriber.connect(after);
        }
        subscriber
    }

    /// Waits for whatever happens first. Cancelling it loses nothing.
    async fn next_event(&mut self) -> Event<Arc<StageTable>> {
        if self.outbox.len() > OUTBOX_MESSAGES_MAX {
            self.address += 1;
            return Event::Closed { reason: "the control plane does not read".to_owned(), superseded: false };
        }
        loop {
            let sender = self.connection.as_ref().and_then(Connection::sender);
            tokio::select! {
                opened = ready(self.connecting.as_mut()) => {
                    self.connecting = None;
                    return match opened {
                        Ok(connection) => {
                            self.connection = Some(connection);
                            Event::Connected
                        }
                        Err(reason) => {
                            // The next attempt goes to the next address.
                            self.address += 1;
                            Event::Closed { reason, superseded: false }
                        }
                    };
                }
                said = next_message(self.connection.as_mut()) => {
                    return match said {
                        Ok(message) => Event::Received(wire::incoming(message)),
                        Err(end) => {
                            self.connection = None;
                            self.address += usize::from(!end.superseded);
                            Event::Closed { reason: end.reason, superseded: end.superseded }
                        }
                    };
                }
                permit = room(sender), if !self.outbox.is_empty() => {
                    if let Some((permit, message)) = permit.zip(self.outbox.pop_front()) {
                        permit.send(message);
                    }
                }
                results = compiled(self.compiling.as_mut()) => {
                    self.compiling = None;
                    let (build, results) = results;
                    return Event::Compiled { build, results };
                }
            }
        }
    }

    async fn handle(&mut self, event: Event<Arc<StageTable>>) {
        self.note(&event);
        let mut actions: VecDeque<_> = self.subscription.handle(self.started.elapsed(), event).into();
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Connect { after } => self.connect(after),
                Action::Send(message) => self.send(message),
                Action::Close { reason } => self.close(reason),
                Action::Compile { build, bundles } => {
                    let task = tokio::task::spawn_blocking(move || build::compile(bundles));
                    // A task that is still running worked for a stream that is gone: nobody waits for it.
                    self.compiling = Some((build, task));
                }
                Action::Swap(table) => {
                    let (version, root_hash) = (table.version, table.root_hash);
                    let live_table = self.live_table.clone();
                    let swapped = tokio::task::spawn_blocking(move || build::swap(&live_table, table)).await;
                    if let Ok(route_count) = swapped {
                        tracing::info!(%version, %root_hash, route_count, "a new configuration serves");
                    }
                    let result = swapped.map_err(|_| "the routing table could not be assembled".to_owned());
                    let event = Event::Swapped { result };
                    // Before anything that was to come after the swap: the answer says that it is done.
                    for action in self.subscription.handle(self.started.elapsed(), event).into_iter().rev() {
                        actions.push_front(action);
                    }
                }
            }
        }
        self.show();
    }

    /// Logs what is worth it.
    fn note(&self, event: &Event<Arc<StageTable>>) {
        let address = self.current_address();
        match event {
            Event::Connected => tracing::info!(%address, "subscribed to the control plane"),
            Event::Closed { reason, .. } => {
                self.status.change(|state| state.last_failure = Some(reason.clone()));
                tracing::warn!(reason, "no control plane; what serves keeps serving");
            }
            Event::Received(_) | Event::Compiled { .. } | Event::Swapped { .. } | Event::Tick => {}
        }
    }

    fn connect(&mut self, after: Duration) {
        self.connection = None;
        self.outbox.clear();
        let address = self.current_address().clone();
        self.connecting = Some(connection::open(address, after, Arc::clone(&self.settings.link)));
    }

    fn send(&mut self, message: Outgoing) {
        if let Outgoing::Refused { version, bundle, reason } = &message {
            let bundle = bundle.map(|hash| hash.to_string());
            tracing::warn!(%version, bundle, reason, "refused");
        }
        // Words of a stream before have no meaning on the next.
        if let Outgoing::Hello { .. } = &message {
            self.closing = None;
            self.outbox.clear();
        }
        self.outbox.push_back(wire::outgoing(message, &self.settings));
    }

    fn close(&mut self, reason: String) {
        tracing::warn!(reason, "closing the stream to the control plane; what serves keeps serving");
        self.status.change(|state| state.last_failure = Some(reason));
        if let Some(mut connection) = self.connection.take() {
            connection.say_last(&mut self.outbox);
            self.closing = Some(connection);
        }
        self.address += 1;
    }

    fn current_address(&self) -> &Uri {
        // `run` makes sure that there is one.
        &self.settings.control_planes[self.address % self.settings.control_planes.len()]
    }

    fn show(&self) {
        let subscription = &self.subscription;
        self.status.change(|state| {
            state.connected = subscription.is_connected();
            state.address = Some(self.current_address().to_string());
            state.serving = subscription.serving();
            state.newest_published = subscription.newest_published();
            state.last_refusal = subscription.last_refusal().map(str::to_owned);
        });
    }
}

async fn ready<F: Future + Unpin>(future: Option<&mut F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn next_message(connection: Option<&mut Connection>) -> Result<wire_types::ControlMessage, connection::End> {
    match connection {
        Some(connection) => connection.next().await,
        None => std::future::pending().await,
    }
}

async fn room(
    sender: Option<mpsc::Sender<wire_types::NodeMessage>>,
) -> Option<mpsc::OwnedPermit<wire_types::NodeMessage>> {
    match sender {
        // A stream that takes nothing any more is about to end, which `next_message` reports.
        Some(sender) => match sender.reserve_owned().await {
            Ok(permit) => Some(permit),
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

async fn compiled(compiling: Option<&mut (u64, Compiling)>) -> (u64, Vec<build::Compiled>) {
    match compiling {
        // `compile` catches panics; a task that was lost nevertheless leaves its bundles refused.
        Some((build, task)) => (*build, task.await.unwrap_or_default()),
        None => std::future::pending().await,
    }
}
