//! A deployment on trial: served by some nodes while all others, and the store, stay with what the stage has.
//!
//! Nothing of it is stored but the deployment itself. So whatever happens to this process, the nodes come back to what the
//! stage has as soon as they hear of a control plane again. The nodes' version lies between the newest publication before and
//! the one that the store counts then, which is the same content again: see [`Candidate`].

use super::audit::{NodeCanaryPlace, Object};
use super::caller::Caller;
use super::change::{Change, build};
use super::deploy::{Origin, snapshot};
use super::error::{Error, Result};
use super::{App, Written, deployments, load, rest_apis, stages};
use crate::publication::{Changes, Publication};
use crate::publisher::{Candidate, Measurement};
use crate::store::Changed;
use penstock_model::bundle::{BundleKey, Hash};
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::id::{DeploymentId, NodeId, RestApiId, StageName, Version};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A deployment on trial.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The stage as it was when it began, and as it must still be for the deployment to become its own.
    stage: Stage,
    /// Of the API.
    pub api_name: String,
    /// What is tried.
    pub deployment: DeploymentId,
    /// Of what becomes of its requests; another one for each trial.
    pub measurement: u64,
    /// Who serves it.
    pub nodes: Arc<BTreeSet<NodeId>>,
    /// What those nodes are to serve: version and root hash.
    pub serving: (Version, Hash),
    /// The root hash of what the other nodes are to serve.
    base: Hash,
    /// Who wanted it, and in whose name it ends.
    caller: Caller,
}

impl Trial {
    /// Of which stage.
    pub fn key(&self) -> BundleKey {
        BundleKey { rest_api_id: self.stage.rest_api_id.clone(), stage_name: self.stage.stage_name.clone() }
    }

    /// What the stage has.
    pub fn stage_deployment(&self) -> &DeploymentId {
        &self.stage.deployment_id
    }

    fn place(&self) -> Object {
        Object::NodeCanary(NodeCanaryPlace {
            rest_api_id: self.stage.rest_api_id.clone(),
            stage_name: self.stage.stage_name.clone(),
            deployment_id: self.deployment.clone(),
            node_ids: (*self.nodes).clone(),
        })
    }

    /// In whose name it began.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl App {
    /// Snapshots an API, and lets these nodes serve the snapshot under a stage that keeps what it has.
    ///
    /// # Errors
    /// The stage is not there, has a canary, or follows its API by itself; or the API cannot be deployed.
    pub async fn try_deployment(
        &self,
        api: &RestApiId,
        stage_name: &StageName,
        description: &str,
        nodes: BTreeSet<NodeId>,
    ) -> Result<(Written<Deployment>, Trial)> {
        let mut change = self.begin().await?;
        let definition = change.tx.definition(api).await?.ok_or_else(|| rest_apis::unknown(api))?;
        let stage = stages::find(&mut *change.tx, api, stage_name).await?;
        if stage.canary_settings.is_some() {
            return Err(deployments::has_canary(stage_name));
        }
        if stage.auto_deploy {
            let reason = "takes every change by itself (autoDeploy), so nothing can be tried on some nodes first";
            return Err(Error::FailedPrecondition(format!("Stage {stage_name} {reason}")));
        }
        let value = change.deploy(&snapshot(&definition, Origin::Asked)?, Origin::Asked, description).await?;
        let trial = Trial {
            stage,
            api_name: definition.rest_api.name.clone(),
            deployment: value.id.clone(),
            measurement: 0,
            nodes: Arc::new(nodes),
            serving: (Version::default(), Hash([0; 32])),
            base: Hash([0; 32]),
            caller: Caller::current(),
        };
        change.note(None, Some(trial.place()));
        let (trial, version) = change.publish_beside(trial).await?;
        Ok((Written { value, version }, trial))
    }

    /// Whether its nodes are still told to serve it: a restore takes all to what it restored.
    pub fn is_published(&self, trial: &Trial) -> bool {
        self.publisher().measures(trial.measurement)
    }

    /// Whether something else is published than when these nodes were last told what to serve.
    pub fn is_overtaken(&self, trial: &Trial) -> bool {
        self.newest().manifest.root_hash != trial.base
    }

    /// Brings the nodes of a trial up to what was published since.
    ///
    /// # Errors
    /// [`Error::Stale`]: the stage is not what it was any more.
    pub async fn renew_trial(&self, trial: &Trial) -> Result<Trial> {
        let mut change = self.begin().await?;
        change.still_stands(trial).await?;
        Ok(change.publish_beside(trial.clone()).await?.0)
    }

    /// Makes what was tried the stage's own, on all nodes.
    ///
    /// # Errors
    /// [`Error::Stale`]: the stage is not what it was any more.
    pub async fn promote_trial(&self, trial: &Trial) -> Result<Written<Stage>> {
        let mut change = self.begin().await?;
        let before = change.still_stands(trial).await?;
        let stage = Stage { deployment_id: trial.deployment.clone(), ..before.clone() };
        let value = change.replace_stage(&before, stage).await?;
        change.note(Some(trial.place()), None);
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// Notes that a trial has ended without being promoted.
    pub async fn note_withdrawal(&self, trial: &Trial) -> Result<()> {
        let change = self.begin().await?;
        change.note(Some(trial.place()), None);
        change.commit().await.map(drop)
    }

    /// Takes the nodes of a trial back to what all others serve.
    pub fn withdraw_trial(&self) {
        self.publisher().withdraw();
    }
}

impl Change {
    /// The stage of a trial, if it is as it was.
    async fn still_stands(&mut self, trial: &Trial) -> Result<Stage> {
        let Stage { rest_api_id, stage_name, revision, .. } = &trial.stage;
        match self.tx.stage(rest_api_id, stage_name).await? {
            Some(stage) if stage.revision == *revision => Ok(stage),
            Some(_) => Err(Error::Stale(format!("stage {stage_name} was changed meanwhile"))),
            None => Err(Error::Stale(format!("stage {stage_name} was deleted meanwhile"))),
        }
    }

    /// Makes the change happen, which changes nothing of what is published, and publishes what is on trial beside it.
    async fn publish_beside(self, trial: Trial) -> Result<(Trial, Version)> {
        let task = tokio::spawn(self.finish_beside(trial));
        task.await.map_err(|error| Error::internal("publishing a trial", error))?
    }

    async fn finish_beside(mut self, mut trial: Trial) -> Result<(Trial, Version)> {
        let stage = Stage { deployment_id: trial.deployment.clone(), ..trial.stage.clone() };
        let bundle = load::bundle(&mut *self.tx, stage).await?;
        let key = bundle.key();
        let (shared, base) = (Arc::clone(&self.shared), Arc::clone(&self.base));
        let built = tokio::task::spawn_blocking(move || {
            let bundles = build(&shared, &base, vec![(key, Some(bundle))])?;
            let candidate = base.with(Changes { bundles, base_path_mappings: None });
            Ok::<_, Error>((base.with(Changes::default()), candidate))
        });
        let built = built.await.map_err(|error| Error::internal("building a trial", error))?;
        let (newest, candidate): (Publication, Publication) = built?;
        trial.base = newest.manifest.root_hash;
        // One version is left out for the candidate.
        let above = Version(self.base.version.0 + 1);
        let nothing = Changed::new(&BTreeSet::new(), false);
        let version = self.tx.publish(trial.base, above, Some(&nothing)).await?;
        // A node takes all of it or nothing: what it refuses in part would be judged as a whole.
        let candidate = candidate.numbered(Version(version.0 - 1)).whole();
        trial.serving = (candidate.version, candidate.manifest.root_hash);
        let is_new = trial.measurement == 0;
        if is_new {
            // No other trial has this version, here or on another control plane.
            trial.measurement = candidate.version.0;
        }
        self.write_audit(version).await?;
        self.tx.commit().await?;
        let measurement = Measurement { key: trial.key(), number: trial.measurement };
        let (publication, nodes) = (Arc::new(candidate), Arc::clone(&trial.nodes));
        let candidate = Candidate { publication, measurement, nodes };
        self.shared.publisher.publish_with(Arc::new(newest.numbered(version)), candidate, is_new);
        Ok((trial, version))
    }
}
