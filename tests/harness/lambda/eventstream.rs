//! The messages of a streamed answer, `application/vnd.amazon.eventstream`: written as the service does, and read again.

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Buf as _, Bytes};
use serde_json::json;

/// The content type of such an answer.
pub const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `PayloadChunk` or `InvokeComplete`.
    pub kind: String,
    /// The content type of its payload.
    pub media_type: String,
    /// Its payload.
    pub payload: Bytes,
}

/// A message with a part of the payload.
pub fn payload_chunk(bytes: &Bytes) -> Bytes {
    message("PayloadChunk", "application/octet-stream", bytes.clone())
}

/// The last message, with code and details of an error if there was one.
pub fn invoke_complete(error: Option<(&str, &str)>) -> Bytes {
    let payload = match error {
        None => json!({}),
        Some((code, details)) => json!({"ErrorCode": code, "ErrorDetails": details}),
    };
    message("InvokeComplete", "application/json", payload.to_string().into())
}

/// Reads complete messages.
///
/// # Panics
/// When the bytes are none, or end in the middle of one.
pub fn read(bytes: &[u8]) -> Vec<Event> {
    let mut rest = bytes;
    let mut events = Vec::new();
    while rest.has_remaining() {
        let message = read_message_from(&mut rest).unwrap_or_else(|error| panic!("message {}: {error}", events.len()));
        let header = |name: &str| {
            let found = message.headers().iter().find(|header| header.name().as_str() == name);
            found.and_then(|header| header.value().as_string().ok()).map_or("", |value| value.as_str()).to_owned()
        };
        assert_eq!(header(":message-type"), "event");
        let (kind, media_type) = (header(":event-type"), header(":content-type"));
        events.push(Event { kind, media_type, payload: message.payload().clone() });
    }
    events
}

/// The payload that complete messages carry, and the payload of their last one, which must be `InvokeComplete`.
///
/// # Panics
/// When it is not, or the bytes are no messages.
pub fn payload_and_end(bytes: &[u8]) -> (Vec<u8>, serde_json::Value) {
    let mut events = read(bytes);
    let last = events.pop().expect("at least one message");
    assert_eq!((last.kind.as_str(), last.media_type.as_str()), ("InvokeComplete", "application/json"));
    let mut payload = Vec::new();
    for event in events {
        assert_eq!((event.kind.as_str(), event.media_type.as_str()), ("PayloadChunk", "application/octet-stream"));
        payload.extend_from_slice(&event.payload);
    }
    (payload, serde_json::from_slice(&last.payload).unwrap())
}

fn message(kind: &'static str, media_type: &'static str, payload: Bytes) -> Bytes {
    let text = |value: &'static str| HeaderValue::String(value.into());
    let message = Message::new(payload)
        .add_header(Header::new(":event-type", text(kind)))
        .add_header(Header::new(":content-type", text(media_type)))
        .add_header(Header::new(":message-type", text("event")));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes.into()
}
