//! Waiting until the proxies serve what a command has changed, and showing how it comes along.
//!
//! The change is made first and then watched: whatever happens to the watching, the answer says what was changed.

use std::time::Duration;

use clap::{Args, ValueEnum};
use penstock_proto::management::v1 as pb;
use tonic::Response;

use super::Context;
use crate::client::ControlPlane;
use crate::exit::{Doing, Failure, known};
use crate::output::harmless;
use crate::output::progress::Progress;

/// The metadata entry that says which published configuration contains a write.
const VERSION_METADATA: &str = "penstock-config-version";
/// Longest wait.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Columns of the progress bar.
const BAR_COLUMNS: usize = 24;
/// Nodes that are named in one line; the others are counted.
const NAMED_MAX: usize = 5;

/// How a command waits.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// Wait until these proxies serve it: none, quorum (more than half) or all
    #[arg(long, value_enum, default_value_t = Wait::None, hide_default_value = true, hide_possible_values = true)]
    wait: Wait,
    /// How long to wait, at most 10m
    #[arg(long, value_name = "TIME", value_parser = deadline, default_value = "30s", requires = "wait")]
    wait_deadline: Duration,
    /// A proxy that refuses a part keeps serving all of the version before
    #[arg(long)]
    all_or_nothing: bool,
}

/// As long as a control plane lets a call wait: refused later, the change would be made already.
fn deadline(text: &str) -> Result<Duration, String> {
    let asked = crate::args::duration(text)?;
    if asked <= WAIT_MAX { Ok(asked) } else { Err("must be at most 10m".to_owned()) }
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wait {
    None,
    Quorum,
    All,
}

/// What is watched.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    pub(crate) rest_api_id: &'a str,
    pub(crate) stage_name: &'a str,
    pub(crate) version: u64,
}

/// The published version that contains a write.
///
/// # Errors
/// The control plane does not say, as one from before would not.
pub(crate) fn version_of<T>(answer: &Response<T>) -> Result<u64, Failure> {
    let version = answer.metadata().get(VERSION_METADATA).and_then(|value| value.to_str().ok()?.parse().ok());
    version.ok_or_else(|| Failure::Failed("the control plane does not say which version contains the change".into()))
}

/// The stage that a write answered, with how it was rolled out.
///
/// # Errors
/// The write was refused, or it cannot be watched.
pub(crate) async fn of_stage(
    answer: Result<Response<pb::Stage>, tonic::Status>,
    doing: &str,
    waiting: &Waiting,
    control_plane: &ControlPlane,
) -> Result<pb::Stage, Failure> {
    let version = answer.as_ref().ok().map(version_of).transpose()?.unwrap_or_default();
    let mut stage = answer.doing(doing)?;
    let watched = Watched { rest_api_id: &stage.rest_api_id, stage_name: &stage.stage_name, version };
    stage.rollout = waiting.watch(control_plane, watched).await?;
    Ok(stage)
}

impl Waiting {
    /// Connects, for a change that is about to be made, and finds out first whether it can be waited for and made as a whole.
    ///
    /// # Errors
    /// As [`Context::connect`]; the control plane is too old.
    pub(crate) async fn connect(&self, context: &Context) -> Result<ControlPlane, Failure> {
        let control_plane = context.connect().await?;
        if self.wait == Wait::None && !self.all_or_nothing {
            return Ok(control_plane);
        }
        // How the newest version stands, without waiting.
        let answer = control_plane.fleet().watch_rollout(pb::WatchRolloutRequest::default()).await;
        known(&answer, "--wait and --all-or-nothing").map(|()| control_plane)
    }

    /// What a node should do that cannot take everything.
    pub(crate) fn policy(&self) -> i32 {
        match self.all_or_nothing {
            true => pb::ActivationPolicy::AllOrNothing.into(),
            false => pb::ActivationPolicy::Unspecified.into(),
        }
    }

    /// Waits, if that is wanted, and shows on standard error how far it is: as a bar to people, as lines to a pipe.
    ///
    /// # Errors
    /// The control plane does not answer.
    pub(crate) async fn watch(
        &self,
        control_plane: &ControlPlane,
        watched: Watched<'_>,
    ) -> Result<Option<pb::Rollout>, Failure> {
        let wait_for = match self.wait {
            Wait::None => return Ok(None),
            Wait::Quorum => pb::WaitFor::Quorum,
            Wait::All => pb::WaitFor::All,
        };
        let doing = format!("watching version {}, which is published", watched.version);
        let request = pb::WatchRolloutRequest {
            version: watched.version,
            rest_api_id: watched.rest_api_id.to_owned(),
            stage_name: watched.stage_name.to_owned(),
            wait_for: wait_for.into(),
            wait_deadline: prost_types::Duration::try_from(self.wait_deadline).ok(),
        };
        let mut pictures = control_plane.fleet().watch_rollout(request).await.doing(doing.clone())?;
        let mut progress = Progress::new();
        loop {
            let picture = pictures.message().await.map(Response::new).doing(doing.clone())?;
            let Some(rollout) = picture else {
                progress.end();
                return Err(Failure::Failed(format!("{doing}: the control plane ended the answer")));
            };
            progress.show(line(&rollout, progress.is_terminal()));
            if rollout.state() != pb::RolloutState::RolloutWaiting {
                progress.end();
                return Ok(Some(rollout));
            }
        }
    }
}

/// Says how a rollout ended, below what the command said.
///
/// # Errors
/// [`Failure::NotEverywhere`] if it did not come as far as was waited for.
pub(crate) fn conclude(context: &Context, rollout: Option<&pb::Rollout>) -> Result<(), Failure> {
    let Some(rollout) = rollout else { return Ok(()) };
    for line in lines(rollout) {
        context.output.note(&line)?;
    }
    match rollout.state() {
        pb::RolloutState::RolloutReached => Ok(()),
        pb::RolloutState::RolloutRefused => Err(Failure::NotEverywhere(refused(rollout))),
        pb::RolloutState::RolloutDeadline | pb::RolloutState::RolloutWaiting | pb::RolloutState::Unspecified => {
            let silent = names(rollout, pb::NodeRolloutState::NodeSilent);
            let silent = if silent.is_empty() { "proxies may still be coming back".to_owned() } else { silent };
            let seconds = seconds(rollout);
            Err(Failure::NotEverywhere(format!("not served everywhere after {seconds} s: {silent}")))
        }
    }
}

fn number(rollout: &pb::Rollout, state: pb::NodeRolloutState) -> usize {
    rollout.nodes.iter().filter(|node| node.state() == state).count()
}

fn names(rollout: &pb::Rollout, state: pb::NodeRolloutState) -> String {
    named(rollout.nodes.iter().filter(|node| node.state() == state))
}

fn named<'a>(nodes: impl Iterator<Item = &'a pb::NodeRollout>) -> String {
    let named: Vec<_> = nodes.collect();
    let mut text: Vec<String> = named
        .iter()
        .take(NAMED_MAX)
        .map(|node| format!("{}{}", node.node_id, if node.connected { "" } else { " (gone)" }))
        .collect();
    if named.len() > NAMED_MAX {
        text.push(format!("{} more", named.len() - NAMED_MAX));
    }
    text.join(", ")
}

fn refused(rollout: &pb::Rollout) -> String {
    format!("refused by {}; what they served before goes on", names(rollout, pb::NodeRolloutState::NodeRefused))
}

fn seconds(rollout: &pb::Rollout) -> String {
    let waited = rollout.waited.and_then(|waited| Duration::try_from(waited).ok()).unwrap_or_default();
    format!("{:.3}", waited.as_secs_f64())
}

/// How it ended, for people: one line in all, one for each refusal, and what it cost requests.
fn lines(rollout: &pb::Rollout) -> Vec<String> {
    let (applied, all) = (number(rollout, pb::NodeRolloutState::NodeApplied), rollout.nodes.len());
    let version = rollout.version;
    let mut lines = match all {
        0 => vec![format!("No proxy is connected, so none serves version {version}.")],
        _ => vec![format!("Version {version} serves on {applied} of {all} after {} s.", seconds(rollout))],
    };
    for node in &rollout.nodes {
        for refusal in &node.refusals {
            let what = match refusal.rest_api_id.as_str() {
                "" => "the version".to_owned(),
                api => format!("{api}/{}", refusal.stage_name),
            };
            lines.push(format!("{} refuses {what}: {}", node.node_id, refusal.reason));
        }
    }
    if all > 0 {
        let before = || {
            let generations = rollout.nodes.iter().flat_map(|node| &node.generations);
            generations.filter(|generation| generation.version < version)
        };
        let pinned = |one: &pb::Generation| one.requests_started.saturating_sub(one.requests_finished);
        let pinned: u64 = before().map(pinned).sum();
        let cut: u64 = before().map(|one| one.requests_cut).sum();
        lines.push(format!("Requests on versions before: {pinned} under way, {cut} cut."));
        let uncounted = named(rollout.nodes.iter().filter(|node| {
            // Whoever counts has at least a line for what it serves.
            node.state() == pb::NodeRolloutState::NodeApplied && node.generations.is_empty()
        }));
        if !uncounted.is_empty() {
            lines.push(format!("Not among them are those of {uncounted}: an older program does not count them."));
        }
    }
    lines
}

fn line(rollout: &pb::Rollout, with_bar: bool) -> String {
    let (applied, all) = (number(rollout, pb::NodeRolloutState::NodeApplied), rollout.nodes.len());
    let refused = number(rollout, pb::NodeRolloutState::NodeRefused);
    let mut text = match all {
        0 => format!("version {}: no proxy is connected", rollout.version),
        1 => format!("version {}: {applied} of 1 proxy serves it", rollout.version),
        _ => format!("version {}: {applied} of {all} proxies serve it", rollout.version),
    };
    if refused > 0 {
        text += &format!(", {refused} refused");
    }
    if with_bar && all > 0 {
        let full = BAR_COLUMNS * applied / all;
        text = format!("[{}{}] {text}", "#".repeat(full), "-".repeat(BAR_COLUMNS - full));
    }
    harmless(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, state: pb::NodeRolloutState) -> pb::NodeRollout {
        pb::NodeRollout { node_id: id.into(), state: state.into(), connected: true, ..Default::default() }
    }

    fn rollout(nodes: Vec<pb::NodeRollout>) -> pb::Rollout {
        let waited = Some(prost_types::Duration { seconds: 0, nanos: 12_300_000 });
        pb::Rollout { version: 7, nodes, waited, ..Default::default() }
    }

    #[test]
    fn a_line_says_how_many_serve_it() {
        use pb::NodeRolloutState::{NodeApplied, NodeRefused, NodeSilent};
        let some = rollout(vec![node("a", NodeApplied), node("b", NodeSilent), node("c", NodeRefused)]);
        assert_eq!(line(&some, false), "version 7: 1 of 3 proxies serve it, 1 refused");
        assert_eq!(line(&some, true), "[########----------------] version 7: 1 of 3 proxies serve it, 1 refused");
        assert_eq!(line(&rollout(vec![node("a", NodeApplied)]), false), "version 7: 1 of 1 proxy serves it");
        assert_eq!(line(&rollout(Vec::new()), true), "version 7: no proxy is connected");
    }

    #[test]
    fn the_end_tells_who_refused_and_what_it_cost() {
        use pb::NodeRolloutState::{NodeApplied, NodeRefused};
        let generation = |version, requests_started, requests_finished, requests_cut| pb::Generation {
            version,
            requests_started,
            requests_finished,
            requests_cut,
        };
        let mut good = node("a", NodeApplied);
        good.generations = vec![generation(5, 10, 9, 0), generation(6, 4, 2, 1), generation(7, 3, 1, 0)];
        let mut bad = node("b", NodeRefused);
        bad.refusals = vec![
            pb::Refusal {
                rest_api_id: "api".into(),
                stage_name: "v1".into(),
                reason: "no".into(),
                ..Default::default()
            },
            pb::Refusal { reason: "older".into(), ..Default::default() },
        ];
        assert_eq!(
            lines(&rollout(vec![good, bad])),
            [
                "Version 7 serves on 1 of 2 after 0.012 s.",
                "b refuses api/v1: no",
                "b refuses the version: older",
                "Requests on versions before: 3 under way, 1 cut.",
            ]
        );
        assert_eq!(lines(&rollout(Vec::new())), ["No proxy is connected, so none serves version 7."]);
        assert_eq!(
            lines(&rollout(vec![node("old", NodeApplied)]))[1..],
            [
                "Requests on versions before: 0 under way, 0 cut.",
                "Not among them are those of old: an older program does not count them.",
            ]
        );
    }

    #[test]
    fn no_longer_wait_is_asked_for_than_is_possible() {
        assert_eq!(deadline("10m"), Ok(WAIT_MAX));
        assert!(deadline("11m").unwrap_err().contains("10m") && deadline("x").is_err());
    }

    #[test]
    fn many_names_are_counted() {
        use pb::NodeRolloutState::NodeSilent;
        let mut nodes: Vec<_> = (0..8).map(|number| node(&format!("n{number}"), NodeSilent)).collect();
        nodes[1].connected = false;
        assert_eq!(names(&rollout(nodes), NodeSilent), "n0, n1 (gone), n2, n3, n4, 3 more");
    }
}
