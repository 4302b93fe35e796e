//! [`Record`]: one request's line in the access log and its share of the metrics, written once, whatever happens.
//!
//! Made when the head has arrived, carried by the response body, written when the last byte of that is handed on, or when it is
//! dropped before because either side gave up.

use crate::access_log::{AccessLog, Entry};
use crate::body::{EndOfBody, Progress};
use crate::error::{Origin, ProxyError};
use crate::framing::ViolationCell;
use crate::ledger::{Entry as Pinned, WorkerLedger};
use crate::measuring::Counters;
use crate::message::RequestParts;
use crate::metrics::WorkerMetrics;
use crate::upstream::Lease;
use penstock_model::exchange::protocol;
use penstock_model::id::Version;
use penstock_model::table::{Route, StageSettings};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What became of a request, so far.
pub(crate) struct Record {
    metrics: Rc<WorkerMetrics>,
    started: Instant,
    /// The parts of the line that only a log needs; `None` when there is no log.
    line: Option<Box<Line>>,
    pub(crate) request: Rc<Progress>,
    pub(crate) response: Rc<Progress>,
    /// `None` while nothing went wrong.
    failure: Option<Outcome>,
    status: u16,
    complete: bool,
    lease: Option<Lease>,
    /// The version that it met; `None` before.
    pinned: Option<Pinned>,
    /// Where it is counted too, while its stage is measured.
    counters: Option<Arc<Counters>>,
    has_route: bool,
    /// Tells, of HTTP/1 connections, whether the client has broken off.
    connection: Option<ViolationCell>,
}

struct Line {
    log: Rc<AccessLog>,
    request_id: uuid::Uuid,
    method: http::Method,
    host: String,
    path: String,
    protocol: &'static str,
    client: SocketAddr,
    time_ms: u64,
    config_version: u64,
    upstream_wait: Option<Duration>,
    /// Known also when it has no route for the request.
    stage: Option<Arc<StageSettings>>,
    route: Option<Arc<Route>>,
}

#[derive(Clone, Copy)]
struct Outcome {
    reason: &'static str,
    origin: Origin,
}

impl Record {
    /// Begins the record of a request. On the heap, because it goes from hand to hand until the answer's last byte.
    pub(crate) fn begin(
        log: &Rc<AccessLog>,
        metrics: &Rc<WorkerMetrics>,
        head: &RequestParts,
        request_id: uuid::Uuid,
        client: SocketAddr,
        time_ms: u64,
        connection: Option<ViolationCell>,
    ) -> Box<Self> {
        metrics.request_began();
        let line = log.is_on().then(|| {
            Box::new(Line {
                log: Rc::clone(log),
                request_id,
                method: head.method.clone(),
                host: String::new(),
                path: head.uri.path().to_owned(),
                protocol: protocol(head.version),
                client,
                time_ms,
                config_version: 0,
                upstream_wait: None,
                stage: None,
                route: None,
            })
        });
        let started = Instant::now();
        Box::new(Self {
            metrics: Rc::clone(metrics),
            started,
            line,
            request: Progress::begun(started),
            response: Progress::begun(started),
            failure: None,
            status: 0,
            complete: false,
            lease: None,
            pinned: None,
            counters: None,
            has_route: false,
            connection,
        })
    }

    /// When a request is sent that has waited for nothing: now, where the log says how long its upstream took; else the moment at
    /// which its record began is near enough, and nobody looks at the clock again.
    pub(crate) fn sent_at_once(&self) -> Instant {
        match self.line {
            Some(_) => Instant::now(),
            None => self.started,
        }
    }

    /// Notes which configuration, stage and route the request met.
    pub(crate) fn routed(
        &mut self,
        ledger: &WorkerLedger,
        host: &str,
        version: Version,
        stage: Option<&Arc<StageSettings>>,
        route: Option<&Arc<Route>>,
    ) {
        self.pinned = Some(ledger.begin(version));
        self.has_route = route.is_some();
        if let Some(line) = &mut self.line {
            host.clone_into(&mut line.host);
            line.config_version = version.0;
            line.stage = stage.cloned();
            line.route = route.cloned();
        }
    }

    /// Notes that the request's stage is measured.
    pub(crate) fn counted(&mut self, counters: Option<Arc<Counters>>) {
        self.counters = counters;
    }

    /// Notes that the upstream has answered what it was sent at `sent_at`.
    pub(crate) fn answered(&mut self, status: u16, sent_at: Instant, lease: Lease) {
        self.status = status;
        self.lease = Some(lease);
        if let Some(line) = &mut self.line {
            line.upstream_wait = Some(sent_at.elapsed());
        }
    }

    /// Gives the upstream's connection back: its answer was read to the end before the client gets one.
    pub(crate) fn upstream_is_done(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release(Instant::now());
        }
    }

    /// Notes the status that the client gets, where that is not the upstream's.
    pub(crate) fn status(&mut self, status: u16) {
        self.status = status;
    }

    /// Notes that the gateway answers itself.
    pub(crate) fn failed(&mut self, error: &ProxyError, status: u16) {
        self.status = status;
        self.failure = Some(Outcome { reason: error.reason(), origin: error.origin() });
        self.metrics.failure(error.reason());
    }

    /// Whether the response ended early although nobody outside ended it. On HTTP/2 a client may give up one stream, which
    /// looks the same from here, so there it is taken for that.
    fn is_cut_by_us(&self) -> bool {
        let client_holds = self.connection.as_ref().is_some_and(|connection| !connection.is_broken());
        let failed = self.request.failure().is_some() || self.response.failure().is_some();
        client_holds && self.failure.is_none() && !failed && !self.response.is_taken_slowly()
    }

    /// Whether it counts as an error of the deployment that it met: not what a client did to itself.
    fn is_error(&self) -> bool {
        let ours = self.failure.is_some_and(|failure| failure.origin != Origin::Client);
        self.status >= 500 || !self.has_route || ours
    }

    /// Why the response ended early: because of its sender, because the request did not come whole to which it is the answer, or
    /// because nobody took it.
    fn cut(&self) -> Outcome {
        let client = |reason| Outcome { reason, origin: Origin::Client };
        match (self.request.failure(), self.response.failure()) {
            _ if self.response.is_taken_slowly() => client("client_slow"),
            (Some(error), _) => client(error.request_reason()),
            (None, Some(error)) => Outcome { reason: error.response_reason(), origin: Origin::Upstream },
            (None, None) => client("client_gone"),
        }
    }

    /// Writes it down: the request ended at that moment.
    fn write(&mut self, ended: Instant) {
        let duration = ended.saturating_duration_since(self.started);
        if let Some(counters) = self.counters.take() {
            counters.count(self.is_error(), duration);
        }
        self.metrics.request_ended(self.status, self.request.bytes(), self.response.bytes(), duration);
        let Some(line) = self.line.take() else { return };
        let (stage, route) = (line.stage.as_deref(), line.route.as_deref());
        let outcome = self.failure.unwrap_or(Outcome { reason: "ok", origin: Origin::Upstream });
        line.log.write(Entry {
            request_id: line.request_id,
            method: line.method,
            host: line.host,
            path: line.path,
            status: self.status,
            reason: outcome.reason,
            origin: outcome.origin.as_str(),
            api: stage.map(|stage| stage.key.rest_api_id.to_string()).unwrap_or_default(),
            stage: stage.map(|stage| stage.key.stage_name.to_string()).unwrap_or_default(),
            resource: route.map(|route| route.resource.path.to_string()).unwrap_or_default(),
            client: line.client,
            protocol: line.protocol,
            request_bytes: self.request.bytes(),
            response_bytes: self.response.bytes(),
            request_sha256: self.request.sha256(),
            response_sha256: self.response.sha256(),
            canary: stage.is_some_and(StageSettings::is_canary),
            duration,
            upstream_wait: line.upstream_wait,
            config_version: line.config_version,
            time_ms: line.time_ms,
        });
    }
}

impl EndOfBody for Box<Record> {
    fn complete(mut self, at: Instant) {
        if let Some(lease) = self.lease.take() {
            lease.release(at);
        }
        // Last, so that it is written by whoever drops it if something panics before.
        self.complete = true;
        self.write(at);
    }

    fn taken_slowly(&mut self) {
        self.response.taken_slowly();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.complete {
            return;
        }
        if let Some(pinned) = self.pinned.take()
            && self.is_cut_by_us()
        {
            pinned.cut();
        }
        // What has failed already was counted, and a client that does not wait for the answer is not a second failure.
        if self.failure.is_none() {
            let cut = self.cut();
            self.metrics.failure(cut.reason);
            self.failure = Some(cut);
        }
        self.write(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::{Progress, Record};

    /// Each request has one record and two progresses. For a size that is no power of two mimalloc 3 asks itself for seven bytes
    /// more, to be free to align them. Of 96 and of 160 bytes, which fill their classes, that is always the next larger class, so
    /// there is never a block of their own at hand; with 72 and 152 bytes there is.
    #[test]
    fn what_each_request_has_is_small() {
        let counts = 2 * size_of::<usize>();
        assert!(size_of::<Progress>() + counts <= 72, "{}", size_of::<Progress>());
        assert!(size_of::<Record>() <= 152, "{}", size_of::<Record>());
    }
}
