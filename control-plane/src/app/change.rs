//! [`Change`]: the one write pipeline. Begin → apply → validate → compile → count the version → note who changed what →
//! commit → publish.
//!
//! A use case begins a change, edits definitions and writes rows through it, and commits it. Dropped before that, it
//! leaves nothing behind. The commit runs in a task of its own: a caller who hangs up cannot separate what is stored
//! from what is published.

use super::Shared;
use super::audit::Object;
use super::caller::Caller;
use super::diff::{self, Diff};
use super::error::{Error, Result};
use super::limits::AUDIT_ENTRIES_MAX;
use super::load::{self, Standing};
use super::recorded::{self, SharedRecording};
use crate::publication::{Built, Changes, Publication, encode};
use crate::store::{Changed, Writes};
use penstock_model::bundle::{Bundle, BundleKey};
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::id::{RestApiId, Revision, Version};
use penstock_model::table::StageTable;
use penstock_model::validate;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::OwnedMutexGuard;

/// One change, and the right to make it.
pub(super) struct Change {
    pub(super) shared: Arc<Shared>,
    /// Held until the end: one writer at a time.
    _turn: OwnedMutexGuard<()>,
    /// The publication that this change builds on: what the store holds.
    pub(super) base: Arc<Publication>,
    pub(super) tx: Box<dyn Writes>,
    /// What was written through `tx`.
    recording: SharedRecording,
    /// In whose name; taken when the change begins, since the commit runs in a task of its own.
    caller: Caller,
    /// APIs whose definition changed, as they are now.
    pub(super) edited: BTreeMap<RestApiId, ApiDefinition>,
    /// Pairs that may serve something else now.
    touched: BTreeSet<BundleKey>,
    mappings_touched: bool,
    /// Whether nodes are to take it as a whole.
    whole: bool,
}

/// A definition in the hands of a use case.
pub(super) struct Edit {
    before: ApiDefinition,
    /// Edit this.
    pub(super) after: ApiDefinition,
}

/// What a commit did beside what it was asked for.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) version: Version,
    /// Deployments that stages made by themselves.
    pub(super) automatic: BTreeMap<RestApiId, Deployment>,
}

impl Change {
    pub(super) async fn begin(shared: Arc<Shared>, turn: OwnedMutexGuard<()>, whole: bool) -> Result<Self> {
        let mut tx = shared.store.begin().await?;
        // A commit that failed in its last step may have happened all the same, and so may another writer's.
        let base = match shared.catch_up(&mut *tx).await? {
            Standing::Newest(base) => base,
            Standing::WentBack => {
                drop(tx);
                shared.settle().await?;
                let went_back = || Error::Unavailable("the database went back to an older state: try again".to_owned());
                tx = shared.store.begin().await?;
                match shared.catch_up(&mut *tx).await? {
                    Standing::Newest(base) => base,
                    Standing::WentBack => return Err(went_back()),
                }
            }
        };
        let (edited, touched) = (BTreeMap::new(), BTreeSet::new());
        let (tx, recording) = recorded::record(tx);
        let caller = Caller::current();
        let mappings_touched = false;
        Ok(Self { shared, _turn: turn, base, tx, recording, caller, edited, touched, mappings_touched, whole })
    }

    /// Takes an API's definition out to edit it.
    pub(super) async fn edit(&mut self, api: &RestApiId) -> Result<Edit> {
        let before = self.tx.definition(api).await?.ok_or_else(|| super::rest_apis::unknown(api))?;
        Ok(Edit { after: before.clone(), before })
    }

    /// Validates an edited definition and writes what differs. Answers it with its paths and revisions.
    pub(super) async fn save(&mut self, edit: Edit) -> Result<&ApiDefinition> {
        let Edit { before, mut after } = edit;
        after.derive_paths();
        validate::definition(&after).into_result(())?;
        let diff = diff::settle(&before, &mut after);
        if diff.rest_api_changed {
            self.tx.update_rest_api(&after.rest_api).await?;
        }
        if !diff.is_empty() {
            self.write(&after, diff).await?;
        }
        let id = after.rest_api.id.clone();
        self.edited.insert(id.clone(), after);
        Ok(&self.edited[&id])
    }

    /// Validates and writes a new API.
    pub(super) async fn create(&mut self, mut definition: ApiDefinition) -> Result<&ApiDefinition> {
        definition.derive_paths();
        validate::definition(&definition).into_result(())?;
        let diff = diff::settle(&ApiDefinition::default(), &mut definition);
        definition.rest_api.revision = Revision::FIRST;
        self.tx.insert_rest_api(&definition.rest_api).await?;
        self.write(&definition, diff).await?;
        let id = definition.rest_api.id.clone();
        self.edited.insert(id.clone(), definition);
        Ok(&self.edited[&id])
    }

    /// Writes rows in an order that no reference objects to.
    async fn write(&mut self, definition: &ApiDefinition, diff: Diff) -> Result<()> {
        let api = &definition.rest_api.id;
        for (resource, verb) in &diff.methods_deleted {
            self.tx.delete_method(api, resource, *verb).await?;
        }
        for resource in &diff.resources_deleted {
            self.tx.delete_resource(api, resource).await?;
        }
        for at in diff.resources_inserted {
            self.tx.insert_resource(&definition.resources[at]).await?;
        }
        for at in diff.resources_updated {
            self.tx.update_resource(&definition.resources[at]).await?;
        }
        for at in diff.methods_inserted {
            self.tx.insert_method(&definition.methods[at]).await?;
        }
        for at in diff.methods_updated {
            self.tx.update_method(&definition.methods[at]).await?;
        }
        Ok(())
    }

    /// Says that what this pair serves may have changed.
    pub(super) fn touch(&mut self, stage: &Stage) {
        let key = BundleKey { rest_api_id: stage.rest_api_id.clone(), stage_name: stage.stage_name.clone() };
        self.touched.insert(key);
    }

    /// Says that base path mappings changed.
    pub(super) fn touch_mappings(&mut self) {
        self.mappings_touched = true;
    }

    /// Makes the change happen, or leaves everything as it was.
    pub(super) async fn commit(self) -> Result<Outcome> {
        let task = tokio::spawn(self.finish());
        task.await.map_err(|error| Error::internal("committing a change", error))?
    }

    /// What is published, and what would be after this change, which does not happen. `None`: the same.
    pub(super) async fn foresee(mut self) -> Result<(Arc<Publication>, Option<Publication>)> {
        let next = self.next_publication().await?;
        Ok((Arc::clone(&self.base), next.map(|(next, _)| next)))
    }

    async fn finish(mut self) -> Result<Outcome> {
        let automatic = self.deploy_automatically().await?;
        let Some((next, changed)) = self.next_publication().await? else {
            let version = self.base.version;
            self.write_audit(version).await?;
            self.tx.commit().await?;
            return Ok(Outcome { version, automatic });
        };
        let version = self.tx.publish(next.manifest.root_hash, self.base.version, Some(&changed)).await?;
        let next = next.numbered(version);
        let next = if self.whole { next.whole() } else { next };
        self.write_audit(version).await?;
        self.tx.commit().await?;
        self.shared.publisher.publish(Arc::new(next));
        Ok(Outcome { version, automatic })
    }

    /// Notes a change of something that is not stored.
    pub(super) fn note(&self, before: Option<Object>, after: Option<Object>) {
        recorded::note(&self.recording, before, after);
    }

    /// Notes who changed what, in the transaction that changes it.
    pub(super) async fn write_audit(&mut self, version: Version) -> Result<()> {
        let recording = recorded::take(&self.recording);
        let at_ms = self.shared.surroundings.now_ms();
        if let Some(row) = recording.row(self.caller.clone(), at_ms, version)? {
            self.tx.insert_audit_row(&row).await?;
            self.tx.trim_audit(AUDIT_ENTRIES_MAX).await?;
        }
        Ok(())
    }

    /// What is served after this change, if that is something else than before.
    async fn next_publication(&mut self) -> Result<Option<(Publication, Changed)>> {
        if self.touched.is_empty() && !self.mappings_touched {
            return Ok(None);
        }
        let changed = Changed::new(&self.touched, self.mappings_touched);
        let mut bundles = Vec::new();
        for key in std::mem::take(&mut self.touched) {
            let stage = self.tx.stage(&key.rest_api_id, &key.stage_name).await?;
            let bundle = match stage {
                Some(stage) => Some(load::bundle(&mut *self.tx, stage).await?),
                None => None,
            };
            bundles.push((key, bundle));
        }
        let base_path_mappings = match self.mappings_touched {
            true => Some(load::mappings(&mut *self.tx).await?),
            false => None,
        };
        let (shared, base) = (Arc::clone(&self.shared), Arc::clone(&self.base));
        // Encoding and compiling thousands of routes must not hold up other calls.
        let built = tokio::task::spawn_blocking(move || {
            let changes = Changes { bundles: build(&shared, &base, bundles)?, base_path_mappings };
            let next = base.with(changes);
            Ok((next.manifest.root_hash != base.manifest.root_hash).then_some((next, changed)))
        });
        built.await.map_err(|error| Error::internal("building a publication", error))?
    }
}

/// Encodes the bundles that may have changed, and compiles those that did.
pub(super) fn build(
    shared: &Shared,
    base: &Publication,
    bundles: Vec<(BundleKey, Option<Bundle>)>,
) -> Result<BTreeMap<BundleKey, Option<Built>>> {
    let mut changed = BTreeMap::new();
    for (key, bundle) in bundles {
        let Some(bundle) = bundle else {
            changed.insert(key, None);
            continue;
        };
        let (hash, bytes) = encode(&bundle)?;
        if base.bundle(&key).is_some_and(|old| old.hash == hash) {
            continue;
        }
        shared.compiles.fetch_add(1, Ordering::Relaxed);
        let table = Some(Arc::new(StageTable::compile(&bundle)?));
        changed.insert(key, Some(Built { hash, bytes, table }));
    }
    Ok(changed)
}
