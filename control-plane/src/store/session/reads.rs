//! Reading.

use super::super::rows::{Columns as _, Rows};
use super::super::{AuditQuery, AuditRow, Changed, Counted, Published, Reads, Result, StoreError, changes, sql};
use super::{Session, decode};
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
impl<R: Rows> Reads for Session<R> {
    async fn published(&mut self) -> Result<Published> {
        let row = self.row(sql::PUBLISHED, &[]).await?;
        Ok(Published { version: version(row.number(0)?)?, root_hash: Hash::from_slice(&row.bytes(1)?) })
    }

    async fn changes_since(&mut self, known: Version) -> Result<Option<Changed>> {
        let published = self.published().await?.version;
        let known = number(known)?;
        let rows = self.fetch(sql::CHANGES, &[known.into(), changes::KEPT_MAX.into()]).await?;
        let mut all = Changed::default();
        let mut at = known;
        for row in rows {
            if row.number(1)? != at {
                return Ok(None);
            }
            at = row.number(0)?;
            all.add(decode("what a version changed", &row.text(2)?)?);
        }
        Ok((version(at)? == published).then_some(all))
    }

    async fn count(&mut self, what: Counted<'_>) -> Result<u64> {
        let row = match what {
            Counted::RestApis => self.row(sql::COUNT_REST_APIS, &[]).await?,
            Counted::Stages => self.row(sql::COUNT_STAGES, &[]).await?,
            Counted::DomainNames => self.row(sql::COUNT_DOMAINS, &[]).await?,
            Counted::BasePathMappings => self.row(sql::COUNT_MAPPINGS, &[]).await?,
            Counted::Deployments(api) => self.row(sql::COUNT_DEPLOYMENTS, &[api.as_str().into()]).await?,
        };
        Ok(row.number(0)?.unsigned_abs())
    }

    async fn rest_api(&mut self, id: &RestApiId) -> Result<Option<RestApi>> {
        self.one("an API", sql::REST_API, &[id.as_str().into()]).await
    }

    async fn rest_apis(&mut self, name: Option<&str>, after: &str, limit: u32) -> Result<Vec<RestApi>> {
        match name {
            Some(name) => self.list("an API", sql::REST_APIS_NAMED, &[name.into(), after.into(), limit.into()]).await,
            None => self.list("an API", sql::REST_APIS, &[after.into(), limit.into()]).await,
        }
    }

    async fn definition(&mut self, id: &RestApiId) -> Result<Option<ApiDefinition>> {
        let Some(rest_api) = self.rest_api(id).await? else { return Ok(None) };
        let resources = self.resources(id, "", u32::MAX).await?;
        let methods = self.methods(id, ("", ""), u32::MAX).await?;
        Ok(Some(ApiDefinition { rest_api, resources, methods }))
    }

    async fn resource(&mut self, api: &RestApiId, id: &ResourceId) -> Result<Option<Resource>> {
        self.one("a resource", sql::RESOURCE, &[api.as_str().into(), id.as_str().into()]).await
    }

    async fn resources(&mut self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Resource>> {
        self.list("a resource", sql::RESOURCES, &[api.as_str().into(), after.into(), limit.into()]).await
    }

    async fn method(&mut self, api: &RestApiId, resource: &ResourceId, verb: Verb) -> Result<Option<Method>> {
        self.one("a method", sql::METHOD, &[api.as_str().into(), resource.as_str().into(), verb.as_str().into()]).await
    }

    async fn methods(&mut self, api: &RestApiId, after: (&str, &str), limit: u32) -> Result<Vec<Method>> {
        self.list("a method", sql::METHODS, &[api.as_str().into(), after.0.into(), after.1.into(), limit.into()]).await
    }

    async fn methods_of_resource(
        &mut self,
        api: &RestApiId,
        resource: &ResourceId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Method>> {
        self.list(
            "a method",
            sql::METHODS_OF_RESOURCE,
            &[api.as_str().into(), resource.as_str().into(), after.into(), limit.into()],
        )
        .await
    }

    async fn deployment(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<Option<Deployment>> {
        self.one("a deployment", sql::DEPLOYMENT, &[api.as_str().into(), id.as_str().into()]).await
    }

    async fn deployments(&mut self, api: &RestApiId, before: i64, limit: u32) -> Result<Vec<(i64, Deployment)>> {
        let values = [api.as_str().into(), before.into(), limit.into()];
        let rows = self.fetch(sql::DEPLOYMENTS, &values).await?;
        rows.iter().map(|row| Ok((row.number(0)?, decode("a deployment", &row.text(1)?)?))).collect()
    }

    async fn snapshot(&mut self, api: &RestApiId, id: &DeploymentId) -> Result<Option<ApiDefinition>> {
        self.one("a snapshot", sql::SNAPSHOT, &[api.as_str().into(), id.as_str().into()]).await
    }

    async fn spare_deployments(&mut self, api: &RestApiId) -> Result<Vec<DeploymentId>> {
        let rows = self.fetch(sql::SPARE_DEPLOYMENTS, &[api.as_str().into()]).await?;
        rows.iter().map(|row| Ok(row.text(0)?.into())).collect()
    }

    async fn stage(&mut self, api: &RestApiId, name: &StageName) -> Result<Option<Stage>> {
        self.one("a stage", sql::STAGE, &[api.as_str().into(), name.as_str().into()]).await
    }

    async fn stages(&mut self, after: (&str, &str), limit: u32) -> Result<Vec<Stage>> {
        self.list("a stage", sql::STAGES, &[after.0.into(), after.1.into(), limit.into()]).await
    }

    async fn stages_of_api(&mut self, api: &RestApiId, after: &str, limit: u32) -> Result<Vec<Stage>> {
        self.list("a stage", sql::STAGES_OF_API, &[api.as_str().into(), after.into(), limit.into()]).await
    }

    async fn domain_name(&mut self, domain: &str) -> Result<Option<DomainName>> {
        self.one("a domain", sql::DOMAIN, &[domain.into()]).await
    }

    async fn domain_names(&mut self, after: &str, limit: u32) -> Result<Vec<DomainName>> {
        self.list("a domain", sql::DOMAINS, &[after.into(), limit.into()]).await
    }

    async fn base_path_mapping(&mut self, domain: &str, base_path: &str) -> Result<Option<BasePathMapping>> {
        self.one("a mapping", sql::MAPPING, &[domain.into(), base_path.into()]).await
    }

    async fn base_path_mappings(&mut self, after: (&str, &str), limit: u32) -> Result<Vec<BasePathMapping>> {
        self.list("a mapping", sql::MAPPINGS, &[after.0.into(), after.1.into(), limit.into()]).await
    }

    async fn base_path_mappings_of_domain(
        &mut self,
        domain: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<BasePathMapping>> {
        self.list(
            "a mapping",
            sql::MAPPINGS_OF_DOMAIN,
            &[domain.into(), after.unwrap_or_default().into(), after.is_none().into(), limit.into()],
        )
        .await
    }

    async fn base_path_mappings_of_api(&mut self, api: &RestApiId) -> Result<Vec<BasePathMapping>> {
        self.list("a mapping", sql::MAPPINGS_OF_API, &[api.as_str().into()]).await
    }

    async fn audit(&mut self, query: &AuditQuery<'_>) -> Result<Vec<AuditRow>> {
        let AuditQuery { rest_api_id, caller, since_ms, until_ms, before, limit } = *query;
        let values = [before.into(), rest_api_id.into(), caller.into(), since_ms.into(), until_ms.into(), limit.into()];
        let rows = self.fetch(sql::AUDIT, &values).await?;
        let row = |row: &R::Row| {
            Ok(AuditRow {
                number: row.number(0)?,
                at_ms: row.number(1)?,
                caller: row.text(2)?,
                rest_api_id: row.text(3)?,
                body: row.text(4)?,
            })
        };
        rows.iter().map(row).collect()
    }
}

/// A version as columns hold it.
pub(super) fn number(version: Version) -> Result<i64> {
    i64::try_from(version.0)
        .map_err(|error| StoreError::Corrupt { what: "the version".to_owned(), source: Some(error.into()) })
}

/// A version out of its column.
pub(super) fn version(number: i64) -> Result<Version> {
    let version = u64::try_from(number)
        .map_err(|error| StoreError::Corrupt { what: "the version".to_owned(), source: Some(error.into()) })?;
    Ok(Version(version))
}
