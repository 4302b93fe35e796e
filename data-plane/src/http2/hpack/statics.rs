//! The static table (RFC 7541 appendix A), by index and by name.

use super::super::field::{Field, Name};
use http::HeaderName;
use http::header;
use std::sync::LazyLock;

/// Fields of it.
pub(super) const COUNT: usize = 61;
/// Its first field that is no pseudo-field.
const FIRST_HEADER: usize = 15;
/// `:status`, whatever its value.
pub(super) const STATUS: usize = 8;

/// Names and values of the first ones; the others have a name each.
const FIRST: [(&str, &str); FIRST_HEADER + 1] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
];

static NAMES: [HeaderName; COUNT + 1 - FIRST_HEADER] = [
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_RANGES,
    header::ACCEPT,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::AGE,
    header::ALLOW,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::ETAG,
    header::EXPECT,
    header::EXPIRES,
    header::FROM,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::REFERER,
    header::REFRESH,
    header::RETRY_AFTER,
    header::SERVER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::TRANSFER_ENCODING,
    header::USER_AGENT,
    header::VARY,
    header::VIA,
    header::WWW_AUTHENTICATE,
];

/// A field, and what it counts in octets of name and value.
pub(super) struct Static {
    pub(super) field: Field,
    pub(super) bytes: usize,
}

static FIELDS: LazyLock<Vec<Static>> = LazyLock::new(|| {
    (1..=COUNT)
        .map(|index| {
            let (name, value) = texts(index);
            Static { field: Name::of(name.as_bytes()).valued(value.as_bytes()), bytes: name.len() + value.len() }
        })
        .collect()
});

fn texts(index: usize) -> (&'static str, &'static str) {
    match FIRST.get(index - 1) {
        Some(pair) => *pair,
        None => (NAMES[index - FIRST_HEADER].as_str(), ""),
    }
}

/// The field with this index; `None` beyond the table, and for 0.
pub(super) fn field(index: usize) -> Option<&'static Static> {
    FIELDS.get(index.checked_sub(1)?)
}

/// The length of the name of the field with this index, in octets.
pub(super) fn name_bytes(index: usize) -> usize {
    texts(index).0.len()
}

/// In place of an index: a field of HTTP/1.1's connections, which is none here (RFC 9113 section 8.2.2).
pub(super) const OF_A_CONNECTION: u8 = u8::MAX;
/// Indexes that somebody has to know.
pub(super) const CONTENT_LENGTH: u8 = 28;
pub(super) const DATE: u8 = 33;

/// The index of a name; 0: it is not in the table.
pub(super) fn index(name: &str) -> u8 {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => OF_A_CONNECTION,
        "accept-charset" => 15,
        "accept-encoding" => 16,
        "accept-language" => 17,
        "accept-ranges" => 18,
        "accept" => 19,
        "access-control-allow-origin" => 20,
        "age" => 21,
        "allow" => 22,
        "authorization" => 23,
        "cache-control" => 24,
        "content-disposition" => 25,
        "content-encoding" => 26,
        "content-language" => 27,
        "content-length" => CONTENT_LENGTH,
        "content-location" => 29,
        "content-range" => 30,
        "content-type" => 31,
        "cookie" => 32,
        "date" => DATE,
        "etag" => 34,
        "expect" => 35,
        "expires" => 36,
        "from" => 37,
        "host" => 38,
        "if-match" => 39,
        "if-modified-since" => 40,
        "if-none-match" => 41,
        "if-range" => 42,
        "if-unmodified-since" => 43,
        "last-modified" => 44,
        "link" => 45,
        "location" => 46,
        "max-forwards" => 47,
        "proxy-authenticate" => 48,
        "proxy-authorization" => 49,
        "range" => 50,
        "referer" => 51,
        "refresh" => 52,
        "retry-after" => 53,
        "server" => 54,
        "set-cookie" => 55,
        "strict-transport-security" => 56,
        "user-agent" => 58,
        "vary" => 59,
        "via" => 60,
        "www-authenticate" => 61,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_indexes_agree() {
        for (at, name) in NAMES.iter().enumerate() {
            if *name != header::TRANSFER_ENCODING {
                assert_eq!(usize::from(index(name.as_str())), at + FIRST_HEADER);
            }
            let found = field(at + FIRST_HEADER).map(|found| found.field.name());
            assert_eq!(found, Some(Name::Header(name.clone())));
        }
        assert_eq!((index("x-test"), field(0).is_none(), field(62).is_none()), (0, true, true));
        assert!(matches!(&field(2).unwrap().field, Field::Method(method) if method == "GET"));
        assert!(matches!(&field(4).unwrap().field, Field::Path(path) if path == "/"));
        assert!(matches!(&field(16).unwrap().field, Field::Header(_, value) if value == "gzip, deflate"));
        assert_eq!(field(16).unwrap().bytes, "accept-encodinggzip, deflate".len());
        assert_eq!(texts(15), ("accept-charset", ""));
    }
}
