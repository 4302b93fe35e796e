//! [`Http2Body`]: the body of a request, for whoever takes it.

use super::frames::put_window;
use super::inbound::{Course, Inbound};
use super::state::Shared;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The body of one request. Dropping it throws away what is left.
pub(crate) struct Http2Body(Option<Coming>);

struct Coming {
    state: Shared,
    id: u32,
    inbound: Rc<RefCell<Inbound>>,
}

/// The client has given it up, or its connection has ended.
#[derive(Debug, thiserror::Error)]
#[error("the stream ended in the middle")]
pub(crate) struct Ended;

impl fmt::Debug for Http2Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Http2Body").field(&self.0.as_ref().map(|coming| coming.id)).finish()
    }
}

impl Http2Body {
    /// None at all.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    pub(super) fn coming(state: &Shared, id: u32, inbound: Rc<RefCell<Inbound>>) -> Self {
        Self(Some(Coming { state: state.clone(), id, inbound }))
    }
}

impl Coming {
    /// So much is not held any more.
    fn give_back(&self, bytes: usize) {
        let state = &mut *self.state.borrow_mut();
        state.give_back(bytes);
        if let Some(increment) = self.inbound.borrow_mut().give_back(bytes)
            && state.streams.get(self.id).is_some_and(|stream| !stream.reset_by_us)
        {
            put_window(state.out.tail(), self.id, increment);
            state.wake();
        }
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = Ended;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Ended>>> {
        let Some(coming) = &self.get_mut().0 else { return Poll::Ready(None) };
        let mut inbound = coming.inbound.borrow_mut();
        if inbound.course == Course::Broken {
            return Poll::Ready(Some(Err(Ended)));
        }
        if let Some(data) = inbound.take() {
            drop(inbound);
            coming.give_back(data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if inbound.course == Course::Ended {
            return Poll::Ready(inbound.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        match &mut inbound.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            None => inbound.reader = Some(cx.waker().clone()),
        }
        if inbound.expects_continue {
            drop(inbound);
            coming.state.borrow_mut().ask_for_body(coming.id);
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let Some(coming) = &self.0 else { return true };
        let inbound = coming.inbound.borrow();
        inbound.course == Course::Ended && inbound.is_empty() && inbound.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let Some(coming) = &self.0 else { return SizeHint::with_exact(0) };
        coming.inbound.borrow().left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Http2Body {
    fn drop(&mut self) {
        let Some(coming) = &self.0 else { return };
        let discarded = {
            let mut inbound = coming.inbound.borrow_mut();
            inbound.is_dropped = true;
            inbound.discard()
        };
        coming.give_back(discarded);
        coming.state.borrow_mut().unwanted(coming.id);
    }
}
