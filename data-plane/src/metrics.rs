//! What the proxy counts. Handles are resolved once, so a request adds to plain counters.

use crate::ledger::Ledger;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

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
pub(crate) struct Metrics {
    registry: Registry,
    /// Answers by the first digit of their status, which is the index; 0 is a cut before any answer.
    responses: [Counter; 6],
    pub(crate) requests_active: Gauge,
    pub(crate) connections_active: Gauge,
    pub(crate) connections_accepted: Counter,
    pub(crate) request_bytes: Counter,
    pub(crate) response_bytes: Counter,
    pub(crate) duration: Histogram,
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
#[derive(Default)]
struct Generations {
    started: Family<VersionLabel, Gauge>,
    finished: Family<VersionLabel, Gauge>,
    pinned: Gauge,
    cut: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let classes = Family::<ClassLabel, Counter>::default();
        let responses = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"]
            .map(|class| classes.get_or_create(&ClassLabel { class }).clone());
        let mut metrics = Self {
            registry: Registry::with_prefix("penstock_proxy"),
            responses,
            requests_active: Gauge::default(),
            connections_active: Gauge::default(),
            connections_accepted: Counter::default(),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            duration: Histogram::new(exponential_buckets(0.000_5, 2.0, 18)),
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
        metrics.registry.register("responses", "Answers by class of status", classes);
        metrics.register();
        metrics.register_state();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests_active", "Requests under way", self.requests_active.clone());
        registry.register("connections_active", "Client connections open", self.connections_active.clone());
        registry.register("connections_accepted", "Client connections accepted", self.connections_accepted.clone());
        registry.register_with_unit("request_body", "Payload received", Unit::Bytes, self.request_bytes.clone());
        registry.register_with_unit("response_body", "Payload sent", Unit::Bytes, self.response_bytes.clone());
        registry.register_with_unit(
            "request_duration",
            "From the request head to the last byte of the answer",
            Unit::Seconds,
            self.duration.clone(),
        );
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

    /// Counts one finished request.
    pub(crate) fn response(&self, status: u16) {
        let class = usize::from(status / 100);
        self.responses[if class < self.responses.len() { class } else { 0 }].inc();
    }

    /// Counts one failure.
    pub(crate) fn failure(&self, reason: &'static str) {
        self.failures.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Everything as OpenMetrics text.
    pub(crate) fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.response(204);
        metrics.response(999);
        metrics.failure("no_route");
        let text = metrics.render().expect("renders");
        for line in [
            r#"penstock_proxy_responses_total{class="2xx"} 1"#,
            r#"penstock_proxy_responses_total{class="none"} 1"#,
            r#"penstock_proxy_failures_total{reason="no_route"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }
}
