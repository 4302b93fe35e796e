//! An explanation as people read it: from the host to the answer, one paragraph for each step.

use penstock_proto::management::v1 as pb;

use crate::output::Fields;

/// Where prose is broken, in characters: with the labels before it, it fits a terminal of 80.
const PROSE_CHARS: usize = 62;

/// The paragraphs, in the order of a request's journey. Those that it does not reach are left out.
pub(super) fn fields(told: &pb::Explanation) -> Fields {
    let mut fields = Fields::default()
        .add("request", prose(&asked(told)))
        .add("where", paragraph(entrance(told)))
        .add("looked at", candidates(told));
    if let Some(route) = &told.route {
        fields = fields.add("route", paragraph(route_lines(route)));
    }
    if let Some(request) = &told.request {
        fields = fields.add("its body", paragraph(request_lines(request)));
    }
    if let Some(upstream) = &told.upstream {
        let line = format!("{} {}{}", upstream.http_method, upstream.address, upstream.target);
        let body = prose(&format!("body {}", upstream.body));
        fields = fields.add("upstream", paragraph([line].into_iter().chain(headers(&upstream.headers)).chain([body])));
        fields = fields.add("mapped", paragraph(upstream.mapped.iter().map(mapped)));
    }
    if let Some(response) = &told.response {
        fields = fields.add("answer", paragraph(response_lines(response, told.upstream.is_some())));
        let head = std::iter::once(response.status.to_string());
        fields = fields.add("client", paragraph(head.chain(headers(&response.headers))));
    }
    if let Some(refusal) = &told.refusal {
        fields = fields.add("refused", paragraph(refusal_lines(refusal, told.upstream.is_some())));
    }
    fields.add("unknown", paragraph(told.notes.iter().map(|note| prose(note))))
}

fn asked(told: &pb::Explanation) -> String {
    format!("{} {}{}, as version {} would serve it", told.http_method, told.host, told.target, told.version)
}

fn entrance(told: &pb::Explanation) -> Vec<String> {
    let Some(entrance) = &told.entrance else { return vec!["no API has this host, and there is no domain *".into()] };
    let door = match entrance.name.as_str() {
        "*" => "the catch-all domain *".to_owned(),
        "execute-api" => "the host names the API".to_owned(),
        name => format!("domain {name}"),
    };
    let Some(stage) = &told.stage else {
        let behind = if entrance.behind.is_empty() { "nothing".to_owned() } else { entrance.behind.join(" ") };
        return vec![door, prose(&format!("behind it: {behind}"))];
    };
    let base_path = if stage.base_path.is_empty() { String::new() } else { format!(", base path {}", stage.base_path) };
    let api = match stage.rest_api_name.as_str() {
        "" => stage.rest_api_id.clone(),
        name => format!("{name} ({})", stage.rest_api_id),
    };
    let mut lines = vec![
        format!("{door}{base_path}"),
        prose(&format!("API {api}, stage {}, deployment {}", stage.stage_name, stage.deployment_id)),
    ];
    if !stage.canary_percent.is_empty() {
        let side = if stage.canary { "this is the canary" } else { "this is not the canary" };
        lines.push(prose(&format!("{side}, which {} % of the requests meet", stage.canary_percent)));
    }
    lines.push(format!("path {}", stage.route_path));
    if stage.fidelity == "AWS" {
        lines.push("fidelity AWS".into());
    }
    lines
}

fn candidates(told: &pb::Explanation) -> String {
    let width = told.candidates.iter().map(|one| one.path.chars().count()).max().unwrap_or(0).min(PROSE_CHARS / 2);
    let mut lines: Vec<String> =
        told.candidates.iter().map(|one| format!("{:width$}  {}", one.path, one.reason)).collect();
    if told.candidates_left_out > 0 {
        lines.push(format!("and {} more", told.candidates_left_out));
    }
    lines.join("\n")
}

fn route_lines(route: &pb::ExplainedRoute) -> Vec<String> {
    let mut lines = vec![format!("{} {}, {}", route.http_method, route.resource_path, route.integration_type)];
    lines.extend(route.path_parameters.iter().map(|one| format!("{} = {}", one.name, one.value)));
    if !route.problem.is_empty() {
        lines.push(prose(&format!("every call fails: {}", route.problem)));
    }
    lines
}

fn request_lines(request: &pb::RequestDecision) -> Vec<String> {
    let counts = if request.content_type_missing { "no Content-Type, which counts as " } else { "" };
    let matches = match &request.binary_media_type {
        Some(entry) => format!("binary, it matches {entry}"),
        None => "no binary media type matches it".to_owned(),
    };
    let mut lines = vec![prose(&format!("{counts}{}: {matches}", request.content_type))];
    lines.extend(body_lines(request.body.as_ref()));
    lines
}

fn body_lines(body: Option<&pb::BodyDecision>) -> Vec<String> {
    let Some(body) = body.filter(|body| !body.cell.is_empty()) else { return Vec::new() };
    let mut lines = vec![body.cell.clone(), prose(&body.conversion)];
    lines.extend(body.template.as_ref().map(|key| format!("template {key}")));
    lines.push(prose(&body.passage));
    lines
}

fn headers(lines: &[pb::HeaderLine]) -> impl Iterator<Item = String> {
    lines.iter().map(|line| format!("  {}: {}", line.name, line.value))
}

fn mapped(value: &pb::MappedValue) -> String {
    let becomes = match (value.from_body, value.values.as_slice()) {
        (true, _) => "is not known here".to_owned(),
        (false, []) => "is left out".to_owned(),
        (false, values) => format!("= {}", values.join(" | ")),
    };
    prose(&format!("{} {becomes}, from {}", value.target, value.source))
}

fn response_lines(response: &pb::ResponseDecision, has_upstream: bool) -> Vec<String> {
    let content_type = match response.content_type.as_str() {
        "" => "without Content-Type".to_owned(),
        content_type => content_type.to_owned(),
    };
    let mut lines = Vec::new();
    if has_upstream {
        lines.push(prose(&format!("if the upstream answers {} {content_type}", response.integration_status)));
        let said = |what: &str, entry: &Option<String>| match entry {
            Some(entry) => format!("{what} matches {entry}"),
            None => format!("{what} matches no binary media type"),
        };
        let matches = [said("it", &response.binary_media_type), said("Accept", &response.accepted_media_type)];
        lines.push(prose(&matches.join(", ")));
    } else {
        lines.push(format!("the MOCK answers {}", response.integration_status));
    }
    if let Some(selected) = &response.selected {
        let why = match &selected.pattern {
            Some(pattern) => format!("its pattern {pattern} matches"),
            None => "it is the default".to_owned(),
        };
        lines.push(prose(&format!("integration response {}: {why}", selected.status)));
    }
    lines.extend(body_lines(response.body.as_ref()));
    if !response.compression.is_empty() {
        lines.push(prose(&format!("compression: {}", response.compression)));
    }
    lines
}

fn refusal_lines(refusal: &pb::ExplainedRefusal, after_upstream: bool) -> Vec<String> {
    let when = if after_upstream { "the upstream is called, but its answer is lost: " } else { "" };
    let mut lines = vec![prose(&format!("{when}{}", refusal.reason))];
    lines.push(match refusal.response_type.as_str() {
        "" => refusal.status.to_string(),
        name => format!("{} {name}", refusal.status),
    });
    lines.extend(headers(&refusal.headers));
    lines.push(refusal.body.clone());
    lines
}

fn paragraph(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// Breaks a sentence at blanks; what follows is indented. Words are never broken.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let chars = word.chars().count();
        if used > 0 && used + 1 + chars > PROSE_CHARS {
            out.push_str("\n  ");
            used = 2;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += chars;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_fits_a_narrow_terminal_and_loses_no_word() {
        let text = "word ".repeat(40);
        let broken = prose(text.trim());
        assert!(broken.lines().count() > 3 && broken.lines().all(|line| line.chars().count() <= PROSE_CHARS));
        assert_eq!(broken.split_whitespace().count(), 40);
        let long = "x".repeat(200);
        assert_eq!(prose(&long), long, "what cannot be broken is not");
    }

    #[test]
    fn a_mapped_value_says_what_becomes_of_it() {
        let value = |values: &[&str], from_body| pb::MappedValue {
            target: "header x-id".into(),
            source: "somewhere".into(),
            values: values.iter().map(|&value| value.to_owned()).collect(),
            from_body,
        };
        assert_eq!(mapped(&value(&["a", "b"], false)), "header x-id = a | b, from somewhere");
        assert_eq!(mapped(&value(&[], false)), "header x-id is left out, from somewhere");
        assert_eq!(mapped(&value(&[], true)), "header x-id is not known here, from somewhere");
    }

    #[test]
    fn a_host_without_an_api_says_so_and_the_base_paths_of_others_are_named() {
        let nowhere = pb::Explanation::default();
        assert_eq!(entrance(&nowhere), ["no API has this host, and there is no domain *"]);
        let door = pb::Entrance { name: "*".into(), behind: vec!["/v2".into(), "/v1".into()] };
        let lost = pb::Explanation { entrance: Some(door), ..Default::default() };
        assert_eq!(entrance(&lost), ["the catch-all domain *", "behind it: /v2 /v1"]);
    }
}
