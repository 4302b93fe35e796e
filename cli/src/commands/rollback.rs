//! `penstock stage rollback`: back to an earlier deployment, in one call.

use clap::Args;
use penstock_proto::management::v1 as pb;

use super::rollout::{self, Waiting};
use super::stage::StageArg;
use super::{Context, canary, mask};
use crate::exit::Failure;
use crate::output::warn;

/// Point a stage at an earlier deployment
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock stage rollback image-api prod
  penstock stage rollback image-api prod --to 4kq2w8
  penstock stage rollback image-api prod --wait all

Without --to it is the newest deployment that is older than the current one; of
deployments made by hand and by a stage with auto-deploy, one of the same kind.
`penstock deployment list` shows them. Requests in flight end on the deployment
that they began with.")]
pub(crate) struct Rollback {
    #[command(flatten)]
    stage: StageArg,
    /// Id of the deployment to serve; without it, the one before the current
    #[arg(long, value_name = "ID")]
    to: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Rollback {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = self.waiting.connect(context).await?;
        let (api, mut stage) = self.stage.find(&control_plane).await?;
        let to = match self.to {
            Some(id) => id,
            None => before(&control_plane.deployments_of(&api.id).await?, &stage)?,
        };
        if stage.auto_deploy {
            warn("the stage deploys by itself: the next change of the API moves it on from there");
        }
        if stage.canary_settings.is_some() {
            warn(&format!("the canary stays as it is: {}", canary::share(&stage)));
        }
        // The revision that was read stays: "the one before" is a statement about what we saw.
        stage.deployment_id = to;
        let request = pb::UpdateStageRequest {
            stage: Some(stage),
            update_mask: mask(vec!["deployment_id"]),
            policy: self.waiting.policy(),
            ..Default::default()
        };
        let answer = control_plane.stages().update_stage(request).await;
        let stage = rollout::of_stage(answer, "rolling the stage back", &self.waiting, &control_plane).await?;
        context.output.done(&stage, || {
            format!(
                "The stage {} of {} serves the deployment {} again.",
                stage.stage_name, api.name, stage.deployment_id
            )
        })?;
        rollout::conclude(context, stage.rollout.as_ref())
    }
}

/// The deployment that is next older than the stage's. Those of the same kind come first: what another stage deployed by
/// itself was never on a stage that is deployed to by hand.
fn before(newest_first: &[pb::Deployment], stage: &pb::Stage) -> Result<String, Failure> {
    let mut from_current = newest_first.iter().skip_while(|deployment| deployment.id != stage.deployment_id);
    let automatic = from_current.next().is_some_and(|current| current.automatic);
    let older: Vec<_> = from_current.collect();
    let found = older.iter().find(|deployment| deployment.automatic == automatic).or(older.first());
    let none = || Failure::NotFound(format!("no deployment is older than {}", stage.deployment_id));
    found.map(|deployment| deployment.id.clone()).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployments(ids: &[(&str, bool)]) -> Vec<pb::Deployment> {
        ids.iter().map(|&(id, automatic)| pb::Deployment { id: id.into(), automatic, ..Default::default() }).collect()
    }

    fn at(id: &str) -> pb::Stage {
        pb::Stage { deployment_id: id.into(), ..Default::default() }
    }

    #[test]
    fn rollback_goes_one_back() {
        let all = deployments(&[("d3", false), ("d2", false), ("d1", false)]);
        assert_eq!(before(&all, &at("d3")).unwrap(), "d2");
        assert_eq!(before(&all, &at("d2")).unwrap(), "d1");
        assert_eq!(before(&all, &at("d1")).unwrap_err().code(), 3);
        assert_eq!(before(&all, &at("gone")).unwrap_err().code(), 3);
    }

    #[test]
    fn what_another_stage_deployed_by_itself_is_passed_over() {
        let all = deployments(&[("auto4", true), ("hand3", false), ("auto2", true), ("hand1", false), ("auto0", true)]);
        assert_eq!(before(&all, &at("hand3")).unwrap(), "hand1");
        assert_eq!(before(&all, &at("auto4")).unwrap(), "auto2");
        assert_eq!(before(&all, &at("hand1")).unwrap(), "auto0", "there is no other");
    }
}
