//! Where configuration is kept, as the app layer sees it: three traits that name no database.
//!
//! A [`Store`] hands out sessions: [`Reads`] see one consistent state and never wait for a writer; a [`Writes`] session
//! is one transaction, and there is one at a time, over all processes on one database. Nothing here knows a rule: what
//! may be written is decided above, and the only refusals from below are a taken key, a stale revision and a broken
//! reference.
//!
//! Both traits are implemented once, by `session`. A database only opens, runs statements, and translates its errors.

mod changes;
mod error;
mod migrations;
pub mod postgres;
mod rows;
mod session;
mod sql;
pub mod sqlite;

pub use changes::Changed;
pub use error::{Cause, StoreError};

use async_trait::async_trait;
use penstock_model::bundle::Hash;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::{DeploymentId, ResourceId, RestApiId, StageName, Version};
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;

/// The result of everything here.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What was published last, as the database remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// 0: nothing yet.
    pub version: Version,
    /// Of the manifest that has this version; `None`: nothing yet.
    pub root_hash: Option<Hash>,
}

/// Something of which there may only be so many.
#[derive(Clone, Copy, Debug)]
pub enum Counted<'a> {
    /// All APIs.
    RestApis,
    /// All stages of all APIs.
    Stages,
    /// All domain names.
    DomainNames,
    /// All mappings of all domains.
    BasePathMappings,
    /// Deployments of one API that were asked for.
    Deployments(&'a RestApiId),
}

/// One entry of the audit log, as it is kept. What its body means is decided above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Grows with every entry. Given by the store.
    pub number: i64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Who made the change.
    pub caller: String,
    /// The API that was changed; empty if none was.
    pub rest_api_id: String,
    /// JSON.
    pub body: String,
}

/// Which entries of the audit log to read.
#[derive(Clone, Copy, Debug)]
pub struct AuditQuery<'a> {
    /// Of this API; empty: of any.
    pub rest_api_id: &'a str,
    /// Of this caller; empty: of any.
    pub caller: &'a str,
    /// Not before, in milliseconds since 1970.
    pub since_ms: i64,
    /// Before, in milliseconds since 1970.
    pub until_ms: i64,
    /// Only those numbered below.
    pub before: i64,
    /// Most entries.
    pub limit: u32,
}

/// Why it is worth looking whether another process has published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// It said that it published this version.
    Told(Version),
    /// What was said until now may have been missed.
    Listening,
    /// Nobody said anything for a while.
    Due,
}

/// Hears of what other processes publish in the same database.
#[async_trait]
pub trait Watch: Send {
    /// Waits for a reason to look.
    async fn next(&mut self) -> Hint;

    /// Says that there was something to see when nobody had said so: what listens may be deaf.
    fn missed(&mut self);
}

/// A place to keep configuration.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Begins to read. What the session sees does not change under it.
    async fn read(&self) -> Result<Box<dyn Reads>>;

    /// Begins the one write transaction; dropped without a commit it leaves nothing behind.
    async fn begin(&self) -> Result<Box<dyn Writes>>;

    /// Hears of other processes; `None` where there can be none.
    fn watch(&self) -> Option<Box<dyn Watch>>;

    /// Ends all sessions and lets go of the data.
    async fn close(&self);
}

/// Reading. Lists are ordered by their key, begin behind `after`, and end after `limit` objects.
#[async_trait]
pub trait Reads: Send {
    /// What was published last.
    async fn published(&mut self) -> Result<Published>;
    /// What was published behind a version; `None` if that is not known (any more).
    async fn changes_since(&mut self, known: Version) -> Result<Option<Changed>>;
    /// How many there are.
    async fn count(&mut self, what: Counted<'_>) -> Result<u64>;

    /// One API.
    async fn rest_api(&mut self, id: &RestApiId) -> Result<Option<RestApi>>;
    /// APIs by id; with `name`, only those of exactly this name.
    async fn rest_apis(&mut self, name: Option<&str>, after: &str, limit: u32) -> Result<Vec<RestApi>>;
    /// One API with all of its resources and methods.
    async fn definition(&mut self, id: &RestApiId) -> Result<Option<ApiDefinition>>;

    /// One resource.
    async fn resource(&mut self, api: &RestApiId, id: &ResourceId) -> Result<Option<Resource>>;
    /// Resources of an API by id.
    async fn resources(&mut self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Resource>>;

    /// One method.
    async fn method(&mut self, api: &RestApiId, resource: &ResourceId, verb: Verb) -> Result<Option<Method>>;
    /// Methods of an API by resource id and verb's text.
    async fn methods(&mut self, api: &RestApiId, after: (&str, &str), limit: u32) -> Result<Vec<Method>>;
    /// Methods of one resource by verb's text.
    async fn methods_of_resource(
        &mut self,
        api: &RestApiId,
        resource: &ResourceId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Method>>;

    /// One deployment.
    async fn deployment(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<Option<Deployment>>;
    /// Deployments of an API with their numbers, the newest first, only those numbered below `before`.
    async fn deployments(&mut self, api: &RestApiId, before: i64, limit: u32) -> Result<Vec<(i64, Deployment)>>;
    /// What a deployment deploys.
    async fn snapshot(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<Option<ApiDefinition>>;
    /// Automatic deployments of an API that no stage and no canary uses, the newest first.
    async fn spare_deployments(&mut self, api: &RestApiId) -> Result<Vec<DeploymentId>>;

    /// One stage.
    async fn stage(&mut self, api: &RestApiId, name: &StageName) -> Result<Option<Stage>>;
    /// Stages of all APIs by API id and name.
    async fn stages(&mut self, after: (&str, &str), limit: u32) -> Result<Vec<Stage>>;
    /// Stages of one API by name.
    async fn stages_of_api(&mut self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Stage>>;

    /// One domain name.
    async fn domain_name(&mut self, domain: &str) -> Result<Option<DomainName>>;
    /// Domain names in their order.
    async fn domain_names(&mut self, after: &str, limit: u32) -> Result<Vec<DomainName>>;

    /// One mapping.
    async fn base_path_mapping(&mut self, domain: &str, base_path: &str) -> Result<Option<BasePathMapping>>;
    /// Mappings of all domains by domain and base path.
    async fn base_path_mappings(&mut self, after: (&str, &str), limit: u32) -> Result<Vec<BasePathMapping>>;
    /// Mappings of one domain by base path; `None` begins with the root.
    async fn base_path_mappings_of_domain(
        &mut self,
        domain: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<BasePathMapping>>;
    /// Every mapping that points at an API.
    async fn base_path_mappings_of_api(&mut self, api: &RestApiId) -> Result<Vec<BasePathMapping>>;

    /// Entries of the audit log, the newest first.
    async fn audit(&mut self, query: &AuditQuery<'_>) -> Result<Vec<AuditRow>>;
}

/// Writing. An insert fails with [`StoreError::Taken`] when the key is there; an update replaces exactly the revision
/// before the object's own, and fails with [`StoreError::Stale`] when there is no such row. After any other error the
/// session is good for nothing but being dropped.
#[async_trait]
pub trait Writes: Reads {
    /// Makes everything durable and visible. Only after this has answered has anything happened.
    async fn commit(self: Box<Self>) -> Result<()>;
    /// Adds an entry to the audit log, as the newest.
    async fn insert_audit_row(&mut self, row: &AuditRow) -> Result<()>;
    /// Removes all but so many of the newest entries of the audit log.
    async fn trim_audit(&mut self, keep: u32) -> Result<()>;
    /// Counts the version up, to more than it was and more than `above`, and remembers the root hash that it has and
    /// what it `changed`; `None`: perhaps everything.
    async fn publish(&mut self, root_hash: Hash, above: Version, changed: Option<&Changed>) -> Result<Version>;

    /// Adds an API, without resources.
    async fn insert_rest_api(&mut self, api: &RestApi) -> Result<()>;
    /// Replaces an API's settings.
    async fn update_rest_api(&mut self, api: &RestApi) -> Result<()>;
    /// Deletes an API with everything below it. Mappings that point at it break the reference.
    async fn delete_rest_api(&mut self, id: &RestApiId) -> Result<()>;

    /// Adds a resource.
    async fn insert_resource(&mut self, resource: &Resource) -> Result<()>;
    /// Replaces a resource.
    async fn update_resource(&mut self, resource: &Resource) -> Result<()>;
    /// Deletes a resource and its methods.
    async fn delete_resource(&mut self, api: &RestApiId, id: &ResourceId) -> Result<()>;

    /// Adds a method.
    async fn insert_method(&mut self, method: &Method) -> Result<()>;
    /// Replaces a method.
    async fn update_method(&mut self, method: &Method) -> Result<()>;
    /// Deletes a method.
    async fn delete_method(&mut self, api: &RestApiId, resource: &ResourceId, verb: Verb) -> Result<()>;

    /// Adds a deployment with its snapshot, as the newest of its API.
    async fn insert_deployment(&mut self, deployment: &Deployment, snapshot: &ApiDefinition) -> Result<()>;
    /// Deletes a deployment. Stages and canaries that point at it break the reference.
    async fn delete_deployment(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<()>;

    /// Adds a stage.
    async fn insert_stage(&mut self, stage: &Stage) -> Result<()>;
    /// Replaces a stage.
    async fn update_stage(&mut self, stage: &Stage) -> Result<()>;
    /// Deletes a stage.
    async fn delete_stage(&mut self, api: &RestApiId, name: &StageName) -> Result<()>;

    /// Adds a domain name.
    async fn insert_domain_name(&mut self, domain: &DomainName) -> Result<()>;
    /// Replaces a domain name.
    async fn update_domain_name(&mut self, domain: &DomainName) -> Result<()>;
    /// Deletes a domain name and its mappings.
    async fn delete_domain_name(&mut self, domain: &str) -> Result<()>;

    /// Adds a mapping.
    async fn insert_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()>;
    /// Replaces a mapping.
    async fn update_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()>;
    /// Deletes a mapping.
    async fn delete_base_path_mapping(&mut self, domain: &str, base_path: &str) -> Result<()>;
}
