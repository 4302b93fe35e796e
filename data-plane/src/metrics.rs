//! What the proxy counts. What each request adds is in `workers`.

mod memory;
mod upstreams;
mod workers;

pub(crate) use upstreams::{AddressState, Cause, ShownTarget, UpstreamFigures, WorkerUpstreams};
pub(crate) use workers::WorkerMetrics;

use crate::ledger::Ledger;
use crate::overload::Overload;
use crate::shares::{Shares, ShownShares};
use memory::MemoryLaw;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;
use workers::Workers;

/// Why something failed, in one word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

/// Every metric of the process, shared by all workers.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    workers: Workers,
    pub(crate) upstreams: Arc<UpstreamFigures>,
    memory: MemoryLaw,
    shares: ShownShares,
    /// Answers that the gateway made itself, and exchanges that were cut.
    pub(crate) failures: Family<ReasonLabel, Counter>,
    pub(crate) access_log_lost: Counter,
    /// Bytes of bodies that are held now, and that may be held. Written when somebody asks.
    pub(crate) collected_bytes: Gauge,
    pub(crate) collect_budget_bytes: Gauge,
    /// When the credentials expire that requests are signed with, in seconds since 1970; 0 without such. Written when
    /// somebody asks.
    pub(crate) credentials_expiry: Gauge,
    pub(crate) config_version: Gauge,
    pub(crate) config_routes: Gauge,
    pub(crate) control_plane_connected: Gauge,
    /// The following are written when somebody asks.
    pub(crate) config_confirmed_age: Gauge,
    pub(crate) config_from_disk: Gauge,
    pub(crate) config_stale: Gauge,
    pub(crate) state_kept_version: Gauge,
    pub(crate) state_problem: Gauge,
    pub(crate) state_write_failures: Counter,
    generations: Generations,
}

/// What became of requests, by the version of the configuration that they met.
#[derive(Debug, Default)]
struct Generations {
    started: Family<VersionLabel, Gauge>,
    finished: Family<VersionLabel, Gauge>,
    pinned: Gauge,
    cut: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("penstock_proxy"),
            workers: Workers::default(),
            upstreams: Arc::default(),
            memory: MemoryLaw::default(),
            shares: ShownShares::default(),
            failures: Family::default(),
            access_log_lost: Counter::default(),
            collected_bytes: Gauge::default(),
            collect_budget_bytes: Gauge::default(),
            credentials_expiry: Gauge::default(),
            config_version: Gauge::default(),
            config_routes: Gauge::default(),
            control_plane_connected: Gauge::default(),
            generations: Generations::default(),
            config_confirmed_age: Gauge::default(),
            config_from_disk: Gauge::default(),
            config_stale: Gauge::default(),
            state_kept_version: Gauge::default(),
            state_problem: Gauge::default(),
            state_write_failures: Counter::default(),
        };
        metrics.registry.register_collector(Box::new(metrics.workers.clone()));
        metrics.upstreams.register(&mut metrics.registry);
        metrics.registry.register_collector(Box::new(metrics.memory.clone()));
        metrics.registry.register_collector(Box::new(metrics.shares.clone()));
        metrics.register();
        metrics.register_state();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("failures", "Requests not simply passed on, by reason", self.failures.clone());
        registry.register("access_log_lost", "Access log lines dropped", self.access_log_lost.clone());
        registry.register_with_unit(
            "collected",
            "Bodies in memory, and coders of bodies",
            Unit::Bytes,
            self.collected_bytes.clone(),
        );
        registry.register_with_unit(
            "collect_budget",
            "Bodies, and coders of bodies, that may be in memory at a time",
            Unit::Bytes,
            self.collect_budget_bytes.clone(),
        );
        registry.register_with_unit(
            "aws_credentials_expiry_timestamp",
            "When the credentials expire that requests to services are signed with; 0 without such",
            Unit::Seconds,
            self.credentials_expiry.clone(),
        );
        registry.register("config_version", "Version of the configuration that serves", self.config_version.clone());
        registry.register("config_routes", "Routes of the configuration that serves", self.config_routes.clone());
        registry.register(
            "control_plane_connected",
            "Whether the subscription stands",
            self.control_plane_connected.clone(),
        );
        let Generations { started, finished, pinned, cut } = &self.generations;
        registry.register(
            "config_requests_started",
            "Requests that met a version of the configuration, of the newest versions",
            started.clone(),
        );
        registry.register(
            "config_requests_finished",
            "Of the requests that met a version of the configuration, those that have ended",
            finished.clone(),
        );
        registry.register(
            "config_requests_pinned",
            "Requests under way on versions of the configuration that do not serve any more",
            pinned.clone(),
        );
        registry.register(
            "config_requests_cut",
            "Requests that ended early behind a change of the configuration, and that nobody outside ended",
            cut.clone(),
        );
    }

    /// Shows from now on what the process holds, and may hold.
    pub(crate) fn watch_memory(&self, overload: Arc<Overload>) -> Arc<Overload> {
        self.memory.watch(&overload);
        overload
    }

    /// Shows from now on how busy the workers are.
    pub(crate) fn watch_shares(&self, shares: &Arc<Shares>) {
        self.shares.watch(shares);
    }

    /// Shows what became of requests by version.
    pub(crate) fn show(&self, ledger: &Ledger) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let Generations { started, finished, pinned, cut } = &self.generations;
        // Versions go out of the ledger, so they go out of here.
        started.clear();
        finished.clear();
        for generation in ledger.generations() {
            let label = VersionLabel { version: generation.version.0 };
            started.get_or_create(&label).set(number(generation.started));
            finished.get_or_create(&label).set(number(generation.finished));
        }
        let totals = ledger.totals();
        pinned.set(number(totals.pinned));
        cut.set(number(totals.cut));
    }

    fn register_state(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "config_confirmed_age",
            "Since a control plane last confirmed the configuration that serves; 0 while nothing serves",
            Unit::Seconds,
            self.config_confirmed_age.clone(),
        );
        let from_disk = "Whether the configuration was read from the disk and not confirmed since";
        registry.register("config_from_disk", from_disk, self.config_from_disk.clone());
        let stale = "Whether the configuration was not confirmed for longer than the stale policy allows";
        registry.register("config_stale", stale, self.config_stale.clone());
        let kept = "Version of the configuration that is kept on the disk; 0: none";
        registry.register("state_kept_version", kept, self.state_kept_version.clone());
        let problem = "Whether the state directory could not be read or written the last time";
        registry.register("state_problem", problem, self.state_problem.clone());
        let failures = "Attempts to keep the configuration that failed";
        registry.register("state_write_failures", failures, self.state_write_failures.clone());
    }

    /// Everything as OpenMetrics text.
    pub(crate) fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
