//! Backups: one consistent state, restorable into either database, and nothing else is.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use async_trait::async_trait;
use bytes::Bytes;
use penstock_control_plane::app::{App, Error, Restored, Sink, Source, StageSpec, Written};
use penstock_control_plane::backup::{Counts, FORMAT, Header, Item, Reader, Record, Writer};
use penstock_control_plane::store::postgres::PostgresStore;
use penstock_model::deployment::CanarySettings;
use penstock_model::domain::DomainName;
use penstock_model::id::Revision;
use penstock_model::number::Number;
use penstock_model::rest_api::RestApi;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::postgres::Postgres;
use support::{Ticking, World, document, import, is_published, serve, v1, violated};

/// Takes a backup into memory.
#[derive(Default)]
struct Memory(Vec<u8>);

#[async_trait]
impl Sink for Memory {
    async fn put(&mut self, piece: Bytes) -> Result<(), Error> {
        self.0.extend_from_slice(&piece);
        Ok(())
    }
}

/// Gives one out of memory, in pieces.
struct Pieces<'a>(std::slice::Chunks<'a, u8>);

#[async_trait]
impl Source for Pieces<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        Ok(self.0.next().map(Bytes::copy_from_slice))
    }
}

async fn backup(app: &App) -> Vec<u8> {
    let mut memory = Memory::default();
    app.backup(&mut memory).await.unwrap();
    memory.0
}

async fn restore(app: &App, file: &[u8], replace: bool) -> Result<Written<Restored>, Error> {
    app.restore(replace, &mut Pieces(file.chunks(1_000))).await
}

fn read(file: &[u8]) -> (Header, Vec<Record>) {
    let (mut reader, mut header, mut records) = (Reader::default(), None, Vec::new());
    reader.push(file);
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Header(first) => header = Some(first),
            Item::Record(record) => records.push(*record),
        }
    }
    reader.finish().unwrap();
    (header.unwrap(), records)
}

/// Everything that there can be: drafts, deployments by hand and by themselves, a canary, domains and mappings.
async fn fill(app: &App) {
    for number in 0..30 {
        let api = serve(app, &format!("api {number}"), number % 2 == 0).await.value.rest_api.id;
        for text in ["one", "two", "three"].iter().take(number % 4) {
            app.update_rest_api(&api, Revision(0), |api| (*text).clone_into(&mut api.description)).await.unwrap();
        }
    }
    let stage = StageSpec { domain_name: "*".into(), base_path: "shop".into(), ..v1(false) };
    let shop = app.import_rest_api(import(document("shop", "http://up.test/", &["/a", "/b/{c}"]), Some(stage)));
    let shop = shop.await.unwrap().value.rest_api.id;
    let canary = CanarySettings { percent_traffic: Number::new(10.0).unwrap(), ..CanarySettings::default() };
    app.create_canary_deployment(&shop, Some("v1".into()), "canary", canary).await.unwrap();
    app.create_domain_name(DomainName { domain_name: "example.com".into(), ..DomainName::default() }).await.unwrap();
    app.create_rest_api(RestApi { name: "draft \u{e4}\n\"".into(), ..RestApi::default() }).await.unwrap();
}

async fn on_postgres(url: &str) -> App {
    let store = Arc::new(PostgresStore::open(url).await.unwrap());
    App::start(store, Arc::new(Ticking::default())).await.unwrap()
}

#[tokio::test]
async fn a_backup_goes_through_both_databases_and_comes_back_the_same() {
    let origin = World::new().await;
    fill(&origin.app).await;
    let file = backup(&origin.app).await;
    let (header, records) = read(&file);
    assert_eq!(header.version, origin.version());
    assert_eq!(header.root_hash, origin.app.newest().manifest.root_hash.to_string());

    let mut apps = vec![];
    let mut files = vec![file];
    let middle = Postgres::shared().map(Postgres::database);
    if let Some(url) = &middle {
        apps.push(on_postgres(url).await);
    }
    let last = World::new().await;
    apps.push(last.app.clone());
    for app in &apps {
        let restored = restore(app, files.last().unwrap(), false).await.unwrap();
        assert_eq!(restored.value.root_hash, origin.app.newest().manifest.root_hash);
        assert_eq!(app.newest().manifest.root_hash, origin.app.newest().manifest.root_hash);
        assert_eq!(app.newest().version, restored.version);
        let mut counts = Counts::default();
        records.iter().for_each(|record| counts.add(record));
        assert_eq!(restored.value.counts, counts);
        files.push(backup(app).await);
        let (again, same) = read(files.last().unwrap());
        assert_eq!(same, records);
        assert!(again.version > header.version + 1_000, "nodes that saw versions behind the backup take it");
    }
    // It is alive: what was restored can be changed, and is still there after a restart.
    let api = last.app.rest_apis(Some("api 0"), "", 1).await.unwrap().remove(0);
    let before = last.version();
    last.app.update_rest_api(&api.id, Revision(0), |api| api.description = "four".into()).await.unwrap();
    assert_eq!(last.version(), before + 1);
    drop(apps);
    let last = last.restart().await;
    assert_eq!(last.version(), before + 1);
    assert_eq!(read(&backup(&last.app).await).1.len(), records.len() + 1, "and a deployment more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_writes_is_one_state_and_holds_nobody_up() {
    let world = World::new().await;
    let mut apps = vec![world.app.clone()];
    if let Some(server) = Postgres::shared() {
        apps.push(on_postgres(&server.database()).await);
    }
    for app in apps {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (app, stop) = (app.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut written = 0;
                    while !stop.load(Ordering::SeqCst) {
                        // API, deployment, stage and mapping in one change.
                        let title = format!("{writer}-{written}");
                        let stage = StageSpec { domain_name: "*".into(), base_path: title.clone(), ..v1(true) };
                        let document = document(&title, "http://up.test/", &["/a"]);
                        app.import_rest_api(import(document, Some(stage))).await.unwrap();
                        written += 1;
                    }
                    written
                })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for round in 1..=5 {
            let mut publications = app.publisher().subscribe();
            publications.wait_for(|published| published.newest.version.0 > round * 10).await.unwrap();
            let (header, records) = read(&backup(&app).await);
            let mut counts = Counts::default();
            records.iter().for_each(|record| counts.add(record));
            let each = [counts.deployments, counts.stages, counts.base_path_mappings, header.version - 1];
            assert_eq!(each, [counts.rest_apis; 4], "all of every change, or nothing of it");
            seen.insert(header.version);
        }
        stop.store(true, Ordering::SeqCst);
        let mut written = 0;
        for writer in writers {
            written += writer.await.unwrap();
        }
        assert!(written > 50, "{written} writes went on");
        assert_eq!(seen.len(), 5, "{seen:?}");
    }
}

#[tokio::test]
async fn a_store_that_holds_something_is_replaced_only_when_asked() {
    let (origin, target) = (World::new().await, World::new().await);
    fill(&origin.app).await;
    let file = backup(&origin.app).await;
    let old = serve(&target.app, "old", true).await.value.rest_api.id;
    let before = (target.version(), backup(&target.app).await);
    let refused = restore(&target.app, &file, false).await;
    assert!(matches!(&refused, Err(Error::FailedPrecondition(_))), "{refused:?}");
    assert_eq!((target.version(), read(&backup(&target.app).await).1), (before.0, read(&before.1).1));

    let restored = restore(&target.app, &file, true).await.unwrap();
    assert!(restored.version.0 > before.0);
    assert!(!is_published(&target.app, old.as_str(), "v1"));
    assert_eq!(target.app.newest().manifest.root_hash, origin.app.newest().manifest.root_hash);
    // And once more: versions never go back, wherever the file comes from.
    let again = restore(&target.app, &file, true).await.unwrap();
    assert!(again.version > restored.version);
}

#[tokio::test]
async fn what_is_no_whole_backup_changes_nothing() {
    let (origin, world) = (World::new().await, World::new().await);
    fill(&origin.app).await;
    let file = backup(&origin.app).await;
    let mut targets = vec![world.app.clone()];
    if let Some(server) = Postgres::shared() {
        targets.push(on_postgres(&server.database()).await);
    }
    let mut changed = file.clone();
    let at = changed.len() / 2;
    changed[at] ^= 1;
    let (header, mut records) = read(&file);
    let twice = rewrite(&header, &[&records[..], &records[..1]].concat());
    let without = records.iter().position(|record| matches!(record, Record::RestApi(_))).unwrap();
    records.remove(without);
    let orphans = rewrite(&header, &records);
    for app in targets {
        serve(&app, "old", true).await;
        let before = read(&backup(&app).await);
        for (bytes, reason) in [
            (&file[..file.len() - 1], "cut off"),
            (&file[..file.len() / 3], "cut off"),
            (&[][..], "no backup"),
            (b"SQLite format 3\0\n", "no backup"),
            (&changed[..], "the backup"),
            (&twice[..], "was there already"),
            (&orphans[..], "is not there"),
        ] {
            let refused = violated(restore(&app, bytes, true).await.unwrap_err());
            assert!(refused[0].1.contains(reason), "{refused:?} for {reason}");
            let (now, same) = read(&backup(&app).await);
            assert_eq!((now.version, now.root_hash), (before.0.version, before.0.root_hash.clone()));
            assert_eq!(same, before.1);
        }
    }
}

fn rewrite(header: &Header, records: &[Record]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &Header { penstock_backup: FORMAT, ..header.clone() }).unwrap();
    for record in records {
        writer.record(&mut file, record).unwrap();
    }
    writer.end(&mut file).unwrap();
    file
}

#[tokio::test]
async fn two_backups_at_a_time_and_a_third_is_sent_away() {
    /// Takes nothing until it is let go.
    struct Stuck(tokio::sync::oneshot::Receiver<()>);

    #[async_trait]
    impl Sink for Stuck {
        async fn put(&mut self, _: Bytes) -> Result<(), Error> {
            // Whoever holds the other end lets go by dropping it.
            let _ = (&mut self.0).await;
            Err(Error::Unavailable("gone".to_owned()))
        }
    }

    let world = World::new().await;
    let mut held = Vec::new();
    let mut running = Vec::new();
    for _ in 0..2 {
        let (hold, stuck) = tokio::sync::oneshot::channel();
        held.push(hold);
        let app = world.app.clone();
        let mut making = Box::pin(async move { app.backup(&mut Stuck(stuck)).await });
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(making.as_mut().poll(cx).is_pending())).await);
        running.push(making);
    }
    let third = world.app.backup(&mut Memory::default()).await;
    assert!(matches!(third, Err(Error::Unavailable(_))), "{third:?}");
    // Writers do not notice.
    serve(&world.app, "api", true).await;
    drop(held);
    for making in running {
        assert!(making.await.is_err());
    }
    backup(&world.app).await;
}
