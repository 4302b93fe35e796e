//! The discovery service: keeps every node at the newest publication, one task for each node's stream.
//!
//! Served by `lib.rs` beside the management API. It watches the publisher and writes into the fleet; it reads no
//! store, changes no configuration, and never lets one node wait for another: a stream has a small window, and only
//! the right to a full sync is shared, for a bounded time.

mod conversation;
mod hello;
mod limits;
mod measuring;
mod push;
mod questions;
#[cfg(test)]
mod samples;
mod session;
#[cfg(test)]
mod tests;

pub use limits::Limits;

use crate::fleet::{Fleet, FleetFull};
use crate::publisher::Publisher;
use limits::{MESSAGE_BYTES_MAX, WINDOW_MESSAGES};
use penstock_proto::discovery::v1 as wire;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};
use wire::discovery_service_server::{DiscoveryService, DiscoveryServiceServer};

/// The discovery service.
#[derive(Clone, Debug)]
pub struct Discovery {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    publisher: Arc<Publisher>,
    fleet: Arc<Fleet>,
    limits: Limits,
    /// Milliseconds since 1970.
    clock: fn() -> i64,
    full_syncs: Arc<Semaphore>,
    /// Becomes true, or loses its sender, when every stream should end.
    stop: watch::Receiver<bool>,
}

impl Discovery {
    /// Publishes what `publisher` has to the nodes that come, until `stop` becomes true. `clock` answers milliseconds
    /// since 1970, for what people see.
    pub fn new(
        publisher: Arc<Publisher>,
        fleet: Arc<Fleet>,
        limits: Limits,
        clock: fn() -> i64,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let full_syncs = Arc::new(Semaphore::new(limits.full_syncs_max));
        Self { shared: Arc::new(Shared { publisher, fleet, limits, clock, full_syncs, stop }) }
    }

    /// Adds the service to what a server answers.
    pub fn add_to(self, routes: Routes) -> Routes {
        routes.add_service(DiscoveryServiceServer::new(self).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }
}

#[tonic::async_trait]
impl DiscoveryService for Discovery {
    type SubscribeStream = Subscribed;

    async fn subscribe(
        &self,
        request: Request<Streaming<wire::NodeMessage>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let peer = request.remote_addr().map(|address| address.to_string()).unwrap_or_default();
        let (outbound, messages) = mpsc::channel(WINDOW_MESSAGES);
        // A task of its own, since a stream that the node does not read is never polled, and the clock must go on.
        let task = tokio::spawn(session::run(Arc::clone(&self.shared), request.into_inner(), outbound, peer));
        Ok(Response::new(Subscribed { messages, task }))
    }
}

/// What a node is told. Owns the task that says it: without a listener there is no speaker.
#[derive(Debug)]
pub struct Subscribed {
    messages: mpsc::Receiver<Result<wire::ControlMessage, Status>>,
    task: JoinHandle<()>,
}

impl Stream for Subscribed {
    type Item = Result<wire::ControlMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_recv(context)
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a stream ended.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum End {
    /// The node closed it, or its connection broke.
    #[error("the node left")]
    Gone,
    #[error("{0}")]
    Violation(String),
    #[error("no hello within {0} ms")]
    NoHello(u64),
    #[error("no message within {0} ms")]
    Silent(u128),
    #[error("messages were not read for {0} ms")]
    Stalled(u64),
    #[error("an activation was not answered within {0} ms")]
    Unanswered(u64),
    #[error("a newer stream has the same node id")]
    Superseded,
    #[error(transparent)]
    Full(#[from] FleetFull),
    #[error("the control plane is stopping")]
    Stopping,
}

impl End {
    /// What the node is told; `None` when nobody listens any more. These are the protocol's own last words, not errors
    /// of the application, which leave through `status.rs`.
    fn status(&self) -> Option<Status> {
        let text = self.to_string();
        match self {
            Self::Gone => None,
            Self::Violation(_) => Some(Status::invalid_argument(text)),
            Self::NoHello(_) | Self::Silent(_) | Self::Stalled(_) | Self::Unanswered(_) => {
                Some(Status::deadline_exceeded(text))
            }
            Self::Superseded => Some(Status::already_exists(text)),
            Self::Full(_) => Some(Status::resource_exhausted(text)),
            Self::Stopping => Some(Status::unavailable(text)),
        }
    }
}
