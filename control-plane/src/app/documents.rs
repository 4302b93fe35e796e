//! Whole APIs at once: documents in and out.

use super::change::{Change, Edit};
use super::deploy::{Origin, snapshot};
use super::deployments::has_canary;
use super::error::{Error, Result};
use super::{App, Written, check_revision, rest_apis, stages};
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::{RestApiId, Revision, StageName};
use penstock_model::limits::DOCUMENT_BYTES_MAX;
use penstock_model::openapi::{self, BasePathMode, ExportOptions, Exported, ImportOptions, PutMode};
use penstock_model::rest_api::{Fidelity, RestApi};
use penstock_model::violation::{Violations, Warning};
use std::collections::{BTreeMap, HashSet};

/// What an import does beside creating the definition.
///
/// A stage that is there keeps the variables and the `auto_deploy` that this leaves out.
#[derive(Clone, Debug, Default)]
pub struct StageSpec {
    /// Made if it is not there.
    pub stage_name: StageName,
    /// Empty: as they are.
    pub variables: BTreeMap<String, String>,
    /// `false`: as it is.
    pub auto_deploy: bool,
    /// Empty: no mapping.
    pub domain_name: String,
    /// Of the mapping; empty is the root.
    pub base_path: String,
}

/// A document that becomes an API.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// JSON or YAML.
    pub document: Vec<u8>,
    /// Refuse the document over any warning.
    pub fail_on_warnings: bool,
    /// What happens to the document's base path.
    pub base_path_mode: BasePathMode,
    /// Overwrite the API that has the document's title, if there is one.
    pub replace_by_name: bool,
    /// `None`: of a new API the default, of one that is there its own.
    pub fidelity: Option<Fidelity>,
    /// Deploy at once.
    pub stage: Option<StageSpec>,
}

/// A document that changes an API.
#[derive(Clone, Debug)]
pub struct PutRequest {
    /// Which API.
    pub rest_api_id: RestApiId,
    /// Of the API's settings; zero is any.
    pub revision: Revision,
    /// Into the API, or instead of it.
    pub mode: PutMode,
    /// JSON or YAML.
    pub document: Vec<u8>,
    /// Refuse the document over any warning.
    pub fail_on_warnings: bool,
    /// What happens to the document's base path.
    pub base_path_mode: BasePathMode,
    /// Deploy at once.
    pub stage: Option<StageSpec>,
}

/// What a document became.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The API's settings.
    pub rest_api: RestApi,
    /// What was ignored or changed.
    pub warnings: Vec<Warning>,
    /// What the wanted stage serves, or else what a stage deployed by itself.
    pub deployment: Option<Deployment>,
    /// The wanted stage.
    pub stage: Option<Stage>,
}

/// What to write as a document.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// Which API.
    pub rest_api_id: RestApiId,
    /// `None`: the editable definition; otherwise what this stage serves.
    pub stage_name: Option<StageName>,
    /// In which language and encoding.
    pub format: openapi::Format,
    /// JSON or YAML.
    pub encoding: openapi::Encoding,
    /// With the `x-amazon-apigateway-*` keys.
    pub extensions: bool,
}

impl App {
    /// Registers an API from a document; deploys and maps it too if asked for. All of it, or nothing.
    pub async fn import_rest_api(&self, request: ImportRequest) -> Result<Written<Imported>> {
        let (imported, warnings) =
            self.parse(request.document, request.base_path_mode, request.fail_on_warnings).await?;
        let mut change = self.begin().await?;
        let existing = match request.replace_by_name {
            true => change.named(&imported.rest_api.name).await?,
            false => None,
        };
        let definition = match existing {
            None => change.create_imported(imported, request.fidelity.unwrap_or_default()).await?,
            Some(id) => {
                let mut edit = change.edit(&id).await?;
                overlay(&mut edit, imported, PutMode::Overwrite);
                let fidelity = &mut edit.after.rest_api.fidelity;
                *fidelity = request.fidelity.unwrap_or(*fidelity);
                change.save(edit).await?.clone()
            }
        };
        change.conclude(definition, request.stage, warnings).await
    }

    /// Merges a document into an API, or overwrites the API with it.
    pub async fn put_rest_api(&self, request: PutRequest) -> Result<Written<Imported>> {
        let (imported, warnings) =
            self.parse(request.document, request.base_path_mode, request.fail_on_warnings).await?;
        let mut change = self.begin().await?;
        let mut edit = change.edit(&request.rest_api_id).await?;
        check_revision("the API", request.revision, edit.after.rest_api.revision)?;
        overlay(&mut edit, imported, request.mode);
        let definition = change.save(edit).await?.clone();
        change.conclude(definition, request.stage, warnings).await
    }

    /// Writes an API, or what one of its stages serves, as a document.
    pub async fn export_rest_api(&self, request: ExportRequest) -> Result<Exported> {
        let mut reads = self.read().await?;
        let api = &request.rest_api_id;
        let (definition, made_at_ms) = match &request.stage_name {
            None => {
                let definition = reads.definition(api).await?.ok_or_else(|| rest_apis::unknown(api))?;
                let made_at_ms = definition.rest_api.created_at_ms;
                (definition, made_at_ms)
            }
            Some(name) => {
                let stage = stages::find(&mut *reads, api, name).await?;
                let deployment = reads.deployment(api, &stage.deployment_id).await?;
                let snapshot = reads.snapshot(api, &stage.deployment_id).await?;
                let missing = || Error::internal("exporting a stage", "its deployment is missing");
                (snapshot.ok_or_else(missing)?, deployment.ok_or_else(missing)?.created_at_ms)
            }
        };
        let options = ExportOptions {
            format: request.format,
            encoding: request.encoding,
            extensions: request.extensions,
            stage: request.stage_name.as_ref().map(StageName::as_str),
            version: Some(&date(made_at_ms)),
        };
        Ok(openapi::export(&definition, &options))
    }

    /// Reads a document, away from the threads that answer calls.
    async fn parse(
        &self,
        document: Vec<u8>,
        base_path_mode: BasePathMode,
        fail_on_warnings: bool,
    ) -> Result<(ApiDefinition, Vec<Warning>)> {
        if document.len() > DOCUMENT_BYTES_MAX {
            let reason = format!("has {} bytes, but may have at most {DOCUMENT_BYTES_MAX}", document.len());
            return Err(Error::invalid("document", reason));
        }
        let surroundings = std::sync::Arc::clone(&self.shared.surroundings);
        let parse = tokio::task::spawn_blocking(move || {
            let mut given = HashSet::new();
            let mut new_id = || loop {
                let id = surroundings.random_id(super::limits::CHILD_ID_CHARS);
                if given.insert(id.clone()) {
                    return id;
                }
            };
            openapi::import(&document, &ImportOptions { base_path_mode }, &mut new_id)
        });
        let imported = parse.await.map_err(|error| Error::internal("reading a document", error))??;
        if fail_on_warnings && !imported.warnings.is_empty() {
            let mut violations = Violations::new();
            for warning in imported.warnings {
                violations.add(warning.field, warning.message);
            }
            return Err(violations.into());
        }
        Ok((imported.definition, imported.warnings))
    }
}

impl Change {
    /// The one API of this name.
    async fn named(&mut self, name: &str) -> Result<Option<RestApiId>> {
        match &self.tx.rest_apis(Some(name), "", 2).await?[..] {
            [] => Ok(None),
            [one] => Ok(Some(one.id.clone())),
            _ => Err(Error::FailedPrecondition(format!(
                "more than one API is called {name:?}: name the one to replace by its id"
            ))),
        }
    }

    async fn create_imported(&mut self, mut definition: ApiDefinition, fidelity: Fidelity) -> Result<ApiDefinition> {
        let id = self.new_rest_api_id().await?;
        definition.rest_api.id = id.clone();
        definition.rest_api.fidelity = fidelity;
        definition.rest_api.created_at_ms = self.shared.surroundings.now_ms();
        belong_to(&mut definition, &id);
        Ok(self.create(definition).await?.clone())
    }

    /// Deploys and maps what a document became, if asked for, and commits.
    async fn conclude(
        mut self,
        definition: ApiDefinition,
        spec: Option<StageSpec>,
        warnings: Vec<Warning>,
    ) -> Result<Written<Imported>> {
        let mut stage = None;
        let mut deployment = None;
        let id = definition.rest_api.id.clone();
        if let Some(spec) = spec {
            let wanted = self.serve(&definition, &spec).await?;
            if !spec.domain_name.is_empty() {
                self.map(&wanted, &spec).await?;
            }
            deployment = self.tx.deployment(&id, &wanted.deployment_id).await?;
            stage = Some(wanted);
        }
        let mut outcome = self.commit().await?;
        let deployment = deployment.or_else(|| outcome.automatic.remove(&id));
        let value = Imported { rest_api: definition.rest_api, warnings, deployment, stage };
        Ok(Written { value, version: outcome.version })
    }

    /// Points the wanted stage at the definition as it is now. What already serves the same is left alone.
    async fn serve(&mut self, definition: &ApiDefinition, spec: &StageSpec) -> Result<Stage> {
        let api = &definition.rest_api.id;
        let before = self.tx.stage(api, &spec.stage_name).await?;
        let auto_deploy = spec.auto_deploy || before.as_ref().is_some_and(|stage| stage.auto_deploy);
        let origin = if auto_deploy { Origin::Automatic } else { Origin::Asked };
        let snapshot = snapshot(definition, origin)?;
        let current = before.as_ref().map(|stage| stage.deployment_id.clone());
        let deployment_id = match current {
            Some(id) if self.tx.snapshot(api, &id).await?.as_ref() == Some(&snapshot) => id,
            _ if before.as_ref().is_some_and(|stage| stage.canary_settings.is_some()) => {
                return Err(has_canary(&spec.stage_name));
            }
            _ => self.deploy(&snapshot, origin, "").await?.id,
        };
        let mut stage = before.clone().unwrap_or_else(|| Stage {
            rest_api_id: api.clone(),
            stage_name: spec.stage_name.clone(),
            ..Stage::default()
        });
        stage.deployment_id = deployment_id;
        stage.auto_deploy = auto_deploy;
        if !spec.variables.is_empty() {
            stage.variables.clone_from(&spec.variables);
        }
        match before {
            Some(before) => self.replace_stage(&before, stage).await,
            None => self.add_stage(stage).await,
        }
    }

    async fn map(&mut self, stage: &Stage, spec: &StageSpec) -> Result<()> {
        let (domain_name, base_path) = (spec.domain_name.clone(), spec.base_path.clone());
        if self.tx.domain_name(&domain_name).await?.is_none() {
            self.add_domain_name(DomainName { domain_name: domain_name.clone(), ..DomainName::default() }).await?;
        }
        let wanted = BasePathMapping {
            domain_name,
            base_path,
            rest_api_id: stage.rest_api_id.clone(),
            stage: Some(stage.stage_name.clone()),
            revision: Revision::default(),
        };
        let Some(before) = self.tx.base_path_mapping(&wanted.domain_name, &wanted.base_path).await? else {
            self.add_base_path_mapping(wanted).await?;
            return Ok(());
        };
        if before.rest_api_id != wanted.rest_api_id {
            return Err(Error::AlreadyExists(format!(
                "{}/{} already leads to the API {}: choose another base path, or delete that mapping",
                before.domain_name, before.base_path, before.rest_api_id
            )));
        }
        if before.stage != wanted.stage {
            self.tx.update_base_path_mapping(&BasePathMapping { revision: before.revision.next(), ..wanted }).await?;
            self.touch_mappings();
        }
        Ok(())
    }
}

/// A date as documents without a version carry it; far outside of the calendar there is none.
fn date(ms: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(ms.div_euclid(1_000))
        .ok()
        .and_then(|date| date.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}

/// Puts a document into a definition, which stays the same API.
fn overlay(edit: &mut Edit, imported: ApiDefinition, mode: PutMode) {
    let before = edit.after.rest_api.clone();
    let mut after = openapi::merge(&edit.after, imported, mode);
    after.rest_api.id = before.id.clone();
    after.rest_api.created_at_ms = before.created_at_ms;
    belong_to(&mut after, &before.id);
    edit.after = after;
}

fn belong_to(definition: &mut ApiDefinition, api: &RestApiId) {
    for resource in &mut definition.resources {
        resource.rest_api_id = api.clone();
    }
    for method in &mut definition.methods {
        method.rest_api_id = api.clone();
    }
}
