//! [`LocalExecutor`]: what hyper spawns for HTTP/2 stays on the worker's own thread.

/// Runs hyper's HTTP/2 streams on this worker's own thread.
#[derive(Clone)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}
