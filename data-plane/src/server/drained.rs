//! [`Drained`]: whether the worker drains, asked for each request of a connection.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::sync::watch;

/// Registers once, for all the waits of a connection.
pub(super) struct Drained {
    drain: watch::Receiver<bool>,
    waiting: Pin<Box<dyn Future<Output = ()>>>,
    /// Who is woken when it begins to.
    registered: Option<Waker>,
    is_draining: bool,
}

impl Drained {
    pub(super) fn of(drain: watch::Receiver<bool>) -> Self {
        let mut waits = drain.clone();
        let waiting = Box::pin(async move {
            // An error means that the sender is gone, which is a reason to stop as well.
            let _ = waits.wait_for(|&draining| draining).await;
        });
        Self { drain, waiting, registered: None, is_draining: false }
    }

    /// Whether it does; wakes when it begins to.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let is_registered = self.registered.as_ref().is_some_and(|registered| registered.will_wake(cx.waker()));
        // To be asked for news costs a look at memory; to register anew, a lock.
        if self.is_draining || is_registered && matches!(self.drain.has_changed(), Ok(false)) {
            return self.is_draining;
        }
        self.registered = Some(cx.waker().clone());
        self.is_draining = self.waiting.as_mut().poll(cx) == Poll::Ready(());
        self.is_draining
    }

    /// Whether it did when somebody waited last.
    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }
}
