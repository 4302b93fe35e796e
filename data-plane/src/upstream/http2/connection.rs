//! [`handshake`]: one connection, which a task of the worker keeps going until nobody needs it or the upstream is silent for too long.

use crate::error::ProxyError;
use crate::limits::{
    H2_PING_INTERVAL_MS, H2_PING_TIMEOUT_MS, H2_SEND_BUFFER_BYTES, H2_STREAM_WINDOW_BYTES,
    UPSTREAM_CONNECTION_WINDOW_BYTES, UPSTREAM_HEADER_LIST_BYTES_MAX, UPSTREAM_RESET_STREAMS_MAX,
    UPSTREAM_SMALL_FRAMES_BYTES_MAX, UPSTREAM_STREAMS_PER_CONNECTION_MAX,
};
use crate::memory::{Held, Part};
use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use h2::{Ping, PingPong};
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep, timeout};

/// What a connection is used for.
#[derive(Debug)]
pub(crate) struct Use {
    pub(in super::super) streams: Cell<usize>,
    /// How many there may be, as the other side says now.
    pub(in super::super) streams_max: Cell<usize>,
    /// When a request ended on it last.
    pub(in super::super) last: Cell<Instant>,
    /// Whether a request was given up without an answer, and nothing has come since: the other side may be gone without a word,
    /// which only the next ping tells.
    pub(in super::super) is_doubtful: Cell<bool>,
    /// How often something has come.
    reads: Cell<u64>,
}

/// A connection that notes when something comes.
struct Noting<T> {
    io: T,
    used: Rc<Use>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Noting<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = space.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, space))?;
        if space.filled().len() > before {
            self.used.reads.set(self.used.reads.get().wrapping_add(1));
            self.used.is_doubtful.set(false);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Noting<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The sending half of a connection. Each request has one of its own.
#[derive(Clone)]
pub(in super::super) struct Sender {
    h2: SendRequest<Bytes>,
    pub(in super::super) use_of_it: Rc<Use>,
}

impl Sender {
    pub(super) fn h2(&self) -> SendRequest<Bytes> {
        self.h2.clone()
    }

    /// Whether requests may still begin on it, as far as one can tell.
    pub(in super::super) fn is_open(&self) -> bool {
        !matches!(self.h2().poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    }
}

/// Begins HTTP/2 on a connection. `permit` is held until it is closed.
///
/// # Errors
/// The upstream does not take part.
pub(in super::super) async fn handshake<T, P>(stream: T, permit: P) -> Result<Sender, ProxyError>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    P: 'static,
{
    let use_of_it = Rc::new(Use {
        streams: Cell::new(0),
        streams_max: Cell::new(UPSTREAM_STREAMS_PER_CONNECTION_MAX),
        last: Cell::new(Instant::now()),
        is_doubtful: Cell::new(false),
        reads: Cell::new(0),
    });
    let (h2, mut connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(UPSTREAM_CONNECTION_WINDOW_BYTES)
        .max_header_list_size(UPSTREAM_HEADER_LIST_BYTES_MAX)
        .max_send_buffer_size(H2_SEND_BUFFER_BYTES)
        // Clients that leave reset streams, whose upstreams go on sending for a while.
        .max_concurrent_reset_streams(UPSTREAM_RESET_STREAMS_MAX)
        // Of a lifetime: a connection would wear out.
        .max_local_error_reset_streams(None)
        .data_frame_budget(UPSTREAM_SMALL_FRAMES_BYTES_MAX)
        .handshake(Noting { io: stream, used: Rc::clone(&use_of_it) })
        .await
        .map_err(ProxyError::Http2Exchange)?;
    let ping = connection.ping_pong();
    let (used, held) = (Rc::clone(&use_of_it), Held::new(Part::TlsUpstream));
    tokio::task::spawn_local(async move {
        keep_going(connection, ping, &used).await;
        drop((permit, held));
    });
    Ok(Sender { h2, use_of_it })
}

/// Runs a connection to its end, which comes when nobody has a [`Sender`] or a stream of it any more, or the other side ends it.
async fn keep_going<T>(mut connection: Connection<T, Bytes>, ping: Option<PingPong>, used: &Use)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut silence = pin!(silence(ping, used));
    poll_fn(|cx| {
        let polled = Pin::new(&mut connection).poll(cx);
        used.streams_max.set(connection.max_concurrent_send_streams().min(UPSTREAM_STREAMS_PER_CONNECTION_MAX));
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "upstream connection ended");
                Poll::Ready(())
            }
            Poll::Pending => silence.as_mut().poll(cx),
        }
    })
    .await;
}

/// Ready when nothing comes while requests are under way, and the other side, asked for a sign of life, gives none. Whatever comes is
/// one: the answer to a ping may be behind seconds of data.
async fn silence(ping: Option<PingPong>, used: &Use) {
    let Some(mut ping) = ping else { return std::future::pending().await };
    let mut is_asked = false;
    loop {
        let before = used.reads.get();
        sleep(Duration::from_millis(H2_PING_INTERVAL_MS)).await;
        if used.streams.get() == 0 || used.reads.get() != before {
            continue;
        }
        // An answer that came too late is none to a question that was not asked yet.
        is_asked = is_asked && poll_fn(|cx| Poll::Ready(ping.poll_pong(cx).is_pending())).await;
        if !is_asked && ping.send_ping(Ping::opaque()).is_err() {
            // It ends anyway.
            return std::future::pending().await;
        }
        is_asked = true;
        match timeout(Duration::from_millis(H2_PING_TIMEOUT_MS), poll_fn(|cx| ping.poll_pong(cx))).await {
            Ok(Ok(_)) => is_asked = false,
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) if used.reads.get() != before => {}
            Err(_) => {
                tracing::debug!("an upstream gives no sign of life");
                return;
            }
        }
    }
}
