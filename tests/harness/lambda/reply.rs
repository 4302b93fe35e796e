//! What a function, or the service in its place, says to an invocation.

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Pieces that may wait between a test and the client of its stream.
const PIECES_MAX: usize = 64;

/// A reply, whichever of the Invoke APIs was called: each of them makes its own of it.
pub enum Reply {
    /// The function's result.
    Payload(Bytes),
    /// The function failed; the JSON says how.
    FunctionError(Bytes),
    /// Not the function speaks, but the service: this answer and nothing around it.
    Http(Response<Bytes>),
    /// The function streams: pieces as they come, and the end when the sender is dropped.
    Pieces(mpsc::Receiver<Piece>),
    /// Nothing, not even a head, until the gate is open.
    Held(Gate, Box<Reply>),
    /// A head that promises more than these bytes, these bytes, and then a reset of the connection.
    Reset(Bytes),
}

/// A part of a streamed reply.
#[derive(Debug)]
pub enum Piece {
    /// Bytes of the payload, in a message of their own.
    Chunk(Bytes),
    /// Nothing until the gate is open.
    Pause(Gate),
    /// The function fails in the middle; nothing comes behind it.
    Error {
        /// A word, for example `Runtime.StreamError`.
        code: String,
        /// What happened.
        details: String,
    },
    /// The connection is reset; nothing comes behind it.
    Reset,
}

impl Reply {
    /// A result of JSON.
    pub fn json(value: &Value) -> Self {
        Self::Payload(value.to_string().into())
    }

    /// A stream of pieces that are known before.
    pub fn pieces(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let pieces: Vec<Piece> = pieces.into_iter().collect();
        let (sender, receiver) = mpsc::channel(pieces.len().max(1));
        for piece in pieces {
            sender.try_send(piece).expect("the channel has room for all of them");
        }
        Self::Pieces(receiver)
    }

    /// A stream of pieces that the test sends when it likes; it hears by `closed` that nobody listens any more.
    pub fn stream() -> (mpsc::Sender<Piece>, Self) {
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        (sender, Self::Pieces(receiver))
    }

    /// The same reply, but not before the gate is open.
    #[must_use]
    pub fn held(self, gate: &Gate) -> Self {
        Self::Held(gate.clone(), Box::new(self))
    }

    /// An error that the service itself answers, with its type where clients look for it.
    pub fn refusal(status: u16, kind: &'static str, body: &Value) -> Self {
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status that a test wrote");
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
        Self::Http(response)
    }

    /// Too many invocations at one time.
    pub fn throttled() -> Self {
        let reason = "ReservedFunctionConcurrentInvocationLimitExceeded";
        let body = json!({"Reason": reason, "Type": "User", "message": "Rate Exceeded."});
        Self::refusal(429, "TooManyRequestsException", &body)
    }

    /// The caller's credentials have run out.
    pub fn expired_token() -> Self {
        let body = json!({"message": "The security token included in the request is expired"});
        Self::refusal(403, "ExpiredTokenException", &body)
    }
}

impl Piece {
    /// Bytes of the payload.
    pub fn chunk(bytes: impl Into<Bytes>) -> Self {
        Self::Chunk(bytes.into())
    }

    /// An error in the middle.
    pub fn error(code: &str, details: &str) -> Self {
        Self::Error { code: code.to_owned(), details: details.to_owned() }
    }
}

/// Something that replies wait for and a test opens, once for all of them.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed one.
    #[expect(clippy::new_without_default, reason = "a gate's default is not obvious: closed or open?")]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything pass, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        self.0.subscribe().wait_for(|is_open| *is_open).await.expect("the sender is held here");
    }
}
