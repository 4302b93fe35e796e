//! What `penstock deploy --preview` shows: recent requests before and after a deployment that is not made.

use penstock_proto::management::v1 as pb;

use super::Context;
use crate::client::ControlPlane;
use crate::exit::{Doing, Failure};
use crate::output::table::{Column, Table};

/// Changes that people are shown; all that the answer has are in the JSON.
const SHOWN_MAX: usize = 40;
/// Routes of a kind that people are shown.
const ROUTES_SHOWN_MAX: usize = 20;

/// Asks, and shows the answer.
///
/// # Errors
/// Why the deployment would be refused; then what the answer means for a script.
pub(crate) async fn show(
    context: &Context,
    control_plane: &ControlPlane,
    request: pb::PreviewDeploymentRequest,
    api: &str,
) -> Result<(), Failure> {
    let doing = format!("previewing a deployment of {api}");
    let preview = control_plane.deployments().preview_deployment(request).await.doing(doing)?;
    context.output.report(&preview, || table(&preview))?;
    for line in lines(&preview) {
        context.output.note(&line)?;
    }
    conclude(&preview)
}

fn conclude(preview: &pb::DeploymentPreview) -> Result<(), Failure> {
    let refused = total(preview, pb::ImpactKind::ImpactRefused);
    if refused.lines > 0 {
        return Err(Failure::WouldRefuse(format!(
            "{} that are served now would be refused",
            requests(refused.requests)
        )));
    }
    let silent = names(preview, pb::NodePreviewState::NodePreviewSilent);
    match silent.is_empty() {
        true => Ok(()),
        false => Err(Failure::NotEverywhere(format!("no answer from {}", silent.join(", ")))),
    }
}

fn table(preview: &pb::DeploymentPreview) -> Table {
    let columns = [
        Column::text("IMPACT"),
        Column::number("REQUESTS"),
        Column::text("METHOD"),
        Column::elastic("HOST"),
        Column::elastic("PATH"),
        Column::elastic("BEFORE"),
        Column::elastic("AFTER"),
    ];
    let mut table = Table::new("No recent request would meet anything else.", columns);
    for change in preview.changes.iter().take(SHOWN_MAX) {
        table.row([
            word(change.kind()).to_owned(),
            change.requests.to_string(),
            change.http_method.clone(),
            change.host.clone(),
            change.path.clone(),
            outcome(change.before.as_ref(), change.after.as_ref()),
            outcome(change.after.as_ref(), change.before.as_ref()),
        ]);
    }
    table
}

fn word(kind: pb::ImpactKind) -> &'static str {
    match kind {
        pb::ImpactKind::Unspecified => "",
        pb::ImpactKind::ImpactRefused => "refused",
        pb::ImpactKind::ImpactRerouted => "rerouted",
        pb::ImpactKind::ImpactRetargeted => "retargeted",
        pb::ImpactKind::ImpactRefusedOtherwise => "refused otherwise",
        pb::ImpactKind::ImpactServed => "served",
    }
}

/// The answer of the gateway, else the route with its integration, which goes without saying if both sides have the same.
fn outcome(one: Option<&pb::RequestOutcome>, other: Option<&pb::RequestOutcome>) -> String {
    let Some(one) = one else { return String::new() };
    if one.refusal_status != 0 {
        return match one.refusal_type.as_str() {
            "" => format!("{} {}", one.refusal_status, one.refusal_reason),
            kind => format!("{} {kind}", one.refusal_status),
        };
    }
    let route = one.route.as_ref().map(route).unwrap_or_default();
    match other.is_some_and(|other| other.integration == one.integration) {
        true => route,
        false => format!("{route} -> {}", one.integration),
    }
}

fn route(route: &pb::RouteName) -> String {
    format!("{} {}", route.http_method, route.path)
}

fn lines(preview: &pb::DeploymentPreview) -> Vec<String> {
    let mut lines = Vec::new();
    let more = (preview.changes.len().saturating_sub(SHOWN_MAX)) as u64 + preview.changes_left_out;
    if more > 0 {
        lines.push(format!("{more} more lines would change."));
    }
    let named = |routes: &[pb::RouteName]| routes.iter().map(route).collect::<Vec<_>>();
    let removed = named(&preview.removed_routes);
    lines.extend(routes("Routes that would be gone", &removed, preview.removed_routes_left_out));
    let added = named(&preview.added_routes);
    lines.extend(routes("Routes that would be new", &added, preview.added_routes_left_out));
    let unreached: Vec<_> = preview
        .unreached_routes
        .iter()
        .map(|one| format!("{} ({})", one.route.as_ref().map(route).unwrap_or_default(), one.reason))
        .collect();
    lines.extend(routes("Routes that no request can meet", &unreached, preview.unreached_routes_left_out));
    if !preview.unreached_routes_complete {
        lines.push("There are too many routes to find all that no request can meet.".to_owned());
    }
    for (state, says) in [
        (pb::NodePreviewState::NodePreviewSilent, "did not answer"),
        (pb::NodePreviewState::NodePreviewCannot, "remembers no requests (--recent-requests 0, or an older program)"),
    ] {
        lines.extend(names(preview, state).into_iter().map(|name| format!("{name} {says}.")));
    }
    let left_out: u64 = preview.nodes.iter().map(|node| node.requests_left_out).sum();
    if left_out > 0 {
        lines.push(format!("Not looked at: {} with rarer lines (--preview-lines).", requests(left_out)));
    }
    let too_long: u64 = preview.nodes.iter().map(|node| node.requests_too_long).sum();
    if too_long > 0 {
        lines.push(format!("Not remembered: {} since the proxies started, with lines too long.", requests(too_long)));
    }
    lines.push(summary(preview));
    lines
}

fn routes(what: &str, routes: &[String], left_out: u64) -> Option<String> {
    let more = routes.len().saturating_sub(ROUTES_SHOWN_MAX) as u64 + left_out;
    let mut shown: Vec<String> = routes.iter().take(ROUTES_SHOWN_MAX).cloned().collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    (!shown.is_empty()).then(|| format!("{what}: {}.", shown.join(", ")))
}

/// `Of 124 recent requests on 2 proxies, compared with version 17: 12 refused, 9 rerouted, 103 as before. ...`
fn summary(preview: &pb::DeploymentPreview) -> String {
    let replayed = preview.replayed.unwrap_or_default();
    let answered = names(preview, pb::NodePreviewState::NodePreviewAnswered).len();
    let proxies = if answered == 1 { "1 proxy".to_owned() } else { format!("{answered} proxies") };
    let mut as_before = replayed.requests;
    let mut parts = Vec::new();
    for total in &preview.totals {
        let count = total.count.unwrap_or_default();
        as_before = as_before.saturating_sub(count.requests);
        if count.lines > 0 {
            parts.push(format!("{} {}", count.requests, word(total.kind())));
        }
    }
    parts.push(format!("{as_before} as before"));
    format!(
        "Of {} on {proxies}, against version {}: {}. Nothing was changed.",
        recent(replayed.requests),
        preview.version,
        parts.join(", ")
    )
}

fn recent(number: u64) -> String {
    if number == 1 { "1 recent request".to_owned() } else { format!("{number} recent requests") }
}

fn requests(number: u64) -> String {
    if number == 1 { "1 request".to_owned() } else { format!("{number} requests") }
}

fn total(preview: &pb::DeploymentPreview, kind: pb::ImpactKind) -> pb::RequestCount {
    let total = preview.totals.iter().find(|total| total.kind() == kind);
    total.and_then(|total| total.count).unwrap_or_default()
}

fn names(preview: &pb::DeploymentPreview, state: pb::NodePreviewState) -> Vec<String> {
    preview.nodes.iter().filter(|node| node.state() == state).map(|node| node.node_id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Paint;

    fn met(method: &str, path: &str, integration: &str) -> Option<pb::RequestOutcome> {
        let route = pb::RouteName { http_method: method.into(), path: path.into(), ..Default::default() };
        Some(pb::RequestOutcome { route: Some(route), integration: integration.into(), ..Default::default() })
    }

    fn preview() -> pb::DeploymentPreview {
        let refused = pb::RequestOutcome {
            refusal_status: 403,
            refusal_type: "MISSING_AUTHENTICATION_TOKEN".into(),
            ..Default::default()
        };
        let change = |kind: pb::ImpactKind, path: &str, before, after| pb::RequestChange {
            kind: kind.into(),
            http_method: "GET".into(),
            host: "h".into(),
            path: path.into(),
            requests: 2,
            before,
            after,
        };
        let total = |kind: pb::ImpactKind| pb::ImpactTotal {
            kind: kind.into(),
            count: Some(pb::RequestCount { lines: 1, requests: 2 }),
        };
        let node = |id: &str, state: pb::NodePreviewState| pb::NodePreview {
            node_id: id.into(),
            state: state.into(),
            ..Default::default()
        };
        use pb::ImpactKind::{ImpactRefused, ImpactRerouted};
        pb::DeploymentPreview {
            version: 17,
            replayed: Some(pb::RequestCount { lines: 9, requests: 40 }),
            totals: vec![total(ImpactRefused), total(ImpactRerouted)],
            changes: vec![
                change(ImpactRefused, "/old", met("GET", "/old", "MOCK"), Some(refused)),
                change(ImpactRerouted, "/a/b", met("GET", "/{all+}", "MOCK"), met("GET", "/a/{x}", "MOCK")),
            ],
            unreached_routes_complete: true,
            nodes: vec![
                node("one", pb::NodePreviewState::NodePreviewAnswered),
                node("two", pb::NodePreviewState::NodePreviewSilent),
            ],
            ..Default::default()
        }
    }

    #[test]
    fn people_read_a_table_and_a_summary() {
        let preview = preview();
        let text = table(&preview).render(None, Paint::none());
        assert_eq!(
            text,
            "IMPACT    REQUESTS  METHOD  HOST  PATH  BEFORE            AFTER\n\
             refused          2  GET     h     /old  GET /old -> MOCK  403 MISSING_AUTHENTICATION_TOKEN\n\
             rerouted         2  GET     h     /a/b  GET /{all+}       GET /a/{x}\n"
        );
        assert_eq!(
            lines(&preview),
            [
                "two did not answer.",
                "Of 40 recent requests on 1 proxy, against version 17: 2 refused, 2 rerouted, 36 as before. \
                 Nothing was changed.",
            ]
        );
    }

    #[test]
    fn scripts_read_a_code() {
        let mut preview = preview();
        assert_eq!(conclude(&preview).unwrap_err().code(), 8);
        preview.totals.remove(0);
        assert_eq!(conclude(&preview).unwrap_err().code(), 7);
        preview.nodes.pop();
        assert!(conclude(&preview).is_ok());
    }

    #[test]
    fn many_routes_are_counted() {
        let many: Vec<String> = (0..ROUTES_SHOWN_MAX + 2).map(|number| format!("GET /{number}")).collect();
        let line = routes("Gone", &many, 3).unwrap();
        assert!(line.starts_with("Gone: GET /0, ") && line.ends_with("GET /19, 5 more."), "{line}");
        assert_eq!(routes("Gone", &[], 0), None);
    }
}
