//! How long a change takes to reach every node, for benches.

use crate::World;
use penstock_proto::management::v1::{RolloutState, WaitFor, WatchRolloutRequest};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Overwrites an API: how long the call took, and how long from its answer until each of the `nodes` has said that it
/// serves it.
///
/// # Panics
/// A node refuses it, is missing, or does not answer in time.
pub async fn change(world: &World, id: &str, document: &Value, nodes: usize) -> (Duration, Duration) {
    let (mut apis, mut fleet) = (world.rest_apis().await, world.fleet().await);
    let called = Instant::now();
    let version = World::overwrite(&mut apis, id, document).await;
    let answered = Instant::now();
    let watch = WatchRolloutRequest { version, wait_for: WaitFor::All.into(), ..Default::default() };
    let mut pictures = fleet.watch_rollout(watch).await.unwrap().into_inner();
    loop {
        let picture = pictures.message().await.unwrap().expect("a decision");
        match picture.state() {
            RolloutState::RolloutReached => {
                assert_eq!(picture.nodes.len(), nodes);
                return (answered - called, answered.elapsed());
            }
            RolloutState::RolloutWaiting => {}
            state => panic!("{state:?}"),
        }
    }
}
