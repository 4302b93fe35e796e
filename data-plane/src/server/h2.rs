//! One HTTP/2 connection: its socket, its clock, and a task for each of its requests. What is said on it is the business of
//! `http2`.

mod clock;

use super::drained::Drained;
use super::linger::{self, Sends};
use crate::body::Incoming;
use crate::framing::LingeringLimits;
use crate::gateway::{Arrival, ClientConnection, Gateway};
use crate::http1::{Taking, Transport};
use crate::http2::{Exchange, Fault, Opened, Receiver, Shared, State};
use crate::limits::{H2_GOODBYE_MS, H2_OUT_DEAF_BYTES, H2_READ_BYTES, H2_READS_MAX};
use bytes::BytesMut;
use clock::{Clock, Due, Since};
use penstock_model::function::HeaderSpelling;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What every HTTP/2 connection begins with (RFC 9113 section 3.4).
pub(super) const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long what a client must still hear may take.
const GOODBYE: Duration = Duration::from_millis(H2_GOODBYE_MS);

thread_local! {
    /// What is read next, of whichever connection.
    static SPACE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One connection.
struct Connection<'a> {
    gateway: &'a Rc<Gateway>,
    client: Rc<ClientConnection>,
    stream: TcpStream,
    state: Shared,
    receiver: Receiver,
    /// Of a frame that is not whole yet.
    unread: Vec<u8>,
    clock: Clock,
    /// Whether the client reads, and since when the socket takes nothing.
    taking: Taking,
    blocked_since: Option<Instant>,
    /// Whether nothing was read because too much waits to be written.
    is_deaf: bool,
    drained: Drained,
    /// Whether the client was told that the worker drains.
    is_told: bool,
}

/// Ends all that is under way, however the connection ends.
struct Ending(Shared);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.borrow_mut().end();
    }
}

/// Serves a connection, of which the preface has been read already, to its end.
pub(super) async fn serve(
    gateway: &Rc<Gateway>,
    transport: Transport,
    address: SocketAddr,
    drained: Drained,
) -> io::Result<()> {
    let (stream, unread) = transport.into_parts();
    let now = Instant::now();
    let state: Shared = Rc::new(RefCell::new(State::new(now)));
    let ending = Ending(Rc::clone(&state));
    let mut connection = Connection {
        gateway,
        client: Rc::new(ClientConnection { address, violations: None }),
        stream,
        state,
        receiver: Receiver::default(),
        unread: Vec::new(),
        clock: Clock::new(now),
        taking: Taking::new(gateway.client_limit),
        blocked_since: None,
        is_deaf: false,
        drained,
        is_told: false,
    };
    connection.take(&unread[H2_PREFACE.len()..]);
    drop(unread);
    let served = poll_fn(|cx| connection.poll(cx)).await;
    drop(ending);
    connection.close(served).await
}

impl Connection<'_> {
    /// Does what there is to do. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().attend(cx);
        if !self.is_told && self.drained.poll(cx) {
            self.is_told = true;
            self.state.borrow_mut().announce_end();
        }
        let has_ended = match self.poll_read(cx) {
            Poll::Ready(read) => {
                read?;
                true
            }
            Poll::Pending => false,
        };
        loop {
            let state = &mut *self.state.borrow_mut();
            let since = Since {
                idle: state.idle_since,
                block: self.receiver.block_since(),
                announced: state.announced_since(),
                is_blocked: self.blocked_since.is_some(),
            };
            match self.clock.poll(cx, since) {
                Due::Nothing => break,
                Due::Question => state.ask(),
                Due::Idle => state.announce_end(),
                Due::Unheard => state.say_end(),
                Due::Fault(fault) => {
                    state.fail(fault);
                    break;
                }
                Due::Silence => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            }
        }
        let flushed = self.poll_flush(cx)?;
        let state = &mut *self.state.borrow_mut();
        if has_ended || state.fault.is_some() || flushed.is_ready() && state.is_over() {
            return Poll::Ready(Ok(()));
        }
        state.unattended();
        if std::mem::take(&mut self.is_deaf) && flushed.is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Reads what has come. Ready when nothing more will.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..H2_READS_MAX {
            let (waiting, has_fault) = {
                let state = self.state.borrow();
                (state.out.bytes(), state.fault.is_some())
            };
            // Whoever does not hear us is not heard.
            self.is_deaf = waiting >= H2_OUT_DEAF_BYTES;
            if has_fault || self.is_deaf {
                return Poll::Pending;
            }
            // It stays borrowed while frames are looked at, which never reads.
            let read = SPACE.with_borrow_mut(|space| {
                space.resize(H2_READ_BYTES, 0);
                let kept = self.unread.len();
                let mut fresh = ReadBuf::new(&mut space[kept..]);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut fresh))?;
                let fresh = fresh.filled().len();
                if fresh > 0 {
                    space[..kept].copy_from_slice(&self.unread);
                    self.take(&space[..kept + fresh]);
                }
                Poll::Ready(Ok::<_, io::Error>(fresh))
            });
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(()));
            }
            self.clock.heard();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes bytes, which begin with those that were kept.
    fn take(&mut self, bytes: &[u8]) {
        let Self { gateway, client, state, receiver, .. } = self;
        let read = receiver.read(state, bytes, |opened| begin(gateway, client, state, opened));
        match read {
            Err(fault) => state.borrow_mut().fail(fault),
            Ok(read) if read == bytes.len() => self.unread = Vec::new(),
            Ok(read) => {
                self.unread.clear();
                self.unread.extend_from_slice(&bytes[read..]);
            }
        }
    }

    /// Writes what was gathered. Ready when the socket has taken all of it.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.state.borrow_mut();
        let mut taken = 0;
        let flushed = state.out.poll_write(cx, &mut self.stream, &mut taken);
        if taken > 0 {
            state.grant();
            self.taking.wrote(taken);
            self.blocked_since = None;
        }
        if flushed.is_ready() && state.idle_since.is_some() {
            state.out.rest();
        }
        if flushed.is_pending() {
            let since = *self.blocked_since.get_or_insert_with(Instant::now);
            if self.taking.poll_slow(cx, since, &self.stream).is_ready() {
                state.fail(Fault::STALLED);
            }
        }
        flushed
    }

    /// The kernel has the same limit on what a client does not take (TCP_USER_TIMEOUT), and its clock may begin before ours.
    fn found_by_the_kernel(&self, served: &io::Result<()>) -> Option<Fault> {
        let error = served.as_ref().err().filter(|error| error.kind() == io::ErrorKind::TimedOut)?;
        // Of a client that answers no PING the engine says the same, but that is no error of the operating system.
        (error.raw_os_error().is_some() && self.blocked_since.is_some()).then_some(Fault::STALLED)
    }

    /// Says why the connection ends, and ends it.
    async fn close(mut self, served: io::Result<()>) -> io::Result<()> {
        let fault = self.state.borrow().fault.or_else(|| self.found_by_the_kernel(&served));
        if let Some(fault) = fault {
            self.state.borrow_mut().say(fault);
        }
        // What is left takes as long as the kernel takes to take it, which is no time, unless the client does not read.
        let flushed = timeout(GOODBYE, poll_fn(|cx| self.poll_flush(cx))).await;
        let fault = fault.filter(|&fault| fault != Fault::IDLE);
        if let Some(fault) = fault {
            self.gateway.metrics.failure(fault.reason);
        }
        if matches!(flushed, Ok(Ok(()))) && served.is_ok() {
            let transport = RefCell::new(Transport::new(self.stream, BytesMut::new()));
            // A client of HTTP/2 always sends, if only that it takes what we have sent: the kernel must not answer that with a reset
            // while the last answers are on their way.
            let sends = if fault.is_some() { Sends::Rest } else { Sends::Windows };
            linger::close(&transport, LingeringLimits::default(), self.gateway.client_limit, sends).await;
        }
        served
    }
}

/// Answers a request, in a task of its own.
fn begin(gateway: &Rc<Gateway>, client: &Rc<ClientConnection>, state: &Shared, opened: Opened) {
    let Opened { id, asked, body } = opened;
    let body = Incoming::Http2(body);
    let arrival = Arrival { head: asked.head, body, spelling: HeaderSpelling::default(), refused: asked.refused };
    let exchange = Exchange::of(state, id);
    let (gateway, client) = (Rc::clone(gateway), Rc::clone(client));
    // On the heap at once: what is spawned is moved, and this is several kilobytes.
    let task = tokio::task::spawn_local(Box::pin(async move {
        let response = gateway.serve(&client, arrival).await;
        exchange.answer(response, gateway.client_limit, &gateway.metrics).await;
    }));
    state.borrow_mut().served_by(id, task.abort_handle());
}
