//! Which routes of a stage no request can meet, though they are there.
//!
//! A route is asked for with a path of its own: its literals, and in place of its variables a segment that is nobody's
//! literal. Such a path has the fewest more specific rivals of all paths that fit the route, so a route that it does not
//! lead to is hidden from all of them. Three things hide one: more specific resources that have the method, as
//! `/{id}` and `/{id}/{rest+}` together hide `/{all+}`; all seven methods beside an `ANY`; and base paths that take the
//! path away, or that do not lead to the stage at all. Paths with empty segments are left out: no variable takes one, so
//! they slip through to almost any greedy resource.

use super::{RouteName, name};
use crate::limits::REACH_LOOKUPS_MAX;
use crate::method::Verb;
use crate::resource::{PathPart, segments};
use crate::table::{Entrance, Route, RoutingTable, StageTable};
use http::Method;
use std::collections::HashSet;
use std::fmt;

/// A route that no request can meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Which.
    pub route: RouteName,
    /// Why.
    pub why: Why,
}

/// Why no request meets a route. `Display` is a reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No base path mapping leads to its stage, and the execute-api host is switched off.
    NoEntrance,
    /// Each base path that leads to its stage gives its path to another stage.
    OtherBasePath,
    /// Other routes take everything that it would; this is the last of them.
    Hidden(RouteName),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntrance => f.write_str("no base path mapping and no execute-api host leads to the stage"),
            Self::OtherBasePath => f.write_str("longer base paths take its path away"),
            Self::Hidden(by) => write!(f, "{by} and others take all of its requests"),
        }
    }
}

/// Looks for unreached routes, with a bound on how long.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) lookups_left: u32,
}

impl Default for Search {
    fn default() -> Self {
        Self { lookups_left: REACH_LOOKUPS_MAX }
    }
}

/// A request that fits a route.
struct Probe {
    method: Method,
    path: String,
}

impl Search {
    /// Whether the bound was not met.
    pub(super) fn is_complete(&self) -> bool {
        self.lookups_left > 0
    }

    /// Routes of `side`, a stage of `table` or its canary, that nothing reaches, in order.
    pub(super) fn unreached(&mut self, table: &RoutingTable, side: &StageTable) -> Vec<Unreached> {
        let entrances = table.entrances(side.key());
        let nobody = nobodys_segment(side, &entrances);
        let depth = side.routes().iter().map(|route| segments(&route.resource.path).count()).max().unwrap_or(0) + 1;
        let mut found = Vec::new();
        for route in side.routes() {
            let why = self.why(table, side, &entrances, route, probes(route, &nobody, depth));
            found.extend(why.map(|why| Unreached { route: name(route), why }));
        }
        found.sort_by(|a, b| a.route.cmp(&b.route));
        found
    }

    fn why(
        &mut self,
        table: &RoutingTable,
        side: &StageTable,
        entrances: &[Entrance],
        route: &Route,
        mut probes: Vec<Probe>,
    ) -> Option<Why> {
        if entrances.is_empty() {
            return Some(Why::NoEntrance);
        }
        let mut rival = None;
        probes.retain(|probe| match side.resolve(&probe.method, &probe.path) {
            Some(found) if is(found, route) => true,
            found => {
                rival = found.map(|found| name(found)).or(rival.take());
                false
            }
        });
        if probes.is_empty() {
            // Without a rival the lookup gave up: that is no statement about this route.
            return rival.map(Why::Hidden);
        }
        for (entrance, probe) in entrances.iter().flat_map(|entrance| probes.iter().map(move |probe| (entrance, probe)))
        {
            self.lookups_left = self.lookups_left.checked_sub(1)?;
            let path = format!("{}{}", entrance.path, probe.path);
            let located = table.locate(&entrance.host, &path).ok();
            let ours = located.filter(|located| located.stage.key() == side.key());
            if ours.is_some_and(|ours| side.resolve(&probe.method, ours.route_path).is_some_and(|it| is(it, route))) {
                return None;
            }
        }
        Some(Why::OtherBasePath)
    }
}

fn is(found: &Route, route: &Route) -> bool {
    std::ptr::eq(found, route)
}

/// A segment that no literal of the stage and of its entrances is.
fn nobodys_segment(side: &StageTable, entrances: &[Entrance]) -> String {
    let paths = side.routes().iter().map(|route| &*route.resource.path);
    let taken: HashSet<&str> =
        paths.chain(entrances.iter().map(|entrance| entrance.path.as_str())).flat_map(segments).collect();
    let mut segment = "any".to_owned();
    while taken.contains(segment.as_str()) {
        segment.push('-');
    }
    segment
}

/// Requests that fit a route: with each of its methods, and as many segments for a greedy part as make a difference.
fn probes(route: &Route, nobody: &str, depth: usize) -> Vec<Probe> {
    let mut path = String::new();
    let mut greedy = false;
    for part in segments(&route.resource.path) {
        match PathPart::parse(part) {
            Ok(PathPart::Literal(text)) => path.extend(["/", text]),
            Ok(PathPart::Param(_)) | Err(_) => path.extend(["/", nobody]),
            Ok(PathPart::Greedy(_)) => greedy = true,
        }
    }
    let longest = if greedy { depth } else { 0 };
    let verbs = match route.verb {
        Verb::Any => Verb::ALL.into_iter().filter(|verb| *verb != Verb::Any).collect(),
        verb => vec![verb],
    };
    let mut probes = Vec::new();
    for more in usize::from(greedy)..=longest {
        let path = format!("{path}{}", format!("/{nobody}").repeat(more));
        for verb in &verbs {
            let path = if path.is_empty() { "/".to_owned() } else { path.clone() };
            // The seven are methods of HTTP.
            probes.extend(Method::from_bytes(verb.as_str().as_bytes()).map(|method| Probe { method, path }));
        }
    }
    probes
}
