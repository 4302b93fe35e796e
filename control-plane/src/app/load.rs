//! Making a publication out of what the store holds: at the start, and when another writer was faster.

use super::Shared;
use super::error::{Error, Result};
use crate::publication::{Built, Changes, Publication, encode};
use crate::store::{Changed, Reads};
use penstock_model::bundle::{Bundle, BundleKey};
use penstock_model::deployment::Stage;
use penstock_model::domain::BasePathMapping;
use penstock_model::table::StageTable;
use penstock_model::violation::Violations;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Rows read at once.
const PAGE: u32 = 500;

/// How what is stored stands to what this process published last.
pub(super) enum Standing {
    /// This is stored, and it is published now.
    Newest(Arc<Publication>),
    /// The store holds an older version, or another content under the same one: a backup was put in its place, or a
    /// standby took over that had not heard everything. See [`Shared::settle`].
    WentBack,
}

impl Shared {
    /// Publishes what the store holds, for the first time in this process.
    ///
    /// It is only read, as long as this program makes of it what is published already: others on the same database are
    /// not held up by a start.
    pub(super) async fn start(&self) -> Result<()> {
        let mut reads = self.store.read().await?;
        let stored = reads.published().await?;
        let publication = self.everything(&mut *reads, &self.publisher.newest()).await?;
        drop(reads);
        if stored.root_hash != Some(publication.manifest.root_hash) {
            return self.settle().await;
        }
        self.publisher.publish(Arc::new(publication.numbered(stored.version)));
        Ok(())
    }

    /// Everything that is deployed, published under a version that no other content had.
    ///
    /// That is the stored version, unless this process has published as new a one, or nothing was ever published, or
    /// this program encodes it in another way than the one that published it.
    pub(super) async fn settle(&self) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let newest = self.publisher.newest();
        let stored = tx.published().await?;
        let publication = self.everything(&mut *tx, &newest).await?;
        let root_hash = publication.manifest.root_hash;
        if stored.root_hash == Some(root_hash) && stored.version > newest.version {
            self.publisher.publish_alone(Arc::new(publication.numbered(stored.version)));
            return Ok(());
        }
        let version = tx.publish(root_hash, newest.version, None).await?;
        tx.commit().await?;
        self.publisher.publish_alone(Arc::new(publication.numbered(version)));
        Ok(())
    }

    /// Publishes what is stored if another process has published it, loading only what differs.
    pub(super) async fn catch_up<R: Reads + ?Sized>(&self, reads: &mut R) -> Result<Standing> {
        let newest = self.publisher.newest();
        let stored = reads.published().await?;
        let is_known = stored.root_hash == Some(newest.manifest.root_hash);
        if stored.version == newest.version && is_known {
            return Ok(Standing::Newest(newest));
        }
        if stored.version <= newest.version {
            return Ok(Standing::WentBack);
        }
        let strange = || {
            Error::FailedPrecondition(format!(
                "version {} was published by another release of the control plane, and this one would publish it \
                 otherwise: write through that one, or bring all to the same release",
                stored.version
            ))
        };
        if *self.strange.lock().await == Some(stored) {
            return Err(strange());
        }
        let fits = |next: &Publication| Some(next.manifest.root_hash) == stored.root_hash;
        let next = match reads.changes_since(newest.version).await? {
            Some(changed) => Some(self.changed(reads, &newest, &changed).await?).filter(fits),
            None => None,
        };
        let next = match next {
            Some(next) => next,
            None => self.everything(reads, &newest).await?,
        };
        if !fits(&next) {
            *self.strange.lock().await = Some(stored);
            return Err(strange());
        }
        let next = Arc::new(next.numbered(stored.version));
        self.publisher.publish(Arc::clone(&next));
        Ok(Standing::Newest(next))
    }

    /// Everything that is deployed, without a version.
    pub(super) async fn everything<R: Reads + ?Sized>(
        &self,
        reads: &mut R,
        base: &Arc<Publication>,
    ) -> Result<Publication> {
        let mut bundles = BTreeMap::new();
        let mut after = (String::new(), String::new());
        loop {
            let stages = reads.stages((&after.0, &after.1), PAGE).await?;
            let Some(last) = stages.last() else { break };
            after = (last.rest_api_id.to_string(), last.stage_name.to_string());
            for stage in stages {
                let bundle = bundle(reads, stage).await?;
                bundles.insert(bundle.key(), Some(self.build(base, bundle).await?));
            }
        }
        let base_path_mappings = Some(mappings(reads).await?);
        Ok(Publication::default().with(Changes { bundles, base_path_mappings }))
    }

    /// What `base` becomes by what others changed.
    async fn changed<R: Reads + ?Sized>(
        &self,
        reads: &mut R,
        base: &Arc<Publication>,
        changed: &Changed,
    ) -> Result<Publication> {
        let mut bundles = BTreeMap::new();
        for key in changed.stages() {
            let built = match reads.stage(&key.rest_api_id, &key.stage_name).await? {
                Some(stage) => {
                    let bundle = bundle(reads, stage).await?;
                    Some(self.build(base, bundle).await?)
                }
                None => None,
            };
            bundles.insert(key, built);
        }
        let base_path_mappings = match changed.has_base_path_mappings() {
            true => Some(mappings(reads).await?),
            false => None,
        };
        Ok(base.with(Changes { bundles, base_path_mappings }))
    }

    /// Encodes a bundle, and compiles it unless `base` has the same one.
    async fn build(&self, base: &Arc<Publication>, bundle: Bundle) -> Result<Built> {
        let base = Arc::clone(base);
        // Thousands of routes must not hold up other calls.
        let built = tokio::task::spawn_blocking(move || {
            let (hash, bytes) = encode(&bundle)?;
            let key = bundle.key();
            if let Some(table) =
                base.compiled.get(&key).filter(|_| base.bundle(&key).is_some_and(|old| old.hash == hash))
            {
                let bytes = base.bundles.get(&hash).cloned().unwrap_or(bytes);
                return Ok::<_, Violations>((Built { hash, bytes, table: Some(Arc::clone(table)) }, false));
            }
            Ok((Built { hash, bytes, table: compile(&bundle, &key) }, true))
        });
        let (built, is_compiled) = built.await.map_err(|error| Error::internal("building a bundle", error))??;
        self.compiles.fetch_add(is_compiled.into(), Ordering::Relaxed);
        Ok(built)
    }
}

/// What an older program accepted is published as it is: nodes that already serve it go on serving it.
fn compile(bundle: &Bundle, key: &BundleKey) -> Option<Arc<StageTable>> {
    StageTable::compile(bundle)
        .inspect_err(|violations| {
            tracing::error!(api = %key.rest_api_id, stage = %key.stage_name, %violations, "stage does not compile");
        })
        .ok()
        .map(Arc::new)
}

/// What a stage and its canary serve.
pub(super) async fn bundle<R: Reads + ?Sized>(reads: &mut R, stage: Stage) -> Result<Bundle> {
    let missing = || Error::internal("loading a stage", "its deployment is missing");
    let api = stage.rest_api_id.clone();
    let snapshot = reads.snapshot(&api, &stage.deployment_id).await?.ok_or_else(missing)?;
    let other = stage.canary_settings.as_ref().map(|canary| &canary.deployment_id);
    let Some(other) = other.filter(|id| **id != stage.deployment_id).cloned() else {
        return Ok(Bundle::new(snapshot, stage));
    };
    let canary = reads.snapshot(&api, &other).await?.ok_or_else(missing)?;
    Ok(Bundle::new(snapshot, stage).with_canary(canary))
}

/// Every mapping, as manifests carry them.
pub(super) async fn mappings<R: Reads + ?Sized>(reads: &mut R) -> Result<Vec<BasePathMapping>> {
    let mut all = Vec::new();
    let mut after = (String::new(), String::new());
    loop {
        let page = reads.base_path_mappings((&after.0, &after.1), PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = (last.domain_name.clone(), last.base_path.clone());
        all.extend(page.into_iter().map(|mapping| BasePathMapping { revision: Default::default(), ..mapping }));
    }
}
