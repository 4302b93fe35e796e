//! The use cases, one file for each noun: what an operator can do, without a transport and without SQL.
//!
//! Called by `api/`. Reads see one consistent state and never wait for a writer. Writes all go through one pipeline,
//! `change`: begin, apply, validate, compile, count the version, commit, publish. Time and identifiers come in
//! through [`Surroundings`].

mod audit;
mod backup;
mod caller;
mod change;
mod deploy;
mod deployments;
mod diff;
mod documents;
mod domain_names;
mod error;
mod explain;
mod follow;
mod fragments;
mod gateway_responses;
mod integrations;
pub mod limits;
mod load;
mod methods;
mod preview;
mod recorded;
mod resources;
mod rest_apis;
mod routes;
mod stages;
mod trial;

pub use audit::{AuditEntry, AuditFilter, NodeCanaryPlace, Object as AuditObject, ObjectChange};
pub use backup::{Restored, Sink, Source};
pub use caller::{Caller, Role};
pub use documents::{ExportRequest, ImportRequest, Imported, PutRequest, StageSpec};
pub use error::{Error, Result};
pub use explain::{ExplainRequest, Explained};
pub use fragments::{Applied, FragmentRequest};
pub use gateway_responses::ApiGatewayResponse;
pub use limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
pub use methods::MethodKey;
pub use preview::{Preview, PreviewRequest};
pub use routes::{ListedRoute, RouteKey};
pub use trial::Trial;

use crate::publication::Publication;
use crate::publisher::Publisher;
use crate::store::{Published, Reads, Store};
use change::Change;
use penstock_model::id::{Revision, Version};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore, SemaphorePermit};

/// What use cases take from the outside world.
pub trait Surroundings: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// A random text of so many lower-case letters and digits.
    fn random_id(&self, chars: usize) -> String;
}

/// What a write made, and the version of the published configuration that contains it.
#[derive(Clone, Debug)]
pub struct Written<T> {
    /// The object as it is stored now.
    pub value: T,
    /// Answered to the caller, who may wait for nodes to reach it.
    pub version: Version,
}

/// The application. Cheap to clone; every clone is the same one.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
    /// Whether nodes are to take what this handle changes as a whole.
    whole: bool,
}

/// What all changes share.
struct Shared {
    store: Arc<dyn Store>,
    publisher: Arc<Publisher>,
    surroundings: Arc<dyn Surroundings>,
    /// Whoever holds it is the one writer of this process.
    gate: Arc<Mutex<()>>,
    /// Places in the queue for the gate.
    queue: Semaphore,
    /// Places for those who make backups.
    backups: Semaphore,
    compiles: AtomicU64,
    is_following: AtomicBool,
    /// What is stored and cannot be published here as it is published elsewhere: once is enough to find out.
    strange: Mutex<Option<Published>>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("version", &self.newest().version).finish_non_exhaustive()
    }
}

impl App {
    /// Loads what the store holds and publishes it: a crash between a commit and its publication loses nothing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn start(store: Arc<dyn Store>, surroundings: Arc<dyn Surroundings>) -> Result<Self> {
        let shared = Shared {
            store,
            publisher: Arc::new(Publisher::new(Arc::default())),
            surroundings,
            gate: Arc::default(),
            queue: Semaphore::new(limits::WRITERS_WAITING_MAX),
            backups: Semaphore::new(limits::BACKUPS_AT_ONCE_MAX),
            compiles: AtomicU64::new(0),
            is_following: AtomicBool::new(true),
            strange: Mutex::default(),
        };
        shared.start().await?;
        Ok(Self { shared: Arc::new(shared), whole: false })
    }

    /// The same application, whose changes each node takes as a whole or, if it refuses a part, not at all.
    #[must_use]
    pub fn whole(self, whole: bool) -> Self {
        Self { whole, ..self }
    }

    /// A random text, for what is drawn.
    pub fn random_seed(&self) -> String {
        self.shared.surroundings.random_id(limits::REST_API_ID_CHARS)
    }

    /// Where nodes hear of new publications.
    pub fn publisher(&self) -> &Arc<Publisher> {
        &self.shared.publisher
    }

    /// What is published now.
    pub fn newest(&self) -> Arc<Publication> {
        self.shared.publisher.newest()
    }

    /// How many stages were compiled since the start.
    pub fn compile_count(&self) -> u64 {
        self.shared.compiles.load(Ordering::Relaxed)
    }

    async fn read(&self) -> Result<Box<dyn Reads>> {
        Ok(self.shared.store.read().await?)
    }

    /// Begins a change, when all earlier ones are through.
    async fn begin(&self) -> Result<Change> {
        // Held until the store has let it in too, where writers elsewhere are waited for.
        let _place = self.place()?;
        let turn = self.turn().await?;
        Change::begin(Arc::clone(&self.shared), turn, self.whole).await
    }

    /// A place in the queue of those who want to write.
    fn place(&self) -> Result<SemaphorePermit<'_>> {
        let full = |_| Error::Unavailable("too many changes are waiting: try again".to_owned());
        self.shared.queue.try_acquire().map_err(full)
    }

    /// The right to write, when all earlier writers of this process are through.
    async fn turn(&self) -> Result<OwnedMutexGuard<()>> {
        let gate = Arc::clone(&self.shared.gate).lock_owned();
        let bound = Duration::from_millis(limits::WRITE_WAIT_MS_MAX);
        let slow = |_| Error::Unavailable("earlier changes take too long: try again".to_owned());
        tokio::time::timeout(bound, gate).await.map_err(slow)
    }
}

/// Whether a caller who expects `expected` may change an object that is at `stored`.
fn check_revision(what: &str, expected: Revision, stored: Revision) -> Result<()> {
    if expected.permits(stored) {
        return Ok(());
    }
    Err(Error::Stale(format!("{what} is at revision {}, not {}: read it again", stored.0, expected.0)))
}
