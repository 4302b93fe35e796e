//! The connection below a gRPC channel where its address begins with `https`.

use crate::limits::HANDSHAKE_MS_MAX;
use crate::tls::ALPN_H2;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::Service;
use tonic::transport::Uri;

/// The port of `https` where none is given.
const PORT_DEFAULT: u16 = 443;

/// Longest wait for the server's first word behind a handshake, in milliseconds.
const VERDICT_MS_MAX: u64 = 1_000;

/// Connects with one TLS configuration.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) config: Arc<ClientConfig>,
    /// The name that the certificate must have; `None`: the host of the address.
    pub(crate) name: Option<ServerName<'static>>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let Self { config, name } = self.clone();
        Box::pin(async move {
            let host = address.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let name = match name {
                Some(name) => name,
                None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
            };
            let stream = TcpStream::connect((host, address.port_u16().unwrap_or(PORT_DEFAULT))).await?;
            // Small messages must not wait for a full packet; a connection that refuses this works all the same.
            let _ = stream.set_nodelay(true);
            let bound = Duration::from_millis(HANDSHAKE_MS_MAX);
            let handshake = tokio::time::timeout(bound, TlsConnector::from(config).connect(name, stream)).await;
            let stream = handshake.map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, format!("no TLS handshake within {HANDSHAKE_MS_MAX} ms"))
            })??;
            if stream.get_ref().1.alpn_protocol() != Some(ALPN_H2) {
                return Err(io::Error::other("what listens there speaks TLS and no HTTP/2"));
            }
            verdict(stream).await
        })
    }
}

/// Waits for the server's first word. In TLS 1.3 our side is done before the server has looked at our certificate, and an
/// HTTP/2 server speaks first: so this tells a refusal, whose reason would be lost further up. The word stays unread.
async fn verdict(mut stream: TlsStream<TcpStream>) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let bound = Duration::from_millis(VERDICT_MS_MAX);
    match tokio::time::timeout(bound, stream.fill_buf()).await {
        Ok(Err(error)) => Err(error),
        // One that waits for us to begin will be heard later.
        Ok(Ok(_)) | Err(_) => Ok(TokioIo::new(stream)),
    }
}
