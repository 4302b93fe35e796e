//! Raw bytes to the proxy and back, and an upstream that says what the test wants.

use harness::full;
use harness::strict::{self, Message, Parsed};
use harness::upstream::Upstream;
use harness::wait::bounded;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// Longer messages are sent in one piece only.
const BYTE_BY_BYTE_MAX: usize = 2_000;
/// Longer ones are not split at each place.
const SPLIT_MAX: usize = 120;

/// How bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    AtOnce,
    ByteByByte,
    /// Split behind so many bytes.
    InTwo(usize),
}

impl Manner {
    /// Those in which so many bytes are sent; in full size also split at each place, where there are few.
    pub(crate) fn of(bytes: usize) -> Vec<Self> {
        let mut all = vec![Self::AtOnce];
        if bytes <= BYTE_BY_BYTE_MAX {
            all.push(Self::ByteByByte);
        }
        if full() && bytes <= SPLIT_MAX {
            all.extend((1..bytes).map(Self::InTwo));
        }
        all
    }

    /// Sends as much as the other side takes.
    pub(crate) async fn send(self, writing: &mut OwnedWriteHalf, raw: &[u8]) {
        let (first, rest) = match self {
            Self::AtOnce => (raw, &b""[..]),
            Self::ByteByByte => (&b""[..], raw),
            Self::InTwo(place) => raw.split_at(place),
        };
        let size = if self == Self::ByteByByte { 1 } else { rest.len().max(1) };
        for piece in [first].into_iter().chain(rest.chunks(size)) {
            // Who has refused what came before may have closed.
            if writing.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Sends bytes on a connection of their own, ends our side, and reads to the end or to a reset.
pub(crate) async fn spoken(proxy: SocketAddr, raw: &[u8], manner: Manner) -> Vec<u8> {
    let stream = TcpStream::connect(proxy).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let sent = async move {
        manner.send(&mut writing, raw).await;
        let _ = writing.shutdown().await;
        writing
    };
    let mut received = Vec::new();
    let (_writing, _end) =
        bounded("the end of a connection", async { tokio::join!(sent, reading.read_to_end(&mut received)) }).await;
    received
}

/// An honest request on a connection of its own, and its answer.
pub(crate) async fn honest(proxy: SocketAddr, path: &str) -> Box<Message> {
    let raw = format!("GET {path} HTTP/1.1\r\nHost: honest.test\r\nConnection: close\r\n\r\n");
    let received = spoken(proxy, raw.as_bytes(), Manner::AtOnce).await;
    match strict::answer(&received, "GET", true) {
        Parsed::Whole(message, bytes) if bytes == received.len() => message,
        other => panic!("an honest request was answered {}: {other:?}", received.escape_ascii()),
    }
}

/// What an upstream has received and what it says.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Whole requests, each with the number of its connection.
    pub(crate) whole: Vec<(usize, Message)>,
    /// What is no request.
    pub(crate) malformed: Vec<String>,
    /// All bytes of each connection.
    pub(crate) wire: Vec<Vec<u8>>,
    /// The answer to `/case`, how it is sent, and whether the upstream closes behind it.
    pub(crate) answer: Option<(Vec<u8>, Manner, bool)>,
    /// How often all of that was said.
    pub(crate) said: usize,
}

/// An upstream that reads strictly and remembers everything.
pub(crate) struct Recording {
    pub(crate) upstream: Upstream,
    told: Arc<Mutex<Told>>,
}

impl Recording {
    pub(crate) async fn start() -> Self {
        let told: Arc<Mutex<Told>> = Arc::default();
        let shared = Arc::clone(&told);
        let upstream = Upstream::tcp(move |stream| serve(stream, Arc::clone(&shared))).await;
        Self { upstream, told }
    }

    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }
}

async fn serve(stream: TcpStream, told: Arc<Mutex<Told>>) {
    stream.set_nodelay(true).unwrap();
    let number = {
        let mut told = told.lock().unwrap();
        told.wire.push(Vec::new());
        told.wire.len() - 1
    };
    let (mut reading, mut writing) = stream.into_split();
    let mut unread = Vec::new();
    loop {
        match strict::request(&unread) {
            Parsed::Whole(message, bytes) => {
                unread.drain(..bytes);
                let answer = {
                    let mut told = told.lock().unwrap();
                    let answer = told.answer.clone().filter(|_| message.start[1] == "/case");
                    told.whole.push((number, *message));
                    answer
                };
                let Some((raw, manner, closes)) = answer else {
                    let _ = writing.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest").await;
                    continue;
                };
                manner.send(&mut writing, &raw).await;
                if closes {
                    let _ = writing.shutdown().await;
                }
                told.lock().unwrap().said += 1;
            }
            Parsed::Malformed(why) => {
                let text = format!("{why} in {}", unread[..unread.len().min(1_000)].escape_ascii());
                told.lock().unwrap().malformed.push(text);
                return;
            }
            Parsed::Part(_) => {
                let mut piece = [0; 8 * 1024];
                match reading.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => {
                        unread.extend_from_slice(&piece[..count]);
                        told.lock().unwrap().wire[number].extend_from_slice(&piece[..count]);
                    }
                }
            }
        }
    }
}
