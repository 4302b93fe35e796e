//! The life of one request, top to bottom. The only place that branches; every room that it calls does one thing.

use crate::access_log::AccessLog;
use crate::body::{BodyError, EndOfBody, Progress, ResponseBody, StreamBody};
use crate::error::ProxyError;
use crate::exchange::{client_response, upstream_request};
use crate::framing::{ViolationCell, is_host_and_port};
use crate::identity::{IdSource, effective_method};
use crate::inbound::Inbound;
use crate::limits::BODY_IDLE_TIMEOUT_MS;
use crate::live_table::LiveTable;
use crate::metrics::Metrics;
use crate::record::Record;
use crate::upstream::{Lease, TargetKey, Upstreams};
use base64::Engine as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use penstock_model::gateway_response::is_signature;
use penstock_model::table::{HttpProxy, LocateError, Plan, Route};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};

const X_AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const X_AMZ_APIGW_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
const X_AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const X_AMZN_TRACE_ID: &str = "x-amzn-trace-id";

/// What every request of a worker uses. Nothing in it is shared with another thread but the live table, the metrics
/// and the log's queue.
pub(crate) struct Gateway {
    pub(crate) live_table: LiveTable,
    pub(crate) upstreams: Upstreams,
    pub(crate) ids: IdSource,
    pub(crate) log: AccessLog,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) listener_port: u16,
}

/// What the requests of one client connection share.
pub(crate) struct ClientConnection {
    pub(crate) address: SocketAddr,
    /// Of HTTP/1 connections.
    pub(crate) violations: Option<ViolationCell>,
}

/// Where a request goes: found once, from one table.
struct Routed<'a> {
    route: Arc<Route>,
    /// The method that the route was found with.
    method: Method,
    /// The part of the request's path that the route matched.
    route_path: &'a str,
}

impl Gateway {
    /// Answers one request. Never fails: what goes wrong is an answer, or a connection that ends visibly early.
    pub(crate) async fn serve(
        &self,
        connection: &ClientConnection,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody<Record>>, Infallible> {
        let refused = connection.violations.as_ref().and_then(|cell| cell.refused(&request));
        let (head, body) = request.into_parts();
        let time_ms = now_ms();
        let request_id = self.ids.request_id(head.headers.get(&X_AMZN_REQUEST_ID).map(HeaderValue::as_bytes));
        let mut record = Record::begin(&self.log, &self.metrics, &head, request_id, connection.address, time_ms);
        let extended_request_id = self.ids.extended_request_id();
        let call = Call {
            gateway: self,
            connection,
            head: &head,
            request_id,
            extended_request_id: &extended_request_id,
            time_ms,
        };
        let answer = match refused {
            Some(violation) => Err(ProxyError::Framing(violation)),
            None => call.pass_on(body, &mut record).await,
        };
        let bodiless = head.method == Method::HEAD;
        let mut response = match answer {
            Ok((parts, incoming)) => {
                let idle_limit = Duration::from_millis(BODY_IDLE_TIMEOUT_MS);
                let stream = StreamBody::new(incoming, Rc::clone(&record.response), idle_limit);
                Response::from_parts(parts, ResponseBody::stream(stream, record, bodiless))
            }
            Err(error) => self.refuse(&error, record, &head, bodiless),
        };
        let headers = response.headers_mut();
        // An id is hexadecimal digits and dashes, or base64: both are header values.
        for (name, id) in [(X_AMZN_REQUEST_ID, &*request_id.to_string()), (X_AMZ_APIGW_ID, &*extended_request_id)] {
            if let Ok(value) = HeaderValue::from_str(id) {
                headers.insert(name, value);
            }
        }
        Ok(response)
    }

    fn refuse(
        &self,
        error: &ProxyError,
        mut record: Record,
        head: &Parts,
        bodiless: bool,
    ) -> Response<ResponseBody<Record>> {
        let answer = error.response();
        record.failed(error, answer.status);
        tracing::debug!(error = error as &dyn std::error::Error, path = head.uri.path(), "answered by the gateway");
        let body = Bytes::from(answer.body.into_owned());
        if !bodiless {
            record.response.passed(body.len());
        }
        let mut response = Response::new(ResponseBody::whole(body, record, bodiless));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        if let Some(kind) = answer.error_type {
            headers.insert(X_AMZN_ERROR_TYPE, HeaderValue::from_static(kind));
        }
        let input_is_over = matches!(error, ProxyError::Framing(_) | ProxyError::ClientIdle | ProxyError::ClientGone);
        if input_is_over && head.version != http::Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// One request on its way.
struct Call<'a> {
    gateway: &'a Gateway,
    connection: &'a ClientConnection,
    head: &'a Parts,
    request_id: uuid::Uuid,
    extended_request_id: &'a str,
    time_ms: u64,
}

impl<'a> Call<'a> {
    /// Finds the route and streams through it.
    async fn pass_on(
        &self,
        body: Incoming,
        record: &mut Record,
    ) -> Result<(http::response::Parts, Incoming), ProxyError> {
        let host = host(self.head).ok_or(ProxyError::MissingHost)?;
        if !self.head.uri.path_and_query().is_none_or(|target| target.as_str().is_ascii()) {
            // Only HTTP/2 lets it come this far; the framing guard refuses it.
            return Err(ProxyError::TargetByte);
        }
        let routed = self.route(host, record)?;
        let proxy = match &routed.route.plan {
            Plan::HttpProxy(proxy) => proxy,
            Plan::Fail(problem) => return Err(ProxyError::Route(problem.clone())),
        };
        let inbound = Inbound {
            head: self.head,
            method: &routed.method,
            host,
            route_path: routed.route_path,
            request_id: self.request_id,
            extended_request_id: self.extended_request_id,
            client: self.connection.address,
            time_ms: self.time_ms,
        };
        let idle_limit = Duration::from_millis(BODY_IDLE_TIMEOUT_MS);
        let body = StreamBody::new(body, Rc::clone(&record.request), idle_limit);
        let from_client = self.head.headers.get(X_AMZN_TRACE_ID).and_then(|value| value.to_str().ok());
        let trace_id = self.gateway.ids.trace_id(from_client, self.time_ms);
        let port = self.gateway.listener_port;
        let request = upstream_request(&routed.route, proxy, &inbound, port, &trace_id, body)?;
        let sent_at = Instant::now();
        let (response, lease) = self.send(&routed.route, proxy, request, &record.request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // `Upgrade` never passes, so nobody asked for it, and what follows is no HTTP.
            return Err(ProxyError::UnaskedUpgrade);
        }
        record.answered(response.status().as_u16(), sent_at.elapsed(), lease);
        Ok(client_response(routed.route.fidelity, &self.head.method, response))
    }

    /// The one load of the routing table. Nothing of the table but the route outlives this call.
    fn route(&self, host: &str, record: &mut Record) -> Result<Routed<'a>, ProxyError> {
        self.gateway.live_table.read(|table| {
            let path = self.head.uri.path();
            let located = table.locate(host, path);
            let method = effective_method(&self.head.method, &self.head.headers);
            let route = located.as_ref().ok().and_then(|found| found.stage.resolve(&method, found.route_path));
            record.routed(host, table.version(), route);
            let located = located.map_err(|error| match error {
                LocateError::UnknownHost => ProxyError::UnknownHost,
                LocateError::UnknownStage => ProxyError::UnknownStage,
            })?;
            let route = Arc::clone(route.ok_or_else(|| self.no_route())?);
            Ok(Routed { route, method, route_path: located.route_path })
        })
    }

    /// The answer to an unknown path or method depends on what the caller shows as authorization (section d.2).
    fn no_route(&self) -> ProxyError {
        match self.head.headers.get(AUTHORIZATION) {
            Some(value) if !is_signature(value.as_bytes()) => ProxyError::NoRouteUnsigned {
                hash: base64::engine::general_purpose::STANDARD.encode(Sha256::digest(value.as_bytes())),
            },
            _ => ProxyError::NoRoute,
        }
    }

    async fn send(
        &self,
        route: &Route,
        proxy: &HttpProxy,
        request: Request<StreamBody>,
        progress: &Progress,
    ) -> Result<(Response<Incoming>, Lease), ProxyError> {
        let key = TargetKey::new(&proxy.uri, &proxy.tls);
        let sent = self.gateway.upstreams.send(&key, request);
        let result = within(route.timeout, progress, sent).await.unwrap_or(Err(ProxyError::ResponseTimeout));
        // A request that could not be sent because its body broke off is the client's doing.
        result.map_err(|error| match progress.failure() {
            None => error,
            Some(BodyError::Idle) => ProxyError::ClientIdle,
            Some(BodyError::Broken) => {
                let violation = self.connection.violations.as_ref().and_then(ViolationCell::in_body);
                violation.map_or(ProxyError::ClientGone, ProxyError::Framing)
            }
            Some(BodyError::Base64) => ProxyError::RequestBase64,
            Some(BodyError::Digest) => ProxyError::RequestDigest,
            Some(BodyError::Coding) => ProxyError::RequestCoding,
            Some(BodyError::Expansion) => ProxyError::RequestExpansion,
        })
    }
}

/// Waits for the response head at most `limit` after the last byte of the request went on: an upload may take hours and
/// may pause, which is the body's own idle limit's business; an upstream that has everything may not. `None` when the
/// time is over.
async fn within<T>(limit: Duration, progress: &Progress, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut timer = pin!(sleep(limit));
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = &mut timer => {
                // While the client owes the next byte, the upstream has nothing to answer to.
                let last = if progress.is_waiting() { Instant::now() } else { progress.last() };
                let deadline = last + limit;
                if deadline <= Instant::now() {
                    return None;
                }
                timer.as_mut().reset(deadline);
            }
        }
    }
}

/// The host that a request names: its target's, or its header's (RFC 9112 section 3.2.2, RFC 9113 section 8.3.1). `None`
/// as well when it is none; of HTTP/2 requests nobody has looked at it before.
fn host(head: &Parts) -> Option<&str> {
    let host = match head.uri.authority() {
        Some(authority) => authority.as_str(),
        None => head.headers.get(HOST)?.to_str().ok()?,
    };
    (host.is_empty() || is_host_and_port(host.as_bytes())).then_some(host)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl<T: EndOfBody> ResponseBody<T> {
    /// An answer of ours. `bodiless`: the head goes out alone, as HEAD demands.
    fn whole(bytes: Bytes, end: T, bodiless: bool) -> Self {
        if bodiless || bytes.is_empty() {
            end.complete();
            return Self::Whole(Some(bytes), None);
        }
        Self::Whole(Some(bytes), Some(end))
    }

    /// The upstream's answer.
    fn stream(stream: StreamBody, end: T, bodiless: bool) -> Self {
        if bodiless || stream.is_end_stream() {
            end.complete();
            return Self::Stream(stream, None);
        }
        Self::Stream(stream, Some(end))
    }
}
