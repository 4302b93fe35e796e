//! A query as events show it: decoded, and every name once.

use crate::mapping::form_decode;
use std::borrow::Cow;

/// One parameter, decoded.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// All parameters ordered by name, those of one name in the order in which they were sent. Ordered because names must be
/// found again: a client may send as many as fit into a URL.
pub(super) fn sorted_pairs(query: Option<&str>) -> Vec<Pair<'_>> {
    let mut pairs: Vec<Pair<'_>> = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decode(name), form_decode(value))
        })
        .collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    pairs
}

/// Each name with all that was sent for it.
pub(super) fn by_name<'a, 'q>(pairs: &'a [Pair<'q>]) -> impl Iterator<Item = (&'a str, &'a [Pair<'q>])> {
    pairs.chunk_by(|(one, _), (next, _)| one == next).map(|group| (&*group[0].0, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_before_they_are_compared() {
        for (query, expected) in [
            (None, &[][..]),
            (Some(""), &[]),
            (Some("&&"), &[]),
            (Some("a"), &[("a", &[""][..])]),
            (Some("=b"), &[("", &["b"])]),
            (Some("a=1&b=2&a=3"), &[("a", &["1", "3"]), ("b", &["2"])]),
            (Some("b=x+y&%62=z%2Bz&a+b=c%20d"), &[("a b", &["c d"]), ("b", &["x y", "z+z"])]),
            (Some("a=b=c&a=%ff&a=100%"), &[("a", &["b=c", "\u{FFFD}", "100%"])]),
        ] {
            let pairs = sorted_pairs(query);
            let found: Vec<(&str, Vec<&str>)> =
                by_name(&pairs).map(|(name, all)| (name, all.iter().map(|(_, value)| &**value).collect())).collect();
            let expected: Vec<_> = expected.iter().map(|(name, values)| (*name, values.to_vec())).collect();
            assert_eq!(found, expected, "{query:?}");
        }
    }
}
