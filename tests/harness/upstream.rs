//! Servers that stand behind the gateway: ours, so that they can also misbehave.

use crate::payload::{self, noise_body};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The body of an upstream's answer.
pub type Body = BoxBody<Bytes, hyper::Error>;

/// A body at hand.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// A server that runs until it is dropped.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    open: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// An HTTP/1.1 server with this handler.
    pub async fn http<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send,
    {
        Self::http_at(LOOPBACK, handler).await
    }

    async fn http_at<H, F>(address: IpAddr, handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send,
    {
        Self::tcp_at(address, move |stream| {
            let handler = handler.clone();
            async move {
                let service = service_fn(|request| {
                    let answer = handler(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let _ = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }

    /// A server that is handed each connection as it is.
    pub async fn tcp<H, F>(handler: H) -> Self
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::tcp_at(LOOPBACK, handler).await
    }

    async fn tcp_at<H, F>(address: IpAddr, handler: H) -> Self
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::tcp_on(TcpListener::bind((address, 0)).await.unwrap(), handler)
    }

    /// The same on a listener that is there already.
    pub(crate) fn tcp_on<H, F>(listener: TcpListener, handler: H) -> Self
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&open);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                counter.fetch_add(1, Ordering::SeqCst);
                let counted = Counted(Arc::clone(&counter));
                let answer = handler(stream);
                tokio::spawn(async move {
                    answer.await;
                    drop(counted);
                });
            }
        });
        Self { address, open, task }
    }

    /// Reads one request head and answers these bytes, then closes.
    pub async fn canned(answer: &'static [u8]) -> Self {
        Self::tcp(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        })
        .await
    }

    /// Answers who it is and what it was asked, as JSON: method, target, headers in order, length and hash of the body.
    pub async fn mirror(name: &'static str) -> Self {
        Self::mirror_at(LOOPBACK, name).await
    }

    /// The same at another address of this machine.
    pub async fn mirror_at(address: IpAddr, name: &'static str) -> Self {
        Self::http_at(address, move |request| async move {
            let (head, body) = request.into_parts();
            let headers: Vec<[String; 2]> = head
                .headers
                .iter()
                .map(|(key, value)| [key.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()])
                .collect();
            let (bytes, sum, trailers) = match body.collect().await {
                Ok(collected) => {
                    let trailers: Vec<[String; 2]> = collected
                        .trailers()
                        .into_iter()
                        .flatten()
                        .map(|(key, value)| [key.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()])
                        .collect();
                    let bytes = collected.to_bytes();
                    (bytes.len(), hex(&payload::sum(&bytes)), trailers)
                }
                Err(_) => (0, "broken".to_owned(), Vec::new()),
            };
            let answer = serde_json::json!({
                "upstream": name,
                "method": head.method.as_str(),
                "target": head.uri.to_string(),
                "headers": headers,
                "bytes": bytes,
                "sum": sum,
                "trailers": trailers,
            });
            let mut response = Response::new(whole(answer.to_string()));
            response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
            response
        })
        .await
    }

    /// Takes any amount and answers its length and hash; a GET of `/noise/{seed}/{bytes}/{frame}/{pause in µs}` answers
    /// that noise.
    pub async fn bulk() -> Self {
        Self::http(|request| async move {
            let path = request.uri().path().to_owned();
            let numbers: Vec<u64> = path.split('/').filter_map(|part| part.parse().ok()).collect();
            if let &[seed, total, frame, pause] = numbers.as_slice() {
                let (body, _) = noise_body(seed, total, usize::try_from(frame).unwrap(), Duration::from_micros(pause));
                return Response::new(body.map_err(|never| match never {}).boxed());
            }
            match payload::drain(request.into_body()).await {
                Ok((length, sum)) => Response::new(whole(format!("{length} {}", hex(&sum)))),
                Err(_) => Response::new(whole("broken")),
            }
        })
        .await
    }

    /// Sends back what it gets, as it comes.
    pub async fn echo() -> Self {
        Self::http(|request| async move {
            let kind = request.headers().get("content-type").cloned();
            let mut response = Response::new(request.into_body().boxed());
            if let Some(kind) = kind {
                response.headers_mut().insert("content-type", kind);
            }
            response
        })
        .await
    }
}

/// Counts a connection while it lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reads until the empty line behind a head, and gives back what came.
pub async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1..) => head.push(byte[0]),
            _ => break,
        }
    }
    head
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
