//! The law of memory: what a proxy holds is a sum of a few kinds of things, each of which has a bound of its own, times how many
//! of each there are. The sizes are here and nowhere else; `docs/limits.md` explains them, and `tests/memory_law.rs` measures
//! a proxy against them.
//!
//! Whoever makes such a thing has a [`Held`] for it. Each thread counts on a page of its own; what all of them hold together is
//! told to the process in steps of [`PUBLISHED_BYTES`], so that a request writes where no other core does.

mod room;

pub(crate) use room::{default_budget_bytes, resident_bytes};

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const KIB: i64 = 1024;

/// What a process holds that serves nobody, in bytes: the program itself, its runtimes, certificates, an empty routing table.
pub(crate) const PROCESS_BYTES: i64 = 16 * 1024 * KIB;
/// What each worker adds to that, in bytes: its runtime, the lines that it remembers, and what the allocator keeps at hand for it.
pub(crate) const WORKER_BYTES: i64 = 4 * 1024 * KIB;
/// What a collected body holds at most, as a multiple of its bytes: one that grows is copied, and the allocator keeps where it was.
pub(crate) const COLLECTED_TIMES: i64 = 2;
/// What threads have not told the process yet, in bytes for each of them at most.
const PUBLISHED_BYTES: i64 = 256 * KIB;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A client's connection that speaks HTTP/1.1, or nothing yet.
    Http1Connection,
    /// A client's connection that speaks HTTP/2.
    Http2Connection,
    /// A connection to an upstream in clear text, idle or not.
    PlainUpstream,
    /// A connection to an upstream over TLS.
    TlsUpstream,
    /// A request under way, from its head to the end of its answer.
    Request,
    /// A body, of a request or of an answer, that is larger than what came with its head.
    Body,
    /// One of them that is large enough to be read in larger pieces.
    GrownBody,
    /// One of them whose receiver is fast: it is read in still larger pieces.
    FastBody,
    /// A request body that comes over HTTP/2: what is on its way to the upstream.
    Http2Upload,
    /// What such a client may send before anybody takes it.
    Http2Window,
    /// A block of fields that has begun over HTTP/2, and not ended within a frame.
    Http2Block,
    /// A body to or from an upstream over HTTP/2 that is larger than a frame: what the window lets the other side send ahead, or
    /// what waits to be sent.
    Http2UpstreamBody,
    /// A pipe in use. Kernel memory: it is shown, and not a part of the sum.
    Pipe,
}

/// How many parts there are.
const PARTS: usize = 13;

impl Part {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; PARTS] = [
        Self::Http1Connection,
        Self::Http2Connection,
        Self::PlainUpstream,
        Self::TlsUpstream,
        Self::Request,
        Self::Body,
        Self::GrownBody,
        Self::FastBody,
        Self::Http2Upload,
        Self::Http2Window,
        Self::Http2Block,
        Self::Http2UpstreamBody,
        Self::Pipe,
    ];

    /// What one of them holds, in bytes, at most.
    pub(crate) const fn bytes(self) -> i64 {
        match self {
            Self::Http1Connection => 4 * KIB,
            // Its streams, two tables of fields, what small frames are gathered in, and a frame that is not whole.
            Self::Http2Connection => 40 * KIB,
            Self::PlainUpstream => 4 * KIB,
            // What hyper has read and what is being taken of it, rustls's buffers in both directions, and a handshake's scraps.
            Self::TlsUpstream => 192 * KIB,
            Self::Request => 16 * KIB,
            // The first read, and what the allocator rounds it to.
            Self::Body => 20 * KIB,
            // Two reads of twice that: one that waits to be taken, one behind it.
            Self::GrownBody => 60 * KIB,
            Self::FastBody => 256 * KIB,
            // What is gathered for a write, and the frame that goes beyond.
            Self::Http2Upload => 48 * KIB,
            // One stream's window, in frames that share buffers with others.
            Self::Http2Window => crate::limits::H2_STREAM_WINDOW_BYTES as i64 * 5 / 4,
            // All of its frames, and what the allocator rounds that to.
            Self::Http2Block => 128 * KIB,
            Self::Http2UpstreamBody => crate::limits::H2_STREAM_WINDOW_BYTES as i64 * 5 / 4,
            Self::Pipe => crate::limits::PIPE_BYTES as i64,
        }
    }

    /// Whether it counts against the budget.
    const fn counts(self) -> bool {
        !matches!(self, Self::Pipe)
    }

    /// Its name in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http1Connection => "http1_connections",
            Self::Http2Connection => "http2_connections",
            Self::PlainUpstream => "plain_upstreams",
            Self::TlsUpstream => "tls_upstreams",
            Self::Request => "requests",
            Self::Body => "bodies",
            Self::GrownBody => "grown_bodies",
            Self::FastBody => "fast_bodies",
            Self::Http2Upload => "http2_uploads",
            Self::Http2Window => "http2_windows",
            Self::Http2Block => "http2_blocks",
            Self::Http2UpstreamBody => "http2_upstream_bodies",
            Self::Pipe => "pipes",
        }
    }
}

/// What one thread holds. Only that thread writes.
#[derive(Debug, Default)]
struct Page {
    counts: [AtomicI64; PARTS],
    /// In bytes, since it told the process.
    untold: AtomicI64,
}

/// The pages of all threads. A page stays when its thread ends, which workers do only with their process.
static PAGES: Mutex<Vec<Arc<Page>>> = Mutex::new(Vec::new());
/// What all threads have told, in bytes.
static TOLD_BYTES: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static PAGE: Arc<Page> = {
        let page = Arc::<Page>::default();
        pages().push(Arc::clone(&page));
        page
    };
}

fn pages() -> MutexGuard<'static, Vec<Arc<Page>>> {
    // A list that only grows by one push.
    PAGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds to a number that has one writer.
fn add(number: &AtomicI64, more: i64) -> i64 {
    let sum = number.load(Ordering::Relaxed).wrapping_add(more);
    number.store(sum, Ordering::Relaxed);
    sum
}

/// Counts more of a part on this thread, or fewer.
fn count(part: Part, more: i64) {
    // While a thread ends nobody counts any more.
    let _ = PAGE.try_with(|page| {
        if let Some(count) = page.counts.get(part as usize) {
            add(count, more);
        }
        if part.counts() {
            let untold = add(&page.untold, more * part.bytes());
            if untold.abs() >= PUBLISHED_BYTES {
                TOLD_BYTES.fetch_add(untold, Ordering::Relaxed);
                page.untold.store(0, Ordering::Relaxed);
            }
        }
    });
}

/// One thing that is counted, for as long as it lives, on the thread that made it.
#[derive(Debug)]
pub(crate) struct Held(Part);

impl Held {
    pub(crate) fn new(part: Part) -> Self {
        count(part, 1);
        Self(part)
    }

    /// It has become another one.
    pub(crate) fn becomes(&mut self, part: Part) {
        count(self.0, -1);
        count(part, 1);
        self.0 = part;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        count(self.0, -1);
    }
}

/// A request has begun on this thread.
pub(crate) fn request_began() {
    count(Part::Request, 1);
}

/// … and ended.
pub(crate) fn request_ended() {
    count(Part::Request, -1);
}

/// What the process holds without its fixed part and collected bodies, in bytes, but for what each thread has not told yet.
pub(crate) fn told_bytes() -> i64 {
    TOLD_BYTES.load(Ordering::Relaxed)
}

/// How many of a part there are.
pub(crate) fn held(part: Part) -> i64 {
    pages().iter().filter_map(|page| page.counts.get(part as usize)).map(|count| count.load(Ordering::Relaxed)).sum()
}

/// What a process with so many workers holds that serves nobody, in bytes.
pub(crate) fn fixed_bytes(workers: usize) -> i64 {
    i64::try_from(workers).unwrap_or(i64::MAX).saturating_mul(WORKER_BYTES).saturating_add(PROCESS_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this thread holds of a part; other tests run on other threads.
    fn here(part: Part) -> i64 {
        PAGE.with(|page| page.counts[part as usize].load(Ordering::Relaxed))
    }

    #[test]
    fn what_lives_is_counted_and_what_is_gone_is_not() {
        let held: Vec<_> = Part::ALL.into_iter().flat_map(|part| [Held::new(part), Held::new(part)]).collect();
        for (number, part) in Part::ALL.into_iter().enumerate() {
            assert_eq!((part as usize, here(part)), (number, 2), "{}", part.name());
        }
        let sum: i64 = Part::ALL.into_iter().filter(|part| part.counts()).map(|part| 2 * part.bytes()).sum();
        let untold = || PAGE.with(|page| page.untold.load(Ordering::Relaxed));
        assert!(untold().abs() < PUBLISHED_BYTES && sum > PUBLISHED_BYTES, "most of it was told");
        drop(held);
        assert!(Part::ALL.into_iter().all(|part| here(part) == 0) && untold().abs() < PUBLISHED_BYTES);
    }

    #[test]
    fn the_page_for_operators_states_the_sizes() {
        let page = include_str!("../../docs/limits.md");
        let size_of = |name: &str| {
            let begins = format!("| `{name}` |");
            let row = page.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("no row {name}"));
            row.rsplit('|').nth(1).map(|size| size.trim().trim_end_matches(" more").to_owned())
        };
        for part in Part::ALL.into_iter().filter(|part| part.counts()) {
            assert_eq!(size_of(part.name()), Some(format!("{} KiB", part.bytes() / KIB)), "{}", part.name());
        }
        let fixed = format!("{} MiB, {} MiB", PROCESS_BYTES / KIB / KIB, WORKER_BYTES / KIB / KIB);
        assert_eq!(size_of("fixed"), Some(fixed));
    }

    #[test]
    fn the_fixed_part_grows_with_the_workers() {
        assert_eq!(fixed_bytes(3) - fixed_bytes(1), 2 * WORKER_BYTES);
        assert!(fixed_bytes(usize::MAX) > 0);
    }
}
