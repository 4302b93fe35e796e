//! Content codings (section h.8): which a message has, which one a client gets, and for which media types one is worth it.

use super::field;
use crate::header_list::HeaderList;
use crate::limits::CONTENT_CODINGS_MAX;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};

/// A content coding (RFC 9110, section 8.4.1; RFC 7932; RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `gzip`, also spelled `x-gzip`.
    Gzip,
    /// `deflate`: the zlib format, not bare deflate data.
    Deflate,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

impl Coding {
    /// All four, in the order in which the gateway prefers them among equals: zstd, because it costs least to produce for
    /// its size; br, because every browser knows it; gzip, because every client does; deflate last, because clients
    /// disagree whether it has a zlib frame.
    pub const PREFERRED: [Self; 4] = [Self::Zstd, Self::Brotli, Self::Gzip, Self::Deflate];

    /// Those that the specification knows (section h.8), in the same order.
    pub const SPECIFIED: [Self; 2] = [Self::Gzip, Self::Deflate];

    /// As written in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Reads one coding of a `Content-Encoding`, in any case.
    pub fn parse(token: &[u8]) -> Option<Self> {
        if token.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Self::Gzip);
        }
        Self::PREFERRED.into_iter().find(|coding| coding.as_str().as_bytes().eq_ignore_ascii_case(token))
    }
}

/// Why the codings of a message cannot be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingsError {
    /// A token that is no coding of ours.
    #[error("the content coding is not known")]
    Unknown,
    /// More codings than [`CONTENT_CODINGS_MAX`].
    #[error("there are too many content codings")]
    TooMany,
}

/// The codings of a message, in the order in which they were applied; `identity` is none.
///
/// # Errors
/// One that is not ours, or too many.
pub fn content_codings(head: &HeaderList) -> Result<Vec<Coding>, CodingsError> {
    let mut codings = Vec::new();
    for line in head.get_all(CONTENT_ENCODING) {
        for token in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.is_empty() || token.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            if codings.len() == CONTENT_CODINGS_MAX {
                return Err(CodingsError::TooMany);
            }
            codings.push(Coding::parse(token).ok_or(CodingsError::Unknown)?);
        }
    }
    Ok(codings)
}

/// Chooses the coding of a response from `available`, which stands in the order of preference: the highest weight wins,
/// among equal weights the first in that order. `None` sends the bytes as they are: without `Accept-Encoding`, when
/// nothing available is accepted, and when the client gives `identity` a higher weight than the best coding. A coding
/// that the header does not name has the weight of `*`. Elements with a malformed weight do not count.
pub fn negotiate(headers: &HeaderList, available: &[Coding]) -> Option<Coding> {
    let weight_of = |is_wanted: &dyn Fn(&[u8]) -> bool| {
        headers
            .get_all(ACCEPT_ENCODING)
            .flat_map(|line| field::elements(line.as_bytes()))
            .filter(|element| is_wanted(field::essence(element)))
            .find_map(field::weight)
    };
    let any = weight_of(&|token| token == b"*").unwrap_or(0);
    let identity = weight_of(&|token| token.eq_ignore_ascii_case(b"identity")).unwrap_or(0);
    let mut best = None;
    let mut best_weight = 0;
    for &coding in available {
        let weight = weight_of(&|token| Coding::parse(token) == Some(coding)).unwrap_or(any);
        if weight > best_weight {
            (best, best_weight) = (Some(coding), weight);
        }
    }
    best.filter(|_| best_weight >= identity)
}

/// Main types whose bodies are compressed already, or made of parts that may be.
const PACKED_MAIN_TYPES: [&str; 4] = ["image", "video", "audio", "multipart"];

/// Types of those that are not.
const UNPACKED: [&str; 7] = [
    "image/svg+xml",
    "image/bmp",
    "image/x-ms-bmp",
    "image/x-icon",
    "image/vnd.microsoft.icon",
    "audio/wav",
    "audio/x-wav",
];

/// Other types whose bodies are compressed already. PDF compresses its streams itself. `octet-stream` is what a server
/// says that does not know what it sends, which are archives and programs more often than text.
const PACKED: [&str; 25] = [
    "application/epub+zip",
    "application/font-woff",
    "application/font-woff2",
    "application/gzip",
    "application/java-archive",
    "application/octet-stream",
    "application/ogg",
    "application/pdf",
    "application/vnd.android.package-archive",
    "application/vnd.ms-cab-compressed",
    "application/vnd.rar",
    "application/x-7z-compressed",
    "application/x-brotli",
    "application/x-bzip",
    "application/x-bzip2",
    "application/x-compress",
    "application/x-gzip",
    "application/x-lz4",
    "application/x-lzip",
    "application/x-rar-compressed",
    "application/x-xz",
    "application/zip",
    "application/zstd",
    "font/woff",
    "font/woff2",
];

/// Beginnings of types that are zip archives inside, or that have a compression of their own for each message.
const PACKED_PREFIXES: [&str; 3] =
    ["application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.", "application/grpc"];

/// Whether compressing a body of this media type, parameters already cut, is worth it when nobody asked for this type in
/// particular: not when it is compressed already, and not when it is unknown. Nor for `text/event-stream`, where each
/// event must leave at once: a coding would have to be flushed for each, and an event is too small to gain from that.
pub fn compressible(essence: &[u8]) -> bool {
    let is = |entry: &&str| entry.as_bytes().eq_ignore_ascii_case(essence);
    let begins = |prefix: &&str| {
        essence.get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let Some(slash) = essence.iter().position(|&byte| byte == b'/') else { return false };
    if UNPACKED.iter().any(is) {
        return true;
    }
    let packed_main_type = PACKED_MAIN_TYPES.iter().any(|main| main.as_bytes().eq_ignore_ascii_case(&essence[..slash]));
    let packed_suffix = essence.len() >= 4 && essence[essence.len() - 4..].eq_ignore_ascii_case(b"+zip");
    !(packed_main_type
        || packed_suffix
        || is(&"text/event-stream")
        || PACKED.iter().any(is)
        || PACKED_PREFIXES.iter().any(begins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Deflate, Gzip, Zstd};
    use http::HeaderValue;
    use proptest::prelude::*;

    fn codings(lines: &[&'static str]) -> Result<Vec<Coding>, CodingsError> {
        let mut head = HeaderList::new();
        for line in lines {
            head.append(CONTENT_ENCODING, HeaderValue::from_static(line));
        }
        content_codings(&head)
    }

    #[test]
    fn codings_are_read_in_the_order_in_which_they_were_applied() {
        assert_eq!(codings(&[]), Ok(vec![]));
        assert_eq!(codings(&["identity"]), Ok(vec![]));
        assert_eq!(codings(&["GZip"]), Ok(vec![Gzip]));
        assert_eq!(codings(&["x-gzip"]), Ok(vec![Gzip]));
        assert_eq!(codings(&["br , ,identity, zstd"]), Ok(vec![Brotli, Zstd]));
        assert_eq!(codings(&["deflate", "gzip"]), Ok(vec![Deflate, Gzip]));
    }

    #[test]
    fn a_coding_that_is_not_ours_is_refused() {
        for token in ["compress", "gzip;q=1", "aws-chunked", "x-br", "*"] {
            assert_eq!(codings(&[token]), Err(CodingsError::Unknown), "{token}");
        }
    }

    #[test]
    fn codings_are_stacked_up_to_the_limit() {
        assert_eq!(codings(&["gzip, br"]).map(|codings| codings.len()), Ok(CONTENT_CODINGS_MAX));
        assert_eq!(codings(&["gzip, br", "gzip"]), Err(CodingsError::TooMany));
    }

    fn accept(lines: &[&str]) -> HeaderList {
        lines.iter().map(|line| (ACCEPT_ENCODING, line.parse().expect("a header value"))).collect()
    }

    /// The header, what is chosen among all four, what among those of the specification.
    #[test]
    fn the_highest_weight_wins_and_then_our_preference() {
        for (lines, all, specified) in [
            (&[][..], None, None),
            (&[""], None, None),
            (&["gzip"], Some(Gzip), Some(Gzip)),
            (&["GZIP"], Some(Gzip), Some(Gzip)),
            (&["x-gzip"], Some(Gzip), Some(Gzip)),
            (&["deflate"], Some(Deflate), Some(Deflate)),
            (&["deflate, gzip"], Some(Gzip), Some(Gzip)),
            (&["br"], Some(Brotli), None),
            (&["gzip, deflate, br, zstd"], Some(Zstd), Some(Gzip)),
            (&["gzip, deflate", "br"], Some(Brotli), Some(Gzip)),
            (&["gzip;q=0.8, deflate;q=0.9"], Some(Deflate), Some(Deflate)),
            (&["gzip;q=1.0, zstd;q=0.999"], Some(Gzip), Some(Gzip)),
            (&["*"], Some(Zstd), Some(Gzip)),
            (&["*;q=0.1"], Some(Zstd), Some(Gzip)),
            (&["*, zstd;q=0"], Some(Brotli), Some(Gzip)),
            (&["*;q=0.5, deflate"], Some(Deflate), Some(Deflate)),
            (&["*;q=0, gzip"], Some(Gzip), Some(Gzip)),
            (&["*;q=0"], None, None),
            (&["gzip;q=0"], None, None),
            (&["identity"], None, None),
            (&["identity;q=0"], None, None),
            (&["identity, gzip"], Some(Gzip), Some(Gzip)),
            (&["identity;q=0.5, gzip"], Some(Gzip), Some(Gzip)),
            (&["identity, gzip;q=0.5"], None, None),
            (&["identity;q=0, *"], Some(Zstd), Some(Gzip)),
            (&["gzip;q=2"], None, None),
            (&["gzip;q=wrong, deflate;q=0.1"], Some(Deflate), Some(Deflate)),
            (&["gzip;q=0, gzip"], None, None),
            (&["compress, sdch"], None, None),
        ] {
            let headers = accept(lines);
            assert_eq!(negotiate(&headers, &Coding::PREFERRED), all, "all: {lines:?}");
            assert_eq!(negotiate(&headers, &Coding::SPECIFIED), specified, "specified: {lines:?}");
            assert_eq!(negotiate(&headers, &[]), None, "none: {lines:?}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for coding in Coding::PREFERRED {
            assert_eq!(Coding::parse(coding.as_str().as_bytes()), Some(coding));
            assert_eq!(Coding::parse(coding.as_str().to_uppercase().as_bytes()), Some(coding));
        }
        assert_eq!(Coding::parse(b"identity"), None);
    }

    #[test]
    fn what_is_compressed_already_is_left_alone() {
        for (media_type, expected) in [
            ("application/json", true),
            ("application/problem+json", true),
            ("application/xml", true),
            ("application/wasm", true),
            ("application/x-tar", true),
            ("text/html", true),
            ("TEXT/HTML", true),
            ("font/ttf", true),
            ("image/svg+xml", true),
            ("image/bmp", true),
            ("audio/wav", true),
            ("image/png", false),
            ("Image/JPEG", false),
            ("video/mp4", false),
            ("audio/mpeg", false),
            ("font/woff2", false),
            ("application/zip", false),
            ("APPLICATION/ZIP", false),
            ("application/gzip", false),
            ("application/zstd", false),
            ("application/vnd.example+zip", false),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", false),
            ("application/grpc+proto", false),
            ("application/pdf", false),
            ("application/octet-stream", false),
            ("multipart/mixed", false),
            ("text/event-stream", false),
            ("", false),
            ("json", false),
        ] {
            assert_eq!(compressible(media_type.as_bytes()), expected, "{media_type}");
        }
    }

    proptest! {
        /// Whatever the header says, a coding is chosen only if the header lets it.
        #[test]
        fn nothing_is_chosen_that_the_client_refuses(
            weights in prop::collection::vec(
                (prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "*", "identity"]), 0u16..=1000), 0..6),
        ) {
            let line = weights.iter().map(|(name, weight)| format!("{name};q={}.{:03}", weight / 1000, weight % 1000));
            let line = line.collect::<Vec<_>>().join(",");
            let weight = |name: &str| weights.iter().find(|(found, _)| *found == name).map(|(_, weight)| *weight);
            let of = |coding: Coding| weight(coding.as_str()).or(weight("*")).unwrap_or(0);
            let highest = Coding::PREFERRED.into_iter().map(of).max().unwrap_or(0);
            let chosen = negotiate(&accept(&[&line]), &Coding::PREFERRED);
            let expected = highest > 0 && highest >= weight("identity").unwrap_or(0);
            prop_assert_eq!(chosen.is_some(), expected);
            if let Some(chosen) = chosen {
                prop_assert_eq!(of(chosen), highest);
            }
        }
    }
}
