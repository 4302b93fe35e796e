//! What comes out of the framing, however it is cut, and every way in which it can be wrong.

use super::*;
use crate::transform::testing::{Act, Script, acts, splits};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue};
use http_body_util::BodyExt as _;
use proptest::prelude::*;

const KIB: usize = 1024;

fn message(headers: &[(&'static str, &'static str)], payload: &[u8]) -> Vec<u8> {
    let mut message = Message::new(Bytes::copy_from_slice(payload));
    for &(name, value) in headers {
        message = message.add_header(Header::new(name, HeaderValue::String(value.into())));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("a message");
    bytes
}

fn chunk(payload: &[u8]) -> Vec<u8> {
    let headers =
        [(":message-type", "event"), (":event-type", "PayloadChunk"), (":content-type", "application/octet-stream")];
    message(&headers, payload)
}

fn complete(payload: &str) -> Vec<u8> {
    message(&[(":message-type", "event"), (":event-type", "InvokeComplete")], payload.as_bytes())
}

fn budget() -> CollectBudget {
    CollectBudget::new(1024 * KIB)
}

async fn read(script: Script, budget: &CollectBudget) -> Result<Vec<u8>, BodyError> {
    let mut body = Chunks::new(script, budget);
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        all.extend_from_slice(&frame?.into_data().expect("only data comes"));
    }
    assert!(body.is_end_stream());
    Ok(all)
}

proptest! {
    #[test]
    fn any_split_of_the_framing_gives_the_functions_bytes(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 0..8),
        (cuts, pauses) in splits(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut wire: Vec<u8> = payloads.iter().flat_map(|payload| chunk(payload)).collect();
        wire.extend(complete("{}"));
        let budget = budget();
        let read = runtime.block_on(read(Script::unsized_of(acts(&wire, &cuts, &pauses)), &budget));
        prop_assert_eq!(read, Ok(payloads.concat()));
        prop_assert_eq!(budget.in_use_bytes(), 0);
    }
}

#[tokio::test]
async fn what_the_service_tells_besides_is_passed_over() {
    let wire = [message(&[(":message-type", "event"), (":event-type", "News")], b"x"), chunk(b"a"), complete("{}")];
    assert_eq!(read(Script::whole(&wire.concat()), &budget()).await, Ok(b"a".to_vec()));
}

#[tokio::test]
async fn a_function_that_fails_ends_in_an_error_behind_what_it_had_written() {
    let failed = complete(r#"{"ErrorCode":"Unhandled","ErrorDetails":"secret"}"#);
    let exception = message(&[(":message-type", "exception"), (":exception-type", "Throttled")], b"{}");
    for end in [failed, exception, message(&[], b"")] {
        let mut body = Chunks::new(Script::whole(&[chunk(b"a"), end].concat()), &budget());
        let first = body.frame().await.expect("a frame").expect("data").into_data().expect("data");
        assert_eq!(first, "a");
        assert_eq!(body.frame().await.expect("an end").err(), Some(BodyError::Function));
    }
}

#[tokio::test]
async fn what_is_no_event_stream_is_refused() {
    let mut flipped = chunk(b"abc");
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    let endless = complete("{}").repeat(2);
    let not_json = complete("{");
    let short = 15_u32.to_be_bytes().to_vec();
    let long = u32::try_from(EVENT_MESSAGE_BYTES_MAX + 1).expect("fits").to_be_bytes().to_vec();
    for wire in [b"<html>".to_vec(), flipped, endless, not_json, short, long] {
        assert_eq!(read(Script::whole(&wire), &budget()).await, Err(BodyError::EventStream), "{wire:?}");
    }
}

#[tokio::test]
async fn an_end_without_the_services_word_is_a_break() {
    for wire in [Vec::new(), chunk(b"a"), chunk(b"a")[..20].to_vec()] {
        assert_eq!(read(Script::whole(&wire), &budget()).await, Err(BodyError::Broken));
    }
    let broken = Script::unsized_of([Act::Data(chunk(b"a").into()), Act::Fail(BodyError::Idle)]);
    assert_eq!(read(broken, &budget()).await, Err(BodyError::Idle));
}

#[tokio::test]
async fn a_large_message_takes_its_room_from_the_budget_and_gives_it_back() {
    let budget = budget();
    let payload = vec![7; 500 * KIB];
    let wire = [chunk(&payload), complete("{}")].concat();
    let script = || Script::split(&wire, &[100]);
    assert_eq!(read(script(), &budget).await.map(|bytes| bytes.len()), Ok(payload.len()));
    assert_eq!(budget.in_use_bytes(), 0);
    let small = CollectBudget::new(100 * KIB);
    assert_eq!(read(script(), &small).await, Err(BodyError::Budget));
}
