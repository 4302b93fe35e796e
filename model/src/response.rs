//! [`MethodResponse`] and [`IntegrationResponse`]: stored and validated; proxy integrations do not use them (section f).

use crate::id::Revision;
use crate::integration::ContentHandling;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a method promises for one status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MethodResponse {
    /// Three digits.
    pub status_code: String,
    /// `method.response.header.{name}` to whether it is required.
    pub response_parameters: BTreeMap<String, bool>,
    /// Media type to model name.
    pub response_models: BTreeMap<String, String>,
    /// For optimistic locking.
    pub revision: Revision,
}

/// How an upstream's answer becomes a method response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IntegrationResponse {
    /// Three digits.
    pub status_code: String,
    /// Regular expression over the upstream's status or error; empty: the default entry (section f).
    pub selection_pattern: String,
    /// `method.response.header.{name}` to its source.
    pub response_parameters: BTreeMap<String, String>,
    /// Media type to template.
    pub response_templates: BTreeMap<String, String>,
    /// Of the response; `None` is unset.
    pub content_handling: Option<ContentHandling>,
    /// For optimistic locking.
    pub revision: Revision,
}
