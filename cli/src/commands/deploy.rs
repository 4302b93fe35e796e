//! `penstock deploy`: snapshot an API and let a stage serve it.

use clap::Args;
use penstock_proto::management::v1 as pb;

use super::{Context, count, map};
use crate::args::{ApiArg, key_value};
use crate::exit::{Doing, Failure};

/// Deploy an API: snapshot it, and let a stage serve the snapshot
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock deploy image-api --stage prod
  penstock deploy image-api --stage prod --description 'larger previews'
  penstock deploy image-api --stage test --variable resizer=10.0.0.7:9000

The stage is created if it is missing, and only then takes the variables; later
they change with `penstock stage update`. `penstock stage rollback` goes back.")]
pub(crate) struct Deploy {
    #[command(flatten)]
    api: ApiArg,
    /// Stage that serves it
    #[arg(long)]
    stage: String,
    /// What is new
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// Variable of a stage that this creates; repeat for more
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = key_value)]
    variables: Vec<(String, String)>,
}

impl Deploy {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let request = pb::CreateDeploymentRequest {
            rest_api_id: api.id,
            stage_name: self.stage.clone(),
            description: self.description,
            variables: map(self.variables),
        };
        let doing = format!("deploying {}", api.name);
        let deployment = control_plane.deployments().create_deployment(request).await.doing(doing)?;
        context.output.done(&deployment, || {
            let routes = count(deployment.route_count, "route");
            format!("Deployed {} to the stage {}: {routes} (deployment {}).", api.name, self.stage, deployment.id)
        })
    }
}
