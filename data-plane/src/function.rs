//! One request through a function (sections b and k): an event is made of the request, the service is asked to invoke the
//! function with it, and an answer is made of what comes back.
//!
//! | file | subject |
//! |---|---|
//! | `event` | what the function gets |
//! | `result` | what the client gets of a result that comes whole |
//! | `streamed` | what the client gets of a result that comes as a stream |

mod event;
mod result;
mod streamed;

use crate::body::{Incoming, Progress, StreamBody};
use crate::call::{Call, Found};
use crate::error::{ProxyError, ServiceError};
use crate::message::{Response, ResponseParts};
use crate::outgoing::OutgoingBody;
use crate::record::Record;
use crate::request_side::BodyText;
use crate::response_side::Answer;
use crate::services::{Invocation, NoCredentials};
use crate::upstream::UpstreamRequest;
use http::header::HOST;
use http::{HeaderName, Method, StatusCode};
use penstock_model::exchange::{Inbound, invocation_headers};
use penstock_model::header_list::HeaderList;
use penstock_model::table::{FunctionPlan, FunctionStyle, Route};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const X_AMZ_FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const X_AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What the service has answered so far.
struct Invoked {
    head: ResponseParts,
    body: Incoming,
    /// Until when all of it must have come.
    deadline: Instant,
}

impl Invoked {
    /// Whether the function has failed, as opposed to the service.
    fn has_failed(&self) -> bool {
        self.head.headers.contains(X_AMZ_FUNCTION_ERROR)
    }
}

impl Call<'_> {
    /// Through a function.
    pub(crate) async fn function(
        &self,
        route: &Route,
        plan: &FunctionPlan,
        body: StreamBody,
        found: &Found,
        record: &mut Record,
    ) -> Result<Answer, ProxyError> {
        let trace_id = self.trace_id();
        let inbound = self.inbound(found);
        let answer = match plan.style {
            FunctionStyle::Proxy(ref plan_of_event) => {
                let event = self.event(route, plan, plan_of_event, body, &inbound, &trace_id).await?;
                let headers = invocation_headers(route, plan, &inbound, &trace_id)?;
                let invoked = self.invoke(route, plan, headers, event, record).await?;
                match plan.streams {
                    true => self.streamed(route, invoked, &trace_id).await?,
                    false => self.proxied_result(route, plan_of_event.format(), invoked, &trace_id, record).await?,
                }
            }
            FunctionStyle::Custom => {
                let (event, text) = self.custom_event(route, plan, body).await?;
                let reading = Inbound { body: text.as_ref().map(BodyText::as_str), ..inbound };
                let headers = invocation_headers(route, plan, &reading, &trace_id)?;
                // Only headers are mapped from the body.
                drop(text);
                let invoked = self.invoke(route, plan, headers, event, record).await?;
                self.custom_result(route, plan, invoked, inbound, &trace_id, record).await?
            }
        };
        record.status(answer.head.status.as_u16());
        Ok(answer)
    }

    /// Asks the service to invoke the function, and waits for the head of its answer.
    async fn invoke(
        &self,
        route: &Route,
        plan: &FunctionPlan,
        mut headers: HeaderList,
        event: OutgoingBody,
        record: &mut Record,
    ) -> Result<Invoked, ProxyError> {
        let sent_at = Instant::now();
        let deadline = sent_at + route.timeout();
        let services = &self.gateway.services;
        let Invocation { key, host, target, signed } = services.invocation(plan)?;
        headers.insert(HOST, host);
        if signed {
            let payload = event.whole_bytes().unwrap_or_default();
            let signed = services.sign_invocation(plan, &target, &mut headers, payload);
            signed_by(deadline, signed).await?;
        }
        let request = Box::new(UpstreamRequest { method: Method::POST, target, headers, body: event });
        // The event is at hand, so its way to the service is no progress of the client's.
        let now = Instant::now();
        let limit = deadline.saturating_duration_since(now);
        let (response, lease) = self.send(&key, now, limit, request, &Progress::begun(now)).await?;
        let Response { head, body } = response;
        record.answered(head.status.as_u16(), sent_at, lease);
        Ok(Invoked { head, body, deadline })
    }

    /// Has credentials loaded anew that a service calls expired.
    pub(crate) fn note_expiry(&self, status: StatusCode, headers: &HeaderList) {
        let refuses = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if refuses && error_type(headers).starts_with(b"ExpiredToken") {
            self.gateway.services.credentials_refused();
        }
    }

    /// What the service itself says no to.
    fn refused_by_service(&self, head: &ResponseParts) -> Option<ProxyError> {
        if head.status.is_success() {
            return None;
        }
        self.note_expiry(head.status, &head.headers);
        Some(ProxyError::Service(ServiceError::Refused(head.status)))
    }
}

/// A signature, if there are credentials by then.
pub(crate) async fn signed_by(
    deadline: Instant,
    signing: impl Future<Output = Result<(), ServiceError>>,
) -> Result<(), ProxyError> {
    let signed = timeout_at(deadline, signing).await;
    signed.unwrap_or(Err(ServiceError::Credentials(NoCredentials::Time))).map_err(ProxyError::Service)
}

/// What kind of error the service names.
fn error_type(headers: &HeaderList) -> &[u8] {
    headers.get(X_AMZN_ERROR_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default()
}

/// Time until then, for whoever takes a duration.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
