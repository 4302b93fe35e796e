//! What the client gets of a result that comes whole (sections b.3, b.4, b.6 and f).

use super::{Invoked, error_type};
use crate::body::{BodyError, Progress, StreamBody};
use crate::call::Call;
use crate::error::{ProxyError, ServiceError};
use crate::limits::FUNCTION_RESULT_EXTRA_BYTES;
use crate::record::Record;
use crate::response_side::{Answer, AnswerBody};
use crate::transform::collect::{CollectError, Collected, collect, decode_in_place};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use penstock_model::content::conversion::Conversion;
use penstock_model::exchange::{Inbound, function_head};
use penstock_model::function::{
    FunctionAnswer, FunctionHead, PayloadFormat, bare_string, error_message, read_answer, read_prelude,
};
use penstock_model::table::{AnswerType, FunctionPlan, Route};
use std::borrow::Cow;
use tokio::time::timeout_at;

impl Call<'_> {
    /// Of an `AWS_PROXY` integration.
    pub(super) async fn proxied_result(
        &self,
        route: &Route,
        format: PayloadFormat,
        invoked: Invoked,
        trace_id: &str,
        record: &mut Record,
    ) -> Result<Answer, ProxyError> {
        if let Some(refused) = self.refused_by_service(&invoked.head) {
            return Err(refused);
        }
        let has_failed = invoked.has_failed();
        let Collected { bytes, permit, .. } = self.document(invoked, record).await?;
        if has_failed {
            return Err(ProxyError::Service(ServiceError::Function(format)));
        }
        let FunctionAnswer { status, headers, body, is_base64 } = read_answer(format, &bytes)
            .or_else(|problem| streamed_but_whole(&bytes).ok_or(problem))
            .map_err(|problem| ProxyError::Service(ServiceError::Answer(format, problem)))?;
        let head = function_head(route.stage.fidelity, status, headers, trace_id);
        // What was unescaped is beside the document, what was not is in it.
        let place = match body {
            Cow::Borrowed(text) => Ok(place_of(&bytes, text)),
            Cow::Owned(text) => Err(Bytes::from(text)),
        };
        let (bytes, place) = match place {
            Ok(place) => (bytes, place),
            Err(text) => {
                let all = 0..text.len();
                (text, all)
            }
        };
        let decodes = is_base64
            && match format {
                PayloadFormat::V1 => {
                    route.stage.media_types.matches_accept(&self.head.headers, route.stage.accept_policy)
                }
                PayloadFormat::V2 => true,
            };
        let bytes = match decodes {
            true => decode_in_place(bytes, place).map_err(undecodable)?,
            false => bytes.slice(place),
        };
        Ok(Answer { head, body: AnswerBody::Collected(Collected { bytes, trailers: None, permit }) })
    }

    /// Of an `AWS` integration: the function's JSON is the body, and its error's message chooses the response.
    pub(super) async fn custom_result(
        &self,
        route: &Route,
        plan: &FunctionPlan,
        invoked: Invoked,
        inbound: Inbound<'_>,
        trace_id: &str,
        record: &mut Record,
    ) -> Result<Answer, ProxyError> {
        // An event that is no JSON is refused by the service, and the default response answers that (section b.4).
        let is_about_the_event = invoked.head.status == StatusCode::BAD_REQUEST
            && error_type(&invoked.head.headers).starts_with(b"InvalidRequestContentException");
        if !is_about_the_event && let Some(refused) = self.refused_by_service(&invoked.head) {
            return Err(refused);
        }
        let has_failed = invoked.has_failed();
        let headers = invoked.head.headers.clone();
        let mut collected = self.document(invoked, record).await?;
        let message = if has_failed { error_message(&collected.bytes) } else { Cow::Borrowed("") };
        let response = plan.responses.select_message(&message).ok_or(ProxyError::NoIntegrationResponse)?;
        let content_type = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        let outcome = response.decide(&route.stage, AnswerType::Of(content_type), &self.head.headers)?;
        if outcome.decision.conversion == Conversion::Decode
            && let Some(text) = bare_string(&collected.bytes)
        {
            // A result that is a string is base64 without the quotes that make it JSON.
            collected.bytes = match text {
                Cow::Borrowed(text) => collected.bytes.slice(place_of(&collected.bytes, text)),
                Cow::Owned(text) => text.into(),
            };
        }
        let outlet = self.outlet(route, inbound, trace_id);
        outlet.shaped(response, headers, AnswerBody::Collected(collected)).await
    }

    /// The service's answer to its end, after which its connection is free for others.
    async fn document(&self, invoked: Invoked, record: &mut Record) -> Result<Collected, ProxyError> {
        let holding = &self.gateway.services.holding;
        let body = StreamBody::new(invoked.body, Progress::new(), self.gateway.upstream_limit);
        let bytes_max = holding.collect_bytes_max.saturating_add(FUNCTION_RESULT_EXTRA_BYTES);
        let collected = collect(body, bytes_max, &holding.budget);
        let collected = match timeout_at(invoked.deadline, collected).await {
            Ok(collected) => collected.map_err(ProxyError::ResponseBody)?,
            Err(_) => return Err(ProxyError::ResponseTimeout),
        };
        record.upstream_is_done();
        Ok(collected)
    }
}

/// A function that writes a stream behind an integration that does not want one: status and headers count, the body is lost
/// (section k).
fn streamed_but_whole(bytes: &[u8]) -> Option<FunctionAnswer<'static>> {
    let (FunctionHead { status, headers }, _) = read_prelude(bytes).ok()??;
    Some(FunctionAnswer { status, headers, body: Cow::Borrowed(""), is_base64: false })
}

fn undecodable(error: BodyError) -> ProxyError {
    ProxyError::ResponseBody(CollectError::Body(error))
}

/// Where in the document a part of it stands.
fn place_of(document: &Bytes, part: &str) -> std::ops::Range<usize> {
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr() as usize - document.as_ptr() as usize;
    start..start + part.len()
}
