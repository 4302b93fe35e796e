//! What a change of the configuration means for requests like those that came lately, told without making it.
//!
//! [`impact`] routes every [`RequestLine`] through the table that serves and through the one that would, with the same
//! lookup as a request, and says where the two differ. Beside that it compares the routes themselves, and looks in `reach`
//! for those that no request can meet.
//!
//! Not told: what an integration makes of a request, which side of a canary chance draws, and what depends on a header
//! (a request without a route answers 403 with or without `Authorization`, in other words).

mod reach;

pub use reach::{Unreached, Why};

use crate::bundle::BundleKey;
use crate::exchange::Inbound;
use crate::explain::{CLIENT, EXTENDED_REQUEST_ID, REQUEST_ID};
use crate::gateway_response::GatewayError;
use crate::header_list::HeaderList;
use crate::id::{RestApiId, StageName};
use crate::method::Verb;
use crate::table::{LocateError, Plan, Route, RoutingTable, StageTable};
use http::{Method, Uri, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// What routing needs of a request. No query: it does not decide, and may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestLine {
    /// As routing saw it.
    pub method: Method,
    /// With a port if the client named one.
    pub host: String,
    /// As the client sent it.
    pub path: String,
}

/// A route, by what operators call it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteName {
    /// Of which API.
    pub rest_api_id: RestApiId,
    /// On which stage.
    pub stage_name: StageName,
    /// The resource's.
    pub path: String,
    /// The method's.
    pub verb: Verb,
}

/// The route that a request meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Which.
    pub route: RouteName,
    /// Kind, method and address of its integration, as far as it has them.
    pub integration: String,
}

/// What the gateway answers by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, as the stage wants it.
    pub status: u16,
    /// Type of the gateway response; empty for one that no API can customise.
    pub response_type: &'static str,
    /// For people.
    pub reason: String,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `None`: there is none.
    pub met: Option<Met>,
    /// `None`: the integration answers.
    pub refusal: Option<Refusal>,
}

/// How two outcomes differ. The order is that of what an operator wants to see first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It was served, and the gateway will answer instead.
    Refused,
    /// Another route will serve it.
    Rerouted,
    /// The same route will serve it, and lead elsewhere.
    Retargeted,
    /// The gateway answers, and will answer with another status or type.
    RefusedOtherwise,
    /// The gateway answered, and a route will serve it.
    Served,
}

impl ChangeKind {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Refused, Self::Rerouted, Self::Retargeted, Self::RefusedOtherwise, Self::Served];
}

/// A line that will meet something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineChange {
    /// In which way.
    pub kind: ChangeKind,
    /// Which line.
    pub line: RequestLine,
    /// How many requests had it.
    pub requests: u64,
    /// What they met.
    pub before: Outcome,
    /// What they would meet.
    pub after: Outcome,
}

/// Lines, and the requests that had them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Distinct ones.
    pub lines: u64,
    /// All.
    pub requests: u64,
}

/// What a change means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impact {
    /// Lines that were replayed.
    pub replayed: Count,
    /// Of those, the ones that will meet something else, by kind.
    pub totals: BTreeMap<ChangeKind, Count>,
    /// The same one by one: ordered by kind, then the most frequent first.
    pub changes: Vec<LineChange>,
    /// Routes that are not there any more, in order.
    pub removed: Vec<RouteName>,
    /// Routes that are new, in order.
    pub added: Vec<RouteName>,
    /// Routes of the stages that change which no request can meet, in order.
    pub unreached: Vec<Unreached>,
    /// Whether all of those were found: the search has a bound.
    pub unreached_complete: bool,
}

/// Two tables to compare.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// What serves.
    pub before: &'a RoutingTable,
    /// What would.
    pub after: &'a RoutingTable,
    /// A stage of which requests follow the canary's side in `after`. In all else they follow the stages' own sides.
    pub canary_of: Option<&'a BundleKey>,
}

/// Tells what becomes of `lines`, each with the number of requests that had it, and of the routes.
pub fn impact<'a>(tables: Comparison<'_>, lines: impl IntoIterator<Item = (&'a RequestLine, u64)>) -> Impact {
    let mut told = Impact::default();
    for (line, requests) in lines {
        told.replayed.add(requests);
        let (before, after) = (outcome(tables.before, None, line), outcome(tables.after, tables.canary_of, line));
        let Some(kind) = difference(&before, &after) else { continue };
        told.totals.entry(kind).or_default().add(requests);
        told.changes.push(LineChange { kind, line: line.clone(), requests, before, after });
    }
    told.changes.sort_by(|a, b| order(a).cmp(&order(b)));
    tables.compare_routes(&mut told);
    told
}

fn order(change: &LineChange) -> (ChangeKind, std::cmp::Reverse<u64>, &str, &str, &str) {
    let line = &change.line;
    (change.kind, std::cmp::Reverse(change.requests), &line.host, &line.path, line.method.as_str())
}

impl Count {
    fn add(&mut self, requests: u64) {
        self.lines += 1;
        self.requests = self.requests.saturating_add(requests);
    }
}

fn difference(before: &Outcome, after: &Outcome) -> Option<ChangeKind> {
    let route = |outcome: &Outcome| outcome.met.as_ref().map(|met| met.route.clone());
    match (&before.refusal, &after.refusal) {
        (None, Some(_)) => Some(ChangeKind::Refused),
        (Some(_), None) => Some(ChangeKind::Served),
        (None, None) if route(before) != route(after) => Some(ChangeKind::Rerouted),
        (None, None) => (before.met != after.met).then_some(ChangeKind::Retargeted),
        (Some(old), Some(new)) => {
            let differs = (old.status, old.response_type) != (new.status, new.response_type);
            differs.then_some(ChangeKind::RefusedOtherwise)
        }
    }
}

/// The way of a request, as far as its line decides it.
fn outcome(table: &RoutingTable, canary_of: Option<&BundleKey>, line: &RequestLine) -> Outcome {
    let located = match table.locate(&line.host, &line.path) {
        Ok(located) => located,
        Err(error) => {
            let reason = match error {
                LocateError::UnknownHost => "no API has this host",
                LocateError::UnknownStage => "nothing is behind this base path or stage",
            };
            return Outcome { met: None, refusal: Some(refusal(None, line, &error.into(), reason)) };
        }
    };
    let stage = side(located.stage, canary_of);
    let Some(route) = stage.resolve(&line.method, located.route_path) else {
        let reason = "no resource with this path has this method";
        return Outcome { met: None, refusal: Some(refusal(Some(stage), line, &GatewayError::no_route(None), reason)) };
    };
    let failing = route.problem().map(|problem| {
        let reason = problem.to_string();
        refusal(Some(stage), line, &GatewayError::configuration(), &reason)
    });
    Outcome { met: Some(Met { route: name(route), integration: integration(route) }), refusal: failing }
}

fn side<'t>(stage: &'t StageTable, canary_of: Option<&BundleKey>) -> &'t StageTable {
    stage.canary().filter(|_| canary_of == Some(stage.key())).unwrap_or(stage)
}

/// What the client is told. The stage may want another status than the default.
fn refusal(stage: Option<&StageTable>, line: &RequestLine, error: &GatewayError, reason: &str) -> Refusal {
    let uri = Uri::try_from(line.path.as_str()).unwrap_or_default();
    let inbound = Inbound {
        uri: &uri,
        version: Version::HTTP_11,
        headers: &HeaderList::new(),
        method: &line.method,
        host: &line.host,
        base_path: "",
        route_path: &line.path,
        resource: None,
        request_id: REQUEST_ID,
        extended_request_id: EXTENDED_REQUEST_ID,
        client: SocketAddr::new(CLIENT, 0),
        time_ms: 0,
        body: None,
    };
    let answer = match stage {
        Some(stage) => stage.settings().gateway_responses.answer(error, &inbound),
        None => error.default_response(),
    };
    let response_type = error.kind.name().unwrap_or_default();
    Refusal { status: answer.status, response_type, reason: reason.to_owned() }
}

fn name(route: &Route) -> RouteName {
    let key = &route.stage.key;
    RouteName {
        rest_api_id: key.rest_api_id.clone(),
        stage_name: key.stage_name.clone(),
        path: route.resource.path.to_string(),
        verb: route.verb,
    }
}

/// `HTTP_PROXY POST http://up/images/{id}`, for example.
fn integration(route: &Route) -> String {
    let kind = route.integration_type.as_str();
    match &route.plan {
        Plan::Http(plan) => match &plan.method {
            Some(method) => format!("{kind} {method} {}", plan.uri.shown(&route.resource.path)),
            None => format!("{kind} {}", plan.uri.shown(&route.resource.path)),
        },
        Plan::Function(plan) => match &plan.endpoint {
            Some(endpoint) => {
                format!("{kind} {}://{}{}", endpoint.scheme.as_str(), endpoint.authority, endpoint.path)
            }
            None => format!("{kind} https://{}{}", plan.authority, plan.path),
        },
        Plan::Mock(_) | Plan::Fail(_) => kind.to_owned(),
    }
}

impl Comparison<'_> {
    fn compare_routes(&self, told: &mut Impact) {
        let before: BTreeMap<&BundleKey, &Arc<StageTable>> =
            self.before.stages().map(|stage| (stage.key(), stage)).collect();
        let after: BTreeMap<&BundleKey, &Arc<StageTable>> =
            self.after.stages().map(|stage| (stage.key(), stage)).collect();
        let mut search = reach::Search::default();
        for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let (old, new) = (before.get(key), after.get(key));
            // A stage that does not change is shared by both tables.
            if old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(old, new)) {
                continue;
            }
            let old_names = names(old.map(|stage| &***stage));
            let new = new.map(|stage| side(stage, self.canary_of));
            let new_names = names(new);
            told.removed.extend(old_names.difference(&new_names).cloned());
            told.added.extend(new_names.difference(&old_names).cloned());
            if let Some(new) = new {
                told.unreached.extend(search.unreached(self.after, new));
            }
        }
        told.unreached_complete = search.is_complete();
    }
}

fn names(stage: Option<&StageTable>) -> BTreeSet<RouteName> {
    stage.map(StageTable::routes).unwrap_or_default().iter().map(|route| name(route)).collect()
}

impl fmt::Display for RouteName {
    /// `GET /images/{id}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path)
    }
}

#[cfg(test)]
mod tests;
