//! What a deployment would mean: asks the nodes for the requests that they had lately, and the application for the rest.

use super::deployment::canary_of;
use super::{Management, required, wire};
use crate::app::{Error, Preview, PreviewRequest};
use crate::fleet::recent::{Asked, Recent, RecentLine};
use http::Method;
use penstock_model::impact::{ChangeKind, RequestLine};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Lines of each node when the caller names no number.
const LINES_PER_NODE_DEFAULT: u32 = 1_000;
/// Most lines of each node that a caller may name.
const LINES_PER_NODE_MAX: u32 = 4_096;
/// Lines of all nodes together, each of at most a few kilobytes; with many nodes each is asked for fewer.
const LINES_MAX: usize = 65_536;
/// Longest wait for the nodes, in milliseconds; the one wait is for all of them.
const ANSWER_MS_MAX: u64 = 2_000;
/// Previews at a time. Each may hold as many lines as above.
pub(super) const PREVIEWS_MAX: usize = 4;
/// Changes, and routes of a kind, that are listed; the others are counted.
const LISTED_MAX: usize = 500;

/// What the nodes had.
#[derive(Default)]
struct Gathered {
    lines: HashMap<RequestLine, u64>,
    nodes: Vec<wire::NodePreview>,
}

impl Management {
    /// Tells what a deployment would mean.
    ///
    /// # Errors
    /// Why the deployment would be refused, or that there are too many previews.
    pub(super) async fn preview(
        &self,
        request: wire::PreviewDeploymentRequest,
    ) -> Result<wire::DeploymentPreview, Error> {
        let asked = required("deployment", request.deployment)?;
        let lines_max = match u32::try_from(request.lines_per_node_max) {
            Ok(0) => LINES_PER_NODE_DEFAULT,
            Ok(lines @ ..=LINES_PER_NODE_MAX) => lines,
            _ => return Err(Error::invalid("linesPerNodeMax", format!("must be 0 to {LINES_PER_NODE_MAX}"))),
        };
        let canary = asked.canary_settings.map(canary_of).transpose()?;
        let _place = self
            .previews
            .try_acquire()
            .map_err(|_| Error::Unavailable(format!("{PREVIEWS_MAX} previews are under way already: try again")))?;
        let Gathered { lines, nodes } = self.gather(lines_max).await;
        let request = PreviewRequest {
            rest_api_id: asked.rest_api_id.into(),
            stage_name: asked.stage_name,
            description: asked.description,
            variables: asked.variables,
            canary,
            lines: lines.into_iter().collect(),
        };
        Ok(told(self.app.preview_deployment(request).await?, nodes))
    }

    async fn gather(&self, lines_max: u32) -> Gathered {
        let share = |nodes: usize| {
            let share = u32::try_from(LINES_MAX / nodes.max(1)).unwrap_or(u32::MAX);
            lines_max.min(share.max(1))
        };
        let deadline = Instant::now() + Duration::from_millis(ANSWER_MS_MAX);
        let mut gathered = Gathered::default();
        for (id, asked) in self.fleet.ask_recent(share) {
            let (state, recent) = match asked {
                Asked::Waiting(answer) => match timeout_at(deadline.into(), answer).await {
                    Ok(Ok(recent)) => (wire::NodePreviewState::NodePreviewAnswered, recent),
                    // Its stream has ended, or takes no more questions.
                    Ok(Err(_)) | Err(_) => (wire::NodePreviewState::NodePreviewSilent, Recent::default()),
                },
                Asked::Busy => (wire::NodePreviewState::NodePreviewSilent, Recent::default()),
                Asked::Cannot => (wire::NodePreviewState::NodePreviewCannot, Recent::default()),
            };
            gathered.nodes.push(wire::NodePreview {
                node_id: id.to_string(),
                state: state.into(),
                lines: recent.lines.len() as u64,
                requests_left_out: recent.left_out,
                requests_too_long: recent.too_long,
            });
            gathered.add(recent.lines);
        }
        gathered
    }
}

impl Gathered {
    fn add(&mut self, lines: Vec<RecentLine>) {
        for RecentLine { method, host, path, requests } in lines {
            // What is no method no request had.
            let Ok(method) = Method::from_bytes(method.as_bytes()) else { continue };
            let all = self.lines.entry(RequestLine { method, host, path }).or_default();
            *all = all.saturating_add(requests);
        }
    }
}

fn told(preview: Preview, nodes: Vec<wire::NodePreview>) -> wire::DeploymentPreview {
    let Preview { version, route_count, impact } = preview;
    let total = |kind| {
        let count = impact.totals.get(&kind).copied().unwrap_or_default();
        wire::ImpactTotal { kind: wire::ImpactKind::from(kind).into(), count: Some(count.into()) }
    };
    let totals = ChangeKind::ALL.map(total).into();
    let (changes, changes_left_out) = listed(impact.changes);
    let (removed_routes, removed_routes_left_out) = listed(impact.removed);
    let (added_routes, added_routes_left_out) = listed(impact.added);
    let (unreached_routes, unreached_routes_left_out) = listed(impact.unreached);
    wire::DeploymentPreview {
        version: version.0,
        route_count: i32::try_from(route_count).unwrap_or(i32::MAX),
        replayed: Some(impact.replayed.into()),
        totals,
        changes,
        changes_left_out,
        removed_routes,
        removed_routes_left_out,
        added_routes,
        added_routes_left_out,
        unreached_routes,
        unreached_routes_left_out,
        unreached_routes_complete: impact.unreached_complete,
        nodes,
    }
}

/// The first of them, and how many more there are.
fn listed<M, W: From<M>>(mut all: Vec<M>) -> (Vec<W>, u64) {
    let left_out = all.len().saturating_sub(LISTED_MAX);
    all.truncate(LISTED_MAX);
    (all.into_iter().map(W::from).collect(), left_out as u64)
}
