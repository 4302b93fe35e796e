//! Waiting until what is published is served.

use std::time::Duration;

use penstock_proto::management::v1 as pb;
use tokio::time::{Instant, sleep};

use crate::client::ControlPlane;
use crate::exit::{Doing, Failure};

/// From publication to the proxy's word that it serves it; usually a few milliseconds.
const SERVED_MS_MAX: u64 = 20_000;
/// Between two looks.
const LOOK_MS: u64 = 20;

/// The version that is published now.
///
/// # Errors
/// Whatever the control plane refuses.
pub(crate) async fn published(control_plane: &ControlPlane) -> Result<u64, Failure> {
    let request = pb::GetConfigurationRequest {};
    let configuration = control_plane.fleet().get_configuration(request).await.doing("reading the configuration")?;
    Ok(configuration.version)
}

/// Returns when the node serves `version` or a newer one.
///
/// # Errors
/// [`Failure::Failed`] with what was seen last when that takes too long.
pub(crate) async fn wait(control_plane: &ControlPlane, node_id: &str, version: u64) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_millis(SERVED_MS_MAX);
    loop {
        let nodes = control_plane.fleet().list_nodes(pb::ListNodesRequest {}).await.doing("looking for the proxy")?;
        let node = nodes.items.iter().find(|node| node.id == node_id && node.connected);
        if node.is_some_and(|node| node.applied_version >= version) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let seen = node.map_or_else(
                || "it is not connected".to_owned(),
                |node| format!("it serves version {}", node.applied_version),
            );
            return Err(Failure::Failed(format!(
                "the proxy does not serve version {version} after {SERVED_MS_MAX} ms: {seen}"
            )));
        }
        sleep(Duration::from_millis(LOOK_MS)).await;
    }
}
