//! [`Throttle`]: keeps a line of the log from becoming a flood when strangers decide how often it is written.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of one kind, in milliseconds.
const LINE_INTERVAL_MS: u64 = 1_000;

/// Counts what was not said.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    unsaid: u64,
}

impl Throttle {
    /// How many lines were left out since the last one, if it is time for another.
    pub(crate) fn may_speak(&self) -> Option<u64> {
        self.may_speak_at(Instant::now())
    }

    fn may_speak_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let interval = Duration::from_millis(LINE_INTERVAL_MS);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < interval) {
            state.unsaid += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_an_interval_counts_the_others() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let at = |ms| throttle.may_speak_at(start + Duration::from_millis(ms));
        assert_eq!([at(0), at(1), at(LINE_INTERVAL_MS - 1)], [Some(0), None, None]);
        assert_eq!([at(LINE_INTERVAL_MS), at(2 * LINE_INTERVAL_MS)], [Some(2), Some(0)]);
    }
}
