//! Waiting for states, with a bound, and with the last state in the message when the bound is reached.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long anything may take on a loaded machine before a test calls it broken.
pub const BOUND: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(5);

/// Asks `state` until `good` accepts it.
///
/// # Panics
/// After [`BOUND`], with what was waited for and the last state.
pub async fn until<T: Debug>(what: &str, state: impl AsyncFnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    until_within(BOUND, what, state, good).await
}

/// The same with another bound, which also ends a look at the state that does not end by itself.
///
/// # Panics
/// After `bound`, with what was waited for and the last state.
pub async fn until_within<T: Debug>(
    bound: Duration,
    what: &str,
    mut state: impl AsyncFnMut() -> T,
    good: impl Fn(&T) -> bool,
) -> T {
    let begun = Instant::now();
    let mut last = None;
    loop {
        let Ok(now) = tokio::time::timeout(bound.saturating_sub(begun.elapsed()), state()).await else {
            panic!("{what}: still {last:?} after {bound:?}");
        };
        if good(&now) {
            return now;
        }
        assert!(begun.elapsed() < bound, "{what}: still {now:?} after {bound:?}");
        last = Some(now);
        tokio::time::sleep(POLL).await;
    }
}

/// Bounds something that ends by itself.
///
/// # Panics
/// After [`BOUND`].
pub async fn bounded<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not done after {BOUND:?}"),
    }
}
