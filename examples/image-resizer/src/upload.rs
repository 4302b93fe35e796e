//! `POST /upload`: reads the wish and the body, waits for a core, answers the smaller picture.
//!
//! Called by `service`. It decides nothing about pictures and nothing about status codes.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::HeaderName;
use hyper::http::request::Parts;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::admission::{Admission, Room};
use crate::limits::{BODY_BYTES_MAX, BODY_IDLE_MS_MAX, DISCARD_MS_MAX, DISCARDED_BYTES_MAX};
use crate::picture::{self, Dimensions, Wish};
use crate::refusal::Refusal;
use crate::request_line::RequestLine;

const ORIGINAL_SIZE: HeaderName = HeaderName::from_static("x-original-size");
const RESIZED_SIZE: HeaderName = HeaderName::from_static("x-resized-size");

/// Answers one upload.
///
/// # Errors
/// Any [`Refusal`] but those of path and method; the body may then still hold unread bytes.
pub(crate) async fn answer(
    head: &Parts,
    body: &mut Incoming,
    admission: &Admission,
    line: &mut RequestLine,
) -> Result<Response<Full<Bytes>>, Refusal> {
    // Before the first byte of the body is asked for: a client that waits for "100 Continue" then keeps its picture.
    let wish = Wish::from_query(head.uri.query())?;
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    let (encoded, room) = collect(body, admission, line).await?;
    let core = admission.core().await?;
    let shrunk = spawn_blocking(move || {
        // Both travel with the work: when the client goes away the work still runs to its end, and still counts.
        let _held = (core, room);
        picture::shrink(&encoded, wish)
    })
    .await
    .map_err(Refusal::WorkerLost)??;

    line.sizes = Some((shrunk.original, shrunk.resized));
    let mut response = Response::new(Full::from(shrunk.encoded));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(shrunk.format.media_type()));
    headers.insert(ORIGINAL_SIZE, header_value(shrunk.original));
    headers.insert(RESIZED_SIZE, header_value(shrunk.resized));
    Ok(response)
}

fn header_value(size: Dimensions) -> HeaderValue {
    HeaderValue::try_from(size.to_string()).expect("two numbers and an x make a header value")
}

async fn collect(
    body: &mut Incoming,
    admission: &Admission,
    line: &mut RequestLine,
) -> Result<(Vec<u8>, Room), Refusal> {
    let mut collected = Vec::new();
    let mut room = Room::default();
    let idle_max = Duration::from_millis(BODY_IDLE_MS_MAX);
    while let Some(frame) = timeout(idle_max, body.frame()).await.map_err(|_| Refusal::BodyIdle)? {
        let Ok(piece) = frame.map_err(Refusal::BodyBroken)?.into_data() else {
            continue; // trailers
        };
        line.received_bytes += piece.len();
        if line.received_bytes > BODY_BYTES_MAX {
            return Err(Refusal::BodyTooLarge);
        }
        admission.widen(&mut room, piece.len()).await?;
        collected.extend_from_slice(&piece);
    }
    Ok((collected, room))
}

/// Reads on for a while without keeping anything: closing a connection with unread bytes in it resets it, and the client
/// would lose the answer that says why.
pub(crate) async fn discard(body: &mut Incoming, line: &mut RequestLine) {
    let reading = async {
        let mut discarded_bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            let piece_bytes = frame.data_ref().map_or(0, Bytes::len);
            line.received_bytes += piece_bytes;
            discarded_bytes += piece_bytes;
            if discarded_bytes > DISCARDED_BYTES_MAX {
                break;
            }
        }
    };
    // Whether it came to an end or not, the answer is the same.
    let _ = timeout(Duration::from_millis(DISCARD_MS_MAX), reading).await;
}
