//! `penstock stage node-canary`, and what `penstock deploy --nodes` shows: a deployment on some proxies before the others.

use std::time::Duration;

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;

use super::Context;
use super::stage::StageArg;
use crate::client::ControlPlane;
use crate::exit::{Doing, Failure, known};
use crate::output::harmless;
use crate::output::progress::Progress;
use pb::node_canary_settings::Share;

/// Columns of the progress bar.
const BAR_COLUMNS: usize = 24;

/// How a deployment is tried on some proxies first.
#[derive(Debug, Args)]
pub(crate) struct Trying {
    /// Try it on so many proxies first, or on so many of a hundred, as 2 or 10%
    #[arg(long, value_name = "N|PERCENT%", value_parser = share, conflicts_with_all = ["variables", "canary", "preview"])]
    nodes: Option<Share>,
    /// How long these are watched
    #[arg(long, value_name = "TIME", value_parser = crate::args::duration, default_value = "5m", requires = "nodes")]
    watch: Duration,
    /// How much more of the requests may fail there than on the others, of 1
    #[arg(long, value_name = "RATE", default_value_t = 0.01, requires = "nodes")]
    error_rate_increase: f64,
    /// How many times the 95th percentile of durations may be that of the others
    #[arg(long, value_name = "RATIO", default_value_t = 1.5, requires = "nodes")]
    duration_ratio: f64,
    /// Requests that are needed before anything is judged
    #[arg(long, value_name = "N", default_value_t = 100, requires = "nodes")]
    requests_min: u64,
}

/// `2`, or `10%`.
fn share(text: &str) -> Result<Share, String> {
    let wrong = |_| "expected a number of proxies as 2, or a percentage as 10%".to_owned();
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().map(Share::NodePercent).map_err(|_| wrong(())),
        None => text.parse().map(Share::NodeCount).map_err(|_| wrong(())),
    }
}

impl Trying {
    /// Finds out whether the control plane can do what is asked.
    ///
    /// # Errors
    /// It is too old, and would deploy to all.
    pub(crate) async fn check(&self, control_plane: &ControlPlane) -> Result<(), Failure> {
        if self.nodes.is_none() {
            return Ok(());
        }
        // There need not be one to watch: that it says so is enough.
        let answer = control_plane.deployments().watch_node_canary(pb::WatchNodeCanaryRequest::default()).await;
        known(&answer, "--nodes")
    }

    /// What the control plane is asked for; `None`: all proxies at once.
    pub(crate) fn settings(&self) -> Option<pb::NodeCanarySettings> {
        self.nodes.map(|share| pb::NodeCanarySettings {
            share: Some(share),
            watch: prost_types::Duration::try_from(self.watch).ok(),
            error_rate_increase_max: Some(self.error_rate_increase),
            duration_ratio_max: Some(self.duration_ratio),
            requests_min: Some(self.requests_min),
        })
    }
}

/// See how a deployment does on some proxies before the others, or end that
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Begun with `penstock deploy API --stage STAGE --nodes 10%`, which also shows it.
It ends by itself, whether somebody watches or not. One runs at a time.")]
pub(crate) struct NodeCanary {
    #[command(subcommand)]
    command: NodeCanaryCommand,
}

#[derive(Debug, Subcommand)]
enum NodeCanaryCommand {
    Watch(Watch),
    Promote(Promote),
    End(End),
}

/// Show how it does, until it ends; also how the last one ended
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock stage node-canary watch image-api prod")]
struct Watch {
    #[command(flatten)]
    stage: StageArg,
}

/// Give the deployment to all proxies now
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock stage node-canary promote image-api prod")]
struct Promote {
    #[command(flatten)]
    stage: StageArg,
}

/// Take its proxies back to what the stage has now
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock stage node-canary end image-api prod")]
struct End {
    #[command(flatten)]
    stage: StageArg,
}

impl NodeCanary {
    /// # Errors
    /// There is none, or the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let (stage, promote) = match self.command {
            NodeCanaryCommand::Watch(Watch { stage }) => {
                let last = watch(&control_plane, stage.api(), stage.stage()).await?;
                say(context, &last, stage.api())?;
                return conclude(&last);
            }
            NodeCanaryCommand::Promote(Promote { stage }) => (stage, true),
            NodeCanaryCommand::End(End { stage }) => (stage, false),
        };
        // By the name that was given: it can be ended while the database is away, where nothing can be looked up.
        let (rest_api_id, stage_name) = (stage.api().to_owned(), stage.stage().to_owned());
        let doing = format!("ending the node canary of {rest_api_id}, stage {stage_name}");
        let request = pb::EndNodeCanaryRequest { rest_api_id, stage_name, promote };
        let last = control_plane.deployments().end_node_canary(request).await.doing(doing)?;
        say(context, &last, stage.api())?;
        match (promote, last.state()) {
            (true, pb::NodeCanaryState::NodeCanaryEnded) => conclude(&last),
            _ => Ok(()),
        }
    }
}

/// Shows on standard error how it does, and answers how it ended.
///
/// # Errors
/// The control plane does not say how it ended.
pub(crate) async fn watch(
    control_plane: &ControlPlane,
    rest_api_id: &str,
    stage_name: &str,
) -> Result<pb::NodeCanary, Failure> {
    let doing = "watching the proxies that serve it first".to_owned();
    let (rest_api_id, stage_name) = (rest_api_id.to_owned(), stage_name.to_owned());
    let request = pb::WatchNodeCanaryRequest { rest_api_id, stage_name };
    let mut pictures = control_plane.deployments().watch_node_canary(request).await.doing(doing.clone())?;
    let (mut progress, mut last_state) = (Progress::new(), None);
    loop {
        let picture = pictures.message().await;
        let Some(canary) = picture.ok().flatten() else {
            progress.end();
            return Err(Failure::Interrupted(doing));
        };
        if matches!(canary.state(), pb::NodeCanaryState::NodeCanaryPromoted | pb::NodeCanaryState::NodeCanaryEnded) {
            progress.end();
            return Ok(canary);
        }
        let line = line(&canary, progress.is_terminal());
        match last_state.replace(canary.state()) == Some(canary.state()) {
            true => progress.show_sparsely(line),
            false => progress.show(line),
        }
    }
}

/// Says how it ended.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn say(context: &Context, canary: &pb::NodeCanary, api: &str) -> Result<(), Failure> {
    context.output.done(canary, || {
        let what = format!("{api}, stage {} (deployment {})", canary.stage_name, canary.deployment_id);
        match canary.state() {
            pb::NodeCanaryState::NodeCanaryPromoted => {
                format!("Promoted {what} to all proxies, with version {}: {}.", canary.version, canary.reason)
            }
            _ => format!("Took {what} back from {}.", canary.node_ids.join(", ")),
        }
    })?;
    for (who, figures) in [("There:", &canary.canary), ("Others:", &canary.others)] {
        let figures = figures.unwrap_or_default();
        context.output.note(&format!(
            "{who:<7} {} requests, {} failed, 50 of 100 in {}, 95 in {}.",
            figures.requests,
            figures.errors,
            ms(figures.duration_p50_us),
            ms(figures.duration_p95_us)
        ))?;
    }
    Ok(())
}

/// # Errors
/// [`Failure::TakenBack`] if it was not promoted.
pub(crate) fn conclude(canary: &pb::NodeCanary) -> Result<(), Failure> {
    match canary.state() {
        pb::NodeCanaryState::NodeCanaryPromoted => Ok(()),
        _ => Err(Failure::TakenBack(canary.reason.clone())),
    }
}

fn ms(us: u64) -> String {
    format!("{:.1} ms", Duration::from_micros(us).as_secs_f64() * 1_000.0)
}

fn seconds(duration: Option<prost_types::Duration>) -> u64 {
    duration.and_then(|duration| Duration::try_from(duration).ok()).unwrap_or_default().as_secs()
}

fn line(canary: &pb::NodeCanary, with_bar: bool) -> String {
    let (watched, watch) = (seconds(canary.watched), seconds(canary.watch).max(1));
    let nodes = match canary.node_ids.len() {
        1 => "1 proxy".to_owned(),
        count => format!("{count} proxies"),
    };
    if canary.state() == pb::NodeCanaryState::NodeCanaryStarting {
        return format!("deployment {}: on its way to {nodes}", harmless(&canary.deployment_id));
    }
    let figures = |figures: &Option<pb::NodeCanaryFigures>| {
        let figures = figures.unwrap_or_default();
        format!("{} of {} failed, p95 {}", figures.errors, figures.requests, ms(figures.duration_p95_us))
    };
    let text =
        format!("{watched} of {watch} s on {nodes}: {}; others: {}", figures(&canary.canary), figures(&canary.others));
    if !with_bar {
        return text;
    }
    let full = (BAR_COLUMNS as u64 * watched / watch).min(BAR_COLUMNS as u64) as usize;
    format!("[{}{}] {text}", "#".repeat(full), "-".repeat(BAR_COLUMNS - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_number_or_a_percentage() {
        assert_eq!(share("2"), Ok(Share::NodeCount(2)));
        assert_eq!(share("12.5%"), Ok(Share::NodePercent(12.5)));
        for wrong in ["", "%", "-1", "1.5", "two"] {
            assert!(share(wrong).unwrap_err().contains("10%"), "{wrong}");
        }
    }

    #[test]
    fn a_line_says_how_both_sides_do() {
        let figures =
            |requests, errors| pb::NodeCanaryFigures { requests, errors, duration_p50_us: 900, duration_p95_us: 2_500 };
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let mut canary = pb::NodeCanary {
            deployment_id: "d".into(),
            node_ids: vec!["a".into()],
            state: pb::NodeCanaryState::NodeCanaryStarting.into(),
            watched: seconds(15),
            watch: seconds(60),
            canary: Some(figures(40, 1)),
            others: Some(figures(400, 0)),
            ..Default::default()
        };
        assert_eq!(line(&canary, true), "deployment d: on its way to 1 proxy");
        canary.state = pb::NodeCanaryState::NodeCanaryWatching.into();
        let expected = "15 of 60 s on 1 proxy: 1 of 40 failed, p95 2.5 ms; others: 0 of 400 failed, p95 2.5 ms";
        assert_eq!(line(&canary, false), expected);
        assert_eq!(line(&canary, true), format!("[######------------------] {expected}"));
    }
}
