//! A node of a test's own: speaks the discovery protocol, serves nothing, and answers as the test wants.

use penstock_proto::discovery::v1::control_message::Kind as Said;
use penstock_proto::discovery::v1::discovery_service_client::DiscoveryServiceClient;
use penstock_proto::discovery::v1::node_message::Kind;
use penstock_proto::discovery::v1::{Applied, BundleRef, Hello, NodeMessage, Refused};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

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
}

impl Stranger {
    /// Subscribes as `id`.
    pub async fn subscribe(channel: Channel, id: &str, manner: Manner) -> Self {
        Self::subscribe_with(channel, id, manner, &[]).await
    }

    /// The same, and says that it has these features. It answers no question.
    pub async fn subscribe_with(channel: Channel, id: &str, manner: Manner, features: &[&str]) -> Self {
        let (sender, requests) = mpsc::channel(16);
        let features = features.iter().map(|feature| (*feature).to_owned()).collect();
        let hello = Hello { node_id: id.to_owned(), build: "stranger".to_owned(), features, ..Hello::default() };
        sender.send(message(Kind::Hello(hello))).await.unwrap();
        let mut client = DiscoveryServiceClient::new(channel);
        let mut stream = client.subscribe(ReceiverStream::new(requests)).await.unwrap().into_inner();
        let activations = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&activations);
        let task = tokio::spawn(async move {
            let mut bundles = Vec::new();
            while let Ok(Some(said)) = stream.message().await {
                match said.kind {
                    Some(Said::Manifest(manifest)) => bundles = manifest.bundles,
                    Some(Said::Activate(activate)) => {
                        noted.lock().unwrap().push((activate.version, activate.policy));
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
        });
        Self { activations, task }
    }

    /// Version and policy of each activation so far.
    pub fn activations(&self) -> Vec<(u64, i32)> {
        self.activations.lock().unwrap().clone()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
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
