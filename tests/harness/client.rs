//! Clients of the proxy: a plain one, and raw sockets for what no plain client would send.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: hyper::HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value as text; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// One connection to the proxy that is kept alive.
pub struct Connection<B> {
    sender: http1::SendRequest<B>,
}

impl<B> Connection<B>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        Self::try_open(address).await.unwrap()
    }

    /// Connects to what may not be there.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn try_open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and gives the answer as soon as its head is there.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

/// Sends one request over a connection of its own and reads the whole answer.
///
/// # Errors
/// When the connection breaks before the answer's end.
pub async fn call<B>(address: SocketAddr, request: Request<B>) -> Result<Answer, hyper::Error>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let response = Connection::open(address).await.send(request).await?;
    let (head, body) = response.into_parts();
    Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
}

/// A GET of `path` at `host`.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> Answer {
    let request = Request::get(path).header("host", host).body(Full::new(Bytes::new())).unwrap();
    call(address, request).await.unwrap()
}

/// A POST of bytes.
pub async fn post(address: SocketAddr, host: &str, path: &str, kind: &str, bytes: impl Into<Bytes>) -> Answer {
    let request =
        Request::post(path).header("host", host).header("content-type", kind).body(Full::new(bytes.into())).unwrap();
    call(address, request).await.unwrap()
}

/// Sends bytes as they are and reads until the other side closes.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The answer may come, and the connection end, before everything is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = crate::wait::bounded("the answer to raw bytes", stream.read_to_end(&mut answer)).await;
    drop(read);
    String::from_utf8_lossy(&answer).into_owned()
}
