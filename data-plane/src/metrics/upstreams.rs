//! [`UpstreamFigures`]: what became of the addresses of upstreams, and of requests that were sent again.
//!
//! Written when something changes, which is seldom: no request that goes well comes by here.

use super::ReasonLabel;
use crate::limits::UPSTREAM_TARGETS_SHOWN_MAX;
use http::uri::Authority;
use penstock_model::uri_template::Scheme;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why an address failed, or a request was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No connection could be made.
    Connect,
    /// A new connection was lost before there was an answer.
    Lost,
    /// The answer was a 502, 503 or 504.
    Status,
}

impl Cause {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Lost => "lost",
            Self::Status => "status",
        }
    }
}

/// Whether an address gets requests. A later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AddressState {
    Serving,
    Returning,
    Ejected,
}

impl AddressState {
    const ALL: [Self; 3] = [Self::Serving, Self::Returning, Self::Ejected];

    fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Returning => "returning",
            Self::Ejected => "ejected",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabels {
    target: String,
    state: &'static str,
}

/// The targets of one worker that have a name, by number.
#[derive(Debug, Default)]
struct Shown {
    targets: HashMap<u64, (String, Vec<(SocketAddr, AddressState)>)>,
    last: u64,
}

type Shelf = Arc<Mutex<Shown>>;

fn lock(shelf: &Shelf) -> MutexGuard<'_, Shown> {
    // Whole entries are put in and taken out.
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all workers say.
#[derive(Debug, Default)]
pub(crate) struct UpstreamFigures {
    workers: Workers,
    ejections: Family<ReasonLabel, Counter>,
    retries: Family<ReasonLabel, Counter>,
    retries_refused: Counter,
    lookups: Family<OutcomeLabel, Counter>,
}

#[derive(Clone, Debug, Default)]
struct Workers(Arc<Mutex<Vec<Shelf>>>);

impl Workers {
    fn shelves(&self) -> MutexGuard<'_, Vec<Shelf>> {
        // A list that only grows by one push.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of each target's addresses, how many workers see each in which state.
    fn addresses(&self) -> BTreeMap<String, BTreeMap<SocketAddr, Vec<AddressState>>> {
        let mut all: BTreeMap<String, BTreeMap<SocketAddr, Vec<AddressState>>> = BTreeMap::new();
        for shelf in &*self.shelves() {
            for (name, addresses) in lock(shelf).targets.values() {
                let target = all.entry(name.clone()).or_default();
                for (address, state) in addresses {
                    target.entry(*address).or_default().push(*state);
                }
            }
        }
        all
    }
}

impl UpstreamFigures {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.workers.clone()));
        registry.register(
            "upstream_ejections",
            "Addresses of upstreams that were ejected by a worker, by what they did last",
            self.ejections.clone(),
        );
        registry.register(
            "upstream_retries",
            "Requests that were sent again because their upstream failed, by how it did",
            self.retries.clone(),
        );
        registry.register(
            "upstream_retries_refused",
            "Requests that were not sent again because too many are",
            self.retries_refused.clone(),
        );
        registry.register("dns_lookups", "Questions for the addresses of a name", self.lookups.clone());
    }

    /// Notes what a question for the addresses of a name came to.
    pub(crate) fn looked_up(&self, outcome: &'static str) {
        self.lookups.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// The page for operators: each target that has a name, its addresses, and how many workers see them how.
    pub(crate) fn page(&self) -> Value {
        let targets = self.workers.addresses().into_iter().map(|(target, addresses)| {
            let addresses = addresses.into_iter().map(|(address, states)| {
                let count = |wanted| states.iter().filter(|state| **state == wanted).count();
                let [serving, returning, ejected] = AddressState::ALL.map(count);
                json!({"address": address, "workers": {"serving": serving, "returning": returning, "ejected": ejected}})
            });
            json!({"target": target, "addresses": addresses.collect::<Vec<_>>()})
        });
        json!({"targets": targets.collect::<Vec<_>>()})
    }
}

impl Collector for Workers {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Addresses of upstreams that have a name, by the worst state in which a worker sees them";
        let mut descriptor = encoder.encode_descriptor("upstream_addresses", help, None, MetricType::Gauge)?;
        for (target, addresses) in self.addresses() {
            for state in AddressState::ALL {
                let worst = addresses.values().filter(|states| states.iter().max() == Some(&state));
                let count = i64::try_from(worst.count()).unwrap_or(i64::MAX);
                let labels = AddressLabels { target: target.clone(), state: state.as_str() };
                descriptor.encode_family(&labels)?.encode_gauge(&count)?;
            }
        }
        Ok(())
    }
}

/// What one worker says.
#[derive(Debug)]
pub(crate) struct WorkerUpstreams {
    all: Arc<UpstreamFigures>,
    shelf: Shelf,
}

impl WorkerUpstreams {
    pub(crate) fn new(all: Arc<UpstreamFigures>) -> Self {
        let shelf = Shelf::default();
        all.workers.shelves().push(Arc::clone(&shelf));
        Self { all, shelf }
    }

    /// A place for what becomes of a target.
    pub(crate) fn show(&self, scheme: Scheme, authority: &Authority) -> ShownTarget {
        let mut shown = lock(&self.shelf);
        shown.last += 1;
        let number = shown.last;
        if shown.targets.len() < UPSTREAM_TARGETS_SHOWN_MAX {
            shown.targets.insert(number, (format!("{}://{authority}", scheme.as_str()), Vec::new()));
        }
        ShownTarget { shelf: Arc::clone(&self.shelf), number }
    }

    pub(crate) fn ejected(&self, cause: Cause) {
        self.all.ejections.get_or_create(&ReasonLabel { reason: cause.as_str() }).inc();
    }

    pub(crate) fn retried(&self, cause: Cause) {
        self.all.retries.get_or_create(&ReasonLabel { reason: cause.as_str() }).inc();
    }

    pub(crate) fn retry_refused(&self) {
        self.all.retries_refused.inc();
    }
}

/// The place of one target. Dropping it takes it away.
#[derive(Debug)]
pub(crate) struct ShownTarget {
    shelf: Shelf,
    number: u64,
}

impl ShownTarget {
    pub(crate) fn set(&self, addresses: Vec<(SocketAddr, AddressState)>) {
        if let Some((_, shown)) = lock(&self.shelf).targets.get_mut(&self.number) {
            *shown = addresses;
        }
    }
}

impl Drop for ShownTarget {
    fn drop(&mut self) {
        lock(&self.shelf).targets.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_as_what_the_worst_worker_says() {
        let all = Arc::<UpstreamFigures>::default();
        let (one, other) = (WorkerUpstreams::new(Arc::clone(&all)), WorkerUpstreams::new(Arc::clone(&all)));
        let authority = Authority::from_static("api.test:81");
        let (shown, also) = (one.show(Scheme::Http, &authority), other.show(Scheme::Http, &authority));
        let at = |last| SocketAddr::from(([127, 0, 0, last], 81));
        shown.set(vec![(at(1), AddressState::Serving), (at(2), AddressState::Ejected)]);
        also.set(vec![(at(1), AddressState::Serving), (at(2), AddressState::Serving)]);
        let mut registry = Registry::default();
        all.register(&mut registry);
        let text = |registry: &Registry| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).expect("is written");
            text
        };
        let written = text(&registry);
        for line in [
            r#"upstream_addresses{target="http://api.test:81",state="serving"} 1"#,
            r#"upstream_addresses{target="http://api.test:81",state="returning"} 0"#,
            r#"upstream_addresses{target="http://api.test:81",state="ejected"} 1"#,
        ] {
            assert!(written.contains(line), "{line}\n{written}");
        }
        assert_eq!(
            all.page()["targets"][0]["addresses"][1]["workers"],
            json!({"serving": 1, "returning": 0, "ejected": 1})
        );
        drop((shown, also));
        assert!(!text(&registry).contains("api.test"));
    }

    #[test]
    fn no_more_targets_are_shown_than_may_be() {
        let worker = WorkerUpstreams::new(Arc::default());
        let authority = |number| format!("t{number}.test").parse::<Authority>().expect("an authority");
        let shown: Vec<_> =
            (0..=UPSTREAM_TARGETS_SHOWN_MAX).map(|number| worker.show(Scheme::Http, &authority(number))).collect();
        for target in &shown {
            target.set(vec![(([127, 0, 0, 1], 80).into(), AddressState::Serving)]);
        }
        assert_eq!(worker.all.page()["targets"].as_array().map(Vec::len), Some(UPSTREAM_TARGETS_SHOWN_MAX));
    }
}
