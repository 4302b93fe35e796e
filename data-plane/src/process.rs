//! One proxy process: binds every socket first, then runs until told to stop.

mod state;
mod worker;

use crate::access_log::AccessLog;
use crate::limits::{BODY_IDLE_TIMEOUT_MS, CONTROL_BLOCKING_THREADS_MAX, LISTEN_BACKLOG};
use crate::live_table::LiveTable;
use crate::metrics::Metrics;
use crate::ops::{self, Ops};
use crate::recent::RecentRequests;
use crate::request_side::Holding;

use crate::services::{self, Services};
use crate::settings::Settings;
use crate::shares::Shares;
use crate::state_dir::{InUse, Opened};
use crate::subscriber::{self, SubscriberStatus};
use crate::transform::collect::CollectBudget;
use crate::upstream::Common;
use penstock_link::{Link, LinkError};
use socket2::{Domain, Protocol, Socket, Type};
use state::{begin_keeping, open_state};
use std::io;
use std::net::{SocketAddr, TcpListener};
use worker::Worker;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What this program calls itself towards the control plane.
const BUILD: &str = concat!("penstock-data-plane/", env!("CARGO_PKG_VERSION"));

/// What the process needs for itself alone, it did not get.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Binding a socket failed.
    #[error("binding {what} to {address} (change it with {flag})")]
    Socket {
        /// For whom.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What says where.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Another process has the state directory.
    #[error(transparent)]
    StateDir(#[from] InUse),
    /// The budget is too small.
    #[error("--memory-budget-bytes must be more than {0}: the process takes as much before it serves anybody")]
    Budget(i64),
    /// Certificates or tokens cannot be used.
    #[error("preparing the link to the control plane")]
    Link(#[source] LinkError),
}

/// The process could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The operating system refused a thread or a runtime.
    #[error("starting {0}")]
    Start(&'static str, #[source] io::Error),
    /// A thread that serves clients died.
    #[error("a worker panicked")]
    Worker,
}

/// A proxy whose sockets are bound, so that its addresses are known.
#[derive(Debug)]
pub struct Bound {
    settings: Settings,
    link: Arc<Link>,
    listeners: Vec<TcpListener>,
    admin: TcpListener,
    proxy_addr: SocketAddr,
    admin_addr: SocketAddr,
    /// `None`: the node keeps nothing.
    opened: Option<Opened>,
}

/// Binds every socket of a proxy: one for each worker, all on the same address, and the operators' one. Reads what was kept.
///
/// # Errors
/// An address is taken or not ours, the state directory in use, a budget too small, or a certificate or token not usable.
pub fn bind(settings: Settings) -> Result<Bound, BindError> {
    settings.budget_suffices().map_err(BindError::Budget)?;
    let link = Link::open(settings.link.clone(), settings.join_token_file.clone(), &settings.control_plane)
        .map_err(BindError::Link)?;
    let opened = open_state(&settings)?;
    let proxy_error =
        |source| BindError::Socket { what: "the proxy", address: settings.listen, flag: "--listen", source };
    let first = listen(settings.listen, None).map_err(proxy_error)?;
    let proxy_addr = first.local_addr().map_err(proxy_error)?;
    drop(first);
    let mut listeners = Vec::with_capacity(settings.worker_count());
    for _ in 0..settings.worker_count() {
        listeners.push(listen(proxy_addr, Some(settings.client_limit().idle)).map_err(proxy_error)?);
    }
    let admin_error = |source| BindError::Socket {
        what: "the admin listener",
        address: settings.admin_listen,
        flag: "--admin-listen",
        source,
    };
    let admin = listen(settings.admin_listen, None).map_err(admin_error)?;
    let admin_addr = admin.local_addr().map_err(admin_error)?;
    Ok(Bound { listeners, admin, proxy_addr, admin_addr, link: Arc::new(link), settings, opened })
}

/// Several listeners share one address, and the kernel spreads connections over them, when each says so. The first listener does
/// not, so that an address which another process shares is found to be taken. `shared_idle`: how long clients may take nothing.
fn listen(address: SocketAddr, shared_idle: Option<Duration>) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared_idle.is_some())?;
    // Connections have these of their listener. Small answers must not wait for the acknowledgement of the ones before; and a
    // client that takes nothing of its answer must not hold it for ever.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(shared_idle.unwrap_or(Duration::from_millis(BODY_IDLE_TIMEOUT_MS))))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// What the threads of a process share.
struct Shared {
    live_table: LiveTable,
    metrics: Arc<Metrics>,
    log: AccessLog,
    upstreams: Common,
    holding: Holding,
    services: Services,
    recent: RecentRequests,
}

impl Bound {
    /// Address that clients reach.
    pub fn proxy_addr(&self) -> SocketAddr {
        self.proxy_addr
    }

    /// Address of the operators' pages.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Serves until `shutdown` is done, then drains. Blocks the calling thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// When threads cannot be started, or one of them died.
    pub fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let metrics = Arc::new(Metrics::new());
        let (log, log_writer) = AccessLog::start(self.settings.access_log, Arc::clone(&metrics))
            .map_err(|error| RunError::Start("the access log", error))?;
        let holding = Holding {
            budget: CollectBudget::new(self.settings.collect_budget_bytes),
            collect_bytes_max: self.settings.collect_bytes_max,
        };
        let (credentials, keeper) = services::credentials();
        let services = Services {
            endpoints: self.settings.service_endpoints(),
            invoke_by: self.settings.lambda_invoke_by,
            signing: self.settings.aws_signing,
            credentials,
            holding: Holding { collect_bytes_max: self.settings.lambda_payload_bytes_max, ..holding.clone() },
        };
        let recent_lines = self.settings.recent_requests.into();
        let (recent, questions) = RecentRequests::new(self.listeners.len(), recent_lines);
        let overload = metrics.watch_memory(self.settings.overload(holding.budget.clone()));
        let control = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("control")
            // One waits for each worker; the rest is what the runtime has for everything else unless it is told otherwise.
            .max_blocking_threads(CONTROL_BLOCKING_THREADS_MAX + self.listeners.len())
            .enable_all()
            .build()
            .map_err(|error| RunError::Start("the control runtime", error))?;
        control.spawn(keeper.run());
        let (shares, inboxes) = Shares::new(self.listeners.len());
        metrics.watch_shares(&shares);
        control.spawn(Arc::clone(&shares).watch());
        let upstreams = self.settings.upstreams(control.handle(), Arc::clone(&metrics.upstreams));
        let shared = Shared { live_table: LiveTable::new(), metrics, log, upstreams, holding, services, recent };
        let drain = watch::Sender::new(false);
        let mut workers = Vec::with_capacity(self.listeners.len());
        let (doors, client_limit) = (self.settings.doors(), self.settings.client_limit());
        let drain_deadline = Duration::from_millis(self.settings.drain_deadline_ms);
        let each = self.listeners.into_iter().zip(questions).zip(inboxes);
        for (number, ((listener, questions), inbox)) in each.enumerate() {
            let worker = Worker {
                number,
                listener,
                inbox,
                shares: Arc::clone(&shares),
                port: self.proxy_addr.port(),
                live_table: shared.live_table.clone(),
                metrics: Arc::clone(&shared.metrics),
                log: shared.log.clone(),
                upstreams: shared.upstreams.clone(),
                holding: shared.holding.clone(),
                services: shared.services.clone(),
                stale_policy: self.settings.stale_policy,
                recent_lines,
                questions,
                client_limit,
                overload: Arc::clone(&overload),
                doors: Arc::clone(&doors),
                drain: drain.subscribe(),
                drain_deadline,
            };
            workers.push(worker.start()?);
        }
        let (settings, opened) = (&self.settings, self.opened);
        let told = Told { settings, opened, link: self.link };
        let ended = control.block_on(supervise(told, self.admin, &shared, &drain, workers, shutdown));
        control.shutdown_background();
        // The last sender goes with `shared`, which ends the writer once it has written everything.
        drop(shared);
        if let Some(writer) = log_writer {
            // A writer that panicked has lost lines, which is no reason to call the drain a failure.
            let _ = writer.join();
        }
        ended
    }
}

/// What the process was told, and what was opened because of it.
struct Told<'a> {
    settings: &'a Settings,
    /// `None`: the node keeps nothing.
    opened: Option<Opened>,
    link: Arc<Link>,
}

/// Runs everything that is not on the request path, and waits for the workers.
async fn supervise(
    told: Told<'_>,
    admin: TcpListener,
    shared: &Shared,
    drain: &watch::Sender<bool>,
    workers: Vec<JoinHandle<Result<(), RunError>>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let Told { settings, opened, link } = told;
    let status = SubscriberStatus::new();
    let (node_id, state) = begin_keeping(settings, opened, &status);
    let admin =
        tokio::net::TcpListener::from_std(admin).map_err(|error| RunError::Start("the admin listener", error))?;
    let ops = Ops {
        live_table: shared.live_table.clone(),
        metrics: Arc::clone(&shared.metrics),
        subscriber: status.clone(),
        draining: drain.subscribe(),
        node_id: node_id.as_str().into(),
        budget: shared.holding.budget.clone(),
        credentials: shared.services.credentials.clone(),
        stale_policy: settings.stale_policy,
    };
    let admin = tokio::spawn(ops::serve(admin, ops));
    let mut stop = drain.subscribe();
    let subscription = subscriber::Settings {
        node_id,
        instance: uuid::Uuid::new_v4().as_u64_pair().0 | 1,
        control_planes: settings.control_plane.clone(),
        link,
        build: BUILD.to_owned(),
        labels: settings.labels.iter().cloned().collect(),
        stream_age_max: Duration::from_secs(settings.stream_age_seconds_max),
        stale_after: Duration::from_secs(settings.stale_after_seconds),
        recent: shared.recent.clone(),
    };
    let subscriber =
        tokio::spawn(subscriber::run(subscription, state, shared.live_table.clone(), status, async move {
            // The sender outlives this task; if it did not, that too would mean to stop.
            let _ = stop.wait_for(|&stop| stop).await;
        }));
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn_blocking(move || worker.join().unwrap_or(Err(RunError::Worker)));
    }
    let mut ended = Ok(());
    tokio::select! {
        // A worker ends before the drain only by dying. Then the others finish what they have, and the process ends.
        died = running.join_next() => {
            tracing::error!("a worker died: draining");
            ended = died.and_then(Result::ok).unwrap_or(Ok(())).and(Err(RunError::Worker));
        }
        () = shutdown => tracing::info!("draining"),
    }
    drain.send_replace(true);
    while let Some(worker) = running.join_next().await {
        ended = ended.and(worker.unwrap_or(Err(RunError::Worker)));
    }
    // The subscriber says goodbye to the control plane; it must not hold up the end.
    let _ = tokio::time::timeout(Duration::from_secs(1), subscriber).await;
    admin.abort();
    ended
}

/// Binds, says where, and serves until SIGTERM or SIGINT: what the programs call.
///
/// # Errors
/// When the sockets cannot be bound or the process cannot run.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let print_addresses = settings.print_addresses;
    let bound = bind(settings)?;
    tracing::info!(proxy = %bound.proxy_addr(), admin = %bound.admin_addr(), "listening");
    if print_addresses {
        println!("{}", serde_json::json!({"proxy": bound.proxy_addr(), "admin": bound.admin_addr()}));
    }
    Ok(bound.run(terminated())?)
}

/// Done when the operating system asks the process to stop.
async fn terminated() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard: stop this process by killing it");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
