//! Deployment, Stage.

use super::{ConvertError, Reader, error, millis, revision, timestamp};
use crate::management::v1 as wire;
use penstock_model::deployment::{CanarySettings, Deployment, MethodSetting, Stage};
use penstock_model::number::Number;
use penstock_model::violation::Violations;
use std::collections::BTreeMap;

/// Deployments do not change, so this is the only revision that one ever has.
const DEPLOYMENT_REVISION: i64 = 1;

impl TryFrom<wire::Deployment> for Deployment {
    type Error = Violations;

    fn try_from(deployment: wire::Deployment) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let route_count =
            u32::try_from(deployment.route_count).map_err(|_| error("routeCount", "must not be negative"));
        let converted = Self {
            id: deployment.id.into(),
            rest_api_id: deployment.rest_api_id.into(),
            description: deployment.description,
            created_at_ms: read.take(millis("createdDate", deployment.created_date)).unwrap_or_default(),
            route_count: read.take(route_count).unwrap_or_default(),
            automatic: deployment.automatic,
        };
        read.finish(converted)
    }
}

impl From<Deployment> for wire::Deployment {
    fn from(deployment: Deployment) -> Self {
        Self {
            id: deployment.id.to_string(),
            rest_api_id: deployment.rest_api_id.to_string(),
            description: deployment.description,
            created_date: timestamp(deployment.created_at_ms),
            // The model's bound on resources keeps this far below i32::MAX.
            route_count: i32::try_from(deployment.route_count).unwrap_or(i32::MAX),
            automatic: deployment.automatic,
            revision: DEPLOYMENT_REVISION,
            rollout: None,
        }
    }
}

/// Reads a number with a fraction.
///
/// # Errors
/// It is infinite, or none.
pub fn number(field: &str, value: f64) -> Result<Number, ConvertError> {
    Number::new(value).ok_or_else(|| error(field, "must be a finite number"))
}

impl TryFrom<wire::CanarySettings> for CanarySettings {
    type Error = Violations;

    fn try_from(canary: wire::CanarySettings) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let converted = Self {
            percent_traffic: read.take(number("percentTraffic", canary.percent_traffic)).unwrap_or_default(),
            deployment_id: canary.deployment_id.into(),
            stage_variable_overrides: canary.stage_variable_overrides,
            use_stage_cache: canary.use_stage_cache,
        };
        read.finish(converted)
    }
}

impl From<CanarySettings> for wire::CanarySettings {
    fn from(canary: CanarySettings) -> Self {
        Self {
            percent_traffic: canary.percent_traffic.get(),
            deployment_id: canary.deployment_id.to_string(),
            stage_variable_overrides: canary.stage_variable_overrides,
            use_stage_cache: canary.use_stage_cache,
        }
    }
}

impl TryFrom<wire::MethodSetting> for MethodSetting {
    type Error = Violations;

    fn try_from(setting: wire::MethodSetting) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let default = Self::default();
        let or = |text: String, default: String| if text.is_empty() { default } else { text };
        let rate = setting.throttling_rate_limit.and_then(|rate| read.take(number("throttlingRateLimit", rate)));
        let converted = Self {
            metrics_enabled: setting.metrics_enabled,
            logging_level: or(setting.logging_level, default.logging_level),
            data_trace_enabled: setting.data_trace_enabled,
            throttling_burst_limit: setting.throttling_burst_limit.unwrap_or(default.throttling_burst_limit),
            throttling_rate_limit: rate.unwrap_or(default.throttling_rate_limit),
            caching_enabled: setting.caching_enabled,
            cache_ttl_in_seconds: setting.cache_ttl_in_seconds.unwrap_or(default.cache_ttl_in_seconds),
            cache_data_encrypted: setting.cache_data_encrypted,
            require_authorization_for_cache_control: setting
                .require_authorization_for_cache_control
                .unwrap_or(default.require_authorization_for_cache_control),
            unauthorized_cache_control_header_strategy: or(
                setting.unauthorized_cache_control_header_strategy,
                default.unauthorized_cache_control_header_strategy,
            ),
        };
        read.finish(converted)
    }
}

impl From<MethodSetting> for wire::MethodSetting {
    fn from(setting: MethodSetting) -> Self {
        Self {
            metrics_enabled: setting.metrics_enabled,
            logging_level: setting.logging_level,
            data_trace_enabled: setting.data_trace_enabled,
            throttling_burst_limit: Some(setting.throttling_burst_limit),
            throttling_rate_limit: Some(setting.throttling_rate_limit.get()),
            caching_enabled: setting.caching_enabled,
            cache_ttl_in_seconds: Some(setting.cache_ttl_in_seconds),
            cache_data_encrypted: setting.cache_data_encrypted,
            require_authorization_for_cache_control: Some(setting.require_authorization_for_cache_control),
            unauthorized_cache_control_header_strategy: setting.unauthorized_cache_control_header_strategy,
        }
    }
}

impl TryFrom<wire::Stage> for Stage {
    type Error = Violations;

    fn try_from(stage: wire::Stage) -> Result<Self, Violations> {
        let mut read = Reader::default();
        let canary = stage.canary_settings.and_then(|canary| read.below("canarySettings", canary.try_into()));
        let mut method_settings = BTreeMap::new();
        for (key, setting) in stage.method_settings {
            if let Some(setting) = read.below(&format!("methodSettings[{key}]"), setting.try_into()) {
                method_settings.insert(key, setting);
            }
        }
        let converted = Self {
            canary_settings: canary,
            method_settings,
            rest_api_id: stage.rest_api_id.into(),
            stage_name: stage.stage_name.into(),
            deployment_id: stage.deployment_id.into(),
            description: stage.description,
            variables: stage.variables,
            auto_deploy: stage.auto_deploy,
            tags: stage.tags,
            created_at_ms: read.take(millis("createdDate", stage.created_date)).unwrap_or_default(),
            last_updated_at_ms: read.take(millis("lastUpdatedDate", stage.last_updated_date)).unwrap_or_default(),
            revision: read.take(revision(stage.revision)).unwrap_or_default(),
        };
        read.finish(converted)
    }
}

impl From<Stage> for wire::Stage {
    fn from(stage: Stage) -> Self {
        Self {
            rest_api_id: stage.rest_api_id.to_string(),
            stage_name: stage.stage_name.to_string(),
            deployment_id: stage.deployment_id.to_string(),
            description: stage.description,
            variables: stage.variables,
            auto_deploy: stage.auto_deploy,
            created_date: timestamp(stage.created_at_ms),
            last_updated_date: timestamp(stage.last_updated_at_ms),
            tags: stage.tags,
            canary_settings: stage.canary_settings.map(Into::into),
            method_settings: stage.method_settings.into_iter().map(|(key, setting)| (key, setting.into())).collect(),
            revision: stage.revision.0,
            rollout: None,
        }
    }
}
