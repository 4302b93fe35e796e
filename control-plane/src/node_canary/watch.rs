//! [`Watcher`]: one node canary from its beginning to its end.

use super::gather::Sides;
use super::judge::{fault, last_fault, praise};
use super::restarts::Restarts;
use super::{Picture, State, Terms};
use crate::app::{App, Caller, Error, Trial};
use crate::fleet::{Fleet, NodeState};
use penstock_model::id::{NodeId, Version};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};

/// Between two looks at the nodes, in milliseconds.
const LOOK_MS: u64 = 200;
/// Longest wait until all of its nodes serve it, in milliseconds.
const START_MS_MAX: u64 = 60_000;
/// How long one of its nodes may be away or behind once it is watched, in milliseconds: it may move to another control plane
/// and back, or be started anew. One that stays away may have died of what is tried.
const ABSENT_MS_MAX: u64 = 15_000;
/// Attempts to make it the stage's own while the store does not take it.
const PROMOTIONS_MAX: u32 = 5;
/// Between two of them, in milliseconds.
const PROMOTION_RETRY_MS: u64 = 1_000;

/// Longest wait until its end is noted, in milliseconds: that is told to whoever watches after it.
const NOTE_MS_MAX: u64 = 3_000;

/// What somebody wants to happen now.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Whether all nodes get it, or none keeps it.
    pub(super) promote: bool,
    /// In whose name.
    pub(super) caller: Caller,
}

/// How it is to end.
#[derive(Debug)]
enum Verdict {
    Promote(String),
    End(String),
}

pub(super) struct Watcher {
    app: App,
    fleet: Arc<Fleet>,
    trial: Trial,
    /// In whose name it ends: of who began it, until somebody else ends it.
    caller: Caller,
    terms: Terms,
    orders: mpsc::Receiver<Order>,
    pictures: watch::Sender<Picture>,
    sides: Sides,
    started: Instant,
    watched_since: Option<Instant>,
    /// Nodes that do not serve it, and since when.
    absent: HashMap<NodeId, Instant>,
    restarts: Restarts,
}

impl Watcher {
    pub(super) fn new(
        app: App,
        fleet: Arc<Fleet>,
        trial: Trial,
        terms: Terms,
        orders: mpsc::Receiver<Order>,
    ) -> (Self, watch::Receiver<Picture>) {
        let (pictures, seen) = watch::channel(Picture::first(&trial, &terms));
        let watcher = Self {
            app,
            fleet,
            caller: trial.caller().clone(),
            trial,
            terms,
            orders,
            pictures,
            sides: Sides::default(),
            started: Instant::now(),
            watched_since: None,
            absent: HashMap::new(),
            restarts: Restarts::default(),
        };
        (watcher, seen)
    }

    /// Watches until it is decided, does what was decided, and answers the last picture.
    pub(super) async fn run(mut self) -> Picture {
        let verdict = self.verdict().await;
        let caller = self.caller.clone();
        let (state, reason, version) = match verdict {
            Verdict::End(reason) => (State::Ended, reason, Version::default()),
            Verdict::Promote(reason) => match caller.clone().scope(self.promote()).await {
                Ok(version) => (State::Promoted, reason, version),
                Err(error) => (State::Ended, format!("it could not be promoted: {error}"), Version::default()),
            },
        };
        // The stage has it by now, or its nodes go back to what the stage has.
        self.app.withdraw_trial();
        if state == State::Ended {
            caller.scope(self.note_end()).await;
        }
        let key = self.trial.key();
        tracing::info!(api = %key.rest_api_id, stage = %key.stage_name, ?state, reason, "a node canary ended");
        self.pictures.send_modify(|picture| {
            (picture.state, picture.reason, picture.version) = (state, reason, version);
        });
        self.pictures.borrow().clone()
    }

    /// Writes into the audit log that its nodes went back. That they did does not depend on it.
    async fn note_end(&self) {
        let noting = tokio::time::timeout(Duration::from_millis(NOTE_MS_MAX), self.app.note_withdrawal(&self.trial));
        match noting.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the end of a node canary is not in the audit log"),
            Err(_) => tracing::warn!("the end of a node canary is not in the audit log: the store takes too long"),
        }
    }

    async fn verdict(&mut self) -> Verdict {
        let mut looks = tokio::time::interval(Duration::from_millis(LOOK_MS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // A store that hangs does not keep an order from being obeyed.
            let kept = tokio::select! {
                biased;
                Some(Order { promote, caller }) = self.orders.recv() => {
                    self.caller = caller;
                    return match promote {
                        true => Verdict::Promote("somebody promoted it".to_owned()),
                        false => Verdict::End("somebody ended it".to_owned()),
                    };
                }
                kept = keep_up(&self.app, &mut self.trial, &mut looks) => kept,
            };
            if let Some(reason) = kept {
                return Verdict::End(reason);
            }
            let verdict = self.look(Instant::now());
            self.show();
            if let Some(verdict) = verdict {
                return verdict;
            }
        }
    }

    fn look(&mut self, now: Instant) -> Option<Verdict> {
        let nodes = self.fleet.nodes();
        let Trial { deployment, measurement, .. } = &self.trial;
        self.sides.take(&nodes, &self.trial.nodes, *measurement, deployment, self.trial.stage_deployment());
        if let Some(reason) = self.refusal(&nodes) {
            return Some(Verdict::End(reason));
        }
        self.note_absence(&nodes, now);
        if let Some(reason) = self.restarts.note(&nodes, &self.trial.nodes) {
            return Some(Verdict::End(reason));
        }
        let Some(since) = self.watched_since else {
            let late = now.duration_since(self.started) >= Duration::from_millis(START_MS_MAX);
            return match self.absent.keys().min() {
                None => {
                    self.watched_since = Some(now);
                    None
                }
                Some(node) if late => Some(Verdict::End(format!("{node} did not begin to serve it"))),
                Some(_) => None,
            };
        };
        let long = Duration::from_millis(ABSENT_MS_MAX);
        let gone = self.absent.iter().filter(|(_, since)| now.duration_since(**since) >= long);
        if let Some(node) = gone.map(|(id, _)| id).min() {
            return Some(Verdict::End(format!("{node} has not served it for {} s", long.as_secs())));
        }
        let (canary, others) = (self.sides.canary.sum(), self.sides.others.sum());
        if let Some(reason) = fault(&self.terms, &canary, &others) {
            return Some(Verdict::End(reason));
        }
        // One that is away when the time is over may have died of it: it comes back, or its absence gets too long.
        if now.duration_since(since) < self.terms.watch || !self.absent.is_empty() {
            return None;
        }
        Some(match last_fault(&self.terms, &canary, &others) {
            Some(reason) => Verdict::End(reason),
            None => Verdict::Promote(praise(&self.terms, &canary, &others).to_owned()),
        })
    }

    /// The words of a node that does not take it.
    fn refusal(&self, nodes: &[NodeState]) -> Option<String> {
        let (version, _) = self.trial.serving;
        let key = self.trial.key();
        nodes.iter().filter(|node| self.trial.nodes.contains(&node.id)).find_map(|node| {
            let counts = |bundle: &Option<(_, _)>| bundle.as_ref().is_none_or(|(_, refused)| *refused == key);
            let refusal = node.refusals.iter().find(|refusal| refusal.version == version && counts(&refusal.bundle))?;
            Some(format!("{} refuses it: {}", node.id, refusal.reason))
        })
    }

    fn note_absence(&mut self, nodes: &[NodeState], now: Instant) {
        let serves = |id: &NodeId| {
            let serving = nodes.iter().find(|node| node.id == *id && node.connected).and_then(|node| node.serving);
            serving.is_some_and(|serving| (serving.version, serving.root_hash) == self.trial.serving)
        };
        for id in &*self.trial.nodes {
            if serves(id) {
                self.absent.remove(id);
            } else {
                self.absent.entry(id.clone()).or_insert(now);
            }
        }
    }

    fn show(&self) {
        self.pictures.send_modify(|picture| {
            picture.state = if self.watched_since.is_some() { State::Watching } else { State::Starting };
            picture.watched = self.watched_since.map(|since| since.elapsed()).unwrap_or_default();
            (picture.canary, picture.others) = (self.sides.canary.sum(), self.sides.others.sum());
        });
    }

    async fn promote(&self) -> Result<Version, Error> {
        let mut attempt = 1;
        loop {
            match self.app.promote_trial(&self.trial).await {
                Ok(written) => return Ok(written.version),
                Err(Error::Unavailable(reason)) if attempt < PROMOTIONS_MAX => {
                    tracing::warn!(reason, attempt, "a node canary cannot be promoted yet");
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(PROMOTION_RETRY_MS)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Waits for the next look, and brings its nodes what was published meanwhile. Why it cannot go on, if so.
async fn keep_up(app: &App, trial: &mut Trial, looks: &mut Interval) -> Option<String> {
    looks.tick().await;
    if !app.is_published(trial) {
        return Some("the configuration was restored meanwhile".to_owned());
    }
    if !app.is_overtaken(trial) {
        return None;
    }
    match app.renew_trial(trial).await {
        Ok(renewed) => {
            *trial = renewed;
            None
        }
        Err(Error::Stale(reason)) => Some(reason),
        Err(error) => {
            // Its nodes serve on meanwhile, and the next look tries again.
            tracing::warn!(%error, "the nodes of a node canary cannot get what was published");
            None
        }
    }
}
