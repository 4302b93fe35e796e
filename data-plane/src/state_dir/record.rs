//! Between the subscription's words and the messages on the disk. What makes no sense is an error in words.

use crate::subscription::{Quarantined, ToKeep};
use penstock_model::bundle::{Hash, Manifest};
use penstock_model::id::Version;
use penstock_proto::convert::{manifest_from_wire, manifest_to_wire};
use penstock_proto::state::v1 as disk;
use prost::Message as _;

/// The content of the manifest's file.
pub(super) struct Record {
    pub(super) node_id: String,
    pub(super) build: String,
    pub(super) manifest: Manifest,
    pub(super) quarantined: Vec<Quarantined>,
    /// Milliseconds since 1970.
    pub(super) confirmed_at_ms: i64,
}

/// When a control plane confirmed a manifest.
pub(super) struct Confirmed {
    pub(super) manifest: (Version, Hash),
    /// Milliseconds since 1970.
    pub(super) at_ms: i64,
}

/// The content of the manifest's file.
pub(super) fn encode(to_keep: &ToKeep, node_id: &str, build: &str, confirmed_at_ms: i64) -> Vec<u8> {
    let quarantined = |bundle: &Quarantined| disk::Quarantined {
        hash: bundle.hash.0.to_vec(),
        reason: bundle.reason.clone(),
        previous_hash: bundle.previous.map(|hash| hash.0.to_vec()).unwrap_or_default(),
    };
    let message = disk::Kept {
        node_id: node_id.to_owned(),
        build: build.to_owned(),
        manifest: Some(manifest_to_wire(&to_keep.manifest)),
        quarantined: to_keep.quarantined.iter().map(quarantined).collect(),
        confirmed_at_ms,
    };
    message.encode_to_vec()
}

/// Reads what [`encode`] wrote. What it says about its own hashes is not verified here.
pub(super) fn decode(content: &[u8]) -> Result<Record, String> {
    let message = disk::Kept::decode(content).map_err(|error| format!("its content cannot be read: {error}"))?;
    let manifest = message.manifest.ok_or("it holds no manifest")?;
    let manifest = manifest_from_wire(manifest).map_err(|violations| format!("its manifest is wrong: {violations}"))?;
    let quarantined = |bundle: disk::Quarantined| {
        let previous = match bundle.previous_hash.is_empty() {
            true => None,
            false => Some(hash(&bundle.previous_hash)?),
        };
        Ok(Quarantined { hash: hash(&bundle.hash)?, reason: bundle.reason, previous })
    };
    Ok(Record {
        node_id: message.node_id,
        build: message.build,
        manifest,
        quarantined: message.quarantined.into_iter().map(quarantined).collect::<Result<_, String>>()?,
        confirmed_at_ms: message.confirmed_at_ms,
    })
}

/// The content of the file that says when.
pub(super) fn encode_confirmed(confirmed: &Confirmed) -> Vec<u8> {
    let (version, root_hash) = confirmed.manifest;
    let message =
        disk::Confirmed { version: version.0, root_hash: root_hash.0.to_vec(), confirmed_at_ms: confirmed.at_ms };
    message.encode_to_vec()
}

/// Reads what [`encode_confirmed`] wrote.
pub(super) fn decode_confirmed(content: &[u8]) -> Result<Confirmed, String> {
    let message = disk::Confirmed::decode(content).map_err(|error| format!("its content cannot be read: {error}"))?;
    Ok(Confirmed { manifest: (Version(message.version), hash(&message.root_hash)?), at_ms: message.confirmed_at_ms })
}

fn hash(bytes: &[u8]) -> Result<Hash, String> {
    Hash::from_slice(bytes).ok_or_else(|| format!("a hash in it has {} bytes, not 32", bytes.len()))
}
