//! [`Line`]: what a request has of a connection, whatever that speaks.

use super::http1::{Connection, ExchangeError};
use super::request::UpstreamRequest;
use super::shared::Stream;
use crate::body::Incoming;
use crate::error::ProxyError;
use crate::message::Response;
use crate::outgoing::OutgoingBody;
use hyper::client::conn::{TrySendError, http1, http2};
use std::cell::Cell;
use std::rc::Rc;

/// A connection that was just opened, or its sending half. `P` is held while it is open.
pub(super) enum Opened<P> {
    /// In clear text; takes one request at a time.
    Plain(Connection<P>),
    /// Takes one request at a time.
    Http1(http1::SendRequest<OutgoingBody>),
    /// Takes many: as many at a time as stands there.
    Http2(http2::SendRequest<OutgoingBody>, Rc<Cell<usize>>),
}

/// What one request may send on.
pub(super) enum Line<P> {
    /// A connection of its own, in clear text.
    Plain(Connection<P>),
    /// A connection of its own.
    Http1(http1::SendRequest<OutgoingBody>),
    /// A part of one.
    Http2(http2::SendRequest<OutgoingBody>, Stream),
}

/// Why a request was not answered, and the request if not one byte of it was sent.
pub(super) enum Unanswered {
    Hyper(Box<TrySendError<http::Request<OutgoingBody>>>),
    /// With the request, as far as it can be sent twice.
    Plain(ExchangeError, Option<Box<UpstreamRequest>>),
    /// Its host is none.
    Unsendable(ProxyError),
}

impl Unanswered {
    /// The request, if it can be sent again: not one byte of it was sent, or it `means_the_same_twice` and the connection was
    /// lost.
    pub(super) fn take_message(&mut self, means_the_same_twice: bool) -> Option<Box<UpstreamRequest>> {
        match self {
            Self::Hyper(failed) => failed.take_message().and_then(UpstreamRequest::given_back),
            Self::Plain(error, request) if means_the_same_twice && error.is_lost_connection() => request.take(),
            Self::Plain(..) | Self::Unsendable(_) => None,
        }
    }

    /// Whether the upstream closed the connection, as opposed to having answered something wrong.
    pub(super) fn is_lost_connection(&self) -> bool {
        match self {
            Self::Hyper(failed) => says_lost_connection(failed.error()),
            Self::Plain(error, _) => error.is_lost_connection(),
            Self::Unsendable(_) => false,
        }
    }

    /// Whether the other side has said that it did not look at the request, so that any may be sent again (RFC 9113
    /// sections 6.8 and 8.7).
    pub(super) fn is_unprocessed(&self) -> bool {
        let Self::Hyper(failed) = self else { return false };
        let source = std::error::Error::source(failed.error()).and_then(|source| source.downcast_ref::<h2::Error>());
        source.is_some_and(|h2| {
            h2.is_remote()
                && (h2.reason() == Some(h2::Reason::REFUSED_STREAM)
                    || h2.is_go_away() && h2.reason() == Some(h2::Reason::NO_ERROR))
        })
    }
}

/// Whether the upstream closed the connection, as opposed to having answered something wrong.
fn says_lost_connection(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || source.is_some_and(|io| matches!(io.kind(), BrokenPipe | ConnectionReset | ConnectionAborted))
}

/// Whether an upstream was lost that had the request, or a part of it.
pub(super) fn is_lost_upstream(error: &ProxyError) -> bool {
    match error {
        ProxyError::Exchange(error) => says_lost_connection(error),
        ProxyError::PlainExchange(error) => error.is_lost_connection(),
        _ => false,
    }
}

impl From<Unanswered> for ProxyError {
    fn from(failed: Unanswered) -> Self {
        match failed {
            Unanswered::Hyper(failed) => Self::Exchange(failed.into_error()),
            Unanswered::Plain(error, _) => Self::PlainExchange(error),
            Unanswered::Unsendable(error) => error,
        }
    }
}

impl<P> Line<P> {
    /// Sends a request and waits for the head of the response.
    pub(super) async fn try_send(&mut self, request: Box<UpstreamRequest>) -> Result<Response<Incoming>, Unanswered> {
        let answered = match self {
            Self::Plain(connection) => {
                let failed = |(error, request)| Unanswered::Plain(error, request);
                return connection.exchange(request).await.map_err(failed);
            }
            Self::Http1(sender) => sender.try_send_request(request.into_http1()).await,
            Self::Http2(sender, stream) => {
                stream.sends(&request.body);
                let request = request.into_http2().map_err(Unanswered::Unsendable)?;
                let answered = sender.try_send_request(request).await;
                if let Ok(response) = &answered {
                    stream.answered(response.body());
                }
                answered
            }
        };
        answered
            .map(|response| response.map(Incoming::Hyper).into())
            .map_err(|failed| Unanswered::Hyper(Box::new(failed)))
    }
}
