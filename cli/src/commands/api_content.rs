//! The settings of an API that decide what happens to bytes, as `penstock api create` and `update` take them.

use clap::{Args, ValueEnum};
use penstock_proto::management::v1 as pb;
use penstock_proto::management::v1::rest_api;

/// Which elements of `Accept` decide whether a client takes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AcceptPolicy {
    /// The first one, as AWS
    First,
    /// Every one whose quality is not 0
    All,
}

/// What a body without `Content-Type` counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MissingContentType {
    /// A request's as application/json, an answer's as no binary type, as AWS
    Json,
    /// As application/octet-stream
    OctetStream,
    /// As what its first bytes look like
    Sniff,
}

/// What the gateway does about digests of bodies (RFC 9530).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Integrity {
    /// Nothing
    Off,
    /// Check incoming digests while bodies stream; a wrong one ends the exchange
    Verify,
    /// Besides, add digests to answers
    Add,
}

/// The settings that decide what happens to bytes.
#[derive(Debug, Args)]
pub(crate) struct ContentSettings {
    /// Media type to compress although it is left alone by itself; repeat for more. Replaces the whole list
    #[arg(long = "compression-media-type", value_name = "TYPE")]
    compression_media_types: Option<Vec<String>>,
    /// Which elements of Accept decide whether a client takes bytes
    #[arg(long, value_enum)]
    accept_policy: Option<AcceptPolicy>,
    /// What a body without Content-Type counts as
    #[arg(long, value_enum)]
    missing_content_type: Option<MissingContentType>,
    /// What is done about digests of bodies
    #[arg(long, value_enum)]
    integrity: Option<Integrity>,
}

impl ContentSettings {
    /// Puts into `api` what the user said, and names the fields that were set.
    pub(crate) fn apply(self, api: &mut pb::RestApi) -> Vec<&'static str> {
        let mut paths = Vec::new();
        if let Some(types) = self.compression_media_types {
            api.compression_media_types = types;
            paths.push("compression_media_types");
        }
        if let Some(policy) = self.accept_policy {
            api.set_accept_policy(match policy {
                AcceptPolicy::First => rest_api::AcceptPolicy::First,
                AcceptPolicy::All => rest_api::AcceptPolicy::All,
            });
            paths.push("accept_policy");
        }
        if let Some(missing) = self.missing_content_type {
            api.set_missing_content_type(match missing {
                MissingContentType::Json => rest_api::MissingContentType::Json,
                MissingContentType::OctetStream => rest_api::MissingContentType::OctetStream,
                MissingContentType::Sniff => rest_api::MissingContentType::Sniff,
            });
            paths.push("missing_content_type");
        }
        if let Some(integrity) = self.integrity {
            api.set_integrity(match integrity {
                Integrity::Off => rest_api::Integrity::Off,
                Integrity::Verify => rest_api::Integrity::Verify,
                Integrity::Add => rest_api::Integrity::Add,
            });
            paths.push("integrity");
        }
        paths
    }
}
