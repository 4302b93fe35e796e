//! Node canaries: a deployment goes to some nodes first, is watched there, and then goes everywhere or back, by itself.
//!
//! `choose` says which nodes, `gather` adds up what nodes tell, `judge` compares, `watch` does it all over time; the
//! application publishes (`app::Trial`). What ended is remembered for those who ask, until the process ends.

mod choose;
mod gather;
mod judge;
mod restarts;
mod watch;

use crate::app::{App, Caller, Error, Trial, Written};
use crate::fleet::Fleet;
use penstock_model::bundle::BundleKey;
use penstock_model::deployment::Deployment;
use penstock_model::figures::Figures;
use penstock_model::id::{DeploymentId, NodeId, RestApiId, StageName, Version};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch as signal};
use watch::{Order, Watcher};

/// Node canaries that run at a time: with two, the nodes of one would be judged beside those of the other.
const RUNNING_MAX: usize = 1;
/// Ended ones that are remembered.
const ENDED_KEPT_MAX: usize = 64;
/// Orders that wait to be obeyed.
const ORDERS_MAX: usize = 4;

/// On how many nodes, of those that are connected and can tell what becomes of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// This many.
    Count(usize),
    /// This many of a hundred, rounded up.
    Percent(f64),
}

/// For how long a deployment is watched, and what it must hold to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// From when all of its nodes serve it.
    pub watch: Duration,
    /// How much more of its requests may fail than of the others, of 1.
    pub error_rate_increase_max: f64,
    /// How many times the 95th percentile of the others' durations its own may be.
    pub duration_ratio_max: f64,
    /// Requests on either side before anything is judged.
    pub requests_min: u64,
}

/// What somebody wants to try.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What is deployed.
    pub api: RestApiId,
    /// Which serves it.
    pub stage: StageName,
    /// Of the deployment.
    pub description: String,
    /// On how many nodes.
    pub share: Share,
    /// For how long, and what it must hold to.
    pub terms: Terms,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its nodes do not serve it all.
    Starting,
    /// They do, and are watched.
    Watching,
    /// The stage has the deployment.
    Promoted,
    /// The stage has what it had.
    Ended,
}

impl State {
    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Promoted | Self::Ended)
    }
}

/// A node canary at one moment.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Of which stage.
    pub key: BundleKey,
    /// What its API is called.
    pub api_name: String,
    /// What is tried.
    pub deployment: DeploymentId,
    /// Where.
    pub nodes: Arc<BTreeSet<NodeId>>,
    /// How far it has come.
    pub state: State,
    /// Since all of its nodes serve it.
    pub watched: Duration,
    /// How long that is to be.
    pub watch: Duration,
    /// What became of requests there.
    pub canary: Figures,
    /// What became of requests elsewhere, under what the stage has.
    pub others: Figures,
    /// Why it ended; empty before.
    pub reason: String,
    /// With which version the stage has the deployment; 0 unless it was promoted.
    pub version: Version,
}

/// The node canaries of this control plane, of which one runs at most.
#[derive(Debug)]
pub struct NodeCanaries {
    app: App,
    fleet: Arc<Fleet>,
    places: Arc<Semaphore>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    running: Option<Running>,
    /// The one that ended last is last.
    ended: VecDeque<Picture>,
}

impl Known {
    /// The one that runs, if it is this one.
    fn running(&self, which: &Which) -> Option<&Running> {
        self.running.as_ref().filter(|running| which.is(&running.pictures.borrow()))
    }

    /// How the last one ended that is this one.
    fn ended(&self, which: &Which) -> Option<&Picture> {
        self.ended.iter().rev().find(|picture| which.is(picture))
    }

    fn end(&mut self, last: Picture) {
        self.running = None;
        self.ended.push_back(last);
        if self.ended.len() > ENDED_KEPT_MAX {
            self.ended.pop_front();
        }
    }
}

/// Of which stage, as somebody says it who may have no store to look it up in.
#[derive(Clone, Debug)]
pub struct Which {
    /// Its id, or what it is called.
    pub api: String,
    /// The stage's name.
    pub stage: StageName,
}

impl Which {
    fn is(&self, picture: &Picture) -> bool {
        let Picture { key, api_name, .. } = picture;
        key.stage_name == self.stage && (key.rest_api_id.as_str() == self.api || *api_name == self.api)
    }
}

#[derive(Debug)]
struct Running {
    pictures: signal::Receiver<Picture>,
    orders: mpsc::Sender<Order>,
}

impl NodeCanaries {
    /// Of `app`, on the nodes of `fleet`.
    pub fn new(app: App, fleet: Arc<Fleet>) -> Self {
        Self { app, fleet, places: Arc::new(Semaphore::new(RUNNING_MAX)), known: Arc::default() }
    }

    /// Deploys an API to some nodes, and begins to watch them.
    ///
    /// In a task of its own: a caller who hangs up cannot separate what is published from who watches it.
    ///
    /// # Errors
    /// There are too few nodes, another one runs, or the deployment is refused.
    pub async fn begin(self: &Arc<Self>, wanted: Wanted) -> Result<Written<Deployment>, Error> {
        let this = Arc::clone(self);
        let task = tokio::spawn(Caller::current().scope(async move { this.start(wanted).await }));
        task.await.map_err(|error| Error::internal("beginning a node canary", error))?
    }

    async fn start(&self, wanted: Wanted) -> Result<Written<Deployment>, Error> {
        let Wanted { api, stage, description, share, terms } = wanted;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| self.is_busy())?;
        let able = self.fleet.nodes().into_iter().filter(|node| node.connected && node.tells_figures);
        let able: Vec<NodeId> = able.map(|node| node.id).collect();
        let nodes = choose::nodes(able, share, &self.app.random_seed()).map_err(Error::FailedPrecondition)?;
        let (written, trial) = self.app.try_deployment(&api, &stage, &description, nodes).await?;
        let (orders, obeyed) = mpsc::channel(ORDERS_MAX);
        let (watcher, pictures) = Watcher::new(self.app.clone(), Arc::clone(&self.fleet), trial, terms, obeyed);
        self.lock().running = Some(Running { pictures: pictures.clone(), orders });
        let (app, known) = (self.app.clone(), Arc::clone(&self.known));
        let watching = tokio::spawn(watcher.run());
        tokio::spawn(async move {
            let last = watching.await.unwrap_or_else(|error| {
                tracing::error!(%error, "watching a node canary failed");
                app.withdraw_trial();
                let (state, reason) = (State::Ended, "watching it failed: see the control plane's log".to_owned());
                Picture { state, reason, ..pictures.borrow().clone() }
            });
            lock(&known).end(last);
            drop(place);
        });
        Ok(written)
    }

    /// The pictures of a stage's node canary: of the one that runs, or the last one of one that has ended.
    pub fn watch(&self, which: &Which) -> Option<signal::Receiver<Picture>> {
        let known = self.lock();
        if let Some(running) = known.running(which) {
            return Some(running.pictures.clone());
        }
        Some(signal::channel(known.ended(which)?.clone()).1)
    }

    /// Ends the one that runs, in the name of who calls, and answers how it ended. `None`: none runs for this stage.
    pub async fn end(&self, which: &Which, promote: bool) -> Option<Picture> {
        let (orders, mut pictures) = {
            let known = self.lock();
            let running = known.running(which)?;
            (running.orders.clone(), running.pictures.clone())
        };
        // One that ends meanwhile says how below.
        let _ = orders.send(Order { promote, caller: Caller::current() }).await;
        let last = pictures.wait_for(|picture| picture.state.is_over()).await.ok().map(|last| last.clone());
        last.or_else(|| self.lock().ended(which).cloned())
    }

    fn is_busy(&self) -> Error {
        let known = self.lock();
        let which = known.running.as_ref().map_or_else(
            || "another node canary begins".to_owned(),
            |running| {
                let BundleKey { rest_api_id, stage_name } = &running.pictures.borrow().key;
                format!("a node canary of stage {rest_api_id}/{stage_name} runs")
            },
        );
        Error::FailedPrecondition(format!("{which}: wait for its end, or end it"))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    // Every change is a plain assignment or push.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Picture {
    fn first(trial: &Trial, terms: &Terms) -> Self {
        Self {
            key: trial.key(),
            api_name: trial.api_name.clone(),
            deployment: trial.deployment.clone(),
            nodes: Arc::clone(&trial.nodes),
            state: State::Starting,
            watched: Duration::ZERO,
            watch: terms.watch,
            canary: Figures::default(),
            others: Figures::default(),
            reason: String::new(),
            version: Version::default(),
        }
    }
}
