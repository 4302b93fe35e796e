//! The deploy barrier: how a published version reaches the nodes, for calls that wait for it and for those who watch.

use super::{Management, wire};
use crate::app::Error;
use crate::fleet::{Fleet, Generation};
use crate::rollout::{NodeRollout, NodeStanding, State, Target, WaitFor, standings};
use penstock_model::id::Version;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::timeout_at;
use tonic::Status;

/// How long a call waits that does not say, in milliseconds.
const WAIT_MS_DEFAULT: u64 = 30_000;
/// Longest time that a call may ask to wait, in milliseconds.
const WAIT_MS_MAX: u64 = 600_000;
/// Calls that wait or watch at a time.
const WAITING_MAX: usize = 256;
/// Between two looks at nodes that left, which nobody tells of, in milliseconds.
const RECHECK_MS: u64 = 1_000;
/// Between two pictures for somebody who watches, in milliseconds.
const PICTURE_MS: u64 = 50;
/// Pictures on their way to somebody who watches.
const PICTURES_MAX: usize = 2;

/// What the calls that wait share.
#[derive(Debug)]
pub(super) struct Barrier {
    places: Semaphore,
    /// Until then nodes that lost this control plane may still be coming back, so nobody knows who all are.
    settles_at: Instant,
}

/// How a call wants to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    wait_for: WaitFor,
    at_most: Duration,
}

impl Barrier {
    pub(super) fn new(settle: Duration) -> Self {
        Self { places: Semaphore::new(WAITING_MAX), settles_at: Instant::now() + settle }
    }
}

impl Wait {
    /// # Errors
    /// It names nothing that this program knows, or too long a time.
    pub(super) fn read(wait_for: i32, deadline: Option<prost_types::Duration>) -> Result<Self, Error> {
        let wait_for = match wire::WaitFor::try_from(wait_for) {
            Ok(wire::WaitFor::Unspecified | wire::WaitFor::None) => WaitFor::None,
            Ok(wire::WaitFor::Quorum) => WaitFor::Quorum,
            Ok(wire::WaitFor::All) => WaitFor::All,
            Err(_) => return Err(Error::invalid("waitFor", format!("{wait_for} is not known here"))),
        };
        let longest = Duration::from_millis(WAIT_MS_MAX);
        let at_most = match deadline {
            None => Some(Duration::from_millis(WAIT_MS_DEFAULT)),
            Some(asked) => Duration::try_from(asked).ok().filter(|asked| !asked.is_zero() && *asked <= longest),
        };
        let at_most = at_most.ok_or_else(|| {
            let reason = format!("must be more than nothing and at most {} s", longest.as_secs());
            Error::invalid("waitDeadline", reason)
        })?;
        Ok(Self { wait_for, at_most })
    }

    fn is_asked(&self) -> bool {
        self.wait_for != WaitFor::None
    }
}

/// Whether a change wants to be taken as a whole.
///
/// # Errors
/// It names nothing that this program knows.
pub(super) fn wants_whole(policy: i32) -> Result<bool, Error> {
    match wire::ActivationPolicy::try_from(policy) {
        Ok(wire::ActivationPolicy::Unspecified | wire::ActivationPolicy::Quarantine) => Ok(false),
        Ok(wire::ActivationPolicy::AllOrNothing) => Ok(true),
        Err(_) => Err(Error::invalid("policy", format!("{policy} is not known here"))),
    }
}

impl Management {
    /// A place for a call that is about to change something and to wait: taken before the change, so that a call that is
    /// refused has changed nothing.
    ///
    /// # Errors
    /// There are too many already.
    pub(super) fn place(&self, wait: Wait) -> Result<Option<SemaphorePermit<'_>>, Error> {
        if !wait.is_asked() {
            return Ok(None);
        }
        let place = self.barrier.places.try_acquire();
        place.map(Some).map_err(|_| Error::Unavailable(format!("{WAITING_MAX} calls wait already: try again")))
    }

    /// How far `target` has come, when that is decided; `None` for a call that does not wait.
    pub(super) async fn reached(&self, wait: Wait, target: Target) -> Option<wire::Rollout> {
        if !wait.is_asked() {
            return None;
        }
        let mut watch = self.watch(wait, target);
        while watch.next().await == State::Waiting {}
        Some(watch.picture())
    }

    /// Shows how `target` fares until it is decided.
    pub(super) fn pictures(self, wait: Wait, target: Target) -> mpsc::Receiver<Result<wire::Rollout, Status>> {
        let (sender, pictures) = mpsc::channel(PICTURES_MAX);
        tokio::spawn(async move {
            // Held as long as somebody watches.
            let Ok(_place) = self.barrier.places.try_acquire() else {
                let text = format!("{WAITING_MAX} calls wait already: try again");
                let _ = sender.send(Err(Error::Unavailable(text).into())).await;
                return;
            };
            let mut watch = self.watch(wait, target);
            loop {
                let picture = watch.picture();
                let is_over = watch.state != State::Waiting;
                // Whoever has gone does not watch any more.
                if sender.send(Ok(picture)).await.is_err() || is_over {
                    return;
                }
                tokio::select! {
                    () = watch.worth_a_picture() => {}
                    () = sender.closed() => return,
                }
            }
        });
        pictures
    }

    fn watch(&self, wait: Wait, target: Target) -> Watch {
        let started = Instant::now();
        let mut watch = Watch {
            fleet: Arc::clone(&self.fleet),
            changes: self.fleet.changes(),
            target,
            wait,
            started,
            settles_at: self.barrier.settles_at,
            state: State::Waiting,
        };
        watch.look();
        watch
    }
}

/// Somebody who waits.
struct Watch {
    fleet: Arc<Fleet>,
    changes: tokio::sync::watch::Receiver<()>,
    target: Target,
    wait: Wait,
    started: Instant,
    settles_at: Instant,
    state: State,
}

impl Watch {
    fn look(&mut self) {
        self.changes.mark_unchanged();
        let found = self.fleet.tally(&self.target, Instant::now()).state(self.wait.wait_for);
        let is_early = found == State::Reached && self.wait.is_asked() && Instant::now() < self.settles_at;
        let waits = found == State::Waiting || is_early;
        self.state = match waits {
            false => found,
            true if self.started.elapsed() >= self.wait.at_most => State::Deadline,
            true => State::Waiting,
        };
    }

    /// Waits until something may have changed, and looks again.
    async fn next(&mut self) -> State {
        if self.state != State::Waiting {
            return self.state;
        }
        let mut until = (self.started + self.wait.at_most).min(Instant::now() + Duration::from_millis(RECHECK_MS));
        if self.settles_at > Instant::now() {
            until = until.min(self.settles_at);
        }
        // The fleet lives as long as we do, so the sender does.
        let _ = timeout_at(until.into(), self.changes.changed()).await;
        self.look();
        self.state
    }

    /// Waits until it is decided, or something may have changed and the last picture is old enough.
    async fn worth_a_picture(&mut self) {
        let due = Instant::now() + Duration::from_millis(PICTURE_MS);
        if self.next().await != State::Waiting {
            return;
        }
        while Instant::now() < due && timeout_at(due.into(), self.next()).await == Ok(State::Waiting) {}
    }

    fn picture(&self) -> wire::Rollout {
        let nodes = standings(&self.target, self.fleet.nodes().into_iter(), Instant::now());
        let state = match self.state {
            State::Waiting => wire::RolloutState::RolloutWaiting,
            State::Reached => wire::RolloutState::RolloutReached,
            State::Refused => wire::RolloutState::RolloutRefused,
            State::Deadline => wire::RolloutState::RolloutDeadline,
        };
        wire::Rollout {
            version: self.target.version.0,
            state: state.into(),
            nodes: nodes.into_iter().map(Into::into).collect(),
            // No wait is longer than the limit above.
            waited: prost_types::Duration::try_from(self.started.elapsed()).ok(),
        }
    }
}

impl From<NodeRollout> for wire::NodeRollout {
    fn from(node: NodeRollout) -> Self {
        let state = match node.state {
            NodeStanding::Silent => wire::NodeRolloutState::NodeSilent,
            NodeStanding::Applied => wire::NodeRolloutState::NodeApplied,
            NodeStanding::Refused => wire::NodeRolloutState::NodeRefused,
        };
        Self {
            node_id: node.id.to_string(),
            state: state.into(),
            connected: node.connected,
            serving_version: node.serving.map_or(0, |Version(version)| version),
            refusals: node.refusals.into_iter().map(Into::into).collect(),
            generations: node.generations.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Generation> for wire::Generation {
    fn from(generation: Generation) -> Self {
        Self {
            version: generation.version.0,
            requests_started: generation.started,
            requests_finished: generation.finished,
            requests_cut: generation.cut,
        }
    }
}
