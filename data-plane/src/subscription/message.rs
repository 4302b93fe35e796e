//! What node and control plane say to each other, in the model's words. The subscriber translates to and from the wire.

use bytes::Bytes;
use penstock_model::bundle::{Hash, Manifest, ManifestDelta};
use penstock_model::id::Version;

/// What to do with a manifest of which a bundle is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A refused bundle keeps its previous version serving, the rest goes live.
    Quarantine,
    /// Any refusal leaves the whole previous manifest serving.
    AllOrNothing,
    /// A number that this program does not know. Such an activation is refused: no default can be right.
    Unknown(i32),
}

/// From the control plane.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// What shall serve next.
    Manifest(Manifest),
    /// The same, by what differs from what serves.
    Delta(ManifestDelta),
    /// A piece of a bundle.
    Chunk(Chunk),
    /// Make the offered manifest serve.
    Activate {
        /// Of the manifest.
        version: Version,
        /// Of the manifest.
        root_hash: Hash,
        /// If a bundle is refused.
        policy: Policy,
    },
    /// The control plane lives; its newest published version.
    Heartbeat {
        /// 0: nothing was published yet.
        newest: Version,
    },
    /// Of a kind that this program does not know.
    Unknown,
    /// Of a known kind, but with fields that mean nothing.
    Malformed(String),
}

/// A piece of a bundle.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Of the whole bundle.
    pub hash: Hash,
    /// Bytes of the bundle before this piece.
    pub offset: u64,
    /// The piece.
    pub data: Bytes,
    /// Whether this is the end of the bundle.
    pub last: bool,
}

/// To the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// First on each stream: what the node holds.
    Hello {
        /// What serves, if anything does.
        serving: Option<(Version, Hash)>,
        /// Bundles that need not be sent.
        held_bundles: Vec<Hash>,
        /// Bundles that were refused and need not be sent again either.
        refused_bundles: Vec<Hash>,
    },
    /// The activation is done: this serves.
    Applied {
        /// Of the manifest.
        version: Version,
        /// Of the manifest.
        root_hash: Hash,
        /// (resource, method) pairs that serve.
        route_count: u64,
        /// From the activate message to the swap, in microseconds.
        build_time_us: u64,
    },
    /// Not served, and why.
    Refused {
        /// Of the manifest.
        version: Version,
        /// Which bundle; `None`: the manifest itself.
        bundle: Option<Hash>,
        /// For people.
        reason: String,
    },
    /// The node lives; what serves.
    Heartbeat {
        /// `None`: nothing yet.
        serving: Option<(Version, Hash)>,
    },
}
