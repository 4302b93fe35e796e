//! Making a publication out of what the store holds: at the start, and when another writer was faster.

use super::error::{Error, Result};
use crate::publication::{Built, Changes, Publication, encode};
use crate::store::{Reads, Store};
use penstock_model::bundle::Bundle;
use penstock_model::deployment::Stage;
use penstock_model::domain::BasePathMapping;
use penstock_model::table::StageTable;
use std::sync::Arc;

/// Rows read at once.
const PAGE: u32 = 500;

/// Everything that is deployed, as the publication with the stored version.
///
/// When this program encodes it in another way than the one that published it, or nothing was ever published, the
/// version is counted up: one version never names two contents.
pub(super) async fn recover(store: &dyn Store) -> Result<Publication> {
    let mut writes = store.begin().await?;
    let publication = everything(&mut *writes).await?;
    let root_hash = publication.manifest.root_hash;
    if writes.published().await?.root_hash == Some(root_hash) {
        return Ok(publication);
    }
    let version = writes.publish(root_hash).await?;
    writes.commit().await?;
    Ok(publication.numbered(version))
}

/// Everything that is deployed, with the stored version.
pub(super) async fn everything<R: Reads + ?Sized>(reads: &mut R) -> Result<Publication> {
    let mut changes = Changes { base_path_mappings: Some(mappings(reads).await?), ..Changes::default() };
    let mut after = (String::new(), String::new());
    loop {
        let stages = reads.stages((&after.0, &after.1), PAGE).await?;
        let Some(last) = stages.last() else { break };
        after = (last.rest_api_id.to_string(), last.stage_name.to_string());
        for stage in stages {
            let bundle = bundle(reads, stage).await?;
            changes.bundles.insert(bundle.key(), Some(build(&bundle)?));
        }
    }
    let version = reads.published().await?.version;
    Ok(Publication::default().with(changes).numbered(version))
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

fn build(bundle: &Bundle) -> Result<Built> {
    let (hash, bytes) = encode(bundle)?;
    // What an older program accepted is published as it is: nodes that already serve it go on serving it.
    let table = StageTable::compile(bundle)
        .inspect_err(|violations| {
            let key = bundle.key();
            tracing::error!(api = %key.rest_api_id, stage = %key.stage_name, %violations, "stage does not compile");
        })
        .ok()
        .map(Arc::new);
    Ok(Built { hash, bytes, table })
}
