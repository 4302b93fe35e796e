//! [`Fleet`]: which nodes are subscribed, what they serve, and what they refused.
//!
//! Each subscriber's stream writes through its [`Membership`]; the management API reads. Nothing here decides what is
//! sent, and nothing is stored: a control plane that starts anew learns everything from the nodes' first words.

mod node;
pub mod recent;

pub use node::{Generation, Joining, Kept, NodeState, Refusal, Serving, StageFigures};

use crate::rollout::{Tally, Target};
use penstock_model::bundle::Hash;
use penstock_model::id::{NodeId, Version};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Most nodes that are connected at a time.
pub const CONNECTED_NODES_MAX: usize = 10_000;
/// Most nodes that are remembered after they left; the one that left first is forgotten first.
pub const DISCONNECTED_NODES_MAX: usize = 1_000;
/// Most refusals that are shown for a node; the oldest is forgotten first.
pub const REFUSALS_PER_NODE_MAX: usize = 100;
/// Most versions of which a node's counts are kept; the oldest is forgotten first.
pub const GENERATIONS_PER_NODE_MAX: usize = 16;

/// There are [`CONNECTED_NODES_MAX`] nodes already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{CONNECTED_NODES_MAX} nodes are connected, which is the limit")]
pub struct FleetFull;

/// All nodes that are, or recently were, subscribed.
#[derive(Debug, Default)]
pub struct Fleet {
    nodes: Mutex<Nodes>,
    /// Told when a node came, left, or said what it serves or refuses.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Nodes {
    entries: HashMap<NodeId, Entry>,
    streams: u64,
    connected: usize,
}

#[derive(Debug)]
struct Entry {
    state: NodeState,
    /// The stream that may write here.
    stream: u64,
    /// Dropped when another stream takes the node over.
    place: Option<oneshot::Sender<()>>,
    /// Where it is asked for recent requests; `None`: it cannot be asked.
    questions: Option<mpsc::Sender<recent::Question>>,
}

/// A stream's place in the fleet; dropping it says that the node left.
#[derive(Debug)]
pub struct Membership {
    fleet: Arc<Fleet>,
    id: NodeId,
    stream: u64,
    superseded: oneshot::Receiver<()>,
    refused: HashSet<Hash>,
    questions: mpsc::Receiver<recent::Question>,
}

impl Fleet {
    /// Takes a node in. A stream that was open for the same id loses its place.
    ///
    /// # Errors
    /// When there are too many; the node should come back later.
    pub fn join(self: &Arc<Self>, joining: Joining, now_ms: i64) -> Result<Membership, FleetFull> {
        let mut nodes = self.lock();
        let before = nodes.entries.remove(&joining.id);
        let was_connected = before.as_ref().is_some_and(|entry| entry.state.connected);
        if nodes.connected - usize::from(was_connected) >= CONNECTED_NODES_MAX {
            nodes.entries.extend(before.map(|entry| (joining.id, entry)));
            return Err(FleetFull);
        }
        let restarts = before.as_ref().map_or(0, |entry| restarts(&entry.state, &joining));
        let refusals = before.map(|entry| still_refused(entry.state, &joining)).unwrap_or_default();
        let mut refused: HashSet<Hash> = refusals.iter().filter_map(Refusal::hash).collect();
        refused.extend(joining.refused.iter().flatten());
        nodes.streams += 1;
        nodes.connected += usize::from(!was_connected);
        let (place, superseded) = oneshot::channel();
        let (asking, questions) = mpsc::channel(recent::QUESTIONS_MAX);
        let asking = joining.answers_recent.then_some(asking);
        let serving = joining.serving.map(|(version, root_hash)| Serving::reported(version, root_hash));
        let state = NodeState {
            id: joining.id.clone(),
            build: joining.build,
            labels: joining.labels,
            peer: joining.peer,
            connected: true,
            connected_since_ms: now_ms,
            last_seen_ms: now_ms,
            left_at: None,
            serving,
            refusals,
            generations: Vec::new(),
            kept: joining.kept,
            unconfirmed_seconds: joining.unconfirmed_seconds,
            tells_figures: joining.tells_figures,
            instance: joining.instance,
            restarts,
            figures: None,
        };
        let stream = nodes.streams;
        nodes.entries.insert(joining.id.clone(), Entry { state, stream, place: Some(place), questions: asking });
        drop(nodes);
        self.changed.send_replace(());
        Ok(Membership { fleet: Arc::clone(self), id: joining.id, stream, superseded, refused, questions })
    }

    /// Every node: connected ones first, then by id.
    pub fn nodes(&self) -> Vec<NodeState> {
        let mut all: Vec<NodeState> = self.lock().entries.values().map(|entry| entry.state.clone()).collect();
        all.sort_by(|a, b| (!a.connected, &a.id).cmp(&(!b.connected, &b.id)));
        all
    }

    /// How many nodes said what about a version, at `now`.
    pub fn tally(&self, target: &Target, now: Instant) -> Tally {
        Tally::of(target, self.lock().entries.values().map(|entry| &entry.state), now)
    }

    /// Wakes when a node came, left, or said what it serves or refuses.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Number of nodes whose stream is open.
    pub fn connected_count(&self) -> usize {
        self.lock().connected
    }

    fn lock(&self) -> MutexGuard<'_, Nodes> {
        // No change below can panic half way.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, id: &NodeId, stream: u64) {
        let mut nodes = self.lock();
        let Some(entry) = nodes.entries.get_mut(id).filter(|entry| entry.stream == stream) else { return };
        entry.state.connected = false;
        entry.state.left_at = Some(Instant::now());
        entry.place = None;
        entry.questions = None;
        tracing::info!(node = %id, "a node left");
        nodes.connected -= 1;
        nodes.forget_the_oldest();
        drop(nodes);
        self.changed.send_replace(());
    }
}

impl Nodes {
    fn forget_the_oldest(&mut self) {
        if self.entries.len() - self.connected <= DISCONNECTED_NODES_MAX {
            return;
        }
        let gone = self.entries.values().map(|entry| &entry.state).filter(|state| !state.connected);
        if let Some(oldest) = gone.min_by_key(|state| state.left_at).map(|state| state.id.clone()) {
            self.entries.remove(&oldest);
        }
    }
}

/// How often its process was started anew, now that it joins again.
fn restarts(before: &NodeState, joining: &Joining) -> u32 {
    let is_known = before.instance != 0 && joining.instance != 0;
    before.restarts.saturating_add(u32::from(is_known && before.instance != joining.instance))
}

/// What a node that comes back still refuses. It knows best, since a new program may take what the old one refused;
/// about one that does not say, we know as long as it did not start anew.
fn still_refused(before: NodeState, joining: &Joining) -> Vec<Refusal> {
    let mut refusals = before.refusals;
    match &joining.refused {
        Some(refused) => refusals.retain(|refusal| refusal.hash().is_some_and(|hash| refused.contains(&hash))),
        None if joining.serving.is_none() || joining.build != before.build => refusals.clear(),
        None => {}
    }
    refusals
}

impl Membership {
    /// Which node this is.
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Bundles that the node had refused when it came.
    pub fn refused_before(&self) -> &HashSet<Hash> {
        &self.refused
    }

    /// Returns when another stream took the node over.
    pub async fn superseded(&mut self) {
        // The sender is dropped then, and at no other time while this membership lives.
        let _ = (&mut self.superseded).await;
    }

    /// The node said anything.
    pub fn seen(&self, now_ms: i64) {
        self.change(|state| state.last_seen_ms = now_ms);
    }

    /// The node said what became of its requests.
    pub fn counted(&self, mut generations: Vec<Generation>) {
        generations.drain(..generations.len().saturating_sub(GENERATIONS_PER_NODE_MAX));
        self.change(|state| state.generations = generations);
    }

    /// The node says, unasked, what it serves.
    pub fn reported(&self, serving: Option<(Version, Hash)>) {
        self.change(|state| {
            let known = state.serving.map(|known| (known.version, known.root_hash));
            if known != serving {
                state.serving = serving.map(|(version, root_hash)| Serving::reported(version, root_hash));
            }
        });
        self.fleet.changed.send_replace(());
    }

    /// The node says what it has on its disk.
    pub fn keeps(&self, kept: Option<Kept>) {
        self.change(|state| state.kept = kept);
    }

    /// The node says what became of a stage's requests.
    pub fn told(&self, figures: StageFigures) {
        self.change(|state| state.figures = Some(Arc::new(figures)));
    }

    /// The node was sent a manifest of these bundles: what it refused of others does not matter any more.
    pub fn offered<T>(&self, bundles: &HashMap<Hash, T>) {
        self.change(|state| {
            state.refusals.retain(|refusal| refusal.hash().is_none_or(|hash| bundles.contains_key(&hash)));
        });
    }

    /// The node serves what it was sent.
    pub fn applied(&self, serving: Serving) {
        self.change(|state| {
            state.serving = Some(serving);
            state.refusals.retain(|refusal| refusal.bundle.is_some());
        });
        self.fleet.changed.send_replace(());
    }

    /// The node refused a bundle, or the manifest.
    pub fn refused(&self, refusal: Refusal) {
        self.change(|state| {
            state.refusals.retain(|known| known.hash() != refusal.hash());
            if state.refusals.len() >= REFUSALS_PER_NODE_MAX {
                state.refusals.remove(0);
            }
            state.refusals.push(refusal);
        });
        self.fleet.changed.send_replace(());
    }

    fn change(&self, change: impl FnOnce(&mut NodeState)) {
        let mut nodes = self.fleet.lock();
        // A stream that lost its place says nothing any more.
        if let Some(entry) = nodes.entries.get_mut(&self.id).filter(|entry| entry.stream == self.stream) {
            change(&mut entry.state);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.fleet.leave(&self.id, self.stream);
    }
}

#[cfg(test)]
mod tests;
