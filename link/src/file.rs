//! Reading one bounded file, and saying which one it was when that fails.

use crate::limits::FILE_BYTES_MAX;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A file with what it held when it was read.
#[derive(Clone)]
pub struct Contents {
    /// Where it was.
    pub path: PathBuf,
    /// What it held. May be a secret, so it has no `Debug`.
    pub bytes: Vec<u8>,
}

/// What is wrong with a file. Never says what the file holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    /// Which file.
    pub path: PathBuf,
    /// In words.
    pub reason: String,
}

impl FileError {
    /// Something is wrong with the file at `path`.
    pub fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }
}

/// Reads a whole file.
///
/// # Errors
/// It cannot be read, or is longer than [`FILE_BYTES_MAX`].
pub fn read(path: &Path) -> Result<Contents, FileError> {
    let open = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = open().map_err(|error| FileError::new(path, error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::new(path, format!("has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(Contents { path: path.to_owned(), bytes })
}
