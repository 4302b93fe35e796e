//! `penstock deployment`: the snapshots of an API.

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;

use super::{Context, time};
use crate::args::ApiArg;
use crate::exit::{Doing, Failure};
use crate::output::Fields;
use crate::output::table::{Column, Table};

/// Look at the snapshots of an API
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Deployment {
    #[command(subcommand)]
    command: DeploymentCommand,
}

#[derive(Debug, Subcommand)]
enum DeploymentCommand {
    List(List),
    Get(Get),
    Delete(Delete),
}

/// List the deployments of an API, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock deployment list image-api")]
struct List {
    #[command(flatten)]
    api: ApiArg,
}

/// Show one deployment
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock deployment get image-api 4kq2w8m1zx")]
struct Get {
    #[command(flatten)]
    api: ApiArg,
    /// Id of the deployment
    id: String,
}

/// Delete a deployment that no stage points at
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock deployment delete image-api 4kq2w8m1zx")]
struct Delete {
    #[command(flatten)]
    api: ApiArg,
    /// Id of the deployment
    id: String,
}

impl Deployment {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            DeploymentCommand::List(list) => list.run(context).await,
            DeploymentCommand::Get(get) => get.run(context).await,
            DeploymentCommand::Delete(delete) => delete.run(context).await,
        }
    }
}

/// The stages that point at a deployment, and those whose canaries do.
fn stages_at(stages: &[pb::Stage], deployment: &pb::Deployment) -> String {
    let own = |stage: &&pb::Stage| stage.deployment_id == deployment.id;
    let canary =
        |stage: &&pb::Stage| stage.canary_settings.as_ref().is_some_and(|canary| canary.deployment_id == deployment.id);
    let own = stages.iter().filter(own).map(|stage| stage.stage_name.clone());
    let canaries = stages.iter().filter(canary).map(|stage| format!("{}(canary)", stage.stage_name));
    own.chain(canaries).collect::<Vec<_>>().join(" ")
}

fn made_by(deployment: &pb::Deployment) -> &'static str {
    if deployment.automatic { "auto-deploy" } else { "hand" }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let deployments = control_plane.deployments_of(&api.id).await?;
        let stages = control_plane.stages_of(&api.id).await?;
        context.output.list(&deployments, || {
            let columns = [
                Column::text("ID"),
                Column::text("CREATED"),
                Column::number("ROUTES"),
                Column::text("BY"),
                Column::text("STAGES"),
                Column::elastic("DESCRIPTION"),
            ];
            let mut table = Table::new("No deployments. `penstock deploy API --stage STAGE` makes one.", columns);
            for deployment in &deployments {
                table.row([
                    deployment.id.clone(),
                    time(deployment.created_date),
                    deployment.route_count.to_string(),
                    made_by(deployment).to_owned(),
                    stages_at(&stages, deployment),
                    deployment.description.clone(),
                ]);
            }
            table
        })
    }
}

impl Get {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let doing = format!("looking for the deployment {}", self.id);
        let request = pb::GetDeploymentRequest { rest_api_id: api.id.clone(), deployment_id: self.id };
        let deployment = control_plane.deployments().get_deployment(request).await.doing(doing)?;
        let stages = control_plane.stages_of(&api.id).await?;
        context.output.object(&deployment, || {
            Fields::default()
                .add("id", &deployment.id)
                .add("api", format!("{} ({})", api.name, api.id))
                .add("description", &deployment.description)
                .add("created", time(deployment.created_date))
                .add("routes", deployment.route_count.to_string())
                .add("made by", made_by(&deployment))
                .add("stages", stages_at(&stages, &deployment))
        })
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let doing = format!("deleting the deployment {}", self.id);
        let request = pb::DeleteDeploymentRequest { rest_api_id: api.id, deployment_id: self.id.clone(), revision: 0 };
        control_plane.deployments().delete_deployment(request).await.doing(doing)?;
        context.output.gone(|| format!("Deleted the deployment {} of {}.", self.id, api.name))
    }
}
