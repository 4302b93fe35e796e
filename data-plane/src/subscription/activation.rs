//! From a manifest to what serves: the sequence manifest, chunks, activate, compile, swap, answer.

use super::event::{Action, CompiledBundle, Table};
use super::message::{Outgoing, Policy};
use super::offer::{Breach, Offer};
use super::serving::Serving;
use super::{Actions, Standing, Subscription, connect_at_once};
use bytes::Bytes;
use penstock_model::bundle::{BundleKey, Hash, Manifest, ManifestDelta};
use penstock_model::id::Version;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// Where the stream is in the sequence.
#[derive(Debug)]
pub(super) enum Stage<T> {
    Idle,
    /// The manifest was refused: chunks and activation of it, which are on their way, are skipped.
    Skipping(Version),
    Offered(Offer),
    Building(Build<T>),
}

/// A manifest whose bundles are being compiled.
#[derive(Debug)]
pub(super) struct Build<T> {
    pub(super) id: u64,
    pub(super) manifest: Manifest,
    policy: Policy,
    activated_at: Duration,
    compiled: HashMap<Hash, T>,
    /// What came for it, as it came; empty when nothing is kept.
    fresh: Vec<(Hash, Bytes)>,
}

/// What is to serve once the table is swapped.
#[derive(Debug)]
pub(super) struct Swapping<T> {
    next: Serving<T>,
    origin: Origin,
}

/// Where a table comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// From an earlier process.
    Disk { resumed_at: Duration },
    /// From a control plane, with bundles that are not kept yet.
    Stream { activated_at: Duration, fresh: Vec<(Hash, Bytes)> },
}

impl Origin {
    fn begun_at(&self) -> Duration {
        match self {
            Self::Disk { resumed_at } => *resumed_at,
            Self::Stream { activated_at, .. } => *activated_at,
        }
    }
}

impl<T: Clone> Subscription<T> {
    /// A manifest by what differs from the one that serves. That it is the right one its root hash tells.
    pub(super) fn on_delta(&mut self, delta: &ManifestDelta) -> Result<Actions<T>, Breach> {
        let base = self.serving.as_ref().filter(|serving| serving.name() == delta.base);
        let Some(serving) = base else {
            let (version, root_hash) = delta.base;
            return Err(Breach(format!("version {version} with root hash {root_hash} does not serve here")));
        };
        let manifest = delta.apply(&serving.manifest);
        self.on_manifest(manifest)
    }

    pub(super) fn on_manifest(&mut self, manifest: Manifest) -> Result<Actions<T>, Breach> {
        let serving = self.serving.as_ref();
        let Some(stream) = &mut self.stream else { return Ok(Vec::new()) };
        if let Stage::Building(build) = &stream.stage {
            let (new, old) = (manifest.version, build.manifest.version);
            return Err(Breach(format!("version {new} was offered before version {old} was answered")));
        }
        let offer = Offer::new(manifest, |key, hash| {
            serving.is_some_and(|serving| serving.holds(key, *hash)) || self.refused.contains_key(hash)
        })?;
        let version = offer.manifest().version;
        if let Some(reason) = serving.and_then(|serving| serving.objection_to(offer.manifest())) {
            stream.stage = Stage::Skipping(version);
            stream.standing = Standing::Contradicts;
            return Ok(vec![self.refuse(version, None, reason)]);
        }
        let listed: HashSet<Hash> = offer.manifest().bundles.iter().map(|bundle| bundle.hash).collect();
        // The control plane forgets the same refusals at the same place of the stream, so both agree on what must come.
        self.refused.retain(|hash, _| listed.contains(hash));
        self.newest_published = self.newest_published.max(Some(version));
        stream.stage = Stage::Offered(offer);
        stream.standing = Standing::Confirms;
        Ok(Vec::new())
    }

    pub(super) fn on_activate(
        &mut self,
        now: Duration,
        version: Version,
        root_hash: Hash,
        policy: Policy,
    ) -> Result<Actions<T>, Breach> {
        let serving = self.serving();
        let Some(stream) = &mut self.stream else { return Ok(Vec::new()) };
        let offer = match std::mem::replace(&mut stream.stage, Stage::Idle) {
            Stage::Offered(offer) => offer,
            Stage::Skipping(skipped) if skipped == version => return Ok(Vec::new()),
            Stage::Idle | Stage::Skipping(_) | Stage::Building(_) => {
                return Err(Breach(format!("version {version} was activated, but is not on offer")));
            }
        };
        let offered = (offer.manifest().version, offer.manifest().root_hash);
        if offered != (version, root_hash) {
            return Err(Breach(format!("version {version} was activated, but version {} is on offer", offered.0)));
        }
        if let Policy::Unknown(number) = policy {
            return Ok(vec![self.refuse(version, None, format!("activation policy {number} is unknown here"))]);
        }
        let (manifest, bundles) = offer.into_complete()?;
        // A bundle that another build of this program refused comes again, although its version serves.
        if serving == Some(offered) && bundles.is_empty() {
            return Ok(self.answer_again());
        }
        self.builds += 1;
        let fresh = match self.keeping {
            Some(_) => bundles.iter().map(|bundle| (bundle.hash, bundle.bytes.clone())).collect(),
            None => Vec::new(),
        };
        let build = Build { id: self.builds, manifest, policy, activated_at: now, compiled: HashMap::new(), fresh };
        if bundles.is_empty() {
            return Ok(self.finish(build));
        }
        stream.stage = Stage::Building(build);
        Ok(vec![Action::Compile { build: self.builds, bundles }])
    }

    pub(super) fn on_compiled(&mut self, id: u64, results: Vec<CompiledBundle<T>>) -> Actions<T> {
        if let Some(resuming) = self.resuming.take_if(|resuming| resuming.build == id) {
            return self.finish_resuming(resuming, results);
        }
        let Some(stream) = &mut self.stream else { return Vec::new() };
        let mut build = match std::mem::replace(&mut stream.stage, Stage::Idle) {
            Stage::Building(build) if build.id == id => build,
            // The stream that asked for it is gone, and its successor was told that we do not hold these.
            other => {
                stream.stage = other;
                return Vec::new();
            }
        };
        for (hash, result) in results {
            match result {
                Ok(table) => {
                    build.compiled.insert(hash, table);
                }
                Err(reason) => {
                    self.refused.insert(hash, reason);
                }
            }
        }
        self.finish(build)
    }

    /// Decides what becomes of a manifest of which everything is compiled that can be.
    fn finish(&mut self, mut build: Build<T>) -> Actions<T> {
        let version = build.manifest.version;
        let mut stages = Vec::with_capacity(build.manifest.bundles.len());
        let mut quarantined = Vec::new();
        // Both are in the order of their keys.
        let mut before = self.serving.iter().flat_map(|serving| &serving.stages).peekable();
        for bundle in &build.manifest.bundles {
            while before.next_if(|(key, _)| **key < bundle.key).is_some() {}
            let previous = before.next_if(|(key, _)| **key == bundle.key).map(|(_, stage)| stage);
            let table = build.compiled.remove(&bundle.hash).map(|table| (bundle.hash, table));
            let held = || previous.filter(|(held, _)| *held == bundle.hash).cloned();
            match table.or_else(held) {
                Some(stage) => {
                    stages.push((bundle.key.clone(), stage));
                }
                None => {
                    quarantined.push(bundle.hash);
                    stages.extend(previous.cloned().map(|stage| (bundle.key.clone(), stage)));
                }
            }
        }
        let mut actions = self.refuse_bundles(version, &quarantined);
        if !quarantined.is_empty() && build.policy == Policy::AllOrNothing {
            let reason = format!("{} bundles were refused, and it was all or nothing", quarantined.len());
            actions.push(self.refuse(version, None, reason));
            return actions;
        }
        if quarantined.is_empty() {
            self.last_refusal = None;
        }
        let Build { manifest, activated_at, fresh, .. } = build;
        let stages = stages.into_iter().collect();
        actions.push(self.swap(manifest, stages, quarantined, Origin::Stream { activated_at, fresh }));
        actions
    }

    /// Asks for the swap to these stages of `manifest`.
    pub(super) fn swap(
        &mut self,
        manifest: Manifest,
        stages: BTreeMap<BundleKey, (Hash, T)>,
        quarantined: Vec<Hash>,
        origin: Origin,
    ) -> Action<T> {
        let (version, root_hash) = (manifest.version, manifest.root_hash);
        let base_path_mappings = manifest.base_path_mappings.clone();
        let table = Table {
            version,
            root_hash,
            stages: stages.values().map(|(_, table)| table.clone()).collect(),
            base_path_mappings,
        };
        let next = Serving { manifest, stages, quarantined, route_count: 0, build_time_us: 0, from_disk: false };
        self.swapping = Some(Swapping { next, origin });
        Action::Swap(table)
    }

    pub(super) fn on_swapped(&mut self, now: Duration, result: Result<u64, String>) -> Actions<T> {
        let Some(Swapping { mut next, origin }) = self.swapping.take() else { return Vec::new() };
        match (result, origin) {
            (Ok(route_count), origin) => {
                next.route_count = route_count;
                let since = now.saturating_sub(origin.begun_at());
                next.build_time_us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
                match origin {
                    Origin::Disk { .. } => {
                        if let Some(keeping) = &mut self.keeping {
                            keeping.found(next.name());
                        }
                        next.from_disk = true;
                        self.serving = Some(next);
                        vec![connect_at_once()]
                    }
                    Origin::Stream { fresh, .. } => {
                        let to_keep = self.keeping.is_some().then(|| self.to_keep(&next));
                        self.serving = Some(next);
                        let mut actions = self.applied();
                        actions.extend(self.keep_next(now, to_keep, fresh));
                        actions
                    }
                }
            }
            (Err(reason), Origin::Disk { .. }) => self.give_up_resuming(reason),
            (Err(reason), Origin::Stream { .. }) => vec![self.refuse(next.name().0, None, reason)],
        }
    }

    /// The answer to the activation of what serves already: a control plane that started anew asks once more.
    fn answer_again(&mut self) -> Actions<T> {
        let Some(serving) = &self.serving else { return Vec::new() };
        let ((version, _), quarantined) = (serving.name(), serving.quarantined.clone());
        let mut actions = self.refuse_bundles(version, &quarantined);
        actions.extend(self.applied());
        actions
    }

    fn applied(&mut self) -> Actions<T> {
        let Some(serving) = &self.serving else { return Vec::new() };
        self.backoff.ease();
        let (version, root_hash) = serving.name();
        vec![Action::Send(Outgoing::Applied {
            version,
            root_hash,
            route_count: serving.route_count,
            build_time_us: serving.build_time_us,
        })]
    }

    fn refuse_bundles(&mut self, version: Version, bundles: &[Hash]) -> Actions<T> {
        bundles
            .iter()
            .map(|hash| {
                let reason = self.refused.get(hash).cloned().unwrap_or_else(|| "it was refused before".to_owned());
                self.refuse(version, Some(*hash), reason)
            })
            .collect()
    }

    pub(super) fn refuse(&mut self, version: Version, bundle: Option<Hash>, reason: String) -> Action<T> {
        self.last_refusal = Some(match bundle {
            Some(hash) => format!("version {version}, bundle {hash}: {reason}"),
            None => format!("version {version}: {reason}"),
        });
        Action::Send(Outgoing::Refused { version, bundle, reason })
    }
}
