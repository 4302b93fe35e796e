//! [`Accepting`]: connections as they come to one worker's listener, and what becomes of those that do not come in.

use super::H2_PREFACE;
use super::doors::{Closed, Doors, Entry};
use crate::limits::{ACCEPT_BACKOFF_MS, FULL_WAIT_MS, OVERLOAD_RETRY_AFTER_SECONDS};
use crate::metrics::WorkerMetrics;
use socket2::SockRef;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout_at};

/// Read of what a client has sent already that is told that there is no room, in bytes.
const GLANCE_BYTES: usize = 8 * 1024;

/// The empty SETTINGS that an HTTP/2 server begins with, and a GOAWAY that says that no request was looked at and nothing is
/// wrong with the client (RFC 9113 sections 3.4 and 6.8).
const H2_FULL: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// One worker's listener and the doors of the process.
pub(super) struct Accepting {
    listener: TcpListener,
    doors: Arc<Doors>,
    metrics: Rc<WorkerMetrics>,
}

impl Accepting {
    pub(super) fn new(listener: TcpListener, doors: Arc<Doors>, metrics: Rc<WorkerMetrics>) -> Self {
        Self { listener, doors, metrics }
    }

    /// The next connection that comes in.
    pub(super) async fn next(&self) -> (TcpStream, SocketAddr, Entry) {
        let (first, longest) = ACCEPT_BACKOFF_MS;
        let mut pause_ms = first;
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    pause_ms = first;
                    if let Some(entry) = self.let_in(&stream, address).await {
                        return (stream, address, entry);
                    }
                }
                Err(error) => {
                    // Most of all "too many open files": waiting lets connections end.
                    tracing::warn!(%error, pause_ms, "accepting a connection failed");
                    self.metrics.failure("accept_failed");
                    sleep(Duration::from_millis(pause_ms)).await;
                    pause_ms = (pause_ms * 2).min(longest);
                }
            }
        }
    }

    /// One that waits in the kernel already, if it comes in: what is left there when the listener is closed is reset.
    pub(super) async fn left(&self) -> Option<(TcpStream, SocketAddr, Entry)> {
        let (stream, address) = tokio::time::timeout(Duration::ZERO, self.listener.accept()).await.ok()?.ok()?;
        let entry = self.doors.enter(address.ip()).ok()?;
        Some((stream, address, entry))
    }

    /// Lets a connection in, as soon as there is room. Meanwhile further ones wait in the kernel, where they cost nothing. When
    /// the process has been full for long, each is told so instead.
    async fn let_in(&self, stream: &TcpStream, address: SocketAddr) -> Option<Entry> {
        loop {
            match self.doors.enter(address.ip()) {
                Ok(entry) => return Some(entry),
                Err(Closed::Address) => {
                    // It would hold up all others if it waited, and whoever has that many does not need an answer.
                    self.metrics.failure("connections_of_address");
                    tracing::debug!(%address, "the client's address has as many connections as it may");
                    return None;
                }
                Err(Closed::Full) => {
                    let until = self.doors.full_until(Duration::from_millis(FULL_WAIT_MS));
                    if timeout_at(until, self.doors.room()).await.is_err() {
                        self.metrics.failure("connections_full");
                        refuse(stream).await;
                        return None;
                    }
                }
            }
        }
    }
}

/// Tells a client that there is no room, in the protocol that it speaks. Takes no time: what cannot be done at once is not.
async fn refuse(stream: &TcpStream) {
    let mut glance = [0; GLANCE_BYTES];
    // Lets what has come be seen; the runtime has not looked at the connection yet.
    tokio::task::yield_now().await;
    // What is read does not make the kernel answer our end with a reset, which could destroy the answer.
    let read = stream.try_read(&mut glance).unwrap_or(0);
    let answer = match glance[..read].starts_with(H2_PREFACE) {
        true => H2_FULL.to_vec(),
        false => full_answer(),
    };
    let _ = stream.try_write(&answer);
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
}

/// The same that a request gets for which there is no room.
fn full_answer() -> Vec<u8> {
    let body = r#"{"message":"Service Unavailable"}"#;
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: {OVERLOAD_RETRY_AFTER_SECONDS}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn who_finds_no_room_is_told_so_in_its_own_protocol() {
        let http2 = [H2_PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat();
        for (sent, told) in [(&b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], full_answer()), (&http2, H2_FULL.to_vec())] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let mut client = TcpStream::connect(listener.local_addr().expect("it is bound")).await.expect("it listens");
            client.write_all(sent).await.expect("it is open");
            let (stream, _) = listener.accept().await.expect("one waits");
            stream.readable().await.expect("it has sent");
            refuse(&stream).await;
            drop(stream);
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.expect("an orderly end");
            assert_eq!(read, told, "{}", String::from_utf8_lossy(&read));
        }
    }
}
