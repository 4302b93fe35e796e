//! [`Deployment`], an immutable snapshot of an API, and [`Stage`], the name under which one serves.

use crate::id::{DeploymentId, RestApiId, Revision, StageName};
use crate::number::Number;
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
    /// Where a part of the requests goes instead; `None`: nowhere (section h.2).
    pub canary_settings: Option<CanarySettings>,
    /// By `{resource path}/{METHOD}`, or `*/*` for all (section h.1). Kept for the features that read them.
    pub method_settings: BTreeMap<String, MethodSetting>,
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

/// A part of a stage's requests, with another deployment or other variables (section h.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanarySettings {
    /// 0 to 100: how many of a hundred requests go there, drawn for each request.
    pub percent_traffic: Number,
    /// What they meet.
    pub deployment_id: DeploymentId,
    /// Laid over the stage's variables; may add names.
    pub stage_variable_overrides: BTreeMap<String, String>,
    /// Whether they share the stage's cache. Kept for the feature that reads it.
    pub use_stage_cache: bool,
}

impl CanarySettings {
    /// The variables that a canary's requests meet: the stage's, with the overrides on top.
    pub fn overlay(&self, stage_variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut variables = stage_variables.clone();
        variables.extend(self.stage_variable_overrides.clone());
        variables
    }
}

/// Settings of the methods that a key selects (section h.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MethodSetting {
    /// `metrics/enabled`
    pub metrics_enabled: bool,
    /// `logging/loglevel`: `OFF`, `ERROR` or `INFO`.
    pub logging_level: String,
    /// `logging/dataTrace`
    pub data_trace_enabled: bool,
    /// `throttling/burstLimit`, in requests.
    pub throttling_burst_limit: i32,
    /// `throttling/rateLimit`, in requests per second.
    pub throttling_rate_limit: Number,
    /// `caching/enabled`
    pub caching_enabled: bool,
    /// `caching/ttlInSeconds`
    pub cache_ttl_in_seconds: i32,
    /// `caching/dataEncrypted`
    pub cache_data_encrypted: bool,
    /// `caching/requireAuthorizationForCacheControl`
    pub require_authorization_for_cache_control: bool,
    /// `caching/unauthorizedCacheControlHeaderStrategy`
    pub unauthorized_cache_control_header_strategy: String,
}

impl Default for MethodSetting {
    /// What an entry has when it is first touched (section h.1).
    fn default() -> Self {
        Self {
            metrics_enabled: false,
            logging_level: "OFF".to_owned(),
            data_trace_enabled: false,
            throttling_burst_limit: 5_000,
            throttling_rate_limit: Number::new(10_000.0).expect("it is finite"),
            caching_enabled: false,
            cache_ttl_in_seconds: 300,
            cache_data_encrypted: false,
            require_authorization_for_cache_control: true,
            unauthorized_cache_control_header_strategy: "SUCCEED_WITH_RESPONSE_HEADER".to_owned(),
        }
    }
}
