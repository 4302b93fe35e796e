//! Between the words of the subscription and the messages of the wire. Decides nothing; what makes no sense becomes
//! [`Incoming::Malformed`], what is not known becomes [`Incoming::Unknown`].

use super::{Settings, SubscriberStatus};
use crate::ledger::{Generation, Ledger};
use crate::subscription::{BUNDLE_CHUNK_BYTES_MAX, Chunk, Incoming, Outgoing, Policy};
use penstock_model::bundle::Hash;
use penstock_model::id::Version;
use penstock_proto::convert::{manifest_delta_from_wire, manifest_from_wire};
use penstock_proto::discovery::v1 as wire;
use wire::control_message::Kind as FromControl;
use wire::node_message::Kind as FromNode;

/// The feature that says: a hello lists every bundle that the node refused and knows of.
const REFUSED_BUNDLES: &str = "refused_bundles";
/// The feature that says: a manifest may come as what differs from the one that serves.
const MANIFEST_DELTAS: &str = "manifest_deltas";
/// The feature that says: the node remembers requests, and answers who asks for them.
const RECENT_REQUESTS: &str = "recent_requests";
/// The feature that says: the node counts what becomes of a stage's requests, and tells it, when it is asked to.
const STAGE_FIGURES: &str = "stage_figures";
/// Longest reason that is sent, in bytes.
pub(super) const REASON_BYTES_MAX: usize = 1024;

/// What the control plane said.
pub(super) fn incoming(message: wire::ControlMessage) -> Incoming {
    match message.kind {
        // A question is answered beside the subscription, to which it is only a sign of life.
        None | Some(FromControl::AskRecentRequests(_) | FromControl::MeasureStage(_)) => Incoming::Unknown,
        Some(FromControl::Manifest(manifest)) => match manifest_from_wire(manifest) {
            Ok(manifest) => Incoming::Manifest(manifest),
            Err(violations) => Incoming::Malformed(shortened(format!("manifest: {violations}"))),
        },
        Some(FromControl::ManifestDelta(delta)) => match manifest_delta_from_wire(delta) {
            Ok(delta) => Incoming::Delta(delta),
            Err(violations) => Incoming::Malformed(shortened(format!("manifest delta: {violations}"))),
        },
        Some(FromControl::BundleChunk(chunk)) => match Hash::from_slice(&chunk.hash) {
            Some(hash) => Incoming::Chunk(Chunk { hash, offset: chunk.offset, data: chunk.data, last: chunk.last }),
            None => Incoming::Malformed("bundle_chunk.hash must have 32 bytes".to_owned()),
        },
        Some(FromControl::Activate(activate)) => match Hash::from_slice(&activate.root_hash) {
            Some(root_hash) => {
                Incoming::Activate { version: Version(activate.version), root_hash, policy: policy(activate.policy) }
            }
            None => Incoming::Malformed("activate.root_hash must have 32 bytes".to_owned()),
        },
        Some(FromControl::Heartbeat(beat)) => Incoming::Heartbeat { newest: Version(beat.active_version) },
    }
}

fn policy(number: i32) -> Policy {
    match wire::ActivationPolicy::try_from(number) {
        Ok(wire::ActivationPolicy::Unspecified | wire::ActivationPolicy::Quarantine) => Policy::Quarantine,
        Ok(wire::ActivationPolicy::AllOrNothing) => Policy::AllOrNothing,
        Err(_) => Policy::Unknown(number),
    }
}

/// What the node says. The subscription knows what it holds; who the node is comes from the settings, how its disk does
/// from the status, and what became of its requests from the ledger.
pub(super) fn outgoing(
    message: Outgoing,
    settings: &Settings,
    status: &SubscriberStatus,
    ledger: &Ledger,
) -> wire::NodeMessage {
    let bytes = |hash: &Hash| hash.0.to_vec();
    let kind = match message {
        Outgoing::Hello { serving, held_bundles, refused_bundles } => FromNode::Hello(wire::Hello {
            node_id: settings.node_id.clone(),
            build: settings.build.clone(),
            features: features(settings),
            held_version: version(serving),
            held_root_hash: root(serving),
            held_bundles: held_bundles.iter().map(bytes).collect(),
            chunk_bytes_max: BUNDLE_CHUNK_BYTES_MAX,
            labels: settings.labels.clone(),
            refused_bundles: refused_bundles.iter().map(bytes).collect(),
            kept: kept(status),
            unconfirmed_seconds: status.confirmed_age().unwrap_or_default().as_secs(),
            instance: settings.instance,
        }),
        Outgoing::Applied { version, root_hash, route_count, build_time_us } => FromNode::Applied(wire::Applied {
            version: version.0,
            root_hash: bytes(&root_hash),
            route_count,
            build_time_us,
            generations: generations(ledger),
        }),
        Outgoing::Refused { version, bundle, reason } => FromNode::Refused(wire::Refused {
            version: version.0,
            bundle_hash: bundle.as_ref().map(bytes).unwrap_or_default(),
            reason: shortened(reason),
        }),
        Outgoing::Heartbeat { serving } => FromNode::Heartbeat(wire::Heartbeat {
            active_version: version(serving),
            active_root_hash: root(serving),
            generations: generations(ledger),
            kept: kept(status),
        }),
    };
    wire::NodeMessage { kind: Some(kind) }
}

fn features(settings: &Settings) -> Vec<String> {
    let recent = settings.recent.is_on().then_some(RECENT_REQUESTS);
    [REFUSED_BUNDLES, MANIFEST_DELTAS, STAGE_FIGURES].into_iter().chain(recent).map(str::to_owned).collect()
}

fn generations(ledger: &Ledger) -> Vec<wire::Generation> {
    let generation = |counts: Generation| wire::Generation {
        version: counts.version.0,
        requests_started: counts.started,
        requests_finished: counts.finished,
        requests_cut: counts.cut,
    };
    ledger.generations().into_iter().map(generation).collect()
}

fn kept(status: &SubscriberStatus) -> Option<wire::Kept> {
    status.keeping().map(|keeping| wire::Kept {
        version: version(keeping.kept),
        problem: shortened(keeping.problem().unwrap_or_default().to_owned()),
    })
}

fn version(serving: Option<(Version, Hash)>) -> u64 {
    serving.map_or(0, |(version, _)| version.0)
}

fn root(serving: Option<(Version, Hash)>) -> Vec<u8> {
    serving.map(|(_, root_hash)| root_hash.0.to_vec()).unwrap_or_default()
}

/// At most [`REASON_BYTES_MAX`] of it.
pub(super) fn shortened(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX - 3));
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(kind: FromControl) -> Incoming {
        incoming(wire::ControlMessage { kind: Some(kind) })
    }

    #[test]
    fn what_makes_no_sense_is_malformed_and_what_is_unknown_is_skipped() {
        assert!(matches!(incoming(wire::ControlMessage { kind: None }), Incoming::Unknown));
        let short = wire::BundleChunk { hash: vec![1], ..wire::BundleChunk::default() };
        assert!(matches!(from(FromControl::BundleChunk(short)), Incoming::Malformed(_)));
        assert!(matches!(from(FromControl::Activate(wire::Activate::default())), Incoming::Malformed(_)));
        assert!(matches!(from(FromControl::Manifest(wire::Manifest::default())), Incoming::Malformed(_)));
    }

    #[test]
    fn policies_have_one_default_and_no_guess() {
        let read = |number| {
            let activate = wire::Activate { version: 1, root_hash: vec![0; 32], policy: number };
            match from(FromControl::Activate(activate)) {
                Incoming::Activate { policy, .. } => policy,
                other => panic!("{other:?}"),
            }
        };
        let all = [0, 1, 2, 3, -1].map(read);
        let expected =
            [Policy::Quarantine, Policy::Quarantine, Policy::AllOrNothing, Policy::Unknown(3), Policy::Unknown(-1)];
        assert_eq!(all, expected);
    }

    #[test]
    fn reasons_are_cut_at_the_limit_between_characters() {
        assert_eq!(shortened("a".repeat(REASON_BYTES_MAX)).len(), REASON_BYTES_MAX);
        let cut = shortened("é".repeat(REASON_BYTES_MAX));
        assert!(cut.len() <= REASON_BYTES_MAX && cut.ends_with("..."));
    }
}
