//! A path, understood.

use regex::Regex;
use serde_json::Value;

/// Segments from a start, and whether the length of what they lead to is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<Segment>,
    pub(super) length: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// `.x`, `[…]`
    Child(Selector),
    /// `..x`, `..[…]`
    Descendant(Selector),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    Name(String),
    /// `['a','b']`: an object of those members at the end of a path, each of them before.
    Names(Vec<String>),
    Wildcard,
    /// From the end if negative.
    Index(i64),
    Indexes(Vec<i64>),
    Slice {
        from: Option<i64>,
        to: Option<i64>,
    },
    Filter(Filter),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Origin, Path),
    Compare(Operand, Comparison, Operand),
    Matches(Operand, Pattern),
}

/// Where a path inside a filter starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `$`
    Root,
    /// `@`
    Current,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Path(Origin, Path),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A regular expression; equal when written equally.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Path {
    /// Whether it gives at most one value, whatever the document.
    pub(super) fn is_definite(&self) -> bool {
        self.length || self.leads_to_one_place()
    }

    /// The same of the segments alone.
    pub(super) fn leads_to_one_place(&self) -> bool {
        let last = self.segments.len().saturating_sub(1);
        self.segments.iter().enumerate().all(|(at, segment)| match segment {
            Segment::Child(Selector::Name(_) | Selector::Index(_)) => true,
            Segment::Child(Selector::Names(_)) => at == last,
            Segment::Child(
                Selector::Wildcard | Selector::Indexes(_) | Selector::Slice { .. } | Selector::Filter(_),
            )
            | Segment::Descendant(_) => false,
        })
    }

    /// Whether a filter in it looks at the whole document.
    pub(super) fn looks_at_root(&self) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Child(Selector::Filter(filter)) | Segment::Descendant(Selector::Filter(filter)) => {
                filter.looks_at_root()
            }
            Segment::Child(_) | Segment::Descendant(_) => false,
        })
    }
}

impl Filter {
    fn looks_at_root(&self) -> bool {
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().any(Self::looks_at_root),
            Self::Not(inner) => inner.looks_at_root(),
            Self::Exists(origin, path) => *origin == Origin::Root || path.looks_at_root(),
            Self::Compare(left, _, right) => left.looks_at_root() || right.looks_at_root(),
            Self::Matches(operand, _) => operand.looks_at_root(),
        }
    }
}

impl Operand {
    fn looks_at_root(&self) -> bool {
        match self {
            Self::Path(origin, path) => *origin == Origin::Root || path.looks_at_root(),
            Self::Literal(_) => false,
        }
    }
}
