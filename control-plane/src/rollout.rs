//! How far one version has come among the nodes, and whether those who wait for it know enough.
//!
//! Decides over what the [`Fleet`](crate::fleet::Fleet) knows and waits for nothing; `api::rollout` does. Counted are the nodes
//! whose stream is open and those that left so recently that they may still serve, cut off from here.

use crate::fleet::{Generation, NodeState, Refusal};
use penstock_model::bundle::BundleKey;
use penstock_model::id::{NodeId, RestApiId, StageName, Version};
use std::time::{Duration, Instant};

/// How long a node counts after its stream has ended, in milliseconds: it may serve on, and it may come back. The longest
/// back-off of a node is much shorter than this. The wall clock, which may jump, has no say in it.
pub const LEFT_MS_MAX: u64 = 60_000;

/// For whom a call waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitFor {
    /// For nobody.
    #[default]
    None,
    /// Until more than half of the nodes serve it.
    Quorum,
    /// Until every node serves it.
    All,
}

/// What is rolled out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The version that contains it.
    pub version: Version,
    /// Whose refusal counts; `None`: that of any API.
    pub api: Option<RestApiId>,
    /// Whose refusal counts; `None`: that of any stage.
    pub stage: Option<StageName>,
}

/// Whether those who wait know enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet.
    Waiting,
    /// As many nodes serve it as were waited for.
    Reached,
    /// So many refused it that as many cannot.
    Refused,
    /// They may not wait any longer.
    Deadline,
}

/// How a version stands on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRollout {
    /// Which.
    pub id: NodeId,
    /// What it said.
    pub state: NodeStanding,
    /// Whether its stream is open.
    pub connected: bool,
    /// What it serves, as far as is known.
    pub serving: Option<Version>,
    /// Those that count here.
    pub refusals: Vec<Refusal>,
    /// As the node said last.
    pub generations: Vec<Generation>,
}

/// What a node said about a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStanding {
    /// Nothing.
    Silent,
    /// It serves it, or a newer one.
    Applied,
    /// It refused it: the whole version, or a bundle that counts.
    Refused,
}

impl Target {
    fn standing(&self, node: &NodeState) -> NodeStanding {
        if node.refusals.iter().any(|refusal| self.is_refused(node, refusal)) {
            return NodeStanding::Refused;
        }
        if self.is_served(node) { NodeStanding::Applied } else { NodeStanding::Silent }
    }

    fn is_served(&self, node: &NodeState) -> bool {
        node.serving.is_some_and(|serving| serving.version >= self.version)
    }

    fn is_refused(&self, node: &NodeState, refusal: &Refusal) -> bool {
        refusal.version >= self.version
            && match &refusal.bundle {
                Some((_, key)) => self.concerns(key),
                // A whole version that it refused before, and serves now, it has taken.
                None => !self.is_served(node),
            }
    }

    fn concerns(&self, key: &BundleKey) -> bool {
        self.api.as_ref().is_none_or(|api| *api == key.rest_api_id)
            && self.stage.as_ref().is_none_or(|stage| *stage == key.stage_name)
    }
}

/// How many nodes said what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    nodes: usize,
    applied: usize,
    refused: usize,
}

impl Tally {
    /// Of `nodes` at `now`.
    pub fn of<'a>(target: &Target, nodes: impl Iterator<Item = &'a NodeState>, now: Instant) -> Self {
        let mut tally = Self::default();
        for node in nodes.filter(|node| counts(node, now)) {
            tally.nodes += 1;
            match target.standing(node) {
                NodeStanding::Silent => {}
                NodeStanding::Applied => tally.applied += 1,
                NodeStanding::Refused => tally.refused += 1,
            }
        }
        tally
    }

    /// What that means to somebody who waits.
    pub fn state(&self, wait_for: WaitFor) -> State {
        let needed = match wait_for {
            WaitFor::None => return State::Reached,
            // Of no nodes, none.
            WaitFor::Quorum if self.nodes == 0 => 0,
            WaitFor::Quorum => self.nodes / 2 + 1,
            WaitFor::All => self.nodes,
        };
        match (self.applied >= needed, self.nodes - self.refused >= needed) {
            (true, _) => State::Reached,
            (false, true) => State::Waiting,
            (false, false) => State::Refused,
        }
    }
}

/// How `target` stands on each of `nodes` that counts at `now`; by id.
pub fn standings(target: &Target, nodes: impl Iterator<Item = NodeState>, now: Instant) -> Vec<NodeRollout> {
    let mut nodes: Vec<_> = nodes
        .filter(|node| counts(node, now))
        .map(|node| NodeRollout {
            state: target.standing(&node),
            connected: node.connected,
            serving: node.serving.map(|serving| serving.version),
            refusals: node.refusals.iter().filter(|refusal| target.is_refused(&node, refusal)).cloned().collect(),
            generations: node.generations,
            id: node.id,
        })
        .collect();
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    nodes
}

fn counts(node: &NodeState, now: Instant) -> bool {
    let left = node.left_at.map(|at| now.saturating_duration_since(at));
    node.connected || left.is_some_and(|left| left < Duration::from_millis(LEFT_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Serving;
    use NodeStanding::{Applied, Refused, Silent};
    use penstock_model::bundle::Hash;

    fn node(id: &str, serving: u64) -> NodeState {
        NodeState {
            id: id.into(),
            connected: true,
            serving: (serving > 0).then_some(Serving {
                version: Version(serving),
                root_hash: Hash([0; 32]),
                route_count: 0,
                build_time_us: 0,
            }),
            ..NodeState::default()
        }
    }

    fn refusal(version: u64, pair: Option<(&str, &str)>) -> Refusal {
        let key = pair.map(|(api, stage)| BundleKey { rest_api_id: api.into(), stage_name: stage.into() });
        Refusal { version: Version(version), bundle: key.map(|key| (Hash([9; 32]), key)), reason: "no".to_owned() }
    }

    fn refusing(id: &str, serving: u64, refusal: Refusal) -> NodeState {
        NodeState { refusals: vec![refusal], ..node(id, serving) }
    }

    fn target() -> Target {
        Target { version: Version(7), api: Some("a".into()), stage: Some("v1".into()) }
    }

    #[test]
    fn a_node_has_applied_refused_or_said_nothing() {
        for (state, expected) in [
            (node("n", 0), Silent),
            (node("n", 6), Silent),
            (node("n", 7), Applied),
            (node("n", 8), Applied),
            // Others' bundles are others' business.
            (refusing("n", 7, refusal(7, Some(("b", "v1")))), Applied),
            (refusing("n", 7, refusal(7, Some(("a", "v2")))), Applied),
            (refusing("n", 6, refusal(7, Some(("b", "v1")))), Silent),
            (refusing("n", 7, refusal(7, Some(("a", "v1")))), Refused),
            (refusing("n", 9, refusal(8, Some(("a", "v1")))), Refused),
            // What it refused before this version was made is not this version.
            (refusing("n", 6, refusal(6, Some(("a", "v1")))), Silent),
            (refusing("n", 6, refusal(7, None)), Refused),
            (refusing("n", 6, refusal(6, None)), Silent),
            (refusing("n", 8, refusal(7, None)), Applied),
        ] {
            let found = standings(&target(), [state.clone()].into_iter(), Instant::now());
            assert_eq!(found[0].state, expected, "{state:?}");
            assert_eq!(found[0].refusals.len(), usize::from(expected == Refused), "{state:?}");
        }
        let any = Target { version: Version(7), ..Target::default() };
        let state = refusing("n", 7, refusal(7, Some(("b", "v1"))));
        assert_eq!(any.standing(&state), Refused);
    }

    #[test]
    fn it_is_decided_as_soon_as_it_can_be() {
        let no = || refusing("n", 7, refusal(7, Some(("a", "v1"))));
        let (yes, silent) = (|| node("n", 7), || node("n", 6));
        for (nodes, quorum, all) in [
            (vec![], State::Reached, State::Reached),
            (vec![silent()], State::Waiting, State::Waiting),
            (vec![yes()], State::Reached, State::Reached),
            (vec![no()], State::Refused, State::Refused),
            (vec![yes(), silent()], State::Waiting, State::Waiting),
            (vec![yes(), yes(), silent()], State::Reached, State::Waiting),
            (vec![yes(), no()], State::Refused, State::Refused),
            (vec![yes(), yes(), no()], State::Reached, State::Refused),
            (vec![yes(), no(), silent()], State::Waiting, State::Refused),
            (vec![no(), no(), silent()], State::Refused, State::Refused),
        ] {
            for (wait_for, expected) in
                [(WaitFor::Quorum, quorum), (WaitFor::All, all), (WaitFor::None, State::Reached)]
            {
                let found = Tally::of(&target(), nodes.iter(), Instant::now()).state(wait_for);
                assert_eq!(found, expected, "{wait_for:?} of {nodes:?}");
            }
        }
    }

    #[test]
    fn who_left_counts_for_a_minute() {
        let left_at = Instant::now();
        for (left_ms, counts) in [(0, true), (LEFT_MS_MAX - 1, true), (LEFT_MS_MAX, false)] {
            let gone = NodeState { connected: false, left_at: Some(left_at), ..node("gone", 6) };
            let now = left_at + Duration::from_millis(left_ms);
            let nodes = [node("b", 7), node("a", 7), gone];
            let tally = Tally::of(&target(), nodes.iter(), now);
            let listed = standings(&target(), nodes.into_iter(), now);
            let ids: Vec<_> = listed.iter().map(|node| node.id.as_str()).collect();
            let (expected, state) = match counts {
                true => (&["a", "b", "gone"][..], State::Waiting),
                false => (&["a", "b"][..], State::Reached),
            };
            assert_eq!((&ids[..], tally.state(WaitFor::All)), (expected, state), "{left_ms}");
        }
    }
}
