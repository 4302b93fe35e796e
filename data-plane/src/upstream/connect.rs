//! Opens one connection to an address of an upstream: TCP, TLS, HTTP, within one time limit.

use super::http1::Connection;
use super::http2;
use super::sender::Opened;
use super::tls::ALPN_H2;
use super::{TargetKey, TlsClients};
use crate::error::ProxyError;
use crate::limits::{STREAM_BUFFER_BYTES, UPSTREAM_READ_BYTES};
use crate::memory::{Held, Part};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use penstock_model::uri_template::Scheme;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What all connections of a worker are made with.
pub(super) struct Dialing {
    pub(super) tls: Arc<TlsClients>,
    /// How long an upstream may take nothing of what it is sent.
    pub(super) idle: Duration,
    /// Whether each upstream over TLS is offered HTTP/2.
    pub(super) http2: bool,
}

impl Dialing {
    /// Whether a connection there may turn out to take many requests.
    pub(super) fn offers_http2(&self, key: &TargetKey) -> bool {
        key.scheme == Scheme::Https && (key.http2 || self.http2)
    }
}

/// The sending half; the other half runs as a task of this worker, which holds `permit` until the connection ends.
pub(super) async fn connect<P: 'static>(
    dialing: &Dialing,
    key: &TargetKey,
    address: SocketAddr,
    permit: P,
    limit: Duration,
) -> Result<Opened<P>, ProxyError> {
    match timeout(limit, open(dialing, key, address, permit)).await {
        Ok(opened) => opened,
        Err(_) => Err(ProxyError::ConnectTimeout),
    }
}

async fn open<P: 'static>(
    dialing: &Dialing,
    key: &TargetKey,
    address: SocketAddr,
    permit: P,
) -> Result<Opened<P>, ProxyError> {
    let tcp = TcpStream::connect(address).await.map_err(ProxyError::Connect)?;
    // Small heads and bodies must not wait for the acknowledgement of the ones before.
    tcp.set_nodelay(true).map_err(ProxyError::Connect)?;
    // An upstream that takes nothing of its request must not hold it for ever. hyper does not time what it writes.
    SockRef::from(&tcp).set_tcp_user_timeout(Some(dialing.idle)).map_err(ProxyError::Connect)?;
    match key.scheme {
        Scheme::Http => Ok(Opened::Plain(Connection::new(tcp, permit))),
        Scheme::Https => {
            let stream = secure(key, dialing, tcp).await.map_err(ProxyError::Connect)?;
            match stream.get_ref().1.alpn_protocol() {
                Some(ALPN_H2) => http2::handshake(stream, permit).await.map(Opened::Http2),
                _ => handshake(stream, permit).await,
            }
        }
    }
}

async fn secure(
    key: &TargetKey,
    dialing: &Dialing,
    tcp: TcpStream,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let configured = key.tls.server_name_to_verify.as_str();
    let name = if configured.is_empty() { key.host() } else { configured };
    let name =
        ServerName::try_from(name.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    dialing.tls.connector(&key.tls, dialing.offers_http2(key))?.connect(name, tcp).await
}

async fn handshake<T, P>(stream: T, permit: P) -> Result<Opened<P>, ProxyError>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    P: 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(STREAM_BUFFER_BYTES)
        .read_buf_exact_size(Some(UPSTREAM_READ_BYTES))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ProxyError::Exchange)?;
    let held = Held::new(Part::TlsUpstream);
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
        drop((permit, held));
    });
    Ok(Opened::Http1(sender))
}
