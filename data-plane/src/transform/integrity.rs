//! [`Verify`] and [`AddDigest`]: bodies that are hashed on their way (RFC 9530), so that damage between a sender and a
//! receiver is noticed by this gateway or by whoever comes behind it.

use super::digest::{CONTENT_DIGEST, Expected, content_digest};
use super::stage::{bounds, map_bounds};
use crate::body::{BodyError, Progress};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest as _, Sha256, Sha512};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

/// A body that fails unless its bytes have the digests that were announced, in the head or in the trailers.
///
/// **Invariant**: the last frame is held back until everything is verified. A receiver that counts bytes has therefore
/// never all bytes of a body that is wrong, and one that waits for an end gets none. The price is that of a body which
/// pauses, the frame before the pause arrives behind it.
pub(crate) struct Verify<B> {
    inner: B,
    expected: Expected,
    sha256: Sha256,
    sha512: Option<Sha512>,
    /// Where the SHA-256 is noted once the body has ended.
    receipt: Rc<Progress>,
    held: Option<Bytes>,
    state: Verification,
}

enum Verification {
    Reading,
    /// The held frame may go, and these trailers behind it.
    Passed(Option<HeaderMap>),
    Failed(BodyError),
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Verify<B> {
    /// **Errors** with [`BodyError::Digest`] when the body is empty and should not be: nobody reads a body that is over
    /// already, so nobody would notice later.
    pub(crate) fn new(inner: B, expected: Expected, receipt: Rc<Progress>) -> Result<Self, BodyError> {
        let sha512 = expected.needs_sha512().then(Sha512::new);
        let (sha256, state) = (Sha256::new(), Verification::Reading);
        let mut verify = Self { inner, expected, sha256, sha512, receipt, held: None, state };
        if verify.inner.is_end_stream() {
            verify.end(None)?;
        }
        Ok(verify)
    }

    /// Checks everything: there are no more bytes.
    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), BodyError> {
        let sha256 = self.sha256.finalize_reset().into();
        let sha512 = self.sha512.take().map(|hasher| hasher.finalize().into());
        self.receipt.hashed(sha256);
        if let Some(trailers) = &trailers {
            self.expected.and_trailers(trailers).map_err(|_| BodyError::Digest)?;
        }
        if !self.expected.holds(&sha256, sha512.as_ref()) {
            return Err(BodyError::Digest);
        }
        self.state = Verification::Passed(trailers);
        Ok(())
    }

    fn hash(&mut self, data: &[u8]) {
        self.sha256.update(data);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(data);
        }
    }

    fn poll_verified(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        loop {
            match &mut self.state {
                Verification::Failed(error) => return Poll::Ready(Err(*error)),
                Verification::Passed(trailers) => {
                    let last = self.held.take().map(Frame::data);
                    return Poll::Ready(Ok(last.or_else(|| trailers.take().map(Frame::trailers))));
                }
                Verification::Reading => {}
            }
            let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(cx)?) else {
                self.end(None)?;
                continue;
            };
            match frame.into_data() {
                // Held back instead of what came before it, it would protect nothing.
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    self.hash(&data);
                    if let Some(before) = self.held.replace(data) {
                        return Poll::Ready(Ok(Some(Frame::data(before))));
                    }
                }
                Err(frame) => self.end(frame.into_trailers().ok())?,
            }
        }
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for Verify<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let polled = ready!(self.poll_verified(cx));
        if let Err(error) = &polled {
            self.held = None;
            self.state = Verification::Failed(*error);
        }
        Poll::Ready(polled.transpose())
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, Verification::Passed(None)) && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len) as u64;
        match self.state {
            Verification::Reading => map_bounds(&self.inner.size_hint(), |bytes| bytes.saturating_add(held)),
            Verification::Passed(_) => SizeHint::with_exact(held),
            Verification::Failed(_) => SizeHint::default(),
        }
    }
}

/// A body that ends in trailers with a `Content-Digest` of its bytes.
///
/// Its size is never said to be known: HTTP/1.1 has no trailers behind a `Content-Length`, and hyper writes that field for
/// every body that knows its size.
pub(crate) struct AddDigest<B> {
    inner: B,
    /// `None` once the trailers went on.
    sha256: Option<Sha256>,
    failure: Option<BodyError>,
    /// Where the SHA-256 is noted once the body has ended.
    receipt: Rc<Progress>,
}

impl<B> AddDigest<B> {
    pub(crate) fn new(inner: B, receipt: Rc<Progress>) -> Self {
        Self { inner, sha256: Some(Sha256::new()), failure: None, receipt }
    }

    /// Trailers with the digest, the first time that the end is reached.
    fn end(&mut self, mut trailers: HeaderMap) -> Option<Frame<Bytes>> {
        let sha256 = self.sha256.take()?.finalize().into();
        self.receipt.hashed(sha256);
        // Appended: the lines are one dictionary, in which other algorithms stay and the last `sha-256` counts.
        trailers.append(CONTENT_DIGEST, content_digest(&sha256));
        Some(Frame::trailers(trailers))
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for AddDigest<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let Self { inner, sha256: Some(hasher), failure: None, .. } = &mut *self else {
            return Poll::Ready(self.failure.map(Err));
        };
        Poll::Ready(match ready!(Pin::new(inner).poll_frame(cx)) {
            None => self.end(HeaderMap::new()).map(Ok),
            Some(Err(error)) => {
                self.failure = Some(error);
                Some(Err(error))
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    hasher.update(&data);
                    Some(Ok(Frame::data(data)))
                }
                Err(frame) => self.end(frame.into_trailers().unwrap_or_default()).map(Ok),
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        self.sha256.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        bounds(self.inner.size_hint().lower(), None)
    }
}

#[cfg(test)]
mod tests;
