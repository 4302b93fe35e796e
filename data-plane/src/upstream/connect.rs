//! Opens one connection to an upstream: name, TCP, TLS, HTTP/1.1, within one time limit.

use super::{TargetKey, TlsClients};
use crate::error::ProxyError;
use crate::limits::{BODY_IDLE_TIMEOUT_MS, CONNECT_TIMEOUT_MS, STREAM_BUFFER_BYTES, UPSTREAM_READ_BYTES};
use crate::outgoing::OutgoingBody;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use penstock_model::uri_template::Scheme;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The sending half; the other half runs as a task of this worker, which holds `permit` until the connection ends.
pub(super) async fn connect<P: 'static>(
    key: &TargetKey,
    tls: &TlsClients,
    permit: P,
) -> Result<http1::SendRequest<OutgoingBody>, ProxyError> {
    match timeout(Duration::from_millis(CONNECT_TIMEOUT_MS), open(key, tls, permit)).await {
        Ok(opened) => opened,
        Err(_) => Err(ProxyError::ConnectTimeout),
    }
}

async fn open<P: 'static>(
    key: &TargetKey,
    tls: &TlsClients,
    permit: P,
) -> Result<http1::SendRequest<OutgoingBody>, ProxyError> {
    let tcp = TcpStream::connect((key.host(), key.port())).await.map_err(ProxyError::Connect)?;
    // Small heads and bodies must not wait for the acknowledgement of the ones before.
    tcp.set_nodelay(true).map_err(ProxyError::Connect)?;
    // An upstream that takes nothing of its request must not hold it for ever. hyper does not time what it writes.
    let idle_limit = Duration::from_millis(BODY_IDLE_TIMEOUT_MS);
    SockRef::from(&tcp).set_tcp_user_timeout(Some(idle_limit)).map_err(ProxyError::Connect)?;
    match key.scheme {
        Scheme::Http => handshake(tcp, permit).await,
        Scheme::Https => {
            let stream = secure(key, tls, tcp).await.map_err(ProxyError::Connect)?;
            handshake(stream, permit).await
        }
    }
}

async fn secure(
    key: &TargetKey,
    tls: &TlsClients,
    tcp: TcpStream,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let configured = key.tls.server_name_to_verify.as_str();
    let name = if configured.is_empty() { key.host() } else { configured };
    let name =
        ServerName::try_from(name.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    tls.connector(&key.tls)?.connect(name, tcp).await
}

async fn handshake<T, P>(stream: T, permit: P) -> Result<http1::SendRequest<OutgoingBody>, ProxyError>
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
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
        drop(permit);
    });
    Ok(sender)
}
