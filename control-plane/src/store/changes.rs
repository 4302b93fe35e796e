//! [`Changed`]: what a version serves otherwise than the one before it.
//!
//! Written beside each version, so that the other processes on one database load that and not everything.

use penstock_model::bundle::BundleKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Versions whose changes are kept. Who is further behind loads everything.
pub(super) const KEPT_MAX: u32 = 1_000;
/// Older ones are deleted once in so many versions.
pub(super) const PRUNED_EVERY: i64 = 50;

/// What a version, or a row of them, changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Changed {
    /// API and stage of the bundles that came, changed or went.
    stages: BTreeSet<(String, String)>,
    /// Whether any base path mapping did.
    base_path_mappings: bool,
}

impl Changed {
    /// These stages, and perhaps the mappings.
    pub fn new<'a>(stages: impl IntoIterator<Item = &'a BundleKey>, base_path_mappings: bool) -> Self {
        let names = |key: &BundleKey| (key.rest_api_id.to_string(), key.stage_name.to_string());
        Self { stages: stages.into_iter().map(names).collect(), base_path_mappings }
    }

    /// The stages.
    pub fn stages(&self) -> impl Iterator<Item = BundleKey> {
        self.stages
            .iter()
            .map(|(api, stage)| BundleKey { rest_api_id: api.as_str().into(), stage_name: stage.as_str().into() })
    }

    /// Whether the mappings are among it.
    pub fn has_base_path_mappings(&self) -> bool {
        self.base_path_mappings
    }

    /// Both together.
    pub(super) fn add(&mut self, more: Self) {
        self.stages.extend(more.stages);
        self.base_path_mappings |= more.base_path_mappings;
    }
}
