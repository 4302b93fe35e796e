//! [`Recorded`]: a write transaction that notes every object it writes, before and after, for the audit log.
//!
//! It stands where all use cases write, so that none can forget it. Reading passes through; what was there before a write
//! is read from the same transaction.

use super::audit::{Object, Recording};
use crate::store::{AuditQuery, AuditRow, Changed, Counted, Published, Reads, Result, Writes};
use async_trait::async_trait;
use penstock_model::bundle::Hash;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::{DeploymentId, ResourceId, RestApiId, StageName, Version};
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;
use std::sync::{Arc, Mutex, PoisonError};

/// What a transaction has written, shared between it and the change that it belongs to.
pub(super) type SharedRecording = Arc<Mutex<Recording>>;

/// See the module.
struct Recorded {
    inner: Box<dyn Writes>,
    recording: SharedRecording,
}

/// Notes what is written through the transaction.
pub(super) fn record(inner: Box<dyn Writes>) -> (Box<dyn Writes>, SharedRecording) {
    let recording = SharedRecording::default();
    (Box::new(Recorded { inner, recording: Arc::clone(&recording) }), recording)
}

/// What was written since the last time.
pub(super) fn take(recording: &SharedRecording) -> Recording {
    std::mem::take(&mut *recording.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Notes what was there, and what is there now.
pub(super) fn note(recording: &SharedRecording, before: Option<Object>, after: Option<Object>) {
    recording.lock().unwrap_or_else(PoisonError::into_inner).note(before, after);
}

impl Recorded {
    fn note(&self, before: Option<Object>, after: Option<Object>) {
        note(&self.recording, before, after);
    }

    /// Whether what was there may still fit, so that it is worth reading.
    fn has_room(&self) -> bool {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner).has_room()
    }
}

/// What was there, unless there is no room to note it.
macro_rules! before {
    ($self:ident, $kind:expr, $read:expr) => {
        if $self.has_room() { $read.await?.map($kind) } else { None }
    };
}

#[async_trait]
impl Writes for Recorded {
    async fn commit(self: Box<Self>) -> Result<()> {
        self.inner.commit().await
    }

    async fn publish(&mut self, root_hash: Hash, above: Version, changed: Option<&Changed>) -> Result<Version> {
        self.inner.publish(root_hash, above, changed).await
    }

    async fn insert_audit_row(&mut self, row: &AuditRow) -> Result<()> {
        self.inner.insert_audit_row(row).await
    }

    async fn trim_audit(&mut self, keep: u32) -> Result<()> {
        self.inner.trim_audit(keep).await
    }

    async fn insert_rest_api(&mut self, api: &RestApi) -> Result<()> {
        self.inner.insert_rest_api(api).await?;
        self.note(None, Some(Object::RestApi(api.clone())));
        Ok(())
    }

    async fn update_rest_api(&mut self, api: &RestApi) -> Result<()> {
        let before = before!(self, Object::RestApi, self.inner.rest_api(&api.id));
        self.inner.update_rest_api(api).await?;
        self.note(before, Some(Object::RestApi(api.clone())));
        Ok(())
    }

    async fn delete_rest_api(&mut self, id: &RestApiId) -> Result<()> {
        let before = self.inner.rest_api(id).await?.map(Object::RestApi);
        self.inner.delete_rest_api(id).await?;
        self.note(before, None);
        Ok(())
    }

    async fn insert_resource(&mut self, resource: &Resource) -> Result<()> {
        self.inner.insert_resource(resource).await?;
        self.note(None, Some(Object::Resource(resource.clone())));
        Ok(())
    }

    async fn update_resource(&mut self, resource: &Resource) -> Result<()> {
        let before = before!(self, Object::Resource, self.inner.resource(&resource.rest_api_id, &resource.id));
        self.inner.update_resource(resource).await?;
        self.note(before, Some(Object::Resource(resource.clone())));
        Ok(())
    }

    async fn delete_resource(&mut self, api: &RestApiId, id: &ResourceId) -> Result<()> {
        let before = self.inner.resource(api, id).await?.map(Object::Resource);
        self.inner.delete_resource(api, id).await?;
        self.note(before, None);
        Ok(())
    }

    async fn insert_method(&mut self, method: &Method) -> Result<()> {
        self.inner.insert_method(method).await?;
        self.note(None, Some(Object::Method(Box::new(method.clone()))));
        Ok(())
    }

    async fn update_method(&mut self, method: &Method) -> Result<()> {
        let before = before!(
            self,
            |method| Object::Method(Box::new(method)),
            self.inner.method(&method.rest_api_id, &method.resource_id, method.http_method)
        );
        self.inner.update_method(method).await?;
        self.note(before, Some(Object::Method(Box::new(method.clone()))));
        Ok(())
    }

    async fn delete_method(&mut self, api: &RestApiId, resource: &ResourceId, verb: Verb) -> Result<()> {
        let before = self.inner.method(api, resource, verb).await?.map(|method| Object::Method(Box::new(method)));
        self.inner.delete_method(api, resource, verb).await?;
        self.note(before, None);
        Ok(())
    }

    async fn insert_deployment(&mut self, deployment: &Deployment, snapshot: &ApiDefinition) -> Result<()> {
        self.inner.insert_deployment(deployment, snapshot).await?;
        self.note(None, Some(Object::Deployment(deployment.clone())));
        Ok(())
    }

    async fn delete_deployment(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<()> {
        let before = self.inner.deployment(api, id).await?.map(Object::Deployment);
        self.inner.delete_deployment(api, id).await?;
        self.note(before, None);
        Ok(())
    }

    async fn insert_stage(&mut self, stage: &Stage) -> Result<()> {
        self.inner.insert_stage(stage).await?;
        self.note(None, Some(Object::Stage(Box::new(stage.clone()))));
        Ok(())
    }

    async fn update_stage(&mut self, stage: &Stage) -> Result<()> {
        let before = before!(
            self,
            |stage| Object::Stage(Box::new(stage)),
            self.inner.stage(&stage.rest_api_id, &stage.stage_name)
        );
        self.inner.update_stage(stage).await?;
        self.note(before, Some(Object::Stage(Box::new(stage.clone()))));
        Ok(())
    }

    async fn delete_stage(&mut self, api: &RestApiId, name: &StageName) -> Result<()> {
        let before = self.inner.stage(api, name).await?.map(|stage| Object::Stage(Box::new(stage)));
        self.inner.delete_stage(api, name).await?;
        self.note(before, None);
        Ok(())
    }

    async fn insert_domain_name(&mut self, domain: &DomainName) -> Result<()> {
        self.inner.insert_domain_name(domain).await?;
        self.note(None, Some(Object::DomainName(domain.clone())));
        Ok(())
    }

    async fn update_domain_name(&mut self, domain: &DomainName) -> Result<()> {
        let before = before!(self, Object::DomainName, self.inner.domain_name(&domain.domain_name));
        self.inner.update_domain_name(domain).await?;
        self.note(before, Some(Object::DomainName(domain.clone())));
        Ok(())
    }

    async fn delete_domain_name(&mut self, domain: &str) -> Result<()> {
        let before = self.inner.domain_name(domain).await?.map(Object::DomainName);
        self.inner.delete_domain_name(domain).await?;
        self.note(before, None);
        Ok(())
    }

    async fn insert_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()> {
        self.inner.insert_base_path_mapping(mapping).await?;
        self.note(None, Some(Object::BasePathMapping(mapping.clone())));
        Ok(())
    }

    async fn update_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()> {
        let before = before!(
            self,
            Object::BasePathMapping,
            self.inner.base_path_mapping(&mapping.domain_name, &mapping.base_path)
        );
        self.inner.update_base_path_mapping(mapping).await?;
        self.note(before, Some(Object::BasePathMapping(mapping.clone())));
        Ok(())
    }

    async fn delete_base_path_mapping(&mut self, domain: &str, base_path: &str) -> Result<()> {
        let before = self.inner.base_path_mapping(domain, base_path).await?.map(Object::BasePathMapping);
        self.inner.delete_base_path_mapping(domain, base_path).await?;
        self.note(before, None);
        Ok(())
    }
}

#[async_trait]
impl Reads for Recorded {
    async fn published(&mut self) -> Result<Published> {
        self.inner.published().await
    }

    async fn changes_since(&mut self, known: Version) -> Result<Option<Changed>> {
        self.inner.changes_since(known).await
    }

    async fn count(&mut self, what: Counted<'_>) -> Result<u64> {
        self.inner.count(what).await
    }

    async fn rest_api(&mut self, id: &RestApiId) -> Result<Option<RestApi>> {
        self.inner.rest_api(id).await
    }

    async fn rest_apis(&mut self, name: Option<&str>, after: &str, limit: u32) -> Result<Vec<RestApi>> {
        self.inner.rest_apis(name, after, limit).await
    }

    async fn definition(&mut self, id: &RestApiId) -> Result<Option<ApiDefinition>> {
        self.inner.definition(id).await
    }

    async fn resource(&mut self, api: &RestApiId, id: &ResourceId) -> Result<Option<Resource>> {
        self.inner.resource(api, id).await
    }

    async fn resources(&mut self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Resource>> {
        self.inner.resources(api, after, limit).await
    }

    async fn method(&mut self, api: &RestApiId, resource: &ResourceId, verb: Verb) -> Result<Option<Method>> {
        self.inner.method(api, resource, verb).await
    }

    async fn methods(&mut self, api: &RestApiId, after: (&str, &str), limit: u32) -> Result<Vec<Method>> {
        self.inner.methods(api, after, limit).await
    }

    async fn methods_of_resource(
        &mut self,
        api: &RestApiId,
        resource: &ResourceId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Method>> {
        self.inner.methods_of_resource(api, resource, after, limit).await
    }

    async fn deployment(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<Option<Deployment>> {
        self.inner.deployment(api, id).await
    }

    async fn deployments(&mut self, api: &RestApiId, before: i64, limit: u32) -> Result<Vec<(i64, Deployment)>> {
        self.inner.deployments(api, before, limit).await
    }

    async fn snapshot(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<Option<ApiDefinition>> {
        self.inner.snapshot(api, id).await
    }

    async fn spare_deployments(&mut self, api: &RestApiId) -> Result<Vec<DeploymentId>> {
        self.inner.spare_deployments(api).await
    }

    async fn stage(&mut self, api: &RestApiId, name: &StageName) -> Result<Option<Stage>> {
        self.inner.stage(api, name).await
    }

    async fn stages(&mut self, after: (&str, &str), limit: u32) -> Result<Vec<Stage>> {
        self.inner.stages(after, limit).await
    }

    async fn stages_of_api(&mut self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Stage>> {
        self.inner.stages_of_api(api, after, limit).await
    }

    async fn domain_name(&mut self, domain: &str) -> Result<Option<DomainName>> {
        self.inner.domain_name(domain).await
    }

    async fn domain_names(&mut self, after: &str, limit: u32) -> Result<Vec<DomainName>> {
        self.inner.domain_names(after, limit).await
    }

    async fn base_path_mapping(&mut self, domain: &str, base_path: &str) -> Result<Option<BasePathMapping>> {
        self.inner.base_path_mapping(domain, base_path).await
    }

    async fn base_path_mappings(&mut self, after: (&str, &str), limit: u32) -> Result<Vec<BasePathMapping>> {
        self.inner.base_path_mappings(after, limit).await
    }

    async fn base_path_mappings_of_domain(
        &mut self,
        domain: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<BasePathMapping>> {
        self.inner.base_path_mappings_of_domain(domain, after, limit).await
    }

    async fn base_path_mappings_of_api(&mut self, api: &RestApiId) -> Result<Vec<BasePathMapping>> {
        self.inner.base_path_mappings_of_api(api).await
    }

    async fn audit(&mut self, query: &AuditQuery<'_>) -> Result<Vec<AuditRow>> {
        self.inner.audit(query).await
    }
}
