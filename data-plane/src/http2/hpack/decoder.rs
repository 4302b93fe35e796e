//! [`Decoder`]: the blocks of one connection's client (RFC 7541 sections 3 and 6).

use super::super::field::{Field, Name};
use super::{FIELD_BYTES, huffman, integer, statics};
use crate::limits::{H2_HEADER_LIST_BYTES_MAX, H2_HEADER_LIST_FAR_BYTES_MAX, H2_HEADER_TABLE_BYTES};
use std::collections::VecDeque;

/// Why a connection cannot go on: what is decoded later depends on what was decoded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The block is none.
    Block,
    /// It stands for far more than anybody may say.
    Flood,
}

/// The table of one direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The newest first.
    entries: VecDeque<Entry>,
    /// What they count, in octets.
    bytes: usize,
    /// How much less than allowed they may count, in octets, by the client's own wish.
    withheld: usize,
    /// A name and a value that had to be decoded.
    texts: [Vec<u8>; 2],
}

#[derive(Debug)]
struct Entry {
    field: Field,
    name_bytes: usize,
    /// What it counts.
    bytes: usize,
}

/// A literal's name.
struct Named {
    name: Name,
    bytes: usize,
}

impl Decoder {
    /// Decodes a block. `seen` gets each field, in order; none any more beyond what a list may count. Whether the list was
    /// small enough.
    ///
    /// # Errors
    /// The connection cannot go on.
    pub(crate) fn decode(&mut self, block: &[u8], mut seen: impl FnMut(Field)) -> Result<bool, Wrong> {
        let mut rest = block;
        self.resize(&mut rest)?;
        let mut list_bytes = 0;
        while let Some(&first) = rest.first() {
            let (field, bytes) = match first {
                0x80.. => {
                    let index = integer::read(&mut rest, 7).ok_or(Wrong::Block)?;
                    self.indexed(index)?
                }
                0x40.. => {
                    let (field, name_bytes, bytes) = self.literal(&mut rest, 6)?;
                    self.keep(Entry { field: field.clone(), name_bytes, bytes });
                    (field, bytes)
                }
                0x20.. => return Err(Wrong::Block),
                _ => {
                    let (field, _, bytes) = self.literal(&mut rest, 4)?;
                    (field, bytes)
                }
            };
            list_bytes += bytes;
            if list_bytes > H2_HEADER_LIST_FAR_BYTES_MAX {
                return Err(Wrong::Flood);
            }
            if list_bytes <= H2_HEADER_LIST_BYTES_MAX as usize {
                seen(field);
            }
        }
        Ok(list_bytes <= H2_HEADER_LIST_BYTES_MAX as usize)
    }

    /// Changes of the table's size, which come before all fields (RFC 7541 section 4.2).
    fn resize(&mut self, rest: &mut &[u8]) -> Result<(), Wrong> {
        while let Some(0x20..0x40) = rest.first() {
            let bytes = integer::read(rest, 5).ok_or(Wrong::Block)?;
            self.withheld = H2_HEADER_TABLE_BYTES.checked_sub(bytes).ok_or(Wrong::Block)?;
            self.fit(0);
        }
        Ok(())
    }

    fn indexed(&self, index: usize) -> Result<(Field, usize), Wrong> {
        if let Some(found) = statics::field(index) {
            return Ok((found.field.clone(), found.bytes + FIELD_BYTES));
        }
        let entry = self.entry(index)?;
        Ok((entry.field.clone(), entry.bytes))
    }

    fn entry(&self, index: usize) -> Result<&Entry, Wrong> {
        let at = index.checked_sub(statics::COUNT + 1).ok_or(Wrong::Block)?;
        self.entries.get(at).ok_or(Wrong::Block)
    }

    /// A field whose value, and perhaps name, stands in the block; what its name and all of it count.
    fn literal(&mut self, rest: &mut &[u8], bits: u32) -> Result<(Field, usize, usize), Wrong> {
        let index = integer::read(rest, bits).ok_or(Wrong::Block)?;
        let [name_text, value_text] = &mut self.texts;
        let Named { name, bytes: name_bytes } = match (index, statics::field(index)) {
            (0, _) => {
                let name = string(rest, name_text).ok_or(Wrong::Block)?;
                Named { name: Name::of(name), bytes: name.len() }
            }
            (_, Some(found)) => Named { name: found.field.name(), bytes: statics::name_bytes(index) },
            (_, None) => {
                let at = index - statics::COUNT - 1;
                let entry = self.entries.get(at).ok_or(Wrong::Block)?;
                Named { name: entry.field.name(), bytes: entry.name_bytes }
            }
        };
        let value = string(rest, value_text).ok_or(Wrong::Block)?;
        let bytes = name_bytes + value.len() + FIELD_BYTES;
        Ok((name.valued(value), name_bytes, bytes))
    }

    fn keep(&mut self, entry: Entry) {
        // One that does not fit by itself empties the table, which is no error (RFC 7541 section 4.4).
        if self.fit(entry.bytes) {
            self.bytes += entry.bytes;
            self.entries.push_front(entry);
        }
    }

    /// Makes room for so much more; whether there is as much.
    fn fit(&mut self, more: usize) -> bool {
        let most = H2_HEADER_TABLE_BYTES - self.withheld;
        while self.bytes + more > most {
            let Some(oldest) = self.entries.pop_back() else { return false };
            self.bytes -= oldest.bytes;
        }
        true
    }

    /// What the table counts.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A string of a block, decoded where it has to be.
fn string<'a, 'b: 'a>(rest: &mut &'b [u8], decoded: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let is_coded = rest.first()? & 0x80 != 0;
    let bytes = integer::read(rest, 7)?;
    let (text, behind) = rest.split_at_checked(bytes)?;
    *rest = behind;
    if !is_coded {
        return Some(text);
    }
    decoded.clear();
    huffman::decode(text, decoded)?;
    Some(decoded)
}
