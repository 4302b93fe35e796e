//! [`HeaderSpelling`]: the names of headers as the client wrote them, which parsed headers no longer know.

use crate::text::is_token;
use http::HeaderName;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};

/// Names of headers that a client did not write in lower case, in the order of its head. Without any, which is what
/// HTTP/2 requests have, it owns no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderSpelling {
    /// One name behind the other.
    names: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl HeaderSpelling {
    /// Reads the head of an HTTP/1 request: the request line, then one header a line; empty lines may come before. What
    /// follows the empty line at its end is not looked at, nor is a line without a name.
    pub fn of_head(head: &[u8]) -> Self {
        let mut spelling = Self::default();
        // Empty lines may come before the request line (RFC 9112 section 2.2).
        let begin = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
        for line in head[begin..].split(|&byte| byte == b'\n').skip(1) {
            if matches!(line, b"" | b"\r") {
                break;
            }
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            if !name.iter().any(u8::is_ascii_uppercase) {
                continue;
            }
            if let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_token(name)) {
                spelling.names.push_str(name);
                spelling.ends.push(spelling.names.len());
            }
        }
        spelling
    }

    /// The name as an event of format 1.0 shows it: `Authorization`, `Host` and `User-Agent` in the canonical spelling
    /// (section b.2), others as the client first wrote them with a capital letter, else in lower case.
    pub fn spelled<'a>(&'a self, name: &'a HeaderName) -> &'a str {
        match *name {
            AUTHORIZATION => "Authorization",
            HOST => "Host",
            USER_AGENT => "User-Agent",
            _ => self.names().find(|known| known.eq_ignore_ascii_case(name.as_str())).unwrap_or(name.as_str()),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.names[start..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_the_client_wrote_them() {
        let head = b"GET /Path:x HTTP/1.1\r\nHOST: a\r\nX-Own: 1\r\nx-low: 2\r\nx-OWN: 3\r\nUSER-agent: me\r\n\
                     Bad Name: 4\r\n Folded-Line: 5\r\nETag\r\nauthorization: b\nX-Bare: 6\n\r\nX-Body: 7\r\n";
        let spelling = HeaderSpelling::of_head(head);
        for (name, shown) in [
            ("x-own", "X-Own"),
            ("x-low", "x-low"),
            ("x-bare", "X-Bare"),
            ("x-body", "x-body"),
            ("x-unknown", "x-unknown"),
            ("folded-line", "folded-line"),
            ("path", "path"),
            ("host", "Host"),
            ("user-agent", "User-Agent"),
            ("authorization", "Authorization"),
        ] {
            assert_eq!(spelling.spelled(&HeaderName::from_static(name)), shown);
        }
    }

    #[test]
    fn a_head_in_lower_case_owns_nothing() {
        let spelling = HeaderSpelling::of_head(b"GET / HTTP/1.1\r\nhost: a\r\naccept: b\r\n\r\n");
        assert_eq!(spelling, HeaderSpelling::default());
        assert_eq!((spelling.names.capacity(), spelling.ends.capacity()), (0, 0));
        assert_eq!(spelling.spelled(&HeaderName::from_static("accept")), "accept");
    }
}
