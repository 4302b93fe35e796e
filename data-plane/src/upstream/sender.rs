//! [`Line`]: what a request has of a connection, whatever that speaks.

use super::shared::Stream;
use crate::error::ProxyError;
use crate::outgoing::OutgoingBody;
use http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use std::cell::Cell;
use std::rc::Rc;

/// The sending half of a connection that was just opened.
pub(super) enum Opened {
    /// Takes one request at a time.
    Http1(http1::SendRequest<OutgoingBody>),
    /// Takes many: as many at a time as stands there.
    Http2(http2::SendRequest<OutgoingBody>, Rc<Cell<usize>>),
}

/// What one request may send on.
pub(super) enum Line {
    /// A connection of its own.
    Http1(http1::SendRequest<OutgoingBody>),
    /// A part of one.
    Http2(http2::SendRequest<OutgoingBody>, Stream),
}

/// Why a request was not answered, and the request if not one byte of it was sent.
pub(super) type Unanswered = TrySendError<Request<OutgoingBody>>;

impl Line {
    /// Puts a request, whose target is a path, into the form of the line's protocol.
    ///
    /// # Errors
    /// Its host is none.
    pub(super) fn prepare(&self, request: &mut Request<OutgoingBody>) -> Result<(), ProxyError> {
        match self {
            Self::Http1(_) => for_http1(request),
            Self::Http2(..) => for_http2(request),
        }
    }

    /// Sends a prepared request and waits for the head of the response.
    pub(super) async fn try_send(
        &mut self,
        request: Request<OutgoingBody>,
    ) -> Result<Response<Incoming>, Box<Unanswered>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await.map_err(Box::new),
            Self::Http2(sender, stream) => {
                let answered = sender.try_send_request(request).await;
                if answered.is_ok() {
                    stream.answered();
                }
                answered.map_err(Box::new)
            }
        }
    }
}

/// The request as HTTP/1.1 has it, if an attempt before had it otherwise.
fn for_http1(request: &mut Request<OutgoingBody>) -> Result<(), ProxyError> {
    let Some(authority) = request.uri().authority() else { return Ok(()) };
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| ProxyError::Unsendable)?;
    let target = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    request.headers_mut().insert(HOST, host);
    Ok(())
}

/// The request as HTTP/2 has it: the host in the target, and nothing that belongs to a connection (RFC 9113 section 8.2.2
/// and 8.3.1). Does nothing to one that is so already, because it is sent for the second time.
///
/// # Errors
/// The host is none.
fn for_http2(request: &mut Request<OutgoingBody>) -> Result<(), ProxyError> {
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    let Some(host) = headers.remove(HOST) else { return Ok(()) };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| ProxyError::Unsendable)?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| ProxyError::Unsendable)?;
    Ok(())
}
