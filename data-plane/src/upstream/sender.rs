//! [`Line`]: what a request has of a connection, whatever that speaks.

use super::http1::{Connection, ExchangeError};
use super::http2::{self, Failure, Sender};
use super::request::UpstreamRequest;
use super::shared::Stream;
use crate::body::Incoming;
use crate::error::ProxyError;
use crate::message::Response;
use crate::outgoing::OutgoingBody;
use hyper::client::conn::{TrySendError, http1};
use std::time::Duration;

/// A connection that was just opened, or its sending half. `P` is held while it is open.
pub(super) enum Opened<P> {
    /// In clear text; takes one request at a time.
    Plain(Connection<P>),
    /// Takes one request at a time.
    Http1(http1::SendRequest<OutgoingBody>),
    /// Takes many.
    Http2(Sender),
}

/// What one request may send on.
pub(super) enum Line<P> {
    /// A connection of its own, in clear text.
    Plain(Connection<P>),
    /// A connection of its own.
    Http1(http1::SendRequest<OutgoingBody>),
    /// A part of one. On the heap: most requests would have room for it for nothing.
    Http2(Box<(Sender, Stream)>),
}

/// Why a request was not answered, and the request if not one byte of it was sent.
pub(super) enum Unanswered {
    Hyper(Box<TrySendError<http::Request<OutgoingBody>>>),
    /// With the request, as far as it can be sent twice.
    Plain(ExchangeError, Option<Box<UpstreamRequest>>),
    /// With the request if nothing of it was sent.
    Http2(h2::Error, Option<Box<UpstreamRequest>>),
    /// Its host is none.
    Unsendable(ProxyError),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unsent(error, request) => Self::Http2(error, Some(request)),
            Failure::Lost(error) => Self::Http2(error, None),
            Failure::Unsendable(error) => Self::Unsendable(error),
        }
    }
}

impl Unanswered {
    /// The request, if it can be sent again: not one byte of it was sent, or it `means_the_same_twice` and the connection was
    /// lost.
    pub(super) fn take_message(&mut self, means_the_same_twice: bool) -> Option<Box<UpstreamRequest>> {
        match self {
            Self::Hyper(failed) => failed.take_message().and_then(UpstreamRequest::given_back),
            Self::Plain(error, request) if means_the_same_twice && error.is_lost_connection() => request.take(),
            Self::Http2(_, request) => request.take(),
            Self::Plain(..) | Self::Unsendable(_) => None,
        }
    }

    /// Whether the upstream closed the connection, as opposed to having answered something wrong.
    pub(super) fn is_lost_connection(&self) -> bool {
        match self {
            Self::Hyper(failed) => says_lost_connection(failed.error()),
            Self::Plain(error, _) => error.is_lost_connection(),
            Self::Http2(error, _) => is_lost_http2(error),
            Self::Unsendable(_) => false,
        }
    }

    /// Whether the other side has refused this request alone: another connection would not change its mind.
    pub(super) fn is_refused(&self) -> bool {
        let Self::Http2(error, _) = self else { return false };
        error.is_remote() && error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
    }

    /// Whether the other side has said that it did not look at the request, so that any may be sent again (RFC 9113
    /// sections 6.8 and 8.7).
    pub(super) fn is_unprocessed(&self) -> bool {
        let Self::Http2(error, _) = self else { return false };
        let is_refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (is_refused || error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR))
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

/// The same over HTTP/2, where a stream that is reset says nothing of its connection.
fn is_lost_http2(error: &h2::Error) -> bool {
    error.is_io() || error.is_go_away()
}

/// Whether an upstream was lost that had the request, or a part of it.
pub(super) fn is_lost_upstream(error: &ProxyError) -> bool {
    match error {
        ProxyError::Exchange(error) => says_lost_connection(error),
        ProxyError::PlainExchange(error) => error.is_lost_connection(),
        ProxyError::Http2Exchange(error) => is_lost_http2(error),
        _ => false,
    }
}

impl From<Unanswered> for ProxyError {
    fn from(failed: Unanswered) -> Self {
        match failed {
            Unanswered::Hyper(failed) => Self::Exchange(failed.into_error()),
            Unanswered::Plain(error, _) => Self::PlainExchange(error),
            Unanswered::Http2(error, _) => Self::Http2Exchange(error),
            Unanswered::Unsendable(error) => error,
        }
    }
}

impl<P> Line<P> {
    /// Sends a request and waits for the head of the response. An upstream may take nothing of it for as long as `idle`.
    pub(super) async fn try_send(
        &mut self,
        request: Box<UpstreamRequest>,
        idle: Duration,
    ) -> Result<Response<Incoming>, Unanswered> {
        let answered = match self {
            Self::Plain(connection) => {
                let failed = |(error, request)| Unanswered::Plain(error, request);
                return connection.exchange(request).await.map_err(failed);
            }
            Self::Http1(sender) => sender.try_send_request(request.into_http1()).await,
            Self::Http2(part) => {
                let (sender, stream) = &mut **part;
                // On the heap: few requests go this way, and all of them would have room for it.
                return Box::pin(http2::exchange(sender, request, stream, idle)).await.map_err(Unanswered::from);
            }
        };
        answered
            .map(|response| response.map(Incoming::Hyper).into())
            .map_err(|failed| Unanswered::Hyper(Box::new(failed)))
    }
}
