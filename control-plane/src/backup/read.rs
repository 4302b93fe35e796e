//! [`Reader`]: takes a backup in pieces of any size, and believes it when its end has been read.

use super::{FORMAT, Header, LAST_BEGINS, LINE_BYTES_MAX, Last, Record};
use bytes::{Buf as _, BytesMut};
use penstock_model::bundle::Hash;
use sha2::{Digest as _, Sha256};

/// Why something is no backup, or one that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The first line is another one.
    #[error("this is no backup: its first line does not say so")]
    NoBackup,
    /// Only a newer program can read it.
    #[error(
        "the backup has format {found}, and this program reads formats up to {FORMAT}: use the program that wrote it"
    )]
    NewerFormat {
        /// Its format.
        found: u32,
    },
    /// A line is not what it should be.
    #[error("the backup is damaged: line {line} cannot be read: {source}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// A line does not end.
    #[error("the backup is damaged: line {line} has more than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// Which, from 1.
        line: u64,
    },
    /// The last line is missing.
    #[error("the backup is cut off: it ends within or behind line {line}, and its last line is missing")]
    CutOff {
        /// The last complete one.
        line: u64,
    },
    /// The last line speaks of another file.
    #[error("the backup was changed or damaged: its checksum does not fit")]
    Checksum,
    /// Something follows the last line.
    #[error("the backup is damaged: something follows its last line")]
    Trailing,
}

/// What a line says.
#[derive(Debug)]
pub enum Item {
    /// The first line.
    Header(Header),
    /// One of the others.
    Record(Box<Record>),
}

/// Takes bytes, gives lines, and says at the end whether they were a backup.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    /// Bytes at the beginning of the buffer in which there is no end of a line.
    searched: usize,
    hash: Sha256,
    lines: u64,
    has_ended: bool,
}

impl Reader {
    /// Takes the next piece. Read all items before the next one, or the buffer grows.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next line that is complete.
    ///
    /// # Errors
    /// It is none of a backup.
    pub fn next_item(&mut self) -> Result<Option<Item>, ReadError> {
        if self.has_ended {
            return if self.buffer.is_empty() { Ok(None) } else { Err(ReadError::Trailing) };
        }
        let line = self.lines + 1;
        let Some(end) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') else {
            self.searched = self.buffer.len();
            // What is no backup need not have lines: an image of a disk has none for long.
            return match self.lines {
                0 if self.searched > HEADER_BYTES_MAX => Err(ReadError::NoBackup),
                _ if self.searched > LINE_BYTES_MAX => Err(ReadError::TooLong { line }),
                _ => Ok(None),
            };
        };
        let length = self.searched + end + 1;
        if length > LINE_BYTES_MAX {
            return Err(ReadError::TooLong { line });
        }
        let text = self.buffer.split_to(length);
        self.searched = 0;
        if self.lines == 0 {
            let header = header(&text)?;
            self.count(&text);
            return Ok(Some(Item::Header(header)));
        }
        if text.starts_with(LAST_BEGINS) {
            self.end(&text)?;
            return self.next_item();
        }
        let record = serde_json::from_slice(&text).map_err(|source| ReadError::Line { line, source })?;
        self.count(&text);
        Ok(Some(Item::Record(Box::new(record))))
    }

    fn count(&mut self, text: &[u8]) {
        self.hash.update(text);
        self.lines += 1;
    }

    fn end(&mut self, text: &[u8]) -> Result<(), ReadError> {
        let line = self.lines + 1;
        let Last { end } = serde_json::from_slice(text).map_err(|source| ReadError::Line { line, source })?;
        let sha256 = Hash(std::mem::take(&mut self.hash).finalize().into()).to_string();
        if (end.lines, end.sha256) != (self.lines, sha256) {
            return Err(ReadError::Checksum);
        }
        self.has_ended = true;
        Ok(())
    }

    /// The number of the line that was given last, from 1.
    pub fn line(&self) -> u64 {
        self.lines
    }

    /// Says that there is nothing more. Only now what was read is a backup.
    ///
    /// # Errors
    /// Its end is missing.
    pub fn finish(self) -> Result<(), ReadError> {
        match (self.has_ended, self.lines) {
            (true, _) if self.buffer.has_remaining() => Err(ReadError::Trailing),
            (true, _) => Ok(()),
            (false, 0) => Err(ReadError::NoBackup),
            (false, line) => Err(ReadError::CutOff { line }),
        }
    }
}

/// Longest first line, in bytes.
const HEADER_BYTES_MAX: usize = 64 * 1024;

fn header(text: &[u8]) -> Result<Header, ReadError> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| ReadError::NoBackup)?;
    let format = value["penstockBackup"].as_u64().ok_or(ReadError::NoBackup)?;
    match u32::try_from(format) {
        // The other fields are this format's, so they are looked at only now.
        Ok(1..=FORMAT) => serde_json::from_value(value).map_err(|source| ReadError::Line { line: 1, source }),
        Ok(0) => Err(ReadError::NoBackup),
        found => Err(ReadError::NewerFormat { found: found.unwrap_or(u32::MAX) }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, Writer};
    use super::*;
    use penstock_model::rest_api::RestApi;

    fn sample() -> Vec<u8> {
        let header = Header {
            penstock_backup: FORMAT,
            program: "0".into(),
            created_at_ms: 1,
            version: 7,
            root_hash: "00".into(),
        };
        let mut file = Vec::new();
        let mut writer = Writer::begin(&mut file, &header).unwrap();
        for id in ["a", "b"] {
            let api = RestApi { id: id.into(), name: "two\nlines".into(), ..RestApi::default() };
            writer.record(&mut file, &Record::RestApi(api)).unwrap();
        }
        writer.end(&mut file).unwrap();
        file
    }

    fn read(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<(Option<u64>, Counts), ReadError> {
        let (mut reader, mut version, mut counts) = (Reader::default(), None, Counts::default());
        for piece in pieces {
            reader.push(piece.as_ref());
            while let Some(item) = reader.next_item()? {
                match item {
                    Item::Header(header) => version = Some(header.version),
                    Item::Record(record) => counts.add(&record),
                }
            }
        }
        reader.finish()?;
        Ok((version, counts))
    }

    #[test]
    fn what_was_written_is_read_in_pieces_of_any_size() {
        let file = sample();
        for size in [1, 2, 7, 64, file.len()] {
            let (version, counts) = read(file.chunks(size)).unwrap();
            assert_eq!((version, counts.rest_apis), (Some(7), 2));
        }
    }

    #[test]
    fn every_beginning_of_a_backup_is_none() {
        let file = sample();
        for length in 0..file.len() {
            let error = read([&file[..length]]).expect_err("its end is missing");
            let first = file.iter().position(|&byte| byte == b'\n').unwrap();
            let fits = match error {
                ReadError::NoBackup => length <= first,
                ReadError::CutOff { .. } => length > first,
                _ => false,
            };
            assert!(fits, "{length}: {error}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let file = sample();
        for at in 0..file.len() {
            for flip in [1, 0x20, 0x80] {
                let mut changed = file.clone();
                changed[at] ^= flip;
                assert!(read([&changed]).is_err(), "byte {at} became {:?}", char::from(changed[at]));
            }
        }
    }

    #[test]
    fn lines_that_go_come_or_change_places_are_noticed() {
        let file = String::from_utf8(sample()).unwrap();
        let lines: Vec<_> = file.split_inclusive('\n').collect();
        for order in [&[0, 1, 3][..], &[0, 2, 1, 3], &[0, 1, 1, 2, 3], &[0, 1, 2, 3, 3], &[0, 1, 2, 3, 1]] {
            let changed: String = order.iter().map(|&at| lines[at]).collect();
            assert!(read([changed]).is_err(), "{order:?}");
        }
    }

    #[test]
    fn other_files_and_newer_formats_are_told_apart() {
        assert!(matches!(read(["SQLite format 3\0".repeat(9_000)]), Err(ReadError::NoBackup)));
        assert!(matches!(read(["{}\n"]), Err(ReadError::NoBackup)));
        assert!(matches!(read(["{\"penstockBackup\":2}\n"]), Err(ReadError::NewerFormat { found: 2 })));
        assert!(matches!(read(["{\"penstockBackup\":1}\n"]), Err(ReadError::Line { line: 1, .. })));
    }
}
