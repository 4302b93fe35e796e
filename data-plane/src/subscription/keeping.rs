//! [`Keeping`]: what is still to be made durable of what serves, and when to try again. One writing at a time, the newest;
//! what becomes outdated while it waits is never written.

use super::event::Action;
use super::kept::Quarantined;
use super::serving::Serving;
use super::{Actions, Subscription};
use bytes::Bytes;
use penstock_model::bundle::{Hash, Manifest};
use penstock_model::id::Version;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Wait after a writing that failed, in milliseconds; it doubles with each further one.
pub const KEEP_RETRY_MS_MIN: u64 = 1_000;
/// Longest such wait, in milliseconds.
pub const KEEP_RETRY_MS_MAX: u64 = 60_000;
/// Between two notes of when a control plane confirmed, in milliseconds: a node that starts anew thinks what it kept at most
/// this much older than it is.
pub const NOTE_MS: u64 = 60_000;

/// Doublings after which the wait is the longest.
const FAILURES_MAX: u32 = 6;

const _: () = assert!(KEEP_RETRY_MS_MIN << FAILURES_MAX >= KEEP_RETRY_MS_MAX);

/// What a later process needs to serve the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToKeep {
    /// What serves.
    pub manifest: Manifest,
    /// What of it does not serve.
    pub quarantined: Vec<Quarantined>,
    /// Bundles that serve and are not known to be durable. Those that are missing here are.
    pub bundles: BTreeMap<Hash, Bytes>,
}

#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Bundles that serve and are not durable. Bounded by what serves.
    unsaved: BTreeMap<Hash, Bytes>,
    /// The newest that is not being written yet.
    wanted: Option<ToKeep>,
    writing: Option<ToKeep>,
    durable: Option<(Version, Hash)>,
    failures: u32,
    not_before: Duration,
    noted_at: Option<Duration>,
}

impl Keeping {
    /// This is durable already.
    pub(super) fn found(&mut self, durable: (Version, Hash)) {
        self.durable = Some(durable);
    }

    /// The newest that is durable.
    pub(super) fn durable(&self) -> Option<(Version, Hash)> {
        self.durable
    }

    /// `newest` is to be kept instead of whatever waits.
    fn want(&mut self, newest: ToKeep, fresh: Vec<(Hash, Bytes)>) {
        let serving: HashSet<Hash> = newest.serving().collect();
        self.unsaved.extend(fresh);
        self.unsaved.retain(|hash, _| serving.contains(hash));
        self.wanted = Some(newest);
    }

    /// What to write now.
    fn next(&mut self, now: Duration) -> Option<ToKeep> {
        if self.writing.is_some() || now < self.not_before {
            return None;
        }
        let mut next = self.wanted.take()?;
        next.bundles.clone_from(&self.unsaved);
        self.writing = Some(next.clone());
        Some(next)
    }

    fn done(&mut self, now: Duration, is_durable: bool) {
        let Some(written) = self.writing.take() else { return };
        if is_durable {
            self.durable = Some((written.manifest.version, written.manifest.root_hash));
            self.unsaved.retain(|hash, _| !written.bundles.contains_key(hash));
            self.failures = 0;
            self.noted_at = Some(now);
            return;
        }
        let wait = (KEEP_RETRY_MS_MIN << self.failures).min(KEEP_RETRY_MS_MAX);
        self.failures = (self.failures + 1).min(FAILURES_MAX);
        self.not_before = now + Duration::from_millis(wait);
        self.wanted.get_or_insert(written);
    }

    /// Whether it is time to note that `serving` was confirmed.
    fn wants_note(&mut self, now: Duration, serving: Option<(Version, Hash)>) -> Option<(Version, Hash)> {
        let is_due = self.noted_at.is_none_or(|at| now.saturating_sub(at) >= Duration::from_millis(NOTE_MS));
        let durable = self.durable.filter(|durable| is_due && serving == Some(*durable) && self.writing.is_none())?;
        self.noted_at = Some(now);
        Some(durable)
    }
}

impl ToKeep {
    /// Hashes of the bundles that serve.
    pub fn serving(&self) -> impl Iterator<Item = Hash> {
        super::kept::serving(&self.manifest, &self.quarantined).map(|(_, hash)| hash)
    }
}

impl<T: Clone> Subscription<T> {
    /// What a later process needs to serve `next`, apart from bundles.
    pub(super) fn to_keep(&self, next: &Serving<T>) -> ToKeep {
        let manifest = next.manifest.clone();
        let keys = manifest.bundles.iter().map(|bundle| (bundle.hash, &bundle.key)).filter(|(hash, _)| {
            // A short list, nearly always empty.
            next.quarantined.contains(hash)
        });
        let quarantined = keys
            .map(|(hash, key)| Quarantined {
                hash,
                reason: self.refused.get(&hash).cloned().unwrap_or_default(),
                previous: next.stages.get(key).map(|(hash, _)| *hash),
            })
            .collect();
        ToKeep { manifest, quarantined, bundles: BTreeMap::new() }
    }

    pub(super) fn keep_next(
        &mut self,
        now: Duration,
        newest: Option<ToKeep>,
        fresh: Vec<(Hash, Bytes)>,
    ) -> Option<Action<T>> {
        let keeping = self.keeping.as_mut()?;
        keeping.want(newest?, fresh);
        keeping.next(now).map(Action::Keep)
    }

    pub(super) fn on_kept(&mut self, now: Duration, result: Result<(), String>) -> Actions<T> {
        let Some(keeping) = &mut self.keeping else { return Vec::new() };
        keeping.done(now, result.is_ok());
        keeping.next(now).map(Action::Keep).into_iter().collect()
    }

    /// What the clock asks for.
    pub(super) fn keep(&mut self, now: Duration) -> Actions<T> {
        let (serving, is_confirmed) = (self.serving(), self.is_confirmed());
        let Some(keeping) = &mut self.keeping else { return Vec::new() };
        let mut actions: Actions<T> = keeping.next(now).map(Action::Keep).into_iter().collect();
        if let Some((version, root_hash)) = is_confirmed.then(|| keeping.wants_note(now, serving)).flatten() {
            actions.push(Action::Note { version, root_hash });
        }
        actions
    }
}
