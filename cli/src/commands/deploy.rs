//! `penstock deploy`: snapshot an API and let a stage serve it.

use clap::Args;
use penstock_proto::management::v1 as pb;

use super::node_canary::{self, Trying};
use super::rollout::{self, Waiting, Watched};
use super::{Context, count, map, preview};
use crate::args::{ApiArg, key_value};
use crate::client::ControlPlane;
use crate::exit::{Doing, Failure};

/// Deploy an API: snapshot it, and let a stage serve the snapshot
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock deploy image-api --stage prod
  penstock deploy image-api --stage prod --description 'larger previews'
  penstock deploy image-api --stage test --variable resizer=10.0.0.7:9000
  penstock deploy image-api --stage prod --canary 5
  penstock deploy image-api --stage prod --wait all
  penstock deploy image-api --stage prod --preview
  penstock deploy image-api --stage prod --nodes 10% --watch 5m

The stage is created if it is missing, and only then takes the variables; later
they change with `penstock stage update`. `penstock stage rollback` goes back.
With --canary the stage keeps its deployment, and a part of its requests meets
the new one; `penstock stage canary` says what becomes of it.

With --wait it says which proxies serve it, and ends with 7 if they are not as
many: a proxy refused it, or has not answered when the time is over. It stays
published, and proxies that come later serve it.

With --nodes some proxies serve it first, the others what the stage has. Both
are watched, and then all get it, or those go back: at once where clearly more
of the requests fail there or take longer, or a proxy refuses it or stays away;
at the end also where too few came to judge. Ends with 9 if it was taken back.
It goes on by itself if this command is stopped: `penstock stage node-canary`.

With --preview nothing is deployed. The requests that the proxies had lately are
looked up in what serves and in what would serve, and listed if they would meet
something else. It ends with 8 if requests that are served now would be refused,
with 7 if a proxy has not answered, and otherwise with 0. Looked at are method,
host and path: not what an integration makes of a request, and not the draw of a
canary. With --canary it is about the requests that meet the canary.")]
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
    /// Deploy to the stage's canary, for this many of a hundred requests
    #[arg(long, value_name = "PERCENT", conflicts_with = "variables")]
    canary: Option<f64>,
    /// Stage variable that is other for the canary; repeat for more
    #[arg(long = "canary-variable", value_name = "KEY=VALUE", value_parser = key_value, requires = "canary")]
    canary_variables: Vec<(String, String)>,
    /// Deploy nothing, and show which recent requests would meet something else
    #[arg(long, conflicts_with_all = ["wait", "wait_deadline", "all_or_nothing"])]
    preview: bool,
    /// Request lines of each proxy that a preview looks at, at most 4096
    #[arg(long, value_name = "N", requires = "preview", default_value = "1000", value_parser = clap::value_parser!(i32).range(1..=4096))]
    preview_lines: i32,
    #[command(flatten)]
    trying: Trying,
    #[command(flatten)]
    waiting: Waiting,
}

impl Deploy {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = self.waiting.connect(context).await?;
        self.trying.check(&control_plane).await?;
        let api = control_plane.api(&self.api.api).await?;
        let stage_variable_overrides = map(self.canary_variables);
        let request = pb::CreateDeploymentRequest {
            rest_api_id: api.id,
            stage_name: Some(self.stage.clone()),
            description: self.description,
            variables: map(self.variables),
            canary_settings: self.canary.map(|percent_traffic| pb::DeploymentCanarySettings {
                percent_traffic,
                stage_variable_overrides,
                use_stage_cache: false,
            }),
            policy: self.waiting.policy(),
            node_canary: self.trying.settings(),
            ..Default::default()
        };
        if self.preview {
            let request =
                pb::PreviewDeploymentRequest { deployment: Some(request), lines_per_node_max: self.preview_lines };
            return preview::show(context, &control_plane, request, &api.name).await;
        }
        let is_tried = request.node_canary.is_some();
        let doing = format!("deploying {} to the stage {}", api.name, self.stage);
        let answer = control_plane.deployments().create_deployment(request).await;
        let version = answer.as_ref().ok().map(rollout::version_of).transpose()?;
        let mut deployment = answer.doing(doing)?;
        if is_tried {
            return follow(context, &control_plane, &api.name, deployment, (&self.stage, &self.waiting)).await;
        }
        let watched = Watched {
            rest_api_id: &deployment.rest_api_id,
            stage_name: &self.stage,
            version: version.unwrap_or_default(),
        };
        deployment.rollout = self.waiting.watch(&control_plane, watched).await?;
        context.output.done(&deployment, || {
            let routes = count(deployment.route_count, "route");
            let place = match self.canary {
                Some(percent) => format!("{percent} % of the stage {}", self.stage),
                None => format!("the stage {}", self.stage),
            };
            format!("Deployed {} to {place}: {routes} (deployment {}).", api.name, deployment.id)
        })?;
        rollout::conclude(context, deployment.rollout.as_ref())
    }
}

/// Shows how a deployment does on the proxies that serve it first, and how it ends.
async fn follow(
    context: &Context,
    control_plane: &ControlPlane,
    api: &str,
    deployment: pb::Deployment,
    (stage_name, waiting): (&str, &Waiting),
) -> Result<(), Failure> {
    let rest_api_id = &deployment.rest_api_id;
    let last = node_canary::watch(control_plane, rest_api_id, stage_name).await?;
    node_canary::say(context, &last, api)?;
    node_canary::conclude(&last)?;
    let watched = Watched { rest_api_id, stage_name, version: last.version };
    let rollout = waiting.watch(control_plane, watched).await?;
    rollout::conclude(context, rollout.as_ref())
}
