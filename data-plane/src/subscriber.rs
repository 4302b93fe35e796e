//! The shell around [`crate::subscription`]: owns the stream to the control plane, the clock and the threads that
//! compile, and does what the subscription says.
//!
//! Started once by the process, on the control runtime. It never gives up and never decides: what to answer, when to
//! close and how long to wait is the subscription's. It never runs on a thread that serves requests.

pub(crate) mod build;
mod connection;
mod figures;
mod keeper;
mod recent;
mod status;
#[cfg(test)]
mod tests;
mod waiting;
mod wire;

pub(crate) use keeper::now_ms;
pub(crate) use status::Keeping;
pub use status::SubscriberStatus;

use crate::live_table::LiveTable;
use crate::recent::RecentRequests;
use crate::state_dir::StateDir;
use crate::subscription::{
    Action, Address, Event, HEARTBEAT_MS, Kept, MANIFEST_BUNDLES_MAX, Outgoing, Subscription, Table,
};
use connection::{Connecting, Connection};
use keeper::Keeper;
use penstock_link::Link;
use penstock_model::table::StageTable;
use penstock_proto::discovery::v1 as wire_types;
use recent::Answering;
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tonic::transport::Uri;
use waiting::{compiled, kept, next_message, opened, room};

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
    /// Drawn at the start of the process; not 0.
    pub instance: u64,
    /// Tried in turn, from the first.
    pub control_planes: Vec<Uri>,
    /// How they are reached.
    pub link: Arc<Link>,
    /// Name and version of the program.
    pub build: String,
    /// For people and for choosing nodes.
    pub labels: BTreeMap<String, String>,
    /// Age of a stream at which another is looked for.
    pub stream_age_max: Duration,
    /// How long what serves may go without a confirmation before it counts as stale.
    pub stale_after: Duration,
    /// What a control plane may ask for.
    pub recent: RecentRequests,
}

/// Where a node keeps what it serves, and what it found there.
#[derive(Debug)]
pub struct State {
    /// To be written to.
    pub state_dir: StateDir,
    /// What an earlier process served.
    pub kept: Option<Kept>,
}

/// Keeps `live_table` at the newest configuration until `shutdown` is done, and that in `state`.
pub async fn run(
    settings: Settings,
    state: Option<State>,
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
    subscriber.begin(state).await;
    let mut shutdown = pin!(shutdown);
    let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            () = &mut shutdown => return subscriber.end().await,
            event = subscriber.next_event() => event,
            _ = ticks.tick() => {
                subscriber.tell_figures();
                Event::Tick
            }
        };
        subscriber.handle(event).await;
    }
}

/// A compiled bundle.
type Subscribed = Arc<StageTable>;
type Compiling = JoinHandle<Vec<build::Compiled>>;

struct Subscriber {
    settings: Arc<Settings>,
    live_table: LiveTable,
    status: SubscriberStatus,
    subscription: Subscription<Subscribed>,
    /// Where the subscription begins.
    first: Option<Action<Subscribed>>,
    /// Origin of the subscription's time.
    started: Instant,
    /// Of the stream that is open, or that was open or tried last.
    address: usize,
    /// A stream in the making, and its address.
    connecting: Option<(usize, Connecting)>,
    connection: Option<Connection>,
    /// Was closed by us; kept until the next one so that our last words go out.
    closing: Option<Connection>,
    outbox: VecDeque<wire_types::NodeMessage>,
    compiling: Option<(u64, Compiling)>,
    keeper: Option<Keeper>,
    answering: Answering,
}

impl Subscriber {
    fn new(settings: Settings, live_table: LiveTable, status: SubscriberStatus, seed: u64) -> Self {
        let (subscription, first) = Subscription::new(seed);
        let subscription = subscription.with_stream_age_max(settings.stream_age_max);
        Self {
            settings: Arc::new(settings),
            live_table,
            status,
            subscription,
            first: Some(first),
            started: Instant::now(),
            address: 0,
            connecting: None,
            connection: None,
            closing: None,
            outbox: VecDeque::new(),
            compiling: None,
            keeper: None,
            answering: Answering::default(),
        }
    }

    /// Takes the first step: with what was kept, or to a control plane.
    async fn begin(&mut self, state: Option<State>) {
        let actions = match state {
            Some(State { state_dir, kept }) => {
                self.keeper = Some(Keeper::new(state_dir, self.status.clone()));
                self.subscription.resume(self.started.elapsed(), kept)
            }
            None => self.first.take().into_iter().collect(),
        };
        self.obey(actions).await;
    }

    /// What is being written is written to its end.
    async fn end(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.finish().await;
        }
    }

    /// Waits for whatever happens first. Cancelling it loses nothing.
    async fn next_event(&mut self) -> Event<Subscribed> {
        if self.outbox.len() > OUTBOX_MESSAGES_MAX {
            return Event::Closed { reason: "the control plane does not read".to_owned(), superseded: false };
        }
        loop {
            let sender = self.connection.as_ref().and_then(Connection::sender);
            tokio::select! {
                (address, opened) = opened(self.connecting.as_mut()) => {
                    self.connecting = None;
                    return self.on_opened(address, opened);
                }
                said = next_message(self.connection.as_mut()) => {
                    return match said {
                        Ok(message) => {
                            self.answering.hear(&message, &self.settings.recent);
                            figures::hear(&message, self.live_table.measuring());
                            Event::Received(wire::incoming(message))
                        }
                        Err(end) => {
                            self.connection = None;
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
                event = kept(self.keeper.as_mut()) => return event,
                answer = self.answering.answered() => self.outbox.extend(answer),
            }
        }
    }

    fn on_opened(&mut self, address: usize, opened: Result<Connection, String>) -> Event<Subscribed> {
        match opened {
            Ok(connection) => {
                self.address = address;
                // The node moves: there was one before.
                self.hang_up();
                self.connection = Some(connection);
                Event::Connected
            }
            Err(reason) if self.connection.is_some() => {
                tracing::info!(reason, "no other control plane; the stream goes on");
                Event::NotMoved
            }
            Err(reason) => Event::Closed { reason, superseded: false },
        }
    }

    async fn handle(&mut self, event: Event<Subscribed>) {
        self.note(&event);
        let actions = self.subscription.handle(self.started.elapsed(), event);
        self.obey(actions).await;
    }

    async fn obey(&mut self, actions: Vec<Action<Subscribed>>) {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Connect { after, to } => self.connect(after, to),
                Action::Move { draw } => self.look_elsewhere(draw),
                Action::Send(message) => self.send(message),
                Action::Close { reason } => self.close(reason),
                Action::Compile { build, bundles } => {
                    let task = tokio::task::spawn_blocking(move || build::compile(bundles));
                    // A task that is still running worked for a stream that is gone: nobody waits for it.
                    self.compiling = Some((build, task));
                }
                Action::Swap(table) => {
                    // Before anything that was to come after the swap: the answer says that it is done.
                    for action in self.swap(table).await.into_iter().rev() {
                        actions.push_front(action);
                    }
                }
                Action::Discard { reason } => {
                    tracing::error!(reason, "what was kept cannot serve; waiting for a control plane");
                    self.status.change_keeping(|keeping| keeping.read_problem = Some(reason));
                }
                Action::Keep(to_keep) => {
                    if let Some(keeper) = &mut self.keeper {
                        keeper.keep(to_keep);
                    }
                }
                Action::Note { version, root_hash } => {
                    if let Some(keeper) = &self.keeper {
                        keeper.note((version, root_hash));
                    }
                }
            }
        }
        self.show();
    }

    async fn swap(&mut self, table: Table<Subscribed>) -> Vec<Action<Subscribed>> {
        let (version, root_hash) = (table.version, table.root_hash);
        let live_table = self.live_table.clone();
        // A table that is stale from the beginning must not serve as a fresh one for even a moment.
        self.mark_stale();
        let swapped = tokio::task::spawn_blocking(move || build::swap(&live_table, table)).await;
        if let Ok(route_count) = swapped {
            tracing::info!(%version, %root_hash, route_count, "a new configuration serves");
        }
        let result = swapped.map_err(|_| "the routing table could not be assembled".to_owned());
        self.subscription.handle(self.started.elapsed(), Event::Swapped { result })
    }

    /// Logs what is worth it.
    fn note(&self, event: &Event<Subscribed>) {
        let address = self.current_address();
        match event {
            Event::Connected => tracing::info!(%address, "subscribed to the control plane"),
            Event::Closed { reason, .. } => {
                self.status.change(|state| state.last_failure = Some(reason.clone()));
                tracing::warn!(reason, "no control plane; what serves keeps serving");
            }
            Event::NotMoved
            | Event::Received(_)
            | Event::Compiled { .. }
            | Event::Swapped { .. }
            | Event::Kept { .. }
            | Event::Tick => {}
        }
    }

    fn connect(&mut self, after: Duration, to: Address) {
        self.connection = None;
        self.outbox.clear();
        self.address += match to {
            Address::Same => 0,
            Address::Next => 1,
        };
        self.open(self.address, after);
    }

    /// Opens a second stream, at an address drawn by chance; it may be the same. An address behind which there are several
    /// control planes leads to any of them.
    fn look_elsewhere(&mut self, draw: u64) {
        let count = self.settings.control_planes.len() as u64;
        self.open(usize::try_from(draw % count).unwrap_or_default(), Duration::ZERO);
    }

    fn open(&mut self, address: usize, after: Duration) {
        let uri = self.uri(address).clone();
        let link = Arc::clone(&self.settings.link);
        self.connecting = Some((address, connection::open(uri, after, link)));
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
            self.answering = Answering::default();
            self.live_table.measuring().measure(None);
        }
        let ledger = self.live_table.ledger();
        self.outbox.push_back(wire::outgoing(message, &self.settings, &self.status, ledger));
    }

    /// Told at every tick, as long as the control plane takes it.
    fn tell_figures(&mut self) {
        if self.connection.is_some() && self.outbox.is_empty() {
            self.outbox.extend(figures::message(self.live_table.measuring()));
        }
    }

    fn close(&mut self, reason: String) {
        tracing::warn!(reason, "closing the stream to the control plane; what serves keeps serving");
        self.status.change(|state| state.last_failure = Some(reason));
        self.hang_up();
    }

    /// Ends the stream that is open, with what is still to be said.
    fn hang_up(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.say_last(&mut self.outbox);
            self.closing = Some(connection);
        }
    }

    fn uri(&self, address: usize) -> &Uri {
        // `run` makes sure that there is one.
        &self.settings.control_planes[address % self.settings.control_planes.len()]
    }

    fn current_address(&self) -> &Uri {
        self.uri(self.address)
    }
}
