//! [`Conversation`]: the control plane's side of one node's stream, without the stream. Decides what to say next and
//! what an answer means; waits for nothing.

use super::End;
use super::hello::Hello;
use super::limits::{Limits, REASON_BYTES_MAX, SMALL_SYNC_BYTES_MAX};
use super::measuring::MeasuredStage;
use super::push::Push;
use super::questions::Questions;
use crate::fleet::{Generation, Kept, Membership, Refusal, Serving};
use crate::publication::Publication;
use penstock_model::bundle::{Hash, Manifest};
use penstock_model::id::Version;
use penstock_proto::discovery::v1 as wire;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::ActivationPolicy;
use wire::node_message::Kind;

/// One node's stream after its hello.
pub(super) struct Conversation {
    pub(super) member: Membership,
    limits: Limits,
    chunk_bytes: usize,
    held: Held,
    takes_deltas: bool,
    /// Bundles of the newest manifest sent that the node refused.
    refused: HashSet<Hash>,
    /// The newest that was offered here, whatever the answer.
    offered: Option<Version>,
    /// The newest that the node answered, or came with. `None`: it serves nothing.
    answered: Option<Version>,
    /// What is being said, until its answer: at most one.
    push: Option<Push>,
    heartbeat_due: bool,
    pub(super) questions: Questions,
    pub(super) measured: MeasuredStage,
    heard_at: Instant,
    /// When the stream last took a message, or had none to take.
    progress_at: Instant,
    /// When the last part of an offer was said.
    pushed_at: Instant,
}

/// Bundles that a node certainly holds.
#[derive(Default)]
struct Held {
    /// Those that it named when it came.
    named: HashSet<Hash>,
    /// What it has applied on this stream: the manifest that deltas build on.
    serving: Option<Arc<Publication>>,
    /// Bundles of that which it refused.
    lacking: HashSet<Hash>,
}

impl Held {
    fn contains(&self, hash: &Hash) -> bool {
        let serves = |serving: &Arc<Publication>| serving.bundles.contains_key(hash) && !self.lacking.contains(hash);
        self.named.contains(hash) || self.serving.as_ref().is_some_and(serves)
    }
}

/// Whether a publication may be offered now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is on its way.
    Made,
    /// So much is missing that it needs admission.
    NeedsAdmission,
    /// An answer is outstanding, or the node was offered it already.
    NotNow,
}

impl Conversation {
    pub(super) fn new(hello: Hello, member: Membership, limits: Limits, now: Instant) -> Self {
        let refused = member.refused_before().clone();
        Self {
            member,
            limits,
            chunk_bytes: hello.chunk_bytes,
            held: Held { named: hello.held, ..Held::default() },
            takes_deltas: hello.takes_deltas,
            refused,
            offered: None,
            answered: hello.joining.serving.map(|(version, _)| version),
            push: None,
            heartbeat_due: false,
            questions: Questions::default(),
            measured: MeasuredStage::new(hello.joining.tells_figures),
            heard_at: now,
            progress_at: now,
            pushed_at: now,
        }
    }

    /// Offers `newest` if nothing is outstanding. However many versions went by meanwhile, this is the next one.
    pub(super) fn offer(&mut self, newest: &Arc<Publication>, admitted: bool, now: Instant) -> Offer {
        // Version 0 is what stands there before anything was published.
        let news = newest.version > self.offered.unwrap_or_default();
        if self.push.is_some() || !news {
            return Offer::NotNow;
        }
        let is_known = |hash: &Hash| self.held.contains(hash) || self.refused.contains(hash);
        let base = self.held.serving.as_deref().filter(|_| self.takes_deltas);
        // A node that serves nothing has nothing to keep; and what a node has refused as a whole does not hold up what
        // comes behind it.
        let whole = self.answered.is_some_and(|answered| newest.all_or_nothing > answered);
        let policy = if whole { ActivationPolicy::AllOrNothing } else { ActivationPolicy::Quarantine };
        let push = Push::new(Arc::clone(newest), self.chunk_bytes, policy, base, is_known);
        if push.missing_bytes() > SMALL_SYNC_BYTES_MAX && !admitted {
            return Offer::NeedsAdmission;
        }
        self.member.offered(&newest.bundles);
        self.refused.retain(|hash| newest.bundles.contains_key(hash));
        self.offered = Some(newest.version);
        self.push = Some(push);
        self.progress_at = now;
        self.pushed_at = now;
        Offer::Made
    }

    /// The newest that the node answered, or came with.
    pub(super) fn answered(&self) -> Option<Version> {
        self.answered
    }

    /// Whether [`Self::next_message`] has one.
    pub(super) fn has_message(&self) -> bool {
        self.heartbeat_due || self.questions.has_message() || self.measured.has_message() || self.is_sending()
    }

    /// Whether part of an offer is still to be said.
    pub(super) fn is_sending(&self) -> bool {
        self.push.as_ref().is_some_and(|push| !push.is_over())
    }

    /// The next message; to be called when the stream has room for it.
    pub(super) fn next_message(&mut self, newest: &Manifest, now: Instant) -> Option<wire::ControlMessage> {
        self.progress_at = now;
        if std::mem::take(&mut self.heartbeat_due) {
            let beat = wire::Heartbeat {
                active_version: newest.version.0,
                active_root_hash: newest.root_hash.0.to_vec(),
                generations: Vec::new(),
                kept: None,
            };
            return Some(wire::ControlMessage { kind: Some(wire::control_message::Kind::Heartbeat(beat)) });
        }
        let question = self.questions.next_message().or_else(|| self.measured.next_message());
        if question.is_some() {
            return question;
        }
        self.pushed_at = now;
        self.push.as_mut().and_then(Push::next_message)
    }

    /// Takes what the node said.
    pub(super) fn hear(&mut self, message: wire::NodeMessage, now: Instant, now_ms: i64) -> Result<(), End> {
        self.heard_at = now;
        self.member.seen(now_ms);
        match message.kind {
            Some(Kind::Hello(_)) => Err(End::Violation("hello must come first and once".to_owned())),
            Some(Kind::Applied(applied)) => self.hear_applied(applied),
            Some(Kind::Refused(refused)) => self.hear_refused(refused),
            Some(Kind::Heartbeat(beat)) => {
                let serving = match beat.active_version {
                    0 => None,
                    version => Some((Version(version), root("heartbeat.active_root_hash", &beat.active_root_hash)?)),
                };
                self.member.counted(counts(beat.generations));
                self.member.reported(serving);
                self.member.keeps(beat.kept.map(kept));
                Ok(())
            }
            Some(Kind::RecentRequests(part)) => self.questions.hear(part),
            Some(Kind::StageFigures(figures)) => {
                self.measured.hear(figures)?.into_iter().for_each(|figures| self.member.told(figures));
                Ok(())
            }
            // A newer node says things that we need not understand; it lives.
            None => Ok(()),
        }
    }

    /// Looks at the clock; to be called once per heartbeat.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), End> {
        let since = |then: Instant| now.saturating_duration_since(then);
        if since(self.heard_at) > self.limits.silence_max() {
            return Err(End::Silent(self.limits.silence_max().as_millis()));
        }
        // A heartbeat that still waits is a message that the stream does not take.
        if self.has_message() {
            if since(self.progress_at) > Duration::from_millis(self.limits.stall_ms_max) {
                return Err(End::Stalled(self.limits.stall_ms_max));
            }
        } else if self.push.is_some() {
            // Heartbeats go on while an answer is waited for.
            if since(self.pushed_at) > Duration::from_millis(self.limits.answer_ms_max) {
                return Err(End::Unanswered(self.limits.answer_ms_max));
            }
        } else {
            self.progress_at = now;
        }
        self.heartbeat_due = true;
        Ok(())
    }

    fn hear_applied(&mut self, applied: wire::Applied) -> Result<(), End> {
        let (version, root_hash) = (Version(applied.version), root("applied.root_hash", &applied.root_hash)?);
        let (route_count, build_time_us) = (applied.route_count, applied.build_time_us);
        self.member.counted(counts(applied.generations));
        self.member.applied(Serving { version, root_hash, route_count, build_time_us });
        let answers = |push: &mut Push| {
            push.is_over()
                && push.publication().version == version
                && push.publication().manifest.root_hash == root_hash
        };
        if let Some(push) = self.push.take_if(answers) {
            self.answered = Some(version);
            let lacking = self.refused.clone();
            self.held = Held { named: HashSet::new(), serving: Some(Arc::clone(push.publication())), lacking };
        }
        Ok(())
    }

    fn hear_refused(&mut self, refused: wire::Refused) -> Result<(), End> {
        let version = Version(refused.version);
        let reason = shortened(refused.reason);
        let node = self.member.id();
        if refused.bundle_hash.is_empty() {
            tracing::warn!(%node, %version, reason, "a node refused a manifest");
            self.member.refused(Refusal { version, bundle: None, reason });
            // The rest of it need not be said. It is offered again when there is a newer one.
            self.push.take_if(|push| push.publication().version == version);
            self.answered = self.answered.map(|answered| answered.max(version));
            return Ok(());
        }
        let hash = root("refused.bundle_hash", &refused.bundle_hash)?;
        let manifest = self.push.as_ref().map(|push| &push.publication().manifest);
        let bundle = manifest.and_then(|manifest| manifest.bundles.iter().find(|bundle| bundle.hash == hash));
        // What we did not offer, nobody asked about; keeping it would let a node fill our memory.
        let Some(bundle) = bundle else { return Ok(()) };
        let key = bundle.key.clone();
        tracing::warn!(%node, %version, api = %key.rest_api_id, stage = %key.stage_name, reason, "a node refused a bundle");
        self.member.refused(Refusal { version, bundle: Some((hash, key)), reason });
        self.refused.insert(hash);
        Ok(())
    }
}

fn counts(generations: Vec<wire::Generation>) -> Vec<Generation> {
    let counts = |one: wire::Generation| Generation {
        version: Version(one.version),
        started: one.requests_started,
        finished: one.requests_finished,
        cut: one.requests_cut,
    };
    generations.into_iter().map(counts).collect()
}

/// What a node says about its disk, bounded.
pub(super) fn kept(kept: wire::Kept) -> Kept {
    Kept { version: Version(kept.version), problem: shortened(kept.problem) }
}

fn root(field: &str, bytes: &[u8]) -> Result<Hash, End> {
    Hash::from_slice(bytes).ok_or_else(|| End::Violation(format!("{field} must have 32 bytes")))
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests;
