//! Counterparts of the first release: a node and a control plane that are built from its descriptors alone, and do what its
//! programs did. They know nothing of what came later.

mod control_plane;
mod node;

pub use control_plane::{Heard, OldControlPlane, bundle, mapping};
pub use node::{Held, Noted, OldNode, Taste};

use bytes::Bytes;
use penstock_previous::first::discovery::v1::Manifest;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

/// The name of some bytes.
pub fn hash(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(bytes))
}

/// The root hash of a manifest, as the first release computes it: from what its own types hold of the message.
pub fn root_hash(manifest: &Manifest) -> Bytes {
    let mut parts = Manifest { version: 0, root_hash: Vec::new(), ..manifest.clone() };
    for mapping in &mut parts.base_path_mappings {
        mapping.revision = 0;
    }
    hash(&parts.encode_to_vec())
}
