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
//! - a broken rule of the protocol ends the stream with a reason and a back-off, and changes nothing that serves;
//! - what was kept by an earlier process serves whole or not at all, and the first hello names it;
//! - what serves is to be kept, one writing at a time, the newest, until it is durable.

mod activation;
mod backoff;
mod confirmation;
mod event;
mod keeping;
mod kept;
mod message;
mod offer;
mod serving;
#[cfg(test)]
mod tests;

pub use backoff::{BACKOFF_MS_MAX, BACKOFF_MS_MIN, SUPERSEDED_MS_MAX};
pub use event::{Action, Address, Event, Table};
pub use keeping::{KEEP_RETRY_MS_MAX, KEEP_RETRY_MS_MIN, NOTE_MS, ToKeep};
pub use kept::{Kept, Quarantined};
pub use message::{Chunk, Incoming, Outgoing, Policy};
pub use offer::Uncompiled;

use activation::{Stage, Swapping};
use backoff::Backoff;
use confirmation::Confirmation;
use keeping::Keeping;
use kept::Resuming;
use offer::Breach;
use penstock_model::bundle::Hash;
use penstock_model::id::Version;
use serving::Serving;
use std::collections::BTreeMap;
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
/// Age at which a node looks for another stream unless it is told another, in milliseconds; each stream up to a quarter
/// earlier, by chance. So nodes spread over their control planes again after one of them was away.
pub const STREAM_AGE_MS_MAX: u64 = 30 * 60 * 1_000;
/// Wait before another look after one that found no stream, in milliseconds. Also how long an activation that does not end
/// may put off the look.
pub const MOVE_RETRY_MS: u64 = 60_000;

const _: () = assert!(SYNC_BYTES_MAX >= penstock_model::limits::BUNDLE_BYTES_MAX as u64);

/// The node's side of the protocol.
#[derive(Debug)]
pub struct Subscription<T> {
    backoff: Backoff,
    stream_age_max: Duration,
    stream: Option<Stream<T>>,
    serving: Option<Serving<T>>,
    swapping: Option<Swapping<T>>,
    /// What was kept, while it compiles. There is no stream yet.
    resuming: Option<Resuming>,
    /// Bundles of the newest manifest that do not compile, and why. Compiling them again would not help.
    refused: BTreeMap<Hash, String>,
    builds: u64,
    last_refusal: Option<String>,
    newest_published: Option<Version>,
    confirmation: Confirmation,
    /// `None`: nothing is kept.
    keeping: Option<Keeping>,
}

#[derive(Debug)]
struct Stream<T> {
    opened_at: Duration,
    heard_at: Duration,
    heartbeat_at: Duration,
    /// When to look for another one.
    move_at: Duration,
    /// Another one is being opened.
    moving: bool,
    standing: Standing,
    stage: Stage<T>,
}

/// What the control plane at the other end thinks of what serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has said nothing yet.
    Unknown,
    /// It speaks, and knows what serves or something newer.
    Confirms,
    /// It offers what may not follow, or knows only what is older.
    Contradicts,
}

type Actions<T> = Vec<Action<T>>;

impl<T: Clone> Subscription<T> {
    /// A node that serves nothing yet, and what it does first. `seed` spreads its waits from those of other nodes.
    pub fn new(seed: u64) -> (Self, Action<T>) {
        let subscription = Self {
            backoff: Backoff::new(seed),
            stream_age_max: Duration::from_millis(STREAM_AGE_MS_MAX),
            stream: None,
            serving: None,
            swapping: None,
            resuming: None,
            refused: BTreeMap::new(),
            builds: 0,
            last_refusal: None,
            newest_published: None,
            confirmation: Confirmation::default(),
            keeping: None,
        };
        (subscription, connect_at_once())
    }

    /// The same with another age at which it looks for another stream.
    pub fn with_stream_age_max(self, stream_age_max: Duration) -> Self {
        Self { stream_age_max, ..self }
    }

    /// Takes an event at `now`, the time since any fixed moment.
    pub fn handle(&mut self, now: Duration, event: Event<T>) -> Actions<T> {
        match event {
            Event::Connected => self.on_connected(now),
            Event::NotMoved => self.on_not_moved(now),
            Event::Received(message) => match self.on_received(now, message) {
                Ok(actions) => actions,
                Err(breach) => self.break_off(now, breach),
            },
            Event::Closed { reason: _, superseded } => self.on_closed(now, superseded),
            Event::Compiled { build, results } => self.on_compiled(build, results),
            Event::Swapped { result } => self.on_swapped(now, result),
            Event::Kept { result } => self.on_kept(now, result),
            Event::Tick => self.on_tick(now),
        }
    }

    /// Version and root hash of what serves.
    pub fn serving(&self) -> Option<(Version, Hash)> {
        self.serving.as_ref().map(Serving::name)
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

    /// Whether the control plane at the other end of the stream knows what serves.
    pub fn is_confirmed(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.standing == Standing::Confirms)
    }

    /// How long ago a control plane last confirmed what serves; `None` when nothing serves.
    pub fn confirmed_age(&self, now: Duration) -> Option<Duration> {
        self.serving.as_ref().and_then(|_| self.confirmation.age(now))
    }

    /// Whether what serves, or is about to, was not confirmed for `limit`. While a control plane confirms it, it never is.
    pub fn is_stale(&self, now: Duration, limit: Duration) -> bool {
        !self.is_confirmed() && self.confirmation.age(now).is_some_and(|age| age >= limit)
    }

    /// Whether what serves was kept by an earlier process, and no control plane has confirmed it since.
    pub fn is_from_disk(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.from_disk)
    }

    /// The newest that is durable.
    pub fn kept(&self) -> Option<(Version, Hash)> {
        self.keeping.as_ref().and_then(Keeping::durable)
    }

    /// Bytes of bundles that wait for activation.
    pub fn buffered_bytes(&self) -> u64 {
        match &self.stream {
            Some(Stream { stage: Stage::Offered(offer), .. }) => offer.buffered_bytes(),
            _ => 0,
        }
    }

    fn on_connected(&mut self, now: Duration) -> Actions<T> {
        // The one that it moved away from.
        self.leave(now);
        // Up to a quarter earlier, so that nodes which came together do not move together.
        let early = self.stream_age_max / 4 * (self.backoff.draw() % 1_000) as u32 / 1_000;
        self.stream = Some(Stream {
            opened_at: now,
            heard_at: now,
            heartbeat_at: now,
            move_at: now + self.stream_age_max - early,
            moving: false,
            standing: Standing::Unknown,
            stage: Stage::Idle,
        });
        let held_bundles =
            self.serving.iter().flat_map(|serving| serving.stages.values()).map(|(hash, _)| *hash).collect();
        let refused_bundles = self.refused.keys().copied().collect();
        vec![Action::Send(Outgoing::Hello { serving: self.serving(), held_bundles, refused_bundles })]
    }

    fn on_received(&mut self, now: Duration, message: Incoming) -> Result<Actions<T>, Breach> {
        // What comes out of a stream that we closed is nobody's.
        let Some(stream) = &mut self.stream else { return Ok(Vec::new()) };
        stream.heard_at = now;
        let actions = match message {
            Incoming::Manifest(manifest) => self.on_manifest(manifest)?,
            Incoming::Delta(delta) => self.on_delta(&delta)?,
            Incoming::Chunk(chunk) => match &mut stream.stage {
                Stage::Offered(offer) => offer.receive(chunk).map(|()| Vec::new())?,
                Stage::Skipping(_) => Vec::new(),
                Stage::Idle | Stage::Building(_) => {
                    return Err(Breach(format!("bundle {} was not announced", chunk.hash)));
                }
            },
            Incoming::Activate { version, root_hash, policy } => self.on_activate(now, version, root_hash, policy)?,
            Incoming::Heartbeat { newest } => {
                self.newest_published = Some(newest);
                if self.serving().is_some_and(|(version, _)| newest < version) {
                    self.stand(Standing::Contradicts);
                }
                Vec::new()
            }
            // A newer control plane says things that we need not understand; it lives.
            Incoming::Unknown => Vec::new(),
            Incoming::Malformed(reason) => return Err(Breach(reason)),
        };
        self.confirm(now);
        Ok(actions)
    }

    fn stand(&mut self, standing: Standing) {
        if let Some(stream) = &mut self.stream {
            stream.standing = standing;
        }
    }

    /// The control plane spoke: unless it contradicts what serves, that is known to it.
    fn confirm(&mut self, now: Duration) {
        let Some(stream) = &mut self.stream else { return };
        if stream.standing == Standing::Contradicts {
            return;
        }
        stream.standing = Standing::Confirms;
        self.confirmation.confirm(now);
        if let Some(serving) = &mut self.serving {
            serving.from_disk = false;
        }
    }

    fn on_tick(&mut self, now: Duration) -> Actions<T> {
        let mut actions = self.keep(now);
        let serving = self.serving();
        let Some(stream) = &mut self.stream else { return actions };
        if now.saturating_sub(stream.heard_at) >= Duration::from_millis(SILENCE_MS_MAX) {
            actions.extend(self.close(now, format!("the control plane is silent for {SILENCE_MS_MAX} ms")));
            return actions;
        }
        if now.saturating_sub(stream.heartbeat_at) >= Duration::from_millis(HEARTBEAT_MS) {
            stream.heartbeat_at = now;
            actions.push(Action::Send(Outgoing::Heartbeat { serving }));
        }
        if stream.wants_to_move(now) {
            stream.moving = true;
            actions.push(Action::Move { draw: self.backoff.draw() });
        }
        actions
    }

    fn on_not_moved(&mut self, now: Duration) -> Actions<T> {
        if let Some(stream) = &mut self.stream {
            stream.moving = false;
            stream.move_at = now + Duration::from_millis(MOVE_RETRY_MS);
        }
        Vec::new()
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

    fn leave(&mut self, now: Duration) {
        if let Some(stream) = self.stream.take()
            && now.saturating_sub(stream.opened_at) >= Duration::from_millis(HEARTBEAT_MS)
        {
            // A stream that lived this long was a good one, even if it brought nothing new.
            self.backoff.reset();
        }
    }

    fn on_closed(&mut self, now: Duration, superseded: bool) -> Actions<T> {
        self.leave(now);
        if superseded {
            // Two processes with one id would take the stream from each other as fast as they can connect.
            self.backoff.raise();
        }
        let to = if superseded { Address::Same } else { Address::Next };
        vec![Action::Connect { after: self.backoff.next(), to }]
    }
}

impl<T> Stream<T> {
    fn wants_to_move(&self, now: Duration) -> bool {
        // What is half way through would have to be done again; what never ends is a reason to go.
        let is_idle = matches!(self.stage, Stage::Idle) || now >= self.move_at + Duration::from_millis(MOVE_RETRY_MS);
        !self.moving && now >= self.move_at && is_idle
    }
}

fn connect_at_once<T>() -> Action<T> {
    Action::Connect { after: Duration::ZERO, to: Address::Same }
}
