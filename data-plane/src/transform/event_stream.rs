//! [`Chunks`]: the bytes of a streamed function answer, out of the service's framing (`application/vnd.amazon.eventstream`,
//! section k).

use super::budget::{CollectBudget, Permit};
use crate::body::BodyError;
use crate::limits::{EVENT_MESSAGE_BYTES_MAX, EVENT_MESSAGE_FREE_BYTES};
use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::{Buf as _, Bytes, BytesMut};
use http_body::{Body, Frame};
use serde::Deserialize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes of a message before its headers, and behind its payload: lengths and checksums.
const MESSAGE_BYTES_MIN: usize = 16;

/// A streamed answer as the function wrote it. Holds one message of the service at a time; a large one takes its room from
/// the process's budget.
pub(crate) struct Chunks<B> {
    inner: B,
    buffer: BytesMut,
    permit: Permit,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// The service has said that the function is done. What is left is the end of its own answer.
    Complete,
    Over,
}

/// What the service says at the end.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InvokeComplete {
    error_code: Option<String>,
}

impl<B> Chunks<B> {
    pub(crate) fn new(inner: B, budget: &CollectBudget) -> Self {
        Self { inner, buffer: BytesMut::new(), permit: budget.permit(), state: State::Running }
    }

    /// The next message, when all of it is there.
    fn message(&mut self) -> Result<Option<Message>, BodyError> {
        let Some(length) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(MESSAGE_BYTES_MIN..=EVENT_MESSAGE_BYTES_MAX).contains(&length) {
            return Err(BodyError::EventStream);
        }
        if self.buffer.len() < length {
            if length > EVENT_MESSAGE_FREE_BYTES {
                self.permit.try_cover(length).map_err(|_| BodyError::Budget)?;
            }
            return Ok(None);
        }
        let message = read_message_from(&self.buffer[..length]).map_err(|_| BodyError::EventStream)?;
        self.buffer.advance(length);
        self.permit.shrink(0);
        Ok(Some(message))
    }

    /// The bytes of a message; none of one that brings none.
    fn take(&mut self, message: &Message) -> Result<Option<Bytes>, BodyError> {
        match (text(message, ":message-type"), text(message, ":event-type")) {
            (Some("event"), Some("PayloadChunk")) => {
                Ok(Some(message.payload().clone()).filter(|data| !data.is_empty()))
            }
            (Some("event"), Some("InvokeComplete")) => {
                let end: InvokeComplete =
                    serde_json::from_slice(message.payload()).map_err(|_| BodyError::EventStream)?;
                if end.error_code.is_some_and(|code| !code.is_empty()) {
                    return Err(BodyError::Function);
                }
                self.state = State::Complete;
                Ok(None)
            }
            // What a later version of the service tells besides.
            (Some("event"), _) => Ok(None),
            _ => Err(BodyError::Function),
        }
    }
}

/// The value of a header that is a string.
fn text<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().map(|value| value.as_str())
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for Chunks<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            while this.state == State::Running {
                let Some(message) = this.message()? else { break };
                if let Some(data) = this.take(&message)? {
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
            if this.state != State::Running && !this.buffer.is_empty() {
                // Something follows the end.
                this.buffer.clear();
                return Poll::Ready(Some(Err(BodyError::EventStream)));
            }
            if this.state == State::Over {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(frame) => {
                    let Ok(data) = frame?.into_data() else { continue };
                    this.buffer.extend_from_slice(&data);
                }
                // The service breaks off where it does not say that the function is done.
                None if this.state == State::Running => return Poll::Ready(Some(Err(BodyError::Broken))),
                None => this.state = State::Over,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over
    }
}

#[cfg(test)]
mod tests;
