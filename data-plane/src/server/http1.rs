//! [`serve`]: the requests of one HTTP/1.1 connection, one after the other, from their heads to the end of the last answer.
//!
//! What a head may look like is the business of `framing`, what becomes of a request that of the gateway. Here is when a
//! connection goes on and how it ends (RFC 9112 section 9).

use super::answer::{Terms, write_head};
use super::drained::Drained;
use super::linger::{self, Sends};
use super::request::{Asked, stand_in, take_request};
use crate::body::{Incoming, ResponseBody};
use crate::deadline::Deadline;
use crate::framing::{FramingLimits, FramingRule, FramingViolation, HeadScan, HeadScanner, RequestHead, ViolationCell};
use crate::gateway::{Arrival, ClientConnection, Gateway};
use crate::http1::{Head, Http1Body, SendError, Sending, Transport};
use crate::limits::{DISCARD_BYTES_MAX, HEAD_READ_TIMEOUT_MS};
use crate::message::Response;
use crate::record::Record;
use crate::shares::{Asking, Place};
use penstock_model::function::HeaderSpelling;
use socket2::SockRef;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// One connection.
struct Connection<'a> {
    gateway: &'a Gateway,
    transport: Rc<RefCell<Transport>>,
    client: ClientConnection,
    violations: ViolationCell,
    limits: FramingLimits,
    drained: Drained,
    /// Of the wait for a head; the timer behind it is the connection's.
    head_deadline: Deadline,
    asking: Asking,
}

/// What comes next on a connection.
enum Next {
    /// A head, at the front of what was read.
    Head(RequestHead),
    /// What is none.
    Refused(FramingViolation),
    /// Nothing: the client has closed between two requests, was silent for too long, or the worker drains.
    Nothing,
    /// The rest of the connection is another worker's.
    Elsewhere(Place),
}

/// How an answer, and with it its connection, ended.
enum Ended {
    /// Another request may follow.
    Well,
    /// It was the last.
    Last,
    /// It was cut, and must not look whole.
    Cut,
    /// The client has broken off.
    Broken,
    /// The connection goes on elsewhere.
    Moves(Place),
}

/// Serves a connection, of which some may have been read already, to its end, or until it moves to another worker.
pub(super) async fn serve(
    gateway: &Gateway,
    transport: Transport,
    address: SocketAddr,
    drained: Drained,
) -> io::Result<Option<(TcpStream, Place)>> {
    let violations = ViolationCell::default();
    let transport = transport.telling(violations.clone());
    let limit = Duration::from_millis(HEAD_READ_TIMEOUT_MS);
    let mut connection = Connection {
        gateway,
        transport: Rc::new(RefCell::new(transport)),
        client: ClientConnection { address, violations: Some(violations.clone()) },
        violations,
        limits: FramingLimits::default(),
        drained,
        head_deadline: Deadline::new(Instant::now() + limit),
        asking: Asking::default(),
    };
    let ended = loop {
        let next = match connection.place().await {
            Some(place) => Next::Elsewhere(place),
            None => connection.next().await?,
        };
        match connection.serve(next).await {
            Ended::Well => {}
            ended => break ended,
        }
    };
    connection.close(ended).await
}

impl Connection<'_> {
    /// A place at another worker, if the connection is to move and nothing holds it here.
    async fn place(&mut self) -> Option<Place> {
        let share = &self.gateway.share;
        if !share.hands_over() || poll_fn(|cx| Poll::Ready(self.drained.poll(cx))).await {
            return None;
        }
        let transport = self.transport.borrow();
        let is_at_rest = transport.unread.is_empty() && !transport.read_ended && Rc::strong_count(&self.transport) == 1;
        is_at_rest.then(|| share.place_for_open(&self.asking)).flatten()
    }

    /// Waits for the next head.
    async fn next(&mut self) -> io::Result<Next> {
        let limit = Duration::from_millis(HEAD_READ_TIMEOUT_MS);
        let mut is_waiting = false;
        let mut scanner = HeadScanner::default();
        poll_fn(|cx| {
            let mut transport = self.transport.borrow_mut();
            loop {
                if !transport.unread.is_empty() {
                    match scanner.advance(&transport.unread, &self.limits.head) {
                        Ok(HeadScan::Complete(head)) => return Poll::Ready(Ok(Next::Head(head))),
                        Ok(HeadScan::Incomplete) => {}
                        Err(violation) => return Poll::Ready(Ok(Next::Refused(violation))),
                    }
                }
                if transport.read_ended {
                    let truncated = FramingViolation::head(FramingRule::HeadTruncated, transport.unread.len());
                    let begun = scanner.has_begun();
                    return Poll::Ready(Ok(if begun { Next::Refused(truncated) } else { Next::Nothing }));
                }
                match transport.poll_fill(cx) {
                    Poll::Pending => break,
                    Poll::Ready(read) => drop(read?),
                }
            }
            if self.drained.poll(cx) && !scanner.has_begun() {
                return Poll::Ready(Ok(Next::Nothing));
            }
            if !is_waiting {
                is_waiting = true;
                self.head_deadline.set(Instant::now() + limit);
            }
            self.head_deadline.poll(cx).map(|()| Ok(Next::Nothing))
        })
        .await
    }

    /// Answers what has come.
    async fn serve(&mut self, next: Next) -> Ended {
        let (arrival, asked) = match next {
            Next::Nothing => return Ended::Last,
            Next::Elsewhere(place) => return Ended::Moves(place),
            Next::Refused(violation) => self.refused(violation),
            Next::Head(head) => match self.take(&head) {
                Ok(taken) => taken,
                Err(violation) => self.refused(violation),
            },
        };
        let gateway = self.gateway;
        gateway.share.note(&self.asking);
        let client = &self.client;
        let response = {
            // On the heap while it runs: a connection that waits for a request does not pay for the largest.
            let mut service = Box::pin(gateway.serve(client, arrival));
            poll_fn(|cx| match service.as_mut().poll(cx) {
                Poll::Ready(response) => Poll::Ready(Some(response)),
                Poll::Pending => self.poll_broken(cx).map(|()| None),
            })
            .await
        };
        match response {
            Some(response) => self.answer(response, asked).await,
            None => Ended::Broken,
        }
    }

    /// Takes a request off what was read.
    fn take(&self, head: &RequestHead) -> Result<(Arrival, Asked), FramingViolation> {
        let mut transport = self.transport.borrow_mut();
        let spelling = match self.gateway.live_table.spelling_wanted() {
            true => HeaderSpelling::of_head(&transport.unread[..head.head_len]),
            false => HeaderSpelling::default(),
        };
        let (head, asked) = take_request(&mut transport, head)?;
        drop(transport);
        let body = Incoming::Http1(Http1Body::of(&self.transport));
        Ok((Arrival { head, body, spelling, refused: None }, asked))
    }

    /// What takes the place of a request that is none: its answer is the last.
    fn refused(&self, violation: FramingViolation) -> (Arrival, Asked) {
        self.violations.note(violation);
        let head = stand_in();
        let asked = Asked::last(&head);
        let body = Incoming::Http1(Http1Body::nothing());
        (Arrival { head, body, spelling: HeaderSpelling::default(), refused: Some(violation) }, asked)
    }

    /// Ready when the client has broken off. What it sends meanwhile is the beginning of its next request.
    fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut transport = self.transport.borrow_mut();
        if !transport.has_received() {
            return Poll::Pending;
        }
        while transport.unread.is_empty() && !transport.read_ended {
            if ready!(transport.poll_fill(cx)).is_err() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Sends an answer.
    async fn answer(&mut self, response: Response<ResponseBody<Box<Record>>>, asked: Asked) -> Ended {
        let Response { head: parts, body } = response;
        // Asked anew: a drain may have begun while the request ran.
        let drains = poll_fn(|cx| Poll::Ready(self.drained.poll(cx))).await;
        let over = drains || {
            let transport = self.transport.borrow();
            transport.read_ended && transport.unread.is_empty() && transport.has_received()
        };
        let mut head = Head::new();
        let Terms { end, is_last } = write_head(&mut head, &parts, &body, &asked, over);
        self.transport.borrow_mut().answering();
        let mut sending = Sending::new(head, end, body, Some(self.gateway.client_limit));
        let sent = poll_fn(|cx| match sending.poll(cx, &self.transport) {
            Poll::Ready(sent) => Poll::Ready(sent),
            Poll::Pending => self.poll_broken(cx).map(|()| Err(io::Error::from(io::ErrorKind::ConnectionReset).into())),
        })
        .await;
        if matches!(sent, Err(SendError::Slow)) && !sending.body_mut().is_some_and(ResponseBody::taken_slowly) {
            // The record of the request is written already: all of the answer was handed on.
            self.gateway.metrics.failure("client_slow");
        }
        drop(sending);
        match sent {
            Ok(()) if is_last => Ended::Last,
            Ok(()) => match self.received().await {
                true => Ended::Well,
                false => Ended::Last,
            },
            Err(SendError::Io(_)) => Ended::Broken,
            Err(SendError::Body | SendError::Length | SendError::Slow) => Ended::Cut,
        }
    }

    /// Whether all of the request has come, so that another can follow. While somebody reads it, that is waited for; where
    /// nobody does, what is there already is thrown away.
    async fn received(&self) -> bool {
        let mut left_bytes = DISCARD_BYTES_MAX;
        poll_fn(|cx| {
            let mut transport = self.transport.borrow_mut();
            if transport.has_received() || transport.has_failed() {
                return Poll::Ready(!transport.has_failed());
            }
            if Rc::strong_count(&self.transport) > 1 {
                transport.wake_when_received(cx.waker());
                return Poll::Pending;
            }
            while let Poll::Ready(Some(Ok(frame))) = transport.poll_frame(cx) {
                match left_bytes.checked_sub(frame.data_ref().map_or(0, |data| data.len())) {
                    Some(left) => left_bytes = left,
                    None => return Poll::Ready(false),
                }
                if transport.has_received() {
                    return Poll::Ready(true);
                }
            }
            Poll::Ready(transport.has_received())
        })
        .await
    }

    /// Ends the connection as its last answer ended.
    async fn close(self, ended: Ended) -> io::Result<Option<(TcpStream, Place)>> {
        let transport = self.transport;
        match ended {
            // Nobody else holds it, or it would not move.
            Ended::Moves(place) => {
                return Ok(Rc::into_inner(transport).map(|transport| (transport.into_inner().into_parts().0, place)));
            }
            // To a client that takes the connection's end for the body's end (HTTP/1.0), an orderly close would make an
            // answer look whole that was cut, so the connection is reset.
            Ended::Cut => SockRef::from(transport.borrow().stream()).set_linger(Some(Duration::ZERO))?,
            Ended::Broken => {}
            Ended::Well | Ended::Last => {
                let limits = self.limits.lingering;
                let sends = if self.violations.get().is_some() { Sends::Rest } else { Sends::Nothing };
                linger::close(&transport, limits, self.gateway.client_limit, sends).await;
            }
        }
        Ok(None)
    }
}
