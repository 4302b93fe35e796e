//! [`Field`]: one field of a request as the table of a connection holds it, checked once however often it is referred to (RFC
//! 9113 sections 8.2 and 8.3).

use crate::framing::FramingRule;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method};

/// A name, for values that come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Method,
    Scheme,
    Path,
    Authority,
    Header(HeaderName),
    /// One that no request may have.
    Wrong,
}

/// A field.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    Method(Method),
    Scheme(Scheme),
    Path(PathAndQuery),
    Authority(Authority),
    Host(HeaderValue),
    /// `content-length`, and the number that it is.
    Length(u64, HeaderValue),
    Header(HeaderName, HeaderValue),
    /// One that makes a request malformed. Its name may be good.
    Malformed(Name, Malformed),
}

/// What a malformed request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// An error of its stream.
    Reset,
    /// An answer in the words of HTTP/1.1's grammar.
    Refused(FramingRule),
}

impl Name {
    pub(crate) fn of(name: &[u8]) -> Self {
        match name {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":path" => Self::Path,
            b":authority" => Self::Authority,
            // Refuses upper case, and the colon of pseudo-fields that are none of a request.
            _ => HeaderName::from_lowercase(name).map_or(Self::Wrong, Self::Header),
        }
    }

    /// The field of this name with a value.
    pub(crate) fn valued(self, value: &[u8]) -> Field {
        let field = match &self {
            Self::Method => Method::from_bytes(value).ok().map(Field::Method),
            Self::Scheme | Self::Path if value.is_empty() => None,
            Self::Scheme => Scheme::try_from(value).ok().map(Field::Scheme),
            Self::Path => PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(value)).ok().map(Field::Path),
            Self::Authority => Authority::from_maybe_shared(Bytes::copy_from_slice(value)).ok().map(Field::Authority),
            Self::Header(name) => return header(name, value),
            Self::Wrong => None,
        };
        field.unwrap_or(Field::Malformed(self, Malformed::Reset))
    }
}

fn header(name: &HeaderName, value: &[u8]) -> Field {
    let malformed = |how| Field::Malformed(Name::Header(name.clone()), how);
    if is_of_a_connection(name) || *name == TE && value != b"trailers" {
        return malformed(Malformed::Reset);
    }
    let Ok(text) = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value)) else {
        return malformed(Malformed::Reset);
    };
    if [value.first(), value.last()].into_iter().flatten().any(u8::is_ascii_whitespace) {
        return malformed(Malformed::Refused(FramingRule::HeaderValue));
    }
    match name {
        _ if *name == HOST => Field::Host(text),
        _ if *name == CONTENT_LENGTH => match number(value) {
            Some(bytes) => Field::Length(bytes, text),
            None => malformed(Malformed::Reset),
        },
        _ => Field::Header(name.clone(), text),
    }
}

/// Whether a field is one of HTTP/1.1's connections, which HTTP/2 does not have (RFC 9113 section 8.2.2).
fn is_of_a_connection(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// A length: digits and nothing else.
fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |number, &digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

impl Field {
    /// Its name, for another value.
    pub(crate) fn name(&self) -> Name {
        match self {
            Self::Method(_) => Name::Method,
            Self::Scheme(_) => Name::Scheme,
            Self::Path(_) => Name::Path,
            Self::Authority(_) => Name::Authority,
            Self::Host(_) => Name::Header(HOST),
            Self::Length(..) => Name::Header(CONTENT_LENGTH),
            Self::Header(name, _) => Name::Header(name.clone()),
            Self::Malformed(name, _) => name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &[u8]) -> Field {
        Name::of(name.as_bytes()).valued(value)
    }

    #[test]
    fn what_is_wrong_by_itself_is_known_at_once() {
        let reset = [
            (":status", &b"200"[..]),
            (":", b"x"),
            ("", b"x"),
            (":METHOD", b"GET"),
            ("X-Test", b"x"),
            ("x test", b"x"),
            ("x-test", b"a\nb"),
            (":path", b""),
            (":path", b"/a b"),
            (":scheme", b""),
            (":scheme", b"ht tp"),
            (":method", b""),
            (":authority", b""),
            (":authority", b"a b"),
            ("connection", b"close"),
            ("keep-alive", b"1"),
            ("proxy-connection", b"1"),
            ("transfer-encoding", b"chunked"),
            ("upgrade", b"h2c"),
            ("te", b"gzip"),
            ("content-length", b"+4"),
            ("content-length", b""),
            ("content-length", b"18446744073709551620"),
        ];
        for (name, value) in reset {
            let field = field(name, value);
            assert!(matches!(field, Field::Malformed(_, Malformed::Reset)), "{name}: {field:?}");
        }
        for value in [&b" ok"[..], b"ok ", b"\tok", b"ok\t"] {
            assert!(matches!(
                field("x-test", value),
                Field::Malformed(_, Malformed::Refused(FramingRule::HeaderValue))
            ));
        }
    }

    #[test]
    fn what_is_right_keeps_its_name_and_value() {
        for name in [":method", ":scheme", ":path", ":authority", "host", "content-length", "x-test", "te"] {
            let value: &[u8] = match name {
                ":method" => b"GET",
                ":scheme" => b"https",
                ":path" => b"/",
                "content-length" => b"7",
                "te" => b"trailers",
                _ => b"any",
            };
            let field = field(name, value);
            assert!(!matches!(field, Field::Malformed(..)), "{name}: {field:?}");
            assert_eq!(field.name(), Name::of(name.as_bytes()));
        }
        assert!(matches!(field("content-length", b"007"), Field::Length(7, _)));
        assert_eq!(
            field("connection", b"close").name(),
            Name::Header(CONNECTION),
            "which another value does not make good"
        );
    }
}
