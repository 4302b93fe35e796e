//! The life of one request, top to bottom. The only place that branches; every room that it calls does one thing.

use crate::access_log::AccessLog;
use crate::body::{BodyError, EndOfBody, ResponseBody, StreamBody};
use crate::call::{Call, Found};
use crate::error::ProxyError;
use crate::framing::ViolationCell;
use crate::identity::IdSource;
use crate::live_table::LiveTable;
use crate::metrics::Metrics;
use crate::record::Record;
use crate::request_side::Holding;
use crate::response_side::{Answer, AnswerBody};
use crate::upstream::Upstreams;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const X_AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const X_AMZ_APIGW_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
const X_AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What every request of a worker uses. Nothing in it is shared with another thread but the live table, the metrics,
/// the log's queue and the budget of bytes in memory.
pub(crate) struct Gateway {
    pub(crate) live_table: LiveTable,
    pub(crate) upstreams: Upstreams,
    pub(crate) ids: IdSource,
    pub(crate) log: AccessLog,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) listener_port: u16,
    pub(crate) holding: Holding,
}

/// What the requests of one client connection share.
pub(crate) struct ClientConnection {
    pub(crate) address: SocketAddr,
    /// Of HTTP/1 connections.
    pub(crate) violations: Option<ViolationCell>,
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
        let mut id_text = uuid::Uuid::encode_buffer();
        let request_id: &str = request_id.hyphenated().encode_lower(&mut id_text);
        let extended_request_id = self.ids.extended_request_id();
        let call = Call {
            gateway: self,
            connection,
            head: &head,
            request_id,
            extended_request_id: &extended_request_id,
            time_ms,
        };
        let mut found = Found::default();
        let answer = match refused {
            Some(violation) => Err(ProxyError::Framing(violation)),
            None => call.answer(body, &mut found, &mut record).await,
        };
        let bodiless = head.method == Method::HEAD;
        let mut response = match answer {
            Ok(answer) => respond(answer, record, bodiless),
            Err(error) => self.refuse(&error, record, &call, &found),
        };
        let headers = response.headers_mut();
        // An id is hexadecimal digits and dashes, or base64: both are header values.
        for (name, id) in [(X_AMZN_REQUEST_ID, request_id), (X_AMZ_APIGW_ID, &*extended_request_id)] {
            if let Ok(value) = HeaderValue::from_str(id) {
                headers.insert(name, value);
            }
        }
        Ok(response)
    }

    /// The gateway's own answer, as the API that the request met wants it (section e.7).
    fn refuse(
        &self,
        error: &ProxyError,
        mut record: Record,
        call: &Call<'_>,
        found: &Found,
    ) -> Response<ResponseBody<Record>> {
        let head = call.head;
        let bodiless = head.method == Method::HEAD;
        let answer = found.gateway_response(&error.answer(), call);
        record.failed(error, answer.status);
        tracing::debug!(error = error as &dyn std::error::Error, path = head.uri.path(), "answered by the gateway");
        let body_is_over = record.request.is_over();
        let body = Bytes::from(answer.body.into_owned());
        if !bodiless {
            record.response.passed(body.len());
        }
        let mut response = Response::new(ResponseBody::whole(body, record, bodiless));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, answer.content_type);
        if let Some(kind) = answer.error_type {
            headers.insert(X_AMZN_ERROR_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in answer.headers {
            headers.append(name, value);
        }
        if input_is_over(error, body_is_over) && head.version != http::Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Whether nothing sensible can follow on the connection: the request's body is broken, late or unread for good. One whose
/// content was refused leaves the connection in use when all of it has come.
fn input_is_over(error: &ProxyError, body_is_over: bool) -> bool {
    use crate::transform::collect::CollectError;
    match error {
        ProxyError::Framing(_) | ProxyError::ClientIdle | ProxyError::ClientGone => true,
        ProxyError::RequestBody(error) => match error {
            CollectError::TooLarge | CollectError::Time => true,
            CollectError::Budget => !body_is_over,
            CollectError::Body(BodyError::Idle | BodyError::Broken) => true,
            CollectError::Body(BodyError::Base64 | BodyError::Digest | BodyError::Coding | BodyError::Expansion) => {
                !body_is_over
            }
        },
        _ => false,
    }
}

/// The integration's answer, with the record in its body.
fn respond(answer: Answer, record: Record, bodiless: bool) -> Response<ResponseBody<Record>> {
    let body = match answer.body {
        AnswerBody::Stream(stream) => ResponseBody::stream(stream, record, bodiless),
        AnswerBody::Rendered(bytes) => {
            if !bodiless {
                record.response.passed(bytes.len());
            }
            ResponseBody::whole(bytes, record, bodiless)
        }
        staged @ (AnswerBody::Staged(_) | AnswerBody::Collected(_)) => {
            let body = staged.boxed();
            let progress = Rc::clone(&record.response);
            if bodiless || body.is_end_stream() {
                record.complete();
                ResponseBody::Staged(body, progress, None)
            } else {
                ResponseBody::Staged(body, progress, Some(record))
            }
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.head.status;
    *response.headers_mut() = answer.head.headers;
    response
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
