//! [`Deadline`]: time limits that hardly ever end. A timer that was set for one is used again for the next without being set
//! anew: it fires too early then, and only then is set for what is left.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// Timers that a worker keeps, set for what they were used for last.
const KEPT_MAX: usize = 1_024;

thread_local! {
    static KEPT: RefCell<Vec<Pin<Box<Sleep>>>> = const { RefCell::new(Vec::new()) };
}

/// A moment after which something takes too long.
#[derive(Debug)]
pub(crate) struct Deadline {
    at: Instant,
    /// Made when somebody first has to wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn new(at: Instant) -> Self {
        Self { at, timer: None }
    }

    /// Sets another moment.
    pub(crate) fn set(&mut self, at: Instant) {
        self.at = at;
    }

    /// Ready when it is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| {
            let kept = KEPT.with_borrow_mut(Vec::pop);
            kept.unwrap_or_else(|| Box::pin(sleep_until(self.at)))
        });
        if timer.deadline() > self.at {
            timer.as_mut().reset(self.at);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if self.at <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(self.at);
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take().filter(|timer| !timer.is_elapsed()) else { return };
        // While the thread ends there is nothing to keep it in.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(timer);
            }
        });
    }
}
