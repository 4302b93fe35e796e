//! A request body on its way to the integration: checked, decompressed, converted, collected or replaced, each only when
//! the configuration asks for it. In the transparent fidelity an `HTTP_PROXY` asks for none of it, and the body streams.
//!
//! Called by `gateway`, which has found the route; sends nothing.

use crate::body::{BodyError, Progress, StreamBody};
use crate::error::ProxyError;
use crate::limits::{COLLECT_TIMEOUT_MS, DECODE_LOOKAHEAD_BYTES, DECODE_LOOKAHEAD_MS, DISCARD_WAIT_MS, SNIFF_BYTES};
use crate::outgoing::OutgoingBody;
use crate::transform::collect::{CollectBudget, CollectError, Collected, Permit, collect};
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
use http::header::{CONTENT_RANGE, CONTENT_TYPE, EXPECT};
use http_body::Body;
use http_body_util::BodyExt as _;
use penstock_model::content::coding::Coding;
use penstock_model::content::conversion::Conversion;
use penstock_model::content::media_type::missing_in_request;
use penstock_model::exchange::{BodyLength, RequestBody};
use penstock_model::header_list::HeaderList;
use penstock_model::rest_api::{Integrity, MissingContentType};
use penstock_model::table::{BodyWay, Outcome, Passage, RequestPlan, ServiceScope, StageSettings};
use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout;

/// How much of bodies may be held in memory.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    /// Of the whole process.
    pub(crate) budget: CollectBudget,
    /// Largest body that is collected, in bytes.
    pub(crate) collect_bytes_max: usize,
}

impl Holding {
    /// The right to hold this many bytes.
    ///
    /// # Errors
    /// Others hold the rest, and went on doing so.
    pub(crate) async fn permit(&self, bytes: usize) -> Result<Permit, CollectError> {
        let mut permit = self.budget.permit();
        permit.cover(bytes).await?;
        Ok(permit)
    }
}

/// What a request body has become.
pub(crate) struct RequestSide {
    /// What is sent.
    pub(crate) body: OutgoingBody,
    /// What the head must know about it.
    pub(crate) about: RequestBody,
    /// The body as text for whoever maps from it; `None` when nobody does.
    pub(crate) text: Option<BodyText>,
    /// The template that was chosen, by index.
    pub(crate) template: Option<usize>,
}

impl RequestSide {
    /// The same for a service that is called with a signature: that covers the body, or its length is known.
    ///
    /// # Errors
    /// It must be collected, and cannot be.
    pub(crate) async fn for_service(mut self, service: &ServiceScope, holding: &Holding) -> Result<Self, CollectError> {
        let streams = service.streams_bodies && self.about.length != BodyLength::Unknown;
        if streams || self.body.whole_bytes().is_some() || self.about.length == BodyLength::Empty {
            return Ok(self);
        }
        let collected = collect(self.body, holding.collect_bytes_max, &holding.budget).await?;
        self.body = OutgoingBody::collected(collected.bytes, collected.permit);
        self.about.length = self.body.length();
        Ok(self)
    }
}

/// A body as those see it who read it as text (section a.2): shared with the bytes unless they had to be repaired.
pub(crate) struct BodyText {
    text: Cow<'static, str>,
    bytes: Bytes,
    /// Of bytes that only this text holds.
    _permit: Option<Permit>,
}

impl BodyText {
    /// The text of these bytes.
    pub(crate) fn of(bytes: Bytes, permit: Option<Permit>) -> Self {
        match String::from_utf8_lossy(&bytes) {
            Cow::Borrowed(_) => Self { text: Cow::Borrowed(""), bytes, _permit: permit },
            Cow::Owned(text) => Self { text: Cow::Owned(text), bytes: Bytes::new(), _permit: permit },
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        // Bytes are only kept when they are UTF-8.
        if self.bytes.is_empty() { &self.text } else { std::str::from_utf8(&self.bytes).unwrap_or_default() }
    }
}

/// What decides about a request body.
pub(crate) struct Intake<'a> {
    pub(crate) headers: &'a HeaderList,
    pub(crate) stage: &'a StageSettings,
    pub(crate) plan: &'a RequestPlan,
    /// Whether the body is read although no mapping does: a `MOCK` looks for its status in it.
    pub(crate) read_when_passed: bool,
    pub(crate) holding: &'a Holding,
}

/// A body between two stages.
enum Flow {
    /// Nothing has touched it.
    Direct(StreamBody),
    Staged(BoxedBody),
}

impl Flow {
    fn is_over(&self) -> bool {
        match self {
            Self::Direct(body) => body.is_end_stream(),
            Self::Staged(body) => body.is_end_stream(),
        }
    }

    fn boxed(self) -> BoxedBody {
        match self {
            Self::Direct(body) => Box::pin(body),
            Self::Staged(body) => body,
        }
    }
}

impl Intake<'_> {
    /// The same as [`Self::prepare`] for a body that goes on as it comes, which is found without a wait. Gives back any other.
    pub(crate) fn at_once(&self, body: StreamBody) -> Result<RequestSide, StreamBody> {
        let has_body = !body.is_end_stream();
        if self.stage.integrity != Integrity::Off || has_body && self.waits_for_type() {
            return Err(body);
        }
        let missing = missing_in_request(self.stage.missing_content_type, &[]);
        let decided = self.decide(missing, has_body);
        let passes = decided.is_ok_and(|(_, way)| way.passage == Passage::Stream && way.untouched);
        if !passes {
            return Err(body);
        }
        let body = OutgoingBody::Stream(body);
        let about = RequestBody { length: body.length(), untouched: true };
        Ok(RequestSide { body, about, text: None, template: None })
    }

    /// Whether what a body without `Content-Type` counts as is seen in its first bytes.
    fn waits_for_type(&self) -> bool {
        let declared = self.headers.get(CONTENT_TYPE).is_some_and(|value| !value.is_empty());
        // Where the same becomes of every type, nobody waits for the bytes that tell it.
        let idle = self.plan.ignores_type(self.stage.fidelity);
        !declared && !idle && self.stage.missing_content_type == MissingContentType::Sniff
    }

    /// Makes of the client's body what the integration gets. Returns as soon as that can be sent: at once for bodies that
    /// stream, behind the look-ahead for those that are decoded, behind the end for those that are read.
    ///
    /// # Errors
    /// The request is refused, or its body is.
    pub(crate) async fn prepare(&self, body: StreamBody) -> Result<RequestSide, ProxyError> {
        let progress = body.progress();
        let on_its_way = Rc::clone(&progress);
        let flow = self.verified(body)?;
        let verifies = matches!(flow, Flow::Staged(_));
        let (flow, missing) = self.typed(flow).await?;
        let (outcome, way) = match self.decide(missing, !flow.is_over()) {
            Ok(decided) => decided,
            Err(refused) => {
                throw_away(flow.boxed(), self.headers, &progress).await;
                return Err(refused);
            }
        };
        let flow = match way.passage {
            Passage::Discard => flow,
            Passage::Collect | Passage::LookAhead | Passage::Stream => {
                converted(self.decompressed(flow, &way.decompress).await?, outcome.decision.conversion)
            }
        };
        let mut text = None;
        let body = match way.passage {
            Passage::Collect => {
                let collected = collect(flow.boxed(), self.holding.collect_bytes_max, &self.holding.budget).await?;
                text = Some(self.text(&collected, &way.decompress_to_read).await?);
                OutgoingBody::collected(collected.bytes, collected.permit)
            }
            Passage::Discard => {
                match verifies {
                    true => drain(flow.boxed()).await?,
                    false => throw_away(flow.boxed(), self.headers, &progress).await,
                }
                OutgoingBody::rendered(Bytes::new())
            }
            Passage::LookAhead => {
                let patience = Duration::from_millis(DECODE_LOOKAHEAD_MS);
                let ahead = look_ahead(flow.boxed(), DECODE_LOOKAHEAD_BYTES, patience, &self.holding.budget).await?;
                OutgoingBody::Staged(Box::pin(ahead), progress)
            }
            Passage::Stream => match flow {
                Flow::Direct(stream) => OutgoingBody::Stream(stream),
                Flow::Staged(body) => OutgoingBody::Staged(body, progress),
            },
        };
        // Whoever looked ahead asks no more. The sender's time begins anew when the integration asks.
        on_its_way.unasked();
        let template = outcome.template;
        let body = match template {
            Some(index) => OutgoingBody::rendered(self.plan.templates()[index].render()),
            None => body,
        };
        let about = RequestBody { length: body.length(), untouched: way.untouched };
        Ok(RequestSide { body, about, text, template })
    }

    /// Checks the digests that the client announces, while the body passes.
    fn verified(&self, body: StreamBody) -> Result<Flow, ProxyError> {
        if self.stage.integrity == Integrity::Off {
            return Ok(Flow::Direct(body));
        }
        let expected = Expected::content(self.headers);
        let expected = match self.headers.contains(CONTENT_RANGE) {
            true => expected,
            false => expected.and_then(|content| content.and_representation(self.headers)),
        };
        let expected = expected.map_err(ProxyError::RequestDigestField)?;
        if expected.is_nothing() {
            return Ok(Flow::Direct(body));
        }
        let progress = body.progress();
        let verify = Verify::new(body, expected, progress).map_err(CollectError::Body)?;
        Ok(Flow::Staged(Box::pin(verify)))
    }

    /// What a body without `Content-Type` counts as.
    async fn typed(&self, flow: Flow) -> Result<(Flow, &'static str), ProxyError> {
        let policy = self.stage.missing_content_type;
        if !self.waits_for_type() || flow.is_over() {
            return Ok((flow, missing_in_request(policy, &[])));
        }
        let patience = Duration::from_millis(DECODE_LOOKAHEAD_MS);
        let ahead = look_ahead(flow.boxed(), SNIFF_BYTES, patience, &self.holding.budget).await?;
        let missing = missing_in_request(policy, ahead.first_bytes());
        Ok((Flow::Staged(Box::pin(ahead)), missing))
    }

    /// What becomes of the body, and how it goes.
    fn decide(&self, missing: &str, has_body: bool) -> Result<(Outcome, BodyWay), ProxyError> {
        let outcome = self.plan.decide(self.stage, self.headers, missing)?;
        let way = self.plan.way(self.stage, self.headers, outcome, self.read_when_passed, has_body);
        Ok((outcome, way.map_err(ProxyError::RequestCodings)?))
    }

    async fn decompressed(&self, flow: Flow, codings: &[Coding]) -> Result<Flow, CollectError> {
        match codings {
            [] => Ok(flow),
            codings => Ok(Flow::Staged(decompress(flow.boxed(), codings, None, &self.holding.budget).await?)),
        }
    }

    /// The text of a body for those who map from it. The body itself goes on in the coding that it came in.
    async fn text(&self, collected: &Collected, codings: &[Coding]) -> Result<BodyText, ProxyError> {
        let bytes = collected.bytes.clone();
        if codings.is_empty() || bytes.is_empty() {
            return Ok(BodyText::of(bytes, None));
        }
        let bytes_max = self.holding.collect_bytes_max;
        let plain = decompress(Box::pin(whole(bytes)), codings, Some(bytes_max as u64), &self.holding.budget).await?;
        let plain = collect(plain, bytes_max, &self.holding.budget).await?;
        Ok(BodyText::of(plain.bytes, Some(plain.permit)))
    }
}

fn converted(flow: Flow, conversion: Conversion) -> Flow {
    match conversion {
        // Nothing is nothing in every form.
        _ if flow.is_over() => flow,
        Conversion::Pass => flow,
        Conversion::Text => Flow::Staged(Box::pin(Lossy::new(flow.boxed()))),
        Conversion::Encode => Flow::Staged(Box::pin(Encode::new(flow.boxed()))),
        Conversion::Decode => Flow::Staged(Box::pin(Decode::new(flow.boxed()))),
    }
}

/// Reads a body away that nobody needs. One that its client sends only when it is asked for is not asked for.
pub(crate) async fn throw_away<B>(body: B, headers: &HeaderList, progress: &Progress)
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    if !headers.contains(EXPECT) {
        discard(body, Duration::from_millis(DISCARD_WAIT_MS)).await;
    }
    progress.abandon();
}

/// Reads a body to its end for its checks alone.
async fn drain(mut body: BoxedBody) -> Result<(), CollectError> {
    let read = async {
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok(())
    };
    timeout(Duration::from_millis(COLLECT_TIMEOUT_MS), read).await.unwrap_or(Err(CollectError::Time))
}
