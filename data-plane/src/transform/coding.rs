//! The content codings of a message, as its head names them.

use crate::limits::CONTENT_CODINGS_MAX;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use penstock_model::content::coding::Coding;

/// Why the codings of a message cannot be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodingsError {
    /// A token that is no coding of ours.
    #[error("the content coding is not known")]
    Unknown,
    /// More codings than [`CONTENT_CODINGS_MAX`].
    #[error("there are too many content codings")]
    TooMany,
}

/// The codings of a message, in the order in which they were applied; `identity` is none.
pub(crate) fn content_codings(head: &HeaderMap) -> Result<Vec<Coding>, CodingsError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn codings(lines: &[&'static str]) -> Result<Vec<Coding>, CodingsError> {
        let mut head = HeaderMap::new();
        for line in lines {
            head.append(CONTENT_ENCODING, HeaderValue::from_static(line));
        }
        content_codings(&head)
    }

    #[test]
    fn codings_are_read_in_the_order_in_which_they_were_applied() {
        use Coding::{Brotli, Deflate, Gzip, Zstd};
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
}
