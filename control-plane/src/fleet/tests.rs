//! Nodes that come, speak, are replaced and go.

use super::*;
use penstock_model::bundle::BundleKey;

fn joining(id: &str) -> Joining {
    Joining { id: id.into(), build: "node/1".to_owned(), refused: Some(HashSet::new()), ..Joining::default() }
}

fn hash(number: u8) -> Hash {
    Hash([number; 32])
}

fn refusal(bundle: Option<u8>, reason: &str) -> Refusal {
    let key = BundleKey { rest_api_id: "a".into(), stage_name: "v1".into() };
    Refusal { version: Version(1), bundle: bundle.map(|number| (hash(number), key)), reason: reason.to_owned() }
}

fn serving(version: u64) -> Serving {
    Serving { version: Version(version), root_hash: hash(9), route_count: 3, build_time_us: 40 }
}

#[test]
fn a_node_comes_speaks_and_goes() {
    let fleet = Arc::new(Fleet::default());
    let member = fleet.join(Joining { peer: "127.0.0.1:5".to_owned(), ..joining("n") }, 100).unwrap();
    member.seen(150);
    member.applied(serving(4));
    let [node] = &fleet.nodes()[..] else { panic!("one node") };
    assert_eq!((node.connected, node.connected_since_ms, node.last_seen_ms), (true, 100, 150));
    assert_eq!((node.serving, node.peer.as_str()), (Some(serving(4)), "127.0.0.1:5"));

    drop(member);
    let [node] = &fleet.nodes()[..] else { panic!("one node") };
    assert_eq!((node.connected, node.serving, fleet.connected_count()), (false, Some(serving(4)), 0));
}

#[test]
fn connected_nodes_are_listed_first() {
    let fleet = Arc::new(Fleet::default());
    drop(fleet.join(joining("a"), 0).unwrap());
    let _c = fleet.join(joining("c"), 0).unwrap();
    let _b = fleet.join(joining("b"), 0).unwrap();
    let ids: Vec<String> = fleet.nodes().into_iter().map(|node| node.id.to_string()).collect();
    assert_eq!(ids, ["b", "c", "a"]);
}

#[tokio::test]
async fn the_newer_stream_wins_and_the_older_writes_nothing_any_more() {
    let fleet = Arc::new(Fleet::default());
    let mut older = fleet.join(joining("n"), 1).unwrap();
    let newer = fleet.join(joining("n"), 2).unwrap();
    older.superseded().await;
    newer.applied(serving(2));
    older.applied(serving(1));
    drop(older);
    let [node] = &fleet.nodes()[..] else { panic!("one node") };
    assert_eq!((node.connected, node.connected_since_ms, node.serving), (true, 2, Some(serving(2))));
    assert_eq!(fleet.connected_count(), 1);
}

#[test]
fn heartbeats_keep_what_an_answer_told() {
    let fleet = Arc::new(Fleet::default());
    let hello = Joining { serving: Some((Version(4), hash(9))), ..joining("n") };
    let member = fleet.join(hello, 0).unwrap();
    assert_eq!(fleet.nodes()[0].serving, Some(Serving::reported(Version(4), hash(9))));
    member.applied(serving(4));
    member.reported(Some((Version(4), hash(9))));
    assert_eq!(fleet.nodes()[0].serving, Some(serving(4)));
    member.reported(Some((Version(5), hash(8))));
    assert_eq!(fleet.nodes()[0].serving, Some(Serving::reported(Version(5), hash(8))));
}

#[test]
fn refusals_last_as_long_as_they_matter() {
    let fleet = Arc::new(Fleet::default());
    let member = fleet.join(joining("n"), 0).unwrap();
    let shown = || -> Vec<String> { fleet.nodes()[0].refusals.iter().map(|r| r.reason.clone()).collect() };
    member.refused(refusal(Some(1), "one"));
    member.refused(refusal(Some(2), "two"));
    member.refused(refusal(None, "all"));
    member.refused(refusal(Some(1), "one again"));
    assert_eq!(shown(), ["two", "all", "one again"]);
    member.applied(serving(1));
    assert_eq!(shown(), ["two", "one again"], "an applied manifest is not refused");
    member.offered(&HashMap::from([(hash(1), ())]));
    assert_eq!(shown(), ["one again"]);
}

#[test]
fn what_a_node_refused_is_its_own_to_remember_and_ours_if_it_does_not_say() {
    let fleet = Arc::new(Fleet::default());
    let come = |refused: Option<HashSet<Hash>>, serving, build: &str| {
        let member = fleet.join(Joining { refused, serving, build: build.to_owned(), ..joining("n") }, 0).unwrap();
        let before = member.refused_before().clone();
        member.refused(refusal(Some(1), "one"));
        before
    };
    let held = Some((Version(1), hash(9)));
    come(None, held, "node/1");
    assert_eq!(come(None, held, "node/1"), HashSet::from([hash(1)]), "it does not say: we remember");
    assert_eq!(come(None, held, "node/2"), HashSet::new(), "another program may take it");
    assert_eq!(come(None, None, "node/2"), HashSet::new(), "it started anew");
    assert_eq!(come(Some(HashSet::new()), held, "node/2"), HashSet::new(), "it says that it refuses nothing");
    assert_eq!(come(Some(HashSet::from([hash(7)])), held, "node/2"), HashSet::from([hash(7)]), "it knows more");
}

#[test]
fn refusals_are_bounded() {
    let fleet = Arc::new(Fleet::default());
    let member = fleet.join(joining("n"), 0).unwrap();
    for number in 0..=u8::try_from(REFUSALS_PER_NODE_MAX).unwrap() {
        member.refused(refusal(Some(number), &number.to_string()));
    }
    let refusals = &fleet.nodes()[0].refusals;
    assert_eq!((refusals.len(), refusals[0].reason.as_str()), (REFUSALS_PER_NODE_MAX, "1"));
}

#[test]
fn nodes_that_left_are_forgotten_at_the_limit_the_longest_unseen_first() {
    let fleet = Arc::new(Fleet::default());
    let stays = fleet.join(joining("stays"), -1).unwrap();
    for number in 0..=DISCONNECTED_NODES_MAX {
        let now_ms = i64::try_from(number).unwrap();
        drop(fleet.join(joining(&format!("n{number}")), now_ms).unwrap());
    }
    let nodes = fleet.nodes();
    assert_eq!(nodes.len(), DISCONNECTED_NODES_MAX + 1);
    assert_eq!(nodes[0].id, *stays.id());
    assert!(nodes.iter().all(|node| node.id.as_str() != "n0"));
}

#[test]
fn a_full_fleet_takes_nobody_but_those_who_are_in() {
    let fleet = Arc::new(Fleet::default());
    let mut members: Vec<Membership> =
        (0..CONNECTED_NODES_MAX).map(|n| fleet.join(joining(&format!("n{n}")), 0).unwrap()).collect();
    assert_eq!(fleet.join(joining("late"), 0).map(|_| ()), Err(FleetFull));
    let again = fleet.join(joining("n0"), 0).unwrap();
    members.push(again);
    assert_eq!(fleet.connected_count(), CONNECTED_NODES_MAX);
    drop(members);
    assert_eq!(fleet.connected_count(), 0);
    fleet.join(joining("late"), 0).unwrap();
}
