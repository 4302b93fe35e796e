//! The server behind all contestants: as cheap as it can be, on one thread, the same for all of them.
//!
//! `/echo` gives a body back, `/sink` throws it away, `/large` and `/slow` send many bytes, everything else is answered with
//! 1 KiB. It understands what proxies send it (a head, and a body with a length) and ends the connection on anything else.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The answer of a small GET.
pub(crate) const SMALL_BYTES: usize = 1024;
/// The body of a large transfer.
pub(crate) const LARGE_BYTES: usize = 64 * MIB;
/// What a slow reader is sent.
pub(crate) const SLOW_BYTES: usize = 16 * MIB;

/// Bytes of one read or write of a large body.
pub(crate) const PIECE_BYTES: usize = 256 * 1024;
const MIB: usize = 1024 * 1024;
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What a head says.
struct Head {
    /// Up to and with the empty line.
    bytes: usize,
    target: String,
    body_bytes: usize,
    is_last: bool,
}

/// The head at the beginning of `bytes`, once it is complete.
fn head(bytes: &[u8]) -> Option<Head> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = text.split("\r\n");
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let mut head = Head { bytes: end, target, body_bytes: 0, is_last: false };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            head.body_bytes = value.trim().parse().ok()?;
        } else if name.eq_ignore_ascii_case("connection") {
            head.is_last = value.trim().eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
    }
    Some(head)
}

fn answer(bytes: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: {bytes}\r\n\r\n").into_bytes()
}

async fn send(stream: &mut TcpStream, mut bytes: usize, piece: &[u8]) -> std::io::Result<()> {
    stream.write_all(&answer(bytes)).await?;
    while bytes > 0 {
        let sent = stream.write(&piece[..bytes.min(piece.len())]).await?;
        bytes -= sent;
    }
    Ok(())
}

/// Serves one connection until it ends or says what we do not understand.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(HEAD_BYTES_MAX);
    let small = [answer(SMALL_BYTES), vec![b'x'; SMALL_BYTES]].concat();
    let mut scratch = Vec::new();
    loop {
        let Some(head) = head(&buffer) else {
            if buffer.len() >= HEAD_BYTES_MAX || stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        buffer.drain(..head.bytes);
        match head.target.as_str() {
            "/echo" => {
                while buffer.len() < head.body_bytes {
                    if stream.read_buf(&mut buffer).await? == 0 {
                        return Ok(());
                    }
                }
                let mut whole = answer(head.body_bytes);
                whole.extend(buffer.drain(..head.body_bytes));
                stream.write_all(&whole).await?;
            }
            "/sink" => {
                scratch.resize(PIECE_BYTES, 0);
                let mut left = head.body_bytes - buffer.len();
                buffer.clear();
                while left > 0 {
                    match stream.read(&mut scratch).await? {
                        0 => return Ok(()),
                        read => left -= read,
                    }
                }
                stream.write_all(&small).await?;
            }
            "/large" | "/slow" => {
                scratch.resize(PIECE_BYTES, 0);
                let bytes = if head.target == "/large" { LARGE_BYTES } else { SLOW_BYTES };
                send(&mut stream, bytes, &scratch).await?;
            }
            _ => stream.write_all(&small).await?,
        }
        if head.is_last {
            return Ok(());
        }
    }
}

/// Keeps this thread from ever sleeping, so that sending to it costs a contestant no wake-up of another core, which is dear
/// on a virtual machine and dearer the more the other core idles. Lets others of the same core run all the time.
pub(crate) async fn never_sleep() {
    loop {
        std::thread::yield_now();
        tokio::task::yield_now().await;
    }
}

/// What a backend does while nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idling {
    Sleeps,
    Spins,
    /// Spins, and asks contestants itself: generator and backend are one thread, so neither waits for the other's turn.
    Asks,
}

/// Listens, says where, and serves until it is killed.
pub(crate) async fn run(idling: Idling) {
    if idling != Idling::Sleeps {
        tokio::spawn(never_sleep());
    }
    if idling == Idling::Asks {
        tokio::spawn(crate::load::pace_as_told());
    }
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream));
    }
}
