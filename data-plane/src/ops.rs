//! The operators' listener: is it alive, is it ready, what does it count, what does it serve. On the control runtime, so
//! that looking at the proxy cannot hurt its traffic.

use crate::limits::{ADMIN_CONNECTION_MS, ADMIN_CONNECTIONS_MAX};
use crate::live_table::LiveTable;
use crate::metrics::Metrics;
use crate::services::Credentials;
use crate::settings::StalePolicy;
use crate::subscriber::SubscriberStatus;
use crate::transform::collect::CollectBudget;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) live_table: LiveTable,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) subscriber: SubscriberStatus,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) node_id: Arc<str>,
    pub(crate) budget: CollectBudget,
    pub(crate) credentials: Credentials,
    pub(crate) stale_policy: StalePolicy,
}

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, ops: Ops) {
    let permits = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let ops = ops.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(ops.answer(&request))));
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            // Both ends of this are ours or an operator's; a slow one is cut.
            let _ = timeout(Duration::from_millis(ADMIN_CONNECTION_MS), connection).await;
            drop(permit);
        });
    }
}

impl Ops {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return json_response(StatusCode::METHOD_NOT_ALLOWED, &json!({"message": "only GET is served here"}));
        }
        match request.uri().path() {
            "/health/live" => json_response(StatusCode::OK, &json!({"status": "alive"})),
            "/health/ready" => self.ready(),
            "/metrics" => self.metrics(),
            "/config" => json_response(StatusCode::OK, &self.config()),
            "/upstreams" => json_response(StatusCode::OK, &self.metrics.upstreams.page()),
            _ => json_response(
                StatusCode::NOT_FOUND,
                &json!({"message": "try /health/live, /health/ready, /metrics, /config or /upstreams"}),
            ),
        }
    }

    /// Ready with the first configuration, and until the drain begins; a control plane that is gone does not count, unless
    /// the node refuses to serve without one.
    fn ready(&self) -> Response<Full<Bytes>> {
        let (status, word) = if *self.draining.borrow() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining")
        } else if self.stale_policy == StalePolicy::Refuse && self.live_table.is_stale() {
            (StatusCode::SERVICE_UNAVAILABLE, "the configuration is stale")
        } else if self.live_table.is_ready() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first configuration")
        };
        json_response(status, &json!({"status": word}))
    }

    fn config(&self) -> serde_json::Value {
        let table = self.live_table.load();
        let stages: Vec<_> = table
            .stages()
            .map(|stage| {
                let key = stage.key();
                json!({"restApiId": key.rest_api_id.as_str(), "stageName": key.stage_name.as_str(), "routes": stage.route_count()})
            })
            .collect();
        let generations = self.live_table.ledger().generations();
        let generations: Vec<_> = generations
            .iter()
            .map(|one| {
                json!({"version": one.version.0, "started": one.started, "finished": one.finished, "cut": one.cut})
            })
            .collect();
        json!({
            "nodeId": &*self.node_id,
            "version": table.version().0,
            "rootHash": table.root_hash().to_string(),
            "routes": table.route_count(),
            "stages": stages,
            "generations": generations,
            "controlPlane": self.subscriber.snapshot(),
            "confirmedSecondsAgo": self.subscriber.confirmed_age().map(|age| age.as_secs()),
            "fromDisk": self.subscriber.is_from_disk(),
            "stale": self.subscriber.is_stale(),
            "state": self.subscriber.keeping().map(|keeping| json!({
                "directory": keeping.directory,
                "keptVersion": keeping.kept.map(|(version, _)| version.0),
                "keptRootHash": keeping.kept.map(|(_, root_hash)| root_hash.to_string()),
                "problem": keeping.problem(),
                "writeFailures": keeping.write_failures,
            })),
        })
    }

    fn gather(&self) {
        let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (metrics, subscriber) = (&self.metrics, &self.subscriber);
        metrics.control_plane_connected.set(subscriber.is_connected().into());
        metrics.config_confirmed_age.set(integer(subscriber.confirmed_age().unwrap_or_default().as_secs()));
        metrics.config_from_disk.set(subscriber.is_from_disk().into());
        metrics.config_stale.set(subscriber.is_stale().into());
        let keeping = subscriber.keeping().unwrap_or_default();
        metrics.state_kept_version.set(integer(keeping.kept.map_or(0, |(version, _)| version.0)));
        metrics.state_problem.set(keeping.problem().is_some().into());
        metrics.state_write_failures.inner().store(keeping.write_failures, Ordering::Relaxed);
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let table = self.live_table.load();
        self.metrics.config_version.set(i64::try_from(table.version().0).unwrap_or(i64::MAX));
        self.metrics.config_routes.set(i64::try_from(table.route_count()).unwrap_or(i64::MAX));
        self.metrics.collected_bytes.set(i64::try_from(self.budget.in_use_bytes()).unwrap_or(i64::MAX));
        let expiry = self.credentials.expiry().and_then(|expiry| expiry.duration_since(UNIX_EPOCH).ok());
        let expiry = expiry.and_then(|since| i64::try_from(since.as_secs()).ok());
        self.metrics.credentials_expiry.set(expiry.unwrap_or(0));
        self.metrics.collect_budget_bytes.set(i64::try_from(self.budget.total_bytes()).unwrap_or(i64::MAX));
        self.metrics.show(self.live_table.ledger());
        self.gather();
        match self.metrics.render() {
            Ok(text) => {
                let mut response = Response::new(Full::new(Bytes::from(text)));
                let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            Err(_) => json_response(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({"message": "the metrics could not be written"}),
            ),
        }
    }
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
