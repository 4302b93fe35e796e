//! The form of a file in the state directory: what it is, in which format, how long, the content, and a checksum over all of
//! it. A file that was cut, or of which one bit changed, is never read as anything.

use sha2::{Digest as _, Sha256};

/// Which file it is, so that one is never taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Manifest,
    Confirmed,
}

/// The format that this program writes, and the only one that it reads.
pub(super) const FORMAT: u32 = 1;

const MAGIC_BYTES: usize = 8;
const HEAD_BYTES: usize = MAGIC_BYTES + 4 + 8;
const CHECKSUM_BYTES: usize = 32;

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvelopeError {
    #[error("it is no file of a state directory")]
    Magic,
    #[error("it is written in format {0}, and this program reads format {FORMAT}")]
    Format(u32),
    #[error("it is damaged: it has {found} bytes, and should have {expected}")]
    Length { found: u64, expected: u64 },
    #[error("it is damaged: its checksum does not fit its content")]
    Checksum,
}

impl Kind {
    fn magic(self) -> &'static [u8; MAGIC_BYTES] {
        match self {
            Self::Manifest => b"PNSTKmnf",
            Self::Confirmed => b"PNSTKcnf",
        }
    }
}

/// The whole file.
pub(super) fn wrap(kind: Kind, content: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEAD_BYTES + content.len() + CHECKSUM_BYTES);
    file.extend_from_slice(kind.magic());
    file.extend_from_slice(&FORMAT.to_be_bytes());
    file.extend_from_slice(&(content.len() as u64).to_be_bytes());
    file.extend_from_slice(content);
    let checksum = Sha256::digest(&file);
    file.extend_from_slice(&checksum);
    file
}

/// The content of a whole file.
pub(super) fn unwrap(kind: Kind, file: &[u8]) -> Result<&[u8], EnvelopeError> {
    let found = file.len() as u64;
    let short = EnvelopeError::Length { found, expected: (HEAD_BYTES + CHECKSUM_BYTES) as u64 };
    let Some((magic, rest)) = file.split_first_chunk::<MAGIC_BYTES>() else { return Err(short) };
    if magic != kind.magic() {
        return Err(EnvelopeError::Magic);
    }
    // Before everything that another format may do otherwise.
    let Some((format, rest)) = rest.split_first_chunk::<4>() else { return Err(short) };
    let format = u32::from_be_bytes(*format);
    if format != FORMAT {
        return Err(EnvelopeError::Format(format));
    }
    let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Err(short) };
    let expected = u64::from_be_bytes(*length).saturating_add((HEAD_BYTES + CHECKSUM_BYTES) as u64);
    if found != expected {
        return Err(EnvelopeError::Length { found, expected });
    }
    let Some((content, checksum)) = rest.split_last_chunk::<CHECKSUM_BYTES>() else { return Err(short) };
    let covered = &file[..file.len() - CHECKSUM_BYTES];
    match Sha256::digest(covered)[..] == checksum[..] {
        true => Ok(content),
        false => Err(EnvelopeError::Checksum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrapped_comes_back_and_nothing_that_is_damaged_does() {
        let file = wrap(Kind::Manifest, b"a small content");
        assert_eq!(unwrap(Kind::Manifest, &file), Ok(&b"a small content"[..]));
        assert_eq!(unwrap(Kind::Confirmed, &file), Err(EnvelopeError::Magic));
        for length in 0..file.len() {
            assert!(unwrap(Kind::Manifest, &file[..length]).is_err(), "cut at {length}");
        }
        for bit in 0..file.len() * 8 {
            let mut other = file.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(Kind::Manifest, &other).is_err(), "bit {bit}");
        }
        let mut longer = file;
        longer.push(0);
        assert!(matches!(unwrap(Kind::Manifest, &longer), Err(EnvelopeError::Length { .. })));
    }

    #[test]
    fn another_format_is_named() {
        let mut file = wrap(Kind::Manifest, b"");
        file[MAGIC_BYTES + 3] = 2;
        let said = unwrap(Kind::Manifest, &file).map_err(|error| error.to_string());
        assert_eq!(said, Err("it is written in format 2, and this program reads format 1".to_owned()));
    }
}
