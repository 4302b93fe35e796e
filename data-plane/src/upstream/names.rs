//! [`Names`]: the addresses of names, for all workers of the process.
//!
//! Each name that somebody follows has a task on the control runtime that asks for it before what is known expires. Workers
//! hear of changes; no request asks for anything here but the first to a target.

mod dns;
mod kept;

use crate::limits::{DNS_LOOKUP_TIMEOUT_MS, DNS_LOOKUPS_MAX, DNS_NAMES_MAX};
use crate::metrics::UpstreamFigures;
use dns::Dns;
use kept::{Heard, Kept};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// Why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    /// A server says so.
    #[error("the name has no address")]
    NoAddress,
    /// No server has said anything of use.
    #[error("no DNS server has an answer")]
    NoAnswer,
    /// As many as may be are followed already.
    #[error("too many names are followed")]
    TooMany,
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet: the question is on its way.
    Asked,
    /// At least one address, each once, in order.
    Addresses(Arc<[IpAddr]>),
    /// That it has none, or that nobody knows one.
    Nothing(ResolveError),
}

/// The names that are followed.
pub(crate) struct Names {
    /// Where questions are asked, which is not where requests are served.
    runtime: Handle,
    shared: Arc<Shared>,
}

struct Shared {
    /// By name in lower case.
    followed: Mutex<HashMap<Box<str>, watch::Sender<Known>>>,
    dns: Dns,
    /// Questions at a time.
    asking: Semaphore,
    figures: Arc<UpstreamFigures>,
}

impl Names {
    /// Asks these servers, or the machine's own if there are none.
    pub(crate) fn new(runtime: Handle, servers: Vec<SocketAddr>, figures: Arc<UpstreamFigures>) -> Self {
        let (followed, dns, asking) = (Mutex::default(), Dns::new(servers), Semaphore::new(DNS_LOOKUPS_MAX));
        Self { runtime, shared: Arc::new(Shared { followed, dns, asking, figures }) }
    }

    /// What is known of a host, now and from now on. It is kept fresh until the last follower is gone.
    pub(super) fn follow(&self, host: &str) -> watch::Receiver<Known> {
        let name = host.to_ascii_lowercase().into_boxed_str();
        let mut followed = self.shared.lock();
        if let Some(known) = followed.get(&name) {
            return known.subscribe();
        }
        if followed.len() >= DNS_NAMES_MAX {
            return watch::Sender::new(Known::Nothing(ResolveError::TooMany)).subscribe();
        }
        let sender = watch::Sender::new(Known::Asked);
        let receiver = sender.subscribe();
        followed.insert(name.clone(), sender.clone());
        self.runtime.spawn(Arc::clone(&self.shared).keep(name, sender));
        receiver
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, watch::Sender<Known>>> {
        // One insertion or one removal at a time.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a name fresh while somebody follows it.
    async fn keep(self: Arc<Self>, name: Box<str>, told: watch::Sender<Known>) {
        let mut kept = Kept::new(Instant::now());
        loop {
            let heard = self.ask(&name).await;
            let was_failing = kept.is_failing();
            let ask_at = kept.hear(heard, Instant::now());
            match (was_failing, kept.is_failing()) {
                (false, true) => tracing::warn!(%name, "no DNS server has an answer; what is known is kept"),
                (true, false) => tracing::info!(%name, "DNS servers answer again"),
                (true, true) | (false, false) => {}
            }
            told.send_if_modified(|known| {
                let is_new = *known != *kept.known();
                if is_new {
                    tracing::debug!(%name, now = ?kept.known(), "the addresses of an upstream have changed");
                    known.clone_from(kept.known());
                }
                is_new
            });
            sleep_until(ask_at).await;
            let mut followed = self.lock();
            if told.receiver_count() == 0 {
                followed.remove(&name);
                return;
            }
        }
    }

    async fn ask(&self, name: &str) -> Heard {
        let Ok(_permit) = self.asking.acquire().await else { return Heard::Failed };
        let asked = timeout(Duration::from_millis(DNS_LOOKUP_TIMEOUT_MS), self.dns.look_up(name)).await;
        let heard = asked.unwrap_or(Heard::Failed);
        self.figures.looked_up(match &heard {
            Heard::Addresses(..) => "found",
            Heard::Nothing => "nothing",
            Heard::Failed => "failed",
        });
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(Handle::current(), vec![([127, 0, 0, 1], 1).into()], Arc::default())
    }

    #[tokio::test]
    async fn what_the_hosts_file_knows_needs_no_server() {
        let names = names();
        let mut known = names.follow("LOCALHOST");
        let known = known.wait_for(|known| *known != Known::Asked).await.expect("is told").clone();
        let Known::Addresses(addresses) = known else { panic!("{known:?}") };
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }

    #[tokio::test]
    async fn two_who_follow_a_name_share_one_question() {
        let names = names();
        let (_one, _other) = (names.follow("a.test"), names.follow("A.test"));
        assert_eq!(names.shared.lock().len(), 1);
    }

    #[tokio::test]
    async fn there_is_a_bound_on_names() {
        let names = names();
        let followed: Vec<_> = (0..DNS_NAMES_MAX).map(|number| names.follow(&format!("n{number}.test"))).collect();
        assert_eq!(*names.follow("one-more.test").borrow(), Known::Nothing(ResolveError::TooMany));
        assert_eq!(*names.follow("n0.test").borrow(), Known::Asked, "one that is followed already");
        drop(followed);
    }
}
