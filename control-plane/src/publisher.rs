//! [`Publisher`]: the newest publication, and a way to hear of newer ones.
//!
//! The app layer publishes after each commit; every subscriber's stream watches. Writers never wait for readers: a
//! slow subscriber skips versions.

use crate::publication::Publication;
use std::sync::Arc;
use tokio::sync::watch;

/// Holds the newest publication. It never goes back.
#[derive(Debug)]
pub struct Publisher {
    newest: watch::Sender<Arc<Publication>>,
}

impl Publisher {
    /// Begins with what the store held.
    pub fn new(initial: Arc<Publication>) -> Self {
        Self { newest: watch::Sender::new(initial) }
    }

    /// Replaces the newest publication, unless that one is as new or newer: of two writers the slower may come last.
    pub fn publish(&self, publication: Arc<Publication>) {
        let version = publication.version;
        let published = self.newest.send_if_modified(|newest| {
            let newer = publication.version > newest.version;
            if newer {
                *newest = publication;
            }
            newer
        });
        if published {
            tracing::info!(%version, "published");
        } else {
            tracing::info!(%version, newest = %self.newest.borrow().version, "not published: it is not newer");
        }
    }

    /// Sees the newest publication, and wakes up for newer ones.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Publication>> {
        self.newest.subscribe()
    }

    /// The newest publication.
    pub fn newest(&self) -> Arc<Publication> {
        Arc::clone(&self.newest.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::id::Version;

    fn publication(version: u64) -> Arc<Publication> {
        Arc::new(Publication::default().numbered(Version(version)))
    }

    #[test]
    fn it_never_goes_back_and_wakes_nobody_for_it() {
        let publisher = Publisher::new(publication(5));
        let mut watcher = publisher.subscribe();
        for older in [0, 4, 5] {
            publisher.publish(publication(older));
            assert_eq!(publisher.newest().version, Version(5));
        }
        assert!(!watcher.has_changed().unwrap());
        publisher.publish(publication(6));
        assert!(watcher.has_changed().unwrap());
        assert_eq!(watcher.borrow_and_update().version, Version(6));
    }

    #[test]
    fn a_slow_watcher_sees_the_newest_only() {
        let publisher = Publisher::new(publication(1));
        let mut watcher = publisher.subscribe();
        (2..100).for_each(|version| publisher.publish(publication(version)));
        assert_eq!(watcher.borrow_and_update().version, Version(99));
        assert!(!watcher.has_changed().unwrap());
    }

    #[test]
    fn racing_writers_leave_the_newest() {
        let publisher = Publisher::new(publication(0));
        std::thread::scope(|threads| {
            for writer in 0..4 {
                let publisher = &publisher;
                threads.spawn(move || (1..=250).for_each(|n| publisher.publish(publication(n * 4 + writer))));
            }
        });
        assert_eq!(publisher.newest().version, Version(1003));
    }
}
