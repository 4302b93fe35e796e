//! Peers that are slow on purpose, and many of them.

use crate::World;
use crate::client::Connection;
use crate::payload::noise_body;
use crate::wait::until;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Bytes that the kernel takes for a connection whose client does not read: hardly any, so that little is hidden in it.
const NARROW_BYTES: u32 = 8 * 1024;

/// A connection to `to` that comes from another address of this machine.
///
/// # Errors
/// Nobody listens, or the address cannot be used.
pub async fn connect_from(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// A connection for which this kernel buffers hardly anything.
pub async fn narrow(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(NARROW_BYTES).unwrap();
    socket.connect(to).await.unwrap()
}

/// A narrow connection on which an answer was asked for and not read.
pub async fn asked(to: SocketAddr, host: &str, path: &str) -> TcpStream {
    let mut stream = narrow(to).await;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

/// Reads with a pause before each piece, to the end or to an error: how much came, and whether it ended with one.
pub async fn read_slowly(stream: &mut TcpStream, piece: usize, pause: Duration) -> (u64, bool) {
    let mut space = vec![0; piece];
    let mut bytes = 0;
    loop {
        tokio::time::sleep(pause).await;
        match stream.read(&mut space).await {
            Ok(0) => return (bytes, false),
            Ok(read) => bytes += read as u64,
            Err(_) => return (bytes, true),
        }
    }
}

/// Sends a head, and then a few bytes at a time until the other side has enough of it.
pub async fn drip(mut to: impl tokio::io::AsyncWrite + Unpin, head: &[u8], piece: usize, pause: Duration) {
    if to.write_all(head).await.is_err() {
        return;
    }
    while to.write_all(&vec![b'a'; piece]).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

/// Does nothing for a while, as slow people do.
pub async fn pause(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// Uploads noise in small pieces with pauses over a connection of its own: the status, the answer's body and whether that was
/// whole.
pub async fn upload(to: SocketAddr, path: &str, bytes: u64, frame: usize, pause: Duration) -> (u16, Bytes, bool) {
    let (body, _) = noise_body(1, bytes, frame, pause);
    let request = Request::post(path).header("host", "any").body(body).unwrap();
    let response = Connection::open(to).await.send(request).await.unwrap();
    let status = response.status().as_u16();
    match http_body_util::BodyExt::collect(response.into_body()).await {
        Ok(collected) => (status, collected.to_bytes(), true),
        Err(_) => (status, Bytes::new(), false),
    }
}

/// An HTTP/2 connection whose windows are as narrow as that.
pub async fn h2(to: SocketAddr, stream_window: u32) -> http2::SendRequest<Full<Bytes>> {
    let io = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(stream_window).initial_connection_window_size(1 << 30);
    let (sender, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A GET over HTTP/2.
pub fn h2_get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://any{path}")).body(Full::default()).unwrap()
}

/// Opens this many connections, and then begins on each with these bytes: what is answered to the first of them may leave little
/// of the machine for opening the others.
pub async fn crowd(to: SocketAddr, count: usize, begin: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        crowd.push(narrow(to).await);
    }
    for stream in &mut crowd {
        stream.write_all(begin).await.unwrap();
    }
    crowd
}

impl World {
    /// One of a proxy's metrics by its whole name; 0 where it has none of that name yet.
    pub async fn count(&self, proxy: usize, name: &str) -> f64 {
        let text = crate::client::get(self.admin(proxy), "admin", "/metrics").await;
        let mut lines = text.text().lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == name).map_or(0.0, |(_, value)| value.parse().unwrap())
    }

    /// How many requests of the first proxy failed for this reason.
    pub async fn failures(&self, reason: &str) -> f64 {
        self.count(0, &format!("penstock_proxy_failures_total{{reason=\"{reason}\"}}")).await
    }

    /// Waits until so many requests of the first proxy have failed for this reason.
    pub async fn failed(&self, reason: &str, times: f64) {
        until(reason, async || self.failures(reason).await, |&failures| failures >= times).await;
    }

    /// What the first proxy holds of a part by the law of memory, in bytes.
    pub async fn held(&self, part: &str) -> f64 {
        self.metric(0, &format!("penstock_proxy_memory_bytes{{part=\"{part}\"}}")).await
    }
}
