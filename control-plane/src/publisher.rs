//! [`Publisher`]: the newest publication, and a way to hear of newer ones.
//!
//! The app layer publishes after each commit; every subscriber's stream watches. Writers never wait for readers: a
//! slow subscriber skips versions.

use crate::publication::Publication;
use penstock_model::bundle::BundleKey;
use penstock_model::id::{NodeId, Version};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Holds the newest publication. It never goes back.
#[derive(Debug)]
pub struct Publisher {
    published: watch::Sender<Published>,
}

/// What nodes are to serve.
#[derive(Clone, Debug)]
pub struct Published {
    /// All nodes, and what is stored: after a start there is nothing else.
    pub newest: Arc<Publication>,
    /// A few nodes, while a node canary runs.
    pub candidate: Option<Arc<Candidate>>,
}

/// What a few nodes serve before the others, beside the newest publication.
///
/// **Invariant**: its version is below that of the newest publication, and above all that those nodes had before. So whoever
/// does not know of it, another control plane or this one after a start, takes them back to the newest.
#[derive(Debug)]
pub struct Candidate {
    /// The newest publication, but for one stage.
    pub publication: Arc<Publication>,
    /// What becomes of that stage's requests, on all nodes.
    pub measurement: Measurement,
    /// Who serves it.
    pub nodes: Arc<BTreeSet<NodeId>>,
}

/// What nodes are to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// Requests of which stage.
    pub key: BundleKey,
    /// Another one for each node canary, so that the figures of one do not count in the next.
    pub number: u64,
}

impl Published {
    /// What a node is to serve that came with version `held`: nobody is taken back to an older one.
    pub fn for_node(&self, id: &NodeId, held: Option<Version>) -> &Arc<Publication> {
        let candidate = self.candidate.as_ref().filter(|candidate| candidate.nodes.contains(id));
        let newer = candidate.filter(|candidate| held.is_none_or(|held| held <= candidate.publication.version));
        newer.map_or(&self.newest, |candidate| &candidate.publication)
    }
}

impl Publisher {
    /// Begins with what the store held.
    pub fn new(initial: Arc<Publication>) -> Self {
        Self { published: watch::Sender::new(Published { newest: initial, candidate: None }) }
    }

    /// Replaces the newest publication, unless that one is as new or newer: of two writers the slower may come last.
    pub fn publish(&self, publication: Arc<Publication>) {
        let version = publication.version;
        let published = self.published.send_if_modified(|published| {
            let newer = publication.version > published.newest.version;
            if newer {
                published.newest = publication;
            }
            newer
        });
        if published {
            tracing::info!(%version, "published");
        } else {
            tracing::info!(%version, newest = %self.newest().version, "not published: it is not newer");
        }
    }

    /// Publishes both at once. A candidate that is not new takes the place of the one that it renews: one that was withdrawn
    /// meanwhile does not come back.
    pub fn publish_with(&self, publication: Arc<Publication>, candidate: Candidate, is_new: bool) {
        let (version, some, nodes) = (publication.version, candidate.publication.version, candidate.nodes.len());
        self.published.send_modify(|published| {
            let runs = |running: &Arc<Candidate>| running.measurement == candidate.measurement;
            if is_new || published.candidate.as_ref().is_some_and(runs) {
                published.candidate = Some(Arc::new(candidate));
            }
            if version > published.newest.version {
                published.newest = publication;
            }
        });
        tracing::info!(%version, candidate = %some, nodes, "published, and a candidate to some nodes");
    }

    /// Publishes what follows nothing of before: no candidate outlives it.
    pub fn publish_alone(&self, publication: Arc<Publication>) {
        self.publish(publication);
        self.withdraw();
    }

    /// What a few nodes serve before the others.
    pub fn candidate(&self) -> Option<Arc<Candidate>> {
        self.published.borrow().candidate.clone()
    }

    /// Whether a candidate of this measurement is published.
    pub fn measures(&self, number: u64) -> bool {
        self.published.borrow().candidate.as_ref().is_some_and(|candidate| candidate.measurement.number == number)
    }

    /// Takes the nodes of the candidate to the newest publication.
    pub fn withdraw(&self) {
        self.published.send_if_modified(|published| published.candidate.take().is_some());
    }

    /// Sees the newest publication, and wakes up for newer ones.
    pub fn subscribe(&self) -> watch::Receiver<Published> {
        self.published.subscribe()
    }

    /// The newest publication.
    pub fn newest(&self) -> Arc<Publication> {
        Arc::clone(&self.published.borrow().newest)
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
        assert_eq!(watcher.borrow_and_update().newest.version, Version(6));
    }

    #[test]
    fn a_few_nodes_serve_a_candidate_until_it_is_withdrawn() {
        let publisher = Publisher::new(publication(5));
        let mut watcher = publisher.subscribe();
        let key = BundleKey { rest_api_id: "a".into(), stage_name: "v1".into() };
        let few = || Arc::new(BTreeSet::from([NodeId::from("few")]));
        let measurement = |number| Measurement { key: key.clone(), number };
        let candidate = Candidate { publication: publication(6), measurement: measurement(6), nodes: few() };
        publisher.publish_with(publication(7), candidate, true);
        assert!(publisher.measures(6) && !publisher.measures(7));
        let published = watcher.borrow_and_update().clone();
        let version = |id: &str, held: u64| published.for_node(&id.into(), (held > 0).then_some(Version(held))).version;
        for (id, held, expected) in [("few", 0, 6), ("few", 5, 6), ("few", 6, 6), ("few", 7, 7), ("other", 5, 7)] {
            assert_eq!(version(id, held), Version(expected), "{id} with {held}");
        }
        assert_eq!(publisher.newest().version, Version(7));

        publisher.publish(publication(8));
        assert!(watcher.borrow_and_update().candidate.is_some(), "what others change does not end it");
        publisher.withdraw();
        assert!(watcher.has_changed().unwrap() && watcher.borrow_and_update().candidate.is_none());
        publisher.withdraw();
        assert!(!watcher.has_changed().unwrap() && !publisher.measures(6));

        let renewed = Candidate { publication: publication(9), measurement: measurement(6), nodes: few() };
        publisher.publish_with(publication(10), renewed, false);
        assert!(!publisher.measures(6), "what was withdrawn stays so");
        assert_eq!(publisher.newest().version, Version(10));
    }

    #[test]
    fn a_slow_watcher_sees_the_newest_only() {
        let publisher = Publisher::new(publication(1));
        let mut watcher = publisher.subscribe();
        (2..100).for_each(|version| publisher.publish(publication(version)));
        assert_eq!(watcher.borrow_and_update().newest.version, Version(99));
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
