//! [`Offer`]: a manifest that the control plane wants to serve, and the bundles of it that come in.
//!
//! Everything that is checked here is checked because the other side may be wrong: an offer that breaks a rule ends the
//! stream, and what serves stays as it is.

use super::message::Chunk;
use super::{BUNDLE_CHUNK_BYTES_MAX, MANIFEST_BUNDLES_MAX, SYNC_BYTES_MAX};
use bytes::{Bytes, BytesMut};
use penstock_model::bundle::{BundleKey, Hash, Manifest};
use penstock_model::limits::BUNDLE_BYTES_MAX;
use penstock_proto::convert::manifest_root_hash;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};

/// A rule of the protocol that the control plane broke, in words for the log and for the control plane.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Breach(pub(super) String);

/// A bundle as it came, whose hash was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncompiled {
    /// What the manifest says that it is; whoever compiles it must check that it is.
    pub key: BundleKey,
    /// Verified.
    pub hash: Hash,
    /// The whole bundle.
    pub bytes: Bytes,
}

/// A verified manifest, and what came of its bundles.
#[derive(Debug)]
pub(super) struct Offer {
    manifest: Manifest,
    /// Hashes of the manifest that were neither held nor refused when it came, and are not complete yet.
    missing: BTreeMap<Hash, Wanted>,
    complete: Vec<Uncompiled>,
    receiving: Option<Receiving>,
}

#[derive(Debug)]
struct Wanted {
    key: BundleKey,
    size_bytes: u64,
}

#[derive(Debug)]
struct Receiving {
    hash: Hash,
    received: BytesMut,
}

impl Offer {
    /// Checks the manifest alone; `is_known` says which bundles need not come.
    pub(super) fn new(manifest: Manifest, is_known: impl Fn(&BundleKey, &Hash) -> bool) -> Result<Self, Breach> {
        check(&manifest)?;
        let missing: BTreeMap<Hash, Wanted> = manifest
            .bundles
            .iter()
            .filter(|bundle| !is_known(&bundle.key, &bundle.hash))
            .map(|bundle| (bundle.hash, Wanted { key: bundle.key.clone(), size_bytes: bundle.size_bytes }))
            .collect();
        // Each summand is below `BUNDLE_BYTES_MAX` and their number below `MANIFEST_BUNDLES_MAX`: this cannot overflow.
        let missing_bytes: u64 = missing.values().map(|wanted| wanted.size_bytes).sum();
        if missing_bytes > SYNC_BYTES_MAX {
            let reason = format!("the missing bundles have {missing_bytes} bytes, at most {SYNC_BYTES_MAX} are taken");
            return Err(Breach(reason));
        }
        Ok(Self { manifest, missing, complete: Vec::new(), receiving: None })
    }

    /// What is offered.
    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Takes a piece of a bundle. Pieces of bundles that the node holds already are dropped.
    pub(super) fn receive(&mut self, chunk: Chunk) -> Result<(), Breach> {
        let Some(wanted) = self.missing.get(&chunk.hash) else {
            return self.receive_unwanted(&chunk);
        };
        let before = match &self.receiving {
            Some(other) if other.hash != chunk.hash => {
                return Err(Breach(format!("bundle {} begins inside of bundle {}", chunk.hash, other.hash)));
            }
            Some(receiving) => receiving.received.len() as u64,
            None => 0,
        };
        let after = before + chunk.data.len() as u64;
        if chunk.offset != before {
            return Err(Breach(format!("bundle {} goes on at {}, not at {before}", chunk.hash, chunk.offset)));
        }
        if chunk.data.len() > BUNDLE_CHUNK_BYTES_MAX as usize || (chunk.data.is_empty() && !chunk.last) {
            return Err(Breach(format!("bundle {} has a chunk of {} bytes", chunk.hash, chunk.data.len())));
        }
        if chunk.last != (after == wanted.size_bytes) || after > wanted.size_bytes {
            let size = wanted.size_bytes;
            return Err(Breach(format!("bundle {} should have {size} bytes, but differs at {after}", chunk.hash)));
        }
        if !chunk.last {
            let new = || Receiving { hash: chunk.hash, received: BytesMut::new() };
            // Grows with what came: the announced size reserves nothing.
            self.receiving.get_or_insert_with(new).received.extend_from_slice(&chunk.data);
            return Ok(());
        }
        self.complete(chunk)
    }

    /// The bundles, when all of them came.
    pub(super) fn into_complete(self) -> Result<(Manifest, Vec<Uncompiled>), Breach> {
        match self.missing.keys().next() {
            Some(hash) => {
                let count = self.missing.len();
                Err(Breach(format!("activated while {count} bundles are missing, among them {hash}")))
            }
            None => Ok((self.manifest, self.complete)),
        }
    }

    /// Bytes that wait for activation.
    pub(super) fn buffered_bytes(&self) -> u64 {
        let complete: usize = self.complete.iter().map(|bundle| bundle.bytes.len()).sum();
        (complete + self.receiving.as_ref().map_or(0, |receiving| receiving.received.len())) as u64
    }

    fn receive_unwanted(&self, chunk: &Chunk) -> Result<(), Breach> {
        // Another control plane may not know all that we hold, so a bundle too many is no lie; a strange one is.
        if self.manifest.bundles.iter().any(|bundle| bundle.hash == chunk.hash) {
            return Ok(());
        }
        Err(Breach(format!("bundle {} is not in the manifest", chunk.hash)))
    }

    fn complete(&mut self, last: Chunk) -> Result<(), Breach> {
        let bytes = match self.receiving.take() {
            // A bundle of one chunk, the usual case, is not copied.
            None => last.data,
            Some(mut receiving) => {
                receiving.received.extend_from_slice(&last.data);
                receiving.received.freeze()
            }
        };
        let found = Hash(Sha256::digest(&bytes).into());
        if found != last.hash {
            return Err(Breach(format!("bundle {} came with other bytes, whose hash is {found}", last.hash)));
        }
        if let Some(wanted) = self.missing.remove(&last.hash) {
            self.complete.push(Uncompiled { key: wanted.key, hash: last.hash, bytes });
        }
        Ok(())
    }
}

/// Whether a manifest is what it says to be, by itself.
pub(super) fn check(manifest: &Manifest) -> Result<(), Breach> {
    let bundles = &manifest.bundles;
    if bundles.len() > MANIFEST_BUNDLES_MAX {
        let count = bundles.len();
        return Err(Breach(format!("the manifest lists {count} bundles, at most {MANIFEST_BUNDLES_MAX} are taken")));
    }
    if let Some(pair) = bundles.windows(2).find(|pair| pair[0].key >= pair[1].key) {
        let BundleKey { rest_api_id, stage_name } = &pair[1].key;
        return Err(Breach(format!("the manifest lists {rest_api_id}/{stage_name} twice or out of order")));
    }
    let mut hashes = HashSet::with_capacity(bundles.len());
    for bundle in bundles {
        if bundle.size_bytes > BUNDLE_BYTES_MAX as u64 {
            let size = bundle.size_bytes;
            return Err(Breach(format!("bundle {} would have {size} bytes, of {BUNDLE_BYTES_MAX}", bundle.hash)));
        }
        if !hashes.insert(bundle.hash) {
            return Err(Breach(format!("the manifest lists bundle {} twice", bundle.hash)));
        }
    }
    let found = manifest_root_hash(bundles, &manifest.base_path_mappings);
    if found != manifest.root_hash {
        return Err(Breach(format!("the manifest's root hash is {found}, not {}", manifest.root_hash)));
    }
    Ok(())
}
