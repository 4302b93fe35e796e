//! Connections of one worker, by target: reused newest first, bounded in number, closed when idle for long.

use super::connect::connect;
use super::{TargetKey, TlsClients};
use crate::error::ProxyError;
use crate::limits::{
    UPSTREAM_ATTEMPTS_MAX, UPSTREAM_CONNECTION_WAIT_MS, UPSTREAM_CONNECTIONS_PER_TARGET_MAX, UPSTREAM_IDLE_MS,
    UPSTREAM_SWEEP_MS,
};
use crate::outgoing::OutgoingBody;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, interval, timeout_at};

/// All upstream connections of one worker.
pub(crate) struct Upstreams {
    targets: RefCell<HashMap<TargetKey, Rc<Target>>>,
    tls: Arc<TlsClients>,
}

/// The connections to one target.
#[derive(Default)]
struct Target {
    /// The one used last is at the end, and is used next: the others may grow old and close.
    idle: RefCell<Vec<Idle>>,
    /// Connections that exist, idle ones included.
    open: Cell<usize>,
    /// Told when one becomes idle or closes.
    changed: Notify,
}

struct Idle {
    sender: SendRequest<OutgoingBody>,
    since: Instant,
}

/// Whether a connection has served a request before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Used,
}

/// The same request once more: one without content whose method means the same twice.
fn repeated(request: &Request<OutgoingBody>) -> Option<Request<OutgoingBody>> {
    if !request.method().is_idempotent() {
        return None;
    }
    let mut again = Request::new(request.body().repeated()?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// Whether the upstream closed the connection, as opposed to having answered something wrong.
fn is_lost_connection(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || source.is_some_and(|io| matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset))
}

/// Counts a connection as open while it lives.
struct Permit(Rc<Target>);

impl Permit {
    fn take(target: &Rc<Target>) -> Option<Self> {
        let open = target.open.get();
        (open < UPSTREAM_CONNECTIONS_PER_TARGET_MAX).then(|| {
            target.open.set(open + 1);
            Self(Rc::clone(target))
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.changed.notify_one();
    }
}

/// A connection in use. Given back with [`Lease::release`] once the response was read to its end; dropped otherwise,
/// which closes the connection.
pub(crate) struct Lease {
    sender: SendRequest<OutgoingBody>,
    target: Rc<Target>,
}

impl Lease {
    /// Makes the connection idle again as soon as it is ready: the request's body may still be on its way when the
    /// response has already ended.
    pub(crate) fn release(mut self) {
        tokio::task::spawn_local(async move {
            if self.sender.ready().await.is_ok() {
                let idle = Idle { sender: self.sender, since: Instant::now() };
                self.target.idle.borrow_mut().push(idle);
                self.target.changed.notify_one();
            }
        });
    }
}

impl Upstreams {
    pub(crate) fn new(tls: Arc<TlsClients>) -> Self {
        Self { targets: RefCell::new(HashMap::new()), tls }
    }

    /// Sends a request and waits for the response head. Retries on another connection while not one byte of the request
    /// was sent, because hyper gives such a request back; or when a connection that was used before is lost without an
    /// answer and the request may be repeated (RFC 9112 section 9.3.1): upstreams close idle connections as they like,
    /// and the request may cross with that.
    ///
    /// # Errors
    /// Connecting, sending or receiving failed, or all connections stayed busy.
    pub(crate) async fn send(
        &self,
        key: &TargetKey,
        mut request: Request<OutgoingBody>,
    ) -> Result<(Response<Incoming>, Lease), ProxyError> {
        let target = self.target(key);
        for _ in 1..UPSTREAM_ATTEMPTS_MAX {
            let (mut sender, age) = self.checkout(key, &target).await?;
            let again = if age == Age::Used { repeated(&request) } else { None };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease { sender, target })),
                Err(mut failed) => match (failed.take_message(), again) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(again)) if is_lost_connection(failed.error()) => request = again,
                    (None, _) => return Err(ProxyError::Exchange(failed.into_error())),
                },
            }
        }
        // The last attempt never reuses a connection, so that a burst of closed ones cannot fail a request.
        let permit = self.permit(&target).await?;
        let mut sender = connect(key, &self.tls, permit).await?;
        match sender.try_send_request(request).await {
            Ok(response) => Ok((response, Lease { sender, target })),
            Err(failed) => Err(ProxyError::Exchange(failed.into_error())),
        }
    }

    /// Closes connections that were idle for too long. Runs until dropped.
    pub(crate) async fn sweep(&self) {
        let mut tick = interval(Duration::from_millis(UPSTREAM_SWEEP_MS));
        loop {
            let now = tick.tick().await;
            let oldest = now.checked_sub(Duration::from_millis(UPSTREAM_IDLE_MS));
            self.targets.borrow_mut().retain(|_, target| {
                let mut idle = target.idle.borrow_mut();
                idle.retain(|idle| !idle.sender.is_closed() && oldest.is_none_or(|oldest| idle.since > oldest));
                drop(idle);
                // A target that no connection and no request holds is forgotten: configurations come and go.
                target.open.get() > 0 || Rc::strong_count(target) > 1
            });
        }
    }

    /// Connections that exist, idle ones included.
    #[cfg(test)]
    fn open(&self) -> usize {
        self.targets.borrow().values().map(|target| target.open.get()).sum()
    }

    fn target(&self, key: &TargetKey) -> Rc<Target> {
        if let Some(target) = self.targets.borrow().get(key) {
            return Rc::clone(target);
        }
        Rc::clone(self.targets.borrow_mut().entry(key.clone()).or_default())
    }

    async fn checkout(
        &self,
        key: &TargetKey,
        target: &Rc<Target>,
    ) -> Result<(SendRequest<OutgoingBody>, Age), ProxyError> {
        let deadline = Instant::now() + Duration::from_millis(UPSTREAM_CONNECTION_WAIT_MS);
        loop {
            if let Some(sender) = target.reuse() {
                return Ok((sender, Age::Used));
            }
            if let Some(permit) = Permit::take(target) {
                return Ok((connect(key, &self.tls, permit).await?, Age::New));
            }
            target.wait(deadline).await?;
        }
    }

    async fn permit(&self, target: &Rc<Target>) -> Result<Permit, ProxyError> {
        let deadline = Instant::now() + Duration::from_millis(UPSTREAM_CONNECTION_WAIT_MS);
        loop {
            if let Some(permit) = Permit::take(target) {
                return Ok(permit);
            }
            // An idle connection that nobody needs makes room for a new one.
            drop(target.idle.borrow_mut().pop());
            target.wait(deadline).await?;
        }
    }
}

impl Target {
    fn reuse(&self) -> Option<SendRequest<OutgoingBody>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(candidate) = idle.pop() {
            if candidate.sender.is_ready() {
                return Some(candidate.sender);
            }
        }
        None
    }

    async fn wait(&self, deadline: Instant) -> Result<(), ProxyError> {
        timeout_at(deadline, self.changed.notified()).await.map_err(|_| ProxyError::UpstreamBusy)
    }
}

#[cfg(test)]
mod tests;
