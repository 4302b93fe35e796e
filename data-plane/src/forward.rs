//! One request through an upstream (sections a, c and f): the client's becomes ours, the upstream's answer the client's.

use crate::body::{Incoming, Progress, StreamBody};
use crate::call::{Call, Found};
use crate::error::ProxyError;
use crate::function::signed_by;
use crate::limits::STREAM_IDLE_TIMEOUT_MS;
use crate::message::{Response, ResponseParts};
use crate::patience::BodyLimit;
use crate::record::Record;
use crate::request_side::{BodyText, RequestSide};
use crate::response_side::{Answer, UpstreamAnswer, proxied_at_once};
use crate::routes::Met;
use crate::upstream::{Lease, UpstreamRequest};
use bytes::Bytes;
use http::StatusCode;
use http::uri::PathAndQuery;
use penstock_model::exchange::{Inbound, UpstreamHead, upstream_head};
use penstock_model::integration::ResponseTransferMode;
use penstock_model::table::{HttpPlan, HttpStyle, Route, ServiceScope};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// What the upstream gets.
struct Prepared {
    request: Box<UpstreamRequest>,
    trace_id: String,
}

impl Call<'_> {
    /// Through an upstream. Across its waits it holds as little as it can, since each request under way is that much memory.
    pub(crate) async fn exchange(
        &self,
        route: &Met,
        plan: &HttpPlan,
        body: Incoming,
        found: &Found,
        record: &mut Record,
    ) -> Result<Answer, ProxyError> {
        let intake = self.intake(route, &plan.request, false, &self.gateway.holding);
        let (Prepared { request, trace_id }, sent_at) = match intake.at_once(self.begun(body, record)) {
            Ok(side) if plan.service.is_none() => (self.prepared(route, plan, side, found)?, record.sent_at_once()),
            // On the heap, like all that most requests do not need.
            taken => (Box::pin(self.prepare(route, plan, taken, found)).await?, Instant::now()),
        };
        let (limit, progress) = (route.timeout(), &*record.request);
        let sent = match &plan.service {
            None => self.send(&plan.upstream.target, sent_at, limit, request, progress).await,
            Some(service) => Box::pin(self.send_signed(service, plan, sent_at, limit, request, progress)).await,
        };
        match self.answered(route, plan, sent?, sent_at, record)? {
            Ok(answer) => Ok(answer),
            Err(answer) => Box::pin(self.finished(route, plan, *answer, found, &trace_id, record)).await,
        }
    }

    /// Makes of a body that cannot go on at once, or is signed, what the upstream gets.
    async fn prepare(
        &self,
        route: &Met,
        plan: &HttpPlan,
        taken: Result<RequestSide, StreamBody>,
        found: &Found,
    ) -> Result<Prepared, ProxyError> {
        let mut side = match taken {
            Ok(side) => side,
            Err(body) => {
                let prepared = self.intake(route, &plan.request, false, &self.gateway.holding).prepare(body).await;
                prepared.map_err(|error| self.with_framing(error))?
            }
        };
        if let Some(service) = &plan.service {
            let ready = side.for_service(service, &self.gateway.holding).await;
            side = ready.map_err(|error| self.with_framing(error.into()))?;
        }
        self.prepared(route, plan, side, found)
    }

    /// The request for the upstream.
    fn prepared(&self, route: &Met, plan: &HttpPlan, side: RequestSide, found: &Found) -> Result<Prepared, ProxyError> {
        let RequestSide { body, about, text, template: _ } = side;
        let trace_id = self.trace_id();
        let inbound = Inbound { body: text.as_ref().map(BodyText::as_str), ..self.inbound(found) };
        let head =
            upstream_head(route, plan, &inbound, &route.fixed(plan, &self.gateway.forwarded_port), &trace_id, about)?;
        // Only the head is mapped from the body, and the right to hold the bytes ends when they are sent.
        drop(text);
        let UpstreamHead { method, target, headers } = head;
        let target = PathAndQuery::from_maybe_shared(Bytes::from(target)).map_err(|_| ProxyError::Unsendable)?;
        // On the heap, since it goes through several hands.
        Ok(Prepared { request: Box::new(UpstreamRequest { method, target, headers, body }), trace_id })
    }

    /// Sends a request to a service, which wants it signed.
    async fn send_signed(
        &self,
        service: &ServiceScope,
        plan: &HttpPlan,
        sent_at: Instant,
        limit: Duration,
        mut request: Box<UpstreamRequest>,
        progress: &Progress,
    ) -> Result<(Response<Incoming>, Lease), ProxyError> {
        let services = &self.gateway.services;
        let target = services.address(service, &plan.upstream.target, &mut request)?;
        signed_by(sent_at + limit, services.sign_request(service, &mut request)).await?;
        self.send(&target, sent_at, limit, request, progress).await
    }

    /// What an upstream has answered, as the client gets it if that is found at once.
    fn answered(
        &self,
        route: &Route,
        plan: &HttpPlan,
        (response, lease): (Response<Incoming>, Lease),
        sent_at: Instant,
        record: &mut Record,
    ) -> Result<Result<Answer, Box<UpstreamAnswer>>, ProxyError> {
        let Response { head: ResponseParts { status, headers }, body } = response;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            // `Upgrade` never passes, so nobody asked for it, and what follows is no HTTP.
            return Err(ProxyError::UnaskedUpgrade);
        }
        record.answered(status.as_u16(), sent_at, lease);
        if plan.service.is_some() {
            self.note_expiry(status, &headers);
        }
        let limit = match route.transfer {
            ResponseTransferMode::Buffered => self.gateway.upstream_limit,
            ResponseTransferMode::Stream => BodyLimit::idle(Duration::from_millis(STREAM_IDLE_TIMEOUT_MS)),
        };
        let body = StreamBody::new(body, Rc::clone(&record.response), limit);
        let answer = UpstreamAnswer { status, headers, body };
        Ok(match plan.style {
            HttpStyle::Proxy => proxied_at_once(route, &self.head.method, &self.head.headers, answer),
            HttpStyle::Custom => Err(Box::new(answer)),
        })
    }

    /// The same for an answer that has to be waited for, or is mapped.
    async fn finished(
        &self,
        route: &Route,
        plan: &HttpPlan,
        answer: UpstreamAnswer,
        found: &Found,
        trace_id: &str,
        record: &mut Record,
    ) -> Result<Answer, ProxyError> {
        let outlet = self.outlet(route, self.inbound(found), trace_id);
        match plan.style {
            HttpStyle::Proxy => outlet.proxied(answer).await,
            HttpStyle::Custom => {
                let answer = outlet.custom(&plan.responses, answer).await?;
                record.status(answer.head.status.as_u16());
                Ok(answer)
            }
        }
    }
}
