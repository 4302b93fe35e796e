//! [`RecentRequests`]: the request lines that came last, so that a change can be tried on them before it is made.
//!
//! Kept are method, host and path, as routing saw them. No query, no header and no body: those may hold secrets. Lines
//! that are longer than [`RECENT_LINE_BYTES_MAX`] are counted and not kept, since a part of a path may lead elsewhere.
//!
//! Each worker has a ring of its own on its own thread, and writes there without a lock: the buffers of the oldest line
//! are written over, so that nothing is allocated once a ring has gone round. Whoever asks sends a message to each worker
//! and gets a copy back; a request never waits for that.

use crate::limits::{RECENT_LINE_BYTES_MAX, RECENT_QUESTIONS_MAX};
use http::Method;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The rings of a process, for whoever asks. Clones are the same; the default one keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct RecentRequests {
    workers: Arc<[mpsc::Sender<Question>]>,
}

type Question = oneshot::Sender<Copied>;

/// One worker's ring, and where it is asked.
#[derive(Debug)]
pub(crate) struct WorkerRecent {
    ring: RefCell<Ring>,
}

/// Where a worker is asked for its ring.
#[derive(Debug)]
pub(crate) struct Questions(mpsc::Receiver<Question>);

/// A method, a host and a path, as routing saw them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line {
    /// In upper case, or as the client wrote it.
    pub method: String,
    /// With a port if the client named one.
    pub host: String,
    /// Without the query.
    pub path: String,
}

/// What came last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// Distinct lines with the number of requests that had them, the most frequent first.
    pub lines: Vec<(Line, u64)>,
    /// Requests of lines that are left out.
    pub left_out: u64,
    /// Requests since the start whose lines were too long to be kept.
    pub too_long: u64,
}

/// A copy of one ring: one text, and where in it each line is.
#[derive(Debug, Default)]
struct Copied {
    text: String,
    lines: Vec<Place>,
    too_long: u64,
}

#[derive(Debug)]
struct Place {
    begin: usize,
    host_at: usize,
    path_at: usize,
    end: usize,
    requests: u64,
}

#[derive(Debug, Default)]
struct Ring {
    slots_max: usize,
    slots: Vec<Slot>,
    /// The slot that is written next.
    next: usize,
    too_long: u64,
}

/// A line, and how often it came in a row.
#[derive(Debug, Default)]
struct Slot {
    /// Method, host and path, one behind the other.
    text: String,
    host_at: usize,
    path_at: usize,
    requests: u64,
}

impl RecentRequests {
    /// Rings for this many workers of at most `lines` each; with 0 nothing is kept.
    pub(crate) fn new(workers: usize, lines: usize) -> (Self, Vec<Option<Questions>>) {
        if lines == 0 {
            return (Self::default(), (0..workers).map(|_| None).collect());
        }
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| mpsc::channel(RECENT_QUESTIONS_MAX))
            .map(|(sender, receiver)| (sender, Some(Questions(receiver))))
            .unzip();
        (Self { workers: senders.into() }, receivers)
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        !self.workers.is_empty()
    }

    /// What came last, at most `lines_max` distinct lines of it. A worker that has ended says nothing.
    pub async fn ask(&self, lines_max: usize) -> Recent {
        let mut answers = Vec::with_capacity(self.workers.len());
        for worker in self.workers.iter() {
            let (answer, answered) = oneshot::channel();
            if worker.send(answer).await.is_ok() {
                answers.push(answered);
            }
        }
        let mut recent = Recent::default();
        let mut lines: HashMap<Line, u64> = HashMap::new();
        for answered in answers {
            let Ok(copied) = answered.await else { continue };
            recent.too_long += copied.too_long;
            for (line, requests) in copied.lines() {
                *lines.entry(line).or_default() += requests;
            }
        }
        recent.lines = lines.into_iter().collect();
        recent.lines.sort_unstable_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        let left_out = recent.lines.split_off(lines_max.min(recent.lines.len()));
        recent.left_out = left_out.iter().map(|(_, requests)| requests).sum();
        recent
    }
}

impl WorkerRecent {
    /// Keeps at most `lines`.
    pub(crate) fn new(lines: usize) -> Self {
        Self { ring: RefCell::new(Ring { slots_max: lines, ..Ring::default() }) }
    }

    /// A request has this line.
    pub(crate) fn note(&self, method: &Method, host: &str, path: &str) {
        self.ring.borrow_mut().note(method.as_str(), host, path);
    }

    /// Answers whoever asks, until nobody can any more.
    pub(crate) async fn answer(&self, mut questions: Questions) {
        while let Some(question) = questions.0.recv().await {
            // Whoever asked may have gone.
            let _ = question.send(self.ring.borrow().copied());
        }
    }
}

impl Ring {
    fn note(&mut self, method: &str, host: &str, path: &str) {
        if self.slots_max == 0 {
            return;
        }
        if method.len() + host.len() + path.len() > RECENT_LINE_BYTES_MAX {
            self.too_long += 1;
            return;
        }
        let newest = match self.next {
            0 => self.slots.last_mut(),
            next => self.slots.get_mut(next - 1),
        };
        if let Some(newest) = newest.filter(|newest| newest.is(method, host, path)) {
            newest.requests += 1;
            return;
        }
        if self.next == self.slots.len() {
            self.slots.push(Slot::default());
        }
        if let Some(slot) = self.slots.get_mut(self.next) {
            slot.write(method, host, path);
        }
        self.next = (self.next + 1) % self.slots_max;
    }

    /// Two allocations, however many lines: it is made on the thread that serves requests.
    fn copied(&self) -> Copied {
        let bytes = self.slots.iter().map(|slot| slot.text.len()).sum();
        let (text, lines) = (String::with_capacity(bytes), Vec::with_capacity(self.slots.len()));
        let mut copied = Copied { text, lines, too_long: self.too_long };
        for slot in &self.slots {
            let begin = copied.text.len();
            copied.text.push_str(&slot.text);
            let (host_at, path_at, end) = (begin + slot.host_at, begin + slot.path_at, copied.text.len());
            copied.lines.push(Place { begin, host_at, path_at, end, requests: slot.requests });
        }
        copied
    }
}

impl Copied {
    fn lines(&self) -> impl Iterator<Item = (Line, u64)> {
        let part = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default().to_owned();
        self.lines.iter().map(move |place| {
            let (method, host) = (part(place.begin, place.host_at), part(place.host_at, place.path_at));
            (Line { method, host, path: part(place.path_at, place.end) }, place.requests)
        })
    }
}

impl Slot {
    fn is(&self, method: &str, host: &str, path: &str) -> bool {
        let ends = (method.len(), method.len() + host.len(), method.len() + host.len() + path.len());
        ends == (self.host_at, self.path_at, self.text.len())
            && self.text.starts_with(method)
            && self.text.ends_with(path)
            && self.text.get(self.host_at..self.path_at) == Some(host)
    }

    fn write(&mut self, method: &str, host: &str, path: &str) {
        self.text.clear();
        self.text.push_str(method);
        self.text.push_str(host);
        self.text.push_str(path);
        (self.host_at, self.path_at, self.requests) = (method.len(), method.len() + host.len(), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(lines: usize) -> WorkerRecent {
        WorkerRecent::new(lines)
    }

    fn lines(worker: &WorkerRecent) -> Vec<String> {
        let copied = worker.ring.borrow().copied();
        let text = |(line, requests): (Line, u64)| format!("{requests} {} {} {}", line.method, line.host, line.path);
        copied.lines().map(text).collect()
    }

    fn note(worker: &WorkerRecent, paths: &[&str]) {
        paths.iter().for_each(|path| worker.note(&Method::GET, "h", path));
    }

    #[test]
    fn the_last_lines_are_kept_and_those_in_a_row_are_counted() {
        let worker = ring(3);
        note(&worker, &["/a", "/a", "/b", "/a", "/a", "/a"]);
        assert_eq!(lines(&worker), ["2 GET h /a", "1 GET h /b", "3 GET h /a"]);
        note(&worker, &["/a", "/c", "/c", "/d"]);
        assert_eq!(lines(&worker), ["2 GET h /c", "1 GET h /d", "4 GET h /a"]);
        note(&worker, &["/d", "/e", "/f", "/f"]);
        assert_eq!(lines(&worker), ["2 GET h /f", "2 GET h /d", "1 GET h /e"]);
    }

    #[test]
    fn lines_are_the_same_only_part_by_part() {
        let worker = ring(9);
        worker.note(&Method::GET, "ab", "/c");
        worker.note(&Method::GET, "a", "b/c");
        worker.note(&Method::from_bytes(b"GETa").unwrap(), "b", "/c");
        worker.note(&Method::GET, "ab", "/x");
        worker.note(&Method::PUT, "ab", "/x");
        assert_eq!(lines(&worker).len(), 5);
    }

    #[test]
    fn a_line_at_the_limit_is_kept_and_one_byte_more_is_counted() {
        let worker = ring(2);
        let path = |bytes: usize| format!("/{}", "p".repeat(bytes - 1));
        note(&worker, &[&path(RECENT_LINE_BYTES_MAX - 4)]);
        note(&worker, &[&path(RECENT_LINE_BYTES_MAX - 3)]);
        assert_eq!((lines(&worker).len(), worker.ring.borrow().too_long), (1, 1));
    }

    #[test]
    fn buffers_are_used_again() {
        let worker = ring(2);
        note(&worker, &["/a-long-path", "/another-path"]);
        let places = || worker.ring.borrow().slots.iter().map(|slot| slot.text.as_ptr()).collect::<Vec<_>>();
        let before = places();
        note(&worker, &["/1", "/2", "/3"]);
        assert_eq!(places(), before);
    }

    #[tokio::test]
    async fn workers_are_added_up_and_the_rarest_lines_are_left_out() {
        let (recent, questions) = RecentRequests::new(2, 8);
        assert!(recent.is_on());
        let local = tokio::task::LocalSet::new();
        for (questions, paths) in questions.into_iter().zip([["/a", "/b", "/a"], ["/c", "/b", "/a"]]) {
            local.spawn_local(async move {
                let worker = ring(8);
                note(&worker, &paths);
                worker.answer(questions.expect("it is on")).await;
            });
        }
        let found = local.run_until(recent.ask(2)).await;
        let paths: Vec<_> = found.lines.iter().map(|(line, requests)| (line.path.as_str(), *requests)).collect();
        assert_eq!((paths, found.left_out), (vec![("/a", 3), ("/b", 2)], 1));
        // A worker that is gone keeps nobody waiting.
        drop(local);
        assert_eq!(recent.ask(2).await, Recent::default());
    }

    #[tokio::test]
    async fn with_none_nothing_is_kept() {
        let (recent, questions) = RecentRequests::new(2, 0);
        assert!(!recent.is_on() && questions.iter().all(Option::is_none));
        assert_eq!(recent.ask(9).await, Recent::default());
        let worker = ring(0);
        note(&worker, &["/a"]);
        assert_eq!(lines(&worker), [""; 0]);
    }
}
