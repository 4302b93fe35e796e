//! Writing to SQLite.

use super::super::{AuditRow, Result, StoreError, Writes, sql};
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
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, query, query_scalar};

impl Session {
    /// Runs a statement that must touch its row.
    async fn touch(&mut self, statement: Query<'_, Sqlite, SqliteArguments>) -> Result<()> {
        match statement.execute(&mut *self.tx).await?.rows_affected() {
            0 => Err(StoreError::Stale),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Writes for Session {
    async fn commit(self: Box<Self>) -> Result<()> {
        Ok(self.tx.commit().await?)
    }

    async fn publish(&mut self, root_hash: Hash) -> Result<Version> {
        let version: i64 = query_scalar(sql::PUBLISH).bind(&root_hash.0[..]).fetch_one(&mut *self.tx).await?;
        Ok(Version(version.unsigned_abs()))
    }

    async fn insert_audit_row(&mut self, row: &AuditRow) -> Result<()> {
        let statement = query(sql::AUDIT_INSERT).bind(row.at_ms).bind(row.caller.as_str());
        self.touch(statement.bind(row.rest_api_id.as_str()).bind(row.body.as_str())).await
    }

    async fn trim_audit(&mut self, keep: u32) -> Result<()> {
        query(sql::AUDIT_TRIM).bind(i64::from(keep)).execute(&mut *self.tx).await?;
        Ok(())
    }

    async fn insert_rest_api(&mut self, api: &RestApi) -> Result<()> {
        let statement = query(sql::REST_API_INSERT).bind(api.id.as_str()).bind(api.name.as_str());
        self.touch(statement.bind(api.revision.0).bind(encode(api)?)).await
    }

    async fn update_rest_api(&mut self, api: &RestApi) -> Result<()> {
        let statement = query(sql::REST_API_UPDATE).bind(api.id.as_str()).bind(api.name.as_str());
        self.touch(statement.bind(api.revision.0).bind(encode(api)?).bind(api.revision.0 - 1)).await
    }

    async fn delete_rest_api(&mut self, id: &RestApiId) -> Result<()> {
        self.touch(query(sql::REST_API_DELETE).bind(id.as_str())).await
    }

    async fn insert_resource(&mut self, resource: &Resource) -> Result<()> {
        let statement = query(sql::RESOURCE_INSERT).bind(resource.rest_api_id.as_str()).bind(resource.id.as_str());
        self.touch(statement.bind(resource.revision.0).bind(encode(resource)?)).await
    }

    async fn update_resource(&mut self, resource: &Resource) -> Result<()> {
        let statement = query(sql::RESOURCE_UPDATE).bind(resource.rest_api_id.as_str()).bind(resource.id.as_str());
        self.touch(statement.bind(resource.revision.0).bind(encode(resource)?).bind(resource.revision.0 - 1)).await
    }

    async fn delete_resource(&mut self, api: &RestApiId, id: &ResourceId) -> Result<()> {
        self.touch(query(sql::RESOURCE_DELETE).bind(api.as_str()).bind(id.as_str())).await
    }

    async fn insert_method(&mut self, method: &Method) -> Result<()> {
        let statement = query(sql::METHOD_INSERT)
            .bind(method.rest_api_id.as_str())
            .bind(method.resource_id.as_str())
            .bind(method.http_method.as_str());
        self.touch(statement.bind(method.revision.0).bind(encode(method)?)).await
    }

    async fn update_method(&mut self, method: &Method) -> Result<()> {
        let statement = query(sql::METHOD_UPDATE)
            .bind(method.rest_api_id.as_str())
            .bind(method.resource_id.as_str())
            .bind(method.http_method.as_str());
        self.touch(statement.bind(method.revision.0).bind(encode(method)?).bind(method.revision.0 - 1)).await
    }

    async fn delete_method(&mut self, api: &RestApiId, resource: &ResourceId, verb: Verb) -> Result<()> {
        let statement = query(sql::METHOD_DELETE).bind(api.as_str()).bind(resource.as_str());
        self.touch(statement.bind(verb.as_str())).await
    }

    async fn insert_deployment(&mut self, deployment: &Deployment, snapshot: &ApiDefinition) -> Result<()> {
        let statement = query(sql::DEPLOYMENT_INSERT)
            .bind(deployment.rest_api_id.as_str())
            .bind(deployment.id.as_str())
            .bind(i32::from(deployment.automatic));
        self.touch(statement.bind(encode(deployment)?).bind(encode(snapshot)?)).await
    }

    async fn delete_deployment(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<()> {
        self.touch(query(sql::DEPLOYMENT_DELETE).bind(api.as_str()).bind(id.as_str())).await
    }

    async fn insert_stage(&mut self, stage: &Stage) -> Result<()> {
        let statement = query(sql::STAGE_INSERT)
            .bind(stage.rest_api_id.as_str())
            .bind(stage.stage_name.as_str())
            .bind(stage.deployment_id.as_str())
            .bind(canary_deployment_id(stage));
        self.touch(statement.bind(stage.revision.0).bind(encode(stage)?)).await
    }

    async fn update_stage(&mut self, stage: &Stage) -> Result<()> {
        let statement = query(sql::STAGE_UPDATE)
            .bind(stage.rest_api_id.as_str())
            .bind(stage.stage_name.as_str())
            .bind(stage.deployment_id.as_str())
            .bind(canary_deployment_id(stage));
        self.touch(statement.bind(stage.revision.0).bind(encode(stage)?).bind(stage.revision.0 - 1)).await
    }

    async fn delete_stage(&mut self, api: &RestApiId, name: &StageName) -> Result<()> {
        self.touch(query(sql::STAGE_DELETE).bind(api.as_str()).bind(name.as_str())).await
    }

    async fn insert_domain_name(&mut self, domain: &DomainName) -> Result<()> {
        let statement = query(sql::DOMAIN_INSERT).bind(domain.domain_name.as_str());
        self.touch(statement.bind(domain.revision.0).bind(encode(domain)?)).await
    }

    async fn update_domain_name(&mut self, domain: &DomainName) -> Result<()> {
        let statement = query(sql::DOMAIN_UPDATE).bind(domain.domain_name.as_str());
        self.touch(statement.bind(domain.revision.0).bind(encode(domain)?).bind(domain.revision.0 - 1)).await
    }

    async fn delete_domain_name(&mut self, domain: &str) -> Result<()> {
        self.touch(query(sql::DOMAIN_DELETE).bind(domain)).await
    }

    async fn insert_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()> {
        let statement = query(sql::MAPPING_INSERT)
            .bind(mapping.domain_name.as_str())
            .bind(mapping.base_path.as_str())
            .bind(mapping.rest_api_id.as_str());
        self.touch(statement.bind(mapping.revision.0).bind(encode(mapping)?)).await
    }

    async fn update_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()> {
        let statement = query(sql::MAPPING_UPDATE)
            .bind(mapping.domain_name.as_str())
            .bind(mapping.base_path.as_str())
            .bind(mapping.rest_api_id.as_str());
        self.touch(statement.bind(mapping.revision.0).bind(encode(mapping)?).bind(mapping.revision.0 - 1)).await
    }

    async fn delete_base_path_mapping(&mut self, domain: &str, base_path: &str) -> Result<()> {
        self.touch(query(sql::MAPPING_DELETE).bind(domain).bind(base_path)).await
    }
}

/// What the stage's canary holds on to.
fn canary_deployment_id(stage: &Stage) -> Option<&str> {
    stage.canary_settings.as_ref().map(|canary| canary.deployment_id.as_str())
}
