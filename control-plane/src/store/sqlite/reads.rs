//! Reading from SQLite.

use super::super::{AuditQuery, AuditRow, Counted, Published, Reads, Result, StoreError, sql};
use super::{Session, decode, decode_all, decode_one};
use async_trait::async_trait;
use penstock_model::bundle::Hash;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::{DeploymentId, ResourceId, RestApiId, StageName, Version};
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;
use sqlx::{query_as, query_scalar};

#[async_trait]
impl Reads for Session {
    async fn published(&mut self) -> Result<Published> {
        let (version, hash): (i64, Vec<u8>) = query_as(sql::PUBLISHED).fetch_one(&mut *self.tx).await?;
        let version = u64::try_from(version)
            .map_err(|error| StoreError::Corrupt { what: "the version".to_owned(), source: Some(error.into()) })?;
        Ok(Published { version: Version(version), root_hash: Hash::from_slice(&hash) })
    }

    async fn count(&mut self, what: Counted<'_>) -> Result<u64> {
        let count: i64 = match what {
            Counted::RestApis => query_scalar(sql::COUNT_REST_APIS),
            Counted::Stages => query_scalar(sql::COUNT_STAGES),
            Counted::DomainNames => query_scalar(sql::COUNT_DOMAINS),
            Counted::BasePathMappings => query_scalar(sql::COUNT_MAPPINGS),
            Counted::Deployments(api) => query_scalar(sql::COUNT_DEPLOYMENTS).bind(api.as_str()),
        }
        .fetch_one(&mut *self.tx)
        .await?;
        Ok(count.unsigned_abs())
    }

    async fn rest_api(&mut self, id: &RestApiId) -> Result<Option<RestApi>> {
        decode_one("an API", query_scalar(sql::REST_API).bind(id.as_str()).fetch_optional(&mut *self.tx).await?)
    }

    async fn rest_apis(&mut self, name: Option<&str>, after: &str, limit: u32) -> Result<Vec<RestApi>> {
        let query = match name {
            Some(name) => query_scalar(sql::REST_APIS_NAMED).bind(name),
            None => query_scalar(sql::REST_APIS),
        };
        decode_all("an API", query.bind(after).bind(limit).fetch_all(&mut *self.tx).await?)
    }

    async fn definition(&mut self, id: &RestApiId) -> Result<Option<ApiDefinition>> {
        let Some(rest_api) = self.rest_api(id).await? else { return Ok(None) };
        let resources = self.resources(id, "", u32::MAX).await?;
        let methods = self.methods(id, ("", ""), u32::MAX).await?;
        Ok(Some(ApiDefinition { rest_api, resources, methods }))
    }

    async fn resource(&mut self, api: &RestApiId, id: &ResourceId) -> Result<Option<Resource>> {
        let query = query_scalar(sql::RESOURCE).bind(api.as_str()).bind(id.as_str());
        decode_one("a resource", query.fetch_optional(&mut *self.tx).await?)
    }

    async fn resources(&mut self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Resource>> {
        let query = query_scalar(sql::RESOURCES).bind(api.as_str()).bind(after).bind(limit);
        decode_all("a resource", query.fetch_all(&mut *self.tx).await?)
    }

    async fn method(&mut self, api: &RestApiId, resource: &ResourceId, verb: Verb) -> Result<Option<Method>> {
        let query = query_scalar(sql::METHOD).bind(api.as_str()).bind(resource.as_str()).bind(verb.as_str());
        decode_one("a method", query.fetch_optional(&mut *self.tx).await?)
    }

    async fn methods(&mut self, api: &RestApiId, after: (&str, &str), limit: u32) -> Result<Vec<Method>> {
        let query = query_scalar(sql::METHODS).bind(api.as_str()).bind(after.0).bind(after.1).bind(limit);
        decode_all("a method", query.fetch_all(&mut *self.tx).await?)
    }

    async fn methods_of_resource(
        &mut self,
        api: &RestApiId,
        resource: &ResourceId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Method>> {
        let query =
            query_scalar(sql::METHODS_OF_RESOURCE).bind(api.as_str()).bind(resource.as_str()).bind(after).bind(limit);
        decode_all("a method", query.fetch_all(&mut *self.tx).await?)
    }

    async fn deployment(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<Option<Deployment>> {
        let query = query_scalar(sql::DEPLOYMENT).bind(api.as_str()).bind(id.as_str());
        decode_one("a deployment", query.fetch_optional(&mut *self.tx).await?)
    }

    async fn deployments(&mut self, api: &RestApiId, before: i64, limit: u32) -> Result<Vec<(i64, Deployment)>> {
        let query = query_as(sql::DEPLOYMENTS).bind(api.as_str()).bind(before).bind(limit);
        let rows: Vec<(i64, String)> = query.fetch_all(&mut *self.tx).await?;
        rows.iter().map(|(number, body)| Ok((*number, decode("a deployment", body)?))).collect()
    }

    async fn snapshot(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<Option<ApiDefinition>> {
        let query = query_scalar(sql::SNAPSHOT).bind(api.as_str()).bind(id.as_str());
        decode_one("a snapshot", query.fetch_optional(&mut *self.tx).await?)
    }

    async fn spare_deployments(&mut self, api: &RestApiId) -> Result<Vec<DeploymentId>> {
        let ids: Vec<String> = query_scalar(sql::SPARE_DEPLOYMENTS).bind(api.as_str()).fetch_all(&mut *self.tx).await?;
        Ok(ids.into_iter().map(Into::into).collect())
    }

    async fn stage(&mut self, api: &RestApiId, name: &StageName) -> Result<Option<Stage>> {
        let query = query_scalar(sql::STAGE).bind(api.as_str()).bind(name.as_str());
        decode_one("a stage", query.fetch_optional(&mut *self.tx).await?)
    }

    async fn stages(&mut self, after: (&str, &str), limit: u32) -> Result<Vec<Stage>> {
        let query = query_scalar(sql::STAGES).bind(after.0).bind(after.1).bind(limit);
        decode_all("a stage", query.fetch_all(&mut *self.tx).await?)
    }

    async fn stages_of_api(&mut self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Stage>> {
        let query = query_scalar(sql::STAGES_OF_API).bind(api.as_str()).bind(after).bind(limit);
        decode_all("a stage", query.fetch_all(&mut *self.tx).await?)
    }

    async fn domain_name(&mut self, domain: &str) -> Result<Option<DomainName>> {
        decode_one("a domain", query_scalar(sql::DOMAIN).bind(domain).fetch_optional(&mut *self.tx).await?)
    }

    async fn domain_names(&mut self, after: &str, limit: u32) -> Result<Vec<DomainName>> {
        let query = query_scalar(sql::DOMAINS).bind(after).bind(limit);
        decode_all("a domain", query.fetch_all(&mut *self.tx).await?)
    }

    async fn base_path_mapping(&mut self, domain: &str, base_path: &str) -> Result<Option<BasePathMapping>> {
        let query = query_scalar(sql::MAPPING).bind(domain).bind(base_path);
        decode_one("a mapping", query.fetch_optional(&mut *self.tx).await?)
    }

    async fn base_path_mappings(&mut self, after: (&str, &str), limit: u32) -> Result<Vec<BasePathMapping>> {
        let query = query_scalar(sql::MAPPINGS).bind(after.0).bind(after.1).bind(limit);
        decode_all("a mapping", query.fetch_all(&mut *self.tx).await?)
    }

    async fn base_path_mappings_of_domain(
        &mut self,
        domain: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<BasePathMapping>> {
        let query = query_scalar(sql::MAPPINGS_OF_DOMAIN)
            .bind(domain)
            .bind(after.unwrap_or_default())
            .bind(i32::from(after.is_none()))
            .bind(limit);
        decode_all("a mapping", query.fetch_all(&mut *self.tx).await?)
    }

    async fn base_path_mappings_of_api(&mut self, api: &RestApiId) -> Result<Vec<BasePathMapping>> {
        let query = query_scalar(sql::MAPPINGS_OF_API).bind(api.as_str());
        decode_all("a mapping", query.fetch_all(&mut *self.tx).await?)
    }

    async fn audit(&mut self, query: &AuditQuery<'_>) -> Result<Vec<AuditRow>> {
        let statement = query_as(sql::AUDIT)
            .bind(query.before)
            .bind(query.rest_api_id)
            .bind(query.caller)
            .bind(query.since_ms)
            .bind(query.until_ms)
            .bind(query.limit);
        let rows: Vec<(i64, i64, String, String, String)> = statement.fetch_all(&mut *self.tx).await?;
        let row = |(number, at_ms, caller, rest_api_id, body)| AuditRow { number, at_ms, caller, rest_api_id, body };
        Ok(rows.into_iter().map(row).collect())
    }
}
