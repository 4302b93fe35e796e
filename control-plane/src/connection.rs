//! Accepting connections, with TLS where it is configured: so many at a time, and an error of one is never the end of the
//! listener.
//!
//! Handshakes run beside each other, so that a slow one holds up nobody. When there are too many of them the oldest goes of whom
//! nothing was heard: who means it says hello at once and has finished in milliseconds, and who only opens connections loses
//! them one after another.

use crate::security::{Names, Peer, Security};
use crate::throttle::Throttle;
use futures_util::stream::{self, Stream};
use penstock_link::limits::HANDSHAKE_MS_MAX;
use penstock_link::words;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Most gRPC connections at a time: nodes hold one each. Further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 4_096;
/// Most TLS handshakes at a time; with one more the oldest is cut whose client has said nothing, or the oldest if all have.
const HANDSHAKES_MAX: usize = 512;
/// Wait after an accept that failed, in milliseconds: out of file descriptors, trying at once fails again.
const ACCEPT_RETRY_MS: u64 = 100;

/// An accepted connection, with its place among the others.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Wire,
    info: ConnectInfo,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What calls know of their connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectInfo {
    pub(crate) tcp: Option<TcpConnectInfo>,
    pub(crate) peer: Peer,
}

/// Accepts for ever.
pub(crate) fn accept(listener: TcpListener, security: Arc<Security>) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let acceptor = Acceptor {
        listener,
        security,
        places,
        handshakes: JoinSet::new(),
        order: Vec::new(),
        failures: Arc::default(),
    };
    stream::unfold(acceptor, |mut acceptor| async move {
        let connection = acceptor.next().await?;
        Some((Ok(connection), acceptor))
    })
}

struct Acceptor {
    listener: TcpListener,
    security: Arc<Security>,
    places: Arc<Semaphore>,
    /// Those under way; `None` for one that failed, which was said already.
    handshakes: JoinSet<Option<Connection>>,
    /// The same, the oldest first, with some that have ended.
    order: Vec<Handshake>,
    failures: Arc<Throttle>,
}

/// One that is under way, or has ended.
struct Handshake {
    task: AbortHandle,
    /// Whether the client's hello has come.
    is_greeted: Arc<AtomicBool>,
}

impl Acceptor {
    async fn next(&mut self) -> Option<Connection> {
        loop {
            tokio::select! {
                // What is done makes room before more is let in.
                biased;
                Some(done) = self.handshakes.join_next() => {
                    // One that was cut to make room is an error here, and no news.
                    if let Ok(Some(connection)) = done {
                        return Some(connection);
                    }
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        // Small answers must not wait for a full packet; a connection that refuses this works all the same.
                        let _ = stream.set_nodelay(true);
                        match self.security.tls() {
                            Some(config) => {
                                self.begin(stream, address, config);
                                // Those under way get their turn: a hello that lies in the kernel has not been heard.
                                tokio::task::yield_now().await;
                            }
                            None => {
                                let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
                                return Some(Connection::plain(stream, address, permit));
                            }
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection");
                        tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                    }
                }
            }
        }
    }

    /// Begins a handshake. The connection counts among the others once that is done.
    fn begin(&mut self, stream: TcpStream, address: SocketAddr, config: Arc<ServerConfig>) {
        self.order.retain(|handshake| !handshake.task.is_finished());
        if self.handshakes.len() >= HANDSHAKES_MAX && !self.order.is_empty() {
            let silent = self.order.iter().position(|handshake| !handshake.is_greeted.load(Ordering::Relaxed));
            self.order.remove(silent.unwrap_or(0)).task.abort();
        }
        let is_greeted = Arc::<AtomicBool>::default();
        let greeted = Arc::clone(&is_greeted);
        let (places, failures) = (Arc::clone(&self.places), Arc::clone(&self.failures));
        let task = self.handshakes.spawn(async move {
            let bound = Duration::from_millis(HANDSHAKE_MS_MAX);
            let handshake = async {
                let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
                greeted.store(true, Ordering::Relaxed);
                hello.into_stream(config).await
            };
            let reason = match tokio::time::timeout(bound, handshake).await {
                Ok(Ok(stream)) => {
                    let permit = places.acquire_owned().await.ok()?;
                    return Some(Connection::tls(stream, address, permit));
                }
                Ok(Err(error)) => words::for_server(&error),
                Err(_) => format!("it was not done within {HANDSHAKE_MS_MAX} ms"),
            };
            if let Some(unsaid) = failures.may_speak() {
                tracing::warn!(peer = %address, reason, unsaid, "a TLS handshake failed");
            }
            None
        });
        self.order.push(Handshake { task, is_greeted });
    }
}

impl Connection {
    fn plain(stream: TcpStream, address: SocketAddr, permit: OwnedSemaphorePermit) -> Self {
        let peer = Peer { address: Some(address), certificate: None };
        let info = ConnectInfo { tcp: Some(stream.connect_info()), peer };
        Self { stream: Wire::Plain(stream), info, _permit: permit }
    }

    fn tls(stream: TlsStream<TcpStream>, address: SocketAddr, permit: OwnedSemaphorePermit) -> Self {
        let (tcp, session) = stream.get_ref();
        let end = session.peer_certificates().and_then(|chain| chain.first());
        let certificate = end.map(|certificate| Arc::new(Names::read(certificate)));
        let info = ConnectInfo { tcp: Some(tcp.connect_info()), peer: Peer { address: Some(address), certificate } };
        Self { stream: Wire::Tls(Box::new(stream)), info, _permit: permit }
    }
}

impl Connected for Connection {
    type ConnectInfo = ConnectInfo;

    fn connect_info(&self) -> ConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
