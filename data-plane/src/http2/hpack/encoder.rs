//! [`Encoder`]: the blocks of our own answers (RFC 7541 sections 3 and 6).
//!
//! A field whose name came with the same value last time goes into the table, and is an index from then on; one that changes from
//! answer to answer is written out, and drives nothing out of the table. What is looked at is one slot for each name, so no value is
//! ever searched for. What is sensitive is never kept, here or by anybody on the way.

use super::{FIELD_BYTES, integer, statics};
use crate::limits::{H2_HEADER_TABLE_BYTES, H2_REPEATED_VALUE_BYTES_MAX};
use http::StatusCode;
use penstock_model::header_list::HeaderList;
use std::collections::VecDeque;

/// Names that are remembered at a time; others take their place.
const SLOTS: usize = 64;

/// The table of one direction of a connection.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// What the fields of the table count, the oldest first.
    entries: VecDeque<usize>,
    /// What they count together, in octets.
    bytes: usize,
    /// … and may.
    bytes_max: usize,
    /// Fields that the table has ever had.
    kept: u64,
    slots: Vec<Slot>,
    /// The lowest size that the other side has not heard of.
    untold: Option<usize>,
}

/// Which fields a head had already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Had {
    pub(crate) length: bool,
    pub(crate) date: bool,
}

/// What was written last with a name.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// In the static table; 0: it is not there, and the name counts.
    index: u8,
    name: Vec<u8>,
    value: Vec<u8>,
    /// Its number in the table; 0: it is not there.
    kept: u64,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max: H2_HEADER_TABLE_BYTES,
            kept: 0,
            slots: Vec::new(),
            untold: None,
        }
    }

    /// The other side keeps a table of so many octets at most.
    pub(crate) fn resize(&mut self, bytes: u32) {
        let bytes_max = H2_HEADER_TABLE_BYTES.min(bytes as usize);
        if bytes_max != self.bytes_max {
            self.bytes_max = bytes_max;
            self.untold = Some(self.untold.unwrap_or(bytes_max).min(bytes_max));
            self.fit(0);
        }
    }

    /// Begins a block (RFC 7541 section 4.2).
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(lowest) = self.untold.take() {
            if lowest < self.bytes_max {
                integer::write(out, 0x20, 5, lowest);
            }
            integer::write(out, 0x20, 5, self.bytes_max);
        }
    }

    /// The status, which comes first.
    pub(crate) fn status(out: &mut Vec<u8>, status: StatusCode) {
        let index = match status.as_u16() {
            200 => 8,
            204 => 9,
            206 => 10,
            304 => 11,
            400 => 12,
            404 => 13,
            500 => 14,
            _ => {
                out.push(statics::STATUS as u8);
                string(out, status.as_str().as_bytes());
                return;
            }
        };
        out.push(0x80 | index);
    }

    /// All fields but those of HTTP/1.1's connections. Which of the two were there that every answer has.
    pub(crate) fn fields(&mut self, out: &mut Vec<u8>, fields: &HeaderList) -> Had {
        let mut had = Had::default();
        for (name, value) in fields {
            let (name, text) = (name.as_str(), value.as_bytes());
            match statics::index(name) {
                statics::OF_A_CONNECTION => continue,
                statics::CONTENT_LENGTH => had.length = true,
                statics::DATE => had.date = true,
                _ => {}
            }
            match value.is_sensitive() {
                true => literal(out, (0x10, 4), statics::index(name), name, text),
                false => self.field(out, statics::index(name), name, text),
            }
        }
        had
    }

    /// The length of a body.
    pub(crate) fn length(&mut self, out: &mut Vec<u8>, bytes: u64) {
        self.field(out, statics::CONTENT_LENGTH, "", itoa::Buffer::new().format(bytes).as_bytes());
    }

    /// The time.
    pub(crate) fn date(&mut self, out: &mut Vec<u8>, date: &[u8]) {
        self.field(out, statics::DATE, "", date);
    }

    /// A field that is no secret. Its name is not looked at where it has an index.
    fn field(&mut self, out: &mut Vec<u8>, index: u8, name: &str, value: &[u8]) {
        let name_bytes = if index == 0 { name.len() } else { statics::name_bytes(index.into()) };
        let bytes = name_bytes + value.len() + FIELD_BYTES;
        if value.len() > H2_REPEATED_VALUE_BYTES_MAX || bytes > self.bytes_max {
            return literal(out, (0x00, 4), index, name, value);
        }
        let kept = self.slot(index, name, value);
        let oldest = self.kept - self.entries.len() as u64;
        if let Some(0) = kept {
            literal(out, (0x40, 6), index, name, value);
            self.keep(bytes);
            let number = self.kept;
            self.slot_mut(index, name).kept = number;
            return;
        }
        match kept {
            Some(number) if number > oldest => {
                let at = statics::COUNT + 1 + usize::try_from(self.kept - number).unwrap_or(0);
                integer::write(out, 0x80, 7, at);
            }
            // It was driven out.
            Some(_) => {
                self.slot_mut(index, name).kept = 0;
                literal(out, (0x00, 4), index, name, value);
            }
            None => literal(out, (0x00, 4), index, name, value),
        }
    }

    /// Looks at what was written last with this name: its number where it is the same value. Remembers this one.
    fn slot(&mut self, index: u8, name: &str, value: &[u8]) -> Option<u64> {
        let slot = self.slot_mut(index, name);
        let is_same_name = slot.index == index && (index != 0 || slot.name == name.as_bytes());
        if is_same_name && slot.value == value {
            return Some(slot.kept);
        }
        if !is_same_name {
            slot.index = index;
            slot.name.clear();
            slot.name.extend_from_slice(name.as_bytes());
        }
        slot.value.clear();
        slot.value.extend_from_slice(value);
        slot.kept = 0;
        None
    }

    fn slot_mut(&mut self, index: u8, name: &str) -> &mut Slot {
        if self.slots.is_empty() {
            self.slots = vec![Slot::default(); SLOTS];
        }
        // Those of the static table have one each.
        let place = match index {
            0 => name.len() * 7 + usize::from(name.as_bytes().last().copied().unwrap_or(0)),
            index => usize::from(index),
        };
        &mut self.slots[place % SLOTS]
    }

    fn keep(&mut self, bytes: usize) {
        self.fit(bytes);
        self.entries.push_back(bytes);
        self.bytes += bytes;
        self.kept += 1;
    }

    /// Makes room for so much more.
    fn fit(&mut self, more: usize) {
        while self.bytes + more > self.bytes_max {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest;
        }
    }
}

/// A field that is written out: the first bits of its form, its name or the index of it, and its value.
fn literal(out: &mut Vec<u8>, (first, bits): (u8, u32), index: u8, name: &str, value: &[u8]) {
    integer::write(out, first, bits, index.into());
    if index == 0 {
        string(out, name.as_bytes());
    }
    string(out, value);
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    integer::write(out, 0, 7, text.len());
    out.extend_from_slice(text);
}
