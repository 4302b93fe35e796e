//! One HTTP/2 connection: hyper's engine, with a guard before it that sees every frame in both directions.

mod calm;
mod frames;
mod gathered;
mod guard;
mod inbound;
mod receivers;
mod request;
mod streams;
#[cfg(test)]
mod tests;

use super::drained::Drained;
use super::linger;
use crate::body::Incoming;
use crate::deadline::Deadline;
use crate::framing::LingeringLimits;
use crate::gateway::{Arrival, ClientConnection, Gateway};
use crate::http1::Transport;
use crate::limits::{
    H2_CONNECTION_WINDOW_BYTES, H2_FRAME_BYTES_MAX, H2_GOODBYE_MS, H2_HEADER_LIST_BYTES_MAX, H2_PING_INTERVAL_MS,
    H2_PING_TIMEOUT_MS, H2_SEND_BUFFER_BYTES, H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX, H2_UNACCEPTED_RESETS_MAX,
    H2_UNREAD_RESETS_MAX,
};
use bytes::BytesMut;
use gathered::{Flusher, Gathered};
use guard::{Fault, Overdue};
use http_body::Body as _;
use hyper::Request;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use receivers::Streams;
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What every HTTP/2 connection begins with (RFC 9113 section 3.4).
pub(super) const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How often a stream is tried to be given up that cannot be between two frames.
const GIVE_UP_TRIES: u32 = 10;

/// How long what a client must still hear may take, and what is looked at again that could not be said.
const GOODBYE: Duration = Duration::from_millis(H2_GOODBYE_MS);

/// Serves a connection, of which the preface has been read already, to its end.
pub(super) async fn serve(
    gateway: &Rc<Gateway>,
    transport: Transport,
    address: SocketAddr,
    drained: Drained,
) -> io::Result<()> {
    let (io, flusher) = Gathered::over(transport, H2_PREFACE.len(), gateway.client_limit.idle);
    let served = run(gateway, io, &flusher, address, drained).await;
    let fault = flusher.fault();
    if let Some(fault) = fault {
        flusher.say(fault);
    }
    // What is left takes as long as the kernel takes to take it, which is no time, unless the client does not read.
    let flushed = timeout(GOODBYE, poll_fn(|cx| flusher.poll_flush(cx))).await;
    let reason = fault.map(|fault| fault.reason).or_else(|| served.as_ref().err().and_then(reason));
    if let Some(reason) = reason.filter(|&reason| reason != Fault::IDLE.reason) {
        gateway.metrics.failure(reason);
    }
    let was_refused = reason.is_some();
    if was_refused
        && matches!(flushed, Ok(Ok(())))
        && let Some(stream) = flusher.into_stream()
    {
        let transport = RefCell::new(Transport::new(stream, BytesMut::new()));
        linger::close(&transport, LingeringLimits::default(), true).await;
    }
    served
}

/// Runs the engine until it or the guard ends the connection.
async fn run(
    gateway: &Rc<Gateway>,
    io: Gathered,
    flusher: &Flusher,
    address: SocketAddr,
    mut drained: Drained,
) -> io::Result<()> {
    let client = Rc::new(ClientConnection { address, violations: None });
    let streams = Streams::new(gateway.client_limit, Rc::clone(&gateway.metrics));
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let receiver = streams.begin(!request.body().is_end_stream());
        let (gateway, client) = (Rc::clone(gateway), Rc::clone(&client));
        let refused = request::violation(&request);
        let arrival = Arrival { refused, ..Arrival::of(request.map(Incoming::Hyper)) };
        // On the heap: hyper moves what it spawns several times, and this is several kilobytes.
        Box::pin(async move {
            let response = gateway.serve(&client, arrival).await;
            Ok::<_, Infallible>(response.map(|body| receiver.watching(body)))
        })
    });
    let connection = http2::Builder::new(streams.executor())
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BUFFER_BYTES)
        .max_frame_size(H2_FRAME_BYTES_MAX)
        .max_header_list_size(H2_HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(H2_UNACCEPTED_RESETS_MAX)
        .max_local_error_reset_streams(H2_UNREAD_RESETS_MAX)
        .keep_alive_interval(Duration::from_millis(H2_PING_INTERVAL_MS))
        .keep_alive_timeout(Duration::from_millis(H2_PING_TIMEOUT_MS))
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut watch = Watch { deadline: Deadline::new(flusher.due()), again_at: None, tries_left: GIVE_UP_TRIES };
    let mut was_told = false;
    poll_fn(|cx| {
        if drained.poll(cx) && !was_told {
            was_told = true;
            connection.as_mut().graceful_shutdown();
        }
        loop {
            let served = connection.as_mut().poll(cx);
            if let Poll::Ready(Err(error)) = flusher.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            if served.is_ready() {
                return served.map_err(io::Error::other);
            }
            if flusher.fault().is_some() {
                return Poll::Ready(Ok(()));
            }
            match watch.poll(cx, flusher) {
                Watched::Nothing => return Poll::Pending,
                Watched::GaveUp => gateway.metrics.failure(Fault::STALLED.reason),
                Watched::Ends => {}
                Watched::Idles => connection.as_mut().graceful_shutdown(),
            }
        }
    })
    .await
}

/// What the clock of a connection has found.
enum Watched {
    /// It wakes when it is time to look again.
    Nothing,
    /// A stream was given up, which the engine has to hear.
    GaveUp,
    /// Nothing was asked for so long that the client is told to go.
    Idles,
    /// The connection has a fault.
    Ends,
}

/// The clock of a connection.
struct Watch {
    deadline: Deadline,
    /// When to look again, where something was found and is not over yet.
    again_at: Option<Instant>,
    tries_left: u32,
}

impl Watch {
    fn poll(&mut self, cx: &mut Context<'_>, flusher: &Flusher) -> Watched {
        loop {
            self.deadline.set(self.again_at.unwrap_or_else(|| flusher.due()));
            if self.deadline.poll(cx).is_pending() {
                return Watched::Nothing;
            }
            let was_idle = self.again_at.take().is_some();
            match flusher.overdue() {
                None => self.tries_left = GIVE_UP_TRIES,
                Some(Overdue::Stalled(stream)) if flusher.give_up(stream) => return Watched::GaveUp,
                Some(Overdue::Stalled(_)) if self.tries_left > 0 => {
                    self.tries_left -= 1;
                    self.again_at = Some(Instant::now() + GOODBYE);
                }
                Some(Overdue::Stalled(_)) => {
                    flusher.fail(Fault::STALLED);
                    return Watched::Ends;
                }
                Some(Overdue::Idle) if was_idle => {
                    flusher.fail(Fault::IDLE);
                    return Watched::Ends;
                }
                Some(Overdue::Idle) => {
                    self.again_at = Some(Instant::now() + GOODBYE);
                    return Watched::Idles;
                }
            }
        }
    }
}

/// The word for an error that the engine has found, for the metrics. None where nobody has broken the protocol.
fn reason(error: &io::Error) -> Option<&'static str> {
    let mut error = error.get_ref().and_then(|error| error.source());
    let found = std::iter::from_fn(|| {
        let this = error?;
        error = this.source();
        Some(this)
    });
    let found = found.filter_map(|error| error.downcast_ref::<h2::Error>()).next()?;
    if !found.is_go_away() || !found.is_library() {
        return None;
    }
    Some(match found.reason()? {
        h2::Reason::NO_ERROR => return None,
        h2::Reason::FLOW_CONTROL_ERROR => Fault::FLOW_CONTROL.reason,
        h2::Reason::ENHANCE_YOUR_CALM => "h2_enhance_your_calm",
        _ => Fault::PROTOCOL.reason,
    })
}
