//! [`Kept`]: what an earlier process served, verified, and how a node begins with it.

use super::activation::Origin;
use super::event::{Action, CompiledBundle};
use super::keeping::Keeping;
use super::offer::{Uncompiled, check};
use super::{Actions, Subscription, connect_at_once};
use bytes::Bytes;
use penstock_model::bundle::{BundleKey, Hash, Manifest};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// A bundle of a manifest that does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// In the manifest.
    pub hash: Hash,
    /// Why it was refused.
    pub reason: String,
    /// What serves in its place; `None`: nothing.
    pub previous: Option<Hash>,
}

/// What an earlier process served. Invariant: the manifest is what its root hash says, and the bytes of every bundle that
/// serves are there and are what their hashes say.
#[derive(Clone, Debug)]
pub struct Kept {
    manifest: Manifest,
    quarantined: Vec<Quarantined>,
    bundles: Vec<Uncompiled>,
    refused: BTreeMap<Hash, String>,
    confirmed_age: Duration,
}

/// Kept bundles that are being compiled.
#[derive(Debug)]
pub(super) struct Resuming {
    pub(super) build: u64,
    manifest: Manifest,
    quarantined: Vec<Hash>,
    serving: Vec<(BundleKey, Hash)>,
    begun_at: Duration,
}

impl Kept {
    /// Verifies everything; `read` gives the bytes of a bundle. `confirmed_age` is how long ago a control plane last
    /// confirmed it. When another build of this program wrote it, `is_same_build` is false, and what that one refused may
    /// be tried again.
    ///
    /// # Errors
    /// What is wrong with it, in words. Nothing of it may serve then.
    pub fn verify(
        manifest: Manifest,
        quarantined: Vec<Quarantined>,
        is_same_build: bool,
        confirmed_age: Duration,
        mut read: impl FnMut(&Hash) -> Result<Bytes, String>,
    ) -> Result<Self, String> {
        check(&manifest).map_err(|breach| breach.0)?;
        let listed: HashSet<Hash> = manifest.bundles.iter().map(|bundle| bundle.hash).collect();
        if let Some(stranger) = quarantined.iter().find(|bundle| !listed.contains(&bundle.hash)) {
            return Err(format!("bundle {} is quarantined, but not in the manifest", stranger.hash));
        }
        let mut bundles = Vec::with_capacity(manifest.bundles.len());
        for (key, hash) in serving(&manifest, &quarantined) {
            let bytes = read(&hash)?;
            let found = Hash(Sha256::digest(&bytes).into());
            if found != hash {
                return Err(format!("bundle {hash} has other bytes, whose hash is {found}"));
            }
            bundles.push(Uncompiled { key, hash, bytes });
        }
        let refused = match is_same_build {
            true => quarantined.iter().map(|bundle| (bundle.hash, bundle.reason.clone())).collect(),
            false => BTreeMap::new(),
        };
        Ok(Self { manifest, quarantined, bundles, refused, confirmed_age })
    }

    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How long ago a control plane last confirmed it.
    pub fn confirmed_age(&self) -> Duration {
        self.confirmed_age
    }
}

/// What serves for each pair.
pub(super) fn serving(manifest: &Manifest, quarantined: &[Quarantined]) -> impl Iterator<Item = (BundleKey, Hash)> {
    let instead: HashMap<Hash, Option<Hash>> =
        quarantined.iter().map(|bundle| (bundle.hash, bundle.previous)).collect();
    manifest.bundles.iter().filter_map(move |bundle| {
        let hash = instead.get(&bundle.hash).copied().unwrap_or(Some(bundle.hash));
        hash.map(|hash| (bundle.key.clone(), hash))
    })
}

impl<T: Clone> Subscription<T> {
    /// Begins with what was kept, if anything was, and keeps what serves from now on. What to do first, in place of what
    /// [`Self::new`] said.
    pub fn resume(&mut self, now: Duration, kept: Option<Kept>) -> Actions<T> {
        self.keeping = Some(Keeping::default());
        let Some(Kept { manifest, quarantined, bundles, refused, confirmed_age }) = kept else {
            return vec![connect_at_once()];
        };
        self.confirmation.inherit(now, confirmed_age);
        self.refused = refused;
        self.builds += 1;
        let resuming = Resuming {
            build: self.builds,
            manifest,
            quarantined: quarantined.iter().map(|bundle| bundle.hash).collect(),
            serving: bundles.iter().map(|bundle| (bundle.key.clone(), bundle.hash)).collect(),
            begun_at: now,
        };
        if bundles.is_empty() {
            return self.finish_resuming(resuming, Vec::new());
        }
        self.resuming = Some(resuming);
        vec![Action::Compile { build: self.builds, bundles }]
    }

    /// All of it serves, or nothing.
    pub(super) fn finish_resuming(&mut self, resuming: Resuming, results: Vec<CompiledBundle<T>>) -> Actions<T> {
        let mut compiled = HashMap::new();
        for (hash, result) in results {
            match result {
                Ok(table) => {
                    compiled.insert(hash, table);
                }
                Err(reason) => return self.give_up_resuming(format!("bundle {hash}: {reason}")),
            }
        }
        let Resuming { manifest, quarantined, serving, begun_at, build: _ } = resuming;
        let mut stages = BTreeMap::new();
        for (key, hash) in serving {
            let Some(table) = compiled.remove(&hash) else {
                return self.give_up_resuming(format!("bundle {hash} was not compiled"));
            };
            stages.insert(key, (hash, table));
        }
        vec![self.swap(manifest, stages, quarantined, Origin::Disk { resumed_at: begun_at })]
    }

    pub(super) fn give_up_resuming(&mut self, reason: String) -> Actions<T> {
        self.confirmation.forget();
        self.refused.clear();
        vec![Action::Discard { reason }, connect_at_once()]
    }
}
