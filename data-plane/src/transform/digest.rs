//! The fields `Content-Digest` and `Repr-Digest` (RFC 9530): what a sender says that its bytes hash to.

use base64::Engine as _;
use http::header::{HeaderName, TRAILER};
use http::{HeaderMap, HeaderValue};
use penstock_model::header_list::HeaderList;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

/// `Content-Digest`, about the bytes of this message.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// `Repr-Digest`, about the whole representation, of which a message may carry a part or nothing.
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Why a digest field cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DigestFieldError {
    /// It is no dictionary of RFC 9651.
    #[error("the digest field is no dictionary of structured values")]
    Syntax,
    /// The value of an algorithm that we check is not a byte sequence of that algorithm's length.
    #[error("the value of a digest has the wrong type or length")]
    Value,
}

/// One digest that bytes must have. Others than these algorithms are ignored, as RFC 9530 section 2 wants it: the
/// remaining registered ones protect against accidents at best (section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// `sha-256`
    Sha256([u8; 32]),
    /// `sha-512`
    Sha512([u8; 64]),
}

/// What the bytes of a body must hash to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    digests: Vec<Digest>,
    in_trailers: bool,
}

impl Expected {
    /// Reads the `Content-Digest` of a message's head, and whether its trailers will carry one.
    ///
    /// **Errors** when the field is malformed: what it says cannot be held then, so the message must not pass for one
    /// that was verified.
    pub(crate) fn content(head: &HeaderList) -> Result<Self, DigestFieldError> {
        let announced = head.get_all(TRAILER).filter_map(|value| value.to_str().ok());
        let in_trailers = announced
            .flat_map(|names| names.split(','))
            .any(|name| CONTENT_DIGEST == *name.trim().to_ascii_lowercase());
        Ok(Self { digests: digests(head.get_all(CONTENT_DIGEST))?, in_trailers })
    }

    /// Adds the `Repr-Digest` of a message's head. Only for a message whose content is the whole representation in its
    /// own coding: not for a partial answer, an answer to HEAD, or a request that changes a part.
    ///
    /// **Errors** as of [`Expected::content`].
    pub(crate) fn and_representation(mut self, head: &HeaderList) -> Result<Self, DigestFieldError> {
        self.digests.extend(digests(head.get_all(REPR_DIGEST))?);
        Ok(self)
    }

    /// Whether there is nothing to check.
    pub(crate) fn is_nothing(&self) -> bool {
        self.digests.is_empty() && !self.in_trailers
    }

    /// Whether SHA-512 must be computed. Trailers may come with either algorithm, and then it is too late to begin.
    pub(super) fn needs_sha512(&self) -> bool {
        self.in_trailers || self.digests.iter().any(|digest| matches!(digest, Digest::Sha512(_)))
    }

    /// Adds what trailers say.
    pub(super) fn and_trailers(&mut self, trailers: &HeaderMap) -> Result<(), DigestFieldError> {
        self.digests.extend(digests(trailers.get_all(CONTENT_DIGEST).iter())?);
        Ok(())
    }

    /// Whether the computed digests are the expected ones. An algorithm that was not computed is one that we do not check.
    pub(super) fn holds(&self, sha256: &[u8; 32], sha512: Option<&[u8; 64]>) -> bool {
        self.digests.iter().all(|digest| match digest {
            Digest::Sha256(expected) => expected == sha256,
            Digest::Sha512(expected) => sha512.is_none_or(|computed| expected == computed),
        })
    }
}

/// The digests of all lines of one field.
fn digests<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> Result<Vec<Digest>, DigestFieldError> {
    // The lines of a dictionary are one dictionary (RFC 9651 section 4.2).
    let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let dictionary: Dictionary = Parser::new(&lines.join(&b", "[..])).parse().map_err(|_| DigestFieldError::Syntax)?;
    let mut digests = Vec::new();
    for (algorithm, value) in &dictionary {
        match algorithm.as_str() {
            "sha-256" => digests.push(Digest::Sha256(byte_sequence(value)?)),
            "sha-512" => digests.push(Digest::Sha512(byte_sequence(value)?)),
            _ => {}
        }
    }
    Ok(digests)
}

fn byte_sequence<const N: usize>(value: &ListEntry) -> Result<[u8; N], DigestFieldError> {
    let ListEntry::Item(item) = value else { return Err(DigestFieldError::Value) };
    let BareItem::ByteSequence(bytes) = &item.bare_item else { return Err(DigestFieldError::Value) };
    bytes.as_slice().try_into().map_err(|_| DigestFieldError::Value)
}

/// The value of `Content-Digest` for bytes with this SHA-256.
pub(crate) fn content_digest(sha256: &[u8; 32]) -> HeaderValue {
    let value = format!("sha-256=:{}:", super::units::ENGINE.encode(sha256));
    HeaderValue::try_from(value).expect("base64 between colons is a header value")
}

#[cfg(test)]
mod tests;
