//! A manifest that comes as what differs from the one that serves.

use super::*;
use penstock_model::bundle::ManifestDelta;

#[test]
fn a_delta_on_what_serves_is_as_good_as_a_manifest() {
    let (first, second) =
        (manifest(1, &[("a", "a1"), ("b", "b1"), ("c", "c1")]), manifest(2, &[("a", "a1"), ("b", "b2")]));
    let mut node = connected();
    push(&mut node, &first, &["a1", "b1", "c1"], Policy::Quarantine);
    let heard = hear(&mut node, Incoming::Delta(ManifestDelta::between(&first, &second)));
    assert_eq!((heard.closed, heard.said), (None, vec![]));
    assert_eq!(hear(&mut node, Incoming::Chunk(chunk("b2"))).closed, None);
    let outcome = hear(&mut node, activate(&second, Policy::Quarantine));
    assert_eq!(outcome.said, [applied(&second, 2)]);
}

#[test]
fn a_delta_on_anything_else_ends_the_stream_and_changes_nothing() {
    let (first, second) = (manifest(1, &[("a", "a1")]), manifest(2, &[("a", "a2")]));
    let good = ManifestDelta::between(&first, &second);
    let mut wrong_root = good.clone();
    wrong_root.root_hash.0[0] ^= 1;
    let mut wrong_bundle = good.clone();
    wrong_bundle.bundles[0].hash.0[0] ^= 1;
    let older = ManifestDelta { base: (Version(0), first.root_hash), ..good.clone() };
    let other = ManifestDelta { base: (Version(1), second.root_hash), ..good };
    for delta in [wrong_root, wrong_bundle, older, other] {
        let mut node = connected();
        push(&mut node, &first, &["a1"], Policy::Quarantine);
        let heard = hear(&mut node, Incoming::Delta(delta.clone()));
        assert!(heard.closed.is_some(), "{delta:?}");
        assert_eq!(node.serving(), Some((first.version, first.root_hash)));
        // Nothing serves, so nothing can differ from it.
        assert!(hear(&mut connected(), Incoming::Delta(delta)).closed.is_some());
    }
}
