//! [`Call`]: one request on its way through its route.

use crate::body::{BodyError, Incoming, Progress, StreamBody};
use crate::deadline::Deadline;
use crate::error::ProxyError;
use crate::finish::Finish;
use crate::framing::{ViolationCell, is_host_and_port};
use crate::gateway::{ClientConnection, Gateway};
use crate::message::{RequestParts, Response};
use crate::record::Record;
use crate::request_side::{BodyText, Holding, Intake, RequestSide, throw_away};
use crate::response_side::{Answer, Outlet};
use crate::routes::Met;
use crate::settings::StalePolicy;
use crate::transform::collect::CollectError;
use crate::upstream::{Lease, TargetKey, UpstreamRequest};
use base64::Engine as _;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Version};
use penstock_model::content::mock;
use penstock_model::exchange::{Inbound, X_AMZN_TRACE_ID, effective_method};
use penstock_model::function::HeaderSpelling;
use penstock_model::gateway_response::{GatewayError, GatewayResponse, is_signature};
use penstock_model::table::{LocateError, MockPlan, Plan, RequestPlan, Route, StageSettings};
use sha2::{Digest as _, Sha256};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// One request on its way.
pub(crate) struct Call<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) connection: &'a ClientConnection,
    pub(crate) head: &'a RequestParts,
    /// That the head names; `None` when it names none.
    pub(crate) host: Option<&'a str>,
    pub(crate) request_id: &'a str,
    pub(crate) extended_request_id: &'a str,
    pub(crate) time_ms: u64,
    /// How the client spelled the names of its headers, as far as anybody needs to know.
    pub(crate) spelling: HeaderSpelling,
}

/// What a request met, as far as it came. Found once, from one table.
#[derive(Default)]
pub(crate) struct Found {
    /// Where no route was found, which has it too. What is counted for each holder is shared by all cores, so it is held once.
    stage: Option<Arc<StageSettings>>,
    route: Option<Met>,
    /// The method that the route was looked for with.
    method: Method,
    /// Where in the request's path the part behind stage or base path begins.
    route_path_at: usize,
    /// Length of what the base path mapping matched, behind all but the last of the path's leading slashes.
    base_path_bytes: usize,
}

impl Found {
    /// The gateway's own answer, as the stage wants it that the request met.
    pub(crate) fn gateway_response(&self, error: &GatewayError, call: &Call<'_>) -> GatewayResponse {
        match self.route.as_ref().map(|route| &route.stage).or(self.stage.as_ref()) {
            Some(stage) => stage.gateway_responses.answer(error, &call.inbound(self)),
            None => error.default_response(),
        }
    }
}

impl Call<'_> {
    /// Finds the route and goes through it.
    ///
    /// # Errors
    /// Why the gateway answers instead of the integration.
    pub(crate) async fn answer(
        &self,
        body: Incoming,
        found: &mut Found,
        record: &mut Record,
    ) -> Result<Answer, ProxyError> {
        let looked = self.route(found, record);
        let found = &*found;
        let route = match (looked, &found.route) {
            (Ok(()), Some(route)) => route,
            // Not even to be thrown away.
            (Err(refused @ ProxyError::Overloaded), _) => return Err(refused),
            (looked, _) => {
                let body = self.begun(body, record);
                Box::pin(throw_away(body, &self.head.headers, &record.request)).await;
                return Err(looked.err().unwrap_or_else(|| self.no_route()));
            }
        };
        let answer = match &route.plan {
            Plan::Http(plan) => self.exchange(route, plan, body, found, record).await?,
            // On the heap, like all that most requests do not need: the room for it would be part of each otherwise.
            Plan::Function(plan) => {
                Box::pin(self.function(route, plan, self.begun(body, record), found, record)).await?
            }
            Plan::Mock(plan) => Box::pin(self.mock(route, plan, self.begun(body, record), found, record)).await?,
            Plan::Fail(problem) => {
                let body = self.begun(body, record);
                Box::pin(throw_away(body, &self.head.headers, &record.request)).await;
                return Err(ProxyError::Route(problem.clone()));
            }
        };
        let finish = Finish {
            route,
            method: &self.head.method,
            version: self.head.version,
            headers: &self.head.headers,
            holding: &self.gateway.holding,
        };
        match finish.is_needed() {
            true => Box::pin(finish.touch(answer, &record.response)).await,
            false => Ok(answer),
        }
    }

    /// Checks what routing needs of the head, and routes.
    fn route(&self, found: &mut Found, record: &mut Record) -> Result<(), ProxyError> {
        let host = self.host.ok_or(ProxyError::MissingHost)?;
        // The grammar of HTTP/1 has refused it already.
        let is_checked = self.head.version != Version::HTTP_2;
        if !is_checked && !self.head.uri.path_and_query().is_none_or(|target| target.as_str().is_ascii()) {
            return Err(ProxyError::TargetByte);
        }
        if self.head.uri.path() == "*" {
            // The server as a whole (RFC 9112 section 3.2.4), which is no resource of any API.
            return Err(self.no_route());
        }
        self.find(host, found, record)
    }

    /// The one load of the routing table. Nothing of the table but the route and its stage's settings outlives this call.
    fn find(&self, host: &str, found: &mut Found, record: &mut Record) -> Result<(), ProxyError> {
        self.gateway.live_table.read(|table| {
            let path = self.head.uri.path();
            found.method = effective_method(&self.head.method, &self.head.headers);
            self.gateway.recent.note(&found.method, host, path);
            let located = table.locate(host, path);
            let stage = located.as_ref().ok().map(|found| found.stage.choose(|| self.gateway.ids.percent()));
            let route_path = located.as_ref().map_or(path, |found| found.route_path);
            let route = stage.and_then(|stage| stage.resolve(&found.method, route_path));
            found.route_path_at = path.len() - route_path.len();
            found.base_path_bytes = located.as_ref().map_or(0, |found| found.base_path.len());
            found.stage = stage.filter(|_| route.is_none()).map(|stage| Arc::clone(stage.settings()));
            found.route = route.map(|route| self.gateway.routes.met(table.version(), route));
            let settings = stage.map(|stage| stage.settings());
            record.routed(&self.gateway.ledger, host, table.version(), settings, route);
            record.counted(settings.and_then(|stage| self.gateway.live_table.measuring().counters(stage)));
            // Behind the look into the table, so that the stage says how the answer looks; before its result, since what is
            // not there may have come meanwhile.
            if self.gateway.metrics.sheds() {
                return Err(ProxyError::Overloaded);
            }
            if self.gateway.stale_policy == StalePolicy::Refuse && self.gateway.live_table.is_stale() {
                return Err(ProxyError::Stale);
            }
            located.map_err(|error| match error {
                LocateError::UnknownHost => ProxyError::UnknownHost,
                LocateError::UnknownStage => ProxyError::UnknownStage,
            })?;
            found.route.as_ref().map(drop).ok_or_else(|| self.no_route())
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

    /// The request as mappings see it.
    pub(crate) fn inbound<'b>(&'b self, found: &'b Found) -> Inbound<'b> {
        let path = self.head.uri.path();
        let slashes = path.bytes().take_while(|&byte| byte == b'/').count().saturating_sub(1);
        Inbound {
            uri: &self.head.uri,
            version: self.head.version,
            headers: &self.head.headers,
            method: &found.method,
            host: self.host.unwrap_or_default(),
            base_path: path.get(slashes..slashes + found.base_path_bytes).unwrap_or_default(),
            route_path: path.get(found.route_path_at..).unwrap_or("/"),
            resource: found.route.as_deref().map(|route| &route.resource),
            request_id: self.request_id,
            extended_request_id: self.extended_request_id,
            client: self.connection.address,
            time_ms: self.time_ms,
            body: None,
        }
    }

    /// The client's body, counted and bounded.
    pub(crate) fn begun(&self, body: Incoming, record: &Record) -> StreamBody {
        StreamBody::new(body, Rc::clone(&record.request), self.gateway.client_limit)
    }

    /// What decides about it.
    pub(crate) fn intake<'b>(
        &'b self,
        route: &'b Route,
        plan: &'b RequestPlan,
        read_when_passed: bool,
        holding: &'b Holding,
    ) -> Intake<'b> {
        Intake { headers: &self.head.headers, stage: &route.stage, plan, read_when_passed, holding }
    }

    /// Makes of the client's body what the integration gets.
    pub(crate) async fn take_in(
        &self,
        route: &Route,
        plan: &RequestPlan,
        read_when_passed: bool,
        body: StreamBody,
        holding: &Holding,
    ) -> Result<RequestSide, ProxyError> {
        let intake = self.intake(route, plan, read_when_passed, holding);
        match intake.at_once(body) {
            Ok(side) => Ok(side),
            Err(body) => Box::pin(intake.prepare(body)).await.map_err(|error| self.with_framing(error)),
        }
    }

    /// The trace id that goes on (section c.5).
    pub(crate) fn trace_id(&self) -> String {
        let from_client = self.head.headers.get(X_AMZN_TRACE_ID).and_then(|value| value.to_str().ok());
        self.gateway.ids.trace_id(from_client, self.time_ms)
    }

    pub(crate) fn outlet<'b>(&'b self, route: &'b Route, inbound: Inbound<'b>, trace_id: &'b str) -> Outlet<'b> {
        Outlet { inbound, method: &self.head.method, route, trace_id, holding: &self.gateway.holding }
    }

    /// Through nothing: the request template says the status (section g.5).
    async fn mock(
        &self,
        route: &Route,
        plan: &MockPlan,
        body: StreamBody,
        found: &Found,
        record: &mut Record,
    ) -> Result<Answer, ProxyError> {
        let side = self.take_in(route, &plan.request, true, body, &self.gateway.holding).await?;
        let status = match side.template {
            Some(index) => plan.statuses.get(index).copied().flatten(),
            None => side.text.as_ref().and_then(|text| mock::status_code(text.as_str())),
        };
        let status = status.ok_or(ProxyError::NoMockStatus)?;
        let inbound = Inbound { body: side.text.as_ref().map(BodyText::as_str), ..self.inbound(found) };
        let answer = self.outlet(route, inbound, "").mocked(&plan.responses, status)?;
        record.status(answer.head.status.as_u16());
        Ok(answer)
    }

    /// Sends a request now and waits for the head of the answer, at most for `limit` behind the last byte of the request.
    pub(crate) async fn send(
        &self,
        key: &TargetKey,
        now: Instant,
        limit: Duration,
        request: Box<UpstreamRequest>,
        progress: &Progress,
    ) -> Result<(Response<Incoming>, Lease), ProxyError> {
        let sent = pin!(self.gateway.upstreams.send(key, request));
        let result = within(now, limit, progress, sent).await.unwrap_or(Err(ProxyError::ResponseTimeout));
        // A request that could not be sent because its body broke off is the client's doing.
        result.map_err(|error| match progress.failure() {
            None => error,
            Some(failure) => self.with_framing(CollectError::Body(failure).into()),
        })
    }

    /// A body that ends early may have broken the framing, which says more.
    pub(crate) fn with_framing(&self, error: ProxyError) -> ProxyError {
        let is_cut =
            matches!(error, ProxyError::ClientGone | ProxyError::RequestBody(CollectError::Body(BodyError::Broken)));
        let violation = is_cut.then(|| self.connection.violations.as_ref().and_then(ViolationCell::in_body)).flatten();
        violation.map_or(error, ProxyError::Framing)
    }
}

/// Waits for the response head at most `limit` after the last byte of the request went on: an upload may take hours and
/// may pause, which is the body's own idle limit's business; an upstream that has everything may not. `None` when the
/// time is over.
async fn within<T>(
    now: Instant,
    limit: Duration,
    progress: &Progress,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut deadline = Deadline::new(now + limit);
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        while deadline.poll(cx).is_ready() {
            // While the client owes the next byte, the upstream has nothing to answer to.
            let last = if progress.is_waiting() { Instant::now() } else { progress.last() };
            if last + limit <= Instant::now() {
                return Poll::Ready(None);
            }
            deadline.set(last + limit);
        }
        Poll::Pending
    })
    .await
}

/// The host that a request names: its target's, or its header's (RFC 9112 section 3.2.2, RFC 9113 section 8.3.1). `None`
/// as well when it is none; the grammar of HTTP/1 has looked at it before.
pub(crate) fn host(head: &RequestParts) -> Option<&str> {
    let host = match head.uri.authority() {
        Some(authority) => authority.as_str(),
        None => head.headers.get(HOST)?.to_str().ok()?,
    };
    (head.version != Version::HTTP_2 || host.is_empty() || is_host_and_port(host.as_bytes())).then_some(host)
}
