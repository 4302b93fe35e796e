//! Node canaries: a deployment goes to some nodes first, is watched there, and then goes everywhere or back, by itself.
//!
//! `choose` says which nodes, `gather` adds up what nodes tell, `judge` compares, `watch` does it all over time; the
//! application publishes (`app::Trial`). What ended is remembered for those who ask, until the process ends.

mod choose;
mod gather;
mod judge;
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

#[derive(Debug)]
struct Running {
    key: BundleKey,
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
        let (app, fleet) = (self.app.clone(), Arc::clone(&self.fleet));
        let (caller, key) = (trial.caller().clone(), trial.key());
        let (orders, obeyed) = mpsc::channel(ORDERS_MAX);
        let (watcher, pictures) = Watcher::new(app, fleet, trial, terms, obeyed);
        self.lock().running = Some(Running { key, pictures, orders });
        let known = Arc::clone(&self.known);
        tokio::spawn(caller.scope(async move {
            let last = watcher.run().await;
            let mut known = lock(&known);
            known.running = None;
            known.ended.push_back(last);
            if known.ended.len() > ENDED_KEPT_MAX {
                known.ended.pop_front();
            }
            drop(known);
            drop(place);
        }));
        Ok(written)
    }

    /// The pictures of a stage's node canary: of the one that runs, or the last one of one that has ended.
    pub fn watch(&self, key: &BundleKey) -> Option<signal::Receiver<Picture>> {
        let known = self.lock();
        if let Some(running) = known.running.as_ref().filter(|running| running.key == *key) {
            return Some(running.pictures.clone());
        }
        let last = known.ended.iter().rev().find(|picture| picture.key == *key)?;
        Some(signal::channel(last.clone()).1)
    }

    /// Ends the one that runs, and answers how it ended. `None`: none runs for this stage.
    pub async fn end(&self, key: &BundleKey, promote: bool) -> Option<Picture> {
        let (orders, mut pictures) = {
            let known = self.lock();
            let running = known.running.as_ref().filter(|running| running.key == *key)?;
            (running.orders.clone(), running.pictures.clone())
        };
        // One that ends meanwhile says how below.
        let _ = orders.send(if promote { Order::Promote } else { Order::End }).await;
        let last = pictures.wait_for(|picture| picture.state.is_over()).await.ok().map(|last| last.clone());
        last.or_else(|| self.lock().ended.iter().rev().find(|picture| picture.key == *key).cloned())
    }

    fn is_busy(&self) -> Error {
        let known = self.lock();
        let which = known.running.as_ref().map_or_else(
            || "another node canary begins".to_owned(),
            |running| format!("a node canary of stage {}/{} runs", running.key.rest_api_id, running.key.stage_name),
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
