//! What the fleet knows of one node.

use penstock_model::bundle::{BundleKey, Hash};
use penstock_model::figures::Figures;
use penstock_model::id::{DeploymentId, NodeId, Version};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// A node, as far as the control plane knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// Unique in the fleet.
    pub id: NodeId,
    /// Name and version of its program.
    pub build: String,
    /// For people and for choosing nodes.
    pub labels: BTreeMap<String, String>,
    /// Address that its stream came from.
    pub peer: String,
    /// Whether its stream is open.
    pub connected: bool,
    /// When its newest stream was opened, in milliseconds since 1970.
    pub connected_since_ms: i64,
    /// When it last said anything, in milliseconds since 1970.
    pub last_seen_ms: i64,
    /// When its stream ended; `None`: it is open.
    pub left_at: Option<Instant>,
    /// What it says that it serves.
    pub serving: Option<Serving>,
    /// Of the newest manifest that it was sent.
    pub refusals: Vec<Refusal>,
    /// What became of its requests, the oldest version first, as it said last.
    pub generations: Vec<Generation>,
    /// What it has on its disk; `None`: it keeps nothing.
    pub kept: Option<Kept>,
    /// How long ago a control plane had confirmed what it served when its newest stream was opened, in seconds.
    pub unconfirmed_seconds: u64,
    /// Whether it can tell what becomes of a stage's requests.
    pub tells_figures: bool,
    /// Another one for each process; 0: it does not say.
    pub instance: u64,
    /// How often that has changed.
    pub restarts: u32,
    /// What became of them, as it said last.
    pub figures: Option<Arc<StageFigures>>,
}

/// What became of the requests that met one version on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Which.
    pub version: Version,
    /// Requests that began.
    pub started: u64,
    /// Of those, the ones that ended.
    pub finished: u64,
    /// Of those, the ones that ended early without their client or upstream having ended them.
    pub cut: u64,
}

/// What became of a stage's requests on a node since it was told to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageFigures {
    /// Which stage.
    pub key: BundleKey,
    /// Of which measurement.
    pub measurement: u64,
    /// By deployment.
    pub deployments: Vec<(DeploymentId, Figures)>,
}

/// What a node has on its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The newest that is durable; 0: none.
    pub version: Version,
    /// What is wrong, in the node's words; empty: nothing.
    pub problem: String,
}

/// What a node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Of the manifest.
    pub version: Version,
    /// Of the manifest.
    pub root_hash: Hash,
    /// (resource, method) pairs; 0 until the node answered an activation on this control plane.
    pub route_count: u64,
    /// From the activate message to the swap, in microseconds; 0 as above.
    pub build_time_us: u64,
}

/// What a node does not serve, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of the manifest.
    pub version: Version,
    /// Which bundle, and of which pair; `None`: the manifest itself.
    pub bundle: Option<(Hash, BundleKey)>,
    /// In the node's words.
    pub reason: String,
}

/// What a node says when it comes.
#[derive(Clone, Debug, Default)]
pub struct Joining {
    /// Unique in the fleet.
    pub id: NodeId,
    /// Name and version of its program.
    pub build: String,
    /// For people and for choosing nodes.
    pub labels: BTreeMap<String, String>,
    /// Address that its stream came from.
    pub peer: String,
    /// What it serves.
    pub serving: Option<(Version, Hash)>,
    /// Bundles that it refused and still knows of; `None`: it does not say.
    pub refused: Option<HashSet<Hash>>,
    /// What it has on its disk; `None`: it keeps nothing.
    pub kept: Option<Kept>,
    /// How long ago a control plane confirmed what it serves, in seconds.
    pub unconfirmed_seconds: u64,
    /// Whether it can be asked for the requests that came lately.
    pub answers_recent: bool,
    /// Whether it can tell what becomes of a stage's requests.
    pub tells_figures: bool,
    /// Another one for each process; 0: it does not say.
    pub instance: u64,
}

impl Serving {
    pub(super) fn reported(version: Version, root_hash: Hash) -> Self {
        Self { version, root_hash, route_count: 0, build_time_us: 0 }
    }
}

impl Refusal {
    pub(super) fn hash(&self) -> Option<Hash> {
        self.bundle.as_ref().map(|(hash, _)| *hash)
    }
}
