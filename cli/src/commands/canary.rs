//! `penstock stage canary`: another deployment, or other variables, for a part of a stage's requests.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;

use super::rollout::{self, Waiting};
use super::stage::StageArg;
use super::{Context, map, mask};
use crate::args::key_value;
use crate::exit::Failure;

/// Try a deployment or variables on a part of a stage's requests
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
A release step by step:
  penstock deploy image-api --stage prod --canary 5
  penstock stage canary set image-api prod --percent 50
  penstock stage canary promote image-api prod
  penstock stage canary remove image-api prod

Each request is drawn by itself. While a stage has a canary, `penstock deploy`
without --canary is refused for it.")]
pub(crate) struct Canary {
    #[command(subcommand)]
    command: CanaryCommand,
}

#[derive(Debug, Subcommand)]
enum CanaryCommand {
    Set(Set),
    Promote(Promote),
    Remove(Remove),
}

/// Change a stage's canary, or make one; what is not named stays
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock stage canary set image-api prod --percent 50
  penstock stage canary set image-api prod --percent 1 --variable resizer=10.0.0.9:9000

A new canary begins on the stage's own deployment, with 0 percent.")]
struct Set {
    #[command(flatten)]
    stage: StageArg,
    /// How many of a hundred requests meet it, 0 to 100
    #[arg(long)]
    percent: Option<f64>,
    /// Id of the deployment that they meet
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// Stage variable that is other for them; the others stay; repeat for more
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = key_value)]
    variables: Vec<(String, String)>,
    /// Stage variable that is no longer other for them; repeat for more
    #[arg(long, value_name = "KEY")]
    remove_variable: Vec<String>,
    /// Whether they share the stage's cache
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    use_stage_cache: Option<bool>,
    /// Only if the stage still has this revision
    #[arg(long)]
    revision: Option<i64>,
    #[command(flatten)]
    waiting: Waiting,
}

/// Make the canary's deployment and variables the stage's own
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  penstock stage canary promote image-api prod

The canary stays, with 0 percent; `penstock stage canary remove` ends it.")]
struct Promote {
    #[command(flatten)]
    stage: StageArg,
    /// Only if the stage still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
    #[command(flatten)]
    waiting: Waiting,
}

/// Let every request meet the stage's own deployment again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock stage canary remove image-api prod")]
struct Remove {
    #[command(flatten)]
    stage: StageArg,
    /// Only if the stage still has this revision
    #[arg(long)]
    revision: Option<i64>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Canary {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            CanaryCommand::Set(set) => set.run(context).await,
            CanaryCommand::Promote(promote) => promote.run(context).await,
            CanaryCommand::Remove(remove) => remove.run(context).await,
        }
    }
}

/// What a stage's canary gets, for people: `5 % to 4kq2w8`. Empty without a canary.
pub(crate) fn share(stage: &pb::Stage) -> String {
    let canary = stage.canary_settings.as_ref();
    canary.map_or_else(String::new, |canary| format!("{} % to {}", canary.percent_traffic, canary.deployment_id))
}

/// The variables that are other for the canary.
pub(crate) fn overrides(stage: &pb::Stage) -> BTreeMap<String, String> {
    stage.canary_settings.as_ref().map(|canary| canary.stage_variable_overrides.clone()).unwrap_or_default()
}

impl Set {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = self.waiting.connect(context).await?;
        let (api, mut stage) = self.stage.find(&control_plane).await?;
        let waiting = self.change(&mut stage)?;
        let request = update(stage, &waiting);
        let answer = control_plane.stages().update_stage(request).await;
        let stage = rollout::of_stage(answer, "changing the canary", &waiting, &control_plane).await?;
        context.output.done(&stage, || {
            format!("The canary of the stage {} of {}: {}.", stage.stage_name, api.name, share(&stage))
        })?;
        rollout::conclude(context, stage.rollout.as_ref())
    }

    /// Changes the canary of `stage`, which is as the control plane has it. Its settings are written as a whole, so the
    /// revision that was read protects them.
    fn change(self, stage: &mut pb::Stage) -> Result<Waiting, Failure> {
        let Self { stage: _, percent, deployment, variables, remove_variable, use_stage_cache, revision, waiting } =
            self;
        let lists_are_empty = variables.is_empty() && remove_variable.is_empty();
        if lists_are_empty && percent.is_none() && deployment.is_none() && use_stage_cache.is_none() {
            return Err(Failure::Usage("nothing to change: name at least one setting".into()));
        }
        let canary = stage.canary_settings.get_or_insert_default();
        canary.percent_traffic = percent.unwrap_or(canary.percent_traffic);
        canary.use_stage_cache = use_stage_cache.unwrap_or(canary.use_stage_cache);
        if let Some(deployment) = deployment {
            canary.deployment_id = deployment;
        }
        canary.stage_variable_overrides.retain(|key, _| !remove_variable.contains(key));
        canary.stage_variable_overrides.extend(map(variables));
        stage.revision = revision.unwrap_or(stage.revision);
        Ok(waiting)
    }
}

impl Promote {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = self.waiting.connect(context).await?;
        let api = control_plane.api(&self.stage.api.api).await?;
        let request = pb::PromoteCanaryRequest {
            rest_api_id: api.id,
            stage_name: self.stage.stage,
            revision: self.revision,
            policy: self.waiting.policy(),
            ..Default::default()
        };
        let answer = control_plane.stages().promote_canary(request).await;
        let stage = rollout::of_stage(answer, "promoting the canary", &self.waiting, &control_plane).await?;
        context.output.done(&stage, || {
            format!(
                "The stage {} of {} serves the deployment {} to all. Its canary stays, with 0 %.",
                stage.stage_name, api.name, stage.deployment_id
            )
        })?;
        rollout::conclude(context, stage.rollout.as_ref())
    }
}

impl Remove {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = self.waiting.connect(context).await?;
        let (api, mut stage) = self.stage.find(&control_plane).await?;
        if stage.canary_settings.take().is_none() {
            return Err(Failure::NotFound(format!("the stage {} of {} has no canary", stage.stage_name, api.name)));
        }
        stage.revision = self.revision.unwrap_or(stage.revision);
        let answer = control_plane.stages().update_stage(update(stage, &self.waiting)).await;
        let stage = rollout::of_stage(answer, "removing the canary", &self.waiting, &control_plane).await?;
        context.output.done(&stage, || {
            format!(
                "Removed the canary of the stage {} of {}: all requests meet the deployment {}.",
                stage.stage_name, api.name, stage.deployment_id
            )
        })?;
        rollout::conclude(context, stage.rollout.as_ref())
    }
}

fn update(stage: pb::Stage, waiting: &Waiting) -> pb::UpdateStageRequest {
    pb::UpdateStageRequest {
        stage: Some(stage),
        update_mask: mask(vec!["canary_settings"]),
        policy: waiting.policy(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        set: Set,
    }

    fn set(flags: &str) -> Set {
        let line = format!("set image-api prod {flags}");
        Program::try_parse_from(line.split_whitespace()).unwrap().set
    }

    #[test]
    fn what_is_not_named_stays() {
        let canary = pb::CanarySettings {
            percent_traffic: 5.0,
            deployment_id: "d2".into(),
            stage_variable_overrides: [("a".into(), "1".into()), ("b".into(), "2".into())].into(),
            use_stage_cache: true,
        };
        let mut stage = pb::Stage { canary_settings: Some(canary.clone()), revision: 7, ..Default::default() };
        set("--percent 12.5 --variable b=3 --remove-variable a").change(&mut stage).unwrap();
        let stage_variable_overrides = [("b".into(), "3".into())].into();
        let expected = pb::CanarySettings { percent_traffic: 12.5, stage_variable_overrides, ..canary };
        assert_eq!((stage.canary_settings.as_ref(), stage.revision), (Some(&expected), 7));
        assert_eq!(share(&stage), "12.5 % to d2");
        assert_eq!(set("").change(&mut stage).unwrap_err().code(), 2);
    }

    #[test]
    fn a_new_canary_begins_with_nothing() {
        let mut stage = pb::Stage { revision: 7, ..Default::default() };
        assert_eq!((share(&stage).as_str(), overrides(&stage).len()), ("", 0));
        set("--use-stage-cache --revision 6").change(&mut stage).unwrap();
        let expected = pb::CanarySettings { use_stage_cache: true, ..Default::default() };
        assert_eq!((stage.canary_settings, stage.revision), (Some(expected), 6));
    }
}
