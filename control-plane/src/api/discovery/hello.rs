//! A node's first words, read and bounded.

use super::conversation::kept;
use super::limits::{CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MIN, LABELS_MAX, NODE_ID_BYTES_MAX, TEXT_BYTES_MAX};
use crate::fleet::Joining;
use penstock_model::bundle::Hash;
use penstock_model::id::Version;
use penstock_proto::discovery::v1 as wire;
use std::collections::HashSet;

/// The feature of a node that names the bundles which it refused in `refused_bundles`: an empty list means none.
pub(super) const REFUSED_BUNDLES: &str = "refused_bundles";

/// The feature of a node that takes a manifest as what differs from the one that it serves.
pub(super) const MANIFEST_DELTAS: &str = "manifest_deltas";
/// The feature of a node that remembers requests and answers who asks for them.
pub(super) const RECENT_REQUESTS: &str = "recent_requests";
/// The feature of a node that counts what becomes of a stage's requests when it is asked to.
pub(super) const STAGE_FIGURES: &str = "stage_figures";

/// What the hello says.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) joining: Joining,
    pub(super) held: HashSet<Hash>,
    /// Whether it takes manifests as what differs.
    pub(super) takes_deltas: bool,
    /// Largest chunk for this node, in bytes.
    pub(super) chunk_bytes: usize,
}

/// Reads a hello; an error names the field.
pub(super) fn read(hello: wire::Hello, peer: String) -> Result<Hello, String> {
    if hello.node_id.is_empty() || hello.node_id.len() > NODE_ID_BYTES_MAX {
        return Err(format!("hello.node_id must have 1 to {NODE_ID_BYTES_MAX} bytes"));
    }
    if hello.build.len() > TEXT_BYTES_MAX {
        return Err(format!("hello.build must have at most {TEXT_BYTES_MAX} bytes"));
    }
    let long = |(key, value): (&String, &String)| key.len() > TEXT_BYTES_MAX || value.len() > TEXT_BYTES_MAX;
    if hello.labels.len() > LABELS_MAX || hello.labels.iter().any(long) {
        return Err(format!("hello.labels must be at most {LABELS_MAX}, of at most {TEXT_BYTES_MAX} bytes each"));
    }
    let chunk_bytes = match hello.chunk_bytes_max as usize {
        0 => CHUNK_BYTES_DEFAULT,
        fewer if fewer < CHUNK_BYTES_MIN => {
            return Err(format!("hello.chunk_bytes_max must be 0 or at least {CHUNK_BYTES_MIN}"));
        }
        most => most.min(CHUNK_BYTES_DEFAULT),
    };
    let serving = match hello.held_version {
        0 => None,
        version => {
            let root_hash = Hash::from_slice(&hello.held_root_hash).ok_or("hello.held_root_hash must have 32 bytes")?;
            Some((Version(version), root_hash))
        }
    };
    let refused = hashes("hello.refused_bundles", &hello.refused_bundles)?;
    let has = |wanted: &str| hello.features.iter().any(|feature| feature == wanted);
    let (says, answers_recent) = (!refused.is_empty() || has(REFUSED_BUNDLES), has(RECENT_REQUESTS));
    let takes_deltas = has(MANIFEST_DELTAS);
    let joining = Joining {
        id: hello.node_id.into(),
        build: hello.build,
        labels: hello.labels,
        peer,
        serving,
        refused: says.then_some(refused),
        kept: hello.kept.map(kept),
        unconfirmed_seconds: hello.unconfirmed_seconds,
        answers_recent,
        tells_figures: has(STAGE_FIGURES),
        instance: hello.instance,
    };
    let held = hashes("hello.held_bundles", &hello.held_bundles)?;
    Ok(Hello { joining, held, takes_deltas, chunk_bytes })
}

fn hashes(field: &str, list: &[Vec<u8>]) -> Result<HashSet<Hash>, String> {
    list.iter().map(|bytes| Hash::from_slice(bytes).ok_or_else(|| format!("{field} must have 32 bytes each"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> wire::Hello {
        wire::Hello { node_id: "n".to_owned(), ..wire::Hello::default() }
    }

    fn refused(hello: wire::Hello) -> String {
        read(hello, String::new()).expect_err("it must be refused")
    }

    #[test]
    fn a_fresh_node_holds_nothing_and_gets_default_chunks() {
        let hello = read(hello(), "peer".to_owned()).unwrap();
        assert_eq!((hello.chunk_bytes, hello.held.len()), (CHUNK_BYTES_DEFAULT, 0));
        assert_eq!((hello.joining.serving, hello.joining.refused), (None, None));
        assert_eq!(hello.joining.peer, "peer");
    }

    #[test]
    fn a_node_may_ask_for_smaller_chunks_but_not_for_larger_ones() {
        let chunk =
            |chunk_bytes_max| read(wire::Hello { chunk_bytes_max, ..hello() }, String::new()).unwrap().chunk_bytes;
        assert_eq!(chunk(1000), 1000);
        assert_eq!(chunk(u32::MAX), CHUNK_BYTES_DEFAULT);
        let tiny = u32::try_from(CHUNK_BYTES_MIN - 1).unwrap();
        assert!(refused(wire::Hello { chunk_bytes_max: tiny, ..hello() }).contains("chunk_bytes_max"));
        assert_eq!(chunk(tiny + 1), CHUNK_BYTES_MIN);
    }

    #[test]
    fn every_bad_field_is_named() {
        assert!(refused(wire::Hello::default()).contains("node_id"));
        let at = |bytes| wire::Hello { node_id: "n".repeat(bytes), ..hello() };
        assert!(read(at(NODE_ID_BYTES_MAX), String::new()).is_ok());
        assert!(refused(at(NODE_ID_BYTES_MAX + 1)).contains("node_id"));
        assert!(refused(wire::Hello { build: "b".repeat(TEXT_BYTES_MAX + 1), ..hello() }).contains("build"));
        let labels = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
        assert!(read(wire::Hello { labels: labels(LABELS_MAX), ..hello() }, String::new()).is_ok());
        assert!(refused(wire::Hello { labels: labels(LABELS_MAX + 1), ..hello() }).contains("labels"));
        assert!(refused(wire::Hello { held_version: 1, ..hello() }).contains("held_root_hash"));
        assert!(refused(wire::Hello { held_bundles: vec![vec![1]], ..hello() }).contains("held_bundles"));
        assert!(refused(wire::Hello { refused_bundles: vec![vec![1]], ..hello() }).contains("refused_bundles"));
    }

    #[test]
    fn a_node_that_can_name_its_refusals_is_believed_also_when_there_are_none() {
        let says = wire::Hello { features: vec![REFUSED_BUNDLES.to_owned()], ..hello() };
        assert_eq!(read(says, String::new()).unwrap().joining.refused, Some(HashSet::new()));
    }
}
