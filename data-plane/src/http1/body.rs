//! [`Http1Body`]: the body of the message that comes in on a [`Transport`].

use super::pipe::Pipe;
use super::sending::{Piped, Spliced};
use super::transport::{ReceiveError, Receiving, Transport};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The body of one message. Who holds it is the only one who reads it.
pub(crate) struct Http1Body {
    /// `None`: there is none.
    transport: Option<Rc<RefCell<Transport>>>,
    message: u64,
}

impl fmt::Debug for Http1Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Body").field("message", &self.message).finish_non_exhaustive()
    }
}

impl Http1Body {
    /// The body that was begun last.
    pub(crate) fn of(transport: &Rc<RefCell<Transport>>) -> Self {
        let state = transport.borrow();
        if state.has_received() {
            return Self::nothing();
        }
        Self { message: state.message, transport: Some(Rc::clone(transport)) }
    }

    /// None at all.
    pub(crate) fn nothing() -> Self {
        Self { transport: None, message: 0 }
    }

    /// What is still to come of it.
    fn left<T>(&self, look: impl FnOnce(&Receiving) -> T) -> T {
        let transport = self.transport.as_ref().map(|transport| transport.borrow());
        match transport.filter(|transport| transport.message == self.message) {
            Some(transport) => look(transport.receiving()),
            None => look(&Receiving::Nothing),
        }
    }
}

impl Piped for Http1Body {
    fn paced(&mut self, blocked: Duration) {
        if let Some(transport) = &self.transport {
            transport.borrow_mut().paced(blocked);
        }
    }

    fn poll_pipe(&mut self, cx: &mut Context<'_>, pipe: &mut Option<Pipe>) -> Poll<Spliced> {
        let Some(transport) = &self.transport else { return Poll::Ready(Spliced::Frame) };
        let mut transport = transport.borrow_mut();
        if transport.message != self.message {
            return Poll::Ready(Spliced::Frame);
        }
        transport.poll_pipe(cx, pipe).map(|taken| match taken {
            None => Spliced::Frame,
            Some(Ok(0) | Err(_)) => Spliced::Broken,
            Some(Ok(bytes)) => Spliced::Bytes(bytes),
        })
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        // Who waits for the message looks anew, now that nobody reads it.
        if let Some(transport) = self.transport.take() {
            let mut state = transport.borrow_mut();
            if state.message == self.message {
                state.wake();
            }
        }
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = ReceiveError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        let this = self.get_mut();
        let Some(transport) = &this.transport else { return Poll::Ready(None) };
        let mut transport = transport.borrow_mut();
        if transport.message != this.message {
            return Poll::Ready(None);
        }
        transport.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.left(|left| matches!(left, Receiving::Nothing))
    }

    fn size_hint(&self) -> SizeHint {
        self.left(|left| match left {
            Receiving::Nothing => SizeHint::with_exact(0),
            Receiving::Sized(bytes) => SizeHint::with_exact(*bytes),
            Receiving::Chunked(_) | Receiving::UntilEnd => SizeHint::default(),
        })
    }
}
