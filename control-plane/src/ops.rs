//! The operators' listener: is it alive, is it ready, what does it count.

use crate::app::App;
use crate::fleet::Fleet;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Most connections at a time.
const CONNECTIONS_MAX: usize = 64;
/// Longest life of a connection, in milliseconds.
const CONNECTION_MS_MAX: u64 = 60_000;
/// Wait after an accept that failed, in milliseconds.
const ACCEPT_RETRY_MS: u64 = 100;

/// What the pages show.
#[derive(Clone, Debug)]
pub(crate) struct Ops {
    pub(crate) app: App,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) draining: watch::Receiver<bool>,
}

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, ops: Ops) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            continue;
        };
        let ops = ops.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(ops.answer(&request))));
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            // Both ends of this are ours or an operator's; a slow one is cut.
            let _ = timeout(Duration::from_millis(CONNECTION_MS_MAX), connection).await;
            drop(permit);
        });
    }
}

impl Ops {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return json(StatusCode::METHOD_NOT_ALLOWED, r#"{"message":"only GET is served here"}"#);
        }
        match request.uri().path() {
            "/health/live" => json(StatusCode::OK, r#"{"status":"alive"}"#),
            "/health/ready" if *self.draining.borrow() => {
                json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#)
            }
            // The listener exists only once everything is loaded.
            "/health/ready" => json(StatusCode::OK, r#"{"status":"ready"}"#),
            "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.metrics()),
            _ => json(StatusCode::NOT_FOUND, r#"{"message":"try /health/live, /health/ready or /metrics"}"#),
        }
    }

    fn metrics(&self) -> String {
        let publication = self.app.newest();
        let mut text = String::new();
        let mut write = |name: &str, kind: &str, help: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        write("penstock_config_version", "gauge", "Newest published version.", publication.version.0);
        let bundles = publication.manifest.bundles.len() as u64;
        write("penstock_config_bundles", "gauge", "Stages that are published.", bundles);
        write("penstock_config_bundle_bytes", "gauge", "Bytes of all published bundles.", publication.bundle_bytes());
        write("penstock_config_routes", "gauge", "Routes of all published stages.", publication.route_count() as u64);
        let nodes = self.fleet.connected_count() as u64;
        write("penstock_nodes_connected", "gauge", "Nodes whose stream is open.", nodes);
        let following = self.app.is_following().into();
        write("penstock_store_reachable", "gauge", "Whether the last look at a shared database succeeded.", following);
        write("penstock_stage_compiles_total", "counter", "Stages compiled since the start.", self.app.compile_count());
        text
    }
}

fn json(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    answer(status, "application/json", body)
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
