//! Walks a document that is in memory, as far as a bound on steps allows.

use super::ast::{Comparison, Filter, Operand, Origin, Path, Segment, Selector};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The walk took more steps than it may.
#[derive(Debug)]
pub(super) struct OutOfSteps;

type Nodes<'v> = Vec<Cow<'v, Value>>;

/// One walk through one document.
pub(super) struct Evaluation<'v> {
    root: &'v Value,
    steps_left: u32,
}

impl<'v> Evaluation<'v> {
    pub(super) fn new(root: &'v Value, steps_max: u32) -> Self {
        Self { root, steps_left: steps_max }
    }

    /// Everything that `path` leads to from the root, in the document's order; a parent stands before its children.
    pub(super) fn run(&mut self, path: &Path) -> Result<Nodes<'v>, OutOfSteps> {
        self.walk(path, self.root)
    }

    fn walk(&mut self, path: &Path, start: &'v Value) -> Result<Nodes<'v>, OutOfSteps> {
        let mut nodes = vec![start];
        for (at, segment) in path.segments.iter().enumerate() {
            let mut next = Vec::new();
            match segment {
                // Jayway makes one object of the members when nothing follows.
                Segment::Child(Selector::Names(names)) if at + 1 == path.segments.len() => {
                    return Ok(finish(path, nodes.into_iter().filter_map(|node| members(node, names)).collect()));
                }
                Segment::Child(selector) => {
                    for node in nodes {
                        self.select(selector, node, &mut next)?;
                    }
                }
                Segment::Descendant(selector) => {
                    for node in nodes {
                        self.descend(selector, node, &mut next)?;
                    }
                }
            }
            nodes = next;
        }
        Ok(finish(path, nodes.into_iter().map(Cow::Borrowed).collect()))
    }

    fn step(&mut self) -> Result<(), OutOfSteps> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(OutOfSteps)?;
        Ok(())
    }

    fn select(&mut self, selector: &Selector, node: &'v Value, out: &mut Vec<&'v Value>) -> Result<(), OutOfSteps> {
        self.step()?;
        match (selector, node) {
            (Selector::Name(name), Value::Object(members)) => out.extend(members.get(name)),
            (Selector::Names(names), Value::Object(members)) => {
                for name in names {
                    self.step()?;
                    out.extend(members.get(name));
                }
            }
            (Selector::Wildcard, _) => {
                for child in children(node) {
                    self.step()?;
                    out.push(child);
                }
            }
            (Selector::Index(index), Value::Array(elements)) => out.extend(element(elements, *index)),
            (Selector::Indexes(indexes), Value::Array(elements)) => {
                for index in indexes {
                    self.step()?;
                    out.extend(element(elements, *index));
                }
            }
            (Selector::Slice { from, to }, Value::Array(elements)) => {
                let from = from.map_or(0, |from| clamp(elements, from));
                let to = to.map_or(elements.len(), |to| clamp(elements, to));
                for element in elements.get(from..to).unwrap_or_default() {
                    self.step()?;
                    out.push(element);
                }
            }
            (Selector::Filter(filter), Value::Array(elements)) => {
                for element in elements {
                    if self.matches(filter, element)? {
                        out.push(element);
                    }
                }
            }
            // Jayway asks an object itself, not its members.
            (Selector::Filter(filter), Value::Object(_)) => {
                if self.matches(filter, node)? {
                    out.push(node);
                }
            }
            (
                Selector::Name(_)
                | Selector::Names(_)
                | Selector::Index(_)
                | Selector::Indexes(_)
                | Selector::Slice { .. }
                | Selector::Filter(_),
                _,
            ) => {}
        }
        Ok(())
    }

    fn descend(&mut self, selector: &Selector, node: &'v Value, out: &mut Vec<&'v Value>) -> Result<(), OutOfSteps> {
        if !(node.is_object() || node.is_array()) {
            return Ok(());
        }
        match selector {
            // Every object and array is asked once, by itself: asking an array's elements would ask them twice.
            Selector::Filter(filter) => {
                if self.matches(filter, node)? {
                    out.push(node);
                }
            }
            other => self.select(other, node, out)?,
        }
        children(node).try_for_each(|child| self.descend(selector, child, out))
    }

    fn matches(&mut self, filter: &Filter, current: &'v Value) -> Result<bool, OutOfSteps> {
        self.step()?;
        match filter {
            Filter::Any(parts) => {
                for part in parts {
                    if self.matches(part, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::All(parts) => {
                for part in parts {
                    if !self.matches(part, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Not(inner) => Ok(!self.matches(inner, current)?),
            Filter::Exists(origin, path) => Ok(!self.walk(path, self.start(*origin, current))?.is_empty()),
            Filter::Compare(left, comparison, right) => {
                let (left, right) = (self.operand(left, current)?, self.operand(right, current)?);
                Ok(compare(left.as_deref(), *comparison, right.as_deref()))
            }
            Filter::Matches(operand, pattern) => Ok(match self.operand(operand, current)?.as_deref() {
                Some(Value::String(text)) => pattern.0.is_match(text),
                Some(Value::Number(number)) => pattern.0.is_match(&number.to_string()),
                Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => false,
            }),
        }
    }

    fn start(&self, origin: Origin, current: &'v Value) -> &'v Value {
        match origin {
            Origin::Root => self.root,
            Origin::Current => current,
        }
    }

    fn operand<'o>(&mut self, operand: &'o Operand, current: &'v Value) -> Result<Option<Cow<'o, Value>>, OutOfSteps>
    where
        'v: 'o,
    {
        match operand {
            Operand::Literal(value) => Ok(Some(Cow::Borrowed(value))),
            Operand::Path(origin, path) => Ok(self.walk(path, self.start(*origin, current))?.into_iter().next()),
        }
    }
}

/// Puts the length in place of what was found, if it is asked: of the one value, or of the list that an indefinite path
/// gives.
fn finish<'v>(path: &Path, nodes: Nodes<'v>) -> Nodes<'v> {
    if !path.length {
        return nodes;
    }
    let length = if path.leads_to_one_place() {
        match nodes.first().map(Cow::as_ref) {
            Some(Value::Array(elements)) => Some(elements.len()),
            Some(Value::Object(members)) => Some(members.len()),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => None,
        }
    } else {
        Some(nodes.len())
    };
    length.map(|length| Cow::Owned(Value::from(length))).into_iter().collect()
}

fn members<'v>(node: &'v Value, names: &[String]) -> Option<Cow<'v, Value>> {
    let found = node.as_object()?;
    let picked: Map<String, Value> =
        names.iter().filter_map(|name| Some((name.clone(), found.get(name)?.clone()))).collect();
    Some(Cow::Owned(Value::Object(picked)))
}

fn children(node: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match node {
        Value::Array(elements) => Box::new(elements.iter()),
        Value::Object(members) => Box::new(members.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}

fn element(elements: &[Value], index: i64) -> Option<&Value> {
    let from_end = usize::try_from(index.unsigned_abs()).ok()?;
    if index < 0 { elements.get(elements.len().checked_sub(from_end)?) } else { elements.get(from_end) }
}

/// A slice's end as a position: negative ones count from the end, and none leaves the array.
fn clamp(elements: &[Value], end: i64) -> usize {
    let distance = usize::try_from(end.unsigned_abs()).unwrap_or(usize::MAX);
    if end < 0 { elements.len().saturating_sub(distance) } else { distance.min(elements.len()) }
}

/// Numbers compare as numbers and text as text; what has no order is neither less nor greater. A number equals text that
/// spells it, and nothing equals what is not there, as in Jayway.
fn compare(left: Option<&Value>, comparison: Comparison, right: Option<&Value>) -> bool {
    let order = || match (left?, right?) {
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => left == right || left.as_f64() == right.as_f64(),
        (Some(Value::Number(number)), Some(Value::String(text)))
        | (Some(Value::String(text)), Some(Value::Number(number))) => text.parse().ok() == number.as_f64(),
        (Some(left), Some(right)) => left == right,
        (None, _) | (_, None) => false,
    }
}
