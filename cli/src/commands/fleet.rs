//! `penstock routes`, `nodes` and `config`: what is published, and who serves it.

use clap::Args;
use penstock_proto::management::v1 as pb;
use serde_json::json;

use super::{Context, api_name, count, time};
use crate::client::{PAGE_SIZE, pages};
use crate::exit::{Doing, Failure};
use crate::output::Fields;
use crate::output::table::{Column, Table};

/// List what is served: every route of every stage
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock routes
  penstock routes image-api --stage prod
  penstock routes --output json | jq -r '.items[] | select(.problem != \"\") | .path'

REACHED AT shows host and base path, where * is any host.")]
pub(crate) struct Routes {
    /// Id or name of an API; without it, the routes of every API
    api: Option<String>,
    /// Only this stage
    #[arg(long, default_value = "", hide_default_value = true)]
    stage: String,
}

/// List the proxies and what they serve
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock nodes
  penstock nodes --output json | jq '.version as $v | all(.items[]; .appliedVersion == $v)'

KEPT is the version on the node's disk, with which it starts when no control
plane answers; - where it has no state directory.")]
pub(crate) struct Nodes {}

/// Show which configuration is published
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock config --output json | jq -r .version")]
pub(crate) struct Config {}

impl Routes {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let apis = match &self.api {
            Some(named) => vec![control_plane.api(named).await?],
            None => control_plane.apis("").await?,
        };
        let only = if self.api.is_some() { apis[0].id.as_str() } else { "" };
        let routes = pages("listing the routes", |page_token| {
            let mut client = control_plane.fleet();
            let request = pb::ListRoutesRequest {
                rest_api_id: only.to_owned(),
                stage_name: self.stage.clone(),
                page_size: PAGE_SIZE,
                page_token,
            };
            async move { client.list_routes(request).await }
        })
        .await?;
        context.output.list(&routes, || routes_table(&routes, &apis))
    }
}

fn routes_table(routes: &[pb::Route], apis: &[pb::RestApi]) -> Table {
    let columns = [
        Column::elastic("API"),
        Column::text("STAGE"),
        Column::text("METHOD"),
        Column::elastic("PATH"),
        Column::text("TYPE"),
        Column::elastic("UPSTREAM"),
        Column::elastic("REACHED AT"),
        Column::elastic("PROBLEM"),
    ];
    let mut table = Table::new("No routes. `penstock deploy API --stage STAGE` publishes some.", columns);
    for route in routes {
        table.row([
            api_name(&route.rest_api_id, apis),
            route.stage_name.clone(),
            route.http_method.clone(),
            route.path.clone(),
            route.integration_type.clone(),
            route.uri.clone(),
            reached_at(route),
            route.problem.clone(),
        ]);
    }
    table
}

/// The places that an operator chose or, where there are none, the one that every stage has.
fn reached_at(route: &pb::Route) -> String {
    let (given, chosen): (Vec<_>, Vec<_>) =
        route.base_urls.iter().map(String::as_str).partition(|url| url.contains(".execute-api."));
    if chosen.is_empty() { given.join(" ") } else { chosen.join(" ") }
}

impl Nodes {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let answer = control_plane.fleet().list_nodes(pb::ListNodesRequest {}).await.doing("listing the nodes")?;
        let version = answer.version;
        context.output.list_with(&answer.items, json!({ "version": version.to_string() }), || {
            nodes_table(&answer.items, version)
        })?;
        if answer.items.is_empty() {
            return Ok(());
        }
        let serving = answer.items.iter().filter(|node| node.connected && node.applied_version >= version).count();
        let connected = answer.items.iter().filter(|node| node.connected).count();
        context.output.note(&format!("\n{serving} of {connected} connected serve version {version}."))?;
        let canaries = answer.items.iter().filter(|node| state(node, version) == "canary");
        if let Some(candidate) = canaries.clone().find_map(|node| node.candidate.as_ref()) {
            let (count, what) = (canaries.count(), format!("{}/{}", candidate.rest_api_id, candidate.stage_name));
            let text = "penstock stage node-canary watch";
            context.output.note(&format!("{count} of them try a deployment of {what} first: see `{text}`."))?;
        }
        for (node, refusal) in answer.items.iter().flat_map(|node| node.refusals.iter().map(move |one| (node, one))) {
            let what = format!("{}/{}", refusal.rest_api_id, refusal.stage_name);
            context.output.note(&format!("{} refuses {what}: {}", node.id, refusal.reason))?;
        }
        for (node, kept) in answer.items.iter().filter_map(|node| node.kept.as_ref().map(|kept| (node, kept))) {
            if !kept.problem.is_empty() {
                context.output.note(&format!("{} has trouble with its disk: {}", node.id, kept.problem))?;
            }
        }
        Ok(())
    }
}

fn nodes_table(nodes: &[pb::Node], version: u64) -> Table {
    let columns = [
        Column::text("NODE"),
        Column::text("STATE"),
        Column::number("VERSION"),
        Column::number("ROUTES"),
        Column::number("KEPT"),
        Column::text("ADDRESS"),
        Column::text("LAST SEEN"),
        Column::elastic("BUILD"),
    ];
    let mut table = Table::new("No proxy has connected yet.", columns);
    for node in nodes {
        table.row([
            node.id.clone(),
            state(node, version).to_owned(),
            node.applied_version.to_string(),
            node.route_count.to_string(),
            kept(node),
            node.peer.clone(),
            time(node.last_seen),
            node.build.clone(),
        ]);
    }
    table
}

/// The version on the node's disk.
fn kept(node: &pb::Node) -> String {
    match &node.kept {
        Some(kept) if kept.version > 0 => kept.version.to_string(),
        Some(_) => "none".to_owned(),
        None => "-".to_owned(),
    }
}

fn state(node: &pb::Node, version: u64) -> &'static str {
    match &node.candidate {
        _ if !node.connected => "gone",
        _ if node.applied_version >= version => "current",
        Some(candidate) if node.applied_version == candidate.version => "canary",
        _ => "behind",
    }
}

impl Config {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let request = pb::GetConfigurationRequest {};
        let config = control_plane.fleet().get_configuration(request).await.doing("reading the configuration")?;
        context.output.object(&config, || {
            Fields::default()
                .add("version", config.version.to_string())
                .add("root hash", &config.root_hash)
                .add("bundles", format!("{}, {} bytes", config.bundle_count, config.bundle_bytes))
                .add("routes", count(config.route_count, "route"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_given_place_is_shown_where_no_other_is() {
        let route = |urls: &[&str]| pb::Route {
            base_urls: urls.iter().map(|&url| url.to_owned()).collect(),
            ..Default::default()
        };
        assert_eq!(reached_at(&route(&["a1.execute-api.*/prod"])), "a1.execute-api.*/prod");
        assert_eq!(reached_at(&route(&["*/", "a1.execute-api.*/prod", "h/v1"])), "*/ h/v1");
    }

    #[test]
    fn what_a_node_keeps_is_a_version_none_or_nothing_at_all() {
        let node = |kept| pb::Node { kept, ..Default::default() };
        let version = |version| Some(pb::KeptConfiguration { version, problem: String::new() });
        assert_eq!([None, version(0), version(7)].map(|kept_by| kept(&node(kept_by))), ["-", "none", "7"]);
    }

    #[test]
    fn a_node_is_current_behind_gone_or_a_canary() {
        let node = |connected, applied_version| pb::Node { connected, applied_version, ..Default::default() };
        let candidate = Some(pb::NodeCandidate { version: 6, ..Default::default() });
        for (applied, expected) in [(5, "behind"), (6, "canary"), (7, "current")] {
            assert_eq!(state(&pb::Node { candidate: candidate.clone(), ..node(true, applied) }, 7), expected);
        }
        assert_eq!(state(&node(true, 7), 7), "current");
        assert_eq!(state(&node(true, 8), 7), "current", "it may know a version that was published since");
        assert_eq!(state(&node(true, 6), 7), "behind");
        assert_eq!(state(&node(false, 7), 7), "gone");
    }
}
