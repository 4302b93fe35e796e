//! One control plane process: binds and loads everything first, then runs until told to stop.

use crate::api::Management;
use crate::api::discovery::{self, Discovery};
use crate::api::guard::Guard;
use crate::app::{self, App, Surroundings as _};
use crate::connection;
use crate::fleet::Fleet;
use crate::ops::{self, Ops};
use crate::security::{Security, SecurityError};
use crate::settings::Settings;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::surroundings::System;
use penstock_proto::FILE_DESCRIPTOR_SET;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_reflection::server::Builder as Reflection;

/// Time between HTTP/2 pings on a connection, in milliseconds.
const KEEPALIVE_INTERVAL_MS: u64 = 20_000;
/// Longest wait for the answer to a ping, in milliseconds: then the peer is gone.
const KEEPALIVE_TIMEOUT_MS: u64 = 10_000;
/// Most calls at a time on one connection.
const STREAMS_PER_CONNECTION_MAX: u32 = 1_000;

/// The process could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address is taken or not ours.
    #[error("binding {what} to {address} (change it with {flag})")]
    Address {
        /// For which purpose.
        what: &'static str,
        /// Which.
        address: SocketAddr,
        /// The setting.
        flag: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The settings leave a door open, or a file of theirs cannot be used.
    #[error("setting up who may call")]
    Security(#[source] SecurityError),
    /// The database cannot be used.
    #[error("opening the database")]
    Store(#[source] StoreError),
    /// What it holds cannot be published.
    #[error("loading the configuration")]
    Load(#[source] app::Error),
    /// The descriptors of our own services are wrong.
    #[error("preparing reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// The process could not run on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The gRPC server failed.
    #[error("serving gRPC")]
    Serve(#[source] tonic::transport::Error),
}

/// A future that is compiled where it is made.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A control plane whose sockets are bound and whose configuration is loaded.
#[derive(Debug)]
pub struct Bound {
    grpc: TcpListener,
    admin: TcpListener,
    grpc_addr: SocketAddr,
    admin_addr: SocketAddr,
    drain_deadline: Duration,
    fleet_settle: Duration,
    store: Arc<dyn Store>,
    app: App,
    security: Arc<Security>,
    reflection: Reflected,
}

/// Both versions of the reflection service, added to what a server answers.
struct Reflected(Box<dyn FnOnce(Routes) -> Routes + Send>);

impl std::fmt::Debug for Reflected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reflected")
    }
}

/// Binds every socket, opens the database, and publishes what it holds.
///
/// # Errors
/// An address is taken, or the database is in use, damaged, or of a newer program.
pub fn bind(settings: Settings) -> Boxed<Result<Bound, BindError>> {
    Box::pin(open(settings))
}

async fn open(settings: Settings) -> Result<Bound, BindError> {
    // Before anything listens.
    let security = Security::open(&settings).map_err(BindError::Security)?;
    let (grpc, grpc_addr) = listen("gRPC", settings.listen, "--listen").await?;
    let (admin, admin_addr) = listen("the admin listener", settings.admin_listen, "--admin-listen").await?;
    let store = open_store(&settings).await.map_err(BindError::Store)?;
    let app = App::start(Arc::clone(&store), Arc::new(System)).await.map_err(BindError::Load)?;
    let reflection = reflection().map_err(BindError::Reflection)?;
    let drain_deadline = Duration::from_millis(settings.drain_deadline_ms);
    let fleet_settle = Duration::from_millis(settings.fleet_settle_ms);
    Ok(Bound { grpc, admin, grpc_addr, admin_addr, drain_deadline, fleet_settle, store, app, security, reflection })
}

async fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match &settings.store {
        Some(url) => Arc::new(PostgresStore::open(url.as_str()).await?),
        None => Arc::new(SqliteStore::open(&settings.data_dir).await?),
    })
}

async fn listen(
    what: &'static str,
    address: SocketAddr,
    flag: &'static str,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |source| BindError::Address { what, address, flag, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn reflection() -> Result<Reflected, tonic_reflection::server::Error> {
    let builder = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Clients of both ages are about.
    let (v1, v1alpha) = (builder().build_v1()?, builder().build_v1alpha()?);
    Ok(Reflected(Box::new(move |routes| routes.add_service(v1).add_service(v1alpha))))
}

impl Bound {
    /// Address of the gRPC services.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Address of the operators' pages.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Serves until `shutdown` is done, then drains.
    ///
    /// Boxed, like [`bind`]: what is awaited through a box is compiled here, once, and not again in every program that
    /// calls it.
    ///
    /// # Errors
    /// The server failed.
    pub fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Boxed<Result<(), RunError>> {
        self.boxed_run(Box::pin(shutdown))
    }

    fn boxed_run(self, shutdown: Boxed<()>) -> Boxed<Result<(), RunError>> {
        Box::pin(self.serve(shutdown))
    }

    async fn serve(self, shutdown: Boxed<()>) -> Result<(), RunError> {
        let drain = watch::Sender::new(false);
        let fleet = Arc::new(Fleet::default());
        let ops = Ops { app: self.app.clone(), fleet: Arc::clone(&fleet), draining: drain.subscribe() };
        let ops = tokio::spawn(ops::serve(self.admin, ops));
        let follower = self.app.clone();
        let follower = tokio::spawn(async move { follower.follow().await });
        let (health, health_service) = tonic_health::server::health_reporter();
        for name in service_names() {
            health.set_service_status(name, ServingStatus::Serving).await;
        }
        let publisher = Arc::clone(self.app.publisher());
        let limits = discovery::Limits::default();
        let clock = || System.now_ms();
        let discovery = Discovery::new(publisher, Arc::clone(&fleet), limits, clock, drain.subscribe());
        let services = discovery.add_to(Management::new(self.app, fleet, self.fleet_settle).add_to(Routes::default()));
        let routes = (self.reflection.0)(services.add_service(health_service));
        let freshness = tokio::spawn(Arc::clone(&self.security).keep_fresh());
        let incoming = connection::accept(self.grpc, Arc::clone(&self.security));
        let guarded = Guard::new(routes.prepare(), self.security);
        let mut stop = drain.subscribe();
        let server = Server::builder()
            .http2_keepalive_interval(Some(Duration::from_millis(KEEPALIVE_INTERVAL_MS)))
            .http2_keepalive_timeout(Some(Duration::from_millis(KEEPALIVE_TIMEOUT_MS)))
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .serve_with_incoming_shutdown(guarded, incoming, async move {
                // The sender lives until the server has ended.
                let _ = stop.wait_for(|&stop| stop).await;
            });
        let mut server = std::pin::pin!(server);
        let ended = tokio::select! {
            ended = &mut server => ended,
            () = shutdown => {
                tracing::info!("draining");
                drain.send_replace(true);
                health.set_service_status("", ServingStatus::NotServing).await;
                // Streams that watch something may never end by themselves.
                tokio::time::timeout(self.drain_deadline, &mut server).await.unwrap_or(Ok(()))
            }
        };
        ops.abort();
        freshness.abort();
        follower.abort();
        self.store.close().await;
        ended.map_err(RunError::Serve)
    }
}

/// The names under which health checks ask for our services; the empty one, for the whole process, is always there.
fn service_names() -> [&'static str; 12] {
    [
        "penstock.management.v1.BackupService",
        "penstock.discovery.v1.DiscoveryService",
        "penstock.management.v1.AuditService",
        "penstock.management.v1.RestApiService",
        "penstock.management.v1.ResourceService",
        "penstock.management.v1.MethodService",
        "penstock.management.v1.DeploymentService",
        "penstock.management.v1.StageService",
        "penstock.management.v1.DomainNameService",
        "penstock.management.v1.ExplainService",
        "penstock.management.v1.FleetService",
        "penstock.management.v1.GatewayResponseService",
    ]
}
