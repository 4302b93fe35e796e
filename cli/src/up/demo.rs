//! The example API of `penstock up --demo`, registered as anyone would: over the management API.

use std::net::SocketAddr;

use penstock_proto::management::v1 as pb;
use tonic::metadata::MetadataMap;

use super::ports::reachable;
use super::ready;
use crate::client::ControlPlane;
use crate::commands::documents::warn_all;
use crate::exit::Failure;

const DOCUMENT: &[u8] = include_bytes!("../../../examples/demo-api.yaml");
const STAGE: &str = "demo";
/// Stage variable of the document: host and port of the resizer.
const RESIZER_VARIABLE: &str = "resizer";
/// Every host that has no domain of its own.
const DOMAIN: &str = "*";
/// Metadata of every write: the version of the configuration that holds it.
const VERSION_KEY: &str = "penstock-config-version";

/// Registers the example, or puts it in the place of the one that an earlier start registered; the version that holds
/// it.
///
/// # Errors
/// Whatever the control plane refuses.
pub(crate) async fn register(control_plane: &ControlPlane, resizer: SocketAddr) -> Result<u64, Failure> {
    let stage = pb::StageSpec {
        stage_name: STAGE.into(),
        variables: [(RESIZER_VARIABLE.into(), reachable(resizer).to_string())].into(),
        auto_deploy: true,
        domain_name: DOMAIN.into(),
        base_path: String::new(),
    };
    let request = pb::ImportRestApiRequest {
        document: DOCUMENT.to_vec(),
        replace_by_name: true,
        stage: Some(stage),
        ..Default::default()
    };
    let answer = control_plane.rest_apis().import_rest_api(request).await;
    let refused = |status| Failure::Refused { doing: "registering the demo".into(), status: Box::new(status) };
    let answer = answer.map_err(refused)?;
    warn_all(&answer.get_ref().warnings);
    match version(answer.metadata()) {
        Some(version) => Ok(version),
        None => ready::published(control_plane).await,
    }
}

fn version(metadata: &MetadataMap) -> Option<u64> {
    metadata.get(VERSION_KEY)?.to_str().ok()?.parse().ok()
}
