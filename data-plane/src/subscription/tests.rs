//! Stories with one node and a control plane of our making; [`simulation`] tells thousands at random.

mod delta;
mod deltas;
mod keeping;
mod simulation;

use super::*;
use bytes::Bytes;
use penstock_model::bundle::{BundleKey, BundleRef, Manifest};
use penstock_proto::convert::{bundle_hash, manifest_root_hash};
use std::collections::{HashMap, HashSet};

/// A compiled bundle: which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    key: BundleKey,
    hash: Hash,
}

type Node = Subscription<Part>;

fn key(api: &str) -> BundleKey {
    BundleKey { rest_api_id: api.into(), stage_name: "v1".into() }
}

/// A manifest of these (API, bundle) pairs.
fn manifest(version: u64, bundles: &[(&str, &str)]) -> Manifest {
    let bundles: Vec<BundleRef> = bundles
        .iter()
        .map(|(api, text)| BundleRef {
            key: key(api),
            hash: bundle_hash(text.as_bytes()),
            size_bytes: text.len() as u64,
        })
        .collect();
    let root_hash = manifest_root_hash(&bundles, &[]);
    Manifest { version: Version(version), root_hash, bundles, base_path_mappings: [].into() }
}

fn chunk(text: &str) -> Chunk {
    Chunk { hash: bundle_hash(text.as_bytes()), offset: 0, data: Bytes::copy_from_slice(text.as_bytes()), last: true }
}

fn activate(manifest: &Manifest, policy: Policy) -> Incoming {
    Incoming::Activate { version: manifest.version, root_hash: manifest.root_hash, policy }
}

/// Bundles whose text begins with "bad" do not compile.
fn compile(bundles: Vec<Uncompiled>) -> Vec<(Hash, Result<Part, String>)> {
    bundles
        .into_iter()
        .map(|bundle| {
            let part = Part { key: bundle.key, hash: bundle.hash };
            (bundle.hash, if bundle.bytes.starts_with(b"bad") { Err("it is bad".to_owned()) } else { Ok(part) })
        })
        .collect()
}

/// What came of an event, once compiling and swapping are done.
#[derive(Debug, Default)]
struct Outcome {
    said: Vec<Outgoing>,
    compiled: usize,
    table: Option<Vec<Part>>,
    closed: Option<String>,
    connect: Option<(Duration, Address)>,
    moves: Vec<u64>,
    kept: Vec<ToKeep>,
    notes: Vec<Version>,
    discarded: Option<String>,
}

impl Outcome {
    fn connect_after(&self) -> Duration {
        self.connect.expect("it connects").0
    }
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn tell(node: &mut Node, now: Duration, event: Event<Part>) -> Outcome {
    let actions = node.handle(now, event);
    obey(node, now, actions)
}

fn obey(node: &mut Node, now: Duration, actions: Vec<Action<Part>>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut actions = std::collections::VecDeque::from(actions);
    while let Some(action) = actions.pop_front() {
        match action {
            Action::Send(message) => outcome.said.push(message),
            Action::Close { reason } => outcome.closed = Some(reason),
            Action::Connect { after, to } => outcome.connect = Some((after, to)),
            Action::Move { draw } => outcome.moves.push(draw),
            Action::Compile { build, bundles } => {
                outcome.compiled += bundles.len();
                actions.extend(node.handle(now, Event::Compiled { build, results: compile(bundles) }));
            }
            Action::Swap(table) => {
                let count = table.stages.len() as u64;
                outcome.table = Some(table.stages);
                actions.extend(node.handle(now, Event::Swapped { result: Ok(count) }));
            }
            Action::Discard { reason } => outcome.discarded = Some(reason),
            Action::Keep(to_keep) => outcome.kept.push(to_keep),
            Action::Note { version, .. } => outcome.notes.push(version),
        }
    }
    outcome
}

fn hear(node: &mut Node, message: Incoming) -> Outcome {
    tell(node, at(1), Event::Received(message))
}

fn connected() -> Node {
    let (mut node, first) = Node::new(1);
    assert!(matches!(first, Action::Connect { after: Duration::ZERO, to: Address::Same }));
    tell(&mut node, at(0), Event::Connected);
    node
}

/// Offers and activates; `sent` are the bundles that travel.
fn push(node: &mut Node, manifest: &Manifest, sent: &[&str], policy: Policy) -> Outcome {
    assert_eq!(hear(node, Incoming::Manifest(manifest.clone())).closed, None);
    for text in sent {
        assert_eq!(hear(node, Incoming::Chunk(chunk(text))).closed, None);
    }
    hear(node, activate(manifest, policy))
}

fn applied(manifest: &Manifest, route_count: u64) -> Outgoing {
    let (version, root_hash) = (manifest.version, manifest.root_hash);
    Outgoing::Applied { version, root_hash, route_count, build_time_us: 0 }
}

fn refused(manifest: &Manifest, bundle: Option<&str>, reason: &str) -> Outgoing {
    let bundle = bundle.map(|text| bundle_hash(text.as_bytes()));
    Outgoing::Refused { version: manifest.version, bundle, reason: reason.to_owned() }
}

#[test]
fn a_fresh_node_holds_nothing_and_takes_everything() {
    let (mut node, _) = Node::new(1);
    let hello = tell(&mut node, at(0), Event::Connected).said;
    assert_eq!(hello, [Outgoing::Hello { serving: None, held_bundles: vec![], refused_bundles: vec![] }]);

    let first = manifest(1, &[("a", "a1"), ("b", "b1")]);
    let outcome = push(&mut node, &first, &["a1", "b1"], Policy::Quarantine);

    assert_eq!((outcome.compiled, outcome.said), (2, vec![applied(&first, 2)]));
    assert_eq!(node.serving(), Some((Version(1), first.root_hash)));
}

#[test]
fn a_change_compiles_only_what_changed() {
    let mut node = connected();
    push(&mut node, &manifest(1, &[("a", "a1"), ("b", "b1")]), &["a1", "b1"], Policy::Quarantine);
    let second = manifest(2, &[("a", "a2"), ("b", "b1")]);
    let outcome = push(&mut node, &second, &["a2"], Policy::Quarantine);
    assert_eq!((outcome.compiled, outcome.said), (1, vec![applied(&second, 2)]));
    let hashes: Vec<Hash> = outcome.table.unwrap().into_iter().map(|part| part.hash).collect();
    assert_eq!(hashes, [bundle_hash(b"a2"), bundle_hash(b"b1")]);
}

#[test]
fn a_manifest_without_any_change_in_bundles_is_swapped_without_compiling() {
    let mut node = connected();
    push(&mut node, &manifest(1, &[("a", "a1")]), &["a1"], Policy::Quarantine);
    let second = manifest(2, &[("a", "a1")]);
    let outcome = push(&mut node, &second, &[], Policy::Quarantine);
    assert_eq!((outcome.compiled, outcome.said), (0, vec![applied(&second, 1)]));
}

#[test]
fn a_refused_bundle_keeps_its_previous_version_while_the_rest_goes_live() {
    let mut node = connected();
    push(&mut node, &manifest(1, &[("a", "a1"), ("b", "b1")]), &["a1", "b1"], Policy::Quarantine);
    let second = manifest(2, &[("a", "bad a"), ("b", "b2"), ("c", "bad c")]);
    let outcome = push(&mut node, &second, &["bad a", "b2", "bad c"], Policy::Quarantine);

    let table = outcome.table.unwrap();
    let expected = [Part { key: key("a"), hash: bundle_hash(b"a1") }, Part { key: key("b"), hash: bundle_hash(b"b2") }];
    assert_eq!(table, expected, "the previous a, the new b, and no c, which has no previous version");
    let answers = [
        refused(&second, Some("bad a"), "it is bad"),
        refused(&second, Some("bad c"), "it is bad"),
        applied(&second, 2),
    ];
    assert_eq!(outcome.said, answers);
    assert!(node.last_refusal().unwrap().contains("it is bad"));
}

#[test]
fn all_or_nothing_leaves_everything_as_it_was() {
    let mut node = connected();
    let first = manifest(1, &[("a", "a1"), ("b", "b1")]);
    push(&mut node, &first, &["a1", "b1"], Policy::AllOrNothing);
    let second = manifest(2, &[("a", "bad a"), ("b", "b2")]);
    let outcome = push(&mut node, &second, &["bad a", "b2"], Policy::AllOrNothing);
    assert!(outcome.table.is_none());
    let whole = refused(&second, None, "1 bundles were refused, and it was all or nothing");
    assert_eq!(outcome.said, [refused(&second, Some("bad a"), "it is bad"), whole]);
    assert_eq!(node.serving(), Some((Version(1), first.root_hash)));
}

#[test]
fn a_refusal_is_remembered_and_neither_taken_nor_compiled_again() {
    let mut node = connected();
    let first = manifest(1, &[("a", "bad a"), ("b", "b1")]);
    push(&mut node, &first, &["bad a", "b1"], Policy::Quarantine);

    tell(&mut node, at(2), Event::Closed { reason: "cut".to_owned(), superseded: false });
    let hello = tell(&mut node, at(3), Event::Connected).said;
    let [Outgoing::Hello { serving, held_bundles, refused_bundles }] = &hello[..] else { panic!("{hello:?}") };
    assert_eq!(*serving, Some((Version(1), first.root_hash)));
    assert_eq!((&held_bundles[..], &refused_bundles[..]), (&[bundle_hash(b"b1")][..], &[bundle_hash(b"bad a")][..]));

    // The control plane started anew and asks for the same: the same answer, without any work.
    let again = push(&mut node, &first, &[], Policy::Quarantine);
    assert_eq!(again.said, [refused(&first, Some("bad a"), "it is bad"), applied(&first, 1)]);
    assert!(again.table.is_none());

    // A newer manifest still lists it.
    let second = manifest(2, &[("a", "bad a"), ("b", "b2")]);
    let newer = push(&mut node, &second, &["b2"], Policy::Quarantine);
    assert_eq!(newer.compiled, 1);
    assert_eq!(newer.said, [refused(&second, Some("bad a"), "it is bad"), applied(&second, 1)]);

    // Once nothing lists it any more, it is forgotten.
    push(&mut node, &manifest(3, &[("b", "b2")]), &[], Policy::Quarantine);
    assert_eq!(node.last_refusal(), None);
    assert_eq!(push(&mut node, &manifest(4, &[("a", "bad a")]), &["bad a"], Policy::Quarantine).compiled, 1);
}

#[test]
fn versions_only_grow_and_a_store_that_was_lost_is_reported() {
    let mut node = connected();
    let seventh = manifest(7, &[("a", "a7")]);
    push(&mut node, &seventh, &["a7"], Policy::Quarantine);

    for (other, reason) in [
        (manifest(3, &[("a", "a3")]), "version 3 is older than version 7, which serves".to_owned()),
        (
            manifest(7, &[("a", "a3")]),
            format!("version 7 serves with another content, root hash {}", seventh.root_hash),
        ),
    ] {
        let outcome = hear(&mut node, Incoming::Manifest(other.clone()));
        assert_eq!((outcome.said, outcome.closed), (vec![refused(&other, None, &reason)], None));
        // What was on its way is skipped without a second answer.
        assert!(hear(&mut node, Incoming::Chunk(chunk("a3"))).said.is_empty());
        let outcome = hear(&mut node, activate(&other, Policy::Quarantine));
        assert!(outcome.said.is_empty() && outcome.closed.is_none() && outcome.table.is_none());
    }
    assert_eq!(node.serving(), Some((Version(7), seventh.root_hash)));
    let eighth = manifest(8, &[("a", "a8")]);
    assert_eq!(push(&mut node, &eighth, &["a8"], Policy::Quarantine).said, [applied(&eighth, 1)]);
}

#[test]
fn a_policy_from_the_future_is_refused_not_guessed() {
    let mut node = connected();
    let first = manifest(1, &[("a", "a1")]);
    let outcome = push(&mut node, &first, &["a1"], Policy::Unknown(9));
    assert_eq!(outcome.said, [refused(&first, None, "activation policy 9 is unknown here")]);
    assert_eq!((outcome.closed, node.serving()), (None, None));
}

#[test]
fn unknown_messages_are_skipped_and_count_as_life() {
    let mut node = connected();
    let later = at(SILENCE_MS_MAX - 1);
    assert!(tell(&mut node, later, Event::Received(Incoming::Unknown)).closed.is_none());
    assert!(tell(&mut node, at(SILENCE_MS_MAX + 1), Event::Tick).closed.is_none());
}

#[test]
fn heartbeats_are_sent_and_silence_ends_the_stream() {
    let mut node = connected();
    assert!(tell(&mut node, at(HEARTBEAT_MS - 1), Event::Tick).said.is_empty());
    let beat = tell(&mut node, at(HEARTBEAT_MS), Event::Tick);
    assert_eq!(beat.said, [Outgoing::Heartbeat { serving: None }]);
    assert!(tell(&mut node, at(HEARTBEAT_MS + 1), Event::Tick).said.is_empty());
    let silent = tell(&mut node, at(SILENCE_MS_MAX), Event::Tick);
    assert!(silent.closed.as_ref().unwrap().contains("silent"));
    assert!(silent.connect_after() <= at(BACKOFF_MS_MIN));
    assert_eq!(silent.connect.unwrap().1, Address::Next);
    assert!(!node.is_connected());
}

#[test]
fn what_was_built_for_a_stream_that_is_gone_is_dropped() {
    let mut node = connected();
    let first = manifest(1, &[("a", "a1")]);
    hear(&mut node, Incoming::Manifest(first.clone()));
    hear(&mut node, Incoming::Chunk(chunk("a1")));
    let mut actions = node.handle(at(1), Event::Received(activate(&first, Policy::Quarantine)));
    let Some(Action::Compile { build, bundles }) = actions.pop() else { panic!("nothing to compile") };
    tell(&mut node, at(2), Event::Closed { reason: "cut".to_owned(), superseded: false });
    let outcome = tell(&mut node, at(3), Event::Compiled { build, results: compile(bundles) });
    assert!(outcome.table.is_none() && outcome.said.is_empty());
}

#[test]
fn a_table_that_could_not_be_assembled_is_refused() {
    let mut node = connected();
    let first = manifest(1, &[]);
    hear(&mut node, Incoming::Manifest(first.clone()));
    let actions = node.handle(at(1), Event::Received(activate(&first, Policy::Quarantine)));
    assert!(matches!(actions[..], [Action::Swap(_)]));
    let outcome = tell(&mut node, at(1), Event::Swapped { result: Err("it broke".to_owned()) });
    assert_eq!((outcome.said, node.serving()), (vec![refused(&first, None, "it broke")], None));
}

/// Every lie ends the stream with a reason that names it, and changes nothing that serves.
#[test]
fn lies_end_the_stream_and_change_nothing() {
    let second = manifest(2, &[("a", "a2"), ("b", "b2")]);
    let offer = Incoming::Manifest(second.clone());
    let changed = |change: fn(&mut Manifest)| {
        let mut other = second.clone();
        change(&mut other);
        Incoming::Manifest(other)
    };
    let piece = |change: fn(&mut Chunk)| {
        let mut other = chunk("a2");
        change(&mut other);
        Incoming::Chunk(other)
    };
    let half = || piece(|c| (c.data, c.last) = (Bytes::from_static(b"a"), false));
    let lies: Vec<(&str, Vec<Incoming>)> = vec![
        ("root hash", vec![changed(|m| m.root_hash = Hash([1; 32]))]),
        ("root hash", vec![changed(|m| m.bundles[0].size_bytes = 9)]),
        ("out of order", vec![changed(|m| m.bundles.reverse())]),
        ("twice", vec![changed(|m| m.bundles[1].key = m.bundles[0].key.clone())]),
        ("twice", vec![changed(|m| m.bundles[1].hash = m.bundles[0].hash)]),
        ("would have", vec![changed(|m| m.bundles[0].size_bytes = u64::MAX)]),
        ("not announced", vec![piece(|_| ())]),
        ("not in the manifest", vec![offer.clone(), piece(|c| c.hash = Hash([2; 32]))]),
        ("goes on at 1", vec![offer.clone(), piece(|c| c.offset = 1)]),
        ("goes on at 0", vec![offer.clone(), half(), half()]),
        ("other bytes", vec![offer.clone(), piece(|c| c.data = Bytes::from_static(b"xx"))]),
        ("differs at 3", vec![offer.clone(), piece(|c| c.data = Bytes::from_static(b"a22"))]),
        ("differs at 1", vec![offer.clone(), piece(|c| c.data = Bytes::from_static(b"a"))]),
        ("differs at 2", vec![offer.clone(), piece(|c| c.last = false)]),
        ("0 bytes", vec![offer.clone(), piece(|c| (c.data, c.last) = (Bytes::new(), false))]),
        ("300000 bytes", vec![offer.clone(), piece(|c| (c.data, c.last) = (Bytes::from(vec![0; 300_000]), false))]),
        ("begins inside", vec![offer.clone(), half(), Incoming::Chunk(chunk("b2"))]),
        ("not on offer", vec![activate(&second, Policy::Quarantine)]),
        ("1 bundles are missing", vec![offer.clone(), piece(|_| ()), activate(&second, Policy::Quarantine)]),
        ("version 2 is on offer", vec![offer.clone(), activate(&manifest(3, &[]), Policy::Quarantine)]),
        ("a field", vec![Incoming::Malformed("a field is wrong".to_owned())]),
    ];
    for (word, messages) in lies {
        let mut node = connected();
        let first = manifest(1, &[("a", "a1")]);
        push(&mut node, &first, &["a1"], Policy::Quarantine);
        let mut messages = messages.into_iter();
        let last = messages.next_back().unwrap();
        for message in messages {
            assert_eq!(hear(&mut node, message).closed, None, "{word}");
        }
        let outcome = hear(&mut node, last);
        let reason = outcome.closed.clone().unwrap_or_else(|| panic!("{word}: the stream goes on"));
        assert!(reason.contains(word), "{reason:?} should contain {word:?}");
        assert!(matches!(&outcome.said[..], [Outgoing::Refused { bundle: None, reason: r, .. }] if *r == reason));
        assert!(outcome.connect.is_some() && outcome.table.is_none());
        assert_eq!(node.serving(), Some((Version(1), first.root_hash)), "{word}");
    }
}

#[test]
fn limits_of_a_manifest_hold_at_the_limit_and_one_more() {
    let names: Vec<String> = (0..=MANIFEST_BUNDLES_MAX).map(|n| format!("{n:08}")).collect();
    let bundles: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let full = manifest(1, &bundles[..MANIFEST_BUNDLES_MAX]);
    assert_eq!(hear(&mut connected(), Incoming::Manifest(full)).closed, None);
    let over = hear(&mut connected(), Incoming::Manifest(manifest(1, &bundles)));
    assert!(over.closed.unwrap().contains("lists 100001 bundles"));

    let sized = |last_bytes: u64| {
        let mut list = manifest(1, &bundles[..17]);
        list.bundles.iter_mut().take(16).for_each(|b| b.size_bytes = SYNC_BYTES_MAX / 16);
        list.bundles[16].size_bytes = last_bytes;
        list.root_hash = manifest_root_hash(&list.bundles, &[]);
        hear(&mut connected(), Incoming::Manifest(list)).closed
    };
    assert_eq!(sized(0), None);
    assert!(sized(1).unwrap().contains("the missing bundles have"));
}
