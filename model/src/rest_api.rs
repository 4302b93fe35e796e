//! [`RestApi`]: the settings of one API.

use crate::id::{ResourceId, RestApiId, Revision};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How exactly the gateway follows the specification where that would damage bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fidelity {
    /// As the specification, except where it would damage bytes.
    #[default]
    Transparent,
    /// Byte for byte as the specification, the damage included.
    Aws,
}

/// Where an API key comes from (section h.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApiKeySource {
    /// The `x-api-key` header.
    #[default]
    Header,
    /// The authorizer's answer.
    Authorizer,
}

/// The settings of one API. Its resources and methods are objects of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestApi {
    /// Given by the store.
    pub id: RestApiId,
    /// 1 to [`crate::limits::NAME_CHARS_MAX`] characters; need not be unique.
    pub name: String,
    /// For people.
    pub description: String,
    /// The author's own label, for example `info.version` of a document.
    pub version: String,
    /// `type/subtype`, `type/*` or `*/*`, in the order given (section a.1).
    pub binary_media_types: Vec<String>,
    /// See [`Fidelity`].
    pub fidelity: Fidelity,
    /// Smallest response that is compressed, in bytes; `None` never compresses (section h.8).
    pub minimum_compression_size: Option<u32>,
    /// See [`ApiKeySource`].
    pub api_key_source: ApiKeySource,
    /// Whether the API is reachable through base path mappings only.
    pub disable_execute_api_endpoint: bool,
    /// The resource `/`.
    pub root_resource_id: ResourceId,
    /// For people and programs.
    pub tags: BTreeMap<String, String>,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// For optimistic locking.
    pub revision: Revision,
}
