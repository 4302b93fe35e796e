//! Connections of one worker, by target: which of them a request gets, how many there may be, and how often it is tried.

use super::address::{Address, Busy, Lease, Opening, Permit};
use super::balance::Random;
use super::connect::{Dialing, connect};
use super::names::Names;
use super::request::UpstreamRequest;
use super::retry::RetrySettings;
use super::sender::{Line, Opened};
use super::target::Target;
use super::{TargetHasher, TargetKey, TlsClients};
use crate::body::Incoming;
use crate::error::ProxyError;
use crate::limits::{
    CONNECT_TIMEOUT_MS, UPSTREAM_ATTEMPTS_MAX, UPSTREAM_CONNECT_SHARE_PERCENT, UPSTREAM_CONNECTION_WAIT_MS,
    UPSTREAM_IDLE_MS, UPSTREAM_SWEEP_MS,
};
use crate::message::Response;
use crate::metrics::{Cause, UpstreamFigures, WorkerUpstreams};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, interval};

/// What the upstreams of all workers have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) tls: Arc<TlsClients>,
    pub(crate) names: Arc<Names>,
    pub(crate) figures: Arc<UpstreamFigures>,
    pub(crate) retries: RetrySettings,
    /// For how long an address that fails is ejected for the first time; zero: never.
    pub(crate) ejection: Duration,
    /// How long an upstream may take nothing of what it is sent.
    pub(crate) idle: Duration,
    /// Whether each upstream over TLS is offered HTTP/2.
    pub(crate) http2: bool,
}

#[cfg(test)]
impl Common {
    /// Of a worker that is alone.
    pub(crate) fn alone() -> Self {
        let figures = Arc::<UpstreamFigures>::default();
        let names = Names::new(tokio::runtime::Handle::current(), Vec::new(), Arc::clone(&figures));
        Self {
            tls: Arc::default(),
            names: Arc::new(names),
            figures,
            retries: RetrySettings::default(),
            ejection: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            http2: false,
        }
    }
}

/// All upstream connections of one worker.
pub(crate) struct Upstreams {
    targets: RefCell<HashMap<TargetKey, Rc<Target>, BuildHasherDefault<TargetHasher>>>,
    dialing: Dialing,
    names: Arc<Names>,
    pub(super) retries: RetrySettings,
    ejection: Duration,
    pub(super) figures: WorkerUpstreams,
    random: Random,
    /// What budgets count their seconds from.
    pub(super) begun: Instant,
}

/// Whether a connection has served a request before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Used,
}

/// Which connections a request may get.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Any,
    /// Only one that is made for it.
    New,
}

/// What a request has been through on its way to a connection.
#[derive(Default)]
struct Search {
    /// Addresses to which no connection could be made.
    failed: Vec<SocketAddr>,
    /// Why the last one failed.
    error: Option<ProxyError>,
    /// Until when there must be a connection, names and handshakes included. Set when there is none at hand.
    connected: Option<Instant>,
    /// Until when there must be room for one.
    room: Option<Instant>,
}

impl Search {
    /// Until when there must be a connection.
    fn connected(&mut self) -> Instant {
        *self.connected.get_or_insert_with(|| Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS))
    }

    /// How long one attempt may take. While there are other addresses, they get their part of the time.
    fn limit(&mut self, has_others: bool) -> Duration {
        let left = self.connected().saturating_duration_since(Instant::now());
        if has_others { left * UPSTREAM_CONNECT_SHARE_PERCENT / 100 } else { left }
    }

    /// Until when there must be room for a connection.
    fn room(&mut self) -> Instant {
        *self.room.get_or_insert_with(|| Instant::now() + Duration::from_millis(UPSTREAM_CONNECTION_WAIT_MS))
    }

    fn failed(&mut self, address: &Address, error: ProxyError) {
        self.failed.push(address.at);
        self.error = Some(error);
    }
}

impl Upstreams {
    pub(crate) fn new(common: Common, seed: u64) -> Self {
        Self {
            targets: RefCell::default(),
            dialing: Dialing { tls: common.tls, idle: common.idle, http2: common.http2 },
            names: common.names,
            retries: common.retries,
            ejection: common.ejection,
            figures: WorkerUpstreams::new(common.figures),
            random: Random::new(seed),
            begun: Instant::now(),
        }
    }

    /// Sends a request and waits for the response head.
    ///
    /// # Errors
    /// Connecting, sending or receiving failed, or all connections stayed busy.
    pub(crate) async fn send(
        &self,
        key: &TargetKey,
        request: Box<UpstreamRequest>,
    ) -> Result<(Response<Incoming>, Lease), ProxyError> {
        let target = self.target(key);
        if self.retries.attempts > 0 {
            self.count_request(&target);
            if request.method.is_idempotent() {
                // On the heap: what is off by default would be part of every request otherwise.
                return Box::pin(self.send_repeatedly(key, &target, request)).await;
            }
        }
        self.attempt(key, &target, request, &mut Vec::new()).await
    }

    /// Sends a request and waits for the response head. Tries another address while no connection can be made, and another
    /// connection while not one byte of the request
    /// was sent, because hyper gives such a request back, or when the other side says that it did not look at it; or when a
    /// connection that was used before is lost without an
    /// answer and the request may be repeated (RFC 9112 section 9.3.1): upstreams close idle connections as they like,
    /// and the request may cross with that.
    ///
    /// Addresses to `avoid` are used where there are no others; one that loses the request is put to them.
    pub(super) async fn attempt(
        &self,
        key: &TargetKey,
        target: &Rc<Target>,
        mut request: Box<UpstreamRequest>,
        avoid: &mut Vec<SocketAddr>,
    ) -> Result<(Response<Incoming>, Lease), ProxyError> {
        let mut left = UPSTREAM_ATTEMPTS_MAX;
        loop {
            left -= 1;
            // The last attempt never reuses a connection, so that a burst of closed ones cannot fail a request.
            let want = if left > 0 { Want::Any } else { Want::New };
            let chosen = target.addresses.choose(&[], avoid, &self.random);
            let (mut line, busy, age) = match at_hand(chosen, want) {
                Ok((line, busy)) => (line, busy, Age::Used),
                // On the heap: most requests find a connection, and the room for what others wait for would be part of each.
                Err(chosen) => Box::pin(self.checkout(key, target, want, avoid, chosen)).await?,
            };
            let means_the_same_twice = age == Age::Used && request.method.is_idempotent();
            let may_be_refused = matches!(line, Line::Http2(..));
            // Our own side gives the request back by itself.
            let loses_request = !matches!(line, Line::Plain(_));
            let again =
                if loses_request && (means_the_same_twice || may_be_refused) { request.repeated() } else { None };
            let mut failed = match line.try_send(request, self.dialing.idle).await {
                Ok(response) => {
                    target.answered(busy.address(), response.head.status, &self.figures);
                    return Ok((response, Lease { line, busy }));
                }
                Err(failed) => failed,
            };
            if age == Age::New && failed.is_lost_connection() {
                // Of one that was used before it says nothing: it may have been closed for its age.
                target.failed(busy.address(), Cause::Lost, &self.figures);
                avoid.push(busy.address().at);
            }
            let may_go_on = left > 0;
            match (failed.take_message(means_the_same_twice), again) {
                (Some(unsent), _) if may_go_on => request = unsent,
                // Who refuses under load must not be greeted anew for it, as the last attempt does.
                (None, Some(again)) if left > u32::from(failed.is_refused()) && failed.is_unprocessed() => {
                    request = again
                }
                (None, Some(again)) if may_go_on && means_the_same_twice && failed.is_lost_connection() => {
                    request = again;
                }
                _ => return Err(failed.into()),
            }
        }
    }

    /// Closes connections that were idle for too long. Runs until dropped.
    pub(crate) async fn sweep(&self) {
        let mut tick = interval(Duration::from_millis(UPSTREAM_SWEEP_MS));
        loop {
            let now = tick.tick().await;
            let oldest = now.checked_sub(Duration::from_millis(UPSTREAM_IDLE_MS));
            self.targets.borrow_mut().retain(|_, target| {
                target.sweep(now, oldest);
                // A target that no connection and no request holds is forgotten: configurations come and go.
                !target.is_idle()
            });
        }
    }

    /// Connections that exist, idle ones included.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.targets.borrow().values().map(|target| target.capacity.open()).sum()
    }

    /// On the heap, because handshakes are large and rare, and the room for one would be part of every request.
    fn connect<'a>(
        &'a self,
        key: &'a TargetKey,
        address: SocketAddr,
        permit: Permit,
        limit: Duration,
    ) -> Pin<Box<impl Future<Output = Result<Opened<Permit>, ProxyError>> + 'a>> {
        Box::pin(connect(&self.dialing, key, address, permit, limit))
    }

    pub(super) fn target(&self, key: &TargetKey) -> Rc<Target> {
        if let Some(target) = self.targets.borrow().get(key) {
            return Rc::clone(target);
        }
        let target = Target::new(key, &self.names, &self.figures, self.ejection);
        self.targets.borrow_mut().insert(key.clone(), Rc::clone(&target));
        target
    }

    /// A connection for a request: an idle one of the address that was `chosen` for it by chance and by how busy it is, if it has
    /// one, else a new one; of others when there can be none.
    async fn checkout(
        &self,
        key: &TargetKey,
        target: &Rc<Target>,
        want: Want,
        avoid: &[SocketAddr],
        mut chosen: Option<Busy>,
    ) -> Result<(Line<Permit>, Busy, Age), ProxyError> {
        let mut search = Search::default();
        loop {
            let choose = || target.addresses.choose(&search.failed, avoid, &self.random);
            let Some(busy) = chosen.take().or_else(choose) else {
                if let Some(error) = search.error.take() {
                    return Err(error);
                }
                target.resolved(search.connected()).await?;
                continue;
            };
            let address = busy.address();
            if want == Want::Any
                && let Some(line) = address.at_hand()
            {
                return Ok((line, busy, Age::Used));
            }
            // A burst must not open a connection for each request where one takes them all.
            let may_share = want == Want::Any && self.dialing.offers_http2(key) && address.may_share();
            if may_share {
                match address.opened(search.connected()).await {
                    Some(Ok(())) => continue,
                    Some(Err(error)) => {
                        search.failed(address, error);
                        continue;
                    }
                    None => {}
                }
            }
            if let Some(permit) = Permit::take(&target.capacity) {
                let opening = may_share.then(|| Opening::begin(address));
                let limit = search.limit(target.addresses.has_others(&search.failed));
                match self.connect(key, address.at, permit, limit).await {
                    Ok(opened) => return Ok((address.line(opened), busy, Age::New)),
                    Err(error) => {
                        if let Some(opening) = &opening {
                            opening.failed((&error).into());
                        }
                        target.failed(address, Cause::Connect, &self.figures);
                        search.failed(address, error);
                    }
                }
            } else if !target.addresses.close_one() {
                // No idle connection, which nobody needs, makes room for a new one.
                target.capacity.wait(search.room()).await?;
            }
        }
    }
}

/// A connection of the chosen address that is there. Gives the address back where none is.
fn at_hand(chosen: Option<Busy>, want: Want) -> Result<(Line<Permit>, Busy), Option<Busy>> {
    let Some(busy) = chosen else { return Err(None) };
    let line = if want == Want::Any { busy.address().at_hand() } else { None };
    match line {
        Some(line) => Ok((line, busy)),
        None => Err(Some(busy)),
    }
}

#[cfg(test)]
mod tests;
