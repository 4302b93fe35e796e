//! One worker's server: accepts, holds a permit for each connection, tells HTTP/1.1 from HTTP/2, drains.

use crate::body::Incoming;
use crate::deadline::Deadline;
use crate::gateway::{Arrival, ClientConnection, Gateway};
use crate::http1::Transport;
use crate::limits::{
    ACCEPT_BACKOFF_MS, DRAIN_FIRST_BYTE_MS, H2_CONNECTION_WINDOW_BYTES, H2_HEADER_LIST_BYTES_MAX, H2_PING_INTERVAL_MS,
    H2_PING_TIMEOUT_MS, H2_SEND_BUFFER_BYTES, H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX, HEAD_READ_TIMEOUT_MS,
};
use crate::local::LocalExecutor;
use bytes::BytesMut;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

/// What every HTTP/2 connection begins with (RFC 9113 section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves until `drain` says so, then lets what runs finish, at most for `drain_deadline`. Connections that are left
/// then are cut when the worker's runtime ends.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Rc<Gateway>,
    connections_max: usize,
    mut drain: watch::Receiver<bool>,
    drain_deadline: Duration,
) {
    let permits = Arc::new(Semaphore::new(connections_max));
    let sweeper = Rc::clone(&gateway);
    let sweeper = tokio::task::spawn_local(async move { sweeper.upstreams.sweep().await });
    let connections_drain = drain.clone();
    tokio::select! {
        () = accept(&listener, &gateway, &permits, &connections_drain) => {}
        // An error means that the sender is gone, which is a reason to stop as well.
        _ = drain.wait_for(|&draining| draining) => {}
    }
    // The kernel has completed these connections already; closing the listener would reset them.
    while let Ok(Ok((stream, address))) = timeout(Duration::ZERO, listener.accept()).await {
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { break };
        spawn(&gateway, stream, address, permit, drain.clone());
    }
    drop(listener);
    let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
    if timeout(drain_deadline, permits.acquire_many(all)).await.is_err() {
        tracing::warn!(
            connections = connections_max - permits.available_permits(),
            "the drain deadline is over: cutting the connections that are left"
        );
    }
    sweeper.abort();
}

async fn accept(
    listener: &TcpListener,
    gateway: &Rc<Gateway>,
    permits: &Arc<Semaphore>,
    drain: &watch::Receiver<bool>,
) {
    let (first, longest) = ACCEPT_BACKOFF_MS;
    let mut pause_ms = first;
    loop {
        // No permit, no accept: further clients wait in the kernel, where they cost nothing.
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, address)) => {
                pause_ms = first;
                spawn(gateway, stream, address, permit, drain.clone());
            }
            Err(error) => {
                // Most of all "too many open files": waiting lets connections end.
                tracing::warn!(%error, pause_ms, "accepting a connection failed");
                gateway.metrics.failure("accept_failed");
                sleep(Duration::from_millis(pause_ms)).await;
                pause_ms = (pause_ms * 2).min(longest);
            }
        }
    }
}

fn spawn(
    gateway: &Rc<Gateway>,
    stream: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
    drain: watch::Receiver<bool>,
) {
    let gateway = Rc::clone(gateway);
    gateway.metrics.connection_began();
    tokio::task::spawn_local(async move {
        if let Err(error) = connection(&gateway, stream, address, drain).await {
            tracing::debug!(%error, %address, "connection ended");
        }
        gateway.metrics.connection_ended();
        drop(permit);
    });
}

async fn connection(
    gateway: &Rc<Gateway>,
    stream: TcpStream,
    address: SocketAddr,
    drain: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut drained = Drained::of(drain);
    let mut transport = Transport::new(stream, BytesMut::new());
    match protocol(&mut transport, &mut drained).await? {
        Protocol::Http1 => http1::serve(gateway, transport, address, drained).await,
        Protocol::Http2 => serve_h2(gateway, transport, address, drained).await,
        Protocol::Silence => Ok(()),
    }
}

/// What a client speaks.
enum Protocol {
    Http1,
    Http2,
    /// Nothing in time: nothing was asked, so nothing is lost.
    Silence,
}

/// Reads as far as it takes to tell the two protocols apart; usually one read decides.
async fn protocol(transport: &mut Transport, drained: &mut Drained) -> io::Result<Protocol> {
    let mut deadline = Deadline::new(Instant::now() + Duration::from_millis(HEAD_READ_TIMEOUT_MS));
    poll_fn(|cx| {
        loop {
            let begun = &transport.unread[..transport.unread.len().min(H2_PREFACE.len())];
            if !H2_PREFACE.starts_with(begun) || transport.read_ended {
                return Poll::Ready(Ok(Protocol::Http1));
            }
            if begun.len() == H2_PREFACE.len() {
                return Poll::Ready(Ok(Protocol::Http2));
            }
            match transport.poll_fill(cx) {
                Poll::Pending => break,
                Poll::Ready(read) => drop(read?),
            }
        }
        if !drained.is_draining() && drained.poll(cx) {
            deadline.set(Instant::now() + Duration::from_millis(DRAIN_FIRST_BYTE_MS));
        }
        deadline.poll(cx).map(|()| Ok(Protocol::Silence))
    })
    .await
}

async fn serve_h2(
    gateway: &Rc<Gateway>,
    transport: Transport,
    address: SocketAddr,
    mut drained: Drained,
) -> io::Result<()> {
    let (io, flusher) = Gathered::over(transport);
    let client = Rc::new(ClientConnection { address, violations: None });
    let service = service_fn(|request| {
        let (gateway, client) = (Rc::clone(gateway), Rc::clone(&client));
        let arrival = Arrival::of(request.map(Incoming::Hyper));
        // On the heap: hyper moves what it spawns several times, and this is several kilobytes.
        Box::pin(async move { Ok::<_, Infallible>(gateway.serve(&client, arrival).await) })
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BUFFER_BYTES)
        .max_header_list_size(H2_HEADER_LIST_BYTES_MAX)
        .keep_alive_interval(Duration::from_millis(H2_PING_INTERVAL_MS))
        .keep_alive_timeout(Duration::from_millis(H2_PING_TIMEOUT_MS))
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut was_told = false;
    let served = poll_fn(|cx| {
        if drained.poll(cx) && !was_told {
            was_told = true;
            connection.as_mut().graceful_shutdown();
        }
        let served = connection.as_mut().poll(cx);
        if let Poll::Ready(Err(error)) = flusher.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        served.map_err(io::Error::other)
    })
    .await;
    if served.is_ok() {
        poll_fn(|cx| flusher.poll_flush(cx)).await?;
    }
    served
}

mod answer;
mod drained;
mod gathered;
mod http1;
mod linger;
mod request;
#[cfg(test)]
mod tests;

use drained::Drained;
use gathered::Gathered;
