//! [`Buffers`]: what a body holds while it is read, counted for the law of memory.

use super::pace::Size;
use crate::memory::{Held, Part};

/// Of one body: nothing while all of it came with its head.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    first: Option<Held>,
    grown: Option<Held>,
    fast: Option<Held>,
}

impl Buffers {
    /// It is read in pieces of that size now, if not in larger ones before.
    pub(super) fn are(&mut self, size: Size) {
        self.first.get_or_insert_with(|| Held::new(Part::Body));
        if size >= Size::Grown {
            self.grown.get_or_insert_with(|| Held::new(Part::GrownBody));
        }
        if size >= Size::Fast {
            self.fast.get_or_insert_with(|| Held::new(Part::FastBody));
        }
    }

    /// It is read in pieces of that size at most from now on.
    pub(super) fn shrink(&mut self, size: Size) {
        if size < Size::Fast {
            self.fast = None;
        }
    }
}
