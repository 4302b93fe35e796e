//! One stream to a control plane: opening it, both of its directions, and its end in words.

use super::build::in_words;
use super::wire::shortened;
use crate::subscription::BACKOFF_MS_MAX;
use penstock_link::{Link, words};
use penstock_proto::discovery::v1 as wire;
use penstock_proto::discovery::v1::discovery_service_client::DiscoveryServiceClient;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Uri};
use tonic::{Code, Status, Streaming};

/// Longest wait for the connection, in milliseconds.
const CONNECT_MS_MAX: u64 = 3_000;
/// Longest wait for the connection and the opening of the stream together, in milliseconds.
const OPEN_MS_MAX: u64 = 5_000;
/// How soon a node serves the newest once one of two control planes can be reached again, in milliseconds.
const RETURN_MS_MAX: u64 = 15_000;
// In the worst case both are tried once more in vain, one of them in the moment in which it comes back, and nothing says so
// but the time: a network that loses packets refuses nothing.
const _: () = assert!(2 * (CONNECT_MS_MAX + BACKOFF_MS_MAX) < RETURN_MS_MAX);
/// Messages to the control plane that are on their way at a time.
const WINDOW_MESSAGES: usize = 16;
/// Largest message that is taken, in bytes: a manifest with every bundle that a node takes.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A connection in the making; an error is in words.
pub(super) type Connecting = Pin<Box<dyn Future<Output = Result<Connection, String>> + Send>>;

/// A stream that is open.
pub(super) struct Connection {
    /// `None` once the last word is said.
    outgoing: Option<mpsc::Sender<wire::NodeMessage>>,
    incoming: Streaming<wire::ControlMessage>,
}

/// How a stream ended.
pub(super) struct End {
    /// In words.
    pub(super) reason: String,
    /// The control plane has a newer stream with our id.
    pub(super) superseded: bool,
}

/// Opens a stream, after a while.
pub(super) fn open(address: Uri, after: Duration, link: Arc<Link>) -> Connecting {
    Box::pin(async move {
        tokio::time::sleep(after).await;
        let bound = Duration::from_millis(OPEN_MS_MAX);
        match tokio::time::timeout(bound, subscribe(&address, link)).await {
            Ok(opened) => opened.map_err(|reason| format!("{address}: {reason}")),
            Err(_) => Err(format!("{address}: no answer within {OPEN_MS_MAX} ms")),
        }
    })
}

async fn subscribe(address: &Uri, link: Arc<Link>) -> Result<Connection, String> {
    let files = Arc::clone(&link);
    // Certificates and tokens may have become others since the last stream. A look that is lost leaves those in use.
    let _ = tokio::task::spawn_blocking(move || files.look()).await;
    let endpoint =
        Endpoint::from(address.clone()).connect_timeout(Duration::from_millis(CONNECT_MS_MAX)).tcp_nodelay(true);
    let channel = link.connect(endpoint).await.map_err(|error| match words::for_client(&error) {
        Some(text) => shortened(text),
        None => in_words(&error),
    })?;
    let mut client =
        DiscoveryServiceClient::with_interceptor(channel, link.bearer()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (outgoing, requests) = mpsc::channel(WINDOW_MESSAGES);
    let response = client.subscribe(ReceiverStream::new(requests)).await.map_err(|status| End::of(&status).reason)?;
    Ok(Connection { outgoing: Some(outgoing), incoming: response.into_inner() })
}

impl Connection {
    /// The next message, or the end. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Result<wire::ControlMessage, End> {
        match self.incoming.message().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(End { reason: "the control plane ended the stream".to_owned(), superseded: false }),
            Err(status) => Err(End::of(&status)),
        }
    }

    /// Where messages go, while they may.
    pub(super) fn sender(&self) -> Option<mpsc::Sender<wire::NodeMessage>> {
        self.outgoing.clone()
    }

    /// Says as much of `messages` as there is room for, and ends our half of the stream.
    pub(super) fn say_last(&mut self, messages: &mut VecDeque<wire::NodeMessage>) {
        if let Some(outgoing) = self.outgoing.take() {
            for message in messages.drain(..) {
                // The other side learns the reason if it reads; it is no use to wait for one that does not.
                let _ = outgoing.try_send(message);
            }
        }
    }
}

impl End {
    fn of(status: &Status) -> Self {
        // A certificate that the control plane refuses shows only here, once the handshake is over on our side.
        let tls = words::for_client(status);
        let reason = match tls.as_deref().unwrap_or(status.message()) {
            "" => status.code().description().to_owned(),
            message => shortened(message.to_owned()),
        };
        Self { reason, superseded: status.code() == Code::AlreadyExists }
    }
}
