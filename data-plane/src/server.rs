//! One worker's server: accepts, counts connections, tells HTTP/1.1 from HTTP/2, drains.

use crate::deadline::Deadline;
use crate::gateway::Gateway;
use crate::http1::Transport;
use crate::limits::{DRAIN_FIRST_BYTE_MS, HEAD_READ_TIMEOUT_MS};
use crate::memory::{Held, Part};
use bytes::BytesMut;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

/// Serves until `drain` says so, then lets what runs finish, at most for `drain_deadline`. Connections that are left
/// then are cut when the worker's runtime ends.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Rc<Gateway>,
    doors: Arc<Doors>,
    mut drain: watch::Receiver<bool>,
    drain_deadline: Duration,
) {
    let accepting = Accepting::new(listener, doors, Rc::clone(&gateway.metrics));
    let open = Rc::<Open>::default();
    let sweeper = Rc::clone(&gateway);
    let sweeper = tokio::task::spawn_local(async move { sweeper.upstreams.sweep().await });
    let connections_drain = drain.clone();
    let accept = async {
        loop {
            let (stream, address, entry) = accepting.next().await;
            spawn(&gateway, stream, address, (entry, Open::one(&open)), connections_drain.clone());
        }
    };
    tokio::select! {
        () = accept => {}
        // An error means that the sender is gone, which is a reason to stop as well.
        _ = drain.wait_for(|&draining| draining) => {}
    }
    // The kernel has completed these connections already; closing the listener would reset them.
    while let Some((stream, address, entry)) = accepting.left().await {
        spawn(&gateway, stream, address, (entry, Open::one(&open)), drain.clone());
    }
    drop(accepting);
    if timeout(drain_deadline, open.none()).await.is_err() {
        let connections = open.count.get();
        tracing::warn!(connections, "the drain deadline is over: cutting the connections that are left");
    }
    sweeper.abort();
}

/// The connections of one worker.
#[derive(Default)]
struct Open {
    count: Cell<usize>,
    ended: Notify,
}

/// One of them.
struct OpenOne(Rc<Open>);

impl Open {
    fn one(open: &Rc<Self>) -> OpenOne {
        open.count.set(open.count.get() + 1);
        OpenOne(Rc::clone(open))
    }

    /// Waits until there is none.
    async fn none(&self) {
        while self.count.get() > 0 {
            self.ended.notified().await;
        }
    }
}

impl Drop for OpenOne {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.ended.notify_one();
    }
}

fn spawn(
    gateway: &Rc<Gateway>,
    stream: TcpStream,
    address: SocketAddr,
    counted: (Entry, OpenOne),
    drain: watch::Receiver<bool>,
) {
    let gateway = Rc::clone(gateway);
    gateway.metrics.connection_began();
    tokio::task::spawn_local(async move {
        if let Err(error) = connection(&gateway, stream, address, drain).await {
            tracing::debug!(%error, %address, "connection ended");
        }
        gateway.metrics.connection_ended();
        drop(counted);
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
    let mut held = Held::new(Part::Http1Connection);
    match protocol(&mut transport, &mut drained).await? {
        Protocol::Http1 => http1::serve(gateway, transport, address, drained).await,
        Protocol::Http2 => {
            held.becomes(Part::Http2Connection);
            h2::serve(gateway, transport, address, drained).await
        }
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

mod accepting;
mod answer;
mod doors;
mod drained;
mod h2;
mod http1;
mod linger;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use doors::Doors;

use accepting::Accepting;
use doors::Entry;
use drained::Drained;
use h2::H2_PREFACE;
