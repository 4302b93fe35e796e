//! [`OldNode`]: a node of the first release, without a proxy behind it.

use super::{hash, root_hash};
use bytes::{Bytes, BytesMut};
use penstock_previous::first::discovery::v1 as wire;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use wire::control_message::Kind as Said;
use wire::discovery_service_client::DiscoveryServiceClient;
use wire::node_message::Kind;

/// Between two heartbeats; the release took five seconds.
const HEARTBEAT_MS: u64 = 100;
/// Largest chunk that it takes, in bytes: the smallest that may be asked for, so that there are several.
const CHUNK_BYTES: u32 = 64;

/// Why it refuses a bundle, if it does.
pub type Taste = fn(&wire::Bundle) -> Option<&'static str>;

/// What it has when it connects.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// What serves; 0: nothing.
    pub version: u64,
    /// Of that.
    pub root_hash: Bytes,
    /// By name.
    pub bundles: BTreeMap<Bytes, Bytes>,
    /// Names of those that it refused.
    pub refused: BTreeSet<Bytes>,
}

/// What it was told.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// All of them, in their order.
    pub manifests: Vec<wire::Manifest>,
    /// Bundles that came whole, in any number of chunks.
    pub bundles: usize,
    /// Chunks that they came in.
    pub chunks: usize,
    /// Version and policy of each activation.
    pub activations: Vec<(u64, i32)>,
    /// Newest version of each heartbeat.
    pub heartbeats: Vec<u64>,
    /// Messages of a kind that the release does not have.
    pub not_understood: usize,
    /// APIs whose bundles hold more than the release's types do.
    pub not_all_read: Vec<String>,
    /// The rule of the protocol that was broken.
    pub breach: Option<String>,
}

/// A node of the first release. It leaves when this is dropped.
#[derive(Debug)]
pub struct OldNode {
    shared: Arc<Mutex<(Held, Noted)>>,
    task: JoinHandle<()>,
}

impl OldNode {
    /// Subscribes as `id`.
    pub async fn subscribe(channel: Channel, id: &str, taste: Taste, held: Held) -> Self {
        let (sender, requests) = mpsc::channel(16);
        let bytes = |name: &Bytes| name.to_vec();
        let hello = wire::Hello {
            node_id: id.to_owned(),
            build: "penstock-data-plane/0.1.0".to_owned(),
            features: vec!["refused_bundles".to_owned()],
            held_version: held.version,
            held_root_hash: bytes(&held.root_hash),
            held_bundles: held.bundles.keys().map(bytes).collect(),
            chunk_bytes_max: CHUNK_BYTES,
            labels: BTreeMap::new(),
            refused_bundles: held.refused.iter().map(bytes).collect(),
        };
        sender.send(message(Kind::Hello(hello))).await.unwrap();
        let mut client = DiscoveryServiceClient::new(channel);
        let mut stream = client.subscribe(ReceiverStream::new(requests)).await.unwrap().into_inner();
        let shared = Arc::new(Mutex::new((held, Noted::default())));
        let ours = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
            let mut offer = None;
            loop {
                let answers = tokio::select! {
                    _ = ticks.tick() => {
                        let held = &ours.lock().unwrap().0;
                        let active_root_hash = held.root_hash.to_vec();
                        vec![Kind::Heartbeat(wire::Heartbeat { active_version: held.version, active_root_hash })]
                    }
                    said = stream.message() => {
                        let Ok(Some(said)) = said else { return };
                        let (held, noted) = &mut *ours.lock().unwrap();
                        match hear(said, held, noted, &mut offer, taste) {
                            Ok(answers) => answers,
                            Err(breach) => {
                                noted.breach = Some(breach);
                                return;
                            }
                        }
                    }
                };
                for answer in answers {
                    if sender.send(message(answer)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Self { shared, task }
    }

    /// What it has now.
    pub fn held(&self) -> Held {
        self.shared.lock().unwrap().0.clone()
    }

    /// What it was told so far.
    pub fn noted(&self) -> Noted {
        self.shared.lock().unwrap().1.clone()
    }
}

impl Drop for OldNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn message(kind: Kind) -> wire::NodeMessage {
    wire::NodeMessage { kind: Some(kind) }
}

/// A manifest on its way to be served.
#[derive(Debug, Default)]
struct Offer {
    manifest: wire::Manifest,
    missing: BTreeMap<Bytes, u64>,
    complete: BTreeMap<Bytes, Bytes>,
    receiving: BytesMut,
}

fn hear(
    said: wire::ControlMessage,
    held: &mut Held,
    noted: &mut Noted,
    offer: &mut Option<Offer>,
    taste: Taste,
) -> Result<Vec<Kind>, String> {
    match said.kind {
        Some(Said::Manifest(manifest)) => {
            noted.manifests.push(manifest.clone());
            *offer = Some(offered(manifest, held)?);
        }
        Some(Said::BundleChunk(chunk)) => {
            noted.chunks += 1;
            noted.bundles += usize::from(chunk.last);
            receive(offer.as_mut().ok_or("a chunk before any manifest")?, &chunk)?;
        }
        Some(Said::Activate(activate)) => {
            noted.activations.push((activate.version, activate.policy));
            let offer = offer.take().ok_or("an activation of nothing")?;
            return activated(&activate, offer, held, noted, taste);
        }
        Some(Said::Heartbeat(beat)) => noted.heartbeats.push(beat.active_version),
        None => noted.not_understood += 1,
    }
    Ok(Vec::new())
}

fn offered(manifest: wire::Manifest, held: &mut Held) -> Result<Offer, String> {
    if root_hash(&manifest) != manifest.root_hash[..] {
        return Err(format!("the root hash of version {} is another one", manifest.version));
    }
    let same = manifest.version == held.version && held.root_hash == manifest.root_hash[..];
    if manifest.version <= held.version && !same {
        return Err(format!("version {} came behind version {}", manifest.version, held.version));
    }
    let name = |bundle: &wire::BundleRef| (bundle.rest_api_id.clone(), bundle.stage_name.clone());
    if !manifest.bundles.is_sorted_by(|one, next| name(one) < name(next)) {
        return Err("bundles are out of order".to_owned());
    }
    let listed: BTreeSet<Bytes> = manifest.bundles.iter().map(|bundle| bundle.hash.clone().into()).collect();
    held.refused.retain(|name| listed.contains(name));
    let known = |name: &Bytes| held.bundles.contains_key(name) || held.refused.contains(name);
    let wanted = manifest.bundles.iter().map(|bundle| (Bytes::from(bundle.hash.clone()), bundle.size_bytes));
    let missing = wanted.filter(|(name, _)| !known(name)).collect();
    Ok(Offer { manifest, missing, ..Offer::default() })
}

fn receive(offer: &mut Offer, chunk: &wire::BundleChunk) -> Result<(), String> {
    let size = offer.missing.get(&chunk.hash[..]).copied().ok_or("a bundle that is held came")?;
    if chunk.offset != offer.receiving.len() as u64 || chunk.data.len() > CHUNK_BYTES as usize {
        return Err(format!("a chunk of {} bytes at {}", chunk.data.len(), chunk.offset));
    }
    offer.receiving.extend_from_slice(&chunk.data);
    if chunk.last {
        let bytes = std::mem::take(&mut offer.receiving).freeze();
        let name = hash(&bytes);
        if name != chunk.hash[..] || bytes.len() as u64 != size {
            return Err("a bundle came with other bytes".to_owned());
        }
        offer.missing.remove(&name);
        offer.complete.insert(name, bytes);
    }
    Ok(())
}

fn activated(
    activate: &wire::Activate,
    offer: Offer,
    held: &mut Held,
    noted: &mut Noted,
    taste: Taste,
) -> Result<Vec<Kind>, String> {
    let Offer { manifest, missing, complete, .. } = offer;
    if (activate.version, &activate.root_hash) != (manifest.version, &manifest.root_hash) || !missing.is_empty() {
        return Err(format!("version {} was activated, and {} bundles are missing", activate.version, missing.len()));
    }
    let refused = |bundle_hash: &[u8], reason: &str| {
        let (version, reason) = (manifest.version, reason.to_owned());
        Kind::Refused(wire::Refused { version, bundle_hash: bundle_hash.to_vec(), reason })
    };
    let mut answers = Vec::new();
    for (name, bytes) in complete {
        let bundle = wire::Bundle::decode(bytes.clone()).map_err(|error| error.to_string())?;
        if bundle.encode_to_vec() != bytes {
            noted.not_all_read.push(bundle.rest_api.clone().unwrap_or_default().id);
        }
        match taste(&bundle) {
            Some(_) => _ = held.refused.insert(name),
            None => _ = held.bundles.insert(name, bytes),
        }
    }
    for bundle in manifest.bundles.iter().filter(|bundle| held.refused.contains(&bundle.hash[..])) {
        answers.push(refused(&bundle.hash, "not to my taste"));
    }
    if !answers.is_empty() && activate.policy() == wire::ActivationPolicy::AllOrNothing {
        answers.push(refused(&[], "it was all or nothing"));
        return Ok(answers);
    }
    held.bundles.retain(|name, _| manifest.bundles.iter().any(|bundle| bundle.hash == name[..]));
    (held.version, held.root_hash) = (manifest.version, manifest.root_hash.clone().into());
    answers.push(Kind::Applied(wire::Applied {
        version: manifest.version,
        root_hash: manifest.root_hash,
        route_count: held.bundles.len() as u64,
        build_time_us: 1,
    }));
    Ok(answers)
}
