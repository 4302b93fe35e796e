//! [`Frames`]: the pieces of a body that wait to be written. Mostly there is one.

use bytes::{Buf as _, Bytes};
use std::collections::VecDeque;

/// In the order in which they are written; none is empty but the first, when there is none.
#[derive(Debug, Default)]
pub(super) struct Frames {
    first: Bytes,
    more: VecDeque<Bytes>,
}

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        usize::from(!self.first.is_empty()) + self.more.len()
    }

    /// Adds one that is not empty.
    pub(super) fn push(&mut self, frame: Bytes) {
        match self.first.is_empty() {
            true => self.first = frame,
            false => self.more.push_back(frame),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.first[..]).chain(self.more.iter().map(|frame| &frame[..]))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes so many bytes off the front, and answers how many more were asked for than there are.
    pub(super) fn advance(&mut self, mut bytes: usize) -> usize {
        while bytes > 0 && !self.first.is_empty() {
            let taken = bytes.min(self.first.len());
            self.first.advance(taken);
            bytes -= taken;
            if self.first.is_empty() {
                // What it shared is given back now, not with the next one.
                self.first = self.more.pop_front().unwrap_or_default();
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_whatever_the_pieces() {
        let mut frames = Frames::default();
        assert!(frames.is_empty() && frames.advance(3) == 3);
        for piece in ["ab", "c", "defg"] {
            frames.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!((frames.len(), frames.iter().collect::<Vec<_>>().concat()), (3, b"abcdefg".to_vec()));
        assert_eq!((frames.advance(4), frames.len()), (0, 1));
        assert_eq!(frames.iter().collect::<Vec<_>>().concat(), b"efg");
        assert_eq!(frames.advance(5), 2);
        assert!(frames.is_empty());
    }
}
