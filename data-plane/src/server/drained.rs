//! [`Drained`]: whether the worker drains, asked for each request of a connection.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::watch;

/// Registers once, for all the waits of a connection.
pub(super) struct Drained {
    waiting: Pin<Box<dyn Future<Output = ()>>>,
    is_draining: bool,
}

impl Drained {
    pub(super) fn of(mut drain: watch::Receiver<bool>) -> Self {
        let waiting = Box::pin(async move {
            // An error means that the sender is gone, which is a reason to stop as well.
            let _ = drain.wait_for(|&draining| draining).await;
        });
        Self { waiting, is_draining: false }
    }

    /// Whether it does; wakes when it begins to.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_draining = self.is_draining || self.waiting.as_mut().poll(cx) == Poll::Ready(());
        self.is_draining
    }

    /// Whether it did when somebody waited last.
    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }
}
