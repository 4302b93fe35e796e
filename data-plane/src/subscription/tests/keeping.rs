//! Stories of a node that keeps what serves: what is written when, what it begins with, how old it is, and when it moves.

use super::*;

const ANYONE: u64 = 1;

/// Bundles by their hash, as a disk holds them.
fn disk(texts: &[&str]) -> impl FnMut(&Hash) -> Result<Bytes, String> {
    let texts: HashMap<Hash, Bytes> =
        texts.iter().map(|text| (bundle_hash(text.as_bytes()), Bytes::copy_from_slice(text.as_bytes()))).collect();
    move |hash| texts.get(hash).cloned().ok_or_else(|| format!("bundle {hash} is missing"))
}

fn kept(manifest: &Manifest, texts: &[&str], age: Duration) -> Kept {
    Kept::verify(manifest.clone(), Vec::new(), true, age, disk(texts)).unwrap()
}

/// A node with an empty disk, connected.
fn keeping() -> Node {
    let (mut node, _) = Node::new(ANYONE);
    let begun = node.resume(at(0), None);
    assert!(matches!(begun[..], [Action::Connect { after: Duration::ZERO, to: Address::Same }]));
    tell(&mut node, at(0), Event::Connected);
    node
}

fn resumed(kept: Kept) -> (Node, Outcome) {
    let (mut node, _) = Node::new(ANYONE);
    let actions = node.resume(at(0), Some(kept));
    let outcome = obey(&mut node, at(0), actions);
    (node, outcome)
}

fn done(node: &mut Node, now: Duration, result: Result<(), String>) -> Vec<ToKeep> {
    tell(node, now, Event::Kept { result }).kept
}

fn names(to_keep: &ToKeep) -> Vec<Hash> {
    to_keep.bundles.keys().copied().collect()
}

#[test]
fn what_serves_is_written_after_applied_and_unchanged_bundles_once() {
    let mut node = keeping();
    let first = manifest(1, &[("a", "a1"), ("b", "b1")]);
    let outcome = push(&mut node, &first, &["a1", "b1"], Policy::Quarantine);
    assert_eq!(outcome.said, [applied(&first, 2)]);
    let [written] = &outcome.kept[..] else { panic!("{:?}", outcome.kept) };
    assert_eq!((&written.manifest, written.bundles.len()), (&first, 2));
    assert_eq!(node.kept(), None);
    assert!(done(&mut node, at(2), Ok(())).is_empty());
    assert_eq!(node.kept(), Some((Version(1), first.root_hash)));

    let outcome = push(&mut node, &manifest(2, &[("a", "a2"), ("b", "b1")]), &["a2"], Policy::Quarantine);
    assert_eq!(names(&outcome.kept[0]), [bundle_hash(b"a2")]);
}

#[test]
fn one_writing_at_a_time_and_what_is_outdated_is_never_written() {
    let mut node = keeping();
    assert_eq!(push(&mut node, &manifest(1, &[("a", "a1")]), &["a1"], Policy::Quarantine).kept.len(), 1);
    for (version, text) in [(2, "a2"), (3, "a3")] {
        let outcome = push(&mut node, &manifest(version, &[("a", text)]), &[text], Policy::Quarantine);
        assert!(outcome.kept.is_empty(), "version 1 is being written");
    }
    let next = done(&mut node, at(2), Ok(()));
    assert_eq!((next[0].manifest.version, names(&next[0])), (Version(3), vec![bundle_hash(b"a3")]));
    assert!(done(&mut node, at(3), Ok(())).is_empty());
}

#[test]
fn a_writing_that_failed_is_tried_again_with_growing_waits_and_everything_that_it_lacked() {
    let mut node = keeping();
    let no_room = || Err("no room".to_owned());
    push(&mut node, &manifest(1, &[("a", "a1")]), &["a1"], Policy::Quarantine);
    assert!(done(&mut node, at(10), no_room()).is_empty());
    let second = manifest(2, &[("a", "a1"), ("b", "b1")]);
    assert!(push(&mut node, &second, &["b1"], Policy::Quarantine).kept.is_empty(), "not before the wait is over");
    let mut now = 10;
    for wait in [KEEP_RETRY_MS_MIN, 2 * KEEP_RETRY_MS_MIN, 4 * KEEP_RETRY_MS_MIN] {
        assert!(tell(&mut node, at(now + wait - 1), Event::Tick).kept.is_empty());
        now += wait;
        // A control plane that is silent meanwhile is another story.
        let again = tell(&mut node, at(now), Event::Tick).kept;
        assert_eq!((again[0].manifest.version, again[0].bundles.len()), (Version(2), 2));
        assert!(done(&mut node, at(now), no_room()).is_empty());
    }
    assert_eq!(node.kept(), None);
    now += KEEP_RETRY_MS_MAX;
    assert_eq!(tell(&mut node, at(now), Event::Tick).kept.len(), 1);
    done(&mut node, at(now), Ok(()));
    assert_eq!(node.kept(), Some((Version(2), second.root_hash)));
}

#[test]
fn a_node_begins_with_what_was_kept_and_says_so_in_its_first_hello() {
    let first = manifest(5, &[("a", "a1"), ("b", "b1")]);
    let (mut node, outcome) = resumed(kept(&first, &["a1", "b1"], at(70_000)));
    assert_eq!((outcome.compiled, outcome.table.unwrap().len()), (2, 2));
    assert_eq!(outcome.connect, Some((Duration::ZERO, Address::Same)));
    assert_eq!(outcome.said, [], "there is no stream yet");
    assert_eq!((node.serving(), node.kept()), (Some((Version(5), first.root_hash)), node.serving()));
    assert!(node.is_from_disk());

    let hello = tell(&mut node, at(1), Event::Connected).said;
    let held = vec![bundle_hash(b"a1"), bundle_hash(b"b1")];
    let expected = Outgoing::Hello { serving: node.serving(), held_bundles: held, refused_bundles: vec![] };
    assert_eq!(hello, [expected]);

    // The control plane has the same: no work, no swap, nothing to write.
    let again = push(&mut node, &first, &[], Policy::Quarantine);
    assert_eq!((again.said, again.compiled, again.kept), (vec![applied(&first, 2)], 0, vec![]));
    assert!(!node.is_from_disk());
    // And then something newer.
    let second = manifest(6, &[("a", "a2"), ("b", "b1")]);
    let newer = push(&mut node, &second, &["a2"], Policy::Quarantine);
    assert_eq!((newer.compiled, names(&newer.kept[0])), (1, vec![bundle_hash(b"a2")]));
}

#[test]
fn versions_only_grow_across_a_start_too() {
    let (mut node, _) = resumed(kept(&manifest(7, &[("a", "a7")]), &["a7"], at(0)));
    tell(&mut node, at(1), Event::Connected);
    let older = manifest(3, &[("a", "a3")]);
    let outcome = hear(&mut node, Incoming::Manifest(older.clone()));
    assert_eq!(outcome.said, [refused(&older, None, "version 3 is older than version 7, which serves")]);
}

#[test]
fn what_was_kept_serves_whole_or_not_at_all() {
    let first = manifest(2, &[("a", "a1"), ("b", "bad b")]);
    let (node, outcome) = resumed(kept(&first, &["a1", "bad b"], at(0)));
    assert!(outcome.discarded.unwrap().contains("it is bad"));
    assert!(outcome.table.is_none() && outcome.connect.is_some());
    assert_eq!((node.serving(), node.kept(), node.confirmed_age(at(9))), (None, None, None));
}

#[test]
fn what_is_not_as_it_was_is_not_taken() {
    let first = manifest(2, &[("a", "a1"), ("b", "b1")]);
    let verify = |manifest: &Manifest, quarantined, texts: &[&str]| {
        Kept::verify(manifest.clone(), quarantined, true, at(0), disk(texts)).map(|_| ())
    };
    assert_eq!(verify(&first, vec![], &["a1", "b1"]), Ok(()));
    assert!(verify(&first, vec![], &["a1"]).unwrap_err().contains("is missing"));
    let mut lying = first.clone();
    lying.root_hash.0[0] ^= 1;
    assert!(verify(&lying, vec![], &["a1", "b1"]).unwrap_err().contains("root hash"));
    let stranger = Quarantined { hash: Hash([7; 32]), reason: String::new(), previous: None };
    assert!(verify(&first, vec![stranger], &["a1", "b1"]).unwrap_err().contains("not in the manifest"));
    let torn = |_: &Hash| Ok(Bytes::from_static(b"a"));
    let said = Kept::verify(first, Vec::new(), true, at(0), torn).map(|_| ()).unwrap_err();
    assert!(said.contains("other bytes"), "{said}");
}

#[test]
fn a_quarantined_bundle_is_kept_with_what_serves_in_its_place() {
    let mut node = keeping();
    push(&mut node, &manifest(1, &[("a", "a1"), ("b", "b1")]), &["a1", "b1"], Policy::Quarantine);
    done(&mut node, at(2), Ok(()));
    let second = manifest(2, &[("a", "bad a"), ("b", "b1"), ("c", "bad c")]);
    let outcome = push(&mut node, &second, &["bad a", "bad c"], Policy::Quarantine);
    let [written] = &outcome.kept[..] else { panic!("{:?}", outcome.kept) };
    let reason = || "it is bad".to_owned();
    let quarantined = vec![
        Quarantined { hash: bundle_hash(b"bad a"), reason: reason(), previous: Some(bundle_hash(b"a1")) },
        Quarantined { hash: bundle_hash(b"bad c"), reason: reason(), previous: None },
    ];
    assert_eq!((&written.quarantined, written.bundles.len()), (&quarantined, 0));

    let again = |is_same_build| {
        let disk = disk(&["a1", "b1"]);
        let kept = Kept::verify(second.clone(), written.quarantined.clone(), is_same_build, at(0), disk).unwrap();
        let (mut node, outcome) = resumed(kept);
        let hashes: Vec<Hash> = outcome.table.unwrap().into_iter().map(|part| part.hash).collect();
        assert_eq!(hashes, [bundle_hash(b"a1"), bundle_hash(b"b1")], "the same as before");
        let said = tell(&mut node, at(1), Event::Connected).said;
        let [Outgoing::Hello { refused_bundles, .. }] = &said[..] else { panic!("{said:?}") };
        (refused_bundles.len(), node)
    };
    let (refused_count, mut node) = again(true);
    assert_eq!(refused_count, 2);
    assert_eq!(push(&mut node, &second, &[], Policy::Quarantine).compiled, 0);
    // Another build of the program may take what this one refused, so it comes again, though its version serves.
    let (refused_count, mut node) = again(false);
    assert_eq!(refused_count, 0);
    let outcome = push(&mut node, &second, &["bad a", "bad c"], Policy::Quarantine);
    assert_eq!((outcome.compiled, outcome.said.last()), (2, Some(&applied(&second, 2))));
}

#[test]
fn age_counts_from_the_last_word_of_a_control_plane_that_knows_what_serves() {
    let limit = at(60_000);
    let (mut node, _) = resumed(kept(&manifest(2, &[("a", "a1")]), &["a1"], at(50_000)));
    assert_eq!(node.confirmed_age(at(1_000)), Some(at(51_000)));
    assert!(!node.is_stale(at(9_999), limit) && node.is_stale(at(10_000), limit));

    tell(&mut node, at(20_000), Event::Connected);
    assert!(node.is_stale(at(20_000), limit), "an open stream says nothing by itself");
    let beat = |newest| Event::Received(Incoming::Heartbeat { newest: Version(newest) });
    tell(&mut node, at(20_001), beat(1));
    assert!(node.is_stale(at(20_001), limit), "it knows only what is older");
    tell(&mut node, at(20_002), Event::Closed { reason: "cut".to_owned(), superseded: false });

    tell(&mut node, at(21_000), Event::Connected);
    tell(&mut node, at(21_001), beat(2));
    assert!(node.is_confirmed() && !node.is_from_disk());
    assert!(!node.is_stale(at(10_000_000), limit), "the stream stands; its silence ends it");
    tell(&mut node, at(22_000), Event::Closed { reason: "cut".to_owned(), superseded: false });
    assert_eq!(node.confirmed_age(at(23_001)), Some(at(2_000)));
    assert!(!node.is_stale(at(81_000), limit) && node.is_stale(at(81_001), limit));
}

#[test]
fn confirmations_are_noted_now_and_then_when_what_serves_is_durable() {
    let mut node = keeping();
    push(&mut node, &manifest(1, &[("a", "a1")]), &["a1"], Policy::Quarantine);
    assert!(tell(&mut node, at(NOTE_MS * 2), Event::Tick).notes.is_empty(), "it is not durable");
    let (mut node, _) = resumed(kept(&manifest(2, &[("a", "a1")]), &["a1"], at(50_000)));
    assert!(tell(&mut node, at(NOTE_MS * 2), Event::Tick).notes.is_empty(), "nobody confirmed it");
    let mut now = NOTE_MS * 2;
    tell(&mut node, at(now), Event::Connected);
    let mut noted = Vec::new();
    for _ in 0..=NOTE_MS / 1_000 {
        tell(&mut node, at(now), Event::Received(Incoming::Heartbeat { newest: Version(2) }));
        noted.extend(tell(&mut node, at(now), Event::Tick).notes);
        now += 1_000;
    }
    assert_eq!(noted, [Version(2), Version(2)]);
}

#[test]
fn an_old_stream_is_left_for_another_without_a_gap() {
    let age = at(STREAM_AGE_MS_MAX);
    let mut node = connected();
    let first = manifest(1, &[("a", "a1")]);
    push(&mut node, &first, &["a1"], Policy::Quarantine);
    let mut now = at(0);
    let mut moved_at = None;
    while moved_at.is_none() && now <= age {
        now += at(1_000);
        tell(&mut node, now, Event::Received(Incoming::Heartbeat { newest: Version(1) }));
        moved_at = (!tell(&mut node, now, Event::Tick).moves.is_empty()).then_some(now);
    }
    let moved_at = moved_at.expect("it moves before the stream is too old");
    assert!(moved_at > age / 4 * 3, "{moved_at:?}");
    assert!(node.is_connected() && tell(&mut node, now, Event::Tick).moves.is_empty(), "it asks once");

    // Nobody there: the stream goes on, and takes what comes.
    tell(&mut node, now, Event::NotMoved);
    let second = manifest(2, &[("a", "a2")]);
    assert_eq!(push(&mut node, &second, &["a2"], Policy::Quarantine).said, [applied(&second, 1)]);
    now += at(MOVE_RETRY_MS);
    tell(&mut node, now, Event::Received(Incoming::Heartbeat { newest: Version(2) }));
    // In the middle of an offer it waits.
    tell(&mut node, now, Event::Received(Incoming::Manifest(manifest(3, &[("a", "a3")]))));
    assert!(tell(&mut node, now, Event::Tick).moves.is_empty());
    tell(&mut node, now, Event::Received(Incoming::Chunk(chunk("a3"))));
    tell(&mut node, now, Event::Received(activate(&manifest(3, &[("a", "a3")]), Policy::Quarantine)));
    assert_eq!(tell(&mut node, now, Event::Tick).moves.len(), 1);

    let hello = tell(&mut node, now, Event::Connected).said;
    let [Outgoing::Hello { serving, held_bundles, .. }] = &hello[..] else { panic!("{hello:?}") };
    assert_eq!((serving.unwrap().0, &held_bundles[..]), (Version(3), &[bundle_hash(b"a3")][..]));
}

/// When the node looks for another stream, and where, in milliseconds and as it was drawn.
fn moves(node: &mut Node) -> (u64, u64) {
    let mut now = 0;
    loop {
        now += 1_000;
        assert!(now <= 2 * STREAM_AGE_MS_MAX, "it never moves");
        tell(node, at(now), Event::Received(Incoming::Unknown));
        if let Some(draw) = tell(node, at(now), Event::Tick).moves.pop() {
            return (now, draw);
        }
    }
}

#[test]
fn a_good_stream_makes_the_next_wait_short_also_when_it_was_left() {
    let mut node = connected();
    let cut = || Event::Closed { reason: "cut".to_owned(), superseded: false };
    for _ in 0..8 {
        tell(&mut node, at(1), cut());
        tell(&mut node, at(1), Event::Connected);
    }
    let (now, _) = moves(&mut node);
    tell(&mut node, at(now), Event::Connected);
    assert!(tell(&mut node, at(now), cut()).connect_after() <= at(BACKOFF_MS_MIN));
}

#[test]
fn an_offer_that_never_ends_does_not_hold_a_node_for_ever() {
    let (idle, _) = moves(&mut connected());
    let mut node = connected();
    hear(&mut node, Incoming::Manifest(manifest(1, &[("a", "a1")])));
    assert_eq!(moves(&mut node).0, idle + MOVE_RETRY_MS);
}

#[test]
fn nodes_move_at_different_times_and_to_different_places() {
    let of = |seed| {
        let (mut node, _) = Node::new(seed);
        tell(&mut node, at(0), Event::Connected);
        let (now, draw) = moves(&mut node);
        (now, draw % 2)
    };
    let all: Vec<_> = (1..=100).map(|seed| of(seed * 7919)).collect();
    let times: HashSet<u64> = all.iter().map(|(now, _)| *now).collect();
    let first = all.iter().filter(|(_, to)| *to == 0).count();
    assert!(times.len() > 50, "{times:?}");
    assert!((25..=75).contains(&first), "{first} of 100 go to the first of two");
    assert_eq!(of(5), of(5));
}

#[test]
fn a_node_whose_place_was_taken_waits_long() {
    let mut node = connected();
    let outcome = tell(&mut node, at(60_000), Event::Closed { reason: "taken".to_owned(), superseded: true });
    assert!(outcome.connect_after() >= at(SUPERSEDED_MS_MAX / 2));
    assert_eq!(outcome.connect.unwrap().1, Address::Same, "the other one would take it from there too");
}
