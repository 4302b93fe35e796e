//! A node of a test's own: speaks the discovery protocol, serves nothing, and answers as the test wants.

use penstock_proto::discovery::v1::control_message::Kind as Said;
use penstock_proto::discovery::v1::discovery_service_client::DiscoveryServiceClient;
use penstock_proto::discovery::v1::node_message::Kind;
use penstock_proto::discovery::v1::{Applied, BundleRef, ControlMessage, Heartbeat, Hello, NodeMessage, Refused};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// Largest chunk for a node that does not read, in bytes.
const DEAF_CHUNK_BYTES: u32 = 1024;

/// How it answers an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It serves it.
    Applies,
    /// It refuses every bundle, and serves the rest.
    RefusesBundles,
    /// It refuses the whole version.
    RefusesAll,
    /// It takes everything and says nothing.
    Silent,
}

/// A node of a test's own. It leaves when this is dropped.
#[derive(Debug)]
pub struct Stranger {
    /// Version and policy of each activation.
    activations: Arc<Mutex<Vec<(u64, i32)>>>,
    task: JoinHandle<()>,
    beating: Option<JoinHandle<()>>,
}

impl Stranger {
    /// Subscribes as `id`.
    pub async fn subscribe(channel: Channel, id: &str, manner: Manner) -> Self {
        Self::subscribe_with(channel, id, manner, &[]).await
    }

    /// The same, and says that it has these features. It answers no question.
    pub async fn subscribe_with(channel: Channel, id: &str, manner: Manner, features: &[&str]) -> Self {
        let hello = hello(id, features);
        let (sender, mut client, requests) = begin(channel, hello).await;
        let stream = client.subscribe(requests).await.unwrap().into_inner();
        let activations = Arc::default();
        let task = tokio::spawn(answer(sender, stream, manner, Arc::clone(&activations)));
        Self { activations, task, beating: None }
    }

    /// Subscribes as `id`, and says every second that it lives.
    pub async fn subscribe_living(channel: Channel, id: &str, manner: Manner) -> Self {
        let (sender, mut client, requests) = begin(channel, hello(id, &[])).await;
        let stream = client.subscribe(requests).await.unwrap().into_inner();
        let activations = Arc::default();
        let beating = Some(tokio::spawn(beat(sender.clone())));
        let task = tokio::spawn(answer(sender, stream, manner, Arc::clone(&activations)));
        Self { activations, task, beating }
    }

    /// Subscribes as `id`, says every second that it lives, and never reads a word. It wants small words, so that few of
    /// them fit into what lies between it and who speaks.
    pub async fn subscribe_deaf(channel: Channel, id: &str) -> Self {
        let hello = Hello { chunk_bytes_max: DEAF_CHUNK_BYTES, ..hello(id, &[]) };
        let (sender, mut client, requests) = begin(channel, hello).await;
        let task = tokio::spawn(async move {
            let stream = client.subscribe(requests).await;
            std::future::pending::<()>().await;
            drop(stream);
        });
        Self { activations: Arc::default(), task, beating: Some(tokio::spawn(beat(sender))) }
    }

    /// Version and policy of each activation so far.
    pub fn activations(&self) -> Vec<(u64, i32)> {
        self.activations.lock().unwrap().clone()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(beating) = &self.beating {
            beating.abort();
        }
    }
}

type Begun = (mpsc::Sender<NodeMessage>, DiscoveryServiceClient<Channel>, ReceiverStream<NodeMessage>);

fn hello(id: &str, features: &[&str]) -> Hello {
    let features = features.iter().map(|feature| (*feature).to_owned()).collect();
    Hello { node_id: id.to_owned(), build: "stranger".to_owned(), features, ..Hello::default() }
}

async fn begin(channel: Channel, hello: Hello) -> Begun {
    let (sender, requests) = mpsc::channel(16);
    sender.send(message(Kind::Hello(hello))).await.unwrap();
    (sender, DiscoveryServiceClient::new(channel), ReceiverStream::new(requests))
}

async fn beat(sender: mpsc::Sender<NodeMessage>) {
    while sender.send(message(Kind::Heartbeat(Heartbeat::default()))).await.is_ok() {
        tokio::time::sleep(BEAT).await;
    }
}

async fn answer(
    sender: mpsc::Sender<NodeMessage>,
    mut stream: Streaming<ControlMessage>,
    manner: Manner,
    activations: Arc<Mutex<Vec<(u64, i32)>>>,
) {
    let mut bundles = Vec::new();
    while let Ok(Some(said)) = stream.message().await {
        match said.kind {
            Some(Said::Manifest(manifest)) => bundles = manifest.bundles,
            Some(Said::Activate(activate)) => {
                activations.lock().unwrap().push((activate.version, activate.policy));
                for answer in answers(manner, activate.version, activate.root_hash, &bundles) {
                    if sender.send(message(answer)).await.is_err() {
                        return;
                    }
                }
            }
            Some(
                Said::ManifestDelta(_)
                | Said::BundleChunk(_)
                | Said::Heartbeat(_)
                | Said::AskRecentRequests(_)
                | Said::MeasureStage(_),
            )
            | None => {}
        }
    }
}

fn answers(manner: Manner, version: u64, root_hash: Vec<u8>, bundles: &[BundleRef]) -> Vec<Kind> {
    let applied = Kind::Applied(Applied { version, root_hash, ..Applied::default() });
    let refused = |bundle_hash| Kind::Refused(Refused { version, bundle_hash, reason: "not to my taste".to_owned() });
    match manner {
        Manner::Applies => vec![applied],
        Manner::RefusesBundles => {
            let mut all: Vec<_> = bundles.iter().map(|bundle| refused(bundle.hash.clone())).collect();
            all.push(applied);
            all
        }
        Manner::RefusesAll => vec![refused(Vec::new())],
        Manner::Silent => Vec::new(),
    }
}

fn message(kind: Kind) -> NodeMessage {
    NodeMessage { kind: Some(kind) }
}
