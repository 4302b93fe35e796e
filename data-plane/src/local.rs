//! [`LocalExecutor`]: what hyper spawns for HTTP/2 stays on the worker's own thread.

use futures_util::FutureExt as _;

/// Runs hyper's HTTP/2 streams on this worker's own thread.
#[derive(Clone)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        // Not awaited by another future: that would have room for it twice.
        tokio::task::spawn_local(future.map(drop));
    }
}
