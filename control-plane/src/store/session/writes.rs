//! Writing.

use super::super::rows::{Columns as _, Rows};
use super::super::{AuditRow, Changed, Reads as _, Result, StoreError, Writes, changes, sql};
use super::reads::{number, version};
use super::{Session, encode};
use async_trait::async_trait;
use penstock_model::bundle::Hash;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::{DeploymentId, ResourceId, RestApiId, StageName, Version};
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;

#[async_trait]
impl<R: Rows> Writes for Session<R> {
    async fn commit(self: Box<Self>) -> Result<()> {
        if self.is_broken {
            return Err(StoreError::Failed("a statement of this transaction failed".into()));
        }
        self.rows.commit().await
    }

    async fn publish(&mut self, root_hash: Hash, above: Version, changed: Option<&Changed>) -> Result<Version> {
        let before = number(self.published().await?.version)?;
        let next = self.row(sql::PUBLISH, &[root_hash.0[..].into(), number(above)?.into()]).await?.number(0)?;
        if let Some(changed) = changed {
            let body = encode(changed)?;
            self.touch(sql::CHANGES_INSERT, &[next.into(), before.into(), (&body).into()]).await?;
        }
        if next % changes::PRUNED_EVERY == 0 {
            self.execute(sql::CHANGES_PRUNE, &[(next - i64::from(changes::KEPT_MAX)).into()]).await?;
        }
        self.rows.announce(next).await.inspect_err(|_| self.is_broken = true)?;
        version(next)
    }

    async fn insert_audit_row(&mut self, row: &AuditRow) -> Result<()> {
        let AuditRow { number: _, at_ms, caller, rest_api_id, body } = row;
        self.touch(sql::AUDIT_INSERT, &[(*at_ms).into(), caller.into(), rest_api_id.into(), body.into()]).await
    }

    async fn trim_audit(&mut self, keep: u32) -> Result<()> {
        self.execute(sql::AUDIT_TRIM, &[keep.into()]).await.map(drop)
    }

    async fn insert_rest_api(&mut self, api: &RestApi) -> Result<()> {
        let body = encode(api)?;
        let values = [api.id.as_str().into(), api.name.as_str().into(), api.revision.0.into(), (&body).into()];
        self.touch(sql::REST_API_INSERT, &values).await
    }

    async fn update_rest_api(&mut self, api: &RestApi) -> Result<()> {
        let body = encode(api)?;
        let values = [
            api.id.as_str().into(),
            api.name.as_str().into(),
            api.revision.0.into(),
            (&body).into(),
            (api.revision.0 - 1).into(),
        ];
        self.touch(sql::REST_API_UPDATE, &values).await
    }

    async fn delete_rest_api(&mut self, id: &RestApiId) -> Result<()> {
        self.touch(sql::REST_API_DELETE, &[id.as_str().into()]).await
    }

    async fn insert_resource(&mut self, resource: &Resource) -> Result<()> {
        let body = encode(resource)?;
        let values = [
            resource.rest_api_id.as_str().into(),
            resource.id.as_str().into(),
            resource.revision.0.into(),
            (&body).into(),
        ];
        self.touch(sql::RESOURCE_INSERT, &values).await
    }

    async fn update_resource(&mut self, resource: &Resource) -> Result<()> {
        let body = encode(resource)?;
        let values = [
            resource.rest_api_id.as_str().into(),
            resource.id.as_str().into(),
            resource.revision.0.into(),
            (&body).into(),
            (resource.revision.0 - 1).into(),
        ];
        self.touch(sql::RESOURCE_UPDATE, &values).await
    }

    async fn delete_resource(&mut self, api: &RestApiId, id: &ResourceId) -> Result<()> {
        self.touch(sql::RESOURCE_DELETE, &[api.as_str().into(), id.as_str().into()]).await
    }

    async fn insert_method(&mut self, method: &Method) -> Result<()> {
        let body = encode(method)?;
        let values = [
            method.rest_api_id.as_str().into(),
            method.resource_id.as_str().into(),
            method.http_method.as_str().into(),
            method.revision.0.into(),
            (&body).into(),
        ];
        self.touch(sql::METHOD_INSERT, &values).await
    }

    async fn update_method(&mut self, method: &Method) -> Result<()> {
        let body = encode(method)?;
        let values = [
            method.rest_api_id.as_str().into(),
            method.resource_id.as_str().into(),
            method.http_method.as_str().into(),
            method.revision.0.into(),
            (&body).into(),
            (method.revision.0 - 1).into(),
        ];
        self.touch(sql::METHOD_UPDATE, &values).await
    }

    async fn delete_method(&mut self, api: &RestApiId, resource: &ResourceId, verb: Verb) -> Result<()> {
        self.touch(sql::METHOD_DELETE, &[api.as_str().into(), resource.as_str().into(), verb.as_str().into()]).await
    }

    async fn insert_deployment(&mut self, deployment: &Deployment, snapshot: &ApiDefinition) -> Result<()> {
        let body = encode(deployment)?;
        let snapshot = encode(snapshot)?;
        let values = [
            deployment.rest_api_id.as_str().into(),
            deployment.id.as_str().into(),
            deployment.automatic.into(),
            (&body).into(),
            (&snapshot).into(),
        ];
        self.touch(sql::DEPLOYMENT_INSERT, &values).await
    }

    async fn delete_deployment(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<()> {
        self.touch(sql::DEPLOYMENT_DELETE, &[api.as_str().into(), id.as_str().into()]).await
    }

    async fn insert_stage(&mut self, stage: &Stage) -> Result<()> {
        let body = encode(stage)?;
        let values = [
            stage.rest_api_id.as_str().into(),
            stage.stage_name.as_str().into(),
            stage.deployment_id.as_str().into(),
            canary_deployment_id(stage).into(),
            stage.revision.0.into(),
            (&body).into(),
        ];
        self.touch(sql::STAGE_INSERT, &values).await
    }

    async fn update_stage(&mut self, stage: &Stage) -> Result<()> {
        let body = encode(stage)?;
        let values = [
            stage.rest_api_id.as_str().into(),
            stage.stage_name.as_str().into(),
            stage.deployment_id.as_str().into(),
            canary_deployment_id(stage).into(),
            stage.revision.0.into(),
            (&body).into(),
            (stage.revision.0 - 1).into(),
        ];
        self.touch(sql::STAGE_UPDATE, &values).await
    }

    async fn delete_stage(&mut self, api: &RestApiId, name: &StageName) -> Result<()> {
        self.touch(sql::STAGE_DELETE, &[api.as_str().into(), name.as_str().into()]).await
    }

    async fn insert_domain_name(&mut self, domain: &DomainName) -> Result<()> {
        let body = encode(domain)?;
        let values = [domain.domain_name.as_str().into(), domain.revision.0.into(), (&body).into()];
        self.touch(sql::DOMAIN_INSERT, &values).await
    }

    async fn update_domain_name(&mut self, domain: &DomainName) -> Result<()> {
        let body = encode(domain)?;
        let values = [
            domain.domain_name.as_str().into(),
            domain.revision.0.into(),
            (&body).into(),
            (domain.revision.0 - 1).into(),
        ];
        self.touch(sql::DOMAIN_UPDATE, &values).await
    }

    async fn delete_domain_name(&mut self, domain: &str) -> Result<()> {
        self.touch(sql::DOMAIN_DELETE, &[domain.into()]).await
    }

    async fn insert_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()> {
        let body = encode(mapping)?;
        let values = [
            mapping.domain_name.as_str().into(),
            mapping.base_path.as_str().into(),
            mapping.rest_api_id.as_str().into(),
            mapping.revision.0.into(),
            (&body).into(),
        ];
        self.touch(sql::MAPPING_INSERT, &values).await
    }

    async fn update_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()> {
        let body = encode(mapping)?;
        let values = [
            mapping.domain_name.as_str().into(),
            mapping.base_path.as_str().into(),
            mapping.rest_api_id.as_str().into(),
            mapping.revision.0.into(),
            (&body).into(),
            (mapping.revision.0 - 1).into(),
        ];
        self.touch(sql::MAPPING_UPDATE, &values).await
    }

    async fn delete_base_path_mapping(&mut self, domain: &str, base_path: &str) -> Result<()> {
        self.touch(sql::MAPPING_DELETE, &[domain.into(), base_path.into()]).await
    }
}

/// What the stage's canary holds on to.
fn canary_deployment_id(stage: &Stage) -> Option<&str> {
    stage.canary_settings.as_ref().map(|canary| canary.deployment_id.as_str())
}
