//! [`Gathered`]: what became of requests, added up over nodes that count from nothing whenever they start anew.

use crate::fleet::{NodeState, StageFigures};
use penstock_model::figures::Figures;
use penstock_model::id::{DeploymentId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// What nodes have told of one stage.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    nodes: BTreeMap<NodeId, Told>,
}

/// What one node has told of one deployment.
#[derive(Debug, Default)]
struct Told {
    /// From before it started anew.
    before: Figures,
    last: Figures,
}

impl Gathered {
    /// Takes what a node says now.
    pub(super) fn take(&mut self, node: &NodeState, measurement: u64, deployment: &DeploymentId) {
        let about = |figures: &&StageFigures| figures.measurement == measurement;
        let Some(figures) = node.figures.as_deref().filter(about) else { return };
        let Some((_, now)) = figures.deployments.iter().find(|(id, _)| id == deployment) else { return };
        let told = self.nodes.entry(node.id.clone()).or_default();
        if now.requests < told.last.requests {
            told.before.add(&told.last);
        }
        told.last = now.clone();
    }

    /// All of it.
    pub(super) fn sum(&self) -> Figures {
        let mut sum = Figures::default();
        for told in self.nodes.values() {
            sum.add(&told.before);
            sum.add(&told.last);
        }
        sum
    }
}

/// What nodes have told, apart for those of a canary and for the others.
#[derive(Debug, Default)]
pub(super) struct Sides {
    pub(super) canary: Gathered,
    pub(super) others: Gathered,
}

impl Sides {
    /// Takes what all nodes say now: those of the canary about what is tried, the others about what the stage has.
    pub(super) fn take(
        &mut self,
        nodes: &[NodeState],
        chosen: &BTreeSet<NodeId>,
        measurement: u64,
        tried: &DeploymentId,
        has: &DeploymentId,
    ) {
        for node in nodes {
            match chosen.contains(&node.id) {
                true => self.canary.take(node, measurement, tried),
                false => self.others.take(node, measurement, has),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::bundle::BundleKey;
    use penstock_model::figures::Durations;
    use std::sync::Arc;

    fn key() -> BundleKey {
        BundleKey { rest_api_id: "a".into(), stage_name: "v1".into() }
    }

    fn node(id: &str, deployments: &[(&str, u64)]) -> NodeState {
        let figures = |requests| Figures { requests, errors: 0, durations: Durations::default() };
        let deployments = deployments.iter().map(|(id, requests)| ((*id).into(), figures(*requests))).collect();
        let figures = Some(Arc::new(StageFigures { key: key(), measurement: 7, deployments }));
        NodeState { id: id.into(), figures, ..NodeState::default() }
    }

    #[test]
    fn each_side_is_asked_about_its_own_deployment() {
        let mut sides = Sides::default();
        let nodes = [node("few", &[("old", 3), ("new", 5)]), node("one", &[("old", 7)]), node("other", &[("old", 11)])];
        sides.take(&nodes, &BTreeSet::from(["few".into()]), 7, &"new".into(), &"old".into());
        assert_eq!((sides.canary.sum().requests, sides.others.sum().requests), (5, 18));
    }

    #[test]
    fn what_was_told_before_a_node_started_anew_stays() {
        let mut gathered = Gathered::default();
        for requests in [4, 9, 2, 3] {
            gathered.take(&node("n", &[("d", requests)]), 7, &"d".into());
        }
        // Nothing is said, or of another measurement.
        gathered.take(&NodeState { id: "n".into(), ..NodeState::default() }, 7, &"d".into());
        gathered.take(&node("n", &[("d", 90)]), 8, &"d".into());
        assert_eq!(gathered.sum().requests, 12);
    }
}
