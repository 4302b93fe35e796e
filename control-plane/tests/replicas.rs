//! Several applications on one database: each begins from what the others wrote, and publishes what they publish.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use penstock_control_plane::app::{App, Error};
use penstock_control_plane::store::Store;
use penstock_control_plane::store::postgres::PostgresStore;
use penstock_model::id::{Revision, Version};
use penstock_model::rest_api::RestApi;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use support::postgres::Postgres;
use support::{Ticking, document, import, is_published, serve, v1};
use tokio::task::JoinHandle;

/// Longest wait for anything that happens by itself.
const BOUND: Duration = Duration::from_secs(30);

/// One of them.
struct Replica {
    app: App,
    store: Arc<PostgresStore>,
    follower: Option<JoinHandle<()>>,
}

impl Replica {
    async fn start(url: &str) -> Self {
        let store = Arc::new(PostgresStore::open(url).await.unwrap());
        let app = App::start(Arc::<PostgresStore>::clone(&store), Arc::new(Ticking::default())).await.unwrap();
        Self { app, store, follower: None }
    }

    /// The same, hearing of what others publish.
    async fn following(url: &str) -> Self {
        let mut replica = Self::start(url).await;
        let app = replica.app.clone();
        replica.follower = Some(tokio::spawn(async move { app.follow().await }));
        replica
    }

    fn version(&self) -> Version {
        self.app.newest().version
    }

    /// Waits until it publishes this version or a newer one.
    async fn reach(&self, version: Version) {
        let mut publications = self.app.publisher().subscribe();
        let reached = publications.wait_for(|published| published.newest.version >= version);
        tokio::time::timeout(BOUND, reached).await.expect("it must hear of the version").unwrap();
    }

    async fn describe(&self, api: &str, text: &str) -> Result<Version, Error> {
        let change = |api: &mut RestApi| text.clone_into(&mut api.description);
        Ok(self.app.update_rest_api(&api.into(), Revision(0), change).await?.version)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(follower) = &self.follower {
            follower.abort();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_commits_the_other_publishes_and_compiles_only_that() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (one, other) = (Replica::following(&url).await, Replica::following(&url).await);
    assert_eq!((one.version(), other.version()), (Version(1), Version(1)), "the second publishes what the first did");
    let mut apis = Vec::new();
    for number in 0..20 {
        apis.push(serve(&one.app, &format!("api {number}"), true).await.value.rest_api.id);
    }
    other.reach(one.version()).await;
    assert_eq!(one.app.newest().manifest, other.app.newest().manifest);
    let compiled = other.app.compile_count();
    let version = one.describe(apis[7].as_str(), "new").await.unwrap();
    other.reach(version).await;
    assert_eq!(one.app.newest().manifest, other.app.newest().manifest);
    assert_eq!(other.app.compile_count() - compiled, 1);

    one.app.delete_rest_api(&apis[7], Revision(0), false).await.unwrap();
    other.reach(one.version()).await;
    assert!(!is_published(&other.app, apis[7].as_str(), "v1"));
    assert_eq!(one.app.newest().manifest, other.app.newest().manifest);
    assert_eq!(other.app.compile_count() - compiled, 1, "an end compiles nothing");
    // One that starts late loads everything, under the same version.
    let late = Replica::start(&url).await;
    assert_eq!(late.app.newest().manifest, one.app.newest().manifest);
}

#[tokio::test]
async fn a_change_begins_from_what_others_wrote_even_if_nobody_heard_of_it() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (one, other) = (Replica::start(&url).await, Replica::start(&url).await);
    let api = serve(&one.app, "api", true).await.value.rest_api.id;
    // The other has heard nothing of this; its own change still contains it.
    let version = serve(&other.app, "another", true).await.version;
    assert_eq!(version, Version(3));
    assert!(is_published(&other.app, api.as_str(), "v1"));
    let mut previous = version;
    for round in 0..10 {
        let replica = if round % 2 == 0 { &one } else { &other };
        let next = replica.describe(api.as_str(), &round.to_string()).await.unwrap();
        assert!(next > previous, "{next} behind {previous}");
        previous = next;
    }
    let stored = one.store.read().await.unwrap().published().await.unwrap();
    assert_eq!((stored.version, stored.root_hash), (previous, Some(other.app.newest().manifest.root_hash)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_on_three_replicas_lose_no_update_and_no_version_is_given_twice() {
    const CHANGES: usize = 10;
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Arc::new(Replica::following(&url).await));
    }
    let api = serve(&replicas[0].app, "shared", true).await.value.rest_api.id;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let (replica, api) = (Arc::clone(&replicas[writer % 3]), api.clone());
            tokio::spawn(async move {
                let mut versions = Vec::new();
                for change in 0..CHANGES {
                    loop {
                        let stored = replica.app.rest_api(&api).await.unwrap();
                        let add = |api: &mut RestApi| api.description.push_str(&format!("{writer}-{change};"));
                        match replica.app.update_rest_api(&api, stored.revision, add).await {
                            Ok(written) => break versions.push(written.version),
                            Err(Error::Stale(_)) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
                versions
            })
        })
        .collect();
    let mut versions = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted_by(|a, b| a < b), "{own:?}");
        versions.extend(own);
    }
    let different: BTreeSet<_> = versions.iter().copied().collect();
    assert_eq!(different.len(), 6 * CHANGES, "every change has a version of its own");
    let stored = replicas[1].app.rest_api(&api).await.unwrap();
    assert_eq!(stored.description.matches(';').count(), 6 * CHANGES, "no update is lost");
    let newest = *different.last().unwrap();
    for replica in &replicas {
        replica.reach(newest).await;
        assert_eq!(replica.app.newest().manifest, replicas[0].app.newest().manifest);
    }
}

#[tokio::test]
async fn a_version_that_nobody_told_is_found_by_looking() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let replica = Replica::following(&url).await;
    let one = Replica::start(&url).await;
    let before = serve(&one.app, "api", true).await.version;
    replica.reach(before).await;
    // By hand, as nobody should: no notification, and nothing said about what changed.
    server.sql(Postgres::name(&url), "UPDATE publication SET version = version + 5");
    replica.reach(Version(before.0 + 5)).await;
    assert_eq!(replica.app.newest().manifest.root_hash, one.app.newest().manifest.root_hash);
}

#[tokio::test]
async fn a_database_that_went_back_does_not_take_the_versions_back() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (writer, replica) = (Replica::start(&url).await, Replica::following(&url).await);
    for title in ["a", "b", "c"] {
        serve(&writer.app, title, true).await;
    }
    let seen = writer.version();
    replica.reach(seen).await;
    // A standby that had not heard everything takes over.
    server.sql(
        Postgres::name(&url),
        "DELETE FROM stages; UPDATE publication SET version = 2, root_hash = '\\x00'; DELETE FROM publication_changes",
    );
    replica.reach(Version(seen.0 + 1)).await;
    assert!(replica.app.newest().manifest.bundles.is_empty(), "what is stored counts");
    let next = serve(&writer.app, "d", true).await.version;
    assert!(next > Version(seen.0 + 1), "{next}");
    assert_eq!(writer.app.newest().manifest.bundles.len(), 1);
}

#[tokio::test]
async fn what_another_release_publishes_otherwise_is_left_to_that_release() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let replica = Replica::following(&url).await;
    let served = serve(&replica.app, "api", true).await;
    let strange = "UPDATE publication SET version = version + 1, root_hash = decode(repeat('09', 32), 'hex')";
    server.sql(Postgres::name(&url), strange);
    let refused = replica.describe(served.value.rest_api.id.as_str(), "new").await;
    let Err(Error::FailedPrecondition(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("another release"), "{text}");
    assert_eq!(replica.version(), served.version, "its nodes serve on");
    let compiled = replica.app.compile_count();
    assert!(replica.describe(served.value.rest_api.id.as_str(), "new").await.is_err());
    assert_eq!(replica.app.compile_count(), compiled, "it is not tried again and again");
    // Whoever starts later takes over, and the older one follows again if it can.
    let newer = Replica::start(&url).await;
    assert_eq!(newer.version(), Version(served.version.0 + 2));
    replica.reach(newer.version()).await;
    replica.describe(served.value.rest_api.id.as_str(), "new").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_writes_at_a_time_and_readers_do_not_wait() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (one, other) = (Replica::start(&url).await, Replica::start(&url).await);
    let held = one.store.begin().await.unwrap();
    let app = other.app.clone();
    let waiting = tokio::spawn(async move { serve(&app, "api", true).await.version });
    let blocked = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = std::time::Instant::now() + BOUND;
    while server.sql(Postgres::name(&url), blocked).trim() != "1" {
        assert!(!waiting.is_finished(), "two wrote at a time");
        assert!(std::time::Instant::now() < deadline, "the second writer must wait for a lock");
    }
    assert_eq!(other.app.rest_apis(None, "", 10).await.unwrap(), []);
    drop(held);
    assert_eq!(waiting.await.unwrap(), Version(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_falls_silent_costs_each_call_its_bound_and_comes_back() {
    let Some(server) = Postgres::start() else { return };
    let replica = Replica::following(&server.database()).await;
    let served = serve(&replica.app, "api", true).await;
    server.freeze();
    let calls = async {
        let read = replica.app.rest_apis(None, "", 10).await;
        assert!(matches!(&read, Err(Error::Unavailable(text)) if text.contains("cannot be reached")), "{read:?}");
        let request = import(document("b", "http://up.test/", &["/b"]), Some(v1(true)));
        let write = replica.app.import_rest_api(request).await.map(|written| written.version);
        assert!(matches!(&write, Err(Error::Unavailable(text)) if text.contains("cannot be reached")), "{write:?}");
    };
    let answered = tokio::time::timeout(BOUND, calls).await;
    server.thaw();
    answered.expect("silence is bounded");
    assert_eq!(replica.version(), served.version);
    let next = serve(&replica.app, "c", true).await.version;
    assert!(next > served.version);
    assert!(replica.app.rest_apis(None, "", 10).await.unwrap().len() >= 2);
}
