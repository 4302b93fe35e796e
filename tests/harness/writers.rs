//! Writers that go on while something happens to who they write to, and know what was acknowledged.

use crate::world::document;
use crate::{World, client, upstream::Upstream};
use penstock_proto::management::v1::rest_api_service_client::RestApiServiceClient;
use penstock_proto::management::v1::{ImportRestApiRequest, StageSpec};
use std::collections::BTreeSet;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// The API whose target changes.
const MOVING: &str = "moving";
/// Between two changes of that, so that others find time.
const MOVE_PAUSE: Duration = Duration::from_millis(30);
/// Between two imports of one writer: each stays, and makes whatever is done with all of them slower.
const IMPORT_PAUSE: Duration = Duration::from_millis(100);

type Client = RestApiServiceClient<Channel>;

/// Imports an API with one route, at a base path of the catch-all domain; answers its id and the version.
///
/// # Errors
/// As the control plane says.
pub async fn import(client: &mut Client, title: &str, upstream: SocketAddr) -> Result<(String, u64), Status> {
    import_document(client, title, &document(title, &[("GET", "/x", format!("http://{upstream}/{title}"))])).await
}

/// The same with a document.
///
/// # Errors
/// As the control plane says.
pub async fn import_document(
    client: &mut Client,
    title: &str,
    document: &serde_json::Value,
) -> Result<(String, u64), Status> {
    let stage = StageSpec {
        stage_name: "prod".into(),
        auto_deploy: true,
        domain_name: "*".into(),
        base_path: title.into(),
        ..Default::default()
    };
    let request =
        ImportRestApiRequest { document: document.to_string().into(), stage: Some(stage), ..Default::default() };
    let answer = client.import_rest_api(request).await?;
    let version = answer.metadata().get("penstock-config-version").unwrap().to_str().unwrap().parse().unwrap();
    Ok((answer.into_inner().rest_api.unwrap().id, version))
}

/// What writers know in the end.
#[derive(Debug, Default)]
pub struct Known {
    /// Names of all that was to be written.
    pub asked: BTreeSet<String>,
    /// Of that, what was acknowledged.
    pub acknowledged: BTreeSet<String>,
    /// The versions that were given.
    pub versions: Vec<u64>,
}

impl Known {
    /// Takes what another one knows.
    pub fn add(&mut self, other: Self) {
        self.asked.extend(other.asked);
        self.acknowledged.extend(other.acknowledged);
        self.versions.extend(other.versions);
    }

    /// Every acknowledged write is there, and no version was given twice.
    ///
    /// # Panics
    /// It is not so.
    pub fn check(&self, stored: &BTreeSet<String>) {
        let lost: Vec<_> = self.acknowledged.difference(stored).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let invented: Vec<_> = stored.difference(&self.asked).collect();
        assert!(invented.is_empty(), "never asked for: {invented:?}");
        let different: BTreeSet<_> = self.versions.iter().collect();
        assert_eq!(different.len(), self.versions.len(), "no version is given twice");
    }
}

/// A refusal because something is down. What our own client says about a connection that was cut has a source, and a code
/// of any kind.
fn is_outage(status: &Status) -> bool {
    status.source().is_some() || status.code() == Code::Unavailable
}

/// Writes until it is stopped. What is refused because something is down is tried under a new name: it may have happened.
///
/// # Panics
/// It is refused for another reason, or versions do not grow.
pub async fn write(
    mut client: Client,
    name: String,
    upstream: SocketAddr,
    stop: Arc<AtomicBool>,
    confirmed: Arc<AtomicU64>,
) -> Known {
    let mut known = Known::default();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let title = format!("{name}-{number}");
        known.asked.insert(title.clone());
        match import(&mut client, &title, upstream).await {
            Ok((_, version)) => {
                known.acknowledged.insert(title);
                known.versions.push(version);
                confirmed.fetch_add(1, Ordering::SeqCst);
            }
            Err(status) => assert!(is_outage(&status), "{status}"),
        }
    }
    assert!(known.versions.is_sorted_by(|a, b| a < b), "versions only grow: {:?}", known.versions);
    known
}

/// One writer for each control plane that adds APIs, and one that gives the moving API a higher and higher number.
pub struct Writers {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    _upstreams: Arc<[Upstream; 2]>,
}

#[derive(Default)]
struct Shared {
    /// Held for reading by whoever writes.
    gate: RwLock<()>,
    stop: AtomicBool,
    confirmed: AtomicU64,
    known: Mutex<Known>,
    asked: AtomicU64,
    acknowledged: AtomicU64,
}

/// What must be true when nobody writes.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The newest version that was acknowledged.
    pub version: u64,
    /// The number of the moving API that was acknowledged.
    pub acknowledged: u64,
    /// The highest that was asked for.
    pub asked: u64,
}

impl Writers {
    /// Begins with the moving API, and then writes through each of these in turn. Upstreams are those of even and odd
    /// numbers.
    pub async fn start(clients: Vec<Client>, upstreams: [Upstream; 2]) -> Self {
        let (shared, upstreams) = (Arc::new(Shared::default()), Arc::new(upstreams));
        let (id, version) = import_document(&mut clients[0].clone(), MOVING, &moving(&upstreams, 0)).await.unwrap();
        shared.note(MOVING.to_owned(), version);
        let mut tasks = Vec::new();
        for (number, client) in clients.iter().cloned().enumerate() {
            let work = Arc::clone(&shared).import_on(client, format!("w{number}"), upstreams[0].address);
            tasks.push(tokio::spawn(work));
        }
        tasks.push(tokio::spawn(Arc::clone(&shared).move_on(clients, id, Arc::clone(&upstreams))));
        Self { shared, tasks, _upstreams: upstreams }
    }

    /// Waits for so many more acknowledged writes.
    pub async fn go_on(&self, writes: u64) {
        let enough = self.shared.confirmed.load(Ordering::SeqCst) + writes;
        let confirmed = async || self.shared.confirmed.load(Ordering::SeqCst);
        crate::wait::until("writes go through", confirmed, |&now| now >= enough).await;
    }

    /// Nobody writes for as long as this is held, and no write is on its way.
    pub async fn quiet(&self) -> RwLockWriteGuard<'_, ()> {
        crate::wait::bounded("writers get their answers", self.shared.gate.write()).await
    }

    /// What must be true now, if it is quiet.
    pub fn expected(&self) -> Expected {
        let version = self.known(|known| known.versions.iter().max().copied().unwrap_or_default());
        let [acknowledged, asked] =
            [&self.shared.acknowledged, &self.shared.asked].map(|number| number.load(Ordering::SeqCst));
        Expected { version, acknowledged, asked }
    }

    /// The highest number that was asked for.
    pub fn ceiling(&self) -> impl Fn() -> u64 + Clone + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.asked.load(Ordering::SeqCst)
    }

    /// What is known so far.
    pub fn known<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.shared.known.lock().unwrap())
    }

    /// Stops.
    ///
    /// # Panics
    /// A writer met something that is no outage.
    pub async fn end(self) -> Expected {
        self.shared.stop.store(true, Ordering::SeqCst);
        let expected = {
            let _quiet = self.quiet().await;
            self.expected()
        };
        for task in self.tasks {
            task.await.unwrap();
        }
        expected
    }
}

impl Shared {
    fn note(&self, title: String, version: u64) {
        let mut known = self.known.lock().unwrap();
        known.asked.insert(title.clone());
        known.acknowledged.insert(title);
        known.versions.push(version);
        self.confirmed.fetch_add(1, Ordering::SeqCst);
    }

    async fn import_on(self: Arc<Self>, mut client: Client, name: String, upstream: SocketAddr) {
        for number in 0.. {
            tokio::time::sleep(IMPORT_PAUSE).await;
            let _open = self.gate.read().await;
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let title = format!("{name}-{number}");
            self.known.lock().unwrap().asked.insert(title.clone());
            match import(&mut client, &title, upstream).await {
                Ok((_, version)) => self.note(title, version),
                Err(status) => assert!(is_outage(&status), "{status}"),
            }
        }
    }

    async fn move_on(self: Arc<Self>, clients: Vec<Client>, id: String, upstreams: Arc<[Upstream; 2]>) {
        for number in 1.. {
            tokio::time::sleep(MOVE_PAUSE).await;
            let _open = self.gate.read().await;
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            self.asked.store(number, Ordering::SeqCst);
            let mut client = clients[usize::try_from(number).unwrap() % clients.len()].clone();
            match World::try_overwrite(&mut client, &id, &moving(&upstreams, number)).await {
                Ok(version) => {
                    self.known.lock().unwrap().versions.push(version);
                    self.acknowledged.store(number, Ordering::SeqCst);
                    self.confirmed.fetch_add(1, Ordering::SeqCst);
                }
                Err(status) => assert!(is_outage(&status), "{status}"),
            }
        }
    }
}

fn moving(upstreams: &[Upstream; 2], number: u64) -> serde_json::Value {
    let upstream = upstreams[usize::try_from(number % 2).unwrap()].address;
    document(MOVING, &[("GET", "/x", format!("http://{upstream}/{number}"))])
}

/// The upstreams of [`Writers`].
pub async fn upstreams() -> [Upstream; 2] {
    [Upstream::mirror("even").await, Upstream::mirror("odd").await]
}

/// The number that a proxy answers for the moving API.
///
/// # Panics
/// It does not answer with one, or upstream and number are not of one version.
pub async fn number(proxy: SocketAddr) -> u64 {
    let answer = client::get(proxy, "any", &moving_path()).await;
    judge(answer.status.as_u16(), &answer.body).unwrap()
}

/// Where the moving API is.
pub fn moving_path() -> String {
    format!("/{MOVING}/x")
}

/// The number in an answer of the moving API.
///
/// # Errors
/// It is none that any configuration could have given.
pub fn judge(status: u16, body: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(body);
    let wrong = || format!("{status}: {text}");
    let mirrored: serde_json::Value = serde_json::from_str(&text).map_err(|_| wrong())?;
    let number = mirrored["target"].as_str().and_then(|target| target.strip_prefix('/')?.parse().ok());
    let number: u64 = number.ok_or_else(wrong)?;
    // Host and path come from one version: a mixture would be a torn table.
    let expected = if number.is_multiple_of(2) { "even" } else { "odd" };
    if status == 200 && mirrored["upstream"] == expected { Ok(number) } else { Err(wrong()) }
}
