//! The file of a backup: everything that is configured, whatever database it is in.
//!
//! Lines of JSON: one that says what this is, one for each object, and one that says how many there were and what their
//! SHA-256 is. A file without its last line is no backup, and neither is one that was changed. Written by `app`, read by
//! `app` and by the command line; nothing here does I/O.

mod read;
mod write;

pub use read::{Item, ReadError, Reader};
pub use write::{WriteError, Writer};

use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::limits::BUNDLE_BYTES_MAX;
use penstock_model::method::Method;
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;
use serde::{Deserialize, Serialize};

/// The format that this program writes, and the newest one that it reads.
pub const FORMAT: u32 = 1;
/// Longest line, in bytes: a snapshot whose bundle has its largest size, with room for JSON's escapes.
pub const LINE_BYTES_MAX: usize = 4 * BUNDLE_BYTES_MAX;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// [`FORMAT`] of the program that wrote it. Known before anything else is believed.
    pub penstock_backup: u32,
    /// Release of that program.
    pub program: String,
    /// When, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// The version that was published.
    pub version: u64,
    /// The root hash of that version, in hexadecimal.
    pub root_hash: String,
}

/// One object. They come in an order in which each refers to earlier ones only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Record {
    /// The settings of an API.
    RestApi(RestApi),
    /// A node of its path tree.
    Resource(Resource),
    /// A method on one.
    Method(Method),
    /// A deployment; the older one first.
    Deployment {
        /// What it is called.
        deployment: Deployment,
        /// What it deploys.
        snapshot: ApiDefinition,
    },
    /// A stage.
    Stage(Stage),
    /// A domain name.
    DomainName(DomainName),
    /// A base path of one.
    BasePathMapping(BasePathMapping),
}

/// How many objects of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// APIs.
    pub rest_apis: u64,
    /// Resources of all APIs.
    pub resources: u64,
    /// Methods of all APIs.
    pub methods: u64,
    /// Deployments of all APIs.
    pub deployments: u64,
    /// Stages of all APIs.
    pub stages: u64,
    /// Domain names.
    pub domain_names: u64,
    /// Base path mappings of all domains.
    pub base_path_mappings: u64,
}

impl Counts {
    /// One more.
    pub fn add(&mut self, record: &Record) {
        let count = match record {
            Record::RestApi(_) => &mut self.rest_apis,
            Record::Resource(_) => &mut self.resources,
            Record::Method(_) => &mut self.methods,
            Record::Deployment { .. } => &mut self.deployments,
            Record::Stage(_) => &mut self.stages,
            Record::DomainName(_) => &mut self.domain_names,
            Record::BasePathMapping(_) => &mut self.base_path_mappings,
        };
        *count += 1;
    }
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Last {
    end: End,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct End {
    /// Lines before this one.
    lines: u64,
    /// Of all bytes before this line, in hexadecimal.
    sha256: String,
}

/// How the last line begins, and no other.
const LAST_BEGINS: &[u8] = b"{\"end\":";
