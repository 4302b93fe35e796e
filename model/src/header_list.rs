//! [`HeaderList`]: the header fields of a message, line by line.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header fields of a message (RFC 9110 section 5), in the order of their lines.
///
/// A list and no table: a message has a dozen of them, among which comparing names finds one sooner than hashing does, and a list
/// is one piece of memory that a proxy changes in place. How many there may be is bounded where they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderList {
    lines: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderList {
    /// None.
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// None, with room for so many lines.
    pub fn with_capacity(lines: usize) -> Self {
        Self { lines: Vec::with_capacity(lines) }
    }

    /// Lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The value of the first line with this name, which is a name or its text in any case.
    pub fn get<N>(&self, name: N) -> Option<&HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        self.lines.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The values of all lines with this name.
    pub fn get_all<N>(&self, name: N) -> impl DoubleEndedIterator<Item = &HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        self.lines.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Whether a line has this name.
    pub fn contains<N>(&self, name: N) -> bool
    where
        HeaderName: PartialEq<N>,
    {
        self.lines.iter().any(|(known, _)| *known == name)
    }

    /// Adds a line, whatever others there are.
    pub fn append(&mut self, name: impl Into<HeaderName>, value: HeaderValue) {
        self.lines.push((name.into(), value));
    }

    /// Puts one line in place of all that have this name.
    pub fn insert(&mut self, name: impl Into<HeaderName>, value: HeaderValue) {
        let name = name.into();
        match self.lines.iter().position(|(known, _)| *known == name) {
            None => self.lines.push((name, value)),
            Some(at) => {
                self.lines[at].1 = value;
                let mut is_first = true;
                self.lines.retain(|(known, _)| *known != name || std::mem::take(&mut is_first));
            }
        }
    }

    /// Takes all lines with this name away: the value of the first.
    pub fn remove<N>(&mut self, name: N) -> Option<HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        let at = self.lines.iter().position(|(known, _)| *known == name)?;
        let (_, value) = self.lines.remove(at);
        self.lines.retain(|(known, _)| *known != name);
        Some(value)
    }

    /// Changes each line or takes it away.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut HeaderName, &mut HeaderValue) -> bool) {
        self.lines.retain_mut(|(name, value)| keep(name, value));
    }

    /// Line by line.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&HeaderName, &HeaderValue)> + Clone {
        self.lines.iter().map(|(name, value)| (name, value))
    }
}

impl<'a> IntoIterator for &'a HeaderList {
    type Item = &'a (HeaderName, HeaderValue);
    type IntoIter = std::slice::Iter<'a, (HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.iter()
    }
}

impl IntoIterator for HeaderList {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::vec::IntoIter<(HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.into_iter()
    }
}

impl Extend<(HeaderName, HeaderValue)> for HeaderList {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, lines: I) {
        self.lines.extend(lines);
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for HeaderList {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> Self {
        Self { lines: lines.into_iter().collect() }
    }
}

impl From<HeaderMap> for HeaderList {
    fn from(map: HeaderMap) -> Self {
        let mut fields = Self::with_capacity(map.len());
        let mut last = None;
        for (name, value) in map {
            // A line that has no name here is called like the one before.
            last = name.or(last);
            fields.lines.extend(last.clone().map(|name| (name, value)));
        }
        fields
    }
}

impl From<HeaderList> for HeaderMap {
    fn from(fields: HeaderList) -> Self {
        let mut map = Self::with_capacity(fields.len());
        for (name, value) in fields {
            map.append(name, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{ACCEPT, COOKIE, HOST};

    fn fields(lines: &[(HeaderName, &'static str)]) -> HeaderList {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn shown(fields: &HeaderList) -> String {
        let lines = fields.iter().map(|(name, value)| format!("{name}={}", value.to_str().expect("text")));
        lines.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lines_keep_their_order_and_names_may_repeat() {
        let mut fields = fields(&[(COOKIE, "a"), (HOST, "h"), (COOKIE, "b")]);
        fields.append(ACCEPT, HeaderValue::from_static("x"));
        assert_eq!(shown(&fields), "cookie=a host=h cookie=b accept=x");
        assert_eq!(fields.get(COOKIE).expect("is there"), "a");
        assert_eq!(fields.get_all(COOKIE).next_back().expect("is there"), "b");
        assert!(fields.contains(HOST) && !fields.contains(HeaderName::from_static("x-own")));
    }

    #[test]
    fn what_is_inserted_is_the_only_one_of_its_name() {
        let mut fields = fields(&[(COOKIE, "a"), (HOST, "h"), (COOKIE, "b"), (COOKIE, "c"), (ACCEPT, "x")]);
        fields.insert(COOKIE, HeaderValue::from_static("new"));
        assert_eq!(shown(&fields), "cookie=new host=h accept=x");
        fields.insert(HeaderName::from_static("x-own"), HeaderValue::from_static("1"));
        assert_eq!(shown(&fields), "cookie=new host=h accept=x x-own=1");
    }

    #[test]
    fn what_is_removed_is_gone_in_all_lines() {
        let mut fields = fields(&[(HOST, "h"), (COOKIE, "a"), (ACCEPT, "x"), (COOKIE, "b")]);
        assert_eq!(fields.remove(COOKIE).expect("was there"), "a");
        assert_eq!(fields.remove(COOKIE), None);
        assert_eq!(shown(&fields), "host=h accept=x");
        fields.retain(|name, _| {
            let is_host = *name == HOST;
            if is_host {
                *name = ACCEPT;
            }
            is_host
        });
        assert_eq!(shown(&fields), "accept=h");
    }

    #[test]
    fn a_map_and_back_loses_no_line() {
        let lines = fields(&[(COOKIE, "a"), (HOST, "h"), (COOKIE, "b")]);
        let map = HeaderMap::from(lines);
        assert_eq!((map.len(), map.get_all(COOKIE).iter().count()), (3, 2));
        let mut back = shown(&HeaderList::from(map)).split(' ').map(str::to_owned).collect::<Vec<_>>();
        back.sort();
        assert_eq!(back, ["cookie=a", "cookie=b", "host=h"]);
    }
}
