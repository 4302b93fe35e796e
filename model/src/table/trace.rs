//! [`Trace`]: one lookup of a stage, told step by step. The same walk as that of requests, with a watcher.

use super::route::Route;
use super::stage::StageTable;
use super::tree::{Look, PathTree, Place, RouteIndex, Watcher};
use crate::limits::{EXPLAINED_CANDIDATES_MAX, LOOKUP_STEPS_MAX};
use crate::method::Verb;
use std::fmt;
use std::sync::Arc;

/// How a lookup went.
#[derive(Debug)]
pub struct Trace<'t> {
    /// What it found; the same as [`StageTable::resolve`] finds.
    pub route: Option<&'t Arc<Route>>,
    /// What it looked at, in that order; at most [`EXPLAINED_CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
    /// How many more there were.
    pub candidates_left_out: usize,
}

/// A resource that a lookup looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its path with placeholders.
    pub path: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What a lookup thinks of a resource. `Display` is a reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one, with this method.
    Chosen(Verb),
    /// Its path fits, but it has only these methods.
    LacksMethod {
        /// That the request has.
        wanted: Option<Verb>,
        /// That it has; none for a resource that only has children.
        has: Vec<Verb>,
    },
    /// A greedy part takes one segment at least.
    NoSegmentLeft,
    /// Its path begins the request's, but no child of it takes the next segment.
    NothingBelow,
    /// Never tried, because this more specific path led to a route.
    LessSpecific(String),
    /// The lookup ended here, after [`LOOKUP_STEPS_MAX`] steps.
    OutOfSteps,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(verb) => write!(f, "chosen: it has {verb}"),
            Self::LacksMethod { has, .. } if has.is_empty() => f.write_str("has no methods"),
            Self::LacksMethod { wanted, has } => {
                let has: Vec<_> = has.iter().map(|verb| verb.as_str()).collect();
                match wanted {
                    Some(wanted) => write!(f, "has {}, but no {wanted} and no ANY", has.join(", ")),
                    None => f.write_str("no API can have this method"),
                }
            }
            Self::NoSegmentLeft => f.write_str("takes one segment at least, and none is left"),
            Self::NothingBelow => f.write_str("nothing below it takes the next segment"),
            Self::LessSpecific(than) => write!(f, "not tried: {than} is more specific"),
            Self::OutOfSteps => write!(f, "given up after {LOOKUP_STEPS_MAX} steps"),
        }
    }
}

impl StageTable {
    /// Resolves, and tells how. `method` and `path` as for [`StageTable::resolve`]. A method that no API can have is
    /// looked for in vain.
    pub fn trace(&self, method: &http::Method, path: &str) -> Trace<'_> {
        let wanted = Verb::of_request(method);
        let mut notes = Notes::default();
        // Looked for as `ANY` alone, such a method meets the places where it would be, and is refused below.
        let index =
            self.tree().find_watched(wanted.unwrap_or(Verb::Any), path, &mut notes).filter(|_| wanted.is_some());
        let candidates = notes.seen.into_iter().map(|(place, look)| self.candidate(place, look, wanted)).collect();
        Trace { route: index.and_then(|index| self.at(index)), candidates, candidates_left_out: notes.left_out }
    }

    fn candidate(&self, place: Place, look: Look, wanted: Option<Verb>) -> Candidate {
        let name = |place| self.path_of(place).unwrap_or_default();
        let verdict = match look {
            Look::End(Some(index)) if wanted.is_some() => match self.at(index) {
                Some(route) => Verdict::Chosen(route.verb),
                None => Verdict::NothingBelow,
            },
            Look::End(_) => Verdict::LacksMethod { wanted, has: self.tree().verbs(place) },
            Look::NoSegmentLeft => Verdict::NoSegmentLeft,
            Look::NothingBelow => Verdict::NothingBelow,
            Look::LessSpecific(than) => Verdict::LessSpecific(name(Place::Node(than))),
            Look::OutOfSteps => Verdict::OutOfSteps,
        };
        Candidate { path: name(place), verdict }
    }

    fn path_of(&self, place: Place) -> Option<String> {
        let tree: &PathTree = self.tree();
        tree.path_of(place, self.routes().iter().map(|route| &*route.resource.path))
    }

    fn at(&self, index: RouteIndex) -> Option<&Arc<Route>> {
        self.routes().get(index as usize)
    }
}

/// What was looked at.
#[derive(Default)]
struct Notes {
    seen: Vec<(Place, Look)>,
    left_out: usize,
}

impl Watcher for Notes {
    fn look(&mut self, place: Place, look: Look) {
        let found = matches!(look, Look::End(Some(_)));
        if self.seen.len() < EXPLAINED_CANDIDATES_MAX {
            self.seen.push((place, look));
        } else if found && let Some(last) = self.seen.last_mut() {
            // What was chosen is always told.
            *last = (place, look);
            self.left_out += 1;
        } else {
            self.left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::stage;
    use http::Method;

    fn told(routes: &[(&str, &str)], method: &Method, path: &str) -> Vec<String> {
        let table = stage("api", "prod", routes);
        let trace = table.trace(method, path);
        trace.candidates.iter().map(|candidate| format!("{}: {}", candidate.path, candidate.verdict)).collect()
    }

    #[test]
    fn every_reason_is_told_in_the_order_of_the_walk() {
        let routes = [
            ("GET", "/images/latest"),
            ("POST", "/images/{id}"),
            ("PUT", "/images/{id}/tags"),
            ("ANY", "/{proxy+}"),
            ("GET", "/files/{name+}"),
        ];
        for (method, path, expected) in [
            (
                Method::GET,
                "/images/latest",
                &[
                    "/images/latest: chosen: it has GET",
                    "/images/{id}: not tried: /images/latest is more specific",
                    "/{proxy+}: not tried: /images is more specific",
                ][..],
            ),
            (
                Method::DELETE,
                "/images/latest",
                &[
                    "/images/latest: has GET, but no DELETE and no ANY",
                    "/images/{id}: has POST, but no DELETE and no ANY",
                    "/{proxy+}: chosen: it has ANY",
                ],
            ),
            (
                Method::POST,
                "/images/7/none",
                &["/images/{id}: nothing below it takes the next segment", "/{proxy+}: chosen: it has ANY"],
            ),
            (Method::GET, "/images", &["/images: has no methods", "/{proxy+}: chosen: it has ANY"]),
            (
                Method::GET,
                "/files",
                &[
                    "/files: has no methods",
                    "/files/{name+}: takes one segment at least, and none is left",
                    "/{proxy+}: chosen: it has ANY",
                ],
            ),
            (Method::GET, "/", &["/: has no methods", "/{proxy+}: takes one segment at least, and none is left"]),
            (Method::TRACE, "/x", &["/{proxy+}: no API can have this method"]),
        ] {
            assert_eq!(told(&routes, &method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn candidates_are_counted_beyond_the_limit_and_the_chosen_one_is_told() {
        // Seven segments, each literal or variable: as many resources as there are ways to choose.
        let paths: Vec<String> =
            (0..128).map(|bits| (0..7).map(|at| if bits >> at & 1 == 0 { "/a" } else { "/{p}" }).collect()).collect();
        let mut routes: Vec<(&str, &str)> = paths.iter().map(|path| ("GET", path.as_str())).collect();
        routes.push(("POST", "/{all+}"));
        let table = stage("api", "prod", &routes);
        let trace = table.trace(&Method::POST, &"/a".repeat(7));
        assert_eq!((trace.candidates.len(), trace.candidates_left_out), (EXPLAINED_CANDIDATES_MAX, 65));
        let chosen = Candidate { path: "/{all+}".to_owned(), verdict: Verdict::Chosen(Verb::Post) };
        assert_eq!(trace.candidates.last(), Some(&chosen));
    }
}
