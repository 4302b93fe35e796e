//! [`Taking`]: whether the other side of a connection takes what was sent to it. It is timed only while something waits for it, so
//! an answer that has nothing to say makes nobody slow.
//!
//! The kernel buffers up to some mebibytes for a connection and says "there is room" only when a third of that has gone, which at
//! an honest 500 bytes a second takes half an hour. So when nothing is seen to go on for a while, the kernel is asked how much is
//! left of what it holds.

use super::sent_queue;
use crate::deadline::Deadline;
use crate::patience::{BodyLimit, Patience};
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Of one message, or of all that is said on a connection.
#[derive(Debug)]
pub(crate) struct Taking {
    patience: Patience,
    /// Made when something first has to wait: most messages never do.
    looks: Option<Box<Looks>>,
    /// Bytes that were seen to leave the kernel's queue, and whose place there was not filled again: they count once.
    foreseen_bytes: u64,
}

#[derive(Debug)]
struct Looks {
    deadline: Deadline,
    /// When the last one was, or when the wait began; `None`: nothing waits.
    last: Option<Instant>,
    /// What the kernel held then, in bytes; `None`: it was not asked yet.
    queued_bytes: Option<u64>,
}

impl Taking {
    pub(crate) fn new(limit: BodyLimit) -> Self {
        Self { patience: Patience::new(limit), looks: None, foreseen_bytes: 0 }
    }

    /// Whether the other side has all that was sent to it. So it counts where the kernel does not tell.
    pub(crate) fn is_all_taken(stream: &TcpStream) -> bool {
        sent_queue::bytes(stream).is_none_or(|bytes| bytes == 0)
    }

    /// Ready when the other side, which takes nothing visibly since then, takes too little.
    pub(crate) fn poll_slow(&mut self, cx: &mut Context<'_>, since: Instant, stream: &TcpStream) -> Poll<()> {
        self.poll_by(cx, since, || sent_queue::bytes(stream))
    }

    fn poll_by(&mut self, cx: &mut Context<'_>, since: Instant, queued: impl Fn() -> Option<u64>) -> Poll<()> {
        let patience = &mut self.patience;
        let begun = || Box::new(Looks { deadline: Deadline::new(since), last: None, queued_bytes: None });
        let looks = self.looks.get_or_insert_with(begun);
        let mut last = *looks.last.get_or_insert_with(|| {
            looks.deadline.set(since + patience.look());
            looks.queued_bytes = None;
            since
        });
        while looks.deadline.poll(cx).is_ready() {
            let now = Instant::now();
            // Where the kernel does not tell, it alone bounds the wait (TCP_USER_TIMEOUT): nobody is given up unseen.
            let Some(queued_bytes) = queued() else { return Poll::Pending };
            patience.spend(now - last);
            if let Some(before) = looks.queued_bytes.replace(queued_bytes) {
                let taken = before.saturating_sub(queued_bytes);
                self.foreseen_bytes += taken;
                patience.earn(taken);
            }
            if patience.is_over() {
                return Poll::Ready(());
            }
            last = now;
            looks.last = Some(now);
            looks.deadline.set(now + patience.look());
        }
        Poll::Pending
    }

    /// Notes that so many bytes could be written, at last or as always.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if let Some(last) = self.looks.as_mut().and_then(|looks| looks.last.take()) {
            self.patience.spend(last.elapsed());
        }
        let foreseen = self.foreseen_bytes.min(bytes);
        self.foreseen_bytes -= foreseen;
        self.patience.earn(bytes - foreseen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::time::timeout;

    const LIMIT: BodyLimit = BodyLimit { idle: Duration::from_secs(60), rate_min: 240 };

    /// Seconds until a receiver is given up whose queue the kernel tells so.
    async fn given_up_after(queued: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let since = Instant::now();
        let mut taking = Taking::new(LIMIT);
        let slow = poll_fn(|cx| taking.poll_by(cx, since, || queued(since.elapsed().as_secs())));
        timeout(Duration::from_secs(7_200), slow).await.ok().map(|()| since.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_or_too_little_out_of_the_kernels_queue_is_given_up() {
        assert_eq!(given_up_after(|_| Some(1_000_000)).await, Some(60));
        let dripping = given_up_after(|seconds| Some(1_000_000 - 10 * seconds)).await.expect("it is given up");
        assert!((60..=80).contains(&dripping), "{dripping} s");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_enough_is_not_although_nothing_is_seen_of_it_from_here() {
        assert_eq!(given_up_after(|seconds| Some(4_000_000 - 300 * seconds)).await, None);
        assert_eq!(given_up_after(|_| None).await, None, "nobody is given up unseen");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_seen_to_go_does_not_count_again_when_its_place_is_filled() {
        let mut taking = Taking::new(LIMIT);
        // 120 bytes a second, of which everything is seen twice: in the kernel's queue, and when that has room again.
        let mut minutes = 0;
        loop {
            let since = Instant::now();
            let slow = poll_fn(|cx| taking.poll_by(cx, since, || Some(1_000_000 - 120 * since.elapsed().as_secs())));
            if timeout(Duration::from_secs(600), slow).await.is_ok() {
                break;
            }
            minutes += 10;
            assert!(minutes < 60, "it is never given up");
            (0..72).for_each(|_| taking.wrote(1_000));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_forgiven_when_enough_was_taken_behind_it() {
        let mut taking = Taking::new(LIMIT);
        for _ in 0..100 {
            let since = Instant::now();
            let looks = Cell::new(0);
            let wait = poll_fn(|cx| {
                taking.poll_by(cx, since, || {
                    looks.set(looks.get() + 1);
                    Some(1_000)
                })
            });
            assert!(timeout(Duration::from_secs(50), wait).await.is_err());
            assert_eq!(looks.get(), 3, "the kernel is hardly ever asked");
            taking.wrote(240 * 50);
        }
    }
}
