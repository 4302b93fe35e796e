//! [`DomainName`] and [`BasePathMapping`]: which API and stage a host and base path reach.

use crate::id::{RestApiId, Revision, StageName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The domain that catches every host which no other domain names.
pub const CATCH_ALL: &str = "*";

/// A host name that clients use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DomainName {
    /// In lower case, without a port; or [`CATCH_ALL`].
    pub domain_name: String,
    /// For people and programs.
    pub tags: BTreeMap<String, String>,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// For optimistic locking.
    pub revision: Revision,
}

/// A base path of a domain, and what it reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BasePathMapping {
    /// The domain.
    pub domain_name: String,
    /// Segments without leading or trailing slash; empty is the root.
    pub base_path: String,
    /// What it reaches.
    pub rest_api_id: RestApiId,
    /// `None`: the first segment behind the base path names the stage.
    pub stage: Option<StageName>,
    /// For optimistic locking.
    pub revision: Revision,
}

impl BasePathMapping {
    /// Domain and base path: there is one mapping for each, and manifests list them in this order.
    pub fn place(&self) -> (&str, &str) {
        (&self.domain_name, &self.base_path)
    }
}
