//! A server behind TLS, with a certificate of its own making.

use crate::upstream::{Body, Upstream};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Windows that allow more than anybody sends here.
const WIDE: u32 = 1 << 30;

/// A connection of which only so much is read.
struct Reading {
    stream: TcpStream,
    left: usize,
}

impl AsyncRead for Reading {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Pending;
        }
        let before = space.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, space))?;
        self.left = self.left.saturating_sub(space.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Reading {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A server for `localhost` that runs until it is dropped.
pub struct TlsServer {
    server: Upstream,
    certificate: PathBuf,
    accepted: Arc<AtomicUsize>,
    hang_up: watch::Sender<u32>,
}

impl TlsServer {
    /// Offers these protocols in the handshake, and answers each request as `answer` says. Its certificate is put into
    /// `directory`.
    pub async fn start<H, F>(directory: &Path, protocols: &[&str], answer: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_reading(directory, protocols, usize::MAX, answer).await
    }

    /// The same, but reads only so many bytes of each connection, whatever its windows allow.
    pub async fn start_reading<H, F>(directory: &Path, protocols: &[&str], read_max: usize, answer: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = directory.join("localhost.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let hang_up = watch::Sender::new(0);
        let end = hang_up.clone();
        let server = Upstream::tcp(move |stream| {
            let (acceptor, answer, counter) = (acceptor.clone(), answer.clone(), Arc::clone(&counter));
            let mut end = end.subscribe();
            async move {
                let Ok(stream) = acceptor.accept(Reading { stream, left: read_max }).await else { return };
                counter.fetch_add(1, Ordering::SeqCst);
                let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = service_fn(|request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let io = TokioIo::new(stream);
                tokio::select! {
                    _ = async {
                        match is_h2 {
                            true => {
                                let mut server = http2::Builder::new(TokioExecutor::new());
                                if read_max < usize::MAX {
                                    server.initial_stream_window_size(WIDE).initial_connection_window_size(WIDE);
                                }
                                drop(server.serve_connection(io, service).await);
                            }
                            false => drop(http1::Builder::new().serve_connection(io, service).await),
                        }
                    } => {}
                    _ = end.changed() => {}
                }
            }
        })
        .await;
        Self { server, certificate, accepted, hang_up }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address().port())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Whom a client must trust.
    pub fn certificate(&self) -> &str {
        self.certificate.to_str().unwrap()
    }

    /// Connections that it has taken so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.server.open()
    }

    /// Closes every connection.
    pub fn hang_up(&self) {
        self.hang_up.send_modify(|times| *times += 1);
    }
}
