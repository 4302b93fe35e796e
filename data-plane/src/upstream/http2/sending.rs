//! [`start`]: the body of a request on its way to an upstream, in a task that ends with its request.

use crate::limits::H2_FRAME_BYTES_MAX;
use crate::memory::{Held, Part};
use crate::outgoing::OutgoingBody;
use bytes::Bytes;
use h2::{Reason, SendStream};
use http::header::TRAILER;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A body on its way. Dropping this stops it, and the upstream sees its stream reset.
#[derive(Debug)]
pub(in super::super) struct Rest(JoinHandle<()>);

impl Rest {
    /// Whether all of it has gone, or nothing more of it will.
    pub(in super::super) fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for that.
    pub(in super::super) async fn ended(&mut self) {
        // It neither fails nor is it ended by anybody else.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The names of trailers that a head announces: no others pass, as over HTTP/1.1.
pub(super) fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    let names = headers.get_all(TRAILER).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

/// Sends a body that has begun.
pub(super) fn start(body: OutgoingBody, to: SendStream<Bytes>, trailers: Vec<HeaderName>, idle: Duration) -> Rest {
    // What is in memory waits there, and is counted there.
    let is_large = body.size_hint().upper().is_none_or(|bytes| bytes > H2_FRAME_BYTES_MAX.into());
    let held = (is_large && body.whole_bytes().is_none()).then(|| Held::new(Part::Http2UpstreamBody));
    Rest(tokio::task::spawn_local(async move {
        send(body, to, &trailers, idle).await;
        drop(held);
    }))
}

async fn send(mut body: OutgoingBody, mut to: SendStream<Bytes>, trailers: &[HeaderName], idle: Duration) {
    // Room is asked for what is at hand only: what a client that is silent had reserved, others could not use.
    while let Some(frame) = poll_fn(|cx| poll_next(&mut body, &mut to, cx)).await {
        let is_last = body.is_end_stream();
        let sent = match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => send_data(data, is_last, &mut to, idle).await,
            // A body that breaks off must not look whole.
            Some(Err(_)) => return to.send_reset(Reason::CANCEL),
            Some(Ok(Err(frame))) => match passing(frame.into_trailers().unwrap_or_default(), trailers) {
                Some(passing) => to.send_trailers(passing).map(|()| Sent::Whole),
                None => to.send_data(Bytes::new(), true).map(|()| Sent::Whole),
            },
            None => to.send_data(Bytes::new(), true).map(|()| Sent::Whole),
        };
        match sent {
            Ok(Sent::Piece) => {}
            Ok(Sent::Whole) => return,
            Ok(Sent::Stuck) => return to.send_reset(Reason::CANCEL),
            // It wants no more of it: its answer says why, or its reset has.
            Err(_) => return,
        }
    }
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// It was sent, and more is to come.
    Piece,
    /// It was the last.
    Whole,
    /// The other side made no room for any of the rest of it for too long.
    Stuck,
}

/// Sends a piece, each part of it when there is room for that: what waits in the library's queue cannot be taken back.
async fn send_data(
    mut data: Bytes,
    is_last: bool,
    to: &mut SendStream<Bytes>,
    idle: Duration,
) -> Result<Sent, h2::Error> {
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        let Ok(room) = timeout(idle, poll_fn(|cx| poll_room(to, cx))).await else { return Ok(Sent::Stuck) };
        let part = data.split_to(room?.min(data.len()));
        to.send_data(part, is_last && data.is_empty())?;
        if is_last && data.is_empty() {
            return Ok(Sent::Whole);
        }
    }
    if is_last {
        to.send_data(Bytes::new(), true)?;
        return Ok(Sent::Whole);
    }
    Ok(Sent::Piece)
}

/// Those that were announced; `None`: none was.
fn passing(mut trailers: HeaderMap, announced: &[HeaderName]) -> Option<HeaderMap> {
    let others: Vec<HeaderName> = trailers.keys().filter(|name| !announced.contains(name)).cloned().collect();
    others.iter().for_each(|name| drop(trailers.remove(name)));
    (!trailers.is_empty()).then_some(trailers)
}

/// Waits for room, and how much there is.
///
/// # Errors
/// There will be none.
fn poll_room(to: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<usize, h2::Error>> {
    if let Poll::Ready(reset) = to.poll_reset(cx) {
        return Poll::Ready(Err(reset.map_or_else(|error| error, h2::Error::from)));
    }
    if to.capacity() > 0 {
        return Poll::Ready(Ok(to.capacity()));
    }
    loop {
        match ready!(to.poll_capacity(cx)) {
            Some(Ok(0)) => {}
            Some(room) => return Poll::Ready(room),
            None => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
        }
    }
}

/// The next frame; `None`: the upstream has reset the stream meanwhile.
#[expect(clippy::type_complexity, reason = "what a body gives, and whether anybody still wants it")]
fn poll_next(
    body: &mut OutgoingBody,
    to: &mut SendStream<Bytes>,
    cx: &mut Context<'_>,
) -> Poll<Option<Option<Result<Frame<Bytes>, crate::body::BodyError>>>> {
    if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
        return Poll::Ready(Some(frame));
    }
    to.poll_reset(cx).map(|_| None)
}
