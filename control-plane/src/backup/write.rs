//! [`Writer`]: makes the lines.

use super::{End, FORMAT, Header, LINE_BYTES_MAX, Last, Record};
use penstock_model::bundle::Hash;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// What could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An object has no JSON.
    #[error("writing line {line} of a backup")]
    Encode {
        /// Which.
        line: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Nobody could read it again.
    #[error("line {line} of the backup would have {bytes} bytes, which is more than {LINE_BYTES_MAX}")]
    TooLong {
        /// Which.
        line: u64,
        /// How many.
        bytes: usize,
    },
}

/// Appends lines, and remembers what they were.
#[derive(Debug, Default)]
pub struct Writer {
    hash: Sha256,
    lines: u64,
}

impl Writer {
    /// Begins a backup.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(out: &mut Vec<u8>, header: &Header) -> Result<Self, WriteError> {
        debug_assert_eq!(header.penstock_backup, FORMAT);
        let mut writer = Self::default();
        writer.line(out, header)?;
        Ok(writer)
    }

    /// Appends an object.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn record(&mut self, out: &mut Vec<u8>, record: &Record) -> Result<(), WriteError> {
        self.line(out, record)
    }

    /// Ends the backup.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(mut self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let sha256 = Hash(std::mem::take(&mut self.hash).finalize().into()).to_string();
        let end = End { lines: self.lines, sha256 };
        self.line(out, &Last { end })
    }

    fn line(&mut self, out: &mut Vec<u8>, what: &impl Serialize) -> Result<(), WriteError> {
        let line = self.lines + 1;
        let from = out.len();
        serde_json::to_writer(&mut *out, what).map_err(|source| WriteError::Encode { line, source })?;
        out.push(b'\n');
        let bytes = out.len() - from;
        if bytes > LINE_BYTES_MAX {
            return Err(WriteError::TooLong { line, bytes });
        }
        self.hash.update(&out[from..]);
        self.lines = line;
        Ok(())
    }
}
