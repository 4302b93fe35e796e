//! What the client gets of a result that comes as a stream (section k): a head out of its beginning, then the bytes as they
//! come. Nothing of it is held but what the beginning needs.

use super::{Invoked, left};
use crate::body::{BodyError, Progress, StreamBody};
use crate::call::Call;
use crate::error::{ProxyError, ServiceError};
use crate::limits::STREAM_IDLE_TIMEOUT_MS;
use crate::patience::BodyLimit;
use crate::response_side::{Answer, AnswerBody};
use crate::transform::collect::CollectError;
use crate::transform::event_stream::Chunks;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use penstock_model::content::media_type::essence;
use penstock_model::exchange::function_head;
use penstock_model::function::{AnswerProblem, FunctionHead, PayloadFormat, read_prelude};
use penstock_model::table::Route;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

const EVENT_STREAM: &[u8] = b"application/vnd.amazon.eventstream";

impl Call<'_> {
    /// Of an `AWS_PROXY` integration that streams.
    pub(super) async fn streamed(&self, route: &Route, invoked: Invoked, trace_id: &str) -> Result<Answer, ProxyError> {
        if let Some(refused) = self.refused_by_service(&invoked.head) {
            return Err(refused);
        }
        if invoked.has_failed() {
            return Err(ProxyError::Service(ServiceError::Function(PayloadFormat::V1)));
        }
        let content_type = invoked.head.headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
        if !essence(content_type).eq_ignore_ascii_case(EVENT_STREAM) {
            return Err(ProxyError::Service(ServiceError::NotAStream));
        }
        let limit = BodyLimit::idle(Duration::from_millis(STREAM_IDLE_TIMEOUT_MS));
        // What arrives at the client is counted there.
        let body = StreamBody::new(invoked.body, Progress::new(), limit);
        let mut chunks = Chunks::new(body, &self.gateway.services.holding.budget);
        let begun = timeout(left(invoked.deadline), beginning(&mut chunks)).await;
        let (head, rest) = begun.unwrap_or(Err(ProxyError::ResponseTimeout))?;
        let head = function_head(route.stage.fidelity, head.status, head.headers, trace_id);
        let body = Box::pin(Continued { first: Some(rest).filter(|rest| !rest.is_empty()), rest: chunks });
        Ok(Answer { head, body: AnswerBody::Staged(body) })
    }
}

/// The head that a streamed answer begins with, and what had come of its body by then.
async fn beginning<B>(chunks: &mut Chunks<B>) -> Result<(FunctionHead, Bytes), ProxyError>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let prelude = |problem| ProxyError::Service(ServiceError::Prelude(problem));
    let mut begun = BytesMut::new();
    loop {
        if let Some((head, at)) = read_prelude(&begun).map_err(prelude)? {
            return Ok((head, begun.freeze().slice(at..)));
        }
        match chunks.frame().await {
            Some(Ok(frame)) => begun.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(BodyError::Function)) => {
                return Err(ProxyError::Service(ServiceError::Function(PayloadFormat::V1)));
            }
            Some(Err(error)) => return Err(ProxyError::ResponseBody(CollectError::Body(error))),
            None => return Err(prelude(AnswerProblem::Prelude)),
        }
    }
}

/// A body of which the beginning was read before.
struct Continued<B> {
    first: Option<Bytes>,
    rest: B,
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for Continued<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }
}
