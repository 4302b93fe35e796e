//! What a deployment would mean for requests like those that came lately. Goes the way of a deployment up to the commit,
//! and does not commit.

use super::App;
use super::error::{Error, Result};
use crate::publication::Publication;
use penstock_model::bundle::BundleKey;
use penstock_model::deployment::CanarySettings;
use penstock_model::id::{RestApiId, Version};
use penstock_model::impact::{Comparison, Impact, RequestLine, impact};
use penstock_model::table::RoutingTable;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A deployment that is not to be made, and the requests to try it on.
#[derive(Clone, Debug)]
pub struct PreviewRequest {
    /// Of which API.
    pub rest_api_id: RestApiId,
    /// As the caller gave it.
    pub stage_name: Option<String>,
    /// Checked like that of a deployment.
    pub description: String,
    /// Of a stage that it would create.
    pub variables: BTreeMap<String, String>,
    /// Whether it would be for the canary of the stage. Then the requests meet the canary's side, all of them.
    pub canary: Option<CanarySettings>,
    /// Each with the number of requests that had it.
    pub lines: Vec<(RequestLine, u64)>,
}

/// What it would mean.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Of the configuration that it was compared with.
    pub version: Version,
    /// Methods in the snapshot.
    pub route_count: u32,
    /// The rest.
    pub impact: Impact,
}

impl App {
    /// Tells what a deployment would mean. Stores and publishes nothing.
    ///
    /// # Errors
    /// Why the deployment would be refused.
    pub async fn preview_deployment(&self, asked: PreviewRequest) -> Result<Preview> {
        let PreviewRequest { rest_api_id: api, stage_name, description, variables, canary, lines } = asked;
        let mut change = self.begin().await?;
        let named = stage_name.clone().filter(|name| !name.is_empty());
        let (deployment, canary_of) = match canary {
            Some(canary) => {
                let deployment = change.deploy_to_canary(&api, stage_name, &description, canary).await?;
                let key = named.map(|name| BundleKey { rest_api_id: api, stage_name: name.into() });
                (deployment, key)
            }
            None => {
                let stage_name = named.map(Into::into);
                (change.deploy_to_stage(&api, stage_name, &description, variables).await?, None)
            }
        };
        let (before, after) = change.foresee().await?;
        // Other changes need not wait while thousands of lines are looked up.
        let told = tokio::task::spawn_blocking(move || {
            let old = assembled(&before);
            let new = after.as_ref().map(assembled);
            let tables =
                Comparison { before: &old, after: new.as_ref().unwrap_or(&old), canary_of: canary_of.as_ref() };
            let impact = impact(tables, lines.iter().map(|(line, requests)| (line, *requests)));
            Preview { version: before.version, route_count: deployment.route_count, impact }
        });
        told.await.map_err(|error| Error::internal("previewing a deployment", error))
    }
}

fn assembled(publication: &Publication) -> RoutingTable {
    let (manifest, stages) = (&publication.manifest, publication.compiled.values().cloned().collect());
    RoutingTable::assemble(manifest.version, manifest.root_hash, stages, Arc::clone(&manifest.base_path_mappings))
}
