//! A node's side of the discovery protocol as a state machine without I/O: [`Subscription::handle`] takes an event and
//! the time, and answers what to do.
//!
//! Called by [`crate::subscriber`] only, which owns the stream, the clock and the threads. This file decides; it never
//! waits, never reads a clock and never touches the live table. What a compiled bundle is, it does not care (`T`).
//!
//! What it holds to, whatever the control plane sends:
//! - only manifests serve whose root hash was verified, made of bundles whose hashes were verified;
//! - `Applied` is said after the swap;
//! - versions only grow. A lower version, or the same with another root hash, comes from a control plane that lost its
//!   store: the node refuses it, says so, and serves on. An operator who means it starts the nodes anew;
//! - a broken rule of the protocol ends the stream with a reason and a back-off, and changes nothing that serves.

mod backoff;
mod event;
mod message;
mod offer;
mod serving;
#[cfg(test)]
mod tests;

pub use backoff::{BACKOFF_MS_MAX, BACKOFF_MS_MIN};
pub use event::{Action, Event, Table};
pub use message::{Chunk, Incoming, Outgoing, Policy};
pub use offer::Uncompiled;

use backoff::Backoff;
use offer::{Breach, Offer};
use penstock_model::bundle::{Hash, Manifest};
use penstock_model::id::Version;
use serving::Serving;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// Between two heartbeats, in milliseconds.
pub const HEARTBEAT_MS: u64 = 5_000;
/// A control plane that is silent for this long is gone, in milliseconds: three heartbeats.
pub const SILENCE_MS_MAX: u64 = 3 * HEARTBEAT_MS;
/// Largest chunk of a bundle that the node takes, in bytes.
pub const BUNDLE_CHUNK_BYTES_MAX: u32 = 256 * 1024;
/// Most bundles of a manifest.
pub const MANIFEST_BUNDLES_MAX: usize = 100_000;
/// Most bytes of bundles that wait for one activation.
pub const SYNC_BYTES_MAX: u64 = 1024 * 1024 * 1024;

const _: () = assert!(SYNC_BYTES_MAX >= penstock_model::limits::BUNDLE_BYTES_MAX as u64);

/// The node's side of the protocol.
#[derive(Debug)]
pub struct Subscription<T> {
    backoff: Backoff,
    stream: Option<Stream<T>>,
    serving: Option<Serving<T>>,
    swapping: Option<(Serving<T>, Duration)>,
    /// Bundles of the newest manifest that do not compile, and why. Compiling them again would not help.
    refused: BTreeMap<Hash, String>,
    builds: u64,
    last_refusal: Option<String>,
    newest_published: Option<Version>,
}

#[derive(Debug)]
struct Stream<T> {
    opened_at: Duration,
    heard_at: Duration,
    heartbeat_at: Duration,
    stage: Stage<T>,
}

/// Where the stream is in the sequence manifest, chunks, activate, answer.
#[derive(Debug)]
enum Stage<T> {
    Idle,
    /// The manifest was refused: chunks and activation of it, which are on their way, are skipped.
    Skipping(Version),
    Offered(Offer),
    Building(Build<T>),
}

#[derive(Debug)]
struct Build<T> {
    id: u64,
    manifest: Manifest,
    policy: Policy,
    activated_at: Duration,
    compiled: HashMap<Hash, T>,
}

type Actions<T> = Vec<Action<T>>;

impl<T: Clone> Subscription<T> {
    /// A node that serves nothing yet, and what it does first. `seed` spreads its back-off from that of other nodes.
    pub fn new(seed: u64) -> (Self, Action<T>) {
        let subscription = Self {
            backoff: Backoff::new(seed),
            stream: None,
            serving: None,
            swapping: None,
            refused: BTreeMap::new(),
            builds: 0,
            last_refusal: None,
            newest_published: None,
        };
        (subscription, Action::Connect { after: Duration::ZERO })
    }

    /// Takes an event at `now`, the time since any fixed moment.
    pub fn handle(&mut self, now: Duration, event: Event<T>) -> Actions<T> {
        match event {
            Event::Connected => self.on_connected(now),
            Event::Received(message) => match self.on_received(now, message) {
                Ok(actions) => actions,
                Err(breach) => self.break_off(now, breach),
            },
            Event::Closed { reason: _, superseded } => self.on_closed(now, superseded),
            Event::Compiled { build, results } => self.on_compiled(build, results),
            Event::Swapped { result } => self.on_swapped(now, result),
            Event::Tick => self.on_tick(now),
        }
    }

    /// Version and root hash of what serves.
    pub fn serving(&self) -> Option<(Version, Hash)> {
        self.serving.as_ref().map(|serving| (serving.version, serving.root_hash))
    }

    /// What was refused since the last activation without any refusal.
    pub fn last_refusal(&self) -> Option<&str> {
        self.last_refusal.as_deref()
    }

    /// The newest version that the control plane spoke of.
    pub fn newest_published(&self) -> Option<Version> {
        self.newest_published
    }

    /// Whether a stream is open.
    pub fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Bytes of bundles that wait for activation.
    pub fn buffered_bytes(&self) -> u64 {
        match &self.stream {
            Some(Stream { stage: Stage::Offered(offer), .. }) => offer.buffered_bytes(),
            _ => 0,
        }
    }

    fn on_connected(&mut self, now: Duration) -> Actions<T> {
        self.stream = Some(Stream { opened_at: now, heard_at: now, heartbeat_at: now, stage: Stage::Idle });
        let held_bundles =
            self.serving.iter().flat_map(|serving| serving.stages.values()).map(|(hash, _)| *hash).collect();
        let refused_bundles = self.refused.keys().copied().collect();
        vec![Action::Send(Outgoing::Hello { serving: self.serving(), held_bundles, refused_bundles })]
    }

    fn on_received(&mut self, now: Duration, message: Incoming) -> Result<Actions<T>, Breach> {
        // What comes out of a stream that we closed is nobody's.
        let Some(stream) = &mut self.stream else { return Ok(Vec::new()) };
        stream.heard_at = now;
        match message {
            Incoming::Manifest(manifest) => self.on_manifest(manifest),
            Incoming::Chunk(chunk) => match &mut stream.stage {
                Stage::Offered(offer) => offer.receive(chunk).map(|()| Vec::new()),
                Stage::Skipping(_) => Ok(Vec::new()),
                Stage::Idle | Stage::Building(_) => Err(Breach(format!("bundle {} was not announced", chunk.hash))),
            },
            Incoming::Activate { version, root_hash, policy } => self.on_activate(now, version, root_hash, policy),
            Incoming::Heartbeat { newest } => {
                self.newest_published = Some(newest);
                Ok(Vec::new())
            }
            // A newer control plane says things that we need not understand; it lives.
            Incoming::Unknown => Ok(Vec::new()),
            Incoming::Malformed(reason) => Err(Breach(reason)),
        }
    }

    fn on_manifest(&mut self, manifest: Manifest) -> Result<Actions<T>, Breach> {
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
            return Ok(vec![self.refuse(version, None, reason)]);
        }
        let listed: HashSet<Hash> = offer.manifest().bundles.iter().map(|bundle| bundle.hash).collect();
        // The control plane forgets the same refusals at the same place of the stream, so both agree on what must come.
        self.refused.retain(|hash, _| listed.contains(hash));
        self.newest_published = self.newest_published.max(Some(version));
        stream.stage = Stage::Offered(offer);
        Ok(Vec::new())
    }

    fn on_activate(
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
        if serving == Some(offered) {
            return Ok(self.answer_again());
        }
        self.builds += 1;
        let build = Build { id: self.builds, manifest, policy, activated_at: now, compiled: HashMap::new() };
        if bundles.is_empty() {
            return Ok(self.finish(build));
        }
        stream.stage = Stage::Building(build);
        Ok(vec![Action::Compile { build: self.builds, bundles }])
    }

    fn on_compiled(&mut self, id: u64, results: Vec<(Hash, Result<T, String>)>) -> Actions<T> {
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
        let mut stages = BTreeMap::new();
        let mut quarantined = Vec::new();
        for bundle in std::mem::take(&mut build.manifest.bundles) {
            let previous = self.serving.as_ref().and_then(|serving| serving.stages.get(&bundle.key));
            let table = build.compiled.remove(&bundle.hash).map(|table| (bundle.hash, table));
            let held = || previous.filter(|(held, _)| *held == bundle.hash).cloned();
            match table.or_else(held) {
                Some(stage) => {
                    stages.insert(bundle.key, stage);
                }
                None => {
                    quarantined.push(bundle.hash);
                    stages.extend(previous.cloned().map(|stage| (bundle.key, stage)));
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
        actions.push(Action::Swap(Table {
            version,
            root_hash: build.manifest.root_hash,
            stages: stages.values().map(|(_, table)| table.clone()).collect(),
            base_path_mappings: build.manifest.base_path_mappings,
        }));
        let root_hash = build.manifest.root_hash;
        let next = Serving { version, root_hash, stages, quarantined, route_count: 0, build_time_us: 0 };
        self.swapping = Some((next, build.activated_at));
        actions
    }

    fn on_swapped(&mut self, now: Duration, result: Result<u64, String>) -> Actions<T> {
        let Some((mut next, activated_at)) = self.swapping.take() else { return Vec::new() };
        match result {
            Ok(route_count) => {
                next.route_count = route_count;
                next.build_time_us = u64::try_from(now.saturating_sub(activated_at).as_micros()).unwrap_or(u64::MAX);
                self.serving = Some(next);
                self.applied()
            }
            Err(reason) => vec![self.refuse(next.version, None, reason)],
        }
    }

    /// The answer to the activation of what serves already: a control plane that started anew asks once more.
    fn answer_again(&mut self) -> Actions<T> {
        let Some(serving) = &self.serving else { return Vec::new() };
        let (version, quarantined) = (serving.version, serving.quarantined.clone());
        let mut actions = self.refuse_bundles(version, &quarantined);
        actions.extend(self.applied());
        actions
    }

    fn applied(&mut self) -> Actions<T> {
        let Some(serving) = &self.serving else { return Vec::new() };
        self.backoff.ease();
        vec![Action::Send(Outgoing::Applied {
            version: serving.version,
            root_hash: serving.root_hash,
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

    fn refuse(&mut self, version: Version, bundle: Option<Hash>, reason: String) -> Action<T> {
        self.last_refusal = Some(match bundle {
            Some(hash) => format!("version {version}, bundle {hash}: {reason}"),
            None => format!("version {version}: {reason}"),
        });
        Action::Send(Outgoing::Refused { version, bundle, reason })
    }

    fn on_tick(&mut self, now: Duration) -> Actions<T> {
        let Some(stream) = &mut self.stream else { return Vec::new() };
        if now.saturating_sub(stream.heard_at) >= Duration::from_millis(SILENCE_MS_MAX) {
            return self.close(now, format!("the control plane is silent for {SILENCE_MS_MAX} ms"));
        }
        if now.saturating_sub(stream.heartbeat_at) < Duration::from_millis(HEARTBEAT_MS) {
            return Vec::new();
        }
        stream.heartbeat_at = now;
        vec![Action::Send(Outgoing::Heartbeat { serving: self.serving() })]
    }

    fn break_off(&mut self, now: Duration, breach: Breach) -> Actions<T> {
        let version = match self.stream.as_ref().map(|stream| &stream.stage) {
            Some(Stage::Offered(offer)) => offer.manifest().version,
            Some(Stage::Building(build)) => build.manifest.version,
            _ => Version::default(),
        };
        let mut actions = vec![self.refuse(version, None, breach.0.clone())];
        actions.extend(self.close(now, breach.0));
        actions
    }

    fn close(&mut self, now: Duration, reason: String) -> Actions<T> {
        let mut actions = vec![Action::Close { reason }];
        actions.extend(self.on_closed(now, false));
        actions
    }

    fn on_closed(&mut self, now: Duration, superseded: bool) -> Actions<T> {
        if let Some(stream) = self.stream.take()
            && now.saturating_sub(stream.opened_at) >= Duration::from_millis(HEARTBEAT_MS)
        {
            // A stream that lived this long was a good one, even if it brought nothing new.
            self.backoff.reset();
        }
        if superseded {
            // Two processes with one id would take the stream from each other as fast as they can connect.
            self.backoff.raise();
        }
        vec![Action::Connect { after: self.backoff.next() }]
    }
}
