//! HTTP/2 frames as bytes (RFC 9113 section 4), for tests that say what no client library would, and that look at what
//! comes back frame by frame.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// What every connection begins with (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 9;

/// Frame types (section 6).
pub mod kind {
    #![allow(missing_docs, reason = "the names are the RFC's")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags (section 6).
pub mod flag {
    #![allow(missing_docs, reason = "the names are the RFC's")]
    pub const NONE: u8 = 0;
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 32;
    /// A whole request without a body.
    pub const WHOLE: u8 = END_STREAM | END_HEADERS;
}

/// Error codes (section 7).
pub mod code {
    #![allow(missing_docs, reason = "the names are the RFC's")]
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const SETTINGS_TIMEOUT: u32 = 4;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// Any frame. The length is the payload's.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// DATA.
pub fn data(stream: u32, flags: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(kind::DATA, flags, stream, payload)
}

/// HEADERS with a block of fields.
pub fn headers(stream: u32, flags: u8, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(kind::HEADERS, flags, stream, block)
}

/// CONTINUATION.
pub fn continuation(stream: u32, flags: u8, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(kind::CONTINUATION, flags, stream, block)
}

/// What PRIORITY holds.
pub fn dependency(on: u32, weight: u8) -> Vec<u8> {
    [&on.to_be_bytes()[..], &[weight]].concat()
}

/// PRIORITY.
pub fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(kind::PRIORITY, 0, stream, dependency(on, 15))
}

/// `RST_STREAM`.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, code.to_be_bytes())
}

/// SETTINGS of identifiers and values.
pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (identifier, value) in pairs {
        payload.extend_from_slice(&identifier.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(kind::SETTINGS, 0, 0, payload)
}

/// PING.
pub fn ping(opaque: &[u8; 8]) -> Vec<u8> {
    frame(kind::PING, 0, 0, opaque)
}

/// GOAWAY.
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// `WINDOW_UPDATE`.
pub fn window(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

/// Fields as literals without indexing, neither name nor value compressed (RFC 7541 section 6.2.2).
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value.as_bytes());
    }
    block
}

/// A string without compression (RFC 7541 section 5.2).
pub fn string(block: &mut Vec<u8>, text: &[u8]) {
    integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

/// An integer with a prefix of so many bits, whose other bits are `first` (RFC 7541 section 5.1).
pub fn integer(block: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let full = (1 << bits) - 1;
    if value < full {
        block.push(first | u8::try_from(value).unwrap());
        return;
    }
    block.push(first | u8::try_from(full).unwrap());
    let mut rest = value - full;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// A request's fields: method, path, and others.
pub fn request(method: &str, path: &str, others: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "any")];
    fields(&[&pseudo, others].concat())
}

/// A whole GET of `/`.
pub fn get(stream: u32) -> Vec<u8> {
    headers(stream, flag::WHOLE, request("GET", "/", &[]))
}

/// A frame that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Whether it has a flag.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The four octets at an offset, as codes and increments are.
    pub fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status in the block of an answer whose sender may not keep a table, and which therefore begins with it; 0 where
    /// it does not.
    pub fn status(&self) -> u16 {
        let mut block = &self.payload[..];
        // A change of the table's size comes first (RFC 7541 section 6.3).
        while let [first @ 0x20..0x40, rest @ ..] = block {
            let more = rest.iter().position(|&octet| octet < 0x80).map_or(0, |last| last + 1);
            block = if *first == 0x3f { &rest[more..] } else { rest };
        }
        match block {
            [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
            [0x08 | 0x18 | 0x48, string @ ..] => digits(string).parse().unwrap_or(0),
            _ => 0,
        }
    }
}

/// A string of digits, compressed or not (RFC 7541 appendix B: codes of five bits up to 2, of six bits beyond).
fn digits(string: &[u8]) -> String {
    let bytes = &string[1..=usize::from(string[0] & 0x7f)];
    if string[0] & 0x80 == 0 {
        return String::from_utf8(bytes.to_vec()).unwrap();
    }
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut text = String::new();
    while text.len() < 3 {
        let mut number = bits.by_ref().take(5).fold(0, |number, bit| number << 1 | bit);
        if number > 2 {
            number = (number << 1 | bits.next().unwrap()) - 0b01_1001 + 3;
        }
        text.push(char::from(b'0' + number));
    }
    text
}

/// One connection that is read frame by frame.
pub struct Wire {
    reading: OwnedReadHalf,
    writing: OwnedWriteHalf,
    unread: Vec<u8>,
}

impl Wire {
    /// Connects and says nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let (reading, writing) = stream.into_split();
        Self { reading, writing, unread: Vec::new() }
    }

    /// Connects, says the preface and these settings, and that no table may be kept for what is answered.
    pub async fn open(address: SocketAddr, pairs: &[(u16, u32)]) -> Self {
        Self::greet(TcpStream::connect(address).await.unwrap(), pairs).await
    }

    /// Says the same on a connection.
    pub async fn greet(stream: TcpStream, pairs: &[(u16, u32)]) -> Self {
        let mut wire = Self::over(stream);
        wire.send(&[PREFACE, &settings(&[&[(1, 0)], pairs].concat())].concat()).await;
        wire
    }

    /// Sends bytes; whether the other side takes them.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.writing.write_all(bytes).await.is_ok()
    }

    /// Says that nothing more will be sent.
    pub async fn shutdown(&mut self) {
        let _ = self.writing.shutdown().await;
    }

    /// The next frame; `None` when the other side has closed or reset the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = take(&mut self.unread) {
                return Some(frame);
            }
            match self.reading.read_buf(&mut self.unread).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }

    /// Sends frames without an end, and reads unless it is `deaf`, until the other side ends the connection. How many it has
    /// sent, and the code of the GOAWAY that came.
    pub async fn flood(self, is_deaf: bool, mut frames: impl FnMut(u32) -> Vec<u8>) -> (u32, Option<u32>) {
        let Self { mut reading, mut writing, mut unread } = self;
        let writes = async {
            let mut sent = 0;
            while writing.write_all(&frames(sent)).await.is_ok() {
                sent += 1;
            }
            sent
        };
        let reads = async { while !is_deaf && matches!(reading.read_buf(&mut unread).await, Ok(1..)) {} };
        let (sent, ()) = tokio::join!(writes, reads);
        let mut code = None;
        while let Some(frame) = take(&mut unread) {
            if frame.kind == kind::GOAWAY {
                code = Some(frame.number(4));
            }
        }
        (sent, code)
    }
}

/// Takes a whole frame off the front of what was read.
fn take(unread: &mut Vec<u8>) -> Option<Frame> {
    let head = unread.get(..HEADER_BYTES)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let (kind, flags) = (head[3], head[4]);
    let stream = u32::from_be_bytes(head[5..9].try_into().unwrap()) & 0x7fff_ffff;
    let payload = unread.get(HEADER_BYTES..HEADER_BYTES + length)?.to_vec();
    unread.drain(..HEADER_BYTES + length);
    Some(Frame { kind, flags, stream, payload })
}
