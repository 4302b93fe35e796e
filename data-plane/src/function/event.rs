//! What a function gets: an event made of the request (sections b.2 and b.5), or what a custom integration makes of its
//! body (section b.4).

use crate::body::StreamBody;
use crate::call::Call;
use crate::error::ProxyError;
use crate::limits::EVENT_TEXT_PIECE_BYTES;
use crate::outgoing::OutgoingBody;
use crate::request_side::{BodyText, Holding};
use crate::transform::collect::{CollectError, Encoded, collect, collect_encoded};
use crate::transform::whole;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::Body;
use penstock_model::content::media_type::missing_in_request;
use penstock_model::exchange::{BodyLength, Inbound};
use penstock_model::function::event::{close_body, open_body};
use penstock_model::function::{EventFacts, FunctionEventPlan, is_binary_request, push_text};
use penstock_model::rest_api::{Fidelity, MissingContentType};
use penstock_model::table::{FunctionPlan, Route};

/// An event without a body, where nothing is rendered and nothing was sent (section b.4).
const EMPTY_EVENT: &[u8] = b"{}";

/// What stands around a body in its event, in bytes: `,"body":"` and `","isBase64Encoded":false}`.
const BODY_FRAME_BYTES: usize = 34;

/// What a byte of a text may become in JSON, in bytes: `\u0000`.
const ESCAPED_BYTES_MAX: usize = 6;

/// Stands for each sequence that is no UTF-8 (section a.2).
const REPLACEMENT: &str = "\u{fffd}";

impl Call<'_> {
    /// The event of an `AWS_PROXY` integration, whole: a signature covers all of it. A body is held once, as the base64 of
    /// its event, where its type says beforehand that it is binary; text is held beside its event while that is written.
    pub(super) async fn event(
        &self,
        route: &Route,
        plan: &FunctionPlan,
        event: &FunctionEventPlan,
        body: StreamBody,
        inbound: &Inbound<'_>,
        trace_id: &str,
    ) -> Result<OutgoingBody, ProxyError> {
        let holding = &self.gateway.services.holding;
        let side = self.take_in(route, &plan.request, false, body, holding).await?;
        let facts = EventFacts {
            inbound,
            stage: &route.stage,
            spelling: &self.spelling,
            listener_port: self.gateway.listener_port,
            trace_id,
        };
        let head = event.head(&facts);
        let made = match side.body.length() {
            BodyLength::Empty => bodiless(event, head, holding).await,
            BodyLength::Exactly(_) | BodyLength::Unknown => self.with_body(route, event, head, side.body).await,
        };
        made.map_err(|error| self.with_framing(error.into()))
    }

    async fn with_body(
        &self,
        route: &Route,
        event: &FunctionEventPlan,
        head: Vec<u8>,
        body: OutgoingBody,
    ) -> Result<OutgoingBody, CollectError> {
        let holding = &self.gateway.services.holding;
        let headers = &self.head.headers;
        let policy = route.stage.missing_content_type;
        let declared = headers.get(CONTENT_TYPE).is_some_and(|value| !HeaderValue::is_empty(value));
        let sniffs = !declared && policy == MissingContentType::Sniff;
        let is_binary =
            |bytes: &[u8]| is_binary_request(event.format(), &route.stage, headers, missing_in_request(policy, bytes));
        if !sniffs && is_binary(&[]) {
            return base64(event, head, body, holding).await;
        }
        let collected = collect(body, holding.collect_bytes_max, &holding.budget).await?;
        let bytes = collected.bytes;
        if bytes.is_empty() {
            return bodiless(event, head, holding).await;
        }
        let is_text = match route.stage.fidelity {
            _ if sniffs && is_binary(&bytes) => false,
            // What is no text would be damaged; the flag says what it is instead.
            Fidelity::Transparent => std::str::from_utf8(&bytes).is_ok(),
            Fidelity::Aws => true,
        };
        match is_text {
            true => text(head, &bytes, holding).await,
            false => base64(event, head, whole(bytes.clone()), holding).await,
        }
    }

    /// What a custom integration sends, and the client's body as text where a mapping reads it.
    pub(super) async fn custom_event(
        &self,
        route: &Route,
        plan: &FunctionPlan,
        body: StreamBody,
    ) -> Result<(OutgoingBody, Option<BodyText>), ProxyError> {
        let side = self.take_in(route, &plan.request, true, body, &self.gateway.services.holding).await?;
        let event = match side.template {
            None if side.body.length() == BodyLength::Empty => OutgoingBody::rendered(Bytes::from_static(EMPTY_EVENT)),
            _ => side.body,
        };
        Ok((event, side.text.filter(|_| plan.request.reads_body)))
    }
}

async fn bodiless(
    plan: &FunctionEventPlan,
    mut event: Vec<u8>,
    holding: &Holding,
) -> Result<OutgoingBody, CollectError> {
    plan.finish_without_body(&mut event);
    let permit = holding.permit(event.capacity()).await?;
    Ok(OutgoingBody::collected(event.into(), permit))
}

async fn base64<B>(
    plan: &FunctionEventPlan,
    mut event: Vec<u8>,
    body: B,
    holding: &Holding,
) -> Result<OutgoingBody, CollectError>
where
    B: Body<Data = Bytes, Error = crate::body::BodyError> + Unpin,
{
    let head_bytes = event.len();
    open_body(&mut event);
    let opened_bytes = event.len();
    let encoded = collect_encoded(body, event, BODY_FRAME_BYTES, holding.collect_bytes_max, &holding.budget);
    let Encoded { bytes: mut event, permit } = encoded.await?;
    if event.len() == opened_bytes {
        // What was announced as a body of unknown length was none (section a.7).
        event.truncate(head_bytes);
        plan.finish_without_body(&mut event);
    } else {
        close_body(&mut event, true);
    }
    Ok(OutgoingBody::collected(event.into(), permit))
}

/// Piece by piece, because nobody knows before how much longer the escapes make it, and what stands for what is no UTF-8.
async fn text(mut event: Vec<u8>, text: &[u8], holding: &Holding) -> Result<OutgoingBody, CollectError> {
    open_body(&mut event);
    let bytes_max = holding.collect_bytes_max.saturating_sub(BODY_FRAME_BYTES);
    let expected = event.len().saturating_add(text.len());
    if expected > bytes_max {
        return Err(CollectError::TooLarge);
    }
    let mut permit = holding.permit(expected + BODY_FRAME_BYTES).await?;
    event.reserve_exact(text.len() + BODY_FRAME_BYTES);
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(EVENT_TEXT_PIECE_BYTES));
            rest = behind;
            permit.cover(event.len() + ESCAPED_BYTES_MAX * piece.len()).await?;
            push_text(&mut event, piece);
        }
        if !chunk.invalid().is_empty() {
            permit.cover(event.len() + REPLACEMENT.len()).await?;
            push_text(&mut event, REPLACEMENT);
        }
        if event.len() > bytes_max {
            return Err(CollectError::TooLarge);
        }
    }
    close_body(&mut event, false);
    permit.cover(event.capacity()).await?;
    Ok(OutgoingBody::collected(event.into(), permit))
}
