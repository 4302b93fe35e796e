//! [`Worker`]: one thread that serves clients, with a runtime, a listener and upstream connections of its own.

use super::RunError;
use crate::access_log::AccessLog;
use crate::gateway::Gateway;
use crate::identity::IdSource;
use crate::ledger::WorkerLedger;
use crate::live_table::LiveTable;
use crate::metrics::{Metrics, WorkerMetrics};
use crate::overload::Overload;
use crate::patience::BodyLimit;
use crate::recent::{Questions, WorkerRecent};
use crate::request_side::Holding;
use crate::routes::WorkerRoutes;
use crate::server::{self, Doors};
use crate::services::Services;
use crate::settings::StalePolicy;
use crate::shares::{Moved, Shares, WorkerShare};
use crate::upstream::{Common, Upstreams};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

/// What one worker thread starts with.
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) listener: TcpListener,
    pub(super) inbox: mpsc::Receiver<Moved>,
    pub(super) shares: Arc<Shares>,
    pub(super) port: u16,
    pub(super) live_table: LiveTable,
    pub(super) metrics: Arc<Metrics>,
    pub(super) log: AccessLog,
    pub(super) upstreams: Common,
    pub(super) holding: Holding,
    pub(super) services: Services,
    pub(super) stale_policy: StalePolicy,
    pub(super) recent_lines: usize,
    /// `None`: nothing is remembered.
    pub(super) questions: Option<Questions>,
    pub(super) client_limit: BodyLimit,
    pub(super) overload: Arc<Overload>,
    pub(super) doors: Arc<Doors>,
    pub(super) drain: watch::Receiver<bool>,
    pub(super) drain_deadline: Duration,
}

impl Worker {
    /// Starts it.
    ///
    /// # Errors
    /// The operating system refused the thread.
    pub(super) fn start(self) -> Result<JoinHandle<Result<(), RunError>>, RunError> {
        std::thread::Builder::new()
            .name("worker".into())
            .spawn(move || self.run())
            .map_err(|error| RunError::Start("a worker thread", error))
    }

    fn run(self) -> Result<(), RunError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .map_err(|error| RunError::Start("a worker's runtime", error))?;
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(self.listener)
                .map_err(|error| RunError::Start("a worker's listener", error))?;
            let (seed, other_seed) = uuid::Uuid::new_v4().as_u64_pair();
            let gateway = Rc::new(Gateway {
                ledger: WorkerLedger::new(self.live_table.ledger().clone()),
                recent: WorkerRecent::new(self.recent_lines),
                live_table: self.live_table,
                upstreams: Upstreams::new(self.upstreams, other_seed),
                ids: IdSource::new(seed),
                routes: WorkerRoutes::new(),
                log: Rc::new(self.log),
                metrics: WorkerMetrics::new(self.metrics, self.overload),
                share: WorkerShare::begin(self.shares, self.number),
                listener_port: self.port,
                forwarded_port: self.port.into(),
                holding: self.holding,
                services: self.services,
                stale_policy: self.stale_policy,
                client_limit: self.client_limit,
                upstream_limit: BodyLimit::idle(self.client_limit.idle),
            });
            if let Some(questions) = self.questions {
                let asked = Rc::clone(&gateway);
                // It goes with this runtime.
                tokio::task::spawn_local(async move { asked.recent.answer(questions).await });
            }
            server::serve(listener, gateway, self.doors, self.inbox, self.drain, self.drain_deadline).await;
            Ok(())
        })
    }
}
