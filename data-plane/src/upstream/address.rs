//! [`Address`]: the connections to one address of a target, and [`Lease`], one of them in use.

use super::ejection::Health;
use super::sender::{Line, Opened};
use super::shared::SharedConnections;
use crate::error::ProxyError;
use crate::limits::UPSTREAM_CONNECTIONS_PER_TARGET_MAX;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How many connections a target has, over all of its addresses.
#[derive(Default)]
pub(super) struct Capacity {
    /// Connections that exist, idle ones included.
    open: Cell<usize>,
    /// Told when one becomes idle or closes, and when one was opened that others may share.
    changed: Notify,
}

impl Capacity {
    pub(super) fn open(&self) -> usize {
        self.open.get()
    }

    /// Tells one of those who wait.
    pub(super) fn has_changed(&self) {
        self.changed.notify_one();
    }

    /// Waits until something changes.
    ///
    /// # Errors
    /// Nothing did.
    pub(super) async fn wait(&self, deadline: Instant) -> Result<(), ProxyError> {
        timeout_at(deadline, self.changed.notified()).await.map_err(|_| ProxyError::UpstreamBusy)
    }
}

/// Counts a connection as open while it lives.
pub(super) struct Permit(Rc<Capacity>);

impl Permit {
    pub(super) fn take(capacity: &Rc<Capacity>) -> Option<Self> {
        let open = capacity.open.get();
        (open < UPSTREAM_CONNECTIONS_PER_TARGET_MAX).then(|| {
            capacity.open.set(open + 1);
            Self(Rc::clone(capacity))
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.changed.notify_one();
    }
}

/// One address of a target, and the connections to it.
pub(super) struct Address {
    pub(super) at: SocketAddr,
    capacity: Rc<Capacity>,
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
    /// Requests that have it, from the moment that they want a connection to the end of their answers.
    in_flight: Cell<usize>,
    pub(super) health: Cell<Health>,
    /// Whether the target has it no more.
    is_gone: Cell<bool>,
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

/// Why a connection that others waited for is not there, for each of them.
#[derive(Clone, Copy, Default)]
pub(super) enum OpenFailure {
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
pub(super) struct Opening(Rc<Address>);

impl Opening {
    pub(super) fn begin(address: &Rc<Address>) -> Self {
        address.opens.set(true);
        Self(Rc::clone(address))
    }

    /// It will not be.
    pub(super) fn failed(&self, how: OpenFailure) {
        let (failures, _) = self.0.failed_opens.get();
        self.0.failed_opens.set((failures + 1, how));
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.opens.set(false);
        self.0.capacity.changed.notify_waiters();
    }
}

impl Address {
    pub(super) fn new(at: SocketAddr, capacity: Rc<Capacity>) -> Rc<Self> {
        Rc::new(Self {
            at,
            capacity,
            idle: RefCell::default(),
            shared: SharedConnections::default(),
            opens: Cell::new(false),
            failed_opens: Cell::default(),
            is_http1: Cell::new(false),
            in_flight: Cell::new(0),
            health: Cell::default(),
            is_gone: Cell::new(false),
        })
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Whether a connection to it may turn out to take many requests, so that one is enough to begin with.
    pub(super) fn may_share(&self) -> bool {
        !self.is_http1.get()
    }

    /// Waits for a connection that is being opened, which may be shared. `None`: none is.
    pub(super) async fn opened(&self, deadline: Instant) -> Option<Result<(), ProxyError>> {
        if !self.opens.get() {
            return None;
        }
        let (failures, _) = self.failed_opens.get();
        if self.capacity.wait(deadline).await.is_err() {
            return Some(Err(ProxyError::ConnectTimeout));
        }
        match self.failed_opens.get() {
            (now, how) if now > failures => Some(Err(how.into())),
            _ => Some(Ok(())),
        }
    }

    /// What the first request has of a connection that was just opened.
    pub(super) fn line(&self, opened: Opened<Permit>) -> Line<Permit> {
        self.is_http1.set(!matches!(opened, Opened::Http2(..)));
        match opened {
            Opened::Plain(connection) => Line::Plain(connection),
            Opened::Http1(sender) => Line::Http1(sender),
            Opened::Http2(sender) => {
                let stream = self.shared.add(&sender, &self.capacity);
                Line::Http2(Box::new((sender, stream)))
            }
        }
    }

    /// Room on a connection that takes several requests, or one that is idle.
    pub(super) fn at_hand(&self) -> Option<Line<Permit>> {
        if let Some(part) = self.shared.join(&self.capacity) {
            return Some(Line::Http2(Box::new(part)));
        }
        let mut idle = self.idle.borrow_mut();
        while let Some(candidate) = idle.pop() {
            if candidate.is_open() {
                return Some(candidate.line);
            }
        }
        None
    }

    /// Closes the idle connection that was used last, and whether there was one.
    pub(super) fn close_one(&self) -> bool {
        let closed = self.idle.borrow_mut().pop();
        closed.is_some()
    }

    /// Makes a connection idle that has served its request, unless the target has the address no more.
    fn put_back(&self, line: Line<Permit>, since: Instant) {
        if self.is_gone.get() {
            return;
        }
        self.idle.borrow_mut().push(Idle { line, since });
        self.capacity.changed.notify_one();
    }

    /// Forgets connections that are closed, and those without a request since `oldest`, which closes them.
    pub(super) fn sweep(&self, oldest: Option<Instant>) {
        self.idle.borrow_mut().retain(|idle| idle.is_open() && oldest.is_none_or(|oldest| idle.since > oldest));
        self.shared.sweep(oldest);
    }

    /// The target has it no more: requests on its connections go on to their ends, and no other begins on them.
    pub(super) fn leave(&self) {
        self.is_gone.set(true);
        let idle = self.idle.take();
        drop(idle);
        self.shared.clear();
    }

    #[cfg(test)]
    pub(super) fn has_idle(&self) -> bool {
        !self.idle.borrow().is_empty()
    }
}

/// Counts a request as being on an address while it lives.
pub(super) struct Busy(Rc<Address>);

impl Busy {
    pub(super) fn with(address: Rc<Address>) -> Self {
        address.in_flight.set(address.in_flight.get() + 1);
        Self(address)
    }

    pub(super) fn address(&self) -> &Rc<Address> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
    }
}

/// A connection in use. Given back with [`Lease::release`] once the response was read to its end; dropped otherwise,
/// which closes the connection.
pub(crate) struct Lease {
    pub(super) line: Line<Permit>,
    pub(super) busy: Busy,
}

impl Lease {
    /// Makes the connection idle again as soon as it is ready: the request's body may still be on its way when the
    /// response has already ended, which was at `since`.
    pub(crate) fn release(self, since: Instant) {
        let Self { line, busy } = self;
        match line {
            Line::Plain(connection) if connection.has_sent() => {
                if connection.is_reusable() {
                    busy.address().put_back(Line::Plain(connection), since);
                }
            }
            Line::Plain(connection) => drop(tokio::task::spawn_local(async move {
                if let Some(connection) = connection.reusable().await {
                    busy.address().put_back(Line::Plain(connection), Instant::now());
                }
            })),
            Line::Http1(mut sender) => drop(tokio::task::spawn_local(async move {
                if sender.ready().await.is_ok() {
                    busy.address().put_back(Line::Http1(sender), Instant::now());
                }
            })),
            Line::Http2(part) => part.1.finish(),
        }
    }
}
