//! `penstock stage`: the names under which deployments serve.

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;

use super::{Context, api_name, map, mask, time};
use crate::args::{ApiArg, Confirmation, key_value};
use crate::client::ControlPlane;
use crate::exit::{Doing, Failure};
use crate::output::table::{Column, Table};
use crate::output::{Fields, warn};

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

#[derive(Debug, Args)]
struct StageArg {
    #[command(flatten)]
    api: ApiArg,
    /// Name of the stage
    stage: String,
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
  penstock stage update image-api prod --auto-deploy false --remove-variable debug")]
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
    /// Whether every change of the API deploys to the stage by itself
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    auto_deploy: Option<bool>,
    /// Only if the stage still has this revision
    #[arg(long)]
    revision: Option<i64>,
}

/// Point a stage at an earlier deployment
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock stage rollback image-api prod
  penstock stage rollback image-api prod --to 4kq2w8m1zx

Requests in flight end on the deployment that they began with.")]
struct Rollback {
    #[command(flatten)]
    stage: StageArg,
    /// Id of the deployment to serve; without it, the one before the current
    #[arg(long, value_name = "ID")]
    to: Option<String>,
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
            StageCommand::Rollback(rollback) => rollback.run(context).await,
            StageCommand::Delete(delete) => delete.run(context).await,
        }
    }
}

impl StageArg {
    async fn find(&self, control_plane: &ControlPlane) -> Result<(pb::RestApi, pb::Stage), Failure> {
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
        let paths = self.change(&mut stage);
        if paths.is_empty() {
            return Err(Failure::Usage("nothing to change: name at least one setting".into()));
        }
        let request = pb::UpdateStageRequest { stage: Some(stage), update_mask: mask(paths) };
        let stage = control_plane.stages().update_stage(request).await.doing("updating the stage")?;
        context.output.done(&stage, || {
            format!("Updated the stage {} of {} to revision {}.", stage.stage_name, api.name, stage.revision)
        })
    }

    /// Changes `stage`, which is as the control plane has it; the revision that was read protects an edit of the
    /// variables against others.
    fn change(self, stage: &mut pb::Stage) -> Vec<&'static str> {
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
        let edits = !self.variables.is_empty() || !self.remove_variable.is_empty();
        if edits {
            stage.variables.retain(|key, _| !self.remove_variable.contains(key));
            stage.variables.extend(map(self.variables));
            paths.push("variables");
        }
        stage.revision = match (self.revision, edits) {
            (Some(revision), _) => revision,
            (None, true) => stage.revision,
            (None, false) => 0,
        };
        paths
    }
}

impl Rollback {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let (api, mut stage) = self.stage.find(&control_plane).await?;
        let to = match self.to {
            Some(id) => id,
            None => before(&control_plane.deployments_of(&api.id).await?, &stage)?,
        };
        if stage.auto_deploy {
            warn("the stage deploys by itself: the next change of the API moves it on from there");
        }
        // The revision that was read stays: "the one before" is a statement about what we saw.
        stage.deployment_id = to;
        let request = pb::UpdateStageRequest { stage: Some(stage), update_mask: mask(vec!["deployment_id"]) };
        let stage = control_plane.stages().update_stage(request).await.doing("rolling the stage back")?;
        context.output.done(&stage, || {
            format!(
                "The stage {} of {} serves the deployment {} again.",
                stage.stage_name, api.name, stage.deployment_id
            )
        })
    }
}

/// The deployment that is next older than the stage's.
fn before(newest_first: &[pb::Deployment], stage: &pb::Stage) -> Result<String, Failure> {
    let mut older = newest_first.iter().skip_while(|deployment| deployment.id != stage.deployment_id).skip(1);
    let found = older.next().map(|deployment| deployment.id.clone());
    found.ok_or_else(|| Failure::NotFound(format!("no deployment is older than {}", stage.deployment_id)))
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

    fn deployments(ids: &[&str]) -> Vec<pb::Deployment> {
        ids.iter().map(|&id| pb::Deployment { id: id.into(), ..Default::default() }).collect()
    }

    fn at(id: &str) -> pb::Stage {
        pb::Stage { deployment_id: id.into(), ..Default::default() }
    }

    #[test]
    fn rollback_goes_one_back() {
        let all = deployments(&["d3", "d2", "d1"]);
        assert_eq!(before(&all, &at("d3")).unwrap(), "d2");
        assert_eq!(before(&all, &at("d2")).unwrap(), "d1");
        assert_eq!(before(&all, &at("d1")).unwrap_err().code(), 3);
        assert_eq!(before(&all, &at("gone")).unwrap_err().code(), 3);
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
        let paths = Program::try_parse_from(line.split(' ')).unwrap().update.change(&mut stage);
        assert_eq!(paths, ["auto_deploy", "variables"]);
        assert_eq!(stage.variables, [("b".into(), "2".into()), ("c".into(), "3".into())].into());
        assert!(!stage.auto_deploy);
        assert_eq!(stage.revision, 9);
    }
}
