//! [`Connection`]: one HTTP/1.1 connection in clear text to an upstream, one request at a time.
//!
//! Nobody works on it while it is idle. The task that has the request writes it and reads the answer; only what is left of a
//! request whose answer has begun already gets a task of its own.

use super::request::UpstreamRequest;
use crate::body::Incoming;
use crate::http1::{
    BodyEnd, Head, HeadError, Http1Body, ReceiveError, SendError, Sending, Transport, parse_answer, write_headers,
    write_length,
};
use crate::memory::{Held, Part};
use crate::message::{Response, ResponseParts};
use crate::outgoing::OutgoingBody;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
use http::{HeaderName, Method, StatusCode};
use http_body::Body as _;
use penstock_model::header_list::HeaderList;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A connection. Dropping it closes it.
pub(super) struct Connection<P> {
    transport: Rc<RefCell<Transport>>,
    /// Sends what is left of a request whose answer has begun; tells whether that went well.
    sending: Option<JoinHandle<bool>>,
    /// Whether both sides want another exchange on it.
    keep_alive: Cell<bool>,
    _permit: P,
    _held: Held,
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("writing the request")]
    Send(#[from] SendError),
    #[error("reading the answer")]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl ExchangeError {
    /// Whether the upstream closed the connection, as opposed to having answered something wrong.
    pub(super) fn is_lost_connection(&self) -> bool {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, WriteZero};
        match self {
            Self::Receive(ReceiveError::Ended) => true,
            Self::Send(SendError::Io(error)) | Self::Receive(ReceiveError::Io(error)) => {
                matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted | WriteZero)
            }
            Self::Send(_) | Self::Receive(_) | Self::Head(_) => false,
        }
    }
}

impl<P> Connection<P> {
    /// Over a stream that was just opened.
    pub(super) fn new(stream: TcpStream, permit: P) -> Self {
        let transport = Rc::new(RefCell::new(Transport::new(stream, BytesMut::new())));
        Self {
            transport,
            sending: None,
            keep_alive: Cell::new(true),
            _permit: permit,
            _held: Held::new(Part::PlainUpstream),
        }
    }

    /// Whether the upstream has left it open, as far as one can tell without a system call where nothing has happened.
    pub(super) fn is_open(&self) -> bool {
        let mut transport = self.transport.borrow_mut();
        let mut nobody = Context::from_waker(Waker::noop());
        if transport.poll_unexpected(&mut nobody).is_pending() {
            return true;
        }
        // Whatever has come was not asked for, the end most of all.
        let mut byte = [0];
        let read = transport.stream().try_read(&mut byte);
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// Either failed; with the request, where its body can be sent once more.
    pub(super) async fn exchange(
        &mut self,
        mut request: Box<UpstreamRequest>,
    ) -> Result<Response<Incoming>, (ExchangeError, Option<Box<UpstreamRequest>>)> {
        let (message, is_repeatable) = begin(&mut request);
        let mut sending = Some(message);
        let mut failed = None;
        let answer = poll_fn(|cx| {
            if let Some(message) = &mut sending {
                match message.poll(cx, &self.transport) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => sending = None,
                    // The upstream may have answered, and closed on what it does not want to read.
                    Poll::Ready(Err(error @ SendError::Io(_))) => {
                        (sending, failed) = (None, Some(error));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                }
            }
            self.poll_head(cx, &request.method)
        })
        .await;
        match (answer, failed) {
            (Ok(response), None) => {
                self.sending = sending.map(|rest| self.send_rest(rest));
                Ok(response)
            }
            (Ok(response), Some(_)) => {
                self.keep_alive.set(false);
                Ok(response)
            }
            (Err(_), Some(error)) => Err((error.into(), is_repeatable.then_some(request))),
            (Err(error), None) => Err((error, is_repeatable.then_some(request))),
        }
    }

    fn poll_head(&self, cx: &mut Context<'_>, method: &Method) -> Poll<Result<Response<Incoming>, ExchangeError>> {
        let mut transport = self.transport.borrow_mut();
        loop {
            while !transport.unread.is_empty() {
                let Some(mut head) = parse_answer(&mut transport.unread)? else { break };
                let is_interim = head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS;
                if is_interim {
                    continue;
                }
                let receiving = head.receiving(method)?;
                transport.receive(receiving);
                drop(transport);
                self.keep_alive.set(head.keep_alive && head.status != StatusCode::SWITCHING_PROTOCOLS);
                let head = ResponseParts { status: head.status, headers: head.headers };
                return Poll::Ready(Ok(Response { head, body: Incoming::Http1(Http1Body::of(&self.transport)) }));
            }
            match transport.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ReceiveError::Ended.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(ReceiveError::Io(error).into())),
            }
        }
    }

    fn send_rest(&self, mut rest: Sending<OutgoingBody>) -> JoinHandle<bool> {
        let transport = Rc::clone(&self.transport);
        tokio::task::spawn_local(async move {
            let sent = poll_fn(|cx| rest.poll(cx, &transport)).await;
            if let Err(error) = &sent {
                tracing::debug!(%error, "the rest of a request was not sent");
                // An upstream that does not read on may answer well; to a request that broke off there is no answer.
                if !matches!(error, SendError::Io(_)) {
                    transport.borrow_mut().cut();
                }
            }
            sent.is_ok()
        })
    }

    /// The same connection, when it can serve another request: at once, or when what is left of the last one is sent.
    pub(super) async fn reusable(mut self) -> Option<Self> {
        if let Some(sending) = self.sending.take() {
            let mut sending = AbortOnDrop(sending);
            if !matches!((&mut sending.0).await, Ok(true)) {
                return None;
            }
        }
        self.is_reusable().then_some(self)
    }

    /// Whether nothing of a request is left to be sent.
    pub(super) fn has_sent(&self) -> bool {
        self.sending.is_none()
    }

    /// Whether it can serve another request now.
    pub(super) fn is_reusable(&self) -> bool {
        let mut transport = self.transport.borrow_mut();
        transport.rest();
        let is_clean =
            transport.has_received() && transport.unread.is_empty() && !transport.read_ended && !transport.has_failed();
        is_clean && self.keep_alive.get() && self.sending.is_none()
    }
}

impl<P> Drop for Connection<P> {
    fn drop(&mut self) {
        if let Some(sending) = self.sending.take() {
            sending.abort();
        }
    }
}

/// Ends a task that nobody waits for any more.
struct AbortOnDrop(JoinHandle<bool>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The request as a message, of which nothing is sent yet, and whether it can be sent once more: then what would be sent as
/// its body stays behind.
fn begin(request: &mut UpstreamRequest) -> (Sending<OutgoingBody>, bool) {
    let again = request.body.repeated();
    let is_repeatable = again.is_some();
    let again = again.unwrap_or_else(|| OutgoingBody::rendered(Bytes::new()));
    let body = std::mem::replace(&mut request.body, again);
    let end = body_end(&request.method, &request.headers, &body);
    let head = write_head(request, &end);
    (Sending::new(head, end, body, None), is_repeatable)
}

fn write_head(request: &UpstreamRequest, end: &BodyEnd) -> Head {
    let mut head = Head::new();
    let out = head.bytes();
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(request.target.as_str().as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_headers(out, &request.headers);
    write_body_end(out, &request.headers, end);
    out.extend_from_slice(b"\r\n");
    head
}

/// How the upstream learns where the body ends: as the head says already, or as the body knows.
fn body_end(method: &Method, headers: &HeaderList, body: &OutgoingBody) -> BodyEnd {
    if headers.contains(TRANSFER_ENCODING) {
        let trailers = headers.get_all(TRAILER).flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        return BodyEnd::Chunked(trailers.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect());
    }
    match body.size_hint().exact() {
        Some(0) => BodyEnd::Nothing,
        Some(bytes) => BodyEnd::Sized(bytes),
        None if body.is_end_stream() || *method == Method::CONNECT => BodyEnd::Nothing,
        None => BodyEnd::Chunked(Vec::new()),
    }
}

/// Says it in the head, where that does not yet.
fn write_body_end(out: &mut Vec<u8>, headers: &HeaderList, end: &BodyEnd) {
    match end {
        BodyEnd::Sized(bytes) if !headers.contains(CONTENT_LENGTH) => {
            write_length(out, *bytes);
        }
        BodyEnd::Chunked(_) if !headers.contains(TRANSFER_ENCODING) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        BodyEnd::Sized(_) | BodyEnd::Chunked(_) | BodyEnd::Nothing | BodyEnd::Close => {}
    }
}
