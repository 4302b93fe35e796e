//! [`Restarts`]: how often the nodes of a canary were started anew. One that dies and comes back at once is never away for long,
//! and what it cut it cannot tell.

use crate::fleet::NodeState;
use penstock_model::id::NodeId;
use std::collections::{BTreeSet, HashMap};

/// How often each of them may be: a restart may have another cause.
const RESTARTS_MAX: u32 = 1;

/// How often each node had been started anew before.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    before: HashMap<NodeId, u32>,
}

impl Restarts {
    /// Looks at the nodes that are `chosen`. Why that is enough, if it is, in words.
    pub(super) fn note(&mut self, nodes: &[NodeState], chosen: &BTreeSet<NodeId>) -> Option<String> {
        nodes.iter().filter(|node| chosen.contains(&node.id)).find_map(|node| {
            let before = *self.before.entry(node.id.clone()).or_insert(node.restarts);
            let since = node.restarts.saturating_sub(before);
            (since > RESTARTS_MAX).then(|| format!("{} was started anew {since} times", node.id))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_restart_is_one_too_many_and_others_do_not_count() {
        let chosen = BTreeSet::from(["few".into()]);
        let node = |id: &str, restarts| NodeState { id: id.into(), restarts, ..NodeState::default() };
        let mut seen = Restarts::default();
        let mut others = 0;
        for (restarts, reason) in [(5, None), (5, None), (6, None), (8, Some("few was started anew 3 times"))] {
            others += 1;
            let nodes = [node("other", others), node("few", restarts)];
            assert_eq!(seen.note(&nodes, &chosen).as_deref(), reason, "{restarts}");
        }
    }
}
