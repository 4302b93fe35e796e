//! One worker's server: accepts, counts connections, tells HTTP/1.1 from HTTP/2, drains.

use crate::deadline::Deadline;
use crate::gateway::Gateway;
use crate::http1::Transport;
use crate::limits::{DRAIN_FIRST_BYTE_MS, HEAD_READ_TIMEOUT_MS};
use crate::memory::{Held, Part};
use crate::shares::{Moved, Place};
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
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

/// Serves until `drain` says so, then lets what runs finish, at most for `drain_deadline`. Connections that are left
/// then are cut when the worker's runtime ends.
///
/// What comes into `inbox` are connections that other workers have handed over.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Rc<Gateway>,
    doors: Arc<Doors>,
    mut inbox: mpsc::Receiver<Moved>,
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
            tokio::select! {
                // Those first that others have begun to serve; they are few.
                biased;
                Some(moved) = inbox.recv() => take_over(&gateway, moved, &open, &connections_drain),
                (stream, address, entry) = accepting.next() => {
                    let client = Client { stream, is_new: true, address, entry, open: Open::one(&open) };
                    gateway.metrics.connection_began();
                    match gateway.share.place_for_new() {
                        Some(place) => client.move_to(place, &gateway),
                        None => spawn(&gateway, client, connections_drain.clone()),
                    }
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        // An error means that the sender is gone, which is a reason to stop as well.
        _ = drain.wait_for(|&draining| draining) => {}
    }
    let deadline = Instant::now() + drain_deadline;
    // The kernel has completed these connections already; closing the listener would reset them.
    while let Some((stream, address, entry)) = accepting.left().await {
        gateway.metrics.connection_began();
        let client = Client { stream, is_new: true, address, entry, open: Open::one(&open) };
        spawn(&gateway, client, drain.clone());
    }
    drop(accepting);
    // Whoever has kept a place uses it at once.
    inbox.close();
    while let Some(moved) = inbox.recv().await {
        take_over(&gateway, moved, &open, &drain);
    }
    if timeout_at(deadline, open.none()).await.is_err() {
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

/// One connection and its right to be here.
struct Client {
    stream: TcpStream,
    /// Whether nothing has been read of it.
    is_new: bool,
    address: SocketAddr,
    entry: Entry,
    open: OpenOne,
}

impl Client {
    /// Hands it over to another worker.
    fn move_to(self, place: Place, gateway: &Gateway) {
        let Self { stream, is_new, address, entry, open } = self;
        match stream.into_std() {
            Ok(stream) => {
                place.send(Moved { stream, is_new, address, entry });
                gateway.share.moved();
            }
            Err(error) => lost(gateway, &error, address),
        }
        drop(open);
    }
}

/// Counts a connection that did not get from one worker to the other.
fn lost(gateway: &Gateway, error: &io::Error, address: SocketAddr) {
    tracing::warn!(%error, %address, "a connection was lost on its way from one worker to another");
    gateway.metrics.failure("accept_failed");
    gateway.metrics.connection_ended();
}

/// Goes on with a connection that another worker has handed over.
fn take_over(gateway: &Rc<Gateway>, moved: Moved, open: &Rc<Open>, drain: &watch::Receiver<bool>) {
    let Moved { stream, is_new, address, entry } = moved;
    match TcpStream::from_std(stream) {
        Ok(stream) => spawn(gateway, Client { stream, is_new, address, entry, open: Open::one(open) }, drain.clone()),
        Err(error) => lost(gateway, &error, address),
    }
}

fn spawn(gateway: &Rc<Gateway>, client: Client, drain: watch::Receiver<bool>) {
    let gateway = Rc::clone(gateway);
    // On the heap: the runtime moves what it runs, at its begin and at its end, and this is several kilobytes.
    tokio::task::spawn_local(Box::pin(async move {
        let Client { stream, is_new, address, entry, open } = client;
        match connection(&gateway, stream, is_new, address, drain).await {
            // It is still there, at another worker.
            Ok(Some((stream, place))) => {
                return Client { stream, is_new: false, address, entry, open }.move_to(place, &gateway);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, %address, "connection ended"),
        }
        gateway.metrics.connection_ended();
        drop((entry, open));
    }));
}

/// Serves a connection to its end, or until it moves to another worker.
async fn connection(
    gateway: &Rc<Gateway>,
    stream: TcpStream,
    is_new: bool,
    address: SocketAddr,
    drain: watch::Receiver<bool>,
) -> io::Result<Option<(TcpStream, Place)>> {
    let mut drained = Drained::of(drain);
    let mut transport = Transport::new(stream, BytesMut::new());
    let mut held = Held::new(Part::Http1Connection);
    let spoken = match is_new {
        true => protocol(&mut transport, &mut drained).await?,
        false => {
            // Lets what has come meanwhile be seen: a worker that drains would take it for a connection that asks for nothing.
            yield_now().await;
            Protocol::Http1
        }
    };
    match spoken {
        Protocol::Http1 => http1::serve(gateway, transport, address, drained).await,
        Protocol::Http2 => {
            held.becomes(Part::Http2Connection);
            h2::serve(gateway, transport, address, drained).await.map(|()| None)
        }
        Protocol::Silence => Ok(None),
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

pub(crate) use doors::{Doors, Entry};

use accepting::Accepting;
use drained::Drained;
use h2::H2_PREFACE;
