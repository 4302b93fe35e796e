//! [`Accepting`]: connections as they come to one worker's listener, and what becomes of those that do not come in.

use super::H2_PREFACE;
use super::doors::{Closed, Doors, Entry};
use crate::limits::{ACCEPT_BACKOFF_MS, FULL_WAIT_MS, LISTEN_BACKLOG, OVERLOAD_RETRY_AFTER_SECONDS};
use crate::metrics::WorkerMetrics;
use socket2::SockRef;
use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// Read of what a client has sent already that is told that there is no room, in bytes.
const GLANCE_BYTES: usize = 8 * 1024;

/// Connections that may wait when a worker begins to drain: those that the kernel holds, and the one that waits for room.
const LEFT_MAX: u32 = LISTEN_BACKLOG as u32 + 1;

/// The empty SETTINGS that an HTTP/2 server begins with, and a GOAWAY that says that no request was looked at and nothing is
/// wrong with the client (RFC 9113 sections 3.4 and 6.8).
const H2_FULL: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// One worker's listener and the doors of the process.
pub(super) struct Accepting {
    listener: TcpListener,
    doors: Arc<Doors>,
    metrics: Rc<WorkerMetrics>,
    /// Who waits for room. Here, so that whoever stops waiting for the next connection does not lose it.
    waiting: Cell<Option<(TcpStream, SocketAddr)>>,
    /// Until when nothing is accepted, and how long that pause is, in milliseconds.
    pause: Cell<Option<(Instant, u64)>>,
    /// How many more may have waited in the kernel when no more were accepted: whoever comes later finds another listener, or none.
    left: Cell<u32>,
}

impl Accepting {
    pub(super) fn new(listener: TcpListener, doors: Arc<Doors>, metrics: Rc<WorkerMetrics>) -> Self {
        Self { listener, doors, metrics, waiting: Cell::new(None), pause: Cell::new(None), left: Cell::new(LEFT_MAX) }
    }

    /// The next connection that comes in. Cancel safe.
    pub(super) async fn next(&self) -> (TcpStream, SocketAddr, Entry) {
        let (first, longest) = ACCEPT_BACKOFF_MS;
        loop {
            if let Some((until, _)) = self.pause.get() {
                sleep_until(until).await;
            }
            let arrived = match self.waiting.take() {
                Some(arrived) => Ok(arrived),
                None => self.listener.accept().await,
            };
            match arrived {
                Ok((stream, address)) => {
                    self.pause.set(None);
                    if let Some(entered) = self.let_in(stream, address).await {
                        return entered;
                    }
                }
                Err(error) => {
                    // Most of all "too many open files": waiting lets connections end.
                    let pause_ms = self.pause.get().map_or(first, |(_, pause_ms)| (pause_ms * 2).min(longest));
                    tracing::warn!(%error, pause_ms, "accepting a connection failed");
                    self.metrics.failure("accept_failed");
                    self.pause.set(Some((Instant::now() + Duration::from_millis(pause_ms), pause_ms)));
                }
            }
        }
    }

    /// One that waits in the kernel already, or for room, if it comes in: what is left there when the listener is closed is reset. Nobody
    /// waits for room any more.
    pub(super) async fn left(&self) -> Option<(TcpStream, SocketAddr, Entry)> {
        loop {
            self.left.set(self.left.get().checked_sub(1)?);
            let arrived = match self.waiting.take() {
                Some(arrived) => Ok(arrived),
                None => timeout(Duration::ZERO, self.listener.accept()).await.ok()?,
            };
            let (stream, address) = match arrived {
                Ok(arrived) => arrived,
                // It has gone; others may wait behind it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => return None,
            };
            match self.doors.enter(address.ip()) {
                Ok(entry) => return Some((stream, address, entry)),
                Err(closed) => {
                    // Lets what it has sent be seen.
                    yield_now().await;
                    self.turn_away(stream, address, closed);
                }
            }
        }
    }

    /// Lets a connection in, as soon as there is room. Meanwhile further ones wait in the kernel, where they cost nothing. When
    /// the process has been full for long, each is told so instead.
    async fn let_in(&self, stream: TcpStream, address: SocketAddr) -> Option<(TcpStream, SocketAddr, Entry)> {
        let mut arrived = (stream, address);
        loop {
            let (stream, address) = arrived;
            match self.doors.enter(address.ip()) {
                Ok(entry) => return Some((stream, address, entry)),
                // It would hold up all others if it waited, and whoever has that many does not need an answer.
                Err(Closed::Address) => {
                    self.turn_away(stream, address, Closed::Address);
                    return None;
                }
                Err(Closed::Full) => {
                    self.waiting.set(Some((stream, address)));
                    let until = self.doors.full_until(Duration::from_millis(FULL_WAIT_MS));
                    let has_room = timeout_at(until, self.doors.room()).await.is_ok();
                    if !has_room {
                        // Lets what it has sent be seen; the runtime may not have looked at the connection yet.
                        yield_now().await;
                    }
                    arrived = self.waiting.take()?;
                    if !has_room {
                        self.turn_away(arrived.0, arrived.1, Closed::Full);
                        return None;
                    }
                }
            }
        }
    }

    /// Closes the door on a connection.
    fn turn_away(&self, stream: TcpStream, address: SocketAddr, closed: Closed) {
        match closed {
            Closed::Address => {
                self.metrics.failure("connections_of_address");
                tracing::debug!(%address, "the client's address has as many connections as it may");
            }
            Closed::Full => {
                self.metrics.failure("connections_full");
                refuse(&stream);
            }
        }
    }
}

/// Tells a client that there is no room, in the protocol that it speaks. Takes no time: what cannot be done at once is not.
fn refuse(stream: &TcpStream) {
    let mut glance = [0; GLANCE_BYTES];
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
    use crate::metrics::Metrics;
    use crate::overload::Overload;
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
            refuse(&stream);
            drop(stream);
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.expect("an orderly end");
            assert_eq!(read, told, "{}", String::from_utf8_lossy(&read));
        }
    }

    /// A listener with room for one, which somebody has.
    async fn full() -> (Accepting, Entry) {
        let metrics = WorkerMetrics::new(Arc::new(Metrics::new()), Arc::new(Overload::unlimited()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let doors = Doors::new(1, 0);
        let entry = doors.enter(listener.local_addr().expect("it is bound").ip()).expect("there is room");
        (Accepting::new(listener, doors, metrics), entry)
    }

    /// A client that waits for room, as whoever stops to wait for the next connection leaves it.
    async fn left_waiting(accepting: &Accepting) -> TcpStream {
        let address = accepting.listener.local_addr().expect("it is bound");
        let mut client = TcpStream::connect(address).await.expect("it listens");
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("it is open");
        let stopped = async {
            loop {
                yield_now().await;
                let waiting = accepting.waiting.take();
                let is_there = waiting.is_some();
                accepting.waiting.set(waiting);
                if is_there {
                    break;
                }
            }
        };
        tokio::select! {
            _ = accepting.next() => panic!("there is no room"),
            () = stopped => client,
        }
    }

    #[tokio::test]
    async fn who_waits_for_room_is_not_lost_when_somebody_else_is_looked_after_meanwhile() {
        let (accepting, entry) = full().await;
        let client = left_waiting(&accepting).await;
        drop(entry);
        let (_, address, _entry) = accepting.next().await;
        assert_eq!(address, client.local_addr().expect("it is open"));
    }

    #[tokio::test]
    async fn who_waits_for_room_when_no_more_are_accepted_is_told_that_there_is_none() {
        let (accepting, _entry) = full().await;
        let mut client = left_waiting(&accepting).await;
        assert!(accepting.left().await.is_none());
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.expect("an orderly end");
        assert_eq!(read, full_answer());
    }
}
