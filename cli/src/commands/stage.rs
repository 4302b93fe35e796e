//! `penstock stage`: the names under which deployments serve. Canaries and rollbacks have files of their own.

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;

use super::canary::{self, Canary};
use super::method_settings::{self, SettingEdit, setting_edit};
use super::node_canary::NodeCanary;
use super::rollback::Rollback;
use super::{Context, api_name, map, mask, time};
use crate::args::{ApiArg, Confirmation, key_value};
use crate::client::ControlPlane;
use crate::exit::{Doing, Failure};
use crate::output::Fields;
use crate::output::table::{Column, Table};

/// Manage the stages under which deployments serve
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Stage {
    #[command(subcommand)]
    command: StageCommand,
}

#[derive(Debug, Subcommand)]
enum StageCommand {
    List(List),
    Get(Get),
    Create(Create),
    Update(Update),
    Canary(Canary),
    NodeCanary(NodeCanary),
    Rollback(Rollback),
    Delete(Delete),
}

/// List stages
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  penstock stage list\n  penstock stage list image-api")]
struct List {
    /// Id or name of an API; without it, the stages of every API
    api: Option<String>,
}

/// Which stage of which API.
#[derive(Debug, Args)]
pub(crate) struct StageArg {
    #[command(flatten)]
    pub(crate) api: ApiArg,
    /// Name of the stage
    pub(crate) stage: String,
}

/// Show one stage
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock stage get image-api prod")]
struct Get {
    #[command(flatten)]
    stage: StageArg,
}

/// Create a stage for a deployment that exists
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  penstock stage create image-api test --variable resizer=10.0.0.7:9000 --auto-deploy

`penstock deploy` makes deployment and stage in one go.")]
struct Create {
    #[command(flatten)]
    stage: StageArg,
    /// Id of the deployment to serve; without it, the newest
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// What the stage is for
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// Stage variable; repeat for more
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = key_value)]
    variables: Vec<(String, String)>,
    /// Let every change of the API deploy to the stage by itself
    #[arg(long)]
    auto_deploy: bool,
}

/// Change a stage; what is not named stays
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock stage update image-api prod --variable resizer=10.0.0.8:9000
  penstock stage update image-api prod --auto-deploy false --remove-variable debug
  penstock stage update image-api prod --method-setting '*/*:metrics/enabled=true'
  penstock stage update image-api prod --method-setting '/images/{id}/GET:throttling/rateLimit=50'

Settings of methods: metrics/enabled, logging/loglevel, logging/dataTrace,
throttling/burstLimit, throttling/rateLimit, caching/enabled,
caching/ttlInSeconds, caching/dataEncrypted,
caching/requireAuthorizationForCacheControl,
caching/unauthorizedCacheControlHeaderStrategy. The key is a resource's path and
a method, //GET for one of the root, or */* for all. They are stored, and decide
nothing in this version.")]
struct Update {
    #[command(flatten)]
    stage: StageArg,
    /// Id of the deployment to serve
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// What the stage is for
    #[arg(long)]
    description: Option<String>,
    /// Stage variable to set; the others stay; repeat for more
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = key_value)]
    variables: Vec<(String, String)>,
    /// Stage variable to remove; repeat for more
    #[arg(long, value_name = "KEY")]
    remove_variable: Vec<String>,
    /// Setting of one method, or of all, to set; repeat for more
    #[arg(long = "method-setting", value_name = "KEY:SETTING=VALUE", value_parser = setting_edit)]
    method_settings: Vec<SettingEdit>,
    /// Key whose settings are removed; repeat for more
    #[arg(long, value_name = "KEY")]
    remove_method_setting: Vec<String>,
    /// Whether every change of the API deploys to the stage by itself
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    auto_deploy: Option<bool>,
    /// Only if the stage still has this revision
    #[arg(long)]
    revision: Option<i64>,
}

/// Delete a stage: what it serves is no longer reachable
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock stage delete image-api test --yes")]
struct Delete {
    #[command(flatten)]
    stage: StageArg,
    /// Only if the stage still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl Stage {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            StageCommand::List(list) => list.run(context).await,
            StageCommand::Get(get) => get.run(context).await,
            StageCommand::Create(create) => create.run(context).await,
            StageCommand::Update(update) => update.run(context).await,
            StageCommand::Canary(canary) => canary.run(context).await,
            StageCommand::NodeCanary(canary) => canary.run(context).await,
            StageCommand::Rollback(rollback) => rollback.run(context).await,
            StageCommand::Delete(delete) => delete.run(context).await,
        }
    }
}

impl StageArg {
    /// The API, as it was named: by id or name.
    pub(crate) fn api(&self) -> &str {
        &self.api.api
    }

    /// The stage's name.
    pub(crate) fn stage(&self) -> &str {
        &self.stage
    }

    /// The stage as it is now, and its API.
    ///
    /// # Errors
    /// There is none, or the control plane refuses.
    pub(crate) async fn find(&self, control_plane: &ControlPlane) -> Result<(pb::RestApi, pb::Stage), Failure> {
        let api = control_plane.api(&self.api.api).await?;
        let request = pb::GetStageRequest { rest_api_id: api.id.clone(), stage_name: self.stage.clone() };
        let doing = format!("looking for the stage {} of {}", self.stage, api.name);
        let stage = control_plane.stages().get_stage(request).await.doing(doing)?;
        Ok((api, stage))
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let apis = match &self.api {
            Some(named) => vec![control_plane.api(named).await?],
            None => control_plane.apis("").await?,
        };
        let only = if self.api.is_some() { apis[0].id.as_str() } else { "" };
        let stages = control_plane.stages_of(only).await?;
        context.output.list(&stages, || {
            let columns = [
                Column::elastic("API"),
                Column::text("STAGE"),
                Column::text("DEPLOYMENT"),
                Column::text("CANARY"),
                Column::text("AUTO-DEPLOY"),
                Column::text("UPDATED"),
                Column::elastic("VARIABLES"),
            ];
            let mut table = Table::new("No stages. `penstock deploy API --stage STAGE` makes one.", columns);
            for stage in &stages {
                let variables: Vec<_> = stage.variables.iter().map(|(key, value)| format!("{key}={value}")).collect();
                table.row([
                    api_name(&stage.rest_api_id, &apis),
                    stage.stage_name.clone(),
                    stage.deployment_id.clone(),
                    canary::share(stage),
                    if stage.auto_deploy { "yes" } else { "no" }.to_owned(),
                    time(stage.last_updated_date),
                    variables.join(" "),
                ]);
            }
            table
        })
    }
}

impl Get {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (api, stage) = self.stage.find(&context.connect().await?).await?;
        context.output.object(&stage, || {
            Fields::default()
                .add("stage", &stage.stage_name)
                .add("api", format!("{} ({})", api.name, api.id))
                .add("description", &stage.description)
                .add("deployment", &stage.deployment_id)
                .add("auto-deploy", if stage.auto_deploy { "yes" } else { "no" })
                .map("variables", &stage.variables)
                .add("canary", canary::share(&stage))
                .map("canary variables", canary::overrides(&stage))
                .add("method settings", method_settings::lines(&stage))
                .map("tags", &stage.tags)
                .add("created", time(stage.created_date))
                .add("updated", time(stage.last_updated_date))
                .add("revision", stage.revision.to_string())
        })
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.stage.api.api).await?;
        let deployment_id = match self.deployment {
            Some(id) => id,
            None => {
                let newest = control_plane.deployments_of(&api.id).await?.into_iter().next();
                let none = || format!("{} has no deployment yet; `penstock deploy` makes one", api.name);
                newest.ok_or_else(|| Failure::NotFound(none()))?.id
            }
        };
        let stage = pb::Stage {
            rest_api_id: api.id,
            stage_name: self.stage.stage,
            deployment_id,
            description: self.description,
            variables: map(self.variables),
            auto_deploy: self.auto_deploy,
            ..Default::default()
        };
        let request = pb::CreateStageRequest { stage: Some(stage) };
        let stage = control_plane.stages().create_stage(request).await.doing("creating the stage")?;
        context.output.done(&stage, || {
            format!("Created the stage {} of {} on the deployment {}.", stage.stage_name, api.name, stage.deployment_id)
        })
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let (api, mut stage) = self.stage.find(&control_plane).await?;
        let paths = self.change(&mut stage)?;
        if paths.is_empty() {
            return Err(Failure::Usage("nothing to change: name at least one setting".into()));
        }
        let request = pb::UpdateStageRequest { stage: Some(stage), update_mask: mask(paths), ..Default::default() };
        let stage = control_plane.stages().update_stage(request).await.doing("updating the stage")?;
        context.output.done(&stage, || {
            format!("Updated the stage {} of {} to revision {}.", stage.stage_name, api.name, stage.revision)
        })
    }

    /// Changes `stage`, which is as the control plane has it; the revision that was read protects an edit of a map against
    /// others.
    fn change(self, stage: &mut pb::Stage) -> Result<Vec<&'static str>, Failure> {
        let mut paths = Vec::new();
        if let Some(deployment) = self.deployment {
            stage.deployment_id = deployment;
            paths.push("deployment_id");
        }
        if let Some(description) = self.description {
            stage.description = description;
            paths.push("description");
        }
        if let Some(auto_deploy) = self.auto_deploy {
            stage.auto_deploy = auto_deploy;
            paths.push("auto_deploy");
        }
        let mut edits = false;
        if !self.variables.is_empty() || !self.remove_variable.is_empty() {
            edits = true;
            stage.variables.retain(|key, _| !self.remove_variable.contains(key));
            stage.variables.extend(map(self.variables));
            paths.push("variables");
        }
        if !self.method_settings.is_empty() || !self.remove_method_setting.is_empty() {
            edits = true;
            stage.method_settings.retain(|key, _| !self.remove_method_setting.contains(key));
            for edit in &self.method_settings {
                edit.apply(&mut stage.method_settings)?;
            }
            paths.push("method_settings");
        }
        stage.revision = match (self.revision, edits) {
            (Some(revision), _) => revision,
            (None, true) => stage.revision,
            (None, false) => 0,
        };
        Ok(paths)
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let (api, stage) = self.stage.find(&control_plane).await?;
        self.confirmation.ask(&format!("Delete the stage {} of {}?", stage.stage_name, api.name))?;
        let request = pb::DeleteStageRequest {
            rest_api_id: api.id,
            stage_name: stage.stage_name.clone(),
            revision: self.revision,
        };
        control_plane.stages().delete_stage(request).await.doing("deleting the stage")?;
        context.output.gone(|| format!("Deleted the stage {} of {}.", stage.stage_name, api.name))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        update: Update,
    }

    #[test]
    fn variables_are_edited_under_the_revision_that_was_read() {
        let line = "update image-api prod --variable b=2 --remove-variable a --auto-deploy false";
        let mut stage = pb::Stage {
            variables: [("a".into(), "1".into()), ("c".into(), "3".into())].into(),
            auto_deploy: true,
            revision: 9,
            ..Default::default()
        };
        let paths = Program::try_parse_from(line.split(' ')).unwrap().update.change(&mut stage).unwrap();
        assert_eq!(paths, ["auto_deploy", "variables"]);
        assert_eq!(stage.variables, [("b".into(), "2".into()), ("c".into(), "3".into())].into());
        assert!(!stage.auto_deploy);
        assert_eq!(stage.revision, 9);
    }
}
