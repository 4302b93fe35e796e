//! Connections of one worker, by target: reused newest first, bounded in number, closed when idle for long.

use super::connect::connect;
use super::sender::{Line, Opened};
use super::shared::SharedConnections;
use super::{TargetHasher, TargetKey, TlsClients};
use crate::body::Incoming;
use crate::error::ProxyError;
use crate::limits::{
    CONNECT_TIMEOUT_MS, UPSTREAM_ATTEMPTS_MAX, UPSTREAM_CONNECTION_WAIT_MS, UPSTREAM_CONNECTIONS_PER_TARGET_MAX,
    UPSTREAM_IDLE_MS, UPSTREAM_SWEEP_MS,
};
use crate::outgoing::OutgoingBody;
use http::{Request, Response};
use penstock_model::uri_template::Scheme;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, interval, timeout_at};

/// All upstream connections of one worker.
pub(crate) struct Upstreams {
    targets: RefCell<HashMap<TargetKey, Rc<Target>, BuildHasherDefault<TargetHasher>>>,
    tls: Arc<TlsClients>,
}

/// The connections to one target.
#[derive(Default)]
struct Target {
    /// The one used last is at the end, and is used next: the others may grow old and close.
    idle: RefCell<Vec<Idle>>,
    /// Those that take several requests at a time.
    shared: SharedConnections,
    /// Whether one is being opened that others may be able to share.
    opens: Cell<bool>,
    /// How often that failed, and how it did the last time.
    failed_opens: Cell<(u64, OpenFailure)>,
    /// Whether the last one that was opened takes one request at a time.
    is_http1: Cell<bool>,
    /// Connections that exist, idle ones included.
    open: Cell<usize>,
    /// Told when one becomes idle or closes.
    changed: Notify,
}

struct Idle {
    line: Line<Permit>,
    since: Instant,
}

impl Idle {
    /// Whether it can take a request, as far as one can tell.
    fn is_open(&self) -> bool {
        match &self.line {
            Line::Plain(connection) => connection.is_open(),
            Line::Http1(sender) => sender.is_ready(),
            // Never idle: requests share them.
            Line::Http2(..) => false,
        }
    }
}

/// Whether a connection has served a request before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Used,
}

/// The same request once more, as far as its body can be sent twice.
fn repeated(request: &Request<OutgoingBody>) -> Option<Request<OutgoingBody>> {
    let mut again = Request::new(request.body().repeated()?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
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

/// Why a connection that others waited for is not there, for each of them.
#[derive(Clone, Copy, Default)]
enum OpenFailure {
    #[default]
    Time,
    Refused(io::ErrorKind),
}

impl From<&ProxyError> for OpenFailure {
    fn from(error: &ProxyError) -> Self {
        match error {
            ProxyError::Connect(error) => Self::Refused(error.kind()),
            ProxyError::ConnectTimeout => Self::Time,
            _ => Self::Refused(io::ErrorKind::Other),
        }
    }
}

impl From<OpenFailure> for ProxyError {
    fn from(failure: OpenFailure) -> Self {
        match failure {
            OpenFailure::Time => Self::ConnectTimeout,
            OpenFailure::Refused(kind) => Self::Connect(kind.into()),
        }
    }
}

/// Tells those who wait for a connection to share that it is there, or that it will not be.
struct Opening(Rc<Target>);

impl Opening {
    fn begin(target: &Rc<Target>) -> Self {
        target.opens.set(true);
        Self(Rc::clone(target))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.opens.set(false);
        self.0.changed.notify_waiters();
    }
}

/// A connection in use. Given back with [`Lease::release`] once the response was read to its end; dropped otherwise,
/// which closes the connection.
pub(crate) struct Lease {
    line: Line<Permit>,
    target: Rc<Target>,
}

impl Lease {
    /// Makes the connection idle again as soon as it is ready: the request's body may still be on its way when the
    /// response has already ended.
    pub(crate) fn release(self) {
        let Self { line, target } = self;
        match line {
            Line::Plain(connection) if connection.has_sent() => {
                if connection.is_reusable() {
                    target.put_back(Line::Plain(connection));
                }
            }
            Line::Plain(connection) => drop(tokio::task::spawn_local(async move {
                if let Some(connection) = connection.reusable().await {
                    target.put_back(Line::Plain(connection));
                }
            })),
            Line::Http1(mut sender) => drop(tokio::task::spawn_local(async move {
                if sender.ready().await.is_ok() {
                    target.put_back(Line::Http1(sender));
                }
            })),
            Line::Http2(_, stream) => {
                drop(stream);
                target.changed.notify_one();
            }
        }
    }
}

impl Upstreams {
    pub(crate) fn new(tls: Arc<TlsClients>) -> Self {
        Self { targets: RefCell::default(), tls }
    }

    /// Sends a request and waits for the response head. Retries on another connection while not one byte of the request
    /// was sent, because hyper gives such a request back, or when the other side says that it did not look at it; or when a
    /// connection that was used before is lost without an
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
            let (mut line, age) = self.checkout(key, &target).await?;
            line.prepare(&mut request)?;
            let means_the_same_twice = age == Age::Used && request.method().is_idempotent();
            let may_be_refused = matches!(line, Line::Http2(..));
            // Our own side gives the request back by itself.
            let loses_request = !matches!(line, Line::Plain(_));
            let again =
                if loses_request && (means_the_same_twice || may_be_refused) { repeated(&request) } else { None };
            match line.try_send(request).await {
                Ok(response) => return Ok((response, Lease { line, target })),
                Err(mut failed) => match (failed.take_message(means_the_same_twice), again) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(again)) if failed.is_unprocessed() => request = again,
                    (None, Some(again)) if means_the_same_twice && failed.is_lost_connection() => request = again,
                    (None, _) => return Err(failed.into()),
                },
            }
        }
        // The last attempt never reuses a connection, so that a burst of closed ones cannot fail a request.
        let permit = self.permit(&target).await?;
        let mut line = target.line(self.connect(key, permit).await?);
        line.prepare(&mut request)?;
        match line.try_send(request).await {
            Ok(response) => Ok((response, Lease { line, target })),
            Err(failed) => Err(failed.into()),
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
                idle.retain(|idle| idle.is_open() && oldest.is_none_or(|oldest| idle.since > oldest));
                drop(idle);
                target.shared.sweep(oldest);
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

    /// On the heap, because handshakes are large and rare, and the room for one would be part of every request.
    fn connect<'a>(
        &'a self,
        key: &'a TargetKey,
        permit: Permit,
    ) -> Pin<Box<impl Future<Output = Result<Opened<Permit>, ProxyError>> + 'a>> {
        Box::pin(connect(key, &self.tls, permit))
    }

    fn target(&self, key: &TargetKey) -> Rc<Target> {
        if let Some(target) = self.targets.borrow().get(key) {
            return Rc::clone(target);
        }
        Rc::clone(self.targets.borrow_mut().entry(key.clone()).or_default())
    }

    async fn checkout(&self, key: &TargetKey, target: &Rc<Target>) -> Result<(Line<Permit>, Age), ProxyError> {
        let deadline = Instant::now() + Duration::from_millis(UPSTREAM_CONNECTION_WAIT_MS);
        loop {
            if let Some((sender, stream)) = target.shared.join() {
                return Ok((Line::Http2(sender, stream), Age::Used));
            }
            if let Some(line) = target.reuse() {
                return Ok((line, Age::Used));
            }
            // A burst must not open a connection for each request where one takes them all.
            let may_share = key.http2 && key.scheme == Scheme::Https && !target.is_http1.get();
            if may_share && target.opens.get() {
                let (failures, _) = target.failed_opens.get();
                let opened = Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS);
                target.wait(opened).await.map_err(|_| ProxyError::ConnectTimeout)?;
                match target.failed_opens.get() {
                    (now, how) if now > failures => return Err(how.into()),
                    _ => continue,
                }
            }
            if let Some(permit) = Permit::take(target) {
                let opening = may_share.then(|| Opening::begin(target));
                let opened = self.connect(key, permit).await;
                if let (Some(_), Err(error)) = (&opening, &opened) {
                    let (failures, _) = target.failed_opens.get();
                    target.failed_opens.set((failures + 1, error.into()));
                }
                return Ok((target.line(opened?), Age::New));
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
    /// What the first request has of a connection that was just opened.
    fn line(&self, opened: Opened<Permit>) -> Line<Permit> {
        self.is_http1.set(!matches!(opened, Opened::Http2(..)));
        match opened {
            Opened::Plain(connection) => Line::Plain(connection),
            Opened::Http1(sender) => Line::Http1(sender),
            Opened::Http2(sender, streams_max) => {
                let stream = self.shared.add(&sender, streams_max);
                Line::Http2(sender, stream)
            }
        }
    }

    fn reuse(&self) -> Option<Line<Permit>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(candidate) = idle.pop() {
            if candidate.is_open() {
                return Some(candidate.line);
            }
        }
        None
    }

    /// Makes a connection idle that has served its request.
    fn put_back(&self, line: Line<Permit>) {
        self.idle.borrow_mut().push(Idle { line, since: Instant::now() });
        self.changed.notify_one();
    }

    async fn wait(&self, deadline: Instant) -> Result<(), ProxyError> {
        timeout_at(deadline, self.changed.notified()).await.map_err(|_| ProxyError::UpstreamBusy)
    }
}

#[cfg(test)]
mod tests;
