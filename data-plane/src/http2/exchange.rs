//! [`Exchange`]: one stream, in the hands of whoever answers on it.

use super::frames::code;
use super::state::Shared;
use std::fmt;

/// One stream. Dropping it before the answer has ended resets the stream.
pub(crate) struct Exchange {
    pub(super) state: Shared,
    pub(super) id: u32,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Exchange {
    /// The stream that was opened with this identifier.
    pub(crate) fn of(state: &Shared, id: u32) -> Self {
        Self { state: state.clone(), id }
    }

    /// Gives the stream up.
    pub(super) fn give_up(&self, code: u32) {
        let state = &mut *self.state.borrow_mut();
        if state.streams.get(self.id).is_some_and(|stream| !stream.reset_by_us && !stream.answered) {
            state.reset(self.id, code);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.give_up(code::INTERNAL_ERROR);
    }
}
