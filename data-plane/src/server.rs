//! One worker's server: accepts, holds a permit for each connection, tells HTTP/1.1 from HTTP/2, drains.

use crate::deadline::Deadline;
use crate::gateway::Gateway;
use crate::http1::Transport;
use crate::limits::{ACCEPT_BACKOFF_MS, DRAIN_FIRST_BYTE_MS, HEAD_READ_TIMEOUT_MS};
use bytes::BytesMut;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

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
        Protocol::Http2 => h2::serve(gateway, transport, address, drained).await,
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

mod answer;
mod drained;
mod h2;
mod http1;
mod linger;
mod request;
#[cfg(test)]
mod tests;

use drained::Drained;
use h2::H2_PREFACE;
