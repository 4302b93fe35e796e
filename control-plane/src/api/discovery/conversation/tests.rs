//! What is said and what answers mean, without a stream and with a clock of our own.

use super::super::samples::publication;
use super::*;
use crate::fleet::{Fleet, Joining};
use wire::control_message::Kind as Said;

struct Talk {
    conversation: Conversation,
    fleet: Arc<Fleet>,
    start: Instant,
}

fn hash(api: &str, text: &str) -> Hash {
    publication(1, &[(api, text)]).manifest.bundles[0].hash
}

impl Talk {
    fn with(held: &[Hash], refused: &[Hash]) -> Self {
        let fleet = Arc::new(Fleet::default());
        let refused = Some(refused.iter().copied().collect());
        let joining = Joining { id: "n".into(), refused, ..Joining::default() };
        let hello = Hello {
            joining: joining.clone(),
            held: held.iter().copied().collect(),
            takes_deltas: false,
            chunk_bytes: 1 << 20,
        };
        let member = fleet.join(joining, 0).unwrap();
        let start = Instant::now();
        let limits = Limits { heartbeat_ms: 1_000, answer_ms_max: 60_000, stall_ms_max: 30_000, ..Limits::default() };
        Self { conversation: Conversation::new(hello, member, limits, start), fleet, start }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn offer(&mut self, newest: &Arc<Publication>) -> Offer {
        self.conversation.offer(newest, false, self.start)
    }

    /// Everything that is to be said.
    fn said(&mut self) -> Vec<Said> {
        let manifest = Manifest::default();
        let mut said = Vec::new();
        while self.conversation.has_message() {
            let message = self.conversation.next_message(&manifest, self.start).expect("it has one");
            said.extend(message.kind);
        }
        said
    }

    /// Hashes of the bundles that are sent along.
    fn sent(&mut self) -> Vec<Hash> {
        let chunk = |said| match said {
            Said::BundleChunk(chunk) => Hash::from_slice(&chunk.hash),
            _ => None,
        };
        self.said().into_iter().filter_map(chunk).collect()
    }

    fn hear(&mut self, kind: Kind) -> Result<(), End> {
        self.conversation.hear(wire::NodeMessage { kind: Some(kind) }, self.start, 5)
    }

    fn applied(&mut self, publication: &Publication) {
        let (version, root_hash) = (publication.version.0, publication.manifest.root_hash.0.to_vec());
        self.hear(Kind::Applied(wire::Applied {
            version,
            root_hash,
            route_count: 3,
            build_time_us: 7,
            ..Default::default()
        }))
        .unwrap();
    }

    fn refused(&mut self, version: u64, bundle: Option<Hash>) {
        let bundle_hash = bundle.map(|hash| hash.0.to_vec()).unwrap_or_default();
        self.hear(Kind::Refused(wire::Refused { version, bundle_hash, reason: "no".to_owned() })).unwrap();
    }
}

#[test]
fn at_most_one_offer_is_unanswered_and_bursts_coalesce() {
    let mut talk = Talk::with(&[], &[]);
    let first = publication(1, &[("a", "1")]);
    assert_eq!(talk.offer(&first), Offer::Made);
    assert!(matches!(talk.said()[..], [Said::Manifest(_), Said::BundleChunk(_), Said::Activate(_)]));
    for version in 2..50 {
        assert_eq!(talk.offer(&publication(version, &[("a", "2")])), Offer::NotNow);
    }
    talk.applied(&first);
    assert_eq!(talk.offer(&publication(50, &[("a", "2")])), Offer::Made);
    assert!(matches!(&talk.said()[0], Said::Manifest(manifest) if manifest.version == 50));
}

#[test]
fn what_differs_is_said_to_a_node_that_has_answered_and_takes_it() {
    let first = publication(1, &[("a", "1"), ("b", "1")]);
    let second = publication(2, &[("a", "1"), ("b", "2")]);
    let third = publication(3, &[("a", "1"), ("b", "3")]);
    for takes_deltas in [false, true] {
        let mut talk = Talk::with(&[], &[]);
        talk.conversation.takes_deltas = takes_deltas;
        talk.offer(&first);
        assert!(matches!(talk.said()[0], Said::Manifest(_)), "what a node serves that has just come is not known");
        talk.applied(&first);
        talk.offer(&second);
        let based = |said: &[Said]| match &said[0] {
            Said::ManifestDelta(delta) => Some((delta.base_version, delta.version)),
            _ => None,
        };
        let said = talk.said();
        assert_eq!(based(&said), takes_deltas.then_some((1, 2)));
        assert_eq!(said.len(), 3);
        // What it refuses as a whole it does not serve.
        talk.refused(2, None);
        talk.offer(&third);
        assert_eq!(based(&talk.said()), takes_deltas.then_some((1, 3)));
    }
}

#[test]
fn a_bundle_that_was_refused_is_not_held_once_it_is_forgotten() {
    let mut talk = Talk::with(&[], &[]);
    talk.conversation.takes_deltas = true;
    let first = publication(1, &[("a", "1"), ("b", "bad")]);
    talk.offer(&first);
    talk.said();
    talk.refused(1, Some(hash("b", "bad")));
    talk.applied(&first);
    let second = publication(2, &[("a", "1")]);
    talk.offer(&second);
    assert_eq!(talk.sent(), []);
    talk.applied(&second);
    talk.offer(&publication(3, &[("a", "1"), ("b", "bad")]));
    assert_eq!(talk.sent(), [hash("b", "bad")]);
}

#[test]
fn a_node_gets_only_what_it_lacks() {
    let mut talk = Talk::with(&[hash("a", "1")], &[]);
    let first = publication(1, &[("a", "1"), ("b", "1")]);
    talk.offer(&first);
    assert_eq!(talk.sent(), [hash("b", "1")]);
    talk.applied(&first);
    talk.offer(&publication(2, &[("a", "1"), ("b", "2")]));
    assert_eq!(talk.sent(), [hash("b", "2")]);
}

#[test]
fn what_was_applied_is_not_offered_again_and_nothing_is_offered_before_the_first_publication() {
    let mut talk = Talk::with(&[], &[]);
    assert_eq!(talk.offer(&publication(0, &[])), Offer::NotNow);
    let first = publication(1, &[]);
    talk.offer(&first);
    talk.said();
    talk.applied(&first);
    assert_eq!(talk.offer(&first), Offer::NotNow);
}

#[test]
fn a_refused_bundle_is_not_sent_again_until_its_hash_differs() {
    let mut talk = Talk::with(&[], &[]);
    let first = publication(1, &[("a", "bad"), ("b", "1")]);
    talk.offer(&first);
    talk.said();
    talk.refused(1, Some(hash("a", "bad")));
    talk.applied(&first);
    let [node] = &talk.fleet.nodes()[..] else { panic!("one node") };
    let (refused_hash, key) = node.refusals[0].bundle.clone().unwrap();
    assert_eq!((refused_hash, key.rest_api_id.as_str()), (hash("a", "bad"), "a"));

    let second = publication(2, &[("a", "bad"), ("b", "2")]);
    talk.offer(&second);
    assert_eq!(talk.sent(), [hash("b", "2")]);
    talk.applied(&second);
    talk.offer(&publication(3, &[("a", "good"), ("b", "2")]));
    assert_eq!(talk.sent(), [hash("a", "good")]);
    assert!(talk.fleet.nodes()[0].refusals.is_empty(), "nothing lists it any more");
}

#[test]
fn what_a_node_refused_before_it_came_is_not_sent() {
    let mut talk = Talk::with(&[hash("b", "1")], &[hash("a", "bad")]);
    let first = publication(1, &[("a", "bad"), ("b", "1")]);
    talk.offer(&first);
    assert!(talk.sent().is_empty());
    talk.refused(1, Some(hash("a", "bad")));
    talk.applied(&first);
    assert_eq!(talk.fleet.nodes()[0].refusals.len(), 1);
}

#[test]
fn a_refused_manifest_is_an_answer_and_waits_for_a_newer_one() {
    let mut talk = Talk::with(&[hash("a", "1")], &[]);
    let first = publication(1, &[("a", "2")]);
    talk.offer(&first);
    talk.said();
    talk.refused(1, None);
    assert_eq!(talk.offer(&first), Offer::NotNow);
    assert_eq!(talk.fleet.nodes()[0].refusals[0].bundle, None);

    talk.offer(&publication(2, &[("a", "1"), ("b", "1")]));
    assert_eq!(talk.sent(), [hash("b", "1")], "it still holds what it held before");
}

#[test]
fn a_manifest_that_is_refused_half_way_is_not_finished() {
    let mut talk = Talk::with(&[], &[]);
    talk.offer(&publication(1, &[("a", "1")]));
    let manifest = Manifest::default();
    talk.conversation.next_message(&manifest, talk.start).unwrap();
    talk.refused(1, None);
    assert!(talk.said().is_empty());
}

#[test]
fn answers_to_something_else_answer_nothing() {
    let mut talk = Talk::with(&[], &[]);
    let second = publication(2, &[("a", "2")]);
    talk.offer(&second);
    talk.applied(&second);
    assert!(talk.conversation.is_sending(), "what was not said yet cannot be answered");
    talk.said();
    talk.applied(&publication(1, &[("a", "1")]));
    talk.refused(1, None);
    talk.refused(2, Some(Hash([7; 32])));
    assert_eq!(talk.offer(&publication(3, &[])), Offer::NotNow);
    assert!(
        talk.fleet.nodes()[0].refusals.iter().all(|refusal| refusal.bundle.is_none()),
        "strange hashes are dropped"
    );
}

#[test]
fn a_large_sync_needs_admission() {
    let text = "x".repeat(SMALL_SYNC_BYTES_MAX);
    let large = publication(1, &[("a", &text)]);
    let mut talk = Talk::with(&[], &[]);
    assert_eq!(talk.offer(&large), Offer::NeedsAdmission);
    assert_eq!(talk.offer(&publication(1, &[("a", "small")])), Offer::Made);
    let mut talk = Talk::with(&[], &[]);
    assert_eq!(talk.conversation.offer(&large, true, talk.start), Offer::Made);
    let mut talk = Talk::with(&[hash("a", &text)], &[]);
    assert_eq!(talk.offer(&large), Offer::Made, "what it holds costs nothing");
}

#[test]
fn silence_ends_the_stream_after_three_heartbeats() {
    let mut talk = Talk::with(&[], &[]);
    talk.conversation.tick(talk.at(3_000)).unwrap();
    talk.said();
    assert_eq!(talk.conversation.tick(talk.at(3_001)), Err(End::Silent(3_000)));
}

/// A node that only says heartbeats, tick by tick, until the stream ends.
fn end_of_a_node_that_lives(talk: &mut Talk, reads: bool) -> (u64, End) {
    for second in 1..=120 {
        let now = talk.at(second * 1_000);
        let beat = wire::NodeMessage { kind: Some(Kind::Heartbeat(wire::Heartbeat::default())) };
        talk.conversation.hear(beat, now, 0).unwrap();
        if let Err(end) = talk.conversation.tick(now) {
            return (second, end);
        }
        while reads && talk.conversation.has_message() {
            talk.conversation.next_message(&Manifest::default(), now);
        }
    }
    panic!("the stream goes on")
}

#[test]
fn a_node_that_never_answers_is_dropped() {
    let mut talk = Talk::with(&[], &[]);
    talk.offer(&publication(1, &[]));
    let (second, end) = end_of_a_node_that_lives(&mut talk, true);
    assert_eq!((second, end), (62, End::Unanswered(60_000)), "its heartbeats are no answer");
}

#[test]
fn a_node_that_never_reads_is_dropped() {
    let mut talk = Talk::with(&[], &[]);
    talk.offer(&publication(1, &[]));
    let (second, end) = end_of_a_node_that_lives(&mut talk, false);
    assert_eq!((second, end), (31, End::Stalled(30_000)));
}

#[test]
fn heartbeats_carry_the_newest_and_their_answers_are_shown() {
    let mut talk = Talk::with(&[], &[]);
    assert!(!talk.conversation.has_message());
    talk.conversation.tick(talk.at(1_000)).unwrap();
    let newest = publication(8, &[]);
    let message = talk.conversation.next_message(&newest.manifest, talk.start).unwrap();
    let Some(Said::Heartbeat(beat)) = message.kind else { panic!("{message:?}") };
    assert_eq!((beat.active_version, beat.active_root_hash), (8, newest.manifest.root_hash.0.to_vec()));

    let serving = wire::Heartbeat { active_version: 3, active_root_hash: vec![1; 32], ..Default::default() };
    talk.hear(Kind::Heartbeat(serving)).unwrap();
    let [node] = &talk.fleet.nodes()[..] else { panic!("one node") };
    assert_eq!((node.serving.unwrap().version, node.last_seen_ms), (Version(3), 5));
}

#[test]
fn broken_rules_are_named() {
    let mut talk = Talk::with(&[], &[]);
    for (kind, word) in [
        (Kind::Hello(wire::Hello::default()), "hello"),
        (Kind::Applied(wire::Applied::default()), "applied.root_hash"),
        (Kind::Refused(wire::Refused { bundle_hash: vec![1], ..Default::default() }), "refused.bundle_hash"),
        (Kind::Heartbeat(wire::Heartbeat { active_version: 1, ..Default::default() }), "heartbeat.active_root_hash"),
    ] {
        let Err(End::Violation(reason)) = talk.hear(kind) else { panic!("{word} is accepted") };
        assert!(reason.contains(word), "{reason}");
    }
    assert_eq!(talk.conversation.hear(wire::NodeMessage { kind: None }, talk.start, 0), Ok(()));
}
