//! The path tree of one stage: static before `{param}` before `{greedy+}`, segment by segment, skipping resources that
//! lack the method (section d.1).

use crate::limits::LOOKUP_STEPS_MAX;
use crate::method::Verb;
use crate::resource::{PathPart, segments};

/// Index of a route in its stage's list.
pub(super) type RouteIndex = u32;

/// Above this many literal children a node is searched by halving instead of in order.
const LINEAR_CHILDREN_MAX: usize = 8;

type Methods = [Option<RouteIndex>; Verb::ALL.len()];

#[derive(Debug, Default)]
struct Node {
    /// Sorted by text.
    literals: Vec<(Box<str>, u32)>,
    param: Option<u32>,
    greedy: Option<Box<Methods>>,
    methods: Option<Box<Methods>>,
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
                    set(self.nodes[here].greedy.get_or_insert_default(), verb, route);
                    return;
                }
                Ok(PathPart::Literal(text)) => self.literal_child(here, text),
                Err(_) => return,
            };
        }
        set(self.nodes[here].methods.get_or_insert_default(), verb, route);
    }

    /// Finds the most specific route for a path with exactly one leading slash.
    pub(super) fn find(&self, verb: Verb, path: &str) -> Option<RouteIndex> {
        let path = path.strip_prefix('/').unwrap_or(path);
        // A trailing slash is the same resource (section d.1).
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut steps = LOOKUP_STEPS_MAX;
        let rest = if path.is_empty() { None } else { Some(path) };
        self.walk(0, rest, verb, &mut steps)
    }

    fn walk(&self, at: u32, rest: Option<&str>, verb: Verb, steps: &mut u32) -> Option<RouteIndex> {
        *steps = steps.checked_sub(1)?;
        let node = &self.nodes[at as usize];
        let Some(rest) = rest else {
            return node.methods.as_deref().and_then(|methods| get(methods, verb));
        };
        let (segment, behind) = match rest.split_once('/') {
            Some((segment, behind)) => (segment, Some(behind)),
            None => (rest, None),
        };
        if let Some(child) = node.literal(segment)
            && let Some(found) = self.walk(child, behind, verb, steps)
        {
            return Some(found);
        }
        if !segment.is_empty()
            && let Some(child) = node.param
            && let Some(found) = self.walk(child, behind, verb, steps)
        {
            return Some(found);
        }
        node.greedy.as_deref().and_then(|methods| get(methods, verb))
    }

    fn literal_child(&mut self, at: usize, text: &str) -> usize {
        let place = self.nodes[at].literals.binary_search_by(|(have, _)| (**have).cmp(text));
        match place {
            Ok(found) => self.nodes[at].literals[found].1 as usize,
            Err(place) => {
                let child = self.add_node();
                self.nodes[at].literals.insert(place, (text.into(), child));
                child as usize
            }
        }
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
    fn literal(&self, segment: &str) -> Option<u32> {
        if self.literals.len() <= LINEAR_CHILDREN_MAX {
            return self.literals.iter().find(|(text, _)| **text == *segment).map(|&(_, child)| child);
        }
        let place = self.literals.binary_search_by(|(text, _)| (**text).cmp(segment)).ok()?;
        Some(self.literals[place].1)
    }
}

fn set(methods: &mut Methods, verb: Verb, route: RouteIndex) {
    methods[verb as usize] = Some(route);
}

/// A method named explicitly beats `ANY` (section d.1).
fn get(methods: &Methods, verb: Verb) -> Option<RouteIndex> {
    methods[verb as usize].or(methods[Verb::Any as usize])
}
