//! What a `Connection` header says, and lists in headers generally.

use crate::header_list::HeaderList;
use http::header::{self, CONNECTION, HeaderName, HeaderValue, TE};

/// The header names that a `Connection` header makes hop-by-hop (RFC 9110 section 7.6.1).
pub(crate) struct ConnectionNames<'a>(Option<&'a HeaderList>);

impl<'a> ConnectionNames<'a> {
    pub(crate) fn of(headers: &'a HeaderList) -> Self {
        // Most say only whether the connection goes on, and no header is called like that.
        let names_none = |line: &HeaderValue| {
            line.as_bytes().eq_ignore_ascii_case(b"keep-alive") || line.as_bytes().eq_ignore_ascii_case(b"close")
        };
        let names_any = headers.get_all(CONNECTION).any(|line| !names_none(line));
        Self(names_any.then_some(headers))
    }

    /// Those of these headers that it names.
    pub(crate) fn within(&self, headers: &HeaderList) -> Vec<HeaderName> {
        match self.0 {
            Some(_) => headers.iter().map(|(name, _)| name).filter(|name| self.names(name)).cloned().collect(),
            None => Vec::new(),
        }
    }

    pub(crate) fn names(&self, name: &HeaderName) -> bool {
        // `Connection` itself is not in its own list, whatever a sender says: its own rule decides.
        *name != header::CONNECTION
            && self.0.is_some_and(|headers| {
                list(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
            })
    }
}

/// Whether the sender of these headers takes trailers (RFC 9110 section 6.5.1).
pub fn accepts_trailers(headers: &HeaderList) -> bool {
    list(headers, &TE).any(|coding| {
        let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"trailers")
    })
}

/// The elements of a comma-separated header, over all its lines. Bytes, because one that is not text must not hide the
/// others.
fn list<'a>(headers: &'a HeaderList, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}
