//! The path tree of one stage: static before `{param}` before `{greedy+}`, segment by segment, skipping resources that
//! lack the method (section d.1).

use super::domains::Names;
use super::text::Text;
use crate::limits::LOOKUP_STEPS_MAX;
use crate::method::Verb;
use crate::resource::{PathPart, segments};
use crate::text::split_segment;

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

#[derive(Debug, Default)]
struct Node {
    literals: Literals,
    param: Option<u32>,
    greedy: Option<Box<Methods>>,
    /// In the node itself, since a lookup that ends here needs them.
    methods: Methods,
}

/// Children by their texts.
#[derive(Debug)]
enum Literals {
    /// In the order in which they came.
    Few(Vec<(Text, u32)>),
    Many(Box<Names<Text, u32>>),
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
            here = match PathPart::parse(part) {
                Ok(PathPart::Param(_)) => self.param_child(here),
                Ok(PathPart::Greedy(_)) => {
                    // A greedy part ends its path, so it is a set of methods and not a node.
                    self.nodes[here].greedy.get_or_insert_default().set(verb, route);
                    return;
                }
                Ok(PathPart::Literal(text)) => self.literal_child(here, text),
                Err(_) => return,
            };
        }
        self.nodes[here].methods.set(verb, route);
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
            && let Some(found) = self.walk(child, behind, verb, steps, watcher)
        {
            node.pass_over(at, [node.param.map(Place::Node), Some(Place::Greedy(at))], child, watcher);
            return Some(found);
        }
        let param = node.param.filter(|_| !segment.is_empty());
        if let Some(child) = param
            && let Some(found) = self.walk(child, behind, verb, steps, watcher)
        {
            node.pass_over(at, [None, Some(Place::Greedy(at))], child, watcher);
            return Some(found);
        }
        match node.greedy.as_deref() {
            Some(methods) => {
                let found = methods.get(verb);
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
        let methods = match place {
            Place::Node(at) => Some(&self.nodes[at as usize].methods),
            Place::Greedy(at) => self.nodes[at as usize].greedy.as_deref(),
        };
        let has = |verb: &Verb| methods.is_some_and(|methods| methods.own(*verb).is_some());
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
                here = match PathPart::parse(part).ok()? {
                    PathPart::Literal(literal) => self.nodes[here as usize].literals.get(literal)?,
                    PathPart::Param(_) => self.nodes[here as usize].param?,
                    PathPart::Greedy(_) => return (place == Place::Greedy(here)).then_some(text),
                };
            }
            (place == Place::Node(here)).then(|| if text.is_empty() { "/".to_owned() } else { text })
        })
    }

    fn literal_child(&mut self, at: usize, text: &str) -> usize {
        if let Some(child) = self.nodes[at].literals.get(text) {
            return child as usize;
        }
        let child = self.add_node();
        self.nodes[at].literals.insert(text, child);
        child as usize
    }

    fn param_child(&mut self, at: usize) -> usize {
        if let Some(child) = self.nodes[at].param {
            return child as usize;
        }
        let child = self.add_node();
        self.nodes[at].param = Some(child);
        child as usize
    }

    fn add_node(&mut self) -> u32 {
        let index = u32::try_from(self.nodes.len()).expect("limits.rs bounds the resources of an API far below 2^32");
        self.nodes.push(Node::default());
        index
    }
}

impl Node {
    /// Tells what is not tried any more because `chosen` led to a route.
    fn pass_over(&self, at: u32, others: [Option<Place>; 2], chosen: u32, watcher: &mut impl Watcher) {
        for place in others.into_iter().flatten() {
            if place != Place::Greedy(at) || self.greedy.is_some() {
                watcher.look(place, Look::LessSpecific(chosen));
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
    fn get(&self, text: &str) -> Option<u32> {
        match self {
            Self::Few(few) => few.iter().find(|(have, _)| have.bytes() == text.as_bytes()).map(|&(_, child)| child),
            Self::Many(many) => many.get(text.as_bytes()).copied(),
        }
    }

    /// Adds one that is not there.
    fn insert(&mut self, text: &str, child: u32) {
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
