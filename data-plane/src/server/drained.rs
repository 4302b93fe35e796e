//! [`Drained`]: whether the worker drains, asked for each request of a connection.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;

/// Registers once, for all the waits of a connection.
pub(super) struct Drained {
    drain: watch::Receiver<bool>,
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Who is woken when it begins to.
    registered: Option<Waker>,
    is_draining: bool,
}

impl Drained {
    pub(super) fn of(drain: watch::Receiver<bool>) -> Self {
        let mut waits = drain.clone();
        // Whoever has used up his turn would not be registered otherwise, and never again.
        let waiting = Box::pin(unconstrained(async move {
            // An error means that the sender is gone, which is a reason to stop as well.
            let _ = waits.wait_for(|&draining| draining).await;
        }));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;
    use tokio::task::coop::consume_budget;
    use tokio::time::timeout;

    /// A task that waits for the drain, and says when it has begun to; `busy` with its turn used up by other work.
    async fn hears(busy: bool) -> bool {
        let (tell, told) = watch::channel(false);
        let mut drained = Drained::of(told);
        let mut polls = 0;
        let waiting = tokio::spawn(poll_fn(move |cx| {
            polls += 1;
            if busy && polls == 1 {
                let mut work = pin!(async {
                    loop {
                        consume_budget().await;
                    }
                });
                assert!(work.as_mut().poll(cx).is_pending());
            }
            if drained.poll(cx) { Poll::Ready(()) } else { Poll::Pending }
        }));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        tell.send_replace(true);
        timeout(Duration::from_secs(5), waiting).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_of_it_whatever_he_did_before() {
        assert!(hears(false).await);
        assert!(hears(true).await);
    }

    #[tokio::test]
    async fn who_asks_anew_is_told() {
        let (tell, told) = watch::channel(false);
        let mut drained = Drained::of(told);
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(!drained.poll(&mut nobody) && !drained.poll(&mut nobody));
        tell.send_replace(true);
        assert!(!drained.is_draining() && drained.poll(&mut nobody) && drained.is_draining());
    }
}
