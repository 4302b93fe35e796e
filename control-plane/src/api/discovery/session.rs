//! One node's stream: everything that may happen on it, one thing at a time.

use super::conversation::{Conversation, Offer};
use super::hello::{self, Hello};
use super::{End, Shared};
use penstock_proto::discovery::v1 as wire;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::MissedTickBehavior;
use tonic::{Status, Streaming};
use wire::node_message::Kind;

/// Longest wait for room for the last word, in milliseconds.
const LAST_WORD_MS_MAX: u64 = 1_000;

type Outbound = mpsc::Sender<Result<wire::ControlMessage, Status>>;
type Inbound = Streaming<wire::NodeMessage>;
type Admitting = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// Talks with a node until one of both has enough.
pub(super) async fn run(shared: Arc<Shared>, inbound: Inbound, outbound: Outbound, peer: String) {
    let Err(end) = serve(&shared, inbound, &outbound, &peer).await;
    tracing::info!(peer, reason = %end, "a node's stream ended");
    if let Some(status) = end.status() {
        let bound = Duration::from_millis(LAST_WORD_MS_MAX);
        // A node that does not even take this sees the bare end of the stream.
        let _ = tokio::time::timeout(bound, outbound.send(Err(status))).await;
    }
}

/// Never ends well: that the other side left is an end like others.
async fn serve(shared: &Shared, mut inbound: Inbound, outbound: &Outbound, peer: &str) -> Result<Infallible, End> {
    let mut stop = shared.stop.clone();
    let hello = tokio::select! {
        () = stopping(&mut stop) => return Err(End::Stopping),
        hello = first_words(shared, &mut inbound, peer) => hello?,
    };
    let mut member = shared.fleet.join(hello.joining.clone(), (shared.clock)())?;
    let mut questions = member.take_questions();
    tracing::info!(node = %member.id(), peer, build = hello.joining.build, "a node subscribed");
    let mut conversation = Conversation::new(hello, member, shared.limits, Instant::now());
    let mut publications = shared.publisher.subscribe();
    let first_tick = tokio::time::Instant::now() + shared.limits.heartbeat();
    let mut ticks = tokio::time::interval_at(first_tick, shared.limits.heartbeat());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut admission = Admission::default();
    loop {
        let newest = {
            let published = publications.borrow_and_update();
            conversation.measured.want(published.candidate.as_ref().map(|candidate| &candidate.measurement));
            Arc::clone(published.for_node(conversation.member.id(), conversation.answered()))
        };
        match conversation.offer(&newest, admission.is_granted(), Instant::now()) {
            Offer::NeedsAdmission => admission.ask(shared),
            Offer::Made | Offer::NotNow => {}
        }
        if admission.is_granted() && !conversation.is_sending() {
            // Everything is on its way; the next one may begin while this node compiles.
            admission = Admission::default();
        }
        let has_message = conversation.has_message();
        tokio::select! {
            () = stopping(&mut stop) => return Err(End::Stopping),
            () = conversation.member.superseded() => return Err(End::Superseded),
            changed = publications.changed() => changed.map_err(|_| End::Stopping)?,
            message = inbound.message() => {
                let message = message.ok().flatten().ok_or(End::Gone)?;
                conversation.hear(message, Instant::now(), (shared.clock)())?;
            }
            Some(question) = questions.recv() => conversation.questions.take(question),
            room = outbound.reserve(), if has_message => {
                let room = room.map_err(|_| End::Gone)?;
                if let Some(message) = conversation.next_message(&newest.manifest, Instant::now()) {
                    room.send(Ok(message));
                }
            }
            () = admission.progress(shared.limits.sync_ms_max), if admission.is_pending() => {}
            _ = ticks.tick() => conversation.tick(Instant::now())?,
        }
    }
}

async fn first_words(shared: &Shared, inbound: &mut Inbound, peer: &str) -> Result<Hello, End> {
    let limit_ms = shared.limits.hello_ms_max;
    let first = tokio::time::timeout(Duration::from_millis(limit_ms), inbound.message()).await;
    let message = first.map_err(|_| End::NoHello(limit_ms))?.ok().flatten().ok_or(End::Gone)?;
    match message.kind {
        Some(Kind::Hello(hello)) => hello::read(hello, peer.to_owned()).map_err(End::Violation),
        Some(
            Kind::Applied(_) | Kind::Refused(_) | Kind::Heartbeat(_) | Kind::RecentRequests(_) | Kind::StageFigures(_),
        )
        | None => Err(End::Violation("hello must come first".to_owned())),
    }
}

async fn stopping(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The right to a full sync: asked for, granted, and given back after a while even if the node is not done, so that
/// slow nodes keep nobody waiting for long.
#[derive(Default)]
enum Admission {
    #[default]
    Unasked,
    Asked(Admitting),
    Granted {
        permit: Option<OwnedSemaphorePermit>,
        until: tokio::time::Instant,
    },
}

impl Admission {
    fn ask(&mut self, shared: &Shared) {
        if let Self::Unasked = self {
            let permit = Arc::clone(&shared.full_syncs).acquire_owned();
            // The semaphore is never closed; if it were, nobody would need a permit.
            *self = Self::Asked(Box::pin(async move { permit.await.ok() }));
        }
    }

    fn is_granted(&self) -> bool {
        matches!(self, Self::Granted { .. })
    }

    fn is_pending(&self) -> bool {
        matches!(self, Self::Asked(_) | Self::Granted { permit: Some(_), .. })
    }

    /// Waits for the next step: that it is granted, or that it was held long enough. Cancelling it loses nothing.
    async fn progress(&mut self, hold_ms_max: u64) {
        match self {
            Self::Unasked => std::future::pending().await,
            Self::Asked(admitting) => {
                let permit = admitting.await;
                let until = tokio::time::Instant::now() + Duration::from_millis(hold_ms_max);
                *self = Self::Granted { permit, until };
            }
            Self::Granted { permit, until } => {
                tokio::time::sleep_until(*until).await;
                *permit = None;
            }
        }
    }
}
