//! An answer on its way to the client: chosen by its status, checked, converted, collected or replaced, compressed and
//! digested, each only when the configuration asks for it. In the transparent fidelity the answer of an `HTTP_PROXY` asks
//! for none of it, and the body streams.
//!
//! Called by `gateway`, which has the integration's answer; sends nothing.

use crate::body::{Progress, StreamBody};
use crate::error::ProxyError;
use crate::limits::{DECODE_LOOKAHEAD_BYTES, DECODE_LOOKAHEAD_MS, SNIFF_BYTES, SNIFF_WAIT_MS, VERIFY_LOOKAHEAD_BYTES};
use crate::request_side::{BodyText, Holding};
use crate::transform::collect::{CollectError, Collected, collect};
use crate::transform::decode::Decode;
use crate::transform::decompress::decompress;
use crate::transform::digest::Expected;
use crate::transform::discard::discard;
use crate::transform::encode::Encode;
use crate::transform::integrity::Verify;
use crate::transform::lookahead::look_ahead;
use crate::transform::lossy::Lossy;
use crate::transform::{BoxedBody, whole};
use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use http_body::Body as _;
use penstock_model::content::coding::content_codings;
use penstock_model::content::conversion::Conversion;
use penstock_model::content::media_type::{content_type_or, missing_in_response};
use penstock_model::exchange::{ClientHead, Inbound, ResponseBody, Upstream, client_head, proxied_head};
use penstock_model::header_list::HeaderList;
use penstock_model::rest_api::{Fidelity, Integrity, MissingContentType};
use penstock_model::table::{AnswerType, Outcome, ResponsePlan, Responses, Route, StageSettings, proxied};
use std::time::Duration;

/// What an integration said.
pub(crate) struct UpstreamAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderList,
    pub(crate) body: StreamBody,
}

/// What the client gets.
pub(crate) struct Answer {
    pub(crate) head: ClientHead,
    pub(crate) body: AnswerBody,
}

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// The upstream's, as it comes.
    Stream(StreamBody),
    /// The upstream's, changed on its way.
    Staged(BoxedBody),
    /// The upstream's, collected.
    Collected(Collected),
    /// Rendered from a template; empty without one.
    Rendered(Bytes),
}

impl AnswerBody {
    /// The body behind a trait object. What comes of it is counted where it is handed on, so its own count ends here.
    pub(crate) fn boxed(self) -> BoxedBody {
        match self {
            Self::Stream(body) => Box::pin(body.counted_by(Progress::new())),
            Self::Staged(body) => body,
            Self::Collected(collected) => Box::pin(collected),
            Self::Rendered(bytes) => Box::pin(whole(bytes)),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Stream(body) => body.is_end_stream(),
            Self::Staged(body) => body.is_end_stream(),
            Self::Collected(collected) => collected.bytes.is_empty(),
            Self::Rendered(bytes) => bytes.is_empty(),
        }
    }

    /// Its size, when it is known.
    pub(crate) fn exact_bytes(&self) -> Option<u64> {
        match self {
            Self::Stream(body) => body.size_hint().exact(),
            Self::Staged(body) => body.size_hint().exact(),
            Self::Collected(collected) => Some(collected.bytes.len() as u64),
            Self::Rendered(bytes) => Some(bytes.len() as u64),
        }
    }
}

/// What decides about an answer.
pub(crate) struct Outlet<'a> {
    pub(crate) inbound: Inbound<'a>,
    /// As the client sent it: a `HEAD` gets no body.
    pub(crate) method: &'a Method,
    pub(crate) route: &'a Route,
    pub(crate) trace_id: &'a str,
    pub(crate) holding: &'a Holding,
}

/// The same as [`Outlet::proxied`] for an answer that goes on as it comes, which is found without a wait. `method` and `client`
/// are the request's. Gives back any other.
pub(crate) fn proxied_at_once(
    route: &Route,
    method: &Method,
    client: &HeaderList,
    answer: UpstreamAnswer,
) -> Result<Answer, Box<UpstreamAnswer>> {
    let stage = &route.stage;
    let missing = match stage.fidelity {
        Fidelity::Transparent => None,
        Fidelity::Aws => missing_in_response(stage.missing_content_type, &[]),
    };
    let waits_for_type =
        stage.fidelity == Fidelity::Aws && waits_for_type(stage, &answer.headers) && !answer.body.is_end_stream();
    let decision = proxied(stage, declared_or(&answer.headers, missing), client);
    if stage.integrity != Integrity::Off || waits_for_type || decision.conversion != Conversion::Pass {
        return Err(Box::new(answer));
    }
    let UpstreamAnswer { status, headers, body } = answer;
    let about = ResponseBody { untouched: true, unsized_body: body.size_hint().exact().is_none() };
    let head = proxied_head(stage.fidelity, method, status, headers, about);
    Ok(Answer { head, body: AnswerBody::Stream(body) })
}

impl Outlet<'_> {
    /// The answer of an `HTTP_PROXY` (section a.8).
    ///
    /// # Errors
    /// The body cannot be converted, and the client has not heard anything yet.
    pub(crate) async fn proxied(&self, answer: UpstreamAnswer) -> Result<Answer, ProxyError> {
        let stage = &self.route.stage;
        let UpstreamAnswer { status, headers, body } = answer;
        let unsized_body = body.size_hint().exact().is_none();
        let body = self.verified(status, &headers, body).await?;
        let (body, missing) = match stage.fidelity {
            // Does the same with every type, so nobody waits for the bytes that tell it.
            Fidelity::Transparent => (body, None),
            Fidelity::Aws => self.typed(&headers, body).await?,
        };
        let decision = proxied(stage, declared_or(&headers, missing), self.inbound.headers);
        let body = self.converted(body, decision.conversion).await?;
        let untouched = decision.conversion == Conversion::Pass;
        let about = ResponseBody { untouched, unsized_body };
        let head = proxied_head(stage.fidelity, self.method, status, headers, about);
        Ok(Answer { head, body })
    }

    /// The answer of an `HTTP` integration (section f).
    ///
    /// # Errors
    /// No integration response accepts it, or it cannot be converted or read.
    pub(crate) async fn custom(&self, responses: &Responses, answer: UpstreamAnswer) -> Result<Answer, ProxyError> {
        let UpstreamAnswer { status, headers, body } = answer;
        let plan = responses.select(status.as_u16().into()).ok_or(ProxyError::NoIntegrationResponse)?;
        let body = self.verified(status, &headers, body).await?;
        self.shaped(plan, headers, body).await
    }

    /// The answer that an integration response makes of what the integration said.
    ///
    /// # Errors
    /// It cannot be converted or read.
    pub(crate) async fn shaped(
        &self,
        plan: &ResponsePlan,
        headers: HeaderList,
        body: AnswerBody,
    ) -> Result<Answer, ProxyError> {
        let unsized_body = body.exact_bytes().is_none();
        let (body, missing) = self.typed(&headers, body).await?;
        let answer = AnswerType::Of(declared_or(&headers, missing));
        let outcome = plan.decide(&self.route.stage, answer, self.inbound.headers)?;
        let Outcome { decision, template } = outcome;
        let rendered = template.map(|index| AnswerBody::Rendered(plan.templates[index].render()));
        let about = ResponseBody { untouched: plan.keeps_bytes(outcome), unsized_body };
        let body = match (rendered, plan.reads_body) {
            (Some(rendered), false) => {
                // The connection to the upstream goes on if what it sent can be thrown away at once.
                discard(body.boxed(), Duration::from_millis(SNIFF_WAIT_MS)).await;
                rendered
            }
            (rendered, true) => {
                let (body, text) = self.read(&headers, body, decision.conversion).await?;
                let head = self.custom_head(plan, &headers, Some(text.as_str()), about)?;
                return Ok(Answer { head, body: rendered.unwrap_or(body) });
            }
            (None, false) => self.converted(body, decision.conversion).await?,
        };
        let head = self.custom_head(plan, &headers, None, about)?;
        Ok(Answer { head, body })
    }

    /// The answer of a `MOCK` whose request said `status` (section g.5).
    ///
    /// # Errors
    /// No integration response accepts it, or its mappings cannot be sent.
    pub(crate) fn mocked(&self, responses: &Responses, status: i32) -> Result<Answer, ProxyError> {
        let plan = responses.select(status).ok_or(ProxyError::NoIntegrationResponse)?;
        let outcome = plan.decide(&self.route.stage, AnswerType::Nothing, self.inbound.headers)?;
        let bytes = outcome.template.map(|index| plan.templates[index].render()).unwrap_or_default();
        let nothing = HeaderList::new();
        let upstream = Upstream { inbound: self.inbound, headers: &nothing, body: Some("") };
        let about = ResponseBody { untouched: false, unsized_body: false };
        let head = client_head(self.route.stage.fidelity, plan, &upstream, None, about);
        Ok(Answer { head: head.ok_or(ProxyError::UnsendableAnswer)?, body: AnswerBody::Rendered(bytes) })
    }

    fn custom_head(
        &self,
        plan: &ResponsePlan,
        headers: &HeaderList,
        text: Option<&str>,
        about: ResponseBody,
    ) -> Result<ClientHead, ProxyError> {
        let upstream = Upstream { inbound: self.inbound, headers, body: text };
        let head = client_head(self.route.stage.fidelity, plan, &upstream, Some(self.trace_id), about);
        head.ok_or(ProxyError::UnsendableAnswer)
    }

    /// Checks the digests that the upstream announces, while the body passes.
    async fn verified(
        &self,
        status: StatusCode,
        headers: &HeaderList,
        body: StreamBody,
    ) -> Result<AnswerBody, ProxyError> {
        let bodiless = *self.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
        if self.route.stage.integrity == Integrity::Off || bodiless {
            return Ok(AnswerBody::Stream(body));
        }
        let is_part = status == StatusCode::PARTIAL_CONTENT || headers.contains(CONTENT_RANGE);
        let expected = Expected::content(headers);
        let expected = if is_part { expected } else { expected.and_then(|all| all.and_representation(headers)) };
        let expected = expected.map_err(ProxyError::ResponseDigestField)?;
        if expected.is_nothing() {
            return Ok(AnswerBody::Stream(body));
        }
        let receipt = body.progress();
        let verify = Verify::new(body.counted_by(Progress::new()), expected, receipt);
        let verify = verify.map_err(|error| ProxyError::ResponseBody(CollectError::Body(error)))?;
        let is_small = verify.size_hint().exact().is_some_and(|bytes| bytes <= VERIFY_LOOKAHEAD_BYTES as u64);
        if !is_small {
            return Ok(AnswerBody::Staged(Box::pin(verify)));
        }
        // A small answer is mostly there already, and one that is wrong can still be answered for.
        let patience = Duration::from_millis(SNIFF_WAIT_MS);
        let ahead = look_ahead(verify, VERIFY_LOOKAHEAD_BYTES, patience, &self.holding.budget).await;
        Ok(AnswerBody::Staged(Box::pin(ahead.map_err(ProxyError::ResponseBody)?)))
    }

    /// What an answer without `Content-Type` counts as.
    async fn typed(
        &self,
        headers: &HeaderList,
        body: AnswerBody,
    ) -> Result<(AnswerBody, Option<&'static str>), ProxyError> {
        let policy = self.route.stage.missing_content_type;
        if !waits_for_type(&self.route.stage, headers) || body.is_over() {
            return Ok((body, missing_in_response(policy, &[])));
        }
        let patience = Duration::from_millis(SNIFF_WAIT_MS);
        let ahead = look_ahead(body.boxed(), SNIFF_BYTES, patience, &self.holding.budget).await;
        let ahead = ahead.map_err(ProxyError::ResponseBody)?;
        let missing = missing_in_response(policy, ahead.first_bytes());
        Ok((AnswerBody::Staged(Box::pin(ahead)), missing))
    }

    /// A body that mappings read, converted, and what they read: its text without content codings. The body itself keeps
    /// those. In an unknown coding it is read as it is, and what was encoded is read as base64.
    async fn read(
        &self,
        headers: &HeaderList,
        body: AnswerBody,
        conversion: Conversion,
    ) -> Result<(AnswerBody, BodyText), ProxyError> {
        let codings = if body.is_over() { Vec::new() } else { content_codings(headers).unwrap_or_default() };
        if codings.is_empty() || conversion == Conversion::Encode {
            let body = self.converted(body, conversion).await?;
            let collected = self.collected(body).await?;
            let text = BodyText::of(collected.bytes.clone(), None);
            return Ok((AnswerBody::Collected(collected), text));
        }
        let collected = self.collected(body).await?;
        let coded = Box::pin(whole(collected.bytes.clone()));
        let bytes_max = Some(self.holding.collect_bytes_max as u64);
        let plain = decompress(coded, &codings, bytes_max, &self.holding.budget).await;
        let plain = self.collected(AnswerBody::Staged(plain.map_err(ProxyError::ResponseBody)?)).await?;
        let text = BodyText::of(plain.bytes, Some(plain.permit));
        let body = self.converted(AnswerBody::Collected(collected), conversion).await?;
        Ok((body, text))
    }

    async fn converted(&self, body: AnswerBody, conversion: Conversion) -> Result<AnswerBody, ProxyError> {
        // Text cannot fail: its look-ahead only finds the length of what is there at once.
        let (looked_at, patience_ms): (BoxedBody, u64) = match conversion {
            _ if body.is_over() => return Ok(body),
            Conversion::Pass => return Ok(body),
            Conversion::Encode => return Ok(AnswerBody::Staged(Box::pin(Encode::new(body.boxed())))),
            Conversion::Text => (Box::pin(Lossy::new(body.boxed())), SNIFF_WAIT_MS),
            Conversion::Decode => (Box::pin(Decode::new(body.boxed())), DECODE_LOOKAHEAD_MS),
        };
        let patience = Duration::from_millis(patience_ms);
        let ahead = look_ahead(looked_at, DECODE_LOOKAHEAD_BYTES, patience, &self.holding.budget).await;
        Ok(AnswerBody::Staged(Box::pin(ahead.map_err(ProxyError::ResponseBody)?)))
    }

    async fn collected(&self, body: AnswerBody) -> Result<Collected, ProxyError> {
        let collected = collect(body.boxed(), self.holding.collect_bytes_max, &self.holding.budget).await;
        collected.map_err(ProxyError::ResponseBody)
    }
}

/// Whether what an answer without `Content-Type` counts as is seen in its first bytes.
fn waits_for_type(stage: &StageSettings, headers: &HeaderList) -> bool {
    let declared = headers.get(CONTENT_TYPE).is_some_and(|value| !value.is_empty());
    !declared && stage.missing_content_type == MissingContentType::Sniff
}

/// The essence of a declared content type, or what stands in for a missing one.
fn declared_or<'a>(headers: &'a HeaderList, missing: Option<&'a str>) -> Option<&'a [u8]> {
    content_type_or(headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes), missing)
}
