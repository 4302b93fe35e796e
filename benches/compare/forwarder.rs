//! What is below every proxy: bytes that are read on one connection and written to another, and nothing thought about them. What it costs
//! is what the kernel takes for the calls that a small request needs.
//!
//! Each client has a connection to the backend of its own. Bytes that the kernel does not take at once are an error: small requests of
//! clients that wait for each answer never get there.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::SocketAddr;

/// Bytes of one read: more than a small request and its body.
const PIECE_BYTES: usize = 64 * 1024;
/// Events taken at a time.
const EVENTS: usize = 1024;
const LISTENER: Token = Token(0);

/// Two connections at a time: of a client and, in the next place, the one to the backend for it.
struct Pairs {
    poll: Poll,
    listener: TcpListener,
    backend: SocketAddr,
    /// By token, of which a pair has an even one and the one behind it. The first two places are the listener's.
    streams: Vec<Option<TcpStream>>,
}

/// Forwards between `listen` and `backend` until it is killed.
pub(crate) fn run(listen: SocketAddr, backend: SocketAddr) -> Result<()> {
    let poll = Poll::new()?;
    let mut listener = TcpListener::bind(listen)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut pairs = Pairs { poll, listener, backend, streams: vec![None, None] };
    let (mut events, mut piece) = (Events::with_capacity(EVENTS), vec![0; PIECE_BYTES]);
    loop {
        pairs.poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => pairs.accept()?,
                Token(at) => pairs.forward(at, &mut piece),
            }
        }
    }
}

impl Pairs {
    fn accept(&mut self) -> Result<()> {
        loop {
            let client = match self.listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            // Waits for the connection, so that the first request can be written at once.
            let backend = std::net::TcpStream::connect(self.backend)?;
            backend.set_nonblocking(true)?;
            for mut stream in [client, TcpStream::from_std(backend)] {
                stream.set_nodelay(true)?;
                self.poll.registry().register(&mut stream, Token(self.streams.len()), Interest::READABLE)?;
                self.streams.push(Some(stream));
            }
        }
    }

    /// One read and one write, which is all that an edge means while clients wait for each answer. Whatever goes wrong ends both
    /// connections.
    fn forward(&mut self, at: usize, piece: &mut [u8]) {
        let (Some(from), Some(to)) = (&self.streams[at], &self.streams[at ^ 1]) else { return };
        let (mut from, mut to) = (from, to);
        let is_alive = match from.read(piece) {
            Err(error) => error.kind() == ErrorKind::WouldBlock,
            Ok(0) => false,
            Ok(bytes) => to.write_all(&piece[..bytes]).is_ok(),
        };
        if !is_alive {
            self.streams[at] = None;
            self.streams[at ^ 1] = None;
        }
    }
}
