//! What is special about a file: who may open it, in which state, and how it grows older.

use super::super::session::encode;
use super::*;
use penstock_model::deployment::Stage;
use penstock_model::id::Revision;
use penstock_model::rest_api::RestApi;
use sqlx::migrate::Migrator;
use std::io::{Seek as _, SeekFrom, Write as _};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("there is room for a directory")
}

fn api(id: &str) -> RestApi {
    RestApi { id: id.into(), name: "name".into(), revision: Revision::FIRST, ..RestApi::default() }
}

async fn insert(store: &SqliteStore, id: &str) {
    let mut tx = store.begin().await.unwrap();
    tx.insert_rest_api(&api(id)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn file(directory: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(directory.path().join(FILE_NAME)).create_if_missing(true);
    pool(1).connect_with(options).await.unwrap()
}

#[tokio::test]
async fn a_second_control_plane_is_kept_away_until_the_first_is_gone() {
    let directory = directory();
    let first = SqliteStore::open(directory.path()).await.unwrap();
    let second = SqliteStore::open(directory.path()).await;
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    first.close().await;
    drop(first);
    SqliteStore::open(directory.path()).await.unwrap();
}

#[tokio::test]
async fn what_is_acknowledged_is_flushed_and_references_are_checked() {
    let directory = directory();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let pragma = async |name: &'static str| -> i64 { sqlx::query_scalar(name).fetch_one(&store.writer).await.unwrap() };
    assert_eq!(pragma("PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(pragma("PRAGMA foreign_keys").await, 1);
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.writer).await.unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn readers_cannot_write() {
    let directory = directory();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let write = sqlx::query("DELETE FROM rest_apis").execute(&store.readers).await;
    assert!(write.is_err());
}

#[tokio::test]
async fn an_old_file_is_brought_to_the_newest_format_and_keeps_its_objects() {
    let directory = directory();
    let old = file(&directory).await;
    let first = Migrator::with_migrations(migrator(&MIGRATIONS).iter().take(1).cloned().collect());
    first.run(&old).await.unwrap();
    let insert = sqlx::query("INSERT INTO rest_apis (id, name, revision, body) VALUES ('a', 'name', 1, $1)");
    insert.bind(encode(&api("a")).unwrap()).execute(&old).await.unwrap();
    old.close().await;

    let store = SqliteStore::open(directory.path()).await.unwrap();
    let mut reads = store.read().await.unwrap();
    assert_eq!(reads.rest_api(&"a".into()).await.unwrap(), Some(api("a")));
    assert_eq!(reads.published().await.unwrap().version.0, 0);
    assert_eq!(reads.stages(("", ""), 10).await.unwrap(), []);
}

#[tokio::test]
async fn stages_from_before_canaries_stay_with_their_references() {
    let directory = directory();
    let old = file(&directory).await;
    let before = Migrator::with_migrations(migrator(&MIGRATIONS).iter().take(5).cloned().collect());
    before.run(&old).await.unwrap();
    let stage = Stage {
        rest_api_id: "a".into(),
        stage_name: "v1".into(),
        deployment_id: "d".into(),
        revision: Revision(4),
        ..Stage::default()
    };
    for statement in [
        "INSERT INTO rest_apis (id, name, revision, body) VALUES ('a', 'name', 1, '{}')",
        "INSERT INTO deployments (rest_api_id, id, number, automatic, body, snapshot) VALUES ('a', 'd', 1, 1, '{}', '{}')",
    ] {
        sqlx::query(statement).execute(&old).await.unwrap();
    }
    let insert = "INSERT INTO stages (rest_api_id, stage_name, deployment_id, revision, body) \
                  VALUES ('a', 'v1', 'd', 4, $1)";
    sqlx::query(insert).bind(encode(&stage).unwrap()).execute(&old).await.unwrap();
    old.close().await;

    let store = SqliteStore::open(directory.path()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.stage(&"a".into(), &"v1".into()).await.unwrap().as_ref(), Some(&stage));
    let held = tx.delete_deployment(&"a".into(), &"d".into()).await;
    assert!(matches!(held, Err(StoreError::Reference)), "{held:?}");
    tx.update_stage(&Stage { revision: Revision(5), ..stage }).await.unwrap();
    tx.delete_rest_api(&"a".into()).await.unwrap();
    assert_eq!(tx.stages(("", ""), 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_by_number() {
    let directory = directory();
    SqliteStore::open(directory.path()).await.unwrap().close().await;
    let raw = file(&directory).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'from the future', 1, x'00', 0)";
    sqlx::query(newer).execute(&raw).await.unwrap();
    raw.close().await;
    let opened = SqliteStore::open(directory.path()).await;
    assert!(matches!(opened, Err(StoreError::NewerFormat { migration: 99 })), "{opened:?}");
}

#[tokio::test]
async fn a_file_of_another_edition_is_refused_by_number() {
    let directory = directory();
    SqliteStore::open(directory.path()).await.unwrap().close().await;
    let raw = file(&directory).await;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 2").execute(&raw).await.unwrap();
    raw.close().await;
    let opened = SqliteStore::open(directory.path()).await;
    assert!(matches!(opened, Err(StoreError::AlteredFormat { migration: 2 })), "{opened:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = directory();
    fs::write(
        directory.path().join(FILE_NAME),
        "this is a letter, and a longer one than a header would be. ".repeat(99),
    )
    .unwrap();
    let opened = SqliteStore::open(directory.path()).await;
    assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{opened:?}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let directory = directory();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    for number in 0..200 {
        insert(&store, &format!("{number:010}")).await;
    }
    store.close().await;
    drop(store);
    let mut file = File::options().write(true).open(directory.path().join(FILE_NAME)).unwrap();
    let length = file.metadata().unwrap().len();
    for page in 1..length / 4_096 {
        file.seek(SeekFrom::Start(page * 4_096)).unwrap();
        file.write_all(&[0xa5; 64]).unwrap();
    }
    drop(file);
    let opened = SqliteStore::open(directory.path()).await;
    assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{opened:?}");
}

#[tokio::test]
async fn an_object_that_cannot_be_read_says_what_it_was() {
    let directory = directory();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    insert(&store, "a").await;
    sqlx::query("UPDATE rest_apis SET body = '{\"fidelity\":\"BETTER\"}'").execute(&store.writer).await.unwrap();
    let read = store.read().await.unwrap().rest_api(&"a".into()).await;
    assert!(matches!(&read, Err(StoreError::Corrupt { what, .. }) if what == "an API"), "{read:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_one_write_and_not_every_later_one() {
    let directory = directory();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    insert(&store, "a").await;
    // SQLite ends the whole transaction by itself here, behind the back of who counts them.
    sqlx::query("PRAGMA max_page_count = 1").execute(&store.writer).await.unwrap();
    let big = RestApi { description: "x".repeat(100_000), ..api("b") };
    let mut tx = store.begin().await.unwrap();
    let written = tx.insert_rest_api(&big).await;
    assert!(matches!(written, Err(StoreError::Full(_))), "{written:?}");
    drop(tx);

    insert(&store, "c").await;
    let apis = store.read().await.unwrap().rest_apis(None, "", 10).await.unwrap();
    assert_eq!(apis.iter().map(|api| api.id.to_string()).collect::<Vec<_>>(), ["a", "c"]);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let directory = directory();
    let path = directory.path().join("file");
    fs::write(&path, "").unwrap();
    let opened = SqliteStore::open(&path.join("below")).await;
    assert!(matches!(opened, Err(StoreError::Directory { .. })), "{opened:?}");
}

#[tokio::test]
async fn the_migrations_are_all_there_and_in_order() {
    assert_eq!(migrations::numbers_in("sqlite"), MIGRATIONS.map(|(number, _, _)| number));
}
