//! Domain names, and the base paths below them.

use super::change::Change;
use super::error::{Error, Result};
use super::limits::{BASE_PATH_MAPPINGS_MAX, DOMAIN_NAMES_MAX};
use super::{App, Written, check_revision, rest_apis};
use crate::store::Counted;
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::Revision;
use penstock_model::validate;

fn unknown() -> Error {
    Error::NotFound("Invalid domain name identifier specified".to_owned())
}

fn unknown_mapping() -> Error {
    Error::NotFound("Invalid base path mapping identifier specified".to_owned())
}

impl App {
    /// Makes a domain name.
    pub async fn create_domain_name(&self, domain: DomainName) -> Result<Written<DomainName>> {
        let mut change = self.begin().await?;
        if change.tx.domain_name(&domain.domain_name).await?.is_some() {
            return Err(Error::AlreadyExists("The domain name you provided already exists.".to_owned()));
        }
        let value = change.add_domain_name(domain).await?;
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// One domain name.
    pub async fn domain_name(&self, domain: &str) -> Result<DomainName> {
        self.read().await?.domain_name(domain).await?.ok_or_else(unknown)
    }

    /// Domain names in their order, behind `after`.
    pub async fn domain_names(&self, after: &str, limit: u32) -> Result<Vec<DomainName>> {
        Ok(self.read().await?.domain_names(after, limit).await?)
    }

    /// Changes a domain name: `apply` edits it; its name and date are put back.
    pub async fn update_domain_name(
        &self,
        domain: &str,
        revision: Revision,
        apply: impl FnOnce(&mut DomainName) + Send,
    ) -> Result<Written<DomainName>> {
        let mut change = self.begin().await?;
        let before = change.tx.domain_name(domain).await?.ok_or_else(unknown)?;
        check_revision("the domain name", revision, before.revision)?;
        let mut value = before.clone();
        apply(&mut value);
        value.domain_name.clone_from(&before.domain_name);
        value.created_at_ms = before.created_at_ms;
        value.revision = before.revision;
        validate::domain_name(&value).into_result(())?;
        if value != before {
            value.revision = before.revision.next();
            change.tx.update_domain_name(&value).await?;
        }
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// Deletes a domain name and its mappings.
    pub async fn delete_domain_name(&self, domain: &str, revision: Revision) -> Result<Written<()>> {
        let mut change = self.begin().await?;
        let stored = change.tx.domain_name(domain).await?.ok_or_else(unknown)?;
        check_revision("the domain name", revision, stored.revision)?;
        change.tx.delete_domain_name(domain).await?;
        change.touch_mappings();
        Ok(Written { value: (), version: change.commit().await?.version })
    }

    /// Maps a base path of a domain to an API, or to one of its stages.
    pub async fn create_base_path_mapping(&self, mapping: BasePathMapping) -> Result<Written<BasePathMapping>> {
        let mut change = self.begin().await?;
        if change.tx.domain_name(&mapping.domain_name).await?.is_none() {
            return Err(unknown());
        }
        if change.tx.base_path_mapping(&mapping.domain_name, &mapping.base_path).await?.is_some() {
            return Err(Error::AlreadyExists("Base path already exists for this domain name".to_owned()));
        }
        let value = change.add_base_path_mapping(mapping).await?;
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// One mapping.
    pub async fn base_path_mapping(&self, domain: &str, base_path: &str) -> Result<BasePathMapping> {
        let mut reads = self.read().await?;
        match reads.base_path_mapping(domain, base_path).await? {
            Some(mapping) => Ok(mapping),
            None if reads.domain_name(domain).await?.is_none() => Err(unknown()),
            None => Err(unknown_mapping()),
        }
    }

    /// Mappings of one domain, or of all, by domain and base path, behind `after`.
    pub async fn base_path_mappings(
        &self,
        domain: Option<&str>,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<Vec<BasePathMapping>> {
        let mut reads = self.read().await?;
        let Some(domain) = domain else {
            return Ok(reads.base_path_mappings(after.unwrap_or_default(), limit).await?);
        };
        let after = after.map(|(_, base_path)| base_path);
        let mappings = reads.base_path_mappings_of_domain(domain, after, limit).await?;
        if mappings.is_empty() && reads.domain_name(domain).await?.is_none() {
            return Err(unknown());
        }
        Ok(mappings)
    }

    /// Points a mapping elsewhere: `apply` edits it; its key is put back.
    pub async fn update_base_path_mapping(
        &self,
        domain: &str,
        base_path: &str,
        revision: Revision,
        apply: impl FnOnce(&mut BasePathMapping) + Send,
    ) -> Result<Written<BasePathMapping>> {
        let mut change = self.begin().await?;
        let before = change.tx.base_path_mapping(domain, base_path).await?.ok_or_else(unknown_mapping)?;
        check_revision("the mapping", revision, before.revision)?;
        let mut value = before.clone();
        apply(&mut value);
        value.domain_name.clone_from(&before.domain_name);
        value.base_path.clone_from(&before.base_path);
        value.revision = before.revision;
        change.check_base_path_mapping(&value).await?;
        if value != before {
            value.revision = before.revision.next();
            change.tx.update_base_path_mapping(&value).await?;
            change.touch_mappings();
        }
        Ok(Written { value, version: change.commit().await?.version })
    }

    /// Deletes a mapping.
    pub async fn delete_base_path_mapping(
        &self,
        domain: &str,
        base_path: &str,
        revision: Revision,
    ) -> Result<Written<()>> {
        let mut change = self.begin().await?;
        let stored = change.tx.base_path_mapping(domain, base_path).await?.ok_or_else(unknown_mapping)?;
        check_revision("the mapping", revision, stored.revision)?;
        change.tx.delete_base_path_mapping(domain, base_path).await?;
        change.touch_mappings();
        Ok(Written { value: (), version: change.commit().await?.version })
    }
}

impl Change {
    /// Writes a domain name that is new.
    pub(super) async fn add_domain_name(&mut self, mut domain: DomainName) -> Result<DomainName> {
        validate::domain_name(&domain).into_result(())?;
        if self.tx.count(Counted::DomainNames).await? >= DOMAIN_NAMES_MAX {
            return Err(Error::Exhausted(format!("there can be at most {DOMAIN_NAMES_MAX} domain names: delete some")));
        }
        domain.created_at_ms = self.shared.surroundings.now_ms();
        domain.revision = Revision::FIRST;
        self.tx.insert_domain_name(&domain).await?;
        Ok(domain)
    }

    /// Writes a mapping that is new, on a domain that is there.
    pub(super) async fn add_base_path_mapping(&mut self, mut mapping: BasePathMapping) -> Result<BasePathMapping> {
        self.check_base_path_mapping(&mapping).await?;
        if self.tx.count(Counted::BasePathMappings).await? >= BASE_PATH_MAPPINGS_MAX {
            let reason = format!("there can be at most {BASE_PATH_MAPPINGS_MAX} base path mappings: delete some");
            return Err(Error::Exhausted(reason));
        }
        mapping.revision = Revision::FIRST;
        self.tx.insert_base_path_mapping(&mapping).await?;
        self.touch_mappings();
        Ok(mapping)
    }

    async fn check_base_path_mapping(&mut self, mapping: &BasePathMapping) -> Result<()> {
        validate::base_path_mapping(mapping).into_result(())?;
        let api = &mapping.rest_api_id;
        if self.tx.rest_api(api).await?.is_none() {
            return Err(rest_apis::unknown(api));
        }
        match &mapping.stage {
            Some(stage) if self.tx.stage(api, stage).await?.is_none() => {
                Err(Error::invalid("stage", "Invalid stage identifier specified"))
            }
            _ => Ok(()),
        }
    }
}
