//! The gRPC services, one file for each noun: decode, call the application, encode. No rule and no SQL lives here.
//!
//! Built and served by `process`, behind the door of `guard`. Errors leave through `status`, lists through `page`, partial updates come in
//! through `mask`.

mod audit;
mod backup;
mod deployment;
pub mod discovery;
mod domain_name;
mod explain;
mod fleet;
mod gateway_response;
pub(crate) mod guard;
mod mask;
mod method;
mod node_canary;
mod page;
mod permissions;
mod preview;
mod resource;
mod rest_api;
mod rollout;
mod stage;
mod status;

use crate::app::{App, Error, Written};
use crate::fleet::Fleet;
use crate::node_canary::NodeCanaries;
use penstock_model::id::Version;
use penstock_model::limits::{DOCUMENT_BYTES_MAX, FRAGMENT_BYTES_MAX};
use penstock_model::violation::Violations;
use penstock_proto::management::v1 as wire;
use rollout::Barrier;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::Response;
use tonic::metadata::MetadataValue;
use tonic::service::Routes;

/// The metadata entry of a write's answer that says which published configuration contains the write.
pub const VERSION_METADATA: &str = "penstock-config-version";
/// Largest request, in bytes: the largest document with room for what surrounds it, or a method with many templates.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
const _: () = assert!(DOCUMENT_BYTES_MAX + FRAGMENT_BYTES_MAX < REQUEST_BYTES_MAX);

/// Every service of the management API.
#[derive(Clone, Debug)]
pub struct Management {
    app: App,
    fleet: Arc<Fleet>,
    barrier: Arc<Barrier>,
    previews: Arc<Semaphore>,
    node_canaries: Arc<NodeCanaries>,
    watchers: Arc<Semaphore>,
}

impl Management {
    /// Serves `app`, and shows `fleet`, of which nobody knows before `settle` has passed who all are.
    pub fn new(app: App, fleet: Arc<Fleet>, settle: Duration) -> Self {
        let previews = Arc::new(Semaphore::new(preview::PREVIEWS_MAX));
        let watchers = Arc::new(Semaphore::new(node_canary::WATCHERS_MAX));
        let node_canaries = Arc::new(NodeCanaries::new(app.clone(), Arc::clone(&fleet)));
        Self { app, fleet, barrier: Arc::new(Barrier::new(settle)), previews, node_canaries, watchers }
    }

    /// Adds the services to what a server answers.
    pub fn add_to(self, routes: Routes) -> Routes {
        macro_rules! limited {
            ($server:path) => {
                <$server>::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX)
            };
        }
        routes
            .add_service(limited!(wire::backup_service_server::BackupServiceServer<_>))
            .add_service(limited!(wire::rest_api_service_server::RestApiServiceServer<_>))
            .add_service(limited!(wire::resource_service_server::ResourceServiceServer<_>))
            .add_service(limited!(wire::method_service_server::MethodServiceServer<_>))
            .add_service(limited!(wire::deployment_service_server::DeploymentServiceServer<_>))
            .add_service(limited!(wire::stage_service_server::StageServiceServer<_>))
            .add_service(limited!(wire::domain_name_service_server::DomainNameServiceServer<_>))
            .add_service(limited!(wire::gateway_response_service_server::GatewayResponseServiceServer<_>))
            .add_service(limited!(wire::explain_service_server::ExplainServiceServer<_>))
            .add_service(limited!(wire::fleet_service_server::FleetServiceServer<_>))
            .add_service(limited!(wire::audit_service_server::AuditServiceServer<_>))
    }
}

/// What every handler answers.
type Answer<T> = Result<Response<T>, tonic::Status>;

/// Answers a write, with the version that contains it.
fn written<M, W: From<M>>(written: Written<M>) -> Answer<W> {
    versioned(written.value.into(), written.version)
}

fn versioned<W>(answer: W, version: Version) -> Answer<W> {
    let mut response = Response::new(answer);
    response.metadata_mut().insert(VERSION_METADATA, MetadataValue::from(version.0));
    Ok(response)
}

fn read<M, W: From<M>>(value: M) -> Answer<W> {
    Ok(Response::new(value.into()))
}

/// A message that must be there.
fn required<W>(field: &str, message: Option<W>) -> Result<W, Error> {
    message.ok_or_else(|| Error::invalid(field, "is missing"))
}

/// A message that must be there, as an object of the model.
fn object<W, M: TryFrom<W, Error = Violations>>(field: &str, message: Option<W>) -> Result<M, Error> {
    Ok(required(field, message)?.try_into()?)
}

/// Text that may be left out.
fn optional<T: From<String>>(text: String) -> Option<T> {
    (!text.is_empty()).then(|| text.into())
}

fn revision(number: i64) -> Result<penstock_model::id::Revision, Error> {
    match number {
        0.. => Ok(penstock_model::id::Revision(number)),
        _ => Err(Error::invalid("revision", "must be 0, which means any, or the revision that the object should have")),
    }
}
