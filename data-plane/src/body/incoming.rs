//! [`Incoming`]: a body as it comes in, whatever its connection speaks.

use crate::http1::{Http1Body, Pipe, Piped, Spliced};
use crate::http2::Http2Body;
use crate::upstream::UpstreamBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A body as it comes in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Through hyper, from an upstream over TLS.
    Hyper(hyper::body::Incoming),
    /// Over HTTP/1.1 in clear text.
    Http1(Http1Body),
    /// Over HTTP/2, from a client.
    Http2(Http2Body),
    /// Over HTTP/2, from an upstream.
    Upstream(UpstreamBody),
}

impl Body for Incoming {
    type Data = Bytes;
    /// Nobody asks which.
    type Error = ();

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        match self.get_mut() {
            Self::Hyper(body) => Pin::new(body).poll_frame(cx).map_err(drop),
            Self::Http1(body) => Pin::new(body).poll_frame(cx).map_err(drop),
            Self::Http2(body) => Pin::new(body).poll_frame(cx).map_err(drop),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx).map_err(drop),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Hyper(body) => body.is_end_stream(),
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Hyper(body) => body.size_hint(),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
            Self::Upstream(body) => body.size_hint(),
        }
    }
}

impl Piped for Incoming {
    fn paced(&mut self, blocked: Duration) {
        match self {
            // They have their own way: flow control.
            Self::Hyper(_) | Self::Http2(_) | Self::Upstream(_) => {}
            Self::Http1(body) => body.paced(blocked),
        }
    }

    fn poll_pipe(&mut self, cx: &mut Context<'_>, pipe: &mut Option<Pipe>) -> Poll<Spliced> {
        match self {
            Self::Hyper(_) | Self::Http2(_) | Self::Upstream(_) => Poll::Ready(Spliced::Frame),
            Self::Http1(body) => body.poll_pipe(cx, pipe),
        }
    }
}
