//! [`Target`]: what a worker knows of one upstream, and where that comes from: an address that is written in its URI, or a
//! name that is followed.

use super::TargetKey;
use super::address::{Address, Capacity};
use super::addresses::Addresses;
use super::names::{Known, Names, ResolveError};
use super::retry::Budget;
use crate::error::ProxyError;
use crate::metrics::{Cause, ShownTarget, WorkerUpstreams};
use http::StatusCode;
use std::cell::{Cell, OnceCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// One upstream.
pub(super) struct Target {
    pub(super) capacity: Rc<Capacity>,
    pub(super) addresses: Addresses,
    /// What may be sent to it again.
    pub(super) budget: Cell<Budget>,
    port: u16,
    followed: OnceCell<Followed>,
}

/// The name that its addresses come from.
struct Followed {
    known: watch::Receiver<Known>,
    /// Hears of changes.
    follower: JoinHandle<()>,
    shown: ShownTarget,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// Whether an upstream says that it, or what is behind it, cannot answer for now (RFC 9110 section 15.6).
pub(super) fn is_gateway_error(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

impl Target {
    /// Of an upstream that nothing is known of yet.
    pub(super) fn new(key: &TargetKey, names: &Names, figures: &WorkerUpstreams, ejection: Duration) -> Rc<Self> {
        let target = Rc::new(Self {
            capacity: Rc::default(),
            addresses: Addresses::new(ejection),
            budget: Cell::default(),
            port: key.port(),
            followed: OnceCell::new(),
        });
        if let Ok(address) = key.host().parse::<IpAddr>() {
            target.addresses.replace(&[(address, target.port).into()], &target.capacity);
            return target;
        }
        let mut changes = names.follow(key.host());
        let known = changes.clone();
        let weak = Rc::downgrade(&target);
        let follower = tokio::task::spawn_local(async move {
            while changes.changed().await.is_ok() {
                let Some(target) = weak.upgrade() else { return };
                let known = changes.borrow_and_update().clone();
                target.take_over(&known);
            }
        });
        let shown = figures.show(key.scheme, &key.authority);
        let _ = target.followed.set(Followed { known, follower, shown });
        let known = target.followed.get().map(|followed| followed.known.borrow().clone());
        if let Some(known) = known {
            target.take_over(&known);
        }
        target
    }

    /// Waits for addresses, where there are none.
    ///
    /// # Errors
    /// The name has none, or nobody has said any by then.
    pub(super) async fn resolved(&self, deadline: Instant) -> Result<(), ProxyError> {
        let nothing = ProxyError::Resolve(ResolveError::NoAnswer);
        let Some(followed) = self.followed.get() else { return Err(nothing) };
        let mut changes = followed.known.clone();
        let known = timeout_at(deadline, changes.wait_for(|known| *known != Known::Asked)).await;
        let known = match known {
            Ok(Ok(known)) => known.clone(),
            Ok(Err(_)) => return Err(nothing),
            Err(_) => return Err(ProxyError::ConnectTimeout),
        };
        // Whoever is first; the follower may hear of it later.
        self.take_over(&known);
        match known {
            Known::Addresses(_) => Ok(()),
            Known::Nothing(error) => Err(ProxyError::Resolve(error)),
            Known::Asked => Err(nothing),
        }
    }

    fn take_over(&self, known: &Known) {
        let now: Vec<SocketAddr> = match known {
            Known::Asked => return,
            Known::Addresses(addresses) => addresses.iter().map(|&address| (address, self.port).into()).collect(),
            Known::Nothing(_) => Vec::new(),
        };
        let is_same = self.addresses.all().iter().map(|address| address.at).eq(now.iter().copied());
        if !is_same {
            self.addresses.replace(&now, &self.capacity);
            self.show();
        }
    }

    /// An address has answered with this status, or that of a gateway's error.
    pub(super) fn answered(&self, address: &Address, status: StatusCode, figures: &WorkerUpstreams) {
        if is_gateway_error(status) {
            self.failed(address, Cause::Status, figures);
            return;
        }
        let mut health = address.health.get();
        if !health.is_spotless() {
            health.answered();
            address.health.set(health);
        }
    }

    /// An address has failed.
    pub(super) fn failed(&self, address: &Address, cause: Cause, figures: &WorkerUpstreams) {
        if self.addresses.failed(address, Instant::now()) {
            tracing::warn!(address = %address.at, reason = cause.as_str(), "an address of an upstream is ejected");
            figures.ejected(cause);
            self.show();
        }
    }

    /// Closes what was idle for too long, and moves on with the time.
    pub(super) fn sweep(&self, now: Instant, oldest: Option<Instant>) {
        for address in &*self.addresses.all() {
            address.sweep(oldest);
        }
        if self.addresses.sweep(now) {
            self.show();
        }
    }

    /// Whether nobody would miss it.
    pub(super) fn is_idle(self: &Rc<Self>) -> bool {
        self.capacity.open() == 0 && Rc::strong_count(self) == 1 && !self.addresses.is_restrained()
    }

    fn show(&self) {
        if let Some(followed) = self.followed.get() {
            followed.shown.set(self.addresses.states());
        }
    }
}
