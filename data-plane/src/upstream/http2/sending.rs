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
use std::task::{Context, Poll};
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
    loop {
        match timeout(idle, poll_fn(|cx| poll_room(&mut to, cx))).await {
            Ok(Room::There) => {}
            // It wants no more of it: its answer says why, or its reset has.
            Ok(Room::Never) => return,
            Err(_) => return to.send_reset(Reason::CANCEL),
        }
        let Some(frame) = poll_fn(|cx| poll_next(&mut body, &mut to, cx)).await else { return };
        let sent = match frame.map(|frame| frame.map(Frame::into_data)) {
            // A body that breaks off must not look whole.
            Some(Err(_)) => return to.send_reset(Reason::CANCEL),
            Some(Ok(Ok(data))) if data.is_empty() && !body.is_end_stream() => continue,
            Some(Ok(Ok(data))) => to.send_data(data, body.is_end_stream()).map(|()| body.is_end_stream()),
            Some(Ok(Err(frame))) => match passing(frame.into_trailers().unwrap_or_default(), trailers) {
                Some(passing) => to.send_trailers(passing).map(|()| true),
                None => to.send_data(Bytes::new(), true).map(|()| true),
            },
            None => to.send_data(Bytes::new(), true).map(|()| true),
        };
        // The other side has ended the stream, or all of it has been sent.
        if sent.unwrap_or(true) {
            return;
        }
    }
}

/// Those that were announced; `None`: none was.
pub(super) fn passing(mut trailers: HeaderMap, announced: &[HeaderName]) -> Option<HeaderMap> {
    let others: Vec<HeaderName> = trailers.keys().filter(|name| !announced.contains(name)).cloned().collect();
    others.iter().for_each(|name| drop(trailers.remove(name)));
    (!trailers.is_empty()).then_some(trailers)
}

/// Whether an upstream takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    There,
    Never,
}

/// Waits for room for an octet: then the next frame may wait in the stream's queue until there is room for the rest of it.
fn poll_room(to: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Room> {
    if to.poll_reset(cx).is_ready() {
        return Poll::Ready(Room::Never);
    }
    if to.capacity() > 0 {
        return Poll::Ready(Room::There);
    }
    to.reserve_capacity(1);
    loop {
        match to.poll_capacity(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(0))) => {}
            Poll::Ready(Some(Ok(_))) => return Poll::Ready(Room::There),
            Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Room::Never),
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
