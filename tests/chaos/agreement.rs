//! What must be true of several proxies once they have the same version.

use harness::client;
use harness::writers::{Writers, number};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Looks at it again and again, each time at what is new.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    /// APIs that every proxy was seen to serve.
    seen: BTreeSet<String>,
}

impl Agreement {
    /// While nobody writes: everything acknowledged is stored, everything stored is served by each proxy, and all of them
    /// serve the same number, which is answered.
    pub(crate) async fn check(&mut self, writers: &Writers, proxies: &[SocketAddr], stored: BTreeSet<String>) -> u64 {
        writers.known(|known| known.check(&stored));
        let mut numbers = BTreeSet::new();
        for proxy in proxies {
            numbers.insert(number(*proxy).await);
            for name in stored.difference(&self.seen) {
                let answer = client::get(*proxy, "any", &format!("/{name}/x")).await;
                assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            }
        }
        self.seen = stored;
        let numbers: Vec<_> = numbers.into_iter().collect();
        let [number] = numbers[..] else { panic!("proxies answer {numbers:?}") };
        let expected = writers.expected();
        assert!((expected.acknowledged..=expected.asked).contains(&number), "{number}: {expected:?}");
        number
    }
}
