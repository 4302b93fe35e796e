//! How the names of headers were spelled, which hyper forgets: read off the heads that pass the guard, as long as somebody
//! wants to know.

use penstock_model::function::HeaderSpelling;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether anybody wants to know, changed with the routing table. A head costs one look at it while nobody does.
pub type SpellingWanted = Arc<AtomicBool>;

/// What the guard has noted and the service has not taken yet. There are as many as there are heads in one read.
#[derive(Debug, Default)]
struct Noted {
    count: AtomicUsize,
    /// With the number of the head on its connection.
    spellings: Mutex<VecDeque<(u64, HeaderSpelling)>>,
}

/// The guard's side.
#[derive(Debug)]
pub(super) struct SpellingWriter {
    wanted: SpellingWanted,
    heads: u64,
    noted: Arc<Noted>,
}

/// The service's side.
#[derive(Debug)]
pub struct SpellingReader {
    requests: Cell<u64>,
    noted: Arc<Noted>,
}

/// Both sides for one connection.
pub(super) fn pair(wanted: SpellingWanted) -> (SpellingWriter, SpellingReader) {
    let noted = Arc::<Noted>::default();
    let reader = SpellingReader { requests: Cell::new(0), noted: Arc::clone(&noted) };
    (SpellingWriter { wanted, heads: 0, noted }, reader)
}

impl SpellingWriter {
    /// Notes a head that passes.
    pub(super) fn head(&mut self, head: &[u8]) {
        self.heads += 1;
        if self.wanted.load(Ordering::Relaxed) {
            let spelling = HeaderSpelling::of_head(head);
            self.noted.lock().push_back((self.heads, spelling));
            self.noted.count.fetch_add(1, Ordering::Release);
        }
    }
}

impl SpellingReader {
    /// The spelling of the next request; that of nothing when nobody wanted to know. To be called once for each.
    pub fn next(&self) -> HeaderSpelling {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        if self.noted.count.load(Ordering::Acquire) == 0 {
            return HeaderSpelling::default();
        }
        let mut spellings = self.noted.lock();
        let mut found = HeaderSpelling::default();
        while let Some((of, spelling)) = spellings.pop_front_if(|(of, _)| *of <= number) {
            self.noted.count.fetch_sub(1, Ordering::Release);
            if of == number {
                found = spelling;
            }
        }
        found
    }
}

impl Noted {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, HeaderSpelling)>> {
        // What is noted is whole at any time.
        self.spellings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn head(name: &str) -> Vec<u8> {
        format!("GET / HTTP/1.1\r\n{name}: 1\r\n\r\n").into_bytes()
    }

    fn spelled(reader: &SpellingReader) -> String {
        reader.next().spelled(&HeaderName::from_static("x-id")).to_owned()
    }

    #[test]
    fn each_request_gets_the_spelling_of_its_own_head() {
        let wanted = SpellingWanted::default();
        let (mut writer, reader) = pair(Arc::clone(&wanted));
        writer.head(&head("X-ID"));
        assert_eq!(spelled(&reader), "x-id", "nobody wanted to know");
        writer.head(&head("X-ID"));
        wanted.store(true, Ordering::Relaxed);
        writer.head(&head("X-Id"));
        writer.head(&head("x-iD"));
        wanted.store(false, Ordering::Relaxed);
        writer.head(&head("X-ID"));
        assert_eq!([(); 4].map(|()| spelled(&reader)), ["x-id", "X-Id", "x-iD", "x-id"]);
        assert!(reader.noted.lock().is_empty());
    }
}
