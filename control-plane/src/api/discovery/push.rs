//! [`Push`]: one publication on its way to one node, as the messages that say it.

use crate::publication::Publication;
use bytes::Bytes;
use penstock_model::bundle::{BundleRef, Hash, ManifestDelta};
use penstock_proto::convert::{manifest_delta_to_wire, manifest_to_wire};
use penstock_proto::discovery::v1 as wire;
use std::sync::Arc;
use wire::control_message::Kind;

/// Manifest or what differs from the one that the node serves, the missing bundles in chunks, activate. The bytes are the publication's own: every node is sent the same
/// ones, and nothing is prepared before it is asked for.
#[derive(Debug)]
pub(super) struct Push {
    publication: Arc<Publication>,
    chunk_bytes: usize,
    policy: wire::ActivationPolicy,
    /// Still to be sent, in reverse.
    missing: Vec<(Hash, Bytes)>,
    missing_bytes: usize,
    /// Sent of the last one of `missing`.
    offset: usize,
    next: Next,
    /// `None`: the manifest is said as a whole.
    delta: Option<Arc<ManifestDelta>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Manifest,
    Chunk,
    Activate,
    Nothing,
}

impl Push {
    /// Sends `publication` to a node that lacks what `is_known` does not name. With `base`, the node serves that one, and
    /// takes deltas.
    pub(super) fn new(
        publication: Arc<Publication>,
        chunk_bytes: usize,
        policy: wire::ActivationPolicy,
        base: Option<&Publication>,
        is_known: impl Fn(&Hash) -> bool,
    ) -> Self {
        let delta = base.map(|base| publication.delta_from(base));
        let lacking = |bundles: &[BundleRef]| {
            let hashes = bundles.iter().map(|bundle| bundle.hash).filter(|hash| !is_known(hash));
            hashes.filter_map(|hash| publication.bundles.get(&hash).map(|bytes| (hash, bytes.clone()))).collect()
        };
        let mut missing: Vec<(Hash, Bytes)> = match &delta {
            Some(delta) => lacking(&delta.bundles),
            None => lacking(&publication.manifest.bundles),
        };
        missing.reverse();
        let missing_bytes = missing.iter().map(|(_, bytes)| bytes.len()).sum();
        // The application bounds a bundle's size, so a chunk of at least one byte moves it on.
        let chunk_bytes = chunk_bytes.max(1);
        Self { publication, chunk_bytes, policy, missing, missing_bytes, offset: 0, next: Next::Manifest, delta }
    }

    /// What is on its way.
    pub(super) fn publication(&self) -> &Arc<Publication> {
        &self.publication
    }

    /// Bytes of bundles that the node lacked.
    pub(super) fn missing_bytes(&self) -> usize {
        self.missing_bytes
    }

    /// Whether everything was said.
    pub(super) fn is_over(&self) -> bool {
        self.next == Next::Nothing
    }

    /// The next message; `None` when everything was said.
    pub(super) fn next_message(&mut self) -> Option<wire::ControlMessage> {
        let kind = match self.next {
            Next::Manifest => {
                self.next = self.after_bundle();
                match &self.delta {
                    Some(delta) => Kind::ManifestDelta(manifest_delta_to_wire(delta)),
                    None => Kind::Manifest(manifest_to_wire(&self.publication.manifest)),
                }
            }
            Next::Chunk => Kind::BundleChunk(self.next_chunk()?),
            Next::Activate => {
                self.next = Next::Nothing;
                Kind::Activate(wire::Activate {
                    version: self.publication.version.0,
                    root_hash: self.publication.manifest.root_hash.0.to_vec(),
                    policy: self.policy.into(),
                })
            }
            Next::Nothing => return None,
        };
        Some(wire::ControlMessage { kind: Some(kind) })
    }

    fn next_chunk(&mut self) -> Option<wire::BundleChunk> {
        let (hash, bytes) = self.missing.last()?;
        let end = bytes.len().min(self.offset + self.chunk_bytes);
        let chunk = wire::BundleChunk {
            hash: hash.0.to_vec(),
            offset: self.offset as u64,
            data: bytes.slice(self.offset..end),
            last: end == bytes.len(),
        };
        self.offset = end;
        if chunk.last {
            self.missing.pop();
            self.offset = 0;
            self.next = self.after_bundle();
        }
        Some(chunk)
    }

    fn after_bundle(&self) -> Next {
        if self.missing.is_empty() { Next::Activate } else { Next::Chunk }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::publication;
    use super::*;
    use wire::ActivationPolicy::Quarantine;

    fn messages(mut push: Push) -> Vec<Kind> {
        let said: Vec<Kind> = std::iter::from_fn(|| push.next_message()).filter_map(|message| message.kind).collect();
        assert!(push.is_over());
        said
    }

    #[test]
    fn only_missing_bundles_travel_in_chunks_that_share_the_bytes() {
        let publication = publication(3, &[("a", "1"), ("b", "1")]);
        let [a, b] = &publication.manifest.bundles[..] else { panic!("two bundles") };
        let bytes = &publication.bundles[&b.hash];
        let chunk_bytes = bytes.len() - 1;

        let push = Push::new(Arc::clone(&publication), chunk_bytes, Quarantine, None, |hash| *hash == a.hash);
        assert_eq!(push.missing_bytes(), bytes.len());
        let said = messages(push);

        let [Kind::Manifest(manifest), Kind::BundleChunk(first), Kind::BundleChunk(second), Kind::Activate(activate)] =
            &said[..]
        else {
            panic!("{said:?}")
        };
        assert_eq!((manifest.version, manifest.bundles.len(), activate.version), (3, 2, 3));
        assert_eq!(activate.root_hash, publication.manifest.root_hash.0);
        assert_eq!((first.offset, first.last, second.offset, second.last), (0, false, chunk_bytes as u64, true));
        assert_eq!([&first.data[..], &second.data[..]].concat(), bytes[..]);
        assert_eq!(first.data.as_ptr(), bytes.as_ptr(), "nothing is copied");
    }

    #[test]
    fn a_node_that_lacks_nothing_is_only_told_to_activate() {
        let said = messages(Push::new(publication(1, &[("a", "1")]), 100, Quarantine, None, |_| true));
        assert!(matches!(said[..], [Kind::Manifest(_), Kind::Activate(_)]), "{said:?}");
    }

    #[test]
    fn a_node_that_serves_another_one_is_told_what_differs() {
        let base = publication(1, &[("a", "1"), ("b", "1"), ("c", "1")]);
        let newest = publication(2, &[("a", "1"), ("b", "2")]);
        for _ in 0..2 {
            let push = Push::new(Arc::clone(&newest), 1 << 20, Quarantine, Some(&base), |_| false);
            let said = messages(push);
            let [Kind::ManifestDelta(delta), Kind::BundleChunk(chunk), Kind::Activate(_)] = &said[..] else {
                panic!("{said:?}")
            };
            assert_eq!((delta.base_version, delta.version), (1, 2));
            assert_eq!((delta.bundles.len(), delta.removed_bundles.len()), (1, 1));
            assert_eq!(chunk.hash, delta.bundles[0].hash, "what is the same is not missing");
        }
        // Another base than that of the others.
        let push = Push::new(Arc::clone(&newest), 1 << 20, Quarantine, Some(&publication(0, &[])), |_| true);
        let Some(Kind::ManifestDelta(delta)) = messages(push).into_iter().next() else { panic!("a delta") };
        assert_eq!((delta.base_version, delta.bundles.len()), (0, 2));
    }

    #[test]
    fn a_bundle_of_exactly_one_chunk_has_one_chunk() {
        let publication = publication(1, &[("a", "1")]);
        let size = usize::try_from(publication.manifest.bundles[0].size_bytes).unwrap();
        assert_eq!(messages(Push::new(Arc::clone(&publication), size, Quarantine, None, |_| false)).len(), 3);
        assert_eq!(messages(Push::new(publication, size - 1, Quarantine, None, |_| false)).len(), 4);
    }
}
