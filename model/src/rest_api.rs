//! [`RestApi`]: the settings of one API.

use crate::gateway_response::CustomGatewayResponse;
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

/// Which elements of `Accept` decide whether a client takes bytes (section a.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AcceptPolicy {
    /// The first one, as the specification.
    #[default]
    First,
    /// Every one whose quality is not 0.
    All,
}

/// What a body without `Content-Type` counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MissingContentType {
    /// A request's as `application/json`, a response's as no binary type (sections a.1 and a.4).
    #[default]
    Json,
    /// As `application/octet-stream`.
    OctetStream,
    /// As what its first bytes look like.
    Sniff,
}

/// What the gateway does about digests of bodies (RFC 9530). Each level includes the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Integrity {
    /// Nothing: digest headers pass like any other.
    #[default]
    Off,
    /// An incoming `Content-Digest` or `Repr-Digest` is checked while the body streams. One that is wrong ends the
    /// exchange, and neither side can take the body for complete.
    Verify,
    /// Besides, answers carry a `Content-Digest`.
    Add,
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
    /// Media types that are compressed although the gateway leaves them alone by itself (section h.8).
    pub compression_media_types: Vec<String>,
    /// See [`AcceptPolicy`].
    pub accept_policy: AcceptPolicy,
    /// See [`MissingContentType`].
    pub missing_content_type: MissingContentType,
    /// See [`Integrity`].
    pub integrity: Integrity,
    /// By type, for example `DEFAULT_4XX` (section e.7).
    pub gateway_responses: BTreeMap<String, CustomGatewayResponse>,
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
