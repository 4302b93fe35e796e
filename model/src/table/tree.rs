//! The path tree of one stage: static before `{param}` before `{greedy+}`, segment by segment, skipping resources that
//! lack the method (section d.1).

use super::domains::Names;
use crate::limits::LOOKUP_STEPS_MAX;
use crate::method::Verb;
use crate::resource::{PathPart, segments};
use crate::text::split_segment;
use smol_str::SmolStr;
use std::num::NonZeroU32;

/// Index of a route in its stage's list.
pub(super) type RouteIndex = u32;

/// Above this many literal children a node finds them by a hash instead of in order. Halving a sorted list would look at several of their
/// texts, each of which is somewhere else in memory, and most likely in no cache where there are many routes.
const LINEAR_CHILDREN_MAX: usize = 8;

/// The routes of the methods of one place.
#[derive(Clone, Copy, Debug)]
struct Methods([RouteIndex; Verb::ALL.len()]);

/// Where a method has no route: more than limits.rs lets an API have.
const NO_ROUTE: RouteIndex = RouteIndex::MAX;

/// The number of a node that is below another, so not the root's.
type Child = NonZeroU32;

/// Exactly one line of the cache: where there are many routes, a lookup finds the nodes that it comes by in no cache.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Node {
    literals: Literals,
    param: Option<Child>,
    /// Has methods and nothing below, because a greedy part ends its path.
    greedy: Option<Child>,
    methods: Methods,
}

/// Children by their texts. Short ones are in the same line of the cache as what they are found by.
#[derive(Debug)]
enum Literals {
    /// In the order in which they came.
    Few(Vec<(SmolStr, Child)>),
    Many(Box<Names<SmolStr, Child>>),
}

/// What a lookup looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The node with this number.
    Node(u32),
    /// The greedy part below it.
    Greedy(u32),
}

/// What a lookup sees there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The path ends here; the route of the method, when there is one.
    End(Option<RouteIndex>),
    /// A greedy part, but no segment for it.
    NoSegmentLeft,
    /// No child takes the next segment.
    NothingBelow,
    /// Not tried: the node with this number is more specific and led to a route.
    LessSpecific(u32),
    /// The lookup has taken [`LOOKUP_STEPS_MAX`] steps.
    OutOfSteps,
}

/// Hears of everything that a lookup looks at, in order. Requests have `()`, which hears nothing and costs nothing.
pub(super) trait Watcher {
    fn look(&mut self, place: Place, look: Look);
}

impl Watcher for () {
    #[inline]
    fn look(&mut self, _: Place, _: Look) {}
}

/// Built once, then only read.
#[derive(Debug)]
pub(super) struct PathTree {
    nodes: Vec<Node>,
}

impl PathTree {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Adds a route. The path's parts were validated before.
    pub(super) fn insert(&mut self, path: &str, verb: Verb, route: RouteIndex) {
        let mut here = 0;
        for part in segments(path) {
            let Ok(part) = PathPart::parse(part) else { return };
            here = self.child(here, part).unwrap_or_else(|| self.add_child(here, part)).get();
            if matches!(part, PathPart::Greedy(_)) {
                break;
            }
        }
        self.nodes[here as usize].methods.set(verb, route);
    }

    /// Finds the most specific route for a path with exactly one leading slash.
    pub(super) fn find(&self, verb: Verb, path: &str) -> Option<RouteIndex> {
        self.find_watched(verb, path, &mut ())
    }

    /// The same, while somebody watches.
    pub(super) fn find_watched(&self, verb: Verb, path: &str, watcher: &mut impl Watcher) -> Option<RouteIndex> {
        let path = path.strip_prefix('/').unwrap_or(path);
        // A trailing slash is the same resource (section d.1).
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut steps = LOOKUP_STEPS_MAX;
        let rest = if path.is_empty() { None } else { Some(path) };
        self.walk(0, rest, verb, &mut steps, watcher)
    }

    fn walk(
        &self,
        at: u32,
        rest: Option<&str>,
        verb: Verb,
        steps: &mut u32,
        watcher: &mut impl Watcher,
    ) -> Option<RouteIndex> {
        let Some(left) = steps.checked_sub(1) else {
            watcher.look(Place::Node(at), Look::OutOfSteps);
            return None;
        };
        *steps = left;
        let node = &self.nodes[at as usize];
        let Some(rest) = rest else {
            let found = node.methods.get(verb);
            watcher.look(Place::Node(at), Look::End(found));
            if node.greedy.is_some() {
                watcher.look(Place::Greedy(at), Look::NoSegmentLeft);
            }
            return found;
        };
        let (segment, behind) = split_segment(rest);
        let literal = node.literals.get(segment);
        if let Some(child) = literal
            && let Some(found) = self.walk(child.get(), behind, verb, steps, watcher)
        {
            let param = node.param.map(|child| Place::Node(child.get()));
            node.pass_over(at, [param, Some(Place::Greedy(at))], child, watcher);
            return Some(found);
        }
        let param = node.param.filter(|_| !segment.is_empty());
        if let Some(child) = param
            && let Some(found) = self.walk(child.get(), behind, verb, steps, watcher)
        {
            node.pass_over(at, [None, Some(Place::Greedy(at))], child, watcher);
            return Some(found);
        }
        match node.greedy {
            Some(child) => {
                let found = self.node(child).methods.get(verb);
                watcher.look(Place::Greedy(at), Look::End(found));
                found
            }
            None => {
                if literal.is_none() && param.is_none() {
                    watcher.look(Place::Node(at), Look::NothingBelow);
                }
                None
            }
        }
    }

    /// The methods of a place, for whoever explains why none was taken.
    pub(super) fn verbs(&self, place: Place) -> Vec<Verb> {
        let node = match place {
            Place::Node(at) => Some(&self.nodes[at as usize]),
            Place::Greedy(at) => self.nodes[at as usize].greedy.map(|child| self.node(child)),
        };
        let has = |verb: &Verb| node.is_some_and(|node| node.methods.own(*verb).is_some());
        Verb::ALL.into_iter().filter(has).collect()
    }

    /// The path of a place with its placeholders, by a route that lies there or below: nodes do not know their names.
    pub(super) fn path_of<'p>(&self, place: Place, paths: impl Iterator<Item = &'p str>) -> Option<String> {
        paths.into_iter().find_map(|path| {
            let mut here = 0;
            let mut text = String::new();
            for part in segments(path) {
                if place == Place::Node(here) {
                    break;
                }
                text.push('/');
                text.push_str(part);
                let part = PathPart::parse(part).ok()?;
                if place == Place::Greedy(here) && matches!(part, PathPart::Greedy(_)) {
                    return Some(text);
                }
                here = self.child(here, part)?.get();
            }
            (place == Place::Node(here)).then(|| if text.is_empty() { "/".to_owned() } else { text })
        })
    }

    fn node(&self, child: Child) -> &Node {
        &self.nodes[child.get() as usize]
    }

    /// Where a part of a resource's path leads.
    fn child(&self, at: u32, part: PathPart<'_>) -> Option<Child> {
        let node = &self.nodes[at as usize];
        match part {
            PathPart::Literal(text) => node.literals.get(text),
            PathPart::Param(_) => node.param,
            PathPart::Greedy(_) => node.greedy,
        }
    }

    /// Leads a part to a new child.
    fn add_child(&mut self, at: u32, part: PathPart<'_>) -> Child {
        let number = u32::try_from(self.nodes.len()).ok().and_then(Child::new);
        let child = number.expect("limits.rs bounds the resources of an API far below 2^32, and the root is there");
        self.nodes.push(Node::default());
        let node = &mut self.nodes[at as usize];
        match part {
            PathPart::Literal(text) => node.literals.insert(text, child),
            PathPart::Param(_) => node.param = Some(child),
            PathPart::Greedy(_) => node.greedy = Some(child),
        }
        child
    }
}

impl Node {
    /// Tells what is not tried any more because `chosen` led to a route.
    fn pass_over(&self, at: u32, others: [Option<Place>; 2], chosen: Child, watcher: &mut impl Watcher) {
        for place in others.into_iter().flatten() {
            if place != Place::Greedy(at) || self.greedy.is_some() {
                watcher.look(place, Look::LessSpecific(chosen.get()));
            }
        }
    }
}

impl Default for Literals {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Literals {
    fn get(&self, text: &str) -> Option<Child> {
        match self {
            Self::Few(few) => few.iter().find(|(have, _)| have == text).map(|&(_, child)| child),
            Self::Many(many) => many.get(text).copied(),
        }
    }

    /// Adds one that is not there.
    fn insert(&mut self, text: &str, child: Child) {
        match self {
            Self::Few(few) if few.len() < LINEAR_CHILDREN_MAX => few.push((text.into(), child)),
            Self::Few(few) => {
                let all = std::mem::take(few).into_iter().chain([(text.into(), child)]);
                *self = Self::Many(Box::new(all.collect()));
            }
            Self::Many(many) => drop(many.insert(text.into(), child)),
        }
    }
}

impl Default for Methods {
    fn default() -> Self {
        Self([NO_ROUTE; Verb::ALL.len()])
    }
}

impl Methods {
    fn set(&mut self, verb: Verb, route: RouteIndex) {
        self.0[verb as usize] = route;
    }

    /// The route of just this verb.
    fn own(&self, verb: Verb) -> Option<RouteIndex> {
        Some(self.0[verb as usize]).filter(|&route| route != NO_ROUTE)
    }

    /// A method named explicitly beats `ANY` (section d.1).
    fn get(&self, verb: Verb) -> Option<RouteIndex> {
        self.own(verb).or_else(|| self.own(Verb::Any))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_a_line_of_the_cache() {
        assert_eq!(size_of::<Node>(), 64);
    }
}
