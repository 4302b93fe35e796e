//! [`Clock`]: what takes too long on a connection as a whole. What takes too long on a stream is seen where it is answered.

use crate::deadline::Deadline;
use crate::http2::Fault;
use crate::limits::{H2_GOODBYE_MS, H2_IDLE_TIMEOUT_MS, H2_PING_INTERVAL_MS, H2_PING_TIMEOUT_MS, HEAD_READ_TIMEOUT_MS};
use std::task::Context;
use std::time::Duration;
use tokio::time::Instant;

const IDLE: Duration = Duration::from_millis(H2_IDLE_TIMEOUT_MS);
const HEAD: Duration = Duration::from_millis(HEAD_READ_TIMEOUT_MS);
const GOODBYE: Duration = Duration::from_millis(H2_GOODBYE_MS);
const PING_INTERVAL: Duration = Duration::from_millis(H2_PING_INTERVAL_MS);
const PING_TIMEOUT: Duration = Duration::from_millis(H2_PING_TIMEOUT_MS);

/// What the clock has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It wakes when it is time to look again.
    Nothing,
    /// The client has said nothing for long, and is to be asked for a sign of life.
    Question,
    /// … and has given none.
    Silence,
    /// Nothing was asked for so long that the client is to be told to go.
    Idle,
    /// The client does not say that it has heard that it is to go, and is to be told which stream is its last.
    Unheard,
    /// The connection has to end.
    Fault(Fault),
}

/// How a connection is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Since {
    /// Since when nothing is under way.
    pub(super) idle: Option<Instant>,
    /// Since when a block of fields comes that has not ended.
    pub(super) block: Option<Instant>,
    /// Since when the client has not said that it has heard that the connection will end.
    pub(super) announced: Option<Instant>,
    /// Whether its socket takes nothing, so that the client cannot be asked anything.
    pub(super) is_blocked: bool,
}

/// The clock of a connection.
#[derive(Debug)]
pub(super) struct Clock {
    deadline: Deadline,
    /// Whether something came since the last look.
    has_heard: bool,
    /// When to look for that, and whether the client was asked.
    look_at: Instant,
    has_asked: bool,
    /// When a client that was told to go must be gone.
    gone_at: Option<Instant>,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            deadline: Deadline::new(now + PING_INTERVAL),
            has_heard: false,
            look_at: now + PING_INTERVAL,
            has_asked: false,
            gone_at: None,
        }
    }

    /// Something came.
    pub(super) fn heard(&mut self) {
        self.has_heard = true;
    }

    /// What takes too long on a connection on which all this is so.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Since) -> Due {
        let Since { idle, block, announced, is_blocked } = now;
        if idle.is_none() {
            self.gone_at = None;
        }
        let leaves_at = self.gone_at.or_else(|| idle.map(|since| since + IDLE));
        let block_at = block.map(|since| since + HEAD);
        let last_at = announced.map(|since| since + GOODBYE);
        loop {
            let all = [leaves_at, block_at, last_at].into_iter().flatten();
            self.deadline.set(all.fold(self.look_at, Instant::min));
            if self.deadline.poll(cx).is_pending() {
                return Due::Nothing;
            }
            let now = Instant::now();
            if block_at.is_some_and(|at| at <= now) {
                return Due::Fault(Fault::SLOW_HEAD);
            }
            if last_at.is_some_and(|at| at <= now) {
                return Due::Unheard;
            }
            if leaves_at.is_some_and(|at| at <= now) {
                return match self.gone_at.replace(now + GOODBYE) {
                    Some(_) => Due::Fault(Fault::IDLE),
                    None => Due::Idle,
                };
            }
            if let Some(due) = self.look(now, is_blocked) {
                return due;
            }
        }
    }

    /// Whether the client is there, as far as it can be known by now.
    fn look(&mut self, now: Instant, is_blocked: bool) -> Option<Due> {
        let is_silent = !std::mem::take(&mut self.has_heard) && !is_blocked;
        if is_silent && self.has_asked {
            return Some(Due::Silence);
        }
        self.has_asked = is_silent;
        self.look_at = now + if is_silent { PING_TIMEOUT } else { PING_INTERVAL };
        is_silent.then_some(Due::Question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    /// What is found next, and after how long.
    async fn next(clock: &mut Clock, idle: Option<Instant>) -> (Due, u64) {
        next_of(clock, Since { idle, ..Since::default() }).await
    }

    async fn next_of(clock: &mut Clock, since: Since) -> (Due, u64) {
        let begun = Instant::now();
        let due = poll_fn(|cx| match clock.poll(cx, since) {
            Due::Nothing => Poll::Pending,
            due => Poll::Ready(due),
        });
        (due.await, begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_asked_and_then_given_up() {
        let mut clock = Clock::new(Instant::now());
        assert_eq!(next(&mut clock, None).await, (Due::Question, 30));
        clock.heard();
        assert_eq!(next(&mut clock, None).await, (Due::Question, 50), "it has answered");
        assert_eq!(next(&mut clock, None).await, (Due::Silence, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_for_nothing_is_told_to_go_and_then_gone() {
        let begun = Instant::now();
        let mut clock = Clock::new(begun);
        assert_eq!(next(&mut clock, Some(begun)).await, (Due::Question, 30));
        clock.heard();
        assert_eq!(next(&mut clock, Some(begun)).await, (Due::Idle, 30));
        assert_eq!(next(&mut clock, Some(begun)).await, (Due::Fault(Fault::IDLE), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_a_fault_whatever_else_is_under_way() {
        let begun = Instant::now();
        let mut clock = Clock::new(begun);
        clock.heard();
        let since = Since { block: Some(begun), ..Since::default() };
        assert_eq!(next_of(&mut clock, since).await, (Due::Fault(Fault::SLOW_HEAD), 60));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_say_that_it_has_heard_of_the_end_is_told_the_last_stream() {
        let begun = Instant::now();
        let mut clock = Clock::new(begun);
        let since = Since { announced: Some(begun), ..Since::default() };
        assert_eq!(next_of(&mut clock, since).await, (Due::Unheard, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_socket_takes_nothing_is_not_asked() {
        let begun = Instant::now();
        let mut clock = Clock::new(begun);
        let blocked = Since { is_blocked: true, ..Since::default() };
        let asked = poll_fn(|cx| match clock.poll(cx, blocked) {
            Due::Nothing => Poll::Pending,
            due => Poll::Ready(due),
        });
        assert!(tokio::time::timeout(Duration::from_secs(600), asked).await.is_err());
        let (due, after) = next(&mut clock, None).await;
        assert!(due == Due::Question && after <= 30, "{due:?} after {after} s");
    }
}
