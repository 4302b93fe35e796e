//! [`Deployment`], an immutable snapshot of an API, and [`Stage`], the name under which one serves.

use crate::id::{DeploymentId, RestApiId, Revision, StageName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An immutable snapshot of one API. The snapshot itself is an [`crate::definition::ApiDefinition`] kept beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// Given by the store.
    pub id: DeploymentId,
    /// The API that it belongs to.
    pub rest_api_id: RestApiId,
    /// For people.
    pub description: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Methods in the snapshot.
    pub route_count: u32,
    /// Made by a stage with `auto_deploy`.
    pub automatic: bool,
}

/// A name under which one deployment serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stage {
    /// The API that it belongs to.
    pub rest_api_id: RestApiId,
    /// Its name, the first segment of `execute-api` paths.
    pub stage_name: StageName,
    /// What it serves.
    pub deployment_id: DeploymentId,
    /// For people.
    pub description: String,
    /// Stand in integrations as `${stageVariables.name}`.
    pub variables: BTreeMap<String, String>,
    /// Whether every accepted change of the API is deployed here at once.
    pub auto_deploy: bool,
    /// For people and programs.
    pub tags: BTreeMap<String, String>,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it last changed, in milliseconds since 1970.
    pub last_updated_at_ms: i64,
    /// For optimistic locking.
    pub revision: Revision,
}
