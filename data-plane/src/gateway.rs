//! The life of one request, top to bottom. The only place that branches; every room that it calls does one thing.

use crate::access_log::AccessLog;
use crate::body::{EndOfBody, Incoming, Progress, ResponseBody, StreamBody};
use crate::call::{Call, Found, host};
use crate::error::ProxyError;
use crate::framing::{FramingViolation, ViolationCell};
use crate::identity::IdSource;
use crate::ledger::WorkerLedger;
use crate::live_table::LiveTable;
use crate::message::{RequestParts, Response, ResponseParts};
use crate::metrics::WorkerMetrics;
use crate::patience::BodyLimit;
use crate::recent::WorkerRecent;
use crate::record::Record;
use crate::request_side::Holding;
use crate::response_side::{Answer, AnswerBody};
use crate::routes::WorkerRoutes;
use crate::services::Services;
use crate::settings::StalePolicy;
use crate::shares::WorkerShare;
use crate::transform::BoxedBody;
use crate::upstream::Upstreams;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue, RETRY_AFTER, WARNING,
};
use http::{Method, StatusCode};
use http_body::Body as _;
use penstock_model::function::HeaderSpelling;
use penstock_model::header_list::HeaderList;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

const X_AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const X_AMZ_APIGW_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
const X_AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Of answers under a stale configuration. Not 110 or another code of one hundred and something: these speak of a cached
/// answer, and only a cache may make them (RFC 7234 section 5.5). 299 is for people and logs, and nobody acts on it.
const STALE_WARNING: HeaderValue = HeaderValue::from_static(r#"299 - "Configuration Not Confirmed""#);

/// Headers of the gateway's own answers, as a rule: type, kind of error, ids.
const GATEWAY_HEADERS: usize = 8;

/// What every request of a worker uses. Nothing in it is shared with another thread but the live table, the metrics,
/// the log's queue, the budget of bytes in memory and the credentials for services.
pub(crate) struct Gateway {
    pub(crate) live_table: LiveTable,
    pub(crate) ledger: WorkerLedger,
    pub(crate) recent: WorkerRecent,
    pub(crate) upstreams: Upstreams,
    pub(crate) ids: IdSource,
    pub(crate) routes: WorkerRoutes,
    pub(crate) log: Rc<AccessLog>,
    pub(crate) metrics: Rc<WorkerMetrics>,
    pub(crate) share: WorkerShare,
    pub(crate) listener_port: u16,
    /// The same for `X-Forwarded-Port`.
    pub(crate) forwarded_port: HeaderValue,
    pub(crate) holding: Holding,
    pub(crate) services: Services,
    pub(crate) stale_policy: StalePolicy,
    /// What the bodies of clients keep to, in both directions.
    pub(crate) client_limit: BodyLimit,
    /// Longest silence of an upstream in the middle of an answer.
    pub(crate) upstream_limit: BodyLimit,
}

/// What the requests of one client connection share.
pub(crate) struct ClientConnection {
    pub(crate) address: SocketAddr,
    /// Of HTTP/1 connections.
    pub(crate) violations: Option<ViolationCell>,
}

/// A request as it has come.
pub(crate) struct Arrival {
    pub(crate) head: RequestParts,
    pub(crate) body: Incoming,
    /// How the client spelled the names of its headers, where somebody wants to know: HTTP/2 has them in lower case only.
    pub(crate) spelling: HeaderSpelling,
    /// Why it is none, if so.
    pub(crate) refused: Option<FramingViolation>,
}

impl Gateway {
    /// Answers one request. Never fails: what goes wrong is an answer, or a connection that ends visibly early.
    pub(crate) fn serve<'a>(
        &'a self,
        connection: &'a ClientConnection,
        arrival: Arrival,
    ) -> impl Future<Output = Response<ResponseBody<Box<Record>>>> + 'a {
        // Taken apart here, so that the future holds it once.
        let Arrival { head, body, spelling, refused } = arrival;
        async move {
            let time_ms = now_ms();
            let request_id = self.ids.request_id(head.headers.get(&X_AMZN_REQUEST_ID).map(HeaderValue::as_bytes));
            let (address, cell) = (connection.address, connection.violations.clone());
            let mut record = Record::begin(&self.log, &self.metrics, &head, request_id, address, time_ms, cell);
            let mut id_text = uuid::Uuid::encode_buffer();
            let request_id: &str = request_id.hyphenated().encode_lower(&mut id_text);
            let extended_request_id = self.ids.extended_request_id();
            let call = Call {
                gateway: self,
                connection,
                head: &head,
                host: host(&head),
                request_id,
                extended_request_id: &extended_request_id,
                time_ms,
                spelling,
            };
            let mut found = Found::default();
            let answer = match refused {
                Some(violation) => Err(ProxyError::Framing(violation)),
                None => call.answer(body, &mut found, &mut record).await,
            };
            let mut response = match answer {
                Ok(mut answer) => {
                    if record.request.is_abandoned() && head.version != http::Version::HTTP_2 {
                        answer.head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    respond(answer, record, &head.method)
                }
                Err(error) => self.refuse(&error, record, &call, &found),
            };
            let headers = &mut response.head.headers;
            // An id is hexadecimal digits and dashes, or base64: both are header values.
            insert_id(headers, X_AMZN_REQUEST_ID, HeaderValue::from_str(request_id));
            insert_id(headers, X_AMZ_APIGW_ID, HeaderValue::from_maybe_shared(Bytes::from(extended_request_id)));
            if self.stale_policy == StalePolicy::Warn && self.live_table.is_stale() {
                headers.append(WARNING, STALE_WARNING);
            }
            response
        }
    }

    /// The gateway's own answer, as the API that the request met wants it (section e.7).
    fn refuse(
        &self,
        error: &ProxyError,
        mut record: Box<Record>,
        call: &Call<'_>,
        found: &Found,
    ) -> Response<ResponseBody<Box<Record>>> {
        let head = call.head;
        let answer = found.gateway_response(&error.answer(), call);
        record.failed(error, answer.status);
        tracing::debug!(error = error as &dyn std::error::Error, path = head.uri.path(), "answered by the gateway");
        let is_last = input_is_over(error, &record.request);
        let body = Bytes::from(answer.body.into_owned());
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let length = length_of_nothing(&head.method, status, Some(body.len() as u64));
        let body = match has_no_content(&head.method, status) {
            true => ResponseBody::nothing(record),
            false => ResponseBody::whole(body, record),
        };
        let mut headers = HeaderList::with_capacity(GATEWAY_HEADERS + answer.headers.len());
        headers.extend(length);
        headers.insert(CONTENT_TYPE, answer.content_type);
        if let Some(kind) = answer.error_type {
            headers.insert(X_AMZN_ERROR_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in answer.headers {
            headers.append(name, value);
        }
        if let Some(seconds) = error.retry_after_seconds() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if is_last && head.version != http::Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Response { head: ResponseParts { status, headers }, body }
    }
}

/// Names a request in its answer.
fn insert_id(headers: &mut HeaderList, name: HeaderName, id: Result<HeaderValue, InvalidHeaderValue>) {
    let Ok(mut value) = id else { return };
    // Never the same twice, so it must not drive others out of HTTP/2's table of headers (RFC 7541 section 6.2.3).
    value.set_sensitive(true);
    headers.insert(name, value);
}

/// Whether nothing can follow on the connection: the request's framing is broken, or a part of its body unread for good. A
/// request that was refused leaves the connection in use when all of it has come; where an upstream failed, the
/// server reads what there is of the body, and ends the connection where that is not all.
fn input_is_over(error: &ProxyError, body: &Progress) -> bool {
    match error {
        ProxyError::Framing(_) | ProxyError::ClientIdle | ProxyError::ClientSlow | ProxyError::ClientGone => true,
        ProxyError::RequestBody(_) => !body.is_over(),
        _ => body.is_abandoned(),
    }
}

/// Whether the head goes out alone, whatever is said about a body (RFC 9110 sections 9.3.2, 15.3.5 and 15.4.5).
fn has_no_content(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The length that the head of an answer to HEAD states in place of the body. None where there would be none, as
/// in a 204 (RFC 9110 section 8.6).
fn length_of_nothing(method: &Method, status: StatusCode, bytes: Option<u64>) -> Option<(HeaderName, HeaderValue)> {
    let has_length = *method == Method::HEAD && status != StatusCode::NO_CONTENT;
    let bytes = bytes.filter(|&bytes| has_length && bytes > 0)?;
    Some((CONTENT_LENGTH, HeaderValue::from(bytes)))
}

/// The integration's answer, with the record in its body.
fn respond(answer: Answer, record: Box<Record>, method: &Method) -> Response<ResponseBody<Box<Record>>> {
    let Answer { head, body } = answer;
    let mut headers = head.headers;
    let body = if has_no_content(method, head.status) {
        headers.extend(length_of_nothing(method, head.status, body.exact_bytes()));
        ResponseBody::nothing(record)
    } else {
        match body {
            AnswerBody::Stream(stream) => ResponseBody::stream(stream, record),
            AnswerBody::Rendered(bytes) => ResponseBody::whole(bytes, record),
            staged @ (AnswerBody::Staged(_) | AnswerBody::Collected(_)) => ResponseBody::staged(staged.boxed(), record),
        }
    };
    Response { head: ResponseParts { status: head.status, headers }, body }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl ResponseBody<Box<Record>> {
    /// No body, and no wait for one.
    fn nothing(record: Box<Record>) -> Self {
        record.complete(Instant::now());
        Self::Whole(None, None)
    }

    /// Bytes in memory.
    fn whole(bytes: Bytes, record: Box<Record>) -> Self {
        if bytes.is_empty() {
            return Self::nothing(record);
        }
        record.response.passed(bytes.len());
        Self::Whole(Some(bytes), Some(record))
    }

    /// The upstream's answer.
    fn stream(stream: StreamBody, record: Box<Record>) -> Self {
        if stream.is_end_stream() {
            return Self::nothing(record);
        }
        Self::Stream(stream, Some(record))
    }

    /// The upstream's answer, changed on its way.
    fn staged(body: BoxedBody, record: Box<Record>) -> Self {
        if body.is_end_stream() {
            return Self::nothing(record);
        }
        let progress = Rc::clone(&record.response);
        Self::Staged(body, progress, Some(record))
    }
}
